/** Runs the parts of the test suite in order until one fails, and prints a table of the outcomes. */
import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { execa } from "execa";
import { printColumns } from "./columns.ts";
import { passedBefore, remember } from "./passed.ts";
import { MissingNeed } from "./progress.ts";
import { LAB_DEBIAN, pulumiEnvironment, ROOT } from "./project.ts";
import { reachedBy, reachOf } from "./reach.ts";
import { changes, stateOf } from "./sources.ts";

const FOLDER = "test/e2e";
/** The files whose failures would cost most; the others come after. */
const FIRST = ["tiers", "safety", "volumes", "mounts", "mover", "backup"];

/** The names of the files of end-to-end tests, in the order in which they run. */
export const E2E_FILES: readonly string[] = [
  ...FIRST,
  ...readdirSync(join(ROOT, FOLDER))
    .flatMap((name) => (name.endsWith(".test.ts") ? [basename(name, ".test.ts")] : []))
    .filter((name) => !FIRST.includes(name))
    .sort(),
];

export interface Part {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether a file's content can change the part's outcome. */
  readonly dependsOn: (file: string) => boolean;
  /** It doesn't start later than JTS_STORAGE_E2E_MINUTES after the first part. */
  readonly isTimed?: boolean;
}

/** One of package.json's scripts. */
export const script = (name: string): Part => ({
  name,
  command: ["npm", "run", "--silent", name],
  dependsOn: () => true,
});

/** End-to-end tests that words for vitest choose. */
export const e2e = (name: string, ...words: readonly string[]): Part => ({
  name: LAB_DEBIAN === 12 ? name : `${name}, Debian ${LAB_DEBIAN}`,
  command: ["vitest", "run", "--project", "e2e", "--reporter", "verbose", ...words],
  environment: pulumiEnvironment(),
  dependsOn: (path) => reachOf(path).length > 0,
});

const pathOf = (file: string) => `${FOLDER}/${file}.test.ts`;

/** All tests of a file of end-to-end tests. */
export const wholeFile = (file: string): Part => ({
  ...e2e(`e2e ${file}`, pathOf(file)),
  // A unit test holds the table's rows for test/ against the imports. Its other rows are not relied on here.
  dependsOn: (path) => (path.startsWith("test/") ? reachOf(path).includes(file) : reachOf(path).length > 0),
});

/** The tests of a file of end-to-end tests that aren't marked as long. */
export const shortTestsOf = (file: string): Part =>
  e2e(`e2e ${file}, without long tests`, pathOf(file), "--tags-filter", "!long");

/** For each file of end-to-end tests, the full names of its tests that are marked as long, or of those that aren't. */
export async function testsThatAre(which: "long" | "!long"): Promise<ReadonlyMap<string, readonly string[]>> {
  const { stdout } = await execa("vitest", ["list", "--project", "e2e", "--tags-filter", which, "--json"], {
    cwd: ROOT,
    preferLocal: true,
    stdin: "ignore",
  });
  const tests = JSON.parse(stdout) as { readonly name: string; readonly file: string }[];
  const byFile = Map.groupBy(tests, ({ file }) => basename(file, ".test.ts"));
  return new Map([...byFile].map(([file, found]) => [file, found.map(({ name }) => name)]));
}

/** The files of end-to-end tests that a change reaches. Prints which they are, and why. */
export async function chooseReached(revision?: string): Promise<string[]> {
  const { since, files } = await changes(revision);
  const reached = reachedBy(files);
  const [chosen, left] = [
    E2E_FILES.filter((file) => reached.has(file)),
    E2E_FILES.filter((file) => !reached.has(file)),
  ];
  if (chosen.length === 0)
    console.log(`\nChanged since ${since}: ${files.length} files, which reach no end-to-end test.`);
  else {
    console.log(`\nChanged since ${since}: ${files.length} files. They reach these end-to-end tests:`);
    const rows = chosen.map((file) => {
      const [first, ...more] = reached.get(file)!;
      return [file, `${first}${more.length === 0 ? "" : `, and ${more.length} more`}`];
    });
    for (const line of printColumns(rows)) console.log(`  ${line}`);
    if (left.length > 0) console.log(`and not ${left.join(", ")}.`);
  }
  return chosen;
}

