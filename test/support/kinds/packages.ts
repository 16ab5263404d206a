import fc from "fast-check";
import { packages } from "../../../providers/resources/packages.ts";
import { exampleOf } from "../example.ts";
import { word } from "../generators.ts";

const names = fc.uniqueArray(
  word.map((name) => name.replaceAll("_", "-").replace(/-+$/, "")).filter((name) => name.length > 1),
  { minLength: 1, maxLength: 3 },
);

export const example = exampleOf(packages, {
  least: { declared: { names: ["lvm2"] }, added: {} },
  declared: { names: ["lvm2", "zstd"] },
  drift: (machine) => void (machine.packages = machine.packages.filter((name) => name !== "zstd")),
  drifted: { names: ["lvm2"] },
  takesAnyText: [],

  inputs: fc.record({ host: word, names }),
  converged: (inputs) => ({ installed: new Map(inputs.names.map((name) => [name, "99"])), kernel: "6.1.0-39-amd64" }),
  any: (inputs) =>
    fc
      .subarray([...inputs.names])
      .map((some) => ({ installed: new Map(some.map((name) => [name, "99"])), kernel: "6.12" })),
});
