import fc from "fast-check";
import type { z } from "zod";
import { systemdTimer } from "../../../providers/resources/systemdTimer.ts";
import { exampleOf, seenUnit } from "../example.ts";
import { ledgerOf, word } from "../generators.ts";

type Inputs = z.output<typeof systemdTimer.inputs>;

/** The files of the timer and of its service. */
function texts(desired: Inputs): readonly string[] {
  const nothing = {
    timerText: undefined,
    serviceText: undefined,
    timer: seenUnit(true),
    service: seenUnit(true),
    made: new Set<string>(),
  };
  return systemdTimer.plan(desired, nothing).steps[0]?.command.argv.slice(-2) ?? [];
}

export const example = exampleOf(systemdTimer, {
  least: {
    declared: {
      name: "fstrim-all",
      description: "Trims the hot mounts",
      onCalendar: "weekly",
      service: { ExecStart: "/sbin/fstrim --all" },
    },
    added: { randomizedDelaySeconds: 0, persistent: true, unit: {} },
  },
  declared: {
    name: "fstrim-all",
    description: "Trim",
    onCalendar: "weekly",
    service: { ExecStart: "/usr/sbin/fstrim -a" },
  },
  drift(machine) {
    const timer = machine.files["/etc/systemd/system/fstrim-all.timer"]!;
    timer.content = timer.content!.replace("weekly", "daily");
  },
  drifted: { onCalendar: "daily" },
  takesAnyText: ["name", "description", "onCalendar", "service.ExecStart", "service.Type"],

  inputs: fc.record({
    host: word,
    name: word,
    description: word,
    onCalendar: fc.constantFrom("daily", "weekly"),
    randomizedDelaySeconds: fc.nat(99),
    persistent: fc.boolean(),
    unit: fc.constant({}),
    service: fc.constantFrom<Inputs["service"][]>(
      { ExecStart: "/bin/true" },
      { Type: "exec", ExecStart: ["", "/bin/false"] },
    ),
  }),
  converged(desired) {
    const [timerText, serviceText] = texts(desired);
    return { timerText, serviceText, timer: seenUnit(true), service: seenUnit(true), made: new Set<string>() };
  },
  any(desired) {
    const [timerText, serviceText] = texts(desired);
    return fc.record({
      timerText: fc.constantFrom(undefined, timerText, "[Timer]\nOnCalendar=hourly\n"),
      serviceText: fc.constantFrom(undefined, serviceText, "[Service]\n"),
      timer: fc.boolean().map(seenUnit),
      service: fc.boolean().map(seenUnit),
      made: ledgerOf(["timer", "service"].map((ending) => `file /etc/systemd/system/${desired.name}.${ending}`)),
    });
  },
});
