/** Takes out of a draft what an `up` would refuse or change, until it only enters the state; and says why. */
import { parseHosts } from "../../config.ts";
import type { Session } from "../../providers/engine/session.ts";
import { compare, declaredOn, type Comparison } from "../stackFile.ts";
import { advice, left, obstacle, type Draft, type Note, type Section } from "./draft.ts";

/** A host's section that an `up` enters into the state without changing the host. */
export interface Settled {
  readonly section: Section;
  readonly notes: readonly Note[];
  /** How many resources enter the state; 0: nothing could be taken over. */
  readonly resources: number;
  /** What an `up` does nevertheless, such as a mark of ours in LVM's metadata. */
  readonly steps: readonly string[];
}

type Sections = Draft["sections"];

export async function settle(session: Session, connection: Section, { sections, notes }: Draft): Promise<Settled> {
  const host = session.host.name;
  const told = [...notes];
  const base: Section = { connection, onDelete: "retain", packages: false, tuning: false };
  let kept: Sections = sections;
  for (;;) {
    if (Object.keys(kept).length === 0) return { section: { ...base }, notes: told, resources: 0, steps: [] };
    const section = { ...base, ...kept };
    const { problems } = parseHosts({ [host]: section });
    if (problems.length > 0) {
      const [{ key, message } = { key: "", message: "" }] = problems;
      kept = without(kept, key.slice(host.length + 1), message, told);
      continue;
    }
    const compared = await compareAll(session, section);
    const off = compared.find((one) => !isLeftAlone(one));
    if (off === undefined) {
      const extra = await tryDefaults(session, base, kept, told);
      const steps = compared.flatMap((one) => one.steps.map(({ summary }) => summary));
      return {
        section: { ...base, ...kept, ...extra.section },
        notes: told,
        resources: compared.length + extra.resources,
        steps,
      };
    }
    const why = [...off.refusals.map(({ found }) => found), ...off.steps.map(({ summary }) => `to ${summary}`)].join(
      "; ",
    );
    const next = [...new Set(off.refusals.map((one) => one.next))].join(" Or: ");
    told.push(obstacle("folder", `${off.resource.subject}: ${why}`, next || "do that by hand; then adopt again."));
    kept = without(kept, keyOf(off), undefined, told);
  }
}

/** Nothing is to be done; or only a mark is set in LVM's metadata. */
function isLeftAlone({ resource, refusals, steps }: Comparison): boolean {
  return (
    refusals.length === 0 &&
    (steps.length === 0 || resource.kind.name === "VolumeGroup") &&
    steps.every(({ risk }) => risk === "safe")
  );
}

async function compareAll(session: Session, section: Section): Promise<Comparison[]> {
  const host = session.host.name;
  const declared = await declaredOn({ [host]: section as { connection: object } });
  return Promise.all(declared(host).map((resource) => compare(session, resource)));
}

/** The key below the host's of what a resource belongs to. */
function keyOf({ resource: { subject } }: Comparison): string {
  const [tier = "", service = ""] = subject.split("-");
  return tier === "hot" && /-(lv|fs|mount|folders|tree)$/.test(subject) ? `hot.volumes.${service}` : tier;
}

/** Without what a key is about: a volume, or a whole tier. A reserve that there is no room for is only not kept. */
function without(sections: Sections, key: string, message: string | undefined, told: Note[]): Sections {
  const [tier = "", part, service] = key.split(".");
  const hot = sections.hot;
  if (message !== undefined && tier === "hot" && part !== "volumes" && hot !== undefined && hot.snapshotReserve !== 0) {
    told.push(
      advice(
        `no room is kept in the volume group for snapshots: ${message}`,
        "extend the group by a disk; then take snapshotReserve: 0 out.",
      ),
    );
    return { ...sections, hot: { ...hot, snapshotReserve: 0 } };
  }
  if (message !== undefined)
    told.push(obstacle("folder", `${key}: ${message}`, "correct it on the host; then adopt again."));
  if (tier === "hot" && part === "volumes" && hot !== undefined && service !== undefined) {
    const { [service]: _gone, ...volumes } = hot.volumes as Record<string, Section>;
    if (Object.keys(volumes).length > 0) return { ...sections, hot: { ...hot, volumes } };
  }
  // Nothing less would end it.
  if (!Object.hasOwn(sections, tier)) return {};
  const { [tier as keyof Sections]: _gone, ...rest } = sections;
  return rest;
}

/** How a part comes to a host that is in the state. */
const LATER: Readonly<Record<string, string>> = {
  packages: "once this is in the state, take packages: false out; a preview shows what is installed",
  tuning: "once this is in the state, take tuning: false out; a preview shows what is written",
  automation:
    "once this is in the state, write automation: {} and take hot.tree: false out; a preview shows what is written",
};

/** What this program does by itself is declared, too, where the host has it just so; else it is told what lacks. */
async function tryDefaults(
  session: Session,
  base: Section,
  kept: Sections,
  told: Note[],
): Promise<{ readonly section: Section; readonly resources: number }> {
  const host = session.host.name;
  const { packages: _packages, tuning: _tuning, ...rest } = base;
  const tree = kept.hot === undefined || kept.hot.tree !== false ? kept.hot : { ...kept.hot, tree: "/data/jts/hot" };
  const section: Section = {
    ...rest,
    ...kept,
    ...(tree === undefined ? {} : { hot: tree }),
    ...(kept.warm === undefined ? {} : { automation: {} }),
  };
  if (parseHosts({ [host]: section }).problems.length > 0) return { section: {}, resources: 0 };
  const parts = Map.groupBy(await compareAll(session, section), ({ resource }) => resource.subject.split("-")[0] ?? "");
  const isSo = (part: string) => parts.get(part)?.every((one) => one.refusals.length + one.steps.length === 0) === true;
  for (const part of ["packages", "tuning", "automation"]) {
    const off = parts.get(part)?.filter((one) => one.refusals.length + one.steps.length > 0) ?? [];
    if (off.length === 0) continue;
    const inTheWay = off.flatMap(({ refusals }) => refusals.map(({ found }) => found));
    const kinds = [...new Set(off.map(({ resource }) => resource.kind.name))].join(", ");
    const way = inTheWay.length === 0 ? "" : `; in the way is then: ${inTheWay.join("; ")}`;
    const theirs = inTheWay.flatMap((found) => /^(\/.*) exists already and isn't ours$/.exec(found)?.[1] ?? []);
    const replace = `to let it replace what is in the way, which \`destroy\` puts back: takeOver: [${theirs.join(", ")}]`;
    told.push(
      left(
        `${part}: the host lacks ${off.length} of its ${parts.get(part)?.length} resources (${kinds})${way}`,
        [LATER[part], ...(theirs.length === 0 ? [] : [replace])].join("; "),
      ),
    );
  }
  return {
    section: {
      ...(isSo("packages") ? { packages: undefined } : {}),
      ...(isSo("tuning") ? { tuning: undefined } : {}),
      ...(kept.hot?.tree !== false && isSo("automation") ? { automation: {} } : {}),
    },
    resources: ["packages", "tuning", ...(kept.hot?.tree === false ? [] : ["automation"])].reduce(
      (sum, part) => sum + (isSo(part) ? (parts.get(part)?.length ?? 0) : 0),
      0,
    ),
  };
}
