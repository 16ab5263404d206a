"""Sends health's report to automation.notify: a command or a URL."""

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
STATE_FILE = "notified.json"
# Numbers that change from report to report, such as percentages, sizes and ages, do not make a finding a new one.
CHANGING = re.compile(r"\d+(\.\d+)?(?= ?%| h\b| s\b|([KMGTPE]i)?B\b)")


class Notifier:
    """Sends reports to a receiver, and keeps in stateFolder/notified.json what it sent last."""

    def __init__(self, receiver: str, state_folder: str) -> None:
        self.receiver = receiver
        self.file = f"{state_folder}/{STATE_FILE}"

    @property
    def name(self) -> str:
        """The receiver, for messages. Without what follows a URL's host, which may be a secret."""
        if self.receiver.startswith("/"):
            return self.receiver
        url = urllib.parse.urlsplit(self.receiver)
        return f"{url.scheme}://{url.netloc.rpartition('@')[2]}"

    def is_due(self, findings: Sequence[Sequence[str]], now: int) -> bool:
        """
        Whether to send a report: the findings are new, the last report did not arrive, or it was sent a day ago.

        @param findings  level, subject and fact of each that is not ok
        """
        last = self._last_sent()
        age = now - last["at"]
        # Also where the clock went back: no report is sent in the future.
        return last["failed"] or last["findings"] != _keys(findings) or not 0 <= age < DAY_SECONDS

    def send(self, document: str, level: str, findings: Sequence[Sequence[str]], now: int) -> None:
        """
        Sends a report, and keeps that it did; where it cannot keep that, the next run sends a report again.

        @param findings  level, subject and fact of each that is not ok
        @raises Problem where it did not arrive
        """
        try:
            if self.receiver.startswith("/"):
                _run(self.receiver, document, level)
            else:
                # urllib's own limit is for each read, so that a slow server could keep us waiting for ever.
                try:
                    bounded(_post, self.receiver, document, seconds=URL_SECONDS)
                except NoAnswer:
                    raise Problem(f"no answer within {URL_SECONDS} s") from None
        except Problem as problem:
            self._keep({**self._last_sent(), "failed": True})
            raise Problem(f"{self.name}: {problem}") from None
        self._keep({"at": now, "findings": _keys(findings), "failed": False})

    def _last_sent(self) -> dict[str, Any]:
        try:
            with open(os.open(self.file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                last = json.load(file)
            return {"at": int(last["at"]), "findings": last["findings"], "failed": bool(last["failed"])}
        except (OSError, ValueError, LookupError, TypeError):
            return {"at": 0, "findings": None, "failed": False}

    def _keep(self, sent: dict[str, Any]) -> None:
        try:
            make_state_folder(os.path.dirname(self.file))
            write_whole(self.file, f"{json.dumps({'version': 1, **sent}, indent=2)}\n")
        except Problem as problem:
            log("warning", f"the next run notifies again: {problem}")


def _keys(findings: Sequence[Sequence[str]]) -> list[list[str]]:
    return sorted([level, subject, CHANGING.sub("#", fact)] for level, subject, fact in findings)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: they become a GET without the report, so that their 200 says nothing."""

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
        raise Problem(reason_of(reason) if isinstance(reason, Exception) else str(reason)) from None
    except OSError as problem:
        raise Problem(reason_of(problem)) from None
    except Exception as problem:
        # http.client's messages have the URL, which may hold a secret.
        raise Problem(f"the answer is not valid HTTP ({type(problem).__name__})") from None


def _run(command: str, document: str, level: str) -> None:
    """@raises Problem unless it succeeds in time"""
    _require_only_root_writes(command)
    # In memory, so that a report of a full disk can be sent too.
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
    """Ends it, and all that it has started."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(1)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass


def _require_only_root_writes(command: str) -> None:
    """@raises Problem where another user could put a program of theirs there, which would run as root"""
    path = os.path.realpath(command)
    try:
        seen = os.stat(path)
    except OSError as problem:
        raise Problem(f"it cannot be run: {problem.strerror}") from None
    while True:
        is_shared = stat.S_IMODE(seen.st_mode) & 0o022 and not (
            # Such as /tmp: there, only the owner of a file can rename or remove it.
            stat.S_ISDIR(seen.st_mode) and seen.st_mode & stat.S_ISVTX
        )
        if seen.st_uid not in (0, os.geteuid()) or is_shared:
            raise Problem(
                f"it is not run, since users other than root can change {path}",
                f"chown root:root {path}; chmod go-w {path}",
            )
        if path == "/":
            return
        path = os.path.dirname(path)
        seen = os.stat(path)
