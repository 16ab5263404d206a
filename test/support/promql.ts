/** Reads PromQL by Prometheus's own grammar. */
import { parser } from "@prometheus-io/lezer-promql";

/** A name and matchers, such as `up{job="node"}`. */
export interface Selector {
  readonly name: string;
  readonly matchers: readonly { readonly label: string; readonly operator: string; readonly value: string }[];
}

export interface Read {
  readonly selectors: readonly Selector[];
  /** The labels of `by`, `on`, `group_left` and so on. */
  readonly grouping: readonly string[];
  readonly numbers: readonly string[];
}

/** @throws where it is no PromQL */
export function readQuery(query: string): Read {
  const selectors: { name: string; matchers: { label: string; operator: string; value: string }[] }[] = [];
  const grouping: string[] = [];
  const numbers: string[] = [];
  let isGrouping = false;
  parser.parse(query).iterate({
    enter: ({ type, name, from, to }) => {
      const text = query.slice(from, to);
      if (type.isError) throw new Error(`at ${from}: no PromQL: ${query}`);
      const last = selectors.at(-1)?.matchers;
      if (name === "VectorSelector") selectors.push({ name: "", matchers: [] });
      else if (name === "Identifier") selectors.at(-1)!.name = text;
      else if (name === "GroupingLabels") isGrouping = true;
      else if (name === "LabelName" && isGrouping) grouping.push(text);
      else if (name === "UnquotedLabelMatcher") {
        const [, label = "", operator = "", value = ""] = /^(\w+)\s*(=~|!~|!=|=)\s*(.*)$/s.exec(text)!;
        last!.push({ label, operator, value: JSON.parse(value) as string });
      } else if (name === "NumberDurationLiteral") numbers.push(text);
    },
    leave: ({ name }) => {
      if (name === "GroupingLabels") isGrouping = false;
    },
  });
  return { selectors, grouping, numbers };
}

/** A sample's name and labels. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whether a selector selects the series. As in Prometheus, an absent label is empty, and a pattern matches it all. */
export function selects({ name, matchers }: Selector, series: Series): boolean {
  return (
    name === series.name &&
    matchers.every(({ label, operator, value }) => {
      const found = series.labels[label] ?? "";
      const matches = operator.endsWith("~") ? new RegExp(`^(?:${value})$`).test(found) : found === value;
      return matches !== operator.startsWith("!");
    })
  );
}
