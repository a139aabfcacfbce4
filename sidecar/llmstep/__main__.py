"""``python -m llmstep`` and the ``llmstep`` command.

``llmstep serve`` is started for every open file, so it goes its own, short way; everything else is
the command line's.
"""

import os
import sys

if sys.version_info < (3, 11):
    # Nothing newer may stand above this line: an older Python has to get here.
    sys.exit(
        "llmstep needs Python 3.11 or newer and this is Python %d.%d: in a checkout run "
        "`python3 bootstrap.py setup`, which looks for a newer one." % sys.version_info[:2]
    )


def main():  # no annotation: an older Python reads the file up to its end
    """Run the command."""
    from llmstep import environment

    if sys.argv[1:2] == ["serve"] and not os.environ.get(environment.IN_PROCESS):
        from llmstep.front.serve import NoFrontError, parse_arguments, serve

        try:
            options = parse_arguments(sys.argv[2:])
        except NoFrontError:
            pass  # help, a flag for people, or a mistake: the command line knows
        else:
            serve(options)
            return

    try:
        from llmstep.cli import main as run_command_line
    except KeyboardInterrupt:
        sys.exit(130)  # before there was anything to interrupt
    run_command_line()


if __name__ == "__main__":
    main()
