import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cmd } from "../../../../providers/host/command.ts";
import type { Program } from "../../../../providers/host/host.ts";
import { greetingOf, LOCK_HELD, parseAnswers, printProgram, printShell } from "../../../../providers/host/wire.ts";
import { decode, encode } from "../../../../providers/values/bytes.ts";
import { sha256 } from "../../../../providers/values/sha256.ts";

let folder: string;
let frames: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "jts-wire-"));
  frames = mkdtempSync(join(folder, "run-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/**
 * The text that a shell gets to run programs, with a folder of ours instead of /run, so that anybody can look at its
 */
function textOf(...programs: readonly Program[]): string {
  const shell = printShell("word").replace("--tmpdir=/run", `--tmpdir=${frames}`);
  return shell + programs.map((program, index) => printProgram(program, `mark${index}`, 0.1)).join("");
}

/** Runs programs in a real bash, one after the other, as a session of ssh would. */
function runAll(...programs: readonly Program[]) {
  const { stdout, stderr } = spawnSync("bash", ["-s"], { input: textOf(...programs), maxBuffer: 64 * 1024 * 1024 });
  let at = greetingOf("word").length;
  return programs.map((program, index) => {
    const start = at;
    const markAt =
      start +
      stdout
        .subarray(start)
        .toString("latin1")
        .search(new RegExp(`mark${index} \\d+\n`));
    at = stdout.indexOf("\n", markAt) + 1;
    const bytes = stdout.subarray(start, markAt);
    const status = Number(stdout.toString("latin1", markAt, at).split(" ")[1]);
    return { status, bytes, said: stderr.toString(), answers: parseAnswers(bytes, program, `mark${index}`) };
  });
}

function run(program: Program) {
  return runAll(program)[0]!;
}

describe("a printed program, run by bash", () => {
  it("runs the steps in order and then the questions, each with its own output, errors and exit code", () => {
    const file = join(folder, "file");
    const { answers, status } = run({
      steps: [cmd`cp /dev/null ${file}`, cmd`bash -c ${'echo out; echo err >&2; echo more >>"$0"'} ${file}`],
      questions: [cmd`cat ${file}`, cmd`bash -c ${"exit 7"}`, cmd`printf ${"no final line end"}`],
    });
    expect(status).toBe(0);
    expect(answers).toEqual({
      steps: [
        { stdout: "", stderr: "", exitCode: 0 },
        { stdout: "out\n", stderr: "err\n", exitCode: 0 },
      ],
      questions: [
        { stdout: "more\n", stderr: "", exitCode: 0 },
        { stdout: "", stderr: "", exitCode: 7 },
        { stdout: "no final line end", stderr: "", exitCode: 0 },
      ],
    });
  });

  it("runs no step after one that failed, and still answers the questions", () => {
    const file = join(folder, "file");
    const { answers } = run({
      steps: [cmd`true`, cmd`bash -c ${"echo why >&2; exit 3"}`, cmd`touch ${file}`],
      questions: [cmd`ls ${folder}`],
    });
    expect(answers?.steps.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual([
      [0, ""],
      [3, "why\n"],
    ]);
    expect(answers?.questions[0]?.stdout).not.toContain("file");
  });

  it("goes on after an exit code that the step declares as an answer", () => {
    const { answers } = run({
      steps: [{ ...cmd`bash -c ${"exit 3"}`, okExitCodes: [0, 3] }, cmd`true`],
      questions: [],
    });
    expect(answers?.steps.map(({ exitCode }) => exitCode)).toEqual([3, 0]);
  });

  it("distinguishes a command that doesn't exist", () => {
    expect(run({ steps: [], questions: [cmd`no-such-command-here`] }).answers?.questions[0]?.exitCode).toBe(127);
  });

  it("hands over arguments and standard input byte for byte", () => {
    const texts = fc.sample(
      fc
        .oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: fc.constantFrom(..."'\"\\$`!\n\r\t %") }))
        .filter((text) => !text.includes("\0")),
      { numRuns: 60, seed: 2 },
    );
    const { answers } = run({
      steps: [],
      questions: texts.flatMap((text) => [{ ...cmd`cat`, stdin: text }, cmd`printf %s ${text}`]),
    });
    expect(answers?.questions.map(({ stdout }) => stdout)).toEqual(texts.flatMap((text) => [text, text]));
  });

  it("hands over a megabyte of standard input, and more output than a pipe holds", () => {
    const stdin = "0123456789abcde\n".repeat(65_536);
    expect(run({ steps: [{ ...cmd`cat`, stdin }], questions: [] }).answers?.steps[0]?.stdout).toBe(stdin);
  });

  it("gives a command without standard input an empty one, not the rest of the program", () => {
    const { answers } = run({ steps: [cmd`cat`], questions: [cmd`cat`] });
    expect([...(answers?.steps ?? []), ...(answers?.questions ?? [])].map(({ stdout }) => stdout)).toEqual(["", ""]);
  });

  it("runs tools in the C locale, without LVM's warnings about the lock, and with a strict umask", () => {
    const { answers } = run({
      steps: [],
      questions: [cmd`printenv LC_ALL LVM_SUPPRESS_FD_WARNINGS`, cmd`bash -c umask`],
    });
    expect(answers?.questions.map(({ stdout }) => stdout)).toEqual(["C\n1\n", "0077\n"]);
  });

  it("leaves nothing behind, neither after success nor after failure", () => {
    run({ steps: [cmd`true`], questions: [cmd`true`] });
    run({ steps: [cmd`false`], questions: [] });
    expect(readdirSync(frames)).toEqual([]);
  });

  it("does nothing when only a part of it was received", () => {
    const file = join(folder, "file");
    const text = textOf({ steps: [cmd`touch ${file}`], questions: [] });
    for (let length = 0; length < text.length; length += length < text.length - 20 ? 23 : 1) {
      const { status } = spawnSync("bash", ["-s"], { input: text.slice(0, length) });
      expect({ length, status, ran: existsSync(file) }).toMatchObject({ ran: false });
    }
    spawnSync("bash", ["-s"], { input: text });
    expect(existsSync(file)).toBe(true);
    expect(readdirSync(frames)).toEqual([]);
  });

  it("runs as the next one in the same shell, however the one before ended", () => {
    const many: Program = { steps: [cmd`true`, cmd`true`], questions: [cmd`echo one`, cmd`echo two`] };
    const [first, failed, broken, last] = runAll(
      many,
      { steps: [cmd`false`], questions: [] },
      { steps: [cmd`bash -c ${"kill -9 $PPID"}`, cmd`true`], questions: [cmd`true`] },
      { steps: [cmd`printf ${"ä€"}`, cmd`false`, cmd`true`], questions: [cmd`bash -c ${"echo $PPID; trap -p"}`] },
    );
    expect(first?.answers?.questions.map(({ stdout }) => stdout)).toEqual(["one\n", "two\n"]);
    expect(failed?.answers?.steps.map(({ exitCode }) => exitCode)).toEqual([1]);
    expect({ status: broken?.status, answers: broken?.answers }).toEqual({ status: 137, answers: undefined });
    expect(last?.answers?.steps.map(({ exitCode, stdout }) => [exitCode, stdout])).toEqual([
      [0, "ä€"],
      [1, ""],
    ]);
    expect(readdirSync(frames)).toEqual([]);
  });

  it("lets a question's command die of a closed pipe, as usual", () => {
    const [, looks] = runAll(
      { steps: [cmd`true`], questions: [] },
      { steps: [], questions: [cmd`bash -c ${"yes | head -n 1; echo ${PIPESTATUS[0]}"}`] },
    );
    expect(looks?.answers?.questions[0]).toEqual({ stdout: "y\n141\n", stderr: "", exitCode: 0 });
  });

  it("carries out its steps when the connection is lost meanwhile", async () => {
    const [begun, file] = [join(folder, "begun"), join(folder, "file")];
    const session = spawn("bash", ["-s"]);
    session.stdin.end(
      textOf({
        steps: [cmd`touch ${begun}`, cmd`bash -c ${"echo out; sleep 0.2; echo more"}`, cmd`touch ${file}`],
        questions: [],
      }),
    );
    while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 5));
    session.stdout.destroy();
    session.kill("SIGHUP");
    await new Promise((resolve) => session.on("exit", resolve));
    expect(existsSync(file)).toBe(true);
  });
});

