/** An `up` of a blank host as one bash script, for whoever reads before anything runs, or has no Pulumi at hand. */
import { readFileSync } from "node:fs";
import { PARTS } from "../../components/tiers.ts";
import { cmd, isProgram, printCommand, quote, recordsOf, type Command } from "../../providers/host/command.ts";
import { HOST_LOCK } from "../../providers/host/host.ts";
import { PATH } from "../../providers/host/wire.ts";
import { NFS_CACHE_FILES } from "../../providers/values/nfsCache.ts";
import { UNITS } from "../../providers/values/unitFile.ts";
import { MissingNeed } from "../progress.ts";
import { UNKNOWN_BYTES, type PlannedResource } from "./blankHost.ts";

/** Steps of one kind, in one part of a host, that follow one another. */
interface Paragraph {
  readonly kind: string;
  readonly part: string;
  readonly planned: PlannedResource[];
}

/** Shell lines, and the files whose texts are too long to stand among them. */
interface Written {
  readonly lines: readonly string[];
  readonly attached?: readonly Attached[];
}

interface Attached {
  readonly path: string;
  readonly text: string;
}

/** What the steps of each program of ours come to, in commands that a person would type. */
const PROGRAMS: Readonly<Record<string, (calls: readonly Call[]) => Written>> = {
  "install-packages": (calls) => each(calls, installPackages),
  "make-account": (calls) => each(calls, makeAccount),
  "make-filesystem": (calls) => each(calls, makeFilesystem),
  "make-tree": (calls) => each(calls, ({ args }) => [command("make_folders", ...args)]),
  "mount-entry": mountEntries,
  "write-file": (calls) => each(calls, ({ args, text }) => [heredoc(`put ${print(args)}`, text)]),
  "activate-sysctl": (calls) =>
    each(calls, ({ args: [file = "", ...kernelFiles] }) => [
      command("remember_kernel_values", ...kernelFiles),
      command("sysctl", "--quiet", `--load=${file}`),
    ]),
  "activate-udev": (calls) => each(calls, ({ args }) => [`activate_udev ${print(args)}`]),
  "install-nfs-cache": (calls) => each(calls, installCache),
  "install-scripts": installScripts,
  "install-timer": installTimers,
  "find-signs-of-use": (calls) =>
    each(calls, ({ args }) => [
      `require_blank ${print(args.map((word) => (word === String(UNKNOWN_BYTES) ? "" : word))).replace(/( '')+$/, "")}`,
    ]),
};

/** One run of a program. */
interface Call {
  readonly args: readonly string[];
  /** On its standard input. */
  readonly text: string;
}

const TITLES: Readonly<Record<string, string>> = {
  Packages: "Debian's packages",
  PhysicalVolume: "physical volumes",
  VolumeGroup: "the volume group",
  LogicalVolume: "logical volumes",
  SystemUser: "accounts that own the folders",
  Filesystem: "filesystems, each on a device that is proved blank just before",
  FstabEntry: "lines of fstab, and mounts",
  NfsCache: "the cache of reads over NFS",
  NfsMount: "the line of fstab, and the mount",
  Directory: "folders",
  ConfigFile: "settings",
  Scripts: "scripts for operations",
  SystemdTimer: "timers",
};

/**
 * @param about the host's name and where its configuration comes from
 * @param planned in the order in which they are made
 * @throws {MissingNeed} where the configuration can't be carried out on a blank host
 */
