import { spawnSync } from "node:child_process";
import type { Command, Output } from "../../../providers/host/command.ts";

/**
 * Runs a command on this machine as wire.ts has it run on a host.
 * @param env what differs from this process's environment
 */
export function runLocally(
  { argv: [name = "", ...args], stdin = "" }: Command,
  env: Readonly<Record<string, string>> = {},
): Output {
  const { stdout, stderr, status } = spawnSync(name, args, {
    input: stdin,
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C", ...env },
  });
  return { stdout, stderr, exitCode: status ?? -1 };
}
