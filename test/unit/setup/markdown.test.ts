import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LONGEST_COMMENT } from "../../../setup/markdown.ts";
import { MARKER, renderMarkdown } from "../../../setup/preview/markdown.ts";
import type { Change, Plan } from "../../../setup/preview/plan.ts";

const change = (more: Partial<Change> = {}): Change => ({
  operation: "create",
  host: "trading",
  tier: "hot",
  name: "pv",
  kind: "PhysicalVolume",
  what: "/dev/nvme0n1",
  destroysData: false,
  interruptsService: false,
  ...more,
});
const plan = (more: Partial<Plan> = {}): Plan => ({
  stack: "prod",
  changes: [change()],
  unchanged: 0,
  outputs: {},
  warnings: [],
  errors: [],
  ...more,
});

const many = (count: number, what: string) =>
  Array.from({ length: count }, (_, index) =>
    change({ name: `lv-${index}`, what, tier: index % 2 === 0 ? "hot" : "warm" }),
  );

describe("a comment", () => {
  it("starts with the marker that comment.sh looks for", () => {
    expect(renderMarkdown([plan()]).split("\n")[0]).toBe(MARKER);
    expect(readFileSync(new URL("../../../setup/preview/comment.sh", import.meta.url), "utf8")).toContain(
      `marker='${MARKER}'\nlongest=${LONGEST_COMMENT}\n`,
    );
  });

  it("warns of changes that interrupt services, in the table, in words and at the tier", () => {
    const cut = renderMarkdown([plan({ changes: [change({ operation: "update", interruptsService: true })] })]);
    expect(cut).toContain("1 to update, **interrupts services**");
    expect(cut).toContain("> [!WARNING]\n> Services would be interrupted: 1 change stops or unmounts what is in use.");
    expect(cut).toContain("1 to update, <b>interrupts services</b>");
    expect(renderMarkdown([plan()])).not.toContain("interrupt");
  });

  it("folds the capacity of each host", () => {
    const room = { tier: "warm", name: "w", on: ["/dev/a"], bytes: 4096, shares: [] } as const;
    const markdown = renderMarkdown([plan({ capacity: { db1: [room] } })]);
    expect(markdown).toContain("<details><summary>capacity</summary>\n\n```text\ndb1: capacity, as declared\n");
  });

  it("has a table with a row for each stack, and folds the details", () => {
    const markdown = renderMarkdown([
      plan({ outputs: { hosts: { trading: "x" } } }),
      plan({ stack: "dev", changes: [], unchanged: 60 }),
    ]);
    expect(markdown).toContain("| prod | ok | 1 to create | 0 |\n| dev | ok | none | 60 |\n");
    expect(markdown).toContain(
      [
        "<details><summary>trading: hot: 1 to create</summary>",
        "",
        "| | resource | kind | |",
        "|---|---|---|---|",
        "| `+` | `pv` | PhysicalVolume | `/dev/nvme0n1` |",
        "",
        "</details>",
      ].join("\n"),
    );
    expect(markdown).toContain("<details><summary>outputs</summary>\n\n```text\nhosts\n  trading: x\n```");
  });

  it("shows what fails and what would be lost unfolded", () => {
    const markdown = renderMarkdown([
      plan({
        errors: ["The configuration can't be carried out:\n  trading.hot.volumes: too large"],
        changes: [change({ operation: "delete", destroysData: true })],
      }),
    ]);
    expect(markdown).toContain("## Storage preview: 1 of 1 failed");
    expect(markdown).toContain("| prod | **failed** | 1 to delete, **wipes data** | 0 |");
    expect(markdown).toContain(
      "```text\nThe configuration can't be carried out:\n  trading.hot.volumes: too large\n```",
    );
    expect(markdown).toContain("> [!CAUTION]\n> Data would be wiped");
  });

  it("shows texts literally: none ends a cell, a code block or the folding, and none mentions anybody", () => {
    const markdown = renderMarkdown([
      plan({ changes: [change({ what: "a|b `c` </details>\n@everyone", host: "<b>" })], errors: ["```\n</details>"] }),
    ]);
    expect(markdown).toContain("| `a\\|b 'c' </details> @everyone` |");
    expect(markdown).toContain("<summary>&lt;b&gt;: hot: 1 to create</summary>");
    expect(markdown).toContain("````text\n```\n</details>\n````");
  });

  it("is the same for the same plans", () => {
    expect(renderMarkdown([plan()])).toBe(renderMarkdown([plan()]));
  });
});

describe("a comment that would be too long", () => {
  it("leaves out outputs first, then tables from the end, and says which; the summary and the errors stay", () => {
    const plans = [
      plan({ stack: "dev", changes: many(300, "x".repeat(100)), outputs: { hosts: "y".repeat(100) } }),
      plan({ changes: many(300, "x".repeat(100)), errors: ["wrong"] }),
    ];
    const markdown = renderMarkdown(plans);
    expect(markdown.length).toBeLessThanOrEqual(LONGEST_COMMENT);
    expect(markdown).toContain("Left out, since GitHub takes no more: dev, outputs; prod, trading: warm");
    expect(markdown).toContain("<summary>trading: hot: 150 to create</summary>");
    expect(markdown).not.toContain("<summary>outputs</summary>");
    expect(markdown).toContain("```text\nwrong\n```");
    expect(markdown).toContain("| prod | **failed** | 300 to create | 0 |");
  });

  it("cuts very many errors at the end of a line", () => {
    const markdown = renderMarkdown([
      plan({ errors: [Array.from({ length: 5000 }, (_, index) => `error number ${index}`).join("\n")] }),
    ]);
    expect(markdown.length).toBeLessThan(12_000);
    expect(markdown).toMatch(/\nerror number \d+\n… and \d+ more lines\n```\n/);
  });

  it("never exceeds the limit, whatever the plans hold, and never leaves a folding open", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 300 });
    const anyChange = fc.record({
      operation: fc.constantFrom("create", "update", "replace", "delete", "read"),
      host: text,
      tier: text,
      name: text,
      kind: text,
      what: text,
      destroysData: fc.boolean(),
      interruptsService: fc.boolean(),
    });
    const anyPlan = fc.record({
      stack: text,
      changes: fc.array(anyChange, { maxLength: 8 }),
      unchanged: fc.nat(),
      outputs: fc.dictionary(text, text, { maxKeys: 3 }),
      warnings: fc.array(text, { maxLength: 2 }),
      errors: fc.array(text, { maxLength: 2 }),
    });
    fc.assert(
      fc.property(fc.array(anyPlan, { maxLength: 4 }), fc.integer({ min: 1500, max: 5000 }), (plans, limit) => {
        const markdown = renderMarkdown(plans, { limit });
        expect(Buffer.byteLength(markdown)).toBeLessThanOrEqual(limit);
        expect(markdown.startsWith(MARKER)).toBe(true);
        expect(markdown.match(/^<details>/gm)?.length).toBe(markdown.match(/^<\/details>$/gm)?.length);
      }),
      { numRuns: 100 },
    );
  });
});
