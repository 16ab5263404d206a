import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

export interface LoggedLine {
  readonly urn: string;
  readonly message: string;
  readonly isEphemeral: boolean;
}

/** The part of the engine that providers send their messages to. */
export class EngineStub implements Disposable {
  readonly address: string;
  readonly lines: LoggedLine[];
  readonly #server: Server;

  private constructor(server: Server, port: number, lines: LoggedLine[]) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
    this.lines = lines;
  }

  static async start(): Promise<EngineStub> {
    const server = new Server();
    const lines: LoggedLine[] = [];
    server.addService(EngineService, {
      log({ request }: ServerUnaryCall<LogRequest, empty.Empty>, callback: sendUnaryData<empty.Empty>) {
        lines.push({ urn: request.getUrn(), message: request.getMessage(), isEphemeral: request.getEphemeral() });
        callback(null, new empty.Empty());
      },
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new EngineStub(server, port, lines);
  }

  /** What was logged since the last time this was asked. */
  take(): LoggedLine[] {
    return this.lines.splice(0);
  }

  [Symbol.dispose](): void {
    this.#server.forceShutdown();
  }
}
