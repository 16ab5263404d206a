import { CONVERGED, step, toDo } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { groupExists, primaryGroups, userExists } from "../facts/accounts.ts";
import type { Ask } from "../facts/fact.ts";
import { ledger } from "../facts/ledger.ts";
import { mountOf, mounts } from "../facts/mounts.ts";
import { pathStatus } from "../facts/pathStatus.ts";
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
  home: path
    .regex(/^[^:]*$/, { error: "must not hold a colon, which ends a field of passwd(5)" })
    .default("/nonexistent"),
  /**
   * `wipe` removes accounts that were made here and that no folder of this program belongs to any more; else they stay,
   * since files bear their numbers. Default: retain.
   */
  onDelete,
});

export interface Seen {
  readonly group: boolean;
  /** True where no user is declared. */
  readonly user: boolean;
  readonly made: ReadonlySet<string>;
  /** Whose the folders are that this program made, as `user NAME` and `group NAME`. */
  readonly owners: ReadonlySet<string>;
  /** User → its primary group. */
  readonly primaryGroups: ReadonlyMap<string, string>;
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

  async observe(ask, inputs) {
    const { group, user, onDelete } = inputs;
    const [hasGroup, hasUser, made] = await Promise.all([
      ask(groupExists, group),
      user === undefined ? true : ask(userExists, user),
      ask(ledger, undefined),
    ]);
    const seen = { group: hasGroup, user: hasUser, made };
    // Only a removal asks whose folders are.
    const mayGo = onDelete === "wipe" && namesOf(inputs).some((name) => made.has(name));
    if (!mayGo) return { ...seen, owners: new Set<string>(), primaryGroups: new Map<string, string>() };
    const [owners, groups] = await Promise.all([ownersOf(ask, made), ask(primaryGroups, undefined)]);
    return { ...seen, owners, primaryGroups: groups };
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
  planDestroy(inputs, { made, owners, primaryGroups }) {
    const { group, user } = inputs;
    // What folders of ours belong to is another resource's too, or has files that stay.
    const goes = (name: string) => made.has(name) && !owners.has(name);
    const userGoes = user !== undefined && goes(`user ${user}`);
    const isNeeded = [...primaryGroups].some(([one, its]) => its === group && !(userGoes && one === user));
    const groupGoes = goes(`group ${group}`) && !isNeeded;
    if (!userGoes && !groupGoes) return CONVERGED;
    const record = [groupGoes ? group : "", ...(userGoes ? [user] : [])];
    const what = userGoes ? user : `group ${group}`;
    return toDo(step(`remove ${what}, which this program made`, recordsProgram("remove-account", record)));
  },

  report: () => ({}),
};

function namesOf({ group, user }: InputsOf<typeof inputs>): string[] {
  return [...(user === undefined ? [] : [`user ${user}`]), `group ${group}`];
}

/** A server that is away doesn't answer whose the folders on it are, and keeps no account from going. */
async function ownersOf(ask: Ask, made: ReadonlySet<string>): Promise<ReadonlySet<string>> {
  const all = await ask(mounts, undefined);
  const folders = [...made].flatMap((line) => (line.startsWith("directory ") ? [line.slice("directory ".length)] : []));
  const local = folders.filter((folder) => mountOf(all, folder)?.type.startsWith("nfs") !== true);
  if (local.length === 0) return new Set();
  const found = [...(await ask(pathStatus, local)).values()];
  return new Set(found.flatMap(({ owner, group }) => [`user ${owner}`, `group ${group}`]));
}
