import { createHash } from "node:crypto";
import { encode } from "./bytes.ts";

/** The SHA-256 of a text (as UTF-8) or of bytes, in 64 lowercase hexadecimal digits, as sha256sum(1) prints it. */
export function sha256(content: string | NodeJS.ArrayBufferView): string {
  return createHash("sha256")
    .update(typeof content === "string" ? encode(content) : content)
    .digest("hex");
}
