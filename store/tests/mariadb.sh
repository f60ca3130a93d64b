#!/bin/sh
# A private MariaDB for the conformance suite, on the loopback interface.
#
#   mariadb.sh start DIR [PORT]   makes its data in DIR, starts it, prints the URL
#   mariadb.sh stop DIR           stops it and removes its data
#
# Then: STORE_MYSQL_URL=$(store/tests/mariadb.sh start /tmp/x) cargo test -p store
set -eu

what=${1:?start or stop}
dir=${2:?directory}

case $what in
start)
    port=${3:-13306}
    mkdir -p "$dir"
    chmod 700 "$dir"
    as=$(id -un)
    mariadb-install-db --no-defaults --user="$as" --datadir="$dir/data" \
        --auth-root-authentication-method=normal --skip-test-db >"$dir/install.log" 2>&1
    mariadbd --no-defaults --user="$as" --datadir="$dir/data" --bind-address=127.0.0.1 \
        --port="$port" --socket="$dir/socket" --pid-file="$dir/pid" \
        --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=2 \
        >"$dir/server.log" 2>&1 &
    tries=0
    until mariadb --no-defaults --user=root --socket="$dir/socket" --execute='SELECT 1' \
        >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ]; then
            echo "MariaDB did not start; see $dir/server.log" >&2
            exit 1
        fi
        sleep 0.2
    done
    mariadb --no-defaults --user=root --socket="$dir/socket" --execute="
        CREATE USER suite@'127.0.0.1' IDENTIFIED BY 'suite';
        GRANT ALL ON *.* TO suite@'127.0.0.1';"
    echo "mysql://suite:suite@127.0.0.1:$port"
    ;;
stop)
    pid=$(cat "$dir/pid")
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    rm -rf "$dir/data" "$dir/socket" "$dir/pid" "$dir/install.log" "$dir/server.log"
    rmdir "$dir"
    ;;
*)
    echo "start or stop, not $what" >&2
    exit 2
    ;;
esac
