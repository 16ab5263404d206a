import { z } from "zod";
import { connectionSchema } from "../values/connection.ts";
import { line } from "../values/fields.ts";

/** What every resource takes. */
const commonInputs = {
  /**
   * The host's name: a key of `hosts` in the stack's configuration, unless `connection` is given. A change makes
   * another resource. It stands before the host's key in a file like known_hosts, see sshd(8).
   */
  host: line.regex(/^([^\s,"'!#@|][^\s,"']*)?$/, {
    error: "is not a valid host name here: it holds a space, comma or quote, or starts with one of ! # @ |",
  }),
  /**
   * How the host is reached. It is kept in the state, so that the resource can be destroyed without the program; a
   * change of it changes nothing on the host. Default: what `hosts` in the stack's configuration has for the host,
   * which enters no state.
   */
  connection: connectionSchema.optional(),
};

/** By this name, declaration files keep the documentation of the rows in every resource. */
export type CommonRows = Pick<typeof commonInputs, keyof typeof commonInputs>;

/**
 * The schema of a kind's inputs: what every resource takes, and these. Their documentation is that of the public args.
 */
export function kindInputs<Rows extends z.core.$ZodLooseShape>(rows: Rows): z.ZodObject<CommonRows & Rows> {
  return z.object({ ...commonInputs, ...rows });
}
