import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { program } from "../../../../providers/programs/program.ts";
import { runLocally } from "../runLocally.ts";

const folder = mkdtempSync(join(tmpdir(), "jts-signs-"));
afterAll(() => rmSync(folder, { recursive: true }));
const device = join(folder, "device");
writeFileSync(device, "");

/** What the tools print for a blank disk of 4 TB; each value is shell. */
const blank = {
  wipefs: "true",
  dd: "true",
  "*--output SERIAL*": "printf '\\nJTSNVME0001 \\n'",
  "*--output NAME,TYPE*": "echo '/dev/nvme0n1 disk 4000787030016 259:0'",
};

/** Runs the program on a file that stands for a device, with tools that answer as given. */
function look(tools: Partial<Record<keyof typeof blank | "unshare", string>>, ...expected: string[]) {
  const { wipefs, dd, unshare, ...lsblk } = { ...blank, unshare: "exit 1", ...tools };
  const scripts = {
    wipefs,
    dd,
    unshare,
    lsblk: `case "$*" in ${Object.entries(lsblk)
      .map(([words, answer]) => `${words.replace(" ", "\\ ")}) ${answer};;`)
      .join("\n")}\nesac`,
  };
  for (const [name, text] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const { argv } = program("find-signs-of-use", device, ...expected);
  return runLocally(
    { argv: argv.map((text) => text.replace("[[ -b ", "[[ -f ").replaceAll("--tmpdir=/run", `--tmpdir=${folder}`)) },
    { PATH: `${folder}:${process.env.PATH}` },
  );
}

describe("find-signs-of-use", () => {
  it("finds no sign on a blank device of the expected size and serial number", () => {
    expect(look({}, "4000787030016", "JTSNVME0001")).toEqual({ stdout: "", stderr: "", exitCode: 0 });
  });

  it.each<[string, Parameters<typeof look>[0], string]>([
    [
      "a filesystem's signature, with its label and UUID",
      { wipefs: "echo 'btrfs df6a9ed0-d1ee my data'" },
      "a signature of btrfs, label my data, UUID df6a9ed0-d1ee",
    ],
    ["a signature without a label", { wipefs: "echo 'xfs  aa3dcce4'" }, "a signature of xfs, UUID aa3dcce4"],
    ["a partition table", { wipefs: "echo gpt" }, "a signature of gpt"],
    [
      "a partition",
      { "*--output NAME,TYPE*": "printf '/dev/sda disk 4000787030016 8:0\\n/dev/sda1 part 1 8:1\\n'" },
      "part /dev/sda1 on it",
    ],
    [
      "a holder",
      { "*--output NAME,TYPE*": "printf '/dev/sda disk 4000787030016 8:0\\n/dev/mapper/vg-lv lvm 1 253:0\\n'" },
      "lvm /dev/mapper/vg-lv on it",
    ],
    [
      "another size",
      { "*--output NAME,TYPE*": "echo '/dev/sda disk 1000204886016 8:0'" },
      "its size is 1000204886016 bytes instead of 4000787030016",
    ],
    [
      "another serial number",
      { "*--output SERIAL*": "echo OTHER" },
      "its serial number is OTHER instead of JTSNVME0001",
    ],
    ["no serial number", { "*--output SERIAL*": "echo" }, "its serial number is unknown instead of JTSNVME0001"],
  ])("reports %s", (_what, tools, sign) => {
    expect(look(tools, "4000787030016", "JTSNVME0001")).toEqual({ stdout: `${sign}\n`, stderr: "", exitCode: 10 });
  });

  it("treats a filesystem whose making was interrupted as blank, but only where a look into it finds it empty", () => {
    const of = (type: string, unshare: string) =>
      look({ wipefs: `echo '${type} df6a9ed0-d1ee jts-making'`, unshare }, "4000787030016").exitCode;
    for (const type of ["ext4", "xfs", "btrfs"]) expect([of(type, "exit 0"), of(type, "exit 1")]).toEqual([0, 10]);
    expect(of("swap", "exit 0")).toBe(10);
  });

  it("looks into it in a folder of its own: /mnt may be a link, or not be there", () => {
    const wipefs = "echo 'ext4 df6a9ed0-d1ee jts-making'";
    // The last argument is the mount point; nothing is mounted here.
    const seenAs = (inside: string) =>
      look({
        wipefs,
        unshare: `point=\${!#}; [[ $point == ${folder}/jts-storage.* ]] || exit 3; mkdir $point/lost+found; ${inside}
PATH=${folder}/mounted:$PATH; shift 2; "$@"; code=$?; rm -r $point/*; exit $code`,
      }).exitCode;
    mkdirSync(join(folder, "mounted"), { recursive: true });
    writeFileSync(join(folder, "mounted/mount"), "#!/bin/bash\n", { mode: 0o755 });
    expect([seenAs("true"), seenAs("touch $point/file")]).toEqual([0, 10]);
    expect(readdirSync(folder).filter((name) => name.startsWith("jts-storage."))).toEqual([]);
  });

  it("reports where the device is mounted", () => {
    const [, , number, , target] = readFileSync("/proc/self/mountinfo", "utf8").split("\n", 1)[0]!.split(" ");
    const { stdout, exitCode } = look({ "*--output NAME,TYPE*": `echo /dev/sda disk 4000787030016 ${number}` });
    expect([stdout.split("\n"), exitCode]).toEqual([expect.arrayContaining([`mounted at ${target}`]), 10]);
  });

  it.each(Object.keys(blank) as (keyof typeof blank)[])("never calls a device blank when %s fails", (tool) => {
    const { exitCode } = look({ [tool]: "exit 1" }, "4000787030016", "JTSNVME0001");
    // A serial number that can't be read is a sign: it isn't the expected one.
    expect(exitCode).toBe(tool === "*--output SERIAL*" ? 10 : 1);
  });

  it("never calls a missing device blank, nor a file that is not a device", () => {
    expect(runLocally(program("find-signs-of-use", join(folder, "none"))).exitCode).toBe(2);
    expect(runLocally(program("find-signs-of-use", device)).exitCode).toBe(2);
  });
});
