/** The services of a JTS trading host, as data: what a volume's settings leave out comes from here. */
import type { MadeType } from "../../providers/filesystems/index.ts";

export interface VolumeProfile {
  readonly sizeGib: number;
  readonly filesystem: MadeType;
  /** Arguments of mkfs(8), one each. */
  readonly mkfsOptions: readonly string[];
  /** Those for a volume that is too small for the others. Default: none is. */
  readonly smallMkfsOptions?: readonly string[];
  /** Mount options besides those that every entry has: ../mounts.ts. */
  readonly options: readonly string[];
  readonly mountPoint: string;
  readonly owner: string;
  readonly group: string;
  /** Octal digits. */
  readonly mode: string;
  /** The folder of the hot tree that shows the volume: /data/jts/hot/postgresql. */
  readonly treeFolder: string;
  /** Folders on the volume, of its owner, group and mode. */
  readonly folders: readonly string[];
  /** GiB that change in a day, so that a snapshot needs them. */
  readonly snapshotGibPerDay: number;
}

/** No inode table or journal is left to be written in the background, where it would slow down what is measured. */
const EXT4 = { filesystem: "ext4", mkfsOptions: ["-E", "lazy_itable_init=0,lazy_journal_init=0,discard"] } as const;

export const VOLUME_PROFILES: Readonly<Record<string, VolumeProfile>> = {
  postgres: {
    ...EXT4,
    sizeGib: 800,
    options: ["data=writeback", "commit=30"],
    mountPoint: "/var/lib/postgresql",
    owner: "postgres",
    group: "postgres",
    mode: "750",
    treeFolder: "postgresql",
    folders: ["data", "logs", "config"],
    snapshotGibPerDay: 5,
  },
  clickhouse: {
    ...EXT4,
    sizeGib: 1500,
    options: ["data=ordered", "commit=5"],
    mountPoint: "/var/lib/clickhouse",
    owner: "clickhouse",
    group: "clickhouse",
    mode: "750",
    treeFolder: "clickhouse",
    folders: ["data", "logs", "tmp"],
    snapshotGibPerDay: 10,
  },
  kafka: {
    sizeGib: 600,
    filesystem: "xfs",
    mkfsOptions: ["-d", "agcount=32,su=64k,sw=1", "-l", "size=128m,su=64k"],
    smallMkfsOptions: ["-d", "agcount=4,su=64k,sw=1", "-l", "size=64m,su=64k"],
    options: ["logbufs=8", "logbsize=256k", "largeio", "swalloc"],
    mountPoint: "/var/lib/kafka",
    owner: "kafka",
    group: "kafka",
    mode: "750",
    treeFolder: "kafka",
    folders: ["data", "logs"],
    snapshotGibPerDay: 0,
  },
  mongodb: {
    ...EXT4,
    sizeGib: 200,
    options: ["commit=10"],
    mountPoint: "/var/lib/mongodb",
    owner: "mongodb",
    group: "mongodb",
    mode: "750",
    treeFolder: "mongodb",
    folders: ["data", "logs", "config"],
    snapshotGibPerDay: 2,
  },
  redis: {
    ...EXT4,
    sizeGib: 50,
    options: ["data=writeback"],
    mountPoint: "/var/lib/redis",
    owner: "redis",
    group: "redis",
    mode: "750",
    treeFolder: "redis",
    folders: ["data", "logs"],
    snapshotGibPerDay: 0,
  },
  docker: {
    ...EXT4,
    sizeGib: 300,
    options: [],
    mountPoint: "/var/lib/docker-jts",
    owner: "root",
    group: "docker",
    mode: "750",
    treeFolder: "docker",
    folders: ["volumes", "containers", "tmp"],
    snapshotGibPerDay: 0,
  },
  local_backup: {
    ...EXT4,
    sizeGib: 150,
    options: ["nodev", "nosuid"],
    mountPoint: "/data/local-backup",
    owner: "root",
    group: "backup",
    mode: "755",
    treeFolder: "backup",
    folders: ["daily", "snapshots", "staging"],
    snapshotGibPerDay: 0,
  },
};

/** How long snapshots are kept, which the VG's free space must last for. */
export const SNAPSHOT_DAYS = 7;

/** Where one folder shows the volumes of all services. */
export const HOT_TREE = "/data/jts/hot";

/** The profile of a service; undefined: it has none. */
export function profileOf(service: string): VolumeProfile | undefined {
  // A service may have a name that every object has, such as "constructor".
  return Object.hasOwn(VOLUME_PROFILES, service) ? VOLUME_PROFILES[service] : undefined;
}
