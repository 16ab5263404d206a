"""
Copies, compresses or decompresses the content of a file into another one, and hashes it meanwhile.

There are two hashes of what is read: SHA-256, for the journal, and XXH3 of 128 bits, ten times as fast, to compare what
is on the device with what was read. A file with large holes has no SHA-256, which would take a minute for 64 GiB of
zeros: only its data is read and compared.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import xxhash
import zstandard

from jts_storage.problem import Problem

CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 4096
ZEROS = bytes(BLOCK_BYTES)
HOLES_BYTES = 64 << 20
WRITEBACK_BYTES = 8 << 20
FLUSH_BYTES = 256 << 20
# zstd(1)'s own level.
LEVEL = 3
# Four bytes may stand for 128 KiB.
DECOMPRESSED_AT_ONCE_BYTES = 4096

PLAIN, COMPRESS, DECOMPRESS = "plain", "compress", "decompress"

Tick = Callable[[int], object]
"""Called at each bit of progress: before so many bytes are read or written."""


@dataclass(frozen=True)
class Ticks:
    """Each file of a copy has its own, since one of them may be on a NAS."""

    source: Tick
    copy: Tick
    is_copy_limited: bool = False
    """Whether what is written is to leave at once, since a limit counts it now."""


@dataclass(frozen=True)
class Source:
    """An open file whose content is copied."""

    fd: int
    seen: os.stat_result
    """What stat(2) said of it when it was opened."""
    form: str = PLAIN
    """Whether its copy is PLAIN, or the content is to COMPRESS or to DECOMPRESS."""

    @property
    def has_large_holes(self) -> bool:
        return has_large_holes(self.seen)


@dataclass(frozen=True)
class Digest:
    """The hashes of what is not compressed: of the source's content, or of what it is decompressed to."""

    sha256: str | None
    check: bytes

    @property
    def journal_entry(self) -> dict[str, str]:
        return {} if self.sha256 is None else {"sha256": self.sha256}


def has_large_holes(seen: os.stat_result) -> bool:
    return seen.st_size - seen.st_blocks * 512 > HOLES_BYTES


def transfer(source: Source, copy: int, ticks: Ticks) -> Digest:
    """Writes the content, in its form, to the open file `copy`, which is empty. Does not flush it to the device."""
    fd, seen = source.fd, source.seen
    if source.form == COMPRESS:
        return _write(copy, _compressed(fd, seen, ticks.source), ticks)
    if source.form == DECOMPRESS:
        return _write(copy, ((piece, piece) for piece in decompressed(fd, ticks.source)), ticks)
    if source.has_large_holes:
        return _copy_data(fd, seen, copy, ticks)
    digest = _Digesting()
    has_holes = seen.st_blocks * 512 < seen.st_size
    for offset, piece in _pieces(fd, seen.st_size, ticks.source):
        digest.add(piece)
        if has_holes:
            _write_blocks(copy, offset, piece, ticks)
        else:
            ticks.copy(len(piece))
            write(copy, piece, offset)
        _flush_at_times(copy, offset + len(piece), len(piece), ticks)
    if has_holes:
        os.ftruncate(copy, seen.st_size)
    return digest.digest()


def read_back(source: Source, copy: int, ticks: Ticks) -> bytes | None:
    """Reads the open file `copy`; the check that `transfer` returned, unless it differs. None: zstd cannot read it."""
    check = xxhash.xxh3_128()
    if source.form == COMPRESS:
        try:
            for piece in decompressed(copy, ticks.copy):
                check.update(piece)
        except Problem:
            return None
    elif source.form == PLAIN and source.has_large_holes:
        # Holes of the source are not read: NFSv3 would send them as zeros.
        for offset, piece in _data(source.fd, source.seen.st_size, ticks.source):
            ticks.copy(len(piece))
            _add_blocks(check, offset, os.pread(copy, len(piece), offset))
    else:
        size = source.seen.st_size if source.form == PLAIN else os.fstat(copy).st_size
        for _, piece in _pieces(copy, size, ticks.copy):
            check.update(piece)
    digest: bytes = check.digest()
    return digest


def digest_if_same(source: Source, other: int, ticks: Ticks) -> Digest | None:
    """The digest of the source, if the open file `other` is a copy of it; None: it is not. Reads both."""
    form, fd, seen = source.form, source.fd, source.seen
    if form == PLAIN and source.has_large_holes:
        ours = xxhash.xxh3_128()
        theirs = ours.copy()
        for offset, piece in _data(fd, seen.st_size, ticks.source):
            _add_blocks(ours, offset, piece)
        # All data of the other file: it may have some where the source has a hole.
        for offset, piece in _data(other, seen.st_size, ticks.copy):
            _add_blocks(theirs, offset, piece)
        return Digest(None, ours.digest()) if ours.digest() == theirs.digest() else None
    try:
        tick, tick_other = ticks.source, ticks.copy
        plain = _digest_of(decompressed(fd, tick) if form == DECOMPRESS else _read(fd, seen.st_size, tick))
        size = os.fstat(other).st_size
        that = _digest_of(decompressed(other, tick_other) if form == COMPRESS else _read(other, size, tick_other))
    except Problem:
        return None
    return plain if plain == that else None


