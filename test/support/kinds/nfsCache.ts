import fc from "fast-check";
import type { z } from "zod";
import { nfsCache } from "../../../providers/resources/nfsCache.ts";
import { NFS_CACHE_FILES } from "../../../providers/values/nfsCache.ts";
import { exampleOf, seenUnit } from "../example.ts";
import { GIB, ledgerOf, path, word } from "../generators.ts";

type Inputs = z.output<typeof nfsCache.inputs>;

/** What its files must hold. */
function texts(desired: Inputs): readonly (string | undefined)[] {
  const nothing = {
    cache: { sizeBytes: undefined, allocatedBytes: undefined, freeBytes: undefined },
    texts: NFS_CACHE_FILES.map(() => undefined),
    service: seenUnit(false),
    mountUnit: seenUnit(false),
    made: new Set<string>(),
    isStartedByDebian: false,
  };
  return nfsCache.plan(desired, nothing).steps[0]?.command.argv.slice(-NFS_CACHE_FILES.length) ?? [];
}

const ledgerLines = ({ file }: Inputs) => [file, ...NFS_CACHE_FILES].map((one) => `file ${one}`);

export const example = exampleOf(nfsCache, {
  least: { declared: { file: "/data/nfs-cache.ext4", sizeBytes: GIB }, added: {} },
  declared: { file: "/data/nfs-cache.ext4", sizeBytes: GIB },
  drift: ({ units }) => void (units["jts-storage-nfs-cache.service"]!.activeState = "inactive"),
  drifted: {
    drift: ["make and start the cache of 1 GiB in /data/nfs-cache.ext4 (jts-storage-nfs-cache.service is inactive)"],
  },
  takesAnyText: [],

  inputs: fc.record({ host: word, file: path, sizeBytes: fc.integer({ min: GIB, max: 1000 * GIB }) }),
  converged: (desired) => ({
    cache: { sizeBytes: desired.sizeBytes, allocatedBytes: desired.sizeBytes, freeBytes: 0 },
    texts: texts(desired),
    service: seenUnit(true),
    mountUnit: seenUnit(true),
    made: new Set(ledgerLines(desired)),
    isStartedByDebian: false,
  }),
  any(desired) {
    const bytes = fc.constantFrom(undefined, GIB, desired.sizeBytes);
    return fc.record({
      cache: fc.record({ sizeBytes: bytes, allocatedBytes: bytes, freeBytes: fc.constantFrom(undefined, 0, 2 ** 40) }),
      texts: fc.tuple(...texts(desired).map((text) => fc.constantFrom(undefined, text, "changed\n"))),
      service: fc.boolean().map(seenUnit),
      mountUnit: fc.boolean().map(seenUnit),
      made: ledgerOf(ledgerLines(desired)),
      isStartedByDebian: fc.boolean(),
    });
  },
});
