"""Why something is not done, and what to try next."""

import errno
import os

# The folder of the scripts, for the commands to try.
HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# What to look at where a file cannot move or go, by the error of errno(3).
REMEDIES = {
    errno.EPERM: "lsattr, for a file that can only be appended to; on a NAS, whether its export squashes root",
    errno.EACCES: "namei -l; on a NAS, whether its export squashes root",
    errno.EROFS: "storage-health.sh; dmesg --level=err,warn",
    errno.EOPNOTSUPP: "whether both filesystems have ACLs and extended attributes",
    errno.ENOSPC: "storage-health.sh; make room there",
    errno.EDQUOT: "quota; make room there",
    errno.EIO: "dmesg --level=err,warn; smartctl --all on its disk",
    errno.ESTALE: "umount and mount it again; docs/runbooks/nas-replaced.md",
}


def with_remedy(message: str, remedy: str = "") -> str:
    """A message, and what to try next, which is a command where there is one."""
    return f"{message}. Next: {remedy}" if remedy else message


class Problem(Exception):
    """What cannot be done, in words for the operator, and what to try next."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(with_remedy(message, remedy))


class Hopeless(Problem):
    """What cannot be done for any other file either."""


class Skip(Exception):
    """Why a file stays where that is no fault."""


def reason_of(problem: Exception) -> str:
    """What the system says, without Python's prefix and without the path, and what to look at."""
    if isinstance(problem, RecursionError):
        return with_remedy("its folders are nested too deep", "find FOLDER -mindepth 100 -type d; move or remove them")
    if not isinstance(problem, OSError) or not problem.strerror:
        return str(problem)
    remedy = REMEDIES.get(problem.errno or 0)
    return with_remedy(problem.strerror, "" if remedy is None else f"look at {remedy}")
