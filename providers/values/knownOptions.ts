/** A mount option that a filesystem knows, or what a flag of its mkfs takes. */
export interface KnownOption {
  /** What follows the name; `=30`, or nothing. */
  readonly tail: RegExp;
  /** The same in words. */
  readonly takes: string;
  /** Tails that were seen to mount, each with what it needs besides; DEVICE stands for the device itself. */
  readonly tried: readonly string[];
  /** Why it isn't tried. */
  readonly untried?: string;
}
export type KnownOptions = Readonly<Record<string, KnownOption>>;

const flag: KnownOption = { tail: /^$/, takes: "no value", tried: [""] };
const flags = (names: string): KnownOptions => Object.fromEntries(names.split(" ").map((name) => [name, flag]));
const number = (example: number, unit = ""): KnownOption => ({
  tail: /^=\d+$/,
  takes: unit === "" ? "a number" : `a number of ${unit}`,
  tried: [`=${example}`],
});
const text = (example: string, takes: string, tail = /^=.+$/): KnownOption => ({ tail, takes, tried: [`=${example}`] });
const oneOf = (...words: readonly string[]): KnownOption => ({
  tail: new RegExp(`^=(${words.join("|")})$`),
  takes: words.join(", "),
  tried: words.map((word) => `=${word}`),
});
/** The name alone will do, too. */
const orAlone = ({ tail, takes, tried }: KnownOption): KnownOption => ({
  tail: new RegExp(`^$|${tail.source}`),
  takes: `${takes}, or no value`,
  tried: ["", ...tried],
});
const beside = (others: string, known: KnownOption): KnownOption => ({
  ...known,
  tried: known.tried.map((tail) => `${tail},${others}`),
});
const untried = (reason: string, known: KnownOption): KnownOption => ({ ...known, tried: [], untried: reason });

const NFS_VERSIONS = oneOf("3", "4", "4.0", "4.1", "4.2");
const PERSISTENT_MEMORY = "needs persistent memory, or is turned off";
const LEVELS = {
  tail: /^=(zlib(:[1-9])?|lzo|zstd(:([1-9]|1[0-5]))?|no|none)$/,
  takes: "zlib[:1-9], lzo, zstd[:1-15] or no",
  tried: ["=zlib:9", "=lzo", "=no", "=zstd:15", "=zstd"],
};

/** mount(8), "filesystem-independent mount options". */
const INDEPENDENT: KnownOptions = {
  ...flags(
    "defaults async atime noatime diratime nodiratime relatime norelatime strictatime nostrictatime nolazytime suid nosuid dev nodev exec noexec symfollow nosymfollow ro rw",
  ),
  ...flags("auto noauto nofail _netdev group owner user nouser users silent loud iversion noiversion nomand"),
  ...flags("private rprivate shared rshared slave rslave unbindable runbindable"),
};
/** Those of mount(8) that a filesystem has, and a bind mount hasn't. */
const OF_FILESYSTEM: KnownOptions = { ...INDEPENDENT, ...flags("sync dirsync lazytime") };
/** mount(8), "loop-device support". */
const OF_DEVICE: KnownOptions = {
  ...OF_FILESYSTEM,
  ...flags("loop"),
  offset: number(0, "bytes"),
  sizelimit: number(0, "bytes"),
};

/** Each in bytes, in k and, from there on, in m: 4k to 1g. */
const ALLOCSIZE = new RegExp(
  `^=(1g|${Array.from({ length: 19 }, (_, power) => 4 * 2 ** power)
    .flatMap((kib) => [kib * 1024, `${kib}k`, ...(kib < 1024 ? [] : [`${kib / 1024}m`])])
    .join("|")})$`,
  "i",
);

