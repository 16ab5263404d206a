import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DriftReport, Finding } from "../../../setup/drift/drift.ts";
import { markerOf, renderDrift } from "../../../setup/drift/markdown.ts";
import { LONGEST_COMMENT } from "../../../setup/markdown.ts";
import { ROOT } from "../../../setup/project.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jts-ci-"));
  await writeFile(join(folder, "calls"), "");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (script: string, args: readonly string[], env: Record<string, string> = {}) =>
  execa(join(ROOT, script), args, {
    cwd: folder,
    env: { PATH: `${folder}${delimiter}${process.env.PATH}`, ...env },
    reject: false,
  });
const callsOf = async () => (await readFile(join(folder, "calls"), "utf8")).split("\n").filter((line) => line !== "");
const textOf = (name: string) => readFile(join(folder, name), "utf8");

describe.each(["setup/drift/issue.sh", "setup/ci/keys.sh", "setup/ci/up.sh"])("%s", (script) => {
  it("says how it is used, with --help, and with 2 where it is used otherwise", async () => {
    for (const help of ["--help", "-h"])
      expect(await run(script, [help])).toMatchObject({
        exitCode: 0,
        stdout: expect.stringMatching(/^Usage: /) as string,
      });
    const wrong = await run(script, ["what", "is", "this", "for", "then"]);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: "", stderr: expect.stringMatching(/^Usage: /) as string });
  });
});

describe("issue.sh", () => {
  const finding: Finding = {
    class: "heals-itself",
    keys: ["warm.options"],
    resource: "trading-warm-mount",
    kind: "FstabEntry",
    differences: [],
    found: [],
    steps: ["remount /data/warm-storage"],
    next: [],
    after: [],
  };
  const bodyOf = (drift: readonly Finding[], more: Partial<DriftReport> = {}) =>
    renderDrift({
      stack: "prod",
      lookedAt: "2026-06-30T02:00:00.000Z",
      hosts: [{ name: "trading", compared: 62, drift }],
      ...more,
    });
  const TITLE = "Storage drift of prod: 1 heals itself";

  /** Runs the script with a gh that logs its arguments, and whose `issue list` prints the open issue. */
  async function issue(body: string, { stack = "prod", open = "" } = {}) {
    const gh = `#!/bin/bash
printf '%s ' "$@" >>'${folder}/calls'
echo >>'${folder}/calls'
[[ $2 != list ]] || printf '%s\\n' '${open}'
`;
    await writeFile(join(folder, "gh"), gh, { mode: 0o755 });
    await writeFile(join(folder, "drift.md"), body);
    const { exitCode, stderr } = await run("setup/drift/issue.sh", ["drift.md", stack]);
    const [list = "", ...calls] = (await callsOf()).map((line) => line.trimEnd());
    return { exitCode, stderr, list, calls };
  }

  it("opens an issue with the label, where there is none", async () => {
    const { list, ...rest } = await issue(bodyOf([finding]));
    expect(rest).toMatchObject({
      exitCode: 0,
      calls: [
        expect.stringMatching(/^label create storage-drift --force /) as string,
        `issue create --title ${TITLE} --body-file drift.md --label storage-drift`,
      ],
    });
    expect(list).toContain(`issue list --label storage-drift --state open`);
    expect(list).toContain(`.body | startswith("${markerOf("prod")}")`);
  });

  it("updates the stack's open issue, without a word where its title stays", async () => {
    expect((await issue(bodyOf([finding]), { open: `7 ${TITLE}` })).calls).toEqual([
      `issue edit 7 --title ${TITLE} --body-file drift.md`,
    ]);
  });

  it("tells people by a comment where the title changes", async () => {
    const { calls } = await issue(bodyOf([finding, { ...finding, class: "needs-a-person" }]), { open: `7 ${TITLE}` });
    const title = "Storage drift of prod: 1 needs a person, 1 heals itself";
    expect(calls).toEqual([
      `issue edit 7 --title ${title} --body-file drift.md`,
      `issue comment 7 --body Now: ${title}`,
    ]);
  });

  it("closes the issue where there is no drift any more, and makes none for that", async () => {
    expect((await issue(bodyOf([]), { open: `7 ${TITLE}` })).calls).toEqual([
      "issue close 7 --comment No drift any more.",
    ]);
    await writeFile(join(folder, "calls"), "");
    expect(await issue(bodyOf([]))).toMatchObject({ exitCode: 0, calls: [] });
  });

  it.each<[string, Partial<DriftReport>]>([
    ["a host could not be asked", { hosts: [{ name: "trading", compared: 0, drift: [], problem: "no route" }] }],
    ["the configuration could not be read", { hosts: [], problem: "no such file" }],
  ])("keeps the issue open where %s", async (_, more) => {
    const { calls } = await issue(bodyOf([], more), { open: `7 ${TITLE}` });
    expect(calls.map((call) => call.slice(0, 12))).toEqual(["issue edit 7", "issue commen"]);
  });

  it("asks of gh what is true of its answers: the oldest open issue whose body starts with the marker", async () => {
    const { list } = await issue(bodyOf([]));
    const filter = list.slice(list.indexOf("--jq ") + "--jq ".length);
    const issues = [
      { number: 9, title: "newer", body: `${markerOf("prod")}\n` },
      { number: 5, title: "Storage drift of prod: x", body: `${markerOf("prod")}\n` },
      { number: 3, title: "another stack's", body: `${markerOf("prod2")}\n` },
      { number: 2, title: "quotes it", body: `see ${markerOf("prod")}` },
    ];
    const jq = await execa("jq", ["--raw-output", filter], { input: JSON.stringify(issues), reject: false });
    // Where there is no jq: gh has its own.
    if (jq.exitCode === undefined) return;
    expect(jq).toMatchObject({ exitCode: 0, stdout: "5 Storage drift of prod: x" });
  });

  it.each<[string, string, string]>([
    ["a file that is no report", "hello\n", "prod"],
    ["an empty file", "", "prod"],
    ["another stack's report", bodyOf([]), "dev"],
    ["a report without a status", `${markerOf("prod")}\n## Storage drift\n`, "prod"],
    ["a report that is too long", `${bodyOf([])}${"x".repeat(LONGEST_COMMENT)}`, "prod"],
    ["a stack's name with words of jq in it", bodyOf([]), 'prod") or (true'],
  ])("refuses %s", async (_, body, stack) => {
    const { exitCode, stderr, list } = await issue(body, { stack });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/is not a (report|valid name)/);
    expect(list).toBe("");
  });
});

