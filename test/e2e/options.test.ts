/**
 * What providers/filesystems/ says of the kernel and of mkfs, by real attempts: on a loop device of the storage host,
 * and on the NAS.
 */
import { beforeAll, describe, expect, it } from "vitest";
import * as lab from "../../lab/lab.ts";
import { FILESYSTEMS, MADE_FILESYSTEMS } from "../../providers/filesystems/index.ts";
import { isOlder } from "../../providers/values/versions.ts";
import { liveDifferences, refusedOptions, remountOptions } from "../../providers/filesystems/mountOptions.ts";
import { everyKnown, triedFlags, triedOptions } from "../support/tried.ts";

const MKFS: Readonly<Record<string, readonly string[]>> = { ext4: [], xfs: ["-d", "su=16k,sw=1"], btrfs: [] };

/** Not in the rules, and refused because the type doesn't know it. A bind mount would take it, and do nothing. */
const UNKNOWN: readonly [type: string, option: string][] = [
  ["ext4", "noatimee"],
  ["ext4", "commit=abc"],
  ["ext4", "logbufs=8"],
  ["ext4", "discard=async"],
  ["xfs", "data=writeback"],
  ["xfs", "commit=30"],
  ["xfs", "logbufs=9"],
  ["xfs", "logbsize=48k"],
  ["btrfs", "compress=gzip"],
  ["btrfs", "compress=zstd:16"],
  ["btrfs", "thread_pool=0"],
  ["nfs", "vers=5"],
  ["nfs", "timeo=abc"],
  ["none", "noatimee"],
  ["none", "commit=30"],
];

/**
 * Answers each row, `verb|type|mkfs arguments|options`, after a line that repeats it. `shown` prints what a mount
 * shows, as `flags|options of the filesystem`; `change` the same, a line for each change of one mount, made as
 * mount-entry.sh makes it: its options are `before;afterwards;action;afterwards;action…`.
 */
