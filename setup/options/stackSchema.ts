/** docs/configuration.schema.json. */
import { z } from "zod";
import { SECTIONS } from "../../config.ts";
import type { Option } from "./option.ts";

type JsonSchema = { [key: string]: unknown };

/** The JSON schema of a whole Pulumi.STACK.yaml. */
export function stackSchema(options: readonly Option[]): JsonSchema {
  const host = hostSchema();
  for (const { path, description, default: words } of options)
    for (const node of nodesAt(host, path))
      node.description = words === undefined ? description : `${description} Default: ${words}.`;
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "A stack of jts-storage",
    type: "object",
    properties: {
      config: {
        description: "The stack's configuration. Other keys are those of other programs.",
        type: "object",
        properties: {
          "jts-storage:hosts": {
            description: "Host name → its storage.",
            type: "object",
            minProperties: 1,
            propertyNames: { pattern: "^[a-zA-Z0-9][a-zA-Z0-9-]*$" },
            additionalProperties: { $ref: "#/definitions/host" },
          },
        },
        required: ["jts-storage:hosts"],
      },
      secretsprovider: { description: "Who encrypts the stack's secrets, as Pulumi writes it.", type: "string" },
      encryptionsalt: { description: "As Pulumi writes it.", type: "string" },
      encryptedkey: { description: "As Pulumi writes it.", type: "string" },
    },
    required: ["config"],
    definitions: { host },
  };
}

function hostSchema(): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(z.strictObject(SECTIONS), {
    io: "input",
    target: "draft-7",
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      // Metadata that is not for editors, and the bounds of all whole numbers.
      for (const key of ["kind", "onHost"]) delete (jsonSchema as JsonSchema)[key];
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
    },
  });
  // Not every editor reads patterns with classes of Unicode.
  const [control, other] = ["\\x00-\\x1f\\x7f-\\x9f", "[^\\x00-\\x1f\\x7f-\\x9f]"];
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
    key === "pattern" && typeof value === "string"
      ? value.replaceAll("\\P{Cc}", other).replaceAll("\\p{Cc}", control)
      : value,
  ) as JsonSchema;
}

/** The schemas at a key path: several where a section has several shapes. */
function nodesAt(schema: JsonSchema, [key, ...rest]: readonly string[]): JsonSchema[] {
  const shapes = [...((schema.anyOf ?? []) as JsonSchema[]), ...((schema.oneOf ?? []) as JsonSchema[])];
  if (key === undefined) return [schema];
  const child =
    (schema.properties as Record<string, JsonSchema> | undefined)?.[key] ??
    (key === "X" ? schema.additionalProperties : key === "N" ? schema.items : undefined);
  return [
    ...(typeof child === "object" && child !== null ? nodesAt(child as JsonSchema, rest) : []),
    ...shapes.flatMap((shape) => nodesAt(shape, [key, ...rest])),
  ];
}
