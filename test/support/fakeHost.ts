import { createHash } from "node:crypto";
import { dirname } from "node:path/posix";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { HostUnreachable } from "../../providers/errors.ts";
import { recordsOf, succeeded, type Command, type Output } from "../../providers/host/command.ts";
import type { Answers, Host, Program } from "../../providers/host/host.ts";
import { findEntry } from "../../providers/values/fstabText.ts";
import { UNITS } from "../../providers/values/unitFile.ts";

/** What a machine in memory holds, as far as commands can see it. Plain data: two of them can be compared. */
export interface Machine {
  /** By the kernel's path. */
  devices: Record<string, { type: string; bytes: number; serial: string | null; disk: string | null; uuid?: string }>;
  /** Path → the kernel's path. */
  links: Record<string, string>;
  volumeGroups: Record<string, { uuid: string; extentBytes: number; devices: string[]; tagged?: string[] }>;
  /** By the kernel's path of the device; a PV's type is LVM2_member. */
  signatures: Record<string, { type: string; label: string | null; uuid: string; bytes: number }>;
  files: Record<string, { type: string; owner: string; group: string; mode: string; content?: string; bytes?: number }>;
  mounts: {
    target: string;
    source: string;
    fstype: string;
    fsroot: string;
    "maj:min": string;
    "vfs-options": string;
    "fs-options": string;
  }[];
  ledger: string[];
  /** What others had at paths of ours, by the path. */
  kept: Record<string, Machine["files"][string]>;
  kernel: Record<string, string>;
  accounts: string[];
  /** Installed ones. */
  packages: string[];
  /** Of packages, and of the kernel as linux, where a test has its own. */
  versions: Record<string, string>;
  units: Record<string, { fileState: string; activeState: string; needsReload: boolean }>;
  /** UUIDs are counted: what was made twice shows in the numbers. */
  uuids: number;
}

const folder = { type: "directory", owner: "root", group: "root", mode: "755" };

/** A host with a blank NVMe disk, a blank partition, no LVM, and an fstab of one line. */
export function blankMachine(): Machine {
  return {
    devices: {
      "/dev/nvme0n1": { type: "disk", bytes: 4_000_787_030_016, serial: "NVME1", disk: null },
      "/dev/sda": { type: "disk", bytes: 1_000_204_886_016, serial: "SATA1", disk: null },
      "/dev/sda2": { type: "part", bytes: 999_129_350_144, serial: null, disk: "/dev/sda" },
    },
    links: { "/dev/disk/by-id/nvme-1": "/dev/nvme0n1" },
    volumeGroups: {},
    signatures: {},
    files: {
      ...Object.fromEntries(
        [
          ...["/", "/etc", "/etc/systemd", "/etc/systemd/system", "/data", "/mnt"],
          ...["/usr", "/usr/local", "/usr/local/bin", "/usr/local/lib"],
        ].map((path) => [path, folder]),
      ),
      "/etc/fstab": {
        type: "regular file",
        owner: "root",
        group: "root",
        mode: "644",
        content: "LABEL=root / ext4 errors=remount-ro 0 1\n",
      },
    },
    mounts: [
      {
        target: "/",
        source: "/dev/vda",
        fstype: "ext4",
        fsroot: "/",
        "maj:min": "254:0",
        "vfs-options": "rw,relatime",
        "fs-options": "rw,errors=remount-ro",
      },
    ],
    ledger: [],
    kept: {},
    kernel: { "/proc/sys/net/core/rmem_max": "212992" },
    accounts: ["group root", "user root"],
    packages: [],
    versions: {},
    units: {},
    uuids: 0,
  };
}

/** What the host of stack `dev` has before its first `up`. */
export function devMachine(): Machine {
  const machine = blankMachine();
  machine.devices["/dev/nvme0n1"]!.serial = "JTSNVME0001";
  machine.devices["/dev/sda"]!.serial = "JTSSATA0001";
  machine.links = {
    "/dev/disk/by-id/nvme-QEMU_NVMe_Ctrl_JTSNVME0001": "/dev/nvme0n1",
    "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_JTSSATA0001-part2": "/dev/sda2",
  };
  for (const name of ["rmem_default", "wmem_default", "rmem_max", "wmem_max"])
    machine.kernel[`/proc/sys/net/core/${name}`] = "212992";
  machine.kernel["/sys/class/block/nvme0n1/queue/scheduler"] = "mq-deadline";
  return machine;
}

/**
 * What goes wrong at one command: it isn't carried out ("before"), or it is, but its answer is lost ("after"). It fails
 * by its exit code, or the connection is lost.
 */
export type Fault = "fails before" | "fails after" | "lost before" | "lost after";

/** Killed: an exit code that no command declares as an answer. */
const KILLED: Output = { stdout: "", stderr: "killed by a test", exitCode: 137 };

/**
 * A host in memory: it carries out the commands of facts and plans on a {@link Machine}, and can fail at any of them.
 */
