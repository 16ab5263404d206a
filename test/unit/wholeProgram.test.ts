import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { HostUnreachable, StorageError } from "../../providers/errors.ts";
import type { Properties } from "../../providers/engine/resource.ts";
import { StackOnHost, type Kept } from "../support/engine.ts";
import { devMachine, FakeHost, type Fault, type Machine } from "../support/fakeHost.ts";
import { declaredBy } from "../../setup/declared.ts";

/** The real program, as stack `dev` configures it: all three tiers, tuning and automation. */
const { config } = parse(readFileSync(new URL("../../Pulumi.dev.yaml", import.meta.url), "utf8")) as {
  config: Record<string, unknown>;
};
const graph = await declaredBy({ hosts: config["jts-storage:hosts"] });

/**
 * A machine in which the order of works that go side by side doesn't show. How many UUIDs were handed out does: what
 * was made twice.
 */
function comparable(machine: Machine): unknown {
  const paths = new Map(Object.entries(machine.links).map(([path, device]) => [device, path]));
  const { files, mounts, ledger, accounts, ...rest } = machine;
  const { content = "", ...fstab } = files["/etc/fstab"]!;
  const ordered = {
    ...rest,
    files: { ...files, "/etc/fstab": { ...fstab, lines: content.split("\n").sort() } },
    mounts: mounts
      .map((mount) => ({ ...mount, "maj:min": "" }))
      .sort((one, other) => one.target.localeCompare(other.target)),
    ledger: [...ledger].sort(),
    accounts: [...accounts].sort(),
  };
  return JSON.parse(
    JSON.stringify(ordered)
      .replaceAll(/uuid-\d+/g, "uuid")
      .replaceAll(/\/dev\/dm-\d+/g, (device) => paths.get(device) ?? device),
  );
}

const outputsOf = ({ state }: StackOnHost) => Object.fromEntries([...state].map(([name, { outs }]) => [name, outs]));
const withoutUuids = (state: ReadonlyMap<string, Kept>) =>
  JSON.parse(JSON.stringify(Object.fromEntries(state)).replaceAll(/uuid-\d+/g, "uuid")) as unknown;
const commandsOf = (host: FakeHost) =>
  host.calls.reduce((sum, { steps, questions }) => sum + steps.length + questions.length, 0);

function hostOf(machine: Machine): FakeHost {
  const host = new FakeHost(machine);
  // Works come while others have their turn.
  host.latencyMilliseconds = 3;
  return host;
}

/**
 * What is there and not in the state. Packages stay when they leave it. A folder that is a mount point is there with
 * its mount, and a filesystem whose device is gone can't be proved absent: only one that is seen has a UUID.
 */
async function forgotten(stack: StackOnHost): Promise<string[]> {
  const isThere = (kind: string | undefined, found: Properties | undefined) =>
    found !== undefined &&
    kind !== "Directory" &&
    kind !== "Packages" &&
    (kind !== "Filesystem" || found.uuid !== undefined);
  return [...(await stack.look())]
    .filter(([name, found]) => isThere(graph.get(name)?.type.split(":").at(-1), found) && !stack.state.has(name))
    .map(([name]) => name);
}

/** When all goes well. */
const upHost = hostOf(devMachine());
const upStack = new StackOnHost(graph, upHost);
const upErrors = await upStack.up();
const up = { commands: commandsOf(upHost), machine: structuredClone(upHost.machine), state: new Map(upStack.state) };
const destroyHost = hostOf(structuredClone(up.machine));
const destroyErrors = await new StackOnHost(graph, destroyHost, up.state).destroy();
const destroy = { commands: commandsOf(destroyHost), machine: destroyHost.machine };
const made = { machine: comparable(up.machine), state: withoutUuids(up.state) };
const unmade = comparable(destroy.machine);

const faults: readonly Fault[] = ["fails before", "fails after", "lost before", "lost after"];
const everyFault = faults
  .flatMap((fault) => (fault.startsWith("lost") ? [false, true] : [false]).map((staysDown) => ({ fault, staysDown })))
  .map((one, index) => ({ ...one, index }));

/** At so many commands each fault is tried: JTS_STORAGE_FAULTS=1000 is all of them, and takes minutes. */
const SAMPLE = Number(process.env.JTS_STORAGE_FAULTS ?? 16);

/**
 * Evenly spread over the commands, each fault at others. Each run has a host of its own, so that some go side by side.
 * @param work says whether its command was reached: a run of works side by side has now and then a few commands less
 */
