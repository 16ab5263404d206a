"""
Old records of PostgreSQL, a partition or a table at a time: what is archived, how that is proved, and how it goes.

The rows are counted and hashed in the snapshot that pg_dump(1) reads. An archive gets its name only after what is
restored of it, in a database of its own, has the same count and hash. A table goes only in a transaction that has
counted again while nobody can write to it.
"""

import calendar
import datetime
import json
import os
import re
import shlex
import subprocess
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from jts_storage import postgresql
from jts_storage.archives import CHECKSUM, STAMP, Reader
from jts_storage.bandwidth import Pace, pace_of
from jts_storage.bounded import LOCKS
from jts_storage.files import write_whole
from jts_storage.mounts import closing
from jts_storage.options import PostgresArchive
from jts_storage.postgresql import AS_POSTGRES, SCRATCH, WITHOUT_LIMIT, connection_to, identifier, literal
from jts_storage.problem import HERE, Problem
from jts_storage.session import Session

FOLDER = "archives/records"
ENDING = ".dump"
RECORD = ".json"
DAY_SECONDS = 86400
# How long a table's users may wait for us, since who comes after us in the queue for its lock waits with us.
LOCK_SECONDS = 5
TIMES = ("date", "timestamp", "timestamptz")
# What an archive has of a table's surroundings, which may be gone, or must not run.
SURROUNDINGS = re.compile(
    r"\d+; \d+ \d+ (TABLE ATTACH|INDEX ATTACH|FK CONSTRAINT|TRIGGER|RULE|POLICY|ROW SECURITY|PUBLICATION TABLE) "
)
PARENT = """
select json_build_object('kind', c.relkind, 'strategy', p.partstrat, 'columns', p.partnatts, 'type',
  (select t.typname from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = c.oid and a.attnum = p.partattrs[0]))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
left join pg_partitioned_table p on p.partrelid = c.oid
where n.nspname = {schema} and c.relname = {table}"""
# In each session the time zone is UTC, so a bound without one is taken for UTC.
PARTITIONS = r"""
select json_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
  'from', b.lower, 'to', b.upper, 'bytes', pg_table_size(c.oid))
from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
join pg_class parent on parent.oid = i.inhparent join pg_namespace m on m.oid = parent.relnamespace
cross join lateral (select substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \(''([^'']*)''\)') as lower,
  substring(pg_get_expr(c.relpartbound, c.oid) from ' TO \(''([^'']*)''\)$') as upper) b
where m.nspname = {schema} and parent.relname = {table} and b.upper is not null
  and ({before} is null or b.upper::timestamptz <= to_timestamp({before}))
order by b.upper::timestamptz"""
TABLES = """
select json_build_object('oid', c.oid::bigint, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
  'from', null, 'to', null, 'bytes', pg_table_size(c.oid))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = {schema} and c.relkind = 'r' and not c.relispartition and c.relpersistence <> 't'
order by c.relname"""
# Not t::text, for which the table's owner may define a cast, and not t alone, which is a column where there is one.
FACTS = """
select json_build_object('rows', count(*),
  'hash', coalesce(sum(hashtextextended(concat(t.*) collate "C", 0)), 0)::text) from only {table} t"""
COLUMNS = """
select coalesce(json_agg(json_build_array(attname, format_type(atttypid, atttypmod)) order by attnum), '[]')
from pg_attribute where attrelid = {oid} and attnum > 0 and not attisdropped"""
# What a table's defaults need, and pg_dump(1) leaves to the parent.
SEQUENCES = """
select json_build_array(n.nspname, s.relname)
from pg_attrdef d
join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid and p.refclassid = 'pg_class'::regclass
join pg_class s on s.oid = p.refobjid and s.relkind = 'S' join pg_namespace n on n.oid = s.relnamespace
where d.adrelid = {oid} and not exists (select from pg_depend q
  where q.classid = 'pg_class'::regclass and q.objid = s.oid and q.refobjid = {oid})"""
