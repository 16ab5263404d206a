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
    expect(file.parse({ stdout: "regular empty file\troot\troot\t0\n", stderr: "", exitCode: 0 }, "/a")?.mode).toBe(
      "000",
    );
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

  it("takes no other exit code than the program's own for absent", () => {
    expect(file.command("/a").okExitCodes).toEqual([0, 10]);
  });
});
