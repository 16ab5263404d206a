import { describe, expect, it } from "vitest";
import { configFile } from "../../../../providers/resources/configFile.ts";
import { read } from "./steps.ts";

type Inputs = Parameters<typeof configFile.plan>[0];
type Seen = Parameters<typeof configFile.plan>[1];

const path = "/etc/sysctl.d/60-jts.conf";
const kernelFile = "/proc/sys/net/core/rmem_max";
const desired: Inputs = {
  host: "h",
  path,
  content: "net.core.rmem_max = 16777216\n",
  owner: "root",
  group: "root",
  mode: "644",
  activation: { kind: "sysctl" },
};
const file = { type: "regular file", owner: "root", group: "root", mode: "644", content: desired.content };
const live = (value: string | undefined) => [{ path: kernelFile, wanted: "16777216", value }];
const absent: Seen = { file: undefined, live: live("212992"), made: new Set() };
const absentWith = (value: string | undefined): Seen => ({ ...absent, live: live(value) });
const made: Seen = { file, live: live("16777216"), made: new Set([`file ${path}`, `kernel ${kernelFile} 212992`]) };
const write = `safe: write-file ${path} root root 644`;
const activate = `safe: activate-sysctl ${path} ${kernelFile}`;

describe("the plan of a file", () => {
  it("writes it with its owner and mode, and brings it into effect", () => {
    const plan = configFile.plan(desired, absent);
    expect(read(plan)).toEqual([write, activate]);
    expect(plan.steps[0]?.command.stdin).toBe(`${desired.content}\0`);
  });

  it("only writes a file that has no effect in the kernel", () => {
    expect(read(configFile.plan({ ...desired, activation: { kind: "none" } }, { ...absent, live: [] }))).toEqual([
      write,
    ]);
  });

  it("has no step where file and kernel are as declared, whether the file is ours or not", () => {
    expect(read(configFile.plan(desired, made))).toEqual([]);
    expect(read(configFile.plan(desired, { ...made, made: new Set() }))).toEqual([]);
  });

  it.each<[string, Partial<Seen>, string[]]>([
    ["another content", { file: { ...file, content: "# theirs\n" } }, [write, activate]],
    ["another owner", { file: { ...file, owner: "redis" } }, [write, activate]],
    ["another mode", { file: { ...file, mode: "666" } }, [write, activate]],
    ["a link in its place", { file: { ...file, type: "symbolic link" } }, [write, activate]],
    ["another value in the kernel", { live: live("1") }, [activate]],
  ])("heals %s of a file of ours", (_what, seen, expected) => {
    expect(read(configFile.plan(desired, { ...made, ...seen }))).toEqual(expected);
  });

  it("refuses a file that differs and isn't ours", () => {
    expect(
      read(configFile.plan(desired, { ...made, file: { ...file, content: "# theirs\n" }, made: new Set() })),
    ).toEqual([`refused: ${path} exists already and isn't ours`]);
  });

  it("takes a list of ports for the one that is declared, however the kernel writes it", () => {
    const ports = (value: string) => [
      { path: "/proc/sys/net/ipv4/ip_local_reserved_ports", wanted: "8080,9000,9001", value },
    ];
    expect(read(configFile.plan(desired, { ...made, live: ports("8080,9000-9001") }))).toEqual([]);
    expect(read(configFile.plan(desired, { ...made, live: ports("8080") }))).toEqual([activate]);
  });

  it("refuses a value that the kernel doesn't have, such as one of a module that isn't loaded", () => {
    expect(read(configFile.plan(desired, { ...made, live: live(undefined) }))).toEqual([
      `refused: the kernel shows no value ${kernelFile}`,
    ]);
    expect(read(configFile.plan(desired, absentWith(undefined)))).toEqual([
      `refused: the kernel shows no value ${kernelFile}`,
    ]);
  });

  it("leaves a value alone that the kernel need not have, and sets the others", () => {
    const content = "-net.core.none = 1\nnet.core.rmem_max = 16777216\n";
    const none = { path: "/proc/sys/net/core/none", wanted: "1", value: undefined, mayBeMissing: true };
    const seen = { ...absent, live: [none, ...live("1")] };
    const plan = configFile.plan({ ...desired, content }, seen);
    expect(read(plan)).toEqual([write, activate]);
    expect(plan.steps[1]?.summary).toBe(
      `set ${kernelFile} to 16777216 (it is 1), leave ${none.path} alone (it is absent)`,
    );
    const later = { ...made, file: { ...file, content }, live: [none, ...live("16777216")] };
    expect(read(configFile.plan({ ...desired, content }, later))).toEqual([]);
  });
});

