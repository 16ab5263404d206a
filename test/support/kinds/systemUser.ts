import fc from "fast-check";
import { systemUser } from "../../../providers/resources/systemUser.ts";
import { exampleOf } from "../example.ts";
import { ledgerOf, onDelete, optional, path, word } from "../generators.ts";

export const example = exampleOf(systemUser, {
  least: {
    declared: { group: "kafka", user: "kafka" },
    added: { home: "/nonexistent", onDelete: "retain" },
  },
  declared: { group: "redis", user: "redis", onDelete: "wipe" },
  drift: (machine) => void machine.accounts.pop(),
  drifted: { drift: ["make the system user redis:redis"] },
  takesAnyText: ["home"],

  inputs: fc.record({ host: word, group: word, user: optional(word), home: path, onDelete }),
  converged: () => ({
    group: true,
    user: true,
    made: new Set<string>(),
    owners: new Set<string>(),
    primaryGroups: new Map<string, string>(),
  }),
  any: ({ group, user }) =>
    fc.record({
      group: fc.boolean(),
      user: fc.boolean(),
      made: ledgerOf([`group ${group}`, `user ${user}`]),
      owners: fc.subarray([`group ${group}`, `user ${user}`]).map((names) => new Set(names)),
      primaryGroups: fc.constantFrom(new Map<string, string>(), new Map([[`${user}`, group]]), new Map([["x", group]])),
    }),
});
