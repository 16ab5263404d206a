import { refusedOptions, type MountRequest } from "../providers/filesystems/mountOptions.ts";
import type { Problem } from "./problem.ts";

/**
 * What each entry of a local filesystem has. `nofail`: boot waits for no disk. Since such an entry holds nothing up,
 * its device gets minutes: with seconds, a slow boot would skip it.
 */
export const COMMON_OPTIONS: readonly string[] = ["noatime", "nofail", "x-systemd.device-timeout=5min"];

/** The options of a bind mount: systemd mounts its source first by itself (systemd.mount(5)). */
export const BIND_OPTIONS = ["bind", "nofail"] as const;

/**
 * Each of the common options, unless the list has its own word on the same.
 * @param keepFstab none is added
 */
export function withCommonOptions(options: readonly string[], keepFstab = false): string[] {
  if (keepFstab) return options.length === 0 ? ["defaults"] : [...options];
  const says = (pattern: RegExp) => options.some((option) => pattern.test(option));
  const common = COMMON_OPTIONS.filter(
    (option) =>
      !options.includes(option) &&
      !(option === "noatime" && says(/^(relatime|strictatime|atime)$/)) &&
      !(option.startsWith("x-systemd.device-timeout") && says(/^x-systemd\.device-timeout=/)),
  );
  return [...common, ...options];
}

/** What each entry of an NFS export has: boot waits for no server, and for the network first. */
const NETWORK_OPTIONS = ["_netdev", "nofail"] as const;

/**
 * A list with those of the network options that it lacks.
 * @param keepFstab none is added
 */
export function withNetworkOptions(options: readonly string[], keepFstab = false): string[] {
  if (keepFstab) return [...options];
  return [...options, ...NETWORK_OPTIONS.filter((option) => !options.includes(option))];
}

/**
 * Options that no kernel takes, that contradict each other, and flags that mkfs must not have: see mountOptions.ts.
 * @param byKey options that another key stands for: `compress=zstd:3` → `compression`
 */
export function findOptionProblems(request: MountRequest, byKey: Readonly<Record<string, string>> = {}): Problem[] {
  const isFlag = (option: string) => request.mkfsOptions?.some((argument) => argument.includes(option)) === true;
  return refusedOptions(request).map(({ option, reason, against = "" }) => {
    const key = byKey[against];
    return {
      key: isFlag(option) ? "mkfsOptions" : "options",
      message:
        key === undefined
          ? reason
          : `${option} contradicts ${against}, which \`${key}\` stands for; leave it out, or change \`${key}\``,
    };
  });
}

/**
 * A filesystem that folders are made on, or get their owner and mode on, can't be read-only.
 * @param ways besides to leave it out
 */
export function findReadOnlyProblems(options: readonly string[], ways = ""): Problem[] {
  if (!options.includes("ro")) return [];
  const message = `ro: its folders could not be made, nor get their owner and mode; leave it out${ways}`;
  return [{ key: "options", message }];
}
