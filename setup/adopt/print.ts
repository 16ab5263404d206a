import { Document, isScalar, visit } from "yaml";
import type { Note, Section } from "./draft.ts";
import type { Settled } from "./settle.ts";

const WIDTH = 110;

const HEADINGS = {
  obstacle: "In the way; in this order, then adopt again",
  left: "Left outside, as it is",
  advice: "Works, and could be better",
} as const;

/** What is told, by kind; what is in the way first, numbered, in the order in which it goes away. */
export function printNotes(notes: readonly Note[]): string[] {
  return (["obstacle", "left", "advice"] as const).flatMap((kind) => {
    const ofKind = notes.filter((note) => note.kind === kind).sort((one, other) => one.rank - other.rank);
    const lines = [...new Set(ofKind.map(({ text, next }) => (next === "" ? `${text}.` : `${text}.\nNext: ${next}`)))];
    if (lines.length === 0) return [];
    const bullet = (index: number) => (kind === "obstacle" ? `${index + 1}. ` : "- ");
    return [`${HEADINGS[kind]}:`, ...lines.flatMap((line, index) => indent(bullet(index), line)), ""];
  });
}

/** One sentence on what an `up` with it does. */
export function printOutcome({ resources, steps }: Settled): string {
  if (resources === 0) return "Nothing could be taken over.";
  const enters = `\`up\` enters ${resources} resources into the state`;
  return steps.length === 0
    ? `${enters} and changes nothing on the host.`
    : `${enters}, and does no more on the host than: ${steps.join("; ")}.`;
}

/** Pulumi.STACK.yaml. */
export function printStack(host: string, settled: Settled): string {
  const document = new Document(
    { config: { "jts-storage:hosts": { [host]: settled.section satisfies Section } } },
    { keepUndefined: false },
  );
  // Lists of words, and devices, in one line each.
  visit(document, {
    Seq: (_key, node) => void (node.flow = node.items.every((item) => isScalar(item))),
    Map: (_key, node) => void (node.flow = node.has("path") && node.items.every(({ value }) => isScalar(value))),
  });
  const comment = [printOutcome(settled), "", ...printNotes(settled.notes)];
  while (comment.at(-1) === "") comment.pop();
  const heading = [
    "yaml-language-server: $schema=docs/configuration.schema.json",
    "Written by `npm run adopt`.",
    ...comment,
  ];
  return `${heading.map((line) => `# ${line}`.trimEnd()).join("\n")}\n${document.toString({ lineWidth: WIDTH, flowCollectionPadding: true })}`;
}

/** Text behind a bullet, broken at spaces. */
function indent(bullet: string, text: string): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > WIDTH - bullet.length) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.map((line, index) => `${index === 0 ? bullet : " ".repeat(bullet.length)}${line}`);
}
