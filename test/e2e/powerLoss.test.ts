/**
 * A loss of power while files move: what the disks may be left with, state by state, out of a log of all that was
 * written.
 */
import { appendFile, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LAB } from "../../lab/folders.ts";
import * as lab from "../../lab/lab.ts";
import { ROOT } from "../../setup/project.ts";

/** States that are tried of each series: each takes some 10 s on emulated processors. */
const POINTS = Number(process.env.JTS_STORAGE_POWER_POINTS ?? 12);
const TIMEOUT = 10 * 60_000 + POINTS * 40_000;

const HERE = "/var/tmp/power-loss";
/** All that each series said. */
const SAID = join(LAB, "power-loss.log");

interface Figures {
  readonly points: number;
  readonly pointsInTheMidst: number;
  readonly losses: number;
  readonly doubles: number;
  readonly unclean: readonly string[];
  readonly examples: readonly string[];
}

async function losePower(...options: string[]): Promise<Figures> {
  const { stdout, stderr, exitCode } = await lab.run(
    "storage-host",
    `python3 -B ${HERE}/powerLoss.py ${HERE}/jts_storage ${HERE} --points ${POINTS} ${options.join(" ")}`,
    { mayFail: true, timeoutSeconds: TIMEOUT / 1000 },
  );
  await appendFile(SAID, `${options.join(" ")}: exit code ${exitCode}\n${stderr}\n${stdout}\n`);
  if (exitCode !== 0) throw new Error(`exit code ${exitCode}; all is in ${SAID}\n${stderr}\n${stdout}`);
  console.log(`${options.join(" ")}: ${stdout}`);
  return JSON.parse(stdout) as Figures;
}

beforeAll(async () => {
  await lab.blank();
  await rm(SAID, { force: true });
  const { stdout } = await execa(
    "tar",
    ["--create", "--directory", join(ROOT, "scripts"), "--exclude=__pycache__", "jts_storage"],
    { encoding: "base64" },
  );
  await lab.run("storage-host", `mkdir --parents ${HERE} && base64 --decode | tar --extract --directory ${HERE}`, {
    stdin: stdout,
  });
  await lab.run("storage-host", `cat >${HERE}/powerLoss.py`, {
    stdin: await readFile(join(ROOT, "test/support/powerLoss.py"), "utf8"),
  });
});

afterAll(async () => {
  await lab.run("storage-host", `rm --recursive --force --one-file-system ${HERE}`);
});

describe("a loss of power while files move", { tags: ["long"] }, () => {
  it.each([
    ["btrfs", "as they are", ""],
    ["btrfs", "compressed", "--compress"],
    ["ext4", "as they are", ""],
    ["ext4", "compressed", "--compress"],
  ])(
    "from ext4 to %s, %s, leaves each file whole, and the next run has it on one tier",
    async (destination, _how, option) => {
      const { losses, examples, unclean, points, pointsInTheMidst } = await losePower(
        "--destination",
        destination,
        option,
      );
      expect({ losses, examples, unclean }).toEqual({ losses: 0, examples: [], unclean: [] });
      expect(points).toBeGreaterThan(0);
      expect(pointsInTheMidst).toBeGreaterThan(0);
    },
    TIMEOUT,
  );

  it(
    "is seen to lose files where the mover doesn't flush what it wrote",
    async () => {
      const { losses } = await losePower("--destination", "btrfs", "--without-flushes");
      expect(losses).toBeGreaterThan(0);
    },
    TIMEOUT,
  );
});