async function atSome(commands: number, fault: number, work: (command: number) => Promise<boolean>): Promise<void> {
  const size = Math.min(SAMPLE, commands);
  const sample = Array.from({ length: size }, (_, n) =>
    Math.floor(((n + fault / everyFault.length) * commands) / size),
  );
  const reached: boolean[] = [];
  while (sample.length > 0) reached.push(...(await Promise.all(sample.splice(0, 40).map(work))));
  expect(reached.filter((one) => one).length).toBeGreaterThan(size * 0.9);
}

beforeAll(() => {
  // Each resource that is adopted is reported.
  vi.spyOn(console, "log").mockImplementation(() => undefined);
});

describe("the program of stack dev", () => {
  it("makes all of its resources, each as the state has it, and removes them again to the last folder", async () => {
    expect([upErrors, destroyErrors]).toEqual([[], []]);
    expect([...up.state.keys()].sort()).toEqual(upStack.resources.sort());
    expect(upHost.accidents).toEqual([]);
    expect(comparable(up.machine)).not.toEqual(comparable(devMachine()));
    expect(comparable(destroy.machine)).toEqual(
      comparable({ ...devMachine(), uuids: up.machine.uuids, packages: up.machine.packages }),
    );
    expect(Object.fromEntries(await upStack.look())).toEqual(outputsOf(upStack));
  });

  it("shares calls between resources that are made at the same time, so that faults hit works that share a turn", () => {
    expect(upHost.calls.some(({ steps }) => steps.filter(({ argv }) => argv[0] === "lvcreate").length > 1)).toBe(true);
    expect(upHost.calls.length).toBeLessThan(upStack.resources.length);
  });
});

const howMany = (commands: number) => `${Math.min(SAMPLE, commands)} of its ${commands} commands`;

describe.concurrent(`an up of the whole program that meets a fault at ${howMany(up.commands)}`, () => {
  it.each(everyFault)(
    "($fault, host down after: $staysDown) is finished by the next up: nothing is made twice, and the state holds what exists",
    { timeout: 600_000 },
    async ({ fault, staysDown, index }) => {
      await atSome(up.commands, index, async (command) => {
        const host = hostOf(devMachine());
        const stack = new StackOnHost(graph, host);
        host.failAt(command, fault, staysDown);
        const errors = await stack.up({ continueOnError: command % 2 === 0 });
        for (const error of errors) expect(error).toBeInstanceOf(StorageError);
        if (host.isDown) expect(errors).toContainEqual(expect.any(HostUnreachable));
        const isReached = host.hasFailed;
        host.recover();
        expect({ command, forgotten: await forgotten(stack) }).toEqual({ command, forgotten: [] });

        expect({ command, errors: await stack.up() }).toEqual({ command, errors: [] });
        expect({ command, machine: comparable(host.machine) }).toEqual({ command, machine: made.machine });
        expect(host.accidents).toEqual([]);
        expect({ command, state: withoutUuids(stack.state) }).toEqual({ command, state: made.state });

        const calls = host.calls.length;
        expect(await stack.up()).toEqual([]);
        expect(host.calls).toHaveLength(calls);
        // Nor would a refresh find anything to do.
        expect(Object.fromEntries(await stack.look())).toEqual(outputsOf(stack));

        expect({ command, errors: await stack.destroy() }).toEqual({ command, errors: [] });
        expect({ command, machine: comparable(host.machine) }).toEqual({ command, machine: unmade });
        return isReached;
      });
    },
  );
});

describe.concurrent(`a destroy of the whole program that meets a fault at ${howMany(destroy.commands)}`, () => {
  it.each(everyFault)(
    "($fault, host down after: $staysDown) is finished by the next destroy, and the state holds what exists",
    { timeout: 600_000 },
    async ({ fault, staysDown, index }) => {
      await atSome(destroy.commands, index, async (command) => {
        const host = hostOf(structuredClone(up.machine));
        const stack = new StackOnHost(graph, host, up.state);
        host.failAt(command, fault, staysDown);
        for (const error of await stack.destroy()) expect(error).toBeInstanceOf(StorageError);
        const isReached = host.hasFailed;
        host.recover();
        expect({ command, forgotten: await forgotten(stack) }).toEqual({ command, forgotten: [] });

        expect({ command, errors: await stack.destroy() }).toEqual({ command, errors: [] });
        expect(stack.state).toEqual(new Map());
        expect({ command, machine: comparable(host.machine) }).toEqual({ command, machine: unmade });
        return isReached;
      });
    },
  );
});
