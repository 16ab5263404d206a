import { describe, expect, it } from "vitest";
import { recordsOf } from "../../../../providers/host/command.ts";
import { systemdTimer } from "../../../../providers/resources/systemdTimer.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof systemdTimer.plan>[0];
type Seen = Parameters<typeof systemdTimer.plan>[1];

const desired: Inputs = {
  host: "h",
  name: "tiered-storage",
  description: "Move data between tiers",
  onCalendar: "daily",
  randomizedDelaySeconds: 1800,
  persistent: true,
  unit: { RequiresMountsFor: ["/data/warm-storage"] },
  service: { ExecStart: "/usr/local/lib/jts-storage/tiered-storage.sh all", Nice: 19 },
};
const timerText = `[Unit]
Description=Move data between tiers

[Timer]
OnCalendar=daily
RandomizedDelaySec=1800
Persistent=yes

[Install]
WantedBy=timers.target
`;
const serviceText = `[Unit]
Description=Move data between tiers
RequiresMountsFor=/data/warm-storage

[Service]
Type=oneshot
ExecStart=/usr/local/lib/jts-storage/tiered-storage.sh all
Nice=19
`;
const files = ["file /etc/systemd/system/tiered-storage.timer", "file /etc/systemd/system/tiered-storage.service"];
const running = { loadState: "loaded", fileState: "enabled", activeState: "active", needsReload: false, path: "" };
const made: Seen = { timerText, serviceText, timer: running, service: running, made: new Set(files) };
const unknown = { loadState: "not-found", fileState: "", activeState: "inactive", needsReload: false, path: "" };
const absent: Seen = {
  timerText: undefined,
  serviceText: undefined,
  timer: unknown,
  service: unknown,
  made: new Set(),
};

describe("the plan of a timer", () => {
  it("installs the timer and its oneshot service", () => {
    const plan = systemdTimer.plan(desired, absent);
    expect(plan.steps.map(({ risk, command }) => [risk, command.argv[3], ...recordsOf(command)])).toEqual([
      ["safe", "install-timer", ["tiered-storage", timerText, serviceText]],
    ]);
    expect(plan.steps[0]?.summary).toBe(
      "install and start tiered-storage.timer (the timer's file differs, the service's file differs, it is not installed, it is inactive)",
    );
  });

  it("has no step where both are as declared and the timer runs", () => {
    expect(read(systemdTimer.plan(desired, made))).toEqual([]);
  });

  it.each<[string, Partial<Seen>, string]>([
    ["a changed timer", { timerText: timerText.replace("daily", "weekly") }, "the timer's file differs"],
    ["a changed service", { serviceText: `${serviceText}User=root\n` }, "the service's file differs"],
    ["a disabled timer", { timer: { ...running, fileState: "disabled" } }, "it is disabled"],
    ["a stopped timer", { timer: { ...running, activeState: "inactive" } }, "it is inactive"],
    ["a file that systemd has not read", { timer: { ...running, needsReload: true } }, "systemd has not read its file"],
  ])("heals %s, with the reason", (_what, seen, reason) => {
    expect(systemdTimer.plan(desired, { ...made, ...seen }).steps.map(({ summary }) => summary)).toEqual([
      `install and start tiered-storage.timer (${reason})`,
    ]);
  });

  it("refuses units of this name that aren't ours, and takes over equal ones", () => {
    expect(
      read(systemdTimer.plan(desired, { ...made, timerText: "theirs", serviceText: "theirs", made: new Set() })),
    ).toEqual(files.map((file) => `refused: ${file.slice("file ".length)} exists already and isn't ours`));
    expect(read(systemdTimer.plan(desired, { ...made, made: new Set() }))).toEqual([]);
  });

  it("takes the place of no unit that a package has, whose work nothing would do any more", () => {
    const of = (folder: string) => ({
      timer: { ...running, path: `${folder}/btrfs-scrub.timer` },
      service: { ...running, path: `${folder}/btrfs-scrub.service` },
    });
    const refused = systemdTimer.refuseCreate!(desired, { ...absent, ...of("/lib/systemd/system") });
    expect(refused.map(({ found }) => found)).toEqual(
      ["timer", "service"].map(
        (ending) => `there is a unit of this name already, /lib/systemd/system/btrfs-scrub.${ending}`,
      ),
    );
    expect(refused[0]?.next).toContain("dpkg --search /lib/systemd/system/btrfs-scrub.timer");
    expect(systemdTimer.refuseCreate!(desired, { ...made, ...of("/etc/systemd/system") })).toEqual([]);
    expect(systemdTimer.refuseCreate!(desired, absent)).toEqual([]);
  });

  it("lets the service declare another type than oneshot", () => {
    expect(
      systemdTimer
        .plan({ ...desired, service: { Type: "exec", ExecStart: "/bin/true" } }, absent)
        .steps[0]?.command.argv.at(-1),
    ).toContain("[Service]\nType=exec\nExecStart=/bin/true\n");
  });
});