describe("keys.sh", () => {
  const newKey = async (passphrase = "") => {
    const file = join(folder, `made-${passphrase}`);
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-f", file]);
    return (await readFile(file, "utf8")).trimEnd();
  };
  const keys = (what: string, env: Record<string, string>) => run("setup/ci/keys.sh", [what], { HOME: folder, ...env });

  it("writes the key that ssh(1) can read, for its user only, and removes it again", async () => {
    const key = await newKey();
    expect(await keys("write", { SSH_PRIVATE_KEY: key })).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    expect(await textOf(".ssh/jts")).toBe(`${key}\n`);
    expect((await stat(join(folder, ".ssh/jts"))).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, ".ssh"))).mode & 0o777).toBe(0o700);
    expect((await execa("ssh-keygen", ["-y", "-f", join(folder, ".ssh/jts")])).stdout).toMatch(/^ssh-ed25519 /);
    expect((await keys("write", { SSH_PRIVATE_KEY: key })).exitCode).toBe(0);
    expect((await keys("remove", { SSH_PRIVATE_KEY: key })).exitCode).toBe(0);
    await expect(stat(join(folder, ".ssh/jts"))).rejects.toThrow("ENOENT");
  });

  it("leaves a key of the machine's own alone, refuses to replace it, and says what to do", async () => {
    await mkdir(join(folder, ".ssh"));
    await writeFile(join(folder, ".ssh/jts"), "its own\n");
    const key = await newKey();
    const { exitCode, stderr } = await keys("write", { SSH_PRIVATE_KEY: key });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("Next: ")]);
    expect(stderr).not.toContain(key.split("\n")[1]);
    expect((await keys("remove", { SSH_PRIVATE_KEY: key })).exitCode).toBe(0);
    expect((await keys("write", {})).exitCode).toBe(0);
    expect(await textOf(".ssh/jts")).toBe("its own\n");
  });

  it.each(["a key with a passphrase", "no key"])("refuses %s, and leaves nothing", async (what) => {
    const key = what === "no key" ? "ssh-ed25519 AAAA" : await newKey("secret");
    expect((await keys("write", { SSH_PRIVATE_KEY: key })).exitCode).toBe(1);
    await expect(stat(join(folder, ".ssh/jts"))).rejects.toThrow("ENOENT");
    await expect(stat(join(folder, ".ssh/jts.new"))).rejects.toThrow("ENOENT");
  });

  it("adds lines to known_hosts once, and keeps those that are there", async () => {
    await mkdir(join(folder, ".ssh"));
    await writeFile(join(folder, ".ssh/known_hosts"), "old ssh-ed25519 A\n");
    for (let n = 0; n < 2; n++) await keys("write", { SSH_KNOWN_HOSTS: "jump ssh-ed25519 B\n-jump2 ssh-ed25519 C" });
    expect(await textOf(".ssh/known_hosts")).toBe("old ssh-ed25519 A\njump ssh-ed25519 B\n-jump2 ssh-ed25519 C\n");
  });
});