export function printScript(
  about: { readonly host: string; readonly file: string },
  planned: readonly PlannedResource[],
): string {
  const refusals = planned.flatMap(({ refusals: all }) => all);
  if (refusals.length > 0)
    throw new MissingNeed(
      [
        `${about.host} can't be made from this configuration:`,
        ...refusals.map(({ found, next }) => `  ${found}. Next: ${next}`),
      ].join("\n"),
    );
  const paragraphs = inParagraphs(planned);
  const written = paragraphs.map(writeParagraph);
  const attached = written.flatMap(({ attached: files = [] }) => files);
  const parts = [...new Set(paragraphs.map(({ part }) => part))];
  const body = parts.flatMap((part) => [
    "",
    `# ${"─".repeat(4)} ${part} ${"─".repeat(Math.max(0, 110 - part.length))}`,
    ...paragraphs.flatMap((paragraph, index) =>
      paragraph.part === part ? ["", `# ${TITLES[paragraph.kind] ?? paragraph.kind}`, ...written[index]!.lines] : [],
    ),
  ]);
  const main = [...checks(planned), ...body, ...owedReload(planned), "", "sync", `echo ${quote(done(about.host))}`];
  const functions = functionsFor([...main, ...attached.map(() => "put")].join("\n"));
  return `${[
    ...head(about),
    "",
    "main() {",
    ...main.map(indent),
    "}",
    "",
    ...functions,
    ...(attached.length === 0 ? [] : ["", "install_scripts() {", ...attached.map(putAttached).map(indent), "}"]),
    "",
    'main "$@"',
  ].join("\n")}\n`;
}

function head({ host, file }: { readonly host: string; readonly file: string }): string[] {
  return [
    "#!/usr/bin/env bash",
    `# Makes the storage of ${oneLine(host)} on a blank host, as ${oneLine(file)} declares it: what \`pulumi up\` would do there.`,
    "#",
    "# To be run as root on the host, once: bash FILE. Before it makes anything it proves that the devices are blank, and",
    "# that nothing is in the way. main, below, is all that it does; what follows main are the functions that it calls, and",
    "# the files that it installs.",
    "#",
    "# Each folder, file and account is written down in /var/lib/jts-storage/made before it is made, as `up` does. So a",
    "# later `pulumi up` takes over what is here as its own, and finishes what was cut short by an error. If power was lost",
    "# while a filesystem was made, empty that device first: docs/runbooks/clear-a-device.md.",
    "set -euo pipefail",
    `export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1 PATH=${PATH}`,
    "umask 077",
    "cd /",
  ];
}

const done = (host: string) =>
  `${host} is made. To prove it from your machine: npm run verify -- --stack STACK ${host}; to manage it from now on: pulumi up`;

/** What must hold before anything is made. */
function checks(planned: readonly PlannedResource[]): string[] {
  const made = new Set(planned.map(({ inputs: { path } }) => path));
  const guards = planned.flatMap(({ steps }) => steps.flatMap(({ guard }) => guard ?? []));
  const blank = guards.filter(({ argv }) => argv[3] === "find-signs-of-use" && !made.has(argv[4]));
  const mountPoints = planned.flatMap(({ inputs: { mountPoint, mountOverFiles } }) =>
    typeof mountPoint === "string" && mountOverFiles !== true ? [mountPoint] : [],
  );
  const files = planned.flatMap(({ resource: { kind }, inputs: { path, link, name } }) =>
    kind.name === "ConfigFile"
      ? [path]
      : kind.name === "Scripts"
        ? [path, link]
        : kind.name === "SystemdTimer"
          ? [`/etc/systemd/system/${String(name)}.timer`, `/etc/systemd/system/${String(name)}.service`]
          : kind.name === "NfsCache"
            ? NFS_CACHE_FILES
            : [],
  );
  return [
    "# Before anything is made: nobody else is at work, the devices are blank, and nothing is in the way.",
    '((EUID == 0)) || fail "This must run as root."',
    `exec {lock}>>${HOST_LOCK}`,
    `flock --nonblock "$lock" || fail "Another writer is at work on this host: fuser ${HOST_LOCK} names it."`,
    '[[ ! -e /var/lib/jts-storage/made ]] || fail "This host is not blank: jts-storage has been at work here. Next: pulumi up"',
    ...writeCommands(blank),
    ...(mountPoints.length === 0 ? [] : [command("require_unused", ...mountPoints)]),
    ...(files.length === 0 ? [] : [command("require_absent", ...files.map(String))]),
  ];
}

