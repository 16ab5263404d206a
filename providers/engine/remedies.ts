import { CommandFailed, DataLossRefused, ToolMissing, UnexpectedOutput } from "../errors.ts";
import { isProgram, printCommand, saidBy, type Command, type Output } from "../host/command.ts";

/** What to say of a command that failed, and what to try next. */

/** The shell's exit code for a command that isn't there. */
const NOT_FOUND = 127;
/** A program of ours that knows what to try says so in its last line. */
const OWN_REMEDY = /\nNext: (.+)$/;
/** As timeout(1) ends, with SIGTERM or SIGKILL. */
const TIMED_OUT = [124, 137];

/** @param summary what the step was to do, as the step says it */
export function guardFailed(host: string, summary: string, output: Output): DataLossRefused {
  return new DataLossRefused(
    `${host}: refused to ${summary}: ${saidBy(output)}`,
    "pulumi up --refresh looks again, and says what is there now, and what would allow it; only where it is refused again, and nobody needs what is there: docs/runbooks/clear-a-device.md.",
  );
}

/** @param summary what the step was to do, as the step says it */
export function stepFailed(host: string, summary: string, command: Command, output: Output): CommandFailed {
  const said = saidBy(output).replace(OWN_REMEDY, "");
  return new CommandFailed(
    `${host}: could not ${summary}: ${said} (exit code ${output.exitCode})`,
    nextAfter(command, output),
  );
}

/** For a look that finds several where the state means one: which of them, is not known. */
export function ambiguous(host: string, found: string, next: string): DataLossRefused {
  return new DataLossRefused(`${host}: ${found}`, next);
}

/** @param why what was odd about the answer; undefined: the command itself failed */
export function unanswered(
  host: string,
  question: string,
  command: Command,
  output: Output,
  why = TIMED_OUT.includes(output.exitCode)
    ? `no answer in time to: ${shortened(printCommand(command))}`
    : `exit code ${output.exitCode}: ${output.stderr.trim()}`,
): UnexpectedOutput {
  const Kind = output.exitCode === NOT_FOUND ? ToolMissing : UnexpectedOutput;
  return new Kind(`${host}: could not read ${question}: ${why}`, nextAfter(command, output));
}

/** A command may name hundreds of paths. */
function shortened(command: string): string {
  return command.length > 200 ? `${command.slice(0, 200)}…` : command;
}

/** What to try after a command that failed, by what it said. */
function nextAfter(command: Command, output: Output): string {
  const said = saidBy(output);
  const [, own] = (isProgram(command) && OWN_REMEDY.exec(said)) || [];
  if (own !== undefined) return own;
  if (output.exitCode === NOT_FOUND) {
    const [, tool = command.argv[0] ?? ""] = /(\S+): command not found/.exec(said) ?? [];
    return `install on the host what has ${tool}: apt-get install --reinstall, with the packages that this stack needs.`;
  }
  if (said.includes("Read-only file system"))
    return "on the host: findmnt --output TARGET,OPTIONS; dmesg --level=err,crit; where its disk is sound: mount -o remount,rw /";
  if (said.includes("No space left on device"))
    return "on the host: df --human-readable --local; make room, then: pulumi up --refresh";
  if (TIMED_OUT.includes(output.exitCode) || said.includes("doesn't answer"))
    return "on the host: dmesg | tail; for a NAS, showmount --exports SERVER and docs/runbooks/nas-replaced.md; once it answers: pulumi up --refresh";
  if (said.includes("/etc/fstab: No such file"))
    return "on the host, where its mounts are not declared elsewhere: touch /etc/fstab; then: pulumi up --refresh";
  // Only there: a mount point is immutable on purpose while nothing is mounted.
  const [, inPlace, file = inPlace] =
    /'(\/etc\/[^']+)': Operation not permitted|cannot open (\/etc\/\w+)/.exec(said) ?? [];
  if (file !== undefined)
    return `on the host: lsattr ${file}; an i means that it is immutable: chattr -i ${file}; then: pulumi up --refresh`;
  const [, process] = /userdel: .* used by process (\d+)/.exec(said) ?? [];
  if (process !== undefined)
    return `on the host: ps -fp ${process}; stop the service that it is of, then run the same command here again.`;
  return isProgram(command) ? "mend what it says, then: pulumi up --refresh" : `on the host: ${printCommand(command)}`;
}
