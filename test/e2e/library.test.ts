/** Another program, which installs this one as a package, on a real host. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { installExample, type Example } from "../support/installedExample.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;

describe("the example of a data disk and a NAS, from the packed package", () => {
  let folder: string;
  let example: Example;

  const must = async (...args: readonly string[]) => {
    const { exitCode, said } = await example.pulumi(...args);
    if (exitCode !== 0) throw new Error(said);
    return said;
  };

  beforeAll(async () => {
    await lab.blank();
    folder = await mkdtemp(join(tmpdir(), "jts-library-"));
    example = await installExample("data-and-nas", folder, "lab");
    const { host, port, user, hostKey, identityFile } = await lab.connection("storage-host", "jts");
    for (const [key, value] of Object.entries({ host, port, user, hostKey, identityFile }))
      await must("config", "set", "--path", `connection.${key}`, String(value));
    await must("config", "set", "disk", "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_JTSSATA0001-part2");
    await must("config", "set", "nas", "192.168.1.101");
    await must("config", "set", "export", "/volume1/cocodev");
    await must("config", "set", "onDelete", "wipe");
  });

  afterAll(async () => {
    await example.pulumi("destroy", "--yes");
    await rm(folder, { recursive: true, force: true });
  });

  it("mounts both, and its outputs are the mounted folders", async () => {
    await must("up", "--yes", "--skip-preview");
    expect(JSON.parse(await must("stack", "output", "--json"))).toEqual({
      dataFolder: "/srv/data",
      nasFolder: "/mnt/nas/files",
    });
    expect(await on("findmnt --noheadings --output FSTYPE,LABEL /srv/data")).toMatch(/^btrfs\s+data$/);
    expect(await on("findmnt --noheadings --output FSTYPE,SOURCE /mnt/nas")).toMatch(
      /^nfs4\s+192\.168\.1\.101:\/volume1\/cocodev$/,
    );
    expect(await on("ls /srv/data")).toBe("music\nphotos");
    expect(await on("ls /mnt/nas/files")).toBe("archive");
  });

  it("changes nothing when it is run again", async () => {
    await must("up", "--yes", "--skip-preview", "--expect-no-changes");
  });

  it("sees a mount that is gone as drift, and heals it", async () => {
    await on("umount /srv/data");
    const seen = await example.pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
    expect(seen.exitCode).not.toBe(0);
    await must("up", "--yes", "--skip-preview");
    expect(await on("findmnt --noheadings --output FSTYPE /srv/data")).toBe("btrfs");
  });

  it("takes itself back out, without its program: the connection is in its state", async () => {
    await writeFile(join(example.folder, "index.ts"), 'throw new Error("the program ran");\n');
    await must("destroy", "--yes", "--skip-preview");
    expect(await on("grep --count jts-storage /etc/fstab || true")).toBe("0");
    expect(await on("blkid /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_JTSSATA0001-part2 || true")).not.toContain("TYPE");
  });
});
