import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { Entry } from "../../../providers/facts/scripts.ts";
import { scripts } from "../../../providers/resources/scripts.ts";
import { sha256 } from "../../../providers/values/sha256.ts";
import { ROOT } from "../../../setup/project.ts";
import { exampleOf } from "../example.ts";
import { ledgerOf, optional, path, word } from "../generators.ts";

const SUMS = Object.fromEntries(
  ["storage-health.sh", "jts_storage/mover.py", "clickhouse/storage-policy.xml"].map((file) => [
    file,
    sha256(readFileSync(join(ROOT, "scripts", file))),
  ]),
);
const roots = { owner: "root", group: "root", mode: "755" };
const folderOf = (file: string) => file.slice(0, file.lastIndexOf("/"));

export const example = exampleOf(scripts, {
  least: {
    declared: { path: "/usr/local/lib/ours", files: SUMS, link: "/usr/local/bin/storage-health.sh" },
    added: {},
  },
  declared: { path: "/usr/local/lib/ours", files: SUMS, link: "/usr/local/bin/storage-health.sh" },
  drift({ files }) {
    files["/usr/local/lib/ours/jts_storage/mover.py"]!.content += "# edited\n";
    delete files["/usr/local/lib/ours/clickhouse/storage-policy.xml"];
    delete files["/usr/local/bin/storage-health.sh"];
  },
  drifted: {
    drift: [
      "install the scripts (jts_storage/mover.py is changed, clickhouse/storage-policy.xml is absent, " +
        "/usr/local/bin/storage-health.sh is absent)",
    ],
  },
  takesAnyText: ["path", "link"],

  inputs: fc.record({
    host: word,
    path,
    files: fc
      .subarray(Object.keys(SUMS), { minLength: 1 })
      .map((some) => Object.fromEntries(some.map((file) => [file, SUMS[file]!]))),
    link: path.map((folder) => `/links${folder}/storage-health.sh`),
  }),
  converged: ({ path: folder, files, link }) => ({
    entries: new Map<string, Entry>([
      [folder, { type: "directory", ...roots }],
      ...Object.entries(files).flatMap(([file, sum]): [string, Entry][] => [
        ...(file.includes("/")
          ? ([[`${folder}/${folderOf(file)}`, { type: "directory", ...roots }]] as [string, Entry][])
          : []),
        [`${folder}/${file}`, { type: "regular file", ...roots, sha256: sum }],
      ]),
      [link, { type: "symbolic link", ...roots, mode: "777" }],
    ]),
    leadsTo: `${folder}/${link.slice(link.lastIndexOf("/") + 1)}`,
    listed: [],
    made: new Set([`directory ${folder}`, `file ${link}`]),
  }),
  any({ path: folder, files, link }) {
    const paths = [folder, link, ...Object.keys(files).map((file) => `${folder}/${file}`)];
    const entry: fc.Arbitrary<Entry> = fc.record({
      type: fc.constantFrom("regular file", "directory", "symbolic link"),
      owner: fc.constantFrom("root", "nobody"),
      group: fc.constant("root"),
      mode: fc.constantFrom("755", "644"),
      sha256: fc.constantFrom(...Object.values(SUMS), "0".repeat(64)),
    });
    return fc.record({
      entries: fc
        .tuple(...paths.map((one) => optional(entry.map((seen) => [one, seen] as const))))
        .map((some) => new Map(some.filter((one) => one !== undefined))),
      leadsTo: optional(fc.constantFrom(`${folder}/storage-health.sh`, "/elsewhere")),
      listed: fc.subarray([`${folder}/.manifest`, `${folder}/old.sh`]),
      made: ledgerOf([...paths.map((one) => `file ${one}`), `file ${folder}/gone.sh`, `directory ${folder}`]),
    });
  },
});
