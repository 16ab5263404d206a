import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../setup/project.ts";
import { argumentsInEditor } from "../support/everyArgument.ts";
import { installExample, type Example } from "../support/installedExample.ts";

describe("another program, which installs this one as a package", { timeout: 300_000 }, () => {
  let folder: string;
  let example: Example;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "jts-library-"));
    example = await installExample("data-and-nas", folder, "test");
    const settings = {
      "connection.host": "192.0.2.10",
      "connection.hostKey": `ssh-ed25519 ${"A".repeat(68)}`,
      disk: "/dev/disk/by-id/ata-data",
      nas: "nas.example",
      export: "/volume1/shared",
    };
    for (const [key, value] of Object.entries(settings)) await example.pulumi("config", "set", "--path", key, value);
  }, 300_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("type-checks against the package's types", async () => {
    const { exitCode, all } = await execa("tsc", ["--project", example.folder], {
      cwd: ROOT,
      preferLocal: true,
      reject: false,
      all: true,
    });
    expect([exitCode, all]).toEqual([0, ""]);
  });

  it("sees in an editor a text with every component and resource, and with each of their arguments", () => {
    const shown = argumentsInEditor("jts-storage", example.folder);
    expect(shown.filter(([, documentation]) => documentation === "").map(([name]) => name)).toEqual([]);
    expect(shown.length).toBeGreaterThan(300);
  });

  it("previews what its tiers come to, with the mount points as outputs", async () => {
    const { exitCode, said } = await example.pulumi("preview", "--json");
    expect(exitCode, said).toBe(0);
    const { steps } = JSON.parse(said.slice(said.indexOf("{"))) as {
      steps: { op: string; urn: string; newState: { inputs: Record<string, unknown> } }[];
    };
    const inputs = new Map(steps.map(({ urn, newState }) => [urn.slice(urn.lastIndexOf("::") + 2), newState.inputs]));
    expect([...inputs.keys()].sort()).toEqual(
      [
        "data",
        "data-folders",
        "data-fs",
        "data-mount",
        "data-and-nas-test",
        "nas",
        "nas-folders",
        "nas-mount",
        "packages",
        "packages-installed",
      ].sort(),
    );
    expect(inputs.get("data-fs")).toMatchObject({
      host: "files",
      connection: { host: "192.0.2.10" },
      device: "/dev/disk/by-id/ata-data",
      label: "data",
      __provider: 'exports.handler = () => require("jts-storage/provider").v1.Filesystem()',
    });
    expect(inputs.get("nas-mount")).toMatchObject({ server: "nas.example", mountPoint: "/mnt/nas", version: "4.2" });
  });

  it("is refused, offline, with its own argument's name, what no host could carry out", async () => {
    await example.pulumi("config", "set", "export", "not absolute");
    const { exitCode, said } = await example.pulumi("preview");
    expect(exitCode).not.toBe(0);
    expect(said).toMatch(/nas\.export.*must be an absolute path/);
  });
});
