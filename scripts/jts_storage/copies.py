"""
Copies folders to the cold tier, compressed file by file, and brings such copies back.

A file NAME is NAME.zst there, or NAME where that would save little. zstd(1) decompresses NAME.zst. At its end it has a
mark of ours, in a frame that zstd skips: the size, the time of the last change and the SHA-256 of what was compressed.
So each file says what it is a copy of, wherever it is moved, and two runs need no list that could be lost or be wrong.
NFSv3 has no attributes of users that could say it. A file NAME.zst of the source has no mark, and is copied unchanged;
one that has a mark, since it was taken from such a copy, is compressed again.

Each file is written to a folder of unfinished copies, flushed, read back from the device and compared. It then gets its
name by rename(2). What has that name before goes aside first. After a kill at any point, the next run begins with an
empty folder of unfinished copies, and copies what is not there yet.
"""

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import struct
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import zstandard

from jts_storage.bandwidth import UNLIMITED, Pace, pace_of
from jts_storage.content import (
    COMPRESS,
    DECOMPRESS,
    PLAIN,
    Digest,
    Source,
    Ticks,
    decompressed,
    has_large_holes,
    read_back,
    transfer,
)
from jts_storage.files import first_line, flush, write_whole
from jts_storage.log import log
from jts_storage.mounts import closing
from jts_storage.mover import LOGGED_OF_A_REASON, ZSTD, allow_descriptors
from jts_storage.problem import Hopeless, Problem, Skip, reason_of
from jts_storage.program import human
from jts_storage.removal import FILE, FOLDER, NAME_BYTES, new_temporary_name, open_seen, require_unchanged, shortened
from jts_storage.unpacking import UNFINISHED, fill_folder, require_free

# The magic number of a frame that zstd skips, the length of what follows, our name, size, time in ns, SHA-256.
MARK = struct.Struct("<II20sQq32s")
MARK_NUMBER, MARK_NAME = 0x184D2A5A, b"jts-storage copy 1\n\0"
# Smaller files take a block of the disk, compressed or not.
LEAST_BYTES = 4096
SAMPLE_BYTES = 128 << 10
# What is flushed and read back together; each file has two descriptors then, and each folder one.
BATCH_BYTES, BATCH_ITEMS = 64 << 20, 400
ATTEMPTS = 2
SCRATCH = f"{UNFINISHED}-files"
# With these, no other file can be copied either.
HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE)
# The second line of a claim: whether all plain files in a copy are known to be those that do not compress.
BEGUN, WHOLE = "compressing", "compressed"


@dataclass(frozen=True)
class Mark:
    """What a compressed copy says of its original."""

    size: int
    mtime_ns: int
    sha256: bytes

    def frame(self) -> bytes:
        return MARK.pack(MARK_NUMBER, MARK.size - 8, MARK_NAME, self.size, self.mtime_ns, self.sha256)


def mark_of(fd: int) -> Mark | None:
    """The mark at the end of an open file; None: it has none."""
    last = os.pread(fd, MARK.size, max(0, os.fstat(fd).st_size - MARK.size))
    if len(last) < MARK.size:
        return None
    number, length, name, *facts = MARK.unpack(last)
    return Mark(*facts) if (number, length, name) == (MARK_NUMBER, MARK.size - 8, MARK_NAME) else None


@dataclass(frozen=True)
class Entry:
    """What a folder has under a name. A compressed copy counts as what was compressed."""

    name: str
    seen: os.stat_result
    mark: Mark | None = None

    @property
    def size(self) -> int:
        return self.seen.st_size if self.mark is None else self.mark.size

    @property
    def mtime_ns(self) -> int:
        return self.seen.st_mtime_ns if self.mark is None else self.mark.mtime_ns


