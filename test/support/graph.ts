import * as pulumi from "@pulumi/pulumi";

/** A resource as it was registered. */
export interface Registered {
  readonly name: string;
  readonly type: string;
  readonly inputs: Record<string, unknown>;
  readonly parent: string | undefined;
  readonly dependencies: readonly string[];
  readonly protect: boolean;
}

interface Request {
  getName(): string;
  getType(): string;
  getParent(): string;
  getDependenciesList(): string[];
  getProtect(): boolean;
}

/**
 * Runs a program on Pulumi's mocks, and gives what it registered, by name. Mocks keep no dependencies, so that the
 * monitor's own call is listened to.
 */
export async function graphOf(
  config: Record<string, unknown>,
  program: () => Promise<unknown>,
): Promise<ReadonlyMap<string, Registered>> {
  const inputs = new Map<string, Record<string, unknown>>();
  const registered = new Map<string, Registered>();
  await pulumi.runtime.setMocks(
    {
      newResource: (args) => {
        inputs.set(args.name, args.inputs as Record<string, unknown>);
        return { id: `${args.name}-id`, state: args.inputs as Record<string, unknown> };
      },
      call: () => ({}),
    },
    "jts-storage",
    "test",
    false,
  );
  pulumi.runtime.setAllConfig(
    Object.fromEntries(Object.entries(config).map(([key, value]) => [`jts-storage:${key}`, JSON.stringify(value)])),
  );
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerResource(request: Request, callback: unknown): void;
  };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    const nameOf = (urn: string) => urn.slice(urn.lastIndexOf("::") + 2);
    registered.set(request.getName(), {
      name: request.getName(),
      type: request.getType(),
      inputs: {},
      parent: request.getParent() === "" ? undefined : nameOf(request.getParent()),
      dependencies: request.getDependenciesList().map(nameOf),
      protect: request.getProtect(),
    });
    register(request, callback);
  };
  await program();
  await pulumi.runtime.disconnect();
  return new Map([...registered].map(([name, one]) => [name, { ...one, inputs: inputs.get(name) ?? {} }]));
}
