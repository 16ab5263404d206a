/** What only the doctor asks of a host: facts as those of providers/facts/. All of them only look. */
import { z } from "zod";
import type { Fact } from "../../providers/facts/fact.ts";
import { cmd } from "../../providers/host/command.ts";
import { program } from "../../providers/programs/program.ts";
import { parseReply, printCall, type Procedure } from "./rpc.ts";

/** os-release(5), by its keys. */
export const osRelease: Fact<undefined, ReadonlyMap<string, string>> = {
  name: "the release of the operating system",
  about: [],
  command: () => cmd`cat /etc/os-release`,
  parse: ({ stdout }) =>
    new Map(
      stdout.split("\n").flatMap((line) => {
        const [, key = "", value = ""] = /^([A-Z_]+)=(?:"(.*)"|'(.*)'|(.*))$/.exec(line) ?? [];
        return key === "" ? [] : [[key, value || line.slice(key.length + 1).replaceAll(/["']/g, "")] as const];
      }),
    ),
};

/** The name of the process with the number 1. */
export const init: Fact<undefined, string> = {
  name: "process 1",
  about: [],
  command: () => cmd`cat /proc/1/comm`,
  parse: ({ stdout }) => stdout.trim(),
};

/** What systemd says of itself, see systemctl(1): running, degraded, starting, maintenance, … */
export const systemState: Fact<undefined, string> = {
  name: "systemd's state",
  about: [],
  // Only `running` has the exit code 0.
  command: () => ({ ...cmd`systemctl is-system-running`, okExitCodes: [0, 1] }),
  parse: ({ stdout, stderr }) => stdout.trim() || stderr.trim(),
};

/** The names of units that failed. */
export const failedUnits: Fact<undefined, readonly string[]> = {
  name: "the failed units",
  about: [],
  command: () => cmd`systemctl list-units --state=failed --output=json`,
  parse: ({ stdout }) =>
    z
      .array(z.object({ unit: z.string() }))
      .parse(JSON.parse(stdout))
      .map(({ unit }) => unit),
};

/** The mount namespaces of systemd and of our session. */
export const mountNamespaces: Fact<undefined, readonly string[]> = {
  name: "the mount namespaces",
  about: [],
  command: () => cmd`readlink /proc/1/ns/mnt /proc/self/ns/mnt`,
  parse: ({ stdout }) => stdout.trim().split("\n"),
};

/** The host's time, in milliseconds since 1970. */
export const clock: Fact<undefined, number> = {
  name: "the clock",
  about: [],
  command: () => cmd`date +%s%3N`,
  parse({ stdout }) {
    if (!/^\d{12,}\n$/.test(stdout)) throw new Error(`not a time: ${stdout.trim()}`);
    return Number(stdout);
  },
};

/** Whether the kernel's clock is kept by NTP, whatever program does it. */
export const isSynchronized: Fact<undefined, boolean> = {
  name: "whether the clock is synchronized",
  about: [],
  command: () => cmd`timedatectl show --property=NTPSynchronized`,
  parse({ stdout }) {
    const [, answer] = /^NTPSynchronized=(yes|no)$/m.exec(stdout) ?? [];
    if (answer === undefined) throw new Error(`it prints: ${stdout.trim()}`);
    return answer === "yes";
  },
};

/** The room of a filesystem. */
export interface Room {
  /** Its mount point. */
  readonly target: string;
  readonly sizeBytes: number;
  readonly freeBytes: number;
  /** Undefined: it makes them as needed. */
  readonly freeInodes: number | undefined;
}

/** The filesystems that these paths are on. */
export const room: Fact<readonly string[], readonly Room[]> = {
  name: "the room",
  about: [],
  command: (paths) => cmd`df --block-size=1 --output=size,avail,itotal,iavail,target -- ${paths}`,
  parse: ({ stdout }) => {
    const rows = stdout.trim().split("\n").slice(1);
    const rooms = rows.map((row) => {
      const [, size, free, inodes, freeInodes, target] = /^ *(\d+) +(\d+) +(\d+|-) +(\d+|-) +(.+)$/.exec(row) ?? [];
      if (target === undefined) throw new Error(`an odd line: ${row}`);
      const hasInodes = Number(inodes) > 0;
      return {
        target,
        sizeBytes: Number(size),
        freeBytes: Number(free),
        freeInodes: hasInodes ? Number(freeInodes) : undefined,
      };
    });
    return [...new Map(rooms.map((one) => [one.target, one])).values()];
  },
};

/** A lock on a file, and who holds it. */
export interface Lock {
  readonly path: string;
  readonly command: string;
  readonly pid: number;
}

/** All locks on files whose paths are known. */
export const locks: Fact<undefined, readonly Lock[]> = {
  name: "the locks",
  about: [],
  command: () => cmd`lslocks --json --output COMMAND,PID,PATH,BLOCKER`,
  parse({ stdout }) {
    // It prints nothing where there are none.
    if (stdout.trim() === "") return [];
    const text = z.string().nullable();
    const row = z.object({ command: text, pid: z.coerce.number(), path: text, blocker: z.unknown() });
    const { locks } = z.object({ locks: z.array(row) }).parse(JSON.parse(stdout));
    // One that is blocked holds nothing yet.
    return locks.flatMap(({ command, pid, path, blocker }) =>
      path === null || typeof blocker === "number" ? [] : [{ path, command: command ?? "?", pid }],
    );
  },
};

/** For how long a process runs, in seconds; undefined: it has ended. */
export const age: Fact<number, number | undefined> = {
  name: "the age of the process",
  about: [],
  command: (pid) => ({ ...cmd`ps -o etimes= -p ${pid}`, okExitCodes: [0, 1] }),
  parse: ({ stdout }) => (stdout.trim() === "" ? undefined : Number(stdout)),
};

/** What dpkg finds wrong with what is installed; empty: nothing. */
export const dpkgAudit: Fact<undefined, string> = {
  name: "dpkg's state",
  about: [],
  // Some versions end with 1 where they find something.
  command: () => ({ ...cmd`dpkg --audit`, okExitCodes: [0, 1] }),
  parse({ stdout, stderr, exitCode }) {
    if (exitCode !== 0 && stdout.trim() === "") throw new Error(stderr.trim());
    return stdout.trim();
  },
};

/** Whether an installation was cut, so that dpkg wants to go on with it first. */
export const isDpkgInterrupted: Fact<undefined, boolean> = {
  name: "dpkg's journal",
  about: [],
  command: () => cmd`find /var/lib/dpkg/updates -mindepth 1 -name ${"[0-9]*"} -print -quit`,
  parse: ({ stdout }) => stdout !== "",
};

/** What apt would do to install packages. */
export interface Installation {
  /** How many packages it would unpack. */
  readonly count: number;
  /** Why it can't; undefined: it can. */
  readonly refused: string | undefined;
}

/** What apt would do to install these packages, with the options of install-packages.sh. It takes no lock. */
export const simulatedInstallation: Fact<readonly string[], Installation> = {
  name: "what apt would install",
  about: [],
  command: (names) => ({
    ...cmd`apt-get --quiet=2 --simulate --no-remove --no-install-recommends -o APT::Get::AutomaticRemove=false -o APT::Cmd::Pattern-Only=true -o Debug::NoLocking=1 -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= install -- ${names}`,
    okExitCodes: [0, 100],
  }),
  parse: ({ stdout, stderr, exitCode }) => ({
    count: stdout.split("\n").filter((line) => line.startsWith("Inst ")).length,
    refused:
      exitCode === 0
        ? undefined
        : `${stdout}\n${stderr}`
            .split("\n")
            .filter((line) => /^(E:| [^ ]+ : (Depends|Conflicts|Breaks))/.test(line))
            .map((line) => line.trim().replace(/^E: /, ""))
            .join("; ") || stderr.trim(),
  }),
};

/** Errors in fstab as a whole, one each: the entry, and what is wrong. */
export const fstabErrors: Fact<undefined, readonly string[]> = {
  name: "what findmnt finds in fstab",
  about: [],
  command: () => ({ ...cmd`findmnt --verify`, okExitCodes: [0, 1] }),
  // There is no machine output: a line for each entry, and below it what is wrong, by the letters E and W.
  parse({ stdout, stderr }) {
    const errors: string[] = [];
    let entry = "/etc/fstab";
    for (const line of `${stdout}\n${stderr}`.split("\n")) {
      const [, letter, what] = /^\s*\[([EW])\] (.*)$/.exec(line) ?? [];
      if (letter === "E") errors.push(`${entry}: ${what}`);
      else if (letter === undefined && /^\S/.test(line)) entry = line.trim();
    }
    return errors;
  },
};

/** The attributes of a file, see lsattr(1); undefined where its filesystem has none. */
export const attributes: Fact<string, string | undefined> = {
  name: "the attributes",
  about: [],
  command: (path) => ({ ...cmd`lsattr -d -- ${path}`, okExitCodes: [0, 1] }),
  parse: ({ stdout, exitCode }) => (exitCode === 0 ? stdout.split(" ", 1)[0] : undefined),
};

/** The name of something in a folder; undefined: it is empty. */
export const firstInside: Fact<string, string | undefined> = {
  name: "what is in the folder",
  about: [],
  // As a pattern, a path might begin with a hyphen; ours begin with a slash.
  command: (folder) => cmd`find ${folder} -mindepth 1 -maxdepth 1 -printf ${"%f\\n"} -quit`,
  parse: ({ stdout }) => stdout.replace(/\n$/, "") || undefined,
};

/** A procedure of an RPC server, which the host calls. */
export interface Call {
  readonly server: string;
  readonly port: number;
  readonly procedure: Procedure;
}

/** What a server answers the host, or why there is no answer. */
export const rpc: Fact<Call, Buffer | Error> = {
  name: "the RPC server",
  about: [],
  command: ({ server, port, procedure }) => ({
    ...program("call-rpc", server, String(port), printCall(procedure)),
    okExitCodes: [0, 1, 2, 124],
  }),
  parse({ stdout, stderr, exitCode }) {
    if (exitCode === 124) return new Error("no answer in time");
    // bash says it twice, with its own names.
    if (exitCode !== 0)
      return new Error(
        stderr
          .trim()
          .split("\n")
          .at(0)
          ?.replace(/^.*?: (?=connect|\S+: Name)/, "") ?? "",
      );
    try {
      return parseReply(stdout);
    } catch (error) {
      return error as Error;
    }
  },
};
