"""What the programs have in common: options, the lock, the problems of a run, and how it ends."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Any, NoReturn

from jts_storage.bounded import LOCKS, output_of
from jts_storage.files import first_line, make_state_folder, open_lock, try_lock, write_whole
from jts_storage.log import log
from jts_storage.problem import HERE, Problem, with_remedy
from jts_storage.runs import RECORDED, Record, keep_run
from jts_storage.settings import Settings, read_settings

# The exit status where another run holds the lock: EX_TEMPFAIL of sysexits.h(3head).
LOCKED = 75
WEEK_SECONDS = 7 * 86400
# What argparse says → what we say.
WORDS = (
    (r"^unrecognized arguments: (\S+).*", r"there is no \1"),
    (r"^argument (\S+): expected one argument$", r"\1 needs a value"),
    (r"^argument (\S+): invalid choice: (.*) \(choose from (.*)\)$", r"\1: \2 is not one of \3"),
    (r"^argument (\S+): not allowed with argument (\S+)$", r"\1 and \2 exclude each other"),
)


class Parser(argparse.ArgumentParser):
    """
    Prints the help as it is given, and refuses wrong usage with one line.

    @param text  the help, which begins with `usage: PROGRAM`
    @param wrong_usage  the exit status of a refusal
    """

    def __init__(self, text: str, wrong_usage: int = 2) -> None:
        super().__init__(add_help=False, allow_abbrev=False, usage=argparse.SUPPRESS)
        self.text = text
        self.program = text.split(maxsplit=2)[1]
        self.wrong_usage = wrong_usage
        self.add_argument("--help", action="help")
        self.add_argument("--settings", metavar="FILE")

    def format_help(self) -> str:
        return self.text

    def error(self, message: str, remedy: str = "") -> NoReturn:
        for pattern, words in WORDS:
            message = re.sub(pattern, words, message)
        log("error", with_remedy(message, remedy or f"{HERE}/{self.program} --help"))
        raise SystemExit(self.wrong_usage)

    def read_settings(self, options: argparse.Namespace) -> Settings:
        """The settings that the options name. Ends the program where they cannot be read."""
        try:
            return read_settings(options.settings)
        except Problem as problem:
            log("error", str(problem))
            raise SystemExit(self.wrong_usage) from None


def prepare() -> None:
    """Makes runs alike: a timer's service has a short PATH, and messages must not be in the caller's language."""
    os.environ.update(LC_ALL="C", LVM_SUPPRESS_FD_WARNINGS="1")
    os.environ["PATH"] = f"{os.environ.get('PATH', '/usr/local/bin:/usr/bin:/bin')}:/usr/sbin:/sbin"
    # Names of files may be no text of the caller's locale, nor of any.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")

    def leave(number: int, _frame: FrameType | None) -> None:
        # As an exception, so that each `finally` still cleans up.
        raise SystemExit(128 + number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def take_lock(path: str) -> int:
    """
    Holds the lock until this process, and those that got its descriptor, end. Ends this one where another run holds it.

    @returns its descriptor
    @raises Problem where it cannot be opened
    """
    fd = open_lock(path)
    if not try_lock(fd):
        log("error", f"another run holds {path}")
        raise SystemExit(LOCKED)
    LOCKS.append(fd)
    return fd


class Run:
    """One run, and its problems. After one, the rest still runs: a NAS that is away must not stop moves to warm."""

    def __init__(self, settings: Settings, dry_run: bool = False) -> None:
        self.settings = settings
        self.dry_run = dry_run
        self.problems: list[str] = []
        # For its Record.
        self.files, self.bytes = 0, 0
        self.backlog: int | None = None
        self.conflicts: int | None = None

    @contextmanager
    def recorded(self, program: str, subcommand: str) -> Iterator[None]:
        """Keeps the run's result for health, however it ends, unless it was dry or another run had the lock."""
        began, ticks, status = int(time.time()), time.monotonic(), 1
        try:
            yield
            status = self.status
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
            raise
        finally:
            if subcommand in RECORDED[program] and not self.dry_run and status != LOCKED:
                run = Record(
                    began=began,
                    seconds=round(time.monotonic() - ticks, 3),
                    status=status,
                    files=self.files,
                    bytes=self.bytes,
                    backlog=self.backlog,
                    conflicts=self.conflicts,
                )
                try:
                    keep_run(self.settings.state_folder, program, subcommand, run)
                except Problem as problem:
                    log("warning", f"storage-health.sh will not know of this run: {problem}")

    @property
    def status(self) -> int:
        return 1 if self.problems else 0

    def fail(self, problem: str, remedy: str = "") -> None:
        message = with_remedy(problem, remedy)
        log("warning", message)
        self.problems.append(message)

    def reason_by_clock(self, kind: str) -> str | None:
        """
        Why nothing may be deleted for its age in this run; None: it may.

        A wrong clock must not make this run delete everything. So nothing is deleted in a first run, after a week
        without a run, and after a clock that went back: that leaves a day to notice it. A clock that jumped fails the
        run, and is believed only once it is synchronized. Runs that are not dry hold the program's lock here.

        @param kind  what is deleted; the time of the last run is in stateFolder/KIND.last
        """
        file = f"{self.settings.state_folder}/{kind}.last"
        now, last = int(time.time()), first_line(file)
        reason = None
        if re.fullmatch(r"\d{1,12}", last) is None:
            if self.dry_run:
                log(
                    "info",
                    "there was no run yet: the first one deletes nothing for its age; this is for the second one",
                )
                return None
            reason = with_remedy(
                "it is the first run; the next one deletes what is old by then", "look at that by --dry-run"
            )
        elif now < int(last) or now - int(last) > WEEK_SECONDS:
            reason = f"the clock says {_minute(now)} UTC, and said {_minute(int(last))} in the last run"
            if not is_clock_synchronized():
                self.fail(
                    f"nothing is deleted for its age: {reason}, and is not synchronized",
                    "timedatectl; systemctl restart systemd-timesyncd; where the clock is right nevertheless: "
                    f"rm {file}",
                )
                return reason
            reason = with_remedy(f"{reason}; it is synchronized, so the next run trusts it", "timedatectl")
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


def parse_time(text: str | None, option: str = "--now") -> int:
    """
    Seconds since 1970, of a time as date(1) takes it; None: now.

    @raises Problem where it is not one, which names the option
    """
    if text is None:
        return int(time.time())
    date = subprocess.run(["date", f"--date={text}", "+%s"], capture_output=True, text=True, check=False)
    # For an empty text, date(1) prints the last midnight.
    if date.returncode != 0 or not text.strip():
        raise Problem(f"{option} takes a time as date(1) does")
    return int(date.stdout)


def plain_number(value: float) -> float:
    """The same number, without decimals where it is whole: JSON then has 50, not 50.0."""
    return int(value) if value == int(value) else value


def human(size: float) -> str:
    """Bytes with a binary unit, as numfmt --to=iec-i prints them: rounded up, one decimal below 10."""
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
    """The same text, list or object, with U+FFFD in place of all that is not UTF-8."""
    if isinstance(value, str):
        # So that the lone surrogates in other programs' JSON go too.
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {key: printable(one) for key, one in value.items()}
    return [printable(one) for one in value] if isinstance(value, list) else value


def print_json(document: Any) -> None:
    print(json.dumps(printable(document), indent=2, ensure_ascii=False))


def run_program(main: Callable[[Sequence[str]], int]) -> int:
    """Runs a program; returns its exit status. What it cannot do is logged in one line."""
    prepare()
    try:
        return main(sys.argv[1:])
    except Problem as problem:
        log("error", str(problem))
        return 1
