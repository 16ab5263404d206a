"""What brings archives and copies back: always beside what there is, and never over it."""

import os
import re
import shlex
import urllib.parse
from collections.abc import Sequence
from functools import partial
from typing import Any

from jts_storage import postgresql, records
from jts_storage.archival_run import Archival, node_name
from jts_storage.archives import MIB, watched
from jts_storage.bounded import bounded
from jts_storage.cold_archives import READ_DUMP, READERS
from jts_storage.copies import Sizes, restore_folder
from jts_storage.inventory import archives_on_cold, name_in, print_archives, problem_of, stamp_in
from jts_storage.problem import HERE, Problem
from jts_storage.program import human
from jts_storage.tiers import require_cold, require_cold_of, usage_of
from jts_storage.unpacking import unpack_to_folder

# Ends the name of a database until it is complete.
UNFINISHED = "-unfinished"


def restore_database(run: Archival) -> None:
    """@raises Problem where the database is not restored"""
    database = run.arguments[0]
    quoted = urllib.parse.quote(os.fsencode(database), safe="")
    dumps = _candidates(run, "dump", f"dump of {shlex.quote(database)}", "postgresql-", f"@{quoted}", f"-{quoted}")
    if run.options.list:
        print_archives(run, dumps)
        return
    if not dumps or run.is_absent("pg_restore"):
        return
    path = dumps[-1]["path"]
    into = run.options.into or f"{database}-{stamp_in(dumps[-1])}"
    _require_no_database(into)
    _require_room_for(run, database, dumps[-1]["bytes"])
    _require_whole(run, dumps)
    if not run.dry_run:
        _fill_new_database(run, path, into)
    run.report("restored", path, f" to the database {shlex.quote(into)}", path=path, to=into)


def _require_no_database(into: str) -> None:
    """@raises Problem where there is a database of that name, or what an interrupted restore has left of it"""
    for name in (into, f"{into}{UNFINISHED}"):
        try:
            is_there = postgresql.has_database(name)
        except Problem:
            raise Problem("PostgreSQL does not answer", "systemctl status postgresql") from None
        if is_there and name == into:
            raise Problem(
                f"there is a database {shlex.quote(name)}, and a restore never changes one",
                "--into NAME, of one that there isn't",
            )
        if is_there:
            raise Problem(
                f"there is a database {shlex.quote(name)}, as an interrupted restore leaves it",
                f"--into NAME, of another one; or, where nobody needs it: {_drop_command(name)}",
            )


