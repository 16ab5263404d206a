/**
 * Hosts in memory that are reached by ssh, for real stacks with the real provider: `simulatedSsh/ssh` on PATH brings
 * its shells here. Each name is a host of its own, blank as stack `dev` wants it, and stays as long as the server.
 * While the file `NAME.slow` is in the folder, a call's first step has begun on that host, and doesn't end. Shells that
 * are opened meanwhile say so on standard error.
 * As a process: `node test/support/simulatedHosts.ts FOLDER [MILLISECONDS]`, until it is told to end by a signal.
 */
import { existsSync, readdirSync } from "node:fs";
import { appendFile, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Command, Output } from "../../providers/host/command.ts";
import type { Answers, Program } from "../../providers/host/host.ts";
import { greetingOf } from "../../providers/host/wire.ts";
import { program } from "../../providers/programs/program.ts";
import { decode, encode } from "../../providers/values/bytes.ts";
import { pulumiEnvironment } from "../../setup/project.ts";
import { devMachine, FakeHost } from "./fakeHost.ts";

/** The environment in which `pulumi` finds the simulated hosts of a folder, and keeps its states there. */
export function environmentOn(folder: string): Record<string, string> {
  const environment = pulumiEnvironment();
  return {
    ...environment,
    PATH: [join(import.meta.dirname, "simulatedSsh"), environment.PATH].join(delimiter),
    JTS_SIMULATED_HOSTS: folder,
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
  };
}

/**
 * Starts the server on a free port of 127.0.0.1.
 * @param folder of the caller; JTS_SIMULATED_HOSTS must name it to ssh
 * @param latencyMilliseconds of each dial and each call
 */
export async function serveHosts(
  folder: string,
  latencyMilliseconds = 0,
): Promise<{ readonly server: Server; readonly hosts: ReadonlyMap<string, FakeHost> }> {
  const hosts = new Map<string, FakeHost>();
  const hostOf = (name: string) => {
    const host = hosts.get(name) ?? new FakeHost(devMachine());
    host.latencyMilliseconds = latencyMilliseconds;
    hosts.set(name, host);
    return host;
  };
  const server = createServer((socket) => {
    serve(socket, hostOf, folder).catch((error: NodeJS.ErrnoException) => {
      // A client that was killed.
      if (error.code !== "ECONNRESET") throw error;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await writeFile(join(folder, "dial-seconds"), `${latencyMilliseconds / 1000}\n`);
  await writeFile(join(folder, "port"), `${(server.address() as AddressInfo).port}\n`);
  return { server, hosts };
}

/** One shell: the host's name on a line, then what a host's bash gets. */
async function serve(socket: Socket, hostOf: (name: string) => FakeHost, folder: string): Promise<void> {
  socket.on("error", () => undefined); // a client that was killed
  let received = Buffer.alloc(0);
  const takeUntil = (end: string): string | undefined => {
    const at = received.indexOf(end);
    if (at < 0) return undefined;
    const taken = received.toString("latin1", 0, at);
    received = received.subarray(at + end.length);
    return taken;
  };
  let host: FakeHost | undefined;
  let slow = "";
  let hasGreeted = false;
  let frame: { readonly bytes: number; readonly mark: string } | undefined;
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, bytes]);
    for (;;) {
      if (host === undefined) {
        const name = takeUntil("\n");
        if (name === undefined) break;
        host = hostOf(name);
        slow = join(folder, `${name}.slow`);
      } else if (!hasGreeted) {
        const word = /is ready\\n' (\w+)/.exec(takeUntil("\nexit\n}\n") ?? "")?.[1];
        if (word === undefined) break;
        hasGreeted = true;
        socket.write(greetingOf(word));
      } else if (frame === undefined) {
        const line = takeUntil("\n");
        if (line === undefined) break;
        const [length = "", mark = ""] = line.split(" ");
        frame = { bytes: Number(length), mark };
      } else {
        if (received.length < frame.bytes) break;
        const text = decode(received.subarray(0, frame.bytes));
        received = received.subarray(frame.bytes);
        const sent = readProgram(text);
        if (sent.steps.length > 0 && existsSync(slow)) {
          await appendFile(slow, `${frame.mark} at 0\n`);
          while (existsSync(slow)) await setTimeout(50);
        }
        socket.write(printAnswers(await host.call(sent), frame.mark, sent.steps.length));
        frame = undefined;
      }
    }
  }
}

/** As `answer` of wire.ts writes them, and the shell's line after them. */
export function printAnswers({ steps, questions }: Answers, mark: string, stepsInAll: number): Buffer {
  const numbered: [number, Output][] = [
    ...steps.map((output, index): [number, Output] => [index, output]),
    ...questions.map((output, index): [number, Output] => [stepsInAll + index, output]),
  ];
  const contents = numbered.flatMap(([, { stdout, stderr }]) => [encode(stdout), encode(stderr)]);
  const head = [
    `${mark} answers`,
    ...numbered.map(([index, { exitCode }]) => `${index} ${exitCode}`),
    "sizes",
    ...contents.map(({ length }) => String(length)),
    "contents\n",
  ].join("\n");
  return Buffer.concat([encode(head), ...contents, encode(`end\n${mark} 0\n`)]);
}

/** All programs of ours, by their texts on the way. */
const PROGRAMS = readdirSync(new URL("../../providers/programs/", import.meta.url))
  .filter((file) => file.endsWith(".sh"))
  .map((file) => file.slice(0, -".sh".length))
  .map((name) => ({ name, text: program(name).argv[2]! }));

/** Reads back what `printProgram` of wire.ts wrote. @throws {Error} where it holds something else */
export function readProgram(text: string): Program {
  let at = text.indexOf("main() {\n") + "main() {\n".length;
  const names: string[] = [];
  for (;;) {
    const head = `program_${names.length}() (\n`;
    if (!text.startsWith(head, at)) break;
    at += head.length;
    const found = PROGRAMS.find((one) => text.startsWith(`${one.text}\n)\n`, at));
    if (found === undefined) throw new Error(`This is no program of ours: ${text.slice(at, at + 200)}`);
    names.push(found.name);
    at += found.text.length + "\n)\n".length;
  }
  const steps: Command[] = [];
  const questions: Command[] = [];
  for (;;) {
    const next = text.indexOf("\nask ", at - 1);
    if (next < 0) return { steps, questions };
    const list = text.slice(at, next).includes("answer() {") || questions.length > 0 ? questions : steps;
    const call = readCall(text, next + 1, names);
    at = call.end;
    const codes = list === steps ? /^\ncase .* in ([\d|]+)\) ;;/.exec(text.slice(at, at + 200))?.[1] : undefined;
    list.push(codes === undefined ? call.command : { ...call.command, okExitCodes: codes.split("|").map(Number) });
  }
}