export class FakeHost implements Host {
  readonly name = "fake";
  readonly machine: Machine;
  /** Everything asked of it. */
  readonly calls: Program[] = [];
  /** What would have lost data on a real host. */
  readonly accidents: string[] = [];
  /** Answers instead of the machine's, by the command's name. */
  readonly answers = new Map<string, Output>();
  latencyMilliseconds = 0;
  isDown = false;
  /** What others do to the machine just before each call that has steps. */
  meanwhile: () => void = () => undefined;
  #commandsUntilFault = Number.POSITIVE_INFINITY;
  #fault: Fault = "fails before";
  #staysDown = false;

  constructor(machine: Machine = blankMachine()) {
    this.machine = machine;
  }

  readonly #last: (() => Program | undefined)[] = [];

  beforeEnd(last: () => Program | undefined): void {
    this.#last.push(last);
  }

  /** As at the end of the provider's process. */
  async end(): Promise<void> {
    for (const program of this.#last.map((last) => last())) if (program !== undefined) await this.call(program);
  }

  /** The n-th command from now, counted from 0 over all calls, goes wrong. */
  failAt(command: number, fault: Fault, staysDown = false): void {
    this.#commandsUntilFault = command;
    this.#fault = fault;
    this.#staysDown = staysDown;
  }

  /** Whether the command that is to go wrong was reached. */
  get hasFailed(): boolean {
    return this.#commandsUntilFault < 0;
  }

  /** Nothing goes wrong any more. */
  recover(): void {
    this.isDown = false;
    this.#commandsUntilFault = Number.POSITIVE_INFINITY;
  }

  /** Names of the steps that ran, guards too. */
  get steps(): string[] {
    return this.calls.flatMap(({ steps }) => steps.map(nameOf));
  }

  async call(program: Program): Promise<Answers> {
    await sleep(this.latencyMilliseconds);
    if (this.isDown) throw unreachable();
    this.calls.push(program);
    if (program.steps.length > 0) this.meanwhile();
    const steps: Output[] = [];
    for (const step of program.steps) {
      const output = this.#run(step);
      steps.push(output);
      if (!succeeded(step, output)) break;
    }
    return { steps, questions: program.questions.map((question) => this.#run(question, false)) };
  }

  /** Each record of a program that takes many counts as a command. */
  #run(command: Command, mayChange = true): Output {
    if (command.program !== "many") return this.#runOne(command, mayChange);
    const texts = (command.stdin ?? "").split("\0");
    let done = "";
    for (const [record, args] of recordsOf(command).entries()) {
      const argv = [...command.argv.slice(0, 4), ...args];
      const output = this.#runOne({ argv, stdin: texts[record] ?? "" }, mayChange);
      if (output.exitCode !== 0) return { ...output, stdout: done, stderr: output.stderr || output.stdout };
      done += "done\n";
    }
    return { stdout: done, stderr: "", exitCode: 0 };
  }

  #runOne(command: Command, mayChange: boolean): Output {
    const fault = this.#commandsUntilFault-- === 0 ? this.#fault : undefined;
    if (fault === "fails before") return KILLED;
    if (fault !== "lost before") {
      const output =
        this.answers.get(nameOf(command)) ??
        carryOut(this.machine, command, mayChange, (accident) => this.accidents.push(accident));
      if (fault === undefined) return output;
    }
    if (fault === "fails after") return KILLED;
    this.isDown = this.#staysDown;
    throw unreachable();
  }
}

/** The tool's name, or that of a program of ours. */
export function nameOf({ argv: [name = "", ...rest] }: Command): string {
  return name === "bash" ? (rest[2] ?? "") : name === "timeout" ? (rest[2] ?? "") : name;
}

function unreachable(): HostUnreachable {
  return new HostUnreachable("fake could not be reached: the test took it down", "nothing");
}

/** A tool that ends with an exit code other than 0. */
class Failure extends Error {
  readonly output: Output;
  constructor(stderr: string, exitCode = 5, stdout = "") {
    super(stderr);
    this.output = { stdout, stderr, exitCode };
  }
}

function carryOut(
  machine: Machine,
  command: Command,
  mayChange: boolean,
  happened: (accident: string) => void,
): Output {
  const tool = TOOLS[nameOf(command)];
  if (tool === undefined) throw new Error(`The fake host has no ${nameOf(command)}.`);
  const args = command.argv[0] === "bash" ? command.argv.slice(4) : command.argv.slice(1);
  // A tool that fails has changed nothing.
  const trial = mayChange ? copyOf(machine) : machine;
  try {
    const stdout = tool(new Commands(trial, happened), args, command.stdin ?? "") ?? "";
    if (mayChange) Object.assign(machine, trial);
    return { stdout, stderr: "", exitCode: 0 };
  } catch (error) {
    if (error instanceof Failure) return error.output;
    throw error;
  }
}

/** A copy of plain data; structuredClone takes five times as long, and each step needs one. */
function copyOf<T>(data: T): T {
  if (Array.isArray(data)) return data.map(copyOf) as T;
  if (typeof data !== "object" || data === null) return data;
  const copy: Record<string, unknown> = {};
  for (const key in data) copy[key] = copyOf(data[key]);
  return copy as T;
}

/** What the ledger has of a file of ours that took the place of another's. */
function writtenLine(path: string, content = ""): string {
  return `written ${path} ${createHash("sha256").update(content).digest("hex")}`;
}

type Tool = (host: Commands, args: readonly string[], stdin: string) => string | void;

const operands = (args: readonly string[]) => args.slice(args.indexOf("--") + 1);
const valueOf = (args: readonly string[], flag: string) => args[args.indexOf(flag) + 1] ?? "";
const bytesOf = (args: readonly string[], flag: string) => Number(valueOf(args, flag).replace(/b$/, ""));

const TOOLS: Readonly<Record<string, Tool>> = {
  lsblk: (host) =>
    JSON.stringify({
      blockdevices: Object.entries(host.machine.devices).map(([kname, { type, bytes, serial, disk }]) => ({
        name: kname,
        kname,
        type,
        size: bytes,
        serial,
        pkname: disk,
        "maj:min": host.numberOf(kname),
        mountpoint: host.machine.mounts.find(({ source }) => source === kname)?.target ?? null,
        "log-sec": 512,
        fstype: host.machine.signatures[kname]?.type ?? null,
        label: host.machine.signatures[kname]?.label ?? null,
        uuid: host.machine.signatures[kname]?.uuid ?? null,
      })),
    }),
  lvm: (host) => host.lvmReport(),
  find: (host) => host.links(),
  findmnt: ({ machine }) => JSON.stringify({ filesystems: machine.mounts }),
  cat: (host, [path = ""]) => host.contentOf(path),
  getent({ machine }, [database, , ...names]) {
    const known = names.filter((name) =>
      machine.accounts.includes(`${database === "passwd" ? "user" : "group"} ${name}`),
    );
    const printed = known.map((name) => `${name}:x:100:\n`).join("");
    if (known.length < names.length) throw new Failure("", 2, printed);
    return printed;
  },
  readlink: (host, args) =>
    args.includes("--canonicalize-missing")
      ? operands(args)
          .map((path) => `${path}\n`)
          .join("")
      : `${host.device(operands(args)[0] ?? "")}\n`,
  stat(host, args) {
    const { files } = host.machine;
    const [found, missing] = [true, false].map((isThere) => operands(args).filter((path) => path in files === isThere));
    const printed = found!
      .map(
        (path) => `${files[path]!.type}\t${files[path]!.owner}\t${files[path]!.group}\t${files[path]!.mode}\t${path}\n`,
      )
      .join("");
    if (missing!.length > 0)
      throw new Failure(
        missing!.map((path) => `stat: cannot statx '${path}': No such file or directory\n`).join(""),
        1,
        printed,
      );
    return printed;
  },
  grep({ machine }, args) {
    return operands(args)
      .flatMap((path) => (path in machine.kernel ? [`${path}:${machine.kernel[path]}\n`] : []))
      .join("");
  },
  systemctl(host, [verb, ...rest]) {
    if (verb === "daemon-reload")
      return void Object.values(host.machine.units).forEach((unit) => (unit.needsReload = false));
    return rest
      .slice(rest.indexOf("--") + 1)
      .map((unit) => {
        const { fileState, activeState, needsReload } = host.machine.units[unit] ?? {
          fileState: "",
          activeState: "inactive",
          needsReload: false,
        };
        return [
          `LoadState=${fileState === "" ? "not-found" : "loaded"}\n`,
          `ActiveState=${activeState}\n`,
          `UnitFileState=${fileState}\n`,
          `NeedDaemonReload=${needsReload ? "yes" : "no"}\n`,
        ].join("");
      })
      .join("\n");
  },
  "wipe-filesystem"(host, [path = ""]) {
    const device = host.device(path);
    host.mustBeFree(device);
    delete host.machine.signatures[device];
  },
  "print-contents": (host, args) =>
    args
      .flatMap((type, index) => (index % 2 === 0 ? [[type, args[index + 1] ?? ""] as const] : []))
      .map(([type, path]) => {
        const signature = host.machine.signatures[host.device(path)];
        const json = signature === undefined ? "" : JSON.stringify({ signatures: [signature] });
        return `${json.length} ${signature?.type === type ? signature.bytes : "-"} 0\n${json}`;
      })
      .join(""),
  "print-files": ({ machine }, paths) =>
    paths
      .map((path) => {
        const file = machine.files[path];
        if (file === undefined) return "0\n";
        const { type, owner, group, mode, content = "" } = file;
        return `${Buffer.byteLength(content)}\t${type}\t${owner}\t${group}\t${mode}\n${content}`;
      })
      .join(""),
  "print-scripts"({ machine }, [folder = "", link = "", ...paths]) {
    const lines = [link, ...paths].flatMap((path) => {
      const file = machine.files[path];
      if (file === undefined) return [];
      const { type, owner, group, mode, content = "" } = file;
      const sum = createHash("sha256").update(content).digest("hex");
      return [
        `status\t${type}\t${owner}\t${group}\t${mode}\t${path}`,
        ...(type === "regular file" ? [`sha256\t${sum}\t${path}`] : []),
        ...(path === link && type === "symbolic link" ? [`leads\t${content}`] : []),
      ];
    });
    const list = machine.files[`${folder}/.manifest`]?.content ?? "";
    const listed = list.split("\n").flatMap((line) => (line === "" ? [] : [`${folder}/${line.split("  ")[1]}`]));
    const ours = list === "" ? [] : [...listed, `${folder}/.manifest`];
    return [...lines, ...ours.map((path) => `listed\t${path}`)].map((line) => `${line}\n`).join("");
  },
  "dpkg-query"({ machine }, args) {
    const names = operands(args);
    const there = names.filter((name) => machine.packages.includes(name));
    const printed = there.map((name) => `${name}\tinstalled\t${machine.versions[name] ?? "99"}\n`).join("");
    if (there.length === names.length) return printed;
    const unknown = names.filter((name) => !there.includes(name));
    throw new Failure(unknown.map((name) => `dpkg-query: no packages found matching ${name}\n`).join(""), 1, printed);
  },
  "print-claims": ({ machine }, paths) =>
    paths.flatMap((path) => (path in machine.files ? [`type\t${machine.files[path]!.type}\t${path}\n`] : [])).join(""),
  "print-replaced": (host, paths) =>
    paths
      .map((path) => {
        const { files, kept, ledger } = host.machine;
        const here =
          files[path] === undefined
            ? "absent"
            : isDeepStrictEqual(files[path], kept[path])
              ? "same"
              : ledger.includes(writtenLine(path, files[path].content))
                ? "ours"
                : "other";
        return `${path in kept ? "kept" : "lost"}\t${here}\t${path}\n`;
      })
      .join(""),
  "keep-files": (host, paths) => paths.forEach((path) => host.keep(path)),
  "keep-timer"(host, [name = "", ...paths]) {
    for (const unit of [`${name}.timer`, `${name}.service`]) {
      const { fileState, activeState } = host.machine.units[unit] ?? {};
      if (activeState === "active") host.remember(`active ${unit}`);
      if (fileState === "enabled") host.remember(`link /etc/systemd/system/timers.target.wants/${unit} ${unit}`);
    }
    paths.forEach((path) => host.keep(path));
  },
  uname: ({ machine }) => `${machine.versions.linux ?? "6.1.0-39-cloud-amd64"}\n`,
  "print-ledger": ({ machine }) => machine.ledger.map((line) => `${line}\n`).join(""),
  // Each user's primary group is the one of its name.
  "print-primary-groups": ({ machine }) =>
    machine.accounts
      .flatMap((account) => (account.startsWith("user ") ? [`${account.slice(5)}:${account.slice(5)}\n`] : []))
      .join(""),
  "print-source-device": (host, [source = ""]) => `${host.source(source)}\n`,
  "find-signs-of-use"(host, [path = "", bytes, serial]) {
    const device = host.device(path);
    const { bytes: realBytes, serial: realSerial, disk } = host.machine.devices[device]!;
    const signature = host.machine.signatures[device];
    const signs = [
      ...(signature === undefined ? [] : [`a signature of ${signature.type}`]),
      ...(bytes === undefined || Number(bytes) === realBytes ? [] : [`its size is ${realBytes}`]),
      ...(serial === undefined || serial === "" || serial === (realSerial ?? host.machine.devices[disk ?? ""]?.serial)
        ? []
        : ["its serial number differs"]),
    ];
    if (signs.length > 0) throw new Failure("", 10, `${signs.join("\n")}\n`);
  },
  "is-uuid"(host, [kind, name = "", uuid]) {
    const found =
      kind === "vg"
        ? host.machine.volumeGroups[name]?.uuid
        : kind === "lv"
          ? host.machine.devices[host.device(`/dev/${name}`)]?.uuid
          : host.machine.signatures[host.device(name)]?.uuid;
    if (found !== uuid) throw new Failure(`${name} is now ${found} instead of ${uuid}`, 10);
  },

  pvs(host, args) {
    for (const path of operands(args))
      if (host.machine.signatures[host.device(path)]?.type !== "LVM2_member")
        throw new Failure(`Failed to find physical volume "${path}".`, 5);
  },
  pvcreate: (host, args) => host.sign(operands(args)[0] ?? "", "LVM2_member", null),
  pvresize(host, args) {
    const device = host.device(operands(args)[0] ?? "");
    host.machine.signatures[device]!.bytes = host.machine.devices[device]!.bytes;
  },
  pvremove(host, args) {
    const device = host.device(operands(args)[0] ?? "");
    if (Object.values(host.machine.volumeGroups).some(({ devices }) => devices.includes(device)))
      throw new Failure("in use by a VG");
    delete host.machine.signatures[device];
  },
  vgcreate(host, args) {
    const [name = "", ...paths] = operands(args);
    if (name in host.machine.volumeGroups) throw new Failure(`A volume group called ${name} already exists.`);
    host.machine.volumeGroups[name] = {
      uuid: host.uuid(),
      extentBytes: bytesOf(args, "--physicalextentsize"),
      devices: paths.map((path) => host.device(path)),
    };
  },
  vgextend(host, args) {
    const [name = "", ...paths] = operands(args);
    host.machine.volumeGroups[name]!.devices.push(...paths.map((path) => host.device(path)));
  },
  pvchange(host, args) {
    for (const device of operands(args).map((path) => host.device(path))) {
      const group = Object.values(host.machine.volumeGroups).find(({ devices }) => devices.includes(device));
      if (group === undefined) throw new Failure("can't tag a PV in no VG");
      group.tagged = [...new Set([...(group.tagged ?? []), device])];
    }
  },
  "take-out-physical-volume"(host, [name = "", device = ""]) {
    const group = host.machine.volumeGroups[name]!;
    for (const list of [group.devices, group.tagged ?? []])
      list.splice(0, list.length, ...list.filter((one) => one !== device));
  },
  vgremove(host, args) {
    const [name = ""] = operands(args);
    if (host.volumesOf(name).length > 0) throw new Failure("Do you really want to remove volumes? [y/n]");
    delete host.machine.volumeGroups[name];
  },
  lvcreate(host, args) {
    const [group = ""] = operands(args);
    const path = `/dev/${group}/${valueOf(args, "--name")}`;
    if (host.machine.volumeGroups[group] === undefined) throw new Failure(`Volume group "${group}" not found`);
    if (path in host.machine.links) throw new Failure("already exists in volume group");
    let number = 0;
    while (`/dev/dm-${number}` in host.machine.devices) number++;
    const device = `/dev/dm-${number}`;
    host.machine.devices[device] = {
      type: "lvm",
      bytes: host.extents(group, bytesOf(args, "--size")),
      serial: null,
      disk: null,
      uuid: host.uuid(),
    };
    host.machine.links[path] = device;
  },
  lvextend(host, args) {
    const [name = ""] = operands(args);
    const device = host.machine.devices[host.device(`/dev/${name}`)]!;
    const bytes = bytesOf(args, "--size");
    if (bytes <= device.bytes) throw new Failure("New size given not larger than existing size");
    device.bytes = host.extents(name.split("/")[0] ?? "", bytes);
  },
  "remove-volume"(host, [name = ""]) {
    const path = `/dev/${name}`;
    const device = host.device(path);
    host.mustBeFree(device);
    for (const [kind, key] of [
      ["links", path],
      ["devices", device],
      ["signatures", device],
    ] as const)
      delete host.machine[kind][key];
  },
  "make-filesystem"(host, [type = "", label = "", device = ""]) {
    host.sign(device, type, label === "" ? null : label);
  },
  udevadm: () => undefined,
  setsid: () => undefined,
  "grow-filesystem"(host, [, path = ""]) {
    const device = host.device(path);
    host.machine.signatures[device]!.bytes = host.machine.devices[device]!.bytes;
  },

  "install-packages": ({ machine }, names) => void machine.packages.push(...names),
  "install-scripts"(host, [folder = "", link = "", ...pairs]) {
    const roots = { owner: "root", group: "root", mode: "755" };
    const { files } = host.machine;
    const list = files[`${folder}/.manifest`];
    for (const [, file] of list?.content?.matchAll(/^\S+ {2}(.*)$/gm) ?? []) host.remember(`file ${folder}/${file}`);
    delete files[`${folder}/.manifest`];
    pairs.forEach((file, index) => {
      if (index % 2 === 0) host.write(`${folder}/${file}`, pairs[index + 1] ?? "", roots);
    });
    const isAbove = (path: string) => pairs.some((file) => `${folder}/${file}`.startsWith(`${path}/`));
    for (const path of Object.keys(files))
      if (path === folder || (path.startsWith(`${folder}/`) && isAbove(path))) Object.assign(files[path]!, roots);
    host.remember(`file ${link}`);
    const target = `${folder}/${link.slice(link.lastIndexOf("/") + 1)}`;
    if (host.machine.ledger.includes(`replaced ${link}`)) host.remember(writtenLine(link, target));
    files[link] = { type: "symbolic link", ...roots, mode: "777", content: target };
  },
  "remove-scripts": (host, [, ...paths]) => paths.forEach((path) => host.remove(path)),

  "make-account"(host, [group, user]) {
    for (const account of [`group ${group}`, ...(user === undefined ? [] : [`user ${user}`])].filter(
      (one) => !host.machine.accounts.includes(one),
    )) {
      host.machine.accounts.push(account);
      host.remember(account);
    }
  },
  "remove-account"({ machine }, [group, user]) {
    // userdel takes a group of the user's own name along.
    const names = [...(user === undefined ? [] : [`user ${user}`, `group ${user}`]), `group ${group}`];
    for (const account of names.filter((one) => machine.ledger.includes(one))) {
      machine.accounts = machine.accounts.filter((one) => one !== account);
      machine.ledger = machine.ledger.filter((one) => one !== account);
    }
  },
  "make-tree"(host, [owner = "", group = "", mode = "", ...paths]) {
    for (const path of paths) {
      host.makeFolder(path);
      Object.assign(host.machine.files[path]!, { owner, group, mode });
    }
  },
  "remove-tree": (host, paths) => paths.toReversed().forEach((path) => host.removeFolder(path)),
  "write-file": (host, [path = "", owner = "", group = "", mode = ""], content) =>
    host.write(path, content, { owner, group, mode }),
  "remove-file": (host, [path = "", how = ""]) => host.takeAway(path, how),
  "activate-sysctl"(host, [path = "", ...kernelFiles]) {
    kernelFiles.forEach((file) => host.rememberKernel(file));
    for (const [, key = "", value = ""] of host.contentOf(path).matchAll(/^(\S+) *= *(.*)$/gm))
      host.machine.kernel[`/proc/sys/${key.replaceAll(".", "/")}`] = value;
  },
  "activate-udev"(host, [attribute = "", value = "", ...devices]) {
    for (const device of devices) {
      const file = `/sys/class/block/${host.device(device).slice("/dev/".length)}/${attribute}`;
      if (!(file in host.machine.kernel)) continue;
      host.rememberKernel(file);
      host.machine.kernel[file] = value;
    }
  },
  "restore-kernel-values"({ machine }, kernelFiles) {
    for (const file of kernelFiles) {
      const line = machine.ledger.find((one) => one.startsWith(`kernel ${file} `));
      if (line === undefined) continue;
      machine.kernel[file] = line.slice(`kernel ${file} `.length);
      machine.ledger = machine.ledger.filter((one) => one !== line);
    }
  },
  "mount-entry"(host, [target = "", action, expected], text) {
    if (host.fstabHash() !== expected)
      throw new Failure("/etc/fstab was changed by someone else just now; run again", 75);
    if (!host.isMounted(target)) {
      host.makeFolder(target);
      if (Object.keys(host.machine.files).some((path) => path.startsWith(`${target}/`)))
        throw new Failure(`${target} is not empty`, 1);
      host.remember(`immutable ${target}`);
    }
    host.machine.files["/etc/fstab"]!.content = text;
    if (action !== "none") host.mount(target);
  },
  "unmount-entry"(host, [target = "", expected], text) {
    if (host.fstabHash() !== expected)
      throw new Failure("/etc/fstab was changed by someone else just now; run again", 75);
    if (host.machine.mounts.some((mount) => mount.target.startsWith(`${target}/`)))
      throw new Failure(`umount: ${target}: target is busy.`, 32);
    host.machine.mounts = host.machine.mounts.filter((mount) => mount.target !== target);
    host.machine.files["/etc/fstab"]!.content = text;
    host.machine.ledger = host.machine.ledger.filter((line) => line !== `immutable ${target}`);
    host.removeFolder(target);
  },
  "install-timer"(host, [name = "", timer = "", service = ""]) {
    const status = { owner: "root", group: "root", mode: "644" };
    host.write(`/etc/systemd/system/${name}.timer`, timer, status);
    host.write(`/etc/systemd/system/${name}.service`, service, status);
    host.machine.units[`${name}.timer`] = { fileState: "enabled", activeState: "active", needsReload: false };
  },
  "print-nfs-cache"({ machine }, [path = ""]) {
    const bytes = machine.files[path]?.bytes ?? "-";
    return `${bytes} ${bytes} ${dirname(path) in machine.files ? 10 ** 12 : "-"}\n`;
  },
  "install-nfs-cache"(host, [file = "", bytes, mountPoint = "", mount = "", service = "", conf = "", ...texts]) {
    host.makeFolder(mountPoint);
    host.write(file, "", { owner: "root", group: "root", mode: "600" });
    host.machine.files[file]!.bytes = Number(bytes);
    for (const [index, path] of [conf, `${UNITS}/${mount}`, `${UNITS}/${service}`].entries())
      host.write(path, texts[index] ?? "", { owner: "root", group: "root", mode: "644" });
    host.machine.units[mount] = { fileState: "static", activeState: "active", needsReload: false };
    host.machine.units[service] = { fileState: "enabled", activeState: "active", needsReload: false };
  },
  "remove-nfs-cache"(host, [file = "", mountPoint = "", mount = "", service = "", conf = ""]) {
    for (const path of [file, conf, `${UNITS}/${mount}`, `${UNITS}/${service}`]) host.remove(path);
    for (const unit of [mount, service]) delete host.machine.units[unit];
    host.removeFolder(mountPoint);
  },
  "remove-timer"(host, [name = "", ...hows]) {
    for (const [index, ending] of ["timer", "service"].entries()) {
      const unit = `${name}.${ending}`;
      host.takeAway(`/etc/systemd/system/${unit}`, hows[index] ?? "");
      const before = host.machine.ledger.filter(
        (line) => line === `active ${unit}` || line.endsWith(`/${unit} ${unit}`),
      );
      if (hows[index] !== "leave") delete host.machine.units[unit];
      if (hows[index] !== "leave" && before.length > 0)
        host.machine.units[unit] = {
          fileState: before.some((line) => line.startsWith("link ")) ? "enabled" : "disabled",
          activeState: before.includes(`active ${unit}`) ? "active" : "inactive",
          needsReload: false,
        };
      host.machine.ledger = host.machine.ledger.filter((line) => !before.includes(line));
    }
  },
};

/** What several tools have in common. */
class Commands {
  readonly machine: Machine;
  readonly #happened: (accident: string) => void;

