"""
Files of the same content under several names on warm and cold: finds them, and has those on warm share their room.

Candidates are files of the same size. Of those on warm, whoever shares all of its room with another one needs no look.
The others are compared by their start, middle and end first, and hashed where these are the same. The journal's hash
stands for a look at a file that nobody has changed since its move. Whatever was found, only the kernel's own comparison
of both files lets them share.

Each export of cold is looked at by a process that is killed where the export stops answering; the others go on.
"""

import argparse
import calendar
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from jts_storage.archives import watched
from jts_storage.bandwidth import UNLIMITED, Pace, limit_cold, pace_of
from jts_storage.bounded import output_of
from jts_storage.journal import moves_of
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, Skip, reason_of
from jts_storage.program import Parser, Run, human, print_json, printable, take_lock
from jts_storage.removal import FILE, require_unchanged
from jts_storage.settings import Cold, Settings, Warm
from jts_storage.sharing import (
    IMMUTABLE,
    NO_COPY_ON_WRITE,
    Extent,
    extents_of,
    flags_of,
    own_bytes,
    same_places,
    share,
)
from jts_storage.tiers import prove_warm, require_answer

# Smaller files free little for the look at them.
AT_LEAST_BYTES = 64 << 10
PIECE_BYTES = 64 << 10
# How the private names begin that files have while they move.
OURS = ".jts-"
# How long the daily run may take; the next one goes on, since what shares already needs no look.
DAILY_SECONDS = 2 * 3600
# How far the clock of a NAS may be ahead of ours.
SKEW_SECONDS = 60
UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
# Of a look at a file, what os.stat_result has besides its first ten numbers, and is used here.
MORE_SEEN = ("st_mtime", "st_ctime", "st_mtime_ns", "st_ctime_ns", "st_blocks")
T = TypeVar("T")


@dataclass(frozen=True)
class File:
    path: str
    seen: os.stat_result
    export: str | None
    """The name of the export of cold that it is on; None: it is on warm."""

    @property
    def tier(self) -> str:
        return "warm" if self.export is None else "cold"

    def open(self) -> int:
        """@raises Skip where it is not the file any more that was seen"""
        fd = os.open(self.path, FILE | os.O_NOATIME)
        try:
            require_unchanged(self.seen, os.fstat(fd))
        except Skip:
            os.close(fd)
            raise
        return fd


@dataclass
class Room:
    """The place on a tier that holds a content, with the files whose place it is: on cold, always one."""

    files: list[File]
    extents: list[Extent] = field(default_factory=list)
    pieces: str | None = None
    """A hash of its start, middle and end; None: they were not read."""
    sha256: str | None = None
    is_by_journal: bool = False
    """Whether the hash is from the journal."""

    @property
    def tier(self) -> str:
        return self.files[0].tier

    @property
    def export(self) -> str | None:
        return self.files[0].export

    @property
    def size(self) -> int:
        return self.files[0].seen.st_size


@dataclass(frozen=True)
class Group:
    """The rooms that hold the same content; that which most files share comes first."""

    rooms: list[Room]

    def rooms_on(self, tier: str) -> list[Room]:
        return [room for room in self.rooms if room.tier == tier]

    def rooms_at(self, export: str) -> list[Room]:
        return [room for room in self.rooms if room.export == export]

    @property
    def exports(self) -> list[str]:
        return list(dict.fromkeys(room.export for room in self.rooms if room.export is not None))

    @property
    def warm_bytes(self) -> int:
        """How much would be freed on warm if all of it were shared, before compression."""
        first, *others = self.rooms_on("warm") or [Room([])]
        return sum(own_bytes(room.extents, first.extents, room.size) for room in others)

    @property
    def cold_bytes(self) -> int:
        """How much one file on cold would leave free if the others were deleted."""
        return _bytes_on_cold(self.rooms_on("cold")[1:])

    @property
    def between_bytes(self) -> int:
        """The same where each export has one file."""
        return _bytes_on_cold([self.rooms_at(export)[0] for export in self.exports][1:])

    def bytes_at(self, export: str) -> int:
        """How much one file on that export would leave free there if its others were deleted."""
        return _bytes_on_cold(self.rooms_at(export)[1:])


