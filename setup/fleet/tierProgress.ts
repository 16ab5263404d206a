import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { PARTS } from "../../components/tiers.ts";
import type { Declared } from "../declared.ts";
import { isOfHost, nameOf, placeOf, printDiagnostic, type Step } from "../preview/plan.ts";

/** Resources that one line names at most. */
const NAMED = 3;
/** Steps of a replacement after which its resource isn't there yet. */
const UNFINISHED = ["delete-replaced", "discard-replaced", "remove-pending-replace", "replace"];

interface Running {
  readonly what: string;
  /** As the engine's events have it, in seconds. */
  readonly began: number;
  /** What the provider says meanwhile. */
  status?: string;
}

/** A tier of a host. */
interface Tier {
  readonly host: string;
  readonly name: string;
  /** Of all resources that are known, by their names; true: done. */
  readonly isDone: Map<string, boolean>;
  readonly operations: Map<string, number>;
  /** By the names of the resources. */
  readonly running: Map<string, Running>;
  began: number | undefined;
  isTold: boolean;
  failed: number;
}

/** What is worth a line while a stack is brought up, from the engine's events. It has no clock. */
export class TierProgress {
  readonly #tiers = new Map<string, Tier>();
  readonly #said = new Set<string>();
  #isWhole = false;

  /** @param declared all that the program declares. Until it is known, no tier is said to be finished. */
  expect(declared: Iterable<Pick<Declared, "name" | "type" | "parent">>): void {
    this.#isWhole = true;
    for (const { name, type, parent = "" } of declared) {
      if (!isOfHost(type)) continue;
      const { isDone } = this.#tierOf(placeOf(parent, name));
      if (!isDone.has(name)) isDone.set(name, false);
    }
  }

  /** @returns the lines that an event is worth: errors and warnings in full, and tiers that are finished */
  take({ timestamp, diagnosticEvent, resourcePreEvent, resOutputsEvent, resOpFailedEvent }: EngineEvent): string[] {
    if (diagnosticEvent !== undefined) return this.#say(diagnosticEvent);
    if (resourcePreEvent !== undefined) this.#begin(resourcePreEvent.metadata, timestamp);
    if (resOpFailedEvent !== undefined) this.#fail(resOpFailedEvent.metadata);
    return resOutputsEvent === undefined ? [] : this.#end(resOutputsEvent.metadata, timestamp);
  }

  /**
   * How far all tiers are that aren't finished, and what has been running the longest.
   * @param began when all began, as `now` in seconds
   */
  print(began: number, now: number): string {
    const open = this.#inOrder().filter(({ isTold }) => !isTold);
    const counts = open.map((tier) => this.#printCount(tier)).join(", ");
    const running = open.flatMap(({ running }) => [...running.values()]).sort((one, other) => one.began - other.began);
    const named = running.slice(0, NAMED).map(({ what, began, status }) => {
      return `${what}: ${seconds(began, now)}${status === undefined ? "" : ` (${status})`}`;
    });
    const more = running.length > NAMED ? [`${running.length - NAMED} more`] : [];
    return `  … ${[seconds(began, now), counts, [...named, ...more].join(", ")].filter((part) => part !== "").join("; ")}`;
  }

  /** Of the tiers that no line told of, at the end. */
  printRest(): string[] {
    return this.#inOrder()
      .filter(({ isTold, began }) => !isTold && began !== undefined)
      .map((tier) => `${this.#printCount(tier)}${tier.failed > 0 ? `, ${tier.failed} failed` : ""}`);
  }

  #say(diagnostic: NonNullable<EngineEvent["diagnosticEvent"]>): string[] {
    const { severity, urn, message, ephemeral } = diagnostic;
    if (ephemeral === true) {
      const running = this.#runningOf(urn ?? "");
      if (running !== undefined) running.status = message.trim();
      return [];
    }
    // The provider's own warnings are what it prints.
    if (severity !== "error" && severity !== "warning" && !/^Warning: /.test(message)) return [];
    const line = `${severity === "error" ? "error: " : severity === "warning" ? "warning: " : ""}${printDiagnostic(diagnostic)}`;
    if (this.#said.has(line)) return [];
    this.#said.add(line);
    return [line];
  }

  #runningOf(urn: string): Running | undefined {
    const name = nameOf(urn);
    return [...this.#tiers.values()].map(({ running }) => running.get(name)).find((one) => one !== undefined);
  }

  #begin(step: Step, began: number): void {
    const tier = this.#tierOfStep(step);
    if (tier === undefined) return;
    const { op, urn } = step;
    const name = nameOf(urn);
    tier.began ??= began;
    tier.isDone.set(name, false);
    tier.running.set(name, { what: `${op} ${name}`, began });
  }

  #fail(step: Step): void {
    const tier = this.#tierOfStep(step);
    if (tier === undefined) return;
    tier.failed++;
    tier.running.delete(nameOf(step.urn));
  }

  #end(step: Step, ended: number): string[] {
    const tier = this.#tierOfStep(step);
    if (tier === undefined) return [];
    const name = nameOf(step.urn);
    tier.running.delete(name);
    if (UNFINISHED.includes(step.op)) return [];
    tier.isDone.set(name, true);
    const operation = step.op === "create-replacement" ? "replace" : step.op;
    tier.operations.set(operation, (tier.operations.get(operation) ?? 0) + 1);
    if (tier.isTold || !this.#isWhole || [...tier.isDone.values()].includes(false)) return [];
    tier.isTold = true;
    const operations = [...tier.operations].map(([operation, count]) => `${count} ${operation}`).join(", ");
    return [`${this.#printCount(tier)} in ${seconds(tier.began ?? ended, ended)}: ${operations}`];
  }

  #tierOfStep(step: Step): Tier | undefined {
    if (!isOfHost(step.type)) return undefined;
    return this.#tierOf(placeOf(nameOf((step.new ?? step.old)?.parent ?? ""), nameOf(step.urn)));
  }

  #tierOf({ host, tier: name }: { readonly host: string; readonly tier: string }): Tier {
    const key = `${host}: ${name}`;
    const known = this.#tiers.get(key);
    if (known !== undefined) return known;
    const tier: Tier = {
      host,
      name,
      isDone: new Map(),
      operations: new Map(),
      running: new Map(),
      began: undefined,
      isTold: false,
      failed: 0,
    };
    this.#tiers.set(key, tier);
    return tier;
  }

  #inOrder(): Tier[] {
    const rank = ({ name }: Tier) => (PARTS as readonly string[]).indexOf(name);
    return [...this.#tiers.values()].sort(
      (one, other) => one.host.localeCompare(other.host, "en") || rank(one) - rank(other),
    );
  }

  /** Hosts are named where there are several. */
  #printCount({ host, name, isDone }: Tier): string {
    const hosts = new Set([...this.#tiers.values()].map((tier) => tier.host));
    const done = [...isDone.values()].filter(Boolean).length;
    return `${hosts.size > 1 ? `${host}: ` : ""}${name} ${this.#isWhole ? `${done}/${isDone.size}` : `${done} done`}`;
  }
}

function seconds(began: number, now: number): string {
  return `${Math.max(0, Math.round(now - began))} s`;
}
