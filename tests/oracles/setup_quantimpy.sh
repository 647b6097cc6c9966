#!/usr/bin/env bash
# Make the environment of the real QuantImPy, which needs CPython 3.10; done before: nothing.
#   tests/oracles/setup_quantimpy.sh FOLDER     prints its interpreter; ends with 3 where no Python 3.10 is to be had
# Python 3.10 is looked for on PATH, under pyenv and uv, and among the system's packages where they may be installed.
set -euo pipefail
folder=${1:?"usage: $0 FOLDER (where the environment goes)"}
wanted=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/quantimpy-requirements.txt
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
if command -v flock >/dev/null; then flock 9; fi

is_usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10*/bin/python3.10 \
    "${XDG_DATA_HOME:-$HOME/.local/share}"/uv/python/cpython-3.10*/bin/python3.10; do
    is_usable "$candidate" && command -v "$candidate" && return 0
  done
  return 1
}

install_python() {
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null &&
    apt-cache show python3.10-venv >/dev/null 2>&1 &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3.10-venv >/dev/null
}

if ! cmp -s "$wanted" "$folder/installed.txt"; then
  python=$(find_python || { install_python && find_python; }) || {
    echo "no Python 3.10 was found on PATH, under pyenv or uv, or among the system's packages" >&2
    exit 3
  }
  "$python" -m venv --clear "$folder" 9>&-
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted" >&2 9>&-
  cp "$wanted" "$folder/installed.txt"
fi
echo "$folder/bin/python"
