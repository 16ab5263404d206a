/** `npm run map -- --stack STACK`: a picture of the storage that a stack declares, and of how its hosts are. */
import { basename, join, resolve } from "node:path";
import { execa } from "execa";
import { command, writeNamed, WrongUsage } from "../setup/command.ts";
import { hostMap } from "../setup/map/hostMap.ts";
import { lookAt } from "../setup/map/look.ts";
import { drawSvg, printPage } from "../setup/map/page.ts";
import { MADE } from "../setup/project.ts";
import { readStack, STACK_OPTIONS, STACK_USAGE, stackFile, stackOf } from "../setup/stackFile.ts";

const USAGE = `Usage: npm run map -- --stack STACK [OPTION…] [HOST…]

Draws the storage that Pulumi.STACK.yaml declares: for each host its devices, volumes, filesystems and mount points, and
what moves between its tiers at what age. A host that can be reached over SSH is also looked at: the picture then shows
how full each filesystem is, what differs from what is declared, and the last health report. Without HOST, all hosts. It
changes nothing on a host.

${STACK_USAGE}
  --output FILE       FILE.html, a page that needs no network, or FILE.svg (default: .jts/map-STACK.html)
  --offline           reach no host
  --open              open the picture

Exit status: 0 the picture was written, whatever it shows · 1 the stack can't be drawn · 2 wrong usage,
or the file can't be written
`;

const options = {
  ...STACK_OPTIONS,
  output: { type: "string" },
  offline: { type: "boolean" },
  open: { type: "boolean" },
} as const;

await command(USAGE, options, async ({ values, positionals }) => {
  const source = stackFile(values);
  const output = resolve(values.output ?? join(MADE, `map-${stackOf(source)}.html`));
  const [form] = /\.(html|svg)$/.exec(output) ?? [];
  if (form === undefined) throw new WrongUsage(`--output must end in .html or .svg, and ${output} does not`);
  const hosts = await readStack(source, positionals);
  const maps = await Promise.all(
    hosts.map(async (host) => hostMap(host, values.offline === true ? { outcome: "not asked" } : await lookAt(host))),
  );
  await writeNamed(output, form === ".svg" ? drawSvg(maps) : printPage(maps, basename(source)));
  console.log(output);
  if (values.open === true) await open(output);
});

// A host that answered too late would go on holding this process.
process.exit();

async function open(file: string): Promise<void> {
  const program = process.platform === "darwin" ? "open" : "xdg-open";
  const { exitCode } = await execa(program, [file], { stdio: "ignore", reject: false });
  if (exitCode !== 0) console.error(`${program} could not open it. Next: open ${file} in a browser.`);
}
