import { z } from "zod";
import { CONVERGED } from "../engine/plan.ts";
import type { ResourceKind } from "../engine/resource.ts";
import { ledger } from "../facts/ledger.ts";
import { pathStatus, type PathStatus } from "../facts/pathStatus.ts";
import { recordsProgram } from "../programs/program.ts";
import { accountName, hostName, mode, path, relativePath } from "./inputs.ts";

const inputs = z.object({
  host: hostName,
  path,
  owner: accountName.default("root"),
  group: accountName.default("root"),
  mode: mode.default("755"),
  folders: z.array(relativePath).default([]),
});
type Inputs = z.infer<typeof inputs>;

interface Seen {
  readonly paths: ReadonlyMap<string, PathStatus>;
  readonly made: ReadonlySet<string>;
}

/** A folder and those below it, of one owner, group and mode; what is in them is nobody's business here. */
export const directory: ResourceKind<Inputs, Seen> = {
  name: "Directory",
  inputs,
  identity: ["path"],
  changes: ["files", "ledger"],
  turn: "host",
  id: ({ host, path }) => `${host}:${path}`,

  async observe(ask, desired) {
    const [paths, made] = await Promise.all([ask(pathStatus, tree(desired)), ask(ledger, undefined)]);
    return { paths, made };
  },
  isAbsent: (_inputs, { paths }) => paths.size === 0,

  plan(desired, { paths }) {
    const wrong = tree(desired).filter((folder) => !matches(desired, paths.get(folder)));
    const notFolders = wrong.filter((folder) => (paths.get(folder)?.type ?? "directory") !== "directory");
    if (notFolders.length > 0) {
      return {
        steps: [],
        refusals: notFolders.map((one) => ({
          found: `${one} is a ${paths.get(one)?.type}`,
          next: "move it away, or declare another path.",
        })),
      };
    }
    if (wrong.length === 0) return CONVERGED;
    return {
      steps: [
        {
          summary: `make ${wrong.join(", ")} ${desired.owner}:${desired.group} ${desired.mode}`,
          risk: "safe",
          command: recordsProgram("make-tree", [desired.owner, desired.group, desired.mode, ...wrong]),
        },
      ],
    };
  },

  planDestroy(desired, { made }) {
    const folders = tree(desired);
    // One that holds another resource's folder goes with the last of them.
    const isShared = (folder: string) =>
      [...made].some(
        (entry) => entry.startsWith(`directory ${folder}/`) && !folders.includes(entry.slice("directory ".length)),
      );
    // An immutable one is a mount point, and goes with its mount.
    const ours = folders.filter(
      (folder) => made.has(`directory ${folder}`) && !made.has(`immutable ${folder}`) && !isShared(folder),
    );
    if (ours.length === 0) return CONVERGED;
    return {
      steps: [
        {
          summary: `remove ${ours.join(", ")} where nothing is in them`,
          risk: "safe",
          command: recordsProgram("remove-tree", ours),
        },
      ],
    };
  },

  report(desired, { paths }) {
    const root = paths.get(desired.path);
    if (root === undefined) return {};
    const folders = desired.folders.filter((folder) => matches(desired, paths.get(`${desired.path}/${folder}`)));
    return { inputs: { owner: root.owner, group: root.group, mode: root.mode, folders } };
  },
};

/** The folders, each after the one that it is in. */
function tree({ path: root, folders }: Inputs): string[] {
  const all = folders.flatMap((folder) =>
    folder.split("/").map((_, index, names) => names.slice(0, index + 1).join("/")),
  );
  return [root, ...[...new Set(all)].sort().map((folder) => `${root}/${folder}`)];
}

function matches({ owner, group, mode }: Inputs, seen: PathStatus | undefined): boolean {
  return seen?.type === "directory" && seen.owner === owner && seen.group === group && seen.mode === mode;
}
