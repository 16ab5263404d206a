import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { program } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

let bin: string;
beforeEach(() => void (bin = mkdtempSync(join(tmpdir(), "jts-missing-"))));
afterEach(() => rmSync(bin, { recursive: true, force: true }));

/** The proof, where pvs prints that of the PVs that are missing. */
function prove(uuids: readonly string[], printed: string, exitCode = 0) {
  writeFileSync(join(bin, "pvs"), `printf '%s' '${printed}'; exit ${exitCode}\n`);
  chmodSync(join(bin, "pvs"), 0o755);
  return runLocally(program("are-missing-and-unused", "vg_jts", ...uuids), { PATH: `${bin}:${process.env.PATH}` });
}

describe("the proof that a volume group can do without what is missing", () => {
  it("holds where exactly these are missing, and no volume is on them, as LVM 2.03.16 prints it", () => {
    expect(prove(["u1"], "  u1 0 \n").exitCode).toBe(0);
    expect(prove(["u1", "u2"], "  u2 0 \n  u1 0 \n").exitCode).toBe(0);
  });

  it.each<[string, readonly string[], string]>([
    ["a volume is on it", ["u1"], "  u1 20971520 \n"],
    ["another one is missing", ["u1"], "  u2 0 \n"],
    ["another one is missing too", ["u1"], "  u1 0 \n  u2 0 \n"],
    ["it came back", ["u1"], ""],
  ])("fails where %s, and says what was found", (_what, uuids, printed) => {
    const { exitCode, stderr } = prove(uuids, printed);
    expect(exitCode).toBe(10);
    expect(stderr).toContain(printed.trim().replaceAll(/ *\n */g, "\n") || "none");
  });

  it("fails where LVM can't tell", () => {
    expect(prove(["u1"], "  u1 0 \n", 5).exitCode).not.toBe(0);
  });
});
