"""What is declared of this host, for all programs here: one JSON document that `pulumi up` writes.

Its keys and their defaults are those of the configuration (README.md). A document with a missing or an unknown key is
refused. The configuration checks more, with better messages; the checks here are for a file that was edited by hand.
"""

import dataclasses
import json
import os
import re
import stat
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from jts_storage.problem import Problem

DEFAULT = "/etc/jts-storage/settings.json"
REMEDY = "pulumi up --refresh"
T = TypeVar("T")


def _check(words: str, is_so: Callable[[Any], bool]) -> tuple[str, Callable[[Any], bool]]:
    return words, is_so


def _is_below(text: str) -> bool:
    return text != "" and not text.startswith("/") and ".." not in text.split("/")


def _is_receiver(text: str) -> bool:
    return "\0" not in text and re.match(r"/.|https?://[^\s/]\S*$", text) is not None


def _is_named(text: str) -> bool:
    return text.startswith("/") and "\0" not in text and text.rsplit("/", 1)[1] not in ("", ".", "..")


Path = Annotated[str, _check("an absolute path", lambda text: text.startswith("/") and "\0" not in text)]
NamedFolder = Annotated[str, _check("an absolute path that ends in a folder's name", _is_named)]
Folder = Annotated[str, _check("a path below a tier, without ..", _is_below)]
Name = Annotated[str, _check("a name", lambda text: re.fullmatch(r"[A-Za-z0-9_+.-]+", text) is not None)]
Line = Annotated[str, _check("one line of text", lambda text: re.fullmatch(r"[^\x00-\x1f\x7f]+", text) is not None)]
Count = Annotated[int, _check("a whole number, 0 or more", lambda number: number >= 0)]
Days = Annotated[int, _check("a number of days, at least 1", lambda number: number >= 1)]
Age = Annotated[float, _check("a number of days, 0 or more", lambda number: number >= 0)]
Receiver = Annotated[str, _check("an absolute path of a command, or a URL of http or https", _is_receiver)]
Percent = Annotated[float, _check("a percentage", lambda number: 0 <= number <= 100)]


@dataclass(frozen=True)
class Hot:
    mount_points: tuple[Path, ...]
    log_root: Path
    """Paths of logs below this folder stay the same below warm's folder of logs."""
    log_folders: tuple[Path, ...]
    volume_group: Name | None
    """None: plain folders, no LVM."""
    snapshot_reserve_bytes: Count


@dataclass(frozen=True)
class Warm:
    mount_point: Path
    label: str
    """The label that the filesystem there must have; empty: any."""


@dataclass(frozen=True)
class Cold:
    mount_point: Path
    source: str
    """SERVER:EXPORT that must be mounted there; empty: any."""
    root: Path
    """The folder on it that holds all our files."""


@dataclass(frozen=True)
class Rule:
    name: Line
    source: Path
    pattern: Line
    older_than_days: Age
    to: Annotated[str, _check("warm or cold", lambda text: text in ("warm", "cold"))]
    destination: Folder
    compress: bool
    keep: bool


@dataclass(frozen=True)
class ColdRetention:
    """How many of the last weeks, months and years keep the newest archive of each volume on cold."""

    weekly: Count
    monthly: Count
    yearly: Count


@dataclass(frozen=True)
class Automation:
    logs_to_warm_after_days: Age
    system_logs: Path | None
    """Where the system has its logs; None: they stay."""
    backups_to_cold_after_days: Age
    temp_after_days: Age
    warm_logs_after_days: Age
    docker_prune: bool
    backup_volumes: dict[Name, Count]
    """Volume → bytes of its snapshot."""
    backups_kept_days: Days
    archives_kept_days: Days
    cold_retention: ColdRetention | None
    """None: archives of volumes stay on cold."""
    postgres_databases: tuple[Line, ...]
    development_folders: tuple[NamedFolder, ...]
    development_kept_days: Days
    clickhouse_to_cold_after_days: Days
    usage_warning_percent: Percent
    usage_critical_percent: Percent
    delete_at_most_percent: Percent
    attributes: Annotated[str, _check("strict or best-effort", lambda text: text in ("strict", "best-effort"))]
    rules: tuple[Rule, ...]
    warm_high_percent: Percent
    warm_low_percent: Percent
    backup_warning_hours: Count
    archive_warning_hours: Count
    metrics_folder: Path
    notify: Receiver | None


