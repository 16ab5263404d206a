import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lifecycle, look } from "../../../../providers/engine/lifecycle.ts";
import type { Plan, Risk } from "../../../../providers/engine/plan.ts";
import type { AnyKind, Properties } from "../../../../providers/engine/resource.ts";
import { riskOf } from "../../../../providers/engine/risk.ts";
import { Session } from "../../../../providers/engine/session.ts";
import { kinds } from "../../../../providers/kinds.ts";
import { examples } from "../../../support/examples.ts";
import { FakeHost, type Machine } from "../../../support/fakeHost.ts";

const RISKS: readonly Risk[] = ["safe", "interrupts-service", "destroys-data"];
const gravest = ({ steps }: Plan): Risk => RISKS[Math.max(0, ...steps.map(({ risk }) => RISKS.indexOf(risk)))]!;

/** A host on which a resource was made, and what the state has of it then. */
async function madeOn(kind: AnyKind, declared: Properties, before: (machine: Machine) => void = () => undefined) {
  const host = new FakeHost();
  before(host.machine);
  const session = new Session(host);
  const { check, create } = lifecycle(kind, () => session);
  const { inputs } = await check({}, { host: "fake", ...declared });
  const { outs = {} } = await create(inputs as Properties);
  return { session, inputs: inputs as Properties, outs: outs };
}

const mount: AnyKind = kinds.FstabEntry;
const entry = (options: readonly string[], more: Properties = {}) => ({
  source: "/dev/sda2",
  mountPoint: "/data/a",
  type: "ext4",
  options: [...options],
  ...more,
});
const hasFilesystem = (type: string) => (machine: Machine) => {
  machine.signatures["/dev/sda2"] = { type, label: "a", uuid: "fs-1", bytes: 999_129_350_144 };
};

describe("the risk of a change, as it is known without the host", () => {
  it.each<[what: string, type: string, before: string[], after: string[], risk: Risk]>([
    ["another commit interval", "ext4", ["noatime", "commit=30"], ["noatime", "commit=5"], "safe"],
    ["another data mode", "ext4", ["data=ordered"], ["data=writeback"], "interrupts-service"],
    ["an option that systemd alone reads", "ext4", ["noatime"], ["noatime", "x-systemd.device-timeout=1min"], "safe"],
    ["noatime taken out", "ext4", ["noatime"], ["relatime"], "safe"],
    ["another log buffer size", "xfs", ["logbsize=32k"], ["logbsize=256k"], "interrupts-service"],
    ["another compression", "btrfs", ["compress=zstd:3"], ["compress=lzo"], "safe"],
    ["an automount", "ext4", ["noatime"], ["noatime", "x-systemd.automount"], "interrupts-service"],
    ["nothing", "ext4", ["noatime", "data=writeback"], ["noatime", "data=writeback"], "safe"],
  ])("is, for %s", (_what, type, before, after, risk) => {
    const declared = (options: readonly string[]) => ({ host: "h", ...entry(options, { type }) });
    expect(riskOf(mount, declared(before), declared(after))).toBe(risk);
  });

  const POOL = {
    ext4: ["noatime", "nofail", "commit=30", "commit=5", "data=writeback", "data=ordered", "nosuid", "ro"],
    xfs: ["noatime", "nofail", "logbsize=256k", "logbsize=32k", "largeio", "nodev"],
    btrfs: ["noatime", "compress=zstd:3", "compress=lzo", "autodefrag", "ro"],
  } as const;
  const options = (type: keyof typeof POOL) =>
    fc
      .subarray([...POOL[type]], { minLength: 1 })
      .filter((some) => new Set(some.map((one) => one.split("=")[0])).size === some.length);
  const change = fc
    .constantFrom(...(Object.keys(POOL) as (keyof typeof POOL)[]))
    .chain((type) => fc.tuple(fc.constant(type), options(type), options(type)));

  it("is that of the steps that the host's own plan has for the same change of a mount", async () => {
    const seen = new Set<Risk>();
    const compare = async ([type, before, after]: readonly [keyof typeof POOL, string[], string[]]) => {
      const { session, inputs } = await madeOn(mount, entry(before, { type }), hasFilesystem(type));
      const news = { ...inputs, ...entry(after, { type }) };
      const risk = gravest(await look(mount, session, news));
      seen.add(risk);
      expect({ type, before, after, risk: riskOf(mount, inputs, news) }).toEqual({ type, before, after, risk });
    };
    const several = fc.array(change, { minLength: 40, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(several, async (changes) => void (await Promise.all(changes.map(compare)))),
      { numRuns: 5 },
    );
    await Promise.all([compare(["ext4", ["data=ordered"], ["data=writeback"]]), compare(["ext4", ["ro"], ["ro"]])]);
    expect([...seen].sort()).toEqual(["interrupts-service", "safe"]);
  });

  it.each(Object.entries(examples))(
    "is that of the host's own plan where a %s is taken away",
    async (_name, example) => {
      const kind = example.kind as AnyKind;
      for (const onDelete of ["retain", "wipe"]) {
        const declared = "onDelete" in kind.inputs.shape ? { ...example.declared, onDelete } : example.declared;
        const { session, inputs, outs } = await madeOn(kind, declared, example.before);
        const parsed = { ...outs, ...kind.inputs.parse(inputs) } as Parameters<AnyKind["planDestroy"]>[0];
        const plan =
          kind.leaves?.(parsed) === true
            ? { steps: [] }
            : kind.planDestroy(parsed, await kind.observe(session.ask, parsed));
        expect(riskOf(kind, inputs, undefined)).toBe(gravest(plan));
      }
    },
  );

  it("is none where nothing changed, whatever is declared", () => {
    for (const { kind, inputs } of Object.values(examples))
      fc.assert(fc.property(inputs, (declared) => void expect(riskOf(kind, declared, declared)).toBe("safe")));
  });

  it("is none where this version can't read what the state has", () => {
    expect(riskOf(mount, { host: "h", mountPoint: 7 }, undefined)).toBe("safe");
  });
});
