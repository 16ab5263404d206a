import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../setup/project.ts";
import { refusingPort } from "./refusingPort.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-drift-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const drift = (...args: readonly string[]) =>
  execa("node", [join(ROOT, "commands/drift.ts"), ...args], { cwd: folder, reject: false });

describe("`npm run drift`", { timeout: 300_000 }, () => {
  it("reports each host that it can't reach by itself, with 3, and is never silent about one", async () => {
    const host = async (path: string) => ({
      connection: { host: "127.0.0.1", port: await refusingPort(), hostKey: `ssh-ed25519 ${"A".repeat(68)}` },
      warm: { device: { path } },
    });
    const file = join(folder, "Pulumi.two.yaml");
    const hosts = { one: await host("/dev/sda2"), other: await host("/dev/sdb2") };
    await writeFile(file, JSON.stringify({ config: { "jts-storage:hosts": hosts } }));
    const issue = join(folder, "issue.md");
    const { exitCode, stdout } = await drift("--config-file", file, "--json", "--markdown", issue);
    expect(exitCode).toBe(3);
    const silent = {
      verdict: "not-asked",
      compared: 0,
      drift: [],
      problem: expect.stringContaining("Next: ") as string,
    };
    expect(JSON.parse(stdout)).toMatchObject({
      stack: "two",
      verdict: "not-asked",
      exitStatus: 3,
      hosts: { one: silent, other: silent },
    });
    expect(await readFile(issue, "utf8")).toMatch(
      /^<!-- jts-storage drift of two -->\n<!-- exit status 3 -->\n## Storage drift of two: 2 hosts not asked\n/,
    );
    expect((await drift("--config-file", file, "one")).stdout).toMatch(/^one: could not be asked\n(?!.*other)/s);
  });

  it("takes a configuration that can't be read for unknown, with 3 and a report, and wrong usage for 2", async () => {
    const file = join(folder, "Pulumi.wrong.yaml");
    await writeFile(file, JSON.stringify({ config: { "jts-storage:hosts": { one: { hott: {} } } } }));
    const issue = join(folder, "wrong.md");
    const wrong = await drift("--config-file", file, "--markdown", issue);
    expect(wrong).toMatchObject({ exitCode: 3, stdout: expect.stringContaining("no host was asked") as string });
    expect(await readFile(issue, "utf8")).toContain("<!-- exit status 3 -->");
    expect(await drift("--config-file", join(folder, "absent"))).toMatchObject({ exitCode: 3 });
    expect(await drift()).toMatchObject({ exitCode: 2, stdout: "" });
  });
});
