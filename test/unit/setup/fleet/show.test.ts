import { describe, expect, it } from "vitest";
import type { StackRun } from "../../../../setup/fleet/run.ts";
import { printRuns, Progress } from "../../../../setup/fleet/show.ts";

const ok: StackRun = { result: "ok", changes: { create: 54, update: 1 }, seconds: 33 };
const failed: StackRun = { result: "failed", changes: {}, seconds: 4.2, error: "no route", log: `${process.cwd()}/l` };

/** What is on the screen after what was written, as far as lines are taken back. */
function shown(written: string): string[] {
  const lines: string[] = [];
  // An escape, so many lines up, and an escape that clears what is below.
  for (const part of written.split("\x1b[J")) {
    const [text = "", back = "0A"] = part.split("\x1b[");
    lines.push(...text.split("\n").slice(0, -1));
    lines.splice(lines.length - Number.parseInt(back, 10));
  }
  return lines;
}

describe("the output of a fleet", () => {
  it("has without a terminal a line for each begin and end", () => {
    let said = "";
    const progress = new Progress({ write: (text) => (said += text) }, "up", 2);
    progress.begin("a");
    progress.tell("a", "3 resources done");
    progress.end("a", ok);
    progress.begin("b");
    progress.end("b", failed);
    progress.close();
    expect(said).toBe(
      [
        "a: up …",
        "a: up ok, changes: 54 create, 1 update, 33 s",
        "b: up …",
        "b: up failed, changes: none, 4.2 s: no route",
        "",
      ].join("\n"),
    );
  });

  it("has on a terminal a line for each stack that runs, and takes it back when it ends", () => {
    let said = "";
    const progress = new Progress({ isTTY: true, columns: 40, write: (text) => (said += text) }, "up", 3);
    progress.begin("a");
    progress.begin("b");
    progress.tell("b", "3 resources done, create h-hot-redis-lv-with-a-long-name");
    progress.end("a", ok);
    expect(shown(said)).toEqual([
      "a: up ok, changes: 54 create, 1 update, 33 s",
      "b  0 s  3 resources done, create h-hot-",
      "up: 1 of 3 done, 0 failed, 1 waiting",
    ]);
    progress.close();
    expect(shown(said)).toEqual(["a: up ok, changes: 54 create, 1 update, 33 s"]);
  });

  it("ends with a table that names the error and the log of each stack that failed", () => {
    const notBegun: StackRun = { result: "not begun", changes: {}, seconds: 0 };
    expect(
      printRuns(
        new Map([
          ["prod-1", ok],
          ["b", failed],
          ["c", notBegun],
        ]),
      ),
    ).toEqual([
      "stack   result     changes              seconds  error     log",
      "prod-1  ok         54 create, 1 update     33.0",
      "b       failed     none                     4.2  no route  l",
      "c       not begun  none",
    ]);
  });
});
