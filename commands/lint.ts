/**
 * `npm run lint`: prettier and eslint; dependency-cruiser, for the direction of imports; shfmt and shellcheck on every
 * shell file; ruff and mypy on every Python file; actionlint on the workflows; promtool on the alert rules, with their
 * unit tests, and on the dashboard's queries. All of them run, whatever fails. `npm run format` (`--fix`): the
 * formatters write.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { execa } from "execa";
import { sha256 } from "../providers/values/sha256.ts";
import { command, refuseWords } from "../setup/command.ts";
import { unpackFromPackage } from "../setup/debian.ts";
import { goBuild, missingGo } from "../setup/go.ts";
import { ALERT_RULES, ALERT_TESTS, queriesOf, readDashboard } from "../setup/monitoring.ts";
import { MADE, ROOT } from "../setup/project.ts";
import { pythonWith } from "../setup/python.ts";

const LINTERS = join(ROOT, "setup", "linters");
const WORKFLOWS = join(".github", "workflows");
/** Columns of a line, as in .prettierrc.json and pyproject.toml. */
const WIDTH = 120;
/** Formatters write, and don't only report. */
const FIXES = process.argv.includes("--fix");
const NOT_OURS = ["node_modules", ".jts", ".git", "dist"];

type Check = readonly [string, Promise<Outcome>];

interface Outcome {
  /** What is wrong, in the tool's words; empty where nothing is. */
  readonly problems: string;
  /** Why the tool did not run. */
  readonly skipped?: string;
}

const USAGE = `Usage: npm run lint [-- --fix]

Checks TypeScript, shell files, Python, workflows, alert rules and the dashboard: their format, style and imports, and the
types of Python. \`npm run typecheck\` checks those of TypeScript. It names what it skipped, and why.

  --fix  the formatters write: \`npm run format\`
`;

await command(USAGE, { fix: { type: "boolean" } }, async ({ positionals }) => {
  refuseWords(positionals);
  const packages = pythonWith(join(LINTERS, "requirements.txt"));
  const formatters: readonly Check[] = [
    ["prettier", prettier()],
    ["shfmt", shfmt()],
    ["ruff format", runPackage(packages, "ruff", "format", ...(FIXES ? [] : ["--check"]), ".")],
  ];
  // The other checks read the files that formatters write.
  if (FIXES) await Promise.allSettled(formatters.map(([, check]) => check));
  const checks: readonly Check[] = [
    ...formatters,
    ["eslint", eslint()],
    ["imports", imports()],
    ["shellcheck", shellcheck()],
    ["width of shell files", shellWidth()],
    ["packages of Python", installed(packages)],
    ["ruff check", runPackage(packages, "ruff", "check", "--quiet", "--output-format=concise", ".")],
    ["mypy", runPackage(packages, "mypy", "--no-error-summary")],
    ["actionlint", actionlint()],
    ["promtool", promtool()],
  ];
  // Errors are caught from the start: a check that throws before its outcome is awaited would end this process.
  const outcomes = checks.map(([name, check]) => ({
    name,
    outcome: check.catch((error: unknown): Outcome => ({ problems: (error as Error).message })),
  }));
  let failed = false;
  for (const { name, outcome } of outcomes) {
    const { problems, skipped } = await outcome;
    if (skipped !== undefined) console.log(`${name} was skipped: ${skipped}`);
    if (problems === "") continue;
    failed = true;
    console.error(`${name}:\n${problems}\n`);
  }
  return failed ? 1 : 0;
});

async function prettier(): Promise<Outcome> {
  return { problems: await problemsOf("prettier", FIXES ? "--write" : "--check", "--log-level=warn", ".", "!.jts/**") };
}

async function eslint(): Promise<Outcome> {
  return { problems: await problemsOf("eslint", "--max-warnings=0", ".") };
}

/** Who imports whom, by the layers of imports.config.js, and that nothing imports in a circle. */
async function imports(): Promise<Outcome> {
  const sources = ["index.ts", "config.ts", "components", "providers", "setup", "lab", "commands", "bench", "test"];
  return { problems: await problemsOf("depcruise", "--config", "imports.config.js", ...sources) };
}

async function problemsOf(program: string, ...args: readonly string[]): Promise<string> {
  const { exitCode, all, message } = await execa(program, args, {
    cwd: ROOT,
    stdin: "ignore",
    reject: false,
    all: true,
  });
  if (exitCode === 0) return "";
  return all?.trim() || (message ?? `${program} ended with exit code ${exitCode}`);
}

/** A finding as shellcheck's json1 has it. */
interface Finding {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly level: string;
  readonly code: number;
  readonly message: string;
}

async function shellcheck(): Promise<Outcome> {
  const files = await findShellFiles();
  const withoutInterpreter: string[] = [];
  const withInterpreter: string[] = [];
  for (const file of files) {
    const text = await readFile(join(ROOT, file), "utf8");
    (/^#!|^# shellcheck shell=/.test(text) ? withInterpreter : withoutInterpreter).push(file);
  }
  const findings = await Promise.all([
    runShellcheck(withInterpreter),
    runShellcheck(withoutInterpreter, "--shell=bash"),
  ]);
  const line = ({ file, line, column, level, code, message }: Finding) =>
    `${file}:${line}:${column}: ${level}: ${message} [SC${code}]`;
  return { problems: findings.flat().map(line).sort().join("\n") };
}

/** Files that end in .sh, and others whose first line names a shell. */
async function findShellFiles(folder = ""): Promise<string[]> {
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return NOT_OURS.includes(entry.name) ? [] : findShellFiles(path);
      if (!entry.isFile()) return [];
      if (entry.name.endsWith(".sh")) return [path];
      if (entry.name.includes(".")) return [];
      return /^#!.*\b(ba|da)?sh\b/.test(await readFile(join(ROOT, path), "latin1")) ? [path] : [];
    }),
  );
  return found.flat().sort();
}

