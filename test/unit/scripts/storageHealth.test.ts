import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { z } from "zod";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

/** lvs --binary --reportformat json, as LVM 2.03.16 prints it. */
const lvs = (...snapshots: { name: string; fill: string; invalid?: string }[]) =>
  JSON.stringify({
    report: [
      {
        lv: [
          { lv_name: "lv_postgres", origin: "", lv_size: "858993459200", snap_percent: "", lv_snapshot_invalid: "-1" },
          ...snapshots.map(({ name, fill, invalid = "0" }) => ({
            lv_name: name,
            origin: "lv_postgres",
            lv_size: "5368709120",
            snap_percent: fill,
            lv_snapshot_invalid: invalid,
          })),
        ],
      },
    ],
  });
const vgs = (free: string, missing = "0") =>
  JSON.stringify({ report: [{ vg: [{ vg_size: "4000783007744", vg_free: free, vg_missing_pv_count: missing }] }] });

/** iostat -y -d -x -k -o JSON 1 1 of sysstat 12.6.1, without what is not read. */
const iostat = {
  sysstat: {
    hosts: [
      {
        nodename: "h",
        statistics: [
          {
            disk: [
              { disk_device: "dm-0", "r/s": 1, "w/s": 1, "rkB/s": 1, "wkB/s": 1, util: 1 },
              { disk_device: "nvme0n1", "r/s": 12.5, "w/s": 3, "rkB/s": 2048, "wkB/s": 0.5, util: 40.2 },
            ],
          },
        ],
      },
    ],
  },
};

interface Health {
  readonly level: string;
  readonly findings: readonly {
    readonly level: string;
    readonly subject: string;
    readonly fact: string;
    readonly remedy?: string;
  }[];
  readonly figures: readonly {
    readonly name: string;
    readonly value: number;
    readonly labels: Readonly<Record<string, string>>;
  }[];
}
const SCHEMA = z.fromJSONSchema(
  JSON.parse(readFileSync(join(SCRIPTS, "../docs/storage-health.schema.json"), "utf8")) as Parameters<
    typeof z.fromJSONSchema
  >[0],
);

/** A document of storage-health.sh, held to its schema. */
function read(document: string): Health {
  return SCHEMA.parse(JSON.parse(document)) as Health;
}

/** Name and labels → value, of Prometheus's text format, held to it strictly: each family in one piece, with HELP and TYPE before it. */
function readMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const families = new Set<string>();
  let family = "";
  let typed = false;
  expect(text.endsWith("\n")).toBe(true);
  for (const line of text.trimEnd().split("\n")) {
    const help = /^# HELP ([a-z_]+) \S.*$/.exec(line);
    const type = /^# TYPE ([a-z_]+) gauge$/.exec(line);
    if (help !== null) {
      [, family = ""] = help;
      expect(families.has(family), line).toBe(false);
      families.add(family);
      typed = false;
    } else if (type !== null) {
      expect(type[1], line).toBe(family);
      typed = true;
    } else {
      const sample =
        /^([a-z_]+)((?:\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})?) (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/i.exec(
          line,
        );
      expect(sample, line).not.toBeNull();
      expect([sample![1], typed], line).toEqual([family, true]);
      expect(samples.has(sample![1]! + sample![2]!), line).toBe(false);
      samples.set(sample![1]! + sample![2]!, Number(sample![3]));
    }
  }
  return samples;
}

const HAS_PROMTOOL = spawnSync("promtool", ["--version"]).status === 0;

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    world.program("lsblk", "echo /dev/nvme0n1 disk; echo /dev/loop0 loop");
    world.program("smartctl", `echo '{"smart_status": {"passed": true}}'`);
    world.program("iostat", `echo '${JSON.stringify(iostat)}'`);
    await use(world);
  },
});

type Change = (settings: Settings) => unknown;
const inGroup: Change = (settings) => (settings.hot!.volumeGroup = "vg_jts");
const health = (world: World, change?: Change, ...options: readonly string[]) =>
  world.run([
    join(SCRIPTS, "storage-health.sh"),
    "--settings",
    world.settings((settings) => {
      settings.automation.metricsFolder = join(world.path, "metrics");
      change?.(settings);
    }),
    ...options,
  ]);

