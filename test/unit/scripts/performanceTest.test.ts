import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { IS_ROOT, SCRIPTS, test as plain, type Settings, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

const TESTS = ["sequentialWrite", "sequentialRead", "randomWrite", "randomRead"];

/** What fio 3.33 prints of four jobs, without what is not read. */
const fio = (bytesPerSecond: number) => {
  const figures = {
    bw_bytes: bytesPerSecond,
    iops: bytesPerSecond / 4096,
    clat_ns: { percentile: { "99.000000": 5_000_000 } },
  };
  return JSON.stringify({
    jobs: TESTS.map((jobname) => ({
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

/** What Python's parser of XML finds in an SVG file; of each line, the heights of its points. */
const PARSE = `
import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
every = lambda name: root.iter("{http://www.w3.org/2000/svg}" + name)
lines = [[float(point.split(",")[1]) for point in one.get("points").split()] for one in every("polyline")]
print(json.dumps({"root": root.tag, "lines": lines, "texts": [one.text for one in every("text")],
  "titles": [one.text for one in every("title")]}))`;
interface Parsed {
  readonly root: string;
  readonly lines: readonly (readonly number[])[];
  readonly texts: readonly string[];
  readonly titles: readonly string[];
}

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
  readonly at: string | null;
  readonly size: string | null;
  readonly tiers: readonly {
    readonly tier: string;
    readonly path: string;
    readonly problem: string | null;
    readonly tests: Readonly<
      Record<string, { readonly bytesPerSecond: number; readonly changePercent: number | null }>
    > | null;
  }[];
  readonly history: readonly (Kept & {
    readonly trends: readonly {
      readonly test: string;
      readonly figure: string;
      readonly median: number | null;
      readonly changePercent: number | null;
      readonly isSlower: boolean;
    }[];
  })[];
}

/** What performance.json has of a mount. */
interface Kept {
  readonly tier: string;
  readonly path: string;
  readonly size: string;
  readonly runs: readonly {
    readonly at: string;
    readonly tests: Readonly<Record<string, { bytesPerSecond: number }>>;
  }[];
}
const stateOf = (world: World) => join(world.path, "state/performance.json");
/** In the order of their tiers' names. */
const kept = (world: World) =>
  (JSON.parse(readFileSync(stateOf(world), "utf8")) as { readonly mounts: readonly Kept[] }).mounts.toSorted((a, b) =>
    a.tier < b.tier ? -1 : 1,
  );
/** The bytes per second of the first test in each run, the oldest first. */
const speeds = ({ runs }: Kept) => runs.map(({ tests }) => tests.sequentialWrite!.bytesPerSecond);
/** Runs that are kept of hot. */
function keep(world: World, values: readonly number[], size = "quick") {
  const runs = values.map((bytesPerSecond, index) => ({
    at: `2026-01-${String(index + 1).padStart(2, "0")}T12:00:00Z`,
    tests: Object.fromEntries(
      TESTS.map((test) => [
        test,
        { bytesPerSecond, operationsPerSecond: bytesPerSecond / 4096, p99Microseconds: 5000 },
      ]),
    ),
  }));
  write(world, JSON.stringify({ version: 2, mounts: [{ tier: "hot", path: world.hot, size, runs }] }));
}
function write(world: World, content: string) {
  mkdirSync(join(world.path, "state"), { recursive: true });
  writeFileSync(stateOf(world), content);
}

describe.skipIf(!IS_ROOT).concurrent("performance-test.sh (needs root for mounts)", { timeout: 180_000 }, () => {
  test("measures each tier in a folder of its own, which is gone afterwards, and compares with the last run", async ({
    world,
  }) => {
    expect(await measure(world)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^cold \S+\/cold\/jts, quick$[^]*^ +sequentialRead bytes\/s +1\.0Mi +- +-$[^]*^ +randomRead op\/s +256 +- +-\n +randomRead 99 % +5\.0ms +- +-$/m,
      ) as string,
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
      expect(Object.keys(tests!)).toEqual(TESTS);
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
    expect(stderr).toContain(`cold at ${world.cold}/jts is not measured: nothing is mounted at ${world.cold}`);
    expect(kept(world).map(({ tier, runs }) => [tier, runs.length])).toEqual([
      ["cold", 1],
      ["hot", 2],
      ["warm", 2],
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
      stderr: text(`hot at ${world.hot} is not measured: fio failed`),
    });
    expect(await left(world)).toEqual([`${world.cold}/jts`]);
    expect(kept(world)).toEqual([]);
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

  test("measures each volume of hot once, at its mount point, and no bind mount", async ({ world }) => {
    const [second, again] = [join(world.path, "second"), join(world.path, "again")];
    await world.must(["mkdir", second, again]);
    await world.must(["mount", "-t", "tmpfs", "-o", "size=1g", "second", second]);
    await world.must(["mount", "--bind", second, again]);
    await world.must(["mkdir", join(world.hot, "tree")]);
    await world.must(["mount", "--bind", second, join(world.hot, "tree")]);
    const settings = world.settings(({ hot }) => hot!.mountPoints.push(second, again));
    const { status, stdout, stderr } = await world.run([
      join(SCRIPTS, "performance-test.sh"),
      ...["--settings", settings, "--lock", world.lock, "--quick", "--json"],
    ]);
    expect([status, (JSON.parse(stdout) as Measured).tiers.map(({ tier, path }) => [tier, path])]).toEqual([
      0,
      [
        ["hot", world.hot],
        ["hot", second],
        ["warm", world.warm],
        ["cold", `${world.cold}/jts`],
      ],
    ]);
    expect(stderr).toContain(`${again} is not measured: it is the same filesystem as ${second}`);
    expect(world.calls().length).toBe(4);
  });

  test("keeps ten runs of each mount: the eleventh drops the first, and others' stay", async ({ world }) => {
    const values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => number * 2 ** 20);
    await measure(world, "--tier", "warm");
    const { mounts } = JSON.parse(readFileSync(stateOf(world), "utf8")) as { mounts: readonly Kept[] };
    keep(world, values);
    const { mounts: more } = JSON.parse(readFileSync(stateOf(world), "utf8")) as { mounts: readonly Kept[] };
    write(world, JSON.stringify({ version: 2, mounts: [...more, ...mounts] }));
    world.program("fio", FIO(fio(11 * 2 ** 20)));
    const { stdout } = await measure(world, "--tier", "hot", "--json");
    const [hot, warm] = kept(world);
    expect(speeds(hot!)).toEqual([...values.slice(1), 11 * 2 ** 20]);
    expect(speeds(warm!)).toEqual([2 ** 20]);
    const { history } = JSON.parse(stdout) as Measured;
    expect(history.map(({ tier, runs }) => [tier, runs])).toEqual([["hot", hot!.runs]]);
    // The median of 2 to 10 MiB is 6 MiB.
    expect(history[0]!.trends[0]).toEqual({
      test: "sequentialWrite",
      figure: "bytesPerSecond",
      median: 6 * 2 ** 20,
      changePercent: 83.3,
      isSlower: false,
    });
  });

  test("compares quick runs only with quick ones, and drops a mount that the settings no longer have", async ({
    world,
  }) => {
    keep(world, [2 ** 30], "full");
    await measure(world, "--tier", "hot");
    expect(kept(world).map(({ size, runs }) => [size, runs.length])).toEqual([
      ["full", 1],
      ["quick", 1],
    ]);
    const settings = world.settings(({ hot }) => (hot!.mountPoints = []));
    const arguments_ = ["--settings", settings, "--lock", world.lock, "--quick", "--tier", "warm"];
    await world.run([join(SCRIPTS, "performance-test.sh"), ...arguments_]);
    expect(kept(world).map(({ tier }) => tier)).toEqual(["warm"]);
  });

  test("marks what is slower than the median of the earlier runs by more than the limit, and says what to do", async ({
    world,
  }) => {
    // One slow run among the earlier ones does not move their median.
    const usual = [100, 100, 10, 100].map((number) => number * 2 ** 20);
    keep(world, usual);
    world.program("fio", FIO(fio(75 * 2 ** 20)));
    const at = await measure(world, "--tier", "hot");
    expect(at).toMatchObject({ status: 0, stdout: expect.not.stringContaining("SLOWER") as string });
    expect(at.stderr).not.toContain("slower");

    keep(world, usual);
    world.program("fio", FIO(fio(74 * 2 ** 20)));
    const { status, stdout, stderr } = await measure(world, "--tier", "hot");
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/^ +sequentialWrite bytes\/s( +[\d.]+Mi){6} +-26 % {2}SLOWER$/m) as string,
    ]);
    expect(stdout).toMatch(/^ +sequentialWrite 99 %( +5\.0ms){6} +\+0 %$/m);
    expect(stderr).toMatch(/hot at \S+ is slower .*: sequentialWrite bytes\/s -26 %.*\. Next: .*storage-health\.sh$/m);
    const again = await measure(world, "--history", "--slower-percent", "26", "--json");
    const { history } = JSON.parse(again.stdout) as Measured;
    expect(history[0]!.trends.map(({ isSlower }) => isSlower)).toEqual(history[0]!.trends.map(() => false));
  });

  test("a time that is longer by more than the limit is slower too", async ({ world }) => {
    keep(world, [2 ** 20]);
    world.program("fio", FIO(fio(2 ** 20).replaceAll("5000000", "6300000")));
    expect((await measure(world, "--tier", "hot")).stdout).toMatch(
      /^ +randomRead 99 % +5\.0ms +6\.3ms +5\.0ms +\+26 % {2}SLOWER$/m,
    );
  });

  test("goes on from the one run that earlier versions kept", async ({ world }) => {
    const path = join(import.meta.dirname, "../../fixtures/performance/version1.json");
    write(world, readFileSync(path, "utf8").replaceAll("/tiers", world.path));
    const { status, stdout } = await measure(world, "--tier", "hot", "--json");
    const { tiers } = JSON.parse(stdout) as Measured;
    expect([status, tiers[0]!.tests!.sequentialWrite!.changePercent]).toEqual([0, 100]);
    expect(kept(world).map((one) => [one.tier, one.size, speeds(one)])).toEqual([
      ["cold", "quick", [524288]],
      ["hot", "full", [524288]],
      ["hot", "quick", [524288, 2 ** 20]],
      ["warm", "quick", [524288]],
    ]);
  });

  test.for([
    ["no JSON", "{"],
    ["no object", "[]"],
    ["of a later version", '{"version":3,"mounts":[]}'],
    ["no mounts", '{"version":2}'],
    [
      "without figures",
      '{"version":2,"mounts":[{"tier":"hot","path":"/","size":"quick","runs":[{"at":"2026-01-01T12:00:00Z"}]}]}',
    ],
    ["with no number", '{"version":2,"mounts":[],"more":NaN}'],
    ["nested too deep", "[".repeat(100_000)],
  ])(
    "a file of runs that is damaged (%s) is told and kept aside, and a new one begins",
    async ([, content], { world }) => {
      write(world, content!);
      const looked = await measure(world, "--history");
      expect(looked).toMatchObject({ status: 0, stdout: "no measurements are kept\n", stderr: text("cannot be read") });
      expect(readFileSync(stateOf(world), "utf8")).toBe(content);
      const { status, stderr } = await measure(world, "--tier", "hot");
      expect([status, stderr]).toEqual([
        0,
        text(`cannot be read: it is now ${stateOf(world)}.damaged, and a new one begins. Next: less`),
      ]);
      expect(readFileSync(`${stateOf(world)}.damaged`, "utf8")).toBe(content);
      expect(kept(world).map(speeds)).toEqual([[2 ** 20]]);
    },
  );

  test.for(["os.fdatasync", "os.rename"])(
    "killed while it writes, before %s, it leaves the old runs",
    async (call, { world }) => {
      await measure(world, "--tier", "hot");
      const before = readFileSync(stateOf(world), "utf8");
      const program = `
import os, runpy, sys
${call} = lambda *_: os.kill(os.getpid(), 9)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
`;
      world.program("python3", `exec /usr/bin/python3 "$1" "$2" -c '${program}' "\${@:3}"`);
      expect(await measure(world, "--tier", "hot")).toMatchObject({ signal: "SIGKILL" });
      expect(readFileSync(stateOf(world), "utf8")).toBe(before);
      await world.must(["rm", join(world.programs, "python3")]);
      expect((await measure(world, "--tier", "hot")).status).toBe(0);
      expect(kept(world).map(speeds)).toEqual([[2 ** 20, 2 ** 20]]);
    },
  );

  test("--history measures nothing and writes nothing, even while a run holds the lock", async ({ world }) => {
    keep(world, [2 ** 20, 2 ** 19]);
    const before = readFileSync(stateOf(world), "utf8");
    const script = join(SCRIPTS, "performance-test.sh");
    const { status, stdout } = await world.run(["flock", world.lock, script, ...options(world), "--history", "--json"]);
    const { at, size, tiers, history } = JSON.parse(stdout) as Measured;
    expect({ status, at, size, tiers }).toEqual({ status: 0, at: null, size: null, tiers: [] });
    expect(history.map((one) => [one.tier, one.trends[0]!.changePercent, speeds(one)])).toEqual([
      ["hot", -50, [2 ** 20, 2 ** 19]],
    ]);
    expect([world.calls(), readFileSync(stateOf(world), "utf8"), readdirSync(join(world.path, "state"))]).toEqual([
      [],
      before,
      ["performance.json"],
    ]);
  });

  test("--picture writes one SVG file: a line for each figure of each mount, and what is slower", async ({ world }) => {
    keep(world, [4 * 2 ** 20, 4 * 2 ** 20]);
    // Measuring changes the working directory; the path goes by the one before.
    const script = join(SCRIPTS, "performance-test.sh");
    const run = ["env", `--chdir=${world.path}`, script, ...options(world), "--picture", "picture.svg"];
    expect((await world.run(run)).status).toBe(0);
    const seen = JSON.parse(await world.python(PARSE, join(world.path, "picture.svg"))) as Parsed;
    expect(seen.root).toEqual("{http://www.w3.org/2000/svg}svg");
    expect(seen.lines.map((points) => points.length)).toEqual([
      ...Array<number>(8).fill(3),
      ...Array<number>(16).fill(1),
    ]);
    // From 4 MiB/s down to 1: the higher, the faster.
    const [first, , last] = seen.lines[0]!;
    expect(last!).toBeGreaterThan(first!);
    expect(seen.texts).toEqual(expect.arrayContaining([world.hot, world.warm, `${world.cold}/jts`]));
    expect(seen.texts.filter((one) => one === "slower -75 %").length).toBe(4);
    const svg = readFileSync(join(world.path, "picture.svg"), "utf8");
    expect(svg).toContain("@media (prefers-color-scheme: dark)");
    expect(svg.replace("http://www.w3.org/2000/svg", "")).not.toMatch(/<script|\bon\w+=|href|url\(|@import|https?:|<!/);
  });

  test("what a mount point is called cannot break the picture", async ({ world }) => {
    const odd = join(world.path, `a & <b> "c" 'd' \u202e é`);
    keep(world, [1]);
    write(world, readFileSync(stateOf(world), "utf8").replace(JSON.stringify(world.hot), JSON.stringify(odd)));
    const settings = world.settings(({ hot }) => (hot!.mountPoints = [odd]));
    const picture = join(world.path, "picture.svg");
    const script = join(SCRIPTS, "performance-test.sh");
    const { status, stderr } = await world.run([script, "--settings", settings, "--history", "--picture", picture]);
    expect([status, stderr]).toEqual([0, ""]);
    const { titles } = JSON.parse(await world.python(PARSE, picture)) as Parsed;
    expect(titles).toContain(`hot ${odd.replace("\u202e", "\ufffd")}, quick`);
  });

  test.for([
    ["picture.png", "does not end in .svg"],
    ["none/picture.svg", "Next: mkdir --parents"],
    ["folder.svg", "there can be no file"],
  ])("refuses the picture %s before it measures, exit 2", async ([path, reason], { world }) => {
    await world.must(["mkdir", join(world.path, "folder.svg")]);
    expect(await measure(world, "--picture", join(world.path, path!))).toMatchObject({
      status: 2,
      stderr: text(reason!),
    });
    expect(world.calls()).toEqual([]);
  });

  test.for([
    ["--fix"],
    ["--tier", "lukewarm"],
    ["--settings"],
    ["--slower-percent", "0"],
    ["--slower-percent", "100"],
    ["--history", "--dry-run"],
    ["--dry-run", "--picture", "/tmp/picture.svg"],
  ])("refuses the arguments %j, exit 2", async (arguments_, { world }) => {
    expect(await world.run([join(SCRIPTS, "performance-test.sh"), ...arguments_])).toMatchObject({ status: 2 });
  });
});
