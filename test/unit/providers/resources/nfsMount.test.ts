import { describe, expect, it } from "vitest";
import { mountAt, mounts, type Mount } from "../../../../providers/facts/mounts.ts";
import { nfsMount } from "../../../../providers/resources/nfsMount.ts";
import { findEntry } from "../../../../providers/values/fstabText.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { NOTHING_ELSE } from "../../../support/kinds/fstabEntry.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof nfsMount.plan>[0];
type Seen = Parameters<typeof nfsMount.plan>[1];

const options = [
  "rw",
  "hard",
  "proto=tcp",
  "rsize=1048576",
  "wsize=1048576",
  "timeo=600",
  "retrans=2",
  "_netdev",
  "nofail",
];
const desired: Inputs = {
  host: "h",
  server: "192.168.1.101",
  export: "/volume1/cocodev",
  mountPoint: "/mnt/synology",
  version: "3",
  options,
};
const text = fixture("fstab-jts.txt").stdout;
const made: Seen = {
  text,
  found: findEntry(text, "/mnt/synology"),
  mount: mountAt(mounts.parse(fixture("findmnt-jts.json"), undefined), "/mnt/synology"),
  ...NOTHING_ELSE,
  isSource: true,
  isSameSource: true,
  made: new Set(),
};

describe("the plan of an NFS mount", () => {
  it("has no step for the captured mount, whose sizes the server made smaller", () => {
    expect(made.mount?.filesystemOptions).toContain("rsize=65536");
    expect(read(nfsMount.plan(desired, made))).toEqual([]);
  });

  it("unmounts and mounts for every changed option, since NFS accepts none by remounting", () => {
    for (const changed of [
      { version: "4.2" as const },
      { options: [...options, "noac"] },
      { options: options.filter((option) => option !== "hard").concat("soft") },
    ]) {
      expect(read(nfsMount.plan({ ...desired, ...changed }, made))[0]).toMatch(
        /^interrupts-service: mount-entry \/mnt\/synology replace /,
      );
    }
  });

  it("refuses a foreign mount of another export", () => {
    expect(
      read(
        nfsMount.plan(desired, {
          ...made,
          found: undefined,
          isSource: false,
          mount: { ...made.mount!, source: "other:/x" },
        }),
      ),
    ).toEqual(["refused: other:/x is mounted at /mnt/synology"]);
  });
});

