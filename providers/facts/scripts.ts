import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";
import type { PathStatus } from "./pathStatus.ts";

/** What lies at a path, links not followed. */
export interface Entry extends PathStatus {
  /** Of a regular file, in 64 hexadecimal digits. */
  readonly sha256?: string;
}

export interface SeenScripts {
  /** What is there, by its path. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** Where the link leads; undefined: there is none. */
  readonly leadsTo: string | undefined;
  /** Files of ours, as the list has them that an earlier version kept in the folder, with the list itself. */
  readonly listed: readonly string[];
}

/** A folder with files in it, and a link to one of them. */
export interface ScriptsArgs {
  readonly folder: string;
  readonly link: string;
  /** Paths of files and folders below, the folder itself among them. */
  readonly paths: readonly string[];
}

/** Scripts on a host, by type, owner, mode and SHA-256. */
export const scripts: Fact<ScriptsArgs, SeenScripts> = {
  name: "the scripts",
  about: ["files"],
  command: ({ folder, link, paths }) => program("print-scripts", folder, link, ...paths),
  parse({ stdout }, { link, paths }) {
    const entries = new Map<string, Entry>();
    const listed: string[] = [];
    let leadsTo: string | undefined;
    const known = new Set([link, ...paths]);
    const rest = (fields: readonly string[]) => fields.join("\t");
    for (const line of stdout.split("\n").filter((one) => one !== "")) {
      const [what, ...fields] = line.split("\t");
      if (what === "status") {
        const [type = "", owner = "", group = "", mode = ""] = fields;
        const path = rest(fields.slice(4));
        if (!known.has(path)) throw new Error(`it names another path: ${path}`);
        entries.set(path, { type: type.replace(" empty", ""), owner, group, mode: mode.padStart(3, "0") });
      } else if (what === "sha256") {
        const [sum = ""] = fields;
        const path = rest(fields.slice(1));
        const entry = entries.get(path);
        if (entry === undefined || !/^[0-9a-f]{64}$/.test(sum)) throw new Error(`an odd checksum: ${line}`);
        entries.set(path, { ...entry, sha256: sum });
      } else if (what === "leads") leadsTo = rest(fields);
      else if (what === "listed") listed.push(rest(fields));
      else throw new Error(`an odd line: ${line}`);
    }
    return { entries, leadsTo, listed };
  },
};
