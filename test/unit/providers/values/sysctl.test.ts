import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HALVES, kernelValuesIn, refusedKernelValues } from "../../../../providers/values/sysctl.ts";
import { runLocally } from "../runLocally.ts";

describe("kernelValuesIn", () => {
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
    expect(
      kernelValuesIn(`${lines.join("\n")}\n`).map(({ file, value, mayBeMissing }) => [file, value, mayBeMissing]),
    ).toEqual([
      ["/proc/sys/net/core/rmem_max", "1", false],
      ["/proc/sys/vm/swappiness", "10", true],
      ["/proc/sys/net/ipv4/tcp_rmem", "4096 131072 6291456", false],
      ["/proc/sys/kernel/domainname", "a=b", false],
      ["/proc/sys/net/ipv4/conf/eth0.100/forwarding", "1", false],
      ["/proc/sys/net/ipv4/conf/eth0.200/forwarding", "1", false],
    ]);
  });
});

describe("refusedKernelValues", () => {
  const refusedIn = (text: string) => refusedKernelValues(kernelValuesIn(text)).map(({ reason }) => reason);

  it.each([
    ["vm.dirty_ratio=10", "vm.dirty_bytes=1000000"],
    ["vm.dirty_bytes=1000000", "vm.dirty_ratio=0"],
    ["vm/dirty_background_ratio=5", "vm.dirty_background_bytes=1000000"],
    ["vm.overcommit_ratio=90", "vm.overcommit_kbytes=1000000"],
  ])("refuses %s beside %s, of which the kernel holds only one", (one, other) => {
    expect(refusedIn(`${one}\n${other}\n`)).toEqual([
      expect.stringMatching(/^\S+ and \S+ can't both be set: .*; leave out one of them$/),
    ]);
    for (const alone of [one, other].filter((line) => !line.includes("=0"))) expect(refusedIn(alone)).toEqual([]);
  });

  it("refuses a size below the least that the kernel takes, and names the share", () => {
    expect(refusedIn("vm.dirty_bytes=0")).toEqual([
      "vm.dirty_bytes takes nothing below 8192; to have a share of the memory instead, write vm.dirty_ratio",
    ]);
    expect(refusedIn("vm.dirty_bytes=8191\nvm.dirty_background_bytes=0")).toHaveLength(2);
    expect(refusedIn("vm.dirty_bytes=8192\nvm.dirty_background_bytes=1\nvm.swappiness=0")).toEqual([]);
  });

  it("refuses two values of one file, however its key is written", () => {
    expect(refusedIn("vm.swappiness=1\nvm/swappiness=2")).toEqual([
      "vm/swappiness is the same as vm.swappiness, which has another value; leave out one of them",
    ]);
    expect(refusedIn("vm.swappiness=1\nvm/swappiness=1")).toEqual([]);
  });

  it.each(["vm.drop_caches", "vm.compact_memory", "net.ipv4.route.flush"])("refuses the command %s", (key) => {
    expect(refusedIn(`${key}=1`)).toEqual([expect.stringMatching(/is a command to the kernel/)]);
  });
});

describe("HALVES", () => {
  it("are the pairs that the programs on the host put back", () => {
    const ledger = join(import.meta.dirname, "../../../../providers/programs/ledger.sh");
    const [text = ""] = /^other_half\(\) \{\n[^]*?^\}\n/m.exec(readFileSync(ledger, "utf8")) ?? [];
    const halfOf = (key: string) =>
      runLocally({
        argv: ["bash", "-c", `${text}other_half "$1" && echo "$half"`, "half", `/proc/sys/${key.replaceAll(".", "/")}`],
      }).stdout.trim();
    const dotted = (file: string) => file.slice("/proc/sys/".length).replaceAll("/", ".");
    const pairs = HALVES.flatMap(({ share, size }) => [
      [share, size],
      [size, share],
    ]);
    expect(pairs.map(([one = ""]) => [one, dotted(halfOf(one))])).toEqual(pairs);
    expect(text.match(/^ {4}\w+\)/gm)).toHaveLength(pairs.length);
    expect(halfOf("vm.swappiness")).toBe("");
  });
});
