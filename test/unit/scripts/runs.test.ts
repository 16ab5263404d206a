import { once } from "node:events";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test, type Settings, type World } from "./world.ts";

interface History {
  readonly program: string;
  readonly subcommand: string;
  readonly since: number;
  readonly succeeded: number | null;
  readonly runs: readonly Readonly<Record<string, number | null>>[];
}

const known = (world: World): readonly History[] =>
  (
    JSON.parse(readFileSync(join(world.path, "state/runs.json"), "utf8")) as {
      readonly subcommands: readonly History[];
    }
  ).subcommands;
const run = (world: World, program: string, words: readonly string[], change?: (settings: Settings) => unknown) =>
  world.run([join(SCRIPTS, program), ...words, "--settings", world.settings(change), "--lock", world.lock]);
const tiered = (world: World, ...words: readonly string[]) => run(world, "tiered-storage.sh", words);
const log = (world: World, name: string, content = name) => world.put(join(world.hot, "kafka/logs", name), content);

describe.skipIf(!IS_ROOT).concurrent("what is known of runs (needs root for mounts)", { timeout: 60_000 }, () => {
  test("is what a run moved, what was due and stayed, and how many names were taken", async ({ world }) => {
    for (const folder of ["daily-backups", "logs"]) mkdirSync(world.at(join(world.warm, folder)));
    mkdirSync(world.at(join(world.hot, "postgresql/logs")), { recursive: true });
    mkdirSync(world.at(join(world.cold, "jts/archives/database")), { recursive: true });
    log(world, "a.log", "12345");
    world.put(join(world.warm, "logs/kafka/logs/a.log.zst"), "another one");
    log(world, "open.log");
    world.put(join(world.hot, "kafka/logs/young.log"), "young", 0);
    const holder = world.start(["bash", "-c", `exec 9<${world.hot}/kafka/logs/open.log; echo ready; exec sleep 600`]);
    await once(holder.child.stdout!, "data");

    expect(await tiered(world, "migrate")).toMatchObject({ status: 0 });
    expect(known(world)).toEqual([
      {
        program: "tiered-storage",
        subcommand: "migrate",
        since: expect.closeTo(world.now, -2) as number,
        succeeded: expect.closeTo(world.now, -2) as number,
        runs: [
          {
            began: expect.closeTo(world.now, -2) as number,
            seconds: expect.any(Number) as number,
            status: 0,
            files: 1,
            bytes: 5,
            backlog: 1,
            conflicts: 1,
          },
        ],
      },
    ]);
    expect(statSync(join(world.path, "state/runs.json")).mode & 0o777).toBe(0o644);
    // Anybody who could lock it could block every run.
    expect(statSync(join(world.path, "state/runs.lock")).mode & 0o777).toBe(0o600);
  });

  test("is limited in size, has failures and how a run ended, and keeps when the last one succeeded", async ({
    world,
  }) => {
    const nothing = (status: number) => ({ status, files: 0, bytes: 0, backlog: null, conflicts: null });
    mkdirSync(world.at(join(world.cold, "jts/archives/configs")), { recursive: true });
    const archive = () => run(world, "nas-archival.sh", ["configs"]);
    expect(await archive()).toMatchObject({ status: 0 });
    const [first] = known(world);
    expect(first).toMatchObject({
      program: "nas-archival",
      subcommand: "configs",
      runs: [{ status: 0, files: 1, backlog: null, conflicts: null }],
    });
    expect(first!.runs[0]!.bytes).toBeGreaterThan(0);

    await world.must(["umount", world.cold]);
    for (let times = 0; times < 5; times++) expect(await archive()).toMatchObject({ status: 1 });
    const [last] = known(world);
    expect(last).toMatchObject({ since: first!.since, succeeded: first!.succeeded });
    expect(last!.runs).toEqual(Array(4).fill(expect.objectContaining(nothing(1))));

    // A run that is ended from outside, for example by systemd's limit.
    world.program("btrfs", "exit 0");
    world.program("docker", `kill -TERM $PPID; exec sleep 60`);
    const cleanup = await run(world, "tiered-storage.sh", ["cleanup"], (settings) =>
      Object.assign(settings, { warm: null, automation: { ...settings.automation, dockerPrune: true } }),
    );
    const ended = known(world).find(({ program }) => program === "tiered-storage");
    expect(ended).toMatchObject({ subcommand: "cleanup", succeeded: null, runs: [nothing(cleanup.status!)] });
    expect(cleanup.status).not.toBe(0);
  });

  test("has no dry run, no run that another one kept from starting, none that only looks, and none of some volumes", async ({
    world,
  }) => {
    const volumes = (settings: Settings) => {
      settings.hot!.volumeGroup = "vg_jts";
      settings.automation.backupVolumes = { lv_kafka: 2 ** 20 };
    };
    await tiered(world, "migrate", "--dry-run");
    await tiered(world, "check");
    await run(world, "nas-archival.sh", ["configs", "--dry-run"]);
    await run(world, "lvm-backup.sh", ["list"], volumes);
    await run(world, "lvm-backup.sh", ["daily", "lv_kafka"], volumes);
    const holder = world.start(["flock", world.lock, "-c", "echo ready; exec sleep 600"]);
    await once(holder.child.stdout!, "data");
    expect(await tiered(world, "migrate")).toMatchObject({ status: 75 });
    expect(() => known(world)).toThrow("ENOENT");
  });

  test("starts again where its file is damaged; where it cannot be kept, the run says so and goes on", async ({
    world,
  }) => {
    const cleanup = () => run(world, "lvm-backup.sh", ["cleanup"]);
    mkdirSync(join(world.path, "state"));
    mkdirSync(world.at(join(world.warm, "daily-backups")));
    writeFileSync(join(world.path, "state/runs.json"), "{");
    expect(await cleanup()).toMatchObject({ status: 0 });
    expect(known(world)).toMatchObject([{ program: "lvm-backup", subcommand: "cleanup", runs: [{ status: 0 }] }]);
    await world.must(["rm", "--recursive", join(world.path, "state")]);
    world.put(join(world.path, "state"), "a file");
    expect(await cleanup()).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("storage-health.sh will not know of this run") as string,
    });
  });
});
