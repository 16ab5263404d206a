import type { Command, Output } from "../../providers/host/command.ts";
import type { Answers, Host, Program } from "../../providers/host/host.ts";
import { FakeHost, nameOf, type Machine } from "./fakeHost.ts";

/** What a command prints, or its whole output. */
type Said = string | Output;

/** A reply of an RPC server that accepts the call: RFC 5531, with the words of the results. */
export const rpcReply = (...results: readonly number[]) =>
  [0x6a747300, 1, 0, 0, 0, 0, ...results].map((word) => word.toString(16).padStart(8, "0")).join("");

/** Exports in XDR: /volume1/cocodev to 192.168.1.0/24. */
const EXPORTED = [
  ...[1, 16, 0x2f766f6c, 0x756d6531, 0x2f636f63, 0x6f646576],
  ...[1, 14, 0x3139322e, 0x3136382e, 0x312e302f, 0x32340000, 0, 0],
];

/** What a sound host of Debian 12 answers, by the beginning of the command as it is typed; the first one counts. */
const SOUND: readonly (readonly [command: string, said: () => Said])[] = [
  ["cat /etc/os-release", () => 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'],
  ["cat /proc/1/comm", () => "systemd\n"],
  ["systemctl is-system-running", () => "running\n"],
  ["readlink /proc/1/ns/mnt", () => "mnt:[4026531841]\nmnt:[4026531841]\n"],
  ["date", () => `${Date.now()}\n`],
  ["timedatectl", () => "NTPSynchronized=yes\n"],
  [
    "df",
    () =>
      [
        "   1B-blocks       Avail Inodes IFree Mounted on",
        " 21474836480 16106127360 131072 98304 /",
        " 21474836480 16106127360 131072 98304 /",
        "   413097984   412508160 504270 503850 /run",
        "",
      ].join("\n"),
  ],
  ["lslocks", () => ""],
  ["lsattr", () => "--------------e------- /etc/fstab\n"],
  ["findmnt --verify", () => "Success, no errors or warnings detected\n"],
  ["dpkg --audit", () => ""],
  [
    "apt-get",
    () => "Inst lvm2 (2.03.16-2 Debian:12.5/stable [amd64])\nConf lvm2 (2.03.16-2 Debian:12.5/stable [amd64])\n",
  ],
  ["call-rpc 192.168.1.101 2049", () => rpcReply()],
  ["call-rpc 192.168.1.101 111", () => rpcReply(20048)],
  ["call-rpc 192.168.1.101 20048", () => rpcReply(...EXPORTED)],
  ["find /var/lib/dpkg/updates", () => ""],
];

/** A sound host, on a machine in memory; tests say what it answers otherwise. */
export class SoundHost implements Host {
  readonly name = "fake";
  readonly fake: FakeHost;
  readonly #otherwise: Readonly<Record<string, Said>>;

  /** @param otherwise by the beginning of the command as it is typed */
  constructor(machine: Machine, otherwise: Readonly<Record<string, Said>> = {}) {
    this.fake = new FakeHost(machine);
    this.#otherwise = otherwise;
  }

  async call(program: Program): Promise<Answers> {
    if (program.steps.length > 0) throw new Error("The doctor changes nothing.");
    return { steps: [], questions: await Promise.all(program.questions.map((one) => this.#answer(one))) };
  }

  async #answer(question: Command): Promise<Output> {
    const { argv } = question;
    const typed = argv[0] === "bash" ? [nameOf(question), ...argv.slice(4)].join(" ") : argv.join(" ");
    const other = Object.keys(this.#otherwise).find((beginning) => typed.startsWith(beginning));
    const said = other === undefined ? this.#sound(typed) : this.#otherwise[other];
    if (typeof said === "string") return { stdout: said, stderr: "", exitCode: 0 };
    return said ?? (await this.fake.call({ steps: [], questions: [question] })).questions[0]!;
  }

  #sound(typed: string): Said | undefined {
    const row = SOUND.find(([beginning]) => typed.startsWith(beginning));
    // All folders are empty.
    return row?.[1]() ?? (/^find \/(?!dev )/.test(typed) ? "" : undefined);
  }
}
