"""Archives that are unpacked: into a folder without files, never over any; what was cut off can be finished."""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jts_storage.archives import DECOMPRESS
from jts_storage.bandwidth import pace_of
from jts_storage.bounded import LOCKS
from jts_storage.files import first_line, write_whole
from jts_storage.log import log
from jts_storage.problem import Problem, reason_of

UNFINISHED = ".jts-restore-unfinished"
UNPACK = (
    *("tar", "--extract", "--file=-", "--numeric-owner", "--same-owner", "--same-permissions"),
    *("--acls", "--xattrs", "--xattrs-include=*"),
)
# Names are taken as they are: tar(1) would take \t in one for a tab.
MEMBER = ("--no-unquote", "--")


def require_path(path: str, option: str) -> None:
    """@raises Problem unless it is a path in an archive; it may begin with /"""
    if not path.strip("/.") or ".." in path.split("/"):
        raise Problem(f"{option} needs the path of a file or folder in the archive")


def unpack_to_folder(
    path: str, folder: str, only: str | None = None, *, dry_run: bool = False, reader: Sequence[str] = DECOMPRESS
) -> None:
    """
    Unpacks an archive, which must be whole, into a folder that is missing or has no files.

    @param only  a file or folder in it, which gets its path there, see `require_path`; None: all
    @param dry_run  only looks whether it would; default: False
    @param reader  the command that prints the tar archive of what it reads; default: zstd
    @raises Problem where it is not unpacked, or not all of it; then the file UNFINISHED in the folder says so
    """
    what = os.path.basename(path)
    members: tuple[str, ...] = ()
    if only is not None:
        only = os.path.normpath(only.strip("/"))
        what = f"{what} {json.dumps(only)}"
    require_free(folder, what)
    if only is not None:
        members = (*MEMBER, _member(path, only, reader))
    if dry_run:
        return
    fill_folder(folder, what, lambda: unpack(path, [*UNPACK, f"--directory={folder}", *members], reader))


def fill_folder(folder: str, what: str, fill: Callable[[], None]) -> None:
    """
    Calls what fills a folder, see `require_free`.

    @param what  what is restored there
    @raises Problem where it fails; then the file UNFINISHED in the folder says so
    """
    unfinished = f"{folder}/{UNFINISHED}"
    try:
        make_folder(folder)
        # This file must be on the device before any restored file is.
        write_whole(unfinished, f"{what}\n")
        carry_out("sync --", folder)
        fill()
        carry_out("sync --file-system --", folder)
        os.unlink(unfinished)
    except (Problem, OSError) as problem:
        log("error", reason_of(problem))
        raise Problem(
            f"the restore to {folder} is not finished, as the file {UNFINISHED} in it shows",
            f"df {folder}, for whether there is room, and then run this again",
        ) from None


def _member(path: str, only: str, reader: Sequence[str]) -> str:
    """How an archive spells the path of a file or folder in it. @raises Problem where it has none"""
    for member in (f"./{only}", only):
        with (
            open(path, "rb", buffering=0) as file,
            pace_of(path).reading(file.fileno()) as stdin,
            subprocess.Popen(reader, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as source,
        ):
            # Ends as soon as it has found it.
            listing = ["tar", "--list", "--file=-", "--occurrence=1", *MEMBER, member]
            found = subprocess.run(
                listing, stdin=source.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
            if source.stdout is not None:
                source.stdout.close()
        if found.returncode == 0:
            return member
    listing_of_all = f"{shlex.join(reader)} <{shlex.quote(path)} | tar --list"
    raise Problem(f"{path} has no {shlex.quote(only)}", f"{listing_of_all}, for what it has")


def require_free(folder: str, what: str) -> None:
    """@raises Problem where a restore to that folder would overwrite or mix files"""
    if os.path.islink(folder):
        raise Problem(f"{folder} is a symbolic link")
    if not os.path.exists(folder):
        return
    if not os.path.isdir(folder):
        raise Problem(f"{folder} is not a folder")
    # An unfinished restore can be finished, but only with the same archive: else files of another one would stay.
    unfinished = first_line(f"{folder}/{UNFINISHED}")
    if unfinished == what:
        return
    try:
        found = _first_file(folder)
    except OSError:
        raise Problem(f"{folder} cannot be read") from None
    if found is None:
        return
    if unfinished:
        raise Problem(
            f"{folder} has an unfinished restore of {unfinished}", "finish that one, or restore to another folder"
        )
    raise Problem(
        f"{folder} has files in it, such as {shlex.quote(found)}", "move them away, or restore to another folder"
    )


def _first_file(folder: str) -> str | None:
    """The path of something in it, at any depth, that is not a folder. @raises OSError where it cannot be read"""
    with os.scandir(folder) as entries:
        for one in entries:
            if one.is_dir(follow_symlinks=False):
                found = _first_file(one.path)
                if found is not None:
                    return found
            elif one.name != UNFINISHED:
                return one.path
    return None


def make_folder(path: str) -> None:
    """@raises Problem where it cannot be made"""
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as problem:
        raise Problem(f"cannot make {path}: {problem.strerror}") from None


@contextmanager
def _ending_later() -> Iterator[None]:
    """Delays a signal that ends this process until the end. Processes that are started in it get signals as usual."""
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            raise SystemExit(128 + came[0])


def carry_out(words: str, *arguments: str) -> None:
    """
    Runs a command of those words and arguments. It has no time limit, and a signal to us waits for its end: LVM, killed
    halfway, would leave a volume suspended. It inherits the lock.

    @raises Problem where it fails
    """
    command = [*words.split(), *arguments]
    try:
        with _ending_later():
            status = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, pass_fds=LOCKS).wait()
    except OSError as problem:
        raise Problem(f"{command[0]} cannot be run: {problem.strerror}") from None
    if status != 0:
        raise Problem(f"{command[0]} failed with status {status}")


def unpack(path: str, command: Sequence[str], reader: Sequence[str] = DECOMPRESS) -> None:
    """
    Gives a command the tar archive on its standard input that the reader prints.

    @raises Problem where it does not read all of it, or fails
    """
    try:
        with (
            open(path, "rb", buffering=0) as file,
            pace_of(path).reading(file.fileno()) as stdin,
            subprocess.Popen(reader, stdin=stdin, stdout=subprocess.PIPE, pass_fds=LOCKS) as source,
            subprocess.Popen(command, stdin=source.stdout, stdout=2, pass_fds=LOCKS) as sink,
        ):
            try:
                assert source.stdout is not None
                source.stdout.close()
                sink.wait()
            except BaseException:
                source.kill()
                raise
    except OSError as problem:
        raise Problem(f"{problem.filename or command[0]}: {problem.strerror}") from None
    if source.returncode != 0 or sink.returncode != 0:
        raise Problem(f"{path} cannot be unpacked")
