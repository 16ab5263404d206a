import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** What this program made on the host, see programs/ledger.sh; each as "directory /data". */
export const ledger: Fact<undefined, ReadonlySet<string>> = {
  name: "the ledger of what was made",
  about: ["ledger"],
  command: () => program("print-ledger"),
  parse: ({ stdout }) => new Set(stdout.split("\n").filter((line) => line !== "")),
};
