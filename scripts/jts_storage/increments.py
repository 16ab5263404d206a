"""
Increments: what a tar archive has that another one, its base, has not.

`make` reads a tar archive on standard input, and prints its increment. `read` reads that, compressed, on standard
input, and prints the tar archive. An increment has the form of a delta of rdiff(1), so that `rdiff patch` reads it too.
It takes from its base only what comes later and later, so that neither archive must be on a disk uncompressed.

A file is compared with the file of the same path in the base, each block with the one at the same place. So a file is
in the increment as a whole if it is new, has another name, or begins differently. Both archives need their members
sorted, as tar --sort=name does: what is out of order is not found, and is in the increment too.
"""

import argparse
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from jts_storage.archives import CHUNK_BYTES, DECOMPRESS, STAMP
from jts_storage.bandwidth import UNLIMITED, Pace, pace_of
from jts_storage.log import log
from jts_storage.mounts import closing
from jts_storage.problem import HERE, Problem, reason_of

# VOLUME-STAMP.on-STAMP.rdiff.zst: the second stamp is that of the full archive, VOLUME-STAMP.tar.zst.
ENDING = ".rdiff.zst"
FULL_ENDING = ".tar.zst"
NAME = re.compile(rf"(?P<volume>.+)-(?P<stamp>{STAMP.pattern})\.on-(?P<full>{STAMP.pattern})\.rdiff\.zst")
# librsync's file format: its magic and its commands. Numbers are big-endian.
MAGIC = (0x72730236).to_bytes(4, "big")
END, LITERAL, COPY = b"\0", b"\x43", b"\x54"
BLOCK = 512
# What is compared: a page of a database, and where it differs, parts of it. tar(1) shifts files by whole parts.
COMPARED = (8192, BLOCK)
# Headers that are about the next one: pax's and GNU's.
EXTENDED = (b"x", b"g", b"L", b"K")
LARGEST_HEADER = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="jts_storage increment",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("make", "read"))
    parser.add_argument("base", help="a tar archive, compressed with zstd")
    parser.add_argument("--sum", help="for make: the file that gets the SHA-256 of the tar archive")
    parser.add_argument("--sha256", help="for read: what the tar archive must have")
    parser.add_argument(
        "--limit",
        nargs=2,
        metavar=("FILE", "MIB"),
        help="reads the base at the pace of the limit of bandwidth: the file that all programs share, MiB per second",
    )
    options = parser.parse_args()
    if (options.sum is None) == (options.action == "make") or (options.sha256 is None) == (options.action == "read"):
        parser.error("make needs --sum, and read needs --sha256")
    out = sys.stdout.buffer
    try:
        pace = UNLIMITED if options.limit is None else Pace(options.limit[0], int(options.limit[1]))
        with _base(options.base, pace) as base:
            if options.action == "read":
                with _unpacked(sys.stdin.fileno()) as delta:
                    if read(delta, base, out) != options.sha256:
                        raise Problem("what was read is not the archive that was made")
                return 0
            sha256 = make(Stream(sys.stdin.buffer), base, out)
            with open(options.sum, "w", encoding="ascii") as file:
                file.write(sha256)
            return 0
    except Problem as problem:
        log("error", f"the increment to {options.base}: {problem}")
    except BrokenPipeError:
        # Whoever read it has seen enough, or failed. Python would write what is left once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 1


def full_of(name: str) -> str:
    """The name of the full archive that an increment of that name needs; empty: it is no increment's name."""
    found = NAME.fullmatch(name)
    return "" if found is None else f"{found['volume']}-{found['full']}{FULL_ENDING}"


def command(action: str, base: str, *options: str) -> list[str]:
    """The command that makes or reads an increment to that base, see above."""
    pace = pace_of(base)
    limit = ["--limit", pace.file, f"{pace.mib_per_second}"] if pace.is_limited else []
    return ["python3", "-I", "-B", f"{HERE}/jts_storage", "increment", action, *limit, *options, "--", base]


