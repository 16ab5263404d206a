import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { execa } from "execa";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { CommonInputs } from "../../../../providers/engine/resource.ts";
import { groupExists, userExists } from "../../../../providers/facts/accounts.ts";
import type { Ask } from "../../../../providers/facts/fact.ts";
import { fstab } from "../../../../providers/facts/fstab.ts";
import { kernelValues } from "../../../../providers/facts/kernelValues.ts";
import { ledger } from "../../../../providers/facts/ledger.ts";
import { blockDevices } from "../../../../providers/facts/lsblk.ts";
import { labelled } from "../../../../providers/facts/labelled.ts";
import { lvm } from "../../../../providers/facts/lvm.ts";
import { mounts } from "../../../../providers/facts/mounts.ts";
import { pathStatus } from "../../../../providers/facts/pathStatus.ts";
import { scripts } from "../../../../providers/facts/scripts.ts";
import { deviceLinks } from "../../../../providers/facts/realPath.ts";
import { contents } from "../../../../providers/facts/contents.ts";
import { signsOfUse } from "../../../../providers/facts/signsOfUse.ts";
import { isProgram, printCommand, type Command } from "../../../../providers/host/command.ts";
import { parseAnswers, printProgram, printShell } from "../../../../providers/host/wire.ts";
import { examples } from "../../../support/examples.ts";

const RUNS = 20;
const SEED = 7;

const pieces = [
  " ",
  "'",
  '"',
  "\n",
  "\r",
  "\t",
  "$(touch canary)",
  "`touch canary`",
  "${HOME}",
  ";",
  "&&",
  "|",
  ">canary",
  "<",
  "*",
  "?",
  "[a]",
  "{a,b}",
  "~",
  "#",
  "!",
  "ü",
  "🗄",
  "\u00a0",
  "-",
  "--",
  "/",
  "..",
  "\\",
  "\u0001",
  "\u007f",
  "%s",
  "=",
  ",",
  "a",
];
/** So that an option that nobody meant differs from those that are meant. */
const DASHED = "--hostile";
const hostile = fc
  .tuple(
    fc.constantFrom("", "n", "/", "/dev/n", "LABEL=", DASHED, "-"),
    fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 4 }),
  )
  .map(([start, rest]) => start + rest.join(""));

type Path = readonly (string | number)[];

/** Where strings are in a declaration. */
function stringsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value === "string") return [path];
  return typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, one]) =>
        stringsIn(one, [...path, Array.isArray(value) ? Number(key) : key]),
      );
}

function withString<T>(value: T, [key, ...rest]: Path, text: string): T {
  if (key === undefined) return text as T;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...value }) as Record<string | number, unknown>;
  copy[key] = withString(copy[key], rest, text);
  return copy as T;
}

/** An input's name, whichever of a list's members it is. */
const nameOf = (path: Path) => path.filter((key) => typeof key === "string").join(".");

interface Declared {
  readonly inputs: CommonInputs & { readonly mkfsOptions?: readonly string[] };
  readonly commands: readonly Command[];
}

const declared: Declared[] = [];
/** Kind and input → hostile values that it takes. */
const taken = new Map<string, Set<string>>();

beforeAll(async () => {
  for (const { kind, inputs, converged, any } of Object.values(examples)) {
    const attacks = fc.array(fc.array(hostile, { minLength: 16, maxLength: 16 }), { minLength: 12, maxLength: 12 });
    for (const [tame, texts] of fc.sample(fc.tuple(inputs, attacks), { numRuns: RUNS, seed: SEED })) {
      let desired = kind.inputs.parse(tame) as typeof tame;
      // Each string input becomes the first hostile value that the schema takes.
      stringsIn(desired).forEach((path, index) => {
        const found = texts[index % texts.length]!.map(
          (text) => [text, kind.inputs.safeParse(withString(desired, path, text))] as const,
        ).find(([, { success }]) => success);
        if (found === undefined || found[1].data === undefined) return;
        desired = found[1].data as typeof tame;
        const name = `${kind.name}.${nameOf(path)}`;
        taken.set(name, (taken.get(name) ?? new Set()).add(found[0]));
      });
      const commands: Command[] = [];
      const absent = {
        ...(converged(desired) as object),
        group: undefined,
        volume: undefined,
        filesystem: undefined,
        found: undefined,
        mount: undefined,
        file: undefined,
      };
      for (const seen of [converged(desired), absent, ...fc.sample(any(desired), { numRuns: 4, seed: SEED })]) {
        const plans = [kind.plan(desired, seen), kind.planDestroy({ ...desired, uuid: "uuid-1" }, seen)];
        for (const { command, guard } of plans.flatMap(({ steps }) => steps))
          commands.push(command, ...(guard === undefined ? [] : [guard]));
      }
      await kind.observe(askOf(commands), desired);
      declared.push({ inputs: desired, commands });
    }
  }
});

