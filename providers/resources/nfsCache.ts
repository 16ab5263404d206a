import { CONVERGED, refuseAll, step, toDo, type Refusal } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { cacheFile, type CacheFile } from "../facts/cacheFile.ts";
import { file } from "../facts/file.ts";
import { ledger } from "../facts/ledger.ts";
import { unit, type UnitStatus } from "../facts/unit.ts";
import { program } from "../programs/program.ts";
import { bytes, path } from "../values/fields.ts";
import { NFS_CACHE, NFS_CACHE_FILES, refusedCacheSize } from "../values/nfsCache.ts";
import { formatBytes } from "../values/size.ts";
import { printUnit } from "../values/unitFile.ts";
import { list, word } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";

const inputs = kindInputs({
  /**
   * The file that holds the cache: it is made, and its folder where that is absent. What others have at this path is
   * refused. A change makes another resource.
   */
  file: path.regex(/^(\/[\w.@:+-]+)+$/, {
    error:
      "is not a path for a cache: letters, digits and _ . @ : + - are allowed, since it is written into a unit file",
  }),
  /** The file's size in bytes, all of which is allocated. A change empties the cache. */
  sizeBytes: bytes,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly cache: CacheFile;
  /** What is in the files, in their order; undefined: no such file. */
  readonly texts: readonly (string | undefined)[];
  readonly service: UnitStatus;
  readonly mountUnit: UnitStatus;
  readonly made: ReadonlySet<string>;
  /** Whether Debian's own script starts cachefilesd. */
  readonly isStartedByDebian: boolean;
}

const DEBIANS_SWITCH = "/etc/default/cachefilesd";

/** A cache of a fixed size for what is read over NFS, and cachefilesd(8), which runs on it. It holds only copies. */
export const nfsCache: ResourceKind<typeof inputs, Seen> = {
  name: "NfsCache",
  inputs,
  identity: ["file"],
  changes: ["files", "mounts", "units", "ledger"],
  turn: "host",
  id: ({ host, file }) => `${host}:${file}`,
  describe: ({ file, sizeBytes }) =>
    list(word(file), typeof sizeBytes === "number" ? formatBytes(sizeBytes) : word(sizeBytes)),
  refuse: ({ sizeBytes }) =>
    [refusedCacheSize(sizeBytes)].flatMap((reason) => (reason === undefined ? [] : { property: "sizeBytes", reason })),

  async observe(ask, desired) {
    const [cache, made, service, mountUnit, debians, ...files] = await Promise.all([
      ask(cacheFile, desired.file),
      ask(ledger, undefined),
      ask(unit, NFS_CACHE.service),
      ask(unit, NFS_CACHE.mount),
      ask(file, DEBIANS_SWITCH),
      ...NFS_CACHE_FILES.map((one) => ask(file, one)),
    ]);
    return {
      cache,
      texts: files.map((one) => one?.content),
      service,
      mountUnit,
      made,
      isStartedByDebian: /^\s*RUN=["']?yes/m.test(debians?.content ?? ""),
    };
  },

  // A first start that failed leaves what is ours to take back.
  isAbsent: ({ file }, { texts, made }) =>
    texts.every((text) => text === undefined) &&
    ![...[file, ...NFS_CACHE_FILES].map((one) => `file ${one}`), `directory ${NFS_CACHE.mountPoint}`].some((line) =>
      made.has(line),
    ),

  plan(desired, seen) {
    const refusals = refusalsOf(desired, seen);
    if (refusals.length > 0) return refuseAll(refusals);
    const { sizeBytes, allocatedBytes = 0 } = seen.cache;
    const wanted = textsOf(desired);
    const reasons = [
      ...(sizeBytes === undefined ? ["its file is absent"] : []),
      ...(sizeBytes === undefined || sizeBytes === desired.sizeBytes
        ? []
        : [`its file has ${formatBytes(sizeBytes)}; what is cached goes`]),
      ...(sizeBytes === desired.sizeBytes && allocatedBytes < sizeBytes
        ? [`only ${formatBytes(allocatedBytes)} of its file are allocated`]
        : []),
      ...NFS_CACHE_FILES.flatMap((one, index) =>
        seen.texts[index] === wanted[index]
          ? []
          : [`${one} ${seen.texts[index] === undefined ? "is absent" : "differs"}`],
      ),
      ...[[NFS_CACHE.mount, seen.mountUnit] as const, [NFS_CACHE.service, seen.service] as const].flatMap(
        ([name, { activeState }]) => (activeState === "active" ? [] : [`${name} is ${activeState}`]),
      ),
      ...(seen.service.fileState === "enabled" || seen.texts[2] === undefined ? [] : ["it isn't started at boot"]),
      ...(seen.service.needsReload || seen.mountUnit.needsReload ? ["systemd has not read its files"] : []),
    ];
    if (reasons.length === 0) return CONVERGED;
    const { mountPoint, mount, service, conf } = NFS_CACHE;
    return toDo(
      step(
        `make and start the cache of ${formatBytes(desired.sizeBytes)} in ${desired.file} (${reasons.join(", ")})`,
        program(
          ...(["install-nfs-cache", desired.file, String(desired.sizeBytes), mountPoint] as const),
          ...[mount, service, conf, ...textsOf(desired)],
        ),
      ),
    );
  },

  planDestroy({ file }, { made }) {
    const isOurs = [file, ...NFS_CACHE_FILES].some((one) => made.has(`file ${one}`));
    if (!isOurs && !made.has(`directory ${NFS_CACHE.mountPoint}`)) return CONVERGED;
    const { mountPoint, mount, service, conf } = NFS_CACHE;
    return toDo(
      step(
        `stop the cache in ${file}, and remove it`,
        program("remove-nfs-cache", file, mountPoint, mount, service, conf),
        { owesReload: true },
      ),
    );
  },

  report: ({ file }, { cache, made }) =>
    // Another's file isn't the cache in another size.
    cache.sizeBytes === undefined || !made.has(`file ${file}`) ? {} : { inputs: { sizeBytes: cache.sizeBytes } },
};

function refusalsOf(desired: Inputs, { cache, texts, made, isStartedByDebian }: Seen): Refusal[] {
  const wanted = textsOf(desired);
  const foreign = [
    ...(cache.sizeBytes !== undefined && !made.has(`file ${desired.file}`) ? [desired.file] : []),
    ...NFS_CACHE_FILES.filter(
      (one, index) => texts[index] !== undefined && texts[index] !== wanted[index] && !made.has(`file ${one}`),
    ),
  ];
  const neededBytes = desired.sizeBytes - (cache.allocatedBytes ?? 0);
  return [
    ...foreign.map((one) => ({
      found: `${one} is there already, and was not made here`,
      next: `look what it is, and move it away: mv ${one} ${one}.before`,
    })),
    ...(isStartedByDebian
      ? [
          {
            found: `a cachefilesd was set up by other means, by RUN=yes in ${DEBIANS_SWITCH}, and the kernel has one cache`,
            next: `to keep that one, leave out the cache here, and write the mount option fsc; else: systemctl stop cachefilesd, and take out RUN=yes.`,
          },
        ]
      : []),
    ...(foreign.length === 0 && cache.freeBytes !== undefined && neededBytes > cache.freeBytes
      ? [
          {
            found: `the cache needs ${formatBytes(neededBytes)} more, and ${formatBytes(cache.freeBytes)} are free where ${desired.file} is`,
            next: "declare a smaller cache, or make room there.",
          },
        ]
      : []),
  ];
}

/** What is in the files, in their order. */
function textsOf({ file }: Inputs): string[] {
  const { mountPoint, conf } = NFS_CACHE;
  // Shares of the filesystem that are free: culling begins below the second, and ends above the first; below the third
  // nothing more is cached.
  const limits = { run: "10%", cull: "7%", stop: "3%" };
  const TAG = "jts";
  return [
    [
      `dir ${mountPoint}`,
      `tag ${TAG}`,
      ...["b", "f"].flatMap((what) => Object.entries(limits).map(([name, share]) => `${what}${name} ${share}`)),
      "",
    ].join("\n"),
    printUnit({
      Unit: { Description: "Filesystem of the cache of reads over NFS", RequiresMountsFor: file },
      Mount: {
        What: file,
        Where: mountPoint,
        Type: "ext4",
        // The times of access say what is culled. `nofail`: nothing at boot waits for it.
        Options: "loop,nofail,nosuid,nodev,noexec,strictatime,lazytime",
      },
    }),
    printUnit({
      Unit: {
        Description: "Cache of reads over NFS",
        Documentation: "man:cachefilesd(8)",
        RequiresMountsFor: mountPoint,
      },
      Service: {
        Type: "exec",
        ExecStartPre: "-/sbin/modprobe --quiet cachefiles",
        ExecStart: `/sbin/cachefilesd -n -s -f ${conf}`,
        // A mount that is made after this finds the cache.
        ExecStartPost: `/bin/sh -c 'until grep -q " A ${TAG}$$" /proc/fs/fscache/caches; do kill -0 \${MAINPID} && sleep 0.1 || exit 1; done'`,
        TimeoutStartSec: 60,
        Restart: "on-failure",
        RestartSec: 60,
      },
      Install: { WantedBy: "multi-user.target" },
    }),
  ];
}
