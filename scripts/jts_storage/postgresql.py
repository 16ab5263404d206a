"""PostgreSQL's databases, and what pg_restore makes of a dump: all as the user postgres, on the cluster of psql."""

import base64
import binascii
import json
import os
import re
import shlex
import shutil
import subprocess

from jts_storage.bandwidth import pace_of
from jts_storage.bounded import LOCKS, output_of
from jts_storage.problem import Problem

WITHOUT_LIMIT = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--")
# --foreground: in our process group, so that it is killed with the rest.
AS_POSTGRES = (*WITHOUT_LIMIT, "timeout", "--foreground", "--kill-after=10", "6h")
# The database in which archived records are proved. It is ours: a run makes it, and removes what a killed one left.
SCRATCH = "jts-storage-scratch"
DATABASES = (
    r"select replace(encode(convert_to(datname, 'utf8'), 'base64'), E'\n', '') "
    f"from pg_database where datallowconn and not datistemplate and datname <> '{SCRATCH}' order by 1"
)
HOW_MADE = """
select format('encoding %L lc_collate %L lc_ctype %L', pg_encoding_to_char(encoding), datcollate, datctype)"""
SIZES = r"""
select json_object_agg(datname, pg_database_size(oid)) from pg_database where datallowconn and not datistemplate"""
QUERY_SECONDS = 300
LOOK_SECONDS = 60
# What pg_restore prints of the database itself, with its encoding and locale. The name is quoted where it must be.
CREATE = re.compile(rb'^CREATE DATABASE (?:"(?:[^"]|"")*"|[^ "]+) (WITH [^\n]*);$', re.MULTILINE)
# The bytes of a name; PostgreSQL cuts what is longer.
NAME_BYTES = 63


def databases() -> tuple[str, ...]:
    """The names of the databases that can be dumped. @raises Problem where PostgreSQL does not answer"""
    try:
        printed = _asked(DATABASES)
        return tuple(os.fsdecode(base64.b64decode(name, validate=True)) for name in printed.split())
    except binascii.Error as problem:
        raise Problem(f"what psql prints is not base64: {problem}") from None


def sizes() -> dict[str, int]:
    """The size of each database in bytes; empty where the server does not report them."""
    try:
        return {str(name): int(size) for name, size in json.loads(_asked(SIZES)).items()}
    except (Problem, ValueError, AttributeError, TypeError):
        return {}


def running_clusters() -> list[str]:
    """PostgreSQL's clusters that run, as VERSION/NAME, see pg_lsclusters(1); only Debian's packages have these."""
    if shutil.which("pg_lsclusters") is None:
        return []
    rows = map(str.split, output_of(["pg_lsclusters", "--no-header"], LOOK_SECONDS).splitlines())
    return [f"{version}/{name}" for version, name, _, status, *_ in rows if status.startswith("online")]


def data_folder() -> str:
    """The folder of the cluster's data. @raises Problem where PostgreSQL does not answer"""
    return _asked("show data_directory").rstrip("\n")


def has_database(name: str) -> bool:
    """Whether there is one of that name. @raises Problem where PostgreSQL does not answer"""
    return _asked(f"select 1 from pg_database where datname = {literal(name)}").strip() == "1"


def make_database(path: str, name: str) -> None:
    """
    Makes an empty database with the encoding and the locale of the one that was dumped.

    @raises Problem where the dump does not say them, or PostgreSQL refuses, as it does where there is one of that name
    """
    with open(path, "rb") as dump:
        command = ["pg_restore", "--create", "--schema-only", "--file=-"]
        printed = subprocess.run(command, stdin=dump, stdout=subprocess.PIPE, check=False).stdout
    how = CREATE.search(printed)
    if how is None:
        raise Problem(f"{path} does not say how its database was made", f"pg_restore --create --file=- {path} | head")
    _asked(f"create database {identifier(name)} {os.fsdecode(how[1])}")


def make_scratch(database: str) -> None:
    """
    Makes the scratch database anew, with the encoding and the locale of another one.

    @raises Problem where there is no such database, or PostgreSQL refuses
    """
    drop_scratch()
    said = _asked(f"{HOW_MADE} from pg_database where datname = {literal(database)}").strip()
    if not said:
        raise Problem(f"there is no database {shlex.quote(database)}")
    _asked(f"create database {identifier(SCRATCH)} template template0 {said}")


def drop_scratch() -> None:
    """Removes the scratch database, where there is one. @raises Problem where PostgreSQL refuses"""
    if has_database(SCRATCH):
        drop_database(SCRATCH)


def fill_database(path: str, name: str) -> None:
    """Restores a dump into an empty database. @raises Problem at the first statement that fails"""
    # A restore may take long, and whoever started it by hand can end it.
    command = [*WITHOUT_LIMIT, "pg_restore", "--no-password", "--exit-on-error", f"--dbname={connection_to(name)}"]
    with open(path, "rb", buffering=0) as dump, pace_of(path).reading(dump.fileno()) as stdin:
        # With the lock: no other run begins while it still writes.
        status = subprocess.run(command, stdin=stdin, stdout=2, pass_fds=LOCKS, check=False).returncode
    if status != 0:
        raise Problem(f"pg_restore failed with status {status}")


def connection_to(name: str) -> str:
    """What pg_restore takes in place of the plain name: one with = in it is a connection string to it."""
    return "dbname='" + re.sub(r"([\\'])", r"\\\1", name) + "'"


def rename_database(old: str, new: str) -> None:
    """@raises Problem where PostgreSQL refuses, as it does where there is one of the new name"""
    _asked(f"alter database {identifier(old)} rename to {identifier(new)}")


def drop_database(name: str) -> None:
    """Removes a database that this run has made, if it has come to that. @raises Problem where PostgreSQL refuses"""
    # The server may still be at the last statement of a pg_restore that was killed.
    _asked(f"drop database if exists {identifier(name)} with (force)")


def _asked(command: str) -> str:
    query = ("psql", "--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--dbname=postgres")
    return output_of([*AS_POSTGRES, *query, f"--command={command}"], QUERY_SECONDS)


def identifier(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
