"""
Lets files of one btrfs share what they have in common, by the kernel's calls: ioctl_fideduperange(2), which compares
both files itself, with both locked, and changes no content, time or attribute; and FIEMAP, which says where the data of
a file is on the device.
"""

import errno
import fcntl
import os
import struct
from dataclasses import dataclass

# linux/fs.h and linux/fiemap.h, as x86-64 and arm64 have them.
FIDEDUPERANGE = 0xC0189436
FS_IOC_FIEMAP = 0xC020660B
FS_IOC_GETFLAGS = 0x80086601
IMMUTABLE, NO_COPY_ON_WRITE = 0x10, 0x800000
DEDUPE = struct.Struct("=QQHHI qQQiI")
FILE_DEDUPE_RANGE_DIFFERS = 1
# As much as btrfs takes in one call; a kill waits for the call.
AT_ONCE_BYTES = 16 << 20
READ_BYTES = 1 << 20
FIEMAP, FIEMAP_EXTENT = struct.Struct("=QQIIII"), struct.Struct("=QQQQQIIII")
EXTENTS_AT_ONCE = 512
LAST, ENCODED = 0x1, 0x8
# Unknown, not yet written, or in the tree itself: it has no place of its own that others could share.
WITHOUT_PLACE = 0x2 | 0x4 | 0x200
REASONS = {
    errno.EPERM: "immutable, or not ours",
    errno.ETXTBSY: "used as swap",
    errno.EXDEV: "on another filesystem",
    errno.EINVAL: "the kernel cannot share it, as where only one of both has checksums",
    errno.EOPNOTSUPP: "its filesystem cannot share",
}


@dataclass(frozen=True)
class Extent:
    """A part of a file that is in one piece on the device."""

    start: int
    """Its offset in the file, in bytes."""
    end: int
    place: tuple[str, int] | None
    """Equal only for parts that share their room, if they have the same offset in their files; None: not known."""


@dataclass(frozen=True)
class Result:
    """What became of one pair of files."""

    bytes: int
    """How many bytes of the target share the source's room now, and had their own before."""
    reason: str | None
    """Why the rest does not share; None: all of it does."""


def flags_of(fd: int) -> int:
    """What chattr(1) sets; 0 where the filesystem has no flags."""
    flags = bytearray(8)
    try:
        fcntl.ioctl(fd, FS_IOC_GETFLAGS, flags)
    except OSError:
        return 0
    return int.from_bytes(flags[:4], "little")


def extents_of(fd: int) -> list[Extent]:
    """Where the data of an open file is, in its order, without holes. @raises OSError where that is not known"""
    found: list[Extent] = []
    start, is_last = 0, False
    while not is_last:
        room = bytearray(FIEMAP.size + EXTENTS_AT_ONCE * FIEMAP_EXTENT.size)
        FIEMAP.pack_into(room, 0, start, (1 << 64) - 1 - start, 0, 0, EXTENTS_AT_ONCE, 0)
        fcntl.ioctl(fd, FS_IOC_FIEMAP, room)
        count = FIEMAP.unpack_from(room)[3]
        if count == 0:
            break
        for number in range(count):
            logical, physical, length, _, _, flags, _, _, _ = FIEMAP_EXTENT.unpack_from(
                room, FIEMAP.size + number * FIEMAP_EXTENT.size
            )
            place = None
            if not flags & WITHOUT_PLACE:
                # Of what is compressed, the kernel says where it begins, whatever part of it the file has.
                place = ("compressed", physical) if flags & ENCODED else ("plain", physical - logical)
            found.append(Extent(logical, logical + length, place))
            start, is_last = logical + length, bool(flags & LAST)
    return found


def differences(mine: list[Extent], theirs: list[Extent], size: int) -> list[tuple[int, int]]:
    """The ranges, start and end, of a file's data that do not share the room of the other file's, up to that size."""
    found: list[tuple[int, int]] = []
    number = 0
    for one in mine:
        at, end = one.start, min(one.end, size)
        while at < end:
            while number < len(theirs) and theirs[number].end <= at:
                number += 1
            other = theirs[number] if number < len(theirs) else None
            if other is None or other.start > at:
                stop, is_shared = end if other is None else min(end, other.start), False
            else:
                stop, is_shared = min(end, other.end), one.place is not None and one.place == other.place
            if not is_shared:
                found.append((at, stop))
            at = stop
    return found


def own_bytes(mine: list[Extent], theirs: list[Extent], size: int) -> int:
    """How many bytes of a file's data do not share the room of the other file's."""
    return sum(end - start for start, end in differences(mine, theirs, size))


def share(source: int, target: int, size: int) -> Result:
    """
    Has the open file `target` share the room of `source`, as far as both are the same. A kill at any point leaves both
    as they are: each call is done or not done.

    @param size  how long both files are, in bytes
    """
    unshared = differences(extents_of(target), extents_of(source), size)
    reason, reached = None, 0
    for start, end in unshared:
        at = max(reached, start - start % AT_ONCE_BYTES)
        while at < end and reason is None:
            reached = min(size, at + AT_ONCE_BYTES)
            for fd in (source, target):
                _read_ahead(fd, at, reached)
            reason = _share_range(source, target, at, reached)
            at = reached
    # The memory is left to others, whose files are in use.
    for fd in (source, target):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    before = sum(end - start for start, end in unshared)
    return Result(max(0, before - own_bytes(extents_of(target), extents_of(source), size)), reason)


def _read_ahead(fd: int, start: int, end: int) -> None:
    """Reads a range into memory: the kernel's comparison reads single pages, which took six times as long."""
    while start < end:
        read = len(os.pread(fd, READ_BYTES, start))
        if read == 0:
            return
        start += read


def _share_range(source: int, target: int, start: int, end: int) -> str | None:
    """Why a range does not share; None: it does."""
    while start < end:
        call = bytearray(DEDUPE.pack(start, end - start, 1, 0, 0, target, start, 0, 0, 0))
        try:
            fcntl.ioctl(source, FIDEDUPERANGE, call)
        except OSError as problem:
            return _reason(problem.errno or errno.EIO)
        done, status = DEDUPE.unpack(call)[7:9]
        if status == FILE_DEDUPE_RANGE_DIFFERS:
            return "not the same, as the kernel compared them"
        if status < 0:
            return _reason(-status)
        if done == 0:
            return "the kernel shared none of it"
        start += done
    return None


def _reason(number: int) -> str:
    return REASONS.get(number, os.strerror(number))


def same_places(extents: list[Extent]) -> tuple[tuple[int, int, tuple[str, int]], ...] | None:
    """What is equal for files that share all of their room; None: such a comparison says nothing."""
    found = tuple((one.start, one.end, one.place) for one in extents if one.place is not None)
    return found if extents and len(found) == len(extents) else None
