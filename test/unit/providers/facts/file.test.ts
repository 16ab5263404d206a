import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { file } from "../../../../providers/facts/file.ts";
import { runLocally } from "../runLocally.ts";

const folder = mkdtempSync(join(tmpdir(), "jts-file-"));
afterAll(() => rmSync(folder, { recursive: true }));
const read = (path: string) => file.parse(runLocally(file.command(path)), path);

describe("file", () => {
  it.each(["", "\n", "one line\n", "no final line end", "\n\ntabs\tand ünïcode\r\n\n"])(
    "reads the content %j byte for byte, with owner and mode",
    (content) => {
      const path = join(folder, "a file");
      writeFileSync(path, content);
      chmodSync(path, 0o640);
      expect(read(path)).toMatchObject({ type: "regular file", owner: userInfo().username, mode: "640", content });
    },
  );

  it("reads a mode without bits as three digits, as they are declared", () => {
    const stdout = "0\tregular empty file\troot\troot\t0\n";
    expect(file.parse({ stdout, stderr: "", exitCode: 0 }, "/a")).toMatchObject({ type: "regular file", mode: "000" });
  });

  it("reads a folder and a link as what they are, without content", () => {
    symlinkSync("a file", join(folder, "link"));
    symlinkSync("nowhere", join(folder, "dangling"));
    expect(read(folder)).toMatchObject({ type: "directory", content: "" });
    expect(read(join(folder, "dangling"))).toMatchObject({ type: "symbolic link", content: "" });
  });

  it("reads an absent file as absent, also where its folder is absent", () => {
    expect(read(join(folder, "none"))).toBeUndefined();
    expect(read(join(folder, "no", "such", "folder", "none"))).toBeUndefined();
  });

  it("reads many at once, each as by itself, absent ones among them", () => {
    const paths = ["none", "a file", "dangling", "no/such/folder/none", "another\nfile"].map((name) =>
      join(folder, name),
    );
    writeFileSync(paths[1]!, "\n\nünïcode\n");
    writeFileSync(paths[4]!, "");
    const output = runLocally(file.together!.command(paths));
    const found = paths.map((path, index) => file.parse(file.together!.part(output, path, index), path));
    expect(found).toEqual(paths.map(read));
    expect(found.map((one) => one?.content)).toEqual([undefined, "\n\nünïcode\n", "", undefined, ""]);
  });

  it("fails where a file can't be read, or an output ends early", () => {
    expect(runLocally(file.command(join(folder, "a file", "below"))).exitCode).toBe(0);
    expect(() =>
      file.parse({ stdout: "9\tregular file\troot\troot\t644\nshort", stderr: "", exitCode: 0 }, "/a"),
    ).toThrow();
    expect(() => file.parse({ stdout: "", stderr: "", exitCode: 0 }, "/a")).toThrow();
    expect(file.command("/a").okExitCodes).toBeUndefined();
  });
});