class Stream:
    """Bytes that can only be read forward."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.at = 0
        """How many bytes were read."""

    def take(self, count: int) -> bytes:
        """The next bytes, fewer only at the end."""
        taken = self.file.read(count)
        self.at += len(taken)
        return taken

    def chunks(self, count: int) -> Iterator[bytes]:
        """The next bytes, in pieces. @raises Problem where it ends before"""
        while count > 0:
            chunk = self.take(min(count, CHUNK_BYTES))
            if not chunk:
                raise Problem("an archive ends too early")
            count -= len(chunk)
            yield chunk

    def skip(self, count: int) -> None:
        for _ in self.chunks(count):
            pass


@contextmanager
def _base(path: str, pace: Pace) -> Iterator[Stream]:
    """The tar archive in a file. @raises Problem where the file cannot be opened"""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as problem:
        raise Problem(reason_of(problem)) from None
    with closing(file), pace.reading(file) as fd, _unpacked(fd) as tar:
        yield tar


@contextmanager
def _unpacked(fd: int) -> Iterator[Stream]:
    """What zstd prints of an open file."""
    with subprocess.Popen(DECOMPRESS, stdin=fd, stdout=subprocess.PIPE, bufsize=CHUNK_BYTES) as child:
        assert child.stdout is not None
        try:
            yield Stream(child.stdout)
        finally:
            child.kill()


@dataclass(frozen=True)
class Member:
    """A member of a tar archive; its content follows in the stream."""

    head: bytes
    """Its header, with the extended ones before it."""
    key: tuple[bytes, ...]
    """The parts of its path, by which tar(1) sorts."""
    bytes: int | None
    """Of its content, with what fills the last block. None: it is no member, but the rest of the archive."""


def members(tar: Stream) -> Iterator[Member]:
    """
    The members of a tar archive; the content of each must be read before the next one. The last one is the rest: the
    archive's end, or whatever is no header that is known here.
    """
    head, records = b"", dict[bytes, bytes]()
    while True:
        block = tar.take(BLOCK)
        head += block
        kind, size = block[156:157], _number(block[124:136])
        if len(block) < BLOCK or block[0] == 0 or size is None:
            break
        if kind in EXTENDED:
            if size > LARGEST_HEADER:
                break
            payload = tar.take(_padded(size))
            head += payload
            if kind == b"x":
                records |= _records(payload[:size])
            continue
        name = b"/".join(filter(None, (block[345:500].rstrip(b"\0"), block[:100].rstrip(b"\0"))))
        path = records.get(b"GNU.sparse.name", records.get(b"path", name))
        # The field has no room for more than 8 GiB.
        real = records.get(b"size", b"")
        yield Member(head, tuple(path.rstrip(b"/").split(b"/")), _padded(int(real) if real.isdigit() else size))
        head, records = b"", {}
    yield Member(head, (), None)


def _number(field: bytes) -> int | None:
    """A number in a header; None: it is none."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b"\0 ")
    return int(digits or b"0", 8) if set(digits) <= set(b"01234567") else None


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _records(payload: bytes) -> dict[bytes, bytes]:
    """The records of an extended header, as pax(1) has them: LENGTH KEY=VALUE, and a line feed."""
    found = {}
    while payload:
        length = payload.partition(b" ")[0]
        if not length.isdigit() or not 0 < int(length) <= len(payload):
            break
        key, _, value = payload[: int(length)].partition(b" ")[2].partition(b"=")
        found[key], payload = value[:-1], payload[int(length) :]
    return found


