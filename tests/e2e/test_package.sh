#!/usr/bin/env bash
# Goal: cpack makes packages that install, run and go away again. Method: make them, read what dpkg and lintian say of them, unpack
# them, and run the program, its manual and completions from what was unpacked. Then, as root with debootstrap and a Debian
# mirror, install them with apt on a clean Debian (package_on_clean_root.sh), use them there, remove and purge them.
#   FARTHING_PACKAGE_ROOT=DIR   a root made by debootstrap; without it one is made in /var/tmp once and kept for a day
set -euo pipefail
: "${FARTHING_BUILD:?}" "${FARTHING_SOURCE:?}"
for program in cpack dpkg-deb dpkg-shlibdeps file; do
    command -v "$program" >/dev/null || { echo "skipped: $program is not installed"; exit 77; }
done
[[ -x $FARTHING_BUILD/cli/farthing ]] && compgen -G "$FARTHING_BUILD/metering/libfarthing-hook.so" >/dev/null ||
    { echo "skipped: not built"; exit 77; }
if nm -D "$FARTHING_BUILD/cli/farthing" | grep -q '__\(a\|t\|ub\)san'; then
    echo "skipped: a sanitizer is in the program"
    exit 77
fi
dir=$(mktemp -d /tmp/farthing-package-test-XXXXXX)
chmod 755 "$dir"
cleanup() {
    local rc=$?
    trap - EXIT
    if [[ -d $dir/clean ]]; then
        umount -l "$dir/clean" 2>/dev/null || true
        umount -l "$dir/layers" 2>/dev/null || true
    fi
    rm -rf --one-file-system "$dir"
    exit "$rc"
}
trap cleanup EXIT
trap 'exit 143' TERM
fail() { echo "FAILED: $1"; tail -n 60 "$dir/log" 2>/dev/null; exit 1; }

# ---- what is in them
(cd "$FARTHING_BUILD" && cpack -G DEB -B "$dir/out") >"$dir/log" 2>&1 || fail "cpack"
program=$(ls "$dir"/out/farthing_*.deb) && hook=$(ls "$dir"/out/libfarthing-hook_*.deb) || fail "two packages"
dpkg-deb -f "$program" >"$dir/log" || fail "control"
grep -q '^Package: farthing$' "$dir/log" || fail "name"
grep -Eq '^Depends: .*libpq5.*' "$dir/log" || fail "libraries are dependencies"
grep -Eq '^Depends: .*bubblewrap' "$dir/log" || fail "bubblewrap is a dependency"
dpkg-deb -x "$program" "$dir/root" && dpkg-deb -x "$hook" "$dir/root" && dpkg-deb -e "$program" "$dir/control" || fail "unpack"
for file in usr/bin/farthing usr/lib/systemd/system/farthing.service etc/default/farthing etc/farthing/farthing.conf \
    usr/share/farthing/monitoring/farthing.json usr/share/man/man1/farthing.1.gz usr/share/bash-completion/completions/farthing \
    usr/share/zsh/vendor-completions/_farthing usr/share/fish/vendor_completions.d/farthing.fish \
    usr/share/farthing/examples/nodejs/index.js usr/share/doc/farthing/copyright usr/share/doc/farthing/CHANGELOG.md.gz; do
    [[ -s $dir/root/$file ]] || { find "$dir/root" -type f >"$dir/log"; fail "$file is not in it"; }
done
[[ -x $dir/root/usr/share/farthing/examples/shell/bootstrap ]] || fail "the example in shell is no program"
diff <(printf '/etc/default/farthing\n/etc/farthing/farthing.conf\n') "$dir/control/conffiles" >"$dir/log" || fail "conffiles"
for script in postinst prerm postrm; do sh -n "$dir/control/$script" >"$dir/log" 2>&1 || fail "$script"; done
find "$dir/root" -perm /6000 >"$dir/log" && [[ ! -s $dir/log ]] || fail "set-id files"
! grep -rl "$FARTHING_BUILD\|$FARTHING_SOURCE" "$dir/root/etc" "$dir/root/usr/share" "$dir/root/usr/lib/systemd" >"$dir/log" ||
    fail "paths of the build"
"$dir/root/usr/bin/farthing" version >"$dir/log" 2>&1 || fail "farthing version"
"$dir/root/usr/bin/farthing" serve --config "$dir/root/etc/farthing/farthing.conf" --check-config >"$dir/log" 2>&1 || fail "its own options"
if command -v man >/dev/null; then
    man -l "$dir/root/usr/share/man/man1/farthing.1.gz" >"$dir/manual" 2>"$dir/log" || fail "the manual"
    ! grep -q "[a-z]\.PP" "$dir/manual" || fail "the manual has a macro in its text"
