import { decode, encode } from "../values/bytes.ts";
import { isProgram, quote, succeeded, type Command, type Output } from "./command.ts";
import type { Answers, Program, Running } from "./host.ts";

/** A shell's first words on standard output. What comes before them is not ours: see {@link printShell}. */
export function greetingOf(word: string): string {
  return `jts-storage ${word} is ready\n`;
}

/**
 * What a host's bash gets first, on its standard input: to greet, and then to run one program after another, each as
 * `printProgram` makes it. A program is begun only once the whole of it was received, and a lost
 * connection does not end it. The shell ends with its standard input.
 * @param word drawn for this shell, so that nothing else prints its greeting. The text itself does not hold the
 *   greeting, for what sends back all that it gets.
 */
export function printShell(word: string): string {
  return `${[
    "{", // so that a part of it does nothing
    '[ -n "$BASH_VERSION" ] || exit 1', // a start-up file has put another shell in the place of ours
    "cd /", // a home folder may be on what is to be unmounted
    // LVM would complain of the lock's descriptor before it says what is wrong.
    `export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 PATH=${PATH}`,
    "unset TMOUT BASH_ENV ENV", // read's time limit; what another bash would read first
    "umask 077",
    "trap '' HUP PIPE",
    "frames=$(mktemp --directory --tmpdir=/run jts-storage.XXXXXXXXXX) || exit 1",
    `trap 'rm --recursive --force -- "$frames"' EXIT`,
    "ask() {",
    '"${@:2}" >"$frames/$1.out" 2>"$frames/$1.err"',
    'echo "$?" >"$frames/$1.code"',
    "}",
    `printf ${quote(greetingOf("%s").replace("\n", "\\n"))} ${quote(word)}`,
    'while read -r bytes mark && IFS= read -r -N "$bytes" text; do (trap - HUP PIPE; eval "$text") {in}<&0 </dev/null; echo "$mark $?"; done',
    "exit",
    "}",
  ].join("\n")}\n`;
}

/** Debian's, of root; nothing of the host's own settings comes before it. */
export const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * A program as bash text for a shell: its length in bytes and its mark on a line, and a text that writes the answers on
 * standard output: a line `mark answers`, a line `index exit-code` for each command that ran, `sizes`, the bytes of its
 * stdout and of its stderr on a line each, `contents`, all of them one after another, `end`. Then comes the shell's
 * line, `mark exit-code`. What start-up files left running may print before and after that.
 *
 * Answers are written only after the steps, so that a step never dies of a closed pipe when the connection is cut.
 * @param isLast nobody stays to hear of it: it is carried out even after it had to wait for the lock. Any other program
 *   that finds the connection lost after such a wait does nothing.
 */
export function printProgram(program: Program, mark: string, lockTimeoutSeconds: number, isLast = false): string {
  // Each text travels once, and is a function: a subshell costs less than another bash.
  const programs = [...new Set([...program.steps, ...program.questions].filter(isProgram).map(({ argv }) => argv[2]!))];
  const total = program.steps.length + program.questions.length;
  const lines = [
    `for ((i = 0; i < ${total}; i++)); do : >"$frames/$i.code"; done || exit 1`,
    "main() {",
    ...programs.map((text, index) => `program_${index}() (\n${text}\n)`),
  ];
  if (program.steps.length > 0) {
    lines.push("trap '' HUP PIPE");
    if (program.lock !== undefined) {
      lines.push(
        `[[ -e ${quote(program.lock)} ]] || : >>${quote(program.lock)}`,
        `exec {lock}<${quote(program.lock)} || exit 1`,
        'flock --nonblock "$lock" || {',
        `echo ${quote(LOCK_AWAITED)} >&2`,
        ...tell(program, mark, "lock"),
        `flock --wait ${lockTimeoutSeconds} "$lock" || { echo ${quote(`${program.lock} is held by another writer`)} >&2; exit ${LOCK_HELD}; }`,
        // Nothing is sent to a shell while it runs a program, so what could be read is the end.
        ...(isLast ? [] : ['! read -r -t 0 -u "$in" || exit 1']),
        "}",
      );
    }
  }
  lines.push("exec {in}<&-"); // not for what we run
  if (program.tell !== undefined && program.steps.some(writesProgress)) lines.push(...printWatch(mark));
  program.steps.forEach((step, index) => {
    lines.push(...tell(program, mark, String(index)));
    if (program.tell !== undefined && writesProgress(step)) lines.push(`: >"$progress"; (watch ${index} &)`);
    lines.push(printCall(step, index, programs));
    lines.push(
      `case $(<"$frames/${index}.code") in ${(step.okExitCodes ?? [0]).join("|")}) ;; *) answer; return;; esac`,
    );
  });
  lines.push("answer", "}");
  lines.push("answer() {");
  // They only look, so a few go side by side.
  program.questions.forEach((question, index) =>
    lines.push(
      `${printCall(question, program.steps.length + index, programs)} &${(index + 1) % AT_ONCE === 0 ? " wait" : ""}`,
    ),
  );
  lines.push(
    "wait",
    // A process costs as much on a slow host as what it is asked for: the shell reads and prints by itself, unless
    // there is a NUL.
    "local files=() texts=() sizes=() file text",
    `echo ${quote(beginningOf(mark))}`,
    `for ((i = 0; i < ${total}; i++)); do`,
    'if read -r code <"$frames/$i.code"; then echo "$i $code"; files+=("$frames/$i.out" "$frames/$i.err"); fi',
    "done",
    "echo sizes",
    'for file in "${files[@]}"; do',
    "IFS= read -r -d '' text <\"$file\" && break",
    'texts+=("$text") sizes+=("${#text}")',
    "done",
    "if ((${#texts[@]} == ${#files[@]})); then",
    'printf \'%s\\n\' "${sizes[@]}" contents; printf %s "${texts[@]}"',
    "else",
    'stat --format=%s "${files[@]}"; echo contents; cat "${files[@]}"',
    "fi",
    "echo end",
    "}",
    "main",
  );
  const text = lines.join("\n") + "\n";
  return `${encode(text).length} ${mark}\n${text}`;
}

