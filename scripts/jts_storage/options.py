"""Options of components/automation/settings.ts, as the settings of this host have them.

Made by `npm run generate`; edit the rows there.
"""

from dataclasses import dataclass
from typing import Annotated

from jts_storage.fields import Count, Folder, Line, Name, NamedFolder, Path, Percent, Receiver, at_least, one_of


@dataclass(frozen=True, kw_only=True)
class IncrementalBackups:
    """Archive of a volume only what differs from its last full archive on warm: an increment, which needs that
    archive to be restored."""

    full_every_days: Annotated[int, at_least(2)]
    """How old the last full archive may get, in days, before the next one is made."""


@dataclass(frozen=True, kw_only=True)
class ColdRetention:
    """Of how many of the last weeks, months and years the newest archive of each volume stays on cold, such as
    `{ weekly: 8, monthly: 12, yearly: 5 }`."""

    weekly: Annotated[int, at_least(0)]
    """How many of the last weeks."""
    monthly: Annotated[int, at_least(0)]
    """How many of the last months."""
    yearly: Annotated[int, at_least(0)]
    """How many of the last years."""


@dataclass(frozen=True, kw_only=True)
class PostgresArchive:
    """Old records of PostgreSQL that are archived to cold's `archives/records`, a partition or a table at a
    time, where nothing of ours deletes them."""

    database: Line
    """The database."""
    schema: Line
    """The schema of the table or the tables."""
    table: Line | None = None
    """A table that is partitioned by RANGE of a date or a time: its partitions are archived, each by itself.
    None: left out, or false."""
    tables: Line | None = None
    """In place of `table`: the names of whole tables, with `*` for any text, and with a date: `ticks_%Y_%m` is a
    table for each month, `%Y%m%d` for each day, `%Y` for each year. None: left out, or false."""
    older_than_days: Annotated[int, at_least(1)] | None = None
    """How old the last record may be: a partition counts by its upper bound, a table by the end of the time in
    its name. None: left out, or false."""
    then: Annotated[str, one_of("keep", "detach", "drop")]
    """What becomes of a partition or a table after its archive is proved: `keep`; `detach` makes a partition a
    table of its own; `drop`."""


@dataclass(frozen=True, kw_only=True)
class Transfers:
    """How much goes to the cold tier and comes from there at a time."""

    streams: Count | None = None
    """How many files are on the way to the cold tier, or from there, at a time: moved files, dumps of databases,
    copied folders. None: left out, or false."""
    bandwidth_mi_b_per_second: Count | None = None
    """MiB per second that all scripts may write to the cold tier's exports and read from there together, on
    average over some seconds. None: left out, or false."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What moves besides the logs and the backups."""

    name: Line
    """The rule's name in reports and logs."""
    source: Path
    """The folder whose files move."""
    pattern: Line
    """What the files' names must match, as fnmatch(3) has it."""
    older_than_days: Annotated[int, at_least(0)]
    """How old a file must be, by its modification time, or as `by` says."""
    by: Annotated[str, one_of("modification", "access")] | None = None
    """What a file's age counts from: `modification`, its last write; or `access`, its last write or read,
    whichever is later. None: left out, or false."""
    to: Name
    """The tier that the files move to, or the name of a volume of `cold.volumes`."""
    destination: Folder
    """The folder below warm's mount point, or below cold's or its volume's root."""
    compress: bool
    """Whether files are compressed with zstd."""
    keep: bool
    """Copy, and leave the source: for files that are written once."""


