import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { rowAt } from "../../../components/rows.ts";
import { SECTIONS } from "../../../config.ts";
import type { AnyKind, Properties } from "../../../providers/engine/resource.ts";
import { Session } from "../../../providers/engine/session.ts";
import { kinds } from "../../../providers/kinds.ts";
import type { Declared } from "../../../setup/declared.ts";
import {
  EXIT_STATUS,
  findDrift,
  toJson,
  verdictOf,
  verdictOfAll,
  type DriftReport,
  type Finding,
  type HostDrift,
} from "../../../setup/drift/drift.ts";
import { keysOf } from "../../../setup/drift/keys.ts";
import { markerOf, renderDrift } from "../../../setup/drift/markdown.ts";
import { printDrift } from "../../../setup/drift/text.ts";
import { LONGEST_COMMENT } from "../../../setup/markdown.ts";
import { ROOT } from "../../../setup/project.ts";
import { readStack, type HostResource, type StackHost } from "../../../setup/stackFile.ts";
import { onlyOurs, StackOnHost } from "../../support/engine.ts";
import { examples, type Kind } from "../../support/examples.ts";
import { devMachine, FakeHost, type Machine } from "../../support/fakeHost.ts";
import { GIB } from "../../support/generators.ts";

const connection = { host: "192.168.1.100", hostKey: `ssh-ed25519 ${"A".repeat(68)}` };

const every = {
  connection,
  hot: {
    device: { path: "/dev/nvme0n1", size: 4000787030016, serial: "S1" },
    additionalDevices: [{ path: "/dev/nvme1n1" }],
    volumes: { postgres: null, redis: { owner: "cache", group: "shared" }, docker: null, more: moreVolume() },
  },
  warm: { device: { path: "/dev/sda2" }, folders: ["mine"] },
  cold: { server: "nas", export: "/volume1/x", folders: ["mine"] },
  automation: { snapshotOnCalendar: "*-*-* 01:00" },
};
function moreVolume() {
  return { size: "1GiB", filesystem: "btrfs", mountPoint: "/srv/more", owner: "cache", group: "shared" };
}
async function hostsWith(hosts: object): Promise<readonly StackHost[]> {
  const folder = await mkdtemp(join(tmpdir(), "jts-drift-"));
  const file = join(folder, "Pulumi.test.yaml");
  await writeFile(file, JSON.stringify({ config: { "jts-storage:hosts": hosts } }));
  return readStack(file, []).finally(() => rm(folder, { recursive: true }));
}

const [lab] = (await readStack(join(ROOT, "Pulumi.dev.yaml"), [])) as [StackHost];
const everything: readonly StackHost[] = [
  lab,
  ...(await readStack(join(ROOT, "Pulumi.prod.yaml"), [])),
  ...(await hostsWith({
    every,
    "a-b": { connection: { ...connection, host: "192.168.1.99" }, hot: { layout: "directories" } },
  })),
];
const graph = onlyOurs(lab);

/** Stack dev's host, after an `up`. */
async function upped(): Promise<FakeHost> {
  const host = new FakeHost(devMachine());
  expect(await new StackOnHost(graph, host).up()).toEqual([]);
  return host;
}
const machineAfterUp = (await upped()).machine;

async function driftAfter(change: (machine: Machine, host: FakeHost) => void): Promise<HostDrift> {
  const host = new FakeHost(structuredClone(machineAfterUp));
  change(host.machine, host);
  const before = structuredClone(host.machine);
  const found = await findDrift(new Session(host), lab);
  // It only looks.
  expect(host.calls.flatMap(({ steps }) => steps)).toEqual([]);
  expect(host.machine).toEqual(before);
  return found;
}

