/** The map as a browser shows it, and as a real host is looked at for it. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { hostMap, type HostMap } from "../../setup/map/hostMap.ts";
import { lookAt } from "../../setup/map/look.ts";
import { drawSvg, printPage } from "../../setup/map/page.ts";
import { MADE, ROOT } from "../../setup/project.ts";
import { readStack } from "../../setup/stackFile.ts";
import { Browser, type Page, type Screen } from "../support/browser.ts";
import { CONNECTION, hostsOf, SEEN } from "../support/mapOf.ts";
import { startSshd } from "./localSshd.ts";
import { refusingPort } from "./refusingPort.ts";

/** In milliseconds; of minutes, so that no test fails on a machine that has other things to do. */
const LIMIT = 300_000;

const SCREENS = [390, 768, 1440].flatMap((width) =>
  (["light", "dark"] as const).map((scheme): Screen => ({ width, scheme })),
);

/** Texts that are shown, with their places; those that lie over one another, and over the edge of the window. */
const MEASURE = `(() => {
  const shown = [...document.querySelectorAll("svg text")].map((text) => [text.textContent, text.getBoundingClientRect()])
    .filter(([, { width }]) => width > 0);
  const over = ([, one], [, other]) => one.left + 1 < other.right && other.left + 1 < one.right &&
    one.top + 3 < other.bottom && other.top + 3 < one.bottom;
  return {
    texts: shown.map(([text]) => text),
    overlaps: shown.flatMap((one, at) => shown.slice(at + 1).filter((other) => over(one, other))
      .map(([text]) => one[0] + " / " + text)),
    outside: shown.filter(([, { left, right }]) => left < 0 || right > innerWidth).map(([text]) => text),
    smallest: Math.min(...shown.map(([, { height }]) => height)),
    wide: document.documentElement.scrollWidth,
    ground: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.querySelector("svg text")).fill,
  };
})()`;
interface Measured {
  readonly texts: readonly string[];
  readonly overlaps: readonly string[];
  readonly outside: readonly string[];
  readonly smallest: number;
  readonly wide: number;
  readonly ground: string;
  readonly ink: string;
}

describe("the page in Chromium", { timeout: LIMIT }, () => {
  const file = join(MADE, "map-test.html");
  let browser: Browser;
  let maps: readonly HostMap[];
  beforeAll(async () => {
    browser = await Browser.start();
    const hosts = await readStack(join(ROOT, "Pulumi.prod.yaml"), []);
    maps = hosts.map((host) => hostMap(host, { outcome: "seen", seen: SEEN }));
    await writeFile(file, printPage(maps, "Pulumi.prod.yaml"));
  }, LIMIT);
  afterAll(() => browser.end());

  const withPage = async (screen: Screen, work: (page: Page) => Promise<void>, of = file) => {
    const page = await browser.open(of, screen);
    await work(page);
    await page.close();
  };

  it.each(SCREENS)(
    "shows all texts, none over another or off the screen, and asks for nothing ($width px, $scheme)",
    async (screen) => {
      await withPage(screen, async (page) => {
        const { texts, overlaps, outside, smallest, wide, ground } = await page.evaluate<Measured>(MEASURE);
        await page.screenshot(join(MADE, `map-${screen.width}-${screen.scheme}.png`));
        const said = texts.join(" ");
        for (const text of ["trading", "Hot tier", "lv_clickhouse", "/mnt/synology", "≠ differs", "Health: warning"])
          expect(said).toContain(text);
        expect({ overlaps, outside, wide }).toEqual({ overlaps: [], outside: [], wide: screen.width });
        expect(smallest).toBeGreaterThan(10);
        expect(ground).toBe(screen.scheme === "light" ? "rgb(246, 247, 245)" : "rgb(18, 22, 27)");
        expect(page.requests).toEqual([]);
        expect(page.problems).toEqual([]);
      });
    },
  );

  it("has a policy under which no script and no picture from elsewhere is loaded", async () => {
    const worse = join(MADE, "map-test-worse.html");
    const page = await readFile(file, "utf8");
    const added = `<script>document.title = "ran"</script><img src="https://192.0.2.1/a.png"><p style="color:red">a</p>`;
    await writeFile(worse, page.replace("<main>", `<main>${added}`));
    await withPage(
      SCREENS[0]!,
      async (opened) => {
        expect(await opened.evaluate("document.title")).toBe("Storage of trading");
        expect(opened.problems.join("\n").match(/Content Security Policy/g)?.length).toBeGreaterThanOrEqual(3);
      },
      worse,
    );
  });

  it("says all of it to who doesn't see it: a name and description of the picture, and the same as text", async () => {
    await withPage(SCREENS[0]!, async (page) => {
      const [title, description, text] = await page.evaluate<readonly string[]>(`(() => {
        const svg = [...document.querySelectorAll("svg[role=img]")].find((one) => one.getBoundingClientRect().width > 0);
        const named = svg.getAttribute("aria-labelledby").split(" ").map((id) => document.getElementById(id).textContent);
        return [...named, document.querySelector("details").textContent];
      })()`);
      expect(title).toBe("Storage of trading");
      expect(description).toMatch(/^trading at 192\.168\.1\.100\. ≠ 2 differences/);
      for (const name of ["lv_redis", "/data/jts/hot/backup", "Dumps of PostgreSQL", "write 2 scripts", "btrfs"])
        expect(text).toContain(name);
    });
  });

  it("is also an SVG file, which a browser takes without a fault", async () => {
    const svg = join(MADE, "map-test.svg");
    await writeFile(svg, drawSvg(maps));
    await withPage(
      SCREENS[4]!,
      async (page) => {
        expect(await page.evaluate("document.documentElement.nodeName")).toBe("svg");
        expect(
          await page.evaluate(`[...document.querySelectorAll("text")].some((one) => one.textContent === "vg_jts")`),
        ).toBe(true);
        expect([page.requests, page.problems]).toEqual([[], []]);
      },
      svg,
    );
  });
});

