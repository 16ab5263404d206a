"""Copies of folders: development/NAME on cold, and what a copy replaced or deleted there, in development/.removed."""

import os
import re
import shlex
from collections.abc import Callable, Sequence
from functools import partial

from jts_storage.archival_run import Archival, node_name, run_command
from jts_storage.archives import STAMP, Watch, side_by_side, stamp_of, watched
from jts_storage.bandwidth import pace_of
from jts_storage.bounded import bounded
from jts_storage.copies import Sizes, copy_compressed, set_state
from jts_storage.files import first_line, write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, reason_of
from jts_storage.settings import Cold
from jts_storage.tiers import mount_at

DAY_SECONDS = 86400
LOOK_SECONDS = 60


def copy_folders(run: Archival) -> None:
    sources = run.settings.automation.development_folders
    if not sources:
        log("info", "no folders to copy (automation.developmentFolders)")
        return
    cold = run.ready("development")
    if cold is None:
        return
    begun = set()

    def begin(source: str, _: object) -> Callable[[], dict[str, int] | None]:
        _check_source(source)
        log("info", f"{'would be ' if run.dry_run else ''}copying {source}")
        begun.add(source)
        return partial(_copy, run, cold, source)

    def end(source: str, result: dict[str, int] | Problem | None) -> None:
        if source not in begun:
            run.fail(str(result))
            return
        _report_copy(run, source, result)
        for point in _filesystems_in(source, sources):
            run.fail(
                f"{point} is not copied with {source}: it is a filesystem of its own",
                "add it to automation.developmentFolders; or, where it is not needed, name the folders beside it "
                f"there in place of {source}",
            )

    # A folder is one stream: several would know neither of hard links between their parts, nor what to delete.
    with Watch[dict[str, int] | None](cold.mount_point, run.settings.probe_seconds) as watch:
        side_by_side(watch, run.streams, sources, begin, end)
    try:
        look = partial(_forget_removed, run, cold, run.reason)
        deleted, failed = watched(cold.mount_point, run.settings.probe_seconds, look)
    except Problem as problem:
        deleted, failed = [], [str(problem)]
    for path in deleted:
        days = run.settings.automation.development_kept_days
        run.report("deleted", path, f", kept for {days} days")
    for failure in failed:
        run.fail(f"removed files that were kept long enough cannot be deleted: {failure}")


def _report_copy(run: Archival, source: str, copied: dict[str, int] | Problem | None) -> None:
    """
    Reports a copied folder, also where not all of it is copied.

    @param copied  its `Sizes`, or why it was given up; None: it is not compressed, and there
    """
    if isinstance(copied, Problem):
        log("error", str(copied))
    sizes = Sizes(**copied) if isinstance(copied, dict) else None
    is_whole = copied is None if sizes is None else sizes.failed == 0
    if not is_whole:
        run.fail(
            f"{source} is not copied, or not all of it",
            f"look at the lines before this one; {HERE}/storage-health.sh",
        )
    if sizes is not None:
        run.files, run.bytes = run.files + sizes.copied_files, run.bytes + sizes.copied_there_bytes
        if not is_whole:
            log("info", f"{source}: {sizes.in_words()}")
    if is_whole:
        more, facts = ("", {}) if sizes is None else (f": {sizes.in_words()}", sizes.facts())
        run.report("copied", source, more, **facts)


def _copy(run: Archival, cold: Cold, source: str) -> dict[str, int] | None:
    """
    Copies a folder. What that replaces or deletes is moved to .removed, on the same filesystem.

    @returns its `Sizes`, where it is compressed
    """
    name = os.path.basename(source)
    target = f"{cold.root}/development/{name}"
    if os.path.islink(target):
        raise Problem(f"{target} is a symbolic link")
    _claim(run, source, target)
    if not run.dry_run:
        os.makedirs(target, exist_ok=True)
    aside = f"{cold.root}/development/.removed/{run.stamp}/{name}"
    claim = f"{cold.root}/development/.copies/{name}"
    if run.settings.automation.development_compress:
        return copy_compressed(source, target, claim, aside, dry_run=run.dry_run)
    if not run.dry_run:
        # What rsync copies is not known to be what does not compress.
        set_state(claim, "")
    options = ["--archive", "--hard-links", "--numeric-ids", "--one-file-system", "--delete-delay", "--backup"]
    if run.dry_run:
        options += ["--dry-run", "--itemize-changes"]
    pace = pace_of(target)
    if run.streams > 1:
        # Two that make it at the same time would not get on.
        os.makedirs(f"{cold.root}/development/.removed", exist_ok=True)
    if pace.is_limited and not run.dry_run:
        # All of what the other side writes comes through the relay, which stands on the destination.
        relay = f'"{os.path.dirname(__file__)}" relay "{pace.file}" {pace.mib_per_second}'
        options += ["--whole-file", "--protect-args", f"--rsh=/usr/bin/python3 -I -B {relay}"]
        os.chdir(target)
        target = f"nas:{target}"
    command = ["rsync", *options, f"--backup-dir={aside}", "--", f"{source}/", f"{target}/"]
    # 24: files were removed meanwhile, as in a folder in which people work.
    run_command(command, stdout=2, good_statuses=(0, 24))
    return None