const deviceOf = (machine: Machine, volume: string) => machine.links[`/dev/vg_jts/lv_${volume}`]!;
const inShort = ({ drift }: HostDrift) => drift.map((one) => `${one.class}: ${one.keys.join(", ")}`);
const report = (hosts: readonly HostDrift[], more: Partial<DriftReport> = {}): DriftReport => ({
  stack: "prod",
  lookedAt: "2026-06-30T02:00:00.000Z",
  hosts,
  ...more,
});
const finding = (more: Partial<Finding> = {}): Finding => ({
  class: "heals-itself",
  keys: ["hot.volumes.redis.size"],
  resource: "trading-hot-redis-lv",
  kind: "LogicalVolume",
  differences: ["hot.volumes.redis.size: 40 GiB on the host, 50 GiB declared"],
  found: [],
  steps: ["grow vg_jts/lv_redis from 40 GiB to 50 GiB"],
  next: [],
  after: [],
  ...more,
});

describe("the key paths of drift", () => {
  const schema = z.object(SECTIONS);
  const isKey = (key: string) => rowAt(schema, key.split(".")) !== undefined;

  it("are there for every resource of the whole program, and each is a key of the configuration", () => {
    expect(everything.map(({ resources }) => resources.length)).toEqual([62, 62, 16, 47]);
    for (const { name, settings, resources } of everything)
      for (const resource of resources) {
        const { whole, properties } = keysOf(name, settings, resource);
        expect(whole.length, resource.name).toBeGreaterThan(0);
        for (const key of [...whole, ...Object.values(properties)])
          expect([resource.name, key, isKey(key)]).toEqual([resource.name, key, true]);
        // No row names a property that its kind doesn't have.
        const known = Object.keys(resource.kind.inputs.shape);
        expect(
          Object.keys(properties).filter((one) => !known.includes(one)),
          resource.name,
        ).toEqual([]);
      }
  });

  it("name what a look can tell apart: every property that a kind reports, but for what its row declares as a whole", () => {
    const wholeOf: Partial<Record<Kind, readonly string[]>> = {
      Packages: ["names"],
      Directory: ["folders"],
      ConfigFile: ["content", "owner", "group", "mode"],
      SystemdTimer: ["onCalendar"],
      // The type, and the fields of numbers, follow from what is mounted; a bind mount has no options of its own.
      FstabEntry: ["type", "options", "dump", "pass", "source"],
    };
    for (const { name, settings, resources } of everything)
      for (const resource of resources) {
        const { properties } = keysOf(name, settings, resource);
        const reported = REPORTED[resource.kind.name as Kind] ?? [];
        const whole = wholeOf[resource.kind.name as Kind] ?? [];
        const silent = reported.filter((one) => properties[one] === undefined && !whole.includes(one));
        expect([resource.name, ...silent]).toEqual([resource.name]);
      }
  });

  it("are those of the device, the account and the calendar that is meant", () => {
    const { name, settings, resources } = everything.find((one) => one.name === "every")!;
    const wholeOf = (own: string) =>
      keysOf(
        name,
        settings,
        resources.find((one) => one.name === `every-${own}`)!,
      ).whole;
    expect(wholeOf("hot-pv")).toEqual(["hot.device"]);
    expect(wholeOf("hot-pv-nvme1n1")).toEqual(["hot.additionalDevices.0"]);
    expect(wholeOf("hot-user-cache-shared")).toEqual(["hot.volumes.more.owner", "hot.volumes.redis.owner"]);
    expect(wholeOf("hot-group-docker")).toEqual(["hot.volumes.docker.group"]);
    expect(wholeOf("automation-lvm-snapshots")).toEqual(["automation.snapshotOnCalendar"]);
    expect(wholeOf("packages-installed")).toEqual(["hot", "warm", "cold", "automation"]);
  });

  it("are asked for by an error, where a resource has none", () => {
    const { name, settings } = everything[0]!;
    const unknown = { name: "lab-warm-new", parent: "lab-warm", kind: kinds.Directory as unknown as AnyKind };
    expect(() => keysOf(name, settings, unknown)).toThrow("lab-warm-new has no row in setup/drift/keys.ts");
  });
});

