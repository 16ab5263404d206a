"""Archives of the configuration and of PostgreSQL's databases: how they are made, and which of them may go."""

import contextlib
import os
import re
import tempfile
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from jts_storage import postgresql
from jts_storage.archival_run import Archival, node_name
from jts_storage.archives import (
    CHECKSUM,
    COMPRESS,
    DECOMPRESS,
    STAMP,
    Reader,
    Watch,
    expired,
    pack,
    publish,
    read_tar,
    read_through,
    remove_temporary,
    require_room,
    side_by_side,
    size_of_last,
    watched,
)
from jts_storage.bounded import NoAnswer, output_of
from jts_storage.files import write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem
from jts_storage.settings import Cold

TEMPORARY = ".jts-archive-"
# An archive may only be deleted if there are so many newer ones.
NEWER = 7
CONFIGS = (
    "etc/fstab",
    "etc/jts-storage",
    "etc/systemd/system",
    "etc/lvm",
    "etc/sysctl.d",
    "etc/udev/rules.d",
    "etc/exports",
    "var/lib/jts-storage",
)
COLUMNS = "NAME,SIZE,SERIAL,WWN,FSTYPE,LABEL,UUID,PARTUUID,MOUNTPOINTS"
READ_DUMP = read_through([["pg_restore", "--file=-"]])
# A dump is read to its end, not only its list of contents. The last lines of roles show that they are complete.
READERS = {
    "configs": read_tar,
    "dump": READ_DUMP,
    "records": READ_DUMP,
    "roles": read_through(
        [
            DECOMPRESS,
            ["tail", "--lines=5"],
            ["grep", "--fixed-strings", "PostgreSQL database cluster dump complete"],
        ]
    ),
}


@dataclass(frozen=True)
class Archive:
    """FOLDER/NAME-STAMP.ENDING on the cold tier: the pipeline that prints it, and the function that verifies it."""

    folder: str
    name: str
    ending: str
    commands: tuple[tuple[str, ...], ...]
    reader: Reader
    source_bytes: int | None = None
    """The size of what is archived, not compressed; None: unknown."""
    good_statuses: tuple[int, ...] = (0,)
    """Exit statuses with which the first command has succeeded."""
    old_name: str = ""
    """The name that earlier versions gave such archives; empty: the same."""


def archive_configs(run: Archival) -> None:
    cold = run.ready("archives/configs")
    if cold is None:
        return
    group = None if run.settings.hot is None else run.settings.hot.volume_group
    with tempfile.TemporaryDirectory() as scratch:
        if group is not None:
            try:
                output_of(["vgcfgbackup", "--quiet", "--file", f"{scratch}/{group}.vgcfg", "--", group], 60)
            except Problem:
                run.fail(f"the LVM metadata of {group} cannot be read", "vgs; pvs")
        try:
            devices = output_of(["lsblk", "--json", "--bytes", "--output", COLUMNS], 60)
            write_whole(f"{scratch}/lsblk.json", devices)
        except Problem:
            run.fail("the block devices cannot be listed", "lsblk")
        there = [*(path for path in CONFIGS if os.path.exists(f"/{path}")), *_config_paths(run)]
        # Names are taken as they are: tar(1) would take \t in one for a tab, and a dash for an option.
        tar = ("tar", "--create", "--file=-", "--numeric-owner", "--no-unquote")
        folders = (f"--directory={scratch}", ".", "--directory=/")
        commands = ((*tar, *folders, "--", *there), COMPRESS)
        size = sum(_bytes_below(f"/{path}") for path in there) + _bytes_below(scratch)
        archive = Archive(
            folder="archives/configs",
            name=f"configs-{node_name()}",
            ending=".tar.zst",
            commands=commands,
            reader=read_tar,
            source_bytes=size,
            # 1: files changed or were removed meanwhile. The next archive has them.
            good_statuses=(0, 1),
        )
        _make_archives(run, cold, [archive])


def _config_paths(run: Archival) -> list[str]:
    """What the settings name besides, without the first slash; of a link also what it leads to."""
    found = []
    for path in run.settings.automation.config_paths or ():
        if not os.path.exists(path):
            run.fail(
                f"{path} is not archived: it is not there",
                f"{HERE}/storage-health.sh, for whether its volume is mounted; or take it out of "
                "automation.configPaths",
            )
            continue
        found += [one.lstrip("/") for one in dict.fromkeys((os.path.normpath(path), os.path.realpath(path)))]
    return found


def _bytes_below(top: str) -> int:
    """The bytes of the files below a folder, or of one file."""
    size = 0 if os.path.isdir(top) else os.path.getsize(top)
    for folder, _, files in os.walk(top):
        for name in files:
            with contextlib.suppress(OSError):
                size += os.lstat(f"{folder}/{name}").st_size
    return size


def archive_databases(run: Archival) -> None:
    if run.is_absent("pg_dump"):
        return
    try:
        output_of(["getent", "passwd", "postgres"], 60)
    except NoAnswer:
        raise
    except Problem:
        # The host only has PostgreSQL's tools.
        log("info", "there is no user postgres, so there is no server: left out")
        return
    cold = run.ready("archives/database")
    if cold is None:
        return
    try:
        databases = run.settings.automation.postgres_databases or postgresql.databases()
    except Problem:
        run.fail("PostgreSQL does not answer", "systemctl status postgresql")
        return
    sizes = postgresql.sizes()
    _make_archives(run, cold, [_roles(), *(_dump(database, sizes.get(database)) for database in databases)])
    clusters = postgresql.running_clusters()
    if len(clusters) > 1 and not run.settings.automation.postgres_databases:
        run.fail(
            f"the clusters {' and '.join(clusters)} run, and only the one that psql connects to is dumped",
            "pg_lsclusters; where the others need no dump, name the databases that do in "
            "automation.postgresDatabases; pg_dropcluster removes what nobody needs",
        )


