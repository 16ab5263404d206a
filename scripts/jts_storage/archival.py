"""\
usage: nas-archival.sh configs|postgresql|development|clickhouse|records|all|list|verify [OPTION…]
       nas-archival.sh restore DATABASE [--before TIME] [--into NAME] [--host NAME] [--list] [OPTION…]
       nas-archival.sh restore-records FILE --into DATABASE [OPTION…]
       nas-archival.sh extract configs|PATH --to FOLDER [--before TIME] [--host NAME] [--list] [OPTION…]
       nas-archival.sh restore-folder NAME|FOLDER --to FOLDER [--only PATH] [OPTION…]

  configs      archives fstab, LVM's metadata, units, our settings and automation.configPaths to archives/configs
  postgresql   dumps each database, and the roles, to archives/database, and reads the dumps to their end
  development  copies folders to development/NAME. What a copy replaces or deletes there goes to development/.removed.
               A NAME that another host or folder copies to, or that has other files, is not touched. A filesystem that
               is mounted in a folder is not copied with it. With automation.developmentCompress, a file NAME that zstd
               makes smaller is NAME.zst there
  clickhouse   has ClickHouse move old partitions to the volume "cold" of their tables' storage policy
  records      archives old partitions or tables of PostgreSQL to archives/records, each in a file of its own, and
               proves each by a restore to the database jts-storage-scratch. Then it drops or detaches those that are
               to go, if they are unchanged and nothing depends on them
  all          all of them in this order, whatever fails; what the host does not have is left out
  list         prints the archives on cold: time, kind, bytes, path
  verify       compares configs, dumps and records with their checksums, and reads them to their end; so it does with
               the compressed files of copied folders. For archives of volumes, see lvm-backup.sh verify
  restore      restores the newest dump of a database into a new database, which gets its name when it is complete.
               The dump is compared with its checksum and read to its end before. Never changes a database that exists
  restore-records  restores a file of archives/records, after the same checks, as a table that is not attached to any
               other. Never changes a table that exists
  extract      unpacks the newest archive of the configuration, or only the file or folder PATH of it, such as
               /etc/fstab, into a folder without files. PATH stays the same in there. What is unpacked keeps its owner
               and mode; only root can read new folders above it
  restore-folder
               brings the copy of a folder back, development/NAME or a FOLDER below development on cold, such as one of
               .removed, into a folder without files. What was compressed is decompressed, and compared with the SHA-256
               of what was copied

  --dry-run        prints what a run would do, and changes nothing
  --json           prints one JSON document: what there is, or what was done
  --try            for configs, postgresql, records, all, restore and restore-records: also where there seems to be too
                   little room
  --before TIME    for restore and extract: what was archived before it, a time as date(1) takes it; default: the newest
  --into NAME      for restore: the new database; default: DATABASE-STAMP, with the stamp of the dump. For
                   restore-records: the database, which exists
  --to FOLDER      for extract and restore-folder: an absolute path
  --only PATH      for restore-folder: only this file or folder of it, by its path in the folder that was copied
  --host NAME      for restore and extract: the host that made the archive; default: this one
  --list           for restore and extract: only prints the archives that there are
  --now TIME       in place of the clock, as date(1) takes it
  --settings FILE  in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it
  --lock FILE      in place of /run/jts-storage-archival.lock; the file of the limit of bandwidth is beside it

Settings, see docs/configuration.md:
  cold.mountPoint, source               where the NAS is mounted, and the SERVER:EXPORT that must be mounted there
  cold.root                             the folder on it that holds all our files
  coldVolumes                           the same of further exports, by name, and the archives that each holds
  hot.volumeGroup                       the volume group whose metadata is archived with configs
  automation.archivesKeptDays           how long archives of configs and postgresql are kept
  automation.postgresDatabases          the databases to dump; none: all of the cluster that psql connects to
  automation.configPaths                files and folders that the archive of configurations has too
  automation.postgresArchive            which old records are archived, and whether they are dropped then
  automation.developmentFolders         the folders to copy, each under the last name of its path
  automation.developmentKeptDays        how long development/.removed is kept
  automation.developmentCompress        whether these copies are compressed
  automation.clickhouseToColdAfterDays  how old a partition must be
  automation.clickhouseToColdPerRun     how many bytes of partitions a run moves; none: no limit
  automation.transfers.streams          how many databases, or folders, side by side; none: one after another
  automation.transfers.bandwidthMiBPerSecond
                                        MiB per second to and from cold, of all our programs together, on average over
                                        some seconds; none: no limit. What ClickHouse moves does not count
  stateFolder                           keeps when the last run was
  probeSeconds                          how long a filesystem may take to answer

A run does not begin what there is no room for: an archive is expected to take as much as the last one of its name and a
quarter more, and the first one at most what its source uses. Copies of folders are not checked: one that runs out of
room fails, and the next run continues it. A restored database is expected to take what the original takes now and a
quarter more; where there is no original, at least the size of the dump.

Archives are deleted when they are older than automation.archivesKeptDays and seven newer ones are there; what is in
development/.removed, only by its age; archives of records, never. Neither archives nor records of PostgreSQL go in a
first run, after a week without a run, or after a clock that went back, unless --now is given. Roles are dumped with the
hashes of their passwords: only root can read archives.

Exit status: 0 all well · 1 something failed or is away; the log says what and what to do · 2 wrong usage or settings ·
75 another run holds the lock
"""

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jts_storage import postgresql
from jts_storage.archival_run import Archival
from jts_storage.archives import stamp_of
from jts_storage.clickhouse import move_partitions
from jts_storage.cold_archives import archive_configs, archive_databases
from jts_storage.folders import copy_folders
from jts_storage.inventory import list_archives, verify_archives
from jts_storage.problem import HERE, Problem
from jts_storage.program import Parser, parse_time, take_lock
from jts_storage.record_archives import archive_records
from jts_storage.restores import UNFINISHED, extract_configs, restore_copy, restore_database, restore_records
from jts_storage.unpacking import require_path

