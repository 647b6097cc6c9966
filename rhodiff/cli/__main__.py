"""``python -m rhodiff.cli`` is ``rhodiff-hpc``."""

from rhodiff.cli.app import main

main()