describe("an NFS mount that systemd makes at the first access", () => {
  const automounted: Inputs = {
    ...desired,
    options: [...options, "x-systemd.automount", "x-systemd.idle-timeout=10min"],
  };
  const entry = { ...made.found!.entry, options: ["vers=3", ...automounted.options] };
  const mounted: Seen = { ...made, found: { entry, isOurs: true }, hasAutomount: true };
  const idle: Seen = { ...mounted, mount: undefined, isSource: false };
  const foreign = (seen: Seen): Seen => ({ ...seen, found: { entry, isOurs: false } });
  const only = (plan: ReturnType<typeof nfsMount.plan>) =>
    read(plan).map((step) => step.split(" ").slice(0, 4).join(" "));

  it("is as declared while it is mounted, and while systemd waits for an access", () => {
    expect(read(nfsMount.plan(automounted, mounted))).toEqual([]);
    expect(read(nfsMount.plan(automounted, idle))).toEqual([]);
    const noauto = { ...automounted, options: ["noauto", ...automounted.options] };
    const written = { ...entry, options: ["vers=3", ...noauto.options] };
    expect(read(nfsMount.plan(noauto, { ...idle, found: { entry: written, isOurs: true } }))).toEqual([]);
  });

  it.each<[string, Inputs, Seen, string]>([
    [
      "is mounted where neither it nor systemd's wait is there",
      automounted,
      { ...idle, hasAutomount: false },
      "safe: mount-entry /mnt/synology mount",
    ],
    [
      "gets systemd's wait where it was mounted without it",
      automounted,
      { ...mounted, hasAutomount: false },
      "interrupts-service: mount-entry /mnt/synology replace",
    ],
    [
      "loses systemd's wait where that is no longer declared, while it is mounted",
      desired,
      mounted,
      "interrupts-service: mount-entry /mnt/synology replace",
    ],
    [
      "loses systemd's wait where that is no longer declared, while it is idle",
      desired,
      idle,
      "safe: mount-entry /mnt/synology mount",
    ],
    [
      "waits anew for another idle time",
      { ...automounted, options: [...options, "x-systemd.automount"] },
      mounted,
      "interrupts-service: mount-entry /mnt/synology replace",
    ],
    [
      "waits anew with other options while it is idle",
      { ...automounted, options: [...automounted.options, "noac"] },
      idle,
      "safe: mount-entry /mnt/synology mount",
    ],
    [
      "is taken over from a foreign line while it is mounted",
      automounted,
      foreign(mounted),
      "safe: mount-entry /mnt/synology none",
    ],
    [
      "is taken over from a foreign line while it is idle",
      automounted,
      foreign(idle),
      "safe: mount-entry /mnt/synology mount",
    ],
  ])("%s", (_what, inputs, seen, expected) => {
    expect(only(nfsMount.plan(inputs, seen))).toEqual([expected]);
  });

  it("refuses to end the wait of an automount unit that has no line, and of a foreign one of another source", () => {
    expect(read(nfsMount.plan(automounted, { ...idle, found: undefined, isSameSource: false }))).toEqual([
      "refused: an automount unit of systemd waits at /mnt/synology",
    ]);
    expect(read(nfsMount.plan(desired, { ...foreign(idle), isSameSource: false }))).toHaveLength(2);
  });

  it("is taken away while it is mounted, and while systemd waits for an access", () => {
    for (const seen of [mounted, idle])
      expect(only(nfsMount.planDestroy(automounted, seen))).toEqual([
        expect.stringMatching(/^interrupts-service: unmount-entry \/mnt\/synology/),
      ]);
  });

  it("is looked at in the kernel's table only: an idle automount is no mount, and another automounter's is", async () => {
    const autofs: Mount = {
      target: "/mnt/synology",
      source: "systemd-1",
      type: "autofs",
      root: "/",
      number: "0:50",
      mountOptions: ["rw", "relatime"],
      filesystemOptions: ["rw", "fd=4", "pgrp=1", "timeout=600", "minproto=5", "maxproto=5", "direct", "pipe_ino=5429"],
    };
    const look = (...all: Mount[]) =>
      nfsMount.observe(
        (fact) =>
          Promise.resolve(
            (fact.name === "the mounts"
              ? all
              : fact.name === "/etc/fstab"
                ? text
                : fact.name === "the unit"
                  ? { path: "" }
                  : new Set()) as never,
          ),
        automounted,
      );
    expect(await look(autofs)).toMatchObject({ mount: undefined, hasAutomount: true });
    expect(await look(autofs, made.mount!)).toMatchObject({ mount: made.mount, isSource: true, hasAutomount: true });
    const other = { ...autofs, source: "/etc/auto.nas" };
    expect(await look(other)).toMatchObject({ mount: other, isSource: false, hasAutomount: false });
  });
});

describe("the look at an NFS mount", () => {
  it("compares the export by name, without asking the server", async () => {
    const asked: string[] = [];
    const look = (source: string) =>
      nfsMount.observe((fact) => {
        asked.push(fact.name);
        return Promise.resolve(
          (fact.name === "the mounts"
            ? [{ ...made.mount!, source }]
            : fact.name === "/etc/fstab"
              ? text
              : new Set()) as never,
        );
      }, desired);
    expect(await look("192.168.1.101:/volume1/cocodev")).toMatchObject({ isSource: true });
    expect(await look("192.168.1.101:/volume1/cocodev/")).toMatchObject({ isSource: true });
    expect(await look("192.168.1.101:/volume1/other")).toMatchObject({ isSource: false });
    expect(new Set(asked)).toEqual(new Set(["/etc/fstab", "the mounts", "the ledger of what was made"]));
  });
});

describe("the report of an NFS mount", () => {
  it("has the inputs as declared where the line is as declared", () => {
    expect({ ...desired, ...nfsMount.report(desired, made).inputs }).toEqual(desired);
  });

  it("has server, export and version of a changed line, even with an IPv6 address", () => {
    const entry = { ...made.found!.entry, source: "[fd00::1]:/other", options: ["vers=4.1", "soft"] };
    expect(nfsMount.report(desired, { ...made, found: { entry, isOurs: true } }).inputs).toEqual({
      server: "[fd00::1]",
      export: "/other",
      version: "4.1",
      options: ["soft"],
    });
  });
});

describe("the checked options of an NFS mount", () => {
  it("refuse in preview what NFS ignores", () => {
    expect(nfsMount.refuse?.({ ...desired, options: ["intr"] })).toEqual([
      { property: "options", reason: expect.stringContaining("intr on nfs is ignored") as string },
    ]);
    expect(nfsMount.refuse?.(desired)).toEqual([]);
  });
});
