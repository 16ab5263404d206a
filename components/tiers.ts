import type * as pulumi from "@pulumi/pulumi";
import type { z } from "zod";
import type { TierArgs } from "./arguments.ts";
import { cold } from "./cold/coldTier.ts";
import { findCachePlaceProblems } from "./cold/layout.ts";
import { hot } from "./hot/hotTier.ts";
import { findPlaceProblems, Order } from "./places.ts";
import { below, type Problem } from "./problem.ts";
import type { Tier, TierLayout } from "./tier.ts";
import { warm } from "./warm/warmTier.ts";

/** The tiers that a host can have, in the order in which data moves, by the keys of their sections. */
export const tiers = { hot, warm, cold };

type Tiers = typeof tiers;
export type TierKey = keyof Tiers;
/** What each of a host's tiers is, where there is one: its settings, what they come to, and the component of them. */
export type TierSettings = { readonly [K in TierKey]?: Parameters<Tiers[K]["layout"]>[0] | undefined };
export type TierLayouts = { readonly [K in TierKey]?: ReturnType<Tiers[K]["layout"]> };
export type TierComponents = { readonly [K in TierKey]?: ReturnType<Tiers[K]["component"]> };

/** The parts of a host, in their order. Each is a component, which is named HOST-PART. */
export const PARTS = ["packages", ...Object.keys(tiers), "tuning", "automation", "verification"] as const;

/** The tiers' sections of a host's configuration. */
export const tierSections = Object.fromEntries(
  Object.entries(tiers).map(([key, { settings }]) => [key, settings.optional()]),
) as { readonly [K in TierKey]: z.ZodOptional<Tiers[K]["settings"]> };

export function layoutsOf(settings: TierSettings): TierLayouts {
  return forEachTier(settings, (_key, tier, own) => tier.layout(own)) as TierLayouts;
}

/** Makes the tiers that have settings, side by side where none lies in another. */
export function makeTiers(
  settings: TierSettings,
  { host, ...args }: Omit<TierArgs, "configKey">,
  options: pulumi.ComponentResourceOptions,
): TierComponents {
  const order = new Order(Object.values<TierLayout>(layoutsOf(settings)));
  return forEachTier(settings, (key, tier, own) =>
    tier.component(`${host}-${key}`, { host, configKey: `${host}.${key}`, ...args, ...own }, options, order),
  ) as TierComponents;
}

export function settingsOf(components: TierComponents): TierSettings {
  return Object.fromEntries(Object.entries(components).map(([key, { settings }]) => [key, settings]));
}

/** What an operator wants to see of a host's tiers. */
export function summarize(components: TierComponents): Partial<Record<TierKey, object>> {
  const layouts = Object.entries<TierLayout>(layoutsOf(settingsOf(components)));
  return Object.fromEntries(layouts.map(([key, { summary }]) => [key, summary]));
}

/** What no host could carry out, in each of the tiers and between them. */
export function findTierProblems(settings: TierSettings): Problem[] {
  const own = forEachTier(settings, (key, tier, one) => below(key, tier.problems(one)));
  const layouts = Object.entries<TierLayout>(layoutsOf(settings));
  return [
    ...Object.values(own).flat(),
    ...findSharedDevices(layouts),
    ...findPlaceProblems(layouts),
    ...findCacheProblems(settings),
  ];
}

/** The cache of the cold tier takes room of the warm one. */
function findCacheProblems(settings: TierSettings): Problem[] {
  const { warm: own, cold: cached } = settings;
  const place = own && {
    mountPoint: own.mountPoint,
    sizeBytes: own.device.size,
    folders: warm.layout(own).folders,
  };
  return cached === undefined ? [] : below("cold", findCachePlaceProblems(cached, place));
}

/** What `make` gives for each tier that has settings. */
function forEachTier<Made>(
  settings: TierSettings,
  make: (key: TierKey, tier: Tier<object>, own: object) => Made,
): { readonly [K in TierKey]?: Made } {
  const keys = Object.keys(tiers) as TierKey[];
  return Object.fromEntries(
    keys.flatMap((key) => (settings[key] === undefined ? [] : [[key, make(key, tiers[key], settings[key])]])),
  );
}

type Layouts = readonly (readonly [tier: string, layout: TierLayout])[];

function findSharedDevices(layouts: Layouts): Problem[] {
  const claims = layouts.flatMap(([tier, { devices }]) => devices.map((place) => ({ tier, ...place })));
  return claims.flatMap(({ tier, key, path }, index) => {
    const other = claims.slice(0, index).find((earlier) => isPartOf(path, earlier.path));
    if (other === undefined) return [];
    const which = other.path === path ? "is already a device" : `is a part of ${other.path}, which is already a device`;
    return [{ key: `${tier}.${key}`, message: `${path} ${which} of the ${other.tier} tier` }];
  });
}

/** Whether a path names that device or a partition of it: /dev/sda3, /dev/nvme0n1p2, /dev/disk/by-id/…-part1. */
function isPartOf(path: string, device: string): boolean {
  if (!path.startsWith(device)) return false;
  const rest = path.slice(device.length);
  if (rest === "" || /^-part[0-9]+$/.test(rest)) return true;
  // Links of udev end in -part1; nvme0n10 is another disk than nvme0n1.
  return !device.startsWith("/dev/disk/") && (/[0-9]$/.test(device) ? /^p[0-9]+$/ : /^[0-9]+$/).test(rest);
}
