/** Volume groups and volumes that come, grow, move and go, with what is on them kept. As a user with sudo. */
import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { all, hotWith, LabStack, only, type HostSection } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const retained = (host: HostSection) => void (host.onDelete = "retain");
const SPARE = { additionalDevices: [{ path: lab.SPARE_PATH, size: lab.SPARE_BYTES, serial: lab.SPARE_SERIAL }] };
const redis = { redis: { size: "1GiB", filesystem: "xfs" } };
const both = { ...redis, mongodb: { size: "1GiB" } };
const SENTINELS = "/var/lib/redis/data/sentinel /var/lib/mongodb/data/sentinel";
const kept = () =>
  on(`
    sha256sum ${SENTINELS}
    lvs --noheadings --options lv_name,lv_uuid vg_jts
    blkid --output value --match-tag UUID /dev/vg_jts/*
  `);

let stack: LabStack;

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
});

describe("a hot tier that other tools made", () => {
  it("that differs is refused with every difference, and stays as it is", async () => {
    await on(`
      vgcreate --quiet --dataalignment 4m --physicalextentsize 8m vg_jts ${lab.NVME_PATH} &&
      lvcreate --quiet --yes --size 2g --name lv_redis vg_jts &&
      mkfs.ext4 -q /dev/vg_jts/lv_redis
    `);
    await stack.configure(hotWith(redis));
    expect(await stack.refusal(() => stack.up())).toMatch(/vg_jts has extents of 8388608 bytes instead of 4194304/);
    await stack.configure(hotWith(redis, { volumeGroup: { name: "vg_jts", extentSize: "8MiB" } }));
    const said = await stack.refusal(() => stack.up());
    expect(said).toMatch(/lv_redis has 2 GiB, more than the declared 1 GiB/);
    await stack.configure(
      hotWith({ redis: { ...redis.redis, size: "2GiB" } }, { volumeGroup: { name: "vg_jts", extentSize: "8MiB" } }),
    );
    expect(await stack.refusal(() => stack.up())).toMatch(/\/dev\/vg_jts\/lv_redis is not blank: a signature of ext4/);
    expect(
      await on("blkid --output value --match-tag TYPE /dev/vg_jts/lv_redis; grep -c vg_jts /etc/fstab || true"),
    ).toBe("ext4\n0");
    await on(`vgremove --yes --quiet vg_jts && pvremove --quiet ${lab.NVME_PATH}`);
    await stack.destroy();
  });

  it("comes under the stack with no change to data and no second line, whatever its line called it", async () => {
    await on(`
      pvcreate --quiet --dataalignment 4m ${lab.NVME_PATH} &&
      vgcreate --quiet vg_jts ${lab.NVME_PATH} &&
      lvcreate --quiet --yes --size 1g --name lv_redis vg_jts &&
      lvcreate --quiet --yes --size 1g --name lv_mongodb vg_jts &&
      mkfs.xfs -q -L cache /dev/vg_jts/lv_redis &&
      mkfs.ext4 -q /dev/vg_jts/lv_mongodb
    `);
    await on(`
      mkdir --parents /var/lib/redis /var/lib/mongodb &&
      printf '%s\\n' 'LABEL=cache\t/var/lib/redis xfs noatime,nofail 0 0' \\
        '/dev/mapper/vg_jts-lv_mongodb /var/lib/mongodb ext4 noatime,nofail 0 2' >>/etc/fstab &&
      systemctl daemon-reload &&
      mount /var/lib/redis &&
      mount /var/lib/mongodb &&
      mkdir /var/lib/redis/data /var/lib/mongodb/data &&
      for file in ${SENTINELS}; do head --bytes=1M /dev/urandom >$file; done
      sync
    `);
    const before = await kept();
    await stack.configure(hotWith(both));
    const { said } = await stack.up();
    expect(said).toMatch(/VolumeGroup lab:vg_jts was there already, just as declared/);
    expect(said).toMatch(/LogicalVolume lab:vg_jts\/lv_mongodb was there already/);
    expect(await kept()).toBe(before);
    // Each with the line of its bind mount in the tree.
    expect(
      await on(`
        grep -c redis /etc/fstab
        grep -c mongodb /etc/fstab
        findmnt --list --noheadings --output TARGET | grep -c -e redis -e mongodb
      `),
    ).toBe("2\n2\n4");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });
});

