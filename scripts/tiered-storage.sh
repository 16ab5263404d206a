#!/bin/sh
# Moves data between the tiers, and deletes by age: scripts/jts_storage/tiering.py, or --help.
exec python3 -I -B "$(dirname -- "$(readlink -f -- "$0")")/jts_storage" tiered-storage "$@"