describe("the plan of a rule of udev", () => {
  const rule = "/etc/udev/rules.d/60-jts.rules";
  const udev: Inputs = {
    ...desired,
    path: rule,
    activation: { kind: "udev", device: "/dev/disk/by-id/nvme-1", attribute: "queue/scheduler", value: "none" },
  };
  const scheduler = (value: string | undefined, ...choices: string[]) => ({
    path: "/sys/class/block/nvme0n1/queue/scheduler",
    wanted: "none",
    value,
    mayBeMissing: true,
    ...(choices.length === 0 ? {} : { choices }),
  });
  const run = "safe: activate-udev queue/scheduler none /dev/disk/by-id/nvme-1";
  const summaryOf = (live: Seen["live"]) => configFile.plan(udev, { ...absent, live }).steps[1]?.summary;
  const afterwards = (...live: Seen["live"]) =>
    read(configFile.plan(udev, { file, live, made: new Set([`file ${rule}`]) }));

  it("lets udev apply it to its device", () => {
    const live = [scheduler("mq-deadline", "none", "mq-deadline")];
    expect(read(configFile.plan(udev, { ...absent, live }))[1]).toBe(run);
    expect(summaryOf(live)).toBe("set /sys/class/block/nvme0n1/queue/scheduler to none (it is mq-deadline)");
    expect(afterwards(...live)).toEqual([run]);
  });

  it("lets udev apply it to all of several devices, where one differs", () => {
    const several: Inputs = {
      ...udev,
      activation: { ...udev.activation, additionalDevices: ["/dev/sdb"] } as Inputs["activation"],
    };
    const live = [scheduler("none", "none", "kyber"), { ...scheduler("kyber", "none", "kyber"), path: "/sys/b" }];
    expect(read(configFile.plan(several, { file, live, made: new Set([`file ${rule}`]) }))).toEqual([
      `${run} /dev/sdb`,
    ]);
  });

  it.each<[string, Seen["live"][number], string]>([
    ["has no such attribute", scheduler(undefined), "it is absent"],
    ["offers nothing else, in brackets", { ...scheduler("none", "none"), wanted: "bfq" }, "it can only be none"],
    ["offers nothing else, without brackets", { ...scheduler("none"), wanted: "bfq" }, "it can only be none"],
  ])("leaves a device alone that %s, and says so", (_what, live, why) => {
    expect(summaryOf([live])).toBe(`activate ${rule}, leave ${live.path} alone (${why})`);
    expect(afterwards(live)).toEqual([]);
  });

  it("tries a scheduler that isn't offered yet, as it may be a module", () => {
    expect(afterwards({ ...scheduler("none", "none", "mq-deadline"), wanted: "bfq" })).toEqual([run]);
  });
});

describe("the removal of a file", () => {
  it("removes it and puts back the kernel's values", () => {
    expect(read(configFile.planDestroy(desired, made))).toEqual([
      `safe: remove-file ${path}`,
      `safe: restore-kernel-values ${kernelFile}`,
    ]);
  });

  it("leaves a file, and values, that were there before", () => {
    expect(read(configFile.planDestroy(desired, { ...made, made: new Set() }))).toEqual([]);
    expect(
      read(
        configFile.planDestroy(desired, {
          ...made,
          made: new Set([`kernel ${kernelFile}_other 1`, `file ${path}.other`]),
        }),
      ),
    ).toEqual([]);
  });
});

describe("what is absent", () => {
  it("is a file that doesn't exist and wasn't made by us", () => {
    expect(configFile.isAbsent(desired, absent)).toBe(true);
    expect(configFile.isAbsent(desired, made)).toBe(false);
    expect(configFile.isAbsent(desired, { ...made, file: undefined })).toBe(false);
  });
});

