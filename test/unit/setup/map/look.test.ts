import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { dataOfVolumes, healthReport, usage } from "../../../../setup/map/look.ts";

const output = (stdout: string, exitCode = 0) => ({ stdout, stderr: "", exitCode });

describe("how full a filesystem is", () => {
  it("is read from df of this machine", () => {
    const [program = "", ...args] = usage.command("/").argv;
    const { stdout, status } = spawnSync(program, args, { encoding: "utf8" });
    const fill = usage.parse(output(stdout, status ?? -1), "/");
    expect(fill?.wholeBytes).toBeGreaterThan(2 ** 20);
    expect(fill?.usedBytes).toBeLessThanOrEqual(fill?.wholeBytes ?? 0);
    expect(fill?.percent).toBeLessThanOrEqual(100);
  });

  it("is the share of what users can have, rounded up, as df reports it", () => {
    const printed = "    1B-blocks      Used     Avail\n 1000 455 500\n";
    expect(usage.parse(output(printed), "/")).toEqual({ usedBytes: 455, wholeBytes: 1000, percent: 48 });
  });

  it("is not known where df fails or is killed", () => {
    for (const exitCode of [1, 124, 137]) expect(usage.parse(output("", exitCode), "/")).toBeUndefined();
  });
});

describe("how full snapshots and thin pools are", () => {
  it("is known of those of which LVM says it", () => {
    const rows = [
      { vg_name: "vg_jts", lv_name: "lv_postgres", data_percent: "" },
      { vg_name: "vg_jts", lv_name: "snap", data_percent: "37.20" },
    ];
    const parsed = dataOfVolumes.parse(output(JSON.stringify({ report: [{ lv: rows }] })), undefined);
    expect(parsed).toEqual(new Map([["vg_jts/snap", 37.2]]));
  });

  it("is nothing on a host without LVM", () => {
    expect(dataOfVolumes.parse(output("", 127), undefined)).toEqual(new Map());
  });
});

describe("the health report", () => {
  const written = {
    version: 1,
    at: "2026-03-01T10:07:12Z",
    host: "trading",
    level: "critical",
    findings: [
      { level: "ok", subject: "hot", fact: "mounted" },
      { level: "critical", subject: "warm", fact: "it is not mounted", remedy: "mount it" },
    ],
    figures: [],
  };

  it("is taken with the findings that aren't ok", () => {
    const { level, at, findings } = healthReport.parse(output(JSON.stringify(written)), undefined)!;
    expect([level, at]).toEqual(["critical", "2026-03-01T10:07:12Z"]);
    expect(findings).toEqual([{ level: "critical", subject: "warm", fact: "it is not mounted" }]);
  });

  it("is absent where there is none, and unreadable where it is another's or broken", () => {
    expect(healthReport.parse(output("", 1), undefined)).toBeUndefined();
    for (const text of ["{", JSON.stringify({ ...written, version: 2 })])
      expect(healthReport.parse(output(text), undefined)?.level).toBe("unreadable");
  });
});
