/** Further exports of the cold tier: what is declared of them, and what every place makes of them. */
import { describe, expect, it } from "vitest";
import { missingFolders } from "../../../components/automation/folders.ts";
import { scriptSettings } from "../../../components/automation/scriptSettings.ts";
import { timersFor } from "../../../components/automation/timers.ts";
import { layoutsOf } from "../../../components/tiers.ts";
import { trialOf } from "../../../components/verification.ts";
import { parseHosts } from "../../../config.ts";
import { declaredBy } from "../../../setup/declared.ts";
import { keysOf } from "../../../setup/drift/keys.ts";
import { roomsOf } from "../../../setup/explain/capacity.ts";
import { risksOf } from "../../../setup/explain/risks.ts";
import { hostMap } from "../../../setup/map/hostMap.ts";
import { hostsOf } from "../../support/mapOf.ts";

const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };
const nas = { server: "nas", export: "/volume1/a" };
const marketdata = { export: "/volume2/b", mountPoint: "/mnt/marketdata" };
const second = { server: "nas2", export: "/volume1/a", mountPoint: "/mnt/second", version: 4.2, options: ["hard"] };

const host = (volumes?: object, automation: object = {}) => ({
  connection,
  warm: { device: { path: "/dev/sda2" } },
  cold: { ...nas, ...(volumes === undefined ? {} : { volumes }) },
  automation,
});
const problemsOf = (...parts: Parameters<typeof host>) =>
  parseHosts({ trading: host(...parts) }).problems.map(({ key, message }) => `${key}: ${message}`);
function settingsOf(...parts: Parameters<typeof host>) {
  const { hosts, problems } = parseHosts({ trading: host(...parts) });
  expect(problems).toEqual([]);
  return hosts.trading!;
}
const scriptsOf = (...parts: Parameters<typeof host>) => {
  const settings = settingsOf(...parts);
  return scriptSettings(settings, settings.automation!, []);
};

describe("what is registered", () => {
  it("is a mount and its folders for each, named by it, and nothing else changes", async () => {
    const before = await declaredBy({ hosts: { trading: host() } });
    const after = await declaredBy({ hosts: { trading: host({ second, marketdata }) } });
    const added = [...after.keys()].filter((name) => !before.has(name));
    expect(added.sort()).toEqual([
      "trading-cold-marketdata-folders",
      "trading-cold-marketdata-mount",
      "trading-cold-second-folders",
      "trading-cold-second-mount",
    ]);
    for (const name of added) expect(after.get(name)?.parent).toBe("trading-cold");
    expect(after.get("trading-cold-marketdata-folders")?.dependencies).toContain("trading-cold-marketdata-mount");
    const changed = [...before].filter(([name, one]) => {
      const other = after.get(name);
      return JSON.stringify(one.inputs) !== JSON.stringify(other?.inputs);
    });
    expect(changed.map(([name]) => name)).toEqual(["trading-automation-settings", "trading-verification-run"]);
  });

  it("does not depend on the order in which they are written", async () => {
    const inputsOf = async (volumes: object) =>
      Object.fromEntries(
        [...(await declaredBy({ hosts: { trading: { connection, cold: { ...nas, volumes } } } }))]
          .map(([name, { inputs }]) => [name, inputs] as const)
          .sort(([one], [other]) => one.localeCompare(other)),
      );
    expect(await inputsOf({ second, marketdata })).toEqual(await inputsOf({ marketdata, second }));
  });

  it("takes server, version and options from the tier where a volume has none of its own", async () => {
    const cold = { ...nas, version: 4.1, options: ["rw", "nconnect=4"], volumes: { marketdata, second } };
    const graph = await declaredBy({ hosts: { trading: { connection, cold } } });
    expect(graph.get("trading-cold-marketdata-mount")?.inputs).toMatchObject({
      server: "nas",
      export: "/volume2/b",
      version: "4.1",
      options: ["rw", "nconnect=4", "_netdev", "nofail"],
    });
    expect(graph.get("trading-cold-second-mount")?.inputs).toMatchObject({
      server: "nas2",
      version: "4.2",
      options: ["hard", "_netdev", "nofail"],
    });
    expect(graph.get("trading-cold-second-folders")?.inputs).toMatchObject({ path: "/mnt/second/jts", folders: [] });
  });

  it("has one cache for all of them, which each mount comes after and uses, also with options of its own", async () => {
    const cold = { ...nas, cache: { size: "1GiB" }, volumes: { marketdata, second } };
    const graph = await declaredBy({ hosts: { trading: { ...host(), cold } } });
    expect([...graph.keys()].filter((name) => /cache/.test(name))).toEqual(["trading-cold-cache"]);
    for (const name of ["cold", "cold-marketdata", "cold-second"]) {
      expect(graph.get(`trading-${name}-mount`)?.dependencies).toContain("trading-cold-cache");
      expect(graph.get(`trading-${name}-mount`)?.inputs.options).toEqual(
        expect.arrayContaining(["fsc", "x-systemd.after=jts-storage-nfs-cache.service"]),
      );
    }
    const { hosts } = parseHosts({ trading: { ...host(), cold } });
    const settings = scriptSettings(hosts.trading!, hosts.trading!.automation!, []);
    expect(settings.cold).toHaveProperty("cache.sizeBytes", 2 ** 30);
    for (const one of Object.values(settings.coldVolumes!)) expect(one).not.toHaveProperty("cache");
  });

  it("has the folders of what a volume holds, those that its own list leaves out", () => {
    const automation = { developmentFolders: ["/srv/notes"] };
    const foldersOf = (volumes: object) =>
      missingFolders(settingsOf(volumes, automation), settingsOf(volumes, automation).automation!)
        .filter(({ tier }) => tier === "cold")
        .map(({ part, tree }) => [part, tree.path, tree.folders]);
    expect(foldersOf({ marketdata })).toEqual([]);
    const holds = ["configs", "backups", "database", "development", "logs"];
    expect(foldersOf({ marketdata: { ...marketdata, holds } })).toEqual([
      ["cold-marketdata", "/mnt/marketdata/jts", ["archives/configs", "archives/database", "development"]],
    ]);
    expect(foldersOf({ marketdata: { ...marketdata, holds, folders: ["development/x", "archives/configs"] } })).toEqual(
      [["cold-marketdata", "/mnt/marketdata/jts", ["archives/database"]]],
    );
  });
});

