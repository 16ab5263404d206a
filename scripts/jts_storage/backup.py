"""\
usage: lvm-backup.sh create [VOLUME…] | daily [VOLUME…] | cleanup | all | list | verify [ARCHIVE…] [OPTION…]
       lvm-backup.sh restore ARCHIVE --to FOLDER [--only PATH] [OPTION…]
       lvm-backup.sh restore ARCHIVE --to-volume NAME [--size SIZE] [--filesystem ext4|xfs] [OPTION…]

  create   makes a snapshot of each volume, which is kept for days
  daily    archives each volume, from a new snapshot, to warm's daily-backups, with a checksum
  cleanup  removes our snapshots and archives that have been kept long enough
  all      daily, then cleanup, whatever fails
  list     prints the archives on warm and cold, and the snapshots
  verify   compares archives on warm and cold with their checksums, and reads them to their end
  restore  unpacks an archive into a folder without files, or a new volume; never overwrites anything

  --dry-run          prints what a run would do, and changes nothing
  --json             prints one JSON document: what there is, or what was done
  --rolling          for create: snapshots that are removed earlier where the volume group is short of room
  --try              for daily and all: also archives where there seems to be too little room
  --to FOLDER        for restore: an absolute path
  --only PATH        for restore --to: one file or folder of the archive, with its path from the top of the volume. It
                     gets that path in FOLDER, and keeps its owner and mode; only root can read new folders above it
  --to-volume NAME   for restore: a new volume in the volume group of the hot tier
  --size SIZE        of the new volume, as lvcreate(8) takes it; default: the size of the original
  --filesystem TYPE  of the new volume, ext4 or xfs; default: that of the original
  --now TIME         in place of the clock, as date(1) takes it
  --settings FILE    in place of /etc/jts-storage/settings.json; only root, or only you, must be able to write it
  --lock FILE        in place of /run/jts-storage-backup.lock; snapshots are mounted at FILE.mount, where only this run
                     sees them; the file of the limit of bandwidth is beside it

Settings (for those of the tiers, see tiered-storage.sh --help):
  automation.backupVolumes     the volumes, and the size of each one's snapshot in bytes: so much of the volume may
                               change while it is read
  automation.incrementalBackups  that only what differs from the last full archive is archived, and after how many days
                               the next full one is made
  automation.backupsKeptDays   how long archives and snapshots are kept
  automation.transfers.bandwidthMiBPerSecond
                               MiB per second from cold, for verify and restore, together with all our other programs
  automation.coldRetention     for how many of the last weeks, months and years the newest archive of each volume stays
                               on cold; null: all stay

A run does not begin what there is no room for. An archive is expected to take as much as the last one of its volume and
a quarter more; the first one, as much as its volume uses. A snapshot takes free extents of the volume group.

An increment, VOLUME-STAMP.on-STAMP.rdiff.zst, has what differs from the full archive with the second stamp, which must
be on warm and match its checksum; else a full one is made. It is verified and restored like any other archive, and then
both are read. A full archive stays on warm as long as an increment there needs it.

An archive is deleted from warm when it is older than automation.backupsKeptDays, and as many newer ones of its volume
are there. If there is a cold tier, the first of each week stays until tiered-storage.sh moves it there. On cold, the
newest ones of a volume always stay, as many as the largest number in automation.coldRetention. Snapshots, and archives
on cold, stay in a first run, after a week without a run, and after a clock that went back, unless --now is given.

Rolling snapshots are removed, the oldest first, as soon as the next ones and the snapshot of a daily run would not fit;
the newest one of a volume stays. So there are as many of them as the volume group has room for.

Exit status: 0 all well · 1 something failed or is away; the log says what and what to do · 2 wrong usage or settings ·
75 another run holds the lock

Examples:
  lvm-backup.sh daily lv_postgres
  lvm-backup.sh restore lv_postgres-20260131T020000Z.tar.zst --to /mnt/restored
"""

import argparse
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from jts_storage.archives import (
    CHECKSUM,
    COMPRESS,
    DECOMPRESS,
    LIST_TAR,
    STAMP,
    ArchivingRun,
    expired,
    pack,
    publish,
    read_tar,
    read_through,
    remove_temporary,
    require_own,
    require_room,
    require_sum,
    second_line,
    size_of_last,
    stamp_of,
    sum_beside,
    superseded,
    verify,
    watched,
)
from jts_storage.bandwidth import limit_cold
from jts_storage.bounded import bounded, output_of
from jts_storage.files import first_line
from jts_storage.increments import ENDING as INCREMENT_ENDING
from jts_storage.increments import FULL_ENDING as ENDING
from jts_storage.increments import NAME as INCREMENT_NAME
from jts_storage.increments import command as increment_command
from jts_storage.increments import full_of
from jts_storage.log import log
from jts_storage.lvm import rows_of
from jts_storage.mounts import closing, mounted
from jts_storage.problem import HERE, Problem, with_remedy
from jts_storage.program import Parser, human, parse_time, plain_number, print_json, take_lock
from jts_storage.settings import Settings
from jts_storage.tiers import prove_warm, require_answer, require_cold, require_cold_of, usage_of
from jts_storage.unpacking import UNPACK, carry_out, make_folder, require_path, unpack, unpack_to_folder

PROGRAM = f"{HERE}/lvm-backup.sh"
ACTIONS = ("create", "daily", "cleanup", "all", "list", "verify", "restore")
# The filesystems that can be archived and restored → options to mount a snapshot with. A snapshot that fills up gives
# errors, for which an ext4 that was set to (tune2fs -e panic) would stop the host, also where it is mounted read-only.
# XFS refuses a second filesystem with the same UUID. Not btrfs, which takes a copy of a device for the device itself.
SNAPSHOT_OPTIONS = {"ext4": "ro,errors=continue", "xfs": "ro,nouuid"}
T = TypeVar("T")
DAY_SECONDS = 86400
LOOK_SECONDS = 60

