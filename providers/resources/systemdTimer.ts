import { z } from "zod";
import { CONVERGED, refuseAll, step, toDo } from "../engine/plan.ts";
import type { InputsOf, ResourceKind } from "../engine/resource.ts";
import { file } from "../facts/file.ts";
import { ledger } from "../facts/ledger.ts";
import { unit, type UnitStatus } from "../facts/unit.ts";
import { recordsProgram } from "../programs/program.ts";
import { refusedCalendar } from "../values/calendar.ts";
import { directiveValue } from "../values/fields.ts";
import { printUnit, unitFiles, UNITS, type Section } from "../values/unitFile.ts";
import { list, word } from "../values/words.ts";
import { kindInputs } from "./inputs.ts";
import { lookAtOthers, refusalsOf, removalOf, takeOver, wasReplaced, type Others } from "./takeOver.ts";

/** Directives of a section of a unit file; a list writes the directive once for each value. */
const directives = z.record(
  z.string().regex(/^[A-Z][A-Za-z]*$/, { error: "is not a directive" }),
  z.union([directiveValue, z.number(), z.boolean(), z.array(directiveValue)]),
);

const inputs = kindInputs({
  /** The units' name, without `.timer` and `.service`. A change makes another resource. */
  name: z.string().regex(/^[A-Za-z0-9:_.\\-]{1,247}$/, {
    error: "is not a valid unit name without its ending (systemd.unit(5))",
  }),
  /** Description= of both units. */
  description: directiveValue.min(1),
  /** When it elapses, see systemd.time(7), "Calendar events". */
  onCalendar: directiveValue.min(1),
  /** RandomizedDelaySec=. Default: 0. */
  randomizedDelaySeconds: z.int().min(0).default(0),
  /** Whether a run that was missed is made up for, once. Default: true. */
  persistent: z.boolean().default(true),
  /** Directives of the service's [Unit] section. Default: only its description. */
  unit: directives.default({}),
  /** Directives of the service's [Service] section; Type= is oneshot where it isn't given. */
  service: directives,
  /**
   * Those of the units' files at which another's may be: it is kept on the host, replaced, and put back on delete, with
   * the links that enabled the unit, and started where it was active. Default: none, so that such a file is refused.
   */
  takeOver,
});
type Inputs = InputsOf<typeof inputs>;

export interface Seen {
  readonly timerText: string | undefined;
  readonly serviceText: string | undefined;
  readonly timer: UnitStatus;
  readonly service: UnitStatus;
  readonly made: ReadonlySet<string>;
  readonly others?: Others;
}

