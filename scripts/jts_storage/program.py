"""What the programs have in common: options, the lock, what failed in a run, and how it ends."""

import argparse
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from jts_storage.bounded import OURS_ALONE, output_of
from jts_storage.files import first_line, make_state_folder, write_whole
from jts_storage.log import log
from jts_storage.problem import Problem
from jts_storage.runs import RECORDED, Record, keep_run
from jts_storage.settings import Settings, read_settings

LOCKED = 75
WEEK_SECONDS = 7 * 86400
# What argparse says, and what we say.
WORDS = (
    (r"^unrecognized arguments: (\S+).*", r"there is no \1"),
    (r"^argument (\S+): expected one argument$", r"\1 needs a value"),
    (r"^argument (\S+): invalid choice: (.*) \(choose from (.*)\)$", r"\1: \2 is none of \3"),
    (r"^argument (\S+): not allowed with argument (\S+)$", r"\1 and \2 exclude each other"),
)


class Parser(argparse.ArgumentParser):
    """Prints the help as it is given, and refuses with one line."""

    def __init__(self, text: str, wrong_usage: int = 2) -> None:
        super().__init__(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
        self.text = text
        self.wrong_usage = wrong_usage
        self.add_argument("--help", action="help")
        self.add_argument("--settings", metavar="FILE")

    def format_help(self) -> str:
        return self.text

    def error(self, message: str) -> NoReturn:
        for pattern, words in WORDS:
            message = re.sub(pattern, words, message)
        log("error", f"{message}; see --help")
        raise SystemExit(self.wrong_usage)

    def read_settings(self, options: argparse.Namespace) -> Settings:
        """Those that the options name. Ends the program where they can't be read."""
        try:
            return read_settings(options.settings)
        except Problem as problem:
            log("error", str(problem))
            raise SystemExit(self.wrong_usage) from None


def prepare() -> None:
    """A timer's service has no HOME and a short PATH; the language of messages must not depend on who runs this."""
    os.environ.update(LC_ALL="C", LVM_SUPPRESS_FD_WARNINGS="1")
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}:/usr/sbin:/sbin"

    def leave(number: int, _frame: FrameType | None) -> None:
        # As an exception, so that what must be taken back is.
        raise SystemExit(128 + number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def take_lock(path: str) -> int:
    """Holds the lock until this process, and those that got its descriptor, end. Where another has it, so does this."""
    try:
        # Whoever may read it could hold it.
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.fchmod(fd, 0o600)
    except OSError as problem:
        log("error", f"cannot open the lock, {path}: {problem.strerror}; this needs root")
        raise SystemExit(1) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log("error", f"another run holds {path}")
        raise SystemExit(LOCKED) from None
    OURS_ALONE.append(fd)
    return fd


class Run:
    """One run, and what failed in it: the rest still runs, since a NAS that is away must not stop moves to warm."""

    def __init__(self, settings: Settings, dry_run: bool = False) -> None:
        self.settings = settings
        self.dry_run = dry_run
        self.problems: list[str] = []
        # What is told of it by those who do it: see Record.
        self.files, self.bytes = 0, 0
        self.backlog: int | None = None
        self.conflicts: int | None = None

    @contextmanager
    def recorded(self, program: str, subcommand: str) -> Iterator[None]:
        """Keeps what comes of it for health, however it ends, unless it was dry or another run had the lock."""
        began, ticks, status = int(time.time()), time.monotonic(), 1
        try:
            yield
            status = self.status
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
            raise
        finally:
            if subcommand in RECORDED[program] and not self.dry_run and status != LOCKED:
                seconds = round(time.monotonic() - ticks, 3)
                run = Record(began, seconds, status, self.files, self.bytes, self.backlog, self.conflicts)
                try:
                    keep_run(self.settings.state_folder, program, subcommand, run)
                except Problem as problem:
                    log("warning", f"health does not get to know of this run: {problem}")

    @property
    def status(self) -> int:
        return 1 if self.problems else 0

    def fail(self, problem: str) -> None:
        log("warning", problem)
        self.problems.append(problem)

    def reason_by_clock(self, kind: str) -> str | None:
        """
        Why nothing may be deleted for its age in this run; None: it may.

        What is deleted is gone, so a clock that jumped must not take it all: after a first run, a week without any, or
        one that the clock went back behind, there is a day to see it. A clock that jumped fails the run, and is gone by
        only once it is synchronized. The runs have our lock, unless they are dry.
        """
        file = f"{self.settings.state_folder}/{kind}.last"
        now, said = int(time.time()), first_line(file)
        reason = None
        if re.fullmatch(r"\d{1,12}", said) is None:
            if self.dry_run:
                log(
                    "info",
                    "no run was made yet: the first one deletes nothing for its age; this is what the next would",
                )
                return None
            reason = "it is the first one; the next one deletes what is old by then. Do: look at that by --dry-run"
        elif now < int(said) or now - int(said) > WEEK_SECONDS:
            reason = f"the clock says {_minute(now)} UTC, and said {_minute(int(said))} in the last one"
            if not is_clock_synchronized():
                self.fail(
                    f"nothing is deleted for its age: {reason}, and is not synchronized. Do: timedatectl; "
                    f"systemctl restart systemd-timesyncd; where it is right nevertheless: rm {file}"
                )
                return reason
            reason += "; it is synchronized, and the next one goes by it. Do: timedatectl"
            self.fail(f"nothing is deleted for its age: {reason}")
        if not self.dry_run:
            try:
                make_state_folder(self.settings.state_folder)
                write_whole(file, f"{now}\n")
            except Problem as problem:
                log("warning", str(problem))
        return reason


def is_clock_synchronized() -> bool:
    try:
        command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        return output_of(command, 10, stderr=subprocess.DEVNULL).strip() == "yes"
    except Problem:
        return False


def _minute(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def parse_time(text: str | None) -> int:
    """Seconds since 1970, of a time as date(1) takes it; None: now. @raises Problem where it is none"""
    if text is None:
        return int(time.time())
    told = subprocess.run(["date", f"--date={text}", "+%s"], capture_output=True, text=True, check=False)
    # Of nothing, date(1) makes the last midnight.
    if told.returncode != 0 or not text.strip():
        raise Problem("--now takes a time as date(1) does")
    return int(told.stdout)


def human(size: float) -> str:
    """With a binary unit, as numfmt --to=iec-i prints it: rounded up, one decimal below 10."""
    units = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
    value, index = float(size), 0
    while value >= 1024 and index < len(units) - 1:
        value, index = value / 1024, index + 1
    if index == 0:
        return f"{int(value)}B"
    tenths = -int(-value * 10 // 1)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10}{units[index]}B"
    whole = -int(-value // 1)
    return f"{whole}{units[index]}B" if whole < 1024 else f"1.0{units[index + 1]}B"


def printable(value: Any) -> Any:
    """Names that are no UTF-8 have U+FFFD in place of what isn't."""
    if isinstance(value, str):
        # Also lone surrogates of JSON that other programs print.
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {key: printable(one) for key, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list) else value


def print_json(document: Any) -> None:
    print(json.dumps(printable(document), indent=2, ensure_ascii=False))


def run_program(main: Callable[[Sequence[str]], int]) -> int:
    """A program's status, with what it could not do told in one line."""
    prepare()
    try:
        return main(sys.argv[1:])
    except Problem as problem:
        log("error", str(problem))
        return 1
