import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import * as components from "../../../components/index.ts";
import { declaredBy, type Declared } from "../../../setup/declared.ts";
import { argumentsInEditor, CLASSES } from "../../support/everyArgument.ts";

const { ColdTier, HotTier, WarmTier } = components;

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
    expect(commands.length).toBe(2);
    for (const { name, inputs } of commands)
      expect(inputs.connection, name).toMatchObject({ value: { host: "192.0.2.10", port: 22, perDialTimeout: 30 } });
    expect(inputsOf("packages-installed").names).toEqual(["psmisc", "btrfs-progs", "nfs-common"]);
    expect(inputsOf("check-run").create).toMatch(/^sudo --non-interactive -- bash -s -- verify /);
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
    const declaration = JSON.parse(/^\{"folders".*$/m.exec(inputsOf("check-run").stdin as string)![0]) as {
      folders: { path: string }[];
    };
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
        new HotTier("fast", {
          host: "h",
          device: { path: "/dev/sdx" },
          volumes: { redis: { size: "10%VG" }, x: {} },
        }),
      ["fast.volumes.redis.size: ", "fast.volumes.x.size: ", "fast.volumes.x.mountPoint: "],
    ],
    [
      "below the key that the program names",
      () =>
        new ColdTier("nas", {
          host: "h",
          configKey: "here.nas",
          server: "-o",
          export: "/v",
          options: ["intr"],
        }),
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
  it("shows a text with every component and resource, and with each of their arguments", () => {
    const shown = argumentsInEditor("../../../components/index.ts", import.meta.dirname);
    expect(shown.filter(([, documentation]) => documentation === "").map(([name]) => name)).toEqual([]);
    expect(shown.length).toBeGreaterThan(300);
    expect(Object.fromEntries(shown)).toMatchObject({
      "WarmTier: serial":
        "The device's serial number. Checked on the host; limits the udev rule of the hot tier to this device.",
      "Filesystem: sizeBytes": "The device's size in bytes, checked on the host. Default: any.",
    });
  });

  it("is asked about every class that the package has", () => {
    const classes = Object.entries(components).filter(([, one]) => /^class /.test(String(one)));
    expect(CLASSES.toSorted()).toEqual(classes.map(([name]) => name).sort());
  });
});