@dataclass(frozen=True, kw_only=True)
class Automation:
    """Moves between the tiers, backups, archives and health checks."""

    logs_to_warm_after_days: Annotated[int, at_least(0)]
    """Age, by modification time, at which logs move to warm."""
    backups_to_cold_after_days: Annotated[int, at_least(0)]
    """Age at which backups move from warm's `daily-backups` to cold's `archives/database`."""
    system_logs: Path | None
    """Whether logs that were rotated below /var/log move with the others, to warm's `logs/system`; never the
    journal's, wtmp, dpkg's or apt's. None: left out, or false."""
    temp_after_days: Annotated[int, at_least(0)]
    """Age at which files in warm's `temp-processing` are deleted."""
    warm_logs_after_days: Annotated[int, at_least(0)]
    """Age at which logs on warm are deleted."""
    dedup: bool | None = None
    """Whether files of the same content on warm share their room there: the daily run looks for them, and does
    not defragment warm, which would store again what they share. None: left out, or false."""
    docker_prune: bool
    """Whether to run `docker system prune`, which leaves volumes alone, where there is docker."""
    backup_volumes: dict[Name, Count]
    """Volume → the size of its snapshot: what changes while it is read for the archive."""
    backups_kept_days: Annotated[int, at_least(1)]
    """How long snapshots, and archives on warm, stay."""
    incremental_backups: IncrementalBackups | None = None
    """Archive of a volume only what differs from its last full archive on warm: an increment, which needs that
    archive to be restored. None: left out, or false."""
    archives_kept_days: Annotated[int, at_least(1)]
    """How long dumps and configurations on cold stay; the last seven stay anyway."""
    cold_retention: ColdRetention | None
    """Of how many of the last weeks, months and years the newest archive of each volume stays on cold, such as
    `{ weekly: 8, monthly: 12, yearly: 5 }`. None: left out, or false."""
    config_paths: tuple[Path, ...] | None = None
    """Files and folders of the host that the archive of configurations has too: the databases' configurations,
    such as `/etc/postgresql` and `/var/lib/mongodb/config`, not their data. None: left out, or false."""
    postgres_databases: tuple[Line, ...]
    """Databases of PostgreSQL that are dumped to cold; none named: all of the cluster that psql connects to."""
    postgres_archive: tuple[PostgresArchive, ...] | None = None
    """Old records of PostgreSQL that are archived to cold's `archives/records`, a partition or a table at a
    time, where nothing of ours deletes them. None: left out, or false."""
    development_folders: tuple[NamedFolder, ...]
    """Folders of the host that are copied to cold's `development/NAME`, which must be empty at first, and not
    another host's."""
    development_kept_days: Annotated[int, at_least(1)]
    """How long what a copy replaced or deleted stays, in cold's `development/.removed`."""
    development_compress: bool | None = None
    """Whether these copies are compressed with zstd, file by file: NAME is NAME.zst on cold, where that saves an
    eighth. None: left out, or false."""
    clickhouse_to_cold_after_days: Annotated[int, at_least(1)]
    """Age at which partitions move to cold, of ClickHouse's tables whose storage policy has a volume `cold`,
    such as that of scripts/clickhouse/storage-policy.xml."""
    clickhouse_to_cold_per_run: Count | None = None
    """How much of these partitions one run moves, such as `200GiB`: the oldest first, and at least one, however
    large. None: left out, or false."""
    transfers: Transfers | None = None
    """How much goes to the cold tier and comes from there at a time. None: left out, or false."""
    usage_warning_percent: Percent
    """How full a tier, or a snapshot, may be before health warns."""
    usage_critical_percent: Percent
    """How full a tier, or a snapshot, may be before health reports a critical finding."""
    attributes: Annotated[str, one_of("strict", "best-effort")]
    """Files with an owner, an ACL or attributes that their destination can't keep, as NFSv3 has no ACLs:
    `strict`, they stay; `best-effort`, they move without them, and the journal of moves has what they lost."""
    delete_at_most_percent: Percent
    """Where more of warm's size than this is old enough to be deleted, none of it is, until `tiered-storage.sh
    cleanup --yes`."""
    rules: tuple[Rule, ...]
    """What moves besides the logs and the backups."""
    warm_high_percent: Percent
    """How full warm may be before what is oldest on it goes to cold."""
    warm_low_percent: Percent
    """How full warm is when that ends."""
    warm_snapshots_kept_days: Annotated[int, at_least(1)] | None = None
    """How long snapshots of warm stay, one of which is made before files are deleted there: what was deleted or
    moved away since can be copied back from them, and takes its room until they go. None: left out, or false."""
    backup_warning_hours: Annotated[int, at_least(0)]
    """Age of the newest backup of a volume above which health warns; 0: never."""
    archive_warning_hours: Annotated[int, at_least(0)]
    """The same of the archives on cold, where `nas-archival` has its timer: configurations, and each database
    that was ever dumped; 0: never."""
    notify: Receiver | None
    """Who gets the health report when it changes, and once a day: the absolute path of a command, or a URL of
    http or https. None: left out, or false."""
    metrics_folder: Path
    """Where health leaves `jts-storage.prom` for Prometheus's node exporter, if the folder is there."""
