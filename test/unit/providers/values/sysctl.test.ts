import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  HALVES,
  isSameKernelValue,
  kernelFileOf,
  kernelValuesIn,
  refusedKernelValues,
} from "../../../../providers/values/sysctl.ts";
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

describe("refusedKernelValues, of forms that the kernel shows otherwise, or doesn't take", () => {
  const refusedIn = (text: string) => refusedKernelValues(kernelValuesIn(text)).map(({ reason }) => reason);

  it.each([
    ["vm.swappiness=010", "vm.swappiness has 010, which the kernel reads as octal; write 8, or 10 if that is meant"],
    ["vm.swappiness=08", "vm.swappiness has 08, which the kernel reads as octal; write 8"],
    ["vm.swappiness=00", "vm.swappiness has 00, which the kernel shows as 0; write 0"],
    ["vm.swappiness=-07", "vm.swappiness has -07, which the kernel shows as -7; write -7"],
    ["vm.swappiness=0x10", "vm.swappiness has 0x10, which the kernel shows as 16; write 16"],
    [
      "net.ipv4.tcp_rmem=4096 0X20000 6291456",
      "net.ipv4.tcp_rmem has 0X20000, which the kernel shows as 131072; write 131072",
    ],
    ["vm.swappiness=0.5", "vm.swappiness has 0.5, and the kernel takes only whole numbers, in digits; write one"],
    ["vm.swappiness=1e3", "vm.swappiness has 1e3, and the kernel takes only whole numbers, in digits; write one"],
    ["vm.swappiness=+5", "vm.swappiness has +5, and the kernel takes only whole numbers, in digits; write one"],
    ["vm.swappiness=", "vm.swappiness is blank, which the kernel refuses; write a value, or leave it out"],
    [
      "kernel.printk=4",
      "kernel.printk takes 4 numbers, and the kernel keeps others than are written here; write all, as sysctl kernel.printk shows them",
    ],
    [
      "net/ipv4/tcp_rmem=1 2 3 4",
      "net/ipv4/tcp_rmem takes 3 numbers, and the kernel keeps others than are written here; write all, as sysctl net/ipv4/tcp_rmem shows them",
    ],
    [
      "net.ipv4.ip_local_reserved_ports=8080, 9000",
      "net.ipv4.ip_local_reserved_ports takes numbers and ranges up to 65535, with commas and no spaces, such as 8080,9000-9001",
    ],
    [
      "net.ipv4.ip_local_reserved_ports=9001-9000",
      "net.ipv4.ip_local_reserved_ports takes numbers and ranges up to 65535, with commas and no spaces, such as 8080,9000-9001",
    ],
    [
      "net.ipv4.ip_local_reserved_ports=65536",
      "net.ipv4.ip_local_reserved_ports takes numbers and ranges up to 65535, with commas and no spaces, such as 8080,9000-9001",
    ],
    ["fs.pipe-max-size=1500000", "fs.pipe-max-size is rounded up by the kernel to a power of two; write 2097152"],
    ["fs.pipe-max-size=100", "fs.pipe-max-size is rounded up by the kernel to a power of two; write 4096"],
    [
      "net.core.rps_sock_flow_entries=30000",
      "net.core.rps_sock_flow_entries is rounded up by the kernel to a power of two; write 32768",
    ],
  ])("refuses %s", (line, reason) => {
    expect(refusedIn(line)).toEqual([reason]);
  });

  it.each([
    ...["kernel.core_pattern=010", "kernel.core_pattern=", "kernel.domainname=0.5", "kernel.hostname=0x10"],
    ...["vm.swappiness=0", "vm.x=-1", "kernel.sem=32000 1024000000 500 32000", "kernel.printk=3 4 1 3"],
    ...["net.ipv4.ip_local_reserved_ports=", "net.ipv4.ip_local_reserved_ports=80,", "kernel.watchdog_cpumask=0-1,4"],
    ...["net.core.rps_default_mask=0f", "net.core.flow_limit_cpu_bitmap=1e3", "sunrpc.nfs_debug=0x7fff"],
    ...["net.ipv6.conf.all.stable_secret=::1", "kernel.seccomp.actions_logged=trap errno", "net.core.default_qdisc=fq"],
    ...["fs.pipe-max-size=1048576", "net.core.rps_sock_flow_entries=0", "net.core.rps_sock_flow_entries=32768"],
  ])("but not %s", (line) => {
    expect(refusedIn(line)).toEqual([]);
  });

  it.each([
    ["net.ipv4.ip_forward=1", "net.ipv4.conf.all.forwarding=0"],
    ["net.netfilter.nf_conntrack_max=1", "net.nf_conntrack_max=2"],
    ["vm.nr_hugepages=8", "vm.nr_hugepages_mempolicy=9"],
    ["net.ipv6.route.gc_min_interval=3", "net.ipv6.route.gc_min_interval_ms=500"],
    ["net.ipv4.neigh.default.base_reachable_time_ms=30000", "net.ipv4.neigh.default.base_reachable_time=31"],
  ])("refuses %s beside %s, by which the kernel means one thing", (one, other) => {
    const [first, second] = [one, other].map((line) => line.slice(0, line.indexOf("=")));
    const problem = `${second} is the same as ${first}, which has another value; leave out one of them`;
    expect(refusedIn(`${one}\n${other}`)).toEqual([problem]);
    for (const alone of [one, other]) expect(refusedIn(alone)).toEqual([]);
  });

  it("but not two words for one thing that agree", () => {
    expect(refusedIn("net.ipv4.ip_forward=1\nnet.ipv4.conf.all.forwarding=1")).toEqual([]);
    expect(
      refusedIn("net.ipv4.neigh.eth0.base_reachable_time=30\nnet.ipv4.neigh.eth0.base_reachable_time_ms=30000"),
    ).toEqual([]);
    const ports = "net.ipv4.ip_local_reserved_ports";
    expect(refusedIn(`${ports}=80,81\n${ports.replaceAll(".", "/")}=80-81`)).toEqual([]);
  });

  it.each([
    ["net.ipv4.conf.default.forwarding=0", "net.ipv4.ip_forward=1"],
    ["net.ipv6.conf.eth0.disable_ipv6=0", "net.ipv6.conf.all.disable_ipv6=1"],
  ])("refuses %s before %s, which sets it too", (narrow, wide) => {
    const [first, second] = [narrow, wide].map((line) => line.slice(0, line.indexOf("=")));
    expect(refusedIn(`${narrow}\n${wide}`)).toEqual([
      `${second} must come before ${first}: the kernel sets that too, at each boot; swap the two`,
    ]);
    expect(refusedIn(`${wide}\n${narrow}`)).toEqual([]);
    expect(refusedIn(`${narrow}\n${wide.replace("=1", "=0")}`)).toEqual([]);
    expect(refusedIn(`${narrow.replace("=0", "=1")}\n${wide}`)).toEqual([]);
  });
});

