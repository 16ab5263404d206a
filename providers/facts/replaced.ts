import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** A path at which an `up` replaced another's file, see programs/replaced.sh. */
export interface ReplacedStatus {
  /** Whether what was there before is still kept. */
  readonly isKept: boolean;
  /** What is there now: nothing, the same as what is kept, ours as we wrote it, or anything else. */
  readonly here: "absent" | "same" | "ours" | "other";
}

const LINE = /^(kept|lost)\t(absent|same|ours|other)\t(\/.*)$/;

/** Paths of which the ledger has that another's file was replaced; each by its path. */
export const replacedFiles: Fact<readonly string[], ReadonlyMap<string, ReplacedStatus>> = {
  name: "the files that were replaced",
  about: ["files", "ledger"],
  command: (paths) => program("print-replaced", ...paths),
  parse({ stdout }, paths) {
    const found = new Map<string, ReplacedStatus>();
    for (const line of stdout.split("\n").filter((one) => one !== "")) {
      const [, kept, here, path = ""] = LINE.exec(line) ?? [];
      if (!paths.includes(path)) throw new Error(`an odd line: ${line}`);
      found.set(path, { isKept: kept === "kept", here: here as ReplacedStatus["here"] });
    }
    if (found.size !== new Set(paths).size) throw new Error("it leaves out a path");
    return found;
  },
};
