#!/usr/bin/env bash
# All tests. Those on the Slurm cluster mostly wait for it, so they run beside the others; their output comes last.
#   tests/run.sh PYTHON
set -uo pipefail
python=${1:?"usage: $0 PYTHON (of the environment with rhodiff[test])"}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
printed=$(mktemp)
"$python" -m pytest tests/slurm >"$printed" 2>&1 &
on_cluster=$!
trap 'kill "$on_cluster" 2>/dev/null; rm -f "$printed"' EXIT
"$python" -m pytest --ignore=tests/slurm
others=$?
wait "$on_cluster"
ended=$?
printf '\nTests on the Slurm cluster:\n'
cat "$printed"
[ "$others" -eq 0 ] && [ "$ended" -eq 0 ]
