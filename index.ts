import { ColdTier } from "./components/coldTier.ts";
import { HostPackages } from "./components/hostPackages.ts";
import { HostTuning } from "./components/hostTuning.ts";
import { HotTier } from "./components/hotTier.ts";
import { summarize } from "./components/layout.ts";
import { HEALTH_UNIT, TieringAutomation } from "./components/tieringAutomation.ts";
import { Verification } from "./components/verification.ts";
import { WarmTier } from "./components/warmTier.ts";
import { readHosts } from "./config.ts";

/** Each host of the stack: its packages, its tiers side by side, then what tunes, what looks after them, and what verifies the whole. */
export const hosts = Object.fromEntries(
  Object.entries(readHosts()).map(([host, settings]) => {
    const { onDelete } = settings;
    const packages = new HostPackages(`${host}-packages`, { settings });
    const ready = { dependsOn: [packages] };

    const hot = settings.hot && new HotTier(`${host}-hot`, { host, settings: settings.hot, onDelete }, ready);
    const warm = settings.warm && new WarmTier(`${host}-warm`, { host, settings: settings.warm, onDelete }, ready);
    const cold = settings.cold && new ColdTier(`${host}-cold`, { host, settings: settings.cold }, ready);

    const tiers = [hot, warm, cold].filter((tier) => tier !== undefined);
    const tuning =
      settings.hot &&
      hot &&
      settings.tuning &&
      new HostTuning(
        `${host}-tuning`,
        { host, settings: settings.tuning, hot: settings.hot, onFailure: settings.automation && HEALTH_UNIT },
        { dependsOn: [hot] },
      );
    const automation =
      settings.automation &&
      new TieringAutomation(
        `${host}-automation`,
        { host, settings, automation: settings.automation, watched: tuning ? Object.keys(tuning.timers) : [] },
        { dependsOn: tiers },
      );
    if (settings.automation?.verify && automation)
      new Verification(
        `${host}-verification`,
        { settings },
        { dependsOn: [...tiers, ...(tuning ? [tuning] : []), automation] },
      );

    return [host, summarize(settings, { ...(tuning ? tuning.timers : {}), ...automation?.timers })];
  }),
);
