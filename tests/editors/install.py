"""Gets the editors of these tests that pip does not bring (standard library only).

    python tests/editors/install.py            packages of VS Code's client, into build/editors
    python tests/editors/install.py --system   also Emacs, by apt-get, as root on Debian or Ubuntu

What cannot be had is said in a line, and its tests are skipped with the reason; the exit code is 0.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build" / "editors"
NODE_PACKAGES = (
    "vscode-languageserver-protocol@3.18.5",
    "vscode-jsonrpc@10.0.0",
    "vscode-languageserver-types@3.18.5",
    "vscode-languageserver-textdocument@1.0.12",
)
EMACS_PACKAGES = ("emacs-nox", "elpa-lsp-mode")
# Where Emacs is too old to have it; newer systems do not know the package.
EGLOT_PACKAGE = "elpa-eglot"
LIMIT_SECONDS = 600


def main(arguments: list[str]) -> int:
    """Install what can be installed; returns 0."""
    install_node_packages()
    if "--system" in arguments:
        install_emacs()
    return 0


def install_node_packages() -> None:
    """Install the packages of VS Code's client, which are JavaScript alone."""
    stamp = FOLDER / "node.txt"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == "\n".join(NODE_PACKAGES):
        return
    npm = shutil.which("npm")
    if npm is None:
        tell("VS Code's client: npm is not installed")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    quiet = ["--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"]
    if run([npm, "install", f"--prefix={FOLDER}", *quiet, *NODE_PACKAGES], "VS Code's client"):
        stamp.write_text("\n".join(NODE_PACKAGES), encoding="utf-8")


def install_emacs() -> None:
    """Install Emacs and both its clients where nobody has to be asked."""
    if shutil.which("emacs"):
        return
    apt = shutil.which("apt-get")
    if apt is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        tell("Emacs: it is installed for root on Debian and Ubuntu only")
        return
    environ = {"DEBIAN_FRONTEND": "noninteractive"}
    run([apt, "-qq", "update"], "Emacs", environ)
    install = [apt, "-qq", "install", "-y", "--no-install-recommends"]
    if run([*install, *EMACS_PACKAGES], "Emacs", environ) and not has_eglot():
        run([*install, EGLOT_PACKAGE], "Emacs", environ)


def has_eglot() -> bool:
    """Whether Emacs brings eglot along, as it does since 29."""
    return run(["emacs", "-Q", "--batch", "--eval", "(require 'eglot)"], "Emacs without eglot")


def run(command: list[str], what: str, environ: dict[str, str] | None = None) -> bool:
    """Run a program quietly; says in one line that it failed."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=LIMIT_SECONDS,
            env={**os.environ, **(environ or {})},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        tell(f"{what}: {error}")
        return False
    if done.returncode:
        tell(f"{what}: {' '.join(command[:2])} failed: {done.stdout.strip()[-300:]}")
    return done.returncode == 0


def tell(line: str) -> None:
    """Print one line."""
    print(f"editors: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
