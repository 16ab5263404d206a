"""
Content on its way from one file to another: copied, compressed or decompressed, and hashed meanwhile.

Two hashes are made while it is read: SHA-256, which is told, and XXH3 of 128 bits, ten times as fast, by which what the
device has is compared with what was read. A file with much of holes goes by its data alone, and has no SHA-256: that
takes a minute for 64 GiB of zeros.
"""

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
"""What becomes of the content on its way."""

Tick = Callable[[], object]
"""Called at every bit of progress."""


@dataclass(frozen=True)
class Digest:
    """Of what is compared: of the content, or where that is compressed at the destination, of what it was made of."""

    sha256: str | None
    check: bytes

    def told(self) -> dict[str, str]:
        """What the journal has of it."""
        return {} if self.sha256 is None else {"sha256": self.sha256}


def has_large_holes(seen: os.stat_result) -> bool:
    return seen.st_size - seen.st_blocks * 512 > HOLES_BYTES


def transfer(form: str, fd: int, seen: os.stat_result, copy: int, tick: Tick) -> Digest:
    """Writes to `copy`, which is empty, what the file's content becomes; it may not be on the device yet."""
    if form == COMPRESS:
        return _write(copy, _compressed(fd, seen, tick))
    if form == DECOMPRESS:
        return _write(copy, ((piece, piece) for piece in decompressed(fd, tick)))
    if has_large_holes(seen):
        return _copy_data(fd, seen, copy, tick)
    digest = _Digesting()
    has_holes = seen.st_blocks * 512 < seen.st_size
    for offset, piece in _pieces(fd, seen.st_size, tick):
        digest.add(piece)
        if has_holes:
            for start, block in _blocks(offset, piece):
                write(copy, block, start)
        else:
            write(copy, piece, offset)
        _flush_at_times(copy, offset + len(piece), len(piece))
    if has_holes:
        os.ftruncate(copy, seen.st_size)
    return digest.made()


def read_back(form: str, fd: int, seen: os.stat_result, copy: int, tick: Tick) -> bytes | None:
    """The check of what the copy has, as `transfer` made that of the content; None where it isn't zstd's."""
    check = xxhash.xxh3_128()
    if form == COMPRESS:
        try:
            for piece in decompressed(copy, tick):
                check.update(piece)
        except Problem:
            return None
    elif form == PLAIN and has_large_holes(seen):
        # What was never written needn't be read, which NFSv3 would send as zeros.
        for offset, piece in _data(fd, seen.st_size, tick):
            _add_blocks(check, offset, os.pread(copy, len(piece), offset))
    else:
        size = seen.st_size if form == PLAIN else os.fstat(copy).st_size
        for _, piece in _pieces(copy, size, tick):
            check.update(piece)
    made: bytes = check.digest()
    return made


def is_same(form: str, fd: int, seen: os.stat_result, other: int, tick: Tick) -> Digest | None:
    """The digest of the file, where the other one has what becomes of its content; both are read."""
    if form == PLAIN and has_large_holes(seen):
        ours = xxhash.xxh3_128()
        theirs = ours.copy()
        for offset, piece in _data(fd, seen.st_size, tick):
            _add_blocks(ours, offset, piece)
        # All of it: where it has data, the file may have a hole.
        for offset, piece in _data(other, seen.st_size, tick):
            _add_blocks(theirs, offset, piece)
        return Digest(None, ours.digest()) if ours.digest() == theirs.digest() else None
    try:
        plain = _digest_of(decompressed(fd, tick) if form == DECOMPRESS else _read(fd, seen.st_size, tick))
        size = os.fstat(other).st_size
        that = _digest_of(decompressed(other, tick) if form == COMPRESS else _read(other, size, tick))
    except Problem:
        return None
    return plain if plain == that else None


