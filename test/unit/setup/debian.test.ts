import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { unpackFromPackage } from "../../../setup/debian.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-debian-"));
  const control = "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: a\n";
  await mkdir(join(folder, "thing/DEBIAN"), { recursive: true });
  await writeFile(join(folder, "thing/DEBIAN/control"), control);
  await mkdir(join(folder, "thing/usr/bin"), { recursive: true });
  await writeFile(join(folder, "thing/usr/bin/tool"), "the tool\n", { mode: 0o755 });
  await execa("dpkg-deb", ["--root-owner-group", "--build", "thing", "thing_1_all.deb"], { cwd: folder });
  await mkdir(join(folder, "programs"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts an `apt-get` on the PATH that does this for `download`, and notes each call. */
async function fakeApt(download: string): Promise<void> {
  const text = `#!/bin/sh
echo "$*" >>'${folder}/calls'
case $* in
  *update) touch '${folder}/updated' ;;
  *download*) ${download} ;;
esac
`;
  await writeFile(join(folder, "programs/apt-get"), text, { mode: 0o755 });
  vi.stubEnv("PATH", `${join(folder, "programs")}${delimiter}${process.env.PATH}`);
}
const calls = async () => (await readFile(join(folder, "calls"), "utf8")).trim().split("\n");
const take = () => unpackFromPackage("thing", "usr/bin/tool", join(folder, "bin/tool"));
const copy = () => `cp '${folder}/thing_1_all.deb' .`;

describe("a file of a Debian package", () => {
  it("is taken out of it, and nothing is installed or left behind", async () => {
    await fakeApt(copy());
    await take();
    expect(await readFile(join(folder, "bin/tool"), "utf8")).toBe("the tool\n");
    expect(await readdir(join(folder, "bin"))).toEqual(["tool"]);
    expect(await calls()).toEqual(["-qq download thing"]);
  });

  it("comes after an update where apt's lists are too old", async () => {
    await fakeApt(`[ -e '${folder}/updated' ] || exit 100; ${copy()}`);
    await take();
    expect(await readdir(join(folder, "bin"))).toEqual(["tool"]);
    expect(await calls()).toEqual(["-qq download thing", "-qq update", "-qq download thing"]);
  });

  it("that can't be downloaded is an error that says why, and what to do", async () => {
    await fakeApt("echo 'E: Unable to locate package thing' >&2; exit 100");
    await expect(take()).rejects.toThrow(/thing: E: Unable to locate package thing\. Next: apt-get update/);
    expect(await readdir(join(folder, "bin"))).toEqual([]);
  });
});
