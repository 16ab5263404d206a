/** Calls of ONC RPC (RFC 5531), as hexadecimal digits, and what their replies say. Pure. */

/** A call's numbers: the program, its version, and the procedure. */
export interface Procedure {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly args?: readonly number[];
}

/** NFS's call that does nothing, of this version of NFS. */
export const nfsNull = (version: number): Procedure => ({ program: 100003, version, procedure: 0 });
/** Asks the portmapper (RFC 1833) on which TCP port mountd is, version 3. */
export const PORT_OF_MOUNTD: Procedure = { program: 100000, version: 2, procedure: 3, args: [100005, 3, 6, 0] };
/** Asks mountd for its exports (RFC 1813, MOUNTPROC3_EXPORT). It needs no privileged port, and mounts nothing. */
export const EXPORTS: Procedure = { program: 100005, version: 3, procedure: 5 };

const XID = 0x6a747300;
const LAST_FRAGMENT = 0x80000000;
const word = (value: number) => value.toString(16).padStart(8, "0");

/** The call with its record mark, without credentials. */
export function printCall({ program, version, procedure, args = [] }: Procedure): string {
  const body = [XID, 0, 2, program, version, procedure, 0, 0, 0, 0, ...args].map(word).join("");
  return word(LAST_FRAGMENT + body.length / 2) + body;
}

/**
 * The results in a reply.
 * @throws {Error} where the server refuses, or it is no reply to our call
 */
export function parseReply(printed: string): Buffer {
  const bytes = Buffer.from(printed.trim(), "hex");
  const at = (index: number) => bytes.readUInt32BE(4 * index);
  if (bytes.length < 24 || at(0) !== XID || at(1) !== 1) throw new Error("what answers there is no RPC server");
  if (at(2) !== 0) throw new Error("the server refuses calls of this host");
  const after = 5 + Math.ceil(at(4) / 4);
  if (bytes.length < 4 * after + 4) throw new Error("its reply ends early");
  const status = at(after);
  if (status === 1) throw new Error("the server has no such service");
  if (status === 2) throw new Error(`the server has the versions ${at(after + 1)} to ${at(after + 2)} of it only`);
  if (status !== 0) throw new Error(`the server answers with the status ${status}`);
  return bytes.subarray(4 * after + 4);
}

/** A folder that a server exports, and to whom; to nobody named: to all. */
export interface Export {
  readonly folder: string;
  readonly clients: readonly string[];
}

/** @throws {Error} where it ends early */
export function parseExports(results: Buffer): readonly Export[] {
  let offset = 0;
  const number = () => results.readUInt32BE((offset += 4) - 4);
  const text = () => {
    const length = number();
    const found = results.toString("utf8", offset, offset + length);
    offset += 4 * Math.ceil(length / 4);
    return found;
  };
  // A list in XDR: 1 before each item, 0 after the last.
  const list = <T>(item: () => T) => {
    const items: T[] = [];
    while (number() === 1) items.push(item());
    return items;
  };
  return list(() => ({ folder: text(), clients: list(text) }));
}
