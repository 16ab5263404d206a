import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { pathStatus } from "../../../../providers/facts/pathStatus.ts";
import { fixture } from "../../../fixtures/fixture.ts";
import { runLocally } from "../runLocally.ts";

const folder = mkdtempSync(join(tmpdir(), "jts-paths-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("pathStatus", () => {
  it("reads owner, group and mode of a service's folders", () => {
    const paths = ["/var/lib/postgresql", "/var/lib/postgresql/data", "/var/lib/postgresql/logs"];
    const status = { type: "directory", owner: "postgres", group: "postgres", mode: "750" };
    expect(pathStatus.parse(fixture("stat-service-folders.txt"), paths)).toEqual(
      new Map(paths.map((path) => [path, status])),
    );
  });

  it("distinguishes absent paths from those that exist, as a real stat(1) prints them", () => {
    const [stdout, stderr] = [/^(?!stat:).*\n/gm, /^stat:.*\n/gm].map(
      (lines) => fixture("stat-root-and-absent.txt").stdout.match(lines)?.join("") ?? "",
    );
    const found = pathStatus.parse({ stdout: stdout!, stderr: stderr!, exitCode: 1 }, [
      "/",
      "/etc/fstab",
      "/etc/mtab",
      "/no/such",
      "/etc/fstab/below",
    ]);
    expect([...found].map(([path, { type }]) => [path, type])).toEqual([
      ["/", "directory"],
      ["/etc/fstab", "regular file"],
      ["/etc/mtab", "symbolic link"],
    ]);
  });

  it("reads names with spaces, tabs, quotes and backslashes, and follows no link", () => {
    const names = ["a b", "tab\tname", "it's", "back\\slash", 'double "', "ünïcode"].map((name) => join(folder, name));
    for (const name of names) mkdirSync(name);
    chmodSync(names[0]!, 0o1770);
    chmodSync(names[1]!, 0o040);
    const [file, link, absent] = [
      join(folder, "file"),
      join(folder, "link"),
      join(folder, "it's gone: No such file or directory"),
    ];
    writeFileSync(file, "");
    symlinkSync("a b", link);
    const paths = [...names, file, link, absent, join(file, "below")];
    const found = pathStatus.parse(runLocally(pathStatus.command(paths)), paths);
    expect([...found.keys()]).toEqual([...names, file, link]);
    expect([found.get(names[0]!)?.mode, found.get(names[1]!)?.mode]).toEqual(["1770", "040"]);
    expect(found.get(file)?.type).toBe("regular empty file");
    expect(found.get(link)?.type).toBe("symbolic link");
  });

  it("fails on a path that could not be looked at, instead of reading it as absent", () => {
    const output = { stdout: "", stderr: "stat: cannot statx '/mnt/nas/a': Permission denied\n", exitCode: 1 };
    expect(() => pathStatus.parse(output, ["/mnt/nas/a"])).toThrow("Permission denied");
    expect(() =>
      pathStatus.parse({ ...output, stderr: "stat: cannot statx '/mnt/nas/a': Stale file handle\n" }, ["/mnt/nas/a"]),
    ).toThrow("Stale");
    expect(pathStatus.command(["/a"]).okExitCodes, "124 is timeout(1)'s own").toEqual([0, 1]);
  });

  it("answers many at once as each by itself, and gives each only its own error", () => {
    const file = join(folder, "one file");
    writeFileSync(file, "");
    const all = [[folder, join(folder, "it's gone")], [join(folder, "gone")], [file, folder], [join(file, "below")]];
    const shared = runLocally(pathStatus.together!.command(all));
    for (const [index, paths] of all.entries())
      expect(pathStatus.parse(pathStatus.together!.part(shared, paths, index), paths)).toEqual(
        pathStatus.parse(runLocally(pathStatus.command(paths)), paths),
      );
    const output = {
      stdout: "directory\troot\troot\t755\t/mnt\n",
      stderr:
        "stat: cannot statx '/mnt/nas': Stale file handle\nstat: cannot statx '/mnt/gone': No such file or directory\n",
      exitCode: 1,
    };
    const read = (...paths: string[]) => pathStatus.parse(pathStatus.together!.part(output, paths, 0), paths);
    expect([...read("/mnt", "/mnt/gone").keys()]).toEqual(["/mnt"]);
    expect(() => read("/mnt", "/mnt/nas")).toThrow("Stale file handle");
  });
});
