import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { automationSettings } from "../../../components/automation/settings.ts";
import { coldArguments } from "../../../components/cold/settings.ts";
import { hotSettings } from "../../../components/hot/settings.ts";
import { ColdTier, HotTier, WarmTier } from "../../../components/index.ts";
import { tuningSettings } from "../../../components/tuning/settings.ts";
import { warmArguments } from "../../../components/warm/settings.ts";
import { declaredBy, type Declared } from "../../../setup/declared.ts";
import { documentationIn } from "../../support/editor.ts";

describe("the components in another program", () => {
  let graph: ReadonlyMap<string, Declared>;
  beforeAll(async () => {
    graph = await declaredBy({}, join(import.meta.dirname, "otherProgram.ts"));
  });
  const inputsOf = (name: string) => graph.get(name)!.inputs;

  it("fill in what the program leaves out, as for a configured host", () => {
    expect(inputsOf("data-fs")).toMatchObject({ type: "btrfs", label: "jts-warm-storage", onDelete: "retain" });
    expect(inputsOf("data-mount").options).toContain("compress=zstd:3");
    expect(inputsOf("archive-mount")).toMatchObject({ mountPoint: "/mnt/synology", version: "3" });
    expect(inputsOf("moves-tiered-storage")).toMatchObject({ onCalendar: "weekly" });
    expect(inputsOf("moves-storage-health")).toMatchObject({ onCalendar: "hourly" });
  });

  it("hand the connection that they were given to each of their resources", () => {
    const ours = [...graph.values()].filter(
      ({ type, parent }) => type.startsWith("pulumi-nodejs:") && graph.has(parent ?? ""),
    );
    expect(ours.length).toBeGreaterThan(15);
    for (const { name, inputs } of ours)
      expect(inputs.connection, name).toMatchObject({ host: "192.0.2.10", user: "dave" });
    const commands = [...graph.values()].filter(({ type }) => type.startsWith("command:"));
    expect(commands.length).toBe(4);
    for (const { name, inputs } of commands)
      expect(inputs.connection, name).toMatchObject({ value: { host: "192.0.2.10", port: 22, perDialTimeout: 30 } });
    expect(inputsOf("packages-install").create).toMatch(/^'?sudo'? .*'?psmisc'? '?btrfs-progs'? '?nfs-common'?$/s);
  });

  it("wait for the resources that give a device or an export, and pass on what these give", () => {
    expect(inputsOf("data-fs").device).toBe("/dev/disk/by-id/attached");
    expect(graph.get("data-fs")!.dependencies).toContain("disk");
    expect(inputsOf("archive-mount").export).toBe("/exported");
    expect(graph.get("archive-mount")!.dependencies).toContain("nas");
    expect(JSON.parse(inputsOf("moves-settings").content as string)).toMatchObject({
      warm: { mountPoint: "/srv/data" },
      cold: { source: "nas.example:/exported" },
    });
    const declaration = JSON.parse(inputsOf("check-run").stdin as string) as { folders: { path: string }[] };
    expect(declaration.folders.map(({ path }) => path)).toEqual(["/srv/scratch", "/srv/data", "/mnt/synology/jts"]);
  });

  it("have outputs that are known once the resources behind them exist", () => {
    expect(inputsOf("outputs").content).toBe(
      [
        // The mocks derive no path of a volume.
        "undefined",
        ...["/srv/scratch", "/data/jts/hot/scratch", "/dev/disk/by-id/attached", "/srv/data"],
        ...["nas.example:/exported", "/mnt/synology", "/mnt/synology/jts"],
      ].join("\n"),
    );
    expect(graph.get("outputs")!.dependencies).toEqual(
      expect.arrayContaining([
        ...["fast-scratch-lv", "fast-scratch-folders", "fast-scratch-tree"],
        ...["data-fs", "data-mount", "archive-mount", "archive-folders"],
      ]),
    );
  });

  it("make no second folder of the warm tier where alsoAt is false", () => {
    expect(graph.has("data-also")).toBe(false);
  });
});

describe("one error names all wrong arguments by their paths", () => {
  it.each<[string, () => unknown, string[]]>([
    [
      "wrong by their form",
      () => new WarmTier("data", { host: "h", device: { path: "sda2", size: "50%VG" }, compression: "rar" }),
      ["data.device.path: ", "data.device.size: ", "data.compression: "],
    ],
    [
      "what no host could carry out",
      () =>
        new HotTier("fast", { host: "h", device: { path: "/dev/sdx" }, volumes: { redis: { size: "10%VG" }, x: {} } }),
      ["fast.volumes.redis.size: ", "fast.volumes.x.size: ", "fast.volumes.x.mountPoint: "],
    ],
    [
      "below the key that the program names",
      () => new ColdTier("nas", { host: "h", configKey: "here.nas", server: "-o", export: "/v", options: ["intr"] }),
      ["here.nas.server: "],
    ],
  ])("%s", (_what, make, keys) => {
    let message = "";
    try {
      make();
    } catch (error) {
      message = (error as Error).message;
    }
    const [first, ...lines] = message.split("\n");
    expect(first).toMatch(/^(data|fast|nas) can't be carried out:$/);
    expect(lines.map((line) => /^ {2}(\S+: )/.exec(line)?.[1])).toEqual(keys);
  });
});

describe("an editor", () => {
  it("shows a text for every argument of every component that has settings", () => {
    const argumentsOf = {
      HotTier: hotSettings.options[0].shape,
      WarmTier: warmArguments.shape,
      ColdTier: coldArguments.shape,
      HostTuning: { hot: 0, ...tuningSettings.shape },
      TieringAutomation: { tiers: 0, ...automationSettings.shape },
    };
    // The layout says which of the hot tier's arguments are meant.
    const argument = (key: string) => `¦${key}: ${key === "layout" ? '"lvm"' : "any"}`;
    const made = Object.entries(argumentsOf).map(([name, shape]) => {
      const all = ["host: any", ...Object.keys(shape).map(argument)];
      return `new components.${name}("a", { ${all.join(", ")} });`;
    });
    const imported = ['import * as components from "../../../components/index.ts";', "declare const any: never;"];
    const shown = documentationIn([...imported, ...made].join("\n"));
    const names = [...made.join("").matchAll(/¦(\w+)/g)].map(([, name]) => name);
    expect(shown.length).toBeGreaterThan(60);
    expect(names.filter((_, index) => !shown[index])).toEqual([]);
  });
});
