#!/usr/bin/env bash
# Make an environment with oneCCL and Intel MPI over another one, whose packages (torch, rhodiff) it uses; done before:
# nothing. mpich, which the other tests use, and impi-rt do not go into one environment: here each has its own folder.
#   tests/oneccl/setup_environment.sh FOLDER [PYTHON]     prints its interpreter; PYTHON is that of the other environment
set -euo pipefail
folder=${1:?"usage: $0 FOLDER [PYTHON] (FOLDER: where the environment goes)"}
base=${2:-python3}
packages=(oneccl-cpu==2021.16.2 oneccl-cpu-devel==2021.16.2 impi-rt==2021.18.1)  # the extra 'oneccl'; a test compares
mkdir -p "$(dirname "$folder")"
exec 9>"$folder.lock"
if command -v flock >/dev/null; then flock 9; fi

below=$("$base" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
made="${packages[*]} over $below"
if [ "$(cat "$folder/made.txt" 2>/dev/null)" != "$made" ]; then
  "$base" -m venv --clear --without-pip "$folder" 9>&-
  own=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  echo "import site; site.addsitedir('$below')" >"$own/below.pth"  # its .pth files too: rhodiff may be a checkout
  "$base" -m pip --python "$folder/bin/python" install --quiet --disable-pip-version-check --no-deps \
    --only-binary :all: --ignore-installed "${packages[@]}" >&2 9>&-
  rm -f "$folder"/lib/libccl.a "$folder"/lib/ccl/cpu/lib/libccl.a  # 250 MB that nothing is linked with
  echo "$made" >"$folder/made.txt"
fi
echo "$folder/bin/python"
