"""``python -m llmstep``: the same as the ``llmstep`` command."""

import sys

if sys.version_info < (3, 11):
    # Nothing newer may stand above this line: an older Python has to get here.
    sys.exit(
        "llmstep needs Python 3.11 or newer and this is Python %d.%d: in a checkout run "
        "`python3 bootstrap.py setup`, which looks for a newer one." % sys.version_info[:2]
    )

from llmstep.cli import main

main()
