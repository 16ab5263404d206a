import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import Ajv from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { generatedFiles } from "../../commands/generate.ts";
import { parseHosts } from "../../config.ts";
import { ROOT } from "../../setup/project.ts";
import { testsThatAre } from "../../setup/suite.ts";

/** A promise of docs/safety.md, and the tests that hold it: file, and names in it. */
interface Promised {
  readonly promise: string;
  readonly tests: readonly (readonly [file: string, names: readonly string[]])[];
}

function promises(): readonly Promised[] {
  const rows = [...readFileSync(join(ROOT, "docs/safety.md"), "utf8").matchAll(/^\| (.*?) \| (.*) \|$/gm)];
  return rows.map(([, promise = "", held = ""]) => {
    const tests: [string, string[]][] = [];
    for (const [, file, quoted] of held.matchAll(/`(test\/[^`]+\.test\.ts)`|"([^"]+)"/g)) {
      if (file !== undefined) tests.push([file, []]);
      else if (quoted !== undefined) tests.at(-1)?.[1].push(quoted);
    }
    return { promise, tests };
  });
}

/** A name as a file has it, with `%s` and `$name` for what differs. */
const patternOf = (name: string) =>
  new RegExp(`(^| > )${name.replaceAll(/[.*+?^{}()|[\]\\]/g, "\\$&").replaceAll(/%[sj]|\$\w+/g, ".*")}( > |$)`);

describe("docs/safety.md", () => {
  it("names only tests that exist", () => {
    const missing = promises().flatMap(({ tests }) =>
      tests.flatMap(([file, names]) => {
        const text = existsSync(join(ROOT, file)) ? readFileSync(join(ROOT, file), "utf8") : undefined;
        if (text === undefined) return [file];
        return names.filter((name) => !text.includes(JSON.stringify(name))).map((name) => `${file}: ${name}`);
      }),
    );
    expect(missing).toEqual([]);
  });

  it("has for each promise a test that `npm test` runs", async () => {
    const inShort = await testsThatAre("!long");
    const isRun = ([file, names]: Promised["tests"][number]) => {
      if (!file.startsWith("test/e2e/")) return true;
      const run = inShort.get(basename(file, ".test.ts")) ?? [];
      return names.length === 0 ? run.length > 0 : names.some((name) => run.some((one) => patternOf(name).test(one)));
    };
    const held = promises().filter(({ tests }) => tests.length > 0);
    expect(held.length).toBeGreaterThan(40);
    expect(held.filter(({ tests }) => !tests.some(isRun)).map(({ promise }) => promise)).toEqual([]);
  });
});

describe("what follows from the rows of the configuration", () => {
  it("is as `npm run generate` writes it, with a text for each row", async () => {
    for (const [file, text] of Object.entries(await generatedFiles()))
      expect(readFileSync(join(ROOT, file), "utf8"), file).toBe(text);
  });

  const validate = new Ajv({ allErrors: true }).compile(
    JSON.parse(readFileSync(join(ROOT, "docs/configuration.schema.json"), "utf8")) as object,
  );
  const earlier = parse(readFileSync(join(ROOT, "test/fixtures/earlierState/hosts.yaml"), "utf8")) as object;
  const stackWith = (hosts: object) => ({
    config: { "jts-storage:hosts": hosts, "aws:region": "x" },
    encryptionsalt: "v1:x",
  });
  const hostWith = (change: object) => ({
    trading: {
      connection: { host: "h", hostKey: `ssh-ed25519 ${"A".repeat(68)}` },
      warm: { device: { path: "/dev/sda2" } },
      ...change,
    },
  });

  it("lets editors accept the stacks of this project, and what the program accepts", () => {
    const stacks = {
      ...Object.fromEntries(
        ["Pulumi.dev.yaml", "Pulumi.prod.yaml"].map((file) => [file, parse(readFileSync(join(ROOT, file), "utf8"))]),
      ),
      earlier: stackWith(earlier),
      shortest: stackWith(hostWith({})),
    };
    for (const [name, stack] of Object.entries(stacks)) {
      validate(stack);
      expect(validate.errors ?? [], name).toEqual([]);
    }
  });

  it.each<[object, string]>([
    [{ hott: {} }, ".trading"],
    [{ hot: { device: { path: "/dev/nvme0n1" }, colour: 1 } }, ".trading.hot"],
    [{ hot: { layout: "lvn" } }, ".trading.hot"],
    [{ hot: {} }, ".trading.hot"],
    [{ warm: {} }, ".trading.warm"],
    [{ warm: { device: { path: "sda2" } } }, ".trading.warm.device.path"],
    [{ warm: { device: { path: "/dev/sda2", size: "800 apples" } } }, ".trading.warm.device.size"],
    [{ warm: { device: { path: "/dev/sda2", size: "50%VG" } } }, ".trading.warm.device.size"],
    [{ cold: { server: "nas", export: "/v", version: 2 } }, ".trading.cold.version"],
    [{ onDelete: "wipeout" }, ".trading.onDelete"],
    [{ automation: { tempAfterDays: -1 } }, ".trading.automation.tempAfterDays"],
    [{ automation: { tempAfterDays: "3" } }, ".trading.automation.tempAfterDays"],
    [{ automation: { warmHighPercent: 101 } }, ".trading.automation.warmHighPercent"],
    [{ automation: { attributes: "loose" } }, ".trading.automation.attributes"],
    [{ automation: { rules: [{ name: "a" }] } }, ".trading.automation.rules[0]"],
    [{ automation: { onCalendar: "daily\nUnit=x" } }, ".trading.automation.onCalendar"],
  ])("lets editors refuse %j", (change, where) => {
    const hosts = hostWith(change);
    expect(parseHosts(hosts).problems).not.toEqual([]);
    expect(validate(stackWith(hosts))).toBe(false);
    // Ajv writes names that are in a map as ['NAME'].
    const places = validate.errors!.map(({ dataPath }) => dataPath.replaceAll(/\['([\w:-]+)'\]/g, ".$1"));
    expect(places).toContain(`.config.jts-storage:hosts${where}`);
  });
});

describe("the documentation", () => {
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".md"))
      .map((name) => join("docs", name)),
  ];

  it("links only to files and headings that exist", () => {
    // As GitHub makes them of headings.
    const anchors = (page: string) =>
      [...readFileSync(join(ROOT, page), "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, "")
          .replaceAll(" ", "-"),
      );
    const broken = pages.flatMap((page) =>
      [...readFileSync(join(ROOT, page), "utf8").matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].flatMap(
        ([link, path = "", anchor]) => {
          const target = path === "" ? page : join(dirname(page), path);
          return existsSync(join(ROOT, target)) && (anchor === undefined || anchors(target).includes(anchor))
            ? []
            : [`${page}: ${link}`];
        },
      ),
    );
    expect(pages.length).toBeGreaterThan(20);
    expect(broken).toEqual([]);
  });
});
