#!/bin/sh
# Prints what takes the room of the hot tree: scripts/jts_storage/monitor.py, or --help.
exec python3 -I -B "$(dirname -- "$(readlink -f -- "$0")")/jts_storage" monitor "$@"
