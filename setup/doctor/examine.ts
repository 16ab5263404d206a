/** All that is looked at on a host before its first `up`, in the order in which it must be mended. */
import { Session } from "../../providers/engine/session.ts";
import { orError, type Ask } from "../../providers/facts/fact.ts";
import type { Host } from "../../providers/host/host.ts";
import { compare, type StackHost } from "../stackFile.ts";
import { BoundedHost, type Limits } from "./boundedHost.ts";
import { reach, REACH_SUBJECTS } from "./reach.ts";
import { unasked, type Row } from "./row.ts";
import { devices, missingPackages, mountPoints, nas, parts, volumes, type Compared } from "./storage.ts";
import { apt, fstabFile, otherWriter, release, rootDisk, systemd, time } from "./system.ts";

interface Check {
  readonly subject: string;
  readonly look: (ask: Ask, compared: Promise<readonly Compared[]>, host: StackHost) => Promise<readonly Row[]>;
}

const CHECKS: readonly Check[] = [
  { subject: "release", look: release },
  {
    subject: "packages",
    look: async (_ask, compared, { name }) => parts(name, await compared, (part) => part === "packages"),
  },
  { subject: "systemd", look: systemd },
  { subject: "clock", look: time },
  { subject: "room", look: rootDisk },
  { subject: "other writers", look: otherWriter },
  { subject: "fstab", look: fstabFile },
  { subject: "apt", look: async (ask, compared) => apt(ask, missingPackages(await compared)) },
  { subject: "devices", look: async (ask, compared) => devices(ask, await compared) },
  { subject: "volumes", look: async (ask, compared) => volumes(ask, await compared) },
  { subject: "mount points", look: async (ask, compared) => mountPoints(ask, await compared) },
  { subject: "NAS", look: async (ask, compared) => nas(ask, await compared) },
  {
    subject: "resources",
    look: async (_ask, compared, { name }) => parts(name, await compared, (part) => part !== "packages"),
  },
];

/** How long getting in may take: to dial, to log in, and sudo. */
const REACH_SECONDS = 60;

/**
 * Looks at a host. It ends in time, whatever hangs there.
 * @param watch gets the host as it is asked, to see what it waits for
 */
export async function examine(
  host: Host,
  stackHost: StackHost,
  limits: Limits,
  watch: (host: BoundedHost) => void = () => undefined,
): Promise<readonly Row[]> {
  const { rows, isIn } = await reach(host, stackHost.settings.connection, REACH_SECONDS);
  if (!isIn) return [...rows, ...notAsked(rows)];
  const bounded = new BoundedHost(host, limits);
  watch(bounded);
  return [...rows, ...(await examineInside(new Session(bounded), stackHost))];
}

/** What is looked at once a host lets us in. */
export async function examineInside(session: Session, host: StackHost): Promise<readonly Row[]> {
  const compared = Promise.all(
    host.resources.map(async (resource) => ({ resource, outcome: await orError(compare(session, resource)) })),
  );
  const rows = await Promise.all(
    CHECKS.map(async ({ subject, look }) => {
      try {
        return await look(session.ask, compared, host);
      } catch (error) {
        return [unasked(subject, error as Error)];
      }
    }),
  );
  return mergeSame(rows.flat());
}

/** What is found of many is said once: a disk that hangs keeps many resources from being compared. */
function mergeSame(rows: readonly Row[]): Row[] {
  const groups = Map.groupBy(rows, (row) => (row.state === "FAILED" ? row.found : row));
  return [...groups.values()].map(([first, ...rest]) =>
    rest.length === 0 ? first! : { ...first!, subject: `${first!.subject} and ${rest.length} more` },
  );
}

function notAsked(rows: readonly Row[]): Row[] {
  const told = new Set(rows.map(({ subject }) => subject));
  const subjects = [...REACH_SUBJECTS, ...CHECKS.map(({ subject }) => subject)].filter((one) => !told.has(one));
  return subjects.map((subject) => ({ state: "not asked", subject, found: "the connection comes first" }));
}
