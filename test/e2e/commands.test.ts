/** What doctor, explain, drift and map say of a host is so, and nothing on the host changes while they look. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { ROOT } from "../../setup/project.ts";
import { LabStack, unverified } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command, { timeoutSeconds: 900 })).stdout;

let stack: LabStack;
let folder: string;

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
  await stack.configure(unverified);
  folder = await mkdtemp(join(tmpdir(), "jts-commands-"));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command of the package on the stack's configuration. */
async function run(command: string, ...words: readonly string[]) {
  const file = join(ROOT, `commands/${command}.ts`);
  const began = Date.now();
  const { exitCode, stdout, stderr } = await execa("node", [file, "--config-file", stack.configFile, ...words], {
    reject: false,
  });
  return { exitCode, stdout, stderr, seconds: (Date.now() - began) / 1000 };
}

/** The host's storage, settings and accounts, and its files that changed since `since`. */
const host = (since: string) =>
  on(`
    cat /etc/fstab /etc/passwd /etc/group
    findmnt --list --output TARGET,SOURCE,FSTYPE,OPTIONS | sort
    lvm fullreport --reportformat json
    systemctl list-unit-files --state=enabled --no-legend
    sysctl net.core
    find / -xdev \\( -path /var/log -o -path /var/cache -o -path /var/tmp -o -path /tmp -o -path /root \\
      -o -path /var/lib/systemd -o -path /etc/lvm -o -path /var/lib/nfs \\) -prune -o -newer ${since} -not -type d -print
  `);

/** From here on, files that change are found. */
async function mark(): Promise<string> {
  await on("touch /run/commands-marker; sleep 1");
  return "/run/commands-marker";
}

describe("doctor", { timeout: 10 * 60_000 }, () => {
  interface Row {
    readonly state: string;
    readonly subject: string;
    readonly found: string;
    readonly next?: string;
  }

  async function examine() {
    const { stdout, ...rest } = await run("doctor", "--json");
    const { lab: found } = JSON.parse(stdout) as { lab: { ok: boolean; rows: readonly Row[] } };
    return { ...found, ...rest };
  }

  it("finds nothing in the way on a blank host, and changes nothing", async () => {
    const since = await mark();
    const before = await host(since);
    const { ok, rows, exitCode } = await examine();
    expect([ok, exitCode, rows.filter(({ state }) => !["ok", "advice"].includes(state))]).toEqual([true, 0, []]);
    expect(rows.map(({ subject }) => subject)).toEqual(expect.arrayContaining(["release", "fstab", "mount points"]));
    expect(await host(since)).toBe(before);
  });

  it("names all that stands in the way in one run, in time, also beside a disk that hangs", async () => {
    await stack.configure((settings) => {
      settings.warm = { ...(settings.warm as object), device: { path: "/dev/mapper/hung" } };
    });
    await on(`
      dmsetup create hung --table "0 $(blockdev --getsz ${lab.SATA_PARTITION_PATH}) linear ${lab.SATA_PARTITION_PATH} 0"
      udevadm settle
      dmsetup suspend --nolockfs hung
      mkdir --parents /data/warm-storage && touch /data/warm-storage/somebodys
      chattr +i /etc/fstab
      date --set '+2 hours' >/dev/null
      systemd-run --quiet --unit=holds-apt python3 -c '
import fcntl, time
with open("/var/lib/dpkg/lock-frontend", "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    time.sleep(3600)'
    `);
    await lab.freeze("nas");
    try {
      const { ok, rows, exitCode, seconds, stderr } = await examine();
      const of = (state: string) =>
        rows.filter((row) => row.state === state).map(({ subject, found }) => `${subject}: ${found}`);
      expect([ok, exitCode]).toEqual([false, 1]);
      // Its questions have 180 s, after at most 60 s to get in.
      expect(seconds).toBeLessThan(270);
      expect(of("FAILED")).toEqual(
        expect.arrayContaining([
          expect.stringMatching(/^clock: 7\d{3} s ahead of this machine$/),
          "fstab: is immutable",
          expect.stringMatching(/^mount point \/data\/warm-storage: is not empty/),
          expect.stringMatching(/^NAS /),
        ]),
      );
      expect(of("advice")).toContainEqual(expect.stringMatching(/^apt: python3 .* holds .*lock-frontend/));
      // What hangs is named: in the rows, and while one waits.
      expect(of("FAILED")).toContainEqual(
        expect.stringMatching(/^warm-fs: .*no answer in time to: .*\/dev\/mapper\/hung$/),
      );
      expect(stderr).toMatch(/^lab: waits for /m);
      for (const { next, ...row } of rows.filter(({ state }) => state === "FAILED"))
        expect(next, JSON.stringify(row)).toMatch(/\S/);
    } finally {
      await lab.thaw("nas");
      await on(`
        dmsetup resume hung
        systemctl stop holds-apt
        date --set '-2 hours' >/dev/null
        chattr -i /etc/fstab
        rm --recursive /data/warm-storage
        for _ in {1..60}; do dmsetup remove hung && break; sleep 1; done
      `);
      await stack.configure(unverified);
    }
    expect((await examine()).ok).toBe(true);
  });
});