/** What each type of filesystem takes, by its man page; of other types nothing is said. */
export const KNOWN_OPTIONS: Readonly<Record<string, { readonly manual: string; readonly options: KnownOptions }>> = {
  ext4: {
    manual: "ext4(5)",
    options: {
      ...OF_DEVICE,
      ...flags(
        "acl user_xattr bsddf minixdf debug grpid bsdgroups nogrpid sysvgroups nouid32 noload norecovery journal_checksum nojournal_checksum",
      ),
      ...flags(
        "delalloc nodelalloc noauto_da_alloc noinit_itable discard nodiscard block_validity noblock_validity dioread_lock dioread_nolock nodioread_nolock",
      ),
      ...flags(
        "nombcache no_mbcache inlinecrypt warn_on_error nowarn_on_error no_prefetch_block_bitmaps quota noquota usrquota grpquota",
      ),
      journal_async_commit: beside("data=writeback", flag),
      prjquota: untried("needs `-O project,quota`", flag),
      usrjquota: beside("jqfmt=vfsv1", text("aquota.user", "a file's name", /^=[^/]*$/)),
      grpjquota: beside("jqfmt=vfsv1", text("aquota.group", "a file's name", /^=[^/]*$/)),
      jqfmt: oneOf("vfsold", "vfsv0", "vfsv1"),
      barrier: orAlone(oneOf("1")),
      auto_da_alloc: orAlone(oneOf("0", "1")),
      commit: number(30, "seconds"),
      data: oneOf("writeback", "ordered", "journal"),
      data_err: oneOf("abort", "ignore"),
      errors: oneOf("continue", "remount-ro", "panic"),
      init_itable: orAlone(number(10)),
      inode_readahead_blks: text("32", "a power of 2", /^=(0|1|2|4|8|16|32|64|128|256|512|1024|2048|4096)$/),
      stripe: number(16, "blocks"),
      max_batch_time: number(15000, "microseconds"),
      min_batch_time: number(0, "microseconds"),
      journal_ioprio: oneOf("0", "1", "2", "3", "4", "5", "6", "7"),
      max_dir_size_kb: number(1024, "KiB"),
      mb_optimize_scan: oneOf("0", "1"),
      debug_want_extra_isize: number(32, "bytes"),
      resuid: number(0),
      resgid: number(0),
      sb: number(1),
      dax: { ...orAlone(oneOf("always", "inode", "never")), tried: ["=inode", "=never"], untried: PERSISTENT_MEMORY },
      journal_dev: untried("needs a journal on another device", number(0)),
      journal_path: untried("needs a journal on another device", text("/dev/x", "a path")),
    },
  },
  xfs: {
    manual: "xfs(5)",
    options: {
      ...OF_DEVICE,
      ...flags(
        "attr2 discard nodiscard grpid bsdgroups nogrpid sysvgroups filestreams ikeep noikeep inode32 inode64 largeio nolargeio noalign nouuid swalloc wsync",
      ),
      ...flags(
        "noquota quota uquota usrquota uqnoenforce qnoenforce gquota grpquota gqnoenforce pquota prjquota pqnoenforce",
      ),
      norecovery: beside("ro", flag),
      allocsize: text("64m", "a size from 4k to 1g, a power of 2", ALLOCSIZE),
      logbufs: oneOf("2", "3", "4", "5", "6", "7", "8"),
      logbsize: oneOf("16k", "32k", "64k", "128k", "256k", "16384", "32768", "65536", "131072", "262144"),
      sunit: beside("swidth=128", number(128, "blocks of 512 bytes")),
      swidth: beside("sunit=128", number(128, "blocks of 512 bytes")),
      dax: orAlone(oneOf("always", "inode", "never")),
      logdev: untried("needs a log on another device", text("/dev/x", "a path")),
      rtdev: untried("needs a realtime section on another device", text("/dev/x", "a path")),
    },
  },
  btrfs: {
    manual: "btrfs(5)",
    options: {
      ...OF_DEVICE,
      ...flags(
        "acl noacl autodefrag noautodefrag barrier clear_cache datacow nodatacow datasum nodatasum degraded nodiscard enospc_debug noenospc_debug flushoncommit noflushoncommit",
      ),
      ...flags(
        "rescan_uuid_tree skip_balance ssd ssd_spread nossd nossd_spread treelog notreelog usebackuproot recovery user_subvol_rm_allowed",
      ),
      nospace_cache: beside("clear_cache", flag),
      nologreplay: beside("ro", flag),
      norecovery: beside("ro", flag),
      commit: number(30, "seconds"),
      compress: orAlone(LEVELS),
      "compress-force": orAlone(LEVELS),
      device: text("DEVICE", "a path"),
      discard: orAlone(oneOf("sync", "async")),
      fatal_errors: oneOf("bug", "panic"),
      max_inline: text("2048", "a size", /^=\d+[kmg]?$/i),
      metadata_ratio: number(4),
      rescue: {
        ...beside(
          "ro",
          text(
            "all",
            "usebackuproot, nologreplay, ignorebadroots, ignoredatacsums or all, with : between",
            /^=(usebackuproot|nologreplay|i(gnore)?(badroots|datacsums)|all)(:(usebackuproot|nologreplay|i(gnore)?(badroots|datacsums)|all))*$/,
          ),
        ),
      },
      space_cache: { ...orAlone(oneOf("v1", "v2")), tried: [",clear_cache", "=v1,clear_cache", "=v2"] },
      subvol: text("/", "a path"),
      subvolid: number(5),
      thread_pool: text("8", "a number above 0", /^=[1-9]\d*$/),
    },
  },
  nfs: {
    manual: "nfs(5)",
    options: {
      ...OF_FILESYSTEM,
      ...flags(
        "soft hard softerr softreval ac noac bg fg rdirplus nordirplus sharecache nosharecache resvport nofsc cto nocto acl noacl lock nolock migration nomigration sloppy tcp softreval posix noposix trunkdiscovery notrunkdiscovery",
      ),
      ...flags("v3 v4 v4.0 v4.1 v4.2"),
      noresvport: untried("needs an export with `insecure`", flag),
      rdma: untried("needs RDMA", flag),
      fsc: orAlone(text("jts", "a name")),
      vers: NFS_VERSIONS,
      nfsvers: NFS_VERSIONS,
      minorversion: beside("vers=4", oneOf("0", "1", "2")),
      timeo: number(600, "tenths of a second"),
      retrans: number(2),
      rsize: number(65536, "bytes"),
      wsize: number(65536, "bytes"),
      bsize: number(4096, "bytes"),
      acregmin: number(3, "seconds"),
      acregmax: number(60, "seconds"),
      acdirmin: number(30, "seconds"),
      acdirmax: number(60, "seconds"),
      actimeo: number(30, "seconds"),
      retry: number(0, "minutes"),
      nconnect: oneOf(...Array.from({ length: 16 }, (_, index) => `${index + 1}`)),
      max_connect: oneOf(...Array.from({ length: 16 }, (_, index) => `${index + 1}`)),
      sec: {
        ...oneOf("sys", "none", "krb5", "krb5i", "krb5p"),
        tried: ["=sys"],
        untried: "needs Kerberos, or an export for anyone",
      },
      lookupcache: oneOf("all", "none", "pos", "positive"),
      local_lock: oneOf("all", "flock", "posix", "none"),
      write: oneOf("lazy", "eager", "wait"),
      proto: { ...oneOf("tcp", "tcp6", "rdma", "rdma6"), tried: ["=tcp"], untried: "needs IPv6 or RDMA" },
      port: number(2049),
      mountport: untried("the server chooses it", number(0)),
      mountproto: beside("vers=3", oneOf("tcp", "udp")),
      mounthost: beside("vers=3", text("192.168.1.101", "a name or an address")),
      mountaddr: beside("vers=3", text("192.168.1.101", "an address")),
      addr: text("192.168.1.101", "an address"),
      mountvers: beside("vers=3", oneOf("3")),
      namlen: number(255, "bytes"),
      clientaddr: text("192.168.1.100", "an address"),
    },
  },
  none: { manual: "mount(8)", options: { ...INDEPENDENT, ...flags("bind rbind") } },
};

