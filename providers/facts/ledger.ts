import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** What this program made on the host, see programs/ledger.sh; each as "directory /data". */
export const ledger: Fact<undefined, ReadonlySet<string>> = {
  name: "the ledger of what was made",
  about: ["ledger"],
  // `find` prints nothing, and fails not, where there is no such file.
  command: () => cmd`find /var/lib -maxdepth 2 -path /var/lib/jts-storage/made -exec cat {} ;`,
  parse: ({ stdout }) => new Set(stdout.split("\n").filter((line) => line !== "")),
};
