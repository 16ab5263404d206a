"""Verifies what only this host can show: that each service's account can write to its own folders and to no others',
and that a file goes from hot to warm to cold with the same SHA-256, by the mover that the timers use.

Whether mounts, folders and timers are as declared is not its concern: the resources of `pulumi up` compare them, and
`npm run verify` asks for both.

The declaration is one JSON document on standard input; `npm run verify -- --stack STACK` and `pulumi up` send it. It
has "folders" (path, owner, group, mode, and the folders below) and "moves" (the tiers that a file goes through: tier,
path, mount), and may have "furtherMoves", a list of other such ways. What is tried is tried with files of this
program's own, named .jts-verify-…, which are removed again; what a killed run left, the next run removes. Everything
that may hang is given a time limit.

exit status: 0 all is well, 1 something is not (the table says what), 2 wrong usage, or no declaration
"""

import argparse
import contextlib
import errno
import grp
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, TypeVar, TypeVarTuple

from jts_storage.bounded import answer_of, begin, bounded
from jts_storage.problem import HERE, Problem
from jts_storage.removal import FOLDER

PROBE = re.compile(r"\.jts-verify-[0-9a-f]{16}")
PROBE_SECONDS = 20
MOVE_SECONDS = 180
PROBE_BYTES = 1 << 20
# What none of the services may write to, whatever is declared.
OURS = ("/etc/jts-storage", "/usr/local/lib/jts-storage", "/var/lib/jts-storage")
HEAL = "Next: pulumi up --refresh"
Check = dict[str, Any]
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help='prints one JSON document: "ok", and for each of the "checks" "ok", "subject" and "fact"',
    )
    options = parser.parse_args()
    os.environ["LC_ALL"] = "C"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    try:
        declared = json.load(sys.stdin)
        folders, moves = declared["folders"], declared["moves"]
        ways = [way for way in (moves, *declared.get("furtherMoves", [])) if way]
    except (ValueError, KeyError, TypeError) as problem:
        parser.error(f"standard input is not a declaration: {problem!r}")
    if os.geteuid() != 0:
        parser.error("this needs root, to act as the services' accounts")
    # What was made is removed on the way out.
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    def check_accounts() -> list[Check]:
        return [check("access", check_access, user, folders) for user in users]

    users = sorted({folder["owner"] for folder in folders} - {"root"})
    # The two run side by side: a file's way through the tiers takes as long as everything else.
    looking, answer = begin(check_accounts)
    try:
        moved = [check("move", check_moves, way) for way in ways]
        checks: list[Check] = answer_of(looking, answer, PROBE_SECONDS * (1 + 2 * len(users)))
    except Problem as problem:
        checks = [{"ok": False, "subject": "access", "fact": str(problem)}]
    except SystemExit:
        os.kill(looking, signal.SIGTERM)
        raise
    checks += moved

    failed = [one for one in checks if not one["ok"]]
    if options.json:
        print(json.dumps({"version": 1, "ok": not failed, "checks": checks}, indent=2))
    else:
        for one in checks:
            print(f"{'ok' if one['ok'] else 'FAILED':<6}  {one['subject']:<7}  {one['fact']}")
        print(f"{len(failed)} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed")
    return 1 if failed else 0


def check(subject: str, look: Callable[[*Ts], str], *arguments: *Ts) -> Check:
    try:
        return {"ok": True, "subject": subject, "fact": look(*arguments)}
    except (Problem, OSError, subprocess.SubprocessError) as problem:
        return {"ok": False, "subject": subject, "fact": str(problem)}


def paths_of(folder: dict[str, Any]) -> list[str]:
    return [folder["path"], *(os.path.join(folder["path"], name) for name in folder["folders"])]


def _number_of(group: str) -> int | None:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None


def check_access(user: str, folders: list[dict[str, Any]]) -> str:
    try:
        account = pwd.getpwnam(user)
    except KeyError:
        raise Problem(f"there is no user {user}. {HEAL}") from None
    groups = os.getgrouplist(user, account.pw_gid)
    must, must_not = [], [path for path in OURS if os.path.isdir(path)]
    for folder in folders:
        mode = int(folder["mode"], 8)
        group = _number_of(folder["group"])
        if folder["owner"] == user:
            if mode & 0o200:
                must += paths_of(folder)
        elif not (mode & 0o002 or (mode & 0o020 and group in groups)):
            must_not += paths_of(folder)

    def look() -> list[list[str]]:
        os.setgroups(groups)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        return [[path for path in must if not writes(path)], [path for path in must_not if writes(path)]]

    cannot, can = bounded(look, seconds=PROBE_SECONDS)
    if cannot:
        raise Problem(
            f"{user} cannot write to {', '.join(cannot)}. {HEAL}; and look at the folders above: namei -l {cannot[0]}"
        )
    if can:
        raise Problem(
            f"{user} can write to {', '.join(can)}, which belongs to others. "
            f"Next: namei -l {can[0]}; getfacl {can[0]}; id {user}"
        )
    return f"{user} writes to its {len(must)} folders, and to none of {len(must_not)} others"