# What we make in LVM has one of these tags: a snapshot that is kept, one that is kept while there is room, one that is
# being archived, a volume that is being restored.
KEPT, ROLLING = "jts-backup.kept", "jts-backup.rolling"
DAILY, RESTORING = "jts-backup.daily", "jts-backup.restoring"
TEMPORARY = ".jts-backup-"
VOLUME_NAME = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.-]*")
ARCHIVE_NAME = re.compile(rf"({VOLUME_NAME.pattern})-({STAMP.pattern})\.tar\.zst")
SNAPSHOT_STAMP = re.compile(rf"_({STAMP.pattern})$")

# The second line of an increment's checksum: the SHA-256 of the tar archive that is read from it. sha256sum(1) takes it
# for a comment.
TAR_SUM = "# tar "
SUM_BYTES = 64

# Runs a shell program in a mount namespace of its own: nobody else sees its mounts, and they end with the last process
# in it. What others unmount is unmounted there too.
IN_OWN_NAMESPACE = ("unshare", "--mount", "--propagation", "slave", "--", "bash", "-c")
# The snapshot is writable, so that the filesystem replays its log although it is mounted read-only: what is archived is
# what a crash at that moment would leave. norecovery (noload) would leave out what is only in the log.
READ_SNAPSHOT = """
mount --types "$1" --options "$2" -- "$3" "$4" && cd -- "$4" &&
exec tar --create --file=- --one-file-system --format=posix --numeric-owner --acls --xattrs --xattrs-include="*" \\
  --sparse "${@:5}" .
"""
FILL_VOLUME = 'mount --types "$1" -- "$2" "$3" && "${@:4}" --directory="$3" && umount -- "$3"'


def main(words: Sequence[str]) -> int:
    parser = Parser(__doc__ or "")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--dry-run", action="store_true")
    for option in ("--json", "--rolling", "--try"):
        parser.add_argument(option, action="store_true")
    for option in ("--now", "--to", "--only", "--to-volume", "--size", "--filesystem"):
        parser.add_argument(option, type=_not_empty)
    parser.add_argument("--lock", type=_not_empty, default="/run/jts-storage-backup.lock")
    options = parser.parse_intermixed_args(words)
    if not options.words:
        parser.error("a subcommand is missing")
    action, *arguments = options.words
    if action not in ACTIONS:
        parser.error(f"there is no {action}")
    settings = parser.read_settings(options)
    try:
        now = parse_time(options.now)
        _require_arguments(action, arguments, options, settings)
    except Problem as problem:
        parser.error(str(problem))
    backup = Backup(settings, options, now, arguments)
    # A run for some of the volumes is not recorded: it says nothing about all.
    with backup.recorded("lvm-backup", "" if arguments else action):
        return backup.run(action)


def _not_empty(value: str) -> str:
    if value == "":
        raise argparse.ArgumentTypeError("it needs a value")
    return value


def _require_arguments(action: str, arguments: Sequence[str], options: argparse.Namespace, settings: Settings) -> None:
    """@raises Problem where the subcommand does not take them"""
    volumes = settings.automation.backup_volumes
    for one in arguments:
        if action in ("create", "daily"):
            if one not in volumes:
                raise Problem(f"{one} is not one of the volumes that are backed up ({' '.join(volumes)})")
        elif action in ("verify", "restore"):
            if parse_name(one) is None:
                raise Problem(f"{one} is not the name of an archive", f"{PROGRAM} list")
        else:
            raise Problem(f"{action} takes no {one}")
    if options.rolling and action != "create":
        raise Problem(f"{action} takes no --rolling")
    if vars(options)["try"] and action not in ("daily", "all"):
        raise Problem(f"{action} takes no --try")
    if action != "restore":
        if options.only is not None:
            raise Problem(f"{action} takes no --only")
        return
    if len(arguments) != 1:
        raise Problem("restore takes one archive")
    if (options.to is None) == (options.to_volume is None):
        raise Problem("restore needs one of --to and --to-volume")
    if options.to is not None and not options.to.startswith("/"):
        raise Problem("--to needs an absolute path")
    if options.only is not None:
        if options.to is None:
            raise Problem("--only needs --to")
        require_path(options.only, "--only")
    if options.to_volume is not None and VOLUME_NAME.fullmatch(options.to_volume) is None:
        raise Problem(f"{options.to_volume} is not a valid name of a volume")
    if options.filesystem not in (None, *SNAPSHOT_OPTIONS):
        raise Problem(f"--filesystem must be {' or '.join(SNAPSHOT_OPTIONS)}")
    if options.to_volume is not None and (settings.hot is None or settings.hot.volume_group is None):
        raise Problem("this host has no volume group to restore a volume in")


@dataclass(frozen=True)
class Name:
    """The name of an archive."""

    name: str
    volume: str
    stamp: str
    full: str
    """The name of the full archive that it needs; empty: it is a full one."""


def parse_name(name: str) -> Name | None:
    """None: it is not the name of an archive."""
    if (found := ARCHIVE_NAME.fullmatch(name)) is not None:
        return Name(name, found[1], found[2], "")
    found = INCREMENT_NAME.fullmatch(name)
    if found is None or VOLUME_NAME.fullmatch(found["volume"]) is None:
        return None
    return Name(name, found["volume"], found["stamp"], full_of(name))


