/** Moves between the lab's real filesystems: killed, with the NAS cut, with no room left. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { ROOT } from "../../setup/project.ts";
import { hotWith, LabStack } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;
const attempt = async (command: string) => lab.run("storage-host", command, { mayFail: true });

const PACKAGE = "/usr/local/lib/jts-storage/jts_storage";
const TIERED = "/usr/local/lib/jts-storage/tiered-storage.sh";
/** Without a number of kills, as many as come in this time. */
const ENOUGH =
  process.env.JTS_STORAGE_KILLS === undefined
    ? "--kills 1000 --seconds 25"
    : `--kills ${process.env.JTS_STORAGE_KILLS}`;

interface Figures {
  readonly kills: number;
  readonly files: number;
  readonly losses: readonly string[];
}

/** On the host, so that a kill costs no SSH. */
async function torture(source: string, destination: string, ...options: string[]): Promise<Figures> {
  const figures = JSON.parse(
    await on(`
      python3 -B /run/torture/torture.py ${PACKAGE} ${source} ${destination} /run/torture ${ENOUGH} ${options.join(" ")}
    `),
  ) as Figures;
  console.log(`${source} → ${destination}: ${JSON.stringify(figures)}`);
  return figures;
}

let stack: LabStack;

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
  await stack.configure((host) => {
    const { warm, cold, automation } = host;
    hotWith({ redis: { size: "1GiB" } })(host);
    // Its timers must not come between.
    Object.assign(host, {
      warm,
      cold,
      automation: { ...(automation as object), onCalendar: "yearly", healthOnCalendar: "yearly" },
    });
  });
  await stack.up();
  await on("mkdir --parents /run/torture");
  await lab.run("storage-host", "cat >/run/torture/torture.py", {
    stdin: await readFile(join(ROOT, "test/support/moverTorture.py"), "utf8"),
  });
});

afterAll(async () => {
  await lab.thaw("nas");
  await stack.destroy();
});

describe("a move", { tags: ["long"] }, () => {
  it("from ext4 to btrfs, killed again and again, loses, doubles and changes no file", async () => {
    const { losses, kills } = await torture("/data/jts/hot/redis", "/data/warm-storage");
    expect(losses).toEqual([]);
    expect(kills).toBeGreaterThan(0);
  });

  it("from btrfs to NFS, killed again and again while the NAS comes and goes, loses, doubles and changes no file", async () => {
    const running = torture("/data/warm-storage", "/mnt/synology");
    let isOver = false;
    const over = running.finally(() => (isOver = true));
    let cuts = 0;
    try {
      while (!isOver) {
        await Promise.race([over, pause(8 + (cuts % 3))]);
        if (isOver) break;
        await lab.freeze("nas");
        cuts++;
        await pause(2);
        await lab.thaw("nas");
      }
    } finally {
      await lab.thaw("nas");
    }
    const { losses, kills } = await running;
    console.log(`The NAS was cut ${cuts} times.`);
    expect(losses).toEqual([]);
    expect(kills).toBeGreaterThan(0);
    expect(cuts).toBeGreaterThan(0);
  });

  it("to a small filesystem that runs full in between loses, doubles and changes no file", async () => {
    await on(`
      truncate --size=32M /run/torture/small &&
      mkfs.ext4 -q -m 0 /run/torture/small &&
      mount --mkdir -o loop /run/torture/small /mnt/small
    `);
    try {
      const { losses, kills } = await torture("/data/jts/hot/redis", "/mnt/small", "--full");
      expect(losses).toEqual([]);
      expect(kills).toBeGreaterThan(0);
    } finally {
      await on("umount /mnt/small; rmdir /mnt/small; rm /run/torture/small");
    }
  });

  it("ends by itself where the NAS hangs, leaves the source, and the next run finishes", async () => {
    await on(`
      mkdir --parents /data/warm-storage/daily-backups &&
      echo backup >/data/warm-storage/daily-backups/a.tar &&
      touch --date='40 days ago' /data/warm-storage/daily-backups/a.tar
    `);
    const move = [
      `python3 -I -B ${PACKAGE} move --source /data/warm-storage/daily-backups`,
      "--destination /mnt/synology/jts/archives/database --destination-mount /mnt/synology",
      "--older-than-days 30 --lock /run/torture/lock",
    ].join(" ");
    await lab.freeze("nas");
    try {
      // bash reports SIGALRM as 128 + 14.
      expect((await attempt(`bash -c '${move} --stall-seconds 5; exit $?'`)).exitCode).toBe(142);
      expect(await on("cat /data/warm-storage/daily-backups/a.tar")).toBe("backup");
      const { exitCode, stderr } = await attempt(`${TIERED} migrate`);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("nothing moves to cold: /mnt/synology does not answer");
    } finally {
      await lab.thaw("nas");
    }
    expect((await attempt(move)).exitCode).toBe(0);
    expect(await on("cat /mnt/synology/jts/archives/database/a.tar; ls -A /data/warm-storage/daily-backups")).toBe(
      "backup",
    );
  });

  it("brings the oldest of a warm tier above its mark to cold, and reports that as JSON and in the journal", async () => {
    await on(`
      for days in 2 3 4; do
        echo $days >/data/warm-storage/daily-backups/$days.tar
        touch --date="$days days ago" /data/warm-storage/daily-backups/$days.tar
      done
      jq '.automation += {warmHighPercent: 0.5, warmLowPercent: 0}' /etc/jts-storage/settings.json \\
        >/run/torture/settings.json
    `);
    const { stdout } = await attempt(`${TIERED} migrate --json --settings /run/torture/settings.json`);
    const { moves } = JSON.parse(stdout) as { moves: { from: string; to: string; sha256: string }[] };
    expect(moves.map(({ to }) => to)).toEqual(
      [2, 3, 4].map((days) => `/mnt/synology/jts/archives/database/${days}.tar`),
    );
    // Processes share the files, in no order.
    const journal = (await on("cat /var/lib/jts-storage/moves.jsonl"))
      .split("\n")
      .map((line) => JSON.parse(line) as { from: string })
      .slice(-3);
    expect(journal.sort((one, other) => one.from.localeCompare(other.from))).toMatchObject(moves);
  });

  it("is recalled from the NAS to the tier that it came from, and stays there", async () => {
    const path = "/data/warm-storage/daily-backups/4.tar";
    expect(await on(`${TIERED} recall ${path}`)).toContain(
      `recalled "/mnt/synology/jts/archives/database/4.tar" to "${path}"`,
    );
    expect(await on(`cat ${path}; ls -A /mnt/synology/jts/archives/database`)).toBe("4\n2.tar\n3.tar\na.tar");
    await attempt(`${TIERED} migrate --settings /run/torture/settings.json`);
    expect(await on(`cat ${path}; ${TIERED} where 4.tar`)).toMatch(/^4\n.*move .*\n.*recall .*\n"\/data\S+ is there$/);
  });

  it("has put nothing below a mount point on the root disk", async () => {
    await on("mount --mkdir --bind / /run/torture/root");
    try {
      expect(
        await on(`
          cd /run/torture/root &&
          find data/warm-storage data/warm mnt/synology data/jts/hot/redis var/lib/redis -mindepth 1
        `),
      ).toBe("");
    } finally {
      await on("umount /run/torture/root && rmdir /run/torture/root");
    }
  });
});

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
