/**
 * A stand-in for Pulumi's plugin `pulumi-resource-command` 1.2.1, for machines that can't download it. Set-up installs
 * it only in this checkout, and says so. It handles only `command:remote:Command` and `command:remote:CopyToRemote`,
 * with the inputs and outputs of the published schema. It refuses a connection without a host key, which the real
 * plugin doesn't.
 *
 * Usage: plugin.ts ENGINE-ADDRESS, as the engine starts it.
 */
import { randomBytes } from "node:crypto";
import { main, type Provider } from "@pulumi/pulumi/provider/index.js";
import { command } from "./command.ts";
import { CONNECTION_DEFAULTS } from "./connection.ts";
import { copyToRemote } from "./copyToRemote.ts";
import { Failed } from "./failed.ts";
import { differ, failuresOf, isObject, plain, secret, type Properties } from "./properties.ts";
import type { RemoteKind } from "./remoteKind.ts";

const kinds: Readonly<Record<string, RemoteKind>> = {
  "command:remote:Command": command,
  "command:remote:CopyToRemote": copyToRemote,
};

const provider: Provider = {
  version: "1.2.1+stand-in",
  schema: JSON.stringify({
    name: "command",
    version: "1.2.1",
    description: "A stand-in for Pulumi's command plugin: only command:remote:Command and command:remote:CopyToRemote",
    resources: Object.fromEntries(Object.keys(kinds).map((type) => [type, {}])),
  }),

  check: (urn, _olds: Properties, news: Properties) =>
    settle(() => {
      const { inputs, defaults } = kindOf(urn);
      const known = plain(news);
      const connection = isObject(known.connection)
        ? { ...CONNECTION_DEFAULTS, ...known.connection }
        : known.connection;
      const failures = failuresOf(inputs.strict(), known);
      return {
        inputs: { ...defaults, ...news, ...(connection === undefined ? {} : { connection: secret(connection) }) },
        failures,
      };
    }),

  // The engine itself compares the inputs and shows each property that changes.
  diff: (_id, _urn, olds: Properties, news: Properties) =>
    settle(() => ({ replaces: differ(olds.triggers, news.triggers) ? ["triggers"] : [] })),

  // Previews don't call it: the server doesn't offer that, and the engine then expects the inputs as outputs.
  async create(urn, inputs: Properties) {
    const kind = kindOf(urn);
    return {
      id: `${kind.idStartsWithName ? nameOf(urn) : ""}${randomBytes(4).toString("hex")}`,
      outs: { ...inputs, ...(await kind.create(urn, inputs)) },
    };
  },

  update: async (_id, urn, olds: Properties, news: Properties) => ({
    outs: { ...news, ...(await kindOf(urn).update(urn, olds, news)) },
  }),
  delete: async (_id, urn, properties: Properties) => kindOf(urn).delete?.(urn, properties),
};

function kindOf(urn: string): RemoteKind {
  const type = urn.split("::")[2]?.split("$").at(-1) ?? "";
  const kind = kinds[type];
  if (kind !== undefined) return kind;
  throw new Failed(
    `${type}: this stand-in for Pulumi's command plugin handles only ${Object.keys(kinds).join(" and ")}; ` +
      "the real plugin handles the rest.",
  );
}

function nameOf(urn: string): string {
  return urn.split("::").slice(3).join("::");
}

/** The result as a promise, rejected by what the work throws. */
async function settle<T>(work: () => T): Promise<T> {
  return Promise.resolve(work());
}

await main(provider, process.argv.slice(2));
