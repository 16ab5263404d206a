/** What a machine is like, as far as a test that comes next could tell: the lab need not be made anew where that is as at first. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { folderOf, MACHINES, type Machine } from "./machine.ts";
import { run } from "./ssh.ts";

/** Left out is what changes by itself: logs, caches, what systemd, LVM and useradd(8) remember of what they did. */
const LOOK: Record<Machine, string> = {
  "storage-host": String.raw`
    find / -xdev \( -path /usr/share -o -path /usr/lib -o -path /var/lib/systemd -o -path /var/lib/nfs -o -path /var/lib/dpkg \
      -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /etc/lvm -o -path '/tmp/systemd-private-*' \
      -o -path '/var/tmp/systemd-private-*' \) -prune -o -printf '%p %y %m %U %G %l\n' | sort
    find /etc /root /home /usr/local -xdev -path /etc/lvm -prune -o -type f -not -path '/etc/*-' -print0 | sort --zero-terminated | xargs --null sha256sum
    lsattr -d /mnt /data 2>/dev/null
    lsblk --noheadings --list --output NAME,TYPE,SIZE,FSTYPE,MOUNTPOINTS | sort
    wipefs --no-act --noheadings /dev/nvme?n1 /dev/sda /dev/sda2
    findmnt --kernel --list --noheadings --output TARGET,FSTYPE,SOURCE | grep --invert-match --fixed-strings /run/ | sort
    grep . /proc/swaps /sys/block/{nvme*,sd*}/queue/{scheduler,read_ahead_kb}
    sysctl --all 2>/dev/null | grep --extended-regexp '^(net\.core\.(r|w)mem|vm\.(dirty|swap|vfs|min_free|max_map|overcommit)|fs\.(file-max|aio-max|nr_open))'
    systemctl list-unit-files --no-legend --no-pager; systemctl list-units --all --no-legend --plain --no-pager --type=timer,mount | cut --delimiter=' ' --fields=1 | sort
    systemctl list-units --failed --no-legend --plain --no-pager
    find /run /dev/mapper -maxdepth 1 -not -name '*.lock' | sort`,
  nas: String.raw`
    find /volume1 -printf '%p %y %m %U %G %s\n' | sort
    cat /etc/exports /etc/exports.d/* 2>/dev/null; exportfs -s`,
};

/** The last line of a look that came to its end: what was cut off would be like anything else that was. */
const END = "all was looked at";

/** @throws {Error} where the machine didn't tell all. */
async function look(machine: Machine): Promise<string> {
  const { stdout } = await run(machine, `${LOOK[machine]}\necho ${END}`, { timeoutSeconds: 120 });
  if (!stdout.endsWith(`\n${END}`)) throw new Error(`the ${machine} could not be looked at`);
  return stdout;
}

const fileOf = (machine: Machine) => join(folderOf(machine), "likeness");

/** Remembers what machines that were just made are like. */
export async function rememberLikeness(): Promise<void> {
  await Promise.all(MACHINES.map(async (machine) => writeFile(fileOf(machine), await look(machine))));
}

/** What tells a machine from how it was when it was made, one line of it; undefined: nothing does. */
export async function difference(): Promise<string | undefined> {
  for (const machine of MACHINES) {
    const before = await readFile(fileOf(machine), "utf8").catch(() => undefined);
    if (before === undefined) return `nobody looked at the ${machine} when it was made`;
    const after = await look(machine);
    if (after === before) continue;
    const [then, now] = [before.split("\n"), after.split("\n")];
    const one = now.find((line) => !then.includes(line)) ?? then.find((line) => !now.includes(line));
    return `on the ${machine}: ${one ?? "its lines have another order"}`;
  }
  return undefined;
}