describe.skipIf(!IS_ROOT).concurrent("storage-health.sh (needs root for mounts)", { timeout: 180_000 }, () => {
  test("is ok, exit 0, where all tiers are there and have room", async ({ world }) => {
    const { status, stdout } = await health(world);
    expect(status).toBe(0);
    for (const tier of ["hot", "warm", "cold"] as const)
      expect(stdout).toMatch(new RegExp(`^ok +${tier} +${world[tier]}: \\d+ %`, "m"));
    expect(stdout).toMatch(/storage is ok\n$/);
  });

  test.for<[number, number, string]>([
    [50, 0, "ok"],
    [53, 1, "warning"],
    [59, 2, "critical"],
  ])("with %i of 64 MiB used, exits %i: %s", async ([mebibytes, status, level], { world }) => {
    world.put(join(world.warm, "big"), Buffer.alloc(mebibytes * 2 ** 20, 1));
    const result = await health(world);
    expect(result).toMatchObject({ status, stdout: text(`storage is ${level}`) });
    if (level !== "ok")
      expect(result.stdout).toMatch(new RegExp(`${level} +warm .*\\n +→ .*tiered-storage.sh cleanup`));
  });

  test("finds inodes that run out while there is room", async ({ world }) => {
    await world.must(["mount", "-o", "remount,nr_inodes=20", world.hot]);
    for (let number = 0; number < 18; number++) world.put(join(world.hot, `${number}`), "");
    expect(await health(world)).toMatchObject({ status: 2, stdout: text("of its inodes") });
  });

  test("is critical where a tier is not mounted, is another one, or shows the root disk, and says what to do", async ({
    world,
  }) => {
    await world.must(["umount", world.cold]);
    await world.must(["umount", world.hot]);
    await world.must(["mount", "--bind", world.programs, world.warm]);
    const { status, stdout } = await health(world);
    expect(status).toBe(2);
    expect(stdout).toContain(`nothing is mounted at ${world.cold}`);
    expect(stdout).toContain(`nothing is mounted at ${world.hot}`);
    expect(stdout).toContain(`${world.warm} shows the root filesystem`);
    expect(stdout).toContain(`→ mount ${world.warm}`);
    expect(stdout).toContain("does not answer on port 2049");
  });

  test.for<[string, string, string]>([
    ["by hand", "remount,bind,ro", "is mounted read-only"],
    ["by the kernel", "remount,ro", "is read-only: the kernel does so after an error"],
  ])("is critical where tiers became read-only %s, though they answer", async ([, options, said], { world }) => {
    for (const tier of [world.hot, world.warm, world.cold]) await world.must(["mount", "--options", options, tier]);
    const { status, stdout } = await health(world, undefined, "--json");
    expect(status).toBe(2);
    const { findings, figures } = read(stdout);
    for (const tier of ["hot", "warm", "cold"] as const) {
      expect(findings).toContainEqual(
        expect.objectContaining({ level: "critical", subject: tier, fact: text(`${world[tier]} ${said}`) }),
      );
      expect(figures).toContainEqual({
        name: "tier_writable",
        value: 0,
        labels: { tier, mount_point: world[tier] },
      });
    }
  });

  test("is critical where the volume group lacks a disk", async ({ world }) => {
    world.program("vgs", `echo '${vgs("135291469824", "1")}'`);
    world.program("lvs", `echo '${lvs()}'`);
    expect(await health(world, inGroup)).toMatchObject({
      status: 2,
      stdout: text("vg_jts lacks 1 of its physical volumes"),
    });
  });

  test("never waits for a NAS that hangs, not even where its process can't be killed", async ({ world }) => {
    const before = [
      "import os, runpy, sys, time",
      "statvfs = os.statvfs",
      `os.statvfs = lambda path: time.sleep(60) if path == "${world.cold}" else statvfs(path)`,
      "os.kill = lambda *_: None",
      "sys.argv = sys.argv[1:]",
      'runpy.run_path(sys.argv[0], run_name="__main__")',
    ].join("\n");
    world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${before}' "\${@:3}"`);
    const began = Date.now();
    expect(await health(world, (settings) => (settings.probeSeconds = 1))).toMatchObject({
      status: 2,
      stdout: text(`${world.cold} does not answer within 1 s`),
    });
    expect(Date.now() - began).toBeLessThan(55_000);
  });

  test("ends in time where all looks together take too long, and says so", async ({ world }) => {
    for (const tier of [world.hot, world.warm, world.cold]) world.silence(tier);
    world.program("vgs", "exec sleep 120");
    const began = Date.now();
    const { status, stdout } = await health(
      world,
      (settings) => {
        inGroup(settings);
        Object.assign(settings, { probeSeconds: 2, budgetSeconds: 3, timers: ["a", "b", "c"] });
      },
      "--json",
    );
    expect(Date.now() - began).toBeLessThan(100_000);
    expect(status).toBe(2);
    const { findings } = read(stdout);
    expect(findings.at(-1)).toMatchObject({
      level: "critical",
      subject: "look",
      fact: text("those after the first 3 s were not made"),
    });
    // After the time was over nothing was begun: this one would have taken 10 s.
    expect(findings.map(({ fact }) => fact)).toContain("could not look at the volume group vg_jts");
    expect(world.calls().filter((call) => call.startsWith("vgs"))).toEqual([]);
  });

  test("tells the free space of the volume group and the fill of its snapshots", async ({ world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" }, { name: "snap_b", fill: "" })}'`);
    expect(await health(world, inGroup)).toMatchObject({
      status: 0,
      stdout: text("vg_jts: 126GiB of 3.7TiB free, 10GiB in snapshots"),
    });
    expect(world.calls()).toContain(
      "vgs --reportformat json --units b --nosuffix --options vg_size,vg_free,vg_missing_pv_count -- vg_jts",
    );
  });

  test.for<[string, string, number, string]>([
    ["85.00", "0", 1, "is 85 % full"],
    ["95.10", "0", 2, "is 95.1 % full"],
    ["100.00", "1", 2, "what it holds is lost"],
  ])("a snapshot filled to %s percent, invalid: %s, exits %i", async ([fill, invalid, status, message], { world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill, invalid })}'`);
    expect(await health(world, inGroup)).toMatchObject({ status, stdout: text(message) });
  });

  test("warns where the volume group has less for snapshots than their reserve, or nothing", async ({ world }) => {
    const withReserve =
      (bytes: number): Change =>
      ({ hot }) =>
        Object.assign(hot!, { volumeGroup: "vg_jts", snapshotReserveBytes: bytes });
    world.program("vgs", `echo '${vgs("0")}'`);
    world.program("lvs", `echo '${lvs()}'`);
    expect(await health(world, withReserve(1))).toMatchObject({
      status: 1,
      stdout: text("too little for snapshots"),
    });
    expect(await health(world, withReserve(0))).toMatchObject({ status: 0 });
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "1" })}'`);
    expect(await health(world, withReserve(1))).toMatchObject({ status: 0 });
    expect(await health(world, withReserve(127775277056))).toMatchObject({ status: 1 });
  });

  test("is critical where it could not look at the volume group", async ({ world }) => {
    world.program("vgs", "exit 5");
    expect(await health(world, inGroup)).toMatchObject({
      status: 2,
      stdout: text("could not look at the volume group vg_jts"),
    });
  });

  test("warns of a timer that is gone, stopped, or whose last run failed, and not of its own last findings", async ({
    world,
  }) => {
    world.program(
      "systemctl",
      `case $* in
      *tiered-storage.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *tiered-storage.service) printf 'Result=exit-code\\nExecMainStatus=1\\n' ;;
      *lvm-backup.timer) printf 'LoadState=not-found\\nActiveState=inactive\\n' ;;
      *fstrim-all.timer) printf 'LoadState=loaded\\nActiveState=inactive\\n' ;;
      *storage-health.timer | *good.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *storage-health.service) printf 'Result=exit-code\\nExecMainStatus=2\\n' ;;
      *good.service) printf 'Result=success\\nExecMainStatus=0\\n' ;;
    esac`,
    );
    const timers = ["tiered-storage", "lvm-backup", "fstrim-all", "storage-health", "good"];
    const { status, stdout } = await health(world, (settings) => (settings.timers = timers));
    expect(status).toBe(1);
    expect(stdout).toContain("tiered-storage: its last run failed (exit-code, status 1)");
    expect(stdout).toContain("→ journalctl --unit=tiered-storage.service");
    expect(stdout).toContain("there is no lvm-backup.timer");
    expect(stdout).toContain("fstrim-all.timer is inactive");
    expect(stdout).toContain("good: its last run succeeded");
    expect(stdout.match(/^warning/gm)).toHaveLength(3);
  });

  test.for<[string, number, string]>([
    ['{"smart_status": {"passed": false}}', 2, "says that it is failing"],
    [
      '{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"critical_warning": 4}}',
      2,
      "says that it is failing",
    ],
    [
      '{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"critical_warning": 0, "percentage_used": 97}}',
      1,
      "has used more than 90 % of its rated writes",
    ],
    ['{"smartctl": {"exit_status": 2}}', 0, "tells nothing"],
    ["", 0, "tells nothing"],
  ])("judges a disk by what smartctl says: %s, exit %i", async ([said, status, message], { world }) => {
    world.program("smartctl", `echo '${said}'; exit 4`);
    expect(await health(world)).toMatchObject({ status, stdout: text(`/dev/nvme0n1 ${message}`) });
  });

  test("looks only at tiers that the host has", async ({ world }) => {
    await world.must(["umount", world.warm, world.cold]);
    const { status, stdout } = await health(world, (settings) => Object.assign(settings, { warm: null, cold: null }));
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/warm|cold|lvm/);
  });

  test.for([["--fix"], ["--json", "--prometheus"], ["--settings"], ["--settings", "/does/not/exist"]])(
    "refuses the arguments %j, exit 3",
    async (options, { world }) => {
      expect(await world.run([join(SCRIPTS, "storage-health.sh"), ...options])).toMatchObject({ status: 3 });
    },
  );

  test("--help tells each exit status", async ({ world }) => {
    expect(await world.run([join(SCRIPTS, "storage-health.sh"), "--help"])).toMatchObject({
      status: 0,
      stdout: text("0 ok · 1 warning · 2 critical · 3 wrong usage"),
    });
  });

  test("tells the same as JSON, of the published form, with the same exit status", async ({ world }) => {
    world.put(join(world.warm, "big"), Buffer.alloc(53 * 2 ** 20, 1));
    const { status, stdout } = await health(world, undefined, "--json");
    const { level, findings, figures } = read(stdout);
    expect([status, level]).toEqual([1, "warning"]);
    expect(findings.filter((one) => one.level !== "ok")).toEqual([
      {
        level: "warning",
        subject: "warm",
        fact: text(`${world.warm}: 83 % of 64MiB used`),
        remedy: text("tiered-storage.sh cleanup"),
      },
    ]);
    expect(figures).toContainEqual({
      name: "tier_used_bytes",
      value: 53 * 2 ** 20,
      labels: { tier: "warm", mount_point: world.warm },
    });
    expect(figures).toContainEqual({ name: "disk_read_bytes_per_second", value: 2 ** 21, labels: { disk: "nvme0n1" } });
    expect(figures.filter(({ labels }) => labels.disk === "dm-0")).toEqual([]);
  });

  test("tells figures as metrics that Prometheus reads, whatever is in a name", async ({ world }) => {
    const odd = `${world.hot}/a "b" \\c\nd`;
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" })}'`);
    const { status, stdout } = await health(
      world,
      ({ hot }) => Object.assign(hot!, { volumeGroup: "vg_jts", mountPoints: [world.hot, odd] }),
      "--prometheus",
    );
    const metrics = readMetrics(stdout);
    expect([status, metrics.get("jts_storage_level")]).toEqual([2, 2]);
    expect(metrics.get('jts_storage_findings{level="critical"}')).toBe(1);
    expect(metrics.get(`jts_storage_tier_answers{tier="hot",mount_point="${world.hot}"}`)).toBe(1);
    expect(metrics.get(`jts_storage_tier_answers{tier="hot",mount_point="${world.hot}/a \\"b\\" \\\\c\\nd"}`)).toBe(0);
    expect(metrics.get('jts_storage_volume_group_free_bytes{volume_group="vg_jts"}')).toBe(135291469824);
    expect(metrics.get('jts_storage_snapshot_fill_percent{volume_group="vg_jts",snapshot="snap_a"}')).toBe(12.5);
    expect(Math.abs(metrics.get("jts_storage_checked_timestamp_seconds")! - Date.now() / 1000)).toBeLessThan(60);
  });

  // Debian's package `prometheus` has it, and a server that starts with it: nothing to install for a test.
  test.skipIf(!HAS_PROMTOOL)("tells metrics that promtool has nothing to say against", async ({ world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" })}'`);
    const { stdout } = await health(
      world,
      ({ hot }) => {
        Object.assign(hot!, { volumeGroup: "vg_jts", mountPoints: [world.hot, `${world.hot}/a "b" \\c\nd`] });
      },
      "--prometheus",
    );
    expect(spawnSync("promtool", ["check", "metrics"], { input: stdout, encoding: "utf8" })).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "",
    });
  });

  test("has words for HELP of every figure that it tells", () => {
    const script = readFileSync(join(SCRIPTS, "jts_storage/health.py"), "utf8");
    const told = [...script.matchAll(/\bfigure\(\s*"([a-z_]+)"/g)].map(([, name = ""]) => name);
    const explained = [...script.matchAll(/^ {4}"([a-z_]+)": "/gm)].map(([, name = ""]) => name);
    expect([...new Set(told)].sort()).toEqual(
      explained.filter((name) => !["level", "checked_timestamp_seconds", "findings"].includes(name)).sort(),
    );
  });

  test("--save writes both, each whole, and metrics only where their folder is; a link in the place of one is replaced", async ({
    world,
  }) => {
    expect(await health(world, undefined, "--save")).toMatchObject({ status: 0, stdout: text("storage is ok") });
    expect(readdirSync(join(world.path, "state"))).toEqual(["health.json"]);
    expect(read(readFileSync(join(world.path, "state/health.json"), "utf8")).level).toBe("ok");
    expect(existsSync(join(world.path, "metrics"))).toBe(false);

    await world.must(["mkdir", join(world.path, "metrics")]);
    await world.must(["ln", "-s", join(world.path, "theirs"), join(world.path, "metrics/jts-storage.prom")]);
    await health(world, undefined, "--save");
    expect(readdirSync(join(world.path, "metrics"))).toEqual(["jts-storage.prom"]);
    expect(
      readMetrics(readFileSync(join(world.path, "metrics/jts-storage.prom"), "utf8")).get("jts_storage_level"),
    ).toBe(0);
    expect(existsSync(join(world.path, "theirs"))).toBe(false);
  });

  test("--save that cannot write is exit 3, and says so", async ({ world }) => {
    world.put(join(world.path, "state"), "a file");
    expect(await health(world, undefined, "--save")).toMatchObject({ status: 3, stderr: text("state") });
  });

  test("tells the age of the newest backup of each volume that has its checksum, and warns of an old one", async ({
    world,
  }) => {
    const stamp = (hours: number) =>
      new Date(Date.now() - hours * 3600_000).toISOString().replaceAll(/[-:]|\.\d+/g, "");
    for (const [name, hours] of [
      ["lv_postgres", 100],
      ["lv_postgres", 30],
      ["lv_click-house", 50],
    ] as const) {
      const archive = `${world.warm}/daily-backups/sub/${name}-${stamp(hours)}.tar.zst`;
      world.put(archive);
      world.put(`${archive}.sha256`);
    }
    world.put(`${world.warm}/daily-backups/sub/lv_click-house-${stamp(1)}.tar.zst`);
    world.put(`${world.warm}/daily-backups/notes.tar.zst`);
    const { status, stdout } = await health(world, undefined, "--json");
    const found = read(stdout).findings.filter(({ subject }) => subject === "backups");
    expect(found.map(({ level, fact }) => [level, fact])).toEqual([
      ["warning", "the newest good archive of lv_click-house is 50 h old"],
      ["ok", "the newest good archive of lv_postgres is 30 h old"],
    ]);
    expect(status).toBe(1);
    expect((await health(world, ({ automation }) => (automation.backupWarningHours = 0))).status).toBe(0);
  });

  test("warns where a volume has no good archive, once there was time for one, and of one of a time to come", async ({
    world,
  }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs()}'`);
    mkdirSync(world.at(join(world.warm, "daily-backups")));
    world.put(`${world.warm}/daily-backups/lv_kafka-20990101T000000Z.tar.zst`);
    world.put(`${world.warm}/daily-backups/lv_kafka-20990101T000000Z.tar.zst.sha256`);
    const withBackups: Change = (settings) => {
      inGroup(settings);
      settings.automation.backupVolumes = { lv_postgres: 1048576, lv_kafka: 1048576 };
    };
    const facts = async (change?: Change) =>
      read(
        (
          await health(
            world,
            (settings) => {
              withBackups(settings);
              change?.(settings);
            },
            "--json",
          )
        ).stdout,
      )
        .findings.filter(({ subject }) => subject === "backups")
        .map(({ level, fact }) => [level, fact]);
    const future = ["warning", "the newest archive of lv_kafka is of a time to come"];
    expect(await facts()).toEqual([future]);
    world.clockAhead(2);
    expect(await facts()).toEqual([future, ["warning", "there is no good archive of lv_postgres"]]);
    expect(await facts(({ automation }) => (automation.backupWarningHours = 0))).toEqual([future]);
  });

  test("warns of a failed mount unit", async ({ world }) => {
    world.program(
      "systemctl",
      `case $* in
      list-timers*) echo '[{"next":1700003600000000,"left":1,"last":0,"passed":0,"unit":"good.timer","activates":"good.service"}]' ;;
      *list-units*) echo 'data-warm.mount loaded failed failed /data/warm' ;;
      *.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *.service) printf 'Result=success\\nExecMainStatus=0\\n' ;;
    esac`,
    );
    const { status, stdout } = await health(world, (settings) => (settings.timers = ["good"]), "--json");
    const { findings, figures } = read(stdout);
    expect(status).toBe(1);
    expect(findings).toContainEqual({
      level: "warning",
      subject: "units",
      fact: "data-warm.mount has failed",
      remedy: text("systemctl status"),
    });
    // What is others' isn't asked for.
    const unitOf = (path: string) => `${path.slice(1).replaceAll("-", "\\\\x2d").replaceAll("/", "-")}`;
    expect(world.calls()).toContain(
      `systemctl list-units --state=failed --plain --no-legend --full -- ${unitOf(world.hot)}.mount ${unitOf(world.warm)}.mount ${unitOf(world.cold)}.mount ${unitOf(world.hot)}-*.mount systemd-fsck@* lvm2-*`,
    );
    expect(figures).toContainEqual({
      name: "timer_next_run_timestamp_seconds",
      value: 1700003600,
      labels: { timer: "good" },
    });
    expect(figures).toContainEqual({ name: "service_succeeded", value: 1, labels: { service: "good" } });
  });

  test("an iostat that fails is a warning, and holds nothing up", async ({ world }) => {
    world.program("iostat", "exit 1");
    expect(await health(world)).toMatchObject({ status: 1, stdout: text("iostat does not answer") });
  });
});
