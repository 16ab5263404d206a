import type { FilesystemType } from "./filesystemType.ts";
import {
  about,
  beside,
  byDefault,
  called,
  flag,
  ITSELF,
  maybeOn,
  means,
  number,
  number32,
  OF_FILESYSTEM,
  oneOf,
  orNothing,
  partlyTried,
  text,
  undoneBy,
  unshown,
  untried,
  within,
  type KnownOption,
} from "./options.ts";
import type { Example } from "./rules.ts";

const MOUNTING = "it is only about how it is mounted";

/** Of 4, the minor version that both sides have is taken. */
const VERSION: KnownOption = {
  ...oneOf("3", "4", "4.0", "4.1", "4.2"),
  grants: (declared, shown) => declared === "4" && /^4\.\d$/.test(shown),
};

/** The server may grant less; the kernel takes less than 1024 for 4096. */
const TRANSFER: KnownOption = {
  ...within(1024, 2 ** 32 - 1, number(65536, "bytes")),
  grants: (declared, shown) => Number(shown) <= Number(declared),
};

const CONNECTIONS = oneOf(...Array.from({ length: 16 }, (_, index) => `${index + 1}`));

/** The version of NFS that is asked for; undefined: none, and both sides agree on one. */
const versionOf = (options: readonly string[]): string | undefined =>
  options.map((option) => /^(?:nfsvers=|vers=|v)([34])(?:\.\d)?$/.exec(option)?.[1]).findLast(Boolean);

const onVersion3 = (option: string): Example => ({ options: ["vers=3", option] });