  constructor(machine: Machine, happened: (accident: string) => void) {
    this.machine = machine;
    this.#happened = happened;
  }

  uuid(): string {
    return `uuid-${++this.machine.uuids}`;
  }

  contentOf(path: string): string {
    return this.machine.files[path]?.content ?? "";
  }

  device(path: string): string {
    const device = this.machine.links[path] ?? path;
    if (!(device in this.machine.devices)) throw new Failure("", 1);
    return device;
  }

  /** The links that udev makes. */
  links(): string {
    const byLabel = Object.entries(this.machine.signatures).flatMap(([device, { label, uuid }]) => [
      ...(label === null ? [] : [[`/dev/disk/by-label/${label}`, device]]),
      [`/dev/disk/by-uuid/${uuid}`, device],
    ]);
    return [...Object.entries(this.machine.links), ...byLabel].map(([path, target]) => `${path}\t${target}\n`).join("");
  }

  source(source: string): string {
    const [, key, value] = /^(LABEL|UUID)=(.*)$/.exec(source) ?? [];
    if (value === undefined) return this.device(source);
    const found = Object.entries(this.machine.signatures).find(
      ([, signature]) => (key === "LABEL" ? signature.label : signature.uuid) === value,
    );
    if (found === undefined) throw new Failure("", 1);
    return found[0];
  }

