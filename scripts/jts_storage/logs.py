"""Which files are logs, by their names: what else lies in a folder called `logs` may be what a database needs."""

import fnmatch
import re
from collections.abc import Iterable

# Also rotated: app.log.1, app.log-20260630.gz, app.csv.2
_ENDINGS = ("log", "csv", "json", "out", "err", "trace", "audit")
_LOGS = tuple(f"*.{ending}{more}" for ending in _ENDINGS for more in ("", ".*", "-*", "_*"))
_NEVER = re.compile(
    r"""
    [0-9A-F]{24}(\..*)?            # PostgreSQL's WAL, also .partial, .backup
    | [0-9A-F]{8}\.history(\..*)?  # its timelines
    | \d{20}\..*                   # Kafka's segments, which end in .log, and their indexes
    | .*checkpoint.*
    | .*\.(lock|pid|wal|sst|index|timeindex|txnindex)
    | \..*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_DATABASE_SIGNS = (
    "PG_VERSION",
    "archive_status",
    "postmaster.pid",
    "meta.properties",
    "*-checkpoint",
    "WiredTiger*",
    "*.sst",
    "MANIFEST-*",
    "*.aof",
    "ibdata*",
    "format_version.txt",
)


# What /var/log has beside logs, and what others look for there: see wtmp(5), dpkg(1), apt(8), systemd-journald(8).
_SYSTEMS = ("wtmp*", "btmp*", "lastlog*", "faillog*", "tallylog*", "dpkg.log*", "alternatives.log*", "*.journal*")
SYSTEM_FOLDERS = ("journal", "apt", "installer", "private")
# syslog.1, app.log.2.gz, messages-20260630, app.log-20260630-1719705600.xz
_ROTATED = re.compile(r".+(\.\d{1,4}|[-.]\d{8}([-.T]?\d+Z?)?)(\.(gz|bz2|xz|zst|lz4))?")


def is_log(name: str) -> bool:
    return _NEVER.fullmatch(name) is None and any(fnmatch.fnmatchcase(name, pattern) for pattern in _LOGS)


def database_sign(names: Iterable[str]) -> str | None:
    """A name that says that the folder is a database's own, where there is one."""
    return next((name for name in names if any(fnmatch.fnmatchcase(name, sign) for sign in _DATABASE_SIGNS)), None)


def is_rotated(name: str) -> bool:
    """A log that something has rotated, as in /var/log; never one that the system itself needs."""
    return (
        _ROTATED.fullmatch(name) is not None
        and _NEVER.fullmatch(name) is None
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in _SYSTEMS)
    )
