import sys

from shaping.cli import main

sys.exit(main())