def entries_of(folder: int, *, is_copy: bool) -> dict[str, list[Entry]]:
    """
    What is in an open folder, by its name in the original: a killed run can leave NAME and NAME.zst of one original.

    @param is_copy  whether it is a copy, in which NAME.zst with a mark stands for NAME
    """
    found: dict[str, list[Entry]] = {}
    for name in sorted(os.listdir(folder)):
        with contextlib.suppress(FileNotFoundError):
            seen, mark = os.stat(name, dir_fd=folder, follow_symlinks=False), None
            if is_copy and name.endswith(ZSTD) and name != ZSTD and stat.S_ISREG(seen.st_mode):
                with closing(os.open(name, FILE, dir_fd=folder)) as fd:
                    mark = mark_of(fd)
            original = name if mark is None else name.removesuffix(ZSTD)
            found.setdefault(original, []).append(Entry(name, seen, mark))
    return found


@dataclass
class Sizes:
    """What a copy consists of, and what the run did to it."""

    files: int = 0
    bytes: int = 0
    """Not compressed."""
    there_bytes: int = 0
    """The same as it is at the destination."""
    copied_files: int = 0
    copied_bytes: int = 0
    copied_there_bytes: int = 0
    removed: int = 0
    """Files and folders that went aside."""
    changed: int = 0
    """Files that changed while they were read: the next run copies them again."""
    failed: int = 0

    def in_words(self) -> str:
        words = f"{self.files} files of {human(self.bytes)}, {human(self.there_bytes)} on cold; "
        words += f"{self.copied_files} copied: {human(self.copied_bytes)}, {human(self.copied_there_bytes)} on cold"
        return words + (f"; {self.removed} moved to .removed" if self.removed else "")

    def facts(self) -> dict[str, Any]:
        """For the JSON document."""
        return {
            "files": self.files,
            "bytes": self.bytes,
            "coldBytes": self.there_bytes,
            "copied": {
                "files": self.copied_files,
                "bytes": self.copied_bytes,
                "coldBytes": self.copied_there_bytes,
            },
            "removed": self.removed,
            "changedMeanwhile": self.changed,
            "failed": self.failed,
        }


def copy_compressed(source: str, target: str, claim: str, aside: str, *, dry_run: bool) -> dict[str, int]:
    """
    Copies a folder to the cold tier. Plain copies that were there before are compressed in the first run.

    @param claim  the file that says whose copy the target is; its second line is kept here
    @param aside  the folder that gets what is replaced or deleted, on the same filesystem
    @returns `Sizes` as JSON can hold them
    @raises Problem where the copy had to be given up
    """
    state = state_of(claim)
    # Another host may copy another folder at the same time.
    scratch = f"{os.path.dirname(os.path.dirname(aside))}/unfinished/{os.path.basename(target)}"
    copy = FolderCopy(scratch, aside=aside, dry_run=dry_run)
    copy.judges_plain = state != WHOLE
    if not dry_run and not state:
        set_state(claim, BEGUN)
    sizes = copy.run(source, target)
    if not dry_run and state != WHOLE and not sizes.failed:
        set_state(claim, WHOLE)
    return asdict(sizes)


