import { describe, expect, it } from "vitest";
import { lifecycle } from "../../../../providers/engine/lifecycle.ts";
import type { CommonInputs, Properties } from "../../../../providers/engine/resource.ts";
import { Session } from "../../../../providers/engine/session.ts";
import { examples, KINDS, type Kind } from "../../../support/examples.ts";
import { FakeHost } from "../../../support/fakeHost.ts";
import { situationOf } from "./situations.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const declared = { host: "192.168.1.100", hostKey };
/** With the defaults that check adds. */
const connection = { ...declared, port: 22, user: "root", timeoutSeconds: 30 };
/** What the engine writes for a value that a preview can't know. */
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A kind's provider on a host in memory, and the connections for which it asked for a session. */
function onHost(kind: Kind) {
  const host = new FakeHost(situationOf(kind).machine());
  const session = new Session(host);
  const asked: CommonInputs["connection"][] = [];
  const provider = lifecycle(examples[kind].kind, ({ connection }) => {
    asked.push(connection);
    return session;
  });
  const check = async (more: Properties = {}) =>
    (await provider.check({}, { host: "fake", ...examples[kind].declared, ...more })) as {
      readonly inputs: Properties;
      readonly failures?: readonly { readonly property: string; readonly reason: string }[];
    };
  return { host, asked, provider, check };
}

describe.each(KINDS)("the connection of a %s", (kind) => {
  it("is in neither inputs nor outputs where none is given, so that states do not change", async () => {
    const { provider, check, asked } = onHost(kind);
    const { inputs } = await check();
    const { outs } = await provider.create(inputs);
    expect(Object.keys(inputs)).not.toContain("connection");
    expect(Object.keys(outs!)).not.toContain("connection");
    expect(asked.length).toBeGreaterThan(0);
    expect(asked).toEqual(asked.map(() => undefined));
  });

  it("is in the state where it is given, and is used for every later operation, even without the program", async () => {
    const { host, provider, check, asked } = onHost(kind);
    const { inputs } = await check({ connection: declared });
    expect(inputs.connection).toEqual(connection);
    const { id, outs } = await provider.create(inputs);
    expect(outs!.connection).toEqual(connection);
    expect(await provider.read(id, outs)).toMatchObject({ inputs: { connection }, props: { connection } });
    await provider.delete(id, outs!);
    expect(asked.length).toBeGreaterThanOrEqual(2);
    expect(asked).toEqual(asked.map(() => connection));
    const { uuids, packages } = host.machine;
    expect(host.machine).toEqual({ ...situationOf(kind).machine(), uuids, packages });
  });

  it("can change, or be left to the configuration again, by an update that runs no step and replaces nothing", async () => {
    const { host, provider, check, asked } = onHost(kind);
    const { inputs } = await check({ connection: declared });
    const { id, outs } = await provider.create(inputs);
    const steps = host.steps.length;
    for (const other of [{ ...declared, port: 2222 }, undefined]) {
      const { inputs: changed, failures } = await check(other === undefined ? {} : { connection: other });
      expect(failures).toBeUndefined();
      expect(await provider.diff(id, outs!, changed)).toEqual({ replaces: [], deleteBeforeReplace: true });
      expect((await provider.update(id, outs!, changed)).outs).toEqual({
        ...Object.fromEntries(Object.entries(outs!).filter(([key]) => key !== "connection")),
        ...(other === undefined ? {} : { connection: { ...connection, port: 2222 } }),
      });
      expect(asked.at(-1)).toEqual(changed.connection);
    }
    expect(host.steps).toHaveLength(steps);
  });
});

describe("a connection", () => {
  it("may come from another resource, so that a preview doesn't know it, or part of it", async () => {
    const { check } = onHost("Directory");
    for (const unknown of [UNKNOWN, { ...declared, host: UNKNOWN }])
      expect(await check({ connection: unknown })).toMatchObject({ inputs: { connection: unknown } });
  });

  it("that could reach no host is refused in preview, each property by name", async () => {
    const { failures = [] } = await onHost("Directory").check({
      connection: { host: "a b", port: 0, hostKey: "none", colour: "red" },
    });
    expect(failures.map(({ property }) => property)).toEqual([
      "connection.host",
      "connection.port",
      "connection.hostKey",
      "connection",
    ]);
  });
});
