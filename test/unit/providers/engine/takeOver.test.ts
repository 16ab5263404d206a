import { describe, expect, it, vi } from "vitest";
import { DataLossRefused } from "../../../../providers/errors.ts";
import type { Properties } from "../../../../providers/engine/resource.ts";
import { FakeHost, type Fault, type Machine } from "../../../support/fakeHost.ts";
import { checked, situationOf, type Situation } from "./situations.ts";

const theirs = { type: "regular file", owner: "root", group: "adm", mode: "600", content: "# theirs\n" };
const active = { fileState: "enabled", activeState: "active", needsReload: false };

/** A kind whose file another may have at its path, and where. */
const CASES: readonly {
  readonly name: "ConfigFile" | "Scripts" | "SystemdTimer";
  readonly paths: readonly string[];
  readonly before: (machine: Machine) => void;
}[] = [
  {
    name: "ConfigFile",
    paths: ["/etc/sysctl.d/60-jts.conf"],
    before: ({ files }) => void (files["/etc/sysctl.d"] = { ...theirs, type: "directory" }),
  },
  { name: "Scripts", paths: ["/usr/local/bin/storage-health.sh"], before: () => undefined },
  {
    name: "SystemdTimer",
    paths: ["/etc/systemd/system/fstrim-all.timer", "/etc/systemd/system/fstrim-all.service"],
    before: ({ units }) => void (units["fstrim-all.timer"] = { ...active }),
  },
];

/** A machine on which somebody has a file at each path. */
function machineOf({ name, paths, before }: (typeof CASES)[number]): Machine {
  const machine = situationOf(name).machine();
  before(machine);
  for (const path of paths) machine.files[path] = { ...theirs };
  return machine;
}

interface State {
  readonly id: string;
  readonly outs: Properties;
}

/** One `pulumi up` of the resource: what the state then has. */
async function up({ run }: Situation, host: FakeHost, inputs: Properties, state?: State): Promise<State | undefined> {
  try {
    if (state === undefined) return (await run(host).create(inputs)) as State;
    return { id: state.id, outs: (await run(host).update(state.id, state.outs, inputs)).outs! };
  } catch (error) {
    const { id, properties } = error as { id?: string; properties?: Properties };
    return id === undefined || properties === undefined ? state : { id, outs: properties };
  }
}

const FAULTS: readonly Fault[] = ["fails before", "fails after", "lost before", "lost after"];

/** For each command that a host carried out, side by side. */
async function atEach({ calls }: FakeHost, work: (command: number) => Promise<void>): Promise<void> {
  const commands = calls.reduce((sum, { steps, questions }) => sum + steps.length + questions.length, 0);
  await Promise.all(Array.from({ length: commands }, (_, command) => work(command)));
}

describe.each(CASES)("a $name at whose path another's file is", (one) => {
  const { name, paths } = one;
  const situation = situationOf(name);

  it("is refused without a step, with the paths to name; one of other paths doesn't help", async () => {
    for (const takeOver of [undefined, ["/etc/other"]]) {
      const host = new FakeHost(machineOf(one));
      const inputs = await checked(situation, host, takeOver === undefined ? {} : { takeOver });
      const made = situation.run(host).create(inputs);
      await expect(made).rejects.toThrow(DataLossRefused);
      await expect(made).rejects.toThrow(`takeOver: ${JSON.stringify(paths)}`);
      expect(host.steps).toEqual([]);
      expect(host.machine).toEqual(machineOf(one));
    }
  });

  it("has no input of it where the setting isn't used, so that states stay as they are", async () => {
    expect(await checked(situation, new FakeHost())).not.toHaveProperty("takeOver");
  });

  it.each(FAULTS)("replaces it where it is named, and puts it back, whatever %s at any command", async (fault) => {
    const clean = new FakeHost(machineOf(one));
    const inputs = await checked(situation, clean, { takeOver: paths });
    const state = (await up(situation, clean, inputs))!;
    const made = structuredClone(clean.machine);
    expect(Object.values(made.kept)).toEqual(paths.map(() => theirs));
    for (const path of paths) expect(made.files[path]).not.toEqual(theirs);
    // With the setting and without it there is nothing left to do.
    const steps = clean.steps.length;
    expect(await up(situation, clean, inputs, state)).toEqual(state);
    await up(situation, clean, await checked(situation, clean), state);
    expect(clean.steps.length).toBe(steps);

    await atEach(clean, async (command) => {
      const host = new FakeHost(machineOf(one));
      host.failAt(command, fault);
      const first = await up(situation, host, inputs);
      host.recover();
      for (const path of paths) {
        expect(host.machine.files[path], "never nothing").toBeDefined();
        expect([host.machine.files[path], host.machine.kept[path]]).toContainEqual(theirs);
      }
      expect({ command, state: await up(situation, host, inputs, first) }).toEqual({ command, state });
      expect({ command, ...host.machine, ledger: [...host.machine.ledger].sort() }).toEqual({
        command,
        ...made,
        ledger: [...made.ledger].sort(),
      });
    });

    const removed = new FakeHost(structuredClone(made));
    await situation.run(removed).delete(state.id, state.outs);
    expect(removed.machine).toEqual(machineOf(one));
    await atEach(removed, async (command) => {
      const host = new FakeHost(structuredClone(made));
      host.failAt(command, fault);
      await situation
        .run(host)
        .delete(state.id, state.outs)
        .catch(() => undefined);
      host.recover();
      await situation.run(host).delete(state.id, state.outs);
      expect({ command, machine: host.machine }).toEqual({ command, machine: machineOf(one) });
    });
  });

  it("is healed as any of ours after drift, and leaves at the end what somebody put there, with words", async () => {
    const host = new FakeHost(machineOf(one));
    const inputs = await checked(situation, host, { takeOver: paths });
    const state = (await up(situation, host, inputs))!;
    const made = structuredClone(host.machine);
    if (name !== "Scripts") {
      situation.drift(host.machine);
      expect((await situation.run(host).read(state.id, state.outs)).props).toMatchObject(situation.drifted);
      await up(situation, host, inputs, state);
      expect(host.machine).toEqual(made);
    }

    const [path = ""] = paths;
    const newest = { ...theirs, content: "# theirs again\n" };
    host.machine.files[path] = newest;
    const said = vi.spyOn(console, "log").mockImplementation(() => undefined);
    // As a refresh leaves it: the state has what was found.
    const read = await situation.run(host).read(state.id, state.outs);
    await situation.run(host).delete(state.id, read.props!);
    expect(said.mock.calls.flat()).toEqual([
      expect.stringContaining(`${path} was left as it is: it is not what an \`up\` wrote`) as string,
    ]);
    said.mockRestore();
    expect(host.machine.files[path]).toEqual(newest);
    expect(host.machine.kept).toEqual({ [path]: theirs });
    expect(host.machine.ledger.filter((line) => !line.startsWith("kernel "))).toEqual([]);
  });
});
