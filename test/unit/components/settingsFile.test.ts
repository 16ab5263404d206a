import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, expect, describe, it } from "vitest";
import { automationEnvironment, volumesOf } from "../../../components/layout.ts";
import { printEnvironment } from "../../../components/tieringAutomation.ts";
import { parseHosts, type HostSettings } from "../../../config.ts";

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

/** Hosts with automation that the configuration takes, though a path or a name of theirs is hostile. */
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
    const host = {
      connection: { host: "h", hostKey: HOST_KEY },
      hot: {
        device: { path: "/dev/nvme0n1" },
        volumes: { redis: { mountPoint: data, size: "1GiB" }, kafka: { size: "1GiB" } },
        tree,
      },
      warm: { device: { path: "/dev/sda2" }, mountPoint: warm, label },
      cold: { server, export: exported, mountPoint: cold, root },
      automation: {},
    };
    const { hosts } = parseHosts({ trading: host });
    return hosts.trading === undefined ? [] : [hosts.trading];
  });

const environmentOf = (settings: HostSettings) =>
  automationEnvironment(settings, settings.automation!, ["tiered-storage"]);

describe("the scripts' settings file", () => {
  const environments = accepted.map(environmentOf);
  const texts = environments.map(printEnvironment);

  it("is made of hostile values here, of those that the configuration takes", () => {
    expect(accepted.length).toBeGreaterThan(100);
    for (const odd of [" ", "*", ";", "~", "#", "&", "|", "ü"])
      expect(
        texts.some((one) => one.includes(`n${odd}`)),
        odd,
      ).toBe(true);
    for (const odd of ["'\\''", "$(touch", "`touch"])
      expect(
        texts.some((one) => one.includes(odd)),
        odd,
      ).toBe(true);
  });

  it("gives a shell exactly the values back, and has it run nothing", () => {
    const names = Object.keys(environments[0]!);
    const input = texts.map((one) => `${one}printf '%s\\0' ${names.map((name) => `"$${name}"`).join(" ")}\n`).join("");
    const { stdout, stderr, status } = spawnSync("bash", ["-s"], {
      input,
      encoding: "utf8",
      cwd: folder,
      env: { PATH: "/usr/bin:/bin" },
    });
    expect([stderr, status]).toEqual(["", 0]);
    expect(stdout).toBe(
      environments
        .flatMap((one) => Object.values(one))
        .map((value) => `${value}\0`)
        .join(""),
    );
    expect(existsSync(join(folder, "canary"))).toBe(false);
  });

  it("gives the scripts each mount point of its list whole", () => {
    const lib = fileURLToPath(new URL("../../../scripts/lib/tiers.sh", import.meta.url));
    const some = accepted.slice(0, 60);
    some.forEach((settings, index) =>
      writeFileSync(join(folder, `${index}.env`), printEnvironment(environmentOf(settings)), { mode: 0o600 }),
    );
    const program =
      'source "$1"; for ((i = 0; i < $2; i++)); do read_settings "$3/$i.env" given; split "$HOT_MOUNTS" hot; printf "%s\\0" "${hot[@]}"; done';
    const { stdout, stderr } = spawnSync("bash", ["-c", program, "read", lib, String(some.length), folder], {
      encoding: "utf8",
      cwd: folder,
    });
    expect(stderr).toBe("");
    expect(stdout.split("\0").slice(0, -1)).toEqual(
      some.flatMap(({ hot }) => (hot?.layout === "lvm" ? volumesOf(hot).map(({ mountPoint }) => mountPoint) : [])),
    );
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
    return environmentOf(hosts.trading!).BACKUP_VOLUMES;
  };
  const device = { path: "/dev/nvme0n1" };

  it("are those whose profile has room for a snapshot, unless others are named", () => {
    const gib = 2 ** 30;
    expect(volumesIn({ hot: { device } })).toBe(
      `lv_postgres=${5 * gib}:lv_clickhouse=${10 * gib}:lv_mongodb=${2 * gib}`,
    );
    expect(volumesIn({ hot: { device, volumes: { redis: {}, mongodb: {} } } })).toBe(`lv_mongodb=${2 * gib}`);
    expect(volumesIn({ hot: { device }, automation: { backupVolumes: { kafka: 1000 } } })).toBe("lv_kafka=1024");
    expect(volumesIn({ hot: { layout: "directories" } })).toBe("");
    expect(volumesIn({})).toBe("");
  });
});
