#!/bin/sh
# What is inside rhodiff's images: runs as root in the image's own root folder, by a definition's %post or by chroot.
#
#   setup.sh FOLDER [--torch-index URL] [--device xpu]
#
# FOLDER holds what 'rhodiff-hpc container build' put there: requirements.txt (with pins), rhodiff.zip (the package),
# and wheels/ where everything is to come from there and nothing from an index.
set -eu
folder=$1
shift
torch_index=
device_packages=
while [ $# -gt 0 ]; do
  case $1 in
    --torch-index) torch_index=$2 ;;
    --device)
      [ "$2" = xpu ] || {
        echo "setup.sh: --device is xpu, or left out for CPUs; got $2" >&2
        exit 2
      }
      device_packages="libze1 libze-intel-gpu1 intel-opencl-icd" # the driver's user-space part
      ;;
    *)
      echo "setup.sh: unknown option $1" >&2
      exit 2
      ;;
  esac
  shift 2
done
export DEBIAN_FRONTEND=noninteractive PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
home=/opt/rhodiff

if ! python3 -c 'import venv, ensurepip' 2>/dev/null || [ -n "$device_packages" ]; then
  apt-get update -qq
  # shellcheck disable=SC2086 # several names
  apt-get install -y -qq --no-install-recommends python3 python3-venv ca-certificates $device_packages >/dev/null
  rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
fi

python3 -m venv "$home/env"
pip="$home/env/bin/python -m pip install --quiet"
if [ -d "$folder/wheels" ]; then
  $pip --no-index --find-links "$folder/wheels" -r "$folder/requirements.txt"
else
  # torch first: the plain index has builds for other devices only
  [ -z "$torch_index" ] || $pip --index-url "$torch_index" "$(grep '^torch[=<>]' "$folder/requirements.txt")"
  $pip -r "$folder/requirements.txt"
fi

# The package by its last place on the path: the one that a submission has pinned goes before it.
rm -rf "$home/code"
mkdir -p "$home/code"
"$home/env/bin/python" -m zipfile -e "$folder/rhodiff.zip" "$home/code"
find "$home/code" -name '*.pyc' -delete
"$home/env/bin/python" -m compileall -q "$home/code"
for site in "$home"/env/lib/python3*/site-packages; do echo "$home/code" >"$site/rhodiff.pth"; done
printf '#!/bin/sh\nexec %s/env/bin/python -m rhodiff.cli "$@"\n' "$home" >"$home/env/bin/rhodiff-hpc"
chmod 755 "$home/env/bin/rhodiff-hpc"

# What is really there, for the labels of the image.
"$home/env/bin/python" - "$home/labels" <<'EOF'
import platform
import sys

import numpy
import torch

import rhodiff

labels = {
    "python": platform.python_version(),
    "torch": torch.__version__,
    "numpy": numpy.__version__,
    "mpi": "none",
}
try:
    import mpi4py

    mpi4py.rc(initialize=False, finalize=False)
    from mpi4py import MPI

    labels["mpi"] = " ".join(MPI.Get_library_version().splitlines()[0].split())
except (ImportError, RuntimeError):
    pass  # the image has none, and says so
assert rhodiff.__file__.startswith("/opt/rhodiff/code"), rhodiff.__file__
with open(sys.argv[1], "w") as file:  # not to stdout, where libraries of MPI write too
    file.writelines(f"rhodiff.{name} {value}\n" for name, value in labels.items())
EOF