def writes(folder: str) -> bool:
    """By a file without a name, which a kill doesn't leave behind; only NFS has none."""
    try:
        os.close(os.open(folder, os.O_WRONLY | os.O_TMPFILE, 0o600))
    except (PermissionError, FileNotFoundError):
        return False
    except OSError as problem:
        if problem.errno != errno.EOPNOTSUPP:
            raise
        path = os.path.join(folder, new_name())
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        except (PermissionError, FileNotFoundError):
            return False
        os.unlink(path)
    return True


def check_moves(tiers: list[dict[str, Any]]) -> str:
    """A file's way through the tiers, from one folder to the next; on exactly one of them after each step."""
    name = new_name()
    places = [os.path.join(tier["path"], name) for tier in tiers]
    for tier in tiers:
        bounded(remove_probes, tier["path"], 3600, seconds=PROBE_SECONDS)
    content = secrets.token_bytes(PROBE_BYTES)
    wanted = hashlib.sha256(content).hexdigest()
    locks = tempfile.mkdtemp(prefix="jts-verify-", dir="/run" if os.path.isdir("/run") else None)
    try:
        bounded(put, places[0], content, seconds=PROBE_SECONDS)
        for index, tier in enumerate(tiers[1:], 1):
            # The first step compresses, as that of logs does.
            options = ["--compress"] if index == 1 else ["--source-mount", tiers[index - 1]["mount"]]
            command = [
                sys.executable,
                "-I",
                "-B",
                f"{HERE}/jts_storage",
                "move",
                "--source",
                places[index - 1],
                "--destination",
                places[index],
            ]
            command += [
                "--destination-mount",
                tier["mount"],
                "--older-than-days",
                "1",
                "--lock",
                f"{locks}/lock",
                "--stall-seconds",
                "60",
                *options,
            ]
            run_mover(command)
            found: list[list[str]] = [[], *([] for _ in tiers[1:])]
            for number, place in enumerate(places):
                found[number] = bounded(look_at_probe, place, seconds=60)
            if [bool(one) for one in found] != [number == index for number in range(len(tiers))] or found[index] != [
                wanted
            ]:
                raise Problem(
                    f"a file of {PROBE_BYTES} bytes did not go from {tiers[index - 1]['path']} to only {tier['path']} "
                    f"with its SHA-256. Next: {HERE}/tiered-storage.sh migrate --dry-run"
                )
    finally:
        shutil.rmtree(locks, ignore_errors=True)
        for tier in tiers:
            with contextlib.suppress(Problem):
                bounded(remove_probes, tier["path"], 0, name, seconds=PROBE_SECONDS)
    return f"a file went {' → '.join(tier['tier'] for tier in tiers)} with SHA-256 {wanted[:16]}…, and is removed again"


def run_mover(command: list[str]) -> None:
    mover = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        _, said = mover.communicate(timeout=MOVE_SECONDS)
    except subprocess.TimeoutExpired:
        mover.kill()
        raise Problem(f"a move did not end within {MOVE_SECONDS} s. Next: {HERE}/storage-health.sh") from None
    if mover.returncode != 0:
        raise Problem(f"a move failed (status {mover.returncode}): {' '.join(said.split()) or 'without a word'}")


def put(folder: str, content: bytes) -> None:
    os.mkdir(folder, 0o700)
    fd = os.open(folder, FOLDER)
    file = os.open("probe", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=fd)
    os.write(file, content)
    os.utime(file, (time.time() - 2 * 86400,) * 2)


def look_at_probe(folder: str) -> list[str]:
    """The SHA-256 of what the files in it hold."""
    try:
        fd = os.open(folder, FOLDER)
    except FileNotFoundError:
        return []
    hashes = []
    for name in os.listdir(fd):
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=fd)
        command = ["zstd", "--quiet", "--decompress", "--stdout"] if name.endswith(".zst") else ["cat"]
        hashes.append(
            hashlib.sha256(subprocess.run(command, stdin=file, capture_output=True, check=True).stdout).hexdigest()
        )
    return hashes


def remove_probes(folder: str, seconds: int, only: str | None = None) -> None:
    """
    Removes folders of ours that are older, or the one of that name however old it looks by a NAS's clock, with what a
    move puts into them, and nothing else.
    """
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for name in os.listdir(top):
        if name != only if only is not None else not PROBE.fullmatch(name):
            continue
        with contextlib.suppress(OSError):
            seen = os.stat(name, dir_fd=top, follow_symlinks=False)
            is_young = only is None and time.time() - seen.st_mtime < seconds
            if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or is_young:
                continue
            fd = os.open(name, FOLDER, dir_fd=top)
            for file in os.listdir(fd):
                if re.fullmatch(r"(\.jts-leaving-)?probe(\.zst)?|\.jts-moving-[0-9a-f]{16}", file):
                    os.unlink(file, dir_fd=fd)
            os.close(fd)
            os.rmdir(name, dir_fd=top)


def new_name() -> str:
    return f".jts-verify-{secrets.token_hex(8)}"
