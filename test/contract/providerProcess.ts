import { once } from "node:events";
import { createInterface } from "node:readline";
import { credentials, Metadata, type CallOptions, type ServiceError } from "@grpc/grpc-js";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import { execa, type Options } from "execa";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct, { type JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb.js";

export type Values = Record<string, JavaScriptValue>;

/** What the engine puts where a preview can't know a value yet. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A call that takes longer hangs. */
const DEADLINE_SECONDS = 45;

/** A provider as the engine runs it: a process that prints its port, and answers there. */
export class ProviderProcess implements AsyncDisposable {
  readonly #client: ResourceProviderClient;
  readonly #end: () => Promise<void>;

  readonly #loseEngine: () => Promise<void>;

  private constructor(client: ResourceProviderClient, end: () => Promise<void>, loseEngine: () => Promise<void>) {
    this.#client = client;
    this.#end = end;
    this.#loseEngine = loseEngine;
  }

  static async start(file: string, args: readonly string[], options: Options): Promise<ProviderProcess> {
    const child = execa(file, args, { ...options, reject: false, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    const lines = createInterface({ input: child.stdout });
    const first = await Promise.race([once(lines, "line") as Promise<[string]>, child]);
    if (!Array.isArray(first)) throw new Error(`${file} ended with ${first.exitCode}: ${String(first.stderr)}`);
    const client = new ResourceProviderClient(`127.0.0.1:${first[0]}`, credentials.createInsecure());
    const end = async (how: () => void) => {
      how();
      await child;
      client.close();
    };
    return new ProviderProcess(
      client,
      () => end(() => child.kill("SIGINT")), // as the engine does
      () => end(() => child.stdin.end()),
    );
  }

  /** As it sees an engine that is killed; waits for its end. */
  loseEngine(): Promise<void> {
    return this.#loseEngine();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  async configure(config: Values): Promise<{ acceptsSecrets: boolean; supportsPreview: boolean }> {
    const request = new messages.ConfigureRequest();
    request.setArgs(toStruct(config));
    const response = await unary<messages.ConfigureResponse>((...rest) => this.#client.configure(request, ...rest));
    return { acceptsSecrets: response.getAcceptsecrets(), supportsPreview: response.getSupportspreview() };
  }

  async version(): Promise<string> {
    return (
      await unary<{ getVersion(): string }>((...rest) => this.#client.getPluginInfo(new empty.Empty(), ...rest))
    ).getVersion();
  }

  async schema(): Promise<unknown> {
    const response = await unary<messages.GetSchemaResponse>((...rest) =>
      this.#client.getSchema(new messages.GetSchemaRequest(), ...rest),
    );
    return JSON.parse(response.getSchema());
  }

  async check(
    urn: string,
    olds: Values,
    news: Values,
  ): Promise<{ inputs: Values; failures: { property: string; reason: string }[] }> {
    const request = new messages.CheckRequest();
    request.setUrn(urn);
    request.setOlds(toStruct(olds));
    request.setNews(toStruct(news));
    const response = await unary<messages.CheckResponse>((...rest) => this.#client.check(request, ...rest));
    return {
      inputs: fromStruct(response.getInputs()),
      failures: response.getFailuresList().map((one) => ({ property: one.getProperty(), reason: one.getReason() })),
    };
  }

  async diff(
    urn: string,
    olds: Values,
    news: Values,
  ): Promise<{ changes: "left to the engine" | "none" | "some"; replaces: string[]; deleteBeforeReplace: boolean }> {
    const request = new messages.DiffRequest();
    request.setId("an-id");
    request.setUrn(urn);
    request.setOlds(toStruct(olds));
    request.setNews(toStruct(news));
    const response = await unary<messages.DiffResponse>((...rest) => this.#client.diff(request, ...rest));
    const changes = (["left to the engine", "none", "some"] as const)[response.getChanges()];
    return { changes, replaces: response.getReplacesList(), deleteBeforeReplace: response.getDeletebeforereplace() };
  }

  async create(urn: string, properties: Values): Promise<{ id: string; outputs: Values }> {
    const request = new messages.CreateRequest();
    request.setUrn(urn);
    request.setProperties(toStruct(properties));
    const response = await unary<messages.CreateResponse>((...rest) => this.#client.create(request, ...rest));
    return { id: response.getId(), outputs: fromStruct(response.getProperties()) };
  }

  async update(urn: string, olds: Values, news: Values): Promise<Values> {
    const request = new messages.UpdateRequest();
    request.setId("an-id");
    request.setUrn(urn);
    request.setOlds(toStruct(olds));
    request.setNews(toStruct(news));
    return fromStruct(
      (await unary<messages.UpdateResponse>((...rest) => this.#client.update(request, ...rest))).getProperties(),
    );
  }

  async read(urn: string, properties: Values): Promise<{ id: string; outputs: Values }> {
    const request = new messages.ReadRequest();
    request.setId("an-id");
    request.setUrn(urn);
    request.setProperties(toStruct(properties));
    const response = await unary<messages.ReadResponse>((...rest) => this.#client.read(request, ...rest));
    return { id: response.getId(), outputs: fromStruct(response.getProperties()) };
  }

  async delete(urn: string, properties: Values): Promise<void> {
    const request = new messages.DeleteRequest();
    request.setId("an-id");
    request.setUrn(urn);
    request.setProperties(toStruct(properties));
    await unary((...rest) => this.#client.delete(request, ...rest));
  }
}

/** A call's failure: what the engine shows, and whether it keeps a half-made resource in the state. */
export async function failureOf(call: Promise<unknown>): Promise<{ message: string; isKept: boolean }> {
  const error = await call.then(
    () => {
      throw new Error("the call succeeded");
    },
    (reason: unknown) => reason as ServiceError,
  );
  return { message: error.details, isKept: error.metadata.get("grpc-status-details-bin").length > 0 };
}

type Rest<R> = [
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: R) => void,
];

async function unary<R>(send: (...rest: Rest<R>) => unknown): Promise<R> {
  return new Promise((resolve, reject) => {
    send(new Metadata(), { deadline: Date.now() + DEADLINE_SECONDS * 1000 }, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}

function toStruct(values: Values): struct.Struct {
  return struct.Struct.fromJavaScript(values);
}

function fromStruct(values: struct.Struct | undefined): Values {
  return values?.toJavaScript() ?? {};
}
