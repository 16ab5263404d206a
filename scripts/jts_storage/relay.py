"""
Stands in for rsync's remote shell: runs rsync's other side on this host, and lets what that gets pass at the pace of
the limit of bandwidth. Its working directory is on the destination.

usage: jts_storage relay FILE MIB-PER-SECOND HOST COMMAND…
"""

import contextlib
import os
import select
import subprocess
import sys
import time

from jts_storage.bandwidth import PIECE_BYTES, Pace
from jts_storage.files import flush

# Without it, the kernel would keep half a minute's files, and then send them at once.
FLUSH_SECONDS = 1.0


def main() -> int:
    file, mib_per_second, _host, *command = sys.argv[1:]
    pace, folder, flushed_at = Pace(file, int(mib_per_second)), os.open(".", os.O_RDONLY), time.monotonic()
    # What the other side answers goes straight back.
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        assert other.stdin is not None
        writing = other.stdin.fileno()
        ended = os.pidfd_open(other.pid)
        with contextlib.suppress(BrokenPipeError):
            # rsync sends no end, and waits for that of the other side.
            while ended not in select.select([0, ended], [], [])[0] and (piece := os.read(0, PIECE_BYTES)):
                pace.let_pass(len(piece))
                while piece:
                    piece = piece[os.write(writing, piece) :]
                if time.monotonic() - flushed_at > FLUSH_SECONDS:
                    flush([folder])
                    flushed_at = time.monotonic()
    return other.returncode
