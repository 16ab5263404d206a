/** `npm run lab`: the lab's machines by hand. USAGE says how. */
import { execa } from "execa";
import { LAB } from "../lab/folders.ts";
import * as lab from "../lab/lab.ts";
import { sshArguments } from "../lab/ssh.ts";
import { prepareStack } from "../lab/stack.ts";
import { command, WrongUsage } from "../setup/command.ts";
import { prepare } from "../setup/prepare.ts";
import { main, MissingNeed } from "../setup/progress.ts";
import { LAB_DEBIAN, ROOT } from "../setup/project.ts";
import { tools } from "../setup/tools.ts";

const TAKES_CONFIG_FILE = ["config", "destroy", "import", "preview", "refresh", "up", "watch"];

const USAGE = `Usage: npm run lab -- COMMAND

  up [--debian 13]        start the storage host and the NAS, and make what they need
  down [--hard]           shut both down and keep their disks; --hard is a power cut
  status                  print which machines run, and the address of their SSH
  ssh [nas] [COMMAND…]    run a shell or a command as root on the storage host (or the NAS)
  reboot [nas] [--hard]   restart the storage host (or the NAS); --hard is a power cut
  reset                   make new machines with blank disks, and forget the stacks of the old ones
  pulumi ARGUMENTS…       run the Pulumi CLI on the lab's own backend, stack dev

The machines have Debian 12. JTS_STORAGE_LAB_DEBIAN=13 chooses a lab with Debian 13 beside it, for these commands and
for npm start, npm run test:e2e and npm test; --debian does the same for one command.
`;

const [first, ...words] = process.argv.slice(2);
// Other words of these two, options too, are for the program that they run.
if (first === "ssh") await main(() => ssh(words));
else if (first === "pulumi") await main(() => pulumi(words));
else await command(USAGE, { hard: { type: "boolean", default: false }, debian: { type: "string" } }, manage);

async function manage({
  values: { hard, debian },
  positionals: [name, ...machines],
}: {
  readonly values: { readonly hard: boolean; readonly debian?: string | undefined };
  readonly positionals: readonly string[];
}): Promise<number | void> {
  if (debian !== undefined && Number(debian) !== LAB_DEBIAN) {
    const again = [...process.execArgv, ...process.argv.slice(1)];
    return handOver(process.execPath, again, { cwd: ROOT, env: { JTS_STORAGE_LAB_DEBIAN: debian } });
  }
  switch (name) {
    case "up":
      await prepare(lab.machines);
      return printStatus();
    case "down":
      return lab.down({ hard });
    case "status":
      return printStatus();
    case "reboot":
      return lab.reboot(machineOf(machines), { hard });
    case "reset":
      await lab.reset();
      return printStatus();
    case "help":
      return console.log(USAGE);
    case undefined:
      throw new WrongUsage("A command is missing.");
    default:
      throw new WrongUsage(`There is no command "${name}".`);
  }
}

function machineOf([word = "storage-host"]: readonly string[]): lab.Machine {
  const machine = lab.MACHINES.find((one) => one === word);
  if (machine === undefined) throw new WrongUsage(`There is no machine "${word}".`);
  return machine;
}

async function printStatus(): Promise<void> {
  for (const { machine, pid, sshPort, answers } of await lab.status()) {
    const where = `SSH on 127.0.0.1:${sshPort} ${answers ? "answers" : "does not answer"}`;
    console.log(`${machine}: ${pid === undefined ? "not running" : `running (process ${pid}), ${where}`}`);
  }
}

async function ssh(words: readonly string[]): Promise<number> {
  const named = lab.MACHINES.find((machine) => machine === words[0]);
  const remote = named === undefined ? words : words.slice(1);
  const terminal = remote.length === 0 && process.stdin.isTTY ? ["-t"] : [];
  return handOver("ssh", [...terminal, ...(await sshArguments(named ?? "storage-host")), ...remote], { cwd: LAB });
}

async function pulumi(words: readonly string[]): Promise<number> {
  await prepare(tools);
  const file = await prepareStack(await lab.connection());
  const [subcommand = "", ...rest] = words;
  const names = (option: string) => rest.some((word) => word === option || word.startsWith(`${option}=`));
  const takesFile = TAKES_CONFIG_FILE.includes(subcommand) && !["--stack", "-s", "--config-file"].some(names);
  return handOver("pulumi", takesFile ? [subcommand, "--config-file", file, ...rest] : words, {
    cwd: ROOT,
    env: lab.pulumiEnv(),
  });
}

/** Runs a program with this terminal, and ends as it ends. Ctrl-C is for the program to act on. */
async function handOver(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Record<string, string> },
): Promise<number> {
  process.on("SIGINT", () => {});
  const { exitCode, code } = await execa(program, args, { ...options, stdio: "inherit", reject: false });
  if (code === "ENOENT") throw new MissingNeed(`There is no ${program} on the PATH.`);
  return exitCode ?? 1;
}
