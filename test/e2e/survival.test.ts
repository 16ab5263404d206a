/**
 * Whatever is cut, killed, away or full: an error that says what to do, nothing half-forgotten, and the next `up`
 * finishes.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import * as lab from "../../lab/lab.ts";
import { hotWith, LabStack, unverified, warmOnly, type HostSection } from "../support/labStack.ts";

/** Each takes some two minutes. */
const POWER_SERIES = Number(process.env.JTS_STORAGE_POWER_SERIES ?? 4);

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const fstab = () => on("sha256sum </etc/fstab");

/** Each volume, mount, line, account and folder there once, and nothing else of ours: all that a clean `up` makes. */
const inventory = async () => {
  // A session's folder goes when its shell has seen the connection's end, which may be after that of the engine.
  await vi.waitFor(async () => expect(await on("ls -d /run/jts-storage.?????????? 2>/dev/null || true")).toBe(""), {
    timeout: 60_000,
    interval: 500,
  });
  return on(`
    lvs --noheadings --options lv_name,lv_size vg_jts
    grep x-jts-storage /etc/fstab | sort
    findmnt --list --noheadings --types ext4,xfs,btrfs,nfs --output TARGET | sort
    sort /var/lib/jts-storage/made
    getent passwd | cut -d: -f1,6,7 | sort
    ls -R /usr/local/lib/jts-storage
    systemctl is-active tiered-storage.timer storage-health.timer fstrim-all.timer
    ls -A /etc /etc/systemd/system /run | grep -e jts-new -e fstab.jts -e jts-storage\\\\. || true
  `);
};

/** Every kind of resource, and few of each: what is cut is made anew ten times over. */
const small = (host: HostSection) => {
  host.hot = { ...(host.hot as object), volumes: { redis: { size: "1GiB" }, kafka: { size: "20GiB" } } };
  host.cold = { ...(host.cold as object), folders: ["archives"] };
  unverified(host);
};

let stack: LabStack;
/** Resources as the state has them; a provider's is the configuration itself. */
const resources = async () =>
  (await stack.state())
    .filter(({ type }) => !type.startsWith("pulumi:providers:"))
    .map(({ urn, inputs, outputs }) => ({ urn, inputs, outputs }))
    .sort((a, b) => a.urn.localeCompare(b.urn));

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
});

describe("an `up` that is cut again and again", { tags: ["long"] }, () => {
  interface Fault {
    readonly what: string;
    readonly happen: (isOver: () => boolean) => Promise<void>;
    readonly recover?: () => Promise<void>;
    /**
     * How many resources each `up` makes before its end; each goes on from where the last one was cut, the first one
     * from nothing.
     */
    readonly moments: readonly number[];
  }

  const faults: readonly Fault[] = [
    ...[
      [3, 6, 9],
      [8, 10],
      [2, 4, 12],
      [14, 5],
    ]
      .slice(0, POWER_SERIES)
      .map((moments) => ({
        what: "by losses of the machine's power",
        happen: () => lab.reboot("storage-host", { hard: true }),
        moments,
      })),
    {
      what: "by SIGKILL to its SSH connections",
      // One that has nothing to do just then is opened again, and nothing is lost.
      happen: async (isOver) => {
        while (!isOver()) {
          await stack.killConnections();
          await sleep(100);
        }
      },
      moments: [2, 3, 3],
    },
    {
      what: "by SIGKILL to the engine",
      happen: () => stack.killEngine(),
      recover: async () => {
        // Ours end by themselves.
        const ours = async () => (await stack.running()).filter((words) => /dynamic-provider|jts-ssh-/.test(words));
        await vi.waitFor(async () => expect(await ours()).toEqual([]), { timeout: 120_000, interval: 1000 });
        await stack.recover();
      },
      moments: [2, 3, 3],
    },
  ];

  /** What an `up` without any fault makes. */
  let clean: string;

  beforeAll(async () => {
    await stack.configure(small);
    await stack.up();
    clean = await inventory();
    await stack.destroy();
  });

  const finished = async () => {
    await stack.up({ refresh: true });
    expect(await inventory()).toBe(clean);
  };
  const destroyed = async () => {
    // An engine's end is its connections' end.
    await vi.waitFor(async () => expect(await stack.running()).toEqual([]), { timeout: 90_000, interval: 1000 });
    await stack.destroy();
    expect(
      await on(`
        wipefs --no-act ${lab.NVME_PATH} ${lab.SATA_PARTITION_PATH}
        test ! -e /var/lib/jts-storage
        grep -c x-jts-storage /etc/fstab || true
      `),
    ).toBe("0");
  };

  it.each(faults)(
    "$what after $moments resources is finished by the next one, nothing made twice, nothing forgotten",
    async ({ what, happen, recover, moments }) => {
      const cuts: number[] = [];
      let identities = new Map<string, string>();
      for (const moment of moments) {
        const error = await stack.upWithFault(moment, happen);
        await recover?.();
        // What was once in the state, with its UUID, is never made again.
        const now = new Map(
          (await stack.state()).flatMap(({ urn, outputs }) =>
            typeof outputs?.uuid === "string" ? [[urn, outputs.uuid] as const] : [],
          ),
        );
        for (const [urn, uuid] of identities) expect([urn, now.get(urn)]).toEqual([urn, uuid]);
        identities = now;
        // Some come to their end in spite of it.
        if (error !== undefined) cuts.push(moment);
      }
      await finished();
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
      await destroyed();
      console.log(`cut ${what} after these numbers of resources: ${cuts.join(", ")}`);
      expect(cuts.length).toBeGreaterThanOrEqual(moments.length / 2);
    },
  );
});