/** What a flag of mkfs takes: a value, words with or without values of their own between commas, or nothing. */
export type KnownFlag = KnownOption | { readonly words: KnownOptions };

const words = (known: KnownOptions): KnownFlag => ({ words: known });
const size = (...tried: readonly string[]): KnownOption => ({
  tail: /^=\d+[kmgt]?$/i,
  takes: "a size",
  tried: tried.map((one) => `=${one}`),
});
/** Features, each of which may be turned off. */
const features = (names: string, known: KnownOptions = {}): KnownFlag =>
  words({
    ...flags(
      names
        .split(" ")
        .flatMap((name) => [name, `^${name}`])
        .join(" "),
    ),
    ...known,
  });

const BTRFS_FLAGS = {
  byteCount: size("600m"),
  checksum: oneOf("crc32c", "xxhash", "sha256", "blake2"),
  profile: oneOf("single", "dup"),
  nodeSize: oneOf("4096", "8192", "16384", "32768", "65536", "4k", "8k", "16k", "32k", "64k"),
  sectorSize: oneOf("4096", "4k"),
  features: features("extref raid56 skinny-metadata no-holes"),
  runtimeFeatures: features("quota free-space-tree"),
};

/** The flags of mkfs by type of filesystem: what isn't here is refused, since it would come to light when the disk is formatted. */
export const KNOWN_FLAGS: Readonly<
  Record<string, { readonly manual: string; readonly flags: Readonly<Record<string, KnownFlag>> }>
