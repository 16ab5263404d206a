"""Why something is not done."""

import errno
import os

# Of the scripts, for what to do.
HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
# What a name from errno(3) means for files that move.
REMEDIES = {
    errno.EPERM: "lsattr, for what may only be appended to; on a NAS, whether its export squashes root",
    errno.EACCES: "namei -l; on a NAS, whether its export squashes root",
    errno.EROFS: "storage-health.sh; dmesg --level=err,warn",
    errno.EOPNOTSUPP: "whether both filesystems have ACLs and extended attributes",
    errno.ENOSPC: "storage-health.sh; make room there",
    errno.EDQUOT: "quota; make room there",
    errno.EIO: "dmesg --level=err,warn; smartctl --all on its disk",
    errno.ESTALE: "umount and mount it again; docs/runbooks/nas-replaced.md",
}


class Problem(Exception):
    """What can't be done, in words for the operator."""


class Hopeless(Problem):
    """What can't be done for any other file either."""


class Skip(Exception):
    """The file stays, and that is as it should be."""


def reason_of(problem: Exception) -> str:
    """In words, without Python's and without the path, and what to do."""
    if not isinstance(problem, OSError) or not problem.strerror:
        return str(problem)
    remedy = REMEDIES.get(problem.errno or 0)
    return problem.strerror if remedy is None else f"{problem.strerror}. Do: look at {remedy}"