describe("what the scripts read", () => {
  it("has no word of volumes where there is none", () => {
    expect(Object.keys(scriptsOf())).not.toContain("coldVolumes");
    expect(Object.keys(scriptsOf({}))).not.toContain("coldVolumes");
  });

  it("has each volume by its name, with what it holds", () => {
    const { cold, coldVolumes } = scriptsOf({
      marketdata,
      second: { ...second, root: "x", holds: ["configs", "logs"] },
    });
    expect(cold).toEqual({ mountPoint: "/mnt/synology", source: "nas:/volume1/a", root: "/mnt/synology/jts" });
    expect(coldVolumes).toEqual({
      marketdata: { mountPoint: "/mnt/marketdata", source: "nas:/volume2/b", root: "/mnt/marketdata/jts" },
      second: {
        mountPoint: "/mnt/second",
        source: "nas2:/volume1/a",
        root: "/mnt/second/x",
        holds: ["configs", "logs"],
      },
    });
  });

  it("waits for the NAS by systemd only where all archives go to one", () => {
    const unitOf = (volumes: object) => {
      const settings = settingsOf(volumes);
      return timersFor(settings, settings.automation!).find(({ name }) => name === "nas-archival")?.unit
        .RequiresMountsFor;
    };
    expect(unitOf({ marketdata: { ...marketdata, holds: ["backups", "logs"] } })).toBe("/mnt/synology");
    expect(unitOf({ marketdata: { ...marketdata, holds: ["database"] } })).toBeUndefined();
  });
});