describe("two stacks that work on one host at the same time", { tags: ["long"] }, () => {
  it("wait for each other, say so, and each line of fstab is whole", async () => {
    const other = await LabStack.select({ name: "other" });
    await stack.configure(warmOnly());
    await other.configure(hotWith({ redis: { size: "1GiB" }, kafka: { size: "20GiB" } }));
    // Held until both wait for it.
    await on(`
      systemd-run --quiet --unit=writer flock /run/jts-storage.lock bash -c '
        inode=$(stat --format=%i /run/jts-storage.lock)
        until (($(grep --count -- "-> FLOCK.*:$inode " /proc/locks) == 2)); do sleep 0.2; done
      '
    `);
    const outcomes = await Promise.all([stack.up(), other.up()]);
    for (const { said } of outcomes) expect(said).toContain("another writer is at work there; waiting for it");
    expect(await on("grep --count x-jts-storage /etc/fstab; findmnt --verify >/dev/null; echo $?")).toBe("6\n0");
    expect(await Promise.all([stack.up({ refresh: true }), other.up({ refresh: true })])).toMatchObject([
      { changes: {} },
      { changes: {} },
    ]);
    await Promise.all([stack.destroy(), other.destroy()]);
    expect(await on("grep --count x-jts-storage /etc/fstab || true")).toBe("0");
  });
});

