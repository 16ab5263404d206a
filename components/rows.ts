/** Reads what the rows of a schema say: which options there are, and what each takes. */
import { z } from "zod";

declare module "zod" {
  interface GlobalMeta {
    /** What the row takes, after "must be": `an absolute path`. Left out: it follows from the row. */
    kind?: string;
    /** A regular expression for editors, where the row checks in code. */
    pattern?: string;
    /** The values for editors, where the row takes more than one type. */
    enum?: readonly (string | number)[];
    /**
     * The Python type that the scripts' settings have for it: a name of scripts/jts_storage/fields.py. False: they
     * don't have it. Left out: it follows from the row.
     */
    onHost?: string | false;
  }
}

/** The parts of zod's definitions that lead from a row to what is in it. */
type Definition = z.core.$ZodTypeDef & {
  readonly innerType?: z.ZodType;
  readonly in?: z.ZodType;
};

export function definitionOf(schema: z.ZodType): Definition {
  return schema.def;
}

/** The key of {@link Definition} that leads into a default, an optional or a transformation; undefined: it is none. */
export function wrapped(schema: z.ZodType): "innerType" | "in" | undefined {
  const { innerType, in: first } = definitionOf(schema);
  if (innerType !== undefined) return "innerType";
  return first === undefined ? undefined : "in";
}

/** The schema without what is around it. */
export function unwrap(schema: z.ZodType): z.ZodType {
  const key = wrapped(schema);
  return key === undefined ? schema : unwrap(definitionOf(schema)[key]!);
}

/** What a row, or what it wraps, says in its metadata. */
export function metaOf<Key extends keyof z.GlobalMeta>(schema: z.ZodType, key: Key): z.GlobalMeta[Key] | undefined {
  const own = schema.meta()?.[key];
  const inside = wrapped(schema);
  return own !== undefined || inside === undefined ? own : metaOf(definitionOf(schema)[inside]!, key);
}

/** The rows directly below a schema, by key: X stands for any name, N for any number. */
export function childrenOf(schema: z.ZodType): readonly (readonly [key: string, schema: z.ZodType])[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) return Object.entries(inner.shape);
  if (inner instanceof z.ZodUnion) {
    const byKey = Map.groupBy((inner.options as z.ZodType[]).flatMap(childrenOf), ([key]) => key);
    const rowOf = (same: readonly z.ZodType[]) => (same.length === 1 ? same[0]! : z.union(same));
    return [...byKey].map(([key, same]) => [key, rowOf(same.map(([, row]) => row))]);
  }
  if (inner instanceof z.ZodRecord) return [["X", inner.valueType as z.ZodType]];
  if (inner instanceof z.ZodArray) return [["N", inner.element as z.ZodType]];
  return [];
}

/** The one of several shapes that a value has, as the key that tells them apart says. */
export function shapeOf(schema: z.ZodType, value: unknown): z.ZodType {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodDiscriminatedUnion)) return inner;
  const { discriminator } = inner.def;
  const declared = (value as Record<string, unknown> | undefined)?.[discriminator];
  const options = inner.options as z.ZodObject<Record<string, z.ZodType>>[];
  return options.find(({ shape }) => shape[discriminator]!.safeParse(declared).success) ?? inner;
}

/** The row that a key path of a value leads to; undefined where there is none. */
export function rowAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return schema;
  const children = childrenOf(schema);
  const child = children.find(([name]) => name === key) ?? children.find(([name]) => name === "X" || name === "N");
  return child && rowAt(child[1], rest);
}

/** What a row takes, for people: `a whole number of days, 0 or more`. The unit is the one that its key ends with. */
export function kindOf(schema: z.ZodType, key = ""): string {
  const kind = metaOf(schema, "kind");
  if (kind !== undefined) return kind;
  const inner = unwrap(schema);
  if (inner instanceof z.ZodString) return "text";
  if (inner instanceof z.ZodBoolean) return "true or false";
  if (inner instanceof z.ZodNumber) return kindOfNumber(inner, key);
  if (inner instanceof z.ZodEnum) return either(inner.options.map(String));
  if (inner instanceof z.ZodLiteral) return either([...inner.values].map(String));
  if (inner instanceof z.ZodUnion)
    return either([...new Set((inner.options as z.ZodType[]).map((option) => kindOf(option, key)))]);
  if (inner instanceof z.ZodArray) return `a list of ${withoutArticle(kindOf(inner.element as z.ZodType))}s`;
  return "a map";
}

function kindOfNumber(schema: z.ZodNumber, key: string): string {
  const { isWhole, least, above, most } = rangeOf(schema);
  const unit = /(Days|Hours|Seconds)$/.exec(key)?.[0].toLowerCase();
  const noun = isWhole ? "a whole number" : key.endsWith("Percent") ? "a percentage" : "a number";
  const what = unit === undefined ? noun : `${noun} of ${unit}`;
  if (above !== undefined) return `${what} above ${above}${most === undefined ? "" : `, at most ${most}`}`;
  if (least === undefined) return most === undefined ? what : `${what}, at most ${most}`;
  return most === undefined ? `${what}, ${least} or more` : `${what} from ${least} to ${most}`;
}

/** Which numbers a row takes; what is undefined has no bound. */
export function rangeOf(schema: z.ZodNumber): {
  readonly isWhole: boolean;
  readonly least: number | undefined;
  readonly above: number | undefined;
  readonly most: number | undefined;
} {
  const { type, minimum, exclusiveMinimum, maximum } = z.toJSONSchema(schema);
  const bound = (value: number | undefined) => (Number.isSafeInteger(Math.abs(value ?? NaN) + 1) ? value : undefined);
  return {
    isWhole: type === "integer",
    least: bound(minimum),
    above: bound(exclusiveMinimum as number | undefined),
    most: bound(maximum),
  };
}

/** `a, b or c` */
function either(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

export function withoutArticle(kind: string): string {
  return kind.replace(/^an? /, "");
}
