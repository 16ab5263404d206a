/** The picture of performance-test.sh as a browser shows it. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../setup/project.ts";
import { Browser } from "../support/browser.ts";
import { settingsIn } from "../unit/scripts/world.ts";

/** In milliseconds; of minutes, so that no test fails on a machine that has other things to do. */
const LIMIT = 300_000;

const MEASURE = `(() => {
  const shown = [...document.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  const over = ([, one], [, other]) => one.left < other.right && other.left < one.right &&
    one.top + 3 < other.bottom && other.top + 3 < one.bottom;
  const colour = (selector, property) => getComputedStyle(document.querySelector(selector))[property];
  return {
    texts: shown.map(([text]) => text),
    lines: document.querySelectorAll("polyline").length,
    overlaps: shown.flatMap((one, at) => shown.slice(at + 1).filter((other) => over(one, other))
      .map(([text]) => one[0] + " / " + text)),
    outside: shown.filter(([, { left, right }]) => left < 0 || right > innerWidth).map(([text]) => text),
    smallest: Math.min(...shown.map(([, { height }]) => height)) * visualViewport.scale,
    width: Math.round(document.documentElement.getBoundingClientRect().width * visualViewport.scale),
    onLines: shown.filter(([, { left, right, top }]) => [...document.querySelectorAll("polyline")].some((line) => {
      const place = line.getBoundingClientRect();
      return left < place.right && place.left < right && place.top <= top && top <= place.bottom;
    })).map(([text]) => text),
    paper: colour("rect.paper", "fill"),
    ink: colour("text.ink", "fill"),
    line: [colour("polyline.warm", "stroke"), colour("polyline.warm", "fill")],
  };
})()`;
interface Measured {
  readonly texts: readonly string[];
  readonly lines: number;
  readonly overlaps: readonly string[];
  readonly outside: readonly string[];
  readonly smallest: number;
  readonly width: number;
  readonly onLines: readonly string[];
  readonly paper: string;
  readonly ink: string;
  readonly line: readonly string[];
}

/** A run whose speeds are these, and whose times are the longer for it. */
const run = (day: number, bytesPerSecond: number) => ({
  at: `2026-01-${String(day).padStart(2, "0")}T12:00:00Z`,
  tests: Object.fromEntries(
    ["sequentialWrite", "sequentialRead", "randomWrite", "randomRead"].map((test) => [
      test,
      { bytesPerSecond, operationsPerSecond: bytesPerSecond / 4096, p99Microseconds: 1e12 / bytesPerSecond },
    ]),
  ),
});
const DAYS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("the picture of the measurements", { timeout: LIMIT }, () => {
  let browser: Browser;
  let folder: string;
  let picture: string;
  beforeAll(async () => {
    browser = await Browser.start();
    folder = await mkdtemp(join(tmpdir(), "jts-picture-"));
    picture = join(folder, "picture.svg");
    const settings = settingsIn(folder);
    const long = join(folder, "a-mount-point/with-a-long-path/that-no-narrow-screen-can-show");
    settings.hot!.mountPoints.push(long);
    await mkdir(settings.stateFolder);
    const mounts = [
      { tier: "hot", path: settings.hot!.mountPoints[0], runs: DAYS.map((day) => run(day, 1.0e9 + day * 1e7)) },
      { tier: "hot", path: long, runs: [run(1, 1e7), run(2, 9e6)] },
      {
        tier: "warm",
        path: settings.warm!.mountPoint,
        runs: DAYS.map((day) => run(day, day < 10 ? 4e8 * (1 + (day % 3) / 10) : 1e7)),
      },
      { tier: "cold", path: settings.cold!.root, runs: [run(1, 1e8)] },
    ].map((one) => ({ ...one, size: "full" }));
    await writeFile(join(settings.stateFolder, "performance.json"), JSON.stringify({ version: 2, mounts }));
    await writeFile(join(folder, "settings.json"), JSON.stringify(settings), { mode: 0o644 });
    const script = join(ROOT, "scripts/performance-test.sh");
    await execa(script, ["--history", "--settings", join(folder, "settings.json"), "--picture", picture]);
  }, LIMIT);
  afterAll(async () => {
    await browser.end();
    await rm(folder, { recursive: true });
  });

  it.each(["light", "dark"] as const)("fits a screen of 390 px, %s, and asks for nothing else", async (scheme) => {
    const page = await browser.open(picture, { width: 390, scheme });
    try {
      const seen = await page.evaluate<Measured>(MEASURE);
      if (process.env.JTS_STORAGE_SCREENSHOTS !== undefined)
        await page.screenshot(join(process.env.JTS_STORAGE_SCREENSHOTS, `performance-${scheme}.png`));
      const { overlaps, onLines, outside, lines, width } = seen;
      expect({ overlaps, onLines, outside, lines, width }).toEqual({
        overlaps: [],
        onLines: [],
        outside: [],
        lines: 4 * 8,
        width: 390,
      });
      expect(seen.smallest).toBeGreaterThanOrEqual(11);
      expect(seen.texts.filter((text) => text.startsWith("slower")).length).toBe(8);
      const [paper, ink, line] =
        scheme === "light"
          ? ["rgb(246, 247, 245)", "rgb(27, 37, 48)", "rgb(125, 90, 0)"]
          : ["rgb(18, 22, 27)", "rgb(233, 238, 243)", "rgb(223, 180, 88)"];
      expect([seen.paper, seen.ink, seen.line]).toEqual([paper, ink, [line, "none"]]);
      expect([page.requests, page.problems]).toEqual([[], []]);
    } finally {
      await page.close();
    }
  });
});
