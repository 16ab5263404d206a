import fc from "fast-check";
import { nfsMount } from "../../../providers/resources/nfsMount.ts";
import { putEntry } from "../../../providers/values/fstabText.ts";
import { exampleOf } from "../example.ts";
import { path, word } from "../generators.ts";
import { NOTHING_ELSE, seenAt } from "./fstabEntry.ts";

export const example = exampleOf(nfsMount, {
  least: {
    declared: {
      server: "192.168.1.101",
      export: "/volume1/cocodev",
      mountPoint: "/mnt/synology",
      version: "3",
      options: ["hard"],
    },
    added: { fstabLine: "192.168.1.101:/volume1/cocodev /mnt/synology nfs vers=3,hard 0 0" },
  },
  declared: {
    server: "192.168.1.101",
    export: "/volume1/cocodev",
    mountPoint: "/mnt/synology",
    version: "3",
    options: ["rsize=1048576", "_netdev", "nofail"],
  },
  drift: (machine) => void machine.mounts.pop(),
  drifted: { drift: ["mount /mnt/synology"] },
  takesAnyText: ["export", "mountPoint", "options"],

  inputs: fc.record({
    host: word,
    server: fc.constantFrom("nas", "192.168.1.101", "[fd00::1]"),
    export: path,
    mountPoint: path,
    version: fc.constantFrom("3" as const, "4" as const, "4.1" as const, "4.2" as const),
    options: fc.subarray(["rw", "hard", "rsize=1048576", "_netdev", "timeo=600"]),
  }),
  converged({ server, export: folder, mountPoint, version, options }) {
    const entry = {
      source: `${server}:${folder}`,
      mountPoint,
      type: "nfs",
      options: [`vers=${version}`, ...options],
      dump: 0,
      pass: 0,
    };
    return {
      text: putEntry("", entry),
      found: { entry, isOurs: true },
      mount: {
        target: mountPoint,
        source: entry.source,
        type: "nfs",
        root: "/",
        number: "0:40",
        mountOptions: ["rw", "relatime"],
        filesystemOptions: [
          "rw",
          `vers=${version === "4" ? "4.2" : version}`,
          "rsize=65536",
          "hard",
          "timeo=600",
          "addr=192.168.1.101",
        ],
      },
      ...NOTHING_ELSE,
      isSource: true,
      isSameSource: true,
      made: new Set<string>(),
    };
  },
  any: ({ mountPoint }) => seenAt(mountPoint),
});
