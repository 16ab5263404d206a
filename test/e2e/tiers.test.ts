import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { LabStack } from "../support/labStack.ts";

/** A file in each tier, and what is expected to stay the same whatever is done to the machine. */
const SENTINELS = [
  "/var/lib/postgresql/data/sentinel",
  "/data/jts/hot/kafka/data/sentinel",
  "/data/warm-storage/logs/sentinel",
  "/mnt/synology/jts/models/models/sentinel",
];

const GIB = 2 ** 30;
const SIZES = {
  lv_clickhouse: 1500,
  lv_docker: 300,
  lv_kafka: 600,
  lv_local_backup: 150,
  lv_mongodb: 200,
  lv_postgres: 800,
  lv_redis: 50,
};

/** For each target, what must be among its live options. */
const LIVE_OPTIONS: Record<string, string[]> = {
  "/var/lib/postgresql": ["noatime", "data=writeback", "commit=30"],
  "/var/lib/clickhouse": ["noatime", "data=ordered"],
  "/var/lib/kafka": ["noatime", "logbufs=8", "logbsize=256k", "largeio", "swalloc"],
  "/var/lib/mongodb": ["noatime", "commit=10"],
  "/var/lib/redis": ["noatime", "data=writeback"],
  "/var/lib/docker-jts": ["noatime"],
  "/data/local-backup": ["noatime", "nodev", "nosuid"],
  "/data/warm-storage": ["noatime", "compress=zstd:3", "autodefrag"],
  "/data/warm": ["noatime", "compress=zstd:3"],
  "/mnt/synology": ["vers=3", "hard", "proto=tcp", "timeo=600", "retrans=2"],
  ...Object.fromEntries(
    ["postgresql", "clickhouse", "kafka", "mongodb", "redis", "docker", "backup"].map((folder) => [
      `/data/jts/hot/${folder}`,
      ["noatime"],
    ]),
  ),
};

const FOLDERS = `
/var/lib/postgresql postgres:postgres 750
/var/lib/postgresql/data postgres:postgres 750
/var/lib/postgresql/logs postgres:postgres 750
/var/lib/postgresql/config postgres:postgres 750
/var/lib/clickhouse clickhouse:clickhouse 750
/var/lib/clickhouse/tmp clickhouse:clickhouse 750
/var/lib/kafka kafka:kafka 750
/var/lib/kafka/logs kafka:kafka 750
/var/lib/mongodb mongodb:mongodb 750
/var/lib/redis redis:redis 750
/var/lib/docker-jts root:docker 750
/var/lib/docker-jts/containers root:docker 750
/data/local-backup root:backup 755
/data/local-backup/staging root:backup 755
/data/warm-storage root:root 755
/data/warm-storage/daily-backups root:root 755
/data/warm-storage/logs root:root 755
/data/warm-storage/temp-processing root:root 755
/mnt/synology/jts/archives/database root:root 755
/mnt/synology/jts/market-data/raw root:root 755
/mnt/synology/jts/backtesting/reports root:root 755
/mnt/synology/jts/models/validation root:root 755
/mnt/synology/jts/development/notebooks root:root 755`
  .trim()
  .split("\n");

/** Standard output of a command on the storage host. */
const on = async (command: string) => (await lab.run("storage-host", command)).stdout;

async function mountOptions(): Promise<Record<string, string[]>> {
  const { filesystems } = JSON.parse(await on("findmnt --kernel --json --list --output TARGET,OPTIONS")) as {
    filesystems: { target: string; options: string }[];
  };
  return Object.fromEntries(filesystems.map(({ target, options }) => [target, options.split(",")]));
}

async function expectTiers(): Promise<void> {
  const live = await mountOptions();
  for (const [target, options] of Object.entries(LIVE_OPTIONS))
    expect(live[target], target).toEqual(expect.arrayContaining(options));
}

/** The kernel's name for the NVMe may be another one at each boot. */
const NVME_SCHEDULER = `cat /sys/class/block/$(basename $(readlink --canonicalize ${lab.NVME_PATH}))/queue/scheduler`;

/** What of the host's devices survives everything but a wipe. */
const uuids = () =>
  on(`
    lvs --noheadings --options lv_name,lv_uuid vg_jts
    blkid --output export /dev/vg_jts/* ${lab.SATA_PARTITION_PATH} | grep ^UUID=
  `);

