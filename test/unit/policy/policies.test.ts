import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { policies, type Settings } from "../../../policy/policies.ts";
import { kindOf } from "../../../policy/stack.ts";
import { declaredBy, type Declared } from "../../../setup/declared.ts";
import { ROOT } from "../../../setup/project.ts";
import { BAD, GOOD } from "../../support/policedHosts.ts";

type Hosts = Readonly<Record<string, unknown>>;
type All = readonly Declared[];
type Policy = ReturnType<typeof policies>[number];

interface Asked {
  readonly stack?: string;
  /** The configuration that the policies read. */
  readonly hosts?: Hosts;
  readonly settings?: Partial<Settings>;
}

const declared = async (hosts: Hosts): Promise<All> => [...(await declaredBy({ hosts })).values()];

/** As the engine shows them: without the wrapping of secrets. */
const withoutSecrets = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value;
  if ("4dabf18193072939515e22adb298388d" in value) return (value as { value?: unknown }).value;
  return value;
};

const defaultsOf = ({ configSchema }: Policy) =>
  Object.fromEntries(
    Object.entries(configSchema?.properties ?? {}).map(([key, { default: value }]) => [key, value]),
  ) as unknown as Settings;

/** What one policy, or each, says of what a program declares. */
async function said(
  of: string | undefined,
  resources: All,
  { stack = "prod", hosts = {}, settings = {} }: Asked = {},
): Promise<string[]> {
  const shown = resources.map(({ name, type, inputs }) => ({
    name,
    type,
    urn: `urn:pulumi:${stack}::jts-storage::${type}::${name}`,
    props: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, withoutSecrets(value)])),
  }));
  const violations: string[] = [];
  for (const policy of policies(() => hosts).filter(({ name }) => of === undefined || name === of)) {
    const report = (message: string) => violations.push(`${policy.name}: ${message}`);
    const getConfig = () => ({ ...defaultsOf(policy), ...settings });
    const args = { getConfig, stackTags: new Map(), notApplicable: () => undefined };
    if ("validateStack" in policy) await policy.validateStack({ ...args, resources: shown } as never, report);
    else for (const one of shown) await (policy.validateResource as Check)({ ...args, ...one }, report);
  }
  return violations;
}

type Check = (args: unknown, report: (message: string) => void) => Promise<void> | void;

/** The same with other inputs of some. */
const withInputs = (all: All, kind: string, inputs: (one: Declared) => Record<string, unknown>): All =>
  all.map((one) => (kindOf(one) === kind ? { ...one, inputs: { ...one.inputs, ...inputs(one) } } : one));

/** The same with another document of settings, which is changed in place. */
const withSettings = (all: All, change: (settings: { automation: Record<string, unknown> }) => void): All =>
  withInputs(all, "ConfigFile", ({ inputs }) => {
    if (inputs.path !== "/etc/jts-storage/settings.json") return {};
    const settings = JSON.parse(String(inputs.content)) as { automation: Record<string, unknown> };
    change(settings);
    return { content: JSON.stringify(settings) };
  });

const without = (all: All, name: RegExp): All => all.filter((one) => !name.test(one.name));

let good: All;
let bad: All;

beforeAll(async () => {
  [good, bad] = await Promise.all([declared(GOOD), declared(BAD)]);
});

