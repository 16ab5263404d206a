"""
Makes a tree of everything that a service may leave. All files are old, except `young`.
usage: nastyTree.py FOLDER
"""

import os
import sys

OLD = 10**9
POSIX_ACL = bytes.fromhex(
    "02000000 01000700ffffffff 02000400e8030000 04000500ffffffff 10000500ffffffff 20000500ffffffff"
)
root = os.fsencode(sys.argv[1])


def put(name: bytes, content: bytes, *, uid: int = 0, mode: int = 0o640, old: int = OLD) -> bytes:
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chown(path, uid, uid)
    os.chmod(path, mode)
    os.utime(path, (old, old + 0.25))
    return path


for service in (b"postgresql", b"kafka"):
    put(service + b"/logs/app.log", b"log of " + service)
for number in range(6):
    put(b"many/%d.log" % number, os.urandom(20000), uid=1000 + number)
for name in (
    b"with space",
    b"with\nnewline",
    b"-rf",
    "größe €".encode(),
    b"not utf-8 \xff\xfe",
    b"'quote\"",
    b"n" * 255,
    b"*",
):
    put(b"names/" + name, name)
put(b"empty", b"")
put(b"large", os.urandom(3_000_000) + b"x")
put(b"archive.gz", os.urandom(5000))
put(b"young", b"young", old=4 * 10**9)

sparse = put(b"sparse", b"")
with open(sparse, "r+b") as file:
    file.truncate(8 << 20)
    file.seek(4 << 20)
    file.write(b"in the middle" * 1000)
os.utime(sparse, (OLD, OLD))

marked = put(b"marked", b"has xattrs", mode=0o4755)
os.setxattr(marked, "trusted.note", b"kept \x00 as is")
os.setxattr(marked, "system.posix_acl_access", POSIX_ACL)
os.utime(marked, (OLD, OLD))

twice = put(b"hard-linked", b"two names")
os.link(twice, twice + b" again")
os.symlink("large", os.path.join(root, b"link"))
os.symlink("/etc", os.path.join(root, b"link to a folder"))
os.mkfifo(os.path.join(root, b"pipe"))
