/** A headless Chromium for tests: the one of the npm package @sparticuz/chromium, which the lockfile pins. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { execa } from "execa";
import { MADE, ROOT } from "../../setup/project.ts";

const PACKAGE = join(ROOT, "node_modules", "@sparticuz", "chromium");

/** Only the package's own fonts, so that text is as wide on each machine; the folder is beside this file. */
const FONTS = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir prefix="relative">fonts</dir><cachedir prefix="xdg">fontconfig</cachedir></fontconfig>
`;

/** Unpacks it once a version: some 220 MB in .jts/. Its libraries and fonts are its own, so that none are installed. */
async function unpacked(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")) as { version: string };
  const folder = join(MADE, `chromium-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(MADE, { recursive: true });
  const made = await mkdtemp(`${folder}.`);
  const unpack = (name: string, to: string) =>
    pipeline(
      createReadStream(join(PACKAGE, "bin", name)),
      createBrotliDecompress(),
      createWriteStream(join(made, to), { mode: 0o755 }),
    );
  await Promise.all([
    unpack("chromium.br", "chromium"),
    ...["al2023", "fonts"].map(async (name) => {
      await unpack(`${name}.tar.br`, `${name}.tar`);
      await execa("tar", ["--extract", "--file", join(made, `${name}.tar`), "--directory", made]);
      await rm(join(made, `${name}.tar`));
    }),
  ]);
  await writeFile(join(made, "fonts.conf"), FONTS);
  // Another run may have been first.
  await rename(made, folder).catch(async (error: unknown) => {
    await rm(made, { recursive: true });
    if (!existsSync(folder)) throw error;
  });
  return folder;
}

type Result = Readonly<Record<string, unknown>>;
interface Message {
  readonly id?: number;
  readonly sessionId?: string;
  readonly method?: string;
  readonly params?: Result;
  readonly result?: Result;
  readonly error?: { readonly message: string };
}

/** A page that is open, in a browser of its own kind of screen. */
export interface Page {
  /** What an expression comes to there. */
  evaluate<T>(expression: string): Promise<T>;
  /** Writes what the whole page looks like. */
  screenshot(file: string): Promise<void>;
  /** Of the console, of the page, and of what its policy refused. */
  readonly problems: readonly string[];
  /** What it asked for besides itself. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export interface Screen {
  readonly width: number;
  readonly scheme: "light" | "dark";
}

/** A browser that speaks the DevTools protocol over pipes, see https://chromedevtools.github.io/devtools-protocol. */
export class Browser {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #waiting = new Map<number, PromiseWithResolvers<Result>>();
  readonly #listeners = new Set<(message: Message) => void>();
  #id = 0;
  #text = "";
  #said = "";

  static async start(): Promise<Browser> {
    const folder = await unpacked();
    return new Browser(folder, await mkdtemp(join(tmpdir(), "jts-browser-")));
  }

  private constructor(folder: string, profile: string) {
    this.#profile = profile;
    const quiet = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const drawn = ["--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage", "--force-color-profile=srgb"];
    // Root has no sandbox in Chromium; it opens only what these tests wrote.
    const args = ["--headless", "--no-sandbox", "--no-zygote", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
    this.#process = spawn(join(folder, "chromium"), [...args, ...quiet, ...drawn, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
      env: { HOME: profile, LD_LIBRARY_PATH: join(folder, "lib"), FONTCONFIG_PATH: folder },
    });
    this.#process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
    this.#process.once("exit", (code) => this.#fail(`Chromium ended with ${code}: ${this.#said.slice(-2000)}`));
    this.#process.once("error", (error) => this.#fail(`Chromium could not be started: ${error.message}`));
    (this.#process.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => this.#take(text));
  }

  #fail(message: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(message));
    this.#waiting.clear();
  }

  #take(text: string): void {
    const messages = (this.#text + text).split("\0");
    this.#text = messages.pop() ?? "";
    for (const one of messages) {
      const message = JSON.parse(one) as Message;
      for (const listen of this.#listeners) listen(message);
      const waiting = message.id === undefined ? undefined : this.#waiting.get(message.id);
      if (message.id === undefined || waiting === undefined) continue;
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiting.resolve(message.result ?? {});
      else waiting.reject(new Error(message.error.message));
    }
  }

  #send(method: string, params: object = {}, sessionId?: string): Promise<Result> {
    const id = ++this.#id;
    const waiting = Promise.withResolvers<Result>();
    this.#waiting.set(id, waiting);
    (this.#process.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return waiting.promise;
  }

  /** Opens a file, and waits until it is loaded. */
  async open(file: string, { width, scheme }: Screen): Promise<Page> {
    const { targetId } = await this.#send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = (await this.#send("Target.attachToTarget", { targetId, flatten: true })) as {
      readonly sessionId: string;
    };
    const send = (method: string, params?: object) => this.#send(method, params, sessionId);
    const problems: string[] = [];
    const requests: string[] = [];
    const loaded = Promise.withResolvers<void>();
    const url = `file://${file}`;
    this.#listeners.add(({ sessionId: of, method, params = {} }) => {
      if (of !== sessionId) return;
      if (method === "Page.loadEventFired") loaded.resolve();
      if (method === "Log.entryAdded" || method === "Runtime.consoleAPICalled" || method === "Runtime.exceptionThrown")
        problems.push(JSON.stringify(params));
      if (method === "Network.requestWillBeSent") {
        const { url: asked } = (params as { request: { url: string } }).request;
        if (asked !== url) requests.push(asked);
      }
    });
    for (const domain of ["Page", "Log", "Runtime", "Network"]) await send(`${domain}.enable`);
    await send("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: width < 600 });
    await send("Emulation.setTouchEmulationEnabled", { enabled: width < 600 });
    await send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await send("Page.navigate", { url });
    await loaded.promise;
    return {
      problems,
      requests,
      evaluate: async <T>(expression: string) => {
        const { result, exceptionDetails } = (await send("Runtime.evaluate", {
          expression,
          returnByValue: true,
        })) as { result: { value: T }; exceptionDetails?: unknown };
        if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
        return result.value;
      },
      screenshot: async (to) => {
        const { data } = await send("Page.captureScreenshot", { captureBeyondViewport: true });
        await writeFile(to, Buffer.from(data as string, "base64"));
      },
      close: async () => {
        await this.#send("Target.closeTarget", { targetId });
      },
    };
  }

  async end(): Promise<void> {
    const isRunning = this.#process.exitCode === null && this.#process.signalCode === null;
    const ended = isRunning ? once(this.#process, "exit") : undefined;
    if (isRunning) this.#process.kill("SIGKILL");
    await ended;
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}
