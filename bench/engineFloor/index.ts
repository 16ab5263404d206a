import * as pulumi from "@pulumi/pulumi";

/** As many as the stack that is compared has. */
const RESOURCES = Number(process.env.ENGINE_FLOOR_RESOURCES);

class Trivial extends pulumi.CustomResource {
  constructor(name: string) {
    super("pulumi-nodejs:dynamic/engine-floor:Trivial", name, {
      value: name,
      __provider: 'exports.handler = () => require("./trivial.ts").trivial()',
    });
  }
}

for (let number = 0; number < RESOURCES; number++) new Trivial(`trivial-${number}`);