  volumesOf(group: string) {
    return Object.entries(this.machine.links)
      .filter(([path]) => path.startsWith(`/dev/${group}/`))
      .map(([path, device]) => ({
        lv_name: path.slice(`/dev/${group}/`.length),
        lv_uuid: this.machine.devices[device]?.uuid,
        lv_size: this.machine.devices[device]?.bytes,
        lv_layout: "linear",
        lv_role: "public",
        lv_active: "active",
        lv_skip_activation: "",
        lv_health_status: "",
        origin: "",
      }));
  }

  lvmReport(): string {
    const pvs = (devices: string[]) =>
      devices.map((name) => ({
        pv_name: name,
        pv_major: this.numberOf(name).split(":")[0],
        pv_minor: this.numberOf(name).split(":")[1],
        pv_missing: "",
        pv_uuid: this.machine.signatures[name]?.uuid,
        dev_size: this.machine.devices[name]?.bytes,
        pv_size: this.machine.signatures[name]?.bytes,
        pe_start: 4_194_304,
        pv_used: 0,
        pv_free: 0,
        pv_tags: Object.values(this.machine.volumeGroups).some(({ tagged = [] }) => tagged.includes(name))
          ? "jts-storage"
          : "",
      }));
    const groups = Object.entries(this.machine.volumeGroups);
    const used = groups.flatMap(([, { devices }]) => devices);
    const unused = Object.keys(this.machine.signatures).filter(
      (device) => this.machine.signatures[device]?.type === "LVM2_member" && !used.includes(device),
    );
    return JSON.stringify({
      report: [
        ...groups.map(([name, { uuid, extentBytes, devices }]) => ({
          vg: [
            {
              vg_name: name,
              vg_uuid: uuid,
              vg_extent_size: extentBytes,
              vg_extent_count: 953_860,
              vg_free_count: 0,
              max_pv: 0,
              max_lv: 0,
              vg_exported: "",
              vg_permissions: "writeable",
              vg_extendable: "extendable",
              vg_shared: "",
              vg_clustered: "",
            },
          ],
          pv: pvs(devices),
          lv: this.volumesOf(name),
        })),
        ...(unused.length > 0 ? [{ pv: pvs(unused) }] : []),
      ],
    });
  }