describe("the lock of a program", () => {
  it("ends the program with its own exit code, before any step, while another writer holds it", () => {
    const [lock, file] = [join(folder, "lock"), join(folder, "file")];
    const program = { steps: [cmd`touch ${file}`], questions: [], lock };
    const held = spawnSync("flock", [lock, "bash", "-s"], { input: textOf(program), encoding: "utf8" });
    expect(held.stdout).toBe(`${greetingOf("word")}mark0 ${LOCK_HELD}\n`);
    expect(held.stderr).toContain(`${lock} is held by another writer`);
    expect(existsSync(file)).toBe(false);
    expect(run(program).answers?.steps).toHaveLength(1);
  });

  it.each([
    [false, "no step, where the connection was lost meanwhile"],
    [true, "the steps, where they are the last of a process"],
  ])("that had to be waited for is followed (last: %s) by %s", async (isLast) => {
    const [lock, file, release] = ["lock", "file", "release"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const program = { steps: [cmd`touch ${file}`], questions: [], lock };
    spawnSync("mkfifo", [release]);
    spawnSync("touch", [lock]);
    const holder = spawn("flock", [lock, "cat", release]);
    while (spawnSync("flock", ["--nonblock", lock, "true"]).status === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const session = spawn("bash", ["-s"]);
    session.stdin.write(printShell("word").replace("--tmpdir=/run", `--tmpdir=${frames}`));
    session.stdin.write(printProgram(program, "mark", 60, isLast));
    await new Promise((resolve) => session.stderr.once("data", resolve)); // it waits
    session.stdin.end();
    writeFileSync(release, "");
    await Promise.all([once(session, "exit"), once(holder, "exit")]);
    expect(existsSync(file)).toBe(isLast);
    expect(readdirSync(frames)).toEqual([]);
  });

  it("runs the steps after a wait for it where the connection holds", async () => {
    const lock = join(folder, "lock");
    const holder = spawn("flock", [lock, "sleep", "0.5"]);
    while (!existsSync(lock) || spawnSync("flock", ["--nonblock", lock, "true"]).status === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const session = spawn("bash", ["-s"]);
    session.stdin.write(printShell("word").replace("--tmpdir=/run", `--tmpdir=${frames}`));
    session.stdin.write(printProgram({ steps: [cmd`touch ${join(folder, "file")}`], questions: [], lock }, "mark", 60));
    await expect.poll(() => existsSync(join(folder, "file")), { timeout: 60_000 }).toBe(true);
    session.stdin.end();
    await Promise.all([once(session, "exit"), holder.exitCode ?? once(holder, "exit")]);
  });

  it("isn't waited for where there are only questions", () => {
    const lock = join(folder, "lock");
    const { stdout } = spawnSync("flock", [lock, "bash", "-s"], {
      input: textOf({ steps: [], questions: [cmd`true`], lock }),
      encoding: "utf8",
    });
    expect(stdout).toMatch(/\nmark0 0\n$/);
  });

  it("does not change the content of a locked file", () => {
    const lock = join(folder, "lock");
    spawnSync("bash", ["-c", `echo disk >"$0"`, lock]);
    run({ steps: [cmd`true`], questions: [], lock });
    expect(readFileSync(lock, "utf8")).toBe("disk\n");
  });
});

describe("bytes that aren't UTF-8", () => {
  it("come, and go back, as they were", () => {
    const bytes = Buffer.from("# Platte f\xfcr Daten \xc3\xa9 \xed\xa0\x80 \xf0\x9f\x98\x80 \xff\n", "latin1");
    const file = join(folder, "latin1");
    writeFileSync(file, bytes);
    const read = run({ steps: [], questions: [cmd`cat ${file}`] }).answers?.questions[0]?.stdout ?? "";
    expect(read).toContain("é");
    expect(read).toContain("😀");
    const copy = join(folder, "copy");
    const write = { ...cmd`tee ${copy}`, stdin: read };
    const program: Program = { steps: [write], questions: [cmd`printf %s ${read}`] };
    const { stdout } = spawnSync("bash", ["-s"], { input: encode(textOf(program)) });
    const answers = parseAnswers(stdout, program, "mark0");
    expect(answers?.questions[0]?.stdout).toBe(read);
    expect(readFileSync(copy).toString("latin1")).toBe(bytes.toString("latin1"));
    expect(sha256(read)).toBe(sha256(bytes));
  });

  it("are all kept, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (array) => {
        const bytes = Buffer.from(array);
        expect(encode(decode(bytes))).toEqual(bytes);
      }),
    );
  });
});

