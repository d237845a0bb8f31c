#!/usr/bin/env bash
# package_root.sh DIR: a clean Debian 12 in DIR, with what a machine would have where Farthing is put: PostgreSQL, and a compiler for
# whoever builds a runtime against the hook library. The last line says what went wrong.
set -euo pipefail
root=${1:?a folder}
mirror=$(sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\(http[^ ]*\).*/\2/p' /etc/apt/sources.list.d/*.sources \
    /etc/apt/sources.list 2>/dev/null | grep -v security | head -n 1) || true
mirror=${mirror:-http://deb.debian.org/debian}
rm -rf --one-file-system "$root"
timeout 300 debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" || { echo "debootstrap has nothing from $mirror"; exit 1; }
# This machine's way to its mirror: sources, proxies, certificates.
cp -a /etc/apt/sources.list.d/*.sources "$root/etc/apt/sources.list.d/" 2>/dev/null && rm -f "$root/etc/apt/sources.list"
for file in /etc/apt/apt.conf.d/*; do
    case ${file##*/} in *docker* | *packagekit* | *appstream* | *postgresql*) ;; *) cp -a "$file" "$root/etc/apt/apt.conf.d/" ;; esac
done
cp -a /usr/share/keyrings/. "$root/usr/share/keyrings/"
cp -a /etc/ssl/certs/. "$root/etc/ssl/certs/"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
mkdir -p "$root/etc/postgresql-common"
echo "create_main_cluster = false" >"$root/etc/postgresql-common/createcluster.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c 'apt-get update -q &&
    apt-get install -q -y --no-install-recommends postgresql-15 gcc libc6-dev pkg-config && apt-get clean' ||
    { echo "apt-get failed"; exit 1; }
touch "$root/.complete"
