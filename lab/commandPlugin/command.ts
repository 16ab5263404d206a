import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { execa } from "execa";
import { z } from "zod";
import { connectionSchema, environmentSchema, overSsh } from "./connection.ts";
import { logged, logStatus } from "./engineLog.ts";
import { Failed } from "./failed.ts";
import { isSecret, read, type Properties } from "./properties.ts";
import type { RemoteKind } from "./remoteKind.ts";

const inputs = z.object({
  connection: connectionSchema,
  create: z.string().optional(),
  update: z.string().optional(),
  delete: z.string().optional(),
  stdin: z.string().optional(),
  environment: environmentSchema.optional(),
  triggers: z.array(z.unknown()).optional(),
  logging: z.enum(["stdout", "stderr", "stdoutAndStderr", "none"]).optional(),
  addPreviousOutputInEnv: z.boolean().optional(),
});

const outputs = z.object({ stdout: z.string().default(""), stderr: z.string().default("") });
type Outputs = z.infer<typeof outputs>;
const NOTHING: Outputs = { stdout: "", stderr: "" };

/** `command:remote:Command`: a shell line on the host at each create, update and delete. */
export const command: RemoteKind = {
  inputs,
  defaults: { addPreviousOutputInEnv: true },
  idStartsWithName: true,
  create: (urn, news) => run(urn, news, "create", NOTHING),
  update: (urn, olds, news) => run(urn, news, news.update === undefined ? "create" : "update", read(outputs, olds)),
  async delete(urn, properties) {
    await run(urn, properties, "delete", read(outputs, properties));
  },
};

/** Runs the shell line of the property. Without one, the outputs stay as they were. */
async function run(
  urn: string,
  properties: Properties,
  property: "create" | "update" | "delete",
  previous: Outputs,
): Promise<Properties> {
  const {
    connection,
    environment,
    stdin,
    logging = "stdoutAndStderr",
    addPreviousOutputInEnv = true,
    [property]: line,
  } = read(inputs, properties);
  if (line === undefined) return previous;
  const { exitCode, signal, all, stdout, stderr } = await overSsh(
    urn,
    connection,
    { command: line, environment: { ...environment, ...(addPreviousOutputInEnv ? variables(previous) : {}) } },
    (args, options, isThere) => {
      const ssh = execa("ssh", args, { ...options, all: true, stripFinalNewline: false, input: stdin ?? "" });
      if (logging === "stdout" || logging === "stdoutAndStderr") logLines(urn, ssh.stdout, isThere);
      if (logging === "stderr" || logging === "stdoutAndStderr") logLines(urn, ssh.stderr, isThere);
      return { ended: ssh, done: ssh };
    },
  );
  await logged();
  if (exitCode !== 0) {
    const shown = isSecret(properties[property]) ? "[secret]" : JSON.stringify(line);
    const how = exitCode === undefined ? `signal ${signal}` : `status ${exitCode}`;
    throw new Failed(`Process exited with ${how}: running ${shown}:\n${all}`);
  }
  return { stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
}

function variables({ stdout, stderr }: Outputs): Record<string, string> {
  return {
    ...(stdout === "" ? {} : { PULUMI_COMMAND_STDOUT: stdout }),
    ...(stderr === "" ? {} : { PULUMI_COMMAND_STDERR: stderr }),
  };
}

/** Shows what the command prints. What ssh itself prints while it dials goes into the error. */
function logLines(urn: string, stream: Readable, isThere: () => boolean): void {
  createInterface({ input: stream }).on("line", (line) => {
    if (isThere()) logStatus(urn, line);
  });
}
