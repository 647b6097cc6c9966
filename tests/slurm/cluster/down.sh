#!/bin/bash
# down.sh              stop everything up.sh started and remove its files, namespaces and bridge
# down.sh node K ...   "power off" nodes: SIGKILL of the node's init, every process in it dies at once
# down.sh slurmctld    stop the controller in an orderly way, its state is kept; also: slurmdbd
set -uo pipefail
. "$(dirname "$0")/settings.sh"
stop() { local f=$R/pid/$1 sig=$2 p i; [ -s "$f" ] || return 0; p=$(cat "$f")
  { tr '\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null | grep -q "$3" && { kill "-$sig" "$p" 2>/dev/null
    for ((i=0;i<100;i++)); do { [ -e "/proc/$p" ] && ! grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null; } || break; sleep 0.05; done; kill -9 "$p" 2>/dev/null; }
  rm -f "$f"; }
case ${1:-} in
  "") ;;
  node) shift; for k in "$@"; do stop "$P$k" KILL nodeinit; done; exit 0 ;;
  slurmctld | slurmdbd) stop "$1" TERM "$1"; exit 0 ;;
  *) say "unknown: $1 (allowed: node K ..., slurmctld, slurmdbd)"; exit 2 ;;
esac
stop slurmctld TERM slurmctld
for f in "$R"/pid/"$P"[0-9]*; do [ -e "$f" ] && stop "$(basename "$f")" KILL nodeinit; done
for n in $(ip netns list | awk -v p="^$P[0-9]+$" '$1 ~ p {print $1}'); do
  for p in $(ip netns pids "$n"); do kill -9 "$p" 2>/dev/null; done    # nothing should be left; be sure
  ip netns del "$n"; ip link del "v$n" 2>/dev/null; done
ip link del "${P}br0" 2>/dev/null
stop slurmdbd TERM slurmdbd; stop mariadbd TERM mariadbd; stop munged TERM munged
[ "${RHO_SLURM_KEEP:-0}" = 1 ] || rm -rf "$R"
exit 0
