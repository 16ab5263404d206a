import { z } from "zod";
import type { Refusal } from "../engine/plan.ts";
import { claims, type Claims } from "../facts/claims.ts";
import type { Ask } from "../facts/fact.ts";
import { replacedFiles, type ReplacedStatus } from "../facts/replaced.ts";
import { path } from "../values/fields.ts";

/** The input of kinds that may replace what others have at their paths. States of before have no such key. */
export const takeOver = z.array(path).min(1).optional();

/** What others have, or had before us, at the paths of a resource. A path that always was ours is in neither. */
export interface Others {
  readonly claims?: ReadonlyMap<string, Claims>;
  readonly replaced?: ReadonlyMap<string, ReplacedStatus>;
}

/** How a path of ours is taken away. `remove`: nothing was there before us. */
export type Removal = "remove" | "put-back" | "leave";

/** @param foreign those of the paths at which there is a file that isn't ours */
export async function lookAtOthers(
  ask: Ask,
  paths: readonly string[],
  foreign: readonly string[],
  made: ReadonlySet<string>,
): Promise<Others> {
  const replaced = paths.filter((one) => wasReplaced(one, made));
  return {
    ...(foreign.length === 0 ? {} : { claims: await ask(claims, foreign) }),
    ...(replaced.length === 0 ? {} : { replaced: await ask(replacedFiles, replaced) }),
  };
}

export function wasReplaced(path: string, made: ReadonlySet<string>): boolean {
  return made.has(`replaced ${path}`);
}

/**
 * Why the files of others at these paths can't be replaced; none: they all can.
 * @param allowed the paths that may be
 * @param byHand what makes room without this program
 */
export function refusalsOf(
  foreign: readonly string[],
  allowed: readonly string[] = [],
  { claims: found = new Map<string, Claims>() }: Others,
  byHand: string,
): Refusal[] {
  const never = foreign.flatMap((path): Refusal[] => {
    const { type = "regular file", packages, settings } = found.get(path) ?? {};
    return [
      ...(packages === undefined
        ? []
        : [
            {
              found: `${path} exists already, as a file of the package ${packages}`,
              next: `no takeOver replaces it, since ${packages} would change it again; where it isn't needed: apt-get purge ${packages}`,
            },
          ]),
      ...(type === "regular file" || type === "symbolic link"
        ? []
        : [{ found: `${path} is a ${type}`, next: `look whose it is, and move it away: mv ${path} ${path}.before` }]),
      ...(settings === undefined
        ? []
        : [
            {
              found: `${settings} has settings for the unit that is there, and they would change ours`,
              next: `move them away: mv ${settings} ${settings}.before; systemctl daemon-reload`,
            },
          ]),
    ];
  });
  const unnamed = foreign.filter((path) => !allowed.includes(path) && found.get(path)?.packages === undefined);
  const next = `${byHand}. Or let the next \`up\` replace it, and \`destroy\` put it back; under the host's key: takeOver: ${JSON.stringify(foreign)}`;
  return [...unnamed.map((path) => ({ found: `${path} exists already and isn't ours`, next })), ...never];
}

/** How a path is to be taken away, and what is to be said of it. */
export function removalOf(
  path: string,
  made: ReadonlySet<string>,
  { replaced }: Others,
): { readonly how: Removal; readonly note?: string } {
  if (!wasReplaced(path, made)) return { how: "remove" };
  const { isKept, here } = replaced?.get(path) ?? { isKept: false, here: "other" };
  const kept = `/var/lib/jts-storage/replaced${path}`;
  const lost = `what was at ${path} before is not kept any more, so it was not put back: somebody removed ${kept}.`;
  if (here === "other") {
    const left = `${path} was left as it is: it is not what an \`up\` wrote.`;
    const next = `Next: compare the two, and put back what you need: cp --archive ${kept} ${path}`;
    return { how: "leave", note: isKept ? `${left} What was there before is kept as ${kept}. ${next}` : left };
  }
  return isKept ? { how: "put-back" } : { how: "remove", note: lost };
}
