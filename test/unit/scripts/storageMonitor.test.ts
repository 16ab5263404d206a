import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SCRIPTS, settingsIn } from "./world.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "jts-monitor-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, bytes: number): void {
  mkdirSync(join(root, "hot", path, ".."), { recursive: true });
  writeFileSync(join(root, "hot", path), Buffer.alloc(bytes, 1));
}

function monitor(
  options: readonly string[] = [],
  { script = join(SCRIPTS, "jts-storage-monitor.sh"), tree = join(root, "hot") } = {},
) {
  const settings = { ...settingsIn(root), hot: tree === "" ? null : { ...settingsIn(root).hot!, logRoot: tree } };
  writeFileSync(join(root, "settings.json"), JSON.stringify(settings), { mode: 0o600 });
  return spawnSync(script, ["--settings", join(root, "settings.json"), ...options], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${join(root, "programs")}:${process.env.PATH}` },
  });
}

interface Monitored {
  readonly tree: string;
  readonly folders: readonly {
    readonly name: string;
    readonly usedBytes: number | null;
    readonly totalBytes: number;
    readonly usedPercent: number;
    readonly folders: readonly { readonly name: string; readonly bytes: number }[] | null;
  }[];
}

describe("jts-storage-monitor.sh", () => {
  it("prints the size of each folder of the tree, whatever their names", () => {
    put("postgresql/data/base/1", 300_000);
    put("postgresql/-logs/a", 70_000);
    put("kaf ka/two\nlines/a", 100_000);
    mkdirSync(join(root, "hot/redis"));
    const { status, stdout } = monitor(["--json"]);
    const { tree, folders } = JSON.parse(stdout) as Monitored;
    expect([status, tree, folders.map(({ name }) => name)]).toEqual([
      0,
      join(root, "hot"),
      ["kaf ka", "postgresql", "redis"],
    ]);
    const sizes = Object.fromEntries(
      folders.flatMap((one) => one.folders!.map(({ name, bytes }) => [`${one.name}/${name}`, bytes])),
    );
    expect(Object.keys(sizes)).toEqual(["kaf ka/two\nlines", "postgresql/-logs", "postgresql/data"]);
    for (const [name, bytes] of Object.entries({
      "kaf ka/two\nlines": 100_000,
      "postgresql/-logs": 70_000,
      "postgresql/data": 300_000,
    })) {
      expect(sizes[name], name).toBeGreaterThanOrEqual(bytes);
      expect(sizes[name], name).toBeLessThan(bytes + 40_000);
    }
    for (const one of folders) expect([one.usedBytes! > 0, one.totalBytes > one.usedBytes!]).toEqual([true, true]);

    const text = monitor();
    expect(text.status).toBe(0);
    expect(text.stdout).toMatch(
      /^kaf ka +\S+iB of \S+iB, \d+ %\n {2}two\\nlines +\S+KiB\npostgresql .*\n {2}-logs .*\n {2}data .*\nredis .*\n$/,
    );
  });

  it("finds its library when it is called by a link, as in /usr/local/bin", () => {
    put("redis/data/a", 1);
    symlinkSync(join(SCRIPTS, "jts-storage-monitor.sh"), join(root, "jts-storage-monitor.sh"));
    expect(monitor([], { script: join(root, "jts-storage-monitor.sh") })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("redis") as string,
    });
  });

  it("ends what takes too long to add up, says so with exit 1, and prints the rest", () => {
    put("kafka/data/a", 1);
    put("redis/data/a", 1);
    mkdirSync(join(root, "programs"));
    writeFileSync(
      join(root, "programs/du"),
      '#!/bin/bash\n[[ $* != *kafka ]] || { echo $$ >"${0%/*}/slow"; exec sleep 60; }\nexec /usr/bin/du "$@"\n',
    );
    chmodSync(join(root, "programs/du"), 0o755);
    const { status, stdout, stderr } = monitor(["--json", "--seconds", "1"]);
    const { folders } = JSON.parse(stdout) as Monitored;
    expect([status, folders.map((one) => one.folders?.map(({ name }) => name))]).toEqual([1, [undefined, ["data"]]]);
    expect(stderr).toContain("kafka: the sizes were not added up within 1 s");
    expect(stderr).toContain("--seconds 10");
    const slow = readFileSync(join(root, "programs/slow"), "utf8").trim();
    expect([Number(slow) > 0, existsSync(`/proc/${slow}`)]).toEqual([true, false]);
  });

  it.each([
    [["--fix"], "there is no --fix"],
    [["--seconds", "0"], "--seconds needs a whole number"],
    [["--settings"], "--settings needs a value"],
  ])("refuses the arguments %j, exit 2", (options, said) => {
    mkdirSync(join(root, "hot"));
    expect(monitor(options)).toMatchObject({ status: 2, stderr: expect.stringContaining(said) as string });
  });

  it("refuses a host without a hot tree, and one whose tree is gone", () => {
    expect(monitor([], { tree: "" })).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("have no hot tree") as string,
    });
    expect(monitor()).toMatchObject({ status: 2, stderr: expect.stringContaining("pulumi up --refresh") as string });
  });
});
