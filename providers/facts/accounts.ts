import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** Whether the name services know a user or group, see getent(1). */
export const accountExists: Fact<{ readonly database: "passwd" | "group"; readonly name: string }, boolean> = {
  name: "the account",
  about: ["accounts"],
  command: ({ database, name }) => ({ ...cmd`getent ${database} -- ${name}`, okExitCodes: [0, 2] }),
  parse: ({ exitCode }) => exitCode === 0,
};
