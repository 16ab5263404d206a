"""The last measurements of each mount: stateFolder/performance.json, which performance-test writes; what they show."""

import json
import math
import os
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from jts_storage.files import make_state_folder, write_whole
from jts_storage.log import log
from jts_storage.problem import Problem, with_remedy
from jts_storage.program import plain_number

# Runs of each mount and size that are kept.
KEPT = 10
TESTS = ("sequentialWrite", "sequentialRead", "randomWrite", "randomRead")
BYTES, OPERATIONS, P99 = "bytesPerSecond", "operationsPerSecond", "p99Microseconds"
# What is compared: blocks in sequence are counted in bytes, those at random in operations.
FIGURES = tuple(
    (test, figure) for test in TESTS for figure in (BYTES if test.startswith("sequential") else OPERATIONS, P99)
)


@dataclass(frozen=True)
class Run:
    """What was measured of a mount in one run."""

    at: str
    """When it ended, such as 2026-01-31T12:00:00Z."""
    tests: dict[str, dict[str, float]]
    """For each of TESTS: BYTES, OPERATIONS, P99."""


@dataclass(frozen=True)
class History:
    """The last runs of one mount with one size."""

    tier: str
    path: str
    size: str
    """quick or full; these cannot be compared with each other."""
    runs: tuple[Run, ...]
    """At least one, the oldest first."""


@dataclass(frozen=True)
class Trend:
    """One figure of a mount over its runs."""

    test: str
    figure: str
    values: tuple[float, ...]
    """One for each run."""
    median: float | None
    """Of the runs before the last one; None: there are none."""
    change_percent: float | None
    """From that median to the last run; None: nothing to compare with."""
    is_slower: bool
    """Whether the last run is slower than that median by more than the limit."""


def trends_of(history: History, limit_percent: float) -> list[Trend]:
    """@param limit_percent  how much lower a speed, or longer a time, may be before it counts as slower"""
    trends = []
    for test, figure in FIGURES:
        values = tuple(run.tests[test][figure] for run in history.runs)
        median = statistics.median(values[:-1]) if len(values) > 1 else None
        change = (values[-1] / median - 1) * 100 if median else None
        is_slower = change is not None and (change if figure == P99 else -change) > limit_percent
        tenths = None if change is None else plain_number(math.floor(change * 10 + 0.5) / 10)
        trends.append(Trend(test, figure, values, median, tenths, is_slower))
    return trends


def add_run(histories: Sequence[History], tier: str, path: str, size: str, run: Run) -> list[History]:
    """The same histories with one run more; of its mount and size, the oldest goes where there are too many."""
    place = (tier, path, size)
    before = next((one.runs for one in histories if (one.tier, one.path, one.size) == place), ())
    others = [one for one in histories if (one.tier, one.path, one.size) != place]
    return [*others, History(tier, path, size, (*before, run)[-KEPT:])]


def read_histories(file: str, *, keep_aside: bool) -> list[History]:
    """
    What is kept; none where there is no file, or where it cannot be read, which is logged.

    @param keep_aside  whether a file that cannot be read gets another name, so that the next one does not replace it
    @raises Problem where it cannot be renamed
    """
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            return _histories(json.load(stream, parse_constant=_refuse))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    aside = f"{file}.damaged"
    if not keep_aside:
        log("warning", with_remedy(f"{file} cannot be read, so no earlier runs are known", f"less {file}"))
        return []
    try:
        os.rename(file, aside)
    except OSError as problem:
        raise Problem(f"{file} cannot be read, nor renamed: {problem.strerror}", f"mv {file} {aside}") from None
    log("warning", with_remedy(f"{file} cannot be read: it is now {aside}, and a new one begins", f"less {aside}"))
    return []


def write_histories(file: str, histories: Iterable[History]) -> None:
    """@raises Problem where it cannot be written"""
    make_state_folder(os.path.dirname(file))
    document = {"version": 2, "mounts": [as_json(one) for one in histories]}
    write_whole(file, f"{json.dumps(document)}\n")


def as_json(history: History) -> dict[str, Any]:
    return {
        "tier": history.tier,
        "path": history.path,
        "size": history.size,
        "runs": [{"at": run.at, "tests": run.tests} for run in history.runs],
    }


def _histories(document: Any) -> list[History]:
    if "version" not in document:
        # The first version kept one run of each size, and no version.
        return [
            History(one["tier"], one["path"], size, (_run({**one, "at": last["at"]}),))
            for size, last in document.items()
            for one in last["tiers"]
        ]
    if document["version"] != 2:
        raise ValueError("unknown version")
    histories = [
        History(str(one["tier"]), str(one["path"]), str(one["size"]), tuple(map(_run, one["runs"]))[-KEPT:])
        for one in document["mounts"]
    ]
    return [one for one in histories if one.runs]


def _run(document: dict[str, Any]) -> Run:
    at = str(document["at"])
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at):
        raise ValueError("no time")
    tests = document["tests"]
    return Run(at, {test: {key: _number(tests[test][key]) for key in (BYTES, OPERATIONS, P99)} for test in TESTS})


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e18:
        raise ValueError("no number")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def short(value: float, figure: str) -> str:
    """A figure in at most six characters, with its unit: 1.5Gi bytes, 12.3k operations, 5.0ms."""
    if figure == BYTES:
        return _scaled(value, 1024, ("", "Ki", "Mi", "Gi", "Ti", "Pi"))
    if figure == OPERATIONS:
        return _scaled(value, 1000, ("", "k", "M", "G"))
    return _scaled(value, 1000, ("us", "ms", "s"))


def _scaled(value: float, step: int, units: Sequence[str]) -> str:
    index = 0
    # What would be shown as 1000 is shown in the next unit.
    while index < len(units) - 1 and value >= step - 0.5:
        value, index = value / step, index + 1
    return f"{value:.0f}{units[index]}" if index == 0 or value >= 99.95 else f"{value:.1f}{units[index]}"


def signed(percent: float | None) -> str:
    """A change in at most nine characters."""
    if percent is None:
        return "-"
    return f"{percent:+.15g} %" if percent < 1000 else ">+999 %"