describe("a host that doesn't let us work", { tags: ["long"] }, () => {
  const OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUEmB3NIQFNsmo4Kd7wgO3T6Dm4vFf7vRk1Y0bqW";
  const connection = (change: Record<string, unknown>) => (host: HostSection) => {
    warmOnly()(host);
    host.connection = { ...(host.connection as object), ...change };
  };

  beforeAll(async () => {
    await stack.configure(warmOnly());
    await stack.up();
    await on(`
      useradd --create-home asked &&
      cp --recursive /home/jts/.ssh /home/asked/ &&
      chown --recursive asked:asked /home/asked/.ssh
      for name in console nologin; do
        useradd --create-home $name &&
        cp --recursive /home/jts/.ssh /home/$name/ &&
        chown --recursive $name:$name /home/$name/.ssh || exit
      done
      usermod --shell /usr/sbin/nologin nologin &&
      printf '%s\\n' 'Defaults:console requiretty' 'console ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/console
    `);
  });
  afterAll(async () => {
    await stack.configure(warmOnly());
    await stack.destroy();
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["another host key", { hostKey: OTHER_KEY }, /could not be reached: .*[Hh]ost key.*\n *Next: ssh /s],
    [
      "a user that it doesn't know",
      { user: "nobody-here" },
      /could not be reached: .*Permission denied.*\n *Next: ssh /s,
    ],
    ["a port where nobody answers", { port: 1 }, /could not be reached: .*refused.*\n *Next: ssh /s],
    [
      "a user of whom sudo wants a password",
      { user: "asked" },
      /asked can't become root without a password: .*\n *Next: visudo/s,
    ],
    [
      "a user whose sudo wants a terminal",
      { user: "console" },
      /sudo lets console in only from a terminal \(requiretty\): .*\n *Next: visudo.* !requiretty/s,
    ],
    [
      "a user without a login shell",
      { user: "nologin" },
      /nologin has no login shell: .*\n *Next: on the host: usermod --shell/s,
    ],
  ])("%s: an error with the next command to try, and state and host as before", async (_what, change, expected) => {
    const before = [await fstab(), await resources()];
    await stack.configure(connection(change));
    expect(await stack.refusal(() => stack.refresh({ runProgram: true }))).toMatch(expected);
    expect([await fstab(), await resources()]).toEqual(before);
  });

  // Not root's: these commands are run by root's too.
  it("one whose start-up files print and set things works as any other", async () => {
    const file = "/home/jts/.bashrc";
    await on(`
      if [ -e ${file} ]; then mv ${file} ${file}.away; fi
      printf '%s\\n' 'echo Welcome to $(hostname)' 'ls() { echo no; }; export -f ls' \\
        'export LC_ALL=xx_XX.UTF-8 BASH_ENV=${file}' 'set -x' >${file}
    `);
    try {
      await stack.configure(connection({ user: "jts" }));
      // A refresh connects as the last run of the program did: it needs one with this user first.
      expect(await stack.up()).toMatchObject({ changes: {} });
      expect(await stack.up({ refresh: true })).toMatchObject({ changes: {} });
    } finally {
      await on(`rm ${file}; if [ -e ${file}.away ]; then mv ${file}.away ${file}; fi`);
    }
  });

  it("one that hangs is given up within its timeout", async () => {
    await stack.configure(connection({ timeoutSeconds: 10 }));
    await stack.up();
    const before = await resources();
    const began = Date.now();
    // At its first words, before it connects: what it asks the lab before these would hang too.
    const error = await stack.upWithFault(0, () => lab.freeze("storage-host"), { refresh: true });
    const seconds = (Date.now() - began) / 1000;
    await lab.thaw("storage-host");
    expect(error?.message).toMatch(/could not be reached/);
    expect(seconds).toBeLessThan(60);
    expect(await resources()).toEqual(before);
  });

  it.each<[string, string, string, RegExp]>([
    [
      "without a tool",
      "mv /usr/bin/findmnt /usr/bin/findmnt.away",
      "mv /usr/bin/findmnt.away /usr/bin/findmnt",
      /could not read the mounts: exit code 127: .*findmnt: command not found.*\n *Next: install on the host what has findmnt/s,
    ],
    [
      "with a read-only root",
      "mount --options remount,ro /",
      "mount --options remount,rw /",
      /Read-only file system.*\n *Next: on the host: findmnt/s,
    ],
    [
      "with a full root",
      `
        fallocate --length $(($(stat --file-system --format='%f * %S' /) - 8 * 1048576)) /filler
        dd if=/dev/zero of=/filler2 bs=64k status=none || true
        df /
      `,
      "rm /filler /filler2",
      /No space left on device.*\n *Next: on the host: df/s,
    ],
  ])(
    "one %s: an error that says so, fstab whole, and the next `up` finishes",
    async (_what, breakIt, mendIt, expected) => {
      await stack.configure(warmOnly({ alsoAt: "/data/also" }));
      const before = await fstab();
      await on(breakIt);
      try {
        expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(expected);
        expect(await fstab()).toBe(before);
      } finally {
        await on(mendIt);
      }
      await stack.up({ refresh: true });
      expect(await on("findmnt --noheadings --output FSTYPE /data/also")).toBe("btrfs");
      await stack.configure(warmOnly());
      await stack.up();
    },
  );
});
