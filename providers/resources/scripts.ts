import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { CONVERGED, refuseAll, step, toDo, type Refusal } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { ledger } from "../facts/ledger.ts";
import { scripts as scriptsFact, type SeenScripts } from "../facts/scripts.ts";
import { program, recordsProgram } from "../programs/program.ts";
import { path, relativePath } from "../values/fields.ts";
import { sha256 } from "../values/sha256.ts";
import { list, word } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";
import { lookAtOthers, refusalsOf, removalOf, takeOver, wasReplaced, type Others } from "./takeOver.ts";

const inputs = kindInputs({
  /** The folder's absolute path. A change makes another resource. */
  path,
  /**
   * The files in the folder: path below it → SHA-256 of the content, in 64 hexadecimal digits. The contents are those
   * of this package's own scripts/, so that they are in no state.
   */
  files: z
    .record(
      relativePath.regex(/^\S+$/, { error: "must not hold white space" }),
      z.string().regex(/^[0-9a-f]{64}$/, { error: "is not a SHA-256 in 64 hexadecimal digits" }),
    )
    .refine((files) => Object.keys(files).length > 0, { error: "must name at least one file" }),
  /** The absolute path of a link to the file of its name in the folder. A change makes another resource. */
  link: path,
  /**
   * The link's path, where another's file or link may be there: it is kept on the host, replaced, and put back on
   * delete. Default: none, so that such a file is refused.
   */
  takeOver,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen extends SeenScripts {
  readonly made: ReadonlySet<string>;
  readonly others?: Others;
}

/** Where this package has the contents. */
const CONTENTS = fileURLToPath(new URL("../../scripts/", import.meta.url));
/** As many names as a message has of files. */
const NAMES = 6;

/** The scripts of this package in a folder of a host, root's and executable, and a link to one of them. */
export const scripts: ResourceKind<typeof inputs, Seen> = {
  name: "Scripts",
  inputs,
  identity: ["path", "link"],
  changes: ["files", "ledger"],
  turn: "host",
  id: ({ host, path }) => `${host}:${path}`,
  describe: ({ path, files }) =>
    list(word(path), files === undefined || files === null ? "" : `${Object.keys(files).length} files`),

  refuse: ({ path: folder, files, link }) => [
    ...(link.startsWith(`${folder}/`)
      ? [{ property: "link", reason: `the link ${link} must not be in ${folder}` }]
      : []),
    ...Object.entries(files).flatMap(([file, sum]) =>
      contentOf(file, sum) === undefined
        ? [{ property: "files", reason: `this package has no scripts/${file} with the SHA-256 ${sum}` }]
        : [],
    ),
  ],

  async observe(ask, { path: folder, files, link }) {
    const paths = [...foldersOf(folder, files), ...Object.keys(files).map((file) => `${folder}/${file}`)];
    const [seen, made] = await Promise.all([ask(scriptsFact, { folder, link, paths }), ask(ledger, undefined)]);
    const foreign = isLinkForeign({ path: folder, link }, seen) ? [link] : [];
    return { ...seen, made, others: await lookAtOthers(ask, [link], foreign, made) };
  },
  isAbsent: ({ path: folder, files }, { entries, ...seen }) =>
    !Object.keys(files).some((file) => entries.has(`${folder}/${file}`)) && oursIn(folder, seen).length === 0,

  plan({ path: folder, files, link, takeOver: allowed }, seen) {
    const { entries, leadsTo, listed, made, others = {} } = seen;
    const ours = new Set(oursIn(folder, seen));
    const refusals: Refusal[] = foldersOf(folder, files).flatMap((one) => {
      const type = entries.get(one)?.type ?? "directory";
      return type === "directory" ? [] : [inTheWay(one, type)];
    });
    const wrongFolders = foldersOf(folder, files).filter((one) => entries.has(one) && !isRoots(entries.get(one)));
    // The topmost folder is always set, another one with a file below it.
    const carriers = wrongFolders.flatMap((one) =>
      one === folder ? [] : Object.keys(files).find((file) => `${folder}/${file}`.startsWith(`${one}/`))!,
    );
    const differing = Object.entries(files).flatMap(([file, sum]) => {
      const entry = entries.get(`${folder}/${file}`);
      if (entry === undefined) return [{ file, sum, why: "absent" }];
      if (entry.type === "directory") refusals.push(inTheWay(`${folder}/${file}`, entry.type));
      if (entry.type !== "regular file") return [{ file, sum, why: `a ${entry.type}` }];
      if (entry.sha256 !== sum) return [{ file, sum, why: "changed" }];
      if (!isRoots(entry)) return [{ file, sum, why: `${entry.owner}:${entry.group} ${entry.mode}` }];
      return carriers.includes(file) ? [{ file, sum, why: "in a folder that isn't root's with mode 755" }] : [];
    });
    const texts = differing.map(({ file, sum, why }) => {
      if (why !== "absent" && !ours.has(`${folder}/${file}`))
        refusals.push({
          found: `${folder}/${file} exists already and isn't ours`,
          next: `move it away: mv ${folder} ${folder}.before`,
        });
      const text = contentOf(file, sum);
      if (text === undefined)
        refusals.push({
          found: `${folder}/${file} is ${why}, and this package has another content of it than the state`,
          next: "pulumi up, which declares what this package has.",
        });
      return text ?? "";
    });
    const isLinkOurs = leadsTo === `${folder}/${link.slice(link.lastIndexOf("/") + 1)}`;
    // What is kept already was there when an `up` was cut.
    const isTaken = isLinkForeign({ path: folder, link }, seen) && others.replaced?.get(link)?.here !== "same";
    if (isTaken) {
      const byHand = `look whose it is, and move it away: mv ${link} ${link}.before`;
      refusals.push(
        // What was kept first is what counts.
        ...(wasReplaced(link, made)
          ? [{ found: `${link} exists already and isn't ours`, next: byHand }]
          : refusalsOf([link], allowed, others, byHand)),
      );
    }
    if (refusals.length > 0) return refuseAll(refusals);
    const gone = [...ours].filter((one) => one !== listIn(folder) && !(one.slice(folder.length + 1) in files));
    const reasons = [
      ...naming(differing.map(({ file, why }) => `${file} is ${why}`)),
      ...(wrongFolders.includes(folder) ? ["the folder isn't root's with mode 755"] : []),
      ...(isLinkOurs ? [] : [`${link} is ${entries.has(link) ? "another's" : "absent"}`]),
      ...(listed.length > 0 ? ["the ledger doesn't have them"] : []),
    ];
    const pairs = differing.flatMap(({ file }, index) => [file, texts[index]!]);
    const keep = step(`keep the ${link} of before, for destroy to put back`, recordsProgram("keep-files", [link]));
    return toDo(
      ...(isTaken ? [keep] : []),
      ...(reasons.length === 0
        ? []
        : [step(`install the scripts (${reasons.join(", ")})`, program("install-scripts", folder, link, ...pairs))]),
      ...(gone.length === 0
        ? []
        : [
            step(
              `remove ${naming(gone).join(", ")}, of an earlier version`,
              program("remove-scripts", folder, ...gone),
            ),
          ]),
    );
  },

  planDestroy({ path: folder, link }, seen) {
    const wasAnothers = wasReplaced(link, seen.made);
    const ours = [
      ...(wasAnothers
        ? []
        : seen.made.has(`file ${link}`) || (seen.listed.length > 0 && seen.leadsTo?.startsWith(`${folder}/`) === true)
          ? [link]
          : []),
      ...oursIn(folder, seen),
    ];
    const { how, note } = removalOf(link, seen.made, seen.others ?? {});
    const giveBack = step(
      how === "put-back" ? `put back the ${link} of before` : `${how} ${link}`,
      recordsProgram("remove-file", how === "remove" ? [link] : [link, how]),
    );
    const remove = step(
      `remove the scripts in ${folder}${wasAnothers ? "" : `, and ${link}`}`,
      program("remove-scripts", folder, ...ours),
    );
    if (!wasAnothers && ours.length === 0) return CONVERGED;
    return {
      ...toDo(...(wasAnothers ? [giveBack] : []), ...(ours.length > 0 ? [remove] : [])),
      ...(note === undefined ? {} : { notes: [note] }),
    };
  },

  report: () => ({}),
};

/** Whether what is at the link's path isn't the link. */
function isLinkForeign(
  { path: folder, link }: Pick<Inputs, "path" | "link">,
  { entries, leadsTo }: Pick<Seen, "entries" | "leadsTo">,
): boolean {
  return entries.has(link) && leadsTo !== `${folder}/${link.slice(link.lastIndexOf("/") + 1)}`;
}

/** The folder, and those below it that have files of ours, each after the one that it is in. */
function foldersOf(folder: string, files: Inputs["files"]): string[] {
  const below = Object.keys(files).flatMap((file) =>
    file
      .split("/")
      .slice(0, -1)
      .map((_, index, names) => names.slice(0, index + 1).join("/")),
  );
  return [folder, ...[...new Set(below)].sort().map((one) => `${folder}/${one}`)];
}

/** Files below the folder that this program made. */
function oursIn(folder: string, { made, listed }: Pick<Seen, "made" | "listed">): string[] {
  const prefix = `file ${folder}/`;
  const inLedger = [...made].flatMap((line) => (line.startsWith(prefix) ? [line.slice("file ".length)] : []));
  return [...new Set([...inLedger, ...listed])];
}

/** In which an earlier version kept what it made. */
function listIn(folder: string): string {
  return `${folder}/.manifest`;
}

function isRoots(entry: { owner: string; group: string; mode: string } | undefined): boolean {
  return entry?.owner === "root" && entry.group === "root" && entry.mode === "755";
}

function inTheWay(where: string, type: string): Refusal {
  return { found: `${where} is a ${type}`, next: `look whose it is, and move it away: mv ${where} ${where}.before` };
}

/** Some of many. */
function naming(texts: readonly string[]): string[] {
  return texts.length <= NAMES ? [...texts] : [...texts.slice(0, NAMES - 1), `and ${texts.length - NAMES + 1} more`];
}

/** What this package has of a script; undefined: none with this SHA-256 that an argument could hold. */
function contentOf(file: string, sum: string): string | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(join(CONTENTS, file));
  } catch {
    return undefined;
  }
  const text = bytes.toString("utf8");
  return sha256(text) === sum && !text.includes("\0") ? text : undefined;
}
