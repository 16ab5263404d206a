"""Tells somebody outside what health found: a command, or a URL, which is automation.notify."""

import json
import os
import re
import signal
import stat
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from jts_storage.bounded import NoAnswer, bounded
from jts_storage.files import make_state_folder, write_whole
from jts_storage.log import log
from jts_storage.problem import Problem, reason_of

URL_SECONDS = 10
COMMAND_SECONDS = 30
DAY_SECONDS = 86400
TOLD = "notified.json"
# What changes at each look is no other finding: shares, sizes, ages.
CHANGING = re.compile(r"\d+(\.\d+)?(?= ?%| h\b| s\b|([KMGTPE]i)?B\b)")


class Notifier:
    """When somebody is told, and what came of it."""

    def __init__(self, receiver: str, state_folder: str) -> None:
        self.receiver = receiver
        self.file = f"{state_folder}/{TOLD}"

    @property
    def name(self) -> str:
        """For people. What follows a URL's host may be a secret."""
        if self.receiver.startswith("/"):
            return self.receiver
        url = urllib.parse.urlsplit(self.receiver)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def is_due(self, findings: Sequence[Sequence[str]], now: int) -> bool:
        """Whether it is something else than what was told last, that failed, or nothing was told for a day."""
        told = self._told()
        age = now - told["at"]
        # A clock that went back must not silence it.
        return told["failed"] or told["findings"] != _keys(findings) or not 0 <= age < DAY_SECONDS

    def tell(self, document: str, level: str, findings: Sequence[Sequence[str]], now: int) -> None:
        """
        Sends a report, and keeps what came of it; where that can't be kept, it is told again at the next run.

        @param findings level, subject and fact of each that isn't ok
        @raises Problem where it didn't arrive
        """
        try:
            if self.receiver.startswith("/"):
                _run(self.receiver, document, level)
            else:
                # Of each step of it, urllib's own limit is: a server that dribbles would never be given up.
                try:
                    bounded(_post, self.receiver, document, seconds=URL_SECONDS)
                except NoAnswer:
                    raise Problem(f"no answer within {URL_SECONDS} s") from None
        except Problem as problem:
            self._keep({**self._told(), "failed": True})
            raise Problem(f"{self.name}: {problem}") from None
        self._keep({"at": now, "findings": _keys(findings), "failed": False})

    def _told(self) -> dict[str, Any]:
        try:
            with open(os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                told = json.load(file)
            return {"at": int(told["at"]), "findings": told["findings"], "failed": bool(told["failed"])}
        except (OSError, ValueError, LookupError, TypeError):
            return {"at": 0, "findings": None, "failed": False}

    def _keep(self, told: dict[str, Any]) -> None:
        try:
            make_state_folder(os.path.dirname(self.file))
            write_whole(self.file, f"{json.dumps({'version': 1, **told}, indent=2)}\n")
        except Problem as problem:
            log("warning", f"whoever is notified is told again at the next run: {problem}")


def _keys(findings: Sequence[Sequence[str]]) -> list[list[str]]:
    return sorted([level, subject, CHANGING.sub("#", fact)] for level, subject, fact in findings)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """What is redirected becomes a GET without the report, whose 200 says nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(url: str, document: str) -> None:
    """@raises Problem unless the answer is 2xx"""
    request = urllib.request.Request(url, document.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=URL_SECONDS):
            return
    except urllib.error.HTTPError as problem:
        raise Problem(f"it answered {problem.code}") from None
    except urllib.error.URLError as problem:
        reason = problem.reason
        raise Problem(reason_of(reason) if isinstance(reason, Exception) else reason) from None
    except OSError as problem:
        raise Problem(reason_of(problem)) from None
    except Exception as problem:
        # http.client's own tell the URL, which may hold a secret.
        raise Problem(f"no answer that HTTP knows ({type(problem).__name__})") from None


def _run(command: str, document: str, level: str) -> None:
    """@raises Problem unless it succeeds in time"""
    _require_roots(command)
    # In memory: a full disk is to be told of as well.
    with open(os.memfd_create("report"), "w+b") as stdin, open(os.memfd_create("errors"), "w+b") as stderr:
        stdin.write(document.encode())
        stdin.seek(0)
        try:
            child = subprocess.Popen(
                [command],
                stdin=stdin,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, "JTS_STORAGE_LEVEL": level},
                cwd="/",
                start_new_session=True,
            )
        except OSError as problem:
            raise Problem(f"it cannot be run: {problem.strerror}") from None
        try:
            status = child.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            raise Problem(f"it did not end within {COMMAND_SECONDS} s") from None
        finally:
            _kill(child)
        stderr.seek(0)
        said = stderr.read(65536).decode("utf-8", "replace").strip().splitlines()
    if status != 0:
        how = f"failed with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise Problem(f"it {how}{f': {said[-1][:200]}' if said else ''}")


def _kill(child: "subprocess.Popen[bytes]") -> None:
    """With what it started and left."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(1)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def _require_roots(command: str) -> None:
    """@raises Problem where somebody else could put another program there, since this runs as we do"""
    path = os.path.realpath(command)
    try:
        seen = os.stat(path)
    except OSError as problem:
        raise Problem(f"it cannot be run: {problem.strerror}") from None
    while True:
        is_shared = stat.S_IMODE(seen.st_mode) & 0o022 and not (
            # Nobody takes another's name there.
            stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX
        )
        if seen.st_uid not in (0, os.geteuid()) or is_shared:
            raise Problem(
                f"it is not run, since others than root could change it, by {path}. "
                f"Do: chown root:root {path}; chmod go-w {path}"
            )
        if path == "/":
            return
        path = os.path.dirname(path)
        seen = os.stat(path)
