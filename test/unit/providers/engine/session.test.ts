import { afterEach, describe, expect, it, vi } from "vitest";
import { Session } from "../../../../providers/engine/session.ts";
import { HostUnreachable, UnexpectedOutput } from "../../../../providers/errors.ts";
import type { Fact } from "../../../../providers/facts/fact.ts";
import { fstab } from "../../../../providers/facts/fstab.ts";
import { HOST_WIDE } from "../../../../providers/facts/hostWide.ts";
import { ledger } from "../../../../providers/facts/ledger.ts";
import { mounts } from "../../../../providers/facts/mounts.ts";
import { groupExists } from "../../../../providers/facts/accounts.ts";
import { contents } from "../../../../providers/facts/contents.ts";
import { pathStatus } from "../../../../providers/facts/pathStatus.ts";
import type { Output } from "../../../../providers/host/command.ts";
import { FakeHost, nameOf } from "../../../support/fakeHost.ts";
import { checked, situationOf } from "./situations.ts";

const questions = (host: FakeHost) => host.calls.map((call) => call.questions.map(nameOf));
const hostWide = HOST_WIDE.map((fact) => nameOf(fact.command(undefined)));

afterEach(() => void vi.useRealTimers());

describe("asking a session", () => {
  it("sends questions asked at the same time in one call, and the host-wide ones with the first", async () => {
    const host = new FakeHost();
    const { ask } = new Session(host);
    await Promise.all([ask(fstab, undefined), ask(mounts, undefined), ask(pathStatus, ["/etc"])]);
    expect(questions(host)).toEqual([["cat", "findmnt", "stat", ...hostWide]]);
  });

  it("sends the questions that come during a call together in the next one", async () => {
    const host = new FakeHost();
    host.latencyMilliseconds = 100;
    const { ask } = new Session(host);
    const first = ask(fstab, undefined);
    await vi.waitFor(() => expect(host.calls).toHaveLength(1));
    await Promise.all([first, ask(mounts, undefined), ask(pathStatus, ["/etc"])]);
    expect(questions(host)).toEqual([
      ["cat", ...hostWide],
      ["findmnt", "stat"],
    ]);
  });

  it("asks a question once, even if many ask it", async () => {
    const host = new FakeHost();
    const { ask } = new Session(host);
    const [one, two] = await Promise.all([
      ask(pathStatus, ["/etc"]),
      ask(pathStatus, ["/etc"]),
      ask(pathStatus, ["/"]),
    ]);
    expect(await ask(pathStatus, ["/etc"])).toBe(one);
    expect(two).toBe(one);
    expect(questions(host)).toEqual([["stat", ...hostWide]]);
  });

  it("asks several questions with one command where it can, and each by itself where that command fails", async () => {
    const host = new FakeHost();
    const { ask } = new Session(host);
    const all = () => Promise.all(["root", "daemon", "nobody"].map((name) => ask(groupExists, name)));
    expect(await all()).toEqual([true, false, false]);
    expect(host.calls.flatMap((call) => call.questions.filter((one) => nameOf(one) === "getent"))).toHaveLength(1);

    const broken = new FakeHost();
    const asked = new Session(broken);
    const call = broken.call.bind(broken);
    broken.call = (program) => {
      const isShared = program.questions.some(({ argv }) => argv[0] === "getent" && argv.length > 4);
      broken.answers.clear();
      if (isShared) broken.answers.set("getent", { stdout: "", stderr: "a name service is broken", exitCode: 1 });
      return call(program);
    };
    const names = await Promise.all(["root", "daemon"].map((name) => asked.ask(groupExists, name)));
    expect(names).toEqual([true, false]);
    expect(broken.calls.map(({ questions }) => questions.filter((one) => nameOf(one) === "getent").length)).toEqual([
      1, 2,
    ]);
  });

  it("asks again after a pause in which a person may have changed something", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const host = new FakeHost();
    const { ask } = new Session(host);
    await ask(fstab, undefined);
    vi.setSystemTime(Date.now() + 19_000);
    await ask(fstab, undefined);
    expect(host.calls).toHaveLength(1);
    vi.setSystemTime(Date.now() + 2_000);
    await ask(fstab, undefined);
    expect(host.calls).toHaveLength(2);
  });

  it("reports a host that can't be reached to each who asked, and asks again afterwards", async () => {
    const host = new FakeHost();
    const { ask } = new Session(host);
    host.isDown = true;
    const answers = await Promise.allSettled([ask(fstab, undefined), ask(mounts, undefined)]);
    expect(answers.map((answer) => answer.status === "rejected" && answer.reason instanceof HostUnreachable)).toEqual([
      true,
      true,
    ]);
    host.isDown = false;
    expect(await ask(fstab, undefined)).toContain("LABEL=root");
  });

  it("fails a question that has no valid answer, and no other of the same call", async () => {
    const host = new FakeHost();
    host.answers.set("findmnt", { stdout: '{"filesystems": [{"target": 7}]}', stderr: "", exitCode: 0 });
    host.answers.set("print-contents", { stdout: "", stderr: "Input/output error", exitCode: 1 });
    const { ask } = new Session(host);
    const [found, mounted, signed] = await Promise.allSettled([
      ask(fstab, undefined),
      ask(mounts, undefined),
      ask(contents, { device: "/dev/sda", type: undefined }),
    ]);
    expect(found.status).toBe("fulfilled");
    expect(mounted).toMatchObject({ reason: expect.any(UnexpectedOutput) as unknown });
    expect((mounted as PromiseRejectedResult).reason).toHaveProperty(
      "message",
      expect.stringMatching(/could not read the mounts:[^]*target[^]*on the host: findmnt/),
    );
    expect((signed as PromiseRejectedResult).reason).toHaveProperty(
      "message",
      expect.stringContaining("exit code 1: Input/output error"),
    );
    host.answers.clear();
    expect(await ask(mounts, undefined)).toHaveLength(1);
  });

  it.each<[string, Partial<Output>, RegExp]>([
    [
      "didn't answer in time",
      { exitCode: 124 },
      /no answer in time to: [^\n]+\n {2}Next: on the host: dmesg.*showmount/,
    ],
    [
      "isn't installed",
      { exitCode: 127, stderr: "bash: line 1: stat: command not found" },
      /\n {2}Next: install on the host what has stat: /,
    ],
    [
      "couldn't write to a root that is read-only",
      { exitCode: 1, stderr: "mktemp: Read-only file system" },
      /\n {2}Next: on the host: findmnt .*mount -o remount,rw/,
    ],
    ["found no room", { exitCode: 1, stderr: "mktemp: No space left on device" }, /\n {2}Next: on the host: df /],
    [
      "found an fstab that is immutable",
      { exitCode: 1, stderr: "mv: cannot move '/etc/fstab.jts-0' to '/etc/fstab': Operation not permitted" },
      /\n {2}Next: on the host: lsattr \/etc\/fstab; .*chattr -i \/etc\/fstab/,
    ],
    [
      "found accounts that are immutable",
      { exitCode: 1, stderr: "useradd: cannot open /etc/passwd" },
      /\n {2}Next: on the host: lsattr \/etc\/passwd; /,
    ],
    [
      "found a mount point that is immutable on purpose",
      { exitCode: 1, stderr: "mkdir: cannot create directory '/data/warm/logs': Operation not permitted" },
      /\n {2}Next: on the host: timeout /,
    ],
    ["failed in another way", { exitCode: 9, stderr: "no" }, /exit code 9: no\n {2}Next: on the host: timeout /],
  ])("says the next command to try after a tool that %s", async (_what, output, expected) => {
    const host = new FakeHost();
    host.answers.set("stat", { stdout: "", stderr: "", exitCode: 0, ...output });
    await expect(new Session(host).ask(pathStatus, ["/etc"])).rejects.toThrow(expected);
  });

  it("distinguishes facts with the same arguments, and arguments of the same fact", async () => {
    const host = new FakeHost();
    const { ask } = new Session(host);
    const length: Fact<string, number> = {
      name: "a length",
      about: ["files"],
      command: (text) => ({ argv: ["cat", text] }),
      parse: (_output, text) => text.length,
    };
    expect(await Promise.all([ask(length, "a"), ask(length, "ab"), ask(groupExists, "root")])).toEqual([1, 2, true]);
  });
});

