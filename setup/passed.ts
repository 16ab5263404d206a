/** Remembers what passed last, in which state of the checkout, and how long it took. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MADE } from "./project.ts";

const RECORD = join(MADE, "passed.json");

type Passed = Record<string, { readonly state: string; readonly seconds: number }>;

/** How many seconds it took, if it passed in exactly this state; else undefined. */
export async function passedBefore(name: string, state: string | undefined): Promise<number | undefined> {
  const known = (await read())[name];
  return known !== undefined && known.state === state ? known.seconds : undefined;
}

export async function remember(name: string, state: string | undefined, seconds: number): Promise<void> {
  if (state === undefined) return;
  await mkdir(MADE, { recursive: true });
  const passed = { ...(await read()), [name]: { state, seconds } };
  await writeFile(`${RECORD}.new`, `${JSON.stringify(passed, null, 2)}\n`);
  await rename(`${RECORD}.new`, RECORD);
}

export async function forget(): Promise<void> {
  await rm(RECORD, { force: true });
}

async function read(): Promise<Passed> {
  return JSON.parse(await readFile(RECORD, "utf8").catch(() => "{}")) as Passed;
}
