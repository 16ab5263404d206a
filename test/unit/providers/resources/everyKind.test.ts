import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { filesystem } from "../../../../providers/resources/filesystem.ts";
import { logicalVolume } from "../../../../providers/resources/logicalVolume.ts";
import type { physicalVolume } from "../../../../providers/resources/physicalVolume.ts";
import { examples } from "../../../support/examples.ts";
import { bytes, onDelete } from "../../../support/generators.ts";
import { checkPlans, type SeenOf } from "./plans.ts";

describe.each(Object.entries(examples))("every %s", (_name, example) => {
  const check = (property: Parameters<typeof checkPlans>[1]) => checkPlans(example, property);

  it("has no step and no refusal where the host is as declared, and isn't absent there", () => {
    check(({ converged }) => {
      expect(converged.plan).toEqual({ steps: [] });
      expect(converged.isAbsent).toBe(false);
    });
  });

  it("is reported as declared where the host is as declared", () => {
    check(({ inputs, converged }) => expect(converged.reported).toEqual(inputs));
  });

  it("is made and changed without a step that destroys data, whatever is seen", () => {
    check(({ any }) => expect(any.plan.steps.filter(({ risk }) => risk === "destroys-data")).toEqual([]));
  });

  it("has no step where something is refused, to make or to remove it", () => {
    check(({ any }) => {
      for (const { steps, refusals = [] } of [any.plan, any.destroyed]) {
        if (refusals.length > 0) expect(steps).toEqual([]);
        for (const { found, next } of refusals) expect([found, next]).not.toContain("");
      }
    });
  });

  it("has only steps that a person can read, with arguments that are strings", () => {
    check(({ any }) => {
      for (const { summary, command, guard } of [...any.plan.steps, ...any.destroyed.steps]) {
        expect(summary).toMatch(/\w/);
        expect(summary).not.toContain("undefined");
        for (const argument of [...command.argv, ...(guard?.argv ?? [])]) expect(argument).toBeTypeOf("string");
        expect(command.argv).not.toContain("undefined");
      }
    });
  });

  it("destroys data only where its UUID is the one in the state, and proves it again in the same call", () => {
    check(({ any }) => {
      for (const step of any.destroyed.steps.filter(({ risk }) => risk === "destroys-data")) {
        expect(step.guard?.argv[3]).toBe("is-uuid");
        expect(step.guard?.argv.at(-1)).toMatch(/^uuid-/);
        expect(JSON.stringify(any.seen)).toContain(`"uuid":"${step.guard?.argv.at(-1)}"`);
      }
    });
  });

  it("reports no change where nothing changed", () => {
    check(({ sameAgain }) => expect(sameAgain).toEqual([]));
  });
});

describe("no plan", () => {
  it("makes a logical volume smaller", () => {
    checkPlans(examples.LogicalVolume, ({ any }) => {
      const { volume } = any.seen as SeenOf<typeof logicalVolume>;
      for (const { command } of any.plan.steps) {
        expect(command.argv[0]).toMatch(/^(lvcreate|lvextend|lvchange)$/);
        if (command.argv[0] === "lvextend")
          expect(Number(command.argv[2]?.replace(/b$/, ""))).toBeGreaterThan(volume?.sizeBytes ?? 0);
      }
    });
  });

  it("makes a volume where one already exists", () => {
    checkPlans(examples.LogicalVolume, ({ any }) => {
      const { group, volume } = any.seen as SeenOf<typeof logicalVolume>;
      if (group !== undefined && volume !== undefined)
        expect(any.plan.steps.map(({ command }) => command.argv[0])).not.toContain("lvcreate");
    });
  });

  it("makes a filesystem or a PV where one, or a sign of use, or another device is seen, and never without a guard", () => {
    for (const example of [examples.Filesystem, examples.PhysicalVolume]) {
      checkPlans(example, ({ inputs, any }) => {
        const seen = any.seen as {
          device?: { sizeBytes: number; serial?: string };
          signs: string[];
          filesystem?: unknown;
          volume?: unknown;
        };
        const isRight =
          [undefined, seen.device?.sizeBytes].includes(inputs.sizeBytes as number | undefined) &&
          [undefined, seen.device?.serial].includes(inputs.serial as string | undefined);
        for (const { command, guard } of any.plan.steps.filter(
          ({ command }) => command.argv[0] === "pvcreate" || command.argv[3] === "make-filesystem",
        )) {
          expect(command.argv).not.toContain("-f");
          expect(guard?.argv.slice(3)).toEqual([
            "find-signs-of-use",
            inputs.device,
            String(seen.device?.sizeBytes),
            seen.device?.serial ?? "",
          ]);
          expect({ isRight, signs: seen.signs, there: seen.filesystem ?? seen.volume }).toEqual({
            isRight: true,
            signs: [],
            there: undefined,
          });
        }
      });
    }
  });

  it("resizes a filesystem or a PV unless its device is larger", () => {
    checkPlans(examples.Filesystem, ({ any }) => {
      const { device: seenDevice, filesystem: made } = any.seen as SeenOf<typeof filesystem>;
      if (any.plan.steps.some(({ command }) => command.argv[3] === "grow-filesystem"))
        expect(seenDevice?.sizeBytes).toBeGreaterThan(made?.bytes ?? Number.NaN);
    });
    checkPlans(examples.PhysicalVolume, ({ any }) => {
      const { volume } = any.seen as SeenOf<typeof physicalVolume>;
      if (any.plan.steps.some(({ command }) => command.argv[0] === "pvresize"))
        expect(volume?.deviceBytes).toBeGreaterThan(volume?.sizeBytes ?? Number.NaN);
    });
  });
});

describe("a change of a logical volume", () => {
  const volume = fc.record({
    host: fc.constant("h"),
    volumeGroup: fc.constantFrom("vg", "vg2"),
    name: fc.constantFrom("a", "b"),
    sizeBytes: bytes,
    onDelete,
  });
  it("is refused exactly where it shrinks, renames or moves it", () => {
    fc.assert(
      fc.property(volume, volume, (olds, news) => {
        const refused = logicalVolume.refuseChange?.(olds, news).map(({ property }) => property) ?? [];
        expect(refused.includes("sizeBytes")).toBe(news.sizeBytes < olds.sizeBytes);
        expect(refused.includes("name")).toBe(news.name !== olds.name);
        expect(refused.includes("volumeGroup")).toBe(news.volumeGroup !== olds.volumeGroup);
      }),
    );
  });
});
