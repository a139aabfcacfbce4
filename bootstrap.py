#!/usr/bin/env python3
"""Sets llmstep up in .venv beside this file; without arguments it shows its commands.

This file runs on any Python since 2.7, to say what is missing or to find a newer one; the work is
done by sidecar/llmstep/install/checkout.py, and for `test` by development.py of the workshop, on
Python 3.11 or newer.
"""

import os
import subprocess
import sys

OLDEST = (3, 11)
HERE = os.path.dirname(os.path.abspath(__file__))
# "py -3" is the newest Python the Windows launcher knows.
NAMES = ("python3.13", "python3.12", "python3.11", "python3.14", "python3", "py")


def find(name):
    """Path of a program on the PATH, or None."""
    endings = os.environ.get("PATHEXT", ".EXE").split(os.pathsep) if os.name == "nt" else [""]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for ending in endings:
            path = os.path.join(folder, name + ending)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return None


def run(command):
    """Run a program to its end; its exit code, 1 where it cannot be started, 130 after Ctrl-C."""
    try:
        return subprocess.call(command)
    except OSError:
        return 1
    except KeyboardInterrupt:
        return 130


def is_new(command):
    """Whether this command is a Python that is new enough; a version manager's stand-in is none."""
    check = "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)
    try:
        process = subprocess.Popen(
            command + ["-c", check], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.communicate()
    except OSError:
        return False
    return process.returncode == 0


def run_newer_python(arguments):
    """Hand over to a newer Python on this machine, or say in one sentence what is missing."""
    here = "%d.%d" % sys.version_info[:2]
    script = [os.path.abspath(__file__)] + arguments
    for name in NAMES:
        found = find(name)
        command = [found, "-3"] if name == "py" else [found]
        if found and is_new(command):
            tell(sys.stdout, "Python %s is too old; going on with %s" % (here, found))
            return run(command + script)
    uv = find("uv")
    if uv:
        tell(sys.stdout, "Python %s is too old; going on with a newer one from uv" % here)
        return run([uv, "run", "--no-project", "--python", ">=3.11"] + script)
    tell(
        sys.stderr,
        "llmstep needs Python 3.11 or newer and this is Python %s: "
        "install a newer Python and run bootstrap.py with it." % here,
    )
    return 1


def tell(stream, text):
    """Print one line; print() is a statement on old Pythons."""
    stream.write(text + "\n")
    stream.flush()


def main(arguments):
    """Run one command; returns the exit code."""
    if sys.version_info < OLDEST:
        return run_newer_python(arguments)
    sys.path.insert(0, os.path.join(HERE, "sidecar"))
    if arguments[:1] == ["test"]:
        sys.path.insert(1, os.path.join(HERE, "sidecar", "workshop"))
        from llmstep_workshop import development

        return development.main(arguments[1:])
    from llmstep.install import checkout

    return checkout.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
