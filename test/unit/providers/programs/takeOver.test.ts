import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { lifecycle } from "../../../../providers/engine/lifecycle.ts";
import type { Properties } from "../../../../providers/engine/resource.ts";
import { Session } from "../../../../providers/engine/session.ts";
import { succeeded, type Command, type Output } from "../../../../providers/host/command.ts";
import type { Answers, Host, Program } from "../../../../providers/host/host.ts";
import { kinds } from "../../../../providers/kinds.ts";
import { examples } from "../../../support/examples.ts";
import { nameOf } from "../../../support/fakeHost.ts";
import { runLocally } from "../runLocally.ts";

/** What is asked of every host at first, and doesn't matter here. */
const HOST_WIDE: Readonly<Record<string, string>> = { lsblk: '{"blockdevices":[]}', find: "", lvm: '{"report":[]}' };

/** Many runs, on a machine that may be busy. */
const LONG = 1_200_000;

let root: string;
beforeEach(() => {
  // In memory, where there is such a place: programs flush all of a filesystem.
  root = realpathSync(mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "jts-take-over-")));
  for (const folder of [
    "etc/systemd/system",
    "usr/local/lib",
    "usr/local/bin",
    "var/lib/systemd/timers",
    "active",
    "bin",
  ])
    mkdirSync(join(root, folder), { recursive: true });
  // The real one enables and disables, on files below our folder; which units are active is a file for each.
  const systemctl = `#!/bin/bash
real() { /usr/bin/systemctl --root=${root} "$@"; }
echo "$*" >>${root}/log
units=() verb= is_past=
for word; do
  if [[ $word == -- ]]; then is_past=yes; elif [[ -n $is_past ]]; then units+=("$word"); elif [[ $word != -* ]]; then verb=\${verb:-$word}; fi
done
active() { if [[ -e ${root}/active/$1 ]]; then echo active; else echo inactive; fi; }
case $verb in
  show)
    for unit in "\${units[@]}"; do
      if [[ $* == *--value* ]]; then active "$unit"; continue; fi
      path=${root}/etc/systemd/system/$unit load=not-found
      if [[ -e $path || -L $path ]]; then load=loaded; else path=; fi
      printf 'LoadState=%s\\nActiveState=%s\\nUnitFileState=%s\\nFragmentPath=%s\\nNeedDaemonReload=no\\n\\n' \\
        $load "$(active "$unit")" "$(real is-enabled "$unit" 2>/dev/null)" "$path"
    done ;;
  disable)
    real --quiet disable -- "\${units[@]}" || exit
    [[ $* != *--now* ]] || for unit in "\${units[@]}"; do rm -f "${root}/active/$unit"; done ;;
  reenable | enable) real --quiet $verb -- "\${units[@]}" ;;
  start | restart) for unit in "\${units[@]}"; do [[ ! -e ${root}/broken/$unit ]] || { echo "$unit failed" >&2; exit 1; }; touch "${root}/active/$unit"; done ;;
  stop) for unit in "\${units[@]}"; do rm "${root}/active/$unit"; done ;;
esac
`;
  for (const [tool, text] of Object.entries({ systemctl, "systemd-analyze": "#!/bin/bash\n" })) {
    writeFileSync(join(root, "bin", tool), text);
    chmodSync(join(root, "bin", tool), 0o755);
  }
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Commands of a program before which it can be killed: those that change what has a name, or the ledger. */
const CHANGING = "^(cp |mv |rm |ln |rmdir |systemctl |printf .%s.n)";

