"""Archives of PostgreSQL's old records, each of one table: made, proved, and then the table may go. See `records`."""

import os
import shlex
import time
from functools import partial
from typing import Any

from jts_storage import postgresql, records
from jts_storage.archival_run import Archival, node_name
from jts_storage.archives import require_room, sum_beside, verify, watched
from jts_storage.bandwidth import Pace
from jts_storage.cold_archives import READ_DUMP, Archive, make_archive
from jts_storage.log import log
from jts_storage.problem import HERE, Problem
from jts_storage.session import Session
from jts_storage.settings import Cold


def archive_records(run: Archival) -> None:
    rules = run.settings.automation.postgres_archive or ()
    if not rules:
        log("info", "no records to archive (automation.postgresArchive)")
        return
    if run.is_absent("pg_dump"):
        return
    cold = run.ready(records.FOLDER)
    if cold is None:
        return
    if not run.dry_run:
        # What a killed run left.
        postgresql.drop_scratch()
    for rule in rules:
        try:
            with Session(rule.database) as session:
                tables, others = records.old_tables(session, rule, run.now)
        except Problem as problem:
            run.fail(f"no records of {shlex.quote(rule.database)} are archived: {problem}")
            continue
        for other in others:
            run.fail(other, "leave its records there; or archive it by a rule of its own")
        for table in tables:
            try:
                _archive_table(run, cold, table, rule.then)
            except Problem as problem:
                run.fail(str(problem))


def _archive_table(run: Archival, cold: Cold, table: records.Table, then: str) -> None:
    """@raises Problem where it is not archived, or is to go and stays"""
    folder, name = records.place_of(cold.root, node_name(), table)
    path = f"{folder}/{name}-{run.stamp}{records.ENDING}"
    point, seconds = cold.mount_point, run.settings.probe_seconds
    try:
        done = watched(point, seconds, partial(_prove_table, run, cold, table, name, path, then))
    except Problem as problem:
        raise Problem(f"{table} is not archived: {problem}") from None
    if done["did"] == "archived":
        size = done["bytes"]
        if size is not None:
            run.files, run.bytes = run.files + 1, run.bytes + size
        run.report("archived", f"{table}", f" to {path}", path=path, bytes=size, rows=done["rows"])
    else:
        log("info", f"{table} is archived already, in {done['path']}")
    if then == "keep":
        return
    if run.reason is not None:
        log("warning", f"{table} stays in this run: {run.reason}")
        return
    did = {"drop": "dropped", "detach": "detached"}[then]
    if not run.dry_run:
        record = done["record"]
        records.remove_table(table, record, then)
        record[did] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        watched(point, seconds, partial(records.write_record, done["path"], record))
    run.report(did, f"{table}", path=done["path"])


def _prove_table(run: Archival, cold: Cold, table: records.Table, name: str, path: str, then: str) -> dict[str, Any]:
    """
    Archives a table, unless its last archive has the same rows. Returns what was done, with the path of the archive
    and its record.
    """
    folder = os.path.dirname(path)
    last = records.last_record(folder, name)
    with Session(table.database) as session:
        activity = records.activity_of(session, table)
        if last is not None and then == "keep" and records.is_untouched(last[1], activity):
            return {"did": "nothing", "path": last[0]}
        with records.snapshot_of(session, table) as snapshot:
            facts = records.facts_of(session, table)
            if last is not None and records.is_same(last[1], facts):
                return _keep_last(run, last[0], {**last[1], "activity": activity}, then)
            if run.dry_run:
                return {"did": "archived", "path": path, "bytes": None, "rows": facts["rows"]}
            _require_room(run, cold, table)
            os.makedirs(folder, exist_ok=True)
            record: dict[str, Any] = {
                "version": 1,
                "host": node_name(),
                **records.identity_of(table),
                **facts,
                "activity": activity,
                "archived": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            }
            prove = records.prover(session, table, facts)

            def read(fd: int, pace: Pace) -> None:
                READ_DUMP(fd, pace)
                prove(fd, pace)
                record["bytes"] = os.fstat(fd).st_size
                records.write_record(path, record)

            command = records.dump_of(table, snapshot)
            archive = Archive(records.FOLDER, name, records.ENDING, (command,), read)
            size = make_archive(run, path, archive)
    return {"did": "archived", "path": path, "bytes": size, "rows": facts["rows"], "record": record}


def _keep_last(run: Archival, path: str, record: dict[str, Any], then: str) -> dict[str, Any]:
    """@raises Problem where the archive of a table that is to go is damaged"""
    if then != "keep":
        verify(path, sum_beside(path), READ_DUMP)
    if not run.dry_run:
        records.write_record(path, record)
    return {"did": "nothing", "path": path, "record": record}


def _require_room(run: Archival, cold: Cold, table: records.Table) -> None:
    """@raises Problem where cold, or PostgreSQL's filesystem, has too little room"""
    if vars(run.options)["try"]:
        return
    for folder in (cold.mount_point, postgresql.data_folder()):
        if os.path.isdir(folder):
            require_room(
                folder,
                last_bytes=None,
                source_bytes=table.bytes,
                seconds=run.settings.probe_seconds,
                try_command=f"{HERE}/nas-archival.sh records --try",
            )
