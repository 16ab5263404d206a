/**
 * A resource's line in the engine's display. Pulumi's server of dynamic providers tells a provider neither of the
 * engine nor of the resource's URN: the first is the server's argument, the second in the request that it reads.
 */
import { readFileSync, readlinkSync } from "node:fs";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import requests from "@pulumi/pulumi/proto/provider_pb.js";
import { getEngine } from "@pulumi/pulumi/runtime/settings.js";
import * as state from "@pulumi/pulumi/runtime/state.js";
import type { Properties } from "./resource.ts";

/** Of a resource's properties, as the server made them; not enumerable, so that it is in no copy. */
const URN = Symbol("urn");

/**
 * From now on properties know whose they are. Where Pulumi's server reads its requests otherwise, in another version,
 * they don't, and nothing is shown.
 */
export function knowUrns(): void {
  mark(requests.CreateRequest.prototype, "getProperties");
  mark(requests.UpdateRequest.prototype, "getNews");
  mark(requests.DeleteRequest.prototype, "getProperties");
}

type Struct = { toJavaScript(): object } | undefined;

function mark<Name extends string>(request: { [N in Name]: () => Struct } & { getUrn(): string }, name: Name): void {
  const read = (request as Record<string, unknown>)[name] as (this: typeof request) => Struct;
  const marking = function (this: typeof request): Struct {
    const struct = read.call(this);
    if (struct !== undefined) {
      const urn = this.getUrn();
      const toJavaScript = struct.toJavaScript.bind(struct);
      struct.toJavaScript = () => Object.defineProperty(toJavaScript(), URN, { value: urn });
    }
    return struct;
  };
  Object.assign(request, { [name]: marking });
}

/** What Pulumi's runtime knows of the engine; its types leave it out. */
const { getStore } = state as unknown as { getStore: () => { settings: { options: { engineAddr?: string } } } };

/** Shows a text under the resource until the next one, or until its operation ends; undefined: it can't be shown. */
export function statusLineOf(properties: Properties): ((status: string) => void) | undefined {
  const { [URN]: urn } = properties as { [URN]?: string };
  const address = process.argv[2];
  if (urn === undefined || address === undefined || !(isWatched ??= looksWatched())) return undefined;
  return (status) => {
    getStore().settings.options.engineAddr ??= address;
    const request = new engine.LogRequest();
    request.setSeverity(engine.LogSeverity.INFO);
    request.setUrn(urn);
    request.setMessage(status);
    request.setEphemeral(true);
    // Whether it arrives changes nothing.
    getEngine()?.log(request, () => undefined);
  };
}

let isWatched: boolean | undefined;

/**
 * Whether the engine's display is one that changes in place: elsewhere, such as in the log of a CI job, each status
 * would be a line. That is so where its standard streams are a terminal; JTS_STORAGE_STATUS=1 says that somebody reads
 * the engine's events. Where there is no /proc, nothing is shown.
 */
function looksWatched(): boolean {
  if (process.env.JTS_STORAGE_STATUS === "1") return true;
  if (process.env.CI !== undefined) return false;
  try {
    let pid = process.ppid;
    while (readFileSync(`/proc/${pid}/comm`, "utf8") !== "pulumi\n")
      pid = Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    const isTerminal = (stream: number) => /^\/dev\/(pts\/|tty)/.test(readlinkSync(`/proc/${pid}/fd/${stream}`));
    return (
      isTerminal(0) && isTerminal(1) && !readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("--non-interactive")
    );
  } catch {
    return false;
  }
}
