import { HEALTH_UNIT } from "./components/automation/timers.ts";
import { TieringAutomation } from "./components/automation/tieringAutomation.ts";
import { HostPackages } from "./components/hostPackages.ts";
import { layoutsOf, makeTiers, summarize } from "./components/tiers.ts";
import { HostTuning } from "./components/tuning/hostTuning.ts";
import { Verification } from "./components/verification.ts";
import { readHosts } from "./config.ts";

/** Each host of the stack: packages, tiers side by side, what tunes and automates them, and what verifies it all. */
export const hosts = Object.fromEntries(
  Object.entries(readHosts()).map(([host, settings]) => {
    const names = [
      ...Object.values(layoutsOf(settings)).flatMap((tier) => tier.packages),
      ...(settings.automation ? TieringAutomation.packages : []),
    ];
    const packages = settings.packages ? [new HostPackages(`${host}-packages`, { host, packages: names })] : [];
    const { onDelete, takeOver } = settings;
    const tiers = makeTiers(settings, { host, onDelete }, { dependsOn: packages });
    const { hot } = tiers;

    const tuning =
      hot &&
      settings.tuning &&
      new HostTuning(
        `${host}-tuning`,
        { host, hot, onFailure: settings.automation && HEALTH_UNIT, takeOver, ...settings.tuning },
        { dependsOn: [hot] },
      );
    const tuned = tuning ? tuning.timers : {};
    const automation =
      settings.automation &&
      new TieringAutomation(
        `${host}-automation`,
        { host, tiers, watched: Object.keys(tuned), takeOver, ...settings.automation },
        { dependsOn: Object.values(tiers) },
      );
    const timers = { ...tuned, ...automation?.timers };

    if (automation && settings.automation?.verify)
      new Verification(
        `${host}-verification`,
        { host, tiers },
        { dependsOn: [...Object.values(tiers), ...(tuning ? [tuning] : []), automation] },
      );
    return [host, { ...summarize(tiers), ...(Object.keys(timers).length > 0 && { timers }) }];
  }),
);
