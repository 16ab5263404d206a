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

/** What can't be among the kernel's values, by the key as written, with what to write instead. */
export function refusedKernelValues(
  values: readonly Pick<KernelValue, "key" | "file" | "value">[],
): { readonly key: string; readonly reason: string }[] {
  const keyOf = new Map<string, (typeof values)[number]>();
  return values.flatMap((one) => {
    const { key, file, value } = one;
    const refuse = (reason: string) => [{ key, reason: `${key} ${reason}` }];
    const same = keyOf.get(file);
    keyOf.set(file, one);
    if (same !== undefined && same.value !== value)
      return refuse(`is the same as ${same.key}, which has another value; leave out one of them`);
    if (COMMAND_FILES.has(file)) return refuse("is a command to the kernel, which keeps no value of it; leave it out");
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
