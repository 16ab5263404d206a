import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

/** lvs --binary --reportformat json, as LVM 2.03.16 prints it. */
const lvs = (...snapshots: { name: string; fill: string; invalid?: string }[]) =>
  JSON.stringify({
    report: [
      {
        lv: [
          { lv_name: "lv_postgres", origin: "", lv_size: "858993459200", snap_percent: "", lv_snapshot_invalid: "-1" },
          ...snapshots.map(({ name, fill, invalid = "0" }) => ({ lv_name: name, origin: "lv_postgres", lv_size: "5368709120", snap_percent: fill, lv_snapshot_invalid: invalid })),
        ],
      },
    ],
  });
const vgs = (free: string) => JSON.stringify({ report: [{ vg: [{ vg_size: "4000783007744", vg_free: free }] }] });

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    world.program("lsblk", "echo /dev/nvme0n1 disk; echo /dev/loop0 loop");
    world.program("smartctl", `echo '{"smart_status": {"passed": true}}'`);
    await use(world);
  },
});

const health = (world: World, values: Readonly<Record<string, string>> = {}) => world.run([join(SCRIPTS, "storage-health.sh"), "--settings", world.settings(values)]);

describe.skipIf(!IS_ROOT).concurrent("storage-health.sh (needs root for mounts)", { timeout: 20_000 }, () => {
  test("is ok, exit 0, where all tiers are there and have room", async ({ world }) => {
    const { status, stdout } = await health(world);
    expect(status).toBe(0);
    for (const tier of ["hot", "warm", "cold"] as const) expect(stdout).toMatch(new RegExp(`^ok +${tier} +${world[tier]}: \\d+ %`, "m"));
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
    if (level !== "ok") expect(result.stdout).toMatch(new RegExp(`${level} +warm .*\\n +→ .*tiered-storage.sh cleanup`));
  });

  test("finds inodes that run out while there is room", async ({ world }) => {
    await world.must(["mount", "-o", "remount,nr_inodes=20", world.hot]);
    for (let number = 0; number < 18; number++) world.put(join(world.hot, `${number}`), "");
    expect(await health(world)).toMatchObject({ status: 2, stdout: text("of its inodes") });
  });

  test("is critical where a tier is not mounted, is another one, or shows the root disk, and says what to do", async ({ world }) => {
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

  test("never waits for a NAS that hangs, not even where its process can't be killed", async ({ world }) => {
    world.program("timeout", `[[ $* != *${world.cold} ]] || sleep 5\nexec /usr/bin/timeout "$@"`);
    const began = Date.now();
    expect(await health(world, { PROBE_SECONDS: "1" })).toMatchObject({ status: 2, stdout: text(`${world.cold} does not answer within 1 s`) });
    expect(Date.now() - began).toBeLessThan(4900);
  });

  test("tells the free space of the volume group and the fill of its snapshots", async ({ world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "12.50" }, { name: "snap_b", fill: "" })}'`);
    expect(await health(world, { VOLUME_GROUP: "vg_jts" })).toMatchObject({ status: 0, stdout: text("vg_jts: 126GiB of 3.7TiB free, 10GiB in snapshots") });
    expect(world.calls()).toContain("vgs --reportformat json --units b --nosuffix --options vg_size,vg_free -- vg_jts");
  });

  test.for<[string, string, number, string]>([
    ["85.00", "0", 1, "is 85 % full"],
    ["95.10", "0", 2, "is 95.1 % full"],
    ["100.00", "1", 2, "what it holds is lost"],
  ])("a snapshot filled to %s %%, invalid: %s, exits %i", async ([fill, invalid, status, message], { world }) => {
    world.program("vgs", `echo '${vgs("135291469824")}'`);
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill, invalid })}'`);
    expect(await health(world, { VOLUME_GROUP: "vg_jts" })).toMatchObject({ status, stdout: text(message) });
  });

  test("warns where the volume group has less for snapshots than their reserve, or nothing", async ({ world }) => {
    world.program("vgs", `echo '${vgs("0")}'`);
    world.program("lvs", `echo '${lvs()}'`);
    expect(await health(world, { VOLUME_GROUP: "vg_jts" })).toMatchObject({ status: 1, stdout: text("too little for snapshots") });
    world.program("lvs", `echo '${lvs({ name: "snap_a", fill: "1" })}'`);
    expect(await health(world, { VOLUME_GROUP: "vg_jts" })).toMatchObject({ status: 0 });
    expect(await health(world, { VOLUME_GROUP: "vg_jts", SNAPSHOT_RESERVE_BYTES: "127775277056" })).toMatchObject({ status: 1 });
  });

  test("is critical where it could not look at the volume group", async ({ world }) => {
    world.program("vgs", "exit 5");
    expect(await health(world, { VOLUME_GROUP: "vg_jts" })).toMatchObject({ status: 2, stdout: text("could not look at the volume group vg_jts") });
  });

  test("warns of a timer that is gone, stopped, or whose last run failed, and not of its own last findings", async ({ world }) => {
    world.program("systemctl", `case $* in
      *tiered-storage.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *tiered-storage.service) printf 'Result=exit-code\\nExecMainStatus=1\\n' ;;
      *lvm-backup.timer) printf 'LoadState=not-found\\nActiveState=inactive\\n' ;;
      *fstrim-all.timer) printf 'LoadState=loaded\\nActiveState=inactive\\n' ;;
      *storage-health.timer | *good.timer) printf 'LoadState=loaded\\nActiveState=active\\n' ;;
      *storage-health.service) printf 'Result=exit-code\\nExecMainStatus=2\\n' ;;
      *good.service) printf 'Result=success\\nExecMainStatus=0\\n' ;;
    esac`);
    const { status, stdout } = await health(world, { TIMERS: "tiered-storage:lvm-backup:fstrim-all:storage-health:good" });
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
    ['{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"critical_warning": 4}}', 2, "says that it is failing"],
    ['{"smart_status": {"passed": true}, "nvme_smart_health_information_log": {"critical_warning": 0, "percentage_used": 97}}', 1, "has used more than 90 % of its rated writes"],
    ['{"smartctl": {"exit_status": 2}}', 0, "tells nothing"],
    ["", 0, "tells nothing"],
  ])("judges a disk by what smartctl says: %s, exit %i", async ([said, status, message], { world }) => {
    world.program("smartctl", `echo '${said}'; exit 4`);
    expect(await health(world)).toMatchObject({ status, stdout: text(`/dev/nvme0n1 ${message}`) });
  });

  test("looks only at tiers that the host has", async ({ world }) => {
    await world.must(["umount", world.warm, world.cold]);
    const { status, stdout } = await health(world, { WARM_MOUNT: "", COLD_MOUNT: "", COLD_ROOT: "" });
    expect(status).toBe(0);
    expect(stdout).not.toMatch(/warm|cold|lvm/);
  });

  test.for([["--fix"], ["--settings"], ["--settings", "/does/not/exist"]])("refuses the arguments %j, exit 3", async (options, { world }) => {
    expect(await world.run([join(SCRIPTS, "storage-health.sh"), ...options])).toMatchObject({ status: 3 });
  });

  test("--help tells each exit status", async ({ world }) => {
    expect(await world.run([join(SCRIPTS, "storage-health.sh"), "--help"])).toMatchObject({ status: 0, stdout: text("0 ok · 1 warning · 2 critical · 3 wrong usage") });
  });
});
