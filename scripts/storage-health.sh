#!/bin/sh
# Looks at the tiers, and says what is wrong and what to do: scripts/jts_storage/health.py, or --help.
exec python3 -I -B "$(dirname -- "$(readlink -f -- "$0")")/jts_storage" health "$@"
