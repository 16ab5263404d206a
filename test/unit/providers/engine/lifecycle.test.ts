import { describe, expect, it, vi } from "vitest";
import {
  CommandFailed,
  DataLossRefused,
  HostUnreachable,
  NotConverged,
  UnexpectedOutput,
} from "../../../../providers/errors.ts";
import { printCommand, recordsOf } from "../../../../providers/host/command.ts";
import { deviceLock, HOST_LOCK } from "../../../../providers/host/host.ts";
import type { Kind } from "../../../support/examples.ts";
import { FakeHost, nameOf, type Machine } from "../../../support/fakeHost.ts";
import { checked, situationOf, situations } from "./situations.ts";

/** What a machine holds, without the count of UUIDs that it handed out. */
const contents = ({ uuids: _, ...rest }: Machine) => rest;
const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe.concurrent.each(situations)("$name", (situation) => {
  const { run, machine, drift, drifted, declared } = situation;

  it("is made, and then found as declared by a second run, which runs no step", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    expect(outs).toMatchObject(inputs);
    expect(outs?.drift).toEqual([]);
    const steps = host.steps.length;
    expect(steps).toBeGreaterThan(0);
    expect(await run(host).create(inputs)).toEqual({ id, outs });
    expect(await run(host).update(id, outs!, inputs)).toEqual({ outs });
    expect(await run(host).read(id, outs)).toEqual({ id, inputs, props: outs });
    expect(host.steps).toHaveLength(steps);
  });

  it("gives outputs that survive JSON, none of them undefined", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    expect(throughJson(outs)).toStrictEqual(outs);
    drift(host.machine);
    const read = await run(host).read(id, outs);
    expect(throughJson(read)).toStrictEqual(read);
  });

  it("is made in one call that holds a lock, and read only by questions, which hold none", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    const changing = host.calls.filter(({ steps }) => steps.length > 0);
    expect(changing.map(({ lock }) => lock)).toEqual([
      situation.name === "Filesystem" ? deviceLock(declared.device as string) : HOST_LOCK,
    ]);
    host.calls.length = 0;
    await run(host).read(id, outs);
    expect(host.calls.length).toBeLessThanOrEqual(3);
    expect(host.calls.every(({ steps, lock }) => steps.length === 0 && lock === undefined)).toBe(true);
  });

  it("reports drift by the property that has it, or in words, and heals it", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    const made = structuredClone(contents(host.machine));
    drift(host.machine);
    const read = await run(host).read(id, outs);
    expect(read.props).toMatchObject(drifted);
    expect(read.inputs).toEqual({ ...inputs, ...drifted });
    const healed = await run(host).update(id, read.props!, inputs);
    expect(healed.outs).toEqual(outs);
    expect(contents(host.machine)).toEqual(made);
  });

  it("is deleted without a trace, and a second delete runs no step", async () => {
    const host = new FakeHost(machine());
    const before = structuredClone(contents(host.machine));
    const { id, outs } = await run(host).create(await checked(situation, host));
    await run(host).delete(id, outs!);
    // Packages stay: others may need them by now.
    expect({ ...contents(host.machine), packages: [] }).toEqual(before);
    const steps = host.steps.length;
    await run(host).delete(id, outs!);
    expect(host.steps).toHaveLength(steps);
  });

  it("is gone, not drifted, when nothing of it exists", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    Object.assign(host.machine, machine());
    expect(await run(host).read(id, outs)).toEqual({});
  });

  it.each(["Filesystem", "PhysicalVolume"] as const)(
    "a %s whose device can't be read is not read as gone",
    async (name) => {
      const situation = situationOf(name);
      const host = new FakeHost(situation.machine());
      const { id, outs } = await situation.run(host).create(await checked(situation, host));
      // As wipefs reports a device that it can't read: nothing, and no failure.
      host.machine.signatures = {};
      host.answers.set("find-signs-of-use", {
        stdout: "",
        stderr: "dd: error reading: Input/output error",
        exitCode: 1,
      });
      await expect(situation.run(host).read(id, outs)).rejects.toThrow("Input/output error");
      host.answers.clear();
      expect(await situation.run(host).read(id, outs)).toEqual({});
    },
  );

  it("is read as the state has it, with the reason as drift, where a tool is missing, and is then looked at again", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    host.calls.length = 0;
    await run(host).read(id, outs);
    const tools = new Set(host.calls.flatMap(({ questions }) => questions.map(nameOf)));
    const own = [...tools].find((tool) => !["lsblk", "find", "lvm", "print-ledger"].includes(tool));
    const tool = /Volume/.test(situation.name) || own === undefined ? "lvm" : own;
    host.answers.set(tool, { stdout: "", stderr: `bash: line 1: ${tool}: command not found`, exitCode: 127 });
    const drift = [expect.stringMatching(/^fake: could not read .*: command not found$/) as string];
    expect(await run(host).read(id, outs)).toEqual({ id, inputs: { ...inputs, drift }, props: { ...outs, drift } });
    await expect(run(host).update(id, outs!, inputs)).rejects.toThrow(/\n {2}Next: install on the host what has /);
    host.answers.clear();
    expect(await run(host).update(id, outs!, inputs)).toEqual({ outs });
  });

  it("is neither made, changed, read as gone nor deleted on a host that can't be reached", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const { id, outs } = await run(host).create(inputs);
    host.isDown = true;
    await expect(run(host).read(id, outs)).rejects.toThrow(HostUnreachable);
    await expect(run(host).update(id, outs!, inputs)).rejects.toThrow(HostUnreachable);
    // Packages are left as they are, for which no host is needed.
    if (situation.name !== "Packages") await expect(run(host).delete(id, outs!)).rejects.toThrow(HostUnreachable);
    await expect(run(host).create(inputs)).rejects.toThrow(HostUnreachable);
  });

  it("is replaced when its identity or its host changes, and otherwise stays", async () => {
    const host = new FakeHost(machine());
    const inputs = await checked(situation, host);
    const provider = run(host);
    expect(await provider.diff("id", inputs, inputs)).toEqual({ replaces: [], deleteBeforeReplace: true });
    expect(await provider.diff("id", inputs, { ...inputs, host: "other" })).toEqual({
      replaces: ["host"],
      deleteBeforeReplace: true,
    });
    expect(host.calls).toEqual([]);
  });

  if (declared.onDelete !== undefined) {
    it("stays on the host without a call when deleted with retain, as with protect", async () => {
      const host = new FakeHost(machine());
      for (const onDelete of ["retain", "protect"]) {
        const { id, outs } = await run(host).create(await checked(situation, host, { onDelete }));
        const made = structuredClone(host.machine);
        host.calls.length = 0;
        await run(host).delete(id, outs!);
        expect(host.calls).toEqual([]);
        expect(host.machine).toEqual(made);
      }
    });
  }
});

