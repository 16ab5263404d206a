import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ROOT } from "../../../setup/project.ts";

interface Step {
  readonly if?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly with?: Record<string, unknown>;
}

interface Job {
  readonly needs?: string | readonly string[];
  readonly if?: string;
  readonly environment?: string;
  readonly concurrency?: { readonly group: string; readonly "cancel-in-progress": boolean };
  readonly strategy?: { readonly "max-parallel"?: number };
  readonly permissions?: Record<string, string>;
  readonly "timeout-minutes"?: number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Record<string, unknown>;
  readonly permissions: Record<string, string>;
  readonly concurrency: { readonly group: string; readonly "cancel-in-progress": boolean };
  readonly jobs: Record<string, Job>;
}

const FOLDER = join(ROOT, ".github", "workflows");
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  readonly scripts: Record<string, string>;
};

describe.each(readdirSync(FOLDER))("the workflow %s", (name) => {
  const text = readFileSync(join(FOLDER, name), "utf8");
  const workflow = parse(text) as Workflow;
  const jobs = Object.entries(workflow.jobs);
  const steps = jobs.flatMap(([, { steps }]) => steps);
  const isOnPullRequest = Object.keys(workflow.on).includes("pull_request");
  const runs = steps.flatMap(({ run }) => (run === undefined ? [] : run.trim().split("\n")));

  it("pins every action by the full hash of a commit, names its version, and uses one version of each", () => {
    const versions = new Map<string, string>();
    for (const line of text.split("\n").filter((one) => one.includes("uses:"))) {
      const [, action = "", hash = "", version = ""] =
        /uses: ([\w.-]+\/[\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)$/.exec(line) ?? [];
      expect(action, line).not.toBe("");
      expect(versions.get(action) ?? `${hash} ${version}`).toBe(`${hash} ${version}`);
      versions.set(action, `${hash} ${version}`);
    }
    expect(versions.size).toBeGreaterThan(0);
  });

  it("runs only scripts of ours, which run the same outside", () => {
    for (const run of runs) {
      const [, script, file = ""] =
        /^(?:npm (?:run (?:--silent )?)?([\w:-]+)|(\.?[\w][\w./-]*))(?: |$)/.exec(run) ?? [];
      if (script === undefined) expect(() => accessSync(join(ROOT, file), constants.X_OK), run).not.toThrow();
      else expect(scripts, run).toHaveProperty([script]);
      // Values from outside are passed in variables, never in the text of a script; and one line is one command.
      expect(run).not.toMatch(/\$\{\{|[;&|`<>]|\$\(/);
      expect(run.replaceAll(/"[^"]*"/g, "")).not.toContain("$");
    }
    expect(runs.length).toBeGreaterThan(0);
  });

  it("never runs on pull_request_target, whose token may write", () => {
    expect(Object.keys(workflow.on)).not.toContain("pull_request_target");
    expect(Object.keys(workflow.on)).not.toContain("workflow_run");
  });

  it("cancels runs that a newer push has made stale, but none that changes hosts, and limits the time of every job", () => {
    const changesHosts = runs.some((run) => /^(setup\/ci\/up\.sh carry-out |npm run fleet -- "\$OPERATION")/.test(run));
    expect(workflow.concurrency).toMatchObject({ "cancel-in-progress": !changesHosts });
    for (const [job, { "timeout-minutes": minutes }] of jobs) expect(minutes, job).toBeGreaterThan(0);
  });

  it("gives jobs that run the code of a change a token that may only read the contents, and no secret", () => {
    expect(workflow.permissions).toEqual({});
    for (const [job, { permissions, environment, steps }] of jobs) {
      if (Object.values(permissions ?? {}).includes("write")) continue;
      expect(permissions, job).toEqual({ contents: "read" });
      expect(JSON.stringify(steps), job).not.toContain("github.token");
      // Secrets are those of an environment, which takes only the main branch.
      if (isOnPullRequest || environment === undefined) expect(JSON.stringify(steps), job).not.toContain("secrets.");
    }
    for (const { uses, with: inputs } of steps)
      if (uses?.startsWith("actions/checkout@") === true)
        expect(inputs).toMatchObject({ "persist-credentials": false });
  });

  it("runs only the base branch's code, and never for a fork, in jobs whose token may write comments or issues", () => {
    for (const [job, { permissions = {}, environment, if: condition, steps }] of jobs) {
      if (!Object.values(permissions).includes("write")) continue;
      expect(permissions, job).toEqual({
        contents: "read",
        [isOnPullRequest ? "pull-requests" : "issues"]: "write",
      });
      expect(environment, job).toBeUndefined();
      if (isOnPullRequest)
        expect(condition, job).toContain("github.event.pull_request.head.repo.full_name == github.repository");
      for (const { uses, run, with: inputs } of steps) {
        expect(uses ?? "", job).toMatch(/^(actions\/(checkout|download-artifact)@.*)?$/);
        if (uses?.startsWith("actions/checkout@") === true && isOnPullRequest)
          expect(inputs).toMatchObject({ ref: "${{ github.event.pull_request.base.sha }}" });
        // npm would run scripts of the packages.
        expect(run ?? "", job).not.toMatch(/^(npm|npx|node) /);
      }
    }
  });

  it("takes the key away again, whatever failed, in jobs that got it", () => {
    for (const [job, { steps }] of jobs) {
      if (!steps.some(({ run }) => run === "setup/ci/keys.sh write")) continue;
      expect(
        steps.filter(({ run }) => run === "setup/ci/keys.sh remove").map(({ if: condition }) => condition),
        job,
      ).toEqual(["${{ always() }}"]);
    }
  });
});

describe("the workflow up.yml", () => {
  const { on, concurrency, jobs } = parse(readFileSync(join(FOLDER, "up.yml"), "utf8")) as Workflow;

  it("runs on the main branch only, one after another, and changes hosts only in an environment of its own", () => {
    expect(on.push).toMatchObject({ branches: ["main"] });
    expect(Object.keys(on)).toEqual(["push", "workflow_dispatch"]);
    expect(jobs.plan!.if).toContain("github.ref == 'refs/heads/main'");
    expect(concurrency.group).toBe("up");
    const changing = Object.entries(jobs).filter(([, { steps }]) =>
      steps.some(({ run }) => run?.startsWith("setup/ci/up.sh carry-out ") === true),
    );
    expect(changing.map(([job]) => job)).toEqual(["up"]);
    expect(jobs.up).toMatchObject({
      environment: "${{ matrix.stack }}-up",
      strategy: { "max-parallel": 1 },
      concurrency: { group: "up-${{ matrix.stack }}", "cancel-in-progress": false },
    });
    expect(jobs.plan!.environment).toBe("${{ matrix.stack }}-look");
  });
});

describe("the workflow of the fleet", () => {
  const { on, jobs } = parse(readFileSync(join(FOLDER, "fleet.yml"), "utf8")) as Workflow;

  it("is started by hand or by the clock only, and has secrets only behind the environment's reviewers", () => {
    expect(Object.keys(on).sort()).toEqual(["schedule", "workflow_dispatch"]);
    for (const [job, { environment, steps }] of Object.entries(jobs))
      expect(environment, job).toBe(JSON.stringify(steps).includes("secrets.") ? "storage" : undefined);
    expect(Object.entries(jobs).flatMap(([job, { environment }]) => (environment === undefined ? [] : [job]))).toEqual([
      "canary",
      "stacks",
    ]);
  });

  it("lets each stack fail by itself, some at a time, and does the same to canaries and to the others", () => {
    const { canary, stacks } = jobs;
    for (const { strategy } of [canary!, stacks!])
      expect(strategy).toMatchObject({ "fail-fast": false, "max-parallel": expect.any(Number) as number });
    expect(canary!.steps).toEqual(stacks!.steps);
  });

  it("begins the others only after the canaries, and not where one failed", () => {
    expect(jobs.stacks).toMatchObject({ needs: ["list", "canary"] });
    expect(jobs.stacks!.if).toContain("needs.canary.result == 'success' || needs.canary.result == 'skipped'");
  });
});

describe("the workflows together", () => {
  const workflows = readdirSync(FOLDER).map((name) => parse(readFileSync(join(FOLDER, name), "utf8")) as Workflow);
  const testing = workflows.flatMap(({ on, jobs }) =>
    Object.values(jobs).flatMap(({ steps }) => {
      const runs = steps.flatMap(({ run }) => run ?? []);
      return runs.some((run) => /^npm (run )?test/.test(run)) ? [{ on: Object.keys(on), runs }] : [];
    }),
  );

  it("run `npm test` for pull requests and `npm run test:all` on a schedule, after the lab was allowed to use KVM", () => {
    expect(testing.map(({ on, runs }) => [on[0], ...runs])).toEqual([
      ["schedule", ".github/allow-kvm.sh", "npm run test:all"],
      ["pull_request", ".github/allow-kvm.sh", "npm test"],
    ]);
  });
});