describe("a change", () => {
  it("is answered with the facts that it made stale, in the same call; the others stay known", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const inputs = await checked(situation, host);
    const provider = situation.run(host);
    await provider.create(inputs);
    expect(host.calls.map(({ steps, questions }) => [steps.map(nameOf), questions.map(nameOf)])).toEqual([
      [[], expect.arrayContaining(hostWide)],
      [["lvcreate"], ["lvm"]],
    ]);
    await provider.create({ ...inputs, name: "lv_other" });
    expect(host.calls.at(-2)?.questions, "the ledger is still known").not.toContainEqual(ledger.command(undefined));
  });

  it("sees its own effect, even if somebody asked meanwhile", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    host.latencyMilliseconds = 5;
    const inputs = await checked(situation, host);
    const provider = situation.run(host);
    const made = provider.create(inputs);
    const reads = [];
    for (let i = 0; i < 6; i++) {
      await new Promise((resolve) => setTimeout(resolve, 4));
      reads.push(provider.read("id", { ...inputs, name: "lv_other" }));
    }
    expect((await made).outs?.uuid).toBe("uuid-1");
    expect(await Promise.all(reads)).toEqual(reads.map(() => ({})));
    expect(await provider.read("id", inputs)).toMatchObject({ props: { uuid: "uuid-1" } });
  });
});
