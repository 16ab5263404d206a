/**
 * Thirty days of a host in an hour. The clock is set on from one timer's time to the next; the timers do the rest. At
 * the end, everything that was written must be where the rules say, once, and no alarm was raised that was not real.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { ROOT } from "../../setup/project.ts";
import { LabStack, only, type HostSection } from "../support/labStack.ts";

const DAYS = 30;
/** The NAS doesn't answer during their runs. */
const AWAY = [11, 12, 13];
/** Somebody fills warm during this day, and empties it before the runs of the day after the next. */
const FULL = 17;
/** The volume of PostgreSQL is lost after this day's runs. */
const LOST = 22;
/** In these nights the clock stops at each run. In the others all three are due at once, as on a host that slept. */
const WATCHED = [0, 1, ...AWAY, FULL + 1, FULL + 2, LOST, LOST + 1];
const DAY_SECONDS = 86_400;
const LOGS_TO_WARM = 7;
const TICKS_TO_COLD = 5;
const QUOTES_ARCHIVED = 5;
const QUOTES_A_DAY = 500;
const SCRATCH_DELETED = 3;
const SNAPSHOTS_KEPT = 3;

const SCRIPTS = "/usr/local/lib/jts-storage";
const WARM = "/data/warm-storage";
const on = async (command: string, timeoutSeconds = 600) =>
  (await lab.run("storage-host", command, { timeoutSeconds })).stdout;

/** What the days use on the host: test/support/drill.sh. */
const drill = (command: string, timeoutSeconds = 1800) => on(`source /root/drill.sh; ${command}`, timeoutSeconds);

interface Finding {
  readonly level: string;
  readonly subject: string;
  readonly fact: string;
}

/** For each day, what its last health report found. */
const findings: Finding[][] = [];
const ledger: Record<string, string | number> = {};
let stack: LabStack;
/** The first day's midnight, in seconds since 1970. */
let start = 0;

/** Sets the clock on, to so many seconds after the beginning of a day, and waits for the runs that are due then. */
const runAt = (day: number, seconds: number, service: string) =>
  drill(`run_at ${service} ${start + day * DAY_SECONDS + seconds}`);

async function live(day: number): Promise<void> {
  const isAway = AWAY.includes(day);
  if (day === AWAY[0]) await lab.freeze("nas");
  if (day === AWAY.at(-1)! + 1) {
    await lab.thaw("nas");
    await on("timeout 600 ls /mnt/synology/jts");
  }
  if (!isAway) await lab.run("nas", `date --set=@${start + day * DAY_SECONDS}`);
  // A timer's random delay is at most 15 minutes.
  if (WATCHED.includes(day)) {
    await runAt(day, 16 * 60, "tiered-storage");
    await runAt(day, 2 * 3600 + 16 * 60, "lvm-backup");
  }
  await runAt(day, 5 * 3600 + 16 * 60, "nas-archival");
  await runAt(day, 6 * 3600 + 16 * 60, "storage-health");
  const report = JSON.parse(await on("cat /var/lib/jts-storage/health.json")) as { findings: Finding[] };
  findings[day] = report.findings.filter(({ level }) => level !== "ok");
  console.log(
    `day ${day}: ${findings[day].map(({ level, subject, fact }) => `${level} ${subject}: ${fact}`).join("; ") || "ok"}`,
  );
}

