import { cmd } from "../host/command.ts";
import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** Whether the name services know the user, see getent(1). */
export const userExists = accountExists("the user", "passwd");
/** Whether the name services know the group. */
export const groupExists = accountExists("the group", "group");

/** User → its primary group; groupdel(8) removes none of these. */
export const primaryGroups: Fact<undefined, ReadonlyMap<string, string>> = {
  name: "the users' primary groups",
  about: ["accounts"],
  command: () => program("print-primary-groups"),
  parse: ({ stdout }) =>
    new Map(
      stdout.split("\n").flatMap((line) => {
        const [user, group] = line.split(":");
        return user === undefined || group === undefined ? [] : [[user, group] as const];
      }),
    ),
};

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
