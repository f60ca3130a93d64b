#!/usr/bin/env bash
# A private database server for tests, on the loopback interface.
#
#   database.sh install                  Debian's packages, where they are missing (needs root)
#   database.sh start KIND DIR [PORT]    makes its data in DIR, starts it, prints its URL
#   database.sh rejoin DIR/nodeN PORT    starts a node of Galera again that was killed
#   database.sh stop DIR                 stops what runs there and removes its data
#
# KIND is mariadb, postgresql or galera. Galera has three nodes, at PORT, PORT+10 and PORT+20; their
# URLs are printed one a line. Then: STORE_MYSQL_URL=$(store/tests/database.sh start mariadb /tmp/x)
# cargo test -p store. `on-databases.sh` does all that.
set -euo pipefail

install() {
    local wanted="" p
    for p in mariadb-server galera-4 rsync postgresql; do
        dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || wanted="$wanted $p"
    done
    [ -n "$wanted" ] || return 0
    # Debian would start daemons and make a cluster of its own; ours have ports and data of theirs.
    local policy=/usr/sbin/policy-rc.d made="" rc=0
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; made=yes; }
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    { apt-get update -q && apt-get -o DPkg::Lock::Timeout=600 install -qy \
        --no-install-recommends $wanted; } >&2 || rc=$?
    [ -z "$made" ] || rm -f "$policy"
    return "$rc"
}

# Tries until it works, for about half a minute.
until_it_works() {
    local tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -le 150 ] || return 1
        sleep 0.2
    done
}

# mariadb_node DIR PORT [option...]: starts it and waits until it answers.
mariadb_node() {
    local dir=$1 port=$2; shift 2
    # As root, rsync between Galera's nodes would give its rights up and be allowed nothing.
    local as; as=$(id -un)
    # A server that starts deletes what it takes for its own in the folder of temporary tables.
    mkdir -p "$dir/tmp"
    [ "$as" != root ] || { as=mysql; chown mysql "$dir" "$dir/tmp"; }
    [ -d "$dir/data/mysql" ] || mariadb-install-db --no-defaults --user="$as" \
        --datadir="$dir/data" --auth-root-authentication-method=normal --skip-test-db \
        >"$dir/install.log" 2>&1
    mariadbd --no-defaults --user="$as" --datadir="$dir/data" --tmpdir="$dir/tmp" --bind-address=127.0.0.1 \
        --port="$port" --socket="$dir/socket" --pid-file="$dir/pid" --max-connections=400 \
        --innodb-buffer-pool-size="${BUFFER_POOL:-64M}" --innodb-flush-log-at-trx-commit=2 \
        --innodb-autoinc-lock-mode=2 "$@" >>"$dir/server.log" 2>&1 &
    until_it_works mariadb --no-defaults --user=root --socket="$dir/socket" \
        --execute='SELECT 1 FROM mysql.user LIMIT 1' ||
        { echo "MariaDB did not start; see $dir/server.log" >&2; tail "$dir/server.log" >&2; exit 1; }
}

galera_options() {
    local dir=$1 port=$2 group=$3
    printf '%s\n' --wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so \
        --binlog-format=ROW --wsrep-sst-method=rsync --wsrep-node-address=127.0.0.1 \
        --wsrep-node-name="node$port" "--wsrep-cluster-address=$group" \
        --wsrep-sst-receive-address="127.0.0.1:$((port + 3))" --wsrep-slave-threads=2 \
        "--wsrep-provider-options=gmcast.listen_addr=tcp://127.0.0.1:$((port + 1));ist.recv_addr=127.0.0.1:$((port + 2));gcache.size=32M;gcache.dir=$dir/data"
}