describe("the removal of a timer", () => {
  it("removes what was made here, even if only half of it is there, and leaves foreign units", () => {
    for (const left of files)
      expect(read(systemdTimer.planDestroy(desired, { ...made, made: new Set([left]) }))).toEqual([
        "interrupts-service: remove-timer tiered-storage",
      ]);
    expect(read(systemdTimer.planDestroy(desired, { ...made, made: new Set() }))).toEqual([]);
  });
});

describe("the inputs of a timer", () => {
  it.each<[string, Record<string, unknown>]>([
    ["a name with a slash", { name: "../evil" }],
    ["a directive with a space", { service: { "Exec Start": "x" } }],
    ["a negative delay", { randomizedDelaySeconds: -1 }],
  ])("refuse %s", (_what, changes) => {
    expect(systemdTimer.inputs.safeParse({ ...desired, ...changes }).success).toBe(false);
    expect(systemdTimer.inputs.safeParse(desired).success).toBe(true);
  });
});

describe("a timer that systemd would refuse is refused in preview", () => {
  const refusalsOf = (change: Partial<Inputs>) => systemdTimer.refuse!({ ...desired, ...change });

  it.each<[Partial<Inputs>, string, string]>([
    [{ onCalendar: "dayly" }, "onCalendar", "dayly is not a valid calendar"],
    [{ onCalendar: "*/2:00" }, "onCalendar", "*/2:00 is not a valid calendar: systemd takes no step after *"],
    [{ onCalendar: "*-02-30" }, "onCalendar", "*-02-30 never elapses"],
    [{ service: { Nice: 19 } }, "service", "has no ExecStart="],
    [{ service: { ExecStart: [] } }, "service", "has no ExecStart="],
    [{ service: { ExecStart: "" } }, "service", "has no ExecStart="],
    [{ service: { ExecStart: "/bin/echo it's" } }, "service", "has a quote that doesn't end"],
    [{ service: { ExecStart: "/bin/true", ExecStartPre: ['/bin/echo "a'] } }, "service", "ExecStartPre=/bin/echo"],
    [{ service: { ExecStart: "-bin/true" } }, "service", "starts with a relative path"],
  ])("%j", (change, property, reason) => {
    expect(refusalsOf(change)).toEqual([{ property, reason: expect.stringContaining(reason) as string }]);
  });

  it.each<Partial<Inputs>>([
    {},
    { onCalendar: "Sat *-*-01..07 07:00" },
    ...[
      "true",
      "-/bin/true",
      `"/bin/true" x`,
      `/bin/echo a"b c" 'd"e' \\'`,
      "!!/bin/true",
      "/bin/true ; /bin/true",
    ].map((ExecStart) => ({ service: { ExecStart } })),
    { service: { ExecStop: "/bin/true", RemainAfterExit: true } },
    { unit: { SuccessAction: "none" }, service: {} },
  ])("but not %j", (change) => {
    expect(refusalsOf(change)).toEqual([]);
  });

  it.each(["a".repeat(248), "a b", ""])("the name %j", (name) => {
    expect(systemdTimer.inputs.safeParse({ ...desired, name }).success).toBe(false);
  });
});