def _claim(run: Archival, source: str, target: str) -> None:
    """
    Records, in a file in .copies, that the target is the copy of that source on this host. Only an empty target can
    be claimed: the copy would delete all other files in it.

    @raises Problem where it is the copy of another source, or has files
    """
    claims = f"{os.path.dirname(target)}/.copies"
    claim = f"{claims}/{os.path.basename(target)}"
    ours, whose = f"{node_name()}:{_quote(source)}", first_line(claim)
    if whose == ours:
        return
    if whose:
        raise Problem(
            f"{target} is the copy of {whose}",
            f"rename one of the folders; or, where that copy is no longer made: rm {shlex.quote(claim)}",
        )
    found = _first_entry(target) if os.path.isdir(target) else None
    if found is not None:
        raise Problem(
            f"{target} has files that we did not copy there, such as {_quote(found)}; they would be deleted",
            f"move them away; or, where they are the copy of {source}: mkdir --parents {shlex.quote(claims)}; "
            f"echo {shlex.quote(ours)} >{shlex.quote(claim)}",
        )
    if not run.dry_run:
        os.makedirs(claims, exist_ok=True)
        write_whole(claim, f"{ours}\n")


def _forget_removed(run: Archival, cold: Cold, reason: str | None) -> tuple[list[str], list[str]]:
    """
    Deletes what was in .removed for long enough.

    @param reason  why nothing may be deleted for its age; None: it may
    @returns the paths that it deleted, and the problems of those that it could not
    """
    folder, days = f"{cold.root}/development/.removed", run.settings.automation.development_kept_days
    oldest = stamp_of(run.now - days * DAY_SECONDS)
    deleted, failed = [], []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        path = f"{folder}/{name}"
        if not STAMP.fullmatch(name) or name >= oldest or os.path.islink(path) or not os.path.isdir(path):
            continue
        if reason is not None:
            log("warning", f"{path} stays in this run: {reason}")
            continue
        if not run.dry_run:
            try:
                run_command(["rm", "--recursive", "--force", "--one-file-system", "--", path])
            except Problem as problem:
                failed.append(f"{path}: {problem}")
                continue
        deleted.append(path)
    return deleted, failed


def _check_source(source: str) -> None:
    """@raises Problem where the folder is empty, or its filesystem is not mounted: that would empty its copy"""
    if os.path.basename(source) in (".removed", ".copies"):
        raise Problem(f"{source} is not copied: we use that name for a folder of ours on the cold tier")
    if os.path.islink(source) or not os.path.isdir(source):
        raise Problem(f"there is no folder {source}, so its copy stays as it is")
    try:
        is_empty = _first_entry(source) is None
    except OSError as problem:
        raise Problem(f"{source} cannot be read, so its copy stays as it is: {reason_of(problem)}") from None
    if is_empty:
        raise Problem(f"{source} is empty, so its copy stays as it is", "take it out of automation.developmentFolders")
    folders = (source, os.path.realpath(source))
    for point in _points_of_fstab():
        if mount_at(point) is not None:
            continue
        # A line may go by a symbolic link, which the kernel's table has followed. One may lead to a NAS that is away.
        place = bounded(os.path.realpath, point, seconds=LOOK_SECONDS)
        holds = any(f"{folder}/".startswith((f"{point}/", f"{place}/")) for folder in folders)
        if holds and mount_at(place) is None:
            raise Problem(f"{point} is not mounted, so the copy of {source} stays as it is", f"mount {point}")


def _filesystems_in(source: str, sources: Sequence[str]) -> list[str]:
    """The mount points of fstab below a folder that is copied, except where they, or folders in them, are too."""
    folders = (f"{source}/", f"{os.path.realpath(source)}/")
    return [
        point
        for point in _points_of_fstab()
        if point.startswith(folders) and not any(f"{one}/".startswith(f"{point}/") for one in sources)
    ]


def _points_of_fstab() -> list[str]:
    """The mount points in fstab in their shortest spelling, without the root's."""
    try:
        with open("/etc/fstab", "rb") as file:
            lines = [line.split() for line in file if not line.lstrip().startswith(b"#")]
    except OSError as problem:
        log("warning", f"/etc/fstab: {reason_of(problem)}")
        return []
    points = [
        re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8) & 255]), words[1])
        for words in lines
        if len(words) > 1
    ]
    plain = [os.path.normpath(re.sub(r"/+", "/", os.fsdecode(point))) for point in points if point.startswith(b"/")]
    return [point for point in plain if point != "/"]


def _first_entry(folder: str) -> str | None:
    with os.scandir(folder) as entries:
        return next((entry.name for entry in entries), None)


def _quote(text: str) -> str:
    """Quotes as printf %q of bash does, since existing claims are written so."""
    raw = os.fsencode(text)
    if all(32 <= byte < 127 for byte in raw):
        return re.sub(r"([^\w@%+=:./~#-]|^[#~]|(?<=[:=])~)", r"\\\1", text, flags=re.ASCII) or "''"
    letters = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 27: "E", 39: "'", 92: "\\"}
    parts = (
        f"\\{letters[byte]}" if byte in letters else chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in raw
    )
    return f"$'{''.join(parts)}'"