/** nfs(5). */
export const nfs: FilesystemType = {
  manual: "nfs(5)",
  pass: 0,
  packages: ["nfs-common"],
  canRemount: () => false,

  options: {
    ...OF_FILESYSTEM,
    // Another mount of the server, and nfsmount.conf(5), may have set these.
    ...called("sync dirsync lazytime", flag),
    soft: about("hard", undoneBy("", flag)),
    softerr: about("hard", undoneBy("", flag)),
    hard: flag,
    softreval: flag,
    ...maybeOn("noac", "ac"),
    noac: { ...about("ac", flag), covers: ["sync"] },
    ...maybeOn("nocto", "cto"),
    ...maybeOn("noacl", "acl"),
    ...maybeOn("nolock", "lock"),
    ...maybeOn("nordirplus", "rdirplus"),
    ...maybeOn("nosharecache", "sharecache"),
    ...maybeOn("posix", "noposix"),
    ...maybeOn("migration", "nomigration"),
    resvport: about("resvport", byDefault(flag)),
    noresvport: about("resvport", untried("needs an export with `insecure`", flag)),
    fsc: undoneBy("", { ...orNothing(text("jts", "a name")), shown: () => [ITSELF, "fsc"] }),
    nofsc: about("fsc", byDefault(flag)),
    ...called("bg fg sloppy trunkdiscovery notrunkdiscovery", unshown(MOUNTING, flag)),
    tcp: means(flag, "proto=tcp"),
    rdma: untried("needs RDMA", means(flag, "proto=rdma")),
    v3: means(flag, "vers=3"),
    v4: means(flag, "vers=4"),
    "v4.0": means(flag, "vers=4.0"),
    "v4.1": means(flag, "vers=4.1"),
    "v4.2": means(flag, "vers=4.2"),
    vers: VERSION,
    nfsvers: { ...VERSION, means: (tail) => [`vers${tail}`] },
    minorversion: beside("vers=4", { ...oneOf("0", "1", "2"), shown: (tail) => [`vers=4.${tail.slice(1)}`] }),
    timeo: within(1, 2 ** 31 - 1, number(600, "tenths of a second")),
    retrans: within(0, 2 ** 31 - 1, number(2)),
    rsize: TRANSFER,
    wsize: TRANSFER,
    bsize: unshown("kernels read it, and show another number", number32(4096, "bytes")),
    namlen: unshown("the server decides", number32(255, "bytes")),
    acregmin: byDefault(number32(3, "seconds"), "=3"),
    acregmax: byDefault(number32(60, "seconds"), "=60"),
    acdirmin: byDefault(number32(30, "seconds"), "=30"),
    acdirmax: byDefault(number32(60, "seconds"), "=60"),
    actimeo: {
      ...number32(30, "seconds"),
      means: (tail) => ["acregmin", "acregmax", "acdirmin", "acdirmax"].map((name) => `${name}${tail}`),
    },
    nconnect: byDefault(CONNECTIONS, "=1"),
    max_connect: byDefault(CONNECTIONS, "=1"),
    sec: partlyTried(
      ["=sys"],
      "needs Kerberos, or an export for anyone",
      oneOf("sys", "none", "krb5", "krb5i", "krb5p"),
    ),
    lookupcache: {
      ...oneOf("all", "none", "pos", "positive"),
      shown: (tail) => (tail === "=all" ? [""] : tail === "=positive" ? ["lookupcache=pos"] : [ITSELF]),
    },
    local_lock: oneOf("all", "flock", "posix", "none"),
    write: { ...oneOf("lazy", "eager", "wait"), shown: (tail) => (tail === "=lazy" ? [""] : [ITSELF]) },
    proto: partlyTried(["=tcp"], "needs IPv6 or RDMA", oneOf("tcp", "tcp6", "rdma", "rdma6")),
    port: byDefault(within(0, 65535, number(2049)), "=2049", "=0"),
    // Only mount.nfs(8) reads it.
    retry: unshown(MOUNTING, number(0, "minutes")),
    mountport: untried("the server chooses it", unshown(MOUNTING, within(0, 65535, number(0)))),
    mountproto: beside("vers=3", unshown(MOUNTING, oneOf("tcp", "udp"))),
    mounthost: beside("vers=3", unshown(MOUNTING, text("192.168.1.101", "a name or an address"))),
    mountaddr: beside("vers=3", unshown(MOUNTING, text("192.168.1.101", "an address"))),
    mountvers: beside("vers=3", unshown(MOUNTING, oneOf("3"))),
    addr: unshown("mount.nfs(8) writes the server's address in its place", text("192.168.1.101", "an address")),
    clientaddr: text("192.168.1.100", "an address"),
  },

  refused: [
    {
      matches: /^(nolock|noacl|local_lock=(all|flock|posix))$/,
      when: ({ options }) => versionOf(options) === "4",
      reason: "is for NFS 3, and ignored by NFS 4; leave it out",
      examples: ["nolock", "noacl", "local_lock=all"].map((option) => ({ options: ["vers=4.2", option] })),
      outcome: "is ignored",
    },
    {
      matches: /^(dirsync|lazytime)$/,
      when: ({ options }) => versionOf(options) === "4",
      // A mount of NFS 4 is one below that of the server's root, which takes over no such flag.
      reason: "is ignored by NFS 4; leave it out",
      examples: ["dirsync", "lazytime"].map((option) => ({ options: ["vers=4.2", option] })),
      outcome: "is ignored",
    },
    {
      matches: /^migration$/,
      when: ({ options }) => options.some((option) => /^(nfsvers=|vers=|v)(3|4\.[12])$/.test(option)),
      reason: "does not mount with another version than NFS 4.0; leave it out",
      examples: ["vers=3", "vers=4.2"].map((version) => ({ options: [version, "migration"] })),
      outcome: "does not mount",
    },
    {
      matches: /^(max_connect|clientaddr)=/,
      when: ({ options }) => versionOf(options) === "3",
      reason: "is for NFS 4, and ignored by NFS 3; leave it out",
      examples: ["max_connect=4", "clientaddr=192.168.1.100"].map(onVersion3),
      outcome: "is ignored",
    },
    {
      matches: /^minorversion=/,
      when: ({ options }) => !options.some((option) => /^(nfsvers=4|vers=4|v4)$/.test(option)),
      reason: "needs vers=4 beside it; write the whole version in its place",
      examples: [{ options: ["vers=4.2", "minorversion=1"] }],
      outcome: "is ignored",
    },
    {
      matches: /^(no)?intr$/,
      reason: "is ignored since Linux 2.6.25 (nfs(5)); leave it out",
      examples: ["intr", "nointr"].map(onVersion3),
      outcome: "is ignored",
    },
    {
      matches: /^(proto=udp6?|udp)$/,
      reason:
        "does not mount: Debian builds the kernel without NFS over UDP, off by default since Linux 5.6; write proto=tcp",
      examples: ["proto=udp", "udp"].map(onVersion3),
      outcome: "does not mount",
    },
  ],
};
