"""A connection to one database of PostgreSQL that stays open, so that a transaction spans several statements."""

import json
import os
import secrets
import subprocess
from types import TracebackType
from typing import Any, Self

from jts_storage.bounded import LOCKS
from jts_storage.postgresql import WITHOUT_LIMIT
from jts_storage.problem import Problem

# Whatever the database or the role sets, the text of a row is the same, and no name is taken from a schema of a user's.
OPTIONS = (
    *("search_path=", "timezone=UTC", "datestyle=ISO", "intervalstyle=postgres", "extra_float_digits=3"),
    *("bytea_output=hex", "lc_monetary=C", "xmloption=content", "standard_conforming_strings=on", "row_security=off"),
    *("statement_timeout=0", "lock_timeout=0", "idle_in_transaction_session_timeout=0", "client_min_messages=warning"),
)
MESSAGE_BYTES = 2000


class Session:
    """A psql that runs as postgres, and ends at the first statement that fails. What was not committed is undone."""

    def __init__(self, database: str) -> None:
        """@raises Problem where psql cannot be run"""
        self.errors = os.memfd_create("errors")
        options = ("--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        # By the environment: psql takes an argument with = in it for a connection string.
        own = {"PGDATABASE": database, "PGCLIENTENCODING": "UTF8", "PGAPPNAME": "jts-storage"}
        environment = {**os.environ, **own, "PGOPTIONS": " ".join(f"-c {option}" for option in OPTIONS)}
        try:
            self.child = subprocess.Popen(
                [*WITHOUT_LIMIT, "psql", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.errors,
                env=environment,
                # With the lock: no other run begins while it is still in a transaction.
                pass_fds=LOCKS,
            )
        except OSError as problem:
            os.close(self.errors)
            raise Problem(f"psql cannot be run: {problem.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.kill()
        self.child.communicate()
        os.close(self.errors)

    def run(self, *statements: str) -> str:
        """
        What the statements print.

        @raises Problem with the server's message where one fails
        """
        assert self.child.stdin is not None and self.child.stdout is not None
        end = secrets.token_hex(16)
        printed = []
        text = "".join(f"{statement};\n" for statement in statements)
        try:
            self.child.stdin.write(os.fsencode(f"{text}\\echo {end}\n"))
            self.child.stdin.flush()
            while (line := os.fsdecode(self.child.stdout.readline())) != f"{end}\n":
                if line == "":
                    raise BrokenPipeError
                printed.append(line)
        except BrokenPipeError:
            raise Problem(self._message()) from None
        return "".join(printed)

    def row(self, query: str) -> Any:
        """What a query gives that selects one value of the type json; None: it has no row. @raises Problem: it fails"""
        rows = self.rows(query)
        return rows[0] if rows else None

    def rows(self, query: str) -> list[Any]:
        """The same of one that has several rows."""
        return [json.loads(line) for line in self.run(query).splitlines() if line]

    def _message(self) -> str:
        self.child.wait()
        said = os.pread(self.errors, MESSAGE_BYTES, 0).decode("utf-8", "replace")
        words = " ".join(line.strip() for line in said.splitlines() if not line.startswith("HINT:"))
        return f"PostgreSQL says: {words}" if words else f"psql ended with status {self.child.returncode}"
