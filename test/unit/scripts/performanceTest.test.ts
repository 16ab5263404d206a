import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

/** What fio 3.33 prints of four jobs, without what is not read. */
const fio = (bytesPerSecond: number) => {
  const figures = {
    bw_bytes: bytesPerSecond,
    iops: bytesPerSecond / 4096,
    clat_ns: { percentile: { "99.000000": 5_000_000 } },
  };
  return JSON.stringify({
    jobs: ["sequentialWrite", "sequentialRead", "randomWrite", "randomRead"].map((jobname) => ({
      jobname,
      error: 0,
      read: figures,
      write: figures,
    })),
  });
};

/** A stand-in for fio: writes its file, prints `answer`, and appends its working directory to `places`. */
const FIO = (answer: string) => `
pwd -P >>"\${0%/programs/*}/places"
for word; do
  case $word in
    --filename=*) echo data >"\${word#*=}" ;;
  esac
done
echo '${answer}'`;

const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    for (const tier of [world.hot, world.warm, world.cold]) await world.must(["mount", "-o", "remount,size=1g", tier]);
    await world.must(["mkdir", join(world.cold, "jts")]);
    world.program("fio", FIO(fio(2 ** 20)));
    await use(world);
  },
});

const options = (world: World, change: (settings: Settings) => unknown = () => undefined) => [
  "--settings",
  world.settings(change),
  "--lock",
  world.lock,
  "--quick",
];
const measure = (world: World, ...more: readonly string[]) =>
  world.run([join(SCRIPTS, "performance-test.sh"), ...options(world), ...more]);
/** All that is left in the tiers. */
const left = async (world: World) =>
  (await world.must(["find", world.hot, world.warm, world.cold, "-mindepth", "1"])).trim().split("\n");

interface Measured {
  readonly size: string;
  readonly tiers: readonly {
    readonly tier: string;
    readonly path: string;
    readonly problem: string | null;
    readonly tests: Readonly<
      Record<string, { readonly bytesPerSecond: number; readonly changePercent: number | null }>
    > | null;
  }[];
}

