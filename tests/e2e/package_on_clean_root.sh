#!/usr/bin/env bash
# Run by test_package.sh inside a clean Debian, as root, with /proc: install with apt, use, remove, purge. The packages are in /tmp.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 NO_COLOR=1 PATH=/usr/sbin:/usr/bin:/sbin:/bin
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

# As the unit starts it: that user, those options, no privileges, and nothing to write but the data and an own /tmp. Functions run in
# sandboxes where this machine makes any.
sed -i 's/^#listen = .*/listen = 127.0.0.1:0/' /etc/farthing/farthing.conf
as_service() {
    setpriv --reuid=farthing --regid=farthing --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"
}
sandbox=auto
if as_service bwrap --unshare-all --ro-bind / / --proc /proc --dev /dev true; then
    sandbox=bwrap
fi
export FARTHING_DATA_DIR=/var/lib/farthing
# shellcheck disable=SC2034 # the unit's words use it
FARTHING_ARGS="--sandbox $sandbox"
start=$(sed -n 's/^ExecStart=//p' /usr/lib/systemd/system/farthing.service)
start_words=$(eval echo "$start")
export start_words
# shellcheck disable=SC2016 # expanded inside
unshare --mount bash -ec 'mount --bind /var/lib/farthing /var/lib/farthing
    mount -t tmpfs none /tmp; mount -t tmpfs none /var/tmp; mount -t tmpfs none /home; mount -t tmpfs none /root
    mount -o remount,bind,ro /
    exec setpriv --reuid=farthing --regid=farthing --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
        env HOME=/var/lib/farthing $start_words' >/tmp/node.log 2>&1 &
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
echo "installed, used (sandbox $sandbox), removed and purged on Debian $(cat /etc/debian_version)"
