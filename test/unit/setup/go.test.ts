import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { goBuild, missingGo } from "../../../setup/go.ts";
import { ROOT } from "../../../setup/project.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-go-"));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts a `go` on the PATH that runs this shell text. */
async function fakeGo(text: string): Promise<void> {
  await writeFile(join(folder, "go"), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  vi.stubEnv("PATH", `${folder}${delimiter}${process.env.PATH}`);
}

describe("the Go that a build needs", () => {
  it.each(["go1.26", "go1.26.8", "go1.27rc1", "go1.100.0", "go2.0", "devel go1.28-0123456789"])(
    "is present with %s",
    async (version) => {
      await fakeGo(`echo '${version}'`);
      expect(await missingGo("linters")).toBeUndefined();
    },
  );

  it.each(["go1.25.9", "go1.3", "go0.99"])(
    "is missing with %s, and the message names both releases",
    async (version) => {
      await fakeGo(`echo '${version}'`);
      expect(await missingGo("cli")).toBe(`Go 1.26 or newer must be on the PATH to build it (found: ${version}).`);
    },
  );

  it("is missing where there is no go at all", async () => {
    vi.stubEnv("PATH", folder);
    expect(await missingGo("cli")).toBe("Go 1.26 or newer must be on the PATH to build it (found: none).");
  });
});

describe("a build with Go", () => {
  const source = "example.com/cmd/tool";

  it("runs in its module, changes neither go.mod nor go.sum, and leaves no temporary folder", async () => {
    await fakeGo(`{ pwd; echo "$@"; echo "$GOTMPDIR"; } >'${folder}/called'`);
    await goBuild("linters", { source, to: join(folder, "bin", "tool"), linkerFlags: "-X a=b" });
    const [where, words, temporary = ""] = (await readFile(join(folder, "called"), "utf8")).split("\n");
    expect(where).toBe(join(ROOT, "setup", "linters"));
    expect(words).toBe(
      `build -mod=readonly -buildvcs=false -ldflags -s -w -X a=b -o ${join(folder, "bin", "tool")} ${source}`,
    );
    await expect(readdir(temporary)).rejects.toThrow("ENOENT");
  });

  it("that fails says so with the last lines that Go printed", async () => {
    await fakeGo("printf 'one\\ntwo\\nthree\\nfour\\n' >&2; exit 1");
    await expect(goBuild("linters", { source, to: join(folder, "tool") })).rejects.toThrow(
      `go build ${source} failed: two three four`,
    );
  });

  it("ends with the signal's reason when it is stopped", async () => {
    await fakeGo("exec sleep 60");
    const stop = new AbortController();
    const build = goBuild("linters", { source, to: join(folder, "tool") }, stop.signal);
    stop.abort(new Error("no more space"));
    await expect(build).rejects.toThrow("no more space");
  });
});
