#!/usr/bin/env bash
# Make the environment of the packages that rhodiff is timed against. They never enter rhodiff's own environment.
#   tests/bench/setup_peers.sh FOLDER
# torchvision, which one of them imports for its data loader alone, is left out: the timed process stubs it.
set -euo pipefail
folder=${1:?"usage: $0 FOLDER (where the environment goes)"}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --requirement "$here/peers-requirements.txt"
"$folder/bin/python" -m pip install --quiet --no-deps denoising-diffusion-pytorch==2.3.4
# Pylians compiles itself; without a compiler the benchmark of power spectra goes without it
"$folder/bin/python" -m pip install --quiet Pylians==0.12 || echo "Pylians cannot be installed here; left out" >&2
"$folder/bin/python" -c "import torch, diffusers, einops; print('peers ready: torch', torch.__version__)"