> = {
  ext4: {
    manual: "mkfs.ext4(8)",
    flags: {
      "-b": oneOf("1024", "2048", "4096", "1k", "2k", "4k"),
      "-c": flag,
      "-C": untried("needs `-O bigalloc`", size()),
      "-D": flag,
      "-e": oneOf("continue", "remount-ro", "panic"),
      "-E": words({
        ...flags("discard nodiscard no_copy_xattrs"),
        assume_storage_prezeroed: orAlone(oneOf("0", "1")),
        encoding: oneOf("utf8", "utf8-12.1"),
        encoding_flags: beside("encoding=utf8", oneOf("strict")),
        hash_seed: text("11111111-2222-4333-8444-555555555555", "a UUID", /^=[0-9a-f-]{36}$/i),
        lazy_itable_init: orAlone(oneOf("0", "1")),
        lazy_journal_init: orAlone(oneOf("0", "1")),
        mmp_update_interval: number(5, "seconds"),
        packed_meta_blocks: orAlone(oneOf("0", "1")),
        resize: number(10_000_000, "blocks"),
        root_owner: text("0:0", "a user's and a group's number", /^(=\d+:\d+)?$/),
        stride: number(16, "blocks"),
        stripe_width: number(32, "blocks"),
        "stripe-width": number(32, "blocks"),
      }),
      "-g": number(8192, "blocks"),
      "-G": text("16", "a power of 2", /^=(1|2|4|8|16|32|64|128|256|512|1024|2048|4096|8192|16384)$/),
      "-i": number(16384, "bytes"),
      "-I": oneOf("256", "512", "1024", "2048", "4096"),
      "-j": flag,
      "-J": words({ size: number(64, "MiB") }),
      "-K": flag,
      "-m": text("0.5", "a percentage up to 50", /^=([0-4]?\d(\.\d+)?|50)$/),
      "-M": text("/mnt", "a path"),
      "-N": number(65536),
      "-o": oneOf("Linux", "linux"),
      "-O": features(
        "64bit bigalloc casefold dir_index dir_nlink ea_inode encrypt ext_attr extra_isize fast_commit filetype flex_bg has_journal huge_file inline_data large_dir large_file metadata_csum metadata_csum_seed mmp project quota resize_inode stable_inodes uninit_bg verity",
        flags("extent extents sparse_super ^meta_bg ^sparse_super2"),
      ),
      "-q": flag,
      "-r": oneOf("1"),
      "-t": oneOf("ext4"),
      "-T": words(flags("big default floppy huge largefile largefile4 news small")),
      "-v": flag,
    },
  },
  xfs: {
    manual: "mkfs.xfs(8)",
    flags: {
      "-b": words({ size: oneOf("1024", "2048", "4096", "1k", "2k", "4k") }),
      "-d": words({
        agcount: number(8),
        agsize: size("128m"),
        cowextsize: number(32, "blocks"),
        daxinherit: oneOf("0", "1"),
        extszinherit: number(4, "blocks"),
        noalign: flag,
        projinherit: number(0),
        size: size("600m"),
        su: beside("sw=1", size("64k")),
        sunit: beside("swidth=128", number(128, "blocks of 512 bytes")),
        sw: beside("su=64k", number(1)),
        swidth: beside("sunit=128", number(128, "blocks of 512 bytes")),
      }),
      "-i": words({
        align: oneOf("1"),
        attr: oneOf("2"),
        maxpct: text("25", "a percentage", /^=(\d?\d|100)$/),
        perblock: oneOf("2", "4", "8"),
        projid32bit: oneOf("1"),
        size: oneOf("512", "1024", "2048"),
        sparse: oneOf("0", "1"),
      }),
      "-K": flag,
      "-l": words({
        agnum: number(0),
        internal: orAlone(oneOf("1")),
        "lazy-count": oneOf("1"),
        size: size("64m"),
        su: size("32k"),
        sunit: number(64, "blocks of 512 bytes"),
        version: oneOf("2"),
      }),
      "-m": words({
        bigtime: oneOf("0", "1"),
        crc: oneOf("1"),
        finobt: oneOf("1"),
        inobtcount: oneOf("0", "1"),
        reflink: oneOf("0", "1"),
        rmapbt: oneOf("0", "1"),
      }),
      "-n": words({
        ftype: oneOf("1"),
        size: oneOf("4096", "8192", "16384", "32768", "65536", "4k", "8k", "16k", "32k", "64k"),
        version: oneOf("2", "ci"),
      }),
      "-q": flag,
      "-s": words({ size: oneOf("512", "1024", "2048", "4096", "1k", "2k", "4k") }),
    },
  },
  btrfs: {
    manual: "mkfs.btrfs(8)",
    flags: {
      "-b": BTRFS_FLAGS.byteCount,
      "--byte-count": BTRFS_FLAGS.byteCount,
      "--checksum": BTRFS_FLAGS.checksum,
      "--csum": BTRFS_FLAGS.checksum,
      "-d": BTRFS_FLAGS.profile,
      "--data": BTRFS_FLAGS.profile,
      "-K": flag,
      "--nodiscard": flag,
      "-m": BTRFS_FLAGS.profile,
      "--metadata": BTRFS_FLAGS.profile,
      "-M": flag,
      "--mixed": flag,
      "-n": BTRFS_FLAGS.nodeSize,
      "--nodesize": BTRFS_FLAGS.nodeSize,
      "-O": BTRFS_FLAGS.features,
      "--features": BTRFS_FLAGS.features,
      "-q": flag,
      "--quiet": flag,
      "-R": BTRFS_FLAGS.runtimeFeatures,
      "--runtime-features": BTRFS_FLAGS.runtimeFeatures,
      "-s": BTRFS_FLAGS.sectorSize,
      "--sectorsize": BTRFS_FLAGS.sectorSize,
      "-v": flag,
      "--verbose": flag,
    },
  },
};