describe("parseAnswers", () => {
  it("reads past text before the answers and after them", () => {
    const { bytes, answers } = run(program);
    const among = Buffer.concat([Buffer.from("Welcome\nto mark0 "), bytes, Buffer.from("Welcome\n")]);
    expect(answers).toBeDefined();
    expect(parseAnswers(among, program, "mark0")).toEqual(answers);
  });

  const program: Program = { steps: [cmd`echo ${"ä\n€"}`, cmd`false`, cmd`true`], questions: [cmd`echo end`] };

  it("does not accept a part of the answers as the whole", () => {
    const { bytes, answers } = run(program);
    expect(answers?.questions).toEqual([{ stdout: "end\n", stderr: "", exitCode: 0 }]);
    for (let length = 0; length < bytes.length; length++)
      expect(parseAnswers(bytes.subarray(0, length), program, "mark0")).toBeUndefined();
  });

  const lines = (...words: string[]) => words.map((word) => `${word}\n`).join("");
  const sizes = (count: number) => Array.from({ length: count }, () => "0");
  const steps = ["0 0", "1 1", "3 0"];
  it.each([
    [
      "something between their beginning and them",
      lines("Welcome!", ...steps, "sizes", ...sizes(6), "contents", "end"),
    ],
    ["a step missing after one that succeeded", lines("0 0", "3 0", "sizes", ...sizes(4), "contents", "end")],
    ["no step that ran", lines("3 0", "sizes", ...sizes(2), "contents", "end")],
    ["a question without answer", lines("0 0", "1 1", "sizes", ...sizes(4), "contents", "end")],
    ["lengths that aren't numbers", lines(...steps, "sizes", "x", ...sizes(5), "contents", "end")],
    ["a length too few", lines(...steps, "sizes", ...sizes(5), "contents", "end")],
  ])("does not accept %s", (_what, text) => {
    const parsed = (answers: string) => parseAnswers(Buffer.from(`mark answers\n${answers}`), program, "mark");
    expect(parsed(text)).toBeUndefined();
    expect(parsed(lines(...steps, "sizes", ...sizes(6), "contents", "end"))).toBeDefined();
  });
});
