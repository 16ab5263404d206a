import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { LAB } from "./folders.ts";
import { MACHINES, type Machine } from "./machine.ts";

type Ports = Record<Machine, number>;
const RECORD = join(LAB, "ports.json");

/** The port on 127.0.0.1 that leads to the machine's SSH; undefined before the lab's first start. */
export async function sshPort(machine: Machine): Promise<number | undefined> {
  return (await readPorts())[machine];
}

/** The machine's port. It stays the same, unless another process has taken it in the meantime. */
export async function chooseSshPort(machine: Machine): Promise<number> {
  const ports = await readPorts();
  const others = MACHINES.filter((other) => other !== machine).map((other) => ports[other]);
  let port = ports[machine];
  while (port === undefined || others.includes(port) || (await listen(port)) === undefined) {
    port = await listen(0);
    if (port === undefined) throw new Error("no free port on 127.0.0.1");
  }
  await writeFile(RECORD, JSON.stringify({ ...ports, [machine]: port }));
  return port;
}

async function readPorts(): Promise<Partial<Ports>> {
  return JSON.parse(await readFile(RECORD, "utf8").catch(() => "{}")) as Partial<Ports>;
}

/** The port, if it is free on 127.0.0.1; 0 finds a free one. */
async function listen(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen({ port, host: "127.0.0.1" }, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" ? address?.port : undefined));
    });
  });
}
