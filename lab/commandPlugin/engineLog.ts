import { credentials } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/engine_pb.js";

/** The engine starts a plugin with its own address as the last argument. */
const engine = new EngineClient(process.argv.at(-1) ?? "", credentials.createInsecure());
/** Lines are sent one after another, so that they stay in order. */
let sent: Promise<void> = Promise.resolve();

/** Shows a line beside the resource while it is being changed. */
export function logStatus(urn: string, line: string): void {
  const request = new messages.LogRequest();
  request.setSeverity(messages.LogSeverity.INFO);
  request.setMessage(line);
  request.setUrn(urn);
  request.setEphemeral(true);
  sent = sent.then(() => new Promise((resolve) => engine.log(request, () => resolve())));
}

/** Resolves when the engine has got all lines, or takes none. */
export async function logged(): Promise<void> {
  await sent;
}
