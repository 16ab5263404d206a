import { isUtf8 } from "node:buffer";

/**
 * Texts of a host may hold bytes that aren't UTF-8, such as a Latin-1 comment in fstab. In our texts these are lone
 * surrogates, U+DC80 to U+DCFF, as Python's surrogateescape has them: so every byte goes back as it came.
 */

/** A character of UTF-8, or a byte that is none, where each byte is written as a character of its own. */
const CHARACTER =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;

export function decode(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  return bytes
    .toString("latin1")
    .replace(CHARACTER, (one) =>
      one.length > 1 ? Buffer.from(one, "latin1").toString("utf8") : String.fromCharCode(0xdc00 + one.charCodeAt(0)),
    );
}

export function encode(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text);
  const parts = text.split(/([\u{dc80}-\u{dcff}])/u);
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 1 ? Buffer.from([part.charCodeAt(0) - 0xdc00]) : Buffer.from(part))),
  );
}
