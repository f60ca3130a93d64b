#!/bin/sh
# The conformance suite with a private MariaDB besides memory and SQLite.
set -eu
here=$(dirname "$0")
dir=$(mktemp -d)
url=$("$here/mariadb.sh" start "$dir" "${1:-13390}")
trap '"$here/mariadb.sh" stop "$dir"' EXIT
STORE_MYSQL_URL=$url cargo test -p store
