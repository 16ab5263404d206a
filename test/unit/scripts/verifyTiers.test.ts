import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Declaration } from "../../../components/verification.ts";
import { IS_ROOT, SCRIPTS, test as plain, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

interface Verdict {
  readonly ok: boolean;
  readonly checks: readonly { readonly ok: boolean; readonly subject: string; readonly fact: string }[];
}

/** Two services, of accounts that Debian has; root's folder; all as declared. */
const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    chmodSync(world.path, 0o755);
    await world.must([
      "bash",
      "-euc",
      'cd "$1"; for user in daemon games root; do install --directory --owner=$user --group=$user --mode=750 hot/$user hot/$user/data; done; mkdir also; mount --bind hot/daemon also; chmod 755 warm cold; mkdir -m 755 warm/logs cold/jts',
      "make",
      world.path,
    ]);
    writeFileSync(join(world.path, "timer"), "[Timer]\nOnCalendar=daily\n");
    world.program(
      "systemctl",
      `printf '%s\\n' Id=tiered-storage.timer LoadState=loaded UnitFileState=enabled ActiveState=active FragmentPath=${world.path}/timer 'NextElapseUSecRealtime=Tue 2023-11-14 23:13:20 UTC'`,
    );
    await use(world);
  },
});

const folder = (path: string, owner: string, mode: string, ...folders: string[]) => ({
  path,
  owner,
  group: owner,
  mode,
  folders,
});
const declarationOf = (world: World): Declaration => ({
  mounts: [
    { point: world.hot, source: "hot", type: "tmpfs", options: ["rw"] },
    { point: world.cold, source: "nas:/volume", type: "tmpfs", options: [] },
  ],
  folders: [
    folder(`${world.hot}/daemon`, "daemon", "750", "data"),
    folder(`${world.hot}/games`, "games", "750", "data"),
    folder(`${world.hot}/root`, "root", "750", "data"),
    folder(world.warm, "root", "755", "logs"),
    folder(`${world.cold}/jts`, "root", "755"),
  ],
  timers: { "tiered-storage": "daily" },
  moves: [
    { tier: "hot", path: `${world.hot}/root`, mount: world.hot },
    { tier: "warm", path: world.warm, mount: world.warm },
    { tier: "cold", path: `${world.cold}/jts`, mount: world.cold },
  ],
});

async function verify(
  world: World,
  declared: Partial<Declaration> = {},
): Promise<{ status: number | null; checks: Verdict["checks"]; failed: string[] }> {
  writeFileSync(join(world.path, "declaration"), JSON.stringify({ ...declarationOf(world), ...declared }));
  const before = await everything(world);
  const { status, stdout, stderr } = await world.run([
    "bash",
    "-c",
    'exec "$1" --json <"$2"',
    "verify",
    join(SCRIPTS, "verify-tiers.py"),
    join(world.path, "declaration"),
  ]);
  expect(stderr).toBe("");
  const { ok, checks } = JSON.parse(stdout) as Verdict;
  expect(ok).toBe(status === 0);
  // Whatever was found, nothing stays.
  expect(await everything(world)).toEqual(before);
  return { status, checks, failed: checks.filter((one) => !one.ok).map(({ subject, fact }) => `${subject}: ${fact}`) };
}

const everything = async (world: World) =>
  (await world.must(["find", world.hot, world.warm, world.cold, "-printf", "%p %M %u\n"])).split("\n").sort();

