import { z } from "zod";
import { connectionSchema } from "../values/connection.ts";
import { line } from "../values/fields.ts";

/** What every resource takes. */
const commonInputs = {
  /**
   * The host's name: a key of `hosts` in the stack's configuration, unless `connection` is given. A change makes
   * another resource.
   */
  host: line,
  /**
   * How the host is reached. It is kept in the state, so that the resource can be destroyed without the program; a
   * change of it changes nothing on the host. Default: what `hosts` in the stack's configuration has for the host,
   * which enters no state.
   */
  connection: connectionSchema.optional(),
};

type Common = typeof commonInputs;
/**
 * An interface, since declaration files name it, and so keep the documentation of its properties. It is picked from
 * where it is used, since an interface has no index signature.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface CommonShape extends Common {}

/**
 * The schema of a kind's inputs: what every resource takes, and these. Their documentation is that of the public args.
 */
export function kindInputs<Shape extends z.core.$ZodLooseShape>(
  shape: Shape,
): z.ZodObject<Pick<CommonShape, keyof CommonShape> & Shape> {
  return z.object({ ...commonInputs, ...shape });
}
