# Sourced by pages of the documentation as they are tested (run_doc.py): what a page takes for granted.
# shellcheck shell=bash

# A node in the background, ready.
a_node() {
    farthing serve "$@" >"$SCRATCH/node.log" 2>&1 &
    node_pid=$!
    ready "${FARTHING_URL:-}" "$node_pid"
}

ready() {
    until curl -fsS -o /dev/null "${1:-$(cat "$FARTHING_DATA_DIR/url" 2>/dev/null)}/readyz" 2>/dev/null; do
        kill -0 "$2" || { tail -n 20 "$SCRATCH/node.log"; return 1; }
        read -r -t 0.1 <> <(:) || true
    done
}

# Account acme and 60 calls of last month: of thumb and pdf, 10 GiB for 15 minutes each.
last_month() {
    farthing account show acme >/dev/null 2>&1 || farthing account create acme --display-name "Acme Ltd" >/dev/null
    python3 - "$(date -u -d "$(date -u +%Y-%m-01) -1 day" +%Y-%m)" "${1:-test}" >"$SCRATCH/events.json" <<'PY'
import json, sys
print(json.dumps([{
    "specversion": "1.0", "type": "dev.farthing.invocation", "source": sys.argv[2], "id": f"e{i}", "subject": "acme",
    "time": f"{sys.argv[1]}-{1 + i % 27:02d}T10:00:00Z",
    "data": {"function": ["thumb", "pdf"][i % 2], "duration_ms": 900000, "memory_mb": 10240, "status": "ok"}} for i in range(60)]))
PY
    farthing events send --batch "$SCRATCH/events.json" >/dev/null
    for _ in $(seq 100); do
        [[ $(farthing bill acme "$(date -u -d "$(date -u +%Y-%m-01) -1 day" +%Y-%m)" --layout records | grep -c "^acct") -ge 60 ]] && break
    done
}

# Account acme with the function hello of examples/nodejs.
a_function() {
    farthing account create acme --display-name "Acme Ltd" >/dev/null
    farthing function deploy examples/nodejs --account acme --name hello --memory "${1:-128}" --timeout "${2:-2}" >/dev/null
}

# A PostgreSQL of somebody else: TLS, passwords; its administrator is postgres, password "admin". $1: port, $2: folder
a_postgresql() {
    local bin as=() dir=$2
    bin=$(dirname "$(ls -d /usr/lib/postgresql/1[5-9]/bin/postgres | tail -n 1)")
    mkdir -p "$dir"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost -keyout "$dir/server.key" -out "$dir/server.crt" 2>/dev/null
    echo admin >"$dir/password"
    if ((EUID == 0)); then
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
        chown -R postgres "$dir"
    fi
    (cd / && "${as[@]}" "$bin/initdb" -D "$dir/data" -U postgres -A scram-sha-256 --pwfile="$dir/password" --no-sync \
        --locale=C.UTF-8 -E UTF8) >"$SCRATCH/initdb.log" 2>&1 || cat "$SCRATCH/initdb.log"
    (cd / && exec "${as[@]}" "$bin/postgres" -D "$dir/data" -p "$1" -k "$dir" -c listen_addresses=127.0.0.1 -c ssl=on \
        -c ssl_cert_file="$dir/server.crt" -c ssl_key_file="$dir/server.key" -c fsync=off) >"$SCRATCH/postgres.log" 2>&1 &
    until "$bin/pg_isready" -q -h 127.0.0.1 -p "$1"; do kill -0 $! || { cat "$SCRATCH/postgres.log"; return 1; }; done
    cp "$dir/server.crt" ~/db-ca.crt
}