const script = (rows: readonly string[]) => String.raw`set -u
work=$(mktemp --directory /var/tmp/options-XXXXXX); mkdir $work/mnt $work/shown
truncate --size 1G $work/image
device=$(losetup --find --show $work/image)
statdWanted=/run/systemd/system/remote-fs.target.wants/rpc-statd.service
[ -e $statdWanted ] && hadStatd=yes || hadStatd=no
usedStatd=no
tidy() {
  umount --quiet $work/mnt; losetup --detach $device; btrfs device scan --forget >/dev/null 2>&1
  [ $usedStatd$hadStatd != yesno ] || { rm --force $statdWanted; systemctl stop --quiet rpc-statd.service; }
  udevadm control --start-exec-queue
  rm --recursive $work
}
trap tidy EXIT
# What udev does at each mkfs takes an emulated machine longer than the row itself.
udevadm control --stop-exec-queue
blank() { blkdiscard --force $device; }
make() { "mkfs.$1" -q $2 $device $3 </dev/null >/dev/null 2>&1; }
attach() {
  case $1 in
    nfs)
      usedStatd=yes
      timeout 20 mount -t nfs -o "$2,retry=0" 192.168.1.101:/volume1/cocodev $work/mnt ;;
    none) mount -t none -o "$2" $work/shown $work/mnt ;;
    *) mount -t $1 -o "$2" $device $work/mnt ;;
  esac </dev/null >/dev/null 2>$work/error
}
detach() { umount $work/mnt; }
made() { case $1 in nfs|none) ;; *) blank; make $1 "$2" "" ;; esac; }
tag() { blkid --probe --match-tag $1 --output value $device; }
look() { findmnt --noheadings --raw --output VFS-OPTIONS,FS-OPTIONS $work/mnt | sed "s,$device,DEVICE,g; s, ,|,g"; }
on_device() { case $1 in *DEVICE*) echo "$1" | sed "s,DEVICE,$device,g" ;; *) echo "$1" ;; esac; }
line() {
  local source=$device; [ $1 = none ] && source=$work/shown
  echo "$source $work/mnt $1 $2 0 0" >$work/fstab
}
from_fstab() { LIBMOUNT_FSTAB=$work/fstab mount "$@" $work/mnt >/dev/null 2>$work/error; }
while IFS='|' read -r verb type mkfs options; do
  echo "== $verb|$type|$mkfs|$options"
  case $verb in
    shown)
      made $type "$mkfs"
      if attach $type "$(on_device "$options")"; then look; detach; else cat $work/error; fi ;;
    change)
      made $type "$mkfs"
      set -f; IFS=';'; set -- $(on_device "$options"); unset IFS; set +f
      line $type "$1"; from_fstab || cat $work/error
      shift
      while [ $# -gt 0 ]; do
        line $type "$1"
        case $2 in
          replace) detach; from_fstab || cat $work/error ;;
          remount*) from_fstab --options-mode append --options $2 || cat $work/error ;;
        esac
        look; shift 2
      done
      detach ;;
    source)
      made $type "$mkfs"; attach $type "$options"
      [ "$(findmnt --noheadings --output SOURCE $work/mnt)" = $device ] || echo "another device"
      detach ;;
    mount)
      if ! made $type "$mkfs"; then echo "mkfs failed"
      elif attach $type "$options"; then findmnt --noheadings --output OPTIONS $work/mnt; detach
      else echo "no mount"; fi ;;
    mkfs) blank; if make $type "$mkfs" ""; then tag TYPE; else echo "mkfs failed"; fi ;;
    uuid) for turn in 1 2; do made $type "$mkfs"; tag UUID; done ;;
    smaller)
      made $type "$mkfs"; attach $type rw
      [ $(findmnt --noheadings --bytes --output SIZE $work/mnt) -lt 700000000 ] && echo "smaller"
      detach ;;
    label) made $type "$mkfs"; tag LABEL ;;
    overwrite)
      made ext4 ""
      make $type "$(echo "$mkfs" | cut --only-delimited --delimiter ' ' --fields 2-)" "" && echo "mkfs takes it anyway"
      make $type "$mkfs" "" && echo "overwritten" ;;
    grow)
      for flags in "" "$mkfs"; do
        blank; make $type "$flags" 200M; attach $type rw
        if resize2fs $device >/dev/null 2>&1; then echo "grown"; else echo "not grown"; fi
        detach
      done ;;
  esac
done <<'END'
${rows.join("\n")}
END
echo "== end"
`;

const answers = new Map<string, string>();
let kernel: string;
const line = (
  verb: string,
  type: string,
  mkfs: readonly string[] = [],
  options: readonly string[] = [],
  between = ",",
) => [verb, type, mkfs.join(" "), options.join(between)].join("|");

const judged = Object.entries(FILESYSTEMS).filter(([, { options }]) => options !== undefined);
/** NFS is mounted with each of these, the others as they are. 4.1 knows the same options as 4.2. */
const VERSIONS: Readonly<Record<string, readonly string[]>> = { nfs: ["vers=3", "vers=4.2"] };
const isVersion = (option: string) => /^(nfsvers=|vers=|minorversion=|v[34])/.test(option);
const known = judged.flatMap(([type, filesystem]) =>
  ["defaults", ...triedOptions(filesystem)].flatMap((tried) => {
    const options = [...(type === "none" ? ["bind"] : []), ...tried.split(",").filter((option) => option !== "bind")];
    const versions = options.some(isVersion) ? undefined : VERSIONS[type];
    return (versions?.map((version) => [version, ...options]) ?? [options])
      .filter((all) => refusedOptions({ type, source: "", pass: 0, options: all }).length === 0)
      .map((all) => ({ type, options: all, line: line("shown", type, MKFS[type], all) }));
  }),
);
/** Changes of one mount, to an option and from it, or beside it; NFS is always mounted anew. */
const chains = known
  .filter(({ type, options }) => type !== "nfs" && options.at(-1) !== "defaults")
  .flatMap(({ type, options }) => {
    const none = type === "none" ? ["bind", "defaults"] : ["defaults"];
    return [
      { type, states: [none, options, none] },
      { type, states: [options, [...options.filter((option) => option !== "suid"), "nosuid"]] },
    ];
  });
