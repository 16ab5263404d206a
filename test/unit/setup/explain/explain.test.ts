import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseDocument } from "yaml";
import { explain, type Explanation } from "../../../../setup/explain/explain.ts";
import { renderExplanation } from "../../../../setup/explain/markdown.ts";
import { printExplanation } from "../../../../setup/explain/text.ts";
import { ROOT } from "../../../../setup/project.ts";
import { readStack } from "../../../../setup/stackFile.ts";

const LAB = ["config", "jts-storage:hosts", "lab"];
let folder: string;

/** What is explained of stack dev's host, with some of its keys changed. */
async function explainDev(
  changes: readonly (readonly [path: readonly string[], value: unknown])[],
): Promise<Explanation> {
  const document = parseDocument(await readFile(join(ROOT, "Pulumi.dev.yaml"), "utf8"));
  for (const [path, value] of changes)
    if (value === undefined) document.deleteIn([...LAB, ...path]);
    else document.setIn([...LAB, ...path], value);
  const file = join(
    folder,
    `${changes
      .map(([path, value]) => `${path.join()}=${String(value)}`)
      .join()
      .replaceAll("/", "-")}.yaml`,
  );
  await writeFile(file, document.toString());
  return explain((await readStack(file, []))[0]!);
}

let wipe: Explanation;
let retain: Explanation;
let protect: Explanation;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-explain-"));
  [wipe, retain, protect] = await Promise.all([
    explainDev([]),
    explainDev([
      [["onDelete"], "retain"],
      [["warm", "device", "path"], "/dev/sda2"],
      [["warm", "device", "serial"], undefined],
      [["warm", "mountOverFiles"], true],
      [["hot", "snapshotReserve"], 0],
    ]),
    explainDev([[["onDelete"], "protect"]]),
  ]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const outcomes = ({ destroy }: Explanation, outcome: string) =>
  destroy.filter((one) => one.outcome === outcome).map(({ what }) => what);

describe("what is explained of a host", () => {
  it("says what a destroy does to data, by onDelete", () => {
    const data = ["1 physical volume", "1 volume group", "7 logical volumes", "8 filesystems"];
    expect(outcomes(wipe, "wiped").sort()).toEqual(data);
    expect(outcomes(retain, "wiped")).toEqual([]);
    expect(outcomes(retain, "stays")).toEqual(expect.arrayContaining([...data, "7 accounts"]));
    expect(outcomes(protect, "refused").sort()).toEqual(data);
  });

  it("names what of a destroy interrupts services: mounts and timers", () => {
    const cut = wipe.destroy.filter(({ interrupts }) => interrupts).map(({ what }) => what);
    expect(cut).toEqual([
      "16 mounts with their lines in fstab",
      "1 NFS mount with its line in fstab",
      "7 timers with their services",
    ]);
  });

  it("warns of wiping, of devices that may change their names, of hidden files and of a small reserve", () => {
    const at = ({ risks }: Explanation) => risks.map((one) => `${one.risk} ${one.at}`);
    expect(at(wipe)[0]).toBe("destroys-data onDelete");
    expect(at(retain)).toEqual(
      expect.arrayContaining([
        "caution warm.device.path",
        "caution warm.mountOverFiles",
        "caution hot.snapshotReserve",
      ]),
    );
    expect(at(retain)).not.toContain("destroys-data onDelete");
  });

  it("counts the steps that write to a device, all of which prove first that it is blank", () => {
    expect(wipe.blank.proved).toHaveLength(9);
    expect(wipe.blank.resources).toBe(wipe.destroy.reduce((sum, { subjects }) => sum + subjects.length, 0));
  });

  it("is plain JSON with sizes in bytes", () => {
    expect(JSON.parse(JSON.stringify(wipe))).toEqual(JSON.parse(JSON.stringify(structuredClone(wipe))));
    expect(wipe.rooms[0]).toMatchObject({ tier: "hot", name: "vg_jts", bytes: 4_000_787_030_016 });
  });

  it("has all of it as text and as markdown, whose tables have as many cells in each row", () => {
    const text = printExplanation(wipe).join("\n");
    const markdown = renderExplanation(wipe).join("\n");
    for (const words of [
      "clickhouse",
      "1500 GiB",
      "/data/warm-storage",
      "192.168.1.101:/volume1/cocodev",
      "7 logical volumes",
    ])
      expect([text, markdown].map((one) => one.includes(words))).toEqual([true, true]);
    const cells = markdown.split("\n").map((line) => line.match(/(?<!\\)\|/g)?.length ?? 0);
    expect([...new Set(cells)].sort()).toEqual([0, 5]);
    expect(text.split("\n").filter((line) => / $/.test(line))).toEqual([]);
  });
});
