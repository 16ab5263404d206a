import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** Whether the name services know the user, see getent(1). */
export const userExists = accountExists("the user", "passwd");
/** Whether the name services know the group. */
export const groupExists = accountExists("the group", "group");

function accountExists(name: string, database: "passwd" | "group"): Fact<string, boolean> {
  return {
    name,
    about: ["accounts"],
    command: (account) => ({ ...cmd`getent ${database} -- ${account}`, okExitCodes: [0, 2] }),
    together: {
      command: (accounts) => ({ ...cmd`getent ${database} -- ${accounts}`, okExitCodes: [0, 2] }),
      // It prints those that there are.
      part: ({ stdout }, account) => ({
        stdout: "",
        stderr: "",
        exitCode: stdout.split("\n").some((line) => line.startsWith(`${account}:`)) ? 0 : 2,
      }),
    },
    parse: ({ exitCode }) => exitCode === 0,
  };
}
