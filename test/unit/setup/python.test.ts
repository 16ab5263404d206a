import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sha256 } from "../../../providers/values/sha256.ts";
import { MissingNeed } from "../../../setup/progress.ts";
import { MADE } from "../../../setup/project.ts";
import { pythonWith } from "../../../setup/python.ts";

it("packages that can't be installed are an error with what pip said, and leave no environment", async () => {
  const folder = mkdtempSync(join(tmpdir(), "jts-python-"));
  try {
    const file = join(folder, "requirements.txt");
    const text = `--no-index\nabsent==1 --hash=sha256:${"0".repeat(64)}\n`;
    writeFileSync(file, text);
    const installing = pythonWith(file);
    await expect(installing).rejects.toThrow(MissingNeed);
    await expect(installing).rejects.toThrow("No matching distribution found for absent==1");
    expect(readdirSync(MADE).filter((name) => name.includes(sha256(text).slice(0, 12)))).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
