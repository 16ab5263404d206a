import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";

const DYNAMIC = "pulumi-nodejs:dynamic/jts-storage";

interface StepOptions {
  readonly op?: string;
  readonly old?: Record<string, unknown>;
  readonly new?: Record<string, unknown>;
  readonly oldOutputs?: Record<string, unknown>;
  readonly detailedDiff?: Record<string, { readonly diffKind: string; readonly inputDiff: boolean }>;
}

/** An event as `pulumi preview --json` writes it before each step. `component` is the parent's name, `trading-hot`. */
export function stepEvent(
  component: string,
  name: string,
  kind: string,
  { op = "create", old, new: wanted, oldOutputs, detailedDiff }: StepOptions = {},
): EngineEvent {
  const type = kind.includes(":") ? kind : `${DYNAMIC}:${kind}`;
  const urn = `urn:pulumi:prod::jts-storage::jts-storage:Tier$${type}::${component}-${name}`;
  const parent = `urn:pulumi:prod::jts-storage::jts-storage:Tier::${component}`;
  const state = (inputs: Record<string, unknown> | undefined, outputs = {}) =>
    inputs === undefined ? null : { type, urn, id: "", parent, inputs, outputs, provider: "" };
  const metadata = {
    op,
    urn,
    type,
    old: state(old, oldOutputs),
    new: state(wanted),
    detailedDiff: detailedDiff ?? null,
    provider: "",
  };
  return { sequence: 0, timestamp: 0, resourcePreEvent: { metadata, planning: true } } as unknown as EngineEvent;
}

/** The stack's outputs, which come with its last event. */
export function outputsEvent(outputs: Record<string, unknown>): EngineEvent {
  const urn = "urn:pulumi:prod::jts-storage::pulumi:pulumi:Stack::jts-storage-prod";
  const type = "pulumi:pulumi:Stack";
  return {
    sequence: 0,
    timestamp: 0,
    resOutputsEvent: {
      metadata: {
        op: "create",
        urn,
        type,
        new: { type, urn, id: "", parent: "", inputs: {}, outputs, provider: "" },
        provider: "",
      },
    },
  } as unknown as EngineEvent;
}

export function diagnosticEvent(severity: string, message: string, urn?: string): EngineEvent {
  return { sequence: 0, timestamp: 0, diagnosticEvent: { severity, message, urn, color: "never" } } as EngineEvent;
}

/** What a policy has against a resource, or against the stack. */
export function policyEvent(enforcementLevel: string, policyName: string, message: string, name?: string): EngineEvent {
  const type = name === undefined ? "pulumi:pulumi:Stack" : `${DYNAMIC}:Filesystem`;
  const resourceUrn = `urn:pulumi:prod::jts-storage::${type}::${name ?? "jts-storage-prod"}`;
  return {
    sequence: 0,
    timestamp: 0,
    policyEvent: { ...{ enforcementLevel, policyName, message, resourceUrn }, policyPackName: "pack", color: "never" },
  } as unknown as EngineEvent;
}

/** The event after a step that was begun by this one; `how` says whether it failed. */
export function endOf({ resourcePreEvent }: EngineEvent, how: "done" | "failed" = "done"): EngineEvent {
  const { metadata } = resourcePreEvent!;
  const ended = how === "done" ? { resOutputsEvent: { metadata } } : { resOpFailedEvent: { metadata, status: 0 } };
  return { sequence: 0, timestamp: 0, ...ended } as unknown as EngineEvent;
}