@dataclass(frozen=True)
class Settings:
    hot: Hot | None
    warm: Warm | None
    cold: Cold | None
    automation: Automation
    timers: tuple[Name, ...]
    """Those whose last runs health checks."""
    moves_journal: Path
    state_folder: Path
    probe_seconds: Count
    """How long a filesystem may take to answer."""
    budget_seconds: Count
    """How long all checks of a health report may take together."""


def read_settings(path: str | None) -> Settings:
    """
    The settings in a file that only root can write, or only the caller, where the caller names it.

    @param path  default: the host's, /etc/jts-storage/settings.json
    @raises Problem where it cannot be read, or is not well-formed
    """
    file = DEFAULT if path is None else path
    try:
        with open(file, "rb") as stream:
            # The open file is checked and then read, so that nobody can put another one in its place in between.
            seen = os.fstat(stream.fileno())
            is_theirs = seen.st_uid != 0 and (path is None or seen.st_uid != os.geteuid())
            if is_theirs or stat.S_IMODE(seen.st_mode) & 0o022:
                raise Problem(
                    f"{file} can be written by users other than root, so it is not read",
                    f"chown root:root {file}; chmod 644 {file}",
                )
            document = json.load(stream)
    except OSError as problem:
        raise Problem(f"cannot read the settings, {file}: {problem.strerror}", REMEDY) from None
    except ValueError as problem:
        raise Problem(f"{file} is not a JSON document: {problem}", REMEDY) from None
    try:
        settings = _read_object(Settings, document, "")
        _require_consistency(settings)
    except Problem as problem:
        raise Problem(f"{file}: {problem}", REMEDY) from None
    return settings


def _require_consistency(settings: Settings) -> None:
    automation, cold = settings.automation, settings.cold
    if automation.warm_low_percent > automation.warm_high_percent:
        raise Problem("automation.warmLowPercent is above automation.warmHighPercent")
    if cold is not None and not f"{cold.root}/".startswith(f"{cold.mount_point}/"):
        raise Problem(f"cold.root, {cold.root}, is not on cold.mountPoint, {cold.mount_point}")
    if automation.backup_volumes and (settings.hot is None or settings.hot.volume_group is None):
        raise Problem("automation.backupVolumes needs hot.volumeGroup, which the volumes are in")


def _read(wanted: Any, value: Any, where: str) -> Any:
    """The value as that type; `where` is its key path."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Annotated:
        words, is_so = arguments[1]
        read = _read(arguments[0], value, where)
        if not is_so(read):
            raise Problem(f"{where}: {value!r} is not {words}")
        return read
    if origin in (types.UnionType, typing.Union):
        return None if value is None else _read(arguments[0], value, where)
    if origin is tuple:
        return tuple(
            _read(arguments[0], one, f"{where}[{index}]") for index, one in enumerate(_of(list, value, where, "a list"))
        )
    if origin is dict:
        return {
            _read(arguments[0], name, where): _read(arguments[1], one, f"{where}.{name}")
            for name, one in _of(dict, value, where, "an object").items()
        }
    if dataclasses.is_dataclass(wanted):
        return _read_object(typing.cast(Any, wanted), value, where)
    if wanted is float:
        return _of((int, float), value, where, "a number")
    words = {int: "a whole number", str: "text", bool: "true or false"}[wanted]
    return _of(wanted, value, where, words)


def _read_object(wanted: type[T], value: Any, where: str) -> T:
    hints = typing.get_type_hints(wanted, include_extras=True)
    given = dict(_of(dict, value, where, "an object"))
    read = {}
    for field in hints:
        key = _key_of(field)
        path = f"{where}.{key}" if where else key
        if key not in given:
            raise Problem(f"{path} is missing")
        read[field] = _read(hints[field], given.pop(key), path)
    for key in given:
        raise Problem(f"there is no setting {where}.{key}" if where else f"there is no setting {key}")
    return wanted(**read)


def _key_of(field: str) -> str:
    return re.sub(r"_(\w)", lambda found: found[1].upper(), field)


def _of(kind: Any, value: Any, where: str, words: str) -> Any:
    # To Python, JSON's true is a number too.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Problem(f"{where or 'the document'}: {json.dumps(value)} is not {words}")
    return value
