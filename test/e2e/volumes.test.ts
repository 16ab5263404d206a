/**
 * Volume groups and volumes that come, grow, move and go, with what is on them kept. As a user with sudo, on a host
 * whose lvm.conf(5) sets all that changes how LVM's reports look.
 */
import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { all, hotWith, LabStack, only, type HostSection } from "../support/labStack.ts";

/** The tests themselves read LVM's reports as they look by default. */
const on = async (command: string) =>
  (await lab.run("storage-host", `export LVM_SYSTEM_DIR=/run/lvm-defaults\n${command}`)).stdout;
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
  await on(`
    mkdir /run/lvm-defaults
    cat >/etc/lvm/lvmlocal.conf <<'END'
report {
  output_format="json"
  binary_values_as_numeric=1
  columns_as_rows=1
  compact_output=1
  headings=2
  list_item_separator=";"
  mark_hidden_devices=0
  prefixes=1
  separator="|"
  two_word_unknown_device=1
  vgs_cols_full="vg_name"
  pvs_cols_full="pv_name"
  lvs_cols_full="lv_name"
}
global { units="s" suffix=1 }
log { report_command_log=1 verbose=1 prefix="lvm: " command_names=1 }
END
  `);
  stack = await LabStack.select();
});

describe("a hot tier that other tools made", () => {
  it("whose name a second group has is an error that names both", async () => {
    // LVM makes a second one only where it doesn't see the first.
    const alone = (command: string, path: string) => `${command} --quiet --devices "$(realpath ${path})"`;
    const disks = [lab.NVME_PATH, lab.SPARE_PATH];
    await on(disks.map((path) => `${alone("vgcreate", path)} vg_jts ${path}`).join(" && "));
    await stack.configure(hotWith(redis));
    expect(await stack.refusal(() => stack.up())).toMatch(
      /2 volume groups are called vg_jts: (\S+ on \/dev\/\S+(; )?){2}\n *Next: .* vgrename UUID NEWNAME/,
    );
    await on(
      disks.map((path) => `${alone("vgremove", path)} vg_jts && ${alone("pvremove", path)} ${path}`).join(" && "),
    );
    await stack.destroy();
  });

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

  it("whose key was changed is refused, and the old one stays mounted", async () => {
    const source = () => on("findmnt --noheadings --output SOURCE /var/lib/mongodb");
    const before = [await kept(), await source()];
    const docs = { size: "1GiB", mountPoint: "/var/lib/mongodb", owner: "mongodb", group: "mongodb" };
    await stack.configure(all(hotWith({ ...redis, docs }), retained));
    expect(await stack.refusal(() => stack.up())).toMatch(
      /\/var\/lib\/mongodb is already the mount point of another resource.*Next: if a volume's key was changed/s,
    );
    expect(await source()).toBe(before[1]);
    await stack.configure(all(hotWith(both), retained));
    await stack.up();
    // The new key's volume is empty, and stays by the rule to retain.
    await on("lvremove --quiet --yes vg_jts/lv_docs");
    expect([await kept(), await source()]).toEqual(before);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
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
      lvcreate --quiet --yes --extents 100%PVS --name filler vg_jts ${lab.NVME_PATH} ||
        lvcreate --quiet --yes --extents 100%FREE --name filler vg_jts ${lab.NVME_PATH}
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

describe("volumes of hosts unlike the lab", { tags: ["long"] }, () => {
  const inTwo = (size: string) => ({ redis: { size, filesystem: "xfs" }, mongodb: { size } });
  const LARGE = { ...SPARE, volumeGroup: { name: "vg_jts", extentSize: "32MiB" } };
  const layouts = () => on("lvs --noheadings --options lv_name,lv_layout,lv_active --sort lv_name vg_jts");
  const unmount = (service: string) => `umount /data/jts/hot/${service} /var/lib/${service}`;
  const gone = () => on(`wipefs --no-act ${lab.NVME_PATH} ${lab.SPARE_PATH}`);
  const cleared = async () => {
    await stack.destroy();
    await on("find /var/lib/redis /var/lib/mongodb -depth -type d -empty -delete || true");
  };

  it("an ordinary group is adopted: data from 1 MiB on, large extents, two disks, a striped volume and a cached one", async () => {
    await on(`
      vgcreate --quiet --physicalextentsize 32m vg_jts ${lab.NVME_PATH} ${lab.SPARE_PATH} &&
      lvcreate --quiet --yes --size 1g --stripes 2 --name lv_redis vg_jts &&
      lvcreate --quiet --yes --size 1g --name lv_mongodb vg_jts ${lab.NVME_PATH} &&
      lvcreate --quiet --yes --size 256m --name fast vg_jts ${lab.SPARE_PATH} &&
      lvconvert --quiet --yes --type cache --cachevol fast vg_jts/lv_mongodb &&
      mkfs.xfs -q /dev/vg_jts/lv_redis &&
      mkfs.ext4 -q /dev/vg_jts/lv_mongodb
    `);
    expect(await on(`pvs --noheadings --nosuffix --units b --options pe_start ${lab.NVME_PATH}`)).toMatch(
      /^ *1048576$/,
    );
    const identity = () => on("lvs --noheadings --options lv_uuid vg_jts; blkid --match-tag UUID /dev/vg_jts/*");
    const before = await identity();
    await stack.configure(hotWith(inTwo("1GiB"), LARGE));
    await stack.up();
    expect(await identity()).toBe(before);
    expect(await layouts()).toMatch(/lv_mongodb +cache +active\n *lv_redis +striped +active/);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("both grow, the striped one by whole stripes", async () => {
    await stack.configure(hotWith(inTwo("1056MiB"), LARGE));
    await stack.up();
    const sizes = "lvs --noheadings --nosuffix --units m --options lv_name,lv_size --sort lv_name vg_jts";
    expect(await on(sizes)).toMatch(/lv_mongodb +1056\.00\n *lv_redis +1088\.00/);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("those that are not active are drift, and the next `up` activates them, also those that are skipped", async () => {
    await on(`
      ${unmount("redis")} && ${unmount("mongodb")} &&
      lvchange --quiet --setactivationskip y vg_jts/lv_mongodb &&
      lvchange --quiet --activate n vg_jts/lv_redis vg_jts/lv_mongodb
    `);
    expect((await stack.refresh()).said).toMatch(/drift/);
    await stack.up({ refresh: true });
    expect(await layouts()).toMatch(/lv_mongodb +cache +active\n *lv_redis +striped +active/);
    expect(await on("findmnt --list --noheadings --output TARGET | grep -c '^/var/lib/'")).toBe("2");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("one with a snapshot is not grown, as LVM itself would refuse, and grows once the snapshot is gone", async () => {
    await on("lvcreate --quiet --yes --snapshot --size 64m --name kept vg_jts/lv_redis");
    await stack.configure(hotWith(inTwo("2GiB"), LARGE));
    expect(await on("lvextend --size 2g vg_jts/lv_redis 2>&1 || true")).toMatch(/only while inactive/);
    expect(await stack.refusal(() => stack.up())).toMatch(
      /vg_jts\/lv_redis can't grow while it has snapshots: vg_jts\/kept.*\n *Next: .*lvremove vg_jts\/kept/,
    );
    await on("lvremove --quiet --yes vg_jts/kept");
    await stack.up();
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await cleared();
    expect(await gone()).toBe("");
  });

  it("a thin volume is adopted and grows, and its pool is called one", async () => {
    await on(`
      vgcreate --quiet --dataalignment 4m vg_jts ${lab.NVME_PATH} &&
      lvcreate --quiet --yes --type thin-pool --size 4g --name lv_mongodb vg_jts &&
      lvcreate --quiet --yes --virtualsize 1g --thinpool lv_mongodb --name lv_redis vg_jts &&
      mkfs.xfs -q /dev/vg_jts/lv_redis
    `);
    await stack.configure(hotWith(redis));
    await stack.up();
    await stack.configure(hotWith({ redis: { ...redis.redis, size: "2GiB" } }));
    await stack.up();
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await stack.configure(hotWith({ redis: { ...redis.redis, size: "2GiB" }, mongodb: { size: "4GiB" } }));
    expect(await stack.refusal(() => stack.up())).toMatch(/vg_jts\/lv_mongodb is a thin pool/);
    await stack.configure(hotWith({ redis: { ...redis.redis, size: "2GiB" } }));
    await on(`${unmount("redis")} && lvremove --quiet --yes vg_jts/lv_redis vg_jts/lv_mongodb`);
    await cleared();
    expect(await gone()).toBe("");
  });

  /** The spare disk is refused with words; what is on top of it is a hot tier, known again, and left blank. */
  const isHotOnlyAs = async (device: string, refusal: RegExp) => {
    await stack.configure(hotWith(redis, { device: { path: lab.SPARE_PATH } }));
    expect(await stack.refusal(() => stack.up())).toMatch(refusal);
    await stack.configure(hotWith(redis, { device: { path: device } }));
    await stack.up();
    expect(await on("pvs --noheadings --options pv_name,vg_name")).toMatch(new RegExp(`${device} +vg_jts`));
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await cleared();
    expect(await on(`wipefs --no-act ${device}`)).toBe("");
  };

  it("an encrypted disk is made a hot tier once, which every later `up` knows again, and is wiped", async () => {
    const KEY = "/run/jts-test.key";
    const OPENED = "/dev/mapper/crypt_spare";
    await on(`
      head --bytes=32 /dev/urandom >${KEY} &&
      cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file ${KEY} ${lab.SPARE_PATH} &&
      cryptsetup open --key-file ${KEY} ${lab.SPARE_PATH} crypt_spare &&
      udevadm settle
    `);
    try {
      await isHotOnlyAs(OPENED, /crypt \S+ on it.*\n *Next: declare \/dev\/mapper\/crypt_spare/s);
    } finally {
      await on(`cryptsetup close crypt_spare; wipefs --all --quiet ${lab.SPARE_PATH}; rm ${KEY}; udevadm settle`);
    }
  });

  it("a multipath device is a hot tier, which every later `up` knows again, and its paths are refused", async () => {
    const OPENED = "/dev/mapper/mpath_spare";
    await on(`
      modprobe --all dm-multipath dm-round-robin &&
      disk=$(readlink --canonicalize ${lab.SPARE_PATH}) &&
      echo "0 $(blockdev --getsz $disk) multipath 0 0 1 1 round-robin 0 1 1 $disk 1" |
        dmsetup create mpath_spare --uuid mpath-spare &&
      udevadm settle
    `);
    try {
      await isHotOnlyAs(
        OPENED,
        /one path of the multipath device \/dev\/mapper\/mpath_spare.*\n *Next: declare \/dev\/mapper\/mpath_spare:/s,
      );
    } finally {
      await on(`dmsetup remove mpath_spare; wipefs --all --quiet ${lab.SPARE_PATH}; udevadm settle`);
    }
  });

  it("a disk with larger logical blocks is refused before anything is written to it", async () => {
    const disk = await on(`
      truncate --size=2G /root/blocks.img &&
      losetup --find --show --sector-size 4096 /root/blocks.img
    `);
    try {
      await stack.configure(hotWith(redis));
      await stack.up();
      await stack.configure(hotWith(redis, { additionalDevices: [{ path: disk, size: 2 ** 31 }] }));
      expect(await stack.refusal(() => stack.up())).toMatch(
        /has logical blocks of 4096 bytes, and the devices of vg_jts of 512/,
      );
      expect(await on(`wipefs --no-act ${disk}`)).toBe("");
    } finally {
      await on(`losetup --detach ${disk}; rm /root/blocks.img`);
    }
  });

  it("a further disk that is gone is taken out where nothing was on it, and refused with the way out where there was", async () => {
    await stack.configure(hotWith(redis, SPARE));
    await stack.up();
    const pull = `
      pci=$(readlink --canonicalize /sys/class/block/$(basename $(readlink --canonicalize ${lab.SPARE_PATH}))/device/device) &&
      echo 1 >$pci/remove &&
      udevadm settle
    `;
    const plugIn = `echo 1 >/sys/bus/pci/rescan && udevadm wait --timeout=120 ${lab.SPARE_PATH}`;
    await on(`lvcreate --quiet --yes --size 100m --name theirs vg_jts ${lab.SPARE_PATH}`);
    await on(`lvchange --activate n vg_jts/theirs && ${pull}`);
    await stack.configure(hotWith(redis));
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(
      /vg_jts lacks the physical volume \S+, which has 100 MiB of volumes.*\n *Next: connect its disk again/,
    );
    await on(plugIn);
    await on("lvremove --quiet --yes vg_jts/theirs");
    await on(pull);
    await stack.up({ refresh: true });
    expect(await on("vgs --noheadings --options pv_count,vg_missing_pv_count vg_jts")).toMatch(/^ *1 +0$/);
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await on(`${plugIn} && wipefs --all --quiet ${lab.SPARE_PATH}`);
    await cleared();
    expect(await gone()).toBe("");
  });
});

describe("a volume whose mount point is inside another one", () => {
  const nested = {
    // The inner one is smaller, is made first, and comes first.
    log: { size: "512MiB", mountPoint: "/var/lib/redis/data/log", owner: "redis", group: "redis" },
    redis: { size: "1GiB", folders: ["data", "logs"] },
  };
  const mounted = () => on("findmnt --list --noheadings --output TARGET | grep /var/lib/redis || true");

  it("is mounted in the other one, whose folders it keeps, and is unmounted before it", async () => {
    await stack.configure(hotWith(nested));
    await stack.up();
    expect(await mounted()).toBe("/var/lib/redis\n/var/lib/redis/data/log");
    await on("echo kept >/var/lib/redis/data/log/file");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    await on("umount --recursive /var/lib/redis");
    expect((await stack.up({ refresh: true })).changes).toHaveProperty("update");
    expect(await on("cat /var/lib/redis/data/log/file")).toBe("kept");
    await stack.destroy();
    expect(await mounted()).toBe("");
    expect(await on("ls --directory /var/lib/redis 2>/dev/null || true")).toBe("");
  });
});

describe("a host that is unlike the lab's", { tags: ["long"] }, () => {
  const KERNEL = "cat /sys/class/block/sda/queue/scheduler; sysctl --values vm.dirty_ratio vm.dirty_bytes";

  it("has the scheduler of the disk set that its partition is on, and a pair of kernel values, and gets both back", async () => {
    await stack.destroy();
    await lab.blank();
    await on(`
      echo mq-deadline >/sys/class/block/sda/queue/scheduler
      sysctl --quiet vm.dirty_ratio=25
    `);
    const before = await on(KERNEL);
    await stack.configure(
      all(only("hot", "tuning"), (host) => {
        host.hot = {
          device: { path: lab.SATA_PARTITION_PATH },
          volumes: { redis: { size: "1GiB" }, kafka: { size: "1GiB" } },
        };
        host.tuning = { sysctl: { "vm.dirty_bytes": 268435456 } };
        host.onDelete = "wipe";
      }),
    );
    await stack.up();
    expect(await on(KERNEL)).toMatch(/\[none\].*\n0\n268435456$/);
    expect(await stack.refresh()).toMatchObject({ changes: {} });
    // The rule of udev, not only what we wrote.
    await on(`
      echo mq-deadline >/sys/class/block/sda/queue/scheduler
      udevadm trigger --action=change --settle /dev/sda
    `);
    expect(await on(KERNEL)).toMatch(/\[none\]/);
    await on("echo mq-deadline >/sys/class/block/sda/queue/scheduler");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: { update: 1 } });
    await stack.destroy();
    expect(await on(KERNEL)).toBe(before);
    await on("sysctl --quiet vm.dirty_ratio=20");
  });
});