  extents(group: string, bytes: number): number {
    const { extentBytes } = this.machine.volumeGroups[group]!;
    return Math.ceil(bytes / extentBytes) * extentBytes;
  }

  sign(path: string, type: string, label: string | null): void {
    const device = this.device(path);
    const before = this.machine.signatures[device];
    if (before !== undefined) this.#happened(`the ${before.type} on ${device} was overwritten`);
    this.machine.signatures[device] = { type, label, uuid: this.uuid(), bytes: this.machine.devices[device]!.bytes };
  }

  mustBeFree(device: string): void {
    if (this.machine.mounts.some(({ source }) => source === device)) throw new Failure("Device or resource busy");
  }

  numberOf(device: string): string {
    return device.startsWith("/dev/dm-")
      ? `253:${device.slice("/dev/dm-".length)}`
      : `8:${Object.keys(this.machine.devices).indexOf(device)}`;
  }

  isMounted(target: string): boolean {
    return this.machine.mounts.some((mount) => mount.target === target);
  }

  fstabHash(): string {
    return createHash("sha256").update(this.contentOf("/etc/fstab")).digest("hex");
  }

  mount(target: string): void {
    const { source, type, options } = findEntry(this.contentOf("/etc/fstab"), target)!.entry;
    const others = this.machine.mounts.filter((mount) => mount.target !== target);
    const flags = options.filter((option) => /^(ro|noatime|nosuid|nodev|noexec)$/.test(option));
    const own = options
      .filter((option) => !flags.includes(option) && !/^(defaults|bind|rw|nofail|_netdev|x-.*)$/.test(option))
      .map((option) => option.replace(/^rsize=.*/, "rsize=65536"));
    const row = {
      target,
      fstype: type,
      fsroot: "/",
      "vfs-options": ["rw", ...flags].join(),
      "fs-options": ["rw", ...own].join(),
    };
    if (options.includes("bind")) {
      const holder = others
        .filter((mount) => mount.target === "/" || `${source}/`.startsWith(`${mount.target}/`))
        .at(-1)!;
      others.push({
        ...holder,
        target,
        fsroot: source.slice(holder.target.length - (holder.target === "/" ? 1 : 0)) || "/",
      });
    } else if (type === "nfs") {
      others.push({ ...row, source, "maj:min": "0:40" });
    } else {
      const device = this.source(source);
      others.push({ ...row, source: device, "maj:min": this.numberOf(device) });
    }
    this.machine.mounts = others;
  }