/** A timer, enabled and running, and the service that it starts; see systemd.timer(5) and systemd.service(5). */
export const systemdTimer: ResourceKind<typeof inputs, Seen> = {
  name: "SystemdTimer",
  inputs,
  identity: ["name"],
  changes: ["units", "files", "ledger"],
  turn: "host",
  id: ({ host, name }) => `${host}:${name}`,
  refuse: ({ onCalendar, unit: unitDirectives, service }) => [
    ...[refusedCalendar(onCalendar)]
      .filter((reason) => reason !== undefined)
      .map((reason) => ({ property: "onCalendar", reason: `${onCalendar} ${reason}` })),
    ...([service.ExecStart, service.ExecStop, unitDirectives.SuccessAction].some(says)
      ? []
      : [{ property: "service", reason: "has no ExecStart=, the command that it runs (systemd.service(5))" }]),
    ...Object.entries(service).flatMap(([directive, value]) =>
      /^Exec/.test(directive)
        ? [value].flat().flatMap((command) => refusedCommand(String(command)).map(refusing(directive, command)))
        : [],
    ),
  ],
  describe: ({ name, onCalendar }) => list(`${word(name)}.timer`, word(onCalendar)),

  async observe(ask, desired) {
    const { name } = desired;
    const [timerFile, serviceFile, timer, service, made] = await Promise.all([
      ask(file, `${UNITS}/${name}.timer`),
      ask(file, `${UNITS}/${name}.service`),
      ask(unit, `${name}.timer`),
      ask(unit, `${name}.service`),
      ask(ledger, undefined),
    ]);
    const seen = { timerText: timerFile?.content, serviceText: serviceFile?.content, timer, service, made };
    return { ...seen, others: await lookAtOthers(ask, unitFiles(name), foreignPaths(desired, seen), made) };
  },

  isAbsent: ({ name }, { timerText, serviceText, made }) =>
    timerText === undefined && serviceText === undefined && !unitFiles(name).some((path) => wasReplaced(path, made)),

  // A file in /etc would take the place of a package's unit, whose work nothing did any more.
  refuseCreate({ name }, { timer, service }) {
    return [timer, service].flatMap(({ path }) =>
      path === "" || path.startsWith(`${UNITS}/`)
        ? []
        : [
            {
              found: `there is a unit of this name already, ${path}`,
              next: `look whose it is: dpkg --search ${path}; takeOver replaces only what is in ${UNITS}; where it isn't needed, take that package away: apt-get purge; else declare another name than ${name}, or have its work done by a unit of another name.`,
            },
          ],
    );
  },

  plan(desired, seen) {
    const { name } = desired;
    const { timerText, serviceText, timer, service, others = {} } = seen;
    const wanted = { timer: printTimer(desired), service: printService(desired) };
    const foreign = foreignPaths(desired, seen);
    if (foreign.length > 0) {
      const units = foreign.map((path) => path.slice(UNITS.length + 1)).join(" ");
      const moves = foreign.map((path) => `mv ${path} ${path}.before`).join("; ");
      const byHand = `where it isn't needed: systemctl disable --now ${units}; ${moves}; systemctl daemon-reload`;
      const refusals = refusalsOf(foreign, desired.takeOver, others, byHand);
      if (refusals.length > 0) return refuseAll(refusals);
    }
    const reasons = [
      ...(timerText === wanted.timer ? [] : ["the timer's file differs"]),
      ...(serviceText === wanted.service ? [] : ["the service's file differs"]),
      ...(timer.fileState === "enabled" ? [] : [`it is ${timer.fileState || "not installed"}`]),
      ...(timer.activeState === "active" ? [] : [`it is ${timer.activeState}`]),
      ...(timer.needsReload ? ["systemd has not read its file"] : []),
    ];
    if (reasons.length === 0) return CONVERGED;
    const stops = foreign.includes(`${UNITS}/${name}.service`) && service.activeState === "active";
    const keep = step(
      `${stops ? `stop ${name}.service, and ` : ""}keep the ${foreign.join(" and ")} of before, for destroy to put back`,
      recordsProgram("keep-timer", [name, ...foreign]),
      stops ? { risk: "interrupts-service" } : {},
    );
    return toDo(
      ...(foreign.length > 0 ? [keep] : []),
      step(
        `install and start ${name}.timer (${reasons.join(", ")})`,
        recordsProgram("install-timer", [name, wanted.timer, wanted.service]),
      ),
    );
  },

  planDestroy({ name }, { made, others = {} }) {
    const paths = unitFiles(name);
    if (!paths.some((path) => made.has(`file ${path}`) || wasReplaced(path, made))) return CONVERGED;
    const removals = paths.map((path) => ({ path, ...removalOf(path, made, others) }));
    const special = removals.filter(({ how }) => how !== "remove");
    const summary = [
      `remove ${name}.timer and its service`,
      ...special.map(({ path, how }) => (how === "leave" ? `leave ${path}` : `put back the ${path} of before`)),
    ].join(", ");
    const args = special.length === 0 ? [name] : [name, ...removals.map(({ how }) => how)];
    const notes = removals.flatMap(({ note }) => note ?? []);
    return {
      ...toDo(step(summary, recordsProgram("remove-timer", args), { risk: "interrupts-service", owesReload: true })),
      ...(notes.length === 0 ? {} : { notes }),
    };
  },

  expect(olds) {
    const runs = { loadState: "loaded", needsReload: false };
    const files = [`${UNITS}/${olds.name}.timer`, `${UNITS}/${olds.name}.service`] as const;
    return {
      timerText: printTimer(olds),
      serviceText: printService(olds),
      timer: { ...runs, fileState: "enabled", activeState: "active", path: files[0] },
      service: { ...runs, fileState: "static", activeState: "inactive", path: files[1] },
      made: new Set(files.map((path) => `file ${path}`)),
    };
  },

  report: (desired, { timerText }) => {
    const calendar = /^OnCalendar=(.*)$/m.exec(timerText ?? "")?.[1];
    return calendar === undefined || calendar === desired.onCalendar ? {} : { inputs: { onCalendar: calendar } };
  },
};

/** At which of the paths another's file is. One that is just as declared is as good as ours. */
function foreignPaths(desired: Inputs, { timerText, serviceText, made }: Omit<Seen, "timer" | "service">): string[] {
  const [timer, service] = unitFiles(desired.name);
  return [
    { path: timer, text: timerText, wanted: printTimer },
    { path: service, text: serviceText, wanted: printService },
  ].flatMap(({ path, text, wanted }) =>
    text !== undefined && text !== wanted(desired) && !made.has(`file ${path}`) ? [path] : [],
  );
}

/** Whether a directive is there with a value: an empty one takes back those before it. */
function says(value: Inputs["service"][string] | undefined): boolean {
  return value !== undefined && [value].flat().some((one) => one !== "");
}

/** What systemd surely has against a command line, see systemd.service(5), "COMMAND LINES". */
function refusedCommand(command: string): string[] {
  const [, program = ""] = /^[-@:+!|]*(\S*)/.exec(command) ?? [];
  return [
    ...(/^([^"']|"[^"]*"|'[^']*')*$/.test(command.replaceAll(/\\./g, "_"))
      ? []
      : ["has a quote that doesn't end; write \\' or \\\" for one that is meant"]),
    ...(program.includes("/") && !/^["'/%]/.test(program) ? ["starts with a relative path; write all of it"] : []),
  ];
}

function refusing(directive: string, command: unknown) {
  return (reason: string) => ({ property: "service", reason: `${directive}=${String(command)} ${reason}` });
}

function printTimer({ description, onCalendar, randomizedDelaySeconds, persistent }: Inputs): string {
  const timer: Section = { OnCalendar: onCalendar, RandomizedDelaySec: randomizedDelaySeconds, Persistent: persistent };
  return printUnit({ Unit: { Description: description }, Timer: timer, Install: { WantedBy: "timers.target" } });
}

function printService({ description, unit: unitDirectives, service }: Inputs): string {
  return printUnit({
    Unit: { Description: description, ...(unitDirectives as Section) },
    Service: { Type: "oneshot", ...(service as Section) },
  });
}
