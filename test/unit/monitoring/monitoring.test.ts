import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { automationSettings } from "../../../components/automation/settings.ts";
import { ALERT_RULES, ALERT_TESTS, readDashboard, withoutVariables, type Panel } from "../../../setup/monitoring.ts";
import { ROOT } from "../../../setup/project.ts";
import { readQuery } from "../../support/promql.ts";

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
interface Case {
  readonly input_series: readonly { readonly series: string }[];
  readonly promql_expr_test: readonly { readonly exp_samples: readonly { readonly labels: string }[] }[];
}

const yaml = (file: string): unknown => parse(readFileSync(join(ROOT, file), "utf8"));
const rules = (yaml(ALERT_RULES) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules);
const alerts = rules.filter((rule) => rule.alert !== undefined) as readonly Required<Rule>[];
const cases = (yaml(ALERT_TESTS) as { tests: Case[] }).tests;
const ruleOf = (name: string) => rules.find(({ alert, record }) => name === alert || name === record)!;

/** Constants of the health report. */
const health = JSON.parse(
  execFileSync("/usr/bin/python3", [
    ...["-I", "-B", "-c"],
    `import json, sys
sys.path.insert(0, sys.argv[1])
from jts_storage import health, runs
rows = [[*key, timer] for key, timer in health.RUN_BY.items()]
print(json.dumps([health.WORN_PERCENT, health.SUCCESS_SECONDS, runs.KEPT, rows]))`,
    join(ROOT, "scripts"),
  ]).toString(),
) as [wornPercent: number, successSeconds: number, kept: number, runBy: [string, string, string][]];
const [wornPercent, successSeconds, kept, runBy] = health;

/** The names of the metrics that a rule is made of, those of recorded ones in their place. */
const metricsOf = (expr: string): string[] =>
  readQuery(expr).selectors.flatMap(({ name }) => (name.includes(":") ? metricsOf(ruleOf(name).expr) : [name]));

