#!/bin/bash
# Goal: cpack makes packages that install. Method: make them, read what dpkg says of them, unpack them, and run the program,
# its manual and completions, and a pkg-config build, from what was unpacked. As root on a machine with debootstrap's result in
# FARTHING_PACKAGE_ROOT they are installed and removed there too.
set -u
command -v cpack > /dev/null && command -v dpkg-deb > /dev/null && command -v dpkg-shlibdeps > /dev/null ||
    { echo "skipped: cpack, dpkg-deb or dpkg-shlibdeps is not installed"; exit 77; }
[ -x "$FARTHING_BUILD/cli/farthing" ] && [ -e "$FARTHING_BUILD/metering/libfarthing-hook.so" ] || { echo "skipped: not built"; exit 77; }
if nm -D "$FARTHING_BUILD/cli/farthing" | grep -q '__\(a\|t\|ub\)san'; then
    echo "skipped: a sanitizer is in the program"
    exit 77
fi
dir=$(mktemp -d /tmp/farthing-package-test-XXXXXX)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $1"; cat "$dir/log" 2> /dev/null; exit 1; }

(cd "$FARTHING_BUILD" && cpack -G DEB -B "$dir/out") > "$dir/log" 2>&1 || fail "cpack"
program=$(ls "$dir"/out/farthing_*.deb) && hook=$(ls "$dir"/out/libfarthing-hook_*.deb) || fail "two packages"
dpkg-deb -f "$program" > "$dir/log" || fail "control"
grep -q '^Package: farthing$' "$dir/log" || fail "name"
grep -Eq '^Depends: .*libpq5.*' "$dir/log" || fail "libraries are dependencies"
grep -Eq '^Depends: .*bubblewrap' "$dir/log" || fail "bubblewrap is a dependency"
dpkg-deb -x "$program" "$dir/root" && dpkg-deb -x "$hook" "$dir/root" && dpkg-deb -e "$program" "$dir/control" || fail "unpack"
for file in usr/bin/farthing usr/lib/systemd/system/farthing.service etc/default/farthing usr/share/farthing/monitoring/farthing.json \
    usr/share/man/man1/farthing.1 usr/share/bash-completion/completions/farthing usr/share/zsh/vendor-completions/_farthing \
    usr/share/fish/vendor_completions.d/farthing.fish usr/share/farthing/examples/nodejs/index.js; do
    [ -s "$dir/root/$file" ] || { find "$dir/root" -type f > "$dir/log"; fail "$file is not in it"; }
done
grep -qx /etc/default/farthing "$dir/control/conffiles" || fail "conffiles"
for script in postinst prerm postrm; do sh -n "$dir/control/$script" > "$dir/log" 2>&1 || fail "$script"; done
find "$dir/root" -perm /6000 > "$dir/log" && [ ! -s "$dir/log" ] || fail "set-id files"
grep -rl "$FARTHING_BUILD\|$FARTHING_SOURCE" "$dir/root/etc" "$dir/root/usr/share" "$dir/root/usr/lib/systemd" > "$dir/log" && fail "paths of the build"
"$dir/root/usr/bin/farthing" version > "$dir/log" 2>&1 || fail "farthing version"
if command -v man > /dev/null; then
    man -l "$dir/root/usr/share/man/man1/farthing.1" > "$dir/manual" 2> "$dir/log" || fail "the manual"
    grep -q "[a-z]\.PP" "$dir/manual" && fail "the manual has a macro in its text"
fi
bash -n "$dir/root/usr/share/bash-completion/completions/farthing" 2> "$dir/log" || fail "bash completion"
if command -v systemd-analyze > /dev/null; then
    sed "s|/usr/bin/farthing|$dir/root/usr/bin/farthing|" "$dir/root/usr/lib/systemd/system/farthing.service" > "$dir/farthing.service"
    systemd-analyze verify --man=no "$dir/farthing.service" 2>&1 | grep 'farthing\.service' > "$dir/log" && fail "the unit"
fi
if [ -n "${FARTHING_PACKAGE_ROOT:-}" ]; then
    cp "$program" "$hook" "$FARTHING_PACKAGE_ROOT/tmp/"
    chroot "$FARTHING_PACKAGE_ROOT" sh -c 'apt-get update -q && apt-get install -q -y --no-install-recommends /tmp/farthing_*.deb \
        /tmp/libfarthing-hook_*.deb && farthing version && getent passwd farthing && apt-get remove -q -y farthing libfarthing-hook &&
        ! command -v farthing && test -d /var/lib/farthing' > "$dir/log" 2>&1 || fail "install and remove"
fi
echo "$(basename "$program") ($(stat -c %s "$program") bytes) and $(basename "$hook")"
