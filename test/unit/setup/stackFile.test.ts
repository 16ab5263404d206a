import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WrongUsage } from "../../../setup/command.ts";
import { MissingNeed } from "../../../setup/progress.ts";
import { readStack, stacksIn } from "../../../setup/stackFile.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-stack-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What a command prints where it can't read this stack. */
async function refusal(file: string, ...wanted: readonly string[]): Promise<string> {
  const error: unknown = await readStack(file, wanted).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(MissingNeed);
  return (error as MissingNeed).message;
}

describe("a stack's file that can't be used", () => {
  it("is absent: the stacks that there are", async () => {
    const file = join(folder, "Pulumi.prd.yaml");
    expect(await refusal(file)).toBe(`There is no ${file}. Next: write it, as README.md says.`);
    await writeFile(join(folder, "Pulumi.prod.yaml"), "");
    expect(await refusal(file)).toBe(`There is no ${file}. Next: choose from prod, or write it.`);
  });

  it("is a folder: why it can't be read", async () => {
    expect(await refusal(folder)).toMatch(/^The stack's configuration can't be read: EISDIR/);
  });

  it("is no YAML: the place, and no stack trace", async () => {
    const file = join(folder, "Pulumi.broken.yaml");
    await writeFile(file, "config: [\n");
    expect(await refusal(file)).toMatch(/can't be carried out:\n {2}YAML: [^\n]+ at line 2, column 1$/);
    await writeFile(file, "config: *none\n");
    expect(await refusal(file)).toMatch(/\n {2}YAML: Unresolved alias [^\n]+$/);
  });

  it("is empty: what it must have", async () => {
    const file = join(folder, "Pulumi.empty.yaml");
    await writeFile(file, "");
    expect(await refusal(file)).toContain("jts-storage:hosts: must map at least one host's name to its storage");
  });

  it("has other hosts: their names", async () => {
    const file = join(folder, "Pulumi.other.yaml");
    const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
    const hosts = { trading: { connection, warm: { device: { path: "/dev/sda2" } } } };
    await writeFile(file, JSON.stringify({ config: { "jts-storage:hosts": hosts } }));
    expect(await refusal(file, "tradin")).toBe(`${file} has no host tradin. Next: choose from trading.`);
  });
});

it("the stacks of what is no folder are wrong usage", async () => {
  await expect(stacksIn(import.meta.filename)).rejects.toThrow(WrongUsage);
});
