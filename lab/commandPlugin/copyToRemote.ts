import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import * as posix from "node:path/posix";
import { Readable } from "node:stream";
import { specialArchiveSig, specialAssetSig, specialSigKey } from "@pulumi/pulumi/runtime/rpc.js";
import { execa } from "execa";
import { z } from "zod";
import { connectionSchema, overSsh } from "./connection.ts";
import { Failed } from "./failed.ts";
import { differ, read, type Properties } from "./properties.ts";
import type { RemoteKind } from "./remoteKind.ts";
import { CHUNK_BYTES, Sftp } from "./sftp.ts";

const hash = z.string().optional();
const source = z.union(
  [
    z.object({ [specialSigKey]: z.enum([specialAssetSig, specialArchiveSig]), path: z.string().min(1), hash }),
    z.object({
      [specialSigKey]: z.literal(specialAssetSig),
      text: z.string().default(""),
      path: z.undefined().optional(),
      uri: z.undefined().optional(),
      hash,
    }),
  ],
  { error: "must be a FileAsset, a StringAsset or a FileArchive" },
);
type Source = z.infer<typeof source>;

const inputs = z.object({
  connection: connectionSchema,
  source,
  remotePath: z.string().min(1),
  triggers: z.array(z.unknown()).optional(),
});

/**
 * `command:remote:CopyToRemote`: copies a file, a text or a folder by SFTP, and again when its content or the path
 * changes. Like the real plugin, it removes nothing, gives files the server's default mode, and replaces files in
 * place.
 */
export const copyToRemote: RemoteKind = {
  inputs,
  defaults: {},
  idStartsWithName: false,
  async create(urn, news) {
    await copy(urn, news);
    return {};
  },
  async update(urn, olds, news) {
    if (differ(olds.source, news.source) || differ(olds.remotePath, news.remotePath)) await copy(urn, news);
    return {};
  },
};

async function copy(urn: string, properties: Properties): Promise<void> {
  const { connection, source, remotePath } = read(inputs, properties);
  await overSsh(urn, connection, { options: ["-s"], command: "sftp" }, (args, options) => {
    const ssh = execa("ssh", args, { ...options, encoding: "buffer", stdin: "pipe", buffer: { stdout: false } });
    const copied = async () => {
      const sftp = await Sftp.start(ssh);
      try {
        await copyTo(sftp, source, remotePath);
      } finally {
        sftp.end();
      }
    };
    return { ended: ssh, done: copied() };
  });
}

/**
 * | source  | the path is a folder | the path is absent     | the path is a file |
 * |---------|----------------------|------------------------|--------------------|
 * | folder  | PATH/folder/…        | PATH/folder/…          | an error           |
 * | folder/ | PATH/…               | PATH/…                 | an error           |
 * | file    | PATH/file            | PATH                   | PATH               |
 * | text    | an error             | PATH                   | PATH               |
 */
async function copyTo(sftp: Sftp, source: Source, remotePath: string): Promise<void> {
  const kind = await sftp.kindAt(remotePath);
  if (source.path === undefined) {
    if (kind === "directory")
      throw new Failed(
        `remote path ${remotePath} is a directory; when using a text asset, remotePath must be a file path`,
      );
    await makeDirectories(sftp, posix.dirname(remotePath));
    return sftp.write(remotePath, chunks(Buffer.from(source.text, "utf8")));
  }
  const { path } = source;
  if (!(await stat(path)).isDirectory()) {
    if (kind === undefined) await makeDirectories(sftp, posix.dirname(remotePath));
    return sftp.write(kind === "directory" ? posix.join(remotePath, basename(path)) : remotePath, fileContent(path));
  }
  if (kind === undefined) await makeDirectories(sftp, remotePath);
  await copyFolder(
    sftp,
    path,
    path.endsWith("/") ? posix.normalize(remotePath) : posix.join(remotePath, basename(path)),
  );
}

/** Copies a folder with its content. Symbolic links to files are followed; those to folders are not. */
async function copyFolder(sftp: Sftp, local: string, remote: string): Promise<void> {
  const kind = await sftp.kindAt(remote);
  if (kind === "other") throw new Failed(`remote path ${remote} exists but is not a directory`);
  if (kind === undefined) await sftp.makeDirectory(remote);
  for (const entry of (await readdir(local, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const [from, to] = [join(local, entry.name), posix.join(remote, entry.name)];
    if (entry.isDirectory()) await copyFolder(sftp, from, to);
    else await sftp.write(to, fileContent(from));
  }
}

async function makeDirectories(sftp: Sftp, path: string): Promise<void> {
  const kind = await sftp.kindAt(path);
  if (kind === "directory") return;
  if (kind === "other") throw new Failed(`remote path ${path} exists but is not a directory`);
  await makeDirectories(sftp, dirname(path));
  try {
    await sftp.makeDirectory(path);
  } catch (error) {
    // Another copy may have made it in the meantime.
    if ((await sftp.kindAt(path)) !== "directory") throw error;
  }
}

function fileContent(path: string): AsyncIterable<Buffer> {
  return createReadStream(path, { highWaterMark: CHUNK_BYTES }) as AsyncIterable<Buffer>;
}

function chunks(bytes: Buffer): AsyncIterable<Buffer> {
  const count = Math.ceil(bytes.length / CHUNK_BYTES);
  return Readable.from(
    Array.from({ length: count }, (_, index) => bytes.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES)),
  );
}
