import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

export interface UnitStatus {
  /** "loaded", "not-found", "masked", …, see systemctl(1). */
  readonly loadState: string;
  /** "enabled", "disabled", "static", …; empty where there is no unit file. */
  readonly fileState: string;
  /** "active", "inactive", "failed", … */
  readonly activeState: string;
  readonly needsReload: boolean;
  /** Its file, in the first of systemd's folders that has one; empty: there is none. */
  readonly path: string;
}

const show = (...units: readonly string[]) =>
  cmd`systemctl show --property=LoadState,UnitFileState,ActiveState,NeedDaemonReload,FragmentPath -- ${units}`;

/** What systemd makes of a unit. */
export const unit: Fact<string, UnitStatus> = {
  name: "the unit",
  about: ["units"],
  command: (name) => show(name),
  together: {
    command: (names) => show(...names),
    // In the order asked for, an empty line between two.
    part: ({ stdout }, _name, index) => ({ stdout: stdout.split("\n\n")[index] ?? "", stderr: "", exitCode: 0 }),
  },
  parse({ stdout }) {
    const properties = new Map(
      stdout.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    const get = (name: string) => {
      const value = properties.get(name);
      if (value === undefined) throw new Error(`no ${name} among the properties`);
      return value;
    };
    return {
      loadState: get("LoadState"),
      fileState: properties.get("UnitFileState") ?? "",
      activeState: get("ActiveState"),
      needsReload: get("NeedDaemonReload") === "yes",
      path: properties.get("FragmentPath") ?? "",
    };
  },
};