/** What a kind's report may have among its inputs. */
const REPORTED: Partial<Record<Kind, readonly string[]>> = {
  Packages: ["names"],
  VolumeGroup: ["extentSizeBytes", "physicalVolumes"],
  LogicalVolume: ["sizeBytes"],
  FstabEntry: ["source", "type", "options", "dump", "pass"],
  NfsMount: ["server", "export", "options", "version"],
  Directory: ["owner", "group", "mode", "folders"],
  ConfigFile: ["content", "owner", "group", "mode"],
  SystemdTimer: ["onCalendar"],
};

/** Where the program could declare each kind's example, and what is then said of its drift. */
const expected: Readonly<Record<Kind, { readonly name: string; readonly said: readonly string[] }>> = {
  Packages: {
    name: "packages-installed",
    said: ["heals-itself", "hot, warm, cold, automation: not on the host as declared: zstd", "install zstd"],
  },
  PhysicalVolume: {
    name: "hot-pv",
    said: [
      "heals-itself",
      "hot.device",
      "grow the physical volume /dev/disk/by-id/nvme-1 to its device's 4000787030016 bytes",
    ],
  },
  VolumeGroup: {
    name: "hot-vg",
    said: [
      "heals-itself",
      "hot.additionalDevices: not on the host as declared: /dev/sda2",
      "add /dev/sda2 to the volume group vg_jts",
      "tag /dev/sda2 as this program's",
    ],
  },
  LogicalVolume: {
    name: "hot-redis-lv",
    said: [
      "heals-itself",
      "hot.volumes.redis.size: 40 GiB on the host, 50 GiB declared",
      "grow vg_jts/lv_redis from 40 GiB to 50 GiB",
    ],
  },
  Filesystem: {
    name: "warm-fs",
    said: ["heals-itself", "warm.device", "grow the btrfs on /dev/sda2 from 900 GiB to 930.51 GiB"],
  },
  SystemUser: {
    name: "hot-user-redis",
    said: ["heals-itself", "hot.volumes.redis.owner", "make the system user redis:redis"],
  },
  FstabEntry: {
    name: "warm-mount",
    said: [
      "heals-itself",
      "warm.compression: compress=lzo on the host, compress=zstd:3 declared",
      "write the line of /data/warm-storage into fstab",
    ],
  },
  NfsCache: {
    name: "cold-cache",
    said: [
      "heals-itself",
      "cold.cache",
      "make and start the cache of 1 GiB in /data/nfs-cache.ext4 (jts-storage-nfs-cache.service is inactive)",
    ],
  },
  NfsMount: { name: "cold-mount", said: ["heals-itself", "cold.mountPoint", "mount /mnt/synology"] },
  Directory: {
    name: "hot-redis-folders",
    said: [
      "heals-itself",
      "hot.volumes.redis.folders: not on the host as declared: redis/logs",
      "make /data/jts/hot/redis/logs root:root 750",
    ],
  },
  ConfigFile: {
    name: "tuning-sysctl",
    said: ["heals-itself", "tuning.sysctl", "set /proc/sys/net/core/rmem_max to 16777216 (it is 1)"],
  },
  Scripts: {
    name: "automation-scripts",
    said: [
      "heals-itself",
      "automation",
      "install the scripts (jts_storage/mover.py is changed, clickhouse/storage-policy.xml is absent, /usr/local/bin/storage-health.sh is absent)",
    ],
  },
  SystemdTimer: {
    name: "tuning-fstrim",
    said: [
      "heals-itself",
      "tuning.fstrimOnCalendar: daily on the host, weekly declared",
      "install and start fstrim-all.timer (the timer's file differs)",
    ],
  },
};

