/** Looks at a host for its picture: how it compares, how full it is, and its last health report. Changes nothing. */
import { z } from "zod";
import { STATE_FOLDER } from "../../components/automation/scriptSettings.ts";
import { Session } from "../../providers/engine/session.ts";
import { HostUnreachable, StorageError } from "../../providers/errors.ts";
import type { Fact } from "../../providers/facts/fact.ts";
import { lvm } from "../../providers/facts/lvm.ts";
import { mountAt, mounts } from "../../providers/facts/mounts.ts";
import { cmd } from "../../providers/host/command.ts";
import { SshHost } from "../../providers/host/sshHost.ts";
import { compare, type HostResource, type StackHost } from "../stackFile.ts";
import { within } from "../within.ts";
import type { Fill, Health, Look, Seen, SeenGroup } from "./hostMap.ts";

/** How long the host may take to answer when it is dialled, and how long all questions may take. */
const DIAL_SECONDS = 5;
const LOOK_SECONDS = 120;

/** @param limits for tests; the defaults are of seconds for the connection and minutes for all questions */
export async function lookAt(host: StackHost, limits = { dial: DIAL_SECONDS, look: LOOK_SECONDS }): Promise<Look> {
  const { connection } = host.settings;
  const timeoutSeconds = Math.min(limits.dial, connection.timeoutSeconds);
  try {
    const session = new Session(new SshHost(host.name, { ...connection, timeoutSeconds }));
    const seen = see(session, host).then((seen): Look => ({ outcome: "seen", seen }));
    const reason = `it did not answer all questions within ${limits.look} s`;
    return await within(limits.look, seen, () => ({ outcome: "not reached", reason }));
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { outcome: "not reached", reason: reasonOf(error, host.name) };
  }
}

/** Without the host's name, which the picture has, and without what to try next. */
function reasonOf({ what }: StorageError, name: string): string {
  return (what.startsWith(`${name}: `) ? what.slice(name.length + 2) : what).replaceAll(/\s+/g, " ").trim();
}

/** @throws {HostUnreachable} */
export async function see(session: Session, { resources }: StackHost): Promise<Seen> {
  const mountPoints = resources.flatMap(({ inputs: { mountPoint, type } }) =>
    typeof mountPoint === "string" && type !== "none" ? [mountPoint] : [],
  );
  const [compared, fills, groups, health] = await Promise.all([
    Promise.all(resources.map(async (resource) => [resource.subject, await differencesOf(session, resource)] as const)),
    fillsOf(session, mountPoints),
    groupsOf(session),
    session.ask(healthReport, undefined),
  ]);
  const differences = new Map(compared.filter(([, all]) => all.length > 0));
  return { differences, fills, groups, health };
}

/** @throws {HostUnreachable} */
async function differencesOf(session: Session, resource: HostResource): Promise<readonly string[]> {
  try {
    const { steps, refusals } = await compare(session, resource);
    return [...refusals.map(({ found }) => found), ...steps.map(({ summary }) => summary)];
  } catch (error) {
    // A host before its first `up` has not all tools.
    if (!(error instanceof StorageError) || error instanceof HostUnreachable) throw error;
    return [`could not be looked at: ${reasonOf(error, session.host.name)}`];
  }
}

/** Only of what is mounted: to ask about a folder where systemd waits for the first access would mount it. */
async function fillsOf({ ask }: Session, mountPoints: readonly string[]): Promise<ReadonlyMap<string, Fill>> {
  const all = await ask(mounts, undefined);
  const mounted = mountPoints.filter((target) => mountAt(all, target) !== undefined);
  const fills = await Promise.all(mounted.map(async (target) => [target, await ask(usage, target)] as const));
  return new Map(fills.flatMap(([target, fill]) => (fill === undefined ? [] : [[target, fill] as const])));
}

/** How full the filesystem of a mount point is; undefined: it doesn't answer, as where its server is away. */
export const usage: Fact<string, Fill | undefined> = {
  name: "the use of a filesystem",
  about: ["mounts"],
  command: (path) => ({
    ...cmd`timeout --signal=KILL 5 df --block-size=1 --output=size,used,avail -- ${path}`,
    // 1: df could not look; 124 and 137: it took too long.
    okExitCodes: [0, 1, 124, 137],
  }),
  parse({ stdout, exitCode }) {
    const [, size = "", used = "", free = ""] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s*$/m.exec(stdout) ?? [];
    if (exitCode !== 0 || size === "") return undefined;
    const users = Number(used) + Number(free);
    const percent = users === 0 ? 0 : Math.ceil((Number(used) / users) * 100);
    return { usedBytes: Number(used), wholeBytes: Number(size), percent };
  },
};

/** How much of each snapshot and thin pool is taken, by `GROUP/VOLUME`. */
export const dataOfVolumes: Fact<undefined, ReadonlyMap<string, number>> = {
  name: "how full snapshots and thin pools are",
  about: ["lvm"],
  command: () => ({
    ...cmd`lvs --reportformat json --options vg_name,lv_name,data_percent`,
    // 5: some group could not be read. 127: there is no LVM here.
    okExitCodes: [0, 5, 127],
  }),
  parse({ stdout, exitCode }) {
    if (exitCode === 127) return new Map();
    const row = z.object({ vg_name: z.string(), lv_name: z.string(), data_percent: z.string() });
    const { report } = z.object({ report: z.array(z.object({ lv: z.array(row) })) }).parse(JSON.parse(stdout));
    const known = report.flatMap(({ lv }) => lv).filter(({ data_percent }) => data_percent !== "");
    return new Map(known.map((one) => [`${one.vg_name}/${one.lv_name}`, Number(one.data_percent)]));
  },
};

async function groupsOf({ ask }: Session): Promise<ReadonlyMap<string, SeenGroup>> {
  const taken = await ask(dataOfVolumes, undefined);
  // Without LVM on the host there is nothing to ask, and its packages are among the differences.
  const { volumeGroups } = await ask(lvm, undefined).catch((error: unknown) => {
    if (error instanceof StorageError && !(error instanceof HostUnreachable)) return { volumeGroups: [] };
    throw error;
  });
  const groups = volumeGroups.map(({ name, extentBytes, extents, freeExtents, logicalVolumes }) => {
    const volumes = logicalVolumes.map((one) => {
      const dataPercent = taken.get(`${name}/${one.name}`);
      return { name: one.name, bytes: one.sizeBytes, origin: one.origin, dataPercent };
    });
    return [name, { wholeBytes: extents * extentBytes, freeBytes: freeExtents * extentBytes, volumes }] as const;
  });
  return new Map(groups);
}

const LEVELS = ["ok", "warning", "critical"] as const;
/** What the picture takes of it: docs/storage-health.schema.json has all. */
const report = z.object({
  version: z.literal(1),
  at: z.string(),
  level: z.enum(LEVELS),
  findings: z.array(z.object({ level: z.enum(LEVELS), subject: z.string(), fact: z.string() })),
});

/** What storage-health.sh left; undefined: nothing. */
export const healthReport: Fact<undefined, Health | undefined> = {
  name: "the health report",
  about: ["files"],
  command: () => ({ ...cmd`cat -- ${STATE_FOLDER}/health.json`, okExitCodes: [0, 1] }),
  parse({ stdout, exitCode }) {
    if (exitCode !== 0) return undefined;
    const { success, data } = report.safeParse(jsonOf(stdout));
    if (!success) return { level: "unreadable", at: "", findings: [] };
    return { ...data, findings: data.findings.filter(({ level }) => level !== "ok") };
  },
};

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
