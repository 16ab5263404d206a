import type { z } from "zod";
import type { Properties } from "./properties.ts";

/** A resource type of the plugin. Properties come with their secrets wrapped. */
export interface RemoteKind {
  /** Checked in previews, too, where values may be unknown. Other properties are refused. */
  readonly inputs: z.ZodObject;
  /** Inputs that the published schema sets where the program doesn't. */
  readonly defaults: Properties;
  readonly idStartsWithName: boolean;
  /** Does it on the host; returns the outputs that aren't inputs. */
  create(urn: string, inputs: Properties): Promise<Properties>;
  update(urn: string, olds: Properties, news: Properties): Promise<Properties>;
  delete?(urn: string, properties: Properties): Promise<void>;
}
