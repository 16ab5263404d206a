/** docs/configuration.md. */
import { relative } from "node:path";
import { withoutArticle } from "../../components/rows.ts";
import { formatBytes } from "../../providers/values/size.ts";
import { defaultValue, isRequired, type Option, type Scalar } from "./option.ts";

const INTRODUCTION = `# Configuration

<!-- Made by \`npm run generate\` of the comments in components/*/settings.ts; edit those. -->

A stack's file has one key, \`jts-storage:hosts\`: a map of host name (letters, digits, \`-\`) to the sections below. Any
tier may be left out. Unknown keys are errors. All errors are reported at once, each with its key path, its value, and
what would be right.

- **Sizes** are \`800GiB\`, \`800GB\` (decimal), \`1.5TiB\`, or bytes; a plain \`800G\` is GiB, as in LVM. The size of a volume
  may also be a share of its volume group, \`50%VG\`, which needs \`hot.device.size\`.
- **Modes** are strings: \`"750"\`.
- **Calendars** are those of systemd.time(7): \`daily\`, \`Sat *-*-01..07 07:00\`.
- In a key, \`X\` stands for any name, and \`N\` for any item of a list.

For completion and checks in an editor with a YAML language server, put this on the first line of the stack's file:

\`\`\`yaml
# yaml-language-server: $schema=docs/configuration.schema.json
\`\`\`
`;

export function printReference(options: readonly Option[]): string {
  const sections = options.filter(({ path }) => path.length === 1);
  const parts = sections.map((section) => {
    const [name] = section.path;
    const rows = options.filter(({ path }) => path[0] === name && path.length > 1);
    const standing = isRequired(section) ? "Required." : `Default: ${printDefault(section)}.`;
    const heading = `## ${name}\n\n${linked(section.description)} ${standing}\n`;
    if (rows.length === 0) return `${heading}\nTakes ${withoutArticle(section.kind)}.\n`;
    const groups = Object.groupBy(rows, (row) => groupOf(row, rows));
    return [
      heading,
      ...Object.entries(groups).map(
        ([group, members = []]) => (group === "" ? "" : `### ${group}\n\n`) + table(members),
      ),
    ].join("\n");
  });
  return [INTRODUCTION, ...parts].join("\n");
}

/** Long lists get a table for what is below one of their keys, and one for calendars. */
function groupOf({ path, kind }: Option, rows: readonly Option[]): string {
  const [section, key = ""] = path;
  if (rows.length < 30) return "";
  if (path.length > 2 || rows.some((row) => row.path.length > 2 && row.path[1] === key)) return `${section}.${key}`;
  return kind.startsWith("a calendar") ? "Timers" : "Other options";
}

function table(options: readonly Option[]): string {
  const rows = options.map((option) => {
    const { path, kind, description, isPartial } = option;
    const standing = isRequired(option)
      ? isPartial && path.length === 2
        ? "required with `lvm`"
        : "required"
      : printDefault(option);
    const cells = [`\`${path.join(".")}\``, withoutArticle(kind), standing, linked(description)];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return ["| key | takes | default | meaning |", "|---|---|---|---|", ...rows, ""].join("\n");
}

function printDefault({ schema, kind, default: words }: Option): string {
  if (words !== undefined) return words;
  const value = defaultValue(schema);
  if (value === undefined) return "none";
  if (typeof value !== "object") return code(value, kind);
  const entries = Object.entries(value).map(([key, one]) => code(Array.isArray(value) ? one : `${key}: ${one}`));
  return entries.join(", ") || (Array.isArray(value) ? "none" : "see below");
}

/** A value as YAML wants it: sizes with a unit, and a mode in quotes, since it would be a number without. */
function code(value: Scalar, kind = ""): string {
  if (typeof value === "number" && kind.startsWith("a size")) return `\`${formatBytes(value).replace(" ", "")}\``;
  return `\`${typeof value === "string" && /^\d+$/.test(value) ? JSON.stringify(value) : value}\``;
}

/** Paths of the checkout as links from docs/. */
function linked(text: string): string {
  return text.replaceAll(
    /\b(docs|scripts)\/[\w/.-]*\.(?:md|xml)(#[\w-]+)?/g,
    (path) => `[${path.replace(/#.*/, "")}](${relative("docs", path)})`,
  );
}
