import { describe, expect, it } from "vitest";
import { parseAnswers, printProgram } from "../../../providers/host/wire.ts";
import type { Program } from "../../../providers/host/host.ts";
import { program, recordsProgram } from "../../../providers/programs/program.ts";
import { printAnswers, readProgram } from "../../support/simulatedHosts.ts";

/** The text of a program of ours is known by its name. */
const withoutTexts = (one: Program) =>
  JSON.parse(
    JSON.stringify([one.steps, one.questions], (key, value: unknown) =>
      key === "argv" && (value as string[])[0] === "bash" ? (value as string[]).toSpliced(2, 1, "") : value,
    ),
  ) as unknown;

const sent: Program = {
  lock: "/run/jts-storage.lock",
  steps: [
    { argv: ["lvcreate", "--name", "it's \n ask 7 <(", ""], okExitCodes: [0, 5] },
    { ...recordsProgram("make-tree", ["root", "a b"], "first"), okExitCodes: [0] },
  ],
  questions: [
    { argv: ["cat", "--", "/etc/fstab"], stdin: "a\nb) </dev/null" },
    program("print-files", "/etc/one", "/etc/it's"),
    ...Array.from({ length: 5 }, (_, index) => ({ argv: ["stat", String(index)] })),
  ],
};

describe("a simulated host", () => {
  it("reads from the text of a call the same steps and questions that were sent", () => {
    const text = printProgram(sent, "mark", 1);
    expect(withoutTexts(readProgram(text.slice(text.indexOf("\n") + 1)))).toEqual(withoutTexts(sent));
  });

  it("answers as a host's bash does, also where a step failed", () => {
    const output = (stdout: string, exitCode = 0) => ({ stdout, stderr: "é\n", exitCode });
    const whole = { steps: [output("1"), output("2")], questions: sent.questions.map((_, n) => output(`q${n}\n`)) };
    expect(parseAnswers(printAnswers(whole, "m", 2), sent, "m")).toEqual(whole);
    const failed = { ...whole, steps: [output("", 3)] };
    expect(parseAnswers(printAnswers(failed, "m", 2), sent, "m")).toEqual(failed);
  });
});
