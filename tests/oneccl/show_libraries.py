"""``python show_libraries.py FOLDER WORDS...``: rhodiff-hpc; at its end it writes down what files it had mapped."""

import atexit
import os
import sys
from pathlib import Path

from rhodiff.cli.app import main

path = Path(sys.argv.pop(1)) / f"maps-{os.getpid()}.txt"
atexit.register(lambda: path.write_text(Path("/proc/self/maps").read_text()))
main()
