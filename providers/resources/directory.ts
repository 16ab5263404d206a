import { z } from "zod";
import { CONVERGED, refuse, step, toDo } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { ledger } from "../facts/ledger.ts";
import { pathStatus, type PathStatus } from "../facts/pathStatus.ts";
import { recordsProgram } from "../programs/program.ts";
import { accountName, mode, path, relativePath } from "../values/fields.ts";
import { labelled, list, word, words } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";

const inputs = kindInputs({
  /** The absolute path of the topmost folder. A change makes another resource. */
  path,
  /** A user that exists. Default: root. */
  owner: accountName.default("root"),
  /** A group that exists. Default: root. */
  group: accountName.default("root"),
  /** Octal digits, see chmod(1). Default: 755. */
  mode: mode.default("755"),
  /** Paths below, of the same owner, group and mode. Default: none. */
  folders: z.array(relativePath).default([]),
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly paths: ReadonlyMap<string, PathStatus>;
  readonly made: ReadonlySet<string>;
}

/** A folder and those below it, of one owner, group and mode; what is in them is left alone. */
export const directory: ResourceKind<typeof inputs, Seen> = {
  name: "Directory",
  inputs,
  identity: ["path"],
  changes: ["files", "ledger"],
  turn: "host",
  id: ({ host, path }) => `${host}:${path}`,
  describe: ({ path, owner, group, mode, folders }) =>
    list(`${word(path)} ${word(owner)}:${word(group)} ${word(mode)}`, labelled("with", words(folders))),

  async observe(ask, desired) {
    const [paths, made] = await Promise.all([ask(pathStatus, tree(desired)), ask(ledger, undefined)]);
    return { paths, made };
  },
  isAbsent: (_inputs, { paths }) => paths.size === 0,

  plan(desired, { paths }) {
    const wrong = tree(desired).filter((folder) => !matches(desired, paths.get(folder)));
    const notFolders = wrong.filter((folder) => (paths.get(folder)?.type ?? "directory") !== "directory");
    if (notFolders.length > 0) {
      return refuse(
        notFolders.map((one) => `${one} is a ${paths.get(one)?.type}`),
        "move it away, or declare another path.",
      );
    }
    if (wrong.length === 0) return CONVERGED;
    const { owner, group, mode } = desired;
    return toDo(
      step(
        `make ${wrong.join(", ")} ${owner}:${group} ${mode}`,
        recordsProgram("make-tree", [owner, group, mode, ...wrong]),
      ),
    );
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
    return toDo(step(`remove ${ours.join(", ")} where nothing is in them`, recordsProgram("remove-tree", ours)));
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
