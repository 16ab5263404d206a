import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { prepare, together, type Preparation } from "../../../setup/prepare.ts";
import { step } from "../../../setup/progress.ts";

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
  it("is told beforehand where it is missing, and made in any case", async () => {
    const made: string[] = [];
    const make = (name: string) => () => Promise.resolve(made.push(name));
    await prepare(
      { missing: () => Promise.resolve([{ what: "the image", takes: "some 2 min" }]), make: make("image") },
      { missing: () => Promise.resolve([]), make: make("tools") },
    );
    expect(said).toEqual(["Missing here, and made now:\n  the image: some 2 min"]);
    expect(made).toEqual(["image", "tools"]);
  });

  it("is said nothing of where all is there", async () => {
    await prepare(there, there);
    expect(said).toEqual([]);
  });

  it("is made side by side", async () => {
    let meet: () => void = () => undefined;
    const met = new Promise<void>((resolve) => (meet = resolve));
    await prepare({ ...there, make: () => met }, { ...there, make: () => Promise.resolve(meet()) });
  });
});

describe("works that go on together", () => {
  it("give what each gives, in their order", async () => {
    expect(await together([() => sleep(10, "slow"), () => Promise.resolve("quick")])).toEqual(["slow", "quick"]);
  });

  it("end each other: the first that fails is told, once the others have ended", async () => {
    let end = "";
    const other = async (signal: AbortSignal) => {
      await sleep(10_000, undefined, { signal }).catch(() => undefined);
      await sleep(20);
      end = "in good order";
      throw new Error("ended, since another one failed");
    };
    await expect(together([other, () => Promise.reject(new Error("no space"))])).rejects.toThrow("no space");
    expect(end).toBe("in good order");
    expect(said).toEqual(["That failed; what else goes on is ended first."]);
  });

  it("end when they are told to from outside, with the outer reason", async () => {
    const stop = new AbortController();
    const works = together([(signal) => sleep(10_000, undefined, { signal })], stop.signal);
    stop.abort(new Error("elsewhere"));
    await expect(works).rejects.toThrow("elsewhere");
  });
});

describe("steps", () => {
  it("that go on at the same time are told in one line every 15 seconds, and each by name when it is done", async () => {
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
