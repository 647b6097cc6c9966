#!/usr/bin/env bash
# A real Apptainer, and debootstrap, on Debian 12, which has no Apptainer of its own (root; idempotent).
# The package of Debian's unstable release is unpacked, not installed: its programs want a newer libc, so they are
# pointed at a private copy of that libc under $APPTAINER_LIBS, and nothing else on the machine changes.
set -euo pipefail
libs=${APPTAINER_LIBS:-/opt/apptainer-libs}
export DEBIAN_FRONTEND=noninteractive
if command -v apptainer >/dev/null && command -v debootstrap >/dev/null; then
  apptainer --version
  exit 0
fi
apt-get update -qq
apt-get install -y -qq --no-install-recommends debootstrap patchelf squashfs-tools squashfuse uidmap fakeroot >/dev/null
if command -v apptainer >/dev/null; then
  apptainer --version
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
mkdir -p "$work"/{lists/partial,cache/archives/partial,root}
archive=$(awk '/^URIs:/{print $2; exit}' /etc/apt/sources.list.d/debian.sources)
printf 'Types: deb\nURIs: %s\nSuites: sid\nComponents: main\nSigned-By: %s\n' \
  "$archive" /usr/share/keyrings/debian-archive-keyring.gpg >"$work/sid.sources"
unstable=(-o Dir::Etc::sourcelist="$work/sid.sources" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$work/lists"
  -o Dir::Cache="$work/cache")
apt-get "${unstable[@]}" update -qq
(cd "$work" && apt-get "${unstable[@]}" download apptainer libc6 libseccomp2 libsqlite3-0 >/dev/null 2>&1)
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
lib=usr/lib/x86_64-linux-gnu
mkdir -p "$libs" /var/lib/apptainer/mnt/session
cp -a "$work/root/$lib"/*.so* "$libs/"
cp -a "$work/root/etc/apptainer" /etc/
cp -a "$work/root/$lib/apptainer" "/$lib/"
for program in "/$lib/apptainer/bin/starter" "$work/root/usr/bin/apptainer"; do
  patchelf --set-interpreter "$libs/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$libs" "$program"
done
cp -a "$work/root/usr/bin/apptainer" /usr/bin/ # last: where it is, all is
apptainer --version
