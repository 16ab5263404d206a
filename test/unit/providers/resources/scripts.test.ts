import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../../providers/facts/scripts.ts";
import { scripts, type Seen } from "../../../../providers/resources/scripts.ts";
import { sha256 } from "../../../../providers/values/sha256.ts";
import { ROOT } from "../../../../setup/project.ts";

type Inputs = Parameters<typeof scripts.plan>[0];

const FOLDER = "/usr/local/lib/jts-storage";
const LINK = "/usr/local/bin/jts-storage-monitor.sh";
const FILES = ["jts-storage-monitor.sh", "jts_storage/mover.py"];
const textOf = (file: string) => readFileSync(join(ROOT, "scripts", file), "utf8");
const desired: Inputs = {
  host: "h",
  path: FOLDER,
  files: Object.fromEntries(FILES.map((file) => [file, sha256(textOf(file))])),
  link: LINK,
};
const roots = { owner: "root", group: "root", mode: "755" };
const MADE = [...FILES.map((file) => `file ${FOLDER}/${file}`), `file ${LINK}`];

/** A host as declared, but for some paths; null: nothing is there. */
function seen(changes: Readonly<Record<string, Partial<Entry> | null>> = {}, more: Partial<Seen> = {}): Seen {
  const entries = new Map<string, Entry>([
    [FOLDER, { type: "directory", ...roots }],
    [`${FOLDER}/jts_storage`, { type: "directory", ...roots }],
    [LINK, { type: "symbolic link", ...roots, mode: "777" }],
    ...FILES.map((file): [string, Entry] => [
      `${FOLDER}/${file}`,
      { type: "regular file", ...roots, sha256: desired.files[file]! },
    ]),
  ]);
  for (const [path, change] of Object.entries(changes))
    if (change === null) entries.delete(path);
    else entries.set(path, { ...entries.get(path)!, ...change });
  return { entries, leadsTo: `${FOLDER}/jts-storage-monitor.sh`, listed: [], made: new Set(MADE), ...more };
}
const plan = (...args: Parameters<typeof seen>) => {
  const { steps, refusals = [] } = scripts.plan(desired, seen(...args));
  return {
    steps: steps.map(({ summary }) => summary),
    refusals: refusals.map(({ found }) => found),
    args: steps.map(({ command }) => command.argv.slice(3)),
  };
};

describe("the plan of scripts", () => {
  it("sends only what differs, and names it: what is absent, changed, of others, or no file", () => {
    const { steps, args } = plan({ [`${FOLDER}/jts_storage/mover.py`]: { sha256: "0".repeat(64) } });
    expect(steps).toEqual(["install the scripts (jts_storage/mover.py is changed)"]);
    expect(args).toEqual([["install-scripts", FOLDER, LINK, "jts_storage/mover.py", textOf("jts_storage/mover.py")]]);
    const whyOf = (change: Partial<Entry> | null) => plan({ [`${FOLDER}/${FILES[1]}`]: change }).steps.join();
    expect([whyOf(null), whyOf({ mode: "777" }), whyOf({ owner: "eve" }), whyOf({ type: "symbolic link" })]).toEqual(
      ["absent", "root:root 777", "eve:root 755", "a symbolic link"].map(
        (why) => `install the scripts (jts_storage/mover.py is ${why})`,
      ),
    );
  });

  it("makes the link alone, and gives a folder back to root alone, where that is all", () => {
    expect(plan({ [LINK]: null }, { leadsTo: undefined })).toEqual({
      steps: [`install the scripts (${LINK} is absent)`],
      refusals: [],
      args: [["install-scripts", FOLDER, LINK]],
    });
    expect(plan({ [FOLDER]: { mode: "777" } }).steps).toEqual([
      "install the scripts (the folder isn't root's with mode 755)",
    ]);
  });

  it("gives a folder in it back to root with one of its files, since the program sets the folders of those", () => {
    const file = "jts_storage/mover.py";
    expect(plan({ [`${FOLDER}/jts_storage`]: { mode: "2755" } })).toEqual({
      steps: [`install the scripts (${file} is in a folder that isn't root's with mode 755)`],
      refusals: [],
      args: [["install-scripts", FOLDER, LINK, file, textOf(file)]],
    });
  });

  it("removes those of ours that are declared no more, and nothing that isn't in the ledger", () => {
    expect(plan({}, { made: new Set([...MADE, `file ${FOLDER}/old.sh`]) }).args).toEqual([
      ["remove-scripts", FOLDER, `${FOLDER}/old.sh`],
    ]);
  });

  it("takes over an earlier version's list, with its files that are declared no more", () => {
    const listed = [...FILES, "old.sh", ".manifest"].map((file) => `${FOLDER}/${file}`);
    expect(plan({}, { listed, made: new Set() }).args).toEqual([
      ["install-scripts", FOLDER, LINK],
      ["remove-scripts", FOLDER, `${FOLDER}/old.sh`],
    ]);
  });

  it("refuses what is in the way and isn't ours, all of it at once, with what would allow it", () => {
    expect(
      plan(
        {
          [`${FOLDER}/jts_storage/mover.py`]: { sha256: "0".repeat(64) },
          [`${FOLDER}/jts_storage`]: { type: "symbolic link" },
        },
        { made: new Set(), leadsTo: "/elsewhere" },
      ),
    ).toMatchObject({
      steps: [],
      refusals: [
        `${FOLDER}/jts_storage is a symbolic link`,
        `${FOLDER}/jts_storage/mover.py exists already and isn't ours`,
        `${LINK} exists already and isn't ours`,
      ],
    });
  });

  it("refuses a content that this package no longer has: in preview, and where the state has it and the host doesn't", () => {
    const other = { ...desired, files: { "jts-storage-monitor.sh": "1".repeat(64) } };
    expect(scripts.refuse?.(other).map(({ property }) => property)).toEqual(["files"]);
    expect(scripts.refuse?.(desired)).toEqual([]);
    expect(scripts.plan(other, seen()).refusals?.[0]).toMatchObject({
      found: expect.stringContaining("this package has another content of it than the state") as string,
      next: expect.stringContaining("pulumi up") as string,
    });
    expect(scripts.refuse?.({ ...desired, link: `${FOLDER}/a` }).map(({ property }) => property)).toEqual(["link"]);
  });
});

describe("the removal of scripts", () => {
  it("removes what the ledger has below the folder, and the link", () => {
    const { steps } = scripts.planDestroy(
      desired,
      seen({}, { made: new Set([...MADE, "file /usr/local/lib/theirs"]) }),
    );
    expect(steps.map(({ command }) => command.argv.slice(3))).toEqual([
      ["remove-scripts", FOLDER, LINK, ...FILES.map((file) => `${FOLDER}/${file}`)],
    ]);
    expect(scripts.planDestroy(desired, seen({}, { made: new Set() })).steps).toEqual([]);
  });
});
