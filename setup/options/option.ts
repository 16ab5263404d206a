/** The options of a host, with what the rows of their schemas say in comments. */
import { join } from "node:path";
import ts from "typescript";
import { z } from "zod";
import { definitionOf, kindOf, metaOf, wrapped } from "../../components/rows.ts";
import { SECTIONS } from "../../config.ts";
import { ROOT } from "../project.ts";

/** An option of a host. */
export interface Option {
  /** X stands for any name, N for any number. */
  readonly path: readonly string[];
  readonly schema: z.ZodType;
  /** What it takes: `a whole number of days, 0 or more`. */
  readonly kind: string;
  readonly description: string;
  /** In words, where it isn't a value of the row. */
  readonly default: string | undefined;
  /** Whether it is in only some of the shapes that its section can have. */
  readonly isPartial?: boolean;
}

/** Walks the schemas side by side with their types, whose properties carry the comments. */
export function readOptions(): readonly Option[] {
  const file = join(ROOT, "config.ts");
  const config = ts.getParsedCommandLineOfConfigFile(join(ROOT, "tsconfig.json"), undefined, {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
      throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"));
    },
  });
  const program = ts.createProgram([file], config!.options);
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file)!;
  const sections = checker
    .getExportsOfModule(checker.getSymbolAtLocation(source)!)
    .find(({ name }) => name === "SECTIONS")!;

  const typeAt = (type: ts.Type, ...keys: readonly string[]): ts.Type =>
    keys.reduce((at, key) => checker.getTypeOfSymbol(at.getProperty(key)!), type);

  const below = (schema: z.ZodType, type: ts.Type, path: readonly string[]): Option[] => {
    const inside = wrapped(schema);
    if (inside !== undefined) return below(definitionOf(schema)[inside]!, typeAt(type, "def", inside), path);
    if (schema instanceof z.ZodObject)
      return Object.entries(schema.shape as Record<string, z.ZodType>).flatMap(([key, row]) =>
        option(row, typeAt(type, "shape").getProperty(key)!, [...path, key]),
      );
    if (schema instanceof z.ZodUnion) {
      const types = checker.getTypeArguments(typeAt(type, "def", "options") as ts.TypeReference);
      return merged((schema.options as z.ZodType[]).map((one, index) => below(one, types[index]!, path)));
    }
    if (schema instanceof z.ZodRecord)
      return below(schema.valueType as z.ZodType, typeAt(type, "def", "valueType"), [...path, "X"]);
    if (schema instanceof z.ZodArray)
      return below(schema.element as z.ZodType, typeAt(type, "def", "element"), [...path, "N"]);
    return [];
  };

  const option = (schema: z.ZodType, symbol: ts.Symbol, path: readonly string[]): Option[] => {
    const comment = ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll(/\s+/g, " ");
    const tag = symbol.getJsDocTags(checker).find(({ name }) => name === "default");
    // The inputs of the resources, which the connection is one of, have it in the text.
    const [sentence = "", said] = / ?\bDefault: (.*?)\.(?= |$)/.exec(comment) ?? [];
    const words = tag === undefined ? said : ts.displayPartsToString(tag.text);
    return [
      {
        path,
        schema,
        kind: kindOf(schema, path.at(-1)),
        description: (comment.replace(sentence, "") || (metaOf(schema, "description") ?? "")).trim(),
        default: tag === undefined && defaultValue(schema) !== undefined ? undefined : words,
      },
      ...below(schema, checker.getTypeOfSymbol(symbol), path),
    ];
  };

  return Object.entries<z.ZodType>(SECTIONS).flatMap(([key, schema]) =>
    option(schema, checker.getTypeOfSymbol(sections).getProperty(key)!, [key]),
  );
}

/** The options of a section's shapes, each once. */
function merged(shapes: readonly (readonly Option[])[]): Option[] {
  const withOptions = shapes.filter((shape) => shape.length > 0);
  const byKey = Map.groupBy(withOptions.flat(), ({ path }) => path.join("."));
  return [...byKey.values()].map((same) => ({
    ...same[0]!,
    kind: [...new Set(same.map(({ kind }) => kind))].join(" or "),
    isPartial: same.length < withOptions.length,
  }));
}

export type Scalar = string | number | boolean;
type Value = Scalar | readonly Scalar[] | Readonly<Record<string, Scalar>> | undefined;

/** The value that a row has where it is left out. */
export function defaultValue(schema: z.ZodType): Value {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return schema.def.defaultValue as Value;
  const inside = wrapped(schema);
  return inside === undefined ? undefined : defaultValue(definitionOf(schema)[inside]!);
}

export function isRequired({ schema }: Option): boolean {
  return !schema.safeParse(undefined).success;
}
