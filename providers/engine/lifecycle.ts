import type {
  CheckResult,
  CreateResult,
  DiffResult,
  ReadResult,
  ResourceProvider,
  UpdateResult,
} from "@pulumi/pulumi/dynamic/index.js";
import { DataLossRefused, NotConverged, ToolMissing } from "../errors.ts";
import { checkInputs, normalInputs, parseInputs } from "./check.ts";
import { refuseAll, type Plan, type Refusal, type Risk } from "./plan.ts";
import type { AnyKind, CommonInputs, Properties } from "./resource.ts";
import { riskOf } from "./risk.ts";
import type { Session } from "./session.ts";

type Inputs = Properties & CommonInputs;

/** The provider of a kind: create, read, update and delete, written once for all kinds. */
export function lifecycle(
  kind: AnyKind,
  sessionOf: (inputs: CommonInputs) => Session,
  statusLineOf: (properties: Properties) => ((status: string) => void) | undefined = () => undefined,
): Required<Omit<ResourceProvider<Properties, Properties>, "configure">> {
  return {
    check: (olds, news): Promise<CheckResult<Properties>> => Promise.resolve(checkInputs(kind, olds, news)),

    diff(id, olds, news): Promise<DiffResult> {
      const replaces = ["host", ...kind.identity].filter(
        (key) => JSON.stringify(olds[key]) !== JSON.stringify(news[key]),
      );
      const risk = riskOf(kind, olds, replaces.length > 0 ? undefined : news);
      if (risk !== "safe") console.log(`Warning: ${kind.name} ${id}: ${RISK_WORDS[risk]}`);
      // `changes` is left to the engine, which then shows each property.
      return Promise.resolve({ replaces, deleteBeforeReplace: true });
    },

    async create(properties): Promise<CreateResult<Properties>> {
      const inputs = parseInputs(kind, properties);
      const id = kind.id(inputs);
      const { outs, hadSteps } = await converge(
        kind,
        sessionOf(inputs),
        inputs,
        id,
        properties,
        statusLineOf(properties),
        true,
      );
      if (!hadSteps) console.log(`${kind.name} ${id} was there already, just as declared: it is this stack's now.`);
      return { id, outs };
    },

    async update(id, _olds, news): Promise<UpdateResult<Properties>> {
      const inputs = parseInputs(kind, news);
      return { outs: (await converge(kind, sessionOf(inputs), inputs, id, news, statusLineOf(news))).outs };
    },

    async read(id, properties = {}): Promise<ReadResult<Properties>> {
      const inputs = parseInputs(kind, properties);
      let seen: unknown;
      try {
        seen = await kind.observe(sessionOf(inputs).ask, inputs);
      } catch (error) {
        if (!(error instanceof ToolMissing)) throw error;
        // The `up` that installs it must come to run: it looks again then, and till then all is as the state has it.
        const drift = [error.message.slice(0, error.message.indexOf("\n"))];
        return { id, inputs: { ...normalInputs(kind, inputs), drift }, props: { ...properties, drift } };
      }
      if (await isGone(kind, sessionOf(inputs), inputs, seen)) return {};
      const report = kind.report(inputs, seen);
      const declared = normalInputs(kind, inputs);
      // What no program could declare would make the state unreadable: it is said in words instead.
      const isDeclarable = kind.inputs.safeParse({ ...declared, ...report.inputs }).success;
      const found: Properties = { ...declared, ...(isDeclarable ? report.inputs : {}) };
      // Drift that no declared property shows is said in words too: what an `up` of what was found would do. The next
      // program may declare just that, as when a disk that is gone is taken out.
      const isSame = JSON.stringify(found) === JSON.stringify(declared);
      found.drift = inWords(isSame ? kind.plan(inputs, seen) : await look(kind, sessionOf(inputs), found));
      return { id, inputs: found, props: { ...found, ...report.outputs } };
    },

    async delete(_id, properties): Promise<void> {
      const inputs = parseInputs(kind, properties);
      if (kind.leaves?.(inputs) === true) return;
      const session = sessionOf(inputs);
      const declared = { ...properties, ...inputs };
      let notes: readonly string[] = [];
      const plan = (seen: unknown) => {
        const planned = kind.planDestroy(declared, seen);
        refuse(kind, session, inputs, planned, kind.holdsData === true && inputs.onDelete === "wipe");
        notes = planned.notes ?? [];
        return planned.steps;
      };
      // Removing is quick, even where making takes long: all share the host's turn.
      await session.carryOut(
        {
          kind: kind.name,
          observe: (ask) => kind.observe(ask, inputs),
          plan,
          changes: kind.changes,
          show: statusLineOf(properties),
        },
        undefined,
      );
      const rest = kind.planDestroy(declared, await kind.observe(session.ask, inputs));
      for (const note of notes) console.log(`${session.host.name}: ${note}`);
      if (!isEmpty(rest)) throw notConverged(kind, session, inputs, rest);
    },
  };
}

/** How a host compares with a declared resource. */
export interface Look extends Plan {
  /** Inputs as the host has them; what is left out is as declared, or isn't seen by itself. */
  readonly found: Properties;
  /** Nothing of the resource is there. */
  readonly isAbsent: boolean;
}

/**
 * What the next `up` would do about a declared resource, or why it can't; an empty plan: the host is as declared.
 * @throws {StorageError} where the host could not be asked
 */
export async function look(kind: AnyKind, session: Session, declared: Properties): Promise<Look> {
  const inputs = parseInputs(kind, declared);
  const seen = await kind.observe(session.ask, inputs);
  const { inputs: found = {} } = kind.report(inputs, seen);
  return { ...kind.plan(inputs, seen), found, isAbsent: kind.isAbsent(inputs, seen) };
}