@dataclass(frozen=True)
class Volume:
    """What LVM says of a volume."""

    name: str
    origin: str
    """The volume that it is a snapshot of; empty: it is not a snapshot."""
    bytes: int
    fill_percent: float
    is_invalid: bool
    tags: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the snapshot has had room for everything."""
        return not self.is_invalid and self.fill_percent < 100


@dataclass(frozen=True)
class Archive:
    name: str
    volume: str
    bytes: int
    tier: str
    folder: str
    has_checksum: bool
    """On either tier: while both move to cold, they may be on different ones."""
    full: str
    """The name of the full archive that this increment needs; empty: it is a full one."""

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.name}"


@dataclass(frozen=True)
class Readable:
    """A copy of an archive, and what is needed to read it."""

    copy: Archive
    full: Archive | None
    """A copy of the full archive that it needs; None: it is a full one."""
    reader: tuple[str, ...]
    """The command that prints the tar archive of what it reads."""

    @property
    def on_cold(self) -> Archive | None:
        """What of it is on cold; None: nothing."""
        return next((one for one in (self.copy, self.full) if one is not None and one.tier == "cold"), None)


@dataclass(frozen=True)
class Group:
    """The volume group's room, in bytes."""

    free: int
    extent: int

    def taken_by(self, size: int) -> int:
        """What a volume of that size takes of it: LVM takes whole extents."""
        return -(-size // self.extent) * self.extent


class Backup(ArchivingRun):
    """One run of a subcommand."""

    def __init__(
        self, settings: Settings, options: argparse.Namespace, now: int, arguments: Sequence[str] = ()
    ) -> None:
        super().__init__(settings, options.dry_run, options.json)
        self.options = options
        self.arguments = arguments
        self.now = now
        self.stamp = stamp_of(now)
        self.sizes = settings.automation.backup_volumes
        self.group = None if settings.hot is None else settings.hot.volume_group
        self.backups = None if settings.warm is None else f"{settings.warm.mount_point}/daily-backups"
        cold = settings.cold_for("backups")
        self.archived = None if cold is None else f"{cold.root}/archives/database"
        self.found: Sequence[Archive] = ()
        self.mount_point = f"{options.lock.removesuffix('.lock')}.mount"
        limit_cold(settings, options.lock)

    def run(self, action: str) -> int:
        if not self.dry_run and action not in ("list", "verify"):
            take_lock(self.options.lock)
            # Archives hold what only their services may read.
            os.umask(0o077)
            self.remove_leftovers()
        works: dict[str, Callable[[], None]] = {
            "create": self.create,
            "daily": self.daily,
            "cleanup": self.cleanup,
            "list": self.print_all,
            "verify": self.verify,
            "restore": self.restore,
        }
        for name in ("daily", "cleanup") if action == "all" else (action,):
            works[name]()
        if action not in ("list", "verify"):
            self.print_summary(action)
        return self.status

    @contextmanager
    def failing(self) -> Iterator[None]:
        """A problem in it is added to those of the run, which goes on."""
        try:
            yield
        except Problem as problem:
            self.fail(str(problem))

    def remove_leftovers(self) -> None:
        """Removes what a killed run has left: we have its lock, so it has ended. Its mounts ended with it."""
        if self.group is not None and (self.sizes or self.options.to_volume is not None):
            try:
                volumes = self.look_at_volumes()
            except Problem as problem:
                self.fail(str(problem))
                return
            for volume in volumes:
                for tag in {DAILY, RESTORING}.intersection(volume.tags):
                    self.remove_volume(
                        volume.name,
                        tag,
                        "is left from a run that was interrupted, and cannot be removed",
                        f"lvremove {self.group}/{volume.name}",
                    )
        try:
            folder = self.require_backups()
        except Problem:
            return
        try:
            self.remove_leftover_files(folder)
        except FileNotFoundError:
            return
        except OSError as problem:
            self.fail(f"what an interrupted run left in {folder} cannot be removed: {problem.strerror}")

    def remove_leftover_files(self, folder: str) -> None:
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            archive = name.removesuffix(CHECKSUM)
            # A checksum gets its name just before its archive does. Its archive may also have moved to cold.
            lacks_archive = (
                archive != name
                and parse_name(archive) is not None
                and not os.path.exists(f"{folder}/{archive}")
                and not self.may_be_on_cold(archive)
            )
            if name.startswith(TEMPORARY) or lacks_archive:
                os.unlink(path)

    def may_be_on_cold(self, archive: str) -> bool:
        if self.settings.cold is None:
            return False
        try:
            for cold in self.settings.colds().values():
                require_answer(cold, self.settings)
        except Problem:
            return True
        return any(os.path.exists(f"{one.root}/archives/database/{archive}") for one in self.settings.colds().values())

    def require_backups(self) -> str:
        """
        The folder of archives on warm.

        @raises Problem where warm is not mounted, or this host has none
        """
        if self.settings.warm is None or self.backups is None:
            raise Problem("this host has no warm tier")
        try:
            prove_warm(self.settings.warm)
        except Problem as problem:
            raise Problem(str(problem), f"mount {self.settings.warm.mount_point}") from None
        return self.backups

    def look_at_volumes(self) -> list[Volume]:
        """All volumes of the volume group. @raises Problem where LVM does not list them"""
        fields = "lv_name,origin,lv_role,lv_size,snap_percent,lv_snapshot_invalid,lv_tags"
        try:
            return [_volume(row) for row in rows_of("lv", fields, str(self.group), LOOK_SECONDS)]
        except (Problem, ValueError, LookupError, TypeError):
            raise Problem(f"the volumes of {self.group} cannot be listed", "vgs; pvs; dmesg --level=err,warn") from None

    def remove_volume(self, name: str, tag: str, problem: str, remedy: str = "") -> bool:
        """
        Removes a volume if it still has that tag of ours; returns whether it worked.

        @param problem  what fails the run where it did not work; the volume's name goes before it
        """
        try:
            ours = f"lv_name={name} && lv_tags={{{tag}}}"
            carry_out("lvremove --quiet --yes --select", ours, "--", str(self.group))
        except Problem:
            self.fail(f"{self.group}/{name} {problem}", remedy)
            return False
        return True

    def create(self) -> None:
        for volume in self.chosen_volumes():
            with self.failing():
                snapshot = f"{volume}_kept_{self.stamp}"
                self.safe_filesystem_of(volume)
                self.make_snapshot(volume, snapshot, ROLLING if self.options.rolling else KEPT)
                if not self.dry_run:
                    self.report("made", f"{self.group}/{snapshot}")

    def chosen_volumes(self) -> Sequence[str]:
        """The volumes that were named, or all."""
        if not self.sizes:
            log("info", "no volumes to back up (automation.backupVolumes)")
        return self.arguments or tuple(self.sizes)

    def safe_filesystem_of(self, volume: str) -> str:
        """The filesystem of a volume. @raises Problem unless a snapshot of it by LVM is safe"""
        origin = _find(self.look_at_volumes(), volume)
        if origin is None:
            raise Problem(f"there is no volume {self.group}/{volume}", "pulumi up --refresh")
        if origin.origin:
            raise Problem(f"{self.group}/{volume} is a snapshot itself")
        try:
            filesystem = self.filesystem_of(volume)
        except Problem:
            raise Problem(
                f"the filesystem of {self.group}/{volume} cannot be read", f"blkid --probe /dev/{self.group}/{volume}"
            ) from None
        if filesystem not in SNAPSHOT_OPTIONS:
            raise Problem(
                f"{self.group}/{volume} has {filesystem}, and a snapshot of that by LVM is not safe",
                "leave it out of automation.backupVolumes",
            )
        return filesystem

    def make_snapshot(self, volume: str, snapshot: str, tag: str) -> None:
        """@raises Problem where it cannot be made"""
        size = self.sizes[volume]
        self.require_extents(volume, tag)
        if self.dry_run:
            log("info", f"would make the snapshot {self.group}/{snapshot} of {human(size)}")
            return
        try:
            sized = ("--size", f"{size}b", "--name", snapshot, "--addtag", tag)
            carry_out("lvcreate --quiet --yes --snapshot --permission rw", *sized, "--", f"{self.group}/{volume}")
        except Problem:
            remedy = f"{PROGRAM} cleanup; vgs {self.group}"
            raise Problem(f"there is no snapshot of {self.group}/{volume}: lvcreate failed", remedy) from None

    def require_extents(self, volume: str, tag: str) -> None:
        """@raises Problem where the volume group has no room for a snapshot of that volume"""
        group, size = self.look_at_group(), self.sizes[volume]
        needed, why = group.taken_by(size), ""
        if tag == ROLLING:
            # The next daily run must have room for its snapshot.
            daily = max(map(group.taken_by, self.sizes.values()))
            needed, why = needed + daily, f", {human(daily)} of it for the snapshot of a daily run"
        if needed <= group.free:
            return
        ours, freed = [], 0
        for one in self.by_age(self.look_at_volumes()):
            if freed < needed - group.free:
                ours.append(f"{self.group}/{one.name}")
                freed += one.bytes
        removal = f"; or, where they are no longer needed: lvremove {' '.join(ours)}" if ours else ""
        raise Problem(
            f"no snapshot of {self.group}/{volume}: it needs {human(needed)}{why}, {self.group} has "
            f"{human(group.free)} free",
            f"{PROGRAM} cleanup; vgs {self.group}{removal}",
        )

    def look_at_group(self) -> Group:
        """@raises Problem where LVM does not report its room"""
        try:
            row = rows_of("vg", "vg_free,vg_extent_size", str(self.group), LOOK_SECONDS)[0]
            return Group(int(row["vg_free"]), int(row["vg_extent_size"]))
        except (Problem, ValueError, LookupError, TypeError):
            raise Problem(
                f"LVM does not report the room in the volume group {self.group}", "vgs; pvs; dmesg --level=err,warn"
            ) from None

    def by_age(self, volumes: Sequence[Volume]) -> list[Volume]:
        """Our snapshots that are kept, rolling ones too, the oldest first."""
        stamped = [
            (found[1], one)
            for one in volumes
            if {KEPT, ROLLING}.intersection(one.tags) and (found := SNAPSHOT_STAMP.search(one.name)) is not None
        ]
        return [one for _, one in sorted(stamped, key=lambda pair: pair[0])]

    def filesystem_of(self, volume: str) -> str:
        """The type of a volume's filesystem. @raises Problem where blkid does not report it"""
        command = ["blkid", "--probe", "--match-tag", "TYPE", "--output", "value", "--", f"/dev/{self.group}/{volume}"]
        return output_of(command, LOOK_SECONDS).rstrip("\n")

    def daily(self) -> None:
        volumes = self.chosen_volumes()
        if not volumes:
            return
        try:
            folder = self.require_backups()
        except Problem as problem:
            self.fail(f"nothing archived: {problem}")
            return
        if not os.path.isdir(folder) or os.path.islink(folder):
            self.fail(f"there is no folder {folder}", "pulumi up --refresh")
            return
        for volume in volumes:
            with self.failing():
                self.archive(volume, folder)

    def archive(self, volume: str, folder: str) -> None:
        """@raises Problem where it is not archived"""
        snapshot = f"{volume}_daily_{self.stamp}"
        filesystem = self.safe_filesystem_of(volume)
        with self.full_for_increment(volume, folder) as full:
            ending = ENDING if full is None else f".on-{full.stamp}{INCREMENT_ENDING}"
            target = f"{folder}/{volume}-{self.stamp}{ending}"
            if os.path.lexists(target):
                raise Problem(f"{target} already exists")
            self.require_room(volume, folder, full)
            if self.dry_run:
                self.make_snapshot(volume, snapshot, DAILY)
                log("info", f"would archive it as {target}")
                self.done.append({"did": "archived", "what": f"{self.group}/{volume}", "path": target})
                return
            try:
                self.make_snapshot(volume, snapshot, DAILY)
                self.archive_snapshot(volume, snapshot, filesystem, target, full)
            finally:
                self.remove_volume(snapshot, DAILY, "cannot be removed; the next run tries again")

    @contextmanager
    def full_for_increment(self, volume: str, folder: str) -> Iterator[Name | None]:
        """
        The full archive that the next increment is made to, which is good; None: a full one is to be made. It is open
        meanwhile, so that the mover lets it stay.
        """
        full = self.newest_full(volume, folder)
        with ExitStack() as opened:
            if full is not None:
                try:
                    path = f"{folder}/{full.name}"
                    opened.enter_context(open(path, "rb"))
                    if not self.dry_run:
                        require_sum(path, sum_beside(path))
                except (Problem, OSError) as problem:
                    reason = f"{volume} gets a full archive, since no increment to a damaged one is made: {problem}"
                    self.fail(reason, f"{PROGRAM} verify; dmesg --level=err,warn; smartctl --all on warm's disk")
                    full = None
            yield full

    def newest_full(self, volume: str, folder: str) -> Name | None:
        """The last full archive, where the next one is to be an increment to it; None: the next one is a full one."""
        wanted = self.settings.automation.incremental_backups
        if wanted is None:
            return None
        sizes = dict(self.files_of(folder))
        good = [one for one in map(parse_name, sizes) if one is not None and f"{one.name}{CHECKSUM}" in sizes]
        full = max(
            (one for one in good if one.volume == volume and not one.full), key=lambda one: one.stamp, default=None
        )
        # Half a day less: a timer's runs are not a whole day apart.
        oldest = stamp_of(self.now - wanted.full_every_days * DAY_SECONDS + DAY_SECONDS // 2)
        if full is None or not oldest < full.stamp < self.stamp:
            return None
        largest = max((sizes[one.name] for one in good if one.full == full.name), default=0)
        return full if largest * 2 < sizes[full.name] else None

    def require_room(self, volume: str, folder: str, full: Name | None) -> None:
        """
        @param full  the full archive that an increment is made to; None: a full one is made
        @raises Problem where warm has too little room for an archive of that volume
        """
        if self.settings.warm is None or vars(self.options)["try"]:
            return
        try:
            last, point = size_of_last(folder, ENDING, volume), self.settings.warm.mount_point
            if full is not None:
                sizes = [size for name, size in self.files_of(folder) if full_of(name) == full.name]
                last = max(sizes, default=last)
            used = None if last is not None else self.used_by(volume)
            require_room(
                point,
                last_bytes=last,
                source_bytes=used,
                seconds=LOOK_SECONDS,
                try_command=f"{PROGRAM} daily {volume} --try",
            )
        except Problem as problem:
            raise Problem(f"{volume} is not archived: {problem}") from None
        except OSError as problem:
            raise Problem(f"{folder} cannot be read: {problem.strerror}") from None

    def used_by(self, volume: str) -> int | None:
        """The bytes that a volume's filesystem uses; None: it is not mounted, or does not answer."""
        try:
            device = os.stat(f"/dev/{self.group}/{volume}").st_rdev
            number = f"{os.major(device)}:{os.minor(device)}"
            with open("/proc/self/mountinfo", "rb") as table:
                point = next((one.point for one in mounted(table) if one.device == number), None)
            return None if point is None else usage_of(point, LOOK_SECONDS).used
        except (OSError, Problem):
            return None

    def archive_snapshot(self, volume: str, snapshot: str, filesystem: str, target: str, full: Name | None) -> None:
        """
        @param full  the full archive that this is an increment to; None: it is a full one
        @raises Problem where it is not archived
        """
        temporary = f"{os.path.dirname(target)}/{TEMPORARY}{volume}-{self.stamp}"
        mount = (filesystem, SNAPSHOT_OPTIONS[filesystem], f"/dev/{self.group}/{snapshot}", self.mount_point)
        # Increments need the members sorted, in both archives.
        sort = () if self.settings.automation.incremental_backups is None else ("--sort=name",)
        commands = [[*IN_OWN_NAMESPACE, READ_SNAPSHOT, "read-snapshot", *mount, *sort]]
        sha256, reader, more_lines, facts = None, read_tar, "", {}
        try:
            try:
                make_folder(self.mount_point)
                if full is None:
                    sha256 = pack([*commands, COMPRESS], temporary)
                else:
                    path = f"{os.path.dirname(target)}/{full.name}"
                    with closing(os.memfd_create("sum")) as fd:
                        sum_file = f"/proc/{os.getpid()}/fd/{fd}"
                        commands.append(increment_command("make", path, f"--sum={sum_file}"))
                        sha256 = pack([*commands, COMPRESS], temporary)
                        sum_of_tar = os.pread(fd, SUM_BYTES, 0).decode("ascii")
                    reader = read_through([increment_command("read", path, f"--sha256={sum_of_tar}"), LIST_TAR])
                    more_lines, facts = f"{TAR_SUM}{sum_of_tar}\n", {"full": full.name}
            except Problem as problem:
                log("error", str(problem))
            # Only after everything was read: a snapshot that is whole then was whole all the time.
            self.require_whole(volume, snapshot)
            try:
                if sha256 is None:
                    raise Problem(f"{target} was not written")
                publish(temporary, target, sha256, reader, more_lines=more_lines)
            except Problem as problem:
                log("error", str(problem))
                point = os.path.dirname(os.path.dirname(target))
                raise Problem(
                    f"{volume} is not archived; there may be too little room on {point}", f"{HERE}/storage-health.sh"
                ) from None
            size = os.path.getsize(target)
            self.files, self.bytes = self.files + 1, self.bytes + size
            more = f" as {target} ({size} bytes)"
            self.report("archived", f"{self.group}/{volume}", more, path=target, bytes=size, **facts)
        finally:
            self.discard(temporary)

    def require_whole(self, volume: str, snapshot: str) -> None:
        """@raises Problem unless the snapshot still has everything that its volume had"""
        try:
            seen = _find(self.look_at_volumes(), snapshot)
        except Problem as problem:
            log("error", str(problem))
            raise Problem(f"{volume} is not archived: LVM does not report whether its snapshot is whole") from None
        if seen is None:
            raise Problem(f"{volume} is not archived: its snapshot was removed meanwhile")
        if not seen.is_whole:
            raise Problem(
                f"{volume} is not archived: its snapshot of {human(seen.bytes)} filled up meanwhile",
                "give it more room in automation.backupVolumes",
            )

    def discard(self, archive: str) -> bool:
        """Removes an archive, and then its checksum, which without its archive is removed as a leftover."""
        try:
            remove_temporary(archive)
        except OSError as problem:
            self.fail(f"{archive} cannot be deleted: {problem.strerror}")
            return False
        return True

    def cleanup(self) -> None:
        reason = None
        if self.options.now is None and (self.sizes or self.settings.automation.cold_retention is not None):
            reason = self.reason_by_clock("snapshots")
        if self.sizes:
            with self.failing():
                self.remove_old_snapshots(reason)
            with self.failing():
                self.make_room(reason)
        self.clean_warm()
        with self.failing():
            self.clean_cold(reason)

    def clean_warm(self) -> None:
        if self.settings.warm is None:
            return
        try:
            folder = self.require_backups()
        except Problem as problem:
            self.fail(f"no archives deleted: {problem}")
            return
        if os.path.isdir(folder):
            for volume in self.sizes:
                self.delete_old_archives(folder, volume)

    def remove_old_snapshots(self, reason: str | None) -> None:
        """`reason`: why nothing may be removed for its age; None: it may."""
        oldest = stamp_of(self.now - self.settings.automation.backups_kept_days * DAY_SECONDS)
        for one in self.look_at_volumes():
            stamp = SNAPSHOT_STAMP.search(one.name)
            is_old = stamp is not None and stamp[1] < oldest
            if not {KEPT, ROLLING}.intersection(one.tags) or not (one.is_invalid or is_old):
                continue
            if reason is not None and not one.is_invalid:
                log("warning", f"the snapshot {self.group}/{one.name} stays in this run: {reason}")
                continue
            self.remove_snapshot(one)

    def remove_snapshot(self, one: Volume) -> bool:
        device = f"/dev/{self.group}/{one.name}"
        remedy = f"findmnt --source {device}; fuser {device}"
        tag = ROLLING if ROLLING in one.tags else KEPT
        if not self.dry_run and not self.remove_volume(one.name, tag, "cannot be removed", remedy):
            return False
        self.report("removed the snapshot", f"{self.group}/{one.name}")
        return True

    def make_room(self, reason: str | None) -> None:
        """Removes rolling snapshots, so that the next ones and the snapshot of a daily run fit."""
        rolling = [one for one in self.by_age(self.look_at_volumes()) if ROLLING in one.tags and not one.is_invalid]
        if not rolling or reason is not None:
            return
        group = self.look_at_group()
        taken = [group.taken_by(size) for size in self.sizes.values()]
        free, needed = group.free, sum(taken) + max(taken)
        newest = {one.origin: one.name for one in rolling}
        for one in rolling:
            if free < needed and newest[one.origin] != one.name and self.remove_snapshot(one):
                free += group.taken_by(one.bytes)

    def delete_old_archives(self, folder: str, volume: str) -> None:
        kept = self.settings.automation.backups_kept_days
        has_cold = self.settings.cold is not None
        try:
            names = expired(
                folder,
                volume,
                ENDING,
                days=kept,
                count=kept,
                now=self.now,
                keep_weekly=has_cold,
                increments=self.increments_of(folder, volume),
            )
        except OSError as problem:
            self.fail(f"{folder} cannot be read: {problem.strerror}")
            return
        for name in names:
            if self.dry_run or self.discard(f"{folder}/{name}"):
                self.report("deleted", f"{folder}/{name}")

    def increments_of(self, folder: str, volume: str) -> list[tuple[str, str, str]]:
        """Stamp and name of a volume's increments that have their checksum, and the full archive that each needs."""
        names = {name for name, _ in _files_of(folder)}
        found = [one for one in map(parse_name, names) if one is not None and one.volume == volume and one.full]
        return [(one.stamp, one.name, one.full) for one in found if f"{one.name}{CHECKSUM}" in names]

    def clean_cold(self, reason: str | None) -> None:
        """@raises Problem where archives that have been kept long enough cannot be deleted from cold"""
        if self.settings.automation.cold_retention is None or self.settings.cold is None:
            return
        try:
            cold = require_cold(self.settings, "backups")
            watched(cold.mount_point, self.settings.probe_seconds, partial(require_own, cold.root, self.now))
            paths = watched(cold.mount_point, self.settings.probe_seconds, self.superseded_on_cold)
            for path in paths:
                if reason is not None:
                    log("warning", f"{path} stays in this run: {reason}")
                    continue
                if not self.dry_run:
                    watched(cold.mount_point, self.settings.probe_seconds, partial(remove_temporary, path))
                self.report("deleted", path)
        except Problem as problem:
            raise Problem(
                f"not all archives on cold that may go were deleted: {problem}", f"{HERE}/storage-health.sh"
            ) from None

    def superseded_on_cold(self) -> list[str]:
        """The paths of archives that may be deleted: of our volumes, or with their checksum beside them."""
        retention, folder = self.settings.automation.cold_retention, str(self.archived)
        names = {name for name, _ in _files_of(folder)}
        # What increments need: by hand, either may have been moved.
        needed = {full_of(name) for name in names | {name for name, _ in _files_of(self.backups or "")}}
        stamps: dict[str, list[str]] = {}
        for name in names:
            found = ARCHIVE_NAME.fullmatch(name)
            if found is not None and (found[1] in self.sizes or f"{name}{CHECKSUM}" in names):
                stamps.setdefault(found[1], []).append(name.removesuffix(ENDING).rpartition("-")[2])
        assert retention is not None
        return [
            f"{folder}/{volume}-{stamp}{ENDING}"
            for volume in sorted(stamps)
            for stamp in superseded(stamps[volume], retention, self.now)
            if f"{volume}-{stamp}{ENDING}" not in needed
        ]

    def archives(self, complain: Callable[[str], None]) -> list[Archive]:
        """All archives, those on warm first. `complain` is called for a tier that cannot be read."""
        files: list[tuple[str, str, str, int]] = []
        if self.settings.warm is not None:
            try:
                folder = self.require_backups()
                files += [("warm", folder, *file) for file in self.files_of(folder)]
            except Problem as problem:
                complain(f"warm cannot be read: {problem}")
        for name, cold in self.settings.colds().items():
            folder = f"{cold.root}/archives/database"
            is_holder = folder == self.archived
            try:
                require_answer(cold, self.settings)
                # Archives that moved elsewhere before stay there; an export that never had any lacks the folder.
                if is_holder or bounded(os.path.isdir, folder, seconds=LOOK_SECONDS):
                    files += [("cold", folder, *file) for file in self.files_of(folder)]
            except Problem as problem:
                text = with_remedy(f"{name} cannot be read: {problem}", f"{HERE}/storage-health.sh")
                if is_holder:
                    complain(text)
                else:
                    log("warning", text)
        names = {name for _, _, name, _ in files}
        return [
            Archive(name, found.volume, size, tier, folder, f"{name}{CHECKSUM}" in names, found.full)
            for tier, folder, name, size in files
            if (found := parse_name(name)) is not None
        ]

    def files_of(self, folder: str) -> list[tuple[str, int]]:
        """Names and bytes of the regular files in it. @raises Problem where it cannot be read"""
        found = bounded(_files_of, folder, seconds=LOOK_SECONDS)
        return [(name, size) for name, size in found]

    def print_all(self) -> None:
        archives = sorted(self.archives(self.fail), key=lambda one: (one.volume, one.name))
        snapshots: list[Volume] = []
        if self.group is not None:
            with self.failing():
                ours = {KEPT, ROLLING, DAILY}
                snapshots = [one for one in self.look_at_volumes() if ours.intersection(one.tags)]
        if self.options.json:
            document = {
                "archives": [_archive_document(one) for one in archives],
                "snapshots": [_snapshot_document(one) for one in snapshots],
            }
            print_json(document)
            return
        names = {one.name for one in archives}
        for archive in archives:
            missing = "" if archive.has_checksum else "  WITHOUT A CHECKSUM"
            if archive.full and archive.full not in names:
                missing += f"  WITHOUT {archive.full}, WHICH IT NEEDS"
            print(f"archive   {archive.tier}  {archive.name}  {archive.bytes} bytes{missing}")
        for one in snapshots:
            print(f"snapshot  hot   {one.name}  {one.fill_percent:g} % full{'  LOST' if one.is_invalid else ''}")

    def copies(self) -> dict[str, list[Archive]]:
        """The copies of each archive that was named: an interrupted move leaves one on warm and one on cold."""
        # A tier that is away is only a warning: the other one may have all of them.
        self.found = self.archives(partial(log, "warning"))
        return {name: [one for one in self.found if one.name == name] for name in self.arguments}

    def readable(self, copy: Archive) -> Iterator[Readable]:
        """
        How a copy of an archive is read, of an increment with each copy of the full archive that it needs.

        @raises Problem where that one is not there, or the checksum that the tar archive must have
        """
        if not copy.full:
            yield Readable(copy, None, DECOMPRESS)
            return
        wanted: str = bounded(second_line, f"{copy.path}{CHECKSUM}", seconds=LOOK_SECONDS)
        fulls = [one for one in self.found if one.name == copy.full]
        if not fulls:
            raise Problem(f"{copy.path} cannot be read without {copy.full}, and that is not there", f"{PROGRAM} list")
        if not wanted.startswith(TAR_SUM):
            raise Problem(f"{copy.path}{CHECKSUM} has no line {TAR_SUM}, so what is read cannot be proved")
        for full in fulls:
            reader = increment_command("read", full.path, f"--sha256={wanted.removeprefix(TAR_SUM)}")
            yield Readable(copy, full, tuple(reader))

    def sum_of(self, one: Archive) -> str:
        """The line of an archive's checksum, beside it or on the other tier. @raises Problem where there is none"""
        if os.path.isfile(f"{one.path}{CHECKSUM}"):
            return sum_beside(one.path)
        with suppress(Problem):
            if one.tier == "warm":
                require_cold(self.settings, "backups")
            other = self.archived if one.tier == "warm" else self.require_backups()
            line: str = bounded(first_line, f"{other}/{one.name}{CHECKSUM}", seconds=LOOK_SECONDS)
            if line:
                return line
        raise Problem(f"{one.path} has no checksum, neither beside it nor on the other tier")

    def verify(self) -> None:
        self.verify_each(
            (one.path, _archive_document(one), partial(self.problem_of, one)) for one in self.chosen_archives()
        )

    def chosen_archives(self) -> Iterator[Archive]:
        """The archives that were named, or all."""
        if self.arguments:
            chosen = self.copies()
        else:
            self.found = self.archives(self.fail)
            chosen = {"": self.found}
        for name, copies in chosen.items():
            if name and not copies:
                self.fail(f"there is no archive {name}", f"{PROGRAM} list")
            yield from copies

    def problem_of(self, one: Archive) -> str | None:
        """
        The problem of an archive; empty: it is good; None: it was removed while it was read, as cleanup deletes
        archives and tiered-storage.sh moves them.
        """

        def look(way: Readable) -> str | None:
            try:
                self.require_full(way)
                verify(one.path, self.sum_of(one), read_through([way.reader, LIST_TAR]))
            except Problem as problem:
                # A full archive goes after its increments.
                return str(problem) if os.path.lexists(one.path) else None
            return ""

        result: str | None = ""
        try:
            for way in self.readable(one):
                result = self.while_it_answers(way, partial(look, way))
                if not result:
                    break
        except Problem as problem:
            return f"{one.path} is not verified: {problem}"
        return result

    def require_full(self, way: Readable) -> None:
        """@raises Problem unless the full archive that is needed matches its checksum"""
        if way.full is not None:
            require_sum(way.full.path, self.sum_of(way.full))

    def require_sums(self, way: Readable) -> None:
        """@raises Problem unless what is read matches its checksums"""
        self.require_full(way)
        require_sum(way.copy.path, self.sum_of(way.copy))

    def while_it_answers(self, way: Readable, work: Callable[[], T]) -> T:
        """What a function returns that reads an archive: the NAS may stop answering meanwhile."""
        archive = way.on_cold
        if archive is None:
            return work()
        cold = require_cold_of(self.settings, archive.path)
        return watched(cold.mount_point, self.settings.probe_seconds, work)

    def restore(self) -> None:
        ((name, copies),) = self.copies().items()
        if not copies:
            self.fail(f"there is no archive {name}", f"{PROGRAM} list")
            return
        for copy in copies:
            try:
                way = self.good_way(copy)
            except Problem as problem:
                log("warning", str(problem))
                continue
            with self.failing():
                if self.options.to is not None:
                    self.restore_to_folder(way, self.options.to)
                else:
                    self.restore_to_volume(way, self.options.to_volume)
            return
        self.fail(f"all copies of {name} are damaged", f"{PROGRAM} list, and restore another archive")

    def good_way(self, copy: Archive) -> Readable:
        """How a copy is read whose checksums match. @raises Problem where there is no such way"""
        last: Problem | None = None
        for way in self.readable(copy):
            try:
                self.while_it_answers(way, partial(self.require_sums, way))
                return way
            except Problem as problem:
                last = problem
        assert last is not None
        raise last

    def restore_to_folder(self, way: Readable, folder: str) -> None:
        """@raises Problem where it is not restored"""
        path, only = way.copy.path, self.options.only
        work = partial(unpack_to_folder, path, folder, only, dry_run=self.dry_run, reader=way.reader)
        self.while_it_answers(way, work)
        part = "" if only is None else f", only {shlex.quote(only)},"
        if self.dry_run:
            log("info", f"would restore {path}{part} to {folder}")
            return
        self.report("restored", path, f"{part} to {folder}", to=folder, **({} if only is None else {"only": only}))

    def restore_to_volume(self, way: Readable, name: str) -> None:
        """@raises Problem where it is not restored"""
        volumes = self.look_at_volumes()
        if _find(volumes, name) is not None:
            raise Problem(f"there is already a volume {self.group}/{name}", "choose another name")
        path, original = way.copy.path, way.copy.volume
        size = self.options.size or self.size_of(volumes, original)
        filesystem = self.options.filesystem or self.restorable_filesystem_of(original)
        if self.dry_run:
            log("info", f"would restore {path} to a new volume {self.group}/{name} of {size}, {filesystem}")
            return
        is_restored = False
        try:
            self.make_volume(name, size)
            try:
                self.fill_volume(way, name, filesystem)
            except Problem as problem:
                log("error", str(problem))
                raise Problem(
                    f"{path} is not restored; {size} may be too small for it", "give a larger --size"
                ) from None
            is_restored = True
        finally:
            if not is_restored:
                self.remove_volume(name, RESTORING, "cannot be removed", f"lvremove {self.group}/{name}")
        volume = f"{self.group}/{name}"
        self.report("restored", path, f" to {volume}, which is not mounted", to=volume)

    def size_of(self, volumes: Sequence[Volume], original: str) -> str:
        found = _find(volumes, original)
        if found is None:
            raise Problem(f"there is no {self.group}/{original} to take the size from", "give --size")
        return f"{found.bytes}b"

    def restorable_filesystem_of(self, original: str) -> str:
        try:
            filesystem = self.filesystem_of(original)
        except Problem:
            filesystem = ""
        if filesystem not in SNAPSHOT_OPTIONS:
            raise Problem(
                f"there is no filesystem on {self.group}/{original} to take the type from", "give --filesystem"
            )
        return filesystem

    def make_volume(self, name: str, size: str) -> None:
        try:
            sized = ("--size", size, "--name", name, "--addtag", RESTORING)
            carry_out("lvcreate --quiet --yes --wipesignatures y", *sized, "--", str(self.group))
        except Problem:
            raise Problem(f"the volume {self.group}/{name} cannot be made", f"vgs {self.group}") from None

    def fill_volume(self, way: Readable, name: str, filesystem: str) -> None:
        """Makes a filesystem on a new volume, and unpacks an archive into it. @raises Problem where that fails"""
        device = f"/dev/{self.group}/{name}"
        make_folder(self.mount_point)
        carry_out(f"mkfs.{filesystem} -q --", device)
        fill = [*IN_OWN_NAMESPACE, FILL_VOLUME, "fill-volume", filesystem, device, self.mount_point, *UNPACK]
        unpack(way.copy.path, fill, way.reader)
        carry_out(f"lvchange --quiet --deltag {RESTORING} --", f"{self.group}/{name}")


def _volume(row: dict[str, str]) -> Volume:
    return Volume(
        name=row["lv_name"],
        # What a cache is in front of is an origin to LVM too.
        origin=row["origin"] if "snapshot" in row["lv_role"].split(",") else "",
        bytes=int(row["lv_size"]),
        fill_percent=float(row["snap_percent"] or 0),
        is_invalid=str(row["lv_snapshot_invalid"]) == "1",
        tags=tuple(tag for tag in row["lv_tags"].split(",") if tag),
    )


def _find(volumes: Sequence[Volume], name: str) -> Volume | None:
    return next((one for one in volumes if one.name == name), None)


def _snapshot_document(one: Volume) -> dict[str, object]:
    return {
        "name": one.name,
        "volume": one.origin,
        "bytes": one.bytes,
        "fillPercent": plain_number(one.fill_percent),
        "invalid": one.is_invalid,
    }


def _archive_document(one: Archive) -> dict[str, object]:
    return {
        "name": one.name,
        "volume": one.volume,
        "bytes": one.bytes,
        "tier": one.tier,
        "folder": one.folder,
        "hasChecksum": one.has_checksum,
        **({"full": one.full} if one.full else {}),
    }


def _files_of(folder: str) -> list[tuple[str, int]]:
    if not os.path.isdir(folder):
        return []
    with os.scandir(folder) as files:
        return sorted((one.name, one.stat().st_size) for one in files if one.is_file(follow_symlinks=False))
