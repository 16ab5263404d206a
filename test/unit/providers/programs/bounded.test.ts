import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { program } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "jts-bounded-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A process's state as ps(1) has it. Z: it has ended, and nobody has asked for its exit code. */
function stateOf(pid: string): string {
  try {
    return /\) (\S) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))![1]!;
  } catch {
    return "gone";
  }
}

describe("a bounded command", () => {
  it("has its own standard input, output and exit code", () => {
    const bounded = program("bounded", "60", "bash", "-c", 'cat; echo "$1" >&2; exit 7', "name", "a  b");
    expect(runLocally({ ...bounded, stdin: "some\ntext" })).toEqual({
      stdout: "some\ntext",
      stderr: "a  b\n",
      exitCode: 7,
    });
    expect(runLocally(program("bounded", "60", "jts-no-such-tool")).exitCode).toBe(127);
  });

  it("ends in time with 124 where it hangs, with all that it started", async () => {
    const pid = join(folder, "pid");
    const hanging = program("bounded", "1", "bash", "-c", 'sleep 1000 & echo "$!" >"$1"; wait', "name", pid);
    expect(runLocally(hanging).exitCode).toBe(124);
    await vi.waitFor(() => expect(stateOf(readFileSync(pid, "utf8").trim())).toMatch(/^(gone|Z)$/), 60_000);
  });

  it("ends in time where it can't even be killed", () => {
    const pid = join(folder, "pid");
    // In place of timeout(1), which waits as long as a process whose kill the kernel puts off.
    writeFileSync(join(folder, "timeout"), `#!/bin/bash\necho $$ >${pid}\nexec sleep 1000\n`);
    chmodSync(join(folder, "timeout"), 0o755);
    const [file = "", ...args] = program("bounded", "0", "true").argv;
    // On a host the output goes to files. A pipe would stay open in what is left behind.
    const { status } = spawnSync(file, args, {
      stdio: "ignore",
      env: { ...process.env, PATH: `${folder}:${process.env.PATH}` },
    });
    expect(status).toBe(124);
    process.kill(Number(readFileSync(pid, "utf8")));
  });
});