def _require_room_for(run: Archival, database: str, dump_bytes: int) -> None:
    """@raises Problem where PostgreSQL's filesystem, which others write to, has too little room for a database"""
    folder = postgresql.data_folder()
    if vars(run.options)["try"] or not os.path.isdir(folder):
        return
    size = postgresql.sizes().get(database, 0)
    needed = max(size + size // 4, dump_bytes) + MIB
    free = usage_of(folder, run.settings.probe_seconds).available
    if free < needed:
        raise Problem(
            f"the new database needs about {human(needed)}, {folder} has {human(free)} free",
            "make room there; or, to try nevertheless: --try",
        )


def _fill_new_database(run: Archival, path: str, into: str) -> None:
    """
    Restores a dump to a database that gets its name when it is complete.

    @raises Problem where it is not restored: then nothing of it is left
    """
    unfinished, is_complete = f"{into}{UNFINISHED}", False

    def fill() -> None:
        postgresql.make_database(path, unfinished)
        postgresql.fill_database(path, unfinished)

    try:
        watched(require_cold_of(run.settings, path).mount_point, run.settings.probe_seconds, fill)
        postgresql.rename_database(unfinished, into)
        is_complete = True
    except Problem as problem:
        raise Problem(
            f"{path} is not restored: {problem}",
            "look at the lines before this one; where a role is missing: docs/runbooks/restore-a-backup.md",
        ) from None
    finally:
        if not is_complete:
            try:
                postgresql.drop_database(unfinished)
            except Problem as problem:
                run.fail(
                    f"the database {shlex.quote(unfinished)} is left of it: {problem}",
                    _drop_command(unfinished),
                )


def _drop_command(database: str) -> str:
    return f"runuser --user=postgres -- dropdb -- {shlex.quote(database)}"


def restore_records(run: Archival) -> None:
    """@raises Problem where the table is not restored"""
    path, into = os.path.realpath(run.arguments[0]), run.options.into
    cold = require_cold(run.settings)
    if not path.startswith(f"{os.path.realpath(cold.root)}/{records.FOLDER}/"):
        raise Problem(f"{path} is not in {cold.root}/{records.FOLDER}", f"{HERE}/nas-archival.sh list")
    if run.is_absent("pg_restore"):
        return
    point, seconds = cold.mount_point, run.settings.probe_seconds
    record = watched(point, seconds, partial(records.read_record, path))
    if record is None:
        raise Problem(f"{path}{records.RECORD} cannot be read", "docs/runbooks/restore-a-backup.md")
    records.require_free(record, into)
    _require_room_for(run, into, record["bytes"])
    problem = problem_of(run, path, READ_DUMP)
    if problem is None or problem:
        raise Problem(problem or f"{path} is not there", f"{HERE}/nas-archival.sh list")
    name = f"{record['schema']}.{record['table']}"
    if not run.dry_run:
        name = watched(point, seconds, partial(records.bring_back, path, record, into))
    run.report("restored", path, f" to {name} of {shlex.quote(into)}", path=path, to=into, rows=record["rows"])


def extract_configs(run: Archival) -> None:
    """@raises Problem where it is not extracted"""
    only = None if run.arguments[0] == "configs" else run.arguments[0]
    archives = _candidates(run, "configs", "archive of its configuration", "configs-", "")
    if run.options.list:
        print_archives(run, archives)
        return
    if not archives:
        return
    _require_whole(run, archives)
    path, folder = archives[-1]["path"], run.options.to
    work = partial(unpack_to_folder, path, folder, only, dry_run=run.dry_run)
    watched(require_cold_of(run.settings, path).mount_point, run.settings.probe_seconds, work)
    part = "" if only is None else f", only {shlex.quote(only)},"
    run.report("extracted", path, f"{part} to {folder}", path=path, only=only, to=folder)


def restore_copy(run: Archival) -> None:
    """@raises Problem where the folder is not brought back"""
    cold = require_cold(run.settings, "development")
    copies, name, to = f"{cold.root}/development", run.arguments[0], run.options.to
    folder = os.path.normpath(name if name.startswith("/") else f"{copies}/{name}")
    if not folder.startswith(f"{copies}/"):
        raise Problem(f"{folder} is not below {copies}", f"ls {copies}")
    if not bounded(os.path.isdir, folder, seconds=run.settings.probe_seconds):
        raise Problem(f"there is no folder {folder}", f"ls {copies} {copies}/.removed, for what there is")
    work = partial(restore_folder, folder, to, run.options.only, dry_run=run.dry_run)
    sizes = Sizes(**watched(cold.mount_point, run.settings.probe_seconds, work))
    part = "" if run.options.only is None else f", only {shlex.quote(run.options.only)},"
    more = f"{part} to {to}: {sizes.copied_files} files of {human(sizes.copied_bytes)}"
    run.report("restored", folder, more, path=folder, only=run.options.only, to=to, **sizes.facts())


def _candidates(run: Archival, kind: str, what: str, prefix: str, *suffixes: str) -> list[dict[str, Any]]:
    """
    The archives that a restore may take, the oldest first; where there is none, the run fails.

    @param what  what they are, for messages
    @param prefix  what their names have before the host's
    @param suffixes  what their names have after it: the present one, and those of earlier versions
    """
    archives = [one for one in archives_on_cold(run) if one["kind"] == kind]
    if run.problems:
        return []
    host = run.options.host or node_name()
    names = [f"{prefix}{host}{suffix}" for suffix in suffixes]
    found = sorted((one for one in archives if name_in(one) in names), key=stamp_in)
    fitting = [one for one in found if run.before is None or stamp_in(one) < run.before]
    if not found:
        present = re.compile(rf"{re.escape(prefix)}(.+){re.escape(suffixes[0])}")
        hosts = sorted({name[1] for one in archives if (name := present.fullmatch(name_in(one)))})
        others = f"--host NAME, of one that has: {' '.join(hosts)}" if hosts else f"{HERE}/nas-archival.sh list"
        run.fail(f"{host} has no {what} on cold", others)
    elif not fitting:
        run.fail(
            f"{host} has no {what} on cold from before that time; the oldest is of {found[0]['time']}",
            "a later --before",
        )
    return fitting


def _require_whole(run: Archival, archives: Sequence[dict[str, Any]]) -> None:
    """@raises Problem unless the last one is whole, which names the one before it"""
    one = archives[-1]
    problem = problem_of(run, one["path"], READERS[one["kind"]])
    if problem is None:
        raise Problem(f"{one['path']} was removed meanwhile", "run this again")
    if problem:
        older = (
            f"the same command with --before {one['time']} takes that of {archives[-2]['time']}"
            if len(archives) > 1
            else f"there is no older one; {HERE}/lvm-backup.sh list, for archives of whole volumes"
        )
        raise Problem(problem, older)
