import { accountsOf, volumesOf, warmAlsoAt, warmMount } from "../components/layout.ts";
import type { HostSettings } from "../config.ts";
import { printEntry } from "../providers/values/fstabText.ts";
import { quote } from "../providers/values/shellWord.ts";

/**
 * What a skilled operator would write for the hot and the warm tier of one blank host: the same commands in one go, one
 * daemon-reload, no look at what is there, nothing checked, nothing that could be run twice.
 */
export function bashScript({ hot, warm }: HostSettings): string {
  if (hot?.layout !== "lvm" || warm === undefined)
    throw new Error("The benchmark needs a hot tier on LVM, and a warm one.");
  const { device, volumeGroup } = hot;
  const lines: string[] = ["set -euo pipefail"];
  const run = (...words: (string | number)[]) => lines.push(words.map((word) => quote(String(word))).join(" "));
  const fstab: string[] = [];
  const directories = (
    path: string,
    { owner, group, mode, folders }: { owner: string; group: string; mode: string; folders: readonly string[] },
  ) => {
    const all = [path, ...folders.map((folder) => `${path}/${folder}`)];
    run("mkdir", "--parents", ...all);
    run("chown", `${owner}:${group}`, ...all);
    run("chmod", mode, ...all);
  };
  for (const { user, group, home } of accountsOf(hot).values()) {
    lines.push(`getent group ${quote(group)} >/dev/null || groupadd --system ${quote(group)}`);
    if (user !== undefined)
      run(
        "useradd",
        "--system",
        "--gid",
        group,
        "--home-dir",
        home ?? "/nonexistent",
        "--no-create-home",
        "--shell",
        "/usr/sbin/nologin",
        user,
      );
  }
  run("pvcreate", "--dataalignment", `${volumeGroup.dataAlignment}b`, device.path);
  run("vgcreate", "--physicalextentsize", `${volumeGroup.extentSize}b`, volumeGroup.name, device.path);
  const volumes = volumesOf(hot);
  for (const { name, sizeBytes } of volumes)
    run("lvcreate", "--yes", "--wipesignatures", "y", "--name", name, "--size", `${sizeBytes}b`, volumeGroup.name);
  for (const { filesystem, mkfsOptions, device: path } of volumes)
    run(`mkfs.${filesystem}`, "-q", ...mkfsOptions, path);
  run("mkfs.btrfs", "-q", "-L", warm.label, ...warm.mkfsOptions, warm.device.path);
  run("udevadm", "settle");
  for (const { device: source, mountPoint, filesystem: type, options, pass, treePath } of volumes) {
    fstab.push(
      printEntry({ source, mountPoint, type, options, dump: 0, pass }),
      printEntry({
        source: mountPoint,
        mountPoint: treePath,
        type: "none",
        options: ["bind", "nofail"],
        dump: 0,
        pass: 0,
      }),
    );
  }
  const { source, options } = warmMount(warm);
  fstab.push(
    printEntry({ source, mountPoint: warm.mountPoint, type: "btrfs", options, dump: 0, pass: 0 }),
    printEntry({
      source: warm.mountPoint,
      mountPoint: warmAlsoAt(warm),
      type: "none",
      options: ["bind", "nofail"],
      dump: 0,
      pass: 0,
    }),
  );
  const mountPoints = [
    ...volumes.flatMap(({ mountPoint, treePath }) => [mountPoint, treePath]),
    warm.mountPoint,
    warmAlsoAt(warm),
  ];
  run("mkdir", "--parents", ...mountPoints);
  run("chattr", "+i", ...mountPoints);
  lines.push(`cat >>/etc/fstab <<'END'\n${fstab.join("\n")}\nEND`);
  run("systemctl", "daemon-reload");
  for (const mountPoint of mountPoints) run("mount", mountPoint);
  for (const volume of volumes) directories(volume.mountPoint, volume);
  directories(warm.mountPoint, warm);
  return `${lines.join("\n")}\n`;
}