const shownBy = (type: string, options: readonly string[]) =>
  (answers.get(line("shown", type, MKFS[type], options)) ?? "").split(/[|,]/);
const changesOf = ({ type, states }: (typeof chains)[number]) =>
  states.slice(1).map((after, index) => ({ type, before: states[index]!, after }));
const chainLine = (chain: (typeof chains)[number]) => {
  const { type, states } = chain;
  const changed = changesOf(chain).flatMap(({ before, after }) => {
    const differences = liveDifferences(type, after, shownBy(type, before));
    const action = differences.length === 0 ? "none" : (remountOptions(type, after, differences) ?? "replace");
    return [after.join(","), action];
  });
  return line("change", type, MKFS[type], [states[0]!.join(","), ...changed], ";");
};
const changes = chains.flatMap((chain) => changesOf(chain).map((change, index) => ({ ...change, chain, index })));
const flags = Object.entries(MADE_FILESYSTEMS).flatMap(([type, { mkfs }]) =>
  triedFlags(mkfs).map((mkfsOptions) => ({
    what: `mkfs.${type} ${mkfsOptions.join(" ")}`,
    line: line("mount", type, mkfsOptions, ["rw"]),
  })),
);
const VERBS: Readonly<Record<string, string>> = {
  "makes no such filesystem": "mkfs",
  "mkfs refuses": "mkfs",
  overwrites: "overwrite",
  labels: "label",
  "is smaller than its device": "smaller",
  "repeats the UUID": "uuid",
  "does not grow online": "grow",
  "mounts another device": "source",
};
const rules = Object.entries(FILESYSTEMS).flatMap(([type, { refused, mkfs }]) =>
  [...refused, ...(mkfs?.refused ?? [])].flatMap(({ examples, outcome, later, reason }) =>
    examples.map((example) => {
      const { mkfsOptions, options = [] } = example;
      const verb = typeof outcome === "string" ? (VERBS[outcome] ?? "mount") : "mount";
      return {
        what: `${[...(mkfsOptions ?? []), ...options].join(" ")} on ${type} ${reason}`,
        type,
        example,
        outcomeOn: (kernel: string) => (later === undefined || isOlder(kernel, later.linux) ? outcome : later.outcome),
        line: line(verb, type, mkfsOptions, options),
      };
    }),
  ),
);
const unknown = UNKNOWN.map(([type, option]) => ({
  type,
  option,
  line: line("mount", type, [], type === "none" ? ["bind", option] : [option]),
}));

/** So many rows are one script: an emulated machine answers about one in a second. */
const ROWS_OF_A_SCRIPT = 200;

/** Has the rows answered on the host, half of them on each of its processors. */
async function ask(rows: readonly string[]): Promise<void> {
  let answered = 0;
  const askInTurn = async (half: readonly string[]) => {
    for (let begin = 0; begin < half.length; begin += ROWS_OF_A_SCRIPT) {
      const some = half.slice(begin, begin + ROWS_OF_A_SCRIPT);
      const { stdout } = await lab.run("storage-host", "unshare --mount bash -s", {
        stdin: script(some),
        timeoutSeconds: 1200,
      });
      const said = stdout.split(/^== /m).slice(1);
      expect(said.pop()).toMatch(/^end\s*$/);
      for (const answer of said) {
        const [asked = "", ...lines] = answer.split("\n");
        answers.set(asked, lines.join("\n").trim());
      }
      answered += some.length;
      console.log(`${answered} of ${rows.length} rows are answered`);
    }
  };
  // One export's mounts share what they were mounted with, so that NFS is asked for in one of them.
  const isNfs = (row: string) => row.split("|")[1] === "nfs";
  const nfs = rows.filter(isNfs);
  const nfsFirst = [...nfs, ...rows.filter((row) => !isNfs(row))];
  const middle = Math.max(nfs.length, Math.ceil(rows.length / 2));
  await Promise.all([nfsFirst.slice(0, middle), nfsFirst.slice(middle)].map(askInTurn));
}