describe.concurrent.each(situations.filter(({ holdsData }) => holdsData))("wiping a $name", (situation) => {
  it("is refused when another one has taken its place, with both UUIDs, and nothing is written", async () => {
    const host = new FakeHost(situation.machine());
    const { id, outs } = await situation.run(host).create(await checked(situation, host));
    const before = structuredClone(host.machine);
    const steps = host.steps.length;
    const deleted = situation.run(host).delete(id, { ...outs, uuid: "another" });
    await expect(deleted).rejects.toThrow(DataLossRefused);
    await expect(deleted).rejects.toThrow(/uuid-1 instead of ours, another/);
    expect(host.machine).toEqual(before);
    expect(host.steps).toHaveLength(steps);
  });

  it("is refused by the host itself when another one takes its place after it was looked at", async () => {
    const host = new FakeHost(situation.machine());
    const { id, outs } = await situation.run(host).create(await checked(situation, host));
    host.answers.set("is-uuid", { stdout: "", stderr: "it is now uuid-2 instead of uuid-1", exitCode: 10 });
    const before = structuredClone(host.machine);
    await expect(situation.run(host).delete(id, outs!)).rejects.toThrow(
      /refused to .*: it is now uuid-2 instead of uuid-1/,
    );
    expect(host.machine).toEqual(before);
  });
});

