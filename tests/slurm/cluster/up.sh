#!/bin/bash
# up.sh               bring up a real multi-node Slurm cluster on this one machine (root).
#   no argument:      the whole cluster (idempotent: a running one is left as it is); prints the line to use it with
#   node K ...:       only (re)start node K after `down.sh node K`
#   slurmctld:        only (re)start the controller after `down.sh slurmctld`; also: slurmdbd
#   packages:         only install what is missing
# Each node is one slurmd in its own network + UTS + PID + mount namespace, so it has its own
# address, hostname and process table, and "power off" is one SIGKILL of its init.
set -euo pipefail
. "$(dirname "$0")/settings.sh"
trap 'say "failed in line $LINENO: $BASH_COMMAND (see $R/log)"' ERR

start_node() {  # start_node K
  local k=$1 n=$P$1
  alive "$R/pid/$n" && return 0
  mkdir -p "$R/spool/$n"
  setsid nsenter --net="/run/netns/$n" unshare --uts --ipc --pid --fork --kill-child --mount-proc bash -c '
      hostname "$1"; mount --bind "$2/hosts" /etc/hosts; mount --bind "$2/nsswitch.conf" /etc/nsswitch.conf; mount -t tmpfs -o size=4g tmpfs /dev/shm
      # a /sys that shows this node'"'"'s own network devices (UCX reads it), with the cgroup mounts kept
      mkdir -p "$2/cg"; mount --rbind /sys/fs/cgroup "$2/cg" && mount -t sysfs sysfs /sys && mount --rbind "$2/cg" /sys/fs/cgroup
      trap "exit 0" TERM
      slurmd -c -N "$1"
      while :; do sleep 3600 & wait $!; done' nodeinit "$n" "$R" \
      </dev/null >>"$R/log/init-$n.log" 2>&1 &
  echo $! >"$R/pid/$n"; disown
}

start_slurmctld() {
  alive "$R/pid/slurmctld" && return 0
  setsid slurmctld -D </dev/null >>"$R/log/slurmctld.out" 2>&1 & echo $! >"$R/pid/slurmctld"; disown
}

start_slurmdbd() {  # it reads slurmdbd.conf beside $SLURM_CONF
  alive "$R/pid/slurmdbd" && return 0
  setsid slurmdbd -D </dev/null >>"$R/log/slurmdbd.out" 2>&1 & echo $! >"$R/pid/slurmdbd"; disown
}

install_packages() {
  local need=(); have() { command -v "$1" >/dev/null 2>&1; }
  have slurmctld || need+=(slurmctld); have slurmd || need+=(slurmd); have sbatch || need+=(slurm-client)
  have munged || need+=(munge); have ip || need+=(iproute2)
  [ -e /usr/lib/x86_64-linux-gnu/libpmix.so.2 ] || need+=(libpmix2)
  if [ "$DBD" = 1 ]; then have slurmdbd || need+=(slurmdbd); have mariadbd || need+=(mariadb-server); fi
  [ ${#need[@]} -gt 0 ] || return 0
  say "apt-get install ${need[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${need[@]}"; } >/dev/null
}

case ${1:-} in
  "") ;;
  packages) install_packages; exit 0 ;;
  slurmctld) start_slurmctld; waitfor 30 scontrol show config; exit 0 ;;
  slurmdbd) start_slurmdbd; waitfor 30 sacctmgr -n show cluster; exit 0 ;;
  node)
    shift; for k in "$@"; do start_node "$k"; done
    for k in "$@"; do waitfor 30 bash -c "</dev/tcp/$NET.$((10+k))/$NODE_PORT"
      waitfor 30 bash -c "sinfo -h -n $P$k -o %t | grep -Eqx 'idle|mix|alloc'"; done
    exit 0 ;;
  *) say "unknown: $1 (allowed: node K ..., slurmctld, slurmdbd, packages)"; exit 2 ;;
esac

if alive "$R/pid/slurmctld" && scontrol ping 2>/dev/null | grep -q UP; then say "already up"; echo "export SLURM_CONF=$SLURM_CONF"; exit 0; fi
[ -e "$R" ] && "$HERE/down.sh" >/dev/null 2>&1 || true

# 1. packages --------------------------------------------------------------------------------
install_packages

# the pmix plugin dlopens .../pmix2/lib/libpmix.so, which only libpmix-dev ships
d=/usr/lib/x86_64-linux-gnu/pmix2/lib; [ -e $d/libpmix.so ] || { [ -d $d ] && ln -s libpmix.so.2 $d/libpmix.so; } || true

# 2. files -----------------------------------------------------------------------------------
mkdir -p "$R"/{cg,state,spool,log,pid,munge,dev,archive}; chmod 755 "$R" "$R/munge"
[ -s "$R/munge/key" ] || { head -c 1024 /dev/urandom >"$R/munge/key"; chmod 600 "$R/munge/key"; }
for g in 0 1 2 3 4 5 6 7; do [ -e "$R/dev/gpu$g" ] || mknod "$R/dev/gpu$g" c 1 3; done   # copies of /dev/null
H=$(hostname -s)
nodelines=; for ((k=1;k<=N;k++)); do
  nodelines+="NodeName=$P$k NodeHostname=$P$k NodeAddr=$NET.$((10+k)) CPUs=$C RealMemory=$M Gres=gpu:max:8 State=UNKNOWN"$'\n'; done