describe("volumes", () => {
  it("one that leaves the program is unmounted and kept, by the rule that the state has, and adopted when it comes back", async () => {
    const before = await kept();
    await stack.configure(all(hotWith(both), retained));
    await stack.up();
    // To wipe is what the configuration says now, and what the state doesn't.
    await stack.configure(hotWith(redis));
    await stack.up();
    expect(
      await on(`
        grep -c mongodb /etc/fstab || true
        findmnt /var/lib/mongodb || true
        lvs --noheadings --options lv_name vg_jts | wc -l
      `),
    ).toBe("0\n2");
    await stack.configure(all(hotWith(both), retained));
    await stack.up();
    expect(await kept()).toBe(before);
  });

  it("one that leaves the program by the rule to wipe is gone, the others untouched", async () => {
    const sentinel = () =>
      on("sha256sum /var/lib/redis/data/sentinel; lvs --noheadings --options lv_uuid vg_jts/lv_redis");
    const before = await sentinel();
    await stack.configure(hotWith(both));
    await stack.up();
    await stack.configure(hotWith(redis));
    await stack.up();
    expect(await on("lvs --noheadings --options lv_name vg_jts")).toMatch(/^\s*lv_redis$/);
    expect(await sentinel()).toBe(before);
  });

  it("one that somebody replaced under the same name is not wiped", async () => {
    const ours = (name: string) =>
      on(
        `lvs --noheadings --options lv_uuid vg_jts/${name}; blkid --output value --match-tag UUID /dev/vg_jts/${name}`,
      );
    const before = await ours("lv_redis");
    await on(`
      umount /data/jts/hot/redis /var/lib/redis &&
      lvrename --quiet vg_jts lv_redis ours &&
      lvcreate --quiet --yes --size 1g --name lv_redis vg_jts &&
      mkfs.xfs -q /dev/vg_jts/lv_redis
    `);
    const theirs = await ours("lv_redis");
    expect(await stack.refusal(() => stack.destroy())).toMatch(/instead of ours/);
    expect([await ours("ours"), await ours("lv_redis")]).toEqual([before, theirs]);
    await on("lvremove --quiet --yes vg_jts/lv_redis && lvrename --quiet vg_jts ours lv_redis");
    await stack.up({ refresh: true });
    expect(await ours("lv_redis")).toBe(before);
    expect(await on("wc --bytes </var/lib/redis/data/sentinel")).toBe("1048576");
  });

  it("a physical volume that is smaller than its disk grows to it", async () => {
    await on(`pvresize --quiet --yes --setphysicalvolumesize 3000g ${lab.NVME_PATH}`);
    expect((await stack.up({ refresh: true })).changes).toEqual({ update: 1 });
    expect(
      Number(await on(`pvs --noheadings --nosuffix --units g --options pv_size ${lab.NVME_PATH}`)),
    ).toBeGreaterThan(3700);
  });

  it("protected ones are neither destroyed nor taken out of the program", async () => {
    const isProtected = (host: HostSection) => void (host.onDelete = "protect");
    await stack.configure(all(hotWith(redis), isProtected));
    await stack.up();
    const data = () =>
      on(`
        lvs --noheadings --options lv_uuid vg_jts/lv_redis
        blkid --output value --match-tag UUID /dev/vg_jts/lv_redis
      `);
    const before = await data();
    // Without a preview, as here, what isn't protected may go before Pulumi comes to what is.
    await stack.configure(all(only(), isProtected));
    expect(await stack.refusal(() => stack.up())).toMatch(/protect/);
    expect(await data()).toBe(before);
    expect(await stack.refusal(() => stack.destroy())).toMatch(/protect/);
    expect(await data()).toBe(before);
    await stack.configure(hotWith(redis));
    await stack.up();
  });
});

describe("a second device of the volume group", () => {
  const THEIRS = "/dev/vg_jts/theirs";

  it("joins it, and what others make on it isn't touched", async () => {
    await stack.configure(hotWith(redis, SPARE));
    await stack.up();
    expect(await on("pvs --noheadings --options pv_name,pv_tags --select vg_name=vg_jts | wc -l")).toBe("2");
    await on(`
      lvcreate --quiet --yes --size 100m --name theirs vg_jts ${lab.SPARE_PATH} &&
      head --bytes=100M /dev/urandom >${THEIRS}
      echo kept >/var/lib/redis/data/sentinel
      sync
    `);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("can't leave it while the others have no room for what is on it", async () => {
    await on(`
      lvcreate --quiet --yes --extents 100%PVS --name filler vg_jts /dev/nvme0n1 ||
        lvcreate --quiet --yes --extents 100%FREE --name filler vg_jts /dev/nvme0n1
    `);
    await stack.configure(hotWith(redis));
    expect(await stack.refusal(() => stack.up())).toMatch(
      /can't leave vg_jts: volumes have 100 MiB there, and 0 .* is free elsewhere/,
    );
    await on("lvremove --quiet --yes vg_jts/filler");
  });

  it("leaves it with all that is on it moved, in use, to the others", async () => {
    const before = await on(`sha256sum ${THEIRS} /var/lib/redis/data/sentinel`);
    await on(`
      systemd-run --quiet --unit=writer bash -c 'while :; do date +%N >>/var/lib/redis/data/written; sleep 0.05; done'
    `);
    await stack.up();
    expect(
      await on(`
        pvs --noheadings --options pv_name --select vg_name=vg_jts | wc -l
        systemctl is-active writer.service
        systemctl stop writer.service
      `),
    ).toBe("1\nactive");
    expect(await on(`sha256sum ${THEIRS} /var/lib/redis/data/sentinel`)).toBe(before);
    // The state said wipe, so the disk is blank again.
    expect(await on(`wipefs --no-act ${lab.SPARE_PATH}`)).toBe("");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("that somebody else added is refused, not taken out", async () => {
    await on(`vgextend --quiet vg_jts ${lab.SPARE_PATH}`);
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(/also has the physical volume/);
    await on(`vgreduce --quiet vg_jts ${lab.SPARE_PATH} && pvremove --quiet ${lab.SPARE_PATH}`);
    await on(`lvremove --quiet --yes vg_jts/theirs`);
    await stack.destroy();
    expect(await on(`wipefs --no-act ${lab.NVME_PATH} ${lab.SPARE_PATH}`)).toBe("");
    // What a test made, and the program keeps as others'.
    await on("find /var/lib/redis /var/lib/mongodb -depth -type d -empty -delete || true");
  });
});