beforeAll(async () => {
  await lab.up();
  kernel = (await lab.run("storage-host", "uname --kernel-release")).stdout;
  await ask([...known, ...flags, ...rules, ...unknown].map((one) => one.line));
  // Which steps a change takes depends on what its mount shows.
  await ask(chains.map(chainLine));
}, 90 * 60_000);

describe("every option that is accepted converges", { tags: ["long"] }, () => {
  it.each(known)("a mount of $type with $options is as it is declared", ({ type, options, line: asked }) => {
    const said = answers.get(asked) ?? "";
    expect(said).toMatch(/^r[ow]\b[^ ]*$/);
    expect(liveDifferences(type, options, said.split(/[|,]/))).toEqual([]);
  });

  it.each(changes)(
    "a mount of $type with $before that is changed to $after is as it is declared",
    ({ chain, index, type, after }) => {
      const said = answers.get(chainLine(chain))?.split("\n") ?? [];
      expect(said).toHaveLength(chain.states.length - 1);
      expect(said[index]).toMatch(/^r[ow]\b[^ ]*$/);
      expect(liveDifferences(type, after, said[index]?.split(/[|,]/) ?? [])).toEqual([]);
    },
  );

  it.each(judged)("each of %s is tried, or says why it isn't", (_type, filesystem) => {
    for (const { tried, untried } of everyKnown(filesystem))
      expect(tried.length > 0 || untried !== undefined).toBe(true);
  });
});

describe("every flag of mkfs that is accepted makes what mounts", { tags: ["long"] }, () => {
  it.each(flags)("$what", ({ line: asked }) => {
    expect(answers.get(asked)).toMatch(/^rw,/);
  });
});

describe("each rule's example is refused, and is as the rule says", { tags: ["long"] }, () => {
  it.each(rules)("$what", ({ type, example: { options = [], mkfsOptions }, outcomeOn, line: asked }) => {
    const outcome = outcomeOn(kernel);
    expect(
      refusedOptions({ type, source: "", pass: 0, options, ...(mkfsOptions === undefined ? {} : { mkfsOptions }) }),
    ).not.toEqual([]);
    const said = answers.get(asked) ?? "";
    const shown = said.split(",");
    if (typeof outcome === "object") expect(shown).toContain(outcome.shows);
    else if (outcome === "mounts another device") expect(said).toBe("another device");
    else if (outcome === "does not mount") expect(said).toBe("no mount");
    else if (outcome === "is ignored")
      expect([said.includes("relatime"), shown.includes(options.at(-1) ?? "")]).toEqual([true, false]);
    else if (outcome === "mounts") expect(said).toMatch(/^rw,/);
    else if (outcome === "mkfs refuses") expect(said).toBe("mkfs failed");
    else if (outcome === "makes no such filesystem") expect(said).not.toMatch(new RegExp(`^${type}$`));
    else if (outcome === "overwrites") expect(said).toBe("overwritten");
    else if (outcome === "is smaller than its device") expect(said).toBe("smaller");
    else if (outcome === "labels") expect(said).toBe(mkfsOptions?.at(-1));
    else if (outcome === "does not grow online") expect(said).toBe("grown\nnot grown");
    else expect(new Set(said.split("\n")).size).toBe(1);
  });
});

describe("what is refused as unknown does not mount, or is not what is mounted", { tags: ["long"] }, () => {
  it.each(unknown)("$option on $type", ({ type, option, line: asked }) => {
    expect(refusedOptions({ type, source: "", pass: 0, options: [option] })).toHaveLength(1);
    const said = answers.get(asked) ?? "";
    expect(said).not.toBe("");
    expect(said.split(",")).not.toContain(option);
  });
});
