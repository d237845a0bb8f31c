#!/usr/bin/env bash
# Run by test_package.sh inside a clean Debian, as root: install with apt, use, remove, purge. The packages are in /tmp.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NO_COLOR=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
fail() { echo "FAILED: $*"; exit 1; }
traces() { # what bears the name, but for the data, dpkg's and apt's own notes, and this test
    find / -xdev \( -path /proc -o -path /var/lib/farthing -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /tmp \) \
        -prune -o -name '*farthing*' -print
}
[[ -z $(traces) ]] || fail "this Debian is not clean: $(traces)"

apt-get update -q
apt-get install -q -y --no-install-recommends /tmp/farthing_*.deb /tmp/libfarthing-hook_*.deb
[[ $(farthing version) == "farthing "* ]] || fail "farthing version"
[[ $(stat -c '%U %a' /var/lib/farthing) == "farthing 711" ]] || fail "the data directory"
[[ $(getent passwd farthing) == *nologin || $(getent passwd farthing) == *false ]] || fail "somebody can sign in as farthing"
gzip -t /usr/share/man/man1/farthing.1.gz
bash -c 'source /usr/share/bash-completion/completions/farthing; complete -p farthing' >/dev/null

# As the unit starts it: that user, those options.
sed -i 's/^#listen = .*/listen = 127.0.0.1:0/' /etc/farthing/farthing.conf
export FARTHING_DATA_DIR=/var/lib/farthing
# shellcheck disable=SC2016 # the words of the unit
start=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/farthing.service)
FARTHING_ARGS="--sandbox auto"
# shellcheck disable=SC2086 # the unit's words are words
setpriv --reuid=farthing --regid=farthing --clear-groups --no-new-privs env HOME=/var/lib/farthing $(eval echo "$start") \
    >/tmp/node.log 2>&1 &
node=$!
for _ in $(seq 600); do
    [[ -s $FARTHING_DATA_DIR/url ]] && farthing account list >/dev/null 2>&1 && break
    kill -0 "$node" 2>/dev/null || { cat /tmp/node.log; fail "the node ended"; }
    read -r -t 0.1 <> <(:) || true
done
farthing account create acme
farthing function deploy /usr/share/farthing/examples/shell --account acme --name hello --runtime provided
farthing invoke acme/hello --payload '{"name":"Ada"}'

# A runtime built against the library reports to that node.
gcc /usr/share/farthing/examples/hook/emit.c -o /tmp/emit $(pkg-config --cflags --libs farthing-hook)
setpriv --reuid=farthing --regid=farthing --clear-groups /tmp/emit /var/lib/farthing/spool 100000000001 1 100
for _ in $(seq 200); do
    [[ $(farthing usage acme --json) == *'"invocations":101,'* ]] && break
    read -r -t 0.1 <> <(:) || true
done
[[ $(farthing usage acme --json) == *'"invocations":101,'* ]] || fail "usage: $(farthing usage acme --json)"
farthing bill acme "$(date -u +%Y-%m)" | grep '^total,'
kill "$node"
wait "$node" || fail "the node ended with $?"

# Removed: the options stay. Purged: nothing but the data.
apt-get remove -q -y farthing libfarthing-hook
[[ ! -e /usr/bin/farthing ]] || fail "it is still there"
[[ -s /etc/farthing/farthing.conf ]] || fail "the options went with it"
apt-get purge -q -y farthing libfarthing-hook
[[ -z $(traces) ]] || fail "left behind: $(traces)"
[[ -d /var/lib/farthing/postgresql ]] || fail "the data went with it"

# Installed again, it goes on with them.
apt-get install -q -y --no-install-recommends /tmp/farthing_*.deb
[[ -s /etc/farthing/farthing.conf && $(stat -c %U /var/lib/farthing) == farthing ]] || fail "installed again"
echo "installed, used, removed and purged on Debian $(cat /etc/debian_version)"