describe.each(Object.entries(expected))("drift of the kind %s", (name, { name: own, said }) => {
  const { kind, declared, before, drift } = examples[name as Kind];
  const resource: HostResource = {
    name: `lab-${own}`,
    parent: `lab-${own.slice(0, own.indexOf("-"))}`,
    type: `pulumi-nodejs:dynamic/jts-storage:${name}`,
    inputs: { host: "lab", ...declared },
    dependencies: [],
    protect: false,
    kind,
    subject: own,
  };
  const one: StackHost = { name: "lab", settings: lab.settings, resources: [resource] };

  it("is said with its class, in the configuration's words; there is none as declared, and none after an `up`", async () => {
    const host = new FakeHost();
    before?.(host.machine);
    const stack = new StackOnHost(
      new Map<string, Declared>([[resource.name, { ...resource, parent: undefined }]]),
      host,
    );
    expect(await stack.up()).toEqual([]);
    expect(await findDrift(new Session(host), one)).toEqual({ name: "lab", compared: 1, drift: [] });

    drift(host.machine);
    const calls = host.calls.length;
    const found = (await findDrift(new Session(host), one)).drift;
    expect(host.calls.slice(calls).flatMap(({ steps }) => steps)).toEqual([]);
    expect(
      found.map((it) => [
        it.class,
        ...(it.differences.length > 0 ? it.differences : [it.keys.join(", ")]),
        ...it.steps,
      ]),
    ).toEqual([said]);
  });
});

