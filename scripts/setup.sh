#!/usr/bin/env bash
# Installs the Debian packages of packages.txt that are missing. Says nothing, and is quick, when none is.
#   scripts/setup.sh [run|test]      run: what ./run needs; test (default): everything
set -euo pipefail
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
what=${1:-test}

node_has_headers() {
    command -v node >/dev/null && [[ -r $(dirname "$(dirname "$(node -p process.execPath)")")/include/node/node.h ]]
}

wanted() {
    local line name command
    while IFS= read -r line; do
        if [[ $line == '# --- test'* ]]; then
            [[ $what == run ]] && return
        fi
        line=${line%%#*}
        read -r name command <<<"$line" || true
        # Any server from 15 on will do.
        if [[ ${name:-} == postgresql-15 ]] && compgen -G '/usr/lib/postgresql/1[5-9]/bin/postgres' >/dev/null; then
            continue
        fi
        # Only Debian's own Node.js lacks its headers.
        if [[ ${name:-} == libnode-dev ]] && node_has_headers; then
            continue
        fi
        if [[ -n ${name:-} ]] && ! { [[ -n ${command:-} ]] && command -v "$command" >/dev/null; }; then
            printf '%s\n' "$name"
        fi
    done <"$here/packages.txt"
}

mapfile -t packages < <(wanted)
if ((${#packages[@]} == 0)); then
    exit 0
fi
if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is not Debian; make sure that what these packages hold is installed: ${packages[*]}" >&2
    exit 0
fi

mapfile -t present < <(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "${packages[@]}" 2>/dev/null | sed -n 's/^ii //p')
mapfile -t missing < <(comm -23 <(printf '%s\n' "${packages[@]}" | sort -u) <(printf '%s\n' "${present[@]}" | sort -u))
if ((${#missing[@]} == 0)); then
    exit 0
fi

if ((EUID == 0)); then
    as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
else
    printf 'setup: these packages are missing and only root can install them:\n  apt-get install --no-install-recommends %s\n' \
        "${missing[*]}" >&2
    exit 1
fi

echo "setup: installing ${missing[*]}" >&2
# Farthing makes its own database; without this Debian's package makes and starts one too.
"${as_root[@]}" sh -c 'conf=/etc/postgresql-common/createcluster.conf
    if [ ! -e "$conf" ]; then mkdir -p "${conf%/*}" && echo "create_main_cluster = false" >"$conf"; fi'
# Nothing installed here is started as a service: Debian's own switch for that, for as long as the installation takes.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]] && "${as_root[@]}" sh -c 'printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d'; then
    undo_policy() { "${as_root[@]}" rm -f "$policy"; }
else
    undo_policy() { :; }
fi
log=$(mktemp)
trap 'rm -f "$log"; undo_policy' EXIT
if ! { "${as_root[@]}" apt-get update -q && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y \
    --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confdef "${missing[@]}"; } \
    >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get failed" >&2
    exit 1
fi