def _roles() -> Archive:
    commands = ((*postgresql.AS_POSTGRES, "pg_dumpall", "--no-password", "--globals-only"), COMPRESS)
    return Archive("archives/database", f"postgresql-{node_name()}-roles", ".sql.zst", commands, READERS["roles"])


def _dump(database: str, size: int | None) -> Archive:
    # By the environment: pg_dump takes an argument with = in it for a connection string.
    command = (*postgresql.AS_POSTGRES, "env", f"PGDATABASE={database}", "pg_dump", "--no-password", "--format=custom")
    node, name = node_name(), urllib.parse.quote(os.fsencode(database), safe="")
    # Neither the host's name nor the quoted one has an @, so each database has a name of its own.
    return Archive(
        "archives/database",
        f"postgresql-{node}@{name}",
        ".dump",
        (command,),
        READERS["dump"],
        size,
        old_name=f"postgresql-{node}-{name}",
    )


def _make_archives(run: Archival, cold: Cold, archives: Sequence[Archive]) -> None:
    """Makes archives, of which each has a name of its own, and then deletes old ones of the same name."""
    needed: dict[str, int] = {}

    def begin(archive: Archive, under_way: Sequence[Archive]) -> Callable[[], int | None] | None:
        reserved = sum(needed[one.name] for one in under_way)
        try:
            look = partial(_require_room, run, cold, archive, reserved)
            needed[archive.name] = watched(cold.mount_point, run.settings.probe_seconds, look)
        except Problem:
            if under_way:
                # When they have ended, what they need is known.
                return None
            raise
        return partial(make_archive, run, _path_of(run, cold, archive), archive)

    with Watch[int | None](cold.mount_point, run.settings.probe_seconds) as watch:
        side_by_side(watch, run.streams, archives, begin, partial(_end_archive, run, cold))


def _path_of(run: Archival, cold: Cold, archive: Archive) -> str:
    return f"{cold.root}/{archive.folder}/{archive.name}-{run.stamp}{archive.ending}"


def _end_archive(run: Archival, cold: Cold, archive: Archive, size: int | Problem | None) -> None:
    """`size`: of the new archive, in bytes; None: the run is dry."""
    if isinstance(size, Problem):
        log("error", str(size))
        remedy = f"look at the lines before this one; {HERE}/storage-health.sh"
        run.fail(f"no archive of {archive.name}", remedy)
        return
    if size is not None:
        run.files, run.bytes = run.files + 1, run.bytes + size
    path = _path_of(run, cold, archive)
    run.report("archived", path, path=path, bytes=size)
    # Old ones are deleted only after a new one was made.
    try:
        look = partial(_delete_old_archives, run, cold, archive, run.reason)
        for old in watched(cold.mount_point, run.settings.probe_seconds, look):
            run.report("deleted", old)
    except Problem as problem:
        log("error", str(problem))
        run.fail(f"old archives of {archive.name} cannot be deleted")


def _require_room(run: Archival, cold: Cold, archive: Archive, reserved: int) -> int:
    """
    The bytes that an archive needs; 0: unknown.

    @param reserved  what others that are being made may need
    @raises Problem where the cold tier has too little room for it
    """
    if vars(run.options)["try"]:
        return 0
    last = size_of_last(f"{cold.root}/{archive.folder}", archive.ending, archive.name, archive.old_name)
    action = "configs" if archive.folder.endswith("configs") else "postgresql"
    return require_room(
        cold.mount_point,
        last_bytes=last,
        source_bytes=archive.source_bytes,
        seconds=run.settings.probe_seconds,
        try_command=f"{HERE}/nas-archival.sh {action} --try",
        reserved_bytes=reserved,
    )


def make_archive(run: Archival, path: str, archive: Archive) -> int | None:
    """Makes it; returns its size in bytes. None: the run is dry."""
    if run.dry_run:
        return None
    folder, name = os.path.split(path)
    # Files of killed runs: we have their lock. The files of other hosts have other names.
    names = "|".join(re.escape(one) for one in (archive.name, archive.old_name) if one)
    ending = f"{re.escape(archive.ending)}({re.escape(CHECKSUM)})?"
    left = re.compile(f"{re.escape(TEMPORARY)}({names})-{STAMP.pattern}{ending}")
    for entry in os.scandir(folder):
        if left.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            os.unlink(entry.path)
    temporary = f"{folder}/{TEMPORARY}{name}"
    try:
        publish(temporary, path, pack(archive.commands, temporary, archive.good_statuses), archive.reader)
    except Problem:
        remove_temporary(temporary)
        raise
    return os.path.getsize(path)


def _delete_old_archives(run: Archival, cold: Cold, archive: Archive, reason: str | None) -> list[str]:
    """
    Returns the paths of those that it deleted, or in a dry run would have.

    @param reason  why nothing may be deleted for its age; None: it may
    """
    folder = f"{cold.root}/{archive.folder}"
    names = expired(
        folder,
        archive.name,
        archive.ending,
        days=run.settings.automation.archives_kept_days,
        count=NEWER,
        now=run.now,
        old_name=archive.old_name,
    )
    if names and reason is not None:
        log("warning", f"{len(names)} old archives of {archive.name} stay in this run: {reason}")
        return []
    for name in () if run.dry_run else names:
        # With its checksum.
        remove_temporary(f"{folder}/{name}")
    return [f"{folder}/{name}" for name in names]
