import { refusedOptions, type MountRequest } from "../providers/filesystems/mountOptions.ts";
import type { Problem } from "./problem.ts";

/**
 * What each entry of a local filesystem has. `nofail`: boot waits for no disk. Since such an entry holds nothing up,
 * its device gets minutes: with seconds, a slow boot would skip it.
 */
const COMMON_OPTIONS = ["noatime", "nofail", "x-systemd.device-timeout=5min"] as const;

/** The options of a bind mount: systemd mounts its source first by itself (systemd.mount(5)). */
export const BIND_OPTIONS = ["bind", "nofail"] as const;

/** Each of the common options, unless the list has its own word on the same. */
export function withCommonOptions(options: readonly string[]): string[] {
  const says = (pattern: RegExp) => options.some((option) => pattern.test(option));
  const common = COMMON_OPTIONS.filter(
    (option) =>
      !options.includes(option) &&
      !(option === "noatime" && says(/^(relatime|strictatime|atime)$/)) &&
      !(option.startsWith("x-systemd.device-timeout") && says(/^x-systemd\.device-timeout=/)),
  );
  return [...common, ...options];
}

/** Options that no kernel takes, and flags that mkfs must not have: see mountOptions.ts for each. */
export function findOptionProblems(request: MountRequest): Problem[] {
  const isFlag = (option: string) => request.mkfsOptions?.some((argument) => argument.includes(option)) === true;
  return refusedOptions(request).map(({ option, reason }) => ({
    key: isFlag(option) ? "mkfsOptions" : "options",
    message: reason,
  }));
}
