import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { ConfigFile, Directory, Scripts, SystemdTimer } from "../../providers/index.ts";
import { unitFiles } from "../../providers/values/unitFile.ts";
import { readArguments, takingOver, type HostArgs, type TakeOverArgs } from "../arguments.ts";
import { programText, remoteTo } from "../remote.ts";
import { settingsOf, type TierComponents } from "../tiers.ts";
import { missingFolders } from "./folders.ts";
import { findAutomationProblems } from "./problems.ts";
import { INSTALLED, MONITOR_LINK, scriptSums } from "./scripts.ts";
import { MOVES_JOURNAL, SETTINGS_FILE, STATE_FOLDER, scriptSettings } from "./scriptSettings.ts";
import { automationSettings, type AutomationInput } from "./settings.ts";
import { calendarsOf, timersFor } from "./timers.ts";

export interface TieringAutomationArgs extends HostArgs, TakeOverArgs, AutomationInput {
  /** The host's tiers, of which warm must be there: what the scripts work on. */
  readonly tiers: TierComponents;
  /** Other timers of ours whose last runs the health report looks at. Default: none. */
  readonly watched?: readonly string[];
}

/** What the scripts write besides data, which goes with them. */
const WRITTEN = [
  MOVES_JOURNAL,
  ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => `${MOVES_JOURNAL}.${number}`),
  ...[
    ...["health.json", "notified.json", "runs.json", "runs.lock", "performance.json", "performance.json.damaged"],
    ...["cleanup.last", "snapshots.last", "removed.last", "warm-snapshots.json"],
  ].map((name) => `${STATE_FOLDER}/${name}`),
];

/** What moves data between the tiers by its age, and watches them: scripts, their settings, their timers. */
export class TieringAutomation extends pulumi.ComponentResource {
  /** Debian's packages that the scripts need. */
  static readonly packages: readonly string[] = [
    ...["python3", "python3-xxhash", "python3-zstandard", "zstd", "rsync"],
    ...["smartmontools", "sysstat", "fio"],
  ];

  /** Timer → its calendar. */
  readonly timers: Readonly<Record<string, string>>;

  constructor(name: string, args: TieringAutomationArgs, options?: pulumi.ComponentResourceOptions) {
    const { tiers: components, watched = [], takeOver, ...declared } = args;
    const tiers = settingsOf(components);
    const { settings: automation, on } = readArguments(name, declared, automationSettings, (settings) =>
      findAutomationProblems(settings, tiers),
    );
    super("jts-storage:TieringAutomation", name, {}, options);
    const timers = timersFor(tiers, automation);
    this.timers = calendarsOf(timers);

    const document = scriptSettings(tiers, automation, [...Object.keys(this.timers), ...watched]);
    const settingsFile = new ConfigFile(
      `${name}-settings`,
      {
        ...on,
        path: SETTINGS_FILE,
        ...takingOver(takeOver, SETTINGS_FILE),
        content: pulumi.interpolate`${pulumi.jsonStringify(document, undefined, 2)}\n`,
      },
      { parent: this },
    );
    for (const { tier, part, tree } of missingFolders(tiers, automation))
      new Directory(
        `${name}-${part}-folders`,
        { ...on, ...tree, folders: [...tree.folders] },
        { parent: this, dependsOn: [components[tier]!] },
      );
    const scripts = this.#deliverScripts(name, on, automation.metricsFolder, takeOver);
    for (const timer of timers)
      new SystemdTimer(
        `${name}-${timer.name}`,
        { ...on, ...timer, ...takingOver(takeOver, ...unitFiles(timer.name)) },
        { parent: this, dependsOn: [settingsFile, scripts] },
      );
    this.registerOutputs({ timers: this.timers });
  }

  /** The scripts, and what is theirs to take along when they go. */
  #deliverScripts(name: string, on: HostArgs, metricsFolder: string, takeOver?: readonly string[]): pulumi.Resource {
    const { connection, asRoot } = remoteTo(on);
    // It goes after the scripts, and these after the timers that run them. Nothing is done before: under its earlier
    // name it installed the scripts, and an `up` must neither do that again nor run the removal that was its own then.
    const written = new remote.Command(
      `${name}-written`,
      {
        connection,
        delete: asRoot("remove-written", ...WRITTEN, `${metricsFolder}/jts-storage.prom`),
        stdin: programText("remove-written"),
        logging: "stderr",
        addPreviousOutputInEnv: false,
      },
      { parent: this, aliases: [{ name: `${name}-install` }] },
    );
    return new Scripts(
      `${name}-scripts`,
      {
        host: on.host,
        ...(on.connection === undefined ? {} : { connection: on.connection }),
        path: INSTALLED,
        files: scriptSums(),
        link: MONITOR_LINK,
        ...takingOver(takeOver, MONITOR_LINK),
      },
      { parent: this, dependsOn: [written] },
    );
  }
}
