import type { ResourceProvider } from "@pulumi/pulumi/dynamic/index.js";

export function trivial(): ResourceProvider {
  return {
    create: (inputs: object) => Promise.resolve({ id: "trivial", outs: inputs }),
    diff: () => Promise.resolve({}),
    read: (id, properties: object = {}) => Promise.resolve({ id, props: properties, inputs: properties }),
  };
}
