#!/bin/sh
# Backs volumes up by LVM's snapshots, and restores them: scripts/jts_storage/backup.py, or --help.
exec python3 -I -B "$(dirname -- "$(readlink -f -- "$0")")/jts_storage" lvm-backup "$@"
