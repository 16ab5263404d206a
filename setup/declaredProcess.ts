/**
 * Sends to the process that forked this one what a program declares: its arguments are the configuration and the
 * program.
 */
import * as pulumi from "@pulumi/pulumi";
import type { Declared } from "./declared.ts";

interface Request {
  getName(): string;
  getType(): string;
  getParent(): string;
  getDependenciesList(): string[];
  getProtect(): boolean;
}

const config = JSON.parse(process.argv[2]!) as Record<string, unknown>;
process.send!(await declaredWith(config), undefined, undefined, () => process.disconnect());

/** Mocks keep no dependencies, so the monitor's own call is intercepted. */
async function declaredWith(config: Record<string, unknown>): Promise<Declared[]> {
  const inputs = new Map<string, Record<string, unknown>>();
  const registered: Omit<Declared, "inputs">[] = [];
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
    registered.push({
      name: request.getName(),
      type: request.getType(),
      parent: request.getParent() === "" ? undefined : nameOf(request.getParent()),
      dependencies: request.getDependenciesList().map(nameOf),
      protect: request.getProtect(),
    });
    register(request, callback);
  };
  await import(process.argv[3]!);
  await pulumi.runtime.disconnect();
  return registered.map((one) => ({ ...one, inputs: inputs.get(one.name) ?? {} }));
}
