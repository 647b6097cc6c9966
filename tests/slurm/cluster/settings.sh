# shellcheck shell=bash disable=SC2034
# What up.sh and down.sh share: the settings of a cluster, each from the environment, and what depends on them.
R=${RHO_SLURM_DIR:-/tmp/rhodiff-slurm}       # everything lives here
P=${RHO_SLURM_PREFIX:-rho}                   # node names rho1..rhoN, bridge ${P}br0; its own for every cluster
NET=${RHO_SLURM_SUBNET:-10.97.0}             # private to the bridge; its own for every cluster
PORTS=${RHO_SLURM_PORT_BASE:-16817}          # slurmctld, slurmd, slurmdbd, mariadbd: four ports from here
CLUSTER=${RHO_SLURM_CLUSTER:-rho}            # ClusterName
N=${RHO_SLURM_NODES:-4}                      # nodes
C=${RHO_SLURM_CPUS:-4}                       # CPUs declared per node (over-declared on purpose)
M=${RHO_SLURM_MEM:-4000}                     # MB declared per node
DBD=${RHO_SLURM_DBD:-1}                      # 1: slurmdbd + a private mariadbd, so that sacct and limits work
MAX_ARRAY=${RHO_SLURM_MAX_ARRAY:-1001}       # MaxArraySize
MAX_JOBS=${RHO_SLURM_MAX_JOBS:-10000}        # MaxJobCount
OWNER=${RHO_SLURM_OWNER:-}                   # a process: the cluster is taken down when it is gone
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CTLD_PORT=$PORTS NODE_PORT=$((PORTS+1)) DBD_PORT=$((PORTS+2)) SQL_PORT=$((PORTS+3))
export SLURM_CONF=$R/slurm.conf
PATH=$PATH:/usr/sbin:/sbin
say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
alive() { [ -s "$1" ] && [ -e "/proc/$(cat "$1")" ] && ! grep -q '^State:.Z' "/proc/$(cat "$1")/status" 2>/dev/null; }  # a zombie is dead
waitfor() { local s=$1; shift; local i; for ((i=0;i<s*20;i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
            say "timed out waiting for: $*"; return 1; }
