/** `npm run lab -- …`: the lab's machines by hand. */
import { execa } from "execa";
import { prepare } from "../setup/prepare.ts";
import { main, MissingNeed } from "../setup/progress.ts";
import { ROOT } from "../setup/project.ts";
import { tools } from "../setup/tools.ts";
import { LAB } from "./folders.ts";
import * as lab from "./lab.ts";
import { sshArguments } from "./ssh.ts";
import { prepareStack } from "./stack.ts";

const TAKES_CONFIG_FILE = ["config", "destroy", "import", "preview", "refresh", "up", "watch"];

const USAGE = `Usage: npm run lab -- COMMAND

  up                      start the storage host and the NAS, making what they need
  down [--hard]           shut them down; their disks stay; --hard is a power cut
  status                  what runs, and where its SSH is
  ssh [nas] [COMMAND…]    a shell, or a command, on the storage host (or the NAS) as root
  reboot [nas] [--hard]   restart the storage host (or the NAS); --hard is a power cut
  reset                   fresh machines with blank disks, and no stack that knows the old ones
  pulumi ARGUMENTS…       the Pulumi CLI on the lab's own backend, stack dev
`;

await main(async () => {
  const [command = "", ...args] = process.argv.slice(2);
  switch (command) {
    case "up":
      await prepare(lab.machines);
      return printStatus();
    case "down":
      return lab.down({ hard: args.includes("--hard") });
    case "status":
      return printStatus();
    case "ssh":
      return ssh(args);
    case "reboot":
      return lab.reboot(args.includes("nas") ? "nas" : "storage-host", { hard: args.includes("--hard") });
    case "reset":
      await lab.reset();
      return printStatus();
    case "pulumi":
      return pulumi(args);
    case "--help":
    case "-h":
    case "help":
      console.log(USAGE);
      return;
    default:
      console.error(`${command === "" ? "A command is missing." : `There is no command "${command}".`}\n\n${USAGE}`);
      return 2;
  }
});

async function printStatus(): Promise<void> {
  for (const { machine, pid, sshPort, answers } of await lab.status()) {
    if (pid === undefined) console.log(`${machine}: not running`);
    else
      console.log(
        `${machine}: running (process ${pid}), SSH on 127.0.0.1:${sshPort} ${answers ? "answers" : "does not answer"}`,
      );
  }
}

async function ssh(args: readonly string[]): Promise<number> {
  const machine = args[0] === "nas" ? "nas" : "storage-host";
  const command = args[0] === "nas" || args[0] === "storage-host" ? args.slice(1) : args;
  return handOver(
    "ssh",
    [...(command.length === 0 && process.stdin.isTTY ? ["-t"] : []), ...(await sshArguments(machine)), ...command],
    { cwd: LAB },
  );
}

async function pulumi(args: readonly string[]): Promise<number> {
  await prepare(tools);
  const file = await prepareStack(await lab.connection());
  const [subcommand = "", ...rest] = args;
  const isDev = !names(rest, "--stack") && !names(rest, "-s");
  const words =
    TAKES_CONFIG_FILE.includes(subcommand) && isDev && !names(rest, "--config-file")
      ? [subcommand, "--config-file", file, ...rest]
      : args;
  return handOver("pulumi", words, { cwd: ROOT, env: lab.pulumiEnv() });
}

function names(args: readonly string[], option: string): boolean {
  return args.some((word) => word === option || word.startsWith(`${option}=`));
}

/** Runs a program with this terminal, and ends as it ends. Ctrl-C is the program's to act on. */
async function handOver(
  program: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string> },
): Promise<number> {
  process.on("SIGINT", () => {});
  const { exitCode, code } = await execa(program, args, { ...options, stdio: "inherit", reject: false });
  if (code === "ENOENT") throw new MissingNeed(`There is no ${program} on the PATH.`);
  return exitCode ?? 1;
}
