import { cmd } from "../host/command.ts";
import type { Fact } from "./fact.ts";

/** Which of these Debian packages are installed, and in which version, see dpkg-query(1). */
export const installedPackages: Fact<readonly string[], ReadonlyMap<string, string>> = {
  name: "the packages",
  about: ["packages"],
  // It ends with 1 where dpkg has never heard of one of them, and still prints the others.
  command: (names) => ({
    ...cmd`dpkg-query --show ${"--showformat=${Package}\\t${db:Status-Status}\\t${Version}\\n"} -- ${names}`,
    okExitCodes: [0, 1],
  }),
  parse({ stdout, stderr }, names) {
    // The words for a package that dpkg doesn't know, of which it has no other sign; in the C locale.
    const unknown = stderr.split("\n").filter((line) => /: no packages found matching /.test(line)).length;
    const rows = stdout.split("\n").flatMap((line) => (line === "" ? [] : [line.split("\t")]));
    const known = new Set(rows.map(([name]) => name));
    // A package may have a row for each architecture.
    if (known.size + unknown !== new Set(names).size) throw new Error(stderr.trim() || "it names other packages");
    return new Map(
      rows.flatMap(([name = "", status, version = ""]) => (status === "installed" ? [[name, version]] : [])),
    );
  },
};

/** The release of the kernel that runs, such as 6.1.0-39-cloud-amd64. */
export const kernelRelease: Fact<undefined, string> = {
  name: "the kernel's release",
  // It changes only with a boot, which ends every session.
  about: [],
  command: () => cmd`uname --kernel-release`,
  parse: ({ stdout }) => stdout.trim(),
};
