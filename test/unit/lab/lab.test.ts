import { beforeEach, describe, expect, it, vi } from "vitest";
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