describe("up.sh", () => {
  /** A pulumi that logs its arguments, and whose preview saves a plan with these steps. */
  async function up(args: readonly string[], { steps = ["create"], exitCode = 0, env = {} } = {}) {
    const plan = { resourcePlans: { a: { steps: ["same"] }, b: { steps } } };
    const pulumi = `#!/bin/bash
echo "$*" >>'${folder}/calls'
echo "what it would do"
while (($#)); do if [[ $1 == --save-plan ]]; then echo '${JSON.stringify(plan)}' >"$2"; fi; shift; done
exit ${exitCode}
`;
    await writeFile(join(folder, "pulumi"), pulumi, { mode: 0o755 });
    return run("setup/ci/up.sh", args, { PULUMI: join(folder, "pulumi"), ...env });
  }

  it("plans without changing anything, shows the preview, and carries out just the saved plan", async () => {
    const plan = join(folder, "plan-prod");
    const summary = join(folder, "summary");
    const env = { GITHUB_STEP_SUMMARY: summary };
    expect(await up(["plan", "prod", plan, ""], { env })).toMatchObject({ exitCode: 0, stdout: "what it would do" });
    expect(await readFile(summary, "utf8")).toBe("## prod\n\n~~~~~~~~text\nwhat it would do\n\n~~~~~~~~\n");
    expect(await up(["carry-out", "prod", plan])).toMatchObject({ exitCode: 0 });
    const [previewed = "", carriedOut = ""] = await callsOf();
    expect(previewed).toMatch(/^preview --stack prod .*--refresh=false --save-plan \S*\/plan-prod\/plan\.json$/);
    expect(carriedOut).toMatch(/^up --stack prod --yes .*--refresh=false --plan \S*\/plan-prod\/plan\.json$/);
  });

  it("reads the hosts in both parts, where the plan did", async () => {
    const plan = join(folder, "plan-prod");
    await up(["plan", "prod", plan, "--refresh"]);
    await up(["carry-out", "prod", plan]);
    expect((await callsOf()).map((call) => /--refresh=(\w+)/.exec(call)?.[1])).toEqual(["true", "true"]);
  });

  it("names the stacks whose plan has changes", async () => {
    await up(["plan", "prod", join(folder, "plans/plan-prod")], { steps: ["update"] });
    await up(["plan", "same", join(folder, "plans/plan-same")], { steps: ["same"] });
    await up(["plan", "gone", join(folder, "plans/plan-gone")], { steps: ["delete"] });
    const output = join(folder, "output");
    const { stdout } = await up(["changed", join(folder, "plans")], { env: { GITHUB_OUTPUT: output } });
    expect(stdout).toBe('stacks=["gone","prod"]');
    expect(await readFile(output, "utf8")).toBe('stacks=["gone","prod"]\n');
    // What a download of one artifact may look like.
    expect((await up(["changed", join(folder, "plans/plan-prod")])).stdout).toBe('stacks=["prod"]');
    expect((await up(["changed", join(folder, "plans/plan-same")])).stdout).toBe("stacks=[]");
  });

  it("ends as the preview ends, and leaves no plan of an earlier run then", async () => {
    const plan = join(folder, "plan-prod");
    await up(["plan", "prod", plan]);
    expect((await up(["plan", "prod", plan], { exitCode: 255 })).exitCode).toBe(255);
    expect((await up(["changed", plan])).stdout).toBe("stacks=[]");
    expect(await up(["carry-out", "prod", plan])).toMatchObject({ exitCode: 2 });
  });

  it("never carries out another stack's plan, and says what to do after an `up` that fails", async () => {
    const plan = join(folder, "plan-dev");
    await up(["plan", "dev", plan]);
    expect(await up(["carry-out", "prod", plan])).toMatchObject({
      exitCode: 2,
      stderr: `${plan} has no plan of prod. Next: setup/ci/up.sh plan prod ${plan}`,
    });
    expect(await callsOf()).toHaveLength(1);
    const failed = await up(["carry-out", "dev", plan], { exitCode: 255 });
    expect(failed).toMatchObject({ exitCode: 255, stderr: expect.stringContaining("Next: ") as string });
  });
});
