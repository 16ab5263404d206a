#!/bin/sh
# Measures each tier with fio: scripts/jts_storage/performance.py, or --help.
exec python3 -I -B "$(dirname -- "$(readlink -f -- "$0")")/jts_storage" performance-test "$@"
