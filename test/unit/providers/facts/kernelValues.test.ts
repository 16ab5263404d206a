import { describe, expect, it } from "vitest";
import { kernelValues } from "../../../../providers/facts/kernelValues.ts";
import { fixture } from "../../../fixtures/fixture.ts";

const paths = [
  "/proc/sys/net/core/rmem_max",
  "/proc/sys/net/ipv4/tcp_rmem",
  "/sys/class/block/nvme0n1/queue/scheduler",
  "/proc/sys/net/core/no_such",
];
const values = kernelValues.parse(fixture("grep-kernel-values.txt", { exitCode: 2 }), paths);

describe("kernelValues", () => {
  it("reads a number, and several with single spaces", () => {
    expect(values.get(paths[0]!)).toEqual({ value: "212992" });
    expect(values.get(paths[1]!)).toEqual({ value: "4096 131072 6291456" });
  });

  it("reads the chosen value of several", () => {
    expect(values.get(paths[2]!)).toEqual({ value: "none", choices: ["none", "mq-deadline"] });
  });

  it("takes the brackets in a value of sysctl(8) for what they are", () => {
    const path = "/proc/sys/kernel/core_pattern";
    const parsed = kernelValues.parse({ stdout: `${path}:|/bin/x [%p]\n`, stderr: "", exitCode: 0 }, [path]);
    expect(parsed.get(path)).toEqual({ value: "|/bin/x [%p]" });
  });

  it("leaves out a file that doesn't exist", () => {
    expect(values.has(paths[3]!)).toBe(false);
  });

  it("does not confuse a path with another that begins with it", () => {
    expect(
      kernelValues.parse({ stdout: "/proc/a/bc:1\n", stderr: "", exitCode: 2 }, ["/proc/a/b", "/proc/a/bc"]),
    ).toEqual(new Map([["/proc/a/bc", { value: "1" }]]));
  });
});
