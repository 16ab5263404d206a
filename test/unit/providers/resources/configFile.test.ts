import { describe, expect, it } from "vitest";
import { configFile, sysctlFiles } from "../../../../providers/resources/configFile.ts";
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
    ["no value in the kernel", { live: live(undefined) }, [activate]],
  ])("heals %s of a file of ours", (_what, seen, expected) => {
    expect(read(configFile.plan(desired, { ...made, ...seen }))).toEqual(expected);
  });

  it("refuses a file that differs and isn't ours", () => {
    expect(
      read(configFile.plan(desired, { ...made, file: { ...file, content: "# theirs\n" }, made: new Set() })),
    ).toEqual([`refused: ${path} exists already and isn't ours`]);
  });

  it("lets udev apply a rule to its device", () => {
    const udev: Inputs = {
      ...desired,
      path: "/etc/udev/rules.d/60-jts.rules",
      activation: { kind: "udev", device: "/dev/disk/by-id/nvme-1", attribute: "queue/scheduler", value: "none" },
    };
    const seen = {
      ...absent,
      live: [{ path: "/sys/class/block/nvme0n1/queue/scheduler", wanted: "none", value: "mq-deadline" }],
    };
    expect(read(configFile.plan(udev, seen))[1]).toBe("safe: activate-udev /dev/disk/by-id/nvme-1 queue/scheduler");
    expect(configFile.plan(udev, seen).steps[1]?.summary).toBe(
      "set /sys/class/block/nvme0n1/queue/scheduler to none (it is mq-deadline)",
    );
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
  const look = (activation: Inputs["activation"], device?: string) => {
    const asked: unknown[] = [];
    const seen = configFile.observe(
      (fact, args) => {
        asked.push(fact.name === "the kernel's values" ? args : fact.name);
        const answers: Record<string, unknown> = {
          "the file": file,
          "the ledger of what was made": new Set(),
          "the links to devices": new Map(device === undefined ? [] : [[udev.device, device]]),
          "the block devices": new Map(device === undefined ? [] : [[device, { path: device }]]),
          "the kernel's values": new Map([["/sys/class/block/nvme0n1/queue/scheduler", "none"]]),
        };
        return Promise.resolve(answers[fact.name] as never);
      },
      { ...desired, activation },
    );
    return { asked, seen };
  };
  const udev = { kind: "udev", device: "/dev/disk/by-id/nvme-1", attribute: "queue/scheduler", value: "none" } as const;

  it("compares the attribute of the device that the rule is for", async () => {
    expect((await look(udev, "/dev/nvme0n1").seen).live).toEqual([
      { path: "/sys/class/block/nvme0n1/queue/scheduler", wanted: "none", value: "none" },
    ]);
  });

  it("compares no live value for a device that isn't there, or for a file without effect", async () => {
    expect((await look(udev).seen).live).toEqual([]);
    const { asked, seen } = look({ kind: "none" });
    await seen;
    expect(asked).toEqual(["the file", "the ledger of what was made"]);
  });
});

describe("sysctlFiles", () => {
  it("reads keys and values as sysctl.d(5) has them", () => {
    const lines = [
      "# comment",
      "; comment",
      "",
      "net.core.rmem_max=1",
      " -vm.swappiness = 10 ",
      "net.ipv4.tcp_rmem = 4096\t131072   6291456",
      "nonsense",
      "kernel/domainname=a=b",
      "net/ipv4/conf/eth0.100/forwarding=1",
      "net.ipv4.conf.eth0/200.forwarding=1",
    ];
    expect(sysctlFiles(`${lines.join("\n")}\n`)).toEqual([
      ["/proc/sys/net/core/rmem_max", "1"],
      ["/proc/sys/vm/swappiness", "10"],
      ["/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456"],
      ["/proc/sys/kernel/domainname", "a=b"],
      ["/proc/sys/net/ipv4/conf/eth0.100/forwarding", "1"],
      ["/proc/sys/net/ipv4/conf/eth0.200/forwarding", "1"],
    ]);
  });
});