acct="AccountingStorageType=accounting_storage/none"
[ "$DBD" = 1 ] && acct="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$DBD_PORT
AccountingStoragePass=$R/munge/sock
AccountingStorageEnforce=associations,limits,qos
AccountingStorageTRES=gres/gpu"
render() {
  awk -v nl="$nodelines" -v ac="$acct" '/^@NODES@$/{printf "%s", nl; next} /^@ACCT@$/{print ac; next} {print}' "$HERE/$1" |
    sed -e "s|@R@|$R|g;s|@H@|$H|g;s|@NET@|$NET|g;s|@P@|$P|g;s|@N@|$N|g;s|@CLUSTER@|$CLUSTER|g" \
      -e "s|@CTLD_PORT@|$CTLD_PORT|;s|@NODE_PORT@|$NODE_PORT|;s|@DBD_PORT@|$DBD_PORT|;s|@SQL_PORT@|$SQL_PORT|" \
      -e "s|@MAX_ARRAY@|$MAX_ARRAY|;s|@MAX_JOBS@|$MAX_JOBS|" >"$R/${1%.in}"
}
render slurm.conf.in
render gres.conf.in
render slurmdbd.conf.in; chmod 600 "$R/slurmdbd.conf"
: >"$R/plugstack.conf"; echo "CgroupPlugin=cgroup/v1" >"$R/cgroup.conf"   # not used, but slurmd insists on detecting one

{ echo "127.0.0.1 localhost"; echo "$NET.1 $H"; for ((j=1;j<=N;j++)); do echo "$NET.$((10+j)) $P$j"; done; } >"$R/hosts"
printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n' >"$R/nsswitch.conf"   # no DNS inside the nodes

if [ -n "$OWNER" ]; then  # a guard that takes the cluster down should its owner go without doing so
  setsid bash -c 'while [ -e "/proc/$1" ] && [ -e "$2" ]; do sleep 1; done; [ ! -e "$2" ] || "$3/down.sh"' \
    guard "$OWNER" "$R" "$HERE" </dev/null >/dev/null 2>&1 & disown; fi

# 3. network: a bridge, and per node a namespace and a veth pair ------------------------------
ip link show "${P}br0" >/dev/null 2>&1 || { ip link add "${P}br0" type bridge; ip addr add "$NET.1/24" dev "${P}br0"; }
ip link set "${P}br0" up
for ((k=1;k<=N;k++)); do n=$P$k
  if ! ip netns list | grep -qw "$n"; then
    ip netns add "$n"
    ip link add "v$n" type veth peer name eth0 netns "$n"
    ip link set "v$n" master "${P}br0" up
    ip -n "$n" addr add "$NET.$((10+k))/24" dev eth0
    ip -n "$n" link set lo up; ip -n "$n" link set eth0 up
  fi
done

# 4. daemons ---------------------------------------------------------------------------------
alive "$R/pid/munged" || munged --force --key-file="$R/munge/key" --socket="$R/munge/sock" --pid-file="$R/pid/munged" \
     --log-file="$R/munge/log" --seed-file="$R/munge/seed" 2>>"$R/log/munged.err"
if [ "$DBD" = 1 ]; then
  DB=$R/db
  if [ ! -d "$DB/mysql" ]; then mkdir -p "$DB"; id mysql >/dev/null 2>&1 && chown mysql "$DB"
    mariadb-install-db --no-defaults --user=mysql --datadir="$DB" --auth-root-authentication-method=normal \
       --skip-test-db --innodb-log-file-size=8M >"$R/log/mariadb-install.log" 2>&1; fi
  if ! alive "$R/pid/mariadbd"; then
    setsid mariadbd --no-defaults --user=mysql --datadir="$DB" --socket="$DB/s" --bind-address=127.0.0.1 --port="$SQL_PORT" \
      --pid-file="$DB/pid" --innodb-buffer-pool-size=64M --innodb-log-file-size=8M --innodb-lock-wait-timeout=900 \
      --innodb-flush-log-at-trx-commit=0 --skip-name-resolve </dev/null >"$R/log/mariadbd.log" 2>&1 &
    echo $! >"$R/pid/mariadbd"; disown; fi
  waitfor 30 mariadb-admin --no-defaults -uroot -S "$DB/s" ping
  mariadb --no-defaults -uroot -S "$DB/s" -e "create database if not exists slurm_acct_db; create user if not exists 'slurm'@'127.0.0.1' identified by 'slurm'; grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1'"
  start_slurmdbd
  waitfor 30 sacctmgr -n show cluster
  [ -n "$(sacctmgr -nP show cluster format=cluster)" ] || sacctmgr -iQ add cluster "$CLUSTER" >/dev/null
  sacctmgr -nP show account format=account | grep -qx test || { sacctmgr -iQ add account test cluster="$CLUSTER" >/dev/null; sacctmgr -iQ add user root account=test >/dev/null; }
fi
start_slurmctld
for ((k=1;k<=N;k++)); do start_node $k; done
waitfor 30 bash -c "[ \"\$(sinfo -h -N -p main -t idle -o %N | wc -l)\" -eq $N ]"
say "up"; echo "export SLURM_CONF=$SLURM_CONF"