  rememberKernel(file: string): void {
    if (!this.machine.ledger.some((line) => line.startsWith(`kernel ${file} `)))
      this.remember(`kernel ${file} ${this.machine.kernel[file]}`);
  }

  makeFolder(path: string): void {
    if (path in this.machine.files) return;
    this.makeFolder(dirname(path));
    this.remember(`directory ${path}`);
    this.machine.files[path] = { ...folder };
  }

  removeFolder(path: string): void {
    if (this.machine.ledger.includes(`immutable ${path}`)) return;
    if (this.machine.ledger.includes(`directory ${path}`)) {
      if (Object.keys(this.machine.files).some((other) => other.startsWith(`${path}/`))) {
        if (!this.machine.ledger.some((line) => /^(directory|file) /.test(line) && line.includes(` ${path}/`)))
          this.#forget(`directory ${path}`);
        return;
      }
      delete this.machine.files[path];
      this.#forget(`directory ${path}`);
    }
    if (this.machine.ledger.includes(`directory ${dirname(path)}`)) this.removeFolder(dirname(path));
  }

  write(path: string, content: string, status: { owner: string; group: string; mode: string }): void {
    this.makeFolder(dirname(path));
    if (!(path in this.machine.files)) this.remember(`file ${path}`);
    if (this.machine.ledger.includes(`replaced ${path}`)) this.remember(writtenLine(path, content));
    this.machine.files[path] = { type: "regular file", ...status, content };
  }

