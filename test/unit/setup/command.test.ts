import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { command, writeNamed, WrongUsage } from "../../../setup/command.ts";
import { MissingNeed } from "../../../setup/progress.ts";
import { ROOT } from "../../../setup/project.ts";

const USAGE = "Usage: npm run thing [-- --fast] [NAME…]";
const OPTIONS = { fast: { type: "boolean", default: false } } as const;

let printed: string[];
let complained: string[];
let exitCode: typeof process.exitCode;
beforeEach(() => {
  printed = [];
  complained = [];
  exitCode = process.exitCode;
  vi.spyOn(console, "log").mockImplementation((text: string) => void printed.push(text));
  vi.spyOn(console, "error").mockImplementation((text: string) => void complained.push(text));
});
afterEach(() => {
  process.exitCode = exitCode;
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

/** The outcome of these arguments, with this work. */
async function run(args: readonly string[], work: Parameters<typeof command<typeof OPTIONS>>[2]) {
  await command(USAGE, OPTIONS, work, args);
  return { exitCode: process.exitCode, printed, complained };
}
const neverCalled = () => Promise.reject(new Error("called"));

describe("a command", () => {
  it("gets its options and the other words, and ends with the exit code of its work, or 0", async () => {
    const seen: unknown[] = [];
    const work = (code?: number) => (parsed: unknown) => {
      seen.push(parsed);
      return Promise.resolve(code);
    };
    expect(await run(["--fast", "a", "b"], work(3))).toEqual({ exitCode: 3, printed: [], complained: [] });
    expect(await run([], work())).toMatchObject({ exitCode: 0 });
    expect(seen).toEqual([
      { values: { fast: true }, positionals: ["a", "b"] },
      { values: { fast: false }, positionals: [] },
    ]);
  });

  it.each(["--help", "-h"])("prints its usage for %s and does nothing", async (option) => {
    expect(await run(["a", option], neverCalled)).toEqual({ exitCode: 0, printed: [USAGE], complained: [] });
  });

  it("refuses an unknown option with its usage and exit code 2, and does nothing", async () => {
    const { exitCode, complained } = await run(["--slow"], neverCalled);
    expect(exitCode).toBe(2);
    expect(complained).toEqual([`Unknown option '--slow'.\n\n${USAGE}`]);
  });

  it("refuses an option that stood before `--`, which npm has kept, and does nothing", async () => {
    vi.stubEnv("npm_config_fast", "true");
    expect(await run(["a"], neverCalled)).toEqual({
      exitCode: 2,
      printed: [],
      complained: [`npm has kept --fast for itself. Next: put \`--\` before all options, as below.\n\n${USAGE}`],
    });
  });

  it("takes no notice of npm's own configuration", async () => {
    vi.stubEnv("npm_config_json", "true");
    const options = { json: { type: "boolean", default: false } } as const;
    await command(USAGE, options, ({ values }) => Promise.resolve(values.json ? 3 : 4), []);
    expect(process.exitCode).toBe(4);
  });

  it("ends the same way where its work refuses the other words", async () => {
    const refuse = () => Promise.reject(new WrongUsage("There is no b."));
    expect(await run(["b"], refuse)).toEqual({
      exitCode: 2,
      printed: [],
      complained: [`There is no b.\n\n${USAGE}`],
    });
  });

  it("reports what is missing in one sentence, with exit code 1 and without its usage", async () => {
    const fail = () => Promise.reject(new MissingNeed("There is no git here."));
    expect(await run([], fail)).toEqual({ exitCode: 1, printed: [], complained: ["There is no git here."] });
  });
});

describe("each of the commands", async () => {
  const folder = join(ROOT, "commands");
  // It is not started: one that takes no notice of `--help` would do its work.
  it.each(await readdir(folder))("%s has a usage, which `--help` prints", async (file) => {
    const text = await readFile(join(folder, file), "utf8");
    expect(text).toMatch(/^const USAGE = `Usage: npm /m);
    expect(text).toMatch(/\bcommand\(\s*USAGE,/);
  });
});

describe("a file that an argument names", () => {
  it("is written, with its folder; one that can't be is wrong usage, and says why", async () => {
    const folder = await mkdtemp(join(tmpdir(), "jts-named-"));
    try {
      const file = join(folder, "new", "plan.md");
      await writeNamed(file, "text");
      expect(await readFile(file, "utf8")).toBe("text");
      const below = join(file, "plan.md");
      const refused = writeNamed(below, "text");
      await expect(refused).rejects.toThrow(WrongUsage);
      await expect(refused).rejects.toThrow(/plan.md can't be written: E\w+: .+ Next: name another file\.$/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