describe("the look at a file", () => {
  const NVME = "/dev/disk/by-id/nvme-1";
  const look = (
    activation: Inputs["activation"],
    devices: Readonly<Record<string, [path: string, type: string]>> = {},
  ) => {
    const asked: unknown[] = [];
    const seen = configFile.observe(
      (fact, args) => {
        asked.push(fact.name === "the kernel's values" ? args : fact.name);
        const all = Object.entries(devices);
        const answers: Record<string, unknown> = {
          "the file": file,
          "the ledger of what was made": new Set(),
          "the links to devices": new Map(all.map(([link, [at]]) => [link, at])),
          "the block devices": new Map(all.map(([, [at, type]]) => [at, { path: at, type }])),
          "the kernel's values": new Map(
            [args].flat().map((one) => [one, { value: "none", choices: ["none", "kyber"] }]),
          ),
        };
        return Promise.resolve(answers[fact.name] as never);
      },
      { ...desired, activation },
    );
    return { asked, seen };
  };
  const udev = { kind: "udev", device: NVME, attribute: "queue/scheduler", value: "none" } as const;
  const live = (disk: string, attribute = "queue/scheduler") => ({
    path: `/sys/class/block/${disk}/${attribute}`,
    wanted: "none",
    value: "none",
    choices: ["none", "kyber"],
    mayBeMissing: true,
  });

  it("compares the attribute of the device that the rule is for", async () => {
    expect((await look(udev, { [NVME]: ["/dev/nvme0n1", "disk"] }).seen).live).toEqual([live("nvme0n1")]);
  });

  it.each([
    ["/dev/nvme0n1p3", "part", "nvme0n1"],
    ["/dev/mmcblk0p12", "part", "mmcblk0"],
    ["/dev/sda3", "part", "sda"],
    ["/dev/vdb12", "part", "vdb"],
    ["/dev/sda", "disk", "sda"],
    ["/dev/md127", "raid1", "md127"],
    ["/dev/md127p1", "part", "md127"],
    ["/dev/dm-3", "crypt", "dm-3"],
  ])("compares the queue of the disk that %s, of the type %s, is on", async (device, type, disk) => {
    expect((await look(udev, { [NVME]: [device, type] }).seen).live).toEqual([live(disk)]);
  });

  it("compares what is no queue's at the partition itself", async () => {
    const alignment = { ...udev, attribute: "alignment_offset" };
    expect((await look(alignment, { [NVME]: ["/dev/sda3", "part"] }).seen).live).toEqual([
      live("sda3", "alignment_offset"),
    ]);
  });

  it("compares each of several devices", async () => {
    const several = { ...udev, additionalDevices: ["/dev/b"] };
    const { seen } = look(several, { [NVME]: ["/dev/nvme0n1", "disk"], "/dev/b": ["/dev/sda", "disk"] });
    expect((await seen).live).toEqual([live("nvme0n1"), live("sda")]);
  });

  it("compares no live value for a device that isn't there, or for a file without effect", async () => {
    expect((await look(udev).seen).live).toEqual([]);
    const { asked, seen } = look({ kind: "none" });
    await seen;
    expect(asked).toEqual(["the file", "the ledger of what was made"]);
  });
});

describe("what is refused in preview", () => {
  it("is a value that the kernel would show otherwise", () => {
    const content = "vm.swappiness = 010\n";
    expect(configFile.refuse?.({ ...desired, content })).toEqual([
      { property: "content", reason: expect.stringMatching(/^vm\.swappiness has 010, .*; write 8, or 10/) as string },
    ]);
  });

  it("is a pair of values of which the kernel holds only one, where the text is one of sysctl(8)", () => {
    const content = "vm.dirty_ratio = 10\nvm.dirty_bytes = 1000000\n";
    expect(configFile.refuse?.({ ...desired, content })).toEqual([
      {
        property: "content",
        reason: expect.stringMatching(/^vm\.dirty_bytes and vm\.dirty_ratio can't both/) as string,
      },
    ]);
    expect(configFile.refuse?.({ ...desired, content, activation: { kind: "none" } })).toEqual([]);
    expect(configFile.refuse?.(desired)).toEqual([]);
  });
});
