import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as resources from "../../providers/index.ts";
import { ROOT } from "../../setup/project.ts";
import { examples, KINDS, type Kind } from "../support/examples.ts";
import { failureOf, ProviderProcess, UNKNOWN, type Values } from "./providerProcess.ts";
import { refusingPort } from "./refusingPort.ts";

const MEBIBYTE = 1024 ** 2;
const host = "trading";

/** What states hold; a state written today is read by each later version. */
const providerTextOf = (kind: Kind) => `exports.handler = () => require("./providers/entry.ts").v1.${kind}()`;

const urnOf = (kind: Kind) => `urn:pulumi:dev::jts-storage::pulumi-nodejs:dynamic/jts-storage:${kind}::a-${kind}`;
/** A resource with as little declared as possible. */
const argsOf = (kind: Kind): Values => ({ host, ...(examples[kind].least.declared as Values) });
const declaredOf = (kind: Kind): Values => ({ ...argsOf(kind), __provider: providerTextOf(kind) });
const checkedOf = (kind: Kind): Values => ({
  ...declaredOf(kind),
  ...(examples[kind].least.added as Values),
  drift: [],
});

let server: ProviderProcess;
beforeAll(async () => {
  const connection = {
    host: "127.0.0.1",
    port: await refusingPort(),
    user: "root",
    hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
  };
  // As the engine starts it, with an engine that can't be reached: none of this may need one.
  server = await ProviderProcess.start(
    join(ROOT, "node_modules/.bin/node"),
    [join(ROOT, "node_modules/@pulumi/pulumi/cmd/dynamic-provider"), "127.0.0.1:1"],
    {
      cwd: ROOT,
      env: { PULUMI_NODEJS_PROJECT: "jts-storage" },
    },
  );
  await server.configure({
    "jts-storage:hosts": JSON.stringify({ [host]: { connection, cold: { server: "192.168.1.101" } } }),
  });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

describe("what a resource puts into the state", () => {
  it("is, for each kind, its type and exactly this text: a change would orphan every resource of every stack", async () => {
    const registered = new Map<string, unknown>();
    await pulumi.runtime.setMocks({
      call: ({ inputs }) => inputs as Values,
      newResource({ type, inputs }) {
        registered.set(type, (inputs as Values).__provider);
        return { id: "an-id", state: inputs as Values };
      },
    });
    const made = KINDS.map(
      (kind) =>
        new (resources[kind] as new (name: string, args: unknown) => pulumi.CustomResource)(`a-${kind}`, argsOf(kind)),
    );
    await Promise.all(made.map((one) => new Promise((resolve) => one.urn.apply(resolve))));

    expect(Object.fromEntries(registered)).toEqual(
      Object.fromEntries(KINDS.map((kind) => [`pulumi-nodejs:dynamic/jts-storage:${kind}`, providerTextOf(kind)])),
    );
  });
});

describe("Pulumi's own server of dynamic providers", () => {
  it.each(KINDS)("loads %s by its text, and Check answers with normalized inputs", async (kind) => {
    expect(await server.check(urnOf(kind), {}, declaredOf(kind))).toEqual({ inputs: checkedOf(kind), failures: [] });
  });

  it.each(KINDS)("finds no change in %s when the same is declared again", async (kind) => {
    const checked = checkedOf(kind);
    expect(await server.check(urnOf(kind), checked, declaredOf(kind))).toEqual({ inputs: checked, failures: [] });
    expect(await server.diff(urnOf(kind), { ...checked, uuid: "an-output" }, checked)).toEqual({
      changes: "left to the engine",
      replaces: [],
      deleteBeforeReplace: true,
    });
  });

  it.each([
    ["VolumeGroup", { name: "vg_other" }, "name"],
    ["FstabEntry", { mountPoint: "/data/elsewhere" }, "mountPoint"],
    ["Directory", { host: "other" }, "host"],
  ] as const)("replaces a %s whose identity changes by %j", async (kind, change, property) => {
    expect(await server.diff(urnOf(kind), checkedOf(kind), { ...checkedOf(kind), ...change })).toMatchObject({
      replaces: [property],
    });
  });

  it("reports every failure at once, each with its property", async () => {
    const { failures } = await server.check(
      urnOf("LogicalVolume"),
      {},
      {
        host: "",
        volumeGroup: "a/b",
        name: "lv",
        sizeBytes: -1,
        onDelete: "burn",
        colour: "red",
        __provider: providerTextOf("LogicalVolume"),
      },
    );
    expect(failures.map(({ property }) => property).toSorted()).toEqual([
      "",
      "host",
      "onDelete",
      "sizeBytes",
      "volumeGroup",
    ]);
    expect(failures.map(({ reason }) => reason).join("\n")).toContain("colour");
  });

  it("refuses in Check a change that would lose data", async () => {
    const smaller = { ...declaredOf("LogicalVolume"), sizeBytes: 1024 * MEBIBYTE };
    const { failures } = await server.check(urnOf("LogicalVolume"), checkedOf("LogicalVolume"), smaller);
    expect(failures).toEqual([
      { property: "sizeBytes", reason: expect.stringContaining("docs/runbooks/shrink-a-volume.md") as string },
    ]);
  });

  it.each([
    ["LogicalVolume", { volumeGroup: UNKNOWN }],
    ["VolumeGroup", { physicalVolumes: ["/dev/nvme0n1", UNKNOWN] }],
    ["SystemdTimer", { service: { ExecStart: UNKNOWN } }],
    ["ConfigFile", { activation: { kind: "udev", device: UNKNOWN, attribute: "queue/scheduler", value: "none" } }],
  ] as const)("accepts %s with values that a preview can't know yet: %j", async (kind, unknown) => {
    const { inputs, failures } = await server.check(urnOf(kind), {}, { ...declaredOf(kind), ...unknown });
    expect(failures).toEqual([]);
    expect(inputs).toMatchObject(unknown);
  });

  it("still checks known values beside unknown ones", async () => {
    const { failures } = await server.check(
      urnOf("LogicalVolume"),
      {},
      { ...declaredOf("LogicalVolume"), volumeGroup: UNKNOWN, sizeBytes: 0 },
    );
    expect(failures.map(({ property }) => property)).toEqual(["sizeBytes"]);
  });
});

describe("a host that can't be reached", () => {
  const unreachable =
    /^trading \(root@127\.0\.0\.1, port \d+\) could not be reached: .*refused[^]*\n {2}Next: ssh -p \d+ root@127\.0\.0\.1 true/;

  it.each(KINDS)("fails the create of %s, which then does not enter the state", async (kind) => {
    expect(await failureOf(server.create(urnOf(kind), checkedOf(kind)))).toEqual({
      message: expect.stringMatching(unreachable) as string,
      isKept: false,
    });
  });

  it.each(KINDS)("fails the read of %s: it is never taken for gone", async (kind) => {
    expect((await failureOf(server.read(urnOf(kind), checkedOf(kind)))).message).toMatch(unreachable);
  });

  it("fails an update and a delete", async () => {
    const entry = checkedOf("FstabEntry");
    expect((await failureOf(server.update(urnOf("FstabEntry"), entry, { ...entry, pass: 2 }))).message).toMatch(
      unreachable,
    );
    expect((await failureOf(server.delete(urnOf("FstabEntry"), entry))).message).toMatch(unreachable);
  });

  it("isn't needed to delete a resource whose data is to stay", async () => {
    await server.delete(urnOf("LogicalVolume"), { ...checkedOf("LogicalVolume"), uuid: "an-output" });
  });
});

describe("a connection that is given", () => {
  const given = {
    host: "127.0.0.2",
    user: "operator",
    hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
  };
  const declared = async () => ({ ...declaredOf("Directory"), connection: { ...given, port: await refusingPort() } });

  it("is kept with the inputs, with its defaults", async () => {
    const { inputs, failures } = await server.check(urnOf("Directory"), {}, await declared());
    expect(failures).toEqual([]);
    expect(inputs.connection).toMatchObject({ ...given, timeoutSeconds: 30 });
  });

  it("is used instead of the configuration's for the same name, and for a name that the configuration doesn't have", async () => {
    for (const host of ["trading", "elsewhere"]) {
      const { inputs } = await server.check(urnOf("Directory"), {}, { ...(await declared()), host });
      const unreachable = new RegExp(`^${host} \\(operator@127\\.0\\.0\\.2, port \\d+\\) could not be reached`);
      expect((await failureOf(server.create(urnOf("Directory"), inputs))).message).toMatch(unreachable);
      expect((await failureOf(server.delete(urnOf("Directory"), inputs))).message).toMatch(unreachable);
    }
    const { message } = await failureOf(server.create(urnOf("Directory"), checkedOf("Directory")));
    expect(message).toContain("root@127.0.0.1");
  });
});

it("distinguishes a host that the configuration doesn't have from one that can't be reached", async () => {
  const { message } = await failureOf(
    server.create(urnOf("Directory"), { ...checkedOf("Directory"), host: "elsewhere" }),
  );
  expect(message).toContain('no connection for the host "elsewhere"');
});