fi
bash -n "$dir/root/usr/share/bash-completion/completions/farthing" 2>"$dir/log" || fail "bash completion"

# ---- the unit
unit=$dir/root/usr/lib/systemd/system/farthing.service
# These cover parts of /proc, and then the kernel lets no sandbox mount a /proc of its own: the service would not start.
! grep -E '^(ProtectHostname|ProtectKernelLogs|ProtectKernelTunables|ProtectProc|ProcSubset)=' "$unit" >"$dir/log" ||
    fail "the unit takes /proc from the sandboxes"
if command -v systemd-analyze >/dev/null; then
    sed "s|/usr/bin/farthing|$dir/root/usr/bin/farthing|" "$unit" >"$dir/farthing.service"
    ! systemd-analyze verify --man=no "$dir/farthing.service" 2>&1 | grep 'farthing\.service' >"$dir/log" || fail "the unit"
    if systemd-analyze security --help 2>/dev/null | grep -q -- --offline; then
        systemd-analyze security --offline=true --threshold=45 "$dir/farthing.service" >"$dir/log" 2>&1 || fail "the unit is not hardened"
    fi
fi

# ---- what lintian says (it reads what is built for release; a build with debug symbols is cut down by cpack)
said="lintian is not installed"
if command -v lintian >/dev/null; then
    lintian --allow-root --no-cfg --fail-on error,warning "$program" "$hook" >"$dir/log" 2>&1 || fail "lintian"
    said="lintian is content"
fi
echo "$(basename "$program") ($(stat -c %s "$program") bytes) and $(basename "$hook"); $said"

# ---- on a clean Debian
why=
((EUID == 0)) || why="only root can make a clean Debian"
[[ -n $why ]] || command -v debootstrap >/dev/null || why="debootstrap is not installed"
# What happens there stays in a layer above it.
layer() {
    mount -t overlay none -o "lowerdir=$1,upperdir=$dir/layers/up,workdir=$dir/layers/work" "$dir/clean" 2>"$dir/log"
}
if [[ -z $why ]]; then
    mkdir "$dir/layers" "$dir/clean"
    { mount -t tmpfs none "$dir/layers" && mkdir "$dir/layers/up" "$dir/layers/work"; } 2>"$dir/log" && layer "$dir/control" &&
        umount "$dir/clean" || why="no overlay can be mounted here"
fi
if [[ -z $why && -z ${FARTHING_PACKAGE_ROOT:-} ]]; then
    FARTHING_PACKAGE_ROOT=/var/tmp/farthing-package-root
    exec 8>"$FARTHING_PACKAGE_ROOT.lock"
    flock 8
    if [[ ! -e $FARTHING_PACKAGE_ROOT/.complete || -n $(find "$FARTHING_PACKAGE_ROOT/.complete" -mmin +1440) ]]; then
        bash "$FARTHING_SOURCE/tests/e2e/package_root.sh" "$FARTHING_PACKAGE_ROOT" >"$dir/log" 2>&1 8>&- ||
            why="no clean Debian can be made here: $(tail -n 1 "$dir/log")"
    fi
    flock -u 8
fi
if [[ -z $why ]]; then
    layer "$FARTHING_PACKAGE_ROOT" || why="no overlay can be mounted over $FARTHING_PACKAGE_ROOT"
fi
if [[ -n $why ]]; then
    echo "skipped: the packages are well made; they were not installed: $why"
    exit 77
fi
cp "$program" "$hook" "$FARTHING_SOURCE/tests/e2e/package_on_clean_root.sh" "$dir/clean/tmp/"
cp /etc/resolv.conf /etc/hosts "$dir/clean/etc/"
# Its root becomes the root, for in a chroot the kernel makes no user namespaces, and without these there are no sandboxes.
mkdir "$dir/clean/before"
unshare --mount --pid --fork --kill-child bash -ec 'cd "$1"
    pivot_root . before
    cd /
    mount -t proc proc /proc
    umount -l /before
    rmdir /before
    exec bash /tmp/package_on_clean_root.sh' _ "$dir/clean" >"$dir/log" 2>&1 || fail "on a clean Debian"
tail -n 1 "$dir/log"