describe("a host that the script of `explain --shell` made", { timeout: 20 * 60_000 }, () => {
  it("is as an `up` would make it: nothing differs from what is declared", async () => {
    const { stdout: script, exitCode } = await run("explain", "--shell");
    expect(exitCode).toBe(0);
    await lab.run("storage-host", "bash -s", { stdin: script, timeoutSeconds: 900 });
    const drift = await run("drift", "--json");
    expect(JSON.parse(drift.stdout)).toMatchObject({ verdict: "none", hosts: { lab: { drift: [] } } });
    expect(drift.exitCode).toBe(0);
  });

  it("refuses to be made again over what it holds, by the same script", async () => {
    const { stdout: script } = await run("explain", "--shell");
    const since = await mark();
    const before = await host(since);
    const again = await lab
      .run("storage-host", "bash -s", { stdin: script, timeoutSeconds: 300 })
      .then(() => "succeeded", String);
    expect(again).not.toBe("succeeded");
    expect(await host(since)).toBe(before);
  });

  it("is taken over by `up`, which changes nothing on it", { tags: ["long"] }, async () => {
    const since = await mark();
    const before = await host(since);
    const { changes, said } = await stack.up();
    expect(Object.keys(changes)).toEqual(["create"]);
    expect(said).toContain("was there already, just as declared: it is this stack's now.");
    expect(await host(since)).toBe(before);
    expect((await stack.up({ refresh: true })).changes).toEqual({});
  });
});

describe("drift and map", { timeout: 10 * 60_000 }, () => {
  interface Finding {
    readonly class: string;
    readonly keys: readonly string[];
    readonly next: readonly string[];
  }

  it("name what differs by the configuration's keys, in three classes, and change nothing", async () => {
    // XFS takes logbufs= only when it is mounted.
    await on(`
      chmod 700 /var/lib/mongodb/data
      umount /data/jts/hot/redis
      umount /data/jts/hot/kafka /var/lib/kafka
      mount --types xfs --options noatime,logbufs=4 /dev/vg_jts/lv_kafka /var/lib/kafka && mount /data/jts/hot/kafka
      cp /etc/fstab /root/fstab.before
      echo '/dev/sdx9 /data/warm-storage ext4 defaults 0 0' >>/etc/fstab
      systemctl start storage-health.service || true
    `);
    const since = await mark();
    const before = await host(since);
    const markdown = join(folder, "drift.md");
    const { stdout, exitCode } = await run("drift", "--json", "--markdown", markdown);
    const report = JSON.parse(stdout) as { verdict: string; hosts: { lab: { drift: readonly Finding[] } } };
    const of = (wanted: string) =>
      report.hosts.lab.drift.filter((one) => one.class === wanted).flatMap(({ keys }) => keys);
    expect([report.verdict, exitCode]).toEqual(["needs-a-person", 4]);
    expect(of("needs-a-person")).toEqual(["warm.mountPoint"]);
    expect(of("interrupts-service")).toEqual(["hot.volumes.kafka.mountPoint"]);
    expect(of("heals-itself").sort()).toEqual(["hot.tree", "hot.volumes.mongodb.folders"]);
    expect(await readFile(markdown, "utf8")).toContain("warm");

    const map = join(folder, "map.html");
    expect(await run("map", "--output", map)).toMatchObject({ exitCode: 0 });
    const page = await readFile(map, "utf8");
    for (const words of ["lv_postgres", "/data/warm-storage", /\d % of 7\d\d GiB used/, /Health: \w+, as reported/])
      expect(page).toMatch(words);
    expect(await host(since)).toBe(before);
    await on("cp /root/fstab.before /etc/fstab");
  });

  it("find nothing any more once it is as declared", async () => {
    await on(`
      chmod 750 /var/lib/mongodb/data
      mount /data/jts/hot/redis
      umount /data/jts/hot/kafka /var/lib/kafka
      mount /var/lib/kafka && mount /data/jts/hot/kafka
    `);
    expect((await run("drift")).exitCode).toBe(0);
  });
});