describe.concurrent("data", () => {
  it("on a device that isn't blank is refused before any step, with what was found", async () => {
    for (const name of ["PhysicalVolume", "Filesystem"] as const) {
      const situation = situationOf(name);
      const host = new FakeHost(situation.machine());
      for (const device of ["/dev/nvme0n1", "/dev/sda2"])
        host.machine.signatures[device] = { type: "xfs", label: null, uuid: "theirs", bytes: 1 };
      const created = situation.run(host).create(await checked(situation, host));
      await expect(created).rejects.toThrow(DataLossRefused);
      await expect(created).rejects.toThrow(/is not blank: a signature of xfs.*Nothing was written/s);
      await expect(created).rejects.not.toHaveProperty("id");
      expect(host.steps).toEqual([]);
    }
  });

  it("that appears between the look and the step is found by the guard, and nothing enters the state", async () => {
    for (const name of ["PhysicalVolume", "Filesystem"] as const) {
      const situation = situationOf(name);
      const host = new FakeHost(situation.machine());
      const provider = situation.run(host);
      const inputs = await checked(situation, host);
      const sign = host.call.bind(host);
      host.call = (program) => {
        if (program.steps.length > 0)
          for (const device of ["/dev/nvme0n1", "/dev/sda2"])
            host.machine.signatures[device] = { type: "xfs", label: null, uuid: "theirs", bytes: 1 };
        return sign(program);
      };
      const created = provider.create(inputs);
      await expect(created).rejects.toThrow(/refused to .*: a signature of xfs/);
      await expect(created).rejects.not.toHaveProperty("id");
      expect(host.accidents).toEqual([]);
    }
  });

  it("on a device that can't be probed is not taken for blank", async () => {
    const situation = situationOf("Filesystem");
    const host = new FakeHost(situation.machine());
    host.answers.set("print-contents", {
      stdout: "",
      stderr: "wipefs: error: /dev/sda2: probing initialization failed: Input/output error",
      exitCode: 1,
    });
    const created = situation.run(host).create(await checked(situation, host));
    await expect(created).rejects.toThrow(UnexpectedOutput);
    await expect(created).rejects.toThrow(
      "could not read what is on the device: exit code 1: wipefs: error: /dev/sda2: probing initialization failed",
    );
    expect(host.steps).toEqual([]);
  });
});

