import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MARKER } from "../../../setup/preview/markdown.ts";

const SCRIPT = fileURLToPath(new URL("../../../setup/preview/comment.sh", import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-comment-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Runs the script with a gh that logs its arguments, and whose `pr view` prints the URL of the earlier comment. */
async function comment(body: string, { number = "7", url = "" } = {}) {
  const gh = `#!/bin/sh
echo "$1 $2 $3 $4 $5 $6" >>'${folder}/calls'
[ "$2" != view ] || echo '${url}'
`;
  await writeFile(join(folder, "gh"), gh, { mode: 0o755 });
  await writeFile(join(folder, "calls"), "");
  await writeFile(join(folder, "preview.md"), body);
  const { exitCode, stderr } = await execa(SCRIPT, ["preview.md", number], {
    cwd: folder,
    env: { PATH: `${folder}${delimiter}${process.env.PATH}` },
    reject: false,
  });
  return { exitCode, stderr, calls: (await readFile(join(folder, "calls"), "utf8")).trimEnd().split("\n").slice(1) };
}

describe("comment.sh", () => {
  it("writes a comment where there is none", async () => {
    expect(await comment(`${MARKER}\nnew\n`)).toMatchObject({
      exitCode: 0,
      calls: ["pr comment 7 --body-file preview.md"],
    });
  });

  it("replaces its earlier comment", async () => {
    const url = "https://github.com/jts/storage/pull/7#issuecomment-1234";
    expect(await comment(`${MARKER}\nnew\n`, { url })).toMatchObject({
      exitCode: 0,
      calls: ["api --method PATCH repos/{owner}/{repo}/issues/comments/1234 --field body=@preview.md"],
    });
  });

  it.each([
    ["a file that isn't a preview", "hello\n", "7"],
    ["an empty file", "", "7"],
    ["a preview that is too long", `${MARKER}\n${"x".repeat(70_000)}\n`, "7"],
    ["a number that isn't one", `${MARKER}\n`, "7/../8"],
  ])("refuses %s", async (_, body, number) => {
    const { exitCode, stderr, calls } = await comment(body, { number });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/is not a (preview|valid number)/);
    expect(calls).toEqual([]);
  });
});
