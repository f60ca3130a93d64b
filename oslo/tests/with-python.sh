#!/usr/bin/env bash
# Ours against Python's oslo.config and oslo.policy; and is the list of Python's options current?
set -eu
. "$(dirname "$0")/../../cloud/lib.sh"
list=masakari/src/config/options/python.tsv
"$BIN/python" -W ignore cloud/list_options.py 2>/dev/null | diff "$list" - ||
    die "$list is not what cloud/list_options.py prints"
OSLO_PYTHON=$BIN/python exec cargo test --workspace --exclude xtask --test python -- --ignored --nocapture