/** A host whose files are below our folder, and on which the programs really run. */
class LocalHost implements Host {
  readonly name = "local";
  /** Kills a step's program before this one of its changing commands, counted over all from 1; 0: none. */
  killBefore = 0;
  /** How many such commands there were. */
  changes = 0;
  readonly steps: string[] = [];
  beforeEnd(): void {
    // Its files go with the test.
  }
  call({ steps, questions }: Program): Promise<Answers> {
    const done: Output[] = [];
    for (const step of steps) {
      this.steps.push(nameOf(step));
      done.push(this.#run(step, true));
      if (!succeeded(step, done.at(-1)!)) break;
    }
    return Promise.resolve({ steps: done, questions: questions.map((question) => this.#run(question, false)) });
  }
  #run(command: Command, isStep: boolean): Output {
    const known = isStep ? undefined : HOST_WIDE[nameOf(command)];
    if (known !== undefined) return { stdout: known, stderr: "", exitCode: 0 };
    const counter = join(root, "counter");
    writeFileSync(counter, String(this.changes));
    const trap = `set -T
killed() {
  local changing="${CHANGING}"
  [[ $1 =~ $changing ]] || return 0
  local n=$(($(<${counter}) + 1))
  echo $n >${counter}
  ((n != ${this.killBefore})) || kill -9 $$
}
trap 'killed "$BASH_COMMAND"' DEBUG
`;
    const there = (text: string) => text.replaceAll(/(?<![\w/])\/(etc|usr\/local|var\/lib|run)\//g, `${root}/$1/`);
    // What is written to files stays as it is.
    const argv = command.argv.map((word, index) => {
      if (index === 2 && command.program !== undefined) return (isStep ? trap : "") + there(word);
      return word.includes("\n") ? word : there(word);
    });
    mkdirSync(join(root, "run"), { recursive: true });
    const output = runLocally({ ...command, argv }, { PATH: `${join(root, "bin")}:${process.env.PATH}` });
    if (isStep) this.changes = Number(readFileSync(counter, "utf8"));
    return { ...output, stdout: output.stdout.replaceAll(root, "") };
  }
}

type Provider = ReturnType<typeof lifecycle>;
type Name = "SystemdTimer" | "ConfigFile" | "Scripts";

/** Each run of Pulumi has a session of its own. */
function providerOf(name: Name, host: Host): Provider {
  const session = new Session(host);
  return lifecycle(kinds[name], () => session);
}

const at = (path: string) => join(root, path);
const put = (path: string, text: string, mode = 0o644) => {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), text);
  chmodSync(at(path), mode);
};

/** All that lies below a folder, byte for byte, with owners and modes. */
function tree(folder: string): unknown[] {
  if (!existsSync(at(folder))) return [];
  return (
    readdirSync(at(folder), { recursive: true, encoding: "utf8" })
      .sort()
      // A program that is killed leaves what it had not finished, under a name that nobody reads.
      .filter((name) => !/(^|\/)\.jts-storage\./.test(name))
      .map((name) => {
        const path = join(at(folder), name);
        const { uid, gid, mode, mtimeMs } = lstatSync(path);
        const isFile = lstatSync(path).isFile();
        const what = lstatSync(path).isSymbolicLink() ? readlinkSync(path) : isFile ? readFileSync(path, "latin1") : "";
        return [name, uid, gid, mode.toString(8), what, ...(isFile ? [mtimeMs] : [])];
      })
  );
}
const everything = () => [...["etc", "usr/local", "var/lib/jts-storage"].map(tree), readdirSync(at("active")).sort()];
/** What a run leaves but for the ledger, whose lines have no order, and without times. */
const made$ = () => {
  const [etc, local, , active] = everything();
  return JSON.stringify([etc, local, active]).replaceAll(/,\d+(\.\d+)?\]/g, "]");
};
const at$ = (path: string) => tree(dirname(path)).find((one) => (one as string[])[0] === path.split("/").at(-1));

/** Where it is kept: programs know our folder as a part of the path. */
const keptOf = (path: string) => `/var/lib/jts-storage/replaced${root}${path}`;

const TIMER = "/etc/systemd/system/fstrim-all.timer";
const SERVICE = "/etc/systemd/system/fstrim-all.service";
const CONF = "/etc/sysctl.d/60-jts.conf";
const LINK = "/usr/local/bin/storage-health.sh";

interface Situation {
  readonly kind: Name;
  readonly name: string;
  readonly paths: readonly string[];
  /** What somebody has there. */
  readonly theirs: () => void;
  /** Whether it is tried with a kill before each command, which takes long. */
  readonly isKilled?: true;
}

const units = (install = "[Install]\nWantedBy=timers.target\n") => {
  put(TIMER, `[Unit]\nDescription=hand\xa0made\n[Timer]\nOnCalendar=weekly\nPersistent=true\n${install}`, 0o640);
  put(SERVICE, "[Service]\nType=oneshot\nExecStart=/bin/true");
};
const enable = (unit: string, target: string) => {
  mkdirSync(at(`/etc/systemd/system/${target}.wants`), { recursive: true });
  symlinkSync(`/etc/systemd/system/${unit}`, at(`/etc/systemd/system/${target}.wants/${unit}`));
};

const SITUATIONS: readonly Situation[] = [
  {
    kind: "SystemdTimer",
    name: "enabled and active units",
    paths: [TIMER, SERVICE],
    theirs() {
      units();
      enable("fstrim-all.timer", "timers.target");
      writeFileSync(at("active/fstrim-all.timer"), "");
    },
  },
  {
    kind: "SystemdTimer",
    name: "units that are neither",
    paths: [TIMER, SERVICE],
    theirs: () => units(),
  },
  {
    kind: "SystemdTimer",
    isKilled: true,
    name: "a timer enabled by hand for another target, by another name too, with a service that stays active",
    paths: [TIMER, SERVICE],
    theirs() {
      units("");
      enable("fstrim-all.timer", "multi-user.target");
      enable("fstrim-all.service", "multi-user.target");
      symlinkSync("fstrim-all.timer", at("/etc/systemd/system/trim.timer"));
      for (const unit of ["fstrim-all.timer", "fstrim-all.service"]) writeFileSync(at(`active/${unit}`), "");
    },
  },
  {
    kind: "SystemdTimer",
    name: "a masked timer, without a service",
    paths: [TIMER],
    theirs: () => symlinkSync("/dev/null", at(TIMER)),
  },
  {
    kind: "SystemdTimer",
    name: "units that are links",
    paths: [TIMER, SERVICE],
    theirs() {
      for (const path of [TIMER, SERVICE]) {
        const file = path.replace("/etc/systemd/system", "/etc/mine");
        put(file, "[Timer]\nOnCalendar=weekly\n");
        symlinkSync(path.endsWith("timer") ? at(file) : `../../mine/fstrim-all.service`, at(path));
      }
    },
  },
  {
    kind: "ConfigFile",
    isKilled: true,
    name: "a file",
    paths: [CONF],
    theirs() {
      put(CONF, "net.core.rmem_max = 1\xff\n\n", 0o600);
    },
  },
  {
    kind: "ConfigFile",
    name: "a link to nothing that is there",
    paths: [CONF],
    theirs() {
      mkdirSync(at("/etc/sysctl.d"), { recursive: true });
      symlinkSync("../gone.conf", at(CONF));
    },
  },
  {
    kind: "Scripts",
    isKilled: true,
    name: "a script",
    paths: [LINK],
    theirs: () => put(LINK, "#!/bin/sh\necho theirs\n", 0o755),
  },
  { kind: "Scripts", name: "a link elsewhere", paths: [LINK], theirs: () => symlinkSync("/opt/health", at(LINK)) },
];

async function declare(kind: Name, host: Host, takeOver?: readonly string[]): Promise<Properties> {
  const declared = kind === "ConfigFile" ? examples.ConfigFile.least.declared : examples[kind].declared;
  const { inputs } = await providerOf(kind, host).check(
    {},
    { host: "local", ...declared, ...(takeOver === undefined ? {} : { takeOver }) },
  );
  return inputs as Properties;
}

describe.skipIf(userInfo().uid !== 0)("taking over", () => {
  describe.each(SITUATIONS)("$name, as a $kind", ({ kind, paths, theirs }) => {
    it("is refused, with all paths to name, and then done; what was there is put back without a trace", async () => {
      theirs();
      const before = everything();
      const refused = providerOf(kind, new LocalHost()).create(await declare(kind, new LocalHost()));
      await expect(refused).rejects.toThrow(`takeOver: ${JSON.stringify(paths)}`);
      await expect(refused).rejects.toThrow(/exists already and isn't ours.*\n {2}Next: [^\n]*mv \//);
      expect(everything()).toEqual(before);

      const old = paths.map(at$);
      const inputs = await declare(kind, new LocalHost(), paths);
      const { outs } = await providerOf(kind, new LocalHost()).create(inputs);
      const kept = () => paths.map((path) => at$(keptOf(path)));
      expect(kept()).toEqual(old);
      expect(lstatSync(at("/var/lib/jts-storage/replaced")).mode & 0o777).toBe(0o700);
      for (const [index, path] of paths.entries()) expect(at$(path)).not.toEqual(old[index]);

      // Without the setting too, from now on: it is ours.
      const again = new LocalHost();
      await providerOf(kind, again).update("", outs!, inputs);
      await providerOf(kind, again).update("", outs!, await declare(kind, again));
      expect(again.steps).toEqual([]);

      // Drift of a file heals, and what was kept first stays.
      if (kind !== "Scripts") {
        const made = made$();
        writeFileSync(at(paths[0]!), "# drift\n");
        await providerOf(kind, new LocalHost()).update("", outs!, inputs);
        expect(kept()).toEqual(old);
        expect(made$()).toEqual(made);
      }

      await providerOf(kind, new LocalHost()).delete("", outs!);
      expect(everything()).toEqual(before);
      const last = new LocalHost();
      await providerOf(kind, last).delete("", outs!);
      expect(last.steps).toEqual([]);
    });

    it("leaves at destroy what somebody put there after, keeps what was kept, and says so", async () => {
      theirs();
      const old = paths.map(at$);
      const { outs } = await providerOf(kind, new LocalHost()).create(await declare(kind, new LocalHost(), paths));
      const [path = ""] = paths;
      rmSync(at(path));
      put(path, "[Timer]\nOnCalendar=monthly\n");
      writeFileSync(at("active/fstrim-all.timer"), "");
      const newest = at$(path);
      const said = vi.spyOn(console, "log").mockImplementation(() => undefined);
      await providerOf(kind, new LocalHost()).delete("", outs!);
      expect(said.mock.calls.flat()).toEqual([
        `local: ${path} was left as it is: it is not what an \`up\` wrote. What was there before is kept as ` +
          `/var/lib/jts-storage/replaced${path}. Next: compare the two, and put back what you need: ` +
          `cp --archive /var/lib/jts-storage/replaced${path} ${path}`,
      ]);
      said.mockRestore();
      expect(at$(path)).toEqual(newest);
      expect(at$(keptOf(path))).toEqual(old[0]);
      if (kind === "SystemdTimer") expect(existsSync(at("active/fstrim-all.timer")), "theirs runs on").toBe(true);
      if (paths.length > 1) expect(at$(paths[1]!)).toEqual(old[1]);
      expect(existsSync(at("/var/lib/jts-storage/made"))).toBe(false);

      // The next takeover keeps the newest, and doesn't overwrite the first.
      await providerOf(kind, new LocalHost()).create(await declare(kind, new LocalHost(), paths));
      expect(at$(keptOf(path))).toEqual(newest);
      const first = at$(`${keptOf(path)}.~1~`) as unknown[];
      expect(first.slice(1)).toEqual((old[0] as unknown[]).slice(1));
    });
  });

  it.each(SITUATIONS.filter(({ isKilled }) => isKilled))(
    "leaves at each kill the old file, or ours and the old one kept, and the next run finishes: $name, as a $kind",
    async ({ kind, paths, theirs }) => {
      const saved = `${root}.saved`;
      const copy = (from: string, to: string) => {
        for (const name of readdirSync(to)) rmSync(join(to, name), { recursive: true });
        runLocally({ argv: ["cp", "--archive", `${from}/.`, to] });
      };
      mkdirSync(saved);
      try {
        theirs();
        const before = everything();
        const old = paths.map(at$);
        const checkPaths = (command: number) => {
          for (const [index, path] of paths.entries()) {
            const here = at$(path);
            expect([command, here], "never nothing").toEqual([command, expect.anything()]);
            if (JSON.stringify(here) !== JSON.stringify(old[index]))
              expect([command, at$(keptOf(path))]).toEqual([command, old[index]]);
          }
        };
        copy(root, saved);
        const inputs = await declare(kind, new LocalHost(), paths);
        const making = new LocalHost();
        const { outs } = await providerOf(kind, making).create(inputs);
        const made = made$();
        const removing = new LocalHost();
        await providerOf(kind, removing).delete("", outs!);
        expect(Math.min(making.changes, removing.changes)).toBeGreaterThan(5);

        for (let command = 1; command <= making.changes; command++) {
          copy(saved, root);
          const host = new LocalHost();
          host.killBefore = command;
          await expect(providerOf(kind, host).create(inputs), String(command)).rejects.toThrow();
          checkPaths(command);
          await providerOf(kind, new LocalHost()).create(inputs);
          checkPaths(command);
          expect([command, made$()]).toEqual([command, made]);
        }
        copy(root, saved);
        for (let command = 1; command <= removing.changes; command++) {
          copy(saved, root);
          const host = new LocalHost();
          host.killBefore = command;
          await expect(providerOf(kind, host).delete("", outs!), String(command)).rejects.toThrow();
          checkPaths(command);
          await providerOf(kind, new LocalHost()).delete("", outs!);
          expect([command, paths.map(at$), existsSync(at("/var/lib/jts-storage/replaced"))]).toEqual([
            command,
            old,
            false,
          ]);
          // Empty folders of the scripts, which were forgotten as files, may stay.
          if (kind !== "Scripts") expect([command, everything()]).toEqual([command, before]);
        }
      } finally {
        rmSync(saved, { recursive: true, force: true });
      }
    },
    LONG,
  );

  it("refuses a folder, a package's file and a unit with settings of its own, also where they are named", async () => {
    const refusal = async (kind: Name, paths: readonly string[]) => {
      const before = everything();
      const error = await providerOf(kind, new LocalHost())
        .create(await declare(kind, new LocalHost(), paths))
        .catch((error: unknown) => String(error));
      expect(everything()).toEqual(before);
      return error;
    };
    mkdirSync(at(CONF), { recursive: true });
    expect(await refusal("ConfigFile", [CONF])).toMatch(/60-jts.conf is a directory/);
    rmSync(at(CONF), { recursive: true });

    put(CONF, "theirs\n");
    writeFileSync(at("bin/dpkg-query"), `#!/bin/bash\necho "procps, other: \${@: -1}"\n`, { mode: 0o755 });
    expect(await refusal("ConfigFile", [CONF])).toMatch(
      /as a file of the package procps, other\..*\n {2}Next: no takeOver/,
    );
    rmSync(at("bin/dpkg-query"));

    units();
    put(`${TIMER}.d/override.conf`, "[Timer]\nOnCalendar=daily\n");
    expect(await refusal("SystemdTimer", [TIMER, SERVICE])).toMatch(
      `${TIMER}.d has settings for the unit that is there, and they would change ours. Nothing was written.\n  Next: move them away: mv ${TIMER}.d ${TIMER}.d.before`,
    );
    rmSync(at(`${TIMER}.d`), { recursive: true });
    expect(await refusal("SystemdTimer", [TIMER]), "only one of two is named").toMatch(
      new RegExp(`: ${SERVICE} exists already and isn't ours. Nothing.*takeOver: \\["${TIMER}","${SERVICE}"\\]$`, "s"),
    );
  });

  it("tells once of a unit that does not start any more, and has taken itself out", async () => {
    units();
    writeFileSync(at("active/fstrim-all.timer"), "");
    const before = everything().slice(0, 2);
    const inputs = await declare("SystemdTimer", new LocalHost(), [TIMER, SERVICE]);
    const { outs } = await providerOf("SystemdTimer", new LocalHost()).create(inputs);
    put("broken/fstrim-all.timer", "");
    await expect(providerOf("SystemdTimer", new LocalHost()).delete("", outs!)).rejects.toThrow(
      "fstrim-all.timer failed",
    );
    expect(everything().slice(0, 2)).toEqual(before);
    await providerOf("SystemdTimer", new LocalHost()).delete("", outs!);
    expect(everything()[2]).toEqual([]);
  });

  it("removes only what is ours where what was kept is gone, and says so", async () => {
    put(CONF, "theirs\n");
    const inputs = await declare("ConfigFile", new LocalHost(), [CONF]);
    const { outs } = await providerOf("ConfigFile", new LocalHost()).create(inputs);
    rmSync(at("/var/lib/jts-storage/replaced"), { recursive: true });
    const said = vi.spyOn(console, "log").mockImplementation(() => undefined);
    await providerOf("ConfigFile", new LocalHost()).delete("", outs!);
    expect(said.mock.calls.flat().join()).toContain(`what was at ${CONF} before is not kept any more`);
    said.mockRestore();
    expect([existsSync(at(CONF)), everything()[2]]).toEqual([false, []]);
  });
});
