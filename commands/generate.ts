/**
 * `npm run generate`: writes what follows from the rows of the configuration's schemas: their reference for people and
 * for editors, and what the scripts on the host read. A row's text is its JSDoc comment, which editors show with a
 * component's arguments. It also draws the map of stack prod, which the README shows.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import prettier from "prettier";
import { command, refuseWords } from "../setup/command.ts";
import { hostMap } from "../setup/map/hostMap.ts";
import { drawSvg } from "../setup/map/page.ts";
import { printHostClasses } from "../setup/options/hostClasses.ts";
import { readOptions } from "../setup/options/option.ts";
import { printReference } from "../setup/options/reference.ts";
import { stackSchema } from "../setup/options/stackSchema.ts";
import { ROOT } from "../setup/project.ts";
import { readStack } from "../setup/stackFile.ts";

/** Path below the checkout → what is in the file. @throws {Error} that names the rows without a text. */
export async function generatedFiles(): Promise<Readonly<Record<string, string>>> {
  const options = readOptions();
  const silent = options.filter(({ description }) => description === "").map(({ path }) => path.join("."));
  if (silent.length > 0) throw new Error(`These rows have no JSDoc comment: ${silent.join(", ")}`);
  const file = "docs/configuration.schema.json";
  const style = await prettier.resolveConfig(join(ROOT, file));
  const hosts = await readStack(join(ROOT, "Pulumi.prod.yaml"), []);
  return {
    "docs/map.svg": drawSvg(hosts.map((host) => hostMap(host, { outcome: "not asked" }))),
    "docs/configuration.md": printReference(options),
    [file]: await prettier.format(JSON.stringify(stackSchema(options)), { ...style, parser: "json" }),
    "scripts/jts_storage/options.py": printHostClasses(options),
  };
}

const USAGE = `Usage: npm run generate

Writes what follows from the configuration's schemas: docs/configuration.md, docs/configuration.schema.json and
scripts/jts_storage/options.py; and of Pulumi.prod.yaml docs/map.svg.
`;

if (import.meta.main)
  await command(USAGE, {}, async ({ positionals }) => {
    refuseWords(positionals);
    for (const [file, text] of Object.entries(await generatedFiles())) await writeFile(join(ROOT, file), text);
  });
