import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { declaredBy, type Declared } from "../../../setup/declared.ts";

/**
 * What version 0.1.0 registered with a configuration: each name, type, parent, dependency and input enters the state.
 */
const EARLIER = join(import.meta.dirname, "..", "..", "fixtures", "earlierState");

/** They hold the scripts' checksums, and the programs that @pulumi/command is sent, so they change with these. */
const CARRIES_SCRIPTS = /-(automation-(scripts|written)|verification-run)$/;

it("what is registered is what version 0.1.0 registered, so that no state changes", async () => {
  const hosts: unknown = parse(await readFile(join(EARLIER, "hosts.yaml"), "utf8"));
  const graph = [...(await declaredBy({ hosts })).values()]
    .filter(({ type }) => !type.startsWith("pulumi:"))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
    .map(asInTheState);
  const file = join(EARLIER, "graph.json");
  // Only to record what another version registers.
  if (process.env.JTS_STORAGE_RECORD === "1") await writeFile(file, `${JSON.stringify(graph, null, 1)}\n`);
  expect(graph).toEqual(JSON.parse(await readFile(file, "utf8")));
});

function asInTheState({ inputs, dependencies, ...resource }: Declared) {
  const known = CARRIES_SCRIPTS.test(resource.name) ? {} : { inputs: JSON.stringify(inputs) };
  return { ...resource, dependencies: [...dependencies].sort(), ...known };
}