def restore_folder(folder: str, to: str, only: str | None, *, dry_run: bool) -> dict[str, int]:
    """
    Brings a copy back, decompressed and compared with its marks, into a folder that is missing or has no files.

    @param only  a file or folder in it by its original path; None: all
    @returns `Sizes` as JSON can hold them
    @raises Problem where it is not brought back, or not all of it; then the file UNFINISHED in the folder says so
    """
    names = () if only is None else tuple(os.path.normpath(only.strip("/")).split("/"))
    require_free(to, f"{folder} {only or ''}".strip())
    restored = FolderCopy(f"{to}/{SCRATCH}", dry_run=dry_run, only=names)
    if dry_run:
        return asdict(restored.run(folder, to))

    def fill() -> None:
        restored.run(folder, to)
        if restored.sizes.failed:
            raise Problem(f"{restored.sizes.failed} files or folders are not restored")

    fill_folder(to, f"{folder} {only or ''}".strip(), fill)
    # Our own file in it has changed its time.
    seen = os.stat(folder)
    os.utime(to, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    return asdict(restored.sizes)


def copies_in(development: str) -> list[str]:
    """The folders in a folder of copies that have, or may have, compressed files, by their claims."""
    claims = f"{development}/.copies"
    names = sorted(os.listdir(claims)) if os.path.isdir(claims) else []
    return [f"{development}/{name}" for name in names if state_of(f"{claims}/{name}")]


def problem_in(folder: str) -> str:
    """Reads all compressed files of a copy to their end; the first problem, and how many there are; empty: none."""
    problems = []
    for path, _, names, fd in os.fwalk(folder):
        for name in sorted(names):
            if not name.endswith(ZSTD):
                continue
            try:
                with closing(os.open(name, FILE, dir_fd=fd)) as file:
                    # What is read must come from the device.
                    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                    mark = mark_of(file) if stat.S_ISREG(os.fstat(file).st_mode) else None
                    if mark is not None:
                        _require_marked(file, mark, pace_of(folder))
            except (Problem, OSError) as problem:
                if isinstance(problem, OSError) and problem.errno in (errno.ENOENT, errno.ELOOP):
                    continue
                problems.append(f"{os.path.join(path, name)!r}: {reason_of(problem)}")
    if not problems:
        return ""
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _require_marked(fd: int, mark: Mark, pace: Pace) -> None:
    sha256 = hashlib.sha256()
    for piece in decompressed(fd, pace.let_pass):
        sha256.update(piece)
    if sha256.digest() != mark.sha256:
        raise Problem("its content is not what was copied", "move it away; the next run copies the file again")


def state_of(claim: str) -> str:
    """The second line of a claim: BEGUN, WHOLE, or empty."""
    with contextlib.suppress(OSError), open(claim, encoding="utf-8", errors="replace") as file:
        return "".join(file.readlines()[1:2]).strip()
    return ""


def set_state(claim: str, state: str) -> None:
    """Changes the second line of a claim, where it is another; empty: it has none."""
    if state_of(claim) != state:
        write_whole(claim, "".join(f"{line}\n" for line in (first_line(claim), state) if line))


@dataclass
class Place:
    """A folder that is being copied."""

    source: int
    target: int | None
    """None: there is none, in a dry run."""
    path: str
    """Its path in the original; empty: that itself."""
    seen: os.stat_result
    ours: dict[str, list[Entry]]
    there: dict[str, list[Entry]]
    kept: set[str] = field(default_factory=set)
    """The names at the destination that stay."""

    def may_be(self, name: str) -> bool:
        """Whether a copy can have a name that is not its original's."""
        return name not in self.ours and len(os.fsencode(name)) <= NAME_BYTES

    def candidates(self, name: str) -> list[Entry]:
        """What may be the copy of the original of that name. NAME.zst is none where the original has that too."""
        return [one for one in self.there.get(name, []) if one.name == name or one.name not in self.ours]

    def keep(self, name: str) -> None:
        """Keeps all there is of an original that cannot be copied now."""
        self.kept.update(one.name for one in self.there.get(name, []))


@dataclass
class Copy:
    """A file whose copy is written, and has no name yet."""

    place: Place
    original: str
    name: str
    source: Source
    fd: int
    temporary: str
    digest: Digest
    size: int
    """Of the original, or of what is decompressed."""
    key: str | None
    """For its other hard links; None: it has none."""


@dataclass
class Link:
    """Another hard link to a file that was copied before."""

    place: Place
    original: str
    name: str
    key: str


class FolderCopy:
    """
    One run over a folder.

    @param scratch  a folder on the destination's filesystem, for unfinished copies; it is made, and removed
    @param aside  the folder that gets what is replaced or deleted; None: copies are brought back
    @param only  the names that lead to the only file or folder that is copied; default: all
    """

    def __init__(
        self, scratch: str, *, aside: str | None = None, dry_run: bool = False, only: tuple[str, ...] = ()
    ) -> None:
        self.scratch_path, self.aside, self.dry_run, self.only = scratch, aside, dry_run, only
        self.is_back = aside is None
        self.judges_plain = False
        self.sizes = Sizes()
        self.scratch = self.device = -1
        self.target_path = ""
        self.set_paces(UNLIMITED, UNLIMITED)
        self.made: set[str] = set()
        self.suffixes: dict[str, str] = {}
        self.reasons: Counter[str] = Counter()
        self.copies: list[Copy] = []
        self.links: list[Link] = []
        self.endings: list[Place] = []
        self.batch_bytes = 0

    def set_paces(self, of_source: Pace, of_copy: Pace) -> None:
        """Nothing else watches the progress: `watched` ends a run whose NAS does not answer."""
        self.ticks = Ticks(of_source.let_pass, of_copy.let_pass, of_copy.is_limited)

    def run(self, source: str, target: str) -> Sizes:
        """@raises Problem where it had to be given up"""
        self.set_paces(pace_of(source), pace_of(target))
        allow_descriptors()
        self.target_path = target
        with contextlib.ExitStack() as opened:
            if not self.dry_run:
                self.make_scratch()
                opened.callback(self.remove_scratch)
                self.scratch = opened.enter_context(closing(os.open(self.scratch_path, FOLDER)))
            ours = opened.enter_context(closing(os.open(source, FOLDER)))
            there = os.open(target, FOLDER) if os.path.isdir(target) else None
            self.device = os.fstat(ours).st_dev
            self.visit(ours, there, "", self.only)
            self.finish()
        for reason, count in self.reasons.items():
            if count > LOGGED_OF_A_REASON:
                log("warning", f"{count} files in all were not copied: {reason}")
        return self.sizes

    def make_scratch(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.scratch_path)
        for _ in range(ATTEMPTS):
            # Another copy that ends now removes the folder that both are in.
            with contextlib.suppress(FileNotFoundError):
                os.makedirs(self.scratch_path)
                return
        os.makedirs(self.scratch_path)

    def remove_scratch(self) -> None:
        """What cannot be removed now, the next run removes."""
        shutil.rmtree(self.scratch_path, ignore_errors=True)
        if not self.is_back:
            # Unless another copy has its own in there.
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(self.scratch_path))

    def fail(self, place: Place, name: str, problem: Exception) -> None:
        """Counts what is not copied, and keeps what there is of it. @raises Hopeless where nothing else could be"""
        if isinstance(problem, Hopeless):
            raise problem
        reason = reason_of(problem)
        if isinstance(problem, OSError) and problem.errno in HOPELESS:
            raise Hopeless(f"{os.path.join(place.path, name)!r}: {reason}") from None
        place.keep(name)
        self.sizes.failed += 1
        self.reasons[reason] += 1
        if self.reasons[reason] <= LOGGED_OF_A_REASON:
            log("warning", f"not copied: {os.path.join(place.path, name)!r}: {reason}")

    def visit(self, source: int, target: int | None, path: str, only: tuple[str, ...] = ()) -> None:
        """Copies what is in an open folder. The target's descriptor is closed by `finish_place`."""
        ours = entries_of(source, is_copy=self.is_back)
        there = {} if target is None else entries_of(target, is_copy=not self.is_back)
        place = Place(source, target, path, os.fstat(source), ours, there)
        if only and only[0] not in ours:
            raise Hopeless(f"the copy has no {os.path.join(path, only[0])!r}", "ls, for what it has")
        for name in only[:1] or sorted(ours):
            # Where a killed run left two, the newer one; of the same time, the compressed one.
            entry = max(ours[name], key=lambda one: (one.mtime_ns, one.mark is not None))
            try:
                if self.is_back and not path and name.startswith(UNFINISHED):
                    raise Problem("we use that name", f"cp it from {self.target_path}")
                if stat.S_ISDIR(entry.seen.st_mode):
                    self.visit_folder(place, name, only[1:])
                elif only[1:]:
                    raise Hopeless(f"{os.path.join(path, name)!r} is not a folder")
                elif stat.S_ISREG(entry.seen.st_mode):
                    self.visit_file(place, name, entry)
                else:
                    self.visit_other(place, name, entry)
            except (Skip, FileNotFoundError) as gone:
                place.keep(name)
                # Somebody works in the folder. Nobody does in a copy.
                if self.is_back:
                    self.fail(place, name, gone)
            except (Problem, OSError, RecursionError) as problem:
                self.fail(place, name, problem)
        self.endings.append(place)
        if self.batch_bytes >= BATCH_BYTES or len(self.copies) + len(self.links) + len(self.endings) >= BATCH_ITEMS:
            self.finish()

    def visit_folder(self, place: Place, name: str, only: tuple[str, ...]) -> None:
        path = os.path.join(place.path, name)
        place.kept.add(name)
        with closing(open_seen(name, FOLDER, place.source)) as source:
            target = self.folder_at(place, name)
            if os.fstat(source).st_dev == self.device:
                self.visit(source, target, path, only)
            else:
                # As rsync --one-file-system: the mount point is copied, not what is mounted there.
                seen = os.fstat(source)
                self.endings.append(Place(source, target, path, seen, {}, {}))

    def folder_at(self, place: Place, name: str) -> int | None:
        """The folder of that name at the destination, which is made."""
        if place.target is None:
            return None
        if not any(one.name == name and stat.S_ISDIR(one.seen.st_mode) for one in place.there.get(name, [])):
            if self.dry_run:
                return None
            self.set_aside(place, name)
            os.mkdir(name, 0o700, dir_fd=place.target)
        return os.open(name, FOLDER, dir_fd=place.target)

    def visit_file(self, place: Place, name: str, entry: Entry) -> None:
        seen = entry.seen
        key = f"{seen.st_dev}-{seen.st_ino}" if seen.st_nlink > 1 else None
        if key is not None and key in self.suffixes:
            target = name + self.suffixes[key]
            if target == name or place.may_be(target):
                self.links.append(Link(place, name, target, key))
                return
            key = None
        same = next((one for one in place.candidates(name) if is_same(entry, one)), None)
        if same is None or self.is_to_be_compressed(place, name, entry, same):
            self.begin(place, name, entry, key)
            return
        place.kept.add(same.name)
        self.count(entry.size, same.seen.st_size)
        if self.dry_run:
            return
        assert place.target is not None  # it has the copy
        give(place.target, same.name, entry, same.seen)
        if key is not None:
            os.link(same.name, key, src_dir_fd=place.target, dst_dir_fd=self.scratch, follow_symlinks=False)
            self.suffixes[key] = same.name.removeprefix(name)

    def is_to_be_compressed(self, place: Place, name: str, entry: Entry, same: Entry) -> bool:
        """Whether a plain copy of an earlier run, which made no other, is compressed in this one."""
        if not self.judges_plain or self.is_back or same.mark is not None:
            return False
        with closing(open_seen(entry.name, FILE, place.source)) as fd:
            return self.form_of(place, name, Source(fd, os.fstat(fd)), entry) == COMPRESS

    def form_of(self, place: Place, name: str, source: Source, entry: Entry) -> str:
        if self.is_back:
            return PLAIN if entry.mark is None else DECOMPRESS
        may_be = place.may_be(name + ZSTD)
        if name.endswith(ZSTD) and mark_of(source.fd) is not None:
            if may_be:
                return COMPRESS
            raise Problem(f"it would have to be {name + ZSTD!r} on cold, which cannot be", "give it a shorter name")
        size = source.seen.st_size
        if not may_be or size < LEAST_BYTES or has_large_holes(source.seen):
            return PLAIN
        return COMPRESS if saves(source.fd, size) else PLAIN

    def begin(self, place: Place, name: str, entry: Entry, key: str | None) -> None:
        """Writes a copy that gets its name when the batch is finished."""
        with contextlib.ExitStack() as opened:
            fd = open_seen(entry.name, FILE, place.source)
            opened.callback(os.close, fd)
            seen = os.fstat(fd)
            if not stat.S_ISREG(seen.st_mode):
                raise Skip("changed meanwhile")
            form = self.form_of(place, name, Source(fd, seen), entry)
            target = name + ZSTD if form == COMPRESS else name
            if self.dry_run:
                log("info", f"would copy {os.path.join(place.path, name)!r} to {target!r}")
                self.sizes.copied_files += 1
                self.sizes.copied_bytes += entry.size
                place.kept.add(target)
                return
            temporary = new_temporary_name()
            copy = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self.scratch)
            opened.callback(os.close, copy)
            source, digest = self.write(place, name, Source(fd, seen, form), copy)
            if entry.mark is not None and digest.sha256 != entry.mark.sha256.hex():
                raise Problem("its content is not what was copied", "an older one in .removed")
            seen = source.seen
            size, mtime_ns = seen.st_size, seen.st_mtime_ns
            if entry.mark is not None:
                size, mtime_ns = entry.size, entry.mtime_ns
            os.fchown(copy, seen.st_uid, seen.st_gid)
            os.fchmod(copy, stat.S_IMODE(seen.st_mode))
            os.utime(copy, ns=(seen.st_atime_ns, mtime_ns))
            self.copies.append(Copy(place, name, target, source, copy, temporary, digest, size, key))
            opened.pop_all()
        self.batch_bytes += size
        if key is not None:
            self.suffixes[key] = target.removeprefix(name)
        if self.batch_bytes >= BATCH_BYTES or len(self.copies) >= BATCH_ITEMS:
            self.finish()

    def write(self, place: Place, name: str, source: Source, copy: int) -> tuple[Source, Digest]:
        """Writes the content of a file, and once more if it changed meanwhile; returns what was written then."""
        for _ in range(ATTEMPTS):
            source = Source(source.fd, os.fstat(source.fd), source.form)
            os.ftruncate(copy, 0)
            digest = transfer(source, copy, self.ticks)
            if source.form == COMPRESS:
                assert digest.sha256 is not None  # it is not one of large holes
                mark = Mark(source.seen.st_size, source.seen.st_mtime_ns, bytes.fromhex(digest.sha256))
                self.ticks.copy(MARK.size)
                os.pwrite(copy, mark.frame(), os.fstat(copy).st_size)
            now = os.fstat(source.fd)
            try:
                require_unchanged(source.seen, now)
                return source, digest
            except Skip:
                if now.st_nlink != source.seen.st_nlink and now.st_mtime_ns == source.seen.st_mtime_ns:
                    return source, digest
        if now.st_size < source.seen.st_size:
            raise Problem("it became shorter while it was read", "the next run copies it")
        # As it was read, which rsync does too: a file that always changes would have no copy else. It keeps the time
        # from before, so that the next run copies it again.
        self.sizes.changed += 1
        log("info", f"{os.path.join(place.path, name)!r} changed while it was read; the next run copies it again")
        return source, digest

    def visit_other(self, place: Place, name: str, entry: Entry) -> None:
        """A symbolic link, a device, a pipe or a socket."""
        seen = entry.seen
        link = os.readlink(entry.name, dir_fd=place.source) if stat.S_ISLNK(seen.st_mode) else None
        place.kept.add(name)
        if self.dry_run:
            return
        assert place.target is not None  # only a dry run has none
        there = next((one.seen for one in place.there.get(name, []) if one.name == name), None)
        if (
            there is not None
            and (stat.S_IFMT(there.st_mode), there.st_rdev) == (stat.S_IFMT(seen.st_mode), seen.st_rdev)
            and (link is None or os.readlink(name, dir_fd=place.target) == link)
        ):
            give(place.target, name, entry, there)
            return
        temporary = new_temporary_name()
        if link is None:
            os.mknod(temporary, stat.S_IFMT(seen.st_mode) | 0o600, seen.st_rdev, dir_fd=self.scratch)
        else:
            os.symlink(link, temporary, dir_fd=self.scratch)
        give(self.scratch, temporary, entry)
        self.put(place, name, temporary)

    def count(self, size: int, there: int) -> None:
        self.sizes.files += 1
        self.sizes.bytes += size
        self.sizes.there_bytes += there

    def finish(self) -> None:
        """Flushes, compares and names the copies of the batch, then makes its links, then ends its folders."""
        copies, links, endings = self.copies, self.links, self.endings
        self.copies, self.links, self.endings, self.batch_bytes = [], [], [], 0
        is_flushed = flush([copy.fd for copy in copies])
        for copy in copies:
            # Dropped from the page cache, so that it is read from the device, and all at once: with a limit, later.
            os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if not self.ticks.is_copy_limited:
                os.posix_fadvise(copy.fd, 0, 0, os.POSIX_FADV_WILLNEED)
        for copy in copies:
            try:
                if not is_flushed:
                    os.fsync(copy.fd)
                self.publish(copy)
            except (Problem, OSError) as problem:
                self.fail(copy.place, copy.original, problem)
            finally:
                os.close(copy.fd)
                os.close(copy.source.fd)
        for link in links:
            try:
                self.make_link(link)
            except (Problem, OSError) as problem:
                self.fail(link.place, link.original, problem)
        for place in endings:
            try:
                self.finish_place(place)
            except (Problem, OSError) as problem:
                self.fail(place, "", problem)
            finally:
                if place.target is not None:
                    os.close(place.target)

    def publish(self, copy: Copy) -> None:
        if read_back(copy.source, copy.fd, self.ticks) != copy.digest.check:
            raise Problem(
                "the copy reads back differently from what was written",
                "dmesg --level=err,warn; the logs of the NAS",
            )
        size = os.fstat(copy.fd).st_size
        if copy.key is not None:
            os.link(copy.temporary, copy.key, src_dir_fd=self.scratch, dst_dir_fd=self.scratch)
        self.put(copy.place, copy.name, copy.temporary)
        self.count(copy.size, size)
        self.sizes.copied_files += 1
        self.sizes.copied_bytes += copy.size
        self.sizes.copied_there_bytes += size

    def make_link(self, link: Link) -> None:
        """Unless it is there already."""
        link.place.kept.add(link.name)
        if self.dry_run or link.place.target is None:
            return
        first = os.stat(link.key, dir_fd=self.scratch, follow_symlinks=False)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(first, os.stat(link.name, dir_fd=link.place.target, follow_symlinks=False)):
                return
        temporary = new_temporary_name()
        os.link(link.key, temporary, src_dir_fd=self.scratch, dst_dir_fd=self.scratch)
        self.put(link.place, link.name, temporary)

    def put(self, place: Place, name: str, temporary: str) -> None:
        """Gives an unfinished copy its name; what has that name goes aside."""
        assert place.target is not None  # only a dry run has none
        self.set_aside(place, name, is_replaced=True)
        os.rename(temporary, name, src_dir_fd=self.scratch, dst_dir_fd=place.target)
        place.kept.add(name)

    def set_aside(self, place: Place, name: str, *, is_replaced: bool = False) -> None:
        """
        Moves what has a name at the destination aside; where copies are brought back, it is a rest of a killed run.

        @param is_replaced  a file may also keep the name, since it is replaced in one step next; default: False
        """
        try:
            seen = os.stat(name, dir_fd=place.target, follow_symlinks=False)
        except FileNotFoundError:
            return
        is_folder = stat.S_ISDIR(seen.st_mode)
        if self.aside is None:
            if is_folder:
                shutil.rmtree(name, dir_fd=place.target)
            elif not is_replaced:
                os.unlink(name, dir_fd=place.target)
            return
        self.sizes.removed += 1
        aside = self.free_name(self.folder_aside(place.path), name)
        if is_replaced and not is_folder:
            with contextlib.suppress(OSError):
                os.link(name, aside, src_dir_fd=place.target, follow_symlinks=False)
                return
        os.rename(name, aside, src_dir_fd=place.target)

    def folder_aside(self, path: str) -> str:
        """The folder for what goes aside from a folder, which is made with the owners and modes of its original."""
        made = os.path.join(self.aside or "", path)
        if made in self.made:
            return made
        os.makedirs(made, exist_ok=True)
        names = path.split("/") if path else []
        for depth in range(len(names) + 1):
            below = os.path.join("", *names[:depth])
            like = os.stat(os.path.join(self.target_path, below))
            os.chown(os.path.join(self.aside or "", below), like.st_uid, like.st_gid)
            os.chmod(os.path.join(self.aside or "", below), stat.S_IMODE(like.st_mode))
        self.made.add(made)
        return made

    def free_name(self, folder: str, name: str) -> str:
        """The path of that name in a folder; where another run of the same second has used it, of NAME~2 and so on."""
        number, path = 1, f"{folder}/{name}"
        while os.path.lexists(path):
            number += 1
            path = f"{folder}/{shortened(name, f'~{number}')}~{number}"
        return path

    def finish_place(self, place: Place) -> None:
        """Moves aside what is no copy of anything, and gives the folder its owner, mode and time."""
        if place.target is None:
            return
        stale = [one.name for entries in place.there.values() for one in entries if one.name not in place.kept]
        for name in () if self.is_back else stale:
            if self.dry_run:
                log("info", f"would move {os.path.join(place.path, name)!r} to .removed")
                self.sizes.removed += 1
            else:
                self.set_aside(place, name)
        if self.dry_run:
            return
        now, seen = os.fstat(place.target), place.seen
        if (now.st_uid, now.st_gid) != (seen.st_uid, seen.st_gid):
            os.fchown(place.target, seen.st_uid, seen.st_gid)
        os.fchmod(place.target, stat.S_IMODE(seen.st_mode))
        if now.st_mtime_ns != seen.st_mtime_ns:
            os.utime(place.target, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def is_same(entry: Entry, copy: Entry) -> bool:
    """
    Whether a copy is one of the file as it is now, by its size and time. A mark has the time in nanoseconds; of a plain
    copy, a server may keep whole seconds only.
    """
    if not stat.S_ISREG(copy.seen.st_mode) or entry.size != copy.size:
        return False
    # Else a file that is no hard link any more would share its owner and mode with another one.
    if copy.seen.st_nlink > 1 and entry.seen.st_nlink == 1:
        return False
    unit = 1 if copy.mark is not None else 10**9
    return entry.mtime_ns // unit == copy.mtime_ns // unit


def give(folder: int, name: str, entry: Entry, now: os.stat_result | None = None) -> None:
    """
    Gives what has that name the owner, mode and time of an original.

    @param now  what it has: then only what differs is changed, and a second is the unit of times. None: it is new
    """
    seen, is_link = entry.seen, stat.S_ISLNK(entry.seen.st_mode)
    has_owner = now is not None and (now.st_uid, now.st_gid) == (seen.st_uid, seen.st_gid)
    if not has_owner:
        os.chown(name, seen.st_uid, seen.st_gid, dir_fd=folder, follow_symlinks=False)
    # A change of the owner may take bits of the mode.
    if not is_link and not (has_owner and now is not None and now.st_mode == seen.st_mode):
        os.chmod(name, stat.S_IMODE(seen.st_mode), dir_fd=folder)
    if now is None or now.st_mtime_ns // 10**9 != entry.mtime_ns // 10**9:
        os.utime(name, ns=(seen.st_atime_ns, entry.mtime_ns), dir_fd=folder, follow_symlinks=False)


def saves(fd: int, size: int) -> bool:
    """Whether zstd saves an eighth or more of a file, by its begin, its middle and its end."""
    starts = (0, (size - SAMPLE_BYTES) // 2, size - SAMPLE_BYTES) if size > 3 * SAMPLE_BYTES else (0,)
    length = SAMPLE_BYTES if len(starts) > 1 else size
    sample = b"".join(os.pread(fd, length, start) for start in starts)
    return len(zstandard.ZstdCompressor(level=1).compress(sample)) <= len(sample) * 7 // 8