describe("a preview refuses", () => {
  const rule = { name: "x", source: "/models", olderThanDays: 2, to: "marketdata", destination: "models" };

  it("nothing of two volumes, and of rules to them", () => {
    expect(problemsOf({ marketdata, second }, { rules: [rule, { ...rule, name: "y", to: "second" }] })).toEqual([]);
    // Two folders of one export are no clash.
    expect(problemsOf({ marketdata: { ...nas, mountPoint: "/mnt/b", root: "other" } })).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    ["no mount point", { b: { export: "/b" } }, /^trading\.cold\.volumes\.b\.mountPoint: is missing: where it is/],
    ["no export", { b: { mountPoint: "/mnt/b" } }, /^trading\.cold\.volumes\.b\.export: is missing/],
    ["a name with a space", { "a b": marketdata }, /^trading\.cold\.volumes\.a b: .*not a valid volume name/],
    ["a tier's name", { warm: marketdata }, /^trading\.cold\.volumes\.warm: .*is the name of a tier/],
    ["an unknown kind", { b: { ...marketdata, holds: ["dumps"] } }, /volumes\.b\.holds\.0: "dumps": must be configs, /],
    [
      "the mount point of the tier",
      { b: { ...marketdata, mountPoint: "/mnt/synology" } },
      /^trading\.cold\.volumes\.b\.mountPoint: \/mnt\/synology is already the mount point of cold\.mountPoint$/,
    ],
    [
      "the mount point of another volume",
      { b: marketdata, c: { ...marketdata, export: "/c" } },
      /^trading\.cold\.volumes\.c\.mountPoint: \/mnt\/marketdata is already the mount point of cold\.volumes\.b\.mount/,
    ],
    [
      "a mount point in the tier's",
      { b: { ...marketdata, mountPoint: "/mnt/synology/b" } },
      /^trading\.cold\.volumes\.b\.mountPoint: \/mnt\/synology\/b and \/mnt\/synology, that of cold, lie in each other: .*such as \/mnt\/b$/,
    ],
    [
      "the tier's own export and folder, by another spelling of the server",
      { b: { ...nas, server: "NAS", mountPoint: "/mnt/b" } },
      /^trading\.cold\.volumes\.b\.root: nas:\/volume1\/a\/jts is, or shares files with, the folder of cold, /,
    ],
    [
      "a folder in that of another volume",
      { b: marketdata, c: { export: "/volume2", root: "b/jts/c", mountPoint: "/mnt/c" } },
      /^trading\.cold\.volumes\.c\.root: .*shares files with, the folder of b, /,
    ],
    [
      "what another volume holds",
      { b: { ...marketdata, holds: ["configs", "logs"] }, c: { ...second, holds: ["logs"] } },
      /^trading\.cold\.volumes\.c\.holds\.0: logs is already held by b; only one can$/,
    ],
    [
      "an option that NFS does not take",
      { b: { ...marketdata, options: ["intr"] } },
      /^trading\.cold\.volumes\.b\.options: intr on nfs/,
    ],
    [
      "options of the tier that its own version does not take",
      { b: { ...marketdata, version: 4.2, options: ["nolock"] } },
      /^trading\.cold\.volumes\.b\.options: nolock on nfs is for NFS 3/,
    ],
    [
      "ro below automation",
      { b: { ...marketdata, options: ["ro"] } },
      /^trading\.automation: can't work on b of the cold tier, which ro in cold\.volumes\.b\.options makes read-only/,
    ],
  ])("%s", (_what, volumes, expected) => {
    expect(problemsOf(volumes)).toEqual([expect.stringMatching(expected)]);
  });

  it.each<[object, RegExp]>([
    [
      { rules: [{ ...rule, to: "other" }] },
      /rules\.0\.to: is other, and cold\.volumes has none of that name \(known: /,
    ],
    [{ rules: [{ ...rule, to: "cold", source: "/mnt/marketdata/x" }] }, /is on the cold tier, which nothing leaves/],
    [{ rules: [{ ...rule, source: "/mnt" }] }, /has the destination in it, \/mnt\/marketdata\/jts\/models/],
    [{ configPaths: ["/mnt/marketdata/x"] }, /configPaths\.0: .* has files of the cold tier/],
    [{ developmentFolders: ["/mnt/marketdata/x"] }, /developmentFolders\.0: .* is on the cold tier, where the copies/],
    [{ metricsFolder: "/mnt/marketdata/x" }, /metricsFolder: .* is on the cold tier, and health would hang there/],
    [
      { rules: [{ ...rule, source: "/data/warm-storage/daily-backups", destination: "archives/database" }] },
      /is in daily-backups, and no restore would find/,
    ],
  ])("automation with %j", (automation, expected) => {
    expect(problemsOf({ marketdata }, automation)).toEqual([expect.stringMatching(expected)]);
  });

  it("a rule into the copies of folders, on the volume that holds them and on no other", () => {
    const automation = {
      developmentFolders: ["/srv/notes"],
      rules: [{ ...rule, destination: "development/notes" }],
    };
    expect(problemsOf({ marketdata }, automation)).toEqual([]);
    expect(problemsOf({ marketdata: { ...marketdata, holds: ["development"] } }, automation)).toEqual([
      expect.stringMatching(/rules\.0\.destination: .*where developmentFolders removes what isn't a copy/),
    ]);
  });

  it("what a volume would hold where nothing is archived", () => {
    const { automation: _automation, ...without } = host({ marketdata: { ...marketdata, holds: ["logs"] } });
    expect(parseHosts({ trading: without }).problems).toEqual([
      {
        key: "trading.cold.volumes.marketdata.holds",
        message: expect.stringMatching(/there is none; leave it/) as string,
      },
    ]);
  });

  it("another host's folder on a volume's export", () => {
    const other = {
      ...host(),
      connection: { ...connection, host: "b" },
      cold: { server: "nas", export: "/volume2/b" },
    };
    expect(parseHosts({ trading: host({ marketdata }), other }).problems).toEqual([
      { key: "other.cold.root", message: expect.stringContaining("trading.cold.volumes.marketdata.root") as string },
    ]);
  });
});

describe("each place shows it", () => {
  const parts = [
    { marketdata: { ...marketdata, mountOverFiles: true, holds: ["database"], folders: ["ticks"] } },
    {
      rules: [{ name: "x", source: "/data/warm-storage/x", olderThanDays: 2, to: "marketdata", destination: "ticks" }],
    },
  ] as const;

  it("verification: its folders, and a file on its way from warm to it", () => {
    const { folders, moves, furtherMoves } = trialOf(settingsOf(...parts));
    expect(folders.map(({ path }) => path)).toContain("/mnt/marketdata/jts");
    expect(moves.map(({ tier }) => tier)).toEqual(["warm", "cold"]);
    expect(furtherMoves).toEqual([
      [
        { tier: "warm", path: "/data/warm-storage", mount: "/data/warm-storage" },
        { tier: "marketdata", path: "/mnt/marketdata/jts", mount: "/mnt/marketdata" },
      ],
    ]);
    expect(trialOf(settingsOf())).not.toHaveProperty("furtherMoves");
  });

  it("the ledger of explain, its risks, and the stack's output", () => {
    const settings = settingsOf(...parts);
    const rooms = roomsOf(settings).filter(({ tier }) => tier === "cold");
    expect(rooms.map(({ on, shares }) => [on, shares[0]?.name, shares[0]?.mountPoint])).toEqual([
      [["nas:/volume1/a"], "cold", "/mnt/synology"],
      [["nas:/volume2/b"], "marketdata", "/mnt/marketdata"],
    ]);
    expect(risksOf(settings, []).map(({ at }) => at)).toContain("cold.volumes.marketdata.mountOverFiles");
    expect(layoutsOf(settings).cold?.summary).toMatchObject({
      mountPoint: "/mnt/synology",
      volumes: { marketdata: { source: "nas:/volume2/b", mountPoint: "/mnt/marketdata" } },
    });
    expect(layoutsOf(settingsOf()).cold?.summary).not.toHaveProperty("volumes");
  });

  it("the map, with what goes to it, and the keys of drift", async () => {
    const [trading] = await hostsOf({ trading: host(...parts) });
    const { tiers, flows } = hostMap(trading!, { outcome: "not asked" });
    const names = tiers.find(({ key }) => key === "cold")?.chains.map((chain) => chain.parts.map(({ name }) => name));
    expect(names).toEqual([
      ["/volume1/a", "NFS 3", "/mnt/synology", expect.stringContaining("in jts/")],
      ["/volume2/b", "NFS 3", "/mnt/marketdata", "1 folder in jts/"],
    ]);
    expect(flows.map(({ to, what }) => `${to}: ${what}`)).toEqual(
      expect.arrayContaining([
        "cold: Dumps of PostgreSQL, to marketdata",
        "cold: Configurations",
        "cold: x: /data/warm-storage/x/*, to marketdata",
      ]),
    );
    const keys = (trading?.resources ?? [])
      .filter(({ name }) => name.includes("-marketdata-"))
      .map((one) => [one.name, ...keysOf("trading", trading!.settings, one).whole]);
    expect(keys).toEqual([
      ["trading-cold-marketdata-mount", "cold.volumes.marketdata.mountPoint"],
      ["trading-cold-marketdata-folders", "cold.volumes.marketdata.folders"],
      ["trading-automation-cold-marketdata-folders", "cold.volumes.marketdata.folders"],
    ]);
  });
});
