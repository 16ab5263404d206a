/**
 * What the text in each resource's state names. Pulumi's server of dynamic providers loads it, and nothing else does.
 */
import type { ResourceProvider } from "@pulumi/pulumi/dynamic/index.js";
import { provider } from "./engine/provider.ts";
import { kinds } from "./kinds.ts";

export const v1 = Object.fromEntries(
  Object.entries(kinds).map(([name, kind]) => [name, () => provider(kind)]),
) as Readonly<Record<keyof typeof kinds, () => ResourceProvider>>;
