"""``llmstep doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from llmstep import __version__, paths
from llmstep.doctor import CHECKS, Check, run_checks
from llmstep.user_files import make_private_folder, open_private


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--only", "names", multiple=True, help="Only the check of this name; repeatable.")
@click.option("--fix", "mend", is_flag=True, help="Install what is missing, then check.")
def doctor(as_json: bool, names: tuple[str, ...], mend: bool) -> None:
    """Find what is wrong and say how to mend it.

    Exit code 1 if anything failed; warnings alone give 0.
    """
    if unknown := sorted({*names} - {*CHECKS}):
        raise click.UsageError(f"no check {unknown[0]!r}; there are: {', '.join(CHECKS)}")
    if mend:
        from llmstep.console import Console
        from llmstep.errors import LLMStepError
        from llmstep.repair import fix

        try:
            fix(Console(sys.stderr, log=_open_log()))
        except LLMStepError as error:
            click.echo(f"not mended: {error.message}\n  {error.hint}", err=True)
    checks: list[Check] = []
    for check in run_checks(names):
        checks.append(check)
        if not as_json:
            show(check)
    failed = sum(check.status == "fail" for check in checks)
    if as_json:
        rows = [dataclasses.asdict(check) for check in checks]
        report = {"version": __version__, "ok": failed == 0, "checks": rows}
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
    else:
        warned = sum(check.status == "warn" for check in checks)
        click.echo(summarize(failed, warned))
    sys.exit(1 if failed else 0)


def show(check: Check) -> None:
    """Print one outcome, and under it what to do."""
    click.echo(f"{check.status:<5} {check.name:<10} {check.detail}")
    if check.cure:
        click.echo(f"      {'':<10} -> {check.cure}")


def summarize(failed: int, warned: int) -> str:
    """The last line: how many problems there are."""
    if not failed and not warned:
        return "All is well."
    parts = [f"{failed} failed"] if failed else []
    parts += [f"{warned} to look at"] if warned else []
    return ", ".join(parts) + "."


def _open_log() -> Path | None:
    log = paths.log_dir() / "install.log"
    try:
        make_private_folder(log.parent)
        open_private(log).close()
    except OSError:
        return None
    return log
