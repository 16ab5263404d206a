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
}

/** What systemd makes of a unit. */
export const unit: Fact<string, UnitStatus> = {
  name: "the unit",
  about: ["units"],
  command: (name) => cmd`systemctl show --property=LoadState,UnitFileState,ActiveState,NeedDaemonReload -- ${name}`,
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
    };
  },
};
