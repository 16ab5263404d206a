import { z } from "zod";
import { automationSettings } from "../../components/automation/settings.ts";
import { coldArguments } from "../../components/cold/settings.ts";
import { hotSettings } from "../../components/hot/settings.ts";
import { unwrap } from "../../components/rows.ts";
import { tuningSettings } from "../../components/tuning/settings.ts";
import { warmArguments } from "../../components/warm/settings.ts";
import { kinds } from "../../providers/kinds.ts";
import { connectionSchema } from "../../providers/values/connection.ts";
import { documentationIn } from "./editor.ts";

type Rows = Readonly<Record<string, z.ZodType>>;

const ANY = z.unknown();
const HOST: Rows = { host: ANY, connection: connectionSchema };
const TIER: Rows = { ...HOST, configKey: ANY };

/** What each class takes. A class comes once for each shape that its arguments can have. */
const ARGUMENTS: readonly (readonly [name: string, rows: Rows])[] = [
  ...hotSettings.options.map(({ shape }) => ["HotTier", { ...TIER, onDelete: ANY, ...shape }] as const),
  ["WarmTier", { ...TIER, onDelete: ANY, ...warmArguments.shape }],
  ["ColdTier", { ...TIER, ...coldArguments.shape }],
  ["HostPackages", { ...HOST, packages: ANY }],
  ["HostTuning", { ...HOST, hot: ANY, onFailure: ANY, ...tuningSettings.shape }],
  ["TieringAutomation", { ...HOST, tiers: ANY, watched: ANY, ...automationSettings.shape }],
  ["Verification", { ...HOST, tiers: ANY }],
  ...Object.entries(kinds).map(([name, { inputs }]) => [name, { ...inputs.shape, configKeys: ANY }] as const),
];

export const CLASSES: readonly string[] = [...new Set(ARGUMENTS.map(([name]) => name))];

/**
 * Makes one of every component and resource, with every argument, as an editor sees it.
 *
 * @param module what the program imports them from
 * @param folder where the program is
 * @returns the names of the classes and their arguments, with what the editor shows of each
 */
export function argumentsInEditor(
  module: string,
  folder: string,
): readonly (readonly [name: string, documentation: string])[] {
  const made = ARGUMENTS.map(([name, rows]) => `new storage.¦${name}("a", ${objectOf(rows)});`);
  const program = [`import * as storage from "${module}";`, "declare const any: never;", ...made];
  const shown = documentationIn(program.join("\n"), folder);
  const names = made.flatMap((line) => {
    const [owner = "", ...keys] = [...line.matchAll(/¦(\w+)/g)].map(([, word = ""]) => word);
    return [owner, ...keys.map((key) => `${owner}: ${key}`)];
  });
  return names.map((name, index) => [name, shown[index] ?? ""]);
}

/** An object literal with the key of each row, at every depth. */
function objectOf(rows: Rows): string {
  const pairs = Object.entries(rows).map(([key, row]) => `¦${key}: ${valueOf(row)}`);
  return `{ ${pairs.join(", ")} }`;
}

function valueOf(schema: z.ZodType): string {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return objectOf(inner.shape);
  if (inner instanceof z.ZodRecord) return `{ x: ${valueOf(inner.valueType as z.ZodType)} }`;
  if (inner instanceof z.ZodArray) return `[${valueOf(inner.element as z.ZodType)}]`;
  if (inner instanceof z.ZodDiscriminatedUnion) {
    // The last one has the most keys. Of the key that tells them apart, editors show nothing.
    const { discriminator, options } = inner.def;
    return valueOf(options.at(-1) as z.ZodType).replace(`¦${discriminator}`, discriminator);
  }
  // The type checker needs it to know which shape is meant.
  if (inner instanceof z.ZodLiteral) return JSON.stringify(inner.value);
  return "any";
}