/** The list, rotated by one each day, so that each item comes first in turn. */
export function rotated<T>(list: readonly T[], now = Date.now()): T[] {
  const begin = Math.floor(now / 86_400_000) % list.length;
  return [...list.slice(begin), ...list.slice(0, begin)];
}

export interface Row {
  readonly outcome: "passed" | "passed before" | "FAILED" | "not run";
  readonly name: string;
  readonly seconds?: number;
}

/** What {@link runParts} calls, so that unit tests can replace it. */
const SURROUNDINGS = { passedBefore, remember, stateOf };

/**
 * Runs parts until one fails. Remembers which passed; with `skipsPassed`, those don't run again.
 *
 * @returns the exit code
 */
export async function runParts(
  parts: readonly Part[],
  { skipsPassed = false } = {},
  around = SURROUNDINGS,
): Promise<number> {
  const minutes = Number(process.env.JTS_STORAGE_E2E_MINUTES ?? Infinity);
  if (!(minutes > 0)) throw new MissingNeed("JTS_STORAGE_E2E_MINUTES must be a number of minutes.");
  // A terminal sends Ctrl-C to the part, too.
  process.on("SIGINT", () => process.stdin.isTTY || running?.kill("SIGINT"));
  const rows: Row[] = [];
  const late: string[] = [];
  const end = Date.now() + minutes * 60_000;
  for (const part of parts) {
    const { name, isTimed = false } = part;
    const before = skipsPassed ? await around.passedBefore(name, await around.stateOf(part.dependsOn)) : undefined;
    const isLate = isTimed && Date.now() >= end;
    if (before !== undefined) rows.push({ outcome: "passed before", name, seconds: before });
    else if (rows.some(({ outcome }) => outcome === "FAILED") || isLate) rows.push({ outcome: "not run", name });
    else rows.push(await run(part, around));
    if (isLate && before === undefined) late.push(name.replace(/^e2e /, ""));
  }
  console.log(`\n${table(rows).join("\n")}`);
  if (late.length > 0)
    console.log(
      `Not run, since JTS_STORAGE_E2E_MINUTES=${minutes} were over: ${late.join(", ")}. ` +
        `Next: npm run test:e2e -- ${late.join(" ")}`,
    );
  console.log(counts(rows));
  return rows.some(({ outcome }) => outcome === "FAILED") ? 1 : 0;
}

let running: { kill(signal: NodeJS.Signals): boolean } | undefined;

async function run(
  { name, command: [program, ...args], environment = {}, dependsOn }: Part,
  { stateOf, remember }: typeof SURROUNDINGS,
): Promise<Row> {
  console.log(`\n── ${name}`);
  const state = await stateOf(dependsOn);
  const began = Date.now();
  const child = execa(program, args, {
    cwd: ROOT,
    env: environment,
    stdio: ["ignore", "inherit", "inherit"],
    reject: false,
  });
  running = child;
  const { exitCode } = await child;
  const seconds = Math.round((Date.now() - began) / 1000);
  if (exitCode !== 0) return { outcome: "FAILED", name, seconds };
  // If files changed meanwhile, it is not known which state passed.
  if (state === (await stateOf(dependsOn))) await remember(name, state, seconds);
  return { outcome: "passed", name, seconds };
}

/** The outcome of each part, in columns. */
function table(rows: readonly Row[]): string[] {
  const cells = rows.map(({ outcome, name, seconds }) => [
    outcome,
    name,
    ...(seconds === undefined ? [] : [`${seconds} s`]),
  ]);
  return printColumns(cells, [2]);
}

function counts(rows: readonly Row[]): string {
  const count = (...outcomes: readonly Row["outcome"][]) =>
    rows.filter(({ outcome }) => outcomes.includes(outcome)).length;
  return `${count("passed")} passed, ${count("FAILED")} failed, ${count("passed before", "not run")} skipped`;
}
