import { kinds } from "../../providers/kinds.ts";
import type { Example } from "./example.ts";

export type Kind = keyof typeof kinds;

export const KINDS = Object.keys(kinds) as Kind[];

/** One example for each kind, from kinds/, by the kind's name. */
export const examples = Object.fromEntries(
  await Promise.all(
    KINDS.map(async (name) => {
      const file = `./kinds/${name[0]!.toLowerCase()}${name.slice(1)}.ts`;
      return [name, ((await import(file)) as { readonly example: Example }).example] as const;
    }),
  ),
) as Readonly<Record<Kind, Example>>;
