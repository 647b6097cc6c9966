"""An environment with the extra ``oneccl``, over that of the tests, with the process group compiled."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from rhodiff.runtime.oneccl.extension import CACHE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


@cache
def oneccl_interpreter() -> Path:
    """Its interpreter; made and compiled where that was not done before."""
    environment = {name: value for name, value in os.environ.items() if name not in {CACHE_VARIABLE, "CCL_ROOT"}}
    made = _run(
        [str(ROOT / "tests/oneccl/setup_environment.sh"), str(ROOT / ".venv-oneccl"), sys.executable], environment
    )
    compile_once = "from rhodiff.runtime.oneccl.backend import prepare_backend; prepare_backend()"
    _run([made, "-c", compile_once], environment)
    return Path(made)


def _run(words: list[str], environment: dict[str, str]) -> str:
    ended = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{ended.stderr}"
    return ended.stdout.strip()