describe("the three tiers on a blank machine", { timeout: 20 * 60_000 }, () => {
  let stack: LabStack;
  let fstabBefore: string;
  let rootBefore: string;

  /**
   * Every folder on the root disk that a tier could leave something in, and the accounts; LVM keeps what its metadata
   * was.
   */
  const rootDisk = () =>
    on(`
      find / -xdev -maxdepth 3 -not -path '/root*' -not -path '/tmp*' -not -path '/proc*' -not -path '/var/log*' \\
          -not -path '/var/tmp*' -not -path '/var/cache*' -not -path '/var/lib/systemd*' -not -path '/var/lib/nfs*' \\
          -not -path '/run*' -not -path '/etc/lvm/*' |
        sort
      getent passwd
      getent group
    `);

  beforeAll(async () => {
    await lab.blank();
    stack = await LabStack.select({ user: "root" });
    fstabBefore = await on("sha256sum /etc/fstab");
    rootBefore = await rootDisk();
  });

  it("`up` makes volumes of exactly the sizes asked for, mounted with the options that are declared", async () => {
    const { changes } = await stack.up();
    expect(Object.keys(changes)).toEqual(["create"]);
    const lvs = await on("lvs --noheadings --nosuffix --units b --options lv_name,lv_size vg_jts");
    const sizes: Record<string, number> = {};
    for (const [name = "", bytes] of lvs.split("\n").map((line) => line.trim().split(/\s+/)))
      sizes[name] = Number(bytes) / GIB;
    expect(sizes).toEqual(SIZES);
    expect(Number(await on("vgs --noheadings --nosuffix --units b --options vg_free vg_jts"))).toBeGreaterThanOrEqual(
      119 * GIB,
    );
    expect(await on("findmnt --verify 2>&1")).toContain("Success");
    await expectTiers();
  });

  it("folders belong to their services and are closed to others", async () => {
    const paths = FOLDERS.map((line) => line.split(" ")[0]).join(" ");
    expect((await on(`stat --format='%n %U:%G %a' ${paths}`)).split("\n")).toEqual(FOLDERS);
    expect(await on("getent passwd postgres clickhouse kafka mongodb redis | cut -d: -f7 | sort -u")).toBe(
      "/usr/sbin/nologin",
    );
  });

  it("the kernel is tuned at once, timers wait for their time, and the tiering service runs", async () => {
    expect(await on(NVME_SCHEDULER)).toContain("[none]");
    expect(
      await on("sysctl --values net.core.rmem_default net.core.wmem_default net.core.rmem_max net.core.wmem_max"),
    ).toBe("262144\n262144\n16777216\n16777216");
    expect(await on("systemctl is-active tiered-storage.timer storage-health.timer fstrim-all.timer")).toBe(
      "active\nactive\nactive",
    );
    await on("systemctl start tiered-storage.service");
    expect(await on("systemctl show --property=Result --value tiered-storage.service")).toBe("success");
    expect(
      (await lab.run("storage-host", "/usr/local/lib/jts-storage/storage-health.sh", { mayFail: true })).exitCode,
    ).toBeLessThanOrEqual(1);
    // Its sandbox must allow it to see what it reports on.
    await on("systemctl start storage-health.service");
    expect(await on("journalctl --boot --unit=storage-health.service --output=cat")).not.toMatch(
      /Permission denied|Read-only file system|Operation not permitted/,
    );
  });

  it("outputs show the tiers, and nothing that changes by itself", async () => {
    const { hosts } = (await stack.outputs()) as { hosts: { lab: { hot: { volumes: object }; timers: object } } };
    expect(Object.keys(hosts.lab.hot.volumes).sort()).toEqual(Object.keys(SIZES));
    expect(hosts.lab.timers).toEqual({
      "fstrim-all": "Sun *-*-* 04:00",
      "tiered-storage": "daily",
      "storage-health": "hourly",
      "lvm-backup": "*-*-* 02:00",
      "lvm-backup-verify": "Sat *-*-01..07 07:00",
      "btrfs-scrub": "Sat *-*-08..14 09:00",
      "nas-archival": "*-*-* 05:00",
    });
  });

  it("a second `up` changes nothing and connects nowhere", async () => {
    expect(await stack.up()).toMatchObject({ changes: {}, sshConnections: 0 });
  });

  it("`up --refresh` changes nothing, over one connection", async () => {
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {}, sshConnections: 1 });
  });

  it("the state is small, and holds no key and no code of ours", async () => {
    const own = (await stack.state()).filter(({ type }) => type.startsWith("pulumi-nodejs:dynamic/"));
    expect(own.length).toBeGreaterThan(50);
    const texts = own.map((resource) =>
      JSON.stringify({ ...resource, stackTrace: undefined, sourcePosition: undefined }),
    );
    expect(texts.reduce((sum, text) => sum + text.length, 0) / own.length).toBeLessThan(2 * 1024);
    for (const text of texts) {
      // The settings of the scripts, and the scripts' checksums, are there as they are wanted and as they were made.
      const isLarge = /::lab-automation-(settings|scripts)"/.test(text);
      expect(text.length, text).toBeLessThan((isLarge ? 16 : 4) * 1024);
      expect(text).not.toContain("PRIVATE KEY");
      expect(text).not.toContain("function");
    }
  });

  it("files in each tier, and the volumes' identities, survive a reboot that mounts everything again", async () => {
    await on(`for file in ${SENTINELS.join(" ")}; do echo "$file" >"$file"; done; sync`);
    const before: string[] = [await on(`sha256sum ${SENTINELS.join(" ")}`), await uuids()];
    await lab.reboot();
    await expectTiers();
    expect([await on(`sha256sum ${SENTINELS.join(" ")}`), await uuids()]).toEqual(before);
    expect(
      await on(`
        ${NVME_SCHEDULER}
        sysctl --values net.core.rmem_max
        systemctl is-active tiered-storage.timer
      `),
    ).toMatch(/\[none\].*\n16777216\nactive$/);
    expect(await stack.refresh()).toMatchObject({ changes: {} });
  });

  it("drift by hand is shown by a refresh and healed by the next `up`", async () => {
    // For each resource: what is done to it, and the property that shows why.
    const drifts: Record<string, readonly [string, string]> = {
      "lab-hot-redis-folders": ["chmod 777 /var/lib/redis", "mode"],
      "lab-hot-kafka-folders": ["chown root /var/lib/kafka", "owner"],
      "lab-warm-folders": ["rmdir /data/warm-storage/temp-processing", "folders"],
      "lab-hot-mongodb-mount": ["mount -o remount,commit=7 /var/lib/mongodb", "drift"],
      "lab-hot-local_backup-mount": ["sed -i 's/nodev,nosuid/nodev/' /etc/fstab", "options"],
      "lab-hot-docker-tree": ["umount /data/jts/hot/docker", "drift"],
      "lab-tuning-sysctl": ["sysctl -q net.core.rmem_max=300000", "drift"],
      "lab-tuning-scheduler": ["echo '# edited' >>/etc/udev/rules.d/60-jts-storage.rules", "content"],
      "lab-tuning-fstrim": ["systemctl disable --quiet --now fstrim-all.timer", "drift"],
      "lab-automation-tiered-storage": [
        "sed -i 's/^Nice=19/Nice=5/' /etc/systemd/system/tiered-storage.service",
        "drift",
      ],
      "lab-automation-settings": ["sed -i s/tempAfterDays/tempDays/ /etc/jts-storage/settings.json", "content"],
      "lab-automation-scripts": [
        "rm -r /usr/local/lib/jts-storage/jts_storage /usr/local/bin/jts-storage-monitor.sh",
        "drift",
      ],
    };
    // Of others: left alone.
    await on(`
      lvcreate --quiet --yes --size 8m --name theirs vg_jts
      mkdir /mnt/theirs
      mount -t tmpfs theirs /mnt/theirs
      printf '[Service]\\nExecStart=true\\n' >/etc/systemd/system/theirs.service
    `);
    await on(
      Object.values(drifts)
        .map(([command]) => command)
        .join("; "),
    );
    const { changes, said } = await stack.up({ refresh: true });
    for (const [name, [, property]] of Object.entries(drifts))
      expect(said).toMatch(new RegExp(`${name} updated .*\\[diff: [^\\]]*\\b${property}\\b`));
    expect(changes).toEqual({ update: Object.keys(drifts).length });
    expect(
      await on(`
        lvs --noheadings --options lv_name vg_jts/theirs
        findmnt --noheadings --output FSTYPE /mnt/theirs
        cat /etc/systemd/system/theirs.service | wc -l
      `),
    ).toMatch(/theirs\ntmpfs\n2$/);
    await on(`
      lvremove --quiet --yes vg_jts/theirs
      umount /mnt/theirs
      rmdir /mnt/theirs
      rm /etc/systemd/system/theirs.service
    `);
    expect((await mountOptions())["/var/lib/mongodb"]).toContain("commit=10");
    expect(
      await on(`
        stat --format=%a /var/lib/redis
        sysctl --values net.core.rmem_max
        systemctl is-active fstrim-all.timer
        stat --format=%a /data/warm-storage/temp-processing
        /usr/local/bin/jts-storage-monitor.sh --json >/dev/null && echo monitored
      `),
    ).toBe("750\n16777216\nactive\n755\nmonitored");
    expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
  });

  it("`destroy` with onDelete wipe leaves blank disks, the same fstab, and nothing of ours on the root disk", async () => {
    await stack.destroy();
    expect(await on("sha256sum /etc/fstab")).toBe(fstabBefore);
    expect(
      await on(`
        wipefs --no-act ${lab.NVME_PATH} ${lab.SATA_PARTITION_PATH}
        pvs --noheadings
        lsblk --noheadings --list --output TYPE ${lab.NVME_PATH}
      `),
    ).toBe("disk");
    expect(await rootDisk()).toBe(rootBefore);
    expect(await on(`${NVME_SCHEDULER}; sysctl --values net.core.rmem_max`)).toMatch(/\n212992$/);
    // What others put on the NAS is theirs.
    expect((await lab.run("nas", "find /volume1/cocodev -type f")).stdout).toBe(
      "/volume1/cocodev/jts/models/models/sentinel",
    );
  });

  it("`up` after `destroy` makes everything again", { tags: ["long"] }, async () => {
    const { changes } = await stack.up();
    expect(Object.keys(changes)).toEqual(["create"]);
    await expectTiers();
  });
});