function inParagraphs(planned: readonly PlannedResource[]): Paragraph[] {
  const paragraphs: Paragraph[] = [];
  for (const one of planned) {
    const { kind, parent = "" } = one.resource;
    const part = PARTS.find((name) => parent.endsWith(`-${name}`)) ?? parent;
    const last = paragraphs.at(-1);
    if (last?.kind === kind.name && last.part === part) last.planned.push(one);
    else paragraphs.push({ kind: kind.name, part, planned: [one] });
  }
  return paragraphs;
}

/** Runs of one program that follow one another are written together, as they are carried out. */
function writeParagraph({ planned }: Paragraph): Written {
  const groups: Command[][] = [];
  const name = ({ argv }: Command) => argv[3];
  for (const { guard, command: own } of planned.flatMap(({ steps }) => steps)) {
    for (const one of guard === undefined ? [own] : [guard, own]) {
      const last = groups.at(-1);
      if (last !== undefined && isProgram(one) && isProgram(last[0]!) && name(one) === name(last[0]!)) last.push(one);
      else groups.push([one]);
    }
  }
  const written = groups.map(write);
  return {
    lines: written.flatMap(({ lines }) => lines),
    attached: written.flatMap(({ attached = [] }) => attached),
  };
}

function write(commands: readonly Command[]): Written {
  const [first] = commands;
  if (first === undefined) return { lines: [] };
  if (!isProgram(first)) return { lines: [written(first)] };
  const name = first.argv[3] ?? "";
  const program = PROGRAMS[name];
  if (program === undefined) throw new Error(`script.ts has no words for ${name}`);
  return program(commands.flatMap(callsOf));
}

function writeCommands(commands: readonly Command[]): readonly string[] {
  return commands.flatMap((one) => write([one]).lines);
}

/** A tool's own command. What it would only print is of no interest. */
function written(one: Command): string {
  const text = printCommand(one);
  return one.argv[0] === "pvs" ? `${text} >/dev/null` : text;
}

function callsOf(one: Command): readonly Call[] {
  if (one.program === "one") return [{ args: one.argv.slice(4), text: "" }];
  const texts = (one.stdin ?? "").split("\0");
  return recordsOf(one).map((args, index) => ({ args, text: texts[index] ?? "" }));
}

function each(calls: readonly Call[], lines: (call: Call) => readonly string[]): Written {
  return { lines: calls.flatMap(lines) };
}

const print = (args: readonly string[]): string => args.map(quote).join(" ");

const WIDTH = 118;

/** A command; one that is long is broken between its words. */
function command(...words: readonly string[]): string {
  const lines: string[] = [];
  let line = "";
  for (const one of words.map(quote)) {
    if (line !== "" && line.length + one.length > WIDTH) {
      lines.push(`${line} \\`);
      line = `  ${one}`;
    } else line = line === "" ? one : `${line} ${one}`;
  }
  return [...lines, line].join("\n");
}

/** A command that reads a text, which may hold anything but NUL. */
function heredoc(reader: string, text: string): string {
  if (!text.endsWith("\n")) return `printf %s ${quote(text)} | ${reader}`;
  const lines = new Set(text.split("\n"));
  let end = "EOF";
  while (lines.has(end)) end = `${end}_`;
  return `${reader} <<'${end}'\n${text}${end}`;
}

