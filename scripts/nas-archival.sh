#!/bin/sh
# Archives to the cold tier, and copies folders there: scripts/jts_storage/archival.py, or --help.
exec python3 -I -B "$(dirname -- "$(readlink -f -- "$0")")/jts_storage" nas-archival "$@"
