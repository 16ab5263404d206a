import { credentials } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/engine_pb.js";

/** The engine starts a plugin with its own address as the last argument. */
const engine = new EngineClient(process.argv.at(-1) ?? "", credentials.createInsecure());
/** Lines are sent one after the other, so that they stay in order. */
let sent: Promise<void> = Promise.resolve();

/** What the resource is busy with, or what its command says: shown while it lasts. */
export function logStatus(urn: string, line: string): void {
  const request = new messages.LogRequest();
  request.setSeverity(messages.LogSeverity.INFO);
  request.setMessage(line);
  request.setUrn(urn);
  request.setEphemeral(true);
  sent = sent.then(() => new Promise((resolve) => engine.log(request, () => resolve())));
}

/** Resolves when the engine has all lines, or can't be told any. */
export async function logged(): Promise<void> {
  await sent;
}
