import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { ALERT_RULES, queriesOf, readDashboard } from "../../../setup/monitoring.ts";
import { MADE, ROOT } from "../../../setup/project.ts";
import { readQuery, selects, type Series } from "../../support/promql.ts";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

/** lvs --binary --reportformat json, as LVM 2.03.16 prints it. */
const lvs = (...snapshots: { name: string; fill: string; invalid?: string }[]) =>
  JSON.stringify({
    report: [
      {
        lv: [
          ...[
            { lv_name: "lv_postgres", lv_role: "public,origin,thickorigin" },
            // With a cache, whose name LVM has as its origin.
            { lv_name: "lv_kafka", lv_role: "public" },
            { lv_name: "thin_snapshot", lv_role: "public,snapshot,thinsnapshot" },
          ].map((volume) => ({ ...volume, lv_size: "858993459200", snap_percent: "", lv_snapshot_invalid: "-1" })),
          ...snapshots.map(({ name, fill, invalid = "0" }) => ({
            lv_name: name,
            lv_role: "public,snapshot,thicksnapshot",
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

const LABEL = /[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"/.source;
const SAMPLE = new RegExp(`^([a-z_]+)((?:\\{${LABEL}(?:,${LABEL})*\\})?) (-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$`, "i");

/**
 * Name and labels → value, of Prometheus's text format. Strict: the samples of a metric must stand together, after its
 * HELP and TYPE.
 */
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
      const sample = SAMPLE.exec(line);
      expect(sample, line).not.toBeNull();
      expect([sample![1], typed], line).toEqual([family, true]);
      expect(samples.has(sample![1]! + sample![2]!), line).toBe(false);
      samples.set(sample![1]! + sample![2]!, Number(sample![3]));
    }
  }
  return samples;
}

/** The one that lint took out of its package, or one that is installed. */
const PROMTOOL = [join(MADE, "bin", "promtool"), "promtool"].find(
  (path) => spawnSync(path, ["--version"]).status === 0,
);

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
      expect(result.stdout).toMatch(new RegExp(`${level} +warm .*\\n +Next: .*tiered-storage.sh cleanup`));
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
    expect(stdout).toContain(`Next: mount ${world.warm}`);
    expect(stdout).toContain("does not answer on port 2049");
  });

  test("warns of a cache of cold that does not run, and of a mount that does not use it", async ({ world }) => {
    world.program("systemctl", "echo ActiveState=inactive");
    const { status, stdout } = await health(world, (settings) => {
      settings.cold!.cache = {
        mountPoint: `${world.path}/none`,
        service: "jts-storage-nfs-cache.service",
        sizeBytes: 1,
      };
    });
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /warning +cold +the cache of what is read from .* does not run: .* is inactive\n +Next: systemctl start/,
    );
    expect(stdout).toMatch(/warning +cold +.* is mounted without fsc, so that the cache is not used there\n +Next: /);
  });

  test("is ok where systemd mounts the cold tier at the first access, which it is", async ({ world }) => {
    await world.automount(world.cold);
    expect(await health(world)).toMatchObject({
      status: 0,
      stdout: text(`ok        cold          ${world.cold}: 0 %`),
    });
  });

  test("is critical where the NAS does not answer the first access, and hangs for a bounded time", async ({
    world,
  }) => {
    await world.automount(world.cold, "never");
    const { status, stdout } = await health(world);
    expect(status).toBe(2);
    expect(stdout).toContain(`nothing is mounted at ${world.cold}`);
  });

  test.for([
    ["of the mount that systemd gave up on", "mount"],
    ["of the wait for an access that systemd gave up on", "automount"],
  ] as const)(
    "starts the unit %s, such as with a NAS that was up later than this host",
    async ([, kind], { world }) => {
      await world.must(["umount", world.cold]);
      const unit = `cold.${kind}`;
      world.program("systemd-escape", 'for word; do case $word in --suffix=*) echo "cold.${word#*=}" ;; esac; done');
      world.program(
        "systemctl",
        `case "$*" in
        "is-failed -- ${unit}") echo failed ;;
        is-failed*) echo inactive; exit 1 ;;
        "start -- ${unit}") mount -t tmpfs nas:/volume ${world.cold} ;;
      esac`,
      );
      const { stdout, stderr } = await health(world);
      expect(stdout).toMatch(new RegExp(`^ok +cold +${world.cold}`, "m"));
      expect(stderr).toContain(`${unit} has failed, and is started again`);
    },
  );

  test("is critical where a tier is hidden by what was mounted later over a folder above", async ({ world }) => {
    const above = join(world.hot, "above");
    const point = join(above, "cold");
    mkdirSync(world.at(point), { recursive: true });
    await world.must(["mount", "-t", "tmpfs", "nas:/volume", point]);
    const settings = ({ cold }: Settings) => Object.assign(cold!, { mountPoint: point, root: join(point, "jts") });
    expect((await health(world, settings)).stdout).toMatch(new RegExp(`^ok +cold +${point}`, "m"));
    await world.must(["mount", "-t", "tmpfs", "theirs", above]);
    expect(await health(world, settings)).toMatchObject({
      status: 2,
      stdout: text(`${point} is hidden: theirs was mounted later over ${above}`),
    });
  });

  test("leaves the cold tier unmounted where somebody unmounted it", async ({ world }) => {
    await world.must(["umount", world.cold]);
    world.program("systemctl", `[[ $1 != start ]] || mount -t tmpfs nas:/volume ${world.cold}; echo inactive`);
    expect(await health(world)).toMatchObject({ status: 2, stdout: text(`nothing is mounted at ${world.cold}`) });
  });

  test("takes an export that was mounted with a slash at its end for the declared one", async ({ world }) => {
    await world.must(["umount", world.cold]);
    await world.must(["mount", "-t", "tmpfs", "NAS:/volume/", world.cold]);
    expect(await health(world)).toMatchObject({ stdout: expect.stringMatching(/^ok +cold /m) as string });
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

  test("never waits for a NAS that hangs, not even where its process cannot be killed", async ({ world }) => {
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
    // Nothing was started after the time was over: this one would have taken 10 s.
    expect(findings.map(({ fact }) => fact)).toContain("the volume group vg_jts cannot be read");
    expect(world.calls().filter((call) => call.startsWith("vgs"))).toEqual([]);
  });

  test("reports the free space of the volume group and the fill of its snapshots", async ({ world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" }, { name: "snap_b", fill: "" })}'`);
    expect(await health(world, inGroup)).toMatchObject({
      status: 0,
      stdout: text("vg_jts: 126GiB of 3.7TiB free, 10GiB in snapshots"),
    });
    const form = "--binary --reportformat json --units b --nosuffix";
    expect(world.calls().join("\n")).toMatch(
      /^lvs --config report \{ compact_output=0 .* prefixes=0 \} log .* --binary /m,
    );
    expect(world.calls().join("\n")).toContain(
      `${form} --options lv_name,lv_role,lv_size,snap_percent,lv_snapshot_invalid -- vg_jts`,
    );
    expect(world.calls().join("\n")).toContain(`${form} --options vg_size,vg_free,vg_missing_pv_count -- vg_jts`);
  });

  test("reads past what LVM prints among its JSON", async ({ world }) => {
    world.program("vgs", `echo '  Retrying metadata scan.'; echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" })}'; echo '  Retrying metadata scan.'`);
    expect(await health(world, inGroup)).toMatchObject({
      status: 0,
      stdout: text("vg_jts: 126GiB of 3.7TiB free, 5.0GiB in snapshots"),
    });
  });

  test.for<[string, string, number, string]>([
    ["85.00", "0", 1, "is 85 % full"],
    ["95.10", "0", 2, "is 95.1 % full"],
    ["100.00", "1", 2, "is full, so its data is lost"],
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

  test("is critical where the volume group cannot be read", async ({ world }) => {
    world.program("vgs", "exit 5");
    expect(await health(world, inGroup)).toMatchObject({
      status: 2,
      stdout: text("the volume group vg_jts cannot be read"),
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
    expect(stdout).toContain("Next: journalctl --unit=tiered-storage.service");
    expect(stdout).toContain("there is no lvm-backup.timer");
    expect(stdout).toContain("fstrim-all.timer is inactive");
    expect(stdout).toContain("good: its last run succeeded");
    expect(stdout.match(/^warning/gm)).toHaveLength(3);
  });

  test.for<[string, number, string]>([
    ['{"smart_status": {"passed": false}}', 2, "reports that it is failing"],
    [
      '{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"critical_warning": 4}}',
      2,
      "reports that it is failing",
    ],
    [
      '{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"critical_warning": 0, "percentage_used": 97}}',
      1,
      "has used more than 90 % of its rated writes",
    ],
    ['{"smartctl": {"exit_status": 2}}', 0, "reports nothing"],
    ["", 0, "reports nothing"],
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

  test("--help has each exit status", async ({ world }) => {
    expect(await world.run([join(SCRIPTS, "storage-health.sh"), "--help"])).toMatchObject({
      status: 0,
      stdout: text("0 ok · 1 warning · 2 critical · 3 wrong usage"),
    });
  });

  test("reports the same as JSON, in the published form, with the same exit status", async ({ world }) => {
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

  test("prints figures as metrics that Prometheus reads, whatever is in a name", async ({ world }) => {
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

  test.skipIf(PROMTOOL === undefined)("prints metrics that promtool accepts", async ({ world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" })}'`);
    const { stdout } = await health(
      world,
      ({ hot }) => {
        Object.assign(hot!, { volumeGroup: "vg_jts", mountPoints: [world.hot, `${world.hot}/a "b" \\c\nd`] });
      },
      "--prometheus",
    );
    expect(spawnSync(PROMTOOL!, ["check", "metrics"], { input: stdout, encoding: "utf8" })).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "",
    });
  });

  test("has a HELP text for every figure that it prints", () => {
    const script = readFileSync(join(SCRIPTS, "jts_storage/health.py"), "utf8");
    const printed = [...script.matchAll(/\bfigure\(\s*"([a-z_]+)"/g)].map(([, name = ""]) => name);
    const explained = [...script.matchAll(/^ {4}"([a-z_]+)": "/gm)].map(([, name = ""]) => name);
    expect([...new Set(printed)].sort()).toEqual(
      explained
        .filter((name) => !["level", "checked_timestamp_seconds", "findings", "check_level"].includes(name))
        .sort(),
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

  test("reports the age of the newest backup of each volume that has its checksum, and warns of an old one", async ({
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

  test("an increment is a good archive of its volume only where the full one that it needs is good too", async ({
    world,
  }) => {
    const stamp = (hours: number) =>
      new Date(Date.now() - hours * 3600_000).toISOString().replaceAll(/[-:]|\.\d+/g, "");
    const put = (name: string) => world.put(`${world.warm}/daily-backups/${name}`);
    const [full, damaged] = [stamp(100), stamp(90)];
    for (const name of [
      `lv_kafka-${full}.tar.zst`,
      `lv_kafka-${stamp(4)}.on-${full}.rdiff.zst`,
      `lv_kafka-${stamp(3)}.on-${damaged}.rdiff.zst`,
    ])
      for (const more of ["", ".sha256"]) put(name + more);
    put(`lv_kafka-${damaged}.tar.zst`);
    put(`lv_kafka-${stamp(2)}.on-${full}.rdiff.zst`);
    const { stdout } = await health(world, undefined, "--json");
    expect(read(stdout).findings.filter(({ subject }) => subject === "backups")).toMatchObject([
      { level: "ok", fact: "the newest good archive of lv_kafka is 4 h old" },
    ]);
  });

  test("warns where a volume has no good archive, once there was time for one, and of one with a time in the future", async ({
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
    const future = ["warning", "the newest archive of lv_kafka has a time in the future"];
    expect(await facts()).toEqual([future]);
    world.clockAhead(2);
    expect(await facts()).toEqual([future, ["warning", "there is no good archive of lv_postgres"]]);
    expect(await facts(({ automation }) => (automation.backupWarningHours = 0))).toEqual([future]);
  });

  test("warns of a failed mount unit", async ({ world }) => {
    world.program(
      "systemctl",
      `case $* in
      list-timers*) echo '[{"next": 1700003600000000, "last": 0, "unit": "good.timer"}]' ;;
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
    // It only asks for the units of the tiers.
    const unitOf = (path: string) => `${path.slice(1).replaceAll("-", "\\\\x2d").replaceAll("/", "-")}`;
    const [hot, warm, cold] = [world.hot, world.warm, world.cold].map(unitOf);
    const patterns = [`${hot}.mount`, `${warm}.mount`, `${cold}.mount`, `${hot}-*.mount`, "systemd-fsck@*", "lvm2-*"];
    expect(world.calls()).toContain(
      `systemctl list-units --state=failed --plain --no-legend --full -- ${patterns.join(" ")}`,
    );
    expect(figures).toContainEqual({
      name: "timer_next_run_timestamp_seconds",
      value: 1700003600,
      labels: { timer: "good" },
    });
    expect(figures).toContainEqual({ name: "service_succeeded", value: 1, labels: { service: "good" } });
  });

  /**
   * Shows the scripts other mounts and another /sys, as with filesystems on block devices, which these tests
   * cannot have. `lines` maps a mount point to its device number, and to the rest of its line in mountinfo.
   */
  const pretend = async (world: World, lines: Readonly<Record<string, readonly [device: string, rest: string]>>) => {
    await world.must(["mount", "-t", "tmpfs", "sys", "/sys"]);
    const before = `
import builtins, io, json, re, runpy, sys
lines = json.loads(sys.argv[1])
real = builtins.open

def changed(line):
    words = line.decode().split()
    if words[4] in lines:
        device, rest = lines[words[4]]
        words = [*words[:2], device, *words[3:words.index("-")], *rest.split()]
    return " ".join(words).encode()

def opened(file, *more, **named):
    if file != "/proc/self/mountinfo":
        return real(file, *more, **named)
    with real(file, "rb") as table:
        return io.BytesIO(b"\\n".join(changed(line) for line in table) + b"\\n")

builtins.open = opened
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
`;
    writeFileSync(join(world.path, "before.py"), before);
    writeFileSync(join(world.path, "lines.json"), JSON.stringify(lines));
    world.program(
      "python3",
      `exec /usr/bin/python3 "$1" "$2" ${world.path}/before.py "$(cat ${world.path}/lines.json)" "\${@:3}"`,
    );
  };
  const findingsOf = async (world: World, subjects: readonly string[], change?: Change) =>
    read((await health(world, change, "--json")).stdout)
      .findings.filter(({ subject }) => subjects.includes(subject))
      .map(({ level, fact }) => [level, fact]);

  /** sysfs of an LV on two disks, of which one is a partition's. */
  const sysfsOfVolume = (world: World) => {
    for (const disk of ["sda", "nvme0n1"]) world.put(`/sys/devices/${disk}/device/state`, "running\n");
    world.put("/sys/devices/nvme0n1/nvme0n1p3/partition", "3\n");
    mkdirSync(world.at("/sys/devices/dm-0/slaves"), { recursive: true });
    mkdirSync(world.at("/sys/dev/block"), { recursive: true });
    symlinkSync("../../devices/dm-0", world.at("/sys/dev/block/253:0"));
    symlinkSync("../../sda", world.at("/sys/devices/dm-0/slaves/sda"));
    symlinkSync("../../nvme0n1/nvme0n1p3", world.at("/sys/devices/dm-0/slaves/nvme0n1p3"));
  };

  const BTRFS = "/sys/fs/btrfs/uuid";
  const countBtrfsErrors = (world: World, errors: number) =>
    world.put(`${BTRFS}/devinfo/1/error_stats`, `write_errs ${errors}\nread_errs 0\n`);
  /** sysfs of a btrfs without errors on sdb. */
  const sysfsOfBtrfs = (world: World) => {
    world.put("/sys/devices/sdb/device/state", "running\n");
    world.put("/sys/devices/sdb/size", "2000000000\n");
    countBtrfsErrors(world, 0);
    for (const kind of ["data", "metadata", "system"])
      for (const name of ["disk_total", "total_bytes", "bytes_used"])
        world.put(`${BTRFS}/allocation/${kind}/${name}`, "1000\n");
    mkdirSync(world.at(`${BTRFS}/devices`), { recursive: true });
    symlinkSync("../../../../devices/sdb", world.at(`${BTRFS}/devices/sdb`));
  };

  test.for<[string, string, (world: World) => unknown, string | undefined]>([
    ["all", "is there", () => undefined, undefined],
    ["the volume", "has left", (world) => rmSync(world.at("/sys/devices/dm-0"), { recursive: true }), "253:0 is gone"],
    [
      "a disk below it",
      "has left",
      (world) => rmSync(world.at("/sys/devices/sda"), { recursive: true }),
      "sda is gone",
    ],
    [
      "a disk below it",
      "is offline",
      (world) => world.put("/sys/devices/sda/device/state", "offline\n"),
      "sda is offline",
    ],
    [
      "the disk of a partition below it",
      "is dead",
      (world) => world.put("/sys/devices/nvme0n1/device/state", "dead\n"),
      "nvme0n1 is dead",
    ],
  ])("is critical where a mounted volume has lost its disk: %s %s", async ([, , change, said], { world }) => {
    await pretend(world, { [world.hot]: ["253:0", "- ext4 /dev/mapper/vg-lv rw"] });
    sysfsOfVolume(world);
    change(world);
    const { stdout, status } = await health(world, undefined, "--json");
    const { findings, figures } = read(stdout);
    expect(figures).toContainEqual({
      name: "tier_disks_present",
      value: said === undefined ? 1 : 0,
      labels: { tier: "hot", mount_point: world.hot },
    });
    expect(status).toBe(said === undefined ? 0 : 2);
    if (said !== undefined)
      expect(findings).toContainEqual({
        level: "critical",
        subject: "hot",
        fact: `${world.hot}, on /dev/mapper/vg-lv, has lost its disk: ${said}`,
        remedy: text("umount"),
      });
  });

  test("is critical where an md array below a mounted volume runs without one of its disks", async ({ world }) => {
    await pretend(world, { [world.hot]: ["253:0", "- ext4 /dev/mapper/vg-lv rw"] });
    sysfsOfVolume(world);
    world.put("/sys/devices/md0/md/degraded", "0\n");
    symlinkSync("../../md0", world.at("/sys/devices/dm-0/slaves/md0"));
    expect(await findingsOf(world, ["hot"])).toEqual([["ok", text("used")]]);
    world.put("/sys/devices/md0/md/degraded", "1\n");
    expect(await findingsOf(world, ["hot"])).toEqual([
      ["critical", `${world.hot}, on /dev/mapper/vg-lv: the array md0 runs without all of its disks`],
      ["ok", text("used")],
    ]);
  });

  test("warns of errors that ext4 counted", async ({ world }) => {
    await pretend(world, { [world.hot]: ["253:0", "- ext4 /dev/mapper/vg-lv rw"] });
    sysfsOfVolume(world);
    world.put("/sys/fs/ext4/dm-0/errors_count", "0\n");
    expect(await findingsOf(world, ["hot"])).toEqual([["ok", text("used")]]);
    world.put("/sys/fs/ext4/dm-0/errors_count", "3\n");
    expect(await findingsOf(world, ["hot"])).toEqual([
      ["warning", `${world.hot}: ext4 has counted 3 errors since its last check`],
      ["ok", text("used")],
    ]);
  });

  test("is critical where btrfs counted errors, was forced read-only, or has lost its disk", async ({ world }) => {
    const device = join(world.path, "sdb");
    world.put(device, "");
    const btrfs = (options: string) => pretend(world, { [world.warm]: ["0:99", `- btrfs ${device} ${options}`] });
    await btrfs("rw");
    sysfsOfBtrfs(world);
    expect(await findingsOf(world, ["warm", "btrfs"])).toEqual([
      ["ok", text("used")],
      ["ok", `no device errors of ${device}`],
    ]);
    countBtrfsErrors(world, 7);
    expect(await findingsOf(world, ["btrfs"])).toEqual([["critical", `device errors of ${device}: write_errs=7`]]);
    await btrfs("ro");
    sysfsOfBtrfs(world);
    expect(await findingsOf(world, ["warm"])).toContainEqual([
      "critical",
      `${world.warm} is read-only: the kernel does so after an error`,
    ]);
    rmSync(world.at("/sys/devices/sdb"), { recursive: true });
    const lost = ["critical", `${world.warm}, on ${device}, has lost its disk: sdb is gone`];
    expect(await findingsOf(world, ["warm"])).toContainEqual(lost);
    rmSync(world.at(device));
    expect(await findingsOf(world, ["warm"])).toContainEqual(lost);
  });

  /** What runs.json has after runs of `tiered-storage.sh all`, an hour apart, the last one an hour ago. */
  const putRuns = (
    world: World,
    runs: readonly Readonly<Record<string, unknown>>[],
    { program = "tiered-storage", succeeded }: { program?: string; succeeded?: number } = {},
  ) => {
    const began = (index: number) => Math.floor(world.now) - (runs.length - index) * 3600;
    const record = { seconds: 2.5, status: 0, files: 3, bytes: 4096, backlog: 0, conflicts: 0 };
    const recorded = runs.map((run, index) => ({ ...record, began: began(index), ...run }));
    const history = { program, subcommand: "all", since: began(0), succeeded: succeeded ?? null, runs: recorded };
    world.put(join(world.path, "state/runs.json"), JSON.stringify({ version: 1, subcommands: [history] }));
  };

  test("prints the limits of the host, and figures of what it judges by them", async ({ world }) => {
    await pretend(world, { [world.hot]: ["253:0", "- ext4 /dev/mapper/vg-lv rw"] });
    sysfsOfVolume(world);
    world.put("/sys/devices/md0/md/degraded", "1\n");
    symlinkSync("../../md0", world.at("/sys/devices/dm-0/slaves/md0"));
    world.program("vgs", `echo '${vgs("100", "1")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "1" })}'`);
    world.program(
      "smartctl",
      `echo '{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"percentage_used": 91}}'`,
    );
    const figuresWith = async (change?: Change) =>
      readMetrics(
        (
          await health(
            world,
            (settings) => {
              Object.assign(settings.hot!, { volumeGroup: "vg_jts", snapshotReserveBytes: 7 });
              change?.(settings);
            },
            "--prometheus",
          )
        ).stdout,
      );
    const figures = await figuresWith(({ automation }) =>
      Object.assign(automation, { usageWarningPercent: 70, backupWarningHours: 2, archiveWarningHours: 3 }),
    );
    const of = (name: string) => figures.get(`jts_storage_${name}`);
    expect([of('usage_limit_percent{level="warning"}'), of('usage_limit_percent{level="critical"}')]).toEqual([70, 90]);
    expect([of("backup_age_limit_seconds"), of("archive_age_limit_seconds")]).toEqual([7200, 10800]);
    expect(of(`tier_degraded_arrays{tier="hot",mount_point="${world.hot}"}`)).toBe(1);
    expect(of('volume_group_missing_devices{volume_group="vg_jts"}')).toBe(1);
    expect(of('volume_group_snapshots_bytes{volume_group="vg_jts"}')).toBe(5368709120);
    expect(of('volume_group_reserve_bytes{volume_group="vg_jts"}')).toBe(7);
    expect(of('disk_wear_percent{disk="nvme0n1"}')).toBe(91);
    expect(["hot", "smart", "cold"].map((check) => of(`check_level{check="${check}"}`))).toEqual([2, 1, 0]);

    const withoutLimits = await figuresWith(({ automation }) =>
      Object.assign(automation, { backupWarningHours: 0, archiveWarningHours: 0 }),
    );
    expect([...withoutLimits.keys()].filter((name) => /_age_limit/.test(name))).toEqual([]);
  });

  test("prints each series that the alerts and the dashboard ask for, with the labels that they name", async ({
    world,
  }) => {
    const device = join(world.path, "sdb");
    world.put(device, "");
    await pretend(world, {
      [world.hot]: ["253:0", "- ext4 /dev/mapper/vg-lv rw"],
      [world.warm]: ["0:99", `- btrfs ${device} rw`],
    });
    sysfsOfVolume(world);
    world.put("/sys/fs/ext4/dm-0/errors_count", "0\n");
    sysfsOfBtrfs(world);
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" })}'`);
    world.program(
      "smartctl",
      `echo '{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"percentage_used": 4}}'`,
    );
    world.program(
      "systemctl",
      `case $* in
      list-timers*) echo '[{"next": 1700003600000000, "last": 1700000000000000, "unit": "nas-archival.timer"}]' ;;
      *list-units*) echo 'data-warm.mount loaded failed failed /data/warm' ;;
      *.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *.service) printf 'Result=success\\nExecMainStatus=0\\n' ;;
    esac`,
    );
    const backup = `${world.warm}/daily-backups/lv_postgres-${stampOf(world, 1)}.tar.zst`;
    const archive = join(world.cold, `jts/archives/configs/configs-${hostname()}-${stampOf(world, 1)}.tar.zst`);
    for (const file of [backup, archive]) {
      world.put(file);
      world.put(`${file}.sha256`);
    }
    const run = { began: world.now, seconds: 2.5, status: 0, files: 3, bytes: 4096, backlog: 0, conflicts: 0 };
    const subcommands = ["tiered-storage all", "lvm-backup create", "lvm-backup verify"].map((words) => {
      const [program, subcommand] = words.split(" ");
      return { program, subcommand, since: world.now, succeeded: world.now, runs: [run] };
    });
    world.put(join(world.path, "state/runs.json"), JSON.stringify({ version: 1, subcommands }));
    const { stdout } = await health(
      world,
      (settings) => {
        inGroup(settings);
        settings.timers = ["nas-archival"];
      },
      "--prometheus",
    );
    const printed = [...readMetrics(stdout).keys()].map((key): Series => {
      const { name, matchers } = readQuery(key).selectors[0]!;
      const labels = Object.fromEntries(matchers.map(({ label, value }) => [label, value]));
      // Prometheus's own, of the scrape.
      return { name, labels: { ...labels, job: "node", instance: "trading" } };
    });

    const { groups } = parse(readFileSync(join(ROOT, ALERT_RULES), "utf8")) as {
      groups: { rules: { record?: string; expr: string }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    const recorded = new Set(rules.map(({ record }) => record));
    const queries = [...rules.map(({ expr }) => expr), ...queriesOf(readDashboard())].map(readQuery);
    const asked = queries.flatMap(({ selectors }) => selectors);
    const missing = asked.filter(
      (selector) =>
        selector.name !== "ALERTS" && !recorded.has(selector.name) && !printed.some((one) => selects(selector, one)),
    );
    expect(missing).toEqual([]);
    // A matcher such as tier!="cold" also selects what has no such label.
    const labels = new Set(printed.flatMap((one) => Object.keys(one.labels)));
    for (const { name, matchers } of asked)
      for (const { label } of matchers)
        expect(name === "ALERTS" || printed.some((one) => one.name === name && label in one.labels), label).toBe(true);
    expect(queries.flatMap(({ grouping }) => grouping).filter((label) => !labels.has(label))).toEqual([]);
    for (const { title, targets = [] } of readDashboard().panels)
      for (const { expr, legendFormat } of targets) {
        const { selectors } = readQuery(expr);
        const has = printed.filter(({ name }) => selectors.some((one) => one.name === name));
        for (const [, label = ""] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
          expect(
            has.some((one) => label in one.labels),
            `${title}: ${label}`,
          ).toBe(true);
      }
  });

  test("reports the results of the last runs as figures", async ({ world }) => {
    const succeeded = Math.floor(world.now) - 3000;
    putRuns(world, [{ backlog: 9 }, { status: 1, backlog: 2, conflicts: 5 }], { succeeded });
    const metrics = readMetrics((await health(world, undefined, "--prometheus")).stdout);
    const of = (name: string) => metrics.get(`jts_storage_${name}{program="tiered-storage",subcommand="all"}`);
    expect({
      success: of("run_last_success_timestamp_seconds"),
      seconds: of("run_duration_seconds"),
      failed: of("run_failed"),
      files: of("run_files"),
      bytes: of("run_bytes"),
      conflicts: of("run_conflicts"),
      backlog: of("backlog_files"),
    }).toEqual({ success: succeeded, seconds: 2.5, failed: 1, files: 3, bytes: 4096, conflicts: 5, backlog: 2 });
  });

  test("warns of a backlog that grew in each of the last three runs, and of moves to names that are taken", async ({
    world,
  }) => {
    const warnings = () => findingsOf(world, ["runs"]);
    const backlogs = (...counts: number[]) =>
      putRuns(
        world,
        counts.map((backlog) => ({ backlog })),
      );
    for (const counts of [
      [1, 2, 3],
      [3, 2, 3, 4],
      [1, 2, 2, 3],
    ]) {
      backlogs(...counts);
      expect(await warnings(), counts.join()).toEqual([]);
    }
    backlogs(0, 1, 2, 7);
    expect(await warnings()).toEqual([
      ["warning", text("in each of the last three runs, more files that were due stayed; 7 in the last one")],
    ]);
    putRuns(world, [{ conflicts: 2 }]);
    expect(await warnings()).toEqual([["warning", text("names of 2 files of its last run are taken")]]);
    putRuns(world, [{ conflicts: 2 }, { conflicts: 0 }]);
    expect(await warnings()).toEqual([]);
    world.put(join(world.path, "state/runs.json"), '{"subcommands": [{"program": 3}, null]}');
    expect(await warnings()).toEqual([]);
  });

  test("warns where no run of a timer has succeeded for two of its periods, or 50 hours", async ({ world }) => {
    const hours = (count: number) => Math.floor(world.now - count * 3600);
    const systemctl = (period: number, next = String(hours(-1) * 1e6)) => {
      world.program(
        "systemctl",
        `case $* in
      list-timers*) echo '[{"next":${next},"last":${(hours(-1) - period * 3600) * 1e6},"unit":"tiered-storage.timer"}]' ;;
      *.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *.service) printf 'Result=success\\nExecMainStatus=0\\n' ;;
    esac`,
      );
    };
    const warnings = (timers: readonly string[] = ["tiered-storage"]) =>
      findingsOf(world, ["runs"], (settings) => (settings.timers = [...timers]));
    systemctl(24);
    putRuns(world, [{}], { succeeded: hours(49) });
    expect(await warnings()).toEqual([]);
    putRuns(world, [{}], { succeeded: hours(51) });
    expect(await warnings()).toEqual([["warning", "tiered-storage: no run has succeeded for 51 h"]]);
    expect(await warnings([])).toEqual([]);
    systemctl(168);
    expect(await warnings()).toEqual([]);
    putRuns(world, [{ began: hours(400), status: 1 }]);
    expect(await warnings()).toEqual([]);
    putRuns(world, [{}], { succeeded: hours(337) });
    expect(await warnings()).toEqual([["warning", "tiered-storage: no run has succeeded for 337 h"]]);
    // It is running now.
    systemctl(168, "null");
    expect(await warnings()).toEqual([]);
  });

  const stampOf = (world: World, hours: number) =>
    new Date((world.now - hours * 3600) * 1000).toISOString().replaceAll(/[-:]|\.\d+/g, "");

  test("warns where no new archives come to cold, only of this host, and does not wait for a NAS that hangs", async ({
    world,
  }) => {
    const node = hostname();
    const archives = join(world.cold, "jts/archives");
    const put = (path: string, withSum = true) => {
      world.put(join(archives, path));
      if (withSum) world.put(join(archives, `${path}.sha256`));
    };
    put(`configs/configs-${node}-${stampOf(world, 60)}.tar.zst`);
    put(`configs/configs-${node}-${stampOf(world, 30)}.tar.zst`);
    put(`configs/configs-other-${stampOf(world, 90)}.tar.zst`);
    put(`database/postgresql-${node}@trades-${stampOf(world, 50)}.dump`);
    put(`database/postgresql-${node}@trades-${stampOf(world, 1)}.dump`, false);
    put(`database/postgresql-${node}@given%20up-${stampOf(world, 70)}.dump`);
    put(`database/postgresql-${node}-roles-${stampOf(world, 2)}.sql.zst`);
    put(`database/lv_postgres-${stampOf(world, 900)}.tar.zst`);
    const found = (change?: Change) =>
      findingsOf(world, ["archives"], (settings) => {
        settings.timers = ["nas-archival"];
        change?.(settings);
      });
    const age = (level: string, name: string, hours: number) => [
      level,
      `the newest good archive of ${name.replace("-", `-${node}`)} is ${hours} h old`,
    ];
    expect(await found()).toEqual([
      age("ok", "configs-", 30),
      age("ok", "postgresql--roles", 2),
      age("warning", "postgresql-@given%20up", 70),
      age("warning", "postgresql-@trades", 50),
    ]);
    expect(await found(({ automation }) => (automation.postgresDatabases = ["trades"]))).toEqual([
      age("ok", "configs-", 30),
      age("ok", "postgresql--roles", 2),
      age("warning", "postgresql-@trades", 50),
    ]);
    expect((await found(({ automation }) => (automation.archiveWarningHours = 0))).map(([level]) => level)).toEqual(
      Array(4).fill("ok"),
    );
    expect(await found((settings) => (settings.timers = ["tiered-storage"]))).toEqual([]);
    world.silence(world.cold);
    expect(await found((settings) => (settings.probeSeconds = 1))).toEqual([]);
  });

  test("warns where no archive of the configuration ever came to cold, once there was time for one", async ({
    world,
  }) => {
    const found = () => findingsOf(world, ["archives"], (settings) => (settings.timers = ["nas-archival"]));
    expect(await found()).toEqual([]);
    putRuns(world, [{ status: 1, backlog: null, conflicts: null }], { program: "nas-archival" });
    expect(await found()).toEqual([]);
    world.clockAhead(2);
    expect(await found()).toEqual([["warning", `there is no good archive of configs-${hostname()}`]]);
  });

  describe("that notifies somebody", () => {
    /** A command that writes down each report that it gets, one a line. */
    const receiver = (world: World, body = "") => {
      const path = join(world.path, "tell");
      writeFileSync(
        path,
        `#!/bin/bash\nprintf '%s %s\\n' "$JTS_STORAGE_LEVEL" "$(tr -d '\\n')" >>"${world.path}/received"\n${body}\n`,
      );
      chmodSync(path, 0o755);
      return path;
    };
    const received = (world: World) =>
      existsSync(join(world.path, "received"))
        ? readFileSync(join(world.path, "received"), "utf8")
            .trimEnd()
            .split("\n")
            .map((line) => line.split(" ", 1)[0])
        : [];
    const save = (world: World, notify: string | null, ...options: readonly string[]) =>
      health(world, ({ automation }) => (automation.notify = notify), ...(options.length > 0 ? options : ["--save"]));

    test("runs the command with the report at first, when the findings change, and after a day", async ({ world }) => {
      const command = receiver(world);
      await save(world, command);
      expect(received(world)).toEqual(["ok"]);
      const line = readFileSync(join(world.path, "received"), "utf8");
      expect(read(line.slice(3)).level).toBe("ok");
      await save(world, command);
      expect(received(world)).toEqual(["ok"]);

      world.put(join(world.warm, "big"), Buffer.alloc(53 * 2 ** 20, 1));
      expect(await save(world, command)).toMatchObject({ status: 1 });
      // A changed share is not another finding.
      world.put(join(world.warm, "more"), Buffer.alloc(2 ** 20, 1));
      await save(world, command);
      expect(received(world)).toEqual(["ok", "warning"]);

      await world.must(["umount", world.hot]);
      await save(world, command);
      await world.must(["umount", world.cold]);
      await save(world, command);
      expect(received(world)).toEqual(["ok", "warning", "critical", "critical"]);
      world.clockAhead(1.01);
      await save(world, command);
      await save(world, command);
      expect(received(world)).toEqual(["ok", "warning", "critical", "critical", "critical"]);
      // Only the timer's run notifies.
      rmSync(join(world.path, "state/notified.json"));
      await save(world, command, "--json");
      expect(received(world)).toHaveLength(5);
    });

    test("warns where that fails, keeps its report, and tries again at each run", async ({ world }) => {
      const command = receiver(world, `echo "no route" >&2; [[ -e ${world.path}/mended ]]`);
      const failed = {
        level: "warning",
        subject: "notify",
        fact: `this report did not arrive: ${command}: it failed with status 1: no route`,
        remedy: text("--notify-test"),
      };
      for (const times of [1, 2]) {
        expect(await save(world, command)).toMatchObject({ status: 1, stdout: text("this report did not arrive") });
        expect(read(readFileSync(join(world.path, "state/health.json"), "utf8")).findings).toContainEqual(failed);
        expect(received(world)).toHaveLength(times);
      }
      writeFileSync(join(world.path, "mended"), "");
      for (const _ of [1, 2]) expect(await save(world, command)).toMatchObject({ status: 0 });
      expect(received(world)).toHaveLength(3);
      rmSync(join(world.path, "mended"));
      await world.must(["umount", world.hot]);
      expect(await save(world, command)).toMatchObject({ status: 2, stdout: text("did not arrive") });
      await world.must(["mount", "-t", "tmpfs", "hot", world.hot]);
      // The report that did not arrive is out of date by now; the next one shows that notifying works again.
      writeFileSync(join(world.path, "mended"), "");
      expect(await save(world, command)).toMatchObject({ status: 0 });
      expect(received(world)).toEqual(["ok", "ok", "ok", "critical", "ok"]);
    });

    test("ends a command that hangs, with all that it started", async ({ world }) => {
      const command = receiver(world, `sleep 4242 & echo $! >${world.path}/child; wait`);
      const settings = world.settings(({ automation }) => (automation.notify = command));
      const program = [
        "import sys",
        "sys.path.insert(0, sys.argv[1])",
        "sys.argv = ['health', '--save', '--settings', sys.argv[2]]",
        "from jts_storage import health, notify",
        "notify.COMMAND_SECONDS = 1",
        "sys.exit(health.main(sys.argv[1:]))",
      ].join("\n");
      expect(await world.run(["/usr/bin/python3", "-I", "-B", "-c", program, SCRIPTS, settings])).toMatchObject({
        status: 1,
        stdout: text("it did not end within 1 s"),
      });
      const child = readFileSync(join(world.path, "child"), "utf8").trim();
      await vi.waitFor(() => {
        const state = spawnSync("ps", ["-o", "stat=", "-p", child], { encoding: "utf8" }).stdout.trim();
        expect(state).toMatch(/^(Z.*)?$/);
      });
    });

    test("runs no command that users other than root can change", async ({ world }) => {
      const command = receiver(world);
      chmodSync(command, 0o777);
      expect(await save(world, command)).toMatchObject({
        status: 1,
        stdout: text("it is not run, since users other than root can change"),
      });
      chmodSync(command, 0o755);
      mkdirSync(join(world.path, "theirs"));
      chownSync(join(world.path, "theirs"), 65534, 65534);
      writeFileSync(join(world.path, "theirs/tell"), "#!/bin/sh\n", { mode: 0o755 });
      expect(await save(world, join(world.path, "theirs/tell"))).toMatchObject({
        status: 1,
        stdout: text(`since users other than root can change ${join(world.path, "theirs")}`),
      });
      expect(await save(world, join(world.path, "none"))).toMatchObject({ stdout: text("No such file") });
      expect(received(world)).toEqual([]);
    });

    const serving = async (answer: RequestListener, use: (url: string) => Promise<void>) => {
      const server = createServer(answer).listen(0, "127.0.0.1");
      await once(server, "listening");
      try {
        await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/secret?token=t0p`);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    };

    test("POSTs the report to a URL, and accepts only 2xx; prints no secret of the URL", async ({ world }) => {
      const requests: string[] = [];
      let status = 204;
      const answer: RequestListener = (request, response) => {
        let body = "";
        request.on("data", (data: Buffer) => (body += data.toString()));
        request.on("end", () => {
          requests.push(`${request.method} ${request.url} ${read(body).level} ${request.headers["content-type"]}`);
          response.writeHead(status, { location: "/elsewhere" }).end();
        });
      };
      await serving(answer, async (url) => {
        const asked = "POST /secret?token=t0p ok application/json";
        expect(await save(world, url)).toMatchObject({ status: 0 });
        expect(requests).toEqual([asked]);
        await save(world, url);
        expect(requests).toEqual([asked]);
        for (status of [302, 500, 403]) {
          const { stdout, stderr, status: exit } = await save(world, url, "--notify-test");
          expect([exit, stdout + stderr]).toEqual([
            3,
            `the report did not arrive: ${new URL(url).origin}: it answered ${status}\n`,
          ]);
        }
        expect(await save(world, url)).toMatchObject({ status: 1, stdout: text("it answered 403") });
        status = 200;
        expect(await save(world, url, "--notify-test")).toMatchObject({
          status: 0,
          stdout: `${new URL(url).origin} got the report that storage is ok\n`,
        });
        expect(requests).toEqual(Array(6).fill(asked));
        expect(readFileSync(join(world.path, "state/health.json"), "utf8")).not.toContain("t0p");
      });
      // Nobody listens there any longer.
      const { stdout } = await save(world, "http://127.0.0.1:1/secret?token=t0p", "--save");
      expect(stdout).toContain("storage is ok");
      world.put(join(world.path, "state/notified.json"), "not JSON");
      expect(await save(world, "http://127.0.0.1:1/t0p")).toMatchObject({
        status: 1,
        stdout: text("Connection refused"),
      });
    });

    test("gives up a URL that never ends its answer, within its limit", async ({ world }) => {
      const settings = (url: string) => world.settings(({ automation }) => (automation.notify = url));
      const program = [
        "import sys",
        "sys.path.insert(0, sys.argv[1])",
        "sys.argv = ['health', '--notify-test', '--settings', sys.argv[2]]",
        "from jts_storage import health, notify",
        "notify.URL_SECONDS = 2",
        "sys.exit(health.main(sys.argv[1:]))",
      ].join("\n");
      const dribble: RequestListener = (_, response) => {
        const timer = setInterval(() => response.socket?.write("HTTP"), 200);
        response.socket?.on("close", () => clearInterval(timer));
      };
      await serving(dribble, async (url) => {
        const { status, stderr } = await world.run([
          "/usr/bin/python3",
          "-I",
          "-B",
          "-c",
          program,
          SCRIPTS,
          settings(url),
        ]);
        expect([status, stderr]).toEqual([3, text("no answer within 2 s")]);
      });
    });

    test("sends it also where the report cannot be saved", async ({ world }) => {
      const command = receiver(world);
      world.put(join(world.path, "state"), "a file");
      expect(await save(world, command)).toMatchObject({ status: 3, stderr: text("state") });
      expect(received(world)).toEqual(["critical"]);
    });

    test("--notify-test sends it whatever was sent before; without a receiver, exit 3", async ({ world }) => {
      const command = receiver(world);
      for (const _ of [1, 2])
        expect(await save(world, command, "--notify-test")).toMatchObject({
          status: 0,
          stdout: `${command} got the report that storage is ok\n`,
        });
      expect(received(world)).toEqual(["ok", "ok"]);
      expect(await save(world, null, "--notify-test")).toMatchObject({
        status: 3,
        stderr: text("automation.notify is not set"),
      });
      expect(await save(world, command, "--notify-test", "--save")).toMatchObject({ status: 3 });
    });
  });

  test("an iostat that fails is a warning, and holds nothing up", async ({ world }) => {
    world.program("iostat", "exit 1");
    expect(await health(world)).toMatchObject({ status: 1, stdout: text("iostat does not answer") });
  });
});
