/** Takes out of a draft what an `up` would refuse or change, until it only enters the state; and says why. */
import type { Problem } from "../../components/problem.ts";
import { parseHosts } from "../../config.ts";
import type { Session } from "../../providers/engine/session.ts";
import { compare, declaredOn, type Comparison } from "../stackFile.ts";
import { advice, left, obstacle, type About, type Draft, type Note, type Section } from "./draft.ts";

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
  while (Object.keys(kept).length > 0) {
    const section = { ...base, ...kept };
    const [problem] = parseHosts({ [host]: section }).problems;
    if (problem !== undefined) {
      kept = withoutProblem(kept, { ...problem, key: problem.key.slice(host.length + 1) }, told);
      continue;
    }
    const compared = await compareAll(session, section);
    const off = compared.find((one) => !isLeftAlone(one));
    if (off !== undefined) {
      told.push(obstacleOf(off));
      kept = without(kept, keyOf(off));
      continue;
    }
    const defaults = await tryDefaults(session, base, kept, told);
    return {
      section: { ...section, ...defaults.section },
      notes: told,
      resources: compared.length + defaults.resources,
      steps: compared.flatMap(({ steps }) => steps.map(({ summary }) => summary)),
    };
  }
  return { section: base, notes: told, resources: 0, steps: [] };
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

/** What an obstacle is about, by the kind of the resource that differs; the others are about folders. */
const ABOUT: Readonly<Record<string, About>> = {
  PhysicalVolume: "device",
  VolumeGroup: "volume",
  LogicalVolume: "volume",
  Filesystem: "filesystem",
  FstabEntry: "mount",
  NfsMount: "mount",
};

function obstacleOf({ resource: { kind, subject }, refusals, steps }: Comparison): Note {
  const why = [...refusals.map(({ found }) => found), ...steps.map(({ summary }) => `to ${summary}`)].join("; ");
  const next = [...new Set(refusals.map((one) => one.next))].join(" Or: ");
  return obstacle(ABOUT[kind.name] ?? "folder", `${subject}: ${why}`, next || "do that by hand; then adopt again.");
}

/** The key below the host's of what a resource belongs to. */
function keyOf({ resource: { subject } }: Comparison): string {
  const [tier = "", service = ""] = subject.split("-");
  return tier === "hot" && /-(lv|fs|mount|folders|tree)$/.test(subject) ? `hot.volumes.${service}` : tier;
}

/** Without what a problem is about. Where the volumes don't fit the group, that is at first the room for snapshots. */
function withoutProblem(sections: Sections, { key, message }: Problem, told: Note[]): Sections {
  const { hot } = sections;
  if (key === "hot.volumes" && hot !== undefined && hot.snapshotReserve !== 0) {
    told.push(
      advice(
        `no room is kept in the volume group for snapshots: ${message}`,
        "extend the group by a disk; then take snapshotReserve: 0 out.",
      ),
    );
    return { ...sections, hot: { ...hot, snapshotReserve: 0 } };
  }
  told.push(obstacle("folder", `${key}: ${message}`, "correct it on the host; then adopt again."));
  return without(sections, key);
}

/** Without the volume, or the tier, that a key is of. */
function without(sections: Sections, key: string): Sections {
  const [tier = "", part, service] = key.split(".");
  const { hot } = sections;
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
  const hasTree = kept.hot?.tree !== false;
  const section: Section = {
    ...base,
    packages: undefined,
    tuning: undefined,
    ...kept,
    ...(hasTree ? {} : { hot: { ...kept.hot, tree: "/data/jts/hot" } }),
    ...(kept.warm === undefined ? {} : { automation: {} }),
  };
  if (parseHosts({ [session.host.name]: section }).problems.length > 0) return { section: {}, resources: 0 };
  const parts = Map.groupBy(await compareAll(session, section), ({ resource }) => resource.subject.split("-")[0]);
  const taken: Section = {};
  let resources = 0;
  for (const part of Object.keys(LATER)) {
    const all = parts.get(part) ?? [];
    const off = all.filter(({ refusals, steps }) => refusals.length + steps.length > 0);
    if (off.length > 0) told.push(whatLacks(part, off, all.length));
    else if (all.length > 0 && (part !== "automation" || hasTree)) {
      taken[part] = section[part];
      resources += all.length;
    }
  }
  return { section: taken, resources };
}

function whatLacks(part: string, off: readonly Comparison[], count: number): Note {
  const inTheWay = off.flatMap(({ refusals }) => refusals.map(({ found }) => found));
  const kinds = [...new Set(off.map(({ resource }) => resource.kind.name))].join(", ");
  const way = inTheWay.length === 0 ? "" : `; in the way is then: ${inTheWay.join("; ")}`;
  const theirs = inTheWay.flatMap((found) => /^(\/.*) exists already and isn't ours$/.exec(found)?.[1] ?? []);
  const replace = `to let it replace what is in the way, which \`destroy\` puts back: takeOver: [${theirs.join(", ")}]`;
  return left(
    `${part}: the host lacks ${off.length} of its ${count} resources (${kinds})${way}`,
    [LATER[part], ...(theirs.length === 0 ? [] : [replace])].join("; "),
  );
}