describe.skipIf(!IS_ROOT).concurrent("performance-test.sh (needs root for mounts)", { timeout: 180_000 }, () => {
  test("measures each tier in a folder of its own, which is gone afterwards, and compares with the last run", async ({
    world,
  }) => {
    expect(await measure(world)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^cold +randomRead +1\.0MiB\/s +256\/s +5000 us +-$/m) as string,
    });
    world.program("fio", FIO(fio(2 ** 20 * 1.5)));
    const { status, stdout } = await measure(world, "--json");
    const { size, tiers } = JSON.parse(stdout) as Measured;
    expect([status, size]).toEqual([0, "quick"]);
    expect(tiers.map(({ tier, path }) => [tier, path])).toEqual([
      ["hot", world.hot],
      ["warm", world.warm],
      ["cold", `${world.cold}/jts`],
    ]);
    for (const { tests } of tiers) {
      expect(Object.keys(tests!)).toEqual(["sequentialWrite", "sequentialRead", "randomWrite", "randomRead"]);
      for (const one of Object.values(tests!))
        expect([one.bytesPerSecond, one.changePercent]).toEqual([2 ** 20 * 1.5, 50]);
    }
    const places = readFileSync(join(world.path, "places"), "utf8").trim().split("\n");
    expect(places.map((place) => place.replace(/\.jts-performance-\w+$/, "…"))).toEqual(
      [...[world.hot, world.warm, `${world.cold}/jts`], ...[world.hot, world.warm, `${world.cold}/jts`]].map(
        (path) => `${path}/…`,
      ),
    );
    expect(await left(world)).toEqual([`${world.cold}/jts`]);
  });

  test("keeps what it measured of a tier while another one is away, and says so with exit 1", async ({ world }) => {
    await measure(world);
    await world.must(["umount", world.cold]);
    const { status, stdout, stderr } = await measure(world, "--json");
    expect([status, (JSON.parse(stdout) as Measured).tiers.map(({ tests }) => tests === null)]).toEqual([
      1,
      [false, false, true],
    ]);
    expect(stderr).toContain(`cold is not measured: nothing is mounted at ${world.cold}`);
    const kept = JSON.parse(readFileSync(join(world.path, "state/performance.json"), "utf8")) as { quick: Measured };
    expect(kept.quick.tiers.map(({ tier, tests }) => [tier, tests === null]).sort()).toEqual([
      ["cold", false],
      ["hot", false],
      ["warm", false],
    ]);
  });

  test("refuses a tier where space is short, before it writes anything", async ({ world }) => {
    await world.must(["mount", "-o", "remount,size=384m", world.warm]);
    await world.must(["fallocate", "--length=250MiB", join(world.warm, "big")]);
    const { status, stderr } = await measure(world, "--tier", "warm");
    expect([status, stderr]).toEqual([1, text("has too little room for 64MiB: 66 % of 384MiB used")]);
    expect(world.calls()).toEqual([]);
  });

  test("refuses a mount that is not the declared one", async ({ world }) => {
    await world.must(["mount", "--bind", world.programs, world.warm]);
    expect(await measure(world, "--tier", "warm")).toMatchObject({
      status: 1,
      stderr: text("shows the root filesystem"),
    });
    expect(world.calls()).toEqual([]);
  });

  test("a fio that fails is reported, keeps no figures, and leaves nothing", async ({ world }) => {
    world.program("fio", `${FIO("fio: broken")}; exit 1`);
    expect(await measure(world, "--tier", "hot")).toMatchObject({
      status: 1,
      stderr: text("hot is not measured: fio failed"),
    });
    expect(await left(world)).toEqual([`${world.cold}/jts`]);
    expect(JSON.parse(readFileSync(join(world.path, "state/performance.json"), "utf8"))).toMatchObject({
      quick: { tiers: [] },
    });
  });

  test("ended by a signal in the middle, it removes its file at once; killed, the next run does", async ({ world }) => {
    world.program("fio", `${FIO("{}")}; touch "\${0%/programs/*}/running"; exec sleep 60`);
    const running = async () => {
      while (!existsSync(join(world.path, "running"))) await new Promise((resolve) => setTimeout(resolve, 20));
      await world.must(["rm", join(world.path, "running")]);
    };
    for (const [signal, status] of [
      ["SIGTERM", 143],
      ["SIGKILL", null],
    ] as const) {
      const { child, ended } = world.start([join(SCRIPTS, "performance-test.sh"), ...options(world), "--tier", "hot"]);
      await running();
      child.kill(signal);
      expect((await ended).status).toBe(status);
      expect((await left(world)).filter((path) => path.includes("jts-performance")).length).toBe(
        signal === "SIGTERM" ? 0 : 2,
      );
    }
    world.put(join(world.hot, ".jts-performance-theirs/precious"), "theirs");
    world.program("fio", FIO(fio(1)));
    expect((await measure(world, "--tier", "hot")).status).toBe(0);
    expect((await left(world)).filter((path) => path.includes("jts-performance"))).toEqual([
      `${world.hot}/.jts-performance-theirs`,
      `${world.hot}/.jts-performance-theirs/precious`,
    ]);
  });

  test("--dry-run says where it would measure, and writes nothing", async ({ world }) => {
    const { status, stdout } = await measure(world, "--dry-run");
    expect([status, stdout.trim().split("\n").length]).toEqual([0, 3]);
    expect(stdout).toContain(`would measure cold at ${world.cold}/jts with 64MiB`);
    expect([world.calls(), existsSync(join(world.path, "state"))]).toEqual([[], false]);
  });

  test("a second run ends with 75 while one holds the lock", async ({ world }) => {
    expect(
      await world.run(["flock", world.lock, join(SCRIPTS, "performance-test.sh"), ...options(world)]),
    ).toMatchObject({ status: 75, stderr: text("another run holds") });
  });

  test.for([["--fix"], ["--tier", "lukewarm"], ["--settings"]])(
    "refuses the arguments %j, exit 2",
    async (arguments_, { world }) => {
      expect(await world.run([join(SCRIPTS, "performance-test.sh"), ...arguments_])).toMatchObject({ status: 2 });
    },
  );
});