describe.concurrent("half-made work", () => {
  it("enters the state with id and all inputs when a later step fails", async () => {
    const situation = situationOf("Filesystem");
    const host = new FakeHost(situation.machine());
    host.answers.set("udevadm", { stdout: "", stderr: "timed out", exitCode: 1 });
    const inputs = await checked(situation, host);
    const error: unknown = await situation
      .run(host)
      .create(inputs)
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandFailed);
    expect(error).toMatchObject({
      id: "fake:/dev/sda2",
      properties: { ...inputs, uuid: "uuid-1" },
      reasons: [expect.stringContaining("let udev see it: timed out (exit code 1)")],
    });
    expect(error).not.toHaveProperty("code");
    expect(throughJson((error as { properties: unknown }).properties)).toStrictEqual(
      (error as { properties: unknown }).properties,
    );
  });

  it("enters the state with the provider's text, without which it could never be read, updated or deleted again", async () => {
    const situation = situationOf("Filesystem");
    const host = new FakeHost(situation.machine());
    const inputs = { ...(await checked(situation, host)), __provider: "the text" };
    host.answers.set("udevadm", { stdout: "", stderr: "timed out", exitCode: 1 });
    const made = situation.run(host).create(inputs);
    await expect(made).rejects.toMatchObject({ properties: { __provider: "the text" } });
    host.machine.signatures["/dev/sda2"]!.bytes /= 2;
    host.answers.set("grow-filesystem", { stdout: "", stderr: "cut", exitCode: 1 });
    await expect(situation.run(host).update("id", inputs, inputs)).rejects.toMatchObject({
      properties: { __provider: "the text" },
    });
  });

  it("stays out of the state when the first step failed and nothing is there", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    host.answers.set("lvcreate", {
      stdout: "",
      stderr: 'Volume group "vg_jts" has insufficient free space',
      exitCode: 5,
    });
    const created = situation.run(host).create(await checked(situation, host));
    await expect(created).rejects.toThrow(
      /could not make vg_jts\/lv_redis with 50 GiB: Volume group "vg_jts" has insufficient free space \(exit code 5\)\n {2}Next: on the host: lvcreate /,
    );
    await expect(created).rejects.not.toHaveProperty("id");
  });

  it("enters the state when nobody knows whether it is there", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const inputs = await checked(situation, host);
    host.calls.length = 0;
    const call = host.call.bind(host);
    host.call = async (program) => {
      const answers = await call(program);
      if (program.steps.length === 0) return answers;
      host.isDown = true;
      throw new HostUnreachable("cut", "again");
    };
    const created = situation.run(host).create(inputs);
    await expect(created).rejects.toThrow(HostUnreachable);
    await expect(created).rejects.toMatchObject({ id: "fake:vg_jts/lv_redis", properties: inputs });
  });

  it("reports what the look after the steps would refuse, and the resource enters the state with it", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const call = host.call.bind(host);
    // A tool that makes something larger than it was asked to.
    host.call = async (program) => {
      const answers = await call(program);
      if (program.steps.length === 0) return answers;
      const questions = answers.questions.map((output) => ({
        ...output,
        stdout: output.stdout.replace(/"lv_size":\d+/, '"lv_size":107374182400'),
      }));
      return { ...answers, questions };
    };
    const created = situation.run(host).create(await checked(situation, host));
    await expect(created).rejects.toThrow(NotConverged);
    await expect(created).rejects.toThrow(
      /all steps ran, yet it is not as declared: vg_jts\/lv_redis has 100 GiB, more than the declared 50 GiB\n {2}Next: declare its size/,
    );
    await expect(created).rejects.toMatchObject({ id: "fake:vg_jts/lv_redis" });
  });

  it("is an error when all steps ran and the host still isn't as declared", async () => {
    const situation = situationOf("Directory");
    const host = new FakeHost(situation.machine());
    host.answers.set("make-tree", { stdout: "", stderr: "", exitCode: 0 });
    const created = situation.run(host).create(await checked(situation, host));
    await expect(created).rejects.toThrow(NotConverged);
    await expect(created).rejects.toThrow(/still needs: make \/data\/jts\/hot/);
  });

  it("of a delete is an error too, so that the state keeps the resource", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const { id, outs } = await situation.run(host).create(await checked(situation, host));
    host.answers.set("remove-volume", { stdout: "", stderr: "", exitCode: 0 });
    await expect(situation.run(host).delete(id, outs!)).rejects.toThrow(NotConverged);
  });
});

describe.concurrent("drift to a state that nobody could declare", () => {
  it.each<[string, Kind, (machine: Machine) => void]>([
    ["a folder of a deleted user", "Directory", ({ files }) => void (files["/data/jts/hot"]!.owner = "UNKNOWN")],
    [
      "a filesystem that lost its label",
      "Filesystem",
      ({ signatures }) => void (signatures["/dev/sda2"]!.label = null),
    ],
    [
      "an NFS version of another spelling",
      "NfsMount",
      ({ files }) => void (files["/etc/fstab"]!.content = files["/etc/fstab"]!.content!.replace("vers=3", "vers=4.0")),
    ],
    [
      "a volume group whose devices were all swapped",
      "VolumeGroup",
      ({ volumeGroups, signatures }) => {
        signatures["/dev/sda"] = { ...signatures["/dev/sda2"]!, uuid: "pv-3" };
        volumeGroups.vg_jts!.devices = ["/dev/sda"];
      },
    ],
    [
      "an fstab line of another pass",
      "FstabEntry",
      ({ files }) => void (files["/etc/fstab"]!.content = files["/etc/fstab"]!.content!.replace(/0 0$/m, "0 12")),
    ],
  ])("leaves a state that can be read and deleted again: %s", async (_what, name, drift) => {
    const situation = situationOf(name);
    const host = new FakeHost(situation.machine());
    const { id, outs } = await situation.run(host).create(await checked(situation, host));
    drift(host.machine);
    const first = await situation.run(host).read(id, outs);
    expect(first.props).not.toEqual(outs);
    expect(await situation.run(host).read(id, first.props)).toMatchObject({ id });
    await situation
      .run(host)
      .delete(id, first.props!)
      .catch((error: unknown) => expect(error).toBeInstanceOf(DataLossRefused));
  });
});

