/**
 * What this program relies on in the tools of a host: the least versions, which are those of Debian 12. Package of
 * Debian → its upstream version. The comments say what would be missing, or other, before.
 */
export const LEAST_VERSIONS: Readonly<Record<string, string>> = {
  // Options and flags of filesystems, as providers/filesystems/ has them.
  linux: "6.1",
  e2fsprogs: "1.47",
  xfsprogs: "6.1",
  "btrfs-progs": "6.2",
  "nfs-common": "2.6",
  // lsblk's tree in JSON, `findmnt --verify`, `mount -o remount` as one call, `wipefs --json`.
  "util-linux": "2.38",
  // The columns of `lvm fullreport` in JSON, and caches, thin volumes and RAID as it names them.
  lvm2: "2.03.16",
  // Directives of units that timers and services have, and `systemd-analyze calendar`.
  systemd: "252",
  // The programs that run on the host are written for these.
  bash: "5.2",
  coreutils: "9.1",
  python3: "3.11",
  rsync: "3.2",
  zstd: "1.5",
};

/** The upstream version in a version of Debian's, which may begin with an epoch: deb-version(7). */
function upstream(version: string): number[] {
  const [numbers = ""] = /^\d+(\.\d+)*/.exec(version.replace(/^\d+:/, "")) ?? [];
  return numbers.split(".").map(Number);
}

/** Whether a version, of Debian's or of the kernel's, is older than another one, by the numbers that this one has. */
export function isOlder(version: string, than: string): boolean {
  const [found, least] = [upstream(version), upstream(than)];
  for (const [index, number] of least.entries()) {
    const other = found[index] ?? 0;
    if (other !== number) return other < number;
  }
  return false;
}
