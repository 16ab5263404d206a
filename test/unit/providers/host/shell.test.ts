import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cmd, type Command } from "../../../../providers/host/command.ts";
import type { Running } from "../../../../providers/host/host.ts";
import { Shell } from "../../../../providers/host/shell.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jts-shell-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A bash on this machine; /run is where its frames are on a host, and here for root only. */
function openShell(onSaid: (text: string) => void = () => undefined): Shell {
  const frames = `mktemp() { command mktemp "\${@/--tmpdir=*/--tmpdir=${folder}}"; }; export -f mktemp; exec bash --norc --noprofile -s`;
  return new Shell(["bash", "-c", frames], 30_000, onSaid, () => undefined);
}

/** A program of ours; it goes on when the file is there. */
const ours = (text: string, file: string): Command => ({
  argv: ["bash", "-c", `${text}\nuntil [[ -e "$1" ]]; do sleep 0.02; done\necho out; echo err >&2`, "ours", file],
  program: "one",
});

describe("what a shell tells while a program runs", () => {
  it("is which step runs, and the lines that it writes of its progress; the answers have none of it", async () => {
    const file = join(folder, "go-on");
    const told: Running[] = [];
    const step = ours('for half in first second; do echo "$half half" >>"${progress:-/dev/null}"; done', file);
    const { answers, said, exitCode } = await openShell().run(
      {
        steps: [cmd`true`, step, cmd`echo ${"last"}`],
        questions: [cmd`echo ${"asked"}`],
        lock: join(folder, "lock"),
        tell(running) {
          told.push(running);
          if (running.line !== undefined) writeFileSync(file, "");
        },
      },
      10,
    );
    // What comes at the end may be late: it is on another stream than the answers.
    expect(told.slice(0, 3)).toEqual([{ at: 0 }, { at: 1 }, { at: 1, line: "second half" }]);
    expect([exitCode, said]).toEqual([0, ""]);
    expect(answers).toEqual({
      steps: [
        { exitCode: 0, stdout: "", stderr: "" },
        { exitCode: 0, stdout: "out\n", stderr: "err\n" },
        { exitCode: 0, stdout: "last\n", stderr: "" },
      ],
      questions: [{ exitCode: 0, stdout: "asked\n", stderr: "" }],
    });
  });

  it("is that it waits for the lock, beside what is said of it once", async () => {
    const lock = join(folder, "lock");
    const holder = spawn("flock", [lock, "cat"], { stdio: ["pipe", "pipe", "ignore"] });
    holder.stdin.write("held\n");
    await once(holder.stdout, "data");
    const told: Running[] = [];
    let said = "";
    const { answers } = await openShell((text) => (said += text)).run(
      {
        steps: [cmd`true`],
        questions: [],
        lock,
        tell(running) {
          told.push(running);
          holder.stdin.end();
        },
      },
      60,
    );
    expect(answers?.steps).toHaveLength(1);
    expect(told[0]).toEqual({ at: "lock" });
    expect(said.split("\n")[0]).toBe("waiting for another writer");
  });

  it("is nothing where nobody listens, and a step then writes its progress nowhere", async () => {
    const file = join(folder, "go-on");
    writeFileSync(file, "");
    let said = "";
    const step = ours('echo "${progress:-/dev/null}" >"$1.at"; echo half >>"${progress:-/dev/null}"', file);
    const { answers } = await openShell((text) => (said += text)).run({ steps: [step], questions: [] }, 10);
    expect(answers?.steps).toMatchObject([{ exitCode: 0, stdout: "out\n" }]);
    expect([readFileSync(`${file}.at`, "utf8"), said]).toEqual(["/dev/null\n", ""]);
  });

  it("holds neither the lock nor the shell once the step has ended, however soon that is", async () => {
    const file = join(folder, "go-on");
    writeFileSync(file, "");
    const lock = join(folder, "lock");
    const shell = openShell();
    const program = {
      steps: [ours("", file), ours(': "${progress:-/dev/null}"', file)],
      questions: [],
      lock,
      tell: () => undefined,
    };
    for (let run = 0; run < 3; run++) {
      const { answers, said } = await shell.run(program, 60);
      expect(answers?.steps).toHaveLength(2);
      expect(said).toBe("");
    }
    // The one who reads the progress may be there for 2 s more.
    expect(await once(spawn("flock", ["--nonblock", lock, "true"]), "close")).toEqual([0, null]);
  });
});
