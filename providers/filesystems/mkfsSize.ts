import { MADE_FILESYSTEMS, type MadeType } from "./index.ts";
import { mkfsWords } from "./mkfsWords.ts";

/**
 * Why mkfs can't make a filesystem of this type and size with these arguments, each with what to write instead. Refused is
 * only what mkfs refuses for sure; empty: none is known.
 */
export function refusedSize(type: MadeType, sizeBytes: number, mkfsOptions: readonly string[]): string[] {
  const { mkfs } = MADE_FILESYSTEMS[type];
  return mkfs.refusedSize(sizeBytes, mkfsWords(mkfs.valued, mkfsOptions));
}
