/**
 * What must never happen to data, with the faults themselves. As a user with sudo, who must be able to do all that root
 * can.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { all, hotWith, LabStack, seenByUdev, warmOnly, type HostSection } from "../support/labStack.ts";

const DISK = lab.SATA_PARTITION_PATH;
const on = async (command: string) => (await lab.run("storage-host", command)).stdout;

const retained = (host: HostSection) => void (host.onDelete = "retain");

let stack: LabStack;

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
});

afterAll(async () => {
  await stack.configure();
  // What a test made, and the program keeps as others'.
  await on("find /data -depth -type d -empty -delete || true");
});

describe("a device that isn't blank is refused, with what was found, and nothing is written", () => {
  beforeAll(() => stack.configure(warmOnly()));
  afterEach(() =>
    on(`
      umount /mnt 2>/dev/null
      swapoff ${DISK} 2>/dev/null
      dmsetup remove held 2>/dev/null
      udevadm settle
      mdadm --stop --scan 2>/dev/null
      vgremove --yes --quiet foreign 2>/dev/null
      wipefs --all --quiet ${DISK}
      dd if=/dev/zero of=${DISK} bs=1M count=8 conv=fsync status=none
      dd if=/dev/zero of=${DISK} bs=1M seek=$(($(blockdev --getsize64 ${DISK}) / 1048576 - 8)) conv=fsync status=none \\
        2>/dev/null
      udevadm settle
    `),
  );

  const refuses = async (_what: string, make: string, found: RegExp) => {
    await on(make);
    // Some signatures lie at the end.
    const content = () =>
      on(`
        {
          head --bytes=8M ${DISK}
          dd if=${DISK} bs=1M skip=$(($(blockdev --getsize64 ${DISK}) / 1048576 - 8)) status=none
        } | sha256sum
      `);
    const before = await content();
    const said = await stack.refusal(() => stack.up());
    expect(said).toMatch(found);
    expect(said).toContain("Nothing was written");
    expect(said).toContain("docs/runbooks/clear-a-device.md");
    expect(await content()).toBe(before);
    expect(await on("findmnt --noheadings /data/warm-storage | wc -l")).toBe("0");
  };

  it.each<[string, string, RegExp]>([
    [
      "btrfs of another label, mounted elsewhere",
      `mkfs.btrfs -q -L theirs ${DISK} && mount --options ro ${DISK} /mnt`,
      /has the label theirs instead of jts-warm-storage/,
    ],
    [
      "ext4, mounted elsewhere",
      `mkfs.ext4 -q -F ${DISK} 1G && mount --options ro,noload ${DISK} /mnt`,
      /mounted at \/mnt/,
    ],
  ])("%s", refuses);

  // Those of which the test of many at once has one each.
  describe("one of a kind", { tags: ["long"] }, () => {
    it.each<[string, string, RegExp]>([
      ["ext4", `mkfs.ext4 -q -F ${DISK} 1G`, /signature of ext4/],
      ["swap in use", `mkswap ${DISK} && swapon ${DISK}`, /in use as swap/],
      [
        "a member of an md array",
        [
          `mdadm --create /dev/md9 --quiet --run --metadata=1.2 --level=1 --raid-devices=2 ${DISK} missing`,
          "udevadm settle",
          "mdadm --stop --quiet /dev/md9",
        ].join(" && "),
        /signature of linux_raid_member|raid1 .*on it/,
      ],
      [
        "a member of an md array that runs",
        `mdadm --create /dev/md9 --quiet --run --readonly --metadata=1.2 --level=1 --raid-devices=2 ${DISK} missing`,
        /raid1 .*on it/,
      ],
      ["an MBR", `echo label:dos | sfdisk --quiet ${DISK}`, /signature of dos/],
      ["a holder", `echo "0 2048 linear ${DISK} 2048" | dmsetup create held`, /dm .*on it/],
      ["XFS", `mkfs.xfs -q -f -d size=1g ${DISK}`, /signature of xfs/],
      ["swap", `mkswap ${DISK}`, /signature of swap/],
      [
        "LUKS",
        `echo -n secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 ${DISK} -`,
        /signature of crypto_LUKS/,
      ],
      ["a PV of another volume group", `vgcreate --quiet foreign ${DISK}`, /signature of LVM2_member/],
      ["a partition table without filesystems", `echo label:gpt | sfdisk --quiet ${DISK}`, /signature of gpt/],
    ])("%s", refuses);
  });

  it("a device of the hot tier that another volume group has, which isn't even grown to its disk", async () => {
    await on(`
      pvcreate --quiet --dataalignment 4m ${lab.NVME_PATH} &&
      pvresize --quiet --yes --setphysicalvolumesize 100g ${lab.NVME_PATH} &&
      vgcreate --quiet foreign ${lab.NVME_PATH} &&
      lvcreate --quiet --yes --size 100m --name theirs foreign &&
      head --bytes=100M /dev/urandom >/dev/foreign/theirs
      sync
    `);
    try {
      const theirs = () =>
        on("sha256sum /dev/foreign/theirs; pvs --noheadings --options pv_uuid,pv_size,vg_name,vg_uuid");
      const before = await theirs();
      await stack.configure(hotWith({ redis: { size: "1GiB" } }));
      expect(await stack.refusal(() => stack.up())).toMatch(
        /is a physical volume of the volume group foreign, not of vg_jts/,
      );
      expect(await theirs()).toBe(before);
    } finally {
      await on(`vgremove --yes --quiet foreign && pvremove --quiet ${lab.NVME_PATH}`);
      await stack.destroy();
      await stack.configure(warmOnly());
    }
  });

  it("devices of the hot tier, all of them named at once", async () => {
    const SPARE = lab.SPARE_PATH;
    // What makes it, with DEVICE for the device, and what the error says of it.
    const found: readonly (readonly [make: string, said: string])[] = [
      ["mkfs.ext4 -q DEVICE", "ext4"],
      ["mkfs.xfs -q DEVICE", "xfs"],
      ["mkswap DEVICE", "swap"],
      [
        [
          "echo -n secret",
          "cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file - DEVICE",
        ].join(" | "),
        "crypto_LUKS",
      ],
      ["echo label:gpt | sfdisk --quiet DEVICE", "gpt"],
      ["vgcreate --quiet foreign DEVICE", "volume group foreign"],
      ["mkswap DEVICE && swapon DEVICE", "in use as swap"],
      ["mkfs.ext4 -q DEVICE && mount --options ro,noload DEVICE /mnt", "mounted at /mnt"],
      [
        [
          "mdadm --create /dev/md8 --quiet --run --metadata=1.2 --level=1 --raid-devices=2 DEVICE missing",
          "udevadm settle",
          "mdadm --stop --quiet /dev/md8",
        ].join(" && "),
        "(signature of linux_raid_member|raid1 .*on it)",
      ],
      [
        "mdadm --create /dev/md9 --quiet --run --readonly --metadata=1.2 --level=1 --raid-devices=2 DEVICE missing",
        "raid1 .*on it",
      ],
      ["echo label:dos | sfdisk --quiet DEVICE", "signature of dos"],
      ["echo '0 2048 linear 'DEVICE' 2048' | dmsetup create held", "dm .*on it"],
    ];
    const part = (index: number) => `${SPARE}-part${index + 1}`;
    await on(`
      printf 'label: gpt\n${"size=1GiB\n".repeat(found.length)}' | sfdisk --quiet ${SPARE} &&
      udevadm settle &&
      ${found.map(([make], index) => make.replaceAll("DEVICE", part(index))).join(" && ")} &&
      udevadm settle
    `);
    try {
      const content = () =>
        on(`
          for part in ${found.map((_, index) => part(index)).join(" ")}; do
            head --bytes=8M $part
            tail --bytes=8M $part
          done | sha256sum
        `);
      const before = await content();
      await stack.configure(
        hotWith(
          { redis: { size: "1GiB" } },
          { additionalDevices: found.map((_, index) => ({ path: part(index), size: 2 ** 30 })) },
        ),
      );
      const said = await stack.refusal(() => stack.up());
      for (const [index, [, what]] of found.entries()) expect(said).toMatch(new RegExp(`${part(index)}\\b.*${what}`));
      expect(await content()).toBe(before);
    } finally {
      await on(`
        umount /mnt
        swapoff ${part(6)}
        dmsetup remove held
        mdadm --stop --scan
        vgremove --yes --quiet foreign
        wipefs --all --quiet ${found.map((_, index) => part(index)).join(" ")}
        sfdisk --quiet --delete ${SPARE}
        wipefs --all --quiet ${SPARE}
        udevadm settle
      `);
      await stack.destroy();
      await stack.configure(warmOnly());
    }
  });

  it("a device that can't be read is not taken for blank", async () => {
    await on(`echo "0 $(blockdev --getsz ${DISK}) error" | dmsetup create unreadable`);
    try {
      await stack.configure(warmOnly({ device: { path: "/dev/mapper/unreadable" } }));
      expect(await stack.refusal(() => stack.up())).toMatch(/could not read|Input\/output error/);
    } finally {
      await on("dmsetup remove unreadable");
      await stack.configure(warmOnly());
    }
  });

  it("a signature that appears between the look and the step", async () => {
    // The guard's wipefs, in the same call as mkfs, doesn't ask for JSON. A swap signature appears just before it.
    await on(`install --mode=755 /dev/stdin /usr/local/sbin/wipefs <<'END'
#!/bin/bash
[[ "$*" == *--json* || -e /run/wipefs-called ]] || { touch /run/wipefs-called; mkswap ${DISK} >/dev/null; }
exec /usr/sbin/wipefs "$@"
END`);
    try {
      const said = await stack.refusal(() => stack.up());
      expect(said).toMatch(/refused to format .* as btrfs: a signature of swap/);
      expect(await on(`blkid --probe --match-tag TYPE --output value ${DISK}`)).toBe("swap");
    } finally {
      await on("rm --force /usr/local/sbin/wipefs /run/wipefs-called");
    }
  });

  it("a filesystem whose making was cut short is made again, unless there is a file in it", async () => {
    await on(`mkfs.xfs -q -L jts-making ${DISK} && mount ${DISK} /mnt && touch /mnt/file && umount /mnt`);
    expect(await stack.refusal(() => stack.up())).toMatch(/signature of xfs, label jts-making/);
    // As a loss of power leaves it: the superblock is there, and not all that it leads to.
    await on(`
      dd if=/dev/zero of=${DISK} bs=4096 seek=1 count=256 conv=fsync status=none
      blkid --probe --match-tag LABEL ${DISK} &&
      ! mount ${DISK} /mnt 2>/dev/null
    `);
    await stack.up();
    expect(await on("findmnt --noheadings --output FSTYPE /data/warm-storage")).toBe("btrfs");
    await stack.destroy();
  });

  it.each([
    ["another serial number", { serial: "SOMEBODY-ELSES" }, /serial number JTSSATA0001 instead of SOMEBODY-ELSES/],
    ["another size", { size: 999_999_488_000 }, /bytes instead of 999999488000/],
  ])("a device of %s", async (_what, device, found) => {
    await stack.configure(warmOnly({ device: { path: DISK, ...device } }));
    expect(await stack.refusal(() => stack.up())).toMatch(found);
    expect(await on(`wipefs --no-act ${DISK}`)).toBe("");
    await stack.configure(warmOnly());
  });

  it("a path that leads to another disk than it did", async () => {
    const link = "/dev/jts-warm";
    await on(`ln --symbolic ${DISK} ${link}`);
    await stack.configure(warmOnly({ device: { path: link, serial: lab.SATA_SERIAL } }));
    await stack.up();
    await on(`ln --symbolic --force --no-dereference ${lab.SPARE_PATH} ${link}`);
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(
      /serial number JTSNVME0002 instead of JTSSATA0001/,
    );
    expect(await on(`wipefs --no-act ${lab.SPARE_PATH}; blkid --match-tag LABEL --output value ${DISK}`)).toBe(
      "jts-warm-storage",
    );
    await on(`ln --symbolic --force --no-dereference ${DISK} ${link}`);
    await stack.up({ refresh: true });
    await stack.destroy();
    await on(`rm ${link}`);
    await stack.configure(warmOnly());
  });
});

describe("a warm tier that was there before", () => {
  const sentinel = "/data/warm-storage/logs/sentinel";
  const fstabLine = () => on("grep -c /data/warm-storage /etc/fstab");
  let before: string;

  it("comes under the stack with no change to data and no second line, whatever its line called it", async () => {
    await stack.configure(warmOnly());
    await on(`
      mkfs.btrfs -q -L jts-warm-storage ${DISK} &&
      ${seenByUdev(DISK)} &&
      mkdir --parents /data/warm-storage &&
      printf 'UUID=%s\\t/data/warm-storage  btrfs noatime,compress=zstd:3,autodefrag,nofail 0 0\\n' \\
        "$(blkid --match-tag UUID --output value ${DISK})" >>/etc/fstab &&
      systemctl daemon-reload &&
      mount /data/warm-storage &&
      mkdir /data/warm-storage/logs &&
      head --bytes=1M /dev/urandom >${sentinel}
      sync
    `);
    before = await on(`sha256sum ${sentinel}; blkid --output value --match-tag UUID ${DISK}`);
    const { said } = await stack.up();
    expect(said).toMatch(/Filesystem lab:.* was there already, just as declared/);
    expect(await on(`sha256sum ${sentinel}; blkid --output value --match-tag UUID ${DISK}`)).toBe(before);
    expect(await fstabLine()).toBe("2"); // itself, and the bind mount from it
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("stays when the stack that retains it is destroyed, and is adopted again", async () => {
    await stack.configure(all(warmOnly(), retained));
    await stack.up();
    // A configuration that says wipe, and was never brought up, is nothing that a destroy goes by.
    await stack.configure(warmOnly());
    await stack.destroy();
    expect(await on("findmnt --list --noheadings --types btrfs | wc -l; grep -c warm /etc/fstab || true")).toBe("0\n0");
    await stack.configure(all(warmOnly(), retained));
    await stack.up();
    expect(await on(`sha256sum ${sentinel}; blkid --output value --match-tag UUID ${DISK}`)).toBe(before);
  });

  it("a mount in use stays with its line, and the error names the process", async () => {
    await on(`systemd-run --quiet --unit=busy --property=WorkingDirectory=/data/warm-storage sleep 600`);
    try {
      expect(await stack.refusal(() => stack.destroy())).toMatch(/\/data\/warm-storage: .*busy.*\bsleep\b/s);
      expect(await fstabLine()).toBe("1");
    } finally {
      await on("systemctl stop busy.service");
    }
    await stack.destroy();
  });

  it("is wiped only once the state says so, and only while it is the one that was made", async () => {
    await on(`wipefs --all --quiet ${DISK}`);
    await stack.configure(warmOnly());
    await stack.up();
    await on(`
      umount /data/warm /data/warm-storage &&
      mkfs.btrfs -q -f -L jts-warm-storage ${DISK} &&
      ${seenByUdev(DISK)} &&
      mount /data/warm-storage &&
      mount /data/warm
    `);
    expect(await stack.refusal(() => stack.destroy())).toMatch(/instead of ours/);
    expect(await on(`blkid --match-tag TYPE --output value ${DISK}`)).toBe("btrfs");
    await stack.up({ refresh: true });
    await stack.destroy();
    expect(await on(`wipefs --no-act ${DISK}`)).toBe("");
  });

  const ofOurLabel = (...devices: readonly string[]) =>
    `mkfs.btrfs -q -f -L jts-warm-storage ${devices.join(" ")} && ${seenByUdev(...devices)}`;
  const blanked = (...devices: readonly string[]) =>
    on(`wipefs --all --quiet ${devices.join(" ")} && ${seenByUdev(...devices)}`);

  it("is not made beside a disk of another host with the same label, nor mounted once one has come", async () => {
    const spare = (await on(`realpath ${lab.SPARE_PATH}`)).trim();
    await on(ofOurLabel(spare));
    try {
      expect(await stack.refusal(() => stack.up())).toContain(
        `the filesystem on ${spare} has the label jts-warm-storage, too`,
      );
      expect(await on(`wipefs --no-act ${DISK}; grep -c warm /etc/fstab || true`)).toBe("0");
      await blanked(spare);
      await stack.up();
      await on(ofOurLabel(spare));
      expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(
        new RegExp(`LABEL=jts-warm-storage means 2 filesystems.*/data/warm-storage: .*${spare}`),
      );
    } finally {
      await blanked(spare);
    }
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.destroy();
  });

  it("on several devices is refused, and stays as it is", async () => {
    await on(ofOurLabel(DISK, lab.SPARE_PATH));
    try {
      const before = await on(`wipefs --no-act --noheadings ${DISK} ${lab.SPARE_PATH}`);
      expect(await stack.refusal(() => stack.up())).toMatch(/the btrfs on \S+ lies on 2 devices/);
      expect(await on(`wipefs --no-act --noheadings ${DISK} ${lab.SPARE_PATH}`)).toBe(before);
    } finally {
      await blanked(DISK, lab.SPARE_PATH);
    }
    await stack.destroy();
  });
});

describe("volumes", () => {
  const FILESYSTEMS = { clickhouse: "ext4", redis: "xfs", mongodb: "btrfs" };
  const SERVICES = Object.keys(FILESYSTEMS);
  const of = (size: string) =>
    hotWith(
      Object.fromEntries(Object.entries(FILESYSTEMS).map(([service, filesystem]) => [service, { size, filesystem }])),
    );
  const each = (command: (service: string) => string) => on(SERVICES.map(command).join("; "));
  const sizes = async () =>
    (await each((service) => `df --block-size=1M --output=size /var/lib/${service} | tail --lines=1`))
      .split("\n")
      .map(Number);

  it("of ext4, XFS and btrfs grow in place while they are written to, and a half-done grow is finished", async () => {
    await stack.configure(of("2GiB"));
    await stack.up();
    await each((service) => `head --bytes=1M /dev/urandom >/var/lib/${service}/sentinel`);
    const content = await each((service) => `sha256sum /var/lib/${service}/sentinel`);
    await each((service) => {
      const write = `while :; do date +%N >>/var/lib/${service}/written; sleep 0.05; done`;
      return `systemd-run --quiet --unit=writer-${service} bash -c '${write}'`;
    });
    try {
      const identities = () =>
        each((service) => {
          const device = `/dev/vg_jts/lv_${service}`;
          return `blkid --output value --match-tag UUID ${device}; lvs --noheadings --options lv_uuid ${device}`;
        });
      const identity = await identities();
      await stack.configure(of("3GiB"));
      expect((await stack.up()).changes).toEqual({ update: 2 * SERVICES.length });
      for (const size of await sizes()) expect(size).toBeGreaterThan(2500);
      // By hand: shown, and never shrunk back.
      await each((service) => `lvextend --quiet --size 4g /dev/vg_jts/lv_${service}`);
      const { said } = await stack.refresh();
      for (const service of SERVICES)
        expect(said).toMatch(new RegExp(`lab-hot-${service}-lv updated .*\\[diff: [^\\]]*\\bsizeBytes\\b`));
      // Without a preview the first one ends it.
      expect(await stack.refusal(() => stack.up())).toMatch(
        /lv_(clickhouse|redis|mongodb) can't shrink from 4 GiB to 3 GiB.*shrink-a-volume\.md/,
      );
      await stack.configure(of("4GiB"));
      await stack.up({ refresh: true });
      for (const size of await sizes()) expect(size).toBeGreaterThan(3400);
      expect(await each((service) => `sha256sum /var/lib/${service}/sentinel`)).toBe(content);
      expect(await identities()).toBe(identity);
      expect(await each((service) => `systemctl is-active writer-${service}.service`)).toBe("active\nactive\nactive");
    } finally {
      await each((service) => `systemctl stop writer-${service}.service`);
    }
    await stack.destroy();
  });
});
