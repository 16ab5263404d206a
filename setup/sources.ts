/** The checkout's files, as git sees them. */
import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { sha256 } from "../providers/values/sha256.ts";
import { MissingNeed } from "./progress.ts";
import { ROOT } from "./project.ts";

/** Variables that decide when end-to-end tests run, not what they do. */
const OF_THE_RUN = ["JTS_STORAGE_E2E_MINUTES", "JTS_STORAGE_CHANGED_SINCE"];

/** What git prints; undefined where it fails. */
async function git(root: string, ...args: readonly string[]): Promise<string | undefined> {
  const { stdout, exitCode } = await execa("git", args, { cwd: root, reject: false, stdin: "ignore" });
  return exitCode === 0 ? stdout : undefined;
}

const paths = (text: string | undefined) => (text ?? "").split("\0").filter((path) => path !== "");

/** All files that git tracks, and new ones that it doesn't ignore; undefined outside a clone. */
export async function sourceFiles(root = ROOT): Promise<string[] | undefined> {
  const listed = await git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate");
  return listed === undefined ? undefined : paths(listed).sort();
}

/** A hash of such files and of the variables that tests read; undefined outside a clone. */
export async function stateOf(dependsOn: (file: string) => boolean, root = ROOT): Promise<string | undefined> {
  const files = await sourceFiles(root);
  if (files === undefined) return undefined;
  const contents = await Promise.all(
    files.filter(dependsOn).map(async (file) => {
      const path = join(root, file);
      const status = await lstat(path).catch(() => undefined);
      if (status === undefined) return [file, "absent"];
      const content = status.isSymbolicLink() ? await readlink(path) : await readFile(path, "base64");
      return [file, (status.mode & 0o111) !== 0, content];
    }),
  );
  const variables = Object.entries(process.env)
    .filter(([name]) => name.startsWith("JTS_STORAGE_") && !OF_THE_RUN.includes(name))
    .sort();
  return sha256(JSON.stringify([contents, variables]));
}

export interface Changes {
  /** Since when, in words. */
  readonly since: string;
  readonly files: readonly string[];
}

/**
 * The files that were committed since a revision, and those that aren't committed yet. Without a revision: since the
 * branch left origin/main. Where nothing changed since then, or without origin/main: since HEAD~1.
 */
export async function changes(revision?: string, root = ROOT): Promise<Changes> {
  if (revision !== undefined) return { since: revision, files: await changedSince(root, revision) };
  const base = await git(root, "merge-base", "HEAD", "origin/main");
  if (base !== undefined) {
    const files = await changedSince(root, base);
    if (files.length > 0) return { since: `origin/main, ${base.slice(0, 8)}`, files };
  }
  return { since: "HEAD~1", files: await changedSince(root, "HEAD~1") };
}

async function changedSince(root: string, revision: string): Promise<string[]> {
  const committed = await git(root, "diff", "--name-only", "--no-renames", "-z", revision, "--");
  if (committed === undefined)
    throw new MissingNeed(
      `git can't list what changed since ${revision}. Next: check that this clone has such a commit: git log ${revision}`,
    );
  const added = await git(root, "ls-files", "-z", "--others", "--exclude-standard");
  return [...new Set([...paths(committed), ...paths(added)])].sort();
}
