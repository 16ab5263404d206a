/** What is explained of a host, for a document or a pull request. Pure. */
import { cell, code, fence } from "../markdown.ts";
import type { Explanation } from "./explain.ts";
import { printRooms } from "./text.ts";

export function renderExplanation({ host, rooms, blank, risks, destroy, onDelete }: Explanation): string[] {
  return [
    `## ${host}`,
    "",
    fence(printRooms(rooms).join("\n")),
    "",
    `An \`up\` of a blank host: ${blank.resources} resources in ${blank.steps} steps; ${blank.proved.length} of them write to a device, each only after it was proved blank.`,
    "",
    ...(risks.length === 0
      ? ["No risks were found."]
      : table(
          ["risk", "where", "what", "next"],
          risks.map(({ risk, at, words, next }) => [risk, code(at), cell(words), cell(next)]),
        )),
    "",
    `A \`destroy\` with \`onDelete: ${onDelete}\`, once an \`up\` has brought that into the state:`,
    "",
    ...table(
      ["", "", "", ""],
      destroy.map(({ outcome, what, interrupts, words }) => [
        `**${outcome}**`,
        what,
        interrupts ? "**interrupts services**" : "",
        cell(words),
      ]),
    ),
    "",
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...rows.map(row)];
}
