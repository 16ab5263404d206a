import { z } from "zod";
import { CONVERGED } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { groupExists, userExists } from "../facts/accounts.ts";
import { ledger } from "../facts/ledger.ts";
import { recordsProgram } from "../programs/program.ts";
import { accountName, hostName, onDelete, path } from "./inputs.ts";

const inputs = z.object({
  host: hostName,
  group: accountName,
  user: accountName.optional(),
  home: path.default("/nonexistent"),
  onDelete,
});
type Inputs = z.infer<typeof inputs>;

interface Seen {
  readonly group: boolean;
  /** True where no user is declared. */
  readonly user: boolean;
  readonly made: ReadonlySet<string>;
}

/** A system group, and a system user of it without a login shell; one that exists is left as it is. */
export const systemUser: ResourceKind<Inputs, Seen> = {
  name: "SystemUser",
  inputs,
  identity: ["group", "user"],
  changes: ["accounts", "ledger"],
  turn: "host",
  id: ({ host, group, user }) => `${host}:${user ?? ""}:${group}`,

  async observe(ask, { group, user }) {
    const [hasGroup, hasUser, made] = await Promise.all([
      ask(groupExists, group),
      user === undefined ? true : ask(userExists, user),
      ask(ledger, undefined),
    ]);
    return { group: hasGroup, user: hasUser, made };
  },
  isAbsent: ({ user }, seen) => !seen.group && (user === undefined || !seen.user),

  plan({ group, user, home }, seen) {
    if (seen.group && seen.user) return CONVERGED;
    const wanted = user === undefined ? [group] : [group, user, home];
    return {
      steps: [
        {
          summary: `make the system ${user === undefined ? `group ${group}` : `user ${user}:${group}`}`,
          risk: "safe",
          command: recordsProgram("make-account", wanted),
        },
      ],
    };
  },

  // Files that were kept bear the user's number: the next one to get it would own them.
  leaves: ({ onDelete }) => onDelete !== "wipe",
  planDestroy({ group, user }, { made }) {
    if (!made.has(`group ${group}`) && (user === undefined || !made.has(`user ${user}`))) return CONVERGED;
    return {
      steps: [
        {
          summary: `remove ${user ?? group}, which this program made`,
          risk: "safe",
          command: recordsProgram("remove-account", [group, ...(user === undefined ? [] : [user])]),
        },
      ],
    };
  },

  report: () => ({}),
};