describe("isSameKernelValue", () => {
  const isSame = (key: string, one: string, other: string) => isSameKernelValue(kernelFileOf(key), one, other);

  it("compares what the kernel writes its own way by its meaning: lists, sets of words, masks", () => {
    const ports = "net.ipv4.ip_local_reserved_ports";
    expect(isSame(ports, "8080,9000,9001", "8080,9000-9001")).toBe(true);
    expect(isSame(ports, "9001,8080,9000,80-82,", "80-82,8080,9000-9001")).toBe(true);
    expect(isSame(ports, "8080,9000", "8080,9000-9001")).toBe(false);
    expect(isSame(ports, "", "")).toBe(true);
    expect(isSame(ports, "", "80")).toBe(false);
    expect(isSame("kernel.watchdog_cpumask", "0,1,2,3", "0-3")).toBe(true);
    expect(isSame("kernel.seccomp.actions_logged", "errno trap", "trap errno")).toBe(true);
    expect(isSame("kernel.seccomp.actions_logged", "errno", "trap errno")).toBe(false);
    expect(isSame("net.core.flow_limit_cpu_bitmap", "0f", "f")).toBe(true);
    expect(isSame("net.core.rps_default_mask", "1,00000000", "00000001,00000000")).toBe(true);
    expect(isSame("net.core.rps_default_mask", "1,00000000", "1")).toBe(false);
    expect(isSame("sunrpc.nfs_debug", "32767", "0x7fff")).toBe(true);
  });

  it("compares all others as they are", () => {
    expect(isSame("vm.swappiness", "1", "1")).toBe(true);
    expect(isSame("vm.swappiness", "1", "01")).toBe(false);
    expect(isSame("net.ipv4.tcp_rmem", "1 2 3", "3 2 1")).toBe(false);
    expect(isSame("kernel.core_pattern", "8080,9000,9001", "8080,9000-9001")).toBe(false);
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
