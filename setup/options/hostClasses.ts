/** scripts/jts_storage/options.py. */
import { z } from "zod";
import { NULL_WHEN_LEFT_OUT } from "../../components/automation/scriptSettings.ts";
import { automationSettings } from "../../components/automation/settings.ts";
import { childrenOf, metaOf, rangeOf, unwrap } from "../../components/rows.ts";
import type { Option } from "./option.ts";

/** The classes of the scripts' settings that hold options. */
export function printHostClasses(options: readonly Option[]): string {
  const textOf = new Map(options.map(({ path, description }) => [path.join("."), description]));
  const classes: string[] = [];
  const fields = new Set<string>();
  const use = (type: string) => {
    for (const [name] of type.matchAll(/\b[A-Z]\w+|at_least|one_of/g)) if (name !== "None") fields.add(name);
    return type;
  };

  const typeOf = (row: z.ZodType, path: readonly string[]): string => {
    const said = metaOf(row, "onHost");
    if (typeof said === "string") return use(said);
    const inner = unwrap(row);
    if (inner instanceof z.ZodBoolean) return "bool";
    if (inner instanceof z.ZodNumber) {
      const { isWhole, least, most } = rangeOf(inner);
      if (isWhole && most === undefined) return use(`Annotated[int, at_least(${least})]`);
    }
    if (inner instanceof z.ZodEnum)
      return use(`Annotated[str, one_of(${inner.options.map((one) => JSON.stringify(one)).join(", ")})]`);
    if (inner instanceof z.ZodString) return use("Line");
    if (inner instanceof z.ZodArray) return `tuple[${typeOf(inner.element as z.ZodType, [...path, "N"])}, ...]`;
    if (inner instanceof z.ZodObject) return printClass(inner, path);
    throw new Error(`${path.join(".")}: say in the row's metadata which type it has on the host (onHost)`);
  };

  /** Adds the class of an object, and gives its name: that of the key, of a list's items in the singular. */
  const printClass = (schema: z.ZodType, path: readonly string[]): string => {
    const isItem = path.at(-1) === "N";
    const key = path.at(isItem ? -2 : -1)!;
    const name = key[0]!.toUpperCase() + (isItem ? key.slice(1).replace(/s$/, "") : key.slice(1));
    const own = textOf.get(path.slice(0, isItem ? -1 : undefined).join("."))!;
    const lines = childrenOf(schema).flatMap(([child, row]) => {
      if (metaOf(row, "onHost") === false) return [];
      const type = typeOf(row, [...path, child]);
      const field = child.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      // What the row itself says of its type is all of it.
      const isNullable = row instanceof z.ZodOptional && row.meta()?.onHost === undefined;
      const whole = isNullable ? `${type} | None` : type;
      const text = firstSentence(textOf.get([...path, child].join("."))!);
      const isOptional = row instanceof z.ZodOptional && whole.endsWith("None");
      const mayBeMissing = isOptional && !(NULL_WHEN_LEFT_OUT as readonly string[]).includes(child);
      return [
        `${field}: ${whole}${mayBeMissing ? " = None" : ""}`,
        docstring(whole.endsWith("None") ? `${text} None: left out, or false.` : text),
      ];
    });
    classes.push(
      ["@dataclass(frozen=True, kw_only=True)", `class ${name}:`, docstring(firstSentence(own)), "", ...lines]
        .map(indented)
        .join("\n"),
    );
    return name;
  };

  printClass(automationSettings, ["automation"]);
  const names = [...fields].filter((name) => name !== "Annotated").sort();
  return [
    '"""Options of components/automation/settings.ts, as the settings of this host have them.',
    "",
    "Made by `npm run generate`; edit the rows there.",
    '"""',
    "",
    "from dataclasses import dataclass",
    "from typing import Annotated",
    "",
    `from jts_storage.fields import ${names.join(", ")}`,
    "",
    "",
    classes.join("\n\n\n"),
    "",
  ].join("\n");
}

const indented = (line: string, index: number) => (index < 2 || line === "" ? line : line.replaceAll(/^/gm, "    "));

const firstSentence = (text: string) => /^.*?\.(?=\s|$)/.exec(text)?.[0] ?? text;

/** On lines of the width that Python has here. */
function docstring(text: string): string {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trimStart();
    if (longer.length > 106) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return `"""${lines.join("\n")}"""`;
}
