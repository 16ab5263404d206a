import type { Readable, Writable } from "node:stream";
import { Failed } from "./failed.ts";

/** Packet types and codes of the SSH File Transfer Protocol, version 3 (draft-ietf-secsh-filexfer-02). */
const INIT = 1,
  VERSION = 2,
  OPEN = 3,
  CLOSE = 4,
  WRITE = 6,
  MKDIR = 14,
  STAT = 17,
  STATUS = 101,
  HANDLE = 102,
  ATTRS = 105;
const STATUS_OK = 0,
  STATUS_NO_SUCH_FILE = 2;
/**
 * Read, write, create, truncate: the flags of the real plugin's library. It sends no mode: the server's umask decides.
 */
const OPEN_FLAGS = 0x01 | 0x02 | 0x08 | 0x10;
const ATTRIBUTE_SIZE = 0x01,
  ATTRIBUTE_OWNER = 0x02,
  ATTRIBUTE_MODE = 0x04;
const NO_ATTRIBUTES = 0;

/** Servers take at least this much in one packet. */
export const CHUNK_BYTES = 32 * 1024;
const CHUNKS_UNDER_WAY = 64;

/** An SFTP client over a process's standard streams. */
export class Sftp {
  readonly #output: Writable;
  readonly #waiting = new Map<number, { resolve: (packet: Packet) => void; reject: (error: Error) => void }>();
  #lastId = 0;
  /** Set when no answer can come any more. */
  #ended: Error | undefined;

  private constructor(output: Writable) {
    this.#output = output;
    output.on("error", () => undefined); // #receive reports it, when the other stream ends
  }

  static async start({ stdin, stdout }: { stdin: Writable; stdout: Readable }): Promise<Sftp> {
    const sftp = new Sftp(stdin);
    const version = new Promise<Packet>((resolve, reject) => sftp.#waiting.set(0, { resolve, reject }));
    void sftp.#receive(stdout);
    sftp.#send(INIT, number(3));
    await version;
    return sftp;
  }

  /** What is at the path, after symbolic links; undefined where the server says that nothing is. */
  async kindAt(path: string): Promise<"directory" | "other" | undefined> {
    const answer = await this.#ask(STAT, text(path));
    if (answer.type === ATTRS) return answer.readMode() >> 12 === 0o04 ? "directory" : "other";
    const { code, message } = answer.readStatus();
    if (code === STATUS_NO_SUCH_FILE) return undefined;
    throw new Failed(`failed to stat remote path ${path}: ${message}`);
  }

  async makeDirectory(path: string): Promise<void> {
    const { code, message } = (await this.#ask(MKDIR, text(path), number(NO_ATTRIBUTES))).readStatus();
    if (code !== STATUS_OK) throw new Failed(`failed to create remote directory ${path}: ${message}`);
  }

  /** Creates the file, or replaces its content in place. */
  async write(path: string, content: AsyncIterable<Buffer>): Promise<void> {
    const opened = await this.#ask(OPEN, text(path), number(OPEN_FLAGS), number(NO_ATTRIBUTES));
    if (opened.type !== HANDLE)
      throw new Failed(`failed to create remote file ${path}: ${opened.readStatus().message}`);
    const handle = opened.readHandle();
    const underWay = new Set<Promise<void>>();
    const check = (answer: Packet) => {
      const { code, message } = answer.readStatus();
      if (code !== STATUS_OK) throw new Failed(`failed to write the remote file ${path}: ${message}`);
    };
    let offset = 0;
    for await (const chunk of content) {
      if (underWay.size >= CHUNKS_UNDER_WAY) await Promise.race(underWay);
      const written: Promise<void> = this.#ask(WRITE, lengthAnd(handle), long(offset), lengthAnd(chunk))
        .then(check)
        .finally(() => underWay.delete(written));
      written.catch(() => undefined); // awaited with the others
      underWay.add(written);
      offset += chunk.length;
    }
    await Promise.all(underWay);
    check(await this.#ask(CLOSE, lengthAnd(handle)));
  }

  /** Ends the session: no more requests. */
  end(): void {
    this.#output.end();
  }

  async #ask(type: number, ...parts: readonly Buffer[]): Promise<Packet> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = ++this.#lastId;
    const answer = new Promise<Packet>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#send(type, number(id), ...parts);
    return answer;
  }

  #send(type: number, ...parts: readonly Buffer[]): void {
    const body = Buffer.concat([Buffer.of(type), ...parts]);
    this.#output.write(lengthAnd(body));
  }

  async #receive(input: Readable): Promise<void> {
    let error = new Failed("the SFTP server ended the session");
    try {
      let rest: Buffer = Buffer.alloc(0);
      for await (const chunk of input as AsyncIterable<Buffer>) {
        rest = Buffer.concat([rest, chunk]);
        for (
          let length;
          rest.length >= 4 && rest.length >= 4 + (length = rest.readUInt32BE());
          rest = rest.subarray(4 + length)
        ) {
          const packet = new Packet(rest.subarray(4, 4 + length));
          this.#waiting.get(packet.id)?.resolve(packet);
          this.#waiting.delete(packet.id);
        }
      }
    } catch (cause) {
      error = new Failed(`the SFTP session broke: ${String(cause)}`);
    }
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
  }
}

/** A packet from the server, read from its start on. */
class Packet {
  readonly type: number;
  /** The request's; 0 for the answer to the first packet, which has none. */
  readonly id: number;
  readonly #body: Buffer;

  constructor(bytes: Buffer) {
    this.type = bytes.readUInt8();
    this.id = this.type === VERSION ? 0 : bytes.readUInt32BE(1);
    this.#body = bytes.subarray(5);
  }

  readStatus(): { code: number; message: string } {
    if (this.type !== STATUS) throw new Failed(`the SFTP server answered with a packet of type ${this.type}`);
    const code = this.#body.readUInt32BE();
    const message = this.#body.length < 8 ? "" : this.#body.toString("utf8", 8, 8 + this.#body.readUInt32BE(4));
    return { code, message: message || `status ${code}` };
  }

  readHandle(): Buffer {
    return this.#body.subarray(4, 4 + this.#body.readUInt32BE());
  }

  /** st_mode; 0 where the server doesn't send it. */
  readMode(): number {
    const flags = this.#body.readUInt32BE();
    if ((flags & ATTRIBUTE_MODE) === 0) return 0;
    return this.#body.readUInt32BE(4 + (flags & ATTRIBUTE_SIZE ? 8 : 0) + (flags & ATTRIBUTE_OWNER ? 8 : 0));
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function long(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function lengthAnd(bytes: Buffer): Buffer {
  return Buffer.concat([number(bytes.length), bytes]);
}

function text(value: string): Buffer {
  return lengthAnd(Buffer.from(value, "utf8"));
}
