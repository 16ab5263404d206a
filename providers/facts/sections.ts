import { decode, encode } from "../values/bytes.ts";

/**
 * What a program of ours prints for each of many: a line that begins with a number, and so many bytes after it. Each
 * section has its line.
 * @throws {Error} where it ends early
 */
export function sections(stdout: string): readonly string[] {
  const bytes = encode(stdout);
  const found: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const endOfHeader = bytes.indexOf("\n", at) + 1;
    const length = Number.parseInt(bytes.toString("latin1", at, endOfHeader), 10);
    const end = endOfHeader + length;
    if (endOfHeader === 0 || Number.isNaN(length) || end > bytes.length) throw new Error("it ends early");
    found.push(decode(bytes.subarray(at, end)));
    at = end;
  }
  return found;
}
