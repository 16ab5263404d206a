import { quote, succeeded, type Command, type Output } from "./command.ts";
import type { Answers, Program } from "./host.ts";

/**
 * A program as bash text, to be read from standard input, and its answers as frames on standard output:
 * `exit-code stdout-bytes stderr-bytes LF stdout stderr`, one for each command that ran, `-` for one that did not.
 *
 * The text is one function, so that a half-received program never starts; answers are written only after the steps,
 * so that a step never dies of a closed pipe when the connection is cut.
 */
export function printProgram(program: Program, lockTimeoutSeconds: number): string {
  const lines = [
    "export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "umask 077",
    "main() {",
    'frames=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX) || exit 1',
    `trap 'rm --recursive --force -- "$frames"' EXIT`,
    "ask() {",
    '"${@:2}" >"$frames/$1.out" 2>"$frames/$1.err"',
    'echo "$?" >"$frames/$1.code"',
    "}",
  ];
  if (program.steps.length > 0) {
    lines.push("trap '' HUP PIPE");
    if (program.lock !== undefined) {
      lines.push(
        `[[ -e ${quote(program.lock)} ]] || : >>${quote(program.lock)}`,
        `exec {lock}<${quote(program.lock)} || exit 1`,
        `flock --wait ${lockTimeoutSeconds} "$lock" || { echo ${quote(`${program.lock} is held by another writer`)} >&2; exit ${LOCK_HELD}; }`,
      );
    }
    program.steps.forEach((step, index) => {
      lines.push(printCall(step, index));
      lines.push(`case $(<"$frames/${index}.code") in ${(step.okExitCodes ?? [0]).join("|")}) ;; *) answer; return;; esac`);
    });
  }
  lines.push("answer", "}");
  const total = program.steps.length + program.questions.length;
  lines.push("answer() {");
  program.questions.forEach((question, index) => lines.push(printCall(question, program.steps.length + index)));
  lines.push(
    `for ((i = 0; i < ${total}; i++)); do`,
    'if [[ -e $frames/$i.code ]]; then',
    `printf '%s %s %s\\n' "$(<"$frames/$i.code")" $(stat --format=%s "$frames/$i.out" "$frames/$i.err")`,
    'cat "$frames/$i.out" "$frames/$i.err"',
    "else echo -; fi",
    "done",
    "echo end",
    "}",
    "main; exit",
  );
  return lines.join("\n") + "\n";
}

/** The exit code of a program that didn't get its lock in time. */
export const LOCK_HELD = 75; // EX_TEMPFAIL of sysexits.h

function printCall(command: Command, index: number): string {
  const call = `ask ${index} ${command.argv.map(quote).join(" ")}`;
  return command.stdin === undefined ? `${call} </dev/null` : `${call} < <(printf %s ${quote(command.stdin)})`;
}

/** Reads the frames; undefined when they are not whole. */
export function parseAnswers(bytes: Buffer, program: Program): Answers | undefined {
  const commands = [...program.steps, ...program.questions];
  const outputs: (Output | undefined)[] = [];
  let at = 0;
  while (outputs.length < commands.length) {
    const endOfLine = bytes.indexOf("\n", at);
    if (endOfLine < 0) return undefined;
    const header = bytes.toString("utf8", at, endOfLine);
    at = endOfLine + 1;
    if (header === "-") {
      outputs.push(undefined);
      continue;
    }
    const [exitCode, stdoutBytes, stderrBytes] = header.split(" ").map(Number);
    if (exitCode === undefined || stdoutBytes === undefined || stderrBytes === undefined) return undefined;
    const stderrAt = at + stdoutBytes;
    const end = stderrAt + stderrBytes;
    if (!(end <= bytes.length)) return undefined;
    outputs.push({ exitCode, stdout: bytes.toString("utf8", at, stderrAt), stderr: bytes.toString("utf8", stderrAt, end) });
    at = end;
  }
  if (bytes.toString("utf8", at) !== "end\n") return undefined;
  const steps = outputs.slice(0, program.steps.length).filter((output) => output !== undefined);
  const questions = outputs.slice(program.steps.length);
  if (questions.includes(undefined)) return undefined;
  const failedEarly = steps.length < program.steps.length;
  const lastStep = steps.at(-1);
  if (failedEarly && (lastStep === undefined || succeeded(program.steps[steps.length - 1]!, lastStep))) return undefined;
  return { steps, questions: questions as Output[] };
}
