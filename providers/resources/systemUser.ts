import { CONVERGED, step, toDo } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { groupExists, userExists } from "../facts/accounts.ts";
import { ledger } from "../facts/ledger.ts";
import { recordsProgram } from "../programs/program.ts";
import { accountName, onDelete, path } from "../values/fields.ts";
import { word } from "../values/words.ts";
import { unlessWiped } from "./dataHolder.ts";
import { kindInputs } from "./inputs.ts";

const inputs = kindInputs({
  /** A system group, made where it is absent. */
  group: accountName,
  /** A system user of the group, without a login shell, made where it is absent. Default: only the group. */
  user: accountName.optional(),
  /** The user's home, which is not made. Default: /nonexistent. */
  home: path.default("/nonexistent"),
  /** `wipe` removes accounts that were made here; else they stay, since files bear their numbers. Default: retain. */
  onDelete,
});

export interface Seen {
  readonly group: boolean;
  /** True where no user is declared. */
  readonly user: boolean;
  readonly made: ReadonlySet<string>;
}

/** A system group, and a system user of it without a login shell; one that exists is left as it is. */
export const systemUser: ResourceKind<typeof inputs, Seen> = {
  name: "SystemUser",
  inputs,
  identity: ["group", "user"],
  changes: ["accounts", "ledger"],
  turn: "host",
  id: ({ host, group, user }) => `${host}:${user ?? ""}:${group}`,
  describe: ({ user, group }) =>
    user === undefined || user === null ? `group ${word(group)}` : `${word(user)}:${word(group)}`,

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
    const what = user === undefined ? `group ${group}` : `user ${user}:${group}`;
    return toDo(step(`make the system ${what}`, recordsProgram("make-account", wanted)));
  },

  // Files that were kept bear the user's number: the next one to get it would own them.
  leaves: unlessWiped,
  planDestroy({ group, user }, { made }) {
    if (!made.has(`group ${group}`) && (user === undefined || !made.has(`user ${user}`))) return CONVERGED;
    return toDo(
      step(
        `remove ${user ?? group}, which this program made`,
        recordsProgram("remove-account", user === undefined ? [group] : [group, user]),
      ),
    );
  },

  report: () => ({}),
};
