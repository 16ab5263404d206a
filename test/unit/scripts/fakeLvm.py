"""
A volume group of folders: FOLDER/NAME has a volume's files in `data`, and what LVM knows of it in `known.json`. Stands
in for LVM's tools, blkid, mkfs and mount, since there is no device mapper where unit tests run; the lab has the real
ones.

Usage: fakeLvm.py FOLDER PROGRAM ARGUMENT...
"""

import json
import os
import re
import shutil
import subprocess
import sys
from typing import Any

folder, program, *arguments = sys.argv[1:]
DEVICE = re.compile(r"^(?:/dev/)?vg_jts/(.+)$")


def path(name: str, *parts: str) -> str:
    return os.path.join(folder, name, *parts)


def known(name: str) -> dict[str, Any]:
    with open(path(name, "known.json"), encoding="utf-8") as file:
        facts: dict[str, Any] = json.load(file)
        return facts


def keep(name: str, facts: dict[str, Any]) -> None:
    os.makedirs(path(name, "data"), exist_ok=True)
    with open(path(name, "known.json"), "w", encoding="utf-8") as file:
        json.dump(facts, file)


def option(name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


def required(name: str) -> str:
    value = option(name)
    assert value is not None, name
    return value


def volume() -> str:
    return next(found[1] for word in arguments if (found := DEVICE.match(word)))


if program == "lvs":
    rows = []
    for name in sorted(os.listdir(folder)):
        facts = known(name)
        rows.append(
            {
                "lv_name": name,
                "origin": facts["origin"],
                "lv_size": str(facts["bytes"]),
                "lv_tags": facts["tags"],
                "snap_percent": facts.get("fill", "0.01") if facts["origin"] else "",
                "lv_snapshot_invalid": facts.get("invalid", "0" if facts["origin"] else "-1"),
            }
        )
    print(json.dumps({"report": [{"lv": rows}]}))
elif program == "lvcreate":
    name = required("--name")
    if os.path.exists(path(name)):
        sys.exit(f'  Logical Volume "{name}" already exists in volume group "vg_jts"')
    size = int(required("--size").rstrip("b"))
    if "--snapshot" in arguments:
        origin = volume()
        shutil.copytree(path(origin, "data"), path(name, "data"), symlinks=True)
        keep(name, {"origin": origin, "bytes": size, "tags": option("--addtag"), "type": known(origin)["type"]})
    else:
        keep(name, {"origin": "", "bytes": size, "tags": option("--addtag"), "type": ""})
elif program == "lvremove":
    selected = re.fullmatch(r"lv_name=(\S+) && lv_tags=\{(\S+)\}", required("--select"))
    assert selected is not None
    name, tag = selected.groups()
    if os.path.exists(path(name)) and known(name)["tags"] == tag:
        shutil.rmtree(path(name))
elif program == "lvchange":
    facts = known(volume())
    facts["tags"] = ""
    keep(volume(), facts)
elif program == "blkid":
    print(known(volume())["type"])
elif program.startswith("mkfs."):
    keep(volume(), known(volume()) | {"type": program[5:]})
elif program == "mount":
    if not any(DEVICE.match(word) for word in arguments):
        os.execv("/usr/bin/mount", ["mount", *arguments])
    if option("--types") != known(volume())["type"]:
        sys.exit(f"mount: wrong fs type: {option('--types')}")
    subprocess.run(["/usr/bin/mount", "--bind", path(volume(), "data"), arguments[-1]], check=True)
    if "ro" in (option("--options") or "").split(","):
        subprocess.run(["/usr/bin/mount", "-o", "remount,bind,ro", arguments[-1]], check=True)
else:
    sys.exit(f"there is no {program}")
