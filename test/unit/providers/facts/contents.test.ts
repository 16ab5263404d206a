import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { contents, type ContentsArgs } from "../../../../providers/facts/contents.ts";
import { decode } from "../../../../providers/values/bytes.ts";
import type { Command } from "../../../../providers/host/command.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

const folder = mkdtempSync(join(tmpdir(), "jts-contents-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the program with tools that print what the real ones printed; wipefs prints it by the device's name. */
function run(command: Command, tools: Readonly<Record<string, string>>, onDevice: Readonly<Record<string, string>>) {
  const cases = Object.entries(onDevice).map(([device, name]) => `${device}) cat '${join(folder, name)}' ;;`);
  for (const name of [...Object.values(onDevice), ...Object.values(tools)]) {
    writeFileSync(join(folder, name), fixture(name).stdout);
  }
  const scripts = {
    wipefs: `case \${@: -1} in ${cases.join(" ")} *) echo "probing initialization failed" >&2; exit 1 ;; esac`,
    ...Object.fromEntries(Object.entries(tools).map(([tool, name]) => [tool, `cat '${join(folder, name)}'`])),
  };
  for (const [tool, text] of Object.entries(scripts)) {
    writeFileSync(join(folder, tool), `#!/bin/bash\n${text}\n`);
    chmodSync(join(folder, tool), 0o755);
  }
  return runLocally(command, { PATH: `${folder}:${process.env.PATH}` });
}

const look = (args: ContentsArgs, tools: Readonly<Record<string, string>>, name: string) =>
  contents.parse(run(contents.command(args), tools, { [args.device]: name }), args);
const signaturesIn = (name: string) => look({ device: "/dev/a", type: undefined }, {}, name).signatures;

describe("contents", () => {
  it.each([
    ["wipefs-ext4.json", [{ type: "ext4", label: "root", uuid: "00f48d8a-fa1c-4123-bdd2-79ac19142a25" }]],
    ["wipefs-xfs.json", [{ type: "xfs", label: undefined, uuid: "aa3dcce4-8b91-4408-b19f-835c05401174" }]],
    ["wipefs-btrfs.json", [{ type: "btrfs", label: "jts-warm-storage", uuid: "df6a9ed0-d1ee-47cf-9d94-f49dc6fedb68" }]],
    [
      "wipefs-lvm-member.json",
      [{ type: "LVM2_member", label: undefined, uuid: "9xqKsi-WkXd-m2qf-2Ma9-933T-fb42-perGY5" }],
    ],
  ])("reads the signatures of %s", (name, expected) => {
    expect(signaturesIn(name)).toEqual(expected);
  });

  it("reads every signature of a partition table, which has no label and no UUID", () => {
    expect(signaturesIn("wipefs-partition-table.json").map(({ type }) => type)).toEqual(["gpt", "gpt", "PMBR"]);
  });

  it("reads no signature where a probe that succeeded prints nothing", () => {
    expect(signaturesIn("wipefs-blank.txt")).toEqual([]);
  });

  it.each([
    ["dumpe2fs", "ext4", "wipefs-ext4.json", "dumpe2fs-redis.txt", 50 * 1024 ** 3],
    ["xfs_info", "xfs", "wipefs-xfs.json", "xfs_info-kafka.txt", 600 * 1024 ** 3],
    ["btrfs", "btrfs", "wipefs-btrfs.json", "btrfs-dump-super-warm.txt", 999_129_350_144],
  ])("reads with %s the size of an %s, and only if that is on the device", (tool, type, signed, said, bytes) => {
    expect(look({ device: "/dev/a", type }, { [tool]: said }, signed).bytes).toBe(bytes);
    expect(look({ device: "/dev/a", type }, { [tool]: said }, "wipefs-lvm-member.json").bytes).toBeUndefined();
    expect(look({ device: "/dev/a", type }, { [tool]: said }, "wipefs-blank.txt").bytes).toBeUndefined();
  });

  it("reads on how many devices a btrfs lies", () => {
    const args = { device: "/dev/a", type: "btrfs" };
    const tools = { btrfs: "btrfs-dump-super-warm.txt" };
    expect(look(args, tools, "wipefs-btrfs.json").devices).toBe(1);
    const many = fixture("btrfs-dump-super-warm.txt").stdout.replace(/(?<=^num_devices\s+)1$/m, "2");
    expect(many).toMatch(/^num_devices\t\t2$/m);
    run(contents.command(args), tools, { "/dev/a": "wipefs-btrfs.json" });
    writeFileSync(join(folder, "btrfs"), `#!/bin/bash\nprintf %s '${many}'\n`);
    const output = runLocally(contents.command(args), { PATH: `${folder}:${process.env.PATH}` });
    expect(contents.parse(output, args).devices).toBe(2);
  });

  it("reads a label that isn't UTF-8, and those after it", () => {
    const [before, after] = fixture("wipefs-ext4.json").stdout.split('"root"') as [string, string];
    const bytes = Buffer.from(`${before}"Pl\xe4tte"${after}`, "latin1");
    const section = (type: string) => Buffer.concat([Buffer.from(`${bytes.length} ${type} 0 1\n`), bytes]);
    const output = { stdout: decode(Buffer.concat([section("-"), section("4096")])), stderr: "", exitCode: 0 };
    const all = [0, 1].map((index) => {
      const args = { device: "/dev/a", type: "ext4" };
      return contents.parse(contents.together!.part(output, args, index), args);
    });
    expect(all.map(({ signatures, bytes }) => [signatures[0]?.label, bytes])).toEqual([
      ["Pl\uFFFDtte", undefined],
      ["Pl\uFFFDtte", 4096],
    ]);
  });

  it("reads many at once, each as by itself", () => {
    const onDevice = { "/dev/a": "wipefs-ext4.json", "/dev/b": "wipefs-blank.txt", "/dev/c": "wipefs-xfs.json" };
    const tools = { dumpe2fs: "dumpe2fs-redis.txt", xfs_info: "xfs_info-kafka.txt" };
    const all = [
      { device: "/dev/a", type: "ext4" },
      { device: "/dev/b", type: "ext4" },
      { device: "/dev/c", type: "xfs" },
    ];
    const output = run(contents.together!.command(all), tools, onDevice);
    expect(all.map((args, index) => contents.parse(contents.together!.part(output, args, index), args))).toEqual(
      all.map((args) => look(args, tools, onDevice[args.device as "/dev/a"])),
    );
  });

  it("fails where a probe fails, or where no size is printed", () => {
    const args = { device: "/dev/a", type: "ext4" };
    expect(run(contents.command({ ...args, device: "/dev/unreadable" }), {}, {})).toMatchObject({ exitCode: 1 });
    expect(
      run(contents.command(args), { dumpe2fs: "wipefs-ext4.json" }, { "/dev/a": "wipefs-ext4.json" }),
    ).toMatchObject({ exitCode: 1, stderr: "no size in what was said of the ext4 on /dev/a\n" });
    expect(contents.command(args).okExitCodes).toBeUndefined();
    for (const stdout of ["", "14 - 0\n{}", "2 - 0\n{}", "0 x 0\n", "0 1 x\n"]) {
      expect(() => contents.parse({ stdout, stderr: "", exitCode: 0 }, args)).toThrow();
    }
  });
});