# Changes with every write. After a crash of the server it is all 0, and says nothing.
ACTIVITY = """
select json_build_array({oid}, pg_relation_filenode({oid}), pg_stat_get_tuples_inserted({oid}),
  pg_stat_get_tuples_updated({oid}), pg_stat_get_tuples_deleted({oid}))"""
WAITING = """
select json_build_object('count', count(*)) from pg_locks
where not granted and locktype = 'relation' and relation = {oid}
  and database = (select oid from pg_database where datname = current_database())"""


@dataclass(frozen=True)
class Table:
    """A partition, or a whole table."""

    database: str
    oid: int
    schema: str
    name: str
    parent: str | None
    """The partitioned table, quoted as SQL has it; None: it is a whole table."""
    lower: str | None
    """The first time of its rows; None: unknown."""
    upper: str | None
    """The time before which all of its rows are; None: unknown."""
    bytes: int

    @property
    def quoted(self) -> str:
        return f"{identifier(self.schema)}.{identifier(self.name)}"

    def __str__(self) -> str:
        return f"{shlex.quote(self.quoted)} of {shlex.quote(self.database)}"


def old_tables(session: Session, rule: PostgresArchive, now: int) -> tuple[list[Table], list[str]]:
    """
    What a rule names, the oldest first, and what it names and cannot be archived, in words.

    @param now  seconds since 1970
    @raises Problem where its table cannot be archived at all
    """
    before = None if rule.older_than_days is None else now - rule.older_than_days * DAY_SECONDS
    if rule.table is None:
        return _tables_of(session, rule, before), []
    name = f"{identifier(rule.schema)}.{identifier(rule.table)}"
    names = {"schema": literal(rule.schema), "table": literal(rule.table)}
    found = session.row(PARENT.format(**names))
    if found is None:
        raise Problem(f"{rule.database} has no table {name}", "automation.postgresArchive; \\d in psql")
    if found["strategy"] != "r" or found["columns"] != 1 or found["type"] not in TIMES:
        raise Problem(
            f"{name} of {rule.database} is not partitioned by RANGE of one column of the type date, timestamp or "
            "timestamptz, so the age of its records is not known",
            "`tables` in automation.postgresArchive, for whole tables with a date in their names",
        )
    tables, others = [], []
    limit = "null::bigint" if before is None else str(before)
    for row in session.rows(PARTITIONS.format(**names, before=limit)):
        table = _table(rule.database, row, name)
        if row["kind"] == "r":
            tables.append(table)
        else:
            others.append(f"{table} is not archived: it is partitioned itself, or a foreign table")
    return tables, others


def _tables_of(session: Session, rule: PostgresArchive, before: int | None) -> list[Table]:
    pattern, tables = _pattern_of(rule.tables or ""), []
    for row in session.rows(TABLES.format(schema=literal(rule.schema))):
        found = pattern.fullmatch(row["name"])
        period = None if found is None else _period_of(found.groupdict())
        if found is None or (period is None and pattern.groups > 0):
            continue
        if period is not None:
            row["from"], row["to"] = (one.isoformat() for one in period)
        if before is None or (period is not None and calendar.timegm(period[1].timetuple()) <= before):
            tables.append(_table(rule.database, row, None))
    return sorted(tables, key=lambda table: (table.upper or "", table.name))


def _pattern_of(text: str) -> re.Pattern[str]:
    """The regular expression of a pattern: * for any text, %Y, %m and %d for a date, %% for a percent sign."""
    parts = {"*": ".*", "%Y": r"(?P<year>\d{4})", "%m": r"(?P<month>\d{2})", "%d": r"(?P<day>\d{2})", "%%": "%"}
    return re.compile("".join(parts.get(one) or re.escape(one) for one in re.findall(r"%.|.", text)), re.DOTALL)