describe.concurrent("resources of one run", () => {
  const volumes = (sizes: readonly number[]) => sizes.map((sizeBytes, index) => ({ name: `lv_${index}`, sizeBytes }));

  it("that are made at the same time are all made", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    const inputs = await Promise.all(
      volumes([1, 2, 3, 4, 5].map((size) => size * 1024 ** 3)).map((one) => checked(situation, host, one)),
    );
    const made = await Promise.all(inputs.map((one) => provider.create(one)));
    expect(made.map(({ outs }) => outs?.sizeBytes)).toEqual(inputs.map(({ sizeBytes }) => sizeBytes));
    expect(new Set(made.map(({ outs }) => outs?.uuid as string)).size).toBe(5);
  });

  it("aren't held up by one of them that is refused", async () => {
    const situation = situationOf("Directory");
    const host = new FakeHost(situation.machine());
    host.machine.files["/data/file"] = { type: "regular file", owner: "root", group: "root", mode: "644" };
    const provider = situation.run(host);
    const inputs = await Promise.all(
      ["/data/a", "/data/file", "/data/c"].map((path) => checked(situation, host, { path, folders: [] })),
    );
    const made = await Promise.allSettled(inputs.map((one) => provider.create(one)));
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(Object.keys(host.machine.files)).toEqual(expect.arrayContaining(["/data/a", "/data/c"]));
  });

  it("aren't held up by one of them whose step fails", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    host.machine.devices["/dev/dm-0"] = { type: "lvm", bytes: 4096, serial: null, disk: null };
    host.machine.links["/dev/vg_jts/lv_1"] = "/dev/dm-0";
    const listed = host.call.bind(host);
    // LVM's report doesn't show it yet, like a volume that another host has just made.
    host.call = async (program) => {
      const { steps, questions } = await listed(program);
      return {
        steps,
        questions: questions.map((output) => ({
          ...output,
          stdout: output.stdout.replace(/\{"lv_name":"lv_1"[^}]*\},?/, "").replace(/,\]/, "]"),
        })),
      };
    };
    const inputs = await Promise.all(
      volumes([1, 2, 3].map((size) => size * 1024 ** 3)).map((one) => checked(situation, host, one)),
    );
    const made = await Promise.allSettled(inputs.map((one) => provider.create(one)));
    expect(made.map((one) => (one.status === "fulfilled" ? one.value.id : (one.reason as Error).message))).toEqual([
      "fake:vg_jts/lv_0",
      expect.stringContaining("already exists"),
      "fake:vg_jts/lv_2",
    ]);
  });

  it("whose shared call is lost enter the state each under its own id, and those that are proved absent don't", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    const call = host.call.bind(host);
    host.call = async (program) => {
      const answers = await call({ ...program, steps: program.steps.slice(0, 2) });
      if (program.steps.length > 0) throw new HostUnreachable("the connection was lost", "nothing");
      return answers;
    };
    const inputs = await Promise.all(
      volumes([1, 2, 3].map((size) => size * 1024 ** 3)).map((one) => checked(situation, host, one)),
    );
    const made = await Promise.all(inputs.map((one) => provider.create(one).catch((error: unknown) => error)));
    expect(made).toEqual([expect.any(HostUnreachable), expect.any(HostUnreachable), expect.any(HostUnreachable)]);
    expect(made).toMatchObject([
      { id: "fake:vg_jts/lv_0", properties: inputs[0] },
      { id: "fake:vg_jts/lv_1", properties: inputs[1] },
      expect.not.objectContaining({ id: expect.anything() as unknown }),
    ]);
  });

  it("edit fstab one after the other, each on what the last one left", async () => {
    const situation = situationOf("NfsMount");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    const inputs = await Promise.all(
      ["/mnt/a", "/mnt/b", "/mnt/c"].map((mountPoint) => checked(situation, host, { mountPoint })),
    );
    const made = await Promise.all(inputs.map((one) => provider.create(one)));
    expect(host.machine.files["/etc/fstab"]?.content?.match(/ \/mnt\/\w /g)).toEqual([
      " /mnt/a ",
      " /mnt/b ",
      " /mnt/c ",
    ]);
    expect(host.machine.mounts.map(({ target }) => target)).toEqual(["/", "/mnt/a", "/mnt/b", "/mnt/c"]);
    await Promise.all(made.map(({ id, outs }) => provider.delete(id, outs!)));
    expect(contents(host.machine)).toEqual(contents(situation.machine()));
  });

  /** Each call's steps, by program, with the number of its records. */
  const stepsOf = (host: FakeHost) =>
    host.calls.flatMap(({ steps }) =>
      steps.length === 0 ? [] : [steps.map((step) => `${nameOf(step)} ${recordsOf(step).length}`)],
    );

  it("that are of one kind are carried out by one program", async () => {
    const mounted = situationOf("NfsMount");
    const host = new FakeHost(mounted.machine());
    const provider = mounted.run(host);
    const inputs = await Promise.all(
      ["/mnt/a", "/mnt/b", "/mnt/c"].map((mountPoint) => checked(mounted, host, { mountPoint })),
    );
    const made = await Promise.all(inputs.map((one) => provider.create(one)));
    expect(stepsOf(host)).toEqual([["mount-entry 3"]]);
    await Promise.all(made.map(({ id, outs }) => provider.delete(id, outs!)));
    expect(stepsOf(host).at(-1)).toEqual(["unmount-entry 3"]);
  });

  it("fail each by itself in a program that they share: those before it and those after it are made", async () => {
    const situation = situationOf("NfsMount");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    host.machine.files["/mnt/b"] = { type: "directory", owner: "root", group: "root", mode: "755" };
    host.machine.files["/mnt/b/data"] = { type: "regular file", owner: "root", group: "root", mode: "644" };
    const inputs = await Promise.all(
      ["/mnt/a", "/mnt/b", "/mnt/c"].map((mountPoint) => checked(situation, host, { mountPoint })),
    );
    const made = await Promise.allSettled(inputs.map((one) => provider.create(one)));
    expect(made.map((one) => (one.status === "fulfilled" ? one.value.id : (one.reason as Error).message))).toEqual([
      "fake:/mnt/a",
      expect.stringContaining("could not write the line of /mnt/b into fstab and mount /mnt/b: /mnt/b is not empty"),
      "fake:/mnt/c",
    ]);
    expect(stepsOf(host)).toEqual([["mount-entry 3"], ["mount-entry 1"]]);
  });

  it("share a guard too: it refuses one of them, and the others go on", async () => {
    const situation = situationOf("LogicalVolume");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    const inputs = await Promise.all(
      volumes([1, 2, 3].map((size) => size * 1024 ** 3)).map((one) => checked(situation, host, one)),
    );
    const made = await Promise.all(inputs.map((one) => provider.create(one)));
    let others = 1;
    host.meanwhile = () => {
      if (others-- > 0) host.machine.devices[host.machine.links["/dev/vg_jts/lv_1"]!]!.uuid = "another";
    };
    const before = host.calls.length;
    const gone = await Promise.allSettled(made.map(({ id, outs }) => provider.delete(id, outs!)));
    expect(gone.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect((gone[1] as PromiseRejectedResult).reason).toMatchObject({
      message: expect.stringContaining(
        "refused to remove vg_jts/lv_1: vg_jts/lv_1 is now another instead of",
      ) as string,
    });
    expect(Object.keys(host.machine.links).filter((path) => path.startsWith("/dev/vg_jts/"))).toEqual([
      "/dev/vg_jts/lv_1",
    ]);
    const calls = host.calls.slice(before).flatMap(({ steps }) => (steps.length > 0 ? [steps.map(nameOf)] : []));
    expect(calls).toEqual([
      ["is-uuid", "remove-volume"],
      ["is-uuid", "remove-volume"],
    ]);
  });

  it("have systemd read its files once, when no more work comes, and nobody waits for it", async () => {
    const situation = situationOf("NfsMount");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    for (const mountPoint of ["/mnt/a", "/mnt/b"]) {
      await provider.create(await checked(situation, host, { mountPoint }));
      expect(host.steps).not.toContain("systemctl");
    }
    await vi.waitFor(() => expect(host.steps).toEqual(["mount-entry", "mount-entry", "systemctl"]), 20_000);
    await host.end();
    expect(host.steps).toHaveLength(3);
  });

  it("have systemd read its files again at the end of the process where that failed before", async () => {
    const situation = situationOf("NfsMount");
    const host = new FakeHost(situation.machine());
    host.answers.set("systemctl", { stdout: "", stderr: "Connection timed out", exitCode: 1 });
    await situation.run(host).create(await checked(situation, host, { mountPoint: "/mnt/a" }));
    await vi.waitFor(() => expect(host.steps).toContain("systemctl"), 20_000);
    await vi.waitFor(async () => {
      await host.end();
      expect(host.steps).toContain("setsid");
    });
  });

  it("have systemd read its files at the latest when the process ends, even if a later step fails", async () => {
    const situation = situationOf("NfsMount");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    const inputs = await Promise.all(
      ["/mnt/a", "/mnt/b"].map((mountPoint) => checked(situation, host, { mountPoint })),
    );
    host.machine.files["/mnt/b"] = { type: "directory", owner: "root", group: "root", mode: "755" };
    host.machine.files["/mnt/b/data"] = { type: "regular file", owner: "root", group: "root", mode: "644" };
    const made = await Promise.allSettled(inputs.map((one) => provider.create(one)));
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await host.end();
    expect(host.calls.at(-1)?.steps.map(printCommand)).toEqual(["setsid --fork systemctl daemon-reload"]);
  });

  it("look again and go on where another writer changed what they were planned on, and fail with a message where it never stops", async () => {
    const situation = situationOf("NfsMount");
    const host = new FakeHost(situation.machine());
    const provider = situation.run(host);
    const inputs = await Promise.all(
      ["/mnt/a", "/mnt/b"].map((mountPoint) => checked(situation, host, { mountPoint })),
    );
    const fstab = () => host.machine.files["/etc/fstab"]!;
    let others = 2;
    host.meanwhile = () => {
      if (others-- > 0) fstab().content += `/dev/theirs${others} /theirs${others} ext4 noauto 0 0\n`;
    };
    const made = await Promise.all(inputs.map((one) => provider.create(one)));
    expect(
      fstab()
        .content?.match(/ \/(mnt|theirs)\S+ /g)
        ?.sort(),
    ).toEqual([" /mnt/a ", " /mnt/b ", " /theirs0 ", " /theirs1 "]);
    others = 1;
    await provider.delete(made[0]!.id, made[0]!.outs!);
    expect(fstab().content).not.toContain("/mnt/a");

    others = Number.POSITIVE_INFINITY;
    await expect(provider.delete(made[1]!.id, made[1]!.outs!)).rejects.toThrow(
      "/etc/fstab was changed by someone else just now",
    );
    expect(fstab().content).toContain("/mnt/b");
  });
});
