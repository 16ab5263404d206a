/** Values of the kernel as sysctl.d(5) writes them: pure. */

/** A line of sysctl.d(5). */
export interface KernelValue {
  /** As written. */
  readonly key: string;
  /** The kernel's file below /proc/sys. */
  readonly file: string;
  /** With single spaces. */
  readonly value: string;
  /** Written `-KEY = VALUE`: the kernel may have no such file. */
  readonly mayBeMissing: boolean;
}

/** Where a key's first separator is a slash, its dots are those of a name. */
export function kernelFileOf(key: string): string {
  const swap = (separator: string) => (separator === "." ? "/" : ".");
  return `/proc/sys/${/^[^./]*\//.test(key) ? key : key.replaceAll(/[./]/g, swap)}`;
}

/** The kernel's values that a sysctl.d(5) text sets. */
export function kernelValuesIn(text: string): KernelValue[] {
  return text.split("\n").flatMap((line) => {
    const [, dash, key, value] = /^\s*(-?)([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === undefined || value === undefined) return [];
    return [{ key, file: kernelFileOf(key), value: value.replaceAll(/\s+/g, " "), mayBeMissing: dash === "-" }];
  });
}

/** A value that the kernel also takes as a share. To set one of the two makes the other one 0. */
interface Half {
  readonly share: string;
  readonly size: string;
  /** The least that the size takes. */
  readonly leastSize: number;
}

/** Documentation/admin-guide/sysctl/vm.rst of Linux; a page is 4 KiB. programs/ledger.sh has the same pairs. */
export const HALVES: readonly Half[] = [
  { share: "vm.dirty_ratio", size: "vm.dirty_bytes", leastSize: 2 * 4096 },
  { share: "vm.dirty_background_ratio", size: "vm.dirty_background_bytes", leastSize: 1 },
  { share: "vm.overcommit_ratio", size: "vm.overcommit_kbytes", leastSize: 1 },
];

/** To write one of these does something, once: none has a value that can be compared or put back. */
const COMMANDS = [
  "vm.drop_caches",
  "vm.compact_memory",
  "vm.stat_refresh",
  "net.ipv4.route.flush",
  "net.ipv6.route.flush",
];
const COMMAND_FILES = new Set(COMMANDS.map(kernelFileOf));

/** Numbers and ranges with commas between them. */
const LISTS = /_reserved_ports$|\/kernel\/watchdog_cpumask$|\/icmp\/ratemask$/;
/** What the kernel shows in its own way, whatever was written. Each was tried, or is so in its source, Linux 6.1. */
const SHOWN: readonly { readonly files: RegExp; readonly meaning: (value: string) => string }[] = [
  { files: LISTS, meaning: (list) => rangesOf(list) ?? list },
  {
    files: /\/kernel\/seccomp\/actions_logged$|\/tcp_allowed_congestion_control$/,
    meaning: (words) => words.split(" ").sort().join(" "),
  },
  {
    files: /\/net\/core\/(rps_default_mask|flow_limit_cpu_bitmap)$/,
    meaning: (mask) => mask.replaceAll(",", "").replace(/^0+(?=.)/, ""),
  },
  { files: /\/sunrpc\/\w+_debug$/, meaning: (number) => String(Number(number)) },
];
/** Texts, which may look like numbers. */
const TEXT = /\/kernel\/(core_pattern|domainname|hostname|hotplug|modprobe|poweroff_cmd)$|\/fs\/binfmt_misc\//;
/** How many numbers a file takes, where that is more than one. */
const COUNTS: readonly { readonly files: RegExp; readonly count: number }[] = [
  { files: /\/net\/ipv4\/(ip_local_port_range|ping_group_range)$|\/kernel\/usermodehelper\//, count: 2 },
  { files: /\/net\/ipv4\/((tcp|udp)_mem|tcp_[rw]mem)$|\/net\/sctp\/sctp_[rw]?mem$/, count: 3 },
  { files: /\/kernel\/acct$/, count: 3 },
  { files: /\/kernel\/(printk|sem)$/, count: 4 },
];
/** Rounded up to a power of two, from this one on. */
const ROUNDED: Readonly<Record<string, number>> = {
  "/proc/sys/fs/pipe-max-size": 4096,
  "/proc/sys/net/core/rps_sock_flow_entries": 1,
};
/** Another file of the same value. */
const SAME: Readonly<Record<string, string>> = {
  "/proc/sys/net/ipv4/ip_forward": "/proc/sys/net/ipv4/conf/all/forwarding",
  "/proc/sys/net/nf_conntrack_max": "/proc/sys/net/netfilter/nf_conntrack_max",
  "/proc/sys/vm/nr_hugepages_mempolicy": "/proc/sys/vm/nr_hugepages",
};
/** Each sets that of `default` and of all interfaces too, when it changes. */
const SPREADS = new RegExp(
  "/net/(ipv4/conf/all/forwarding|" +
    "ipv6/conf/all/(addr_gen_mode|disable_ipv6|forwarding|ignore_routes_with_linkdown))$",
);

/** One of {@link LISTS}, sorted and merged as the kernel shows it; undefined: the kernel doesn't take it. */
function rangesOf(list: string): string | undefined {
  if (!/^((0|[1-9]\d{0,4})(-(0|[1-9]\d{0,4}))?(,|$))*$/.test(list)) return undefined;
  const ranges = list
    .split(",")
    .filter((range) => range !== "")
    .map((range) => range.split("-").map(Number))
    .map(([from = 0, to = from]) => ({ from, to }))
    .sort((one, other) => one.from - other.from);
  if (ranges.some(({ from, to }) => to < from || to > 65535)) return undefined;
  const merged: { from: number; to: number }[] = [];
  for (const range of ranges) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1) last.to = Math.max(last.to, range.to);
    else merged.push(range);
  }
  return merged.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}