describe("the alert rules", () => {
  it("each say how bad it is, what is checked, what is wrong, what to do next, and which page helps", () => {
    for (const { alert, labels, annotations, for: duration } of alerts) {
      expect(alert).toMatch(/^JtsStorage[A-Z]/);
      expect(["critical", "warning"], alert).toContain(labels.severity);
      expect(duration, alert).toMatch(/^\d+[mh]$/);
      expect(Object.keys(annotations), alert).toEqual(["summary", "description", "runbook"]);
      expect(annotations.description, alert).toMatch(/\{\{ \$labels\.instance \}\}[^]*\. Next: \S/);
      const [page = "", anchor] = annotations.runbook!.split("#");
      expect(existsSync(join(ROOT, page)), alert).toBe(true);
      if (anchor === undefined) continue;
      const headings = [...readFileSync(join(ROOT, page), "utf8").matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
        heading.toLowerCase().replaceAll(" ", "-"),
      );
      expect(headings, alert).toContain(anchor);
    }
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  it("are about the checks of the health report", () => {
    const schema = readFileSync(join(ROOT, "docs/storage-health.schema.json"), "utf8");
    const subjects = /"description": "(hot, [a-z, ]+)\."/.exec(schema)![1]!.split(/, | or /);
    for (const { alert, expr, labels } of alerts) {
      const isOfAny = readQuery(expr).selectors[0]!.name === "jts_storage_check_level" && labels.check === undefined;
      if (isOfAny) expect(["JtsStorageCritical", "JtsStorageWarning"]).toContain(alert);
      else if (labels.check !== "{{ $labels.tier }}") expect(subjects, alert).toContain(labels.check);
    }
  });

  it("have for each alert a case in which it fires, and one in which its series are there and it does not", () => {
    const firesIn = ({ promql_expr_test }: Case, alert: string) =>
      promql_expr_test.some((one) => one.exp_samples.some(({ labels }) => labels.includes(`alertname="${alert}"`)));
    for (const { alert, expr } of alerts) {
      expect(cases.filter((one) => firesIn(one, alert)).length, alert).toBeGreaterThan(0);
      const needed = metricsOf(expr).filter((name) => name !== "ALERTS");
      const withSeries = cases.filter(({ input_series }) =>
        needed.every((name) => input_series.some(({ series }) => series.startsWith(`${name}{`))),
      );
      expect(withSeries.filter((one) => !firesIn(one, alert)).length, alert).toBeGreaterThan(0);
    }
  });

  it("name in their texts only labels that the alert has", () => {
    const samples = cases.flatMap((one) => one.promql_expr_test.flatMap(({ exp_samples }) => exp_samples));
    for (const { alert, labels, annotations } of alerts) {
      const found = samples.filter((one) => one.labels.includes(`alertname="${alert}"`));
      const has = new Set(
        found.flatMap((one) => readQuery(one.labels).selectors[0]!.matchers.map(({ label }) => label)),
      );
      const text = JSON.stringify([labels, annotations]);
      for (const [, name = ""] of text.matchAll(/\$labels\.(\w+)/g)) expect([...has], alert).toContain(name);
    }
  });

  it("have the limits of the health report", () => {
    expect(readQuery(ruleOf("JtsStorageDiskWorn").expr).numbers).toEqual([String(wornPercent)]);
    const [periods, hours, seconds] = readQuery(ruleOf("JtsStorageNoSuccessfulRun").expr).numbers;
    expect([Number(periods), Number(hours) * Number(seconds)]).toEqual([2, successSeconds]);
    expect(readQuery(ruleOf("JtsStorageBacklogGrows").expr).numbers[0]).toBe(String(kept - 1));
    // All others are metrics, or compare with 0, 1 or 2.
    const ofHost = new Set(alerts.flatMap(({ expr }) => metricsOf(expr)).filter((name) => /limit|reserve/.test(name)));
    expect([...ofHost].sort()).toEqual([
      "jts_storage_archive_age_limit_seconds",
      "jts_storage_backup_age_limit_seconds",
      "jts_storage_usage_limit_percent",
      "jts_storage_volume_group_reserve_bytes",
    ]);
  });

  it("know the timer of each subcommand that a timer runs", () => {
    const { expr } = ruleOf("jts_storage:run_last_success:timestamp_seconds");
    const named = runBy.filter(([program, subcommand, timer]) => {
      if (subcommand === "all") return program === timer;
      return new RegExp(`program="${program}", subcommand="${subcommand}"\\},\\s+"timer", "${timer}", "", ""\\)`).test(
        expr,
      );
    });
    expect(named).toEqual(runBy);
  });
});

describe("the dashboard", () => {
  const dashboard = readDashboard();
  const panels = dashboard.panels.filter(({ type }) => type !== "row");

  it("has the form of Grafana's current schema, with hosts and data source to choose", () => {
    expect(dashboard.schemaVersion).toBe(42);
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["instance", "query"],
    ]);
    const source = { type: "prometheus", uid: "${datasource}" };
    for (const { title, datasource, targets = [] } of panels) {
      expect(datasource, title).toEqual(source);
      for (const target of targets) expect(target.datasource, title).toEqual(source);
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
      expect(targets.length, title).toBeGreaterThan(0);
    }
  });

  it("has panels with ids of their own that do not overlap, in 24 columns, below their row", () => {
    const { panels: all } = dashboard;
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const overlap = ({ gridPos: a }: Panel, { gridPos: b }: Panel) =>
      a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
    for (const [index, one] of all.entries()) {
      const { x, w, h } = one.gridPos;
      expect([x >= 0, w > 0, h > 0, x + w <= 24], one.title).toEqual([true, true, true, true]);
      expect(
        all
          .slice(index + 1)
          .filter((other) => overlap(one, other))
          .map(({ title }) => title),
      ).toEqual([]);
      if (one.type === "row")
        expect(all.slice(0, index).filter(({ gridPos }) => gridPos.y + gridPos.h > one.gridPos.y)).toEqual([]);
    }
    expect(all[0]?.type).toBe("row");
  });

  it("says of each panel what it shows, in which unit, and asks only for the hosts that are chosen", () => {
    const names = new Set(alerts.map(({ alert }) => alert));
    for (const { title, description = "", fieldConfig, targets = [] } of panels) {
      expect(description, title).toMatch(/\.$/);
      for (const [alert] of description.matchAll(/JtsStorage\w+/g)) expect([...names], title).toContain(alert);
      expect(fieldConfig?.defaults.unit, title).toMatch(/^\w+$/);
      for (const { expr } of targets)
        for (const { name, matchers } of readQuery(expr).selectors)
          expect(matchers, `${title}: ${name}`).toContainEqual({
            label: "instance",
            operator: "=~",
            value: "$instance",
          });
    }
  });

  it("has the limits of the alerts, and for usage those that hosts have by default", () => {
    const { usageWarningPercent, usageCriticalPercent } = automationSettings.parse({});
    const limitsOf = (title: string) =>
      panels
        .find((panel) => panel.title === title)!
        .fieldConfig!.defaults.thresholds!.steps.flatMap(({ color, value }) =>
          value === null ? [] : [[color, value]],
        );
    const numbersOf = (alert: string) => readQuery(ruleOf(alert).expr).numbers.map(Number);
    const usage = [
      ["yellow", usageWarningPercent],
      ["red", usageCriticalPercent],
    ];
    expect(limitsOf("Room of the tiers")).toEqual(usage);
    expect(limitsOf("Snapshots")).toEqual(usage);
    expect(limitsOf("Wear")).toEqual([["yellow", wornPercent]]);
    expect(limitsOf("Since the last success")).toEqual([["yellow", successSeconds]]);
    const [staleHours = 0, staleSeconds = 0] = numbersOf("JtsStorageReportStale");
    expect(limitsOf("Age of the report")).toEqual([["red", staleHours * staleSeconds]]);
    expect(limitsOf("Full in")).toEqual([["green", numbersOf("JtsStorageTierFillsUp")[0]]]);
  });

  it("draws the limits of the host where an alert goes by them", () => {
    const limited = panels.filter(({ targets = [] }) =>
      targets.some(({ expr }) => /limit|reserve/.test(metricsOf(withoutVariables(expr)).join())),
    );
    expect(limited.map(({ title }) => title)).toEqual([
      ...["Room", "Inodes", "Volume group", "Room", "Room"],
      ...["Age of the newest backup", "Age of the newest archive"],
    ]);
  });
});

it("docs/monitoring.md has a row for each alert", () => {
  const shown = (text: string) =>
    text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, name: string) => name.toUpperCase()).replace(/^docs\//, "");
  const rows = alerts.map(({ alert, labels, annotations, for: duration }) => {
    const runbook = shown(annotations.runbook!);
    const name = runbook.replace(/^.*\//, "").replace(/\.md.*$/, "");
    return `| \`${alert}\` | ${labels.severity} | ${duration} | ${shown(annotations.summary!)} | [${name}](${runbook}) |`;
  });
  const text = readFileSync(join(ROOT, "docs/monitoring.md"), "utf8");
  expect([...text.matchAll(/^\| `JtsStorage.*\|$/gm)].map(([row]) => row)).toEqual(rows);
});
