import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { prepare, together, type Preparation } from "../../../setup/prepare.ts";
import { step } from "../../../setup/progress.ts";
import { ROOT } from "../../../setup/project.ts";

let said: string[];
beforeEach(() => {
  said = [];
  vi.spyOn(console, "log").mockImplementation((text: string) => void said.push(text));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const there: Preparation = { missing: () => Promise.resolve([]), make: () => Promise.resolve() };

describe("what is prepared", () => {
  it("is named beforehand where it is missing, and made in any case", async () => {
    const made: string[] = [];
    const make = (name: string) => () => Promise.resolve(made.push(name));
    await prepare(
      { missing: () => Promise.resolve([{ what: "the image", takes: "some 2 min" }]), make: make("image") },
      { missing: () => Promise.resolve([]), make: make("tools") },
    );
    expect(said).toEqual(["Missing here, made now:\n  the image: some 2 min"]);
    expect(made).toEqual(["image", "tools"]);
  });

  it("prints nothing where nothing is missing", async () => {
    await prepare(there, there);
    expect(said).toEqual([]);
  });

  it("cleans up after Ctrl-C, and ends in one word", async () => {
    const script = `
      import { execa } from "execa";
      import { prepare } from "./setup/prepare.ts";
      import { main } from "./setup/progress.ts";
      const make = async (signal) => {
        const program = execa("sleep", ["600"], { reject: false, cancelSignal: signal });
        console.log("begun");
        await program;
        await new Promise((resolve) => setTimeout(resolve));
        console.log("cleaned up");
        signal.throwIfAborted();
      };
      await main(() => prepare({ missing: () => Promise.resolve([]), make }));`;
    const program = execa("node", ["--input-type=module", "--eval", script], { cwd: ROOT, reject: false });
    const said: string[] = [];
    for await (const line of program) {
      said.push(line);
      if (line === "begun") program.kill("SIGINT");
    }
    expect(said).toEqual(["begun", "Stopping …", "cleaned up"]);
    expect(await program).toMatchObject({ exitCode: 1, stderr: "Stopped." });
  });

  it("is made at the same time", async () => {
    let meet: () => void = () => undefined;
    const met = new Promise<void>((resolve) => (meet = resolve));
    await prepare({ ...there, make: () => met }, { ...there, make: () => Promise.resolve(meet()) });
  });
});

describe("works that run at the same time", () => {
  it("give their results in their order", async () => {
    expect(await together([() => sleep(10, "slow"), () => Promise.resolve("quick")])).toEqual(["slow", "quick"]);
  });

  it("stop when one of them fails: its error is thrown once the others have ended", async () => {
    let end = "none";
    const other = async (signal: AbortSignal) => {
      await sleep(10_000, undefined, { signal }).catch(() => undefined);
      await sleep(20);
      end = "after it was stopped";
      throw new Error("ended, since another one failed");
    };
    await expect(together([other, () => Promise.reject(new Error("no space"))])).rejects.toThrow("no space");
    expect(end).toBe("after it was stopped");
    expect(said).toEqual(["That failed; stopping the other steps first …"]);
  });

  it("stop with the outer signal, and throw its reason", async () => {
    const stop = new AbortController();
    const works = together([(signal) => sleep(10_000, undefined, { signal })], stop.signal);
    stop.abort(new Error("elsewhere"));
    await expect(works).rejects.toThrow("elsewhere");
  });
});

describe("steps", () => {
  it("that run at the same time share a line every 15 seconds, and each is named when it is done", async () => {
    vi.useFakeTimers();
    const wait = (seconds: number) => () => new Promise<void>((resolve) => setTimeout(resolve, seconds * 1000));
    const both = [step("Building the CLI", wait(31))];
    await vi.advanceTimersByTimeAsync(10_000);
    both.push(step("Installing Debian", wait(12)), step("Making keys", wait(1)));
    await vi.advanceTimersByTimeAsync(60_000);
    await Promise.all(both);
    expect(said).toEqual([
      "Building the CLI …",
      "Installing Debian …",
      "Making keys …",
      "  … building the CLI: 15 s; installing Debian: 5 s",
      "  done in 12 s: installing Debian",
      "  … building the CLI: 30 s",
      "  done in 31 s: building the CLI",
    ]);
  });
});