describe("a host that is looked at", { timeout: LIMIT }, () => {
  const cold = { server: "192.0.2.2", export: "/volume1/data", mountPoint: "/srv/not-mounted", folders: [] };

  it("that can't be reached is drawn as declared, and says why", async () => {
    const connection = { ...CONNECTION, host: "127.0.0.1", port: await refusingPort() };
    const [host] = await hostsOf({ away: { connection, cold } });
    const look = await lookAt(host!);
    expect(look).toEqual({ outcome: "not reached", reason: expect.stringMatching(/refused/i) as string });
    expect(printPage([hostMap(host!, look)], "stack")).toContain("/srv/not-mounted");
  });

  it("shows what differs there", async (context) => {
    const sshd = await startSshd();
    if (typeof sshd === "string" || process.getuid?.() !== 0) return context.skip("needs sshd, and root");
    try {
      const { privateKey: _key, ...connection } = sshd.connection;
      const [host] = await hostsOf({ here: { connection: { ...connection, identityFile: sshd.identityFile }, cold } });
      const look = await lookAt(host!);
      expect(look.outcome).toBe("seen");
      const { differences } = hostMap(host!, look);
      expect(differences.map(({ subject }) => subject)).toContain("cold-mount");
    } finally {
      await sshd.end();
    }
  });
});

it(
  "the command writes a page and a drawing, and refuses other names",
  async () => {
    const run = (...args: string[]) =>
      execa("node", [join(ROOT, "commands", "map.ts"), "--stack", "dev", "--offline", ...args], { reject: false });
    const page = await run("--output", join(MADE, "map-dev-test.html"));
    const drawing = await run("--output", join(MADE, "map-dev-test.svg"));
    const other = await run("--output", join(MADE, "map-dev-test.png"));
    expect([page.exitCode, page.stdout]).toEqual([0, join(MADE, "map-dev-test.html")]);
    expect(await readFile(page.stdout, "utf8")).toMatch(/^<!doctype html>[^]*As declared; the host was not asked/);
    expect(await readFile(drawing.stdout, "utf8")).toMatch(/^<svg [^]*<\/svg>\n$/);
    expect([other.exitCode, other.stderr]).toEqual([2, expect.stringContaining("must end in .html or .svg") as string]);
  },
  LIMIT,
);