/** What the engine shows as said by the provider, in a preview too. */
const RISK_WORDS: Readonly<Record<Exclude<Risk, "safe">, string>> = {
  "interrupts-service": "this change interrupts services: what is there is stopped or unmounted, and made again.",
  "destroys-data": "this change wipes data.",
};

function isEmpty({ refusals = [], steps }: Plan): boolean {
  return refusals.length === 0 && steps.length === 0;
}

function inWords({ refusals = [], steps }: Plan): string[] {
  return [...refusals.map(({ found }) => found), ...steps.map(({ summary }) => summary)];
}

/** Looks, plans, refuses, runs, looks again: afterwards the plan is empty, or it throws. */
async function converge(
  kind: AnyKind,
  session: Session,
  inputs: Inputs,
  id: string,
  { __provider }: Properties,
  show: ((status: string) => void) | undefined,
  isNew = false,
): Promise<{ readonly outs: Properties; readonly hadSteps: boolean }> {
  let hadSteps = false;
  try {
    const plan = (seen: unknown) => {
      const inTheWay = isNew ? (kind.refuseCreate?.(inputs, seen) ?? []) : [];
      const planned = inTheWay.length > 0 ? refuseAll(inTheWay) : kind.plan(inputs, seen);
      refuse(kind, session, inputs, planned, false);
      hadSteps = planned.steps.length > 0;
      return planned.steps;
    };
    await session.carryOut(
      { kind: kind.name, observe: (ask) => kind.observe(ask, inputs), plan, changes: kind.changes, show },
      deviceOf(kind, inputs),
    );
    const after = await kind.observe(session.ask, inputs);
    const rest = kind.plan(inputs, after);
    if (!isEmpty(rest)) throw notConverged(kind, session, inputs, rest);
    return { outs: outputs(kind, inputs, after), hadSteps };
  } catch (error) {
    throw hadSteps ? await halfMade(kind, session, inputs, { id, __provider }, error) : error;
  }
}

/** Only on proof: a resource that can't be seen would be forgotten otherwise. */
async function isGone(kind: AnyKind, session: Session, inputs: Inputs, seen: unknown): Promise<boolean> {
  if (!kind.isAbsent(inputs, seen)) return false;
  return kind.isProvedAbsent === undefined || (await kind.isProvedAbsent(session.ask, inputs));
}

/** What exists, or may exist, enters the state with the error, so that the next `up` finishes it. */
async function halfMade(
  kind: AnyKind,
  session: Session,
  inputs: Inputs,
  { id, __provider }: { readonly id: string; readonly __provider: unknown },
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof Error) || error instanceof DataLossRefused) return error;
  let seen: unknown;
  try {
    seen = await kind.observe(session.ask, inputs);
    if (await isGone(kind, session, inputs, seen)) return error;
  } catch {
    // Not proved absent, so it may be there.
  }
  // The loss of a call is one error for all who shared it, and each has properties of its own.
  const own = Object.create(Object.getPrototypeOf(error) as object, Object.getOwnPropertyDescriptors(error)) as Error;
  // The server adds the provider's text only to good results; without it the resource could never be read again.
  return Object.assign(own, {
    id,
    properties: { ...outputs(kind, inputs, seen), ...(__provider === undefined ? {} : { __provider }) },
    reasons: [error.message],
  });
}

/** The one place where losing data is refused. */
function refuse(kind: AnyKind, session: Session, inputs: Inputs, plan: Plan, mayDestroyData: boolean): void {
  const where = `${session.host.name}: ${kind.name} ${kind.id(inputs)}`;
  if (plan.refusals !== undefined && plan.refusals.length > 0) {
    throw new DataLossRefused(
      `${where}: ${plan.refusals.map(({ found }) => found).join("; ")}. Nothing was written.`,
      waysOut(plan.refusals),
    );
  }
  const destroying = plan.steps.find((step) => step.risk === "destroys-data");
  if (destroying !== undefined && !mayDestroyData) {
    throw new DataLossRefused(
      `${where}: to ${destroying.summary} would destroy data. Nothing was written.`,
      'set "onDelete: wipe", run `pulumi up` so that the state has it, then destroy.',
    );
  }
}

/** What would allow what was refused, each way once. */
function waysOut(refusals: readonly Refusal[]): string {
  return [...new Set(refusals.map(({ next }) => next))].join("\n  Or: ");
}

function notConverged(kind: AnyKind, session: Session, inputs: Inputs, { steps, refusals = [] }: Plan): NotConverged {
  const where = `${session.host.name}: ${kind.name} ${kind.id(inputs)}`;
  if (refusals.length > 0) {
    const found = refusals.map((one) => one.found).join("; ");
    return new NotConverged(`${where}: all steps ran, yet it is not as declared: ${found}`, waysOut(refusals));
  }
  return new NotConverged(
    `${where}: all steps ran, yet it still needs: ${steps.map(({ summary }) => summary).join("; ")}`,
    "pulumi up --refresh shows what the host has; something else may be changing it.",
  );
}

function outputs(kind: AnyKind, inputs: Inputs, seen: unknown): Properties {
  return { ...normalInputs(kind, inputs), ...(seen === undefined ? {} : kind.report(inputs, seen).outputs) };
}

function deviceOf(kind: AnyKind, inputs: Inputs): string | undefined {
  return kind.turn === "host" ? undefined : kind.turn.device(inputs);
}
