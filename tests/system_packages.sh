#!/usr/bin/env bash
# Install what tests need beside Python packages, where that is possible: as root, on a system with apt.
#   btrfs-progs: a file system with real quotas (the kernel may lack those of ext4 and tmpfs)
#   g++:         torch.compile
#   Slurm:       a cluster on this machine; slurm/cluster/up.sh knows its packages
# Elsewhere the tests that need them are skipped and say why.
set -euo pipefail
missing=()
command -v mkfs.btrfs >/dev/null || [ -x /usr/sbin/mkfs.btrfs ] || missing+=(btrfs-progs)
command -v g++ >/dev/null || missing+=(g++)
may_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }
install() {
  [ ${#missing[@]} -eq 0 ] && return 0
  may_install && apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
may_install && { "$(dirname "$0")/slurm/cluster/up.sh" packages || echo "tests on a Slurm cluster will fail" >&2; }
install || echo "tests that need ${missing[*]} will be skipped: install them to run these too" >&2