describe("drift of a whole host", () => {
  it("is none after an `up`", async () => {
    const found = await driftAfter(() => undefined);
    expect(found).toEqual({ name: "lab", compared: 62, drift: [] });
    expect(printDrift(report([found]))).toBe("lab: no drift in 62 resources");
    expect(EXIT_STATUS[verdictOf(found)]).toBe(0);
  });

  it("needs a person where an `up` refuses it, with the way out of the refusal", async () => {
    const found = await driftAfter((machine) => void (machine.devices[deviceOf(machine, "redis")]!.bytes += 4 * GIB));
    expect(inShort(found)).toEqual([
      "needs-a-person: hot.volumes.redis.size",
      "needs-a-person: hot.volumes.redis.filesystem",
    ]);
    expect(found.drift[0]).toMatchObject({
      found: ["vg_jts/lv_redis has 54 GiB, more than the declared 50 GiB"],
      next: ["declare its size, 57982058496 bytes; or follow docs/runbooks/shrink-a-volume.md."],
    });
    expect(EXIT_STATUS[verdictOf(found)]).toBe(4);
  });

  it("heals itself where a volume is to grow, whose filesystem is refused only until it has grown", async () => {
    const found = await driftAfter((machine) => void (machine.devices[deviceOf(machine, "kafka")]!.bytes -= 4 * GIB));
    expect(inShort(found)).toEqual([
      "heals-itself: hot.volumes.kafka.size",
      "heals-itself: hot.volumes.kafka.filesystem",
    ]);
    expect(found.drift[1]).toMatchObject({ found: [], next: [], after: ["hot.volumes.kafka"] });
    expect(EXIT_STATUS[verdictOf(found)]).toBe(1);
  });

  it("needs a person where a filesystem is refused for more than that its volume is to grow", async () => {
    const found = await driftAfter((machine) => {
      machine.devices[deviceOf(machine, "kafka")]!.bytes -= 4 * GIB;
      machine.signatures[deviceOf(machine, "kafka")]!.type = "crypto_LUKS";
    });
    expect(inShort(found)).toContain("needs-a-person: hot.volumes.kafka.filesystem");
    expect(inShort(found)).toContain("heals-itself: hot.volumes.kafka.size");
  });

  it("needs a person where data is gone: an `up` would make its place anew, by safe steps, and empty", async () => {
    const found = await driftAfter((machine) => {
      const device = deviceOf(machine, "mongodb");
      delete machine.devices[device];
      delete machine.signatures[device];
      delete machine.links["/dev/vg_jts/lv_mongodb"];
      machine.mounts = machine.mounts.filter(({ target }) => !target.includes("mongodb"));
    });
    expect(found.drift[0]).toMatchObject({
      class: "needs-a-person",
      keys: ["hot.volumes.mongodb"],
      found: ["it isn't there, and an up would make it empty"],
      steps: ["make vg_jts/lv_mongodb with 200 GiB"],
    });
    expect(found.drift[0]!.next.join()).toContain("docs/runbooks/restore-a-backup.md");
    // What depends on it is not healed by an `up` either.
    expect(new Set(found.drift.map((one) => one.class))).toEqual(new Set(["needs-a-person"]));
    expect(found.drift.map(({ after }) => after)).toContainEqual(["hot.volumes.mongodb.filesystem"]);
  });

  it("needs a person where a filesystem was wiped", async () => {
    const found = await driftAfter((machine) => {
      delete machine.signatures["/dev/sda2"];
      machine.mounts = machine.mounts.filter(({ target }) => !target.startsWith("/data/warm"));
    });
    expect(found.drift.map((one) => `${one.class}: ${one.resource}`)).toContain("needs-a-person: lab-warm-fs");
  });

  it("interrupts a service where something else must be unmounted", async () => {
    const found = await driftAfter((machine) => {
      for (const mount of machine.mounts.filter(({ target }) => target === "/mnt/synology"))
        mount.source = "192.168.1.109:/volume1/other";
    });
    expect(inShort(found)).toEqual(["interrupts-service: cold.mountPoint"]);
    expect(found.drift[0]!.steps).toEqual(["unmount and mount /mnt/synology"]);
    expect(EXIT_STATUS[verdictOf(found)]).toBe(1);
    expect(printDrift(report([found]))).toContain("  interrupts a service: `pulumi up --refresh` mends it");
  });

  it("is not known where the host can't be asked, which is never no drift", async () => {
    const found = await driftAfter((_, host) => (host.isDown = true));
    expect(found).toMatchObject({ compared: 0, drift: [] });
    expect(found.problem).toContain("Next: ");
    expect(verdictOf(found)).toBe("not-asked");
    expect(EXIT_STATUS[verdictOf(found)]).toBe(3);
    expect(printDrift(report([found]))).toMatch(/^lab: could not be asked\n {2}/);
  });

  it("is not known of what a missing tool would show, while the rest is compared", async () => {
    const found = await driftAfter((machine, host) => {
      machine.packages = machine.packages.filter((name) => name !== "lvm2");
      host.answers.set("lvm", { stdout: "", stderr: "bash: line 1: lvm: command not found", exitCode: 127 });
    });
    expect(found.problem).toBeUndefined();
    expect(inShort(found)).toContain("not-asked: hot.volumeGroup");
    expect(inShort(found)).toContain("heals-itself: hot, warm, cold, automation");
    expect(found.compared).toBeGreaterThan(30);
    expect(found.drift[0]!.next).toHaveLength(1);
    expect(EXIT_STATUS[verdictOf(found)]).toBe(3);
  });

  it("shows neither what somebody wrote into a file, nor what belongs there", async () => {
    const found = await driftAfter(
      ({ files }) => void (files["/etc/jts-storage/settings.json"]!.content = "password=hunter2\n"),
    );
    expect(found.drift[0]!.differences).toEqual(["automation: the file has another text than declared"]);
    expect(JSON.stringify(toJson(report([found])))).not.toContain("hunter2");
  });
});

describe("the verdict on a stack", () => {
  const none: HostDrift = { name: "a", compared: 2, drift: [] };
  const silent: HostDrift = { name: "b", compared: 0, drift: [], problem: "no connection" };
  it.each<[string, Partial<DriftReport>, number]>([
    ["all hosts without drift", { hosts: [none, none] }, 0],
    ["drift that heals itself", { hosts: [none, { ...none, drift: [finding()] }] }, 1],
    ["an interruption", { hosts: [{ ...none, drift: [finding({ class: "interrupts-service" }), finding()] }] }, 1],
    ["a silent host beside one without drift", { hosts: [none, silent] }, 3],
    ["a silent host beside drift that heals itself", { hosts: [{ ...none, drift: [finding()] }, silent] }, 3],
    [
      "a person beside a silent host",
      { hosts: [silent, { ...none, drift: [finding({ class: "needs-a-person" })] }] },
      4,
    ],
    ["a configuration that can't be read", { hosts: [], problem: "no such file" }, 3],
  ])("for %s: the exit status of the most urgent", (_, more, status) => {
    expect(EXIT_STATUS[verdictOfAll(report([], more))]).toBe(status);
    expect(toJson(report([], more))).toMatchObject({ version: 1, exitStatus: status });
    expect(renderDrift(report([], more)).split("\n")[1]).toBe(`<!-- exit status ${status} -->`);
  });
});

