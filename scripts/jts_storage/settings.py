"""What is declared of this host, for all programs here: one JSON document that `pulumi up` writes.

Its keys are those of the configuration (docs/configuration.md). A document with an unknown key is refused. So is one
without a key, unless the option's class here has a default for it. The configuration checks more, with better messages;
the checks here are for a file that was edited by hand.
"""

import dataclasses
import json
import os
import re
import stat
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from jts_storage.fields import Count, Name, Path, one_of
from jts_storage.options import Automation
from jts_storage.problem import Problem

DEFAULT = "/etc/jts-storage/settings.json"
REMEDY = "pulumi up --refresh"
T = TypeVar("T")


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
class Cache:
    mount_point: Path
    """Where the filesystem of the cache is mounted."""
    service: Name
    """The service of cachefilesd."""
    size_bytes: Count


@dataclass(frozen=True)
class Cold:
    mount_point: Path
    source: str
    """SERVER:EXPORT that must be mounted there; empty: any."""
    root: Path
    """The folder on it that holds all our files."""
    holds: tuple[Annotated[str, one_of("configs", "database", "development", "backups", "logs")], ...] | None = None
    """Of a further export: the archives that go there in place of the main one. None: none."""
    cache: Cache | None = None
    """Of what is read from it; None: there is none."""


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
    cold_volumes: dict[Name, Cold] | None = None
    """Further exports of the cold tier, by name. None: none."""

    def colds(self) -> dict[str, Cold]:
        """All exports of the cold tier by name, the main one, `cold`, first."""
        return {} if self.cold is None else {"cold": self.cold, **(self.cold_volumes or {})}

    def cold_name_for(self, kind: str) -> str:
        """The name of the export that archives of that kind go to."""
        return next((name for name, one in self.colds().items() if kind in (one.holds or ())), "cold")

    def cold_for(self, kind: str) -> Cold | None:
        """The export that archives of that kind go to; None: this host has no cold tier."""
        return self.colds().get(self.cold_name_for(kind))

    def cold_of(self, path: str) -> Cold | None:
        """The export that a path is on; None: it is on none."""
        return next((one for one in self.colds().values() if f"{path}/".startswith(f"{one.mount_point}/")), None)


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
    if settings.cold_volumes is not None and cold is None:
        raise Problem("coldVolumes needs cold, the main one")
    for name, one in settings.colds().items():
        where = "cold" if name == "cold" else f"coldVolumes.{name}"
        if not f"{one.root}/".startswith(f"{one.mount_point}/"):
            raise Problem(f"{where}.root, {one.root}, is not on {where}.mountPoint, {one.mount_point}")
    for index, rule in enumerate(automation.rules):
        if rule.to not in ("warm", "cold", *settings.colds()):
            raise Problem(f"automation.rules[{index}].to: {rule.to!r}, and coldVolumes has none of that name")
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
    may_be_missing = {one.name for one in dataclasses.fields(typing.cast(Any, wanted)) if one.default is None}
    given = dict(_of(dict, value, where, "an object"))
    read = {}
    for field in hints:
        key = _key_of(field)
        path = f"{where}.{key}" if where else key
        if key not in given and field in may_be_missing:
            continue
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
