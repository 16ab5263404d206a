import fc from "fast-check";
import { configFile } from "../../../providers/resources/configFile.ts";
import { exampleOf } from "../example.ts";
import { ledgerOf, mode, optional, path, word } from "../generators.ts";

export const example = exampleOf(configFile, {
  least: {
    declared: { path: "/etc/sysctl.d/60-jts.conf", content: "net.core.rmem_max = 16777216\n" },
    added: { owner: "root", group: "root", mode: "644", activation: { kind: "none" } },
  },
  declared: {
    path: "/etc/sysctl.d/60-jts.conf",
    content: "net.core.rmem_max = 16777216\n",
    activation: { kind: "sysctl" },
  },
  drift: ({ kernel }) => void (kernel["/proc/sys/net/core/rmem_max"] = "1"),
  drifted: { drift: ["set /proc/sys/net/core/rmem_max to 16777216 (it is 1)"] },
  takesAnyText: ["path", "content", "activation.device", "activation.value"],

  inputs: fc.record({
    host: word,
    path,
    content: fc.string(),
    owner: word,
    group: word,
    mode,
    activation: fc.constantFrom(
      { kind: "none" as const },
      { kind: "sysctl" as const },
      { kind: "udev" as const, device: "/dev/sda", attribute: "queue/scheduler", value: "none" },
    ),
  }),
  converged: ({ content, owner, group, mode, activation }) => ({
    file: { type: "regular file", content, owner, group, mode },
    live: activation.kind === "none" ? [] : [{ path: "/proc/a", wanted: "1", value: "1" }],
    made: new Set<string>(),
  }),
  any({ path: file, content }) {
    const live = fc.record({
      path: fc.constant("/proc/a"),
      wanted: fc.constant("1"),
      value: optional(fc.constantFrom("1", "2")),
    });
    return fc.record({
      file: optional(
        fc.record({
          type: fc.constantFrom("regular file", "directory", "symbolic link"),
          owner: word,
          group: word,
          mode,
          content: fc.oneof(fc.constant(content), fc.string()),
        }),
      ),
      live: fc.array(live, { maxLength: 1 }),
      made: ledgerOf([`file ${file}`, "kernel /proc/a 0"]),
    });
  },
});