describe("thirty days", { tags: ["long"], timeout: 90 * 60_000 }, () => {
  beforeAll(async () => {
    await lab.blank();
    stack = await LabStack.select();
    await stack.configure((host: HostSection) => {
      only("hot", "warm", "cold", "automation")(host);
      host.hot = { ...(host.hot as object), volumes: { postgres: { size: "4GiB" }, kafka: { size: "4GiB" } } };
      host.automation = {
        backupVolumes: { postgres: "1GiB", kafka: "64MiB" },
        backupsToColdAfterDays: 10,
        // By default it is hourly: each step of the clock would bring one, and only the last one of a day counts here.
        healthOnCalendar: "*-*-* 06:00",
        incrementalBackups: {},
        logsToWarmAfterDays: LOGS_TO_WARM,
        tempAfterDays: SCRATCH_DELETED,
        warmSnapshotsKeptDays: SNAPSHOTS_KEPT,
        postgresArchive: [{ database: "postgres", table: "quotes", olderThanDays: QUOTES_ARCHIVED, then: "drop" }],
        developmentFolders: ["/home/jts/notebooks"],
        rules: [
          {
            name: "ticks",
            source: "/data/jts/hot/kafka/exports",
            olderThanDays: TICKS_TO_COLD,
            to: "cold",
            destination: "market-data/raw",
          },
        ],
      };
    });
    await stack.up();
    await lab.run("storage-host", "cat >/root/drill.sh", {
      stdin: await readFile(join(ROOT, "test/support/drill.sh"), "utf8"),
    });
    start = Number(await on("date --date='tomorrow 00:00' +%s"));
    await drill("begin", 600);
  });

  afterAll(async () => {
    await lab.thaw("nas");
    // Both clocks are a month ahead. The next test has a root disk without a trace of that.
    await drill("end").catch(() => undefined);
    await stack.destroy();
    await lab.reinstall();
    await lab.reboot("nas");
  });

  it("are lived through by the timers alone, with an absent NAS, a full warm tier and a lost volume", async () => {
    for (let day = 0; day < DAYS; day++) {
      await live(day);
      if (day === LOST) await loseAndRestore();
      await drill(`work ${day} ${start + day * DAY_SECONDS + 21 * 3600}`);
      if (day === FULL) await drill("fill_warm 95");
      if (day === FULL + 1) await on(`rm ${WARM}/filler`);
    }
  });

  it("every line and every file is where the rules say, exactly once", async () => {
    const today = DAYS - 1;
    const lines = await drill("count_lines");
    const { written, found, different } = JSON.parse(lines) as { written: number; found: number; different: number };
    Object.assign(ledger, { "log lines written": written, "log lines found": found });
    expect([found, different]).toEqual([written, written]);

    const places = JSON.parse(await drill("places")) as Record<string, { tier: string; right: boolean }[]>;
    for (let day = 0; day < today; day++) {
      const age = today - day - 1;
      expect([day, places[`ticks-${day}`]]).toEqual([
        day,
        [{ tier: age >= TICKS_TO_COLD ? "cold" : "hot", right: true }],
      ]);
      const logs = places[`server.log.${day}`];
      expect([day, logs?.length]).toEqual([day, 1]);
      if (age < LOGS_TO_WARM) expect([day, logs?.[0]?.tier]).toEqual([day, "hot"]);
      else expect([day, logs?.[0]?.tier]).toEqual([day, expect.stringMatching(/warm|cold/)]);
    }
    const totals = JSON.parse(await drill("totals")) as Record<string, number>;
    Object.assign(ledger, totals);
    expect(totals["increments on warm"]).toBeGreaterThan(0);
  });

  it("old records are in PostgreSQL or in one archive, and what cleanup deleted last is in the newest snapshot", async () => {
    // The last run was in the morning of the last day.
    const archived = DAYS - 1 - QUOTES_ARCHIVED;
    expect(JSON.parse(await drill("records"))).toEqual({
      kept: (DAYS - archived) * QUOTES_A_DAY,
      archived: archived * QUOTES_A_DAY,
      archives: archived,
      tables: archived,
    });
    // The evening's file is that old in the night after so many days and one.
    const snapshots = Number(await drill(`snapshots ${DAYS - 1 - SCRATCH_DELETED - 1}`));
    expect([SNAPSHOTS_KEPT, SNAPSHOTS_KEPT + 1]).toContain(snapshots);
    Object.assign(ledger, { "records archived": archived * QUOTES_A_DAY, "snapshots of warm": snapshots });
  });

  it("what was archived comes back: a day's ticks, the newest dump, the newest archive, the copies of folders", async () => {
    expect(await drill("recall_ticks 3")).toBe("same");
    const [rows, restored] = (await drill("restore_dump")).split("\n");
    expect(restored).toBe(rows);
    expect(await drill("restore_quotes 3")).toBe(`${QUOTES_A_DAY}`);
    expect(await drill("compare_notebooks")).toBe("same");
    expect(
      await on(
        `${SCRIPTS}/lvm-backup.sh verify >/dev/null && ${SCRIPTS}/nas-archival.sh verify >/dev/null && echo whole`,
      ),
    ).toBe("whole");
    ledger["rows in PostgreSQL, and in its newest dump"] = rows ?? "";
  });

  it("no alarm was raised that was not real, and each that was real was raised", () => {
    const alarmed = Array.from({ length: DAYS }, (_, day) => day).filter((day) => findings[day]!.length > 0);
    const expected = [...AWAY, FULL + 1, LOST].sort((a, b) => a - b);
    ledger["days with alarms"] = alarmed.join(" ");
    console.table(ledger);
    expect(alarmed).toEqual(expected);
    for (const day of AWAY)
      expect(findings[day]).toContainEqual(expect.objectContaining({ level: "critical", subject: "cold" }));
    expect(findings[FULL + 1]).toContainEqual(expect.objectContaining({ subject: "warm" }));
  });
});

/** The volume is gone: an `up` makes it again, and the newest archive brings back what was on it. */
async function loseAndRestore(): Promise<void> {
  const rows = await drill("lose_volume");
  await on("systemctl start storage-health.service || true");
  const report = JSON.parse(await on("cat /var/lib/jts-storage/health.json")) as { level: string; findings: Finding[] };
  expect(report.level).toBe("critical");
  findings[LOST] = report.findings.filter(({ level }) => level !== "ok");
  await stack.up({ refresh: true });
  expect(await drill("restore_volume")).toBe(rows);
  ledger["rows restored with the lost volume"] = rows;
}