start_galera() {
    local dir=$1 port=$2 n members options
    members="127.0.0.1:$((port + 1)),127.0.0.1:$((port + 11)),127.0.0.1:$((port + 21))"
    for n in 0 1 2; do
        local at=$((port + 10 * n)) group="gcomm://$members"
        [ "$n" != 0 ] || group="gcomm://"
        mapfile -t options < <(galera_options "$dir/node$n" "$at" "$group")
        # How a node comes back after it was killed, for the tests that kill one.
        mapfile -t rejoin < <(galera_options "$dir/node$n" "$at" "gcomm://$members")
        mkdir -p "$dir/node$n"; printf '%s\n' "${rejoin[@]}" >"$dir/node$n/options"
        mariadb_node "$dir/node$n" "$at" "${options[@]}"
        [ "$n" != 0 ] || grant "$dir/node0/socket"
    done
    until_it_works sh -c "mariadb --no-defaults --user=root --socket='$dir/node0/socket' -Ne \
        \"SHOW STATUS LIKE 'wsrep_cluster_size'\" | grep -qw 3" ||
        { echo "the Galera nodes did not meet; see $dir/node*/server.log" >&2; exit 1; }
}

grant() {
    mariadb --no-defaults --user=root --socket="$1" --execute="
        CREATE USER suite@'127.0.0.1' IDENTIFIED BY 'suite';
        GRANT ALL ON *.* TO suite@'127.0.0.1' WITH GRANT OPTION;"
}

# PostgreSQL refuses to run as root: it gets the user that Debian's package makes.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start_postgresql() {
    local dir=$1 port=$2 bin
    bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [ "$(id -u)" != 0 ] || chown postgres "$dir"
    echo suite >"$dir/password"; chmod 644 "$dir/password"
    (cd / && as_postgres "$bin/initdb" --pgdata="$dir/data" --username=suite \
        --pwfile="$dir/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8) \
        >"$dir/install.log" 2>&1
    (cd / && as_postgres "$bin/pg_ctl" --pgdata="$dir/data" --log="$dir/data/server.log" --wait \
        --options="-c listen_addresses=127.0.0.1 -c port=$port -c max_connections=300 \
        -c unix_socket_directories=$dir -c synchronous_commit=off -c shared_buffers=128MB" start) \
        >>"$dir/install.log" 2>&1 || { cat "$dir/data/server.log" >&2; exit 1; }
    ln -sfn data/postmaster.pid "$dir/pid"
}

stop_one() {
    local pid
    [ -e "$1/pid" ] || return 0
    pid=$(head -n 1 "$1/pid")
    # PostgreSQL's "fast" way is SIGINT: SIGTERM would wait for every client.
    [ -e "$1/data/PG_VERSION" ] && kill -INT "$pid" 2>/dev/null || kill "$pid" 2>/dev/null || true
    local tries=0
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || kill -9 "$pid"
        sleep 0.1
    done
}

case ${1:?install, start, rejoin or stop} in
install) install ;;
start)
    kind=${2:?kind} dir=${3:?directory}
    mkdir -p "$dir"
    case $kind in
    mariadb)
        port=${4:-13390}
        mariadb_node "$dir" "$port"
        grant "$dir/socket"
        echo "mysql://suite:suite@127.0.0.1:$port"
        ;;
    postgresql)
        port=${4:-13391}
        start_postgresql "$dir" "$port"
        echo "postgresql://suite:suite@127.0.0.1:$port"
        ;;
    galera)
        port=${4:-13400}
        start_galera "$dir" "$port"
        for n in 0 1 2; do echo "mysql://suite:suite@127.0.0.1:$((port + 10 * n))"; done
        ;;
    *) echo "mariadb, postgresql or galera, not $kind" >&2; exit 2 ;;
    esac
    ;;
rejoin)
    node=${2:?directory of the node} port=${3:?its port}
    mapfile -t options <"$node/options"
    mariadb_node "$node" "$port" "${options[@]}"
    ;;
stop)
    dir=${2:?directory}
    for at in "$dir"/node2 "$dir"/node1 "$dir"/node0 "$dir"; do stop_one "$at"; done
    rm -rf "$dir"
    ;;
*) echo "install, start, rejoin or stop, not $1" >&2; exit 2 ;;
esac