def _period_of(date: dict[str, str]) -> tuple[datetime.date, datetime.date] | None:
    """The first day of a year, a month or a day, and the day after its last; None: there is no such date."""
    if not date:
        return None
    try:
        first = datetime.date(int(date["year"]), int(date.get("month", 1)), int(date.get("day", 1)))
        if "day" in date:
            return first, first + datetime.timedelta(days=1)
        if "month" in date:
            return first, datetime.date(first.year + first.month // 12, first.month % 12 + 1, 1)
        return first, datetime.date(first.year + 1, 1, 1)
    except (ValueError, OverflowError):
        return None


def _table(database: str, row: dict[str, Any], parent: str | None) -> Table:
    return Table(database, row["oid"], row["schema"], row["name"], parent, row["from"], row["to"], int(row["bytes"]))


def place_of(root: str, host: str, table: Table) -> tuple[str, str]:
    """The folder of a table's archives, and how their names begin. Percent-encoded, so that no two tables share it."""
    return f"{root}/{FOLDER}/{_part(host)}/{_part(table.database)}/{_part(table.schema)}", _part(table.name)


def _part(name: str) -> str:
    return re.sub(r"^\.", "%2E", urllib.parse.quote(os.fsencode(name), safe=""))


def last_record(folder: str, name: str) -> tuple[str, dict[str, Any]] | None:
    """The newest archive of a table that is complete, and its record; None: there is none."""
    pattern = re.compile(rf"{re.escape(name)}-{STAMP.pattern}{re.escape(ENDING)}")
    files = set(os.listdir(folder)) if os.path.isdir(folder) else set()
    for file in sorted(filter(pattern.fullmatch, files), reverse=True):
        if {f"{file}{CHECKSUM}", f"{file}{RECORD}"} <= files:
            record = read_record(f"{folder}/{file}")
            if record is not None:
                return f"{folder}/{file}", record
    return None


def read_record(path: str) -> dict[str, Any] | None:
    """The record beside an archive; None: there is none, or it is damaged."""
    try:
        with open(os.open(f"{path}{RECORD}", os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            record = json.load(file)
        return record if {"schema", "table", "rows", "hash", "columns", "bytes"} <= set(record) else None
    except (OSError, ValueError, TypeError):
        return None


def write_record(path: str, record: dict[str, Any]) -> None:
    """@raises Problem where it cannot be written"""
    write_whole(f"{path}{RECORD}", f"{json.dumps(record)}\n")
    os.chmod(f"{path}{RECORD}", 0o600)


def is_same(record: dict[str, Any], facts: dict[str, Any]) -> bool:
    """Whether both are of the same rows, in the same columns."""
    return all(record[key] == facts[key] for key in ("rows", "hash", "columns"))


def identity_of(table: Table) -> dict[str, Any]:
    """What a record says of whose rows these are."""
    return {
        "database": table.database,
        "schema": table.schema,
        "table": table.name,
        "partitionOf": table.parent,
        "from": table.lower,
        "to": table.upper,
    }


def activity_of(session: Session, table: Table) -> list[int]:
    """
    What changes with every write to a table. Ask for it before the rows are read: then what is written after that
    changes it.
    """
    activity: list[int] = session.row(ACTIVITY.format(oid=table.oid))
    return activity


def is_untouched(record: dict[str, Any], activity: Sequence[int]) -> bool:
    """Whether nobody has written to the table since its record was written. False: it is not known."""
    return list(activity) == record.get("activity") and any(activity[2:])


@contextmanager
def snapshot_of(session: Session, table: Table) -> Iterator[str]:
    """
    A transaction that sees one state of the table, whoever writes to it meanwhile, and the snapshot's name.

    @raises Problem where the table is locked for long, or is another one by now
    """
    session.run(
        "begin isolation level repeatable read read only",
        f"set local lock_timeout = '{LOCK_SECONDS}s'",
        f"lock table only {table.quoted} in access share mode",
    )
    _require_same_table(session, table)
    yield session.run("select pg_export_snapshot()").strip()
    session.run("commit")


def facts_of(session: Session, table: Table) -> dict[str, Any]:
    """Its count of rows, their hash, which is the same in whatever order they are, and its columns."""
    facts: dict[str, Any] = session.row(FACTS.format(table=table.quoted))
    return {**facts, "columns": session.row(COLUMNS.format(oid=table.oid))}


def dump_of(table: Table, snapshot: str) -> tuple[str, ...]:
    """The command that prints the archive of a table as that snapshot has it."""
    options = ("--no-password", "--format=custom", f"--lock-wait-timeout={LOCK_SECONDS}s", f"--snapshot={snapshot}")
    # By the environment: pg_dump takes an argument with = in it for a connection string.
    return (*AS_POSTGRES, "env", f"PGDATABASE={table.database}", "pg_dump", *options, f"--table={table.quoted}")


def prover(session: Session, table: Table, facts: dict[str, Any]) -> Reader:
    """
    A function that restores an open archive to the scratch database, and raises Problem unless it has the same rows.

    @param session  one that is in the transaction in which the facts were found
    """
    sequences = session.rows(SEQUENCES.format(oid=table.oid))

    def prove(fd: int, pace: Pace) -> None:
        postgresql.make_scratch(table.database)
        try:
            _copy_types(table.database)
            with Session(SCRATCH) as scratch:
                for schema, name in sequences:
                    scratch.run(f"create sequence if not exists {identifier(schema)}.{identifier(name)}")
                # Its definition and its rows; indexes take long, and prove nothing.
                sections = ("--section=pre-data", "--section=data")
                restore_table(fd, pace, SCRATCH, *sections, "--no-owner", "--no-privileges")
                found = scratch.row(FACTS.format(table=table.quoted))
        finally:
            postgresql.drop_scratch()
        if found != {key: facts[key] for key in ("rows", "hash")}:
            raise Problem(
                f"what is restored of it is not what was archived: {found['rows']} rows with the hash {found['hash']}, "
                f"not {facts['rows']} with {facts['hash']}"
            )

    return prove


def _copy_types(database: str) -> None:
    """Makes the types, functions, extensions and schemas of a database in the scratch one, as far as possible."""
    what = ("--schema-only", "--section=pre-data", "--exclude-table=*.*", "--no-owner", "--no-privileges")
    dump = [*AS_POSTGRES, "env", f"PGDATABASE={database}", "pg_dump", "--no-password", "--format=custom", *what]
    restore = [*WITHOUT_LIMIT, "pg_restore", "--no-password", f"--dbname={connection_to(SCRATCH)}"]
    with subprocess.Popen(dump, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, pass_fds=LOCKS) as source:
        # Some need tables, which are not there. Where the archive needs one of those, its own restore fails.
        subprocess.run(restore, stdin=source.stdout, stdout=2, stderr=subprocess.DEVNULL, pass_fds=LOCKS, check=False)
    if source.returncode != 0:
        raise Problem(f"pg_dump failed with status {source.returncode}")


def restore_table(fd: int, pace: Pace, database: str, *options: str) -> None:
    """
    Restores an open archive of a table, without what ties it to others, in one transaction.

    @param pace  that of the archive's filesystem

    @raises Problem where a statement fails: then nothing of it is there
    """
    os.lseek(fd, 0, os.SEEK_SET)
    command = ["pg_restore", "--list"]
    with pace.reading(fd) as stdin:
        listed = subprocess.run(command, stdin=stdin, stdout=subprocess.PIPE, check=False)
    if listed.returncode != 0:
        raise Problem(f"it is damaged: pg_restore cannot list it (status {listed.returncode})")
    lines = os.fsdecode(listed.stdout).splitlines(keepends=True)
    wanted = "".join(line for line in lines if SURROUNDINGS.match(line) is None)
    with closing(os.memfd_create("list")) as contents:
        os.write(contents, os.fsencode(wanted))
        os.lseek(fd, 0, os.SEEK_SET)
        restore = [*WITHOUT_LIMIT, "pg_restore", "--no-password", "--exit-on-error", "--single-transaction", *options]
        restore += [f"--use-list=/proc/self/fd/{contents}", f"--dbname={connection_to(database)}"]
        with pace.reading(fd) as stdin:
            status = subprocess.run(restore, stdin=stdin, stdout=2, pass_fds=[*LOCKS, contents], check=False).returncode
    if status != 0:
        raise Problem(f"pg_restore failed with status {status}")


def remove_table(table: Table, record: dict[str, Any], then: str) -> None:
    """
    Drops or detaches a table that still has the rows of its record. While they are counted, it can be read, and not
    written to. Where somebody waits to write to it by then, it stays.

    @param then  `drop` or `detach`
    @raises Problem where it stays: somebody uses it, it has changed, or others depend on it
    """
    with Session(table.database) as session:
        session.run(
            "begin isolation level read committed read write",
            f"set local lock_timeout = '{LOCK_SECONDS}s'",
            # Where we and somebody else wait for each other, the server ends us, not them.
            "set local deadlock_timeout = '50ms'",
            f"lock table only {table.quoted} in share row exclusive mode",
        )
        _require_same_table(session, table)
        if not is_same(record, facts_of(session, table)):
            raise Problem(f"{table} has changed since it was archived, so it stays", "the next run archives it again")
        if session.row(WAITING.format(oid=table.oid))["count"] > 0:
            raise Problem(f"somebody waits to write to {table}, so it stays", "the next run archives it again")
        if table.parent is not None:
            session.run(f"lock table only {table.parent} in access exclusive mode")
        session.run(f"lock table only {table.quoted} in access exclusive mode")
        _require_same_table(session, table)
        session.run(
            f"alter table only {table.parent} detach partition {table.quoted}"
            if then == "detach"
            else f"drop table {table.quoted} restrict"
        )
        session.run("commit")


def _require_same_table(session: Session, table: Table) -> None:
    """@raises Problem where it was replaced, or is no longer a partition with these bounds of that table"""
    if table.parent is None:
        known = "not c.relispartition"
    else:
        bound = f"pg_get_expr(c.relpartbound, c.oid) like {literal(f'% TO (%{table.upper}%)')}"
        known = f"c.relispartition and i.inhparent = to_regclass({literal(table.parent)}) and {bound}"
    query = (
        "select json_build_object('same', count(*)) from pg_class c left join pg_inherits i on i.inhrelid = c.oid "
        f"where c.oid = {table.oid} and c.oid = to_regclass({literal(table.quoted)}) and {known}"
    )
    if session.row(query)["same"] == 0:
        raise Problem(f"{table} is another one by now", f"{HERE}/nas-archival.sh records --dry-run")


def bring_back(path: str, record: dict[str, Any], database: str) -> str:
    """
    Restores an archive, which must be whole, as a table that is not attached; returns its name, quoted as SQL has it.

    @raises Problem where it is not restored, or is not what was archived
    """
    table = f"{identifier(record['schema'])}.{identifier(record['table'])}"
    with open(path, "rb", buffering=0) as archive:
        restore_table(archive.fileno(), pace_of(path), database, "--no-privileges")
    with Session(database) as session:
        found = session.row(FACTS.format(table=table))
    if found != {key: record[key] for key in ("rows", "hash")}:
        raise Problem(f"{table} of {shlex.quote(database)} is restored, and has not the rows that were archived")
    return table


def require_free(record: dict[str, Any], database: str) -> None:
    """@raises Problem where the database has what a restore would meet, or lacks the schema"""
    schema, name = record["schema"], record["table"]
    quoted = f"{identifier(schema)}.{identifier(name)}"
    with Session(database) as session:
        place_query = f"to_regnamespace({literal(identifier(schema))})"
        taken, place = session.row(f"select json_build_array(to_regclass({literal(quoted)}), {place_query})")
    if taken is not None:
        raise Problem(
            f"{shlex.quote(database)} has a table {quoted}, and a restore never changes one",
            "--into NAME, of a database that has none; or, as postgres: ALTER TABLE … RENAME TO …",
        )
    if place is None:
        raise Problem(
            f"{shlex.quote(database)} has no schema {identifier(schema)}",
            f"as postgres, in psql: CREATE SCHEMA {identifier(schema)}",
        )
