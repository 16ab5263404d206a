import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { Trial } from "../../../components/verification.ts";
import { IS_ROOT, SCRIPTS, test as plain, type World } from "./world.ts";

const text = (part: string) => expect.stringContaining(part) as string;

interface Verdict {
  readonly ok: boolean;
  readonly checks: readonly { readonly ok: boolean; readonly subject: string; readonly fact: string }[];
}

const MAKE_FOLDERS = `
cd "$1"
for user in daemon games root; do
  install --directory --owner=$user --group=$user --mode=750 hot/$user hot/$user/data
done
chmod 755 warm cold
mkdir -m 755 warm/logs cold/jts
`;

/** Two services, of accounts that Debian has; root's folder; all as declared. */
const test = plain.extend<{ readonly world: World }>({
  world: async ({ world }, use) => {
    chmodSync(world.path, 0o755);
    await world.must(["bash", "-euc", MAKE_FOLDERS, "make", world.path]);
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
const trialIn = (world: World): Trial => ({
  folders: [
    folder(`${world.hot}/daemon`, "daemon", "750", "data"),
    folder(`${world.hot}/games`, "games", "750", "data"),
    folder(`${world.hot}/root`, "root", "750", "data"),
    folder(world.warm, "root", "755", "logs"),
    folder(`${world.cold}/jts`, "root", "755"),
  ],
  moves: [
    { tier: "hot", path: `${world.hot}/root`, mount: world.hot },
    { tier: "warm", path: world.warm, mount: world.warm },
    { tier: "cold", path: `${world.cold}/jts`, mount: world.cold },
  ],
});

async function verify(
  world: World,
  declared: Partial<Trial> = {},
): Promise<{ status: number | null; checks: Verdict["checks"]; failed: string[] }> {
  writeFileSync(join(world.path, "declaration"), JSON.stringify({ ...trialIn(world), ...declared }));
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
  // Whatever was found, nothing is left behind.
  expect(await everything(world)).toEqual(before);
  return { status, checks, failed: checks.filter((one) => !one.ok).map(({ subject, fact }) => `${subject}: ${fact}`) };
}

const everything = async (world: World) =>
  (await world.must(["find", world.hot, world.warm, world.cold, "-printf", "%p %M %u\n"])).split("\n").sort();

describe
  .skipIf(!IS_ROOT)
  .concurrent("verify-tiers.py (needs root for mounts and accounts)", { timeout: 180_000 }, () => {
    test("finds all as declared, sends a file through the tiers, and leaves nothing", async ({ world }) => {
      const { status, checks, failed } = await verify(world);
      expect([failed, status]).toEqual([[], 0]);
      const facts = checks.map(({ subject, fact }) => `${subject}: ${fact}`);
      expect(facts).toContain("access: daemon writes to its 2 folders, and to none of 7 others");
      expect(facts.at(-1)).toMatch(
        /^move: a file went hot → warm → cold with SHA-256 [0-9a-f]{16}…, and is removed again$/,
      );
    });

    test("prints a table; an `up`, whose error has what it prints, only what failed", async ({ world }) => {
      const print = (owner: string, ...command: string[]) => {
        const folders = [folder(`${world.hot}/daemon`, "daemon", "750", "data"), folder(world.warm, owner, "755")];
        writeFileSync(join(world.path, "declaration"), JSON.stringify({ folders, moves: [] }));
        return world.run([
          "bash",
          "-c",
          'file=$1; shift; exec "$@" <"$file"',
          "verify",
          join(world.path, "declaration"),
          ...command,
        ]);
      };
      const run = (owner: string) => print(owner, join(SCRIPTS, "verify-tiers.py"));
      const up = (owner: string) => print(owner, "bash", join(SCRIPTS, "../components/deploy/verify.sh"), SCRIPTS);
      expect(await run("root")).toMatchObject({
        status: 0,
        stdout: "ok      access   daemon writes to its 2 folders, and to none of 1 others\nall 1 checks passed\n",
      });
      const failure =
        `FAILED  access   games cannot write to ${world.warm}. Next: pulumi up --refresh; ` +
        `and look at the folders above: namei -l ${world.warm}\n1 of 2 checks failed\n`;
      expect(await run("games")).toMatchObject({ status: 1, stdout: text(failure), stderr: "" });
      expect(await up("root")).toMatchObject({ status: 0, stdout: text("\nall 1 checks passed\n"), stderr: "" });
      expect(await up("games")).toMatchObject({
        status: 1,
        stdout: "",
        stderr: `${failure}Next: npm run verify -- --stack STACK, which compares everything; once that is mended: pulumi up\n`,
      });
    });

    test("reports a service that can write where others' data is, or can't where its own is", async ({ world }) => {
      await world.must(["chmod", "550", `${world.hot}/daemon/data`]);
      expect((await verify(world)).failed).toEqual([text(`access: daemon cannot write to ${world.hot}/daemon/data`)]);
      await world.must(["chmod", "750", `${world.hot}/daemon/data`]);
      await world.must(["chmod", "777", `${world.hot}/games`, `${world.hot}/games/data`]);
      expect((await verify(world)).failed).toEqual([
        text(`access: daemon can write to ${world.hot}/games, ${world.hot}/games/data, which belongs to others`),
      ]);
    });

    test("reports an account and a folder that do not exist", async ({ world }) => {
      const { failed } = await verify(world, {
        folders: [folder(`${world.hot}/nowhere`, "daemon", "750"), folder(`${world.hot}/daemon`, "nobody-here", "750")],
      });
      expect(failed).toEqual([
        text(`daemon cannot write to ${world.hot}/nowhere`),
        text("there is no user nobody-here"),
      ]);
    });

    test("reports what stops a file on its way, and takes it away again", async ({ world }) => {
      await world.must(["umount", world.cold]);
      await world.must(["mkdir", "-p", `${world.cold}/jts`]);
      const { failed } = await verify(world, { folders: [] });
      expect(failed).toEqual([text(`move: a move failed (status 1): not moved: `)]);
      expect(failed[0]).toContain(`nothing is mounted at ${world.cold}`);
    });

    test("leaves nothing where a tier's clock is ahead, as a NAS's may be", async ({ world }) => {
      // The file has the time of its tier.
      world.clockAhead(-0.5);
      expect(await verify(world)).toMatchObject({ status: 0, failed: [] });
    });

    test("removes what a killed run left, and nothing that only looks like it", async ({ world }) => {
      const left = `${world.warm}/.jts-verify-0123456789abcdef`;
      for (const name of ["probe.zst", ".jts-leaving-probe", ".jts-moving-0123456789abcdef"])
        world.put(`${left}/${name}`);
      world.put(`${world.warm}/.jts-verify-fedcba9876543210/precious`);
      await world.must(["touch", "--date=2 hours ago", left, `${world.warm}/.jts-verify-fedcba9876543210`]);
      writeFileSync(join(world.path, "declaration"), JSON.stringify({ ...trialIn(world), folders: [] }));
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
      ).toMatchObject({ status: 2, stderr: text("is not a declaration") });
    });
  });
