import { printColumns } from "./columns.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

type Row = { readonly [key: string]: Json };

/** Prints a value for a reader: below each key its value, indented; lists and maps of records as tables. */
export function printTree(value: Json, indent = ""): string[] {
  const rows = rowsOf(value);
  if (rows !== undefined) return printTable(rows).map((line) => indent + line);
  if (isScalar(value)) return [indent + printScalar(value)];
  if (isList(value)) return value.flatMap((item) => printTree(item, indent));
  return Object.entries(value).flatMap(([key, item]) =>
    isScalar(item) ? [`${indent}${key}: ${printScalar(item)}`] : [`${indent}${key}`, ...printTree(item, `${indent}  `)],
  );
}

/** The rows of a list of records, or of a map of records, whose keys become the first column. */
function rowsOf(value: Json): readonly Row[] | undefined {
  if (isList(value)) return value.length > 0 && value.every(isFlat) ? value : undefined;
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value).flatMap(([name, item]) => (isFlat(item) ? [{ "": name, ...item }] : []));
  return entries.length > 1 && entries.length === Object.keys(value).length ? entries : undefined;
}

function printTable(rows: readonly Row[]): string[] {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return printColumns([
    columns,
    ...rows.map((row) => columns.map((column) => (row[column] === undefined ? "" : printScalar(row[column])))),
  ]);
}

type Scalar = null | boolean | number | string | readonly (null | boolean | number | string)[];

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
const isRecord = (value: Json): value is Row => typeof value === "object" && value !== null && !isList(value);
const isScalar = (value: Json): value is Scalar =>
  !isRecord(value) && !(isList(value) && value.some((item) => typeof item === "object" && item !== null));
const isFlat = (value: Json): value is Row => isRecord(value) && Object.values(value).every(isScalar);

function printScalar(value: Json): string {
  if (isList(value)) return value.map(printScalar).join(", ");
  return value === null ? "-" : isRecord(value) ? JSON.stringify(value) : String(value);
}
