"""``llmstep ps``, ``stop`` and ``logs``: the engine that serves all files and editors."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from llmstep.runtime.control import ask_engine, forget_casualties, list_logs, list_places
from llmstep.runtime.notes import read_death
from llmstep.runtime.place import NoPlaceError

T = TypeVar("T")

_STOP_S = 15.0
_POLL_S = 0.2


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def ps(as_json: bool) -> None:
    """Show the engine, the models in its memory, and who is connected."""
    reports = [ask_engine(place, "describe") for place in _look_for(list_places)]
    running = [report.values for report in reports if report.values]
    if as_json:
        click.echo(json.dumps(running, ensure_ascii=False, indent=2))
        return
    for report in reports:
        if report.values:
            click.echo(describe(report.values))
            continue
        death = read_death(report.place.death)
        why = death.cause if death else report.problem
        click.echo(f"no engine at {report.place.socket}: {why}")
    if not reports:
        click.echo("No engine is running; `llmstep serve` starts one when a client comes.")


@click.command()
@click.option("--forget", is_flag=True, help="Let work be tried again that has ended engines.")
def stop(forget: bool) -> None:
    """End the engine, once what it is at is answered; the next question starts it anew."""
    places = _look_for(list_places)
    stopping = [place for place in places if ask_engine(place, "stop").values]
    if forget:
        forget_casualties()
    deadline = time.monotonic() + _STOP_S
    for place in stopping:
        while ask_engine(place, "describe").values and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    click.echo(f"{len(stopping)} stopped." if stopping else "No engine is running.")


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
@click.option("-n", "--lines", "count", type=click.IntRange(0), default=100, show_default=True)
def logs(follow: bool, count: int) -> None:
    """Print what the engine has written: loads, connections, and what went wrong."""
    paths = _look_for(list_logs)
    if not paths:
        click.echo("No engine has written anything yet.", err=True)
        return
    with open(paths[-1], encoding="utf-8", errors="replace") as file:
        click.echo("".join(file.readlines()[-count:] if count else ""), nl=False)
        try:
            while follow:
                if line := file.readline():
                    click.echo(line, nl=False)
                    sys.stdout.flush()
                else:
                    time.sleep(_POLL_S)
        except KeyboardInterrupt:
            return


def describe(values: dict[str, Any]) -> str:
    """One engine for a person."""
    clients, models, queue = values["connections"], values["models"], values["queue"]
    lines = [
        f"engine {values['pid']}, version {values['version']}, up {_time(values['upSeconds'])}, "
        f"{values['rssBytes'] / 1e6:.0f} MB; {queue['running']} running, {queue['waiting']} "
        f"waiting; stays {values['keepAliveMinutes']:g} min without a client"
    ]
    for model in models:
        idle = f", unused for {_time(model['idleSeconds'])}" if model["state"] == "ready" else ""
        lines.append(f"  model  {model['model']} ({model['backend']}): {model['state']}{idle}")
    for client in clients:
        lines.append(
            f"  client {client['client'] or 'not greeted yet'}: front {client['frontPid']}, "
            f"{client['open']} open, connected for {_time(client['connectedSeconds'])}"
        )
    return "\n".join(lines)


def _look_for(find: Callable[[], list[T]]) -> list[T]:
    try:
        return find()
    except (NoPlaceError, OSError) as error:
        raise click.ClickException(f"there is no runtime folder: {error}") from error


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
