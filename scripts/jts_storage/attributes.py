"""Owners, modes, ACLs and extended attributes of files that move; see inode(7), acl(5) and xattr(7)."""

import contextlib
import errno
import os
import stat
import struct
from dataclasses import dataclass

from jts_storage.log import log
from jts_storage.problem import Hopeless, Problem
from jts_storage.removal import OUR_ATTRIBUTES, new_temporary_name

ACL = "system.posix_acl_"
OWNERS = "owners"
KINDS = {
    ACL: "ACLs",
    "user.": "extended attributes of users (user.*)",
    "trusted.": "extended attributes of root (trusted.*)",
    "security.": "extended attributes of the kernel (security.*)",
    OWNERS: "owners",
}
STRICT, BEST_EFFORT = "strict", "best-effort"
REMEDIES = {
    ACL: "getfacl shows the ACL; where it is not needed: setfacl --remove-all",
    OWNERS: "where it is a NAS, export it with no_root_squash, see exports(5)",
}
REMEDY = "getfattr --match=- --dump shows the attribute; where it is not needed: setfattr --remove"
# user::rw-, user:1:rw-, group::r--, mask::rw-, other::---
SAMPLE_ACL = bytes.fromhex(
    "02000000 01000600ffffffff 0200060001000000 04000400ffffffff 10000600ffffffff 20000000ffffffff"
)
SAMPLE_OWNER = 65533
ACL_GROUP, ACL_MASK = 0x04, 0x10


@dataclass(frozen=True)
class Wanted:
    """The attributes that a copy gets, and those of its original that it cannot have."""

    uid: int
    gid: int
    mode: int
    xattrs: tuple[str, ...]
    dropped: tuple[str, ...]


class Attributes:
    """
    Which kinds of attributes a destination can keep. That is tried there once.

    @param policy  STRICT: a file with others is not copied; BEST_EFFORT: its copy does not get them
    """

    def __init__(self, policy: str) -> None:
        self.is_strict = policy == STRICT
        self.missing: set[str] | None = None
        self.warned: set[str] = set()

    def probe(self, folder: int) -> None:
        """Tries it once with a file of ours; for owners, errors are not enough: a server may map them without one."""
        if self.missing is not None:
            return
        missing, name = set(), new_temporary_name()
        probe = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
        try:
            made = os.fstat(probe)
            self.owner = made.st_uid, made.st_gid
            samples = {f"{ACL}access": SAMPLE_ACL}
            samples |= {f"{kind}jts-storage": b"x" for kind in ("user.", "trusted.", "security.")}
            for attribute, value in samples.items():
                try:
                    os.setxattr(probe, attribute, value)
                except OSError:
                    missing.add(kind_of(attribute))
            with contextlib.suppress(OSError):
                os.fchown(probe, SAMPLE_OWNER, SAMPLE_OWNER)
            owner = os.fstat(probe)
            if (owner.st_uid, owner.st_gid) != (SAMPLE_OWNER, SAMPLE_OWNER):
                missing.add(OWNERS)
        finally:
            os.close(probe)
            os.unlink(name, dir_fd=folder)
        self.missing = missing

    def wanted(self, fd: int, seen: os.stat_result) -> Wanted:
        """
        The attributes that a copy of the open file or folder gets.

        @raises Problem where the destination cannot keep all of them, and the policy is STRICT
        """
        assert self.missing is not None  # probed before
        kept, dropped = [], []
        uid, gid, mode = seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)
        if OWNERS in self.missing and (uid, gid) != self.owner:
            self.drop(OWNERS)
            dropped.append(f"owner {uid}:{gid}")
            uid, gid = self.owner
            # Else a program with set-user-ID would run as another owner.
            mode &= ~(stat.S_ISUID | stat.S_ISGID)
        for name in sorted(xattr_names(fd)):
            if kind_of(name) not in self.missing:
                kept.append(name)
                continue
            self.drop(kind_of(name))
            dropped.append(name)
            if name == f"{ACL}access":
                mode = mode & ~0o070 | (_group_of(os.getxattr(fd, name)) << 3)
        return Wanted(uid, gid, mode, tuple(kept), tuple(dropped))

    def drop(self, kind: str) -> None:
        if self.is_strict:
            remedy = f"{REMEDIES.get(kind, REMEDY)}; where files may lose them: automation.attributes: {BEST_EFFORT}"
            # Owners are the same for all files; only some have ACLs or extended attributes.
            raise (Hopeless if kind == OWNERS else Problem)(f"the destination keeps no {KINDS[kind]}", remedy)
        if kind not in self.warned:
            self.warned.add(kind)
            log("warning", f"the destination keeps no {KINDS[kind]}: files lose them; the journal says which files")


def give(copy: int, wanted: Wanted, like: int) -> None:
    """
    Gives an open file or folder the wanted attributes.

    @param like  the original, whose extended attributes are copied
    @raises Problem where the destination does not keep one
    """
    os.fchown(copy, wanted.uid, wanted.gid)
    os.fchmod(copy, wanted.mode)
    for name in xattr_names(copy):
        if name.startswith(ACL) and name not in wanted.xattrs:  # inherited from the folder
            os.removexattr(copy, name)
    for name in wanted.xattrs:
        try:
            os.setxattr(copy, name, os.getxattr(like, name))
        except OSError as problem:
            raise Problem(
                f"the destination does not keep its attribute {name}: {problem.strerror}",
                REMEDIES.get(kind_of(name), REMEDY),
            ) from None


def xattr_names(fd: int) -> list[str]:
    try:
        names = os.listxattr(fd)
    except OSError as problem:
        if problem.errno == errno.ENOTSUP:
            return []
        raise
    return [name for name in names if kind_of(name) != "" and name not in OUR_ATTRIBUTES]


def kind_of(attribute: str) -> str:
    return next((kind for kind in KINDS if attribute.startswith(kind)), "")


def _group_of(acl: bytes) -> int:
    """What an ACL allows the owning group: the group bits of the mode are the ACL's mask, which may be more."""
    entries = {tag: bits for tag, bits, _ in struct.iter_unpack("<HHI", acl[4:])}
    return int(entries.get(ACL_GROUP, 0) & entries.get(ACL_MASK, 7))
