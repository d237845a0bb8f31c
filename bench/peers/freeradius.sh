#!/usr/bin/env bash
# freeradius.sh CONNINFO SESSIONS: FreeRADIUS writes SESSIONS start and stop records into PostgreSQL with its own schema and
# queries, as many at once as it can; prints how many it answered and in how many microseconds. 77: not installed.
set -euo pipefail
conninfo=$1 sessions=$2 clients=4 threads=16
raddb=/etc/freeradius/3.0/mods-config/sql/main/postgresql
server=$(PATH=$PATH:/usr/sbin command -v freeradius) || server=
if [[ -z $server || ! -e $raddb/schema.sql ]] || ! command -v radclient >/dev/null || ! command -v psql >/dev/null; then
    echo "bench/peers: FreeRADIUS is not here (Debian: freeradius freeradius-postgresql freeradius-utils)" >&2
    exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/farthing-radius-XXXXXX")
radius=
finish() {
    if [[ -n $radius ]]; then
        kill "$radius" 2>/dev/null || true
        wait "$radius" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
port=$(python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
psql -q "$conninfo" -c 'CREATE SCHEMA radius' 2>/dev/null
PGOPTIONS='-c search_path=radius -c client_min_messages=error' psql -q "$conninfo" -f "$raddb/schema.sql" >/dev/null

cat >"$work/radiusd.conf" <<END
prefix = /usr
localstatedir = $work
name = bench
logdir = $work
run_dir = $work
libdir = /usr/lib/freeradius
max_requests = 65536
cleanup_delay = 0
security { max_attributes = 200 }
log { destination = files
      file = $work/radius.log }
thread pool { start_servers = $threads
              max_servers = $threads
              min_spare_servers = 1
              max_spare_servers = $threads }
client bench { ipaddr = 127.0.0.1
               secret = bench }
modules {
    expr { safe_characters = "@abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_: /" }
    sql {
        dialect = "postgresql"
        driver = "rlm_sql_postgresql"
        radius_db = "$conninfo options='-c search_path=radius'"
        acct_table1 = "radacct"
        acct_table2 = "radacct"
        postauth_table = "radpostauth"
        authcheck_table = "radcheck"
        groupcheck_table = "radgroupcheck"
        authreply_table = "radreply"
        groupreply_table = "radgroupreply"
        usergroup_table = "radusergroup"
        client_table = "nas"
        group_attribute = "SQL-Group"
        delete_stale_sessions = yes
        pool { start = $threads
               min = $threads
               max = $threads
               spare = 1
               uses = 0
               lifetime = 0
               idle_timeout = 0 }
        \$INCLUDE $raddb/queries.conf
    }
}
server bench {
    listen { type = acct
             ipaddr = 127.0.0.1
             port = $port }
    accounting {
        update request { Acct-Unique-Session-Id := "%{Acct-Session-Id}" }
        sql
    }
}
END
"$server" -f -d "$work" -n radiusd >"$work/out" 2>&1 &
radius=$!
until grep -q "Ready to process requests" "$work/radius.log" 2>/dev/null; do
    kill -0 "$radius" 2>/dev/null || { cat "$work/out" "$work/radius.log" >&2; exit 1; }
    read -r -t 0.1 <> <(:) || true
done

packets() { # STATUS CLIENT
    awk -v status="$1" -v client="$2" -v clients=$clients -v sessions="$sessions" 'BEGIN {
        for (i = client; i < sessions; i += clients) {
            printf "Acct-Status-Type = %s\nAcct-Session-Id = \"s%d\"\nUser-Name = \"user%d\"\n", status, i, i % 400
            printf "NAS-IP-Address = 127.0.0.1\nNAS-Port = 1\nAcct-Session-Time = %d\n", i % 900
            printf "Acct-Input-Octets = %d\nAcct-Output-Octets = %d\n\n", i % 3000, i % 5000
        }
    }'
}
for ((client = 0; client < clients; client++)); do
    packets Start $client >"$work/start$client"
    packets Stop $client >"$work/stop$client"
done
begun=$(date +%s%N)
for status in start stop; do
    running=()
    for ((client = 0; client < clients; client++)); do
        radclient -q -r 20 -t 3 -p 64 -f "$work/$status$client" "127.0.0.1:$port" acct bench >/dev/null &
        running+=($!)
    done
    for pid in "${running[@]}"; do
        wait "$pid"
    done
done
ended=$(date +%s%N)
stored=$(psql -qAt "$conninfo" -c 'SELECT count(*) FROM radius.radacct WHERE acctstoptime IS NOT NULL')
[[ $stored == "$sessions" ]] || echo "bench/peers: FreeRADIUS stored $stored of $sessions sessions" >&2
echo "$((stored * 2)) $(((ended - begun) / 1000))"