describe
  .skipIf(!IS_ROOT)
  .concurrent("verify-tiers.py (needs root for mounts and accounts)", { timeout: 180_000 }, () => {
    test("finds all as declared, sends a file through the tiers, and leaves nothing", async ({ world }) => {
      const bind = { point: `${world.path}/also`, source: `${world.hot}`, type: "none", options: [] };
      const { status, checks, failed } = await verify(world);
      expect([failed, status]).toEqual([[], 0]);
      const facts = checks.map(({ subject, fact }) => `${subject}: ${fact}`);
      expect(facts).toContain("access: daemon writes to its 2 folders, and to none of 7 others");
      expect(facts).toContain("timer: tiered-storage: daily, next 2023-11-14 23:13:20 UTC");
      expect(facts.at(-1)).toMatch(
        /^move: a file went hot → warm → cold with SHA-256 [0-9a-f]{16}…, and is removed again$/,
      );
      expect((await verify(world, { mounts: [bind] })).failed).toEqual([
        text(`${world.path}/also does not show ${world.hot}`),
      ]);
    });

    test("tells in a table; an `up`, whose error has what it prints, of a failure alone", async ({ world }) => {
      const told = (declared: Partial<Declaration>, ...command: string[]) => {
        writeFileSync(
          join(world.path, "declaration"),
          JSON.stringify({ ...declarationOf(world), moves: [], folders: [], ...declared }),
        );
        return world.run([
          "bash",
          "-c",
          'file=$1; shift; exec "$@" <"$file"',
          "verify",
          join(world.path, "declaration"),
          ...command,
        ]);
      };
      const run = (declared: Partial<Declaration>) => told(declared, join(SCRIPTS, "verify-tiers.py"));
      const up = (declared: Partial<Declaration>) =>
        told(declared, "bash", join(SCRIPTS, "../components/deploy/verify.sh"), SCRIPTS);
      expect(await run({})).toMatchObject({
        status: 0,
        stdout: expect.stringMatching(
          /^ok {6}mount {4}.*shows hot, rw\nok .*\nok .*\nall 3 checks passed\n$/,
        ) as string,
      });
      const failure =
        "FAILED  timer    tiered-storage.timer does not run weekly. Do: pulumi up --refresh\n1 of 3 checks failed\n";
      expect(await run({ timers: { "tiered-storage": "weekly" } })).toMatchObject({
        status: 1,
        stdout: expect.stringMatching(new RegExp(`^ok .*\n(.*\n)*${failure}$`)) as string,
        stderr: "",
      });
      expect(await up({})).toMatchObject({ status: 0, stdout: text("\nall 3 checks passed\n"), stderr: "" });
      expect(await up({ timers: { "tiered-storage": "weekly" } })).toMatchObject({
        status: 1,
        stdout: "",
        stderr: failure,
      });
    });

    test("tells a mount that is missing, of another source, or without an option", async ({ world }) => {
      const mounts = [
        { point: `${world.path}/nowhere`, source: "x", type: "ext4", options: [] },
        { point: world.cold, source: "nas:/other", type: "tmpfs", options: [] },
        { point: world.hot, source: "hot", type: "ext4", options: [] },
        { point: world.warm, source: "warm", type: "tmpfs", options: ["noatime", "rw"] },
      ];
      expect((await verify(world, { mounts })).failed).toEqual([
        text(`nothing is mounted at ${world.path}/nowhere`),
        text(`nas:/volume is mounted at ${world.cold} instead of nas:/other`),
        text(`${world.hot} is tmpfs, not ext4`),
        text(`${world.warm} is mounted without noatime`),
      ]);
    });

    test("tells a service that can write where others' data is, or can't where its own is", async ({ world }) => {
      await world.must(["chmod", "777", `${world.hot}/games`, `${world.hot}/games/data`]);
      await world.must(["chmod", "550", `${world.hot}/daemon/data`]);
      const { failed } = await verify(world);
      expect(failed).toEqual([
        text(`folders: ${world.hot}/daemon/data is not a folder of daemon:daemon with mode 750`),
        text(`folders: ${world.hot}/games is not a folder of games:games with mode 750`),
        text(`access: daemon cannot write to ${world.hot}/daemon/data`),
      ]);
      await world.must(["chmod", "750", `${world.hot}/daemon/data`]);
      expect((await verify(world)).failed).toContainEqual(
        text(`access: daemon can write to ${world.hot}/games, ${world.hot}/games/data, which belongs to others`),
      );
    });

    test("tells an account, a folder and a timer that there are not", async ({ world }) => {
      world.program("systemctl", "printf '%s\\n' LoadState=not-found");
      const { failed } = await verify(world, {
        folders: [folder(`${world.hot}/nowhere`, "daemon", "750"), folder(`${world.hot}/daemon`, "nobody-here", "750")],
      });
      expect(failed).toEqual([
        text("No such file or directory"),
        text("nobody-here"),
        text(`daemon cannot write to ${world.hot}/nowhere`),
        text("there is no user nobody-here"),
        text("there is no tiered-storage.timer"),
      ]);
    });

    test("tells what stops a file on its way, and takes it away again", async ({ world }) => {
      await world.must(["umount", world.cold]);
      await world.must(["mkdir", "-p", `${world.cold}/jts`]);
      const { failed } = await verify(world, { mounts: [], folders: [] });
      expect(failed).toEqual([text(`move: a move failed (status 1): not moved: `)]);
      expect(failed[0]).toContain(`nothing is mounted at ${world.cold}`);
    });

    test("leaves nothing where a tier's clock is ahead, as a NAS's may be", async ({ world }) => {
      // The file bears the time of its tier.
      world.clockAhead(-0.5);
      expect(await verify(world)).toMatchObject({ status: 0, failed: [] });
    });

    test("removes what a killed run left, and nothing that only looks like it", async ({ world }) => {
      const left = `${world.warm}/.jts-verify-0123456789abcdef`;
      for (const name of ["probe.zst", ".jts-leaving-probe", ".jts-moving-0123456789abcdef"])
        world.put(`${left}/${name}`);
      world.put(`${world.warm}/.jts-verify-fedcba9876543210/precious`);
      await world.must(["touch", "--date=2 hours ago", left, `${world.warm}/.jts-verify-fedcba9876543210`]);
      writeFileSync(join(world.path, "declaration"), JSON.stringify({ ...declarationOf(world), folders: [] }));
      await world.must([
        "bash",
        "-c",
        'exec "$1" <"$2"',
        "verify",
        join(SCRIPTS, "verify-tiers.py"),
        join(world.path, "declaration"),
      ]);
      expect(await world.files()).toEqual(["warm/.jts-verify-fedcba9876543210/precious"]);
      expect(await world.must(["find", world.warm, "-name", ".jts-verify-0*"])).toBe("");
    });

    test.for(["", "{}", "[]", "not JSON"])("refuses the declaration %j, exit 2", async (declaration, { world }) => {
      writeFileSync(join(world.path, "declaration"), declaration);
      expect(
        await world.run([
          "bash",
          "-c",
          'exec "$1" <"$2"',
          "verify",
          join(SCRIPTS, "verify-tiers.py"),
          join(world.path, "declaration"),
        ]),
      ).toMatchObject({ status: 2, stderr: text("is no declaration") });
    });
  });