# The options that have a value, and that only some subcommands take.
VALUES = ("before", "into", "to", "only", "host")


def _check_restore(arguments: Sequence[str], options: argparse.Namespace) -> None:
    if len(arguments) != 1 or not arguments[0]:
        raise Problem("restore takes the name of one database")
    unfinished = f"{options.into or f'{arguments[0]}-{stamp_of(0)}'}{UNFINISHED}"
    if not options.list and len(os.fsencode(unfinished)) > postgresql.NAME_BYTES:
        longest = postgresql.NAME_BYTES - len(UNFINISHED)
        raise Problem(
            f"the new database's name would be too long: PostgreSQL takes {postgresql.NAME_BYTES} bytes, and until the "
            f"database is complete its name ends with {UNFINISHED}",
            f"--into NAME, of {longest} bytes at most",
        )


def _check_restore_records(arguments: Sequence[str], options: argparse.Namespace) -> None:
    if len(arguments) != 1 or not arguments[0].startswith("/"):
        raise Problem("restore-records takes the absolute path of one file", f"{HERE}/nas-archival.sh list")
    if options.into is None:
        raise Problem("restore-records needs --into with the name of a database")


def _check_extract(arguments: Sequence[str], options: argparse.Namespace) -> None:
    if len(arguments) != 1:
        raise Problem("extract takes configs, or one path")
    require_path(arguments[0], "extract")
    if not options.list and not (options.to or "").startswith("/"):
        raise Problem("extract needs --to with an absolute path")


def _check_restore_folder(arguments: Sequence[str], options: argparse.Namespace) -> None:
    if len(arguments) != 1 or not arguments[0]:
        raise Problem("restore-folder takes the name of one copied folder, or a path on cold")
    if not (options.to or "").startswith("/"):
        raise Problem("restore-folder needs --to with an absolute path")
    if options.only is not None:
        require_path(options.only, "--only")


@dataclass(frozen=True)
class Subcommand:
    """What a subcommand does, and what it takes."""

    works: tuple[Callable[[Archival], None], ...]
    options: tuple[str, ...] = ()
    """Which it takes of --list and `VALUES`. All subcommands take the other options."""
    check: Callable[[Sequence[str], argparse.Namespace], None] | None = None
    """Raises Problem where it does not take such arguments, or needs an option; None: it takes no arguments."""
    only_looks: bool = False
    """Whether it needs no lock, and prints what it saw; --list makes others such, too."""


WORKS = {
    "configs": archive_configs,
    "postgresql": archive_databases,
    "development": copy_folders,
    "clickhouse": move_partitions,
    "records": archive_records,
}
SUBCOMMANDS = {
    **{name: Subcommand((work,)) for name, work in WORKS.items()},
    "all": Subcommand(tuple(WORKS.values())),
    "list": Subcommand((list_archives,), only_looks=True),
    "verify": Subcommand((verify_archives,), only_looks=True),
    "restore": Subcommand((restore_database,), ("before", "into", "host", "list"), _check_restore),
    "restore-records": Subcommand((restore_records,), ("into",), _check_restore_records),
    "extract": Subcommand((extract_configs,), ("before", "to", "host", "list"), _check_extract),
    "restore-folder": Subcommand((restore_copy,), ("to", "only"), _check_restore_folder),
}


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("words", nargs="*")
    for option in ("--dry-run", "--json", "--try", "--list"):
        parser.add_argument(option, action="store_true")
    for option in ("now", *VALUES):
        parser.add_argument(f"--{option}")
    parser.add_argument("--lock", metavar="FILE", default="/run/jts-storage-archival.lock")
    options = parser.parse_intermixed_args(words)
    if not options.words:
        parser.error("a subcommand is missing")
    action, *arguments = options.words
    if action not in SUBCOMMANDS:
        parser.error(f"there is no {action}")
    settings = parser.read_settings(options)
    try:
        now = parse_time(options.now)
        before = None if options.before is None else stamp_of(parse_time(options.before, "--before"))
        _require_usage(action, arguments, options)
    except Problem as problem:
        parser.error(str(problem))
    run = Archival(settings, options, action, arguments, now, before)
    with run.recorded("nas-archival", action):
        return _carry_out(action, run)


def _require_usage(action: str, arguments: Sequence[str], options: argparse.Namespace) -> None:
    """@raises Problem where the subcommand does not take them"""
    subcommand = SUBCOMMANDS[action]
    for option in ("list", *VALUES):
        value = vars(options)[option]
        if value not in (None, False) and option not in subcommand.options:
            raise Problem(f"{action} takes no --{option}")
        if value == "":
            raise Problem(f"--{option} needs a value")
    if subcommand.check is not None:
        subcommand.check(arguments, options)
    elif arguments:
        raise Problem(f"{action} takes no {arguments[0]}")


def _carry_out(action: str, run: Archival) -> int:
    """Does what the subcommand says, all of it, whatever fails; returns the exit status."""
    subcommand = SUBCOMMANDS[action]
    only_looks = subcommand.only_looks or run.options.list
    if not run.dry_run and not only_looks:
        take_lock(run.options.lock)
        # Archives hold what only root and the services may read.
        os.umask(0o077)
    # The user postgres may have no right to be in the working directory.
    os.chdir("/")
    for work in subcommand.works:
        try:
            work(run)
        except Problem as problem:
            run.fail(str(problem))
    if not only_looks:
        run.print_summary(action)
    return run.status
