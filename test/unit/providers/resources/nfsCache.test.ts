import { describe, expect, it } from "vitest";
import { nfsCache } from "../../../../providers/resources/nfsCache.ts";
import { riskOf } from "../../../../providers/engine/risk.ts";
import type { AnyKind } from "../../../../providers/engine/resource.ts";
import { kinds } from "../../../../providers/kinds.ts";
import { examples } from "../../../support/examples.ts";

type Inputs = Parameters<typeof nfsCache.plan>[0];
type Seen = Parameters<typeof nfsCache.plan>[1];

const GIB = 2 ** 30;
const file = "/data/warm-storage/nfs-cache.ext4";
const desired: Inputs = { host: "h", file, sizeBytes: GIB };
const converged = examples.NfsCache.converged(desired) as Seen;
const summaries = (seen: Partial<Seen>) =>
  nfsCache.plan(desired, { ...converged, ...seen }).steps.map((one) => one.summary);
const refusals = (seen: Partial<Seen>) =>
  (nfsCache.plan(desired, { ...converged, ...seen }).refusals ?? []).map(({ found }) => found);

describe("a cache of reads over NFS", () => {
  it("has units that start before its user, after its disk, and hold up no boot", () => {
    const [conf, mount, service] = converged.texts;
    expect(conf).toBe("dir /var/cache/jts_nfs\ntag jts\nbrun 10%\nbcull 7%\nbstop 3%\nfrun 10%\nfcull 7%\nfstop 3%\n");
    expect(mount).toContain(`RequiresMountsFor=${file}\n`);
    expect(mount).toContain("Options=loop,nofail,");
    expect(service).toContain("RequiresMountsFor=/var/cache/jts_nfs\n");
    expect(service).not.toMatch(/^Before=/m);
  });

  it("is made anew in another size, and given back the room that a trim took", () => {
    expect(summaries({ cache: { sizeBytes: 2 * GIB, allocatedBytes: 2 * GIB, freeBytes: 0 } })[0]).toContain(
      "its file has 2 GiB; what is cached goes",
    );
    expect(summaries({ cache: { sizeBytes: GIB, allocatedBytes: GIB / 2, freeBytes: GIB } })[0]).toContain(
      "only 512 MiB of its file are allocated",
    );
  });

  it("is healed where its settings were edited", () => {
    expect(summaries({ texts: ["dir /\n", ...converged.texts.slice(1)] })[0]).toContain(
      "/etc/jts-storage-cachefilesd.conf differs",
    );
  });

  it("is refused where it would fill its disk, take another's file, or where another cachefilesd runs", () => {
    expect(refusals({ cache: { sizeBytes: undefined, allocatedBytes: undefined, freeBytes: GIB / 2 } })).toEqual([
      `the cache needs 1 GiB more, and 512 MiB are free where ${file} is`,
    ]);
    expect(refusals({ made: new Set([...converged.made].filter((line) => line !== `file ${file}`)) })).toEqual([
      `${file} is there already, and was not made here`,
    ]);
    expect(refusals({ isStartedByDebian: true })[0]).toContain("RUN=yes in /etc/default/cachefilesd");
  });

  it("makes a mount of the export anew when it comes and goes, which a preview says", () => {
    const mount = { host: "h", server: "nas", export: "/v", mountPoint: "/mnt/nas", version: "4.2" };
    const kind = kinds.NfsMount as unknown as AnyKind;
    const [without, cached] = [
      { ...mount, options: ["hard"] },
      { ...mount, options: ["hard", "fsc"] },
    ];
    expect(riskOf(kind, without, cached)).toBe("interrupts-service");
    expect(riskOf(kind, cached, without)).toBe("interrupts-service");
  });

  it("removes only what was made here", () => {
    expect(nfsCache.planDestroy(desired, { ...converged, made: new Set() }).steps).toEqual([]);
    expect(nfsCache.planDestroy(desired, converged).steps.map(({ command }) => command.argv.slice(3, 5))).toEqual([
      ["remove-nfs-cache", file],
    ]);
  });

  it("is written into units as it is: a path that means something else there is refused", () => {
    for (const path of ["/data/a b", "/data/%h", '/data/"', "/data/$x"])
      expect(nfsCache.inputs.safeParse({ ...desired, file: path }).success).toBe(false);
  });
});
