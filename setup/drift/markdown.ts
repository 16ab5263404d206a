/** Drift as the body of an issue on GitHub. */
import { cell, code, details, escapeHtml, fence, fit, LONGEST_COMMENT, type Block } from "../markdown.ts";
import { EXIT_STATUS, verdictOf, verdictOfAll, type DriftReport, type HostDrift, type Verdict } from "./drift.ts";
import { byClass, countClasses, linesOf, MEANING, summarizeHost } from "./text.ts";

/** Hidden first line, by which issue.sh finds the stack's issue. */
export const markerOf = (stack: string): string => `<!-- jts-storage drift of ${stack} -->`;

/**
 * The first two lines are hidden, for issue.sh: the marker, and the exit status. The third is the issue's title, after
 * `## `. What needs a person is visible, the rest is folded.
 */
export function renderDrift(
  report: DriftReport,
  { limit = LONGEST_COMMENT }: { readonly limit?: number } = {},
): string {
  return fit([header(report), ...report.hosts.flatMap(renderHost)], limit, `npm run drift -- --stack ${report.stack}`);
}

function header(report: DriftReport): Block {
  const { stack, lookedAt, hosts, problem } = report;
  const verdict = verdictOfAll(report);
  const rows = hosts.map((host) => `| ${cell(host.name)} | ${WORDS[verdictOf(host)]} | ${cell(summarizeHost(host))} |`);
  return {
    rank: 0,
    name: "summary",
    text: [
      markerOf(stack),
      `<!-- exit status ${EXIT_STATUS[verdict]} -->`,
      `## Storage drift of ${escapeHtml(stack)}: ${summarize(report)}`,
      "",
      ...(problem === undefined
        ? ["| host | | |", "|---|---|---|", ...rows]
        : ["No host was asked:", "", fence(problem)]),
      "",
      `Looked at ${lookedAt}.`,
    ].join("\n"),
  };
}

const WORDS: Readonly<Record<Verdict, string>> = {
  none: "no drift",
  "heals-itself": "heals itself",
  "interrupts-service": "**interrupts a service**",
  "not-asked": "**not asked**",
  "needs-a-person": "**needs a person**",
};

/** Over all hosts. It changes only where drift does, so that people are told only then. */
function summarize({ hosts, problem }: DriftReport): string {
  if (problem !== undefined) return "no host was asked";
  const silent = hosts.filter((host) => host.problem !== undefined).length;
  const parts = [
    countClasses(hosts.flatMap(({ drift }) => drift)),
    silent === 0 ? "" : `${silent} ${silent === 1 ? "host" : "hosts"} not asked`,
  ];
  return parts.filter((one) => one !== "").join(", ") || "none";
}

function renderHost(host: HostDrift): Block[] {
  const { name, drift, problem } = host;
  const blocks: Block[] = [];
  if (problem !== undefined)
    blocks.push({ rank: 0, name, text: `### ${escapeHtml(name)}: could not be asked\n\n${fence(problem)}` });
  for (const [kind, findings] of byClass(drift)) {
    const body = findings
      .map((finding) => {
        const [first = "", ...more] = linesOf(finding);
        return [`- ${code(first)}`, ...more.map((line) => `  - ${code(line)}`)].join("\n");
      })
      .join("\n");
    const heading = `${escapeHtml(name)}: ${findings.length} × ${MEANING[kind].replaceAll("`", "")}`;
    blocks.push(
      kind === "needs-a-person"
        ? { rank: 1, name: heading, text: `### ${heading}\n\n${body}` }
        : { rank: kind === "heals-itself" ? 3 : 2, name: heading, text: details(heading, body) },
    );
  }
  return blocks;
}
