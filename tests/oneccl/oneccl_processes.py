"""Processes of the tests' fork server as processes of the environment with oneCCL."""

import os
import sys
from multiprocessing.util import Finalize
from pathlib import Path

from rhodiff.runtime.oneccl.extension import CACHE_VARIABLE


def enter_environment(python: str) -> None:
    """Have this process find oneCCL's packages and the compiled process group of that environment."""
    home = Path(python).parent.parent
    (packages,) = home.glob("lib/python*/site-packages")
    sys.path.insert(0, str(packages))
    os.environ[CACHE_VARIABLE] = str(home / "share" / "rhodiff")
    os.environ.pop("CCL_ROOT", None)


def enter_and_show_libraries(python: str, folder: str) -> None:
    """The same; at its end the process writes down which files it had mapped."""
    enter_environment(python)
    path = Path(folder) / f"maps-{os.getpid()}.txt"
    Finalize(None, lambda: path.write_text(Path("/proc/self/maps").read_text()), exitpriority=0)