/** Answers as a host with one blank disk does, and keeps the commands. */
function askOf(commands: Command[]): Ask {
  const answers = new Map<unknown, unknown>([
    [deviceLinks, new Map()],
    [
      blockDevices,
      new Map([
        [
          "/dev/sda",
          {
            path: "/dev/sda",
            type: "disk",
            sizeBytes: 1,
            serial: undefined,
            number: "8:0",
            isInUse: true,
            logicalBlockBytes: 512,
            multipath: undefined,
          },
        ],
      ]),
    ],
    [lvm, { physicalVolumes: [], volumeGroups: [] }],
    [contents, { signatures: [], bytes: undefined }],
    [labelled, []],
    [signsOfUse, []],
    [ledger, new Set()],
    [pathStatus, new Map()],
    [scripts, { entries: new Map(), leadsTo: undefined, listed: [] }],
    [kernelValues, new Map()],
    [fstab, ""],
    [mounts, []],
    [userExists, false],
    [groupExists, false],
  ]);
  return (fact, args) => {
    commands.push(fact.command(args));
    return Promise.resolve((answers.has(fact) ? answers.get(fact) : "/dev/sda") as never);
  };
}

/**
 * Runs commands as on a host, but for the tools: each is replaced by what prints its arguments and its standard input.
 */
async function runRecorded(commands: readonly Command[]): Promise<readonly string[]> {
  const program = { steps: commands.map((command) => ({ ...command, okExitCodes: [0] })), questions: [] };
  const tool = '"${@:2}" >"$frames/$1.out"';
  const text = printShell("word") + printProgram(program, "mark", 1);
  expect(text.split(tool)).toHaveLength(2);
  const record = `record() {
  local text
  printf '%s\\0' "$@"
  while IFS= read -r -d '' text; do printf '%s\\0' "$text"; done
  printf %s "$text"
}
`;
  const input = record + text.replace(tool, `record ${tool}`).replace("--tmpdir=/run", `--tmpdir=${tmpdir()}`);
  const { stdout, stderr } = await execa("bash", ["-s"], {
    input,
    encoding: "buffer",
    stripFinalNewline: false,
    maxBuffer: 2 ** 28,
  });
  expect(Buffer.from(stderr).toString()).toBe("");
  return parseAnswers(Buffer.from(stdout), program, "mark")?.steps.map((step) => step.stdout) ?? [];
}

const distinct = (commands: readonly Command[]) => [
  ...new Map(commands.map((command) => [JSON.stringify([command.argv, command.stdin]), command])).values(),
];
/** What the shell runs: for a program of ours, a function with its arguments. */
const words = (command: Command) =>
  isProgram(command) ? [expect.stringMatching(/^program_\d+$/) as string, ...command.argv.slice(4)] : command.argv;

describe("values from the configuration", () => {
  it("are hostile in every input that accepts more than a name", () => {
    const free = [...taken]
      .filter(([, texts]) => [...texts].some((text) => /[^\w@%+=:,./[\]-]/.test(text)))
      .map(([name]) => name);
    expect(free.sort()).toEqual(
      Object.entries(examples)
        .flatMap(([kind, { takesAnyText }]) => ["host", ...takesAnyText].map((input) => `${kind}.${input}`))
        .sort(),
    );
  });

  it("never reach a shell unquoted: every command's arguments and standard input come out of a real bash byte for byte", async () => {
    const commands = distinct(declared.flatMap((one) => one.commands));
    expect(commands.length).toBeGreaterThan(700);
    const shares = Array.from({ length: 8 }, (_, share) => commands.filter((_, index) => index % 8 === share));
    await Promise.all(
      shares.map(async (share) => {
        const came = await runRecorded(share);
        // One by one, so that a failure shows which command it is.
        share.forEach((command, index) => {
          const stdin = (command.stdin ?? "").split("\0");
          expect(came[index]?.split("\0")).toEqual([...words(command), ...stdin]);
        });
      }),
    );
  });

  it("come out unchanged of a shell into which a person pastes a message's command", () => {
    const commands = distinct(declared.flatMap((one) => one.commands)).filter((command) => !isProgram(command));
    const { stdout, stderr } = spawnSync("bash", ["-s"], {
      input: commands.map((command) => `printf '%s\\0' ${printCommand(command)} $'\\n'\n`).join(""),
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    expect(stderr).toBe("");
    expect(stdout).toBe(commands.map(({ argv }) => [...argv, "\n", ""].join("\0")).join(""));
  });

  it("are not read as options of a tool where they start with a dash: they come after --, or are an option's value", () => {
    const dashed = declared.flatMap(({ inputs, commands }) =>
      commands
        .filter((command) => !isProgram(command))
        .flatMap(({ argv }) =>
          argv.flatMap((word, index) => (word.startsWith(DASHED) ? [{ argv, index, inputs }] : [])),
        ),
    );
    expect(new Set(dashed.map(({ argv }) => argv[0]))).toEqual(new Set(["systemctl"]));
    for (const { argv, index, inputs } of dashed) {
      const isOperand = argv.indexOf("--") >= 0 && argv.indexOf("--") < index;
      const isLabel = argv[index - 1] === "-L";
      const isMeantSo = inputs.mkfsOptions?.includes(argv[index]!) === true;
      expect({ argv, isRight: isOperand || isLabel || isMeantSo }).toMatchObject({ isRight: true });
    }
  });

  it("hold no NUL in any string input, since no argument could hold one", () => {
    for (const { kind, inputs } of Object.values(examples)) {
      for (const tame of fc.sample(inputs, { numRuns: RUNS, seed: SEED })) {
        for (const path of stringsIn(tame)) {
          for (const text of ["\0", "/a\0", "a\0b"])
            expect({ path, taken: kind.inputs.safeParse(withString(tame, path, text)).success }).toEqual({
              path,
              taken: false,
            });
        }
      }
    }
  });
});
