import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, describe, it } from "vitest";
import { scriptSettings } from "../../../components/automation/scriptSettings.ts";
import { parseHosts, type HostSettings } from "../../../config.ts";
import { SCRIPTS } from "../scripts/world.ts";

const folder = mkdtempSync(join(tmpdir(), "jts-settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

const HOST_KEY = `ssh-ed25519 ${"A".repeat(68)}`;
const piece = fc.constantFrom(
  " ",
  "'",
  '"',
  "\n",
  "\t",
  "$(touch canary)",
  "`touch canary`",
  "$HOME",
  "${x}",
  ";",
  "&",
  "|",
  ">canary",
  "*",
  "~",
  "#",
  "ü",
  "🗄",
  "-",
  "..",
  "\\",
  "\r",
  "\u0001",
  ":",
  "/",
  "a",
);
const text = fc.array(piece, { minLength: 1, maxLength: 3 }).map((pieces) => pieces.join(""));

/** Hosts with automation that the configuration accepts, although a path or a name in them is hostile. */
const accepted = fc
  .sample(fc.tuple(fc.constantFrom("data", "tree", "warm", "cold", "label", "exported", "root", "server"), text), {
    numRuns: 1500,
    seed: 5,
  })
  .flatMap(([what, attack]) => {
    const tame: Record<string, string> = {
      data: "/d",
      tree: "/t",
      warm: "/w",
      cold: "/c",
      label: "l",
      exported: "/e",
      root: "r",
      server: "nas",
    };
    const values: Record<string, string> = { ...tame, [what]: tame[what]!.startsWith("/") ? `/n${attack}` : attack };
    const { data, tree, warm, cold, label, exported, root, server } = values;
    const postgresArchive = [
      { database: attack, table: attack, olderThanDays: 90, then: "drop" },
      { database: "x", schema: attack, tables: "y_%Y" },
    ];
    const host = {
      connection: { host: "h", hostKey: HOST_KEY },
      hot: {
        device: { path: "/dev/nvme0n1" },
        volumes: { redis: { mountPoint: data, size: "1GiB" }, kafka: { size: "1GiB" } },
        tree,
      },
      warm: { device: { path: "/dev/sda2" }, mountPoint: warm, label },
      cold: { server, export: exported, mountPoint: cold, root },
      automation: {
        rules: [{ source: `${warm}/x`, to: "cold", destination: "models", olderThanDays: 2, name: "odd" }],
        backupVolumes: { redis: "1GiB" },
        coldRetention: { weekly: 4, yearly: 2 },
        ...(what === "label" ? { notify: "https://hooks.example.org/a?token=$HOME'" } : {}),
        ...(what === "server" ? { transfers: { streams: 2, bandwidthMiBPerSecond: 50, nconnect: 4 } } : {}),
        ...(what === "root" ? { transfers: { nconnect: 4 } } : {}),
        ...(what === "root"
          ? { notify: "/usr/local/sbin/tell $HOME", clickhouseToColdPerRun: "200GiB", postgresArchive }
          : {}),
      },
    };
    const { hosts } = parseHosts({ trading: host });
    return hosts.trading === undefined ? [] : [hosts.trading];
  });

const settingsOf = (settings: HostSettings) => scriptSettings(settings, settings.automation!, ["tiered-storage"]);

/** What the scripts read from each document, with the names that it has there. */
const READ = `
import dataclasses, json, sys
sys.path.insert(0, sys.argv[1])
from jts_storage.settings import _key_of, read_settings
def named(value):
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        given = [field for field in fields if field.default is not None or getattr(value, field.name) is not None]
        return {_key_of(field.name): named(getattr(value, field.name)) for field in given}
    return [named(item) for item in value] if isinstance(value, tuple) else value
def read(path):
    try:
        return named(read_settings(path))
    except Exception as problem:
        return str(problem)
print(json.dumps([read(path) for path in sys.argv[2:]]))`;

function read(documents: readonly unknown[]): unknown[] {
  const paths = documents.map((document, index) => {
    const path = join(folder, `${index}.json`);
    writeFileSync(path, typeof document === "string" ? document : JSON.stringify(document), { mode: 0o600 });
    return path;
  });
  const { stdout, stderr } = spawnSync("/usr/bin/python3", ["-I", "-B", "-c", READ, SCRIPTS, ...paths], {
    encoding: "utf8",
    cwd: folder,
  });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as unknown[];
}

describe("the scripts' settings", () => {
  it("are read with every key and value that they are written with, however odd", () => {
    const documents = accepted.map(settingsOf);
    expect(documents.length).toBeGreaterThan(100);
    const written = JSON.stringify(documents);
    for (const odd of [" ", "*", ";", "~", "#", "&", "|", "ü", "'", "$(touch", "`touch"])
      expect(written.includes(`n${odd}`), odd).toBe(true);
    expect(read(documents)).toEqual(documents);
    expect(existsSync(join(folder, "canary"))).toBe(false);
  });

  const [host] = accepted;
  const whole = () => structuredClone(settingsOf(host!)) as unknown as Record<string, Record<string, unknown>>;
  const changed = (change: (document: Record<string, Record<string, unknown>>) => void) => {
    const document = whole();
    change(document);
    return document;
  };

  it("are refused where any key is missing, or where nobody reads a key, with the name of the key", () => {
    const cases = Object.entries(whole()).flatMap(([section, values]) => [
      [section, changed((document) => delete document[section])] as const,
      ...(values === null || typeof values !== "object" || Array.isArray(values)
        ? []
        : Object.keys(values).map(
            (key) => [`${section}.${key}`, changed((document) => delete document[section]![key])] as const,
          )),
    ]);
    expect(cases.length).toBeGreaterThan(30);
    const said = read(cases.map(([, document]) => document));
    for (const [index, [key]] of cases.entries())
      expect(said[index]).toMatch(new RegExp(`: ${key} is missing\\. Next: `));
    expect(read([changed((document) => (document.automation!.tempDays = 3))])[0]).toMatch(
      /there is no setting automation\.tempDays/,
    );
  });

  it.each<[string, (document: Record<string, Record<string, unknown>>) => void, RegExp]>([
    [
      "text for a number",
      ({ automation }) => (automation!.tempAfterDays = "3"),
      /automation\.tempAfterDays: "3" is not/,
    ],
    [
      "true for a number",
      ({ automation }) => (automation!.tempAfterDays = true),
      /automation\.tempAfterDays: true is not/,
    ],
    ["a negative age", ({ automation }) => (automation!.tempAfterDays = -1), /automation\.tempAfterDays: -1/],
    [
      "no day for which backups are kept",
      ({ automation }) => (automation!.backupsKeptDays = 0),
      /is not a whole number, 1 or more/,
    ],
    ["a relative path", ({ warm }) => (warm!.mountPoint = "warm"), /warm\.mountPoint: 'warm' is not an absolute path/],
    ["101 %", ({ automation }) => (automation!.warmHighPercent = 101), /is not a percentage/],
    ["a low mark above the high one", ({ automation }) => (automation!.warmLowPercent = 99), /is above/],
    ["a root beside its mount", ({ cold }) => (cold!.root = "/elsewhere"), /cold\.root, \/elsewhere, is not on/],
    [
      "a notify that is neither a command nor a URL",
      ({ automation }) => (automation!.notify = "file:///etc/passwd"),
      /automation\.notify: 'file:.*' is not an absolute path of a command, or a URL of http or https/,
    ],
    ["volumes without a group", ({ hot }) => (hot!.volumeGroup = null), /needs hot\.volumeGroup/],
    [
      "a rule that leads out of its tier",
      ({ automation }) => ((automation!.rules as { destination: string }[])[0]!.destination = "../x"),
      /automation\.rules\[0\]\.destination: '\.\.\/x' is not a path below a tier/,
    ],
  ])("are refused with a message: %s", (_what, change, words) => {
    expect(read([changed(change)])[0]).toMatch(words);
  });

  it("are refused where the file isn't JSON, or is missing", () => {
    expect(read(["WARM_MOUNT='/warm'\n"])[0]).toMatch(/is not a JSON document/);
    const { stdout } = spawnSync("/usr/bin/python3", ["-I", "-B", "-c", READ, SCRIPTS, join(folder, "none")], {
      encoding: "utf8",
    });
    expect(stdout).toContain("No such file or directory");
  });
});

describe("the volumes that are archived", () => {
  const volumesIn = (host: Record<string, unknown>) => {
    const { hosts, problems } = parseHosts({
      trading: {
        connection: { host: "h", hostKey: HOST_KEY },
        warm: { device: { path: "/dev/sda2" } },
        automation: {},
        ...host,
      },
    });
    expect(problems).toEqual([]);
    return settingsOf(hosts.trading!).automation.backupVolumes;
  };
  const device = { path: "/dev/nvme0n1" };

  it("are those whose profile has room for a snapshot, unless others are named", () => {
    const gib = 2 ** 30;
    expect(volumesIn({ hot: { device } })).toEqual({
      lv_postgres: 5 * gib,
      lv_clickhouse: 10 * gib,
      lv_mongodb: 2 * gib,
    });
    expect(volumesIn({ hot: { device, volumes: { redis: {}, mongodb: {} } } })).toEqual({ lv_mongodb: 2 * gib });
    expect(volumesIn({ hot: { device }, automation: { backupVolumes: { kafka: 1000 } } })).toEqual({ lv_kafka: 1024 });
    expect(volumesIn({ hot: { layout: "directories" } })).toEqual({});
    expect(volumesIn({})).toEqual({});
  });
});

it("by default, no service on btrfs is backed up by a snapshot of LVM", () => {
  const { hosts } = parseHosts({
    one: {
      connection: { host: "h", hostKey: HOST_KEY },
      hot: { device: { path: "/dev/nvme0n1" }, volumes: { postgres: { filesystem: "btrfs" }, mongodb: null } },
      warm: { device: { path: "/dev/sda2" } },
      automation: {},
    },
  });
  const { automation } = scriptSettings(hosts.one!, hosts.one!.automation!, []);
  expect(Object.keys(automation.backupVolumes)).toEqual(["lv_mongodb"]);
});