describe("drift as JSON", () => {
  it("has the form that docs/ci.md documents", () => {
    const json = toJson(report([{ name: "trading", compared: 62, drift: [finding()] }]));
    const documented = /```json\n(.*?)```/s.exec(readFileSync(new URL("../../../docs/ci.md", import.meta.url), "utf8"));
    expect(JSON.parse(documented![1]!)).toEqual(JSON.parse(JSON.stringify(json)) as Properties);
  });
});

describe("drift as an issue", () => {
  it("starts with the marker and the status for issue.sh, and its title", () => {
    const lines = renderDrift(report([{ name: "trading", compared: 62, drift: [finding()] }])).split("\n");
    expect(lines.slice(0, 3)).toEqual([
      markerOf("prod"),
      "<!-- exit status 1 -->",
      "## Storage drift of prod: 1 heals itself",
    ]);
  });

  it("has a row for each host, shows what needs a person, and folds the rest", () => {
    const markdown = renderDrift(
      report([
        {
          name: "trading",
          compared: 62,
          drift: [finding({ class: "needs-a-person", next: ["declare it"] }), finding(), finding()],
        },
        { name: "backup", compared: 20, drift: [] },
        { name: "gone", compared: 0, drift: [], problem: "gone: no route\n  Next: ssh gone" },
      ]),
    );
    expect(markdown).toContain("## Storage drift of prod: 1 needs a person, 2 heal themselves, 1 host not asked\n");
    expect(markdown).toContain("| trading | **needs a person** | 1 needs a person, 2 heal themselves |\n");
    expect(markdown).toContain("| backup | no drift | no drift in 20 resources |\n| gone | **not asked** |");
    expect(markdown).toContain("### trading: 1 × needs a person\n\n- `hot.volumes.redis.size: 40 GiB");
    expect(markdown).toContain("  - `Next: declare it`");
    expect(markdown).toContain("<details><summary>trading: 2 × heals itself: pulumi up --refresh mends it");
    expect(markdown).toContain("### gone: could not be asked\n\n```text\ngone: no route\n  Next: ssh gone\n```");
  });

  it("says the same again as long as the drift is the same, but for the time", () => {
    const hosts = [{ name: "trading", compared: 62, drift: [finding()] }];
    const later = renderDrift(report(hosts, { lookedAt: "2026-07-01T02:00:00.000Z" }));
    expect(later.replace("2026-07-01", "2026-06-30")).toBe(renderDrift(report(hosts)));
  });

  it("shows texts literally: none mentions anybody, ends the folding, or passes for the marker", () => {
    const markdown = renderDrift(
      report([
        {
          name: "trading",
          compared: 1,
          drift: [finding({ differences: ["x: `</details> @everyone\n<!-- exit status 0 -->"], steps: [] })],
        },
      ]),
    );
    expect(markdown).toContain("- `x: '</details> @everyone <!-- exit status 0 -->`");
  });

  it("fits into what GitHub takes, and keeps what needs a person", () => {
    const drift = [
      ...Array.from({ length: 900 }, () => finding({ steps: ["x".repeat(100)] })),
      finding({ class: "needs-a-person", differences: ["hot.volumes.postgres.size: kept"] }),
    ];
    const markdown = renderDrift(report([{ name: "trading", compared: 1000, drift }]));
    expect(Buffer.byteLength(markdown)).toBeLessThan(LONGEST_COMMENT);
    expect(markdown).toContain("hot.volumes.postgres.size: kept");
    expect(markdown).toContain("Left out, since GitHub takes no more: trading: 900 × heals itself");
  });
});