def _bytes_on_cold(rooms: list[Room]) -> int:
    return sum(min(one.size, one.files[0].seen.st_blocks * 512) for one in rooms)


class Finder:
    """
    Looks for the same content.

    @param journal  the journal of moves
    @param read_cold  whether files on cold are read, over the network, where the journal does not know their hash
    @param seconds  after how long it ends; None: it finds all
    """

    def __init__(self, journal: str, *, at_least: int, read_cold: bool = False, seconds: float | None = None) -> None:
        self.at_least, self.read_cold = at_least, read_cold
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.hashes, self.copied = _journal_hashes(journal)
        self.by_size: dict[int, list[File]] = {}
        self.known: set[tuple[int, int]] = set()
        """Device and inode of each file with several names."""
        self.exports: dict[str, tuple[str, float]] = {}
        """The mount point of each export that is looked at, by its name, and how long it may take to answer."""
        self.away: dict[str, str] = {}
        """The exports that stopped answering while files were read, and the problem."""
        self.left_out: dict[str, int] = {}
        self.read_bytes = 0
        self.unread = {"files": 0, "bytes": 0}
        """On cold: what would have to be read."""
        self.is_complete = True

    def add(self, top: str) -> None:
        """Adds the files of warm below a folder."""
        for path, seen in self.files_below(top):
            self.keep(File(path, seen, None))

    def add_export(self, name: str, cold: Cold, seconds: float) -> None:
        """
        Adds our files on an export of cold.

        @param seconds  how long it may take to answer
        @raises Problem where it stops answering
        @raises Skip where our folder cannot be read
        """
        self.exports[name] = cold.mount_point, seconds

        def look() -> list[Any]:
            return [(path, list(seen), _more_of(seen)) for path, seen in self.files_below(cold.root)]

        try:
            for path, numbers, more in self.on_export(name, look):
                self.keep(File(path, os.stat_result(numbers, more), name))
        except (Problem, Skip):
            del self.exports[name]
            raise

    def files_below(self, top: str) -> Iterator[tuple[str, os.stat_result]]:
        """The files below a folder, on its filesystem."""
        device = os.stat(top).st_dev
        for path, folders, names in os.walk(top, onerror=lambda problem: self.leave_out(reason_of(problem))):
            inside = [name for name in folders if _device_of(f"{path}/{name}") == device]
            self.leave_out("folders of another filesystem, or a subvolume", len(folders) - len(inside))
            folders[:] = inside
            for name in names:
                if name.startswith(OURS):
                    continue
                try:
                    seen = os.lstat(f"{path}/{name}")
                except OSError:
                    continue
                if stat.S_ISREG(seen.st_mode) and seen.st_size >= self.at_least and seen.st_dev == device:
                    yield f"{path}/{name}", seen

    def keep(self, one: File) -> None:
        """Adds a file; one with several names counts once. Two exports of one filesystem may have one of them each."""
        place = one.seen.st_dev, one.seen.st_ino
        if place in self.known:
            return
        if one.seen.st_nlink > 1:
            self.known.add(place)
        self.by_size.setdefault(one.seen.st_size, []).append(one)

    def on_export(self, name: str, work: Callable[[], Any]) -> Any:
        """
        What some work on an export returns; JSON must be able to hold it.

        @raises Problem where the export stops answering
        @raises Skip with the reason where the work cannot be done
        """

        def attempt() -> dict[str, Any]:
            try:
                result = {"value": work()}
            except (OSError, Skip) as problem:
                result = {"reason": reason_of(problem)}
            return {**result, "readBytes": self.read_bytes, "leftOut": self.left_out}

        point, seconds = self.exports[name]
        answer = watched(point, seconds, attempt)
        # The process that did it has counted for itself.
        self.read_bytes, self.left_out = answer["readBytes"], answer["leftOut"]
        if "reason" in answer:
            raise Skip(answer["reason"])
        return answer["value"]

    def leave_out(self, reason: str, count: int = 1) -> None:
        if count > 0:
            self.left_out[reason] = self.left_out.get(reason, 0) + count

    def groups(self) -> Iterator[Group]:
        """What is held more than once, or shares its room already: the largest files first."""
        for size in sorted(self.by_size, reverse=True):
            files = self.by_size.pop(size)
            if len(files) == 1:
                continue
            if self.deadline is not None and time.monotonic() > self.deadline:
                self.is_complete = False
                return
            yield from self.groups_of(files)

    def groups_of(self, files: list[File]) -> Iterator[Group]:
        rooms = self.rooms_of([one for one in files if one.tier == "warm"])
        rooms += self.cold_rooms_of([one for one in files if one.tier == "cold"])
        is_any_unread = any(room.pieces is None for room in rooms)
        alike: dict[str | None, int] = {}
        for room in rooms:
            alike[room.pieces] = alike.get(room.pieces, 0) + 1
        found: dict[str, list[Room]] = {}
        for number, room in enumerate(rooms):
            if room.sha256 is None and (alike[room.pieces] > 1 or (is_any_unread and len(rooms) > 1)):
                first = room.files[0]
                room.sha256 = self.look(first, partial(self.hash_of, pace=pace_of(first.path)))
            elif room.sha256 is None and len(room.files) > 1:
                # Its files share all that they have, and no other file is like them.
                found[f"alone {number}"] = [room]
            if room.sha256 is not None:
                found.setdefault(room.sha256, []).append(room)
        for same in found.values():
            if len(same) > 1 or len(same[0].files) > 1:
                yield Group(sorted(same, key=_rank))

    def rooms_of(self, files: list[File]) -> list[Room]:
        """The rooms of files on warm: those that share all of it have one."""
        rooms: dict[Any, Room] = {}

        for one in files:
            room = self.look(one, partial(self.room_of, one))
            if room is None:
                continue
            known = rooms.setdefault((same_places(room.extents) or one.path, room.pieces), room)
            if known is not room:
                known.files.append(one)
            if known.sha256 is None:
                known.sha256 = self.known_hash(one)
                known.is_by_journal = known.sha256 is not None
        return list(rooms.values())

    def room_of(self, one: File, fd: int) -> Room | None:
        flags = flags_of(fd)
        if flags & (IMMUTABLE | NO_COPY_ON_WRITE):
            self.leave_out("immutable" if flags & IMMUTABLE else "not copied on write, by chattr +C")
            return None
        return Room([one], extents_of(fd), self.pieces_of(fd))

    def cold_rooms_of(self, files: list[File]) -> list[Room]:
        rooms = []
        for one in files:
            room = Room([one], sha256=self.known_hash(one))
            room.is_by_journal = room.sha256 is not None
            if room.sha256 is None and not self.read_cold:
                self.unread["files"] += 1
                self.unread["bytes"] += one.seen.st_size
                continue
            if room.sha256 is None:
                room.pieces = self.look(one, partial(self.pieces_of, pace=pace_of(one.path)))
                if room.pieces is None:
                    continue
            rooms.append(room)
        return rooms

    def look(self, one: File, work: Callable[[int], T]) -> T | None:
        """What some work on an open file returns; None: it is left out, as it changed meanwhile or cannot be read."""
        try:
            return _look(one, work) if one.export is None else self.look_on(one.export, partial(_look, one, work))
        except (OSError, Skip) as problem:
            self.leave_out(reason_of(problem))
            return None

    def look_on(self, export: str, work: Callable[[], T]) -> T:
        """The same on an export. @raises Skip where it has stopped answering"""
        if export not in self.away:
            try:
                result: T = self.on_export(export, work)
                return result
            except Problem as problem:
                self.away[export] = str(problem)
        raise Skip("on an export that stopped answering")

    def pieces_of(self, fd: int, pace: Pace = UNLIMITED) -> str:
        """A hash of the start, middle and end of an open file."""
        digest, size = hashlib.sha256(), os.fstat(fd).st_size
        for offset in sorted({0, max(0, (size - PIECE_BYTES) // 2), max(0, size - PIECE_BYTES)}):
            pace.let_pass(min(size, PIECE_BYTES))
            digest.update(os.pread(fd, PIECE_BYTES, offset))
            self.read_bytes += min(size, PIECE_BYTES)
        return digest.hexdigest()

    def hash_of(self, fd: int, pace: Pace) -> str:
        digest = hashlib.sha256()
        for piece in pace.pieces(fd):
            digest.update(piece)
            self.read_bytes += len(piece)
        return digest.hexdigest()

    def known_hash(self, one: File) -> str | None:
        """The journal's hash, if the file is as long as it was, and as old as the move, by both of its times."""
        hint = self.hashes.get(one.path)
        if hint is None:
            return None
        sha256, size, moved = hint
        is_as_it_was = one.seen.st_size == size and one.seen.st_mtime <= moved + 1
        return sha256 if is_as_it_was and one.seen.st_ctime <= moved + SKEW_SECONDS else None


def _journal_hashes(journal: str) -> tuple[dict[str, tuple[str, int, int]], set[tuple[str, str]]]:
    """
    By path, the hash, size and time of the last move there; and where from and to the rules with `keep` copied. What
    was compressed or decompressed on its way is left out: the hash is of the content without compression.
    """
    hashes: dict[str, tuple[str, int, int]] = {}
    copied = set()
    for move in moves_of(journal, "*"):
        source, target = move["from"], move["to"]
        hashes.pop(target, None)
        if move["action"] != "copy":
            hashes.pop(source, None)
        try:
            moved = calendar.timegm(time.strptime(move["time"], "%Y-%m-%dT%H:%M:%SZ"))
            hint = str(move["sha256"]), int(move["bytes"]), moved
        except (LookupError, ValueError, TypeError):
            continue
        if move["action"] == "undo" or source.endswith(".zst") != target.endswith(".zst"):
            continue
        hashes[target] = hint
        if move["action"] == "copy":
            copied.add((source, target))
            hashes[source] = hint
    return hashes, copied


def _look(one: File, work: Callable[[int], T]) -> T:
    """What some work on an open file returns. @raises Skip where the file changed meanwhile"""
    fd = one.open()
    try:
        result = work(fd)
        require_unchanged(one.seen, os.fstat(fd))
    finally:
        os.close(fd)
    return result


def _more_of(seen: os.stat_result) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in MORE_SEEN}


def _device_of(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except OSError:
        return None


def _rank(room: Room) -> tuple[Any, ...]:
    """Warm comes first; there, the room that most files have, in the fewest pieces, is the one that others share."""
    return room.tier != "warm", -len(room.files), len(room.extents), room.files[0].path


class Sharing:
    """Has the files of warm that hold the same share one room; `found` are those groups, with what became of them."""

    def __init__(self, warm: Warm, finder: Finder) -> None:
        self.warm, self.finder = warm, finder
        self.found: list[dict[str, Any]] = []
        self.files, self.bytes = 0, 0
        self.freed = 0
        """By how much the free room grew, in bytes; others write and delete at the same time."""

    def run(self) -> None:
        self.finder.add(self.warm.mount_point)
        free: int | None = None
        for group in self.finder.groups():
            if len(group.rooms) == 1:
                continue
            free = self.free_bytes() if free is None else free
            files, gained = self.share_group(group)
            if files > 0:
                self.files, self.bytes = self.files + files, self.bytes + gained
                self.found.append({**_described(group, self.finder), "sharedBytes": gained})
        if free is not None:
            self.freed = self.free_bytes() - free

    def share_group(self, group: Group) -> tuple[int, int]:
        """How many files share now, and how many bytes have one room less."""
        shared = self.finder.look(group.rooms[0].files[0], partial(self.share_with, group.rooms[1:]))
        return (0, 0) if shared is None else shared

    def share_with(self, others: list[Room], source: int) -> tuple[int, int]:
        files, gained = 0, 0
        for room in others:
            results = [self.finder.look(one, partial(self.share_one, source, room.size)) or 0 for one in room.files]
            files += sum(result > 0 for result in results)
            # A room is free once none of its files has it any more.
            gained += min(results)
        return files, gained

    def share_one(self, source: int, size: int, target: int) -> int:
        result = share(source, target, size)
        if result.reason is not None and result.bytes == 0:
            raise Skip(result.reason)
        if result.reason is not None:
            self.finder.leave_out(result.reason)
        return result.bytes

    def free_bytes(self) -> int:
        """What is free once all that was written and deleted is on the device."""
        try:
            output_of(["sync", "--file-system", self.warm.mount_point], 600)
        except Problem as problem:
            log("warning", str(problem))
        seen = os.statvfs(self.warm.mount_point)
        return seen.f_bfree * seen.f_frsize

    @property
    def totals(self) -> dict[str, int]:
        return {"files": self.files, "bytes": self.bytes, "freedBytes": self.freed}

    @property
    def text(self) -> str:
        """What was done, in words."""
        grew = f"the free room grew by {self.freed} bytes ({human(self.freed)})"
        if self.freed < 0:
            grew = "the free room did not grow, since others wrote meanwhile"
        rest = "" if self.finder.is_complete else "; there was no time for more, and the next run goes on"
        return f"{self.files} files share {self.bytes} bytes ({human(self.bytes)}) now; {grew}{rest}"


def shared_on(warm: Warm, journal: str, *, at_least: int, seconds: float | None = None) -> Sharing | None:
    """
    Has the files of warm share what they have in common. Whoever calls it holds the lock of moves.

    @returns None where warm's filesystem cannot share
    @raises Problem unless the declared filesystem is mounted
    """
    try:
        kind = prove_warm(warm).type
    except Problem as problem:
        raise Problem(f"nothing is shared on warm: {problem}", f"mount {warm.mount_point}") from None
    if kind != "btrfs":
        log("info", f"nothing is shared on warm: it is {kind}, not btrfs")
        return None
    sharing = Sharing(warm, Finder(journal, at_least=at_least, seconds=seconds))
    sharing.run()
    log("info", f"warm: {sharing.text}")
    return sharing


def main(options: argparse.Namespace, parser: Parser) -> int:
    """The subcommand dedup; returns the exit status."""
    number = re.fullmatch(r"(\d{1,15})(|KiB|MiB|GiB)", options.at_least or f"{AT_LEAST_BYTES}")
    if number is None:
        parser.error("--at-least takes a number of bytes, or such as 1MiB")
    if options.read_cold and not options.dry_run:
        parser.error("--read-cold is for --dry-run: nothing on cold is shared")
    at_least = max(1, int(number[1]) * UNITS[number[2]])
    return Dedup(parser.read_settings(options), options, at_least).run()


class Dedup(Run):
    """One run of the subcommand, and its report."""

    def __init__(self, settings: Settings, options: argparse.Namespace, at_least: int) -> None:
        super().__init__(settings, options.dry_run)
        self.options, self.at_least = options, at_least
        limit_cold(settings, options.lock)

    def run(self) -> int:
        warm, journal = self.settings.warm, self.settings.moves_journal
        if self.dry_run:
            finder = Finder(journal, at_least=self.at_least, read_cold=self.options.read_cold)
            self.add_tiers(finder)
            groups = list(finder.groups())
            for name, problem in finder.away.items():
                self.fail(f"{name}: {problem}", f"{HERE}/storage-health.sh")
            has_volumes = bool(self.settings.cold_volumes)
            totals = {**_would(groups), **(_by_export(groups, finder) if has_volumes else {})}
            self.print(finder, [_described(one, finder, has_volumes) for one in groups], totals)
            return self.status
        if warm is None:
            raise Problem("this host has no warm tier, and nothing is shared on another one")
        take_lock(self.options.lock)
        sharing = shared_on(warm, journal, at_least=self.at_least)
        if sharing is not None:
            self.print(sharing.finder, sharing.found, {"shared": sharing.totals}, sharing.text)
            if sharing.files > 0 and not self.settings.automation.dedup:
                message = (
                    "the next optimize defragments warm, and what is shared now is then stored again for each name"
                )
                log("warning", f"{message}. Next: automation.dedup: true, and pulumi up")
        return self.status

    def add_tiers(self, finder: Finder) -> None:
        warm = self.settings.warm
        if warm is not None:
            try:
                prove_warm(warm)
                finder.add(warm.mount_point)
            except Problem as problem:
                self.fail(f"warm: {problem}", f"mount {warm.mount_point}")
        for name, cold in self.settings.colds().items():
            try:
                require_answer(cold, self.settings)
                finder.add_export(name, cold, self.settings.probe_seconds)
            except Problem as problem:
                self.fail(f"{name}: {problem}", f"mount {cold.mount_point}")
            except Skip as problem:
                self.fail(f"{name}: {problem}")

    def print(self, finder: Finder, groups: list[dict[str, Any]], totals: dict[str, Any], text: str = "") -> None:
        report = {
            "subcommand": "dedup",
            "dryRun": self.dry_run,
            "status": self.status,
            "atLeastBytes": self.at_least,
            "groups": groups,
            "totals": totals,
            "readBytes": finder.read_bytes,
            "leftOut": finder.left_out,
            "problems": self.problems,
        }
        if self.dry_run:
            report["coldUnread"] = finder.unread
        report = printable(report)
        if self.options.json:
            print_json(report)
            return
        print("\n".join([*_table(report), *([text] if text else _summary(report))]))


def _described(group: Group, finder: Finder, has_volumes: bool = False) -> dict[str, Any]:
    """A group for the report. With further exports, each file on cold has the name of its own."""
    return {
        "bytes": group.rooms[0].size,
        "sha256": group.rooms[0].sha256,
        "files": [
            {
                "tier": room.tier,
                **({"export": one.export} if has_volumes and one.export is not None else {}),
                "path": one.path,
                "room": number,
                "byJournal": room.is_by_journal,
            }
            for number, room in enumerate(group.rooms, 1)
            for one in room.files
        ],
        "warmBytes": group.warm_bytes,
        "coldBytes": group.cold_bytes,
        "isKeptCopy": _is_kept_copy(group, group.rooms_on("cold"), finder),
    }


def _is_kept_copy(group: Group, rooms: list[Room], finder: Finder) -> bool:
    """Whether a rule with `keep` copied a file of warm to one of these rooms on cold."""
    warm, cold = ([one.path for room in some for one in room.files] for some in (group.rooms_on("warm"), rooms))
    return any((here, there) in finder.copied for here in warm for there in cold)


def _would(groups: list[Group]) -> dict[str, Any]:
    """What the tiers hold more than once."""
    both = [one for one in groups if one.rooms_on("warm") and one.rooms_on("cold")]
    return {
        "warm": {
            "files": sum(len(room.files) for one in groups for room in one.rooms_on("warm")[1:]),
            "bytes": sum(one.warm_bytes for one in groups),
        },
        "cold": {
            "files": sum(len(one.rooms_on("cold")[1:]) for one in groups),
            "bytes": sum(one.cold_bytes for one in groups),
        },
        "warmAndCold": {
            "files": len(both),
            "bytes": sum(one.rooms[0].size for one in both),
        },
    }


def _by_export(groups: list[Group], finder: Finder) -> dict[str, Any]:
    """What each export that was looked at holds more than once, and has in common with warm; and what several hold."""
    exports = {}
    for name in finder.exports:
        both = [one for one in groups if one.rooms_on("warm") and one.rooms_at(name)]
        exports[name] = {
            "files": sum(len(one.rooms_at(name)[1:]) for one in groups),
            "bytes": sum(one.bytes_at(name) for one in groups),
            "alsoOnWarm": {
                "files": len(both),
                "bytes": sum(one.rooms[0].size for one in both),
                "keptCopies": sum(_is_kept_copy(one, one.rooms_at(name), finder) for one in both),
            },
        }
    between = {
        "files": sum(len(one.exports[1:]) for one in groups),
        "bytes": sum(one.between_bytes for one in groups),
    }
    return {"exports": exports, "betweenExports": between}


def _table(report: dict[str, Any]) -> list[str]:
    width = max([4, *(len(one.get("export", "")) for group in report["groups"] for one in group["files"])])
    lines = [f"{'bytes':>14}  {'tier':<{width}}  {'room':>4}  file"]
    for group in report["groups"]:
        size = f"{group['bytes']}"
        for one in group["files"]:
            by = "  (by the journal)" if one["byJournal"] else ""
            tier = one.get("export", one["tier"])
            lines.append(f"{size:>14}  {tier:<{width}}  {one['room']:>4}  {one['path']!r}{by}")
            size = ""
    lines += [f"left out: {count}, {reason}" for reason, count in sorted(report["leftOut"].items())]
    return lines


def _summary(report: dict[str, Any]) -> list[str]:
    """What a dry run found, and what can be done about it."""
    here = f"{HERE}/tiered-storage.sh dedup"
    totals, unread = report["totals"], report["coldUnread"]
    warm = totals["warm"]
    kept = sum(one["isKeptCopy"] for one in report["groups"])
    only = {"cold": {**totals["cold"], "alsoOnWarm": {**totals["warmAndCold"], "keptCopies": kept}}}
    exports: dict[str, Any] = totals.get("exports", only)
    between = totals.get("betweenExports", {"files": 0})
    stays = "nothing is shared or deleted there. Next: where one is enough: cmp ONE OTHER && rm OTHER"

    lines = [f"warm: {warm['files']} files could share {warm['bytes']} bytes ({human(warm['bytes'])}) with others"]
    if warm["files"] > 0:
        lines[-1] += f". Next: {here}"
    lines += [
        f"{name}: {_amount(one)}, are there under another name too; {stays}"
        for name, one in exports.items()
        if one["files"] > 0
    ]
    if between["files"] > 0:
        lines.append(f"between exports: {_amount(between)}, are on another export too; {stays}")
    for name, one in exports.items():
        both = one["alsoOnWarm"]
        by_rule = f", {both['keptCopies']} of them copied by a rule with keep" if both["keptCopies"] > 0 else ""
        if both["files"] > 0:
            lines.append(
                f"warm and {name}: {_amount(both)}, are on both{by_rule}. "
                f"Next: where {name}'s is enough: cmp WARM COLD && rm WARM"
            )
    if unread["files"] > 0:
        where = "exports" if "exports" in totals else "cold"
        lines.append(
            f"{where}: {_amount(unread)}, have the size of another file, and the journal has no hash of "
            f"them. Next: {here} --dry-run --read-cold, which reads up to that much over the network"
        )
    return lines


def _amount(total: dict[str, Any]) -> str:
    return f"{total['files']} files, {total['bytes']} bytes ({human(total['bytes'])})"