/** Policy, what it is against, how it says so. */
const VIOLATIONS: readonly (readonly [name: string, of: () => All, said: RegExp | readonly RegExp[], asked?: Asked])[] =
  [
    ["prod-data-is-retained", () => bad, /^trading: \d+ resources have onDelete: wipe\. Next: set trading\.onDelete/],
    [
      "host-keys-are-pinned",
      () => [],
      /^trading: the connection has no hostKey\. Next: /,
      { hosts: { trading: { connection: { host: "192.0.2.10" } } } },
    ],
    [
      "host-keys-are-pinned",
      () => withInputs(good, "NfsMount", () => ({ connection: { host: "192.0.2.9", user: "x" } })),
      /^trading: the connection has no hostKey\. Next: /,
    ],
    [
      "host-keys-are-pinned",
      () =>
        good.map((one) =>
          one.type === "command:remote:Command"
            ? { ...one, inputs: { connection: { host: "192.0.2.9", hostKey: "k", proxy: { host: "jump" } } } }
            : one,
        ),
      /^192\.0\.2\.9: the jump host's key isn't checked\. Next: /,
    ],
    [
      "devices-have-stable-names",
      () => bad,
      [/^\/dev\/nvme0n1 may be another disk .* Next: name it by .* on trading/, /^\/dev\/sda2 may be another/],
    ],
    [
      "devices-have-stable-names",
      () =>
        withInputs(good, "FstabEntry", ({ name }) => (name === "trading-warm-mount" ? { source: "/dev/vdb1" } : {})),
      /^\/dev\/vdb1 may be/,
    ],
    [
      "mounts-let-the-host-boot",
      () => withInputs(good, "NfsMount", () => ({ options: ["hard", "nosuid", "nodev"] })),
      [/^\/mnt\/synology is mounted without nofail\. Next: add nofail/, /^\/mnt\/synology is mounted without _netdev/],
    ],
    [
      "mounts-let-the-host-boot",
      () =>
        withInputs(good, "FstabEntry", ({ name }) => (name === "trading-warm-mount" ? { options: ["noatime"] } : {})),
      /^\/data\/warm-storage is mounted without nofail/,
    ],
    ["nfs-mounts-are-hard", () => bad, /^\/mnt\/synology is mounted with soft\. Next: write hard/],
    [
      "mkfs-is-not-forced",
      () => withInputs(good, "Filesystem", ({ inputs }) => (inputs.type === "btrfs" ? { mkfsOptions: ["-f"] } : {})),
      /^\/dev\/disk\/by-id\/ata-y-part2: -f makes mkfs overwrite what it finds\. Next: /,
    ],
    [
      "mkfs-is-not-forced",
      () =>
        withInputs(good, "Filesystem", ({ name }) => (name === "trading-hot-redis-fs" ? { mkfsOptions: ["-FF"] } : {})),
      /^\/dev\/vg_jts\/lv_redis: -FF makes/,
    ],
    [
      "snapshots-have-room",
      () => withInputs(good, "PhysicalVolume", () => ({ sizeBytes: 3610 * 2 ** 30 })),
      /^trading: vg_jts has 10 GiB free, and its snapshots take 18 GiB\. Next: /,
    ],
    [
      "snapshots-have-room",
      () =>
        withInputs(
          [...good, { ...good.find(({ name }) => name === "trading-automation-lvm-backup")!, name: "snapshots" }],
          "SystemdTimer",
          ({ name }) => (name === "snapshots" ? { name: "lvm-snapshots" } : {}),
        ).map((one) =>
          kindOf(one) === "PhysicalVolume" ? { ...one, inputs: { ...one.inputs, sizeBytes: 3700 * 2 ** 30 } } : one,
        ),
      /^trading: vg_jts has 100 GiB free, and its snapshots take 126 GiB/,
    ],
    [
      "snapshots-have-room",
      () => withInputs(good, "PhysicalVolume", () => ({ sizeBytes: undefined })),
      /^trading: whether vg_jts has room for snapshots isn't known, .* Next: set the size/,
    ],
    [
      "databases-are-archived",
      () => bad,
      ["postgres", "clickhouse", "mongodb"].map((service) =>
        RegExp(`^trading: lv_${service} is not archived\\. Next: `),
      ),
    ],
    [
      "databases-are-archived",
      () => withSettings(good, ({ automation }) => (automation.backupVolumes = { lv_clickhouse: 1, lv_mongodb: 1 })),
      /^trading: lv_postgres is not archived\. Next: add postgres to trading\.automation\.backupVolumes/,
    ],
    ["databases-are-archived", () => good, /^trading: lv_kafka is not archived/, { settings: { services: "kafka" } }],
    [
      "databases-are-archived",
      () => withSettings(good, ({ automation }) => (automation.backupsKeptDays = 6)),
      /^trading: archives stay for 6 days; 7 are wanted\. Next: /,
    ],
    ["health-is-checked", () => bad, /^trading: nothing checks the health of its tiers\. Next: /],
    [
      "caches-are-archived",
      () => withSettings(good, ({ automation }) => (automation.backupVolumes = { lv_postgres: 1 })),
      /^trading: lv_redis is not archived\. Next: add redis to/,
    ],
    [
      "archives-leave-the-host",
      () => without(good, /-cold-/),
      /^trading: archives stay on the host, and are lost with it\. Next: give trading a cold tier/,
    ],
    [
      "findings-are-sent",
      () => withSettings(good, ({ automation }) => (automation.notify = null)),
      /^trading: findings are only in the journal\. Next: set trading\.automation\.notify/,
    ],
    ["login-is-not-root", () => bad, /^trading: the connection's user is root\. Next: make a user/, { hosts: BAD }],
    [
      "login-is-not-root",
      () => withInputs(good, "NfsMount", () => ({ connection: { host: "192.0.2.9", user: "root", hostKey: "k" } })),
      /^trading: the connection's user is root/,
    ],
    [
      "host-keys-are-no-placeholders",
      () => bad,
      /^trading: the hostKey is a placeholder, which no host has\. Next: /,
      { hosts: BAD },
    ],
    [
      "network-mounts-give-no-rights",
      () => withInputs(good, "NfsMount", () => ({ options: ["nofail", "_netdev", "nodev"] })),
      /^\/mnt\/synology is mounted without nosuid\. Next: add nosuid/,
    ],
  ];

describe("policies", () => {
  it("have nothing against a host as they want it", async () => {
    expect(good.length).toBeGreaterThan(60);
    expect(await said(undefined, good, { hosts: GOOD })).toEqual([]);
  });

  const violations = VIOLATIONS.map(([name, of, expected, asked = {}]) => ({
    ...{ name, of, asked },
    patterns: expected instanceof RegExp ? [expected] : expected,
  }));
  it.each(violations)("$name says what is wrong, and what to do", async ({ name, of, patterns, asked }) => {
    const messages = (await said(name, of(), asked)).map((message) => message.replace(`${name}: `, ""));
    expect(messages.length, messages.join("\n")).toBe(patterns.length);
    for (const pattern of patterns) expect(messages).toContainEqual(expect.stringMatching(pattern));
  });

  it("each have a row above", () => {
    const names = policies(() => ({})).map(({ name }) => name);
    expect([...new Set(VIOLATIONS.map(([name]) => name))].sort()).toEqual(names.toSorted());
  });

  it("that are about production leave other stacks alone, unless they are told otherwise", async () => {
    expect(await said("prod-data-is-retained", bad, { stack: "dev" })).toEqual([]);
    expect(
      await said("prod-data-is-retained", bad, { stack: "dev", settings: { stacks: "^(dev|prod)$" } }),
    ).toHaveLength(1);
    expect(await said("login-is-not-root", bad, { stack: "dev", hosts: BAD })).toEqual([]);
    expect(await said("devices-have-stable-names", bad, { stack: "dev" })).toHaveLength(2);
    expect(await said("devices-have-stable-names", bad, { stack: "dev", settings: { stacks: "^prod" } })).toEqual([]);
  });

  it("name a connection once, though the configuration and several resources have it", async () => {
    const root = { ...GOOD.trading.connection, user: "root" };
    const all = await declared({ trading: { ...GOOD.trading, connection: root } });
    expect(await said("login-is-not-root", all, { hosts: { trading: { connection: root } } })).toHaveLength(1);
    expect(await said("login-is-not-root", all)).toHaveLength(1);
  });

  it("take stable paths, labels, UUIDs and volumes of LVM", async () => {
    const named = (device: string) => withInputs(good, "PhysicalVolume", () => ({ device }));
    for (const path of ["/dev/disk/by-path/x", "/dev/disk/by-partuuid/1-02", "/dev/vg_x/lv_y", "/dev/mapper/luks-z"])
      expect(await said("devices-have-stable-names", named(path)), path).toEqual([]);
    for (const path of [
      "/dev/sdb",
      "/dev/sdaa3",
      "/dev/nvme1n1p2",
      "/dev/vdc",
      "/dev/mmcblk0p1",
      "/dev/dm-3",
      "/dev/md0",
    ])
      expect(await said("devices-have-stable-names", named(path)), path).toHaveLength(1);
  });
});

describe("policy/README.md", () => {
  it("has the policies as they are", async () => {
    const text = await readFile(join(ROOT, "policy/README.md"), "utf8");
    const rows = [...text.matchAll(/^\| `([a-z-]+)` \| (.*) \| (.*) \| (.*) \|$/gm)].map((row) => row.slice(1));
    expect(rows).toEqual(
      policies(() => ({})).map((policy) => {
        const { stacks, ...others } = defaultsOf(policy);
        const settings = Object.entries(others).map(
          ([key, value]) => `\`${key}\`: \`${String(value).replaceAll("|", "\\|")}\``,
        );
        return [
          policy.name,
          policy.enforcementLevel,
          [stacks === "" ? "all" : `\`${stacks}\``, ...settings].join("; "),
          policy.description,
        ];
      }),
    );
  });

  it("is of the versions that this project pins", async () => {
    interface Package {
      readonly dependencies: Record<string, string>;
      readonly devDependencies: Record<string, string>;
    }
    const read = async (file: string) => JSON.parse(await readFile(join(ROOT, file), "utf8")) as Package;
    const [pack, project] = [await read("policy/package.json"), await read("package.json")];
    for (const [name, version] of Object.entries(pack.dependencies))
      expect(project.devDependencies[name], name).toBe(version);
  });
});