async function runShellcheck(files: readonly string[], ...options: readonly string[]): Promise<readonly Finding[]> {
  if (files.length === 0) return [];
  const { stdout, stderr, exitCode } = await execa(
    "shellcheck",
    ["--format=json1", "--external-sources", "--source-path=SCRIPTDIR", ...options, "--", ...files],
    { cwd: ROOT, stdin: "ignore", reject: false },
  );
  // 1 says that there are findings.
  if (exitCode === 0 || exitCode === 1) return (JSON.parse(stdout) as { comments: Finding[] }).comments;
  if (exitCode === undefined)
    throw new Error("There is no shellcheck: `npm run setup` installs it, and so does apt-get install shellcheck.");
  throw new Error(stderr || `shellcheck ended with exit code ${exitCode}`);
}

/** Other files' lines are held by eslint and ruff. Only a quoted text makes a line longer, and never in a comment. */
async function shellWidth(): Promise<Outcome> {
  const isTooLong = (line: string) =>
    (/^\s*#/.test(line) ? line : line.replaceAll(/'[^']*'|"(?:[^"\\]|\\.)*"/g, "")).length > WIDTH;
  const problems = await Promise.all(
    (await findShellFiles()).map(async (file) => {
      const lines = (await readFile(join(ROOT, file), "utf8")).split("\n");
      return lines.flatMap((line, index) => (isTooLong(line) ? [`${file}:${index + 1}: over ${WIDTH} columns`] : []));
    }),
  );
  return { problems: problems.flat().join("\n") };
}

/** As .editorconfig says. */
async function shfmt(): Promise<Outcome> {
  const { program, ...instead } = await goProgram("mvdan.cc/sh/v3/cmd/shfmt");
  return program === undefined
    ? instead
    : { problems: await problemsOf(program, FIXES ? "--write" : "--diff", ...(await findShellFiles())) };
}

async function actionlint(): Promise<Outcome> {
  if (!existsSync(join(ROOT, WORKFLOWS))) return { problems: "" };
  const { program, ...instead } = await goProgram("github.com/rhysd/actionlint/cmd/actionlint");
  if (program === undefined) return instead;
  // By name, since actionlint finds workflows only in a clone.
  const workflows = (await readdir(join(ROOT, WORKFLOWS)))
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => join(WORKFLOWS, name));
  return { problems: await problemsOf(program, "-no-color", ...workflows) };
}

/**
 * Of Debian's package `prometheus`: to build promtool from its Go modules takes over four minutes of processor time.
 */
async function promtool(): Promise<Outcome> {
  const program = join(MADE, "bin", "promtool");
  if (!existsSync(program)) await unpackFromPackage("prometheus", "usr/bin/promtool", program);
  const folder = await mkdtemp(join(MADE, "promtool-"));
  try {
    const queries = join(folder, "queries.yml");
    // JSON is YAML.
    const rules = queriesOf(readDashboard()).map((expr, index) => ({ record: `dashboard:query_${index}`, expr }));
    await writeFile(queries, JSON.stringify({ groups: [{ name: "dashboard", rules }] }));
    const problems = await Promise.all([
      problemsOf(program, "check", "rules", ALERT_RULES, queries),
      problemsOf(program, "test", "rules", ALERT_TESTS),
    ]);
    return { problems: problems.filter((one) => one !== "").join("\n") };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The linters that are Python packages, as setup/linters/requirements.txt pins them. */
async function installed(python: Promise<string>): Promise<Outcome> {
  await python;
  return { problems: "" };
}

/**
 * Runs a linter as pyproject.toml says. Without the packages it finds nothing: their own outcome says what is wrong.
 */
async function runPackage(packages: Promise<string>, ...command: readonly string[]): Promise<Outcome> {
  const python = await packages.catch(() => undefined);
  return { problems: python === undefined ? "" : await problemsOf(python, "-I", "-m", ...command) };
}

/** A part of a name that changes with what a file of setup/linters pins. */
async function pinsOf(file: string): Promise<string> {
  return sha256(await readFile(join(LINTERS, file))).slice(0, 12);
}

/** A linter that is a Go program, built as setup/linters/go.sum pins it; without Go, why it was skipped. */
async function goProgram(source: string): Promise<Outcome & { readonly program?: string }> {
  const program = join(MADE, "bin", `${basename(source)}-${await pinsOf("go.sum")}`);
  if (existsSync(program)) return { problems: "", program };
  const skipped = await missingGo("linters");
  if (skipped !== undefined) return { problems: "", skipped };
  const built = `${program}.${process.pid}`;
  await goBuild("linters", { source, to: built });
  await rename(built, program);
  return { problems: "", program };
}
