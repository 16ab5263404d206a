import { beforeEach, describe, expect, it, vi } from "vitest";
import { execa } from "execa";
import { ROOT } from "../../../setup/project.ts";
import { leftAsFound, type down, type status } from "../../../lab/lab.ts";

const lab = { status: vi.fn<typeof status>(), down: vi.fn<typeof down>() };
const IDLE = { machine: "storage-host", pid: undefined, sshPort: undefined, answers: false } as const;
const RUNS = { machine: "nas", pid: 1, sshPort: 2, answers: true } as const;

describe("work that may start the lab", () => {
  beforeEach(() => void vi.resetAllMocks());

  it("takes the machines down afterwards where none ran before, whatever fails", async () => {
    lab.status.mockResolvedValue([IDLE]);
    expect(await leftAsFound(() => Promise.resolve(7), lab)).toBe(7);
    expect(lab.down.mock.calls).toEqual([[{ hard: true }]]);
    await expect(leftAsFound(() => Promise.reject(new Error("no")), lab)).rejects.toThrow("no");
    expect(lab.down).toHaveBeenCalledTimes(2);
  });

  it("leaves them up where one of them ran before", async () => {
    lab.status.mockResolvedValue([IDLE, RUNS]);
    await leftAsFound(() => Promise.resolve(), lab);
    expect(lab.down).not.toHaveBeenCalled();
  });
});

describe("a release of Debian", () => {
  /** The folder of the lab, and what missingImage() says, with this release in the environment. */
  const labOf = async (release: string) => {
    const program = `
      import { LAB } from "./lab/folders.ts";
      import { missingImage } from "./lab/image/build.ts";
      const needs = await missingImage().then((found) => found.length, (error) => error.message);
      console.log(JSON.stringify({ folder: LAB.split("/").at(-1), needs }));
    `;
    const { stdout } = await execa(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: ROOT,
      env: { JTS_STORAGE_LAB_DEBIAN: release },
    });
    return JSON.parse(stdout) as { folder: string; needs: number | string };
  };

  it("has a lab of its own", async () => {
    expect((await labOf("12")).folder).toBe("lab");
    expect((await labOf("13")).folder).toBe("lab-debian-13");
  });

  it("is refused where the lab has no such machines", async () => {
    expect((await labOf("11")).needs).toBe(
      "The lab has no such release of Debian. Next: set JTS_STORAGE_LAB_DEBIAN to 12 or 13.",
    );
  });
});
