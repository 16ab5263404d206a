import { z } from "zod";
import { line, strictObject } from "./fields.ts";

/** How many letters a key's base64 has; an RSA key may have any number. */
const LETTERS: Readonly<Record<string, number>> = {
  "ssh-ed25519": 68,
  "ecdsa-sha2-nistp256": 140,
  "ecdsa-sha2-nistp384": 184,
  "ecdsa-sha2-nistp521": 232,
};

const publicKey = z
  .string()
  .regex(/^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)) [A-Za-z0-9+/]+={0,2}( .*)?$/, {
    error:
      'is not a public key; write what "ssh-keyscan -t ed25519 HOST" prints after the name, once compared with the host: ssh-ed25519 AAAA…',
  })
  .refine(
    (text) => {
      const [type = "", base64 = ""] = text.split(" ");
      return base64.length === (LETTERS[type] ?? Math.ceil(base64.length / 4) * 4);
    },
    { error: "is only a part of a public key, or more than one; copy the whole line of ssh-keyscan(1)" },
  )
  .meta({ kind: "a public key" });

const isPort = (digits: string) => Number(digits) >= 1 && Number(digits) <= 65535;

const connection = {
  /** Name or address, as ssh(1) takes it. */
  host: z
    .string()
    .regex(/^(?!-)(?!\[)(?![^:]*:[^:]*$)[^\s\p{Cc}@/'"`$;&<>|(){}[\]\\]+$/u, {
      error: "is not a valid host name or address; an IPv6 address is written without brackets, and a port in `port`",
    })
    .meta({ kind: "a host name or address" }),
  /** The port of its SSH server. Default: 22. */
  port: z.int().min(1).max(65535).default(22),
  /** root, or a user with passwordless sudo. Default: root. */
  user: z
    .string()
    .regex(/^\w([\w.@+\\-]*[\w.@+-])?\$?$/, { error: "is not a valid user name" })
    .default("root"),
  /** The host's public key, `type base64` as in known_hosts after the name. Always checked. */
  hostKey: publicKey,
  /**
   * The private key's path, `~` allowed; of its public key, where the SSH agent has it. Default: the SSH agent and
   * ~/.ssh/config decide.
   */
  identityFile: line.meta({ kind: "a path" }).optional(),
  /**
   * As ProxyJump of ssh_config(5), of one hop: `[user@]host[:port]`. Default: none. `@pulumi/command` needs
   * proxyHostKey too.
   */
  proxyJump: z
    .string()
    .regex(/^(?!-)([^@,\s]+@)?(\[[^\]]+\]|(?!-)[^:,\s@]+)(:\d+)?$/, {
      error: "must be one hop, [user@]host[:port]; more of them belong into ~/.ssh/config",
    })
    .refine((hop) => isPort(/:(\d+)$/.exec(hop)?.[1] ?? "22"), { error: "has a port that is not from 1 to 65535" })
    .optional(),
  /**
   * The jump host's public key, only for `@pulumi/command`, which doesn't read known_hosts; ssh(1) takes it from there.
   * Default: none.
   */
  proxyHostKey: publicKey.optional(),
  /**
   * How long the host may say nothing, when it is dialled and later, before it counts as unreachable, in seconds.
   * Default: 30.
   */
  timeoutSeconds: z.int().min(5).max(3600).default(30),
};
/** By this name, declaration files keep the documentation of the rows in every resource. */
export type ConnectionRows = Pick<typeof connection, keyof typeof connection>;

/** How a host is reached: `connection` of a host in the stack's configuration, or of a resource. */
export const connectionSchema = strictObject<ConnectionRows>(connection);
export type Connection = z.infer<typeof connectionSchema>;
