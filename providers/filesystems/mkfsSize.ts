import { MADE_FILESYSTEMS, type MadeType } from "./index.ts";
import { mkfsWords } from "./mkfsWords.ts";

/**
 * Why mkfs can't make a filesystem of this type and size with these arguments, each with what to write instead; each
 * follows the type and the size. Only what mkfs refuses for sure; empty: nothing is known.
 */
export function refusedSize(type: MadeType, sizeBytes: number, mkfsOptions: readonly string[]): string[] {
  const { mkfs } = MADE_FILESYSTEMS[type];
  return mkfs.refusedSize(sizeBytes, mkfsWords(mkfs.valued, mkfsOptions));
}
