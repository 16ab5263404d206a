import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { lineAsRoot } from "../../../components/remote.ts";

const hostile = fc.string({
  unit: fc.constantFrom(..."'\"\\$`!*?[]{}()<>|&;~#=% \t\n\r\u0001é🗄", "$(touch canary)", "--", "..", "-n"),
  maxLength: 12,
});

describe("a shell line that runs a program as root", () => {
  it.each(["bash", "dash"])(
    "gives a program its arguments byte for byte, whatever they hold, where the user's shell is %s",
    (shell) => {
      const calls = fc.sample(fc.array(hostile, { maxLength: 4 }), { numRuns: 150, seed: 3 });
      const record = 'bash() { printf \'%s\\0\' bash "$#" "$@"; }; sudo() { printf \'%s\\0\' sudo "$#" "$@"; }\n';
      const lines = calls.flatMap((args) => [
        lineAsRoot("root", "remove-scripts", ...args),
        lineAsRoot("dave", "remove-scripts", ...args),
      ]);
      const { stdout, stderr, status } = spawnSync(shell, ["-s"], {
        input: record + lines.join("\n") + "\n",
        encoding: "utf8",
        maxBuffer: 2 ** 26,
      });
      expect([stderr, status]).toEqual(["", 0]);
      const words = stdout.split("\0");
      for (const args of calls) {
        for (const tools of [["bash"], ["sudo", "--non-interactive", "--", "bash"]]) {
          const [name, count] = words.splice(0, 2);
          const got = words.splice(0, Number(count));
          expect([name, ...got]).toEqual([
            ...tools,
            "-c",
            expect.stringContaining("set -euo pipefail"),
            "remove-scripts",
            ...args,
          ]);
        }
      }
      expect(words).toEqual([""]);
    },
  );

  it("refuses a NUL, which no argument can hold", () => {
    expect(() => lineAsRoot("root", "remove-scripts", "a\0b")).toThrow(TypeError);
  });
});
