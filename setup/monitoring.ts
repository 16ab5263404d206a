/** The alert rules and the dashboard in monitoring/, as lint and tests read them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./project.ts";

export const ALERT_RULES = join("monitoring", "alerts.yml");
export const ALERT_TESTS = join("test", "unit", "monitoring", "alerts.test.yml");
export const DASHBOARD = join("monitoring", "dashboard.json");

/** What is read of a dashboard, in the names of Grafana's JSON model. */
export interface Dashboard {
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly { readonly color: string; readonly value: number | null }[] };
    };
  };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly legendFormat: string;
    readonly datasource: { readonly type: string; readonly uid: string };
  }[];
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(ROOT, DASHBOARD), "utf8")) as Dashboard;
}

/** The query as Grafana sends it while all hosts are chosen. */
export function withoutVariables(query: string): string {
  return query.replaceAll("$instance", ".+");
}

/** All queries of a dashboard, of panels and annotations, in their order. */
export function queriesOf({ panels, annotations }: Dashboard): string[] {
  const ofPanels = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const ofAnnotations = annotations.list.flatMap(({ expr }) => expr ?? []);
  return [...ofPanels, ...ofAnnotations].map(withoutVariables);
}
