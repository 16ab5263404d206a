/** Where the cache of reads over NFS is on a host. The kernel has at most one: see cachefilesd(8). */
import { formatBytes } from "./size.ts";
import { UNITS } from "./unitFile.ts";

export const NFS_CACHE = {
  /** Where the filesystem of the cache is mounted. */
  mountPoint: "/var/cache/jts_nfs",
  /** cachefilesd.conf(5), but for Debian's own file, which belongs to its package. */
  conf: "/etc/jts-storage-cachefilesd.conf",
  /** The units, in the order in which they stop. */
  service: "jts-storage-nfs-cache.service",
  mount: "var-cache-jts_nfs.mount",
};

/** The files of a cache, without the one that holds it. */
export const NFS_CACHE_FILES = [
  NFS_CACHE.conf,
  `${UNITS}/${NFS_CACHE.mount}`,
  `${UNITS}/${NFS_CACHE.service}`,
] as const;

const LEAST_BYTES = 64 * 1024 * 1024;

/** Why a cache can't have this size; undefined: it can. */
export function refusedCacheSize(sizeBytes: number): string | undefined {
  return sizeBytes < LEAST_BYTES
    ? `a cache of ${formatBytes(sizeBytes)} is too small for its filesystem; write ${formatBytes(LEAST_BYTES)} or more`
    : undefined;
}
