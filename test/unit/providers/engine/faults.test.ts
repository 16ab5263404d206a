import { describe, expect, it } from "vitest";
import { HostUnreachable, StorageError } from "../../../../providers/errors.ts";
import type { Properties } from "../../../../providers/engine/resource.ts";
import { FakeHost, type Fault } from "../../../support/fakeHost.ts";
import { checked, situations, type Situation } from "./situations.ts";

/** What Pulumi keeps of a resource between two runs. */
interface State {
  readonly id: string;
  readonly outs: Properties;
}

/** One `pulumi up`, as the engine does it: what enters the state, and whether there was an error. */
async function up(
  { run }: Situation,
  host: FakeHost,
  inputs: Properties,
  state: State | undefined,
): Promise<{ readonly state: State | undefined; readonly error?: unknown }> {
  try {
    const provider = run(host);
    if (state === undefined) {
      const { id, outs } = await provider.create(inputs);
      return { state: { id, outs: outs! } };
    }
    const { outs } = await provider.update(state.id, state.outs, inputs);
    return { state: { id: state.id, outs: outs! } };
  } catch (error) {
    const { id, properties } = error as { id?: string; properties?: Properties };
    return {
      error,
      state:
        id === undefined || properties === undefined
          ? state
          : { id, outs: JSON.parse(JSON.stringify(properties)) as Properties },
    };
  }
}

const faults: readonly Fault[] = ["fails before", "fails after", "lost before", "lost after"];
const everyFault = faults.flatMap((fault) =>
  (fault.startsWith("lost") ? [false, true] : [false]).map((staysDown) => ({ fault, staysDown })),
);

/** Each has a host of its own, so they go side by side. */
async function atEach(commands: number, work: (command: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: commands }, (_, command) => work(command)));
}

/** As many commands as a create needs when all goes well, and the machine that it leaves. */
async function cleanRun(situation: Situation) {
  const host = new FakeHost(situation.machine());
  const inputs = await checked(situation, host);
  const { state } = await up(situation, host, inputs, undefined);
  return {
    inputs,
    made: host.machine,
    state: state!,
    commands: host.calls.reduce((sum, { steps, questions }) => sum + steps.length + questions.length, 0),
  };
}

describe.concurrent.each(situations)("a $name", (situation) => {
  it.each(everyFault)(
    "whose making $fault any command (host down after: $staysDown) is finished by the next up, and made once",
    async ({ fault, staysDown }) => {
      const { inputs, made, commands, state: wanted } = await cleanRun(situation);
      await atEach(commands, async (command) => {
        const host = new FakeHost(situation.machine());
        host.failAt(command, fault, staysDown);
        const first = await up(situation, host, inputs, undefined);
        if (first.error !== undefined) {
          expect(first.error).toBeInstanceOf(StorageError);
          expect(first.error).not.toHaveProperty("code");
        }
        if (staysDown) expect(first.error).toBeInstanceOf(HostUnreachable);
        host.isDown = false;
        const second = await up(situation, host, inputs, first.state);
        expect({ command, ...second }).toEqual({ command, state: wanted });
        // Equal to the last UUID that was handed out: nothing was made twice.
        expect(host.machine).toEqual(made);
        expect(host.accidents).toEqual([]);
        // systemd reads its files whenever nothing more comes.
        const steps = () => host.steps.filter((step) => step !== "systemctl");
        const before = steps();
        expect((await situation.run(host).read(wanted.id, wanted.outs)).props).toEqual(wanted.outs);
        await up(situation, host, inputs, second.state);
        expect(steps()).toEqual(before);
      });
    },
  );

  it.each(everyFault)(
    "whose removal $fault any command (host down after: $staysDown) is gone after the next destroy",
    async ({ fault, staysDown }) => {
      const { made, state } = await cleanRun(situation);
      const clean = new FakeHost(structuredClone(made));
      await situation.run(clean).delete(state.id, state.outs);
      const commands = clean.calls.reduce((sum, { steps, questions }) => sum + steps.length + questions.length, 0);
      await atEach(commands, async (command) => {
        const host = new FakeHost(structuredClone(made));
        host.failAt(command, fault, staysDown);
        const failed = await situation
          .run(host)
          .delete(state.id, state.outs)
          .catch((error: unknown) => error);
        if (failed !== undefined) expect(failed).toBeInstanceOf(StorageError);
        host.isDown = false;
        await situation.run(host).delete(state.id, state.outs);
        expect({ command, machine: host.machine }).toEqual({ command, machine: clean.machine });
      });
    },
  );
});

describe.concurrent("the sweep", () => {
  it("includes a step that makes something for each kind, so that it tests what it claims", async () => {
    for (const situation of situations) {
      const { made, commands } = await cleanRun(situation);
      expect(made).not.toEqual(situation.machine());
      expect(commands).toBeGreaterThan(2);
    }
  });
});