  remove(path: string): void {
    if (this.machine.ledger.includes(`file ${path}`)) delete this.machine.files[path];
    this.#forget(`file ${path}`);
    this.removeFolder(dirname(path));
  }

  /** Keeps what another has at a path, which is ours from now on. */
  keep(path: string): void {
    if (this.machine.ledger.includes(`replaced ${path}`)) return;
    this.machine.kept[path] = { ...this.machine.files[path]! };
    for (const line of [`replaced ${path}`, `file ${path}`]) this.remember(line);
  }

  /** Removes what is at a path of ours, or what `how` says instead. */
  takeAway(path: string, how: string): void {
    const { files, kept } = this.machine;
    if (how === "put-back") {
      files[path] = kept[path]!;
      delete kept[path];
    }
    if (how === "put-back" || how === "leave") this.#forget(`file ${path}`);
    this.machine.ledger = this.machine.ledger.filter(
      (line) => line !== `replaced ${path}` && !line.startsWith(`written ${path} `),
    );
    this.remove(path);
  }

  /** Adds a line to the ledger. */
  remember(line: string): void {
    if (!this.machine.ledger.includes(line)) this.machine.ledger.push(line);
  }

  #forget(line: string): void {
    this.machine.ledger = this.machine.ledger.filter((one) => one !== line);
  }
}
