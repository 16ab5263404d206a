import { program } from "../programs/program.ts";
import type { Fact } from "./fact.ts";

/** The file that holds a cache, in bytes; undefined: it isn't there. */
export interface CacheFile {
  readonly sizeBytes: number | undefined;
  readonly allocatedBytes: number | undefined;
  /** What is free in its folder; undefined: there is no such folder. */
  readonly freeBytes: number | undefined;
}

/** How large the file of a cache is, and how much room its folder has. */
export const cacheFile: Fact<string, CacheFile> = {
  name: "the cache's file",
  about: ["files", "mounts"],
  command: (path) => program("print-nfs-cache", path),
  parse({ stdout }) {
    const words = /^(\d+|-) (\d+|-) (\d+|-)$/.exec(stdout.trim())?.slice(1);
    if (words === undefined) throw new Error("its size, allocated and free bytes were expected");
    const [sizeBytes, allocatedBytes, freeBytes] = words.map((word) => (word === "-" ? undefined : Number(word)));
    return { sizeBytes, allocatedBytes, freeBytes };
  },
};