/** On standard error, what the program is doing. A call costs no more by it: it is a line, and nobody waits for it. */
function tell(program: Program, mark: string, at: string): string[] {
  return program.tell === undefined ? [] : [`echo ${quote(`${mark} at ${at}`)} >&2`];
}

/** Whether it is a program of ours that appends lines on its progress to the file `$progress`. */
function writesProgress(command: Command): boolean {
  return isProgram(command) && command.argv[2]!.includes("${progress");
}

/**
 * A function that tells every 2 s the last line that a step wrote of its progress, until the step or the shell has
 * ended. Steps write to a file, so that nothing that they leave running holds a stream of the session, and the one who
 * reads it doesn't hold the lock.
 */
function printWatch(mark: string): string[] {
  return [
    'progress="$frames/progress"',
    `echo ${quote(mark)} >"$frames/watched"`,
    "watch() {",
    '[[ -z ${lock-} ]] || exec {lock}<&-; exec >/dev/null {from}<"$progress"',
    "while sleep 2 2>/dev/null && [[ -e $frames/$1.code && ! -s $frames/$1.code ]]; do",
    "last=",
    'while IFS= read -r line <&"$from"; do last=$line; done',
    `[[ -z $last ]] || echo ${quote(`${mark} at`)} "$1 $last" >&2`,
    "done",
    "}",
  ];
}

/**
 * Takes out of what a shell said on standard error what it told of programs, and gives of it what it told of the one
 * with this mark. What it told of another may be late: standard error is another stream than the answers'.
 */
export function parseTold(
  said: string,
  mark: string | undefined,
): { readonly running: readonly Running[]; readonly rest: string } {
  const running: Running[] = [];
  const rest = said.replaceAll(TOLD, (_told, whose: string, at: string, line?: string) => {
    if (whose === mark) running.push({ at: at === "lock" ? at : Number(at), ...(line === undefined ? {} : { line }) });
    return "";
  });
  return { running, rest };
}

const TOLD = /([0-9a-f]{32}) at (lock|\d+)(?: (.*))?\n/g;

/** The line after a program's answers. */
const END = "end\n";

/** The line before a program's answers. */
function beginningOf(mark: string): string {
  return `${mark} answers`;
}

/** Questions on a host at the same time: its services have better things to do. */
const AT_ONCE = 4;

/** What a program says on standard error, at once, when another writer has its lock. */
export const LOCK_AWAITED = "waiting for another writer";

/** The exit code of a program that didn't get its lock in time. */
export const LOCK_HELD = 75; // EX_TEMPFAIL of sysexits.h

function printCall(command: Command, index: number, programs: readonly string[]): string {
  const { argv, stdin } = command;
  const words = isProgram(command) ? [`program_${programs.indexOf(argv[2]!)}`, ...argv.slice(4)] : argv;
  const call = `ask ${index} ${words.map(quote).join(" ")}`;
  if (stdin === undefined) return `${call} </dev/null`;
  const texts = stdin.split("\0");
  if (texts.length === 1) return `${call} < <(printf %s ${quote(stdin)})`;
  return `${call} < <(printf '%s\\0' ${texts.slice(0, -1).map(quote).join(" ")})`;
}

/** Reads the answers of the program that had this mark; undefined when they are not whole. */
export function parseAnswers(printed: Buffer, program: Program, mark: string): Answers | undefined {
  const beginning = `${beginningOf(mark)}\n`;
  const begins = printed.indexOf(beginning);
  if (begins < 0) return undefined;
  const bytes = printed.subarray(begins + beginning.length);
  const contentsAt = bytes.indexOf("\ncontents\n");
  const [ran = [], sizes = []] = bytes
    .toString("latin1", 0, contentsAt)
    .split("\nsizes\n")
    .map((text) => text.split("\n").map((line) => line.split(" ").map(Number)));
  if (contentsAt < 0 || sizes.length !== 2 * ran.length) return undefined;
  const outputs = new Map<number, Output>();
  let at = contentsAt + "\ncontents\n".length;
  const take = (size: number | undefined) => decode(bytes.subarray(at, (at += size ?? Number.NaN)));
  ran.forEach(([index, exitCode], order) => {
    if (index === undefined || exitCode === undefined) return;
    outputs.set(index, { exitCode, stdout: take(sizes[2 * order]?.[0]), stderr: take(sizes[2 * order + 1]?.[0]) });
  });
  if (bytes.toString("utf8", at, at + END.length) !== END) return undefined;
  const outputsFrom = (start: number, commands: readonly Command[]) =>
    commands.map((_, index) => outputs.get(start + index)).filter((output) => output !== undefined);
  const steps = outputsFrom(0, program.steps);
  const questions = outputsFrom(program.steps.length, program.questions);
  if (questions.length < program.questions.length) return undefined;
  const lastStep = steps.at(-1);
  const failedEarly = steps.length < program.steps.length;
  if (failedEarly && (lastStep === undefined || succeeded(program.steps[steps.length - 1]!, lastStep)))
    return undefined;
  return { steps, questions };
}
