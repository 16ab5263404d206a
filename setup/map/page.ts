/** The page, and the SVG file: each host's picture for wide and for narrow screens, and all of it as text. Pure. */
import { createHash } from "node:crypto";
import { formatBytes } from "../../providers/values/size.ts";
import { COLOURS, FONT, styleSheet } from "./colours.ts";
import { titleOf } from "./drawing.ts";
import type { HostMap, Part, TierMap } from "./hostMap.ts";
import { draw, healthLine, stateLine } from "./layout.ts";
import { printElement, printSvg, type Words } from "./svg.ts";
import { escape, escapeLines } from "./text.ts";

/** Below it, the narrow picture is shown. In pixels. */
const WIDE_FROM = 1000;

/**
 * Needs nothing besides itself: the policy lets it load nothing, and run no script.
 * @param source names the stack's file, or the stack
 */
export function printPage(maps: readonly HostMap[], source: string): string {
  const style = `${styleSheet()}${PAGE_STYLE}`;
  const hash = createHash("sha256").update(style).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  return [
    "<!doctype html>",
    '<html lang="en">',
    "<head>",
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escape(`Storage of ${maps.map(({ name }) => name).join(", ")}`)}</title>`,
    `<style>${style}</style>`,
    "</head>",
    "<body>",
    "<main>",
    `<p class="source">${escape(source)}</p>`,
    ...maps.map(printHost),
    "</main>",
    "</body>",
    "</html>",
    "",
  ].join("\n");
}

/** All hosts in one drawing, as an SVG file. */
export function drawSvg(maps: readonly HostMap[]): string {
  const each = maps.map(wordsOf);
  return printSvg(draw(maps, "wide"), {
    title: each.map(({ title }) => title).join("; "),
    description: each.map(({ description }) => description).join(" "),
  });
}

const { paper, ink, muted } = COLOURS;
const PAGE_STYLE =
  `body{margin:0;background:${paper.light};color:${ink.light};font:15px/1.5 ${FONT}}` +
  "main{max-width:1200px;margin:0 auto}" +
  ".source,details{margin:12px 24px;overflow-wrap:anywhere}" +
  `.source{color:${muted.light};font-size:13px}` +
  "svg{display:block;height:auto;margin:0 auto}" +
  ".wide svg{width:100%}.narrow svg{width:100%;max-width:520px}.wide{display:none}" +
  `@media (min-width:${WIDE_FROM}px){.wide{display:block}.narrow{display:none}}` +
  "summary{cursor:pointer;padding:8px 0}h2{font-size:16px;margin:16px 0 4px}ul{margin:0;padding-left:20px}" +
  "li{white-space:pre-line}" +
  "@media (max-width:560px){.source,details{margin:12px 10px}}" +
  `@media (prefers-color-scheme:dark){body{background:${paper.dark};color:${ink.dark}}.source{color:${muted.dark}}}`;

function printHost(map: HostMap, index: number): string {
  const words = wordsOf(map);
  return [
    `<section aria-label="${escape(map.name)}">`,
    `<div class="wide">${printElement(draw([map], "wide"), words, `host-${index}-wide`)}</div>`,
    `<div class="narrow">${printElement(draw([map], "narrow"), words, `host-${index}-narrow`)}</div>`,
    "<details>",
    `<summary>All of ${escape(map.name)} as text</summary>`,
    ...printText(map),
    "</details>",
    "</section>",
  ].join("\n");
}

/** What says the picture to who doesn't see it. */
function wordsOf({ name, address, look, tiers, flows, differences }: HostMap): Words {
  const titles = tiers.map(({ title, chains }) => `${title}: ${chains.length === 1 ? "1 row" : `${chains.length} rows`}`); // prettier-ignore
  return {
    title: `Storage of ${name}`,
    description:
      `${name} at ${address}. ${stateLine(look, differences.length)}. ${titles.join(", ")}. ` +
      `${flows.length} ways in which data moves between the tiers.`,
  };
}

function printText({ look, tiers, flows, differences }: HostMap): string[] {
  const health = look.outcome === "seen" ? look.seen.health : undefined;
  return [
    `<p>${escape(stateLine(look, differences.length))}</p>`,
    ...list(differences.map(({ subject, found }) => `${subject}: ${found}`)),
    ...(health === undefined ? [] : [`<p>${escape(healthLine(health))}</p>`]),
    ...list((health?.findings ?? []).map(({ level, subject, fact }) => `${level}: ${subject}: ${fact}`)),
    ...tiers.flatMap(printTier),
    ...(flows.length === 0 ? [] : ["<h2>What moves</h2>"]),
    ...list(flows.map(({ from, to, what, when }) => `From ${from} to ${to}: ${what}\n${when}`)),
  ];
}

function printTier({ title, pool, chains, notes }: TierMap): string[] {
  const ofPool: readonly Part[] =
    pool === undefined
      ? []
      : [...pool.devices.flatMap(({ device, physicalVolume }) => [device, physicalVolume]), pool.group];
  const rest = pool?.slices.filter(({ kind }) => kind !== "volume") ?? [];
  return [
    `<h2>${escape(title)}</h2>`,
    ...list([
      ...[...ofPool, ...chains.flatMap(({ parts }) => parts)].map(titleOf),
      ...rest.map(({ name, bytes }) => `${name}: ${formatBytes(bytes)}`),
      ...notes,
    ]),
  ];
}

function list(all: readonly string[]): string[] {
  return all.length === 0 ? [] : ["<ul>", ...all.map((one) => `<li>${escapeLines(one)}</li>`), "</ul>"];
}