class Delta:
    """Writes what `read` reads."""

    def __init__(self, out: IO[bytes]) -> None:
        self.out = out
        self.digest = hashlib.sha256()
        """Of what `read` will print."""
        self.start = self.end = 0
        """What is to be copied next."""
        self.literal: list[bytes] = []
        self.literal_bytes = 0
        out.write(MAGIC)

    def add(self, content: bytes) -> None:
        """Adds bytes that the base has not."""
        self.digest.update(content)
        self.write_copy()
        self.literal.append(content)
        self.literal_bytes += len(content)
        if self.literal_bytes >= CHUNK_BYTES:
            self.write_literal()

    def copy(self, start: int, content: bytes) -> None:
        """Adds bytes that the base has from there on."""
        self.digest.update(content)
        if self.start == self.end or start != self.end:
            self.write_copy()
            self.write_literal()
            self.start = start
        self.end = start + len(content)

    def write_copy(self) -> None:
        if self.end > self.start:
            self.out.write(COPY + self.start.to_bytes(8, "big") + (self.end - self.start).to_bytes(8, "big"))
        self.start = self.end = 0

    def write_literal(self) -> None:
        if self.literal:
            self.out.write(LITERAL + self.literal_bytes.to_bytes(4, "big") + b"".join(self.literal))
        self.literal, self.literal_bytes = [], 0

    def finish(self) -> str:
        """The SHA-256 of what it stands for."""
        self.write_copy()
        self.write_literal()
        self.out.write(END)
        self.out.flush()
        return self.digest.hexdigest()


def make(tar: Stream, base: Stream, out: IO[bytes]) -> str:
    """
    Writes what a tar archive has that its base has not.

    @returns the SHA-256 of the tar archive
    @raises Problem where one of them ends within a file
    """
    delta, candidates = Delta(out), members(base)
    # Its content is still to be read.
    candidate = next(candidates)
    for member in members(tar):
        while candidate.bytes is not None and candidate.key < member.key:
            base.skip(candidate.bytes)
            candidate = next(candidates)
        rest = member.bytes
        if rest is not None and candidate.bytes is not None and candidate.key == member.key:
            if candidate.head == member.head:
                delta.copy(base.at - len(member.head), member.head)
            else:
                delta.add(member.head)
            both = min(rest, candidate.bytes)
            _compare(tar, base, both, delta)
            base.skip(candidate.bytes - both)
            rest -= both
            candidate = next(candidates)
        else:
            delta.add(member.head)
        for chunk in iter(lambda: tar.take(CHUNK_BYTES), b"") if rest is None else tar.chunks(rest):
            delta.add(chunk)
    return delta.finish()


def _compare(tar: Stream, base: Stream, count: int, delta: Delta) -> None:
    """Adds so many bytes of both, which it reads from them."""
    for new in tar.chunks(count):
        start = base.at
        _add_differing(new, base.take(len(new)), start, delta, (CHUNK_BYTES, *COMPARED))


def _add_differing(new: bytes, old: bytes, start: int, delta: Delta, sizes: tuple[int, ...]) -> None:
    """@param sizes  of the blocks to compare: in one that differs, the smaller ones"""
    size, *smaller = sizes
    for at in range(0, len(new), size):
        one, other = new[at : at + size], old[at : at + size]
        if one == other:
            delta.copy(start + at, one)
        elif smaller:
            _add_differing(one, other, start + at, delta, tuple(smaller))
        else:
            delta.add(one)


def read(delta: Stream, base: Stream, out: IO[bytes]) -> str:
    """
    Prints the tar archive that a delta stands for.

    @returns its SHA-256
    @raises Problem where it is not a delta that `make` wrote for that base
    """
    digest = hashlib.sha256()

    def put(source: Stream, count: int) -> None:
        for chunk in source.chunks(count):
            digest.update(chunk)
            out.write(chunk)

    if delta.take(4) != MAGIC:
        raise Problem("it is not an increment")
    while (kind := delta.take(1)) != END:
        if kind == LITERAL:
            put(delta, int.from_bytes(delta.take(4), "big"))
        elif kind == COPY:
            start = int.from_bytes(delta.take(8), "big")
            if start < base.at:
                raise Problem("it is not an increment of that archive")
            base.skip(start - base.at)
            put(base, int.from_bytes(delta.take(8), "big"))
        else:
            raise Problem("the increment is damaged")
    out.flush()
    return digest.hexdigest()
