import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { changes, stateOf } from "../../../setup/sources.ts";

let root: string;
const git = (...args: string[]) => execa("git", args, { cwd: root });
const write = (file: string, text: string) => writeFile(join(root, file), text);
const commit = async (message: string) => {
  await git("add", "--all");
  await git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", message);
};

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "jts-sources-"));
  await git("init", "--quiet", "--initial-branch", "main");
  await write(".gitignore", "ignored\n");
  await write("code", "1");
  await write("text.md", "1");
  await commit("first");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true });
});

describe("the state of the checkout", () => {
  const state = () => stateOf((file) => !file.endsWith(".md"), root);

  it.each<[string, () => Promise<unknown>]>([
    ["a file that changes", () => write("code", "2")],
    ["a new file", () => write("new", "1")],
    ["a file that goes", () => rm(join(root, "code"))],
    ["a file that becomes executable", () => chmod(join(root, "code"), 0o755)],
    ["a variable of the tests", () => Promise.resolve(vi.stubEnv("JTS_STORAGE_KILLS", "1000"))],
  ])("differs after %s", async (_, change) => {
    const before = await state();
    await change();
    expect(await state()).not.toBe(before);
  });

  it("is the same after a commit, and after a change that is ignored, can't matter, or only says when tests run", async () => {
    await write("code", "2");
    const before = await state();
    await commit("second");
    await write("ignored", "2");
    await write("text.md", "2");
    vi.stubEnv("JTS_STORAGE_E2E_MINUTES", "5");
    expect(await state()).toBe(before);
  });

  it("is unknown outside a clone", async () => {
    await rm(join(root, ".git"), { recursive: true });
    expect(await state()).toBeUndefined();
  });
});

describe("what changed", () => {
  beforeEach(async () => {
    await write("second", "1");
    await commit("second");
  });

  it("since a revision, with what isn't committed or new", async () => {
    await write("code", "2");
    await write("new", "1");
    await write("ignored", "1");
    expect((await changes("HEAD", root)).files).toEqual(["code", "new"]);
    expect((await changes("HEAD~1", root)).files).toEqual(["code", "new", "second"]);
  });

  it("has both names of a file that was renamed", async () => {
    await git("mv", "code", "moved");
    expect((await changes("HEAD", root)).files).toEqual(["code", "moved"]);
  });

  it("without a revision: since the branch left origin/main", async () => {
    await git("update-ref", "refs/remotes/origin/main", "HEAD~1");
    await write("new", "1");
    expect((await changes(undefined, root)).files).toEqual(["new", "second"]);
  });

  it("on origin/main itself: since the last commit but one", async () => {
    await git("update-ref", "refs/remotes/origin/main", "HEAD");
    expect(await changes(undefined, root)).toEqual({ since: "HEAD~1", files: ["second"] });
    await write("code", "2");
    expect((await changes(undefined, root)).files).toEqual(["code"]);
  });

  it("without origin/main: since the last commit but one", async () => {
    await write("code", "2");
    expect(await changes(undefined, root)).toEqual({ since: "HEAD~1", files: ["code", "second"] });
  });

  it("since a commit that isn't there is refused", async () => {
    await expect(changes("HEAD~30", root)).rejects.toThrow("git can't list what changed since HEAD~30");
  });
});
