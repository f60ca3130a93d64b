#!/usr/bin/env bash
# A command with real database servers beside it: without one, the store's suite.
#
#   on-databases.sh [KIND...] [-- COMMAND...]     KIND: mariadb, postgresql, galera; all without one
#   on-databases.sh suite                         all, with Python Masakari to compare with: the
#                                                 store's suite, the API's replays, the program's
#
# The command finds them at STORE_MYSQL_URL, STORE_POSTGRESQL_URL and STORE_GALERA_URLS (three, with
# spaces between). A server that does not start is a failure. DATABASE_PORT moves all of them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kinds="" whole=""
[ "${1:-}" != suite ] || { whole=yes; shift; }
while [ $# -gt 0 ] && [ "$1" != -- ]; do kinds="$kinds $1"; shift; done
[ $# = 0 ] || shift
[ $# -gt 0 ] || set -- cargo test -p store
if [ -n "$whole" ]; then
    # shellcheck disable=SC1091
    CLOUD_ENV_LOADED=1 . "$here/../../cloud/lib.sh"
    "$here/../../cloud/install"
    export MASAKARI_PYTHON=$CLOUD_VENV/bin/python
    # Python's driver for PostgreSQL, which nothing else here needs.
    driver=$MASAKARI_CACHE/psycopg2-binary-2.9.13
    [ -d "$driver" ] || {
        rm -rf "$driver.new"
        "$CLOUD_VENV/bin/pip" install --quiet --no-deps --target "$driver.new" psycopg2-binary==2.9.13 >&2
        mv "$driver.new" "$driver"
    }
    export PYTHONPATH=$driver
    [ -x "$MASAKARI_PYTHON" ] || { echo "there is no Python Masakari in $CLOUD_VENV" >&2; exit 1; }
    # All packages, as in the suite `unit`: what that has built is what these run.
    set -- sh -c 'for test in conformance "api servers_that" databases; do
        cargo test --workspace --exclude xtask --test $test || exit
    done'
fi
base=${DATABASE_PORT:-13390}
top=$(mktemp -d)
chmod 755 "$top"
stop_all() { for dir in "$top"/*; do [ ! -d "$dir" ] || "$here/database.sh" stop "$dir"; done; rmdir "$top"; }
trap stop_all EXIT
"$here/database.sh" install
for kind in ${kinds:-mariadb postgresql galera}; do
    case $kind in
    mariadb) STORE_MYSQL_URL=$("$here/database.sh" start mariadb "$top/mariadb" "$base")
        export STORE_MYSQL_URL ;;
    postgresql) STORE_POSTGRESQL_URL=$("$here/database.sh" start postgresql "$top/postgresql" $((base + 1)))
        export STORE_POSTGRESQL_URL ;;
    galera) STORE_GALERA_URLS=$("$here/database.sh" start galera "$top/galera" $((base + 10)) | tr '\n' ' ')
        STORE_GALERA_DIR=$top/galera
        export STORE_GALERA_URLS STORE_GALERA_DIR ;;
    esac
done
"$@"
