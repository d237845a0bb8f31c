# Sourced by the end-to-end tests: start_node PROGRAM [serve options...] starts a node on a free port with its own PostgreSQL in
# a scratch folder and exports FARTHING_URL, FARTHING_KEY (admin) and FARTHING_DATA_DIR; everything ends with the script.
node_pid=
scratch=$(mktemp -d "${TMPDIR:-/tmp}/farthing-e2e-XXXXXX")
chmod 711 "$scratch"
node_cleanup() {
    local rc=$?
    trap - EXIT
    if [[ -n $node_pid ]]; then
        kill -TERM "$node_pid" 2>/dev/null || true
        wait "$node_pid" 2>/dev/null || true
    fi
    if ((rc != 0 && rc != 77)) && [[ -s $scratch/node.log ]]; then
        echo "--- node.log" >&2
        tail -n 30 "$scratch/node.log" >&2
    fi
    rm -rf "$scratch"
    exit "$rc"
}
trap node_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start_node() {
    local program=$1 tries=0
    shift
    export FARTHING_DATA_DIR=$scratch/data
    mkdir -p "$FARTHING_DATA_DIR"
    "$program" serve --listen 127.0.0.1:0 --data-dir "$FARTHING_DATA_DIR" --sandbox auto "$@" >"$scratch/node.log" 2>&1 &
    node_pid=$!
    until [[ -s $FARTHING_DATA_DIR/url ]] && curl -fsS -o /dev/null "$(cat "$FARTHING_DATA_DIR/url")/readyz" 2>/dev/null; do
        kill -0 "$node_pid" 2>/dev/null || { echo "the node ended" >&2; exit 1; }
        ((++tries < 900)) || { echo "the node is not ready after 90 s" >&2; exit 1; }
        read -r -t 0.1 <> <(:) || true # looks ten times a second; readiness is what is waited for
    done
    FARTHING_URL=$(cat "$FARTHING_DATA_DIR/url")
    FARTHING_KEY=$(cat "$FARTHING_DATA_DIR/admin.key")
    export FARTHING_URL FARTHING_KEY
}
