import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { layoutsOf } from "../components/tiers.ts";
import type { HostSettings } from "../config.ts";
import * as lab from "../lab/lab.ts";
import { OURS } from "../providers/values/fstabText.ts";
import { quote } from "../providers/values/shellWord.ts";

/** What the lab's machines have of these settings, one thing a line, as end-state.sh lists it. */
export async function listEndState(settings: HostSettings): Promise<string[]> {
  const layouts = Object.values(layoutsOf(settings));
  const points = layouts.flatMap(({ mountPoints }) => mountPoints.map(({ path }) => quote(path)));
  const { stdout } = await lab.run("storage-host", `unshare --mount bash -s -- ${points.join(" ")}`, {
    stdin: await readFile(join(import.meta.dirname, "end-state.sh"), "utf8"),
  });
  const exported = quote(settings.cold?.export ?? "/");
  const nas = await lab.run("nas", `find ${exported} -mindepth 1 -printf 'nas %p %u:%g %m\\n' | sort`);
  return `${stdout}\n${nas.stdout}`
    .replaceAll(`,${OURS}`, "")
    .split("\n")
    .filter((line) => line !== "");
}

/** What a teardown that keeps the data must leave: the data as it was made, and all else as on the blank host. */
export function withDataKept(made: readonly string[], blank: readonly string[]): string[] {
  const isData = (line: string) => /^(pv|vg|lv|signature|ext4|below the mounts|group|user|nas) /.test(line);
  return [...made.filter(isData), ...blank.filter((line) => !isData(line))];
}

/** @throws {Error} that shows each line that differs: times to reach different states can't be compared. */
export function requireSame(whose: string, found: readonly string[], expected: readonly string[]): void {
  const missing = expected.filter((line) => !found.includes(line)).map((line) => `  - ${line}`);
  const unexpected = found.filter((line) => !expected.includes(line)).map((line) => `  + ${line}`);
  const differences = [...missing, ...unexpected].sort((a, b) => (a.slice(4) < b.slice(4) ? -1 : 1));
  if (differences.length > 0)
    throw new Error(
      `${whose} ends in another state than expected (- missing, + unexpected):\n${differences.join("\n")}`,
    );
  console.log(`    checked: the end state is as expected, ${expected.length} lines`);
}