/** `ask INDEX WORD… <INPUT` */
function readCall(
  text: string,
  from: number,
  names: readonly string[],
): { readonly command: Command; readonly end: number } {
  const { words, end } = readWords(text, from);
  const [, , first = "", ...rest] = words;
  const isOurs = /^program_(\d+)$/.exec(first);
  const name = isOurs === null ? undefined : names[Number(isOurs[1])]!;
  const argv = name === undefined ? [first, ...rest] : ["bash", "-c", "", name, ...rest];
  const kind = (stdin: string) => ({ program: stdin.includes("\0") ? ("many" as const) : ("one" as const) });
  const input = (stdin: string): Command => ({ argv, stdin, ...(name === undefined ? {} : kind(stdin)) });
  if (text.startsWith("</dev/null", end))
    return { command: { argv, ...(name === undefined ? {} : kind("")) }, end: end + "</dev/null".length };
  const many = "< <(printf '%s\\0' ";
  const one = "< <(printf %s ";
  const opening = [many, one].find((form) => text.startsWith(form, end));
  if (opening === undefined) throw new Error(`This is no input of a command: ${text.slice(end, end + 100)}`);
  const given = readWords(text, end + opening.length);
  const stdin = opening === many ? given.words.map((word) => `${word}\0`).join("") : given.words.join("");
  return { command: input(stdin), end: given.end + 1 };
}

/** Words as `quote` writes them, up to a `<` or `)`. */
function readWords(text: string, from: number): { readonly words: readonly string[]; readonly end: number } {
  const words: string[] = [];
  let word: string | undefined;
  let at = from;
  for (; at < text.length; at++) {
    const character = text[at]!;
    if (character === "'") {
      const close = text.indexOf("'", at + 1);
      word = (word ?? "") + text.slice(at + 1, close);
      at = close;
    } else if (character === "\\") word = (word ?? "") + text[++at]!;
    else if (character === " " || character === "<" || character === ")") {
      if (word !== undefined) words.push(word);
      word = undefined;
      if (character !== " ") break;
    } else word = (word ?? "") + character;
  }
  return { words, end: at };
}

if (import.meta.main) {
  const [folder = ".", milliseconds = "50"] = process.argv.slice(2);
  await serveHosts(folder, Number(milliseconds));
  console.log("ready");
}
