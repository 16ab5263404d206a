/** A host that starts without what its tiers lie on. */
import { expect, it, vi } from "vitest";
import * as lab from "../../lab/lab.ts";
import { LabStack, only, unverified } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;

it(
  "a boot without the disks and without the NAS is as quick as any; what needs them stays down, says why, and writes nothing",
  { tags: ["long"] },
  async () => {
    await lab.blank();
    const stack = await LabStack.select();
    await stack.configure((host) => {
      only("hot", "warm", "cold", "automation")(host);
      unverified(host);
      host.hot = { ...(host.hot as object), volumes: { redis: { size: "1GiB" } } };
      host.warm = { ...(host.warm as object), options: ["autodefrag", "x-systemd.device-timeout=20s"] };
    });
    await stack.up();
    await on("echo kept | tee /var/lib/redis/kept >/data/warm-storage/kept; sync");
    const identities = () =>
      on(`
        blkid --match-tag UUID --output value /dev/vg_jts/lv_redis /dev/disk/by-label/jts-warm-storage
        lvs --noheadings --options lv_uuid vg_jts/lv_redis
        cat /var/lib/redis/kept /data/warm-storage/kept
      `);
    const before = await identities();
    // The start-up's own end waits for mounts; logging in doesn't.
    const secondsToSsh = async () =>
      Number(await on("systemctl show --property=ActiveEnterTimestampMonotonic --value ssh.service")) / 1e6;
    await lab.reboot("storage-host", { hard: true });
    const usual = await secondsToSsh();
    await lab.stop("nas", { hard: true });
    await lab.rebootWithout(["nvme", "sata"]);
    const without = await secondsToSsh();
    console.log(`SSH was up ${usual} s after the kernel's start, and without disks and NAS ${without} s after`);
    expect(without).toBeLessThan(2 * usual + 10);
    expect(
      await on("findmnt --list --noheadings --types btrfs,nfs --output TARGET; grep --count x-jts-storage /etc/fstab"),
    ).toBe("5");
    const { stderr } = await lab.run("storage-host", "systemctl start tiered-storage.service", {
      mayFail: true,
      timeoutSeconds: 400,
    });
    expect(stderr).toMatch(/dependency/);
    expect(
      await on("journalctl --boot --output=cat --unit=tiered-storage.service --unit=data-warm\\\\x2dstorage.mount"),
    ).toMatch(/Dependency failed/);
    for (const point of ["/var/lib/redis", "/data/warm-storage", "/mnt/synology"]) {
      expect((await lab.run("storage-host", `touch ${point}/file`, { mayFail: true })).stderr).toContain(
        "Operation not permitted",
      );
    }
    // An `up` makes nothing in their place, and finds them again when they are back.
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(/ lab: .*\n *Next: /);
    expect(
      await on(`
        findmnt --list --noheadings --types ext4,btrfs,nfs --output TARGET
        lsblk --noheadings --output NAME | grep -c vg_jts || true
      `),
    ).toBe("/\n0");

    await lab.up();
    await lab.reboot("storage-host", { hard: true });
    await stack.up({ refresh: true });
    expect(await identities()).toBe(before);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.destroy();
  },
);

it(
  "a NAS that is up later than the host is mounted by the next health report; what somebody unmounted stays so",
  { tags: ["long"] },
  async () => {
    await lab.blank();
    const stack = await LabStack.select();
    await stack.configure((host) => {
      only("warm", "cold", "automation")(host);
      unverified(host);
    });
    await stack.up();
    const shown = () => on("findmnt --noheadings --output SOURCE --mountpoint /mnt/synology || true");
    // It reports by its status too whether all is well.
    const health = () => lab.run("storage-host", "systemctl start storage-health.service", { mayFail: true });
    await lab.stop("nas", { hard: true });
    await lab.reboot("storage-host", { hard: true });
    await vi.waitFor(async () => expect(await on("systemctl is-failed mnt-synology.mount || true")).toBe("failed"), {
      timeout: 300_000,
      interval: 5000,
    });
    await health();
    expect(await shown()).toBe("");
    await lab.up();
    await vi.waitFor(
      async () => {
        await health();
        expect(await shown()).toBe("192.168.1.101:/volume1/cocodev");
      },
      { timeout: 300_000, interval: 5000 },
    );
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await on("umount /mnt/synology");
    await health();
    expect(await shown()).toBe("");
    await stack.up({ refresh: true });
    await stack.destroy();
  },
);