/** Whether two values of a kernel's file, each with single spaces, are one to the kernel. */
export function isSameKernelValue(file: string, one: string, other: string): boolean {
  const meaning = SHOWN.find(({ files }) => files.test(file))?.meaning;
  return one === other || (meaning !== undefined && meaning(one) === meaning(other));
}

/** The thing that a file sets, by one file of it, and the value in that file's unit. */
function thingOf({ file, value }: Pick<KernelValue, "file" | "value">): Pick<KernelValue, "file" | "value"> {
  const [, seconds] = /^(.*\/(?:gc_min_interval|base_reachable_time))_ms$/.exec(file) ?? [];
  return seconds === undefined
    ? { file: SAME[file] ?? file, value }
    : { file: seconds, value: /^\d+$/.test(value) ? String(Number(value) / 1000) : value };
}

/** What the kernel doesn't take, or shows otherwise, so that no `up` would find it as declared. */
function refusedForm({ key, file, value }: Pick<KernelValue, "key" | "file" | "value">): string | undefined {
  if (LISTS.test(file) && rangesOf(value) === undefined)
    return "takes numbers and ranges up to 65535, with commas and no spaces, such as 8080,9000-9001";
  if (TEXT.test(file) || SHOWN.some(({ files }) => files.test(file))) return undefined;
  if (value === "") return "is blank, which the kernel refuses; write a value, or leave it out";

  const words = value.split(" ");
  for (const word of words) {
    const [, sign = "", zeros, hexadecimal, digits = ""] =
      /^(-?)(?:(0+)(?=\d)|(0x)(?=[\da-f]))([\da-f]+)$/i.exec(word) ?? [];
    const written = (number: number) => `${number === 0 ? "" : sign}${number}`;
    const shownAs = (number: number) =>
      `has ${word}, which the kernel shows as ${written(number)}; write ${written(number)}`;
    if (hexadecimal !== undefined) return shownAs(parseInt(digits, 16));
    if (zeros !== undefined && /^\d+$/.test(digits)) {
      const decimal = Number(digits);
      const octal = /[89]/.test(digits) ? undefined : parseInt(digits, 8);
      if (octal === decimal) return shownAs(decimal);
      const ways =
        octal === undefined ? written(decimal) : `${written(octal)}, or ${written(decimal)} if that is meant`;
      return `has ${word}, which the kernel reads as octal; write ${ways}`;
    }
    if (/^[-+]?(\d+\.\d*|\.\d+|\d+(\.\d*)?e[-+]?\d+)$|^\+\d+$/i.test(word))
      return `has ${word}, and the kernel takes only whole numbers, in digits; write one`;
  }
  const count = COUNTS.find(({ files }) => files.test(file))?.count ?? words.length;
  if (words.length !== count)
    return (
      `takes ${count} numbers, and the kernel keeps others than are written here; ` +
      `write all, as sysctl ${key} shows them`
    );
  const least = ROUNDED[file];
  if (least === undefined || !/^[1-9]\d*$/.test(value)) return undefined;
  const rounded = Math.max(least, 2 ** Math.ceil(Math.log2(Number(value))));
  return String(rounded) === value ? undefined : `is rounded up by the kernel to a power of two; write ${rounded}`;
}

/** What can't be among the kernel's values, by the key as written, with what to write instead. */
export function refusedKernelValues(
  values: readonly Pick<KernelValue, "key" | "file" | "value">[],
): { readonly key: string; readonly reason: string }[] {
  const keyOf = new Map<string, (typeof values)[number]>();
  return values.flatMap(({ key, file: written, value }) => {
    const thing = thingOf({ file: written, value });
    const { file } = thing;
    const refuse = (reason: string) => [{ key, reason: `${key} ${reason}` }];
    const same = keyOf.get(file);
    const narrow = [...keyOf].find(
      ([other, one]) =>
        other !== file && other.replace(/\/conf\/[^/]+\//, "/conf/all/") === file && one.value !== thing.value,
    )?.[1];
    keyOf.set(file, { ...thing, key });
    if (same !== undefined && !isSameKernelValue(file, same.value, thing.value))
      return refuse(`is the same as ${same.key}, which has another value; leave out one of them`);
    if (COMMAND_FILES.has(file)) return refuse("is a command to the kernel, which keeps no value of it; leave it out");
    const form = refusedForm({ key, file: written, value });
    if (form !== undefined) return refuse(form);
    // It starts as 0, so that 0 changes nothing.
    if (SPREADS.test(file) && thing.value !== "0" && narrow !== undefined)
      return refuse(`must come before ${narrow.key}: the kernel sets that too, at each boot; swap the two`);
    const half = HALVES.find(({ share, size }) => [share, size].map(kernelFileOf).includes(file));
    if (half === undefined) return [];
    const { share, size, leastSize } = half;
    const isSize = file === kernelFileOf(size);
    const other = keyOf.get(kernelFileOf(isSize ? share : size));
    if (other !== undefined)
      return refuse(
        `and ${other.key} can't both be set: the kernel makes one 0 when the other is set; leave out one of them`,
      );
    if (isSize && /^\d+$/.test(value) && Number(value) < leastSize)
      return refuse(`takes nothing below ${leastSize}; to have a share of the memory instead, write ${share}`);
    return [];
  });
}