def decompressed(fd: int, tick: Tick) -> Iterator[bytes]:
    """What zstd compressed, in pieces. @raises Problem where it is damaged or cut off"""
    stream = zstandard.ZstdDecompressor().decompressobj()
    is_whole = False
    for _, read in _pieces(fd, os.fstat(fd).st_size, tick):
        piece = read
        while piece:
            if is_whole:
                # The file has another frame.
                stream = zstandard.ZstdDecompressor().decompressobj()
            try:
                made = stream.decompress(piece[:DECOMPRESSED_AT_ONCE_BYTES])
            except zstandard.ZstdError as problem:
                raise Problem(f"zstd cannot decompress it: {problem}") from None
            is_whole = stream.eof
            piece = stream.unused_data + piece[DECOMPRESSED_AT_ONCE_BYTES:]
            if made:
                tick(0)
                yield made
    if not is_whole:
        raise Problem("zstd cannot decompress it: it is cut off")


def write(fd: int, data: bytes, offset: int) -> None:
    written = os.pwrite(fd, data, offset)
    while written < len(data):
        written += os.pwrite(fd, memoryview(data)[written:], offset + written)


class _Digesting:
    def __init__(self) -> None:
        self.sha256, self.check = hashlib.sha256(), xxhash.xxh3_128()

    def add(self, piece: bytes) -> None:
        self.sha256.update(piece)
        self.check.update(piece)

    def digest(self) -> Digest:
        return Digest(self.sha256.hexdigest(), self.check.digest())


def _digest_of(pieces: Iterator[bytes]) -> Digest:
    digest = _Digesting()
    for piece in pieces:
        digest.add(piece)
    return digest.digest()


def _write(copy: int, pieces: Iterator[tuple[bytes, bytes]], ticks: Ticks) -> Digest:
    """Hashes the first of each pair, and writes the second."""
    digest, offset = _Digesting(), 0
    for piece, written in pieces:
        digest.add(piece)
        ticks.copy(len(written))
        write(copy, written, offset)
        offset += len(written)
        _flush_at_times(copy, offset, len(written), ticks)
    return digest.digest()


def _compressed(fd: int, seen: os.stat_result, tick: Tick) -> Iterator[tuple[bytes, bytes]]:
    if seen.st_size <= CHUNK_BYTES:
        piece = b"".join(read for _, read in _pieces(fd, seen.st_size, tick))
        yield piece, zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(piece)
        return
    stream = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=-1).compressobj()
    for _, piece in _pieces(fd, seen.st_size, tick):
        yield piece, stream.compress(piece)
    yield b"", stream.flush()


def _copy_data(fd: int, seen: os.stat_result, copy: int, ticks: Ticks) -> Digest:
    check = xxhash.xxh3_128()
    for offset, piece in _data(fd, seen.st_size, ticks.source):
        _add_blocks(check, offset, piece)
        _write_blocks(copy, offset, piece, ticks)
        _flush_at_times(copy, offset + len(piece), len(piece), ticks)
    os.ftruncate(copy, seen.st_size)
    return Digest(None, check.digest())


def _add_blocks(check: "xxhash.xxh3_128", offset: int, piece: bytes) -> None:
    """Hashes blocks that are not all zeros, so that it does not matter where a filesystem has holes."""
    for start, block in _blocks(offset, piece):
        check.update(start.to_bytes(8, "little"))
        check.update(block)


def _blocks(offset: int, piece: bytes) -> Iterator[tuple[int, bytes]]:
    """The offset and content of each block that is not all zeros."""
    for start in range(0, len(piece), BLOCK_BYTES):
        block = piece[start : start + BLOCK_BYTES]
        if block != ZEROS[: len(block)]:
            yield offset + start, block


def _write_blocks(copy: int, offset: int, piece: bytes, ticks: Ticks) -> None:
    """Writes blocks that are not all zeros."""
    blocks = list(_blocks(offset, piece))
    ticks.copy(sum(len(block) for _, block in blocks))
    for start, block in blocks:
        write(copy, block, start)


def _read(fd: int, size: int, tick: Tick) -> Iterator[bytes]:
    return (piece for _, piece in _pieces(fd, size, tick))


def _pieces(fd: int, size: int, tick: Tick, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    while offset < size:
        wanted = min(CHUNK_BYTES, size - offset)
        tick(wanted)
        piece = os.pread(fd, wanted, offset)
        if not piece:
            # It became shorter meanwhile; a later check of its size finds that.
            return
        yield offset, piece
        offset += len(piece)


def _data(fd: int, size: int, tick: Tick) -> Iterator[tuple[int, bytes]]:
    """The offsets and pieces of its data, without holes, see lseek(2). Some filesystems report no holes."""
    offset = 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError as problem:
            if problem.errno != errno.ENXIO:
                raise
            # There is no more data.
            return
        end = min(size, os.lseek(fd, start, os.SEEK_HOLE))
        yield from _pieces(fd, end, tick, start - start % BLOCK_BYTES)
        offset = end


def _flush_at_times(fd: int, offset: int, written: int, ticks: Ticks) -> None:
    """Makes the device write while we read, so that the last flush of a large file does not look like a stall."""
    if offset // FLUSH_BYTES > (offset - written) // FLUSH_BYTES:
        os.fdatasync(fd)
    elif ticks.is_copy_limited or offset // WRITEBACK_BYTES > (offset - written) // WRITEBACK_BYTES:
        # Starts to write dirty pages, without waiting.
        os.posix_fadvise(fd, 0, offset, os.POSIX_FADV_DONTNEED)
