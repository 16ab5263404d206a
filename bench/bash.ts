import { printEntry } from "../providers/values/fstabText.ts";
import { quote } from "../providers/values/shellWord.ts";
import { pathsIn, timersOf, type Wanted } from "./wanted.ts";

/**
 * What a skilled operator would write for one blank host: the same commands, without any look at the host, without
 * checks, and not to be run twice. It neither delivers the scripts that the timers start, nor looks at Debian's
 * packages.
 */
export function bashScript(wanted: Wanted): string {
  const { accounts, devices, volumeGroup, volumes, filesystems, entries, trees, texts } = wanted;
  const { lines, run, write } = script();
  for (const { group, user, home } of accounts) {
    lines.push(`getent group ${quote(group)} >/dev/null || groupadd --system ${quote(group)}`);
    if (user !== undefined)
      run(
        ...["useradd", "--system", "--gid", group, "--home-dir", home ?? "/nonexistent", "--no-create-home"],
        ...["--shell", "/usr/sbin/nologin", user],
      );
  }
  run("pvcreate", "--dataalignment", `${volumeGroup.dataAlignment}b`, ...devices);
  run("vgcreate", "--physicalextentsize", `${volumeGroup.extentSize}b`, volumeGroup.name, ...devices);
  for (const { name, sizeBytes } of volumes)
    run("lvcreate", "--yes", "--wipesignatures", "y", "--name", name, "--size", `${sizeBytes}b`, volumeGroup.name);
  for (const { type, device, options } of filesystems) run(`mkfs.${type}`, "-q", ...options, device);
  run("udevadm", "settle");

  const mountPoints = entries.map(({ mountPoint }) => mountPoint);
  run("mkdir", "--parents", ...mountPoints);
  run("chattr", "+i", ...mountPoints);
  write(">>", "/etc/fstab", `${entries.map(printEntry).join("\n")}\n`);
  for (const [path, text] of texts) write(">", path, text);
  run("systemctl", "daemon-reload");
  run("mount", "--all");
  for (const { owner, group, mode, paths } of trees) {
    run("mkdir", "--parents", ...paths);
    run("chown", `${owner}:${group}`, ...paths);
    run("chmod", mode, ...paths);
  }

  for (const file of pathsIn("/etc/sysctl.d", wanted)) run("sysctl", "--quiet", `--load=${file}`);
  run("udevadm", "control", "--reload");
  run("udevadm", "trigger", "--action=change", "--settle", ...devices);
  run("systemctl", "enable", "--quiet", "--now", ...timersOf(wanted));
  return text(lines);
}

/**
 * Takes back what the script made, except the data and what holds it: volumes, filesystems, mount points, accounts, and
 * folders on the NAS all stay. The kernel keeps its new values until the next boot.
 */
export function bashTeardown(wanted: Wanted): string {
  const { lines, run } = script();
  takeDown(wanted, lines, run);
  return text(lines);
}

/** Takes everything back, as `destroy` does with `onDelete: wipe`, except the kernel's values. */
export function bashWipe(wanted: Wanted): string {
  const { accounts, devices, volumeGroup, filesystems, entries, cold, hotTree } = wanted;
  const { lines, run } = script();
  run("rmdir", ...cold.paths.toReversed());
  takeDown(wanted, lines, run);
  run("wipefs", "--quiet", "--all", ...filesystems.map(({ device }) => device));
  run("lvremove", "--quiet", "--yes", volumeGroup.name);
  run("vgremove", "--quiet", volumeGroup.name);
  run("pvremove", "--quiet", ...devices);
  const mountPoints = entries.map(({ mountPoint }) => mountPoint);
  run("chattr", "-i", ...mountPoints);
  run("rmdir", ...mountPoints);
  const above = hotTree.split("/").map((_, index, names) => names.slice(0, index + 1).join("/"));
  run("rmdir", "--ignore-fail-on-non-empty", ...above.slice(1).toReversed());
  for (const { group, user } of accounts) {
    // userdel removes the user's group, too. Groups below 100 are Debian's own.
    if (user !== undefined) run("userdel", user);
    else
      lines.push(
        `(($(getent group ${quote(group)} | cut --delimiter=: --fields=3) < 100)) || groupdel ${quote(group)}`,
      );
  }
  return text(lines);
}

type Run = (...words: readonly string[]) => void;

function takeDown(wanted: Wanted, lines: string[], run: Run): void {
  const { entries, texts } = wanted;
  run("systemctl", "disable", "--quiet", "--now", ...timersOf(wanted));
  run("rm", "--force", ...texts.keys(), ...timersOf(wanted).map((timer) => `/var/lib/systemd/timers/stamp-${timer}`));
  run("udevadm", "control", "--reload");
  run("umount", ...entries.map(({ mountPoint }) => mountPoint).toReversed());
  lines.push(
    "grep --invert-match --line-regexp --fixed-strings --file=- /etc/fstab >/etc/fstab.new <<'END'",
    ...entries.map(printEntry),
    "END",
  );
  run("mv", "/etc/fstab.new", "/etc/fstab");
  run("systemctl", "daemon-reload");
}

function script() {
  const lines = ["set -euo pipefail"];
  return {
    lines,
    run: (...words: readonly string[]) => void lines.push(words.map(quote).join(" ")),
    write: (how: ">" | ">>", path: string, content: string) =>
      void lines.push(`cat ${how}${quote(path)} <<'END'\n${content}END`),
  };
}

const text = (lines: readonly string[]): string => `${lines.join("\n")}\n`;