def decompressed(fd: int, tick: Tick) -> Iterator[bytes]:
    """@raises Problem where it isn't zstd's, or was cut"""
    stream = zstandard.ZstdDecompressor().decompressobj()
    is_whole = False
    for _, read in _pieces(fd, os.fstat(fd).st_size, tick):
        piece = read
        while piece:
            if is_whole:
                # Another frame.
                stream = zstandard.ZstdDecompressor().decompressobj()
            try:
                made = stream.decompress(piece[:DECOMPRESSED_AT_ONCE_BYTES])
            except zstandard.ZstdError as problem:
                raise Problem(f"it isn't as zstd made it: {problem}") from None
            is_whole = stream.eof
            piece = stream.unused_data + piece[DECOMPRESSED_AT_ONCE_BYTES:]
            if made:
                tick()
                yield made
    if not is_whole:
        raise Problem("it isn't as zstd made it: it was cut")


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

    def made(self) -> Digest:
        return Digest(self.sha256.hexdigest(), self.check.digest())


def _digest_of(pieces: Iterator[bytes]) -> Digest:
    digest = _Digesting()
    for piece in pieces:
        digest.add(piece)
    return digest.made()


def _write(copy: int, made: Iterator[tuple[bytes, bytes]]) -> Digest:
    """Of pairs of what is hashed and what is written."""
    digest, offset = _Digesting(), 0
    for piece, written in made:
        digest.add(piece)
        write(copy, written, offset)
        offset += len(written)
        _flush_at_times(copy, offset, len(written))
    return digest.made()


def _compressed(fd: int, seen: os.stat_result, tick: Tick) -> Iterator[tuple[bytes, bytes]]:
    if seen.st_size <= CHUNK_BYTES:
        piece = b"".join(read for _, read in _pieces(fd, seen.st_size, tick))
        yield piece, zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(piece)
        return
    stream = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=-1).compressobj()
    for _, piece in _pieces(fd, seen.st_size, tick):
        yield piece, stream.compress(piece)
    yield b"", stream.flush()


def _copy_data(fd: int, seen: os.stat_result, copy: int, tick: Tick) -> Digest:
    check = xxhash.xxh3_128()
    for offset, piece in _data(fd, seen.st_size, tick):
        _add_blocks(check, offset, piece)
        for start, block in _blocks(offset, piece):
            write(copy, block, start)
        _flush_at_times(copy, offset + len(piece), len(piece))
    os.ftruncate(copy, seen.st_size)
    return Digest(None, check.digest())


def _add_blocks(check: "xxhash.xxh3_128", offset: int, piece: bytes) -> None:
    """Without zeros, so that it doesn't matter where a filesystem has its holes."""
    for start, block in _blocks(offset, piece):
        check.update(start.to_bytes(8, "little"))
        check.update(block)


def _blocks(offset: int, piece: bytes) -> Iterator[tuple[int, bytes]]:
    """Those that aren't zeros."""
    for start in range(0, len(piece), BLOCK_BYTES):
        block = piece[start : start + BLOCK_BYTES]
        if block != ZEROS[: len(block)]:
            yield offset + start, block


def _read(fd: int, size: int, tick: Tick) -> Iterator[bytes]:
    return (piece for _, piece in _pieces(fd, size, tick))


def _pieces(fd: int, size: int, tick: Tick, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    while offset < size:
        piece = os.pread(fd, min(CHUNK_BYTES, size - offset), offset)
        if not piece:
            # It was cut meanwhile, which is found by its size.
            return
        tick()
        yield offset, piece
        offset += len(piece)


def _data(fd: int, size: int, tick: Tick) -> Iterator[tuple[int, bytes]]:
    """Without holes, see lseek(2); a filesystem that doesn't tell them has none."""
    offset = 0
    while offset < size:
        try:
            start = os.lseek(fd, offset, os.SEEK_DATA)
        except OSError:
            # ENXIO: there is no more.
            return
        end = min(size, os.lseek(fd, start, os.SEEK_HOLE))
        yield from _pieces(fd, end, tick, start - start % BLOCK_BYTES)
        offset = end


def _flush_at_times(fd: int, offset: int, written: int) -> None:
    """Has the device write while we read, and keeps the last flush of a large file from looking like a stall."""
    if offset // FLUSH_BYTES > (offset - written) // FLUSH_BYTES:
        os.fdatasync(fd)
    elif offset // WRITEBACK_BYTES > (offset - written) // WRITEBACK_BYTES:
        # Starts to write what is dirty, without waiting.
        os.posix_fadvise(fd, 0, offset, os.POSIX_FADV_DONTNEED)