/** Of what holds a text of its own, only the first line. */
function indent(line: string): string {
  if (line === "") return line;
  return `  ${line.includes(" \\\n") && !/<<'|^printf /.test(line) ? line.replaceAll("\n", "\n  ") : line}`;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

/** As programs/install-packages.sh, which also says what to do about each failure of apt's. */
function installPackages({ args }: Call): readonly string[] {
  const quietly = "DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l";
  const install = cmd`apt-get --quiet=2 --yes --no-install-recommends --no-remove -o APT::Get::AutomaticRemove=false -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install -- ${args}`;
  return [
    "(",
    "  umask 022",
    `  export ${quietly}`,
    "  apt-get --quiet=2 --yes update || true",
    ...command(...install.argv)
      .split("\n")
      .map((line) => `  ${line}`),
    ")",
    ...(args.includes("lvm2") ? ["vgchange --quiet --activate ay >/dev/null || true"] : []),
  ];
}

function makeAccount({ args: [group = "", user, home = ""] }: Call): readonly string[] {
  const unlessKnown = (database: "group" | "passwd", name: string, ...make: readonly string[]) => [
    `${command("getent", database, name)} >/dev/null || {`,
    `  ${command("ledger_add", database === "group" ? "group" : "user", name)}`,
    `  ${command(...make, "--", name).replaceAll("\n", "\n  ")}`,
    "}",
  ];
  const nobodys = ["--no-create-home", "--shell", "/usr/sbin/nologin"];
  return [
    ...unlessKnown("group", group, "groupadd", "--system"),
    ...(user === undefined
      ? []
      : unlessKnown("passwd", user, "useradd", "--system", "--gid", group, "--home-dir", home, ...nobodys)),
  ];
}

function makeFilesystem({ args: [type = "", label = "", device = "", ...options] }: Call): readonly string[] {
  const named = label === "" ? [] : ["-L", label];
  return [command(`mkfs.${type}`, "-q", ...options, ...named, device)];
}

/** A mount point below another is made when that one is mounted. */
function mountEntries(calls: readonly Call[]): Written {
  const rounds: Call[][] = [];
  for (const call of calls) {
    const last = rounds.at(-1);
    const target = call.args[0] ?? "";
    if (last === undefined || last.some(({ args }) => target.startsWith(`${args[0]}/`))) rounds.push([call]);
    else last.push(call);
  }
  return { lines: rounds.flatMap(mountTogether) };
}

function mountTogether(calls: readonly Call[]): readonly string[] {
  // Of each text the last line is the one that it adds.
  const lines = calls.map(({ text }) => text.trimEnd().split("\n").at(-1) ?? "");
  return [
    command("make_mount_points", ...calls.map(({ args: [target = ""] }) => target)),
    heredoc("cat >>/etc/fstab", `${lines.join("\n")}\n`),
    ...calls.flatMap(({ args: [target = ""] }, index) => mountOne(target, lines[index]?.split(" ")[3] ?? "")),
  ];
}

function mountOne(target: string, options: string): readonly string[] {
  const has = (option: RegExp) => options.split(",").some((one) => option.test(one));
  const unit = `"$(systemd-escape --path --suffix=automount ${quote(target)})"`;
  return [
    ...(has(/^(x-systemd\.|comment=systemd\.)automount$/)
      ? ["systemctl daemon-reload", `systemctl start -- ${unit}`]
      : []),
    `mount ${has(/^bg$/) ? "--options fg " : ""}-- ${quote(target)}`,
  ];
}

/** The arguments of programs/install-nfs-cache.sh. */
function installCache({ args }: Call): readonly string[] {
  const [file = "", bytes = "", mountPoint = "", mount = "", service = "", conf = "", ...texts] = args;
  const paths = [conf, `${UNITS}/${mount}`, `${UNITS}/${service}`];
  return [
    `make_directories ${print([file.slice(0, file.lastIndexOf("/")), mountPoint])}`,
    `ledger_add file ${quote(file)}`,
    `make_cache_file ${print([file, bytes])}`,
    ...paths.map((path, index) => heredoc(`put ${quote(path)} root root 644`, texts[index] ?? "")),
    "systemctl daemon-reload",
    command("systemctl", "enable", "--quiet", "--now", "--", service),
  ];
}

function installTimers(calls: readonly Call[]): Written {
  const folder = "/etc/systemd/system";
  const timers = calls.map(({ args: [name = ""] }) => `${name}.timer`);
  return {
    lines: [
      ...calls.flatMap(({ args: [name = "", timer = "", service = ""] }) => [
        heredoc(`put ${quote(`${folder}/${name}.timer`)} root root 644`, timer),
        heredoc(`put ${quote(`${folder}/${name}.service`)} root root 644`, service),
      ]),
      "systemctl daemon-reload",
      command("systemctl", "enable", "--quiet", "--now", "--", ...timers),
    ],
  };
}

function installScripts(calls: readonly Call[]): Written {
  const written = calls.map(({ args: [folder = "", link = "", ...pairs] }) => {
    const attached = pairs.flatMap((file, index) =>
      index % 2 === 0 ? [{ path: `${folder}/${file}`, text: pairs[index + 1] ?? "" }] : [],
    );
    const folders = new Set([folder, ...attached.flatMap(({ path }) => foldersAbove(path, folder))]);
    const target = `${folder}/${link.slice(link.lastIndexOf("/") + 1)}`;
    return {
      attached,
      lines: [
        command("make_folders", "root", "root", "755", ...[...folders].sort()),
        "install_scripts # their texts are at the end",
        `make_directories ${quote(link.slice(0, link.lastIndexOf("/")))}`,
        `ledger_add file ${quote(link)}`,
        `ln --symbolic --no-target-directory -- ${print([target, link])}`,
      ],
    };
  });
  return { lines: written.flatMap(({ lines }) => lines), attached: written.flatMap(({ attached }) => attached) };
}

function foldersAbove(path: string, root: string): string[] {
  const above = path.slice(0, path.lastIndexOf("/"));
  return above.length <= root.length ? [] : [...foldersAbove(above, root), above];
}

function putAttached({ path, text }: Attached): string {
  return heredoc(`put ${quote(path)} root root 755`, text);
}

/** systemd makes units of fstab's lines when it next reads its files. */
function owedReload(planned: readonly PlannedResource[]): string[] {
  const steps = planned.flatMap(({ steps: all }) => all);
  const last = steps.findLastIndex(({ owesReload }) => owesReload === true);
  const isPaid = steps.slice(last + 1).some(({ command: { argv } }) => argv[3] === "install-timer");
  return last < 0 || isPaid ? [] : ["", "# systemd makes units of fstab's lines.", "systemctl daemon-reload"];
}

const OURS = new URL("../../providers/programs/", import.meta.url);

/** The functions that a text calls, with those that they call, in the words of the programs that run on hosts. */
function functionsFor(main: string): string[] {
  const known = new Map([
    ...definitionsIn(new URL("script.sh", import.meta.url)),
    ...definitionsIn(new URL("ledger.sh", OURS)),
    ...definitionsIn(new URL("filesystems.sh", OURS)),
    ...definitionsIn(new URL("nfs-cache-file.sh", OURS)),
    ["find_signs_of_use", asFunction("find-signs-of-use")],
    ["activate_udev", asFunction("activate-udev")],
  ]);
  const needed = new Set<string>();
  const look = (text: string) => {
    for (const [name, definition] of known) {
      if (needed.has(name) || !new RegExp(`(^|[\\s;(!])${name}($|[\\s;)])`, "m").test(withoutComments(text))) continue;
      needed.add(name);
      look(definition);
    }
  };
  look(main);
  return [
    "# ──── functions " + "─".repeat(101),
    "",
    ...statementsIn(new URL("ledger.sh", OURS)),
    ...[...known].flatMap(([name, definition]) => (needed.has(name) ? ["", definition] : [])),
  ];
}

const withoutComments = (text: string): string => text.replaceAll(/^ *#.*$/gm, "");

/** What a file of shell functions defines, each with the comment above it. */
function definitionsIn(file: URL): (readonly [string, string])[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(DEFINITION)].map(([definition, name = ""]) => [name, definition.trimEnd()] as const);
}

const DEFINITION = /(?:^#.*\n)*^([a-z_]+)\(\) \{(?: .*\}|\n(?:.*\n)*?\})\n/gm;

/** What such a file does besides, when it is read. */
function statementsIn(file: URL): string[] {
  return [readFileSync(file, "utf8").replaceAll(DEFINITION, "").trim()];
}

/** A program, which ends by `exit` and so has a shell of its own. */
function asFunction(program: string): string {
  const text = readFileSync(new URL(`${program}.sh`, OURS), "utf8");
  const lines = text.trimEnd().split("\n");
  const comments = lines.slice(
    0,
    lines.findIndex((line) => !line.startsWith("#")),
  );
  const body = lines.slice(comments.length).filter((line) => !/^(set -euo pipefail|source )/.test(line));
  return [...comments, `${program.replaceAll("-", "_")}() (`, ...body.map(indent), ")"].join("\n");
}
