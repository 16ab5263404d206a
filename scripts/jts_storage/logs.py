"""Which files are logs, by their names: a folder called `logs` may also hold files that a database needs."""

import fnmatch
import re
from collections.abc import Iterable

# With rotated ones: app.log.1, app.log-20260630.gz, app.csv.2
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
# What other programs keep in /var/log, and look for there: see wtmp(5), dpkg(1), apt(8), systemd-journald(8).
_SYSTEMS = ("wtmp*", "btmp*", "lastlog*", "faillog*", "tallylog*", "dpkg.log*", "alternatives.log*", "*.journal*")
SYSTEM_FOLDERS = ("journal", "apt", "installer", "private")
# syslog.1, app.log.2.gz, messages-20260630, app.log-20260630-1719705600.xz
_ROTATED = re.compile(r".+(\.\d{1,4}|[-.]\d{8}([-.T]?\d+Z?)?)(\.(gz|bz2|xz|zst|lz4))?")


def is_log(name: str) -> bool:
    """Whether a log has such a name, and nothing of a database's has."""
    return _NEVER.fullmatch(name) is None and any(fnmatch.fnmatchcase(name, pattern) for pattern in _LOGS)


def database_sign(names: Iterable[str]) -> str | None:
    """The name of a file that only the folder of a database has; None: there is none."""
    return next((name for name in names if any(fnmatch.fnmatchcase(name, sign) for sign in _DATABASE_SIGNS)), None)


def is_rotated(name: str) -> bool:
    """Whether a rotated log has such a name, as in /var/log; False for all that the system itself needs."""
    return (
        _ROTATED.fullmatch(name) is not None
        and _NEVER.fullmatch(name) is None
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in _SYSTEMS)
    )
