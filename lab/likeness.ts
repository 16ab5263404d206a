/**
 * What a machine looks like to a test that runs next. While that is as it was when the machine was made, the lab can be
 * used again.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { folderOf, MACHINES, type Machine } from "./machine.ts";
import { run } from "./ssh.ts";

/** Leaves out what changes without a test: logs, caches, records that systemd, LVM and useradd(8) keep. */
const LOOK: Record<Machine, string> = {
  "storage-host": String.raw`
    find / -xdev \( -path /usr/share -o -path /usr/lib -o -path /var/lib/systemd -o -path /var/lib/nfs \
      -o -path /var/lib/dpkg -o -path /var/log -o -path /var/cache -o -path /var/lib/apt -o -path /etc/lvm \
      -o -path '/tmp/systemd-private-*' -o -path '/var/tmp/systemd-private-*' \) \
      -prune -o -printf '%p %y %m %U %G %l\n' | sort
    find /etc /root /home /usr/local -xdev -path /etc/lvm -prune -o -type f -not -path '/etc/*-' -print0 |
      sort --zero-terminated | xargs --null sha256sum
    lsattr -d /mnt /data 2>/dev/null
    lsblk --noheadings --list --output NAME,TYPE,SIZE,FSTYPE,MOUNTPOINTS | sort
    wipefs --no-act --noheadings /dev/nvme?n1 /dev/sda /dev/sda2
    findmnt --kernel --list --noheadings --output TARGET,FSTYPE,SOURCE |
      grep --invert-match --fixed-strings /run/ | sort
    grep . /proc/swaps /sys/block/{nvme*,sd*}/queue/{scheduler,read_ahead_kb}
    sysctl --all 2>/dev/null | grep --extended-regexp --regexp='^net\.core\.(r|w)mem' \
      --regexp='^vm\.(dirty|swap|vfs|min_free|max_map|overcommit)' --regexp='^fs\.(file-max|aio-max|nr_open)'
    systemctl list-unit-files --no-legend --no-pager
    systemctl list-units --all --no-legend --plain --no-pager --type=timer,mount |
      cut --delimiter=' ' --fields=1 | sort
    systemctl list-units --failed --no-legend --plain --no-pager
    find /run /dev/mapper -maxdepth 1 -not -name '*.lock' | sort`,
  nas: String.raw`
    find /volume1 -printf '%p %y %m %U %G %s\n' | sort
    cat /etc/exports /etc/exports.d/* 2>/dev/null; exportfs -s`,
};

/** The last line of a complete look. Two looks that were cut off could be equal by accident. */
const END = "complete";

/** @throws {Error} where the look is incomplete */
async function look(machine: Machine): Promise<string> {
  const { stdout } = await run(machine, `${LOOK[machine]}\necho ${END}`, { timeoutSeconds: 120 });
  if (!stdout.endsWith(`\n${END}`)) throw new Error(`the look at the ${machine} is incomplete`);
  return stdout;
}

const fileOf = (machine: Machine) => join(folderOf(machine), "likeness");

/** Remembers what new machines look like. */
export async function rememberLikeness(): Promise<void> {
  await Promise.all(MACHINES.map(async (machine) => writeFile(fileOf(machine), await look(machine))));
}

/** One line on how a machine differs from when it was made; undefined where none does. */
export async function difference(): Promise<string | undefined> {
  for (const machine of MACHINES) {
    const before = await readFile(fileOf(machine), "utf8").catch(() => undefined);
    if (before === undefined) return `it is not known what the ${machine} looked like when it was made`;
    const after = await look(machine);
    if (after === before) continue;
    const [then, now] = [before.split("\n"), after.split("\n")];
    const one = now.find((line) => !then.includes(line)) ?? then.find((line) => !now.includes(line));
    return `on the ${machine}, this differs: ${one ?? "the order of lines"}`;
  }
  return undefined;
}
