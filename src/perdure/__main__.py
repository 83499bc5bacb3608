"""``python -m perdure`` is the command ``perdure``. Nothing else is here."""

import sys

from perdure.cli import main

if __name__ == "__main__":
    sys.exit(main())
