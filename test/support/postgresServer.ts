/** A PostgreSQL of a test's own, by Debian's packages: in a folder of its own, reached by a socket in there. */
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";

/** The folder of the newest server's programs; undefined: none is installed. */
export const SERVER_PROGRAMS = globSync("/usr/lib/postgresql/*/bin/initdb")
  .map((path) => dirname(path))
  .filter((folder) => existsSync(join(folder, "pg_dump")))
  .sort()
  .at(-1);

interface Query {
  readonly input: string;
  readonly database: string;
}

export class PostgresServer {
  readonly folder = mkdtempSync("/tmp/jts-postgres-");
  /** What programs need to reach it. */
  readonly environment = { PGHOST: this.folder, PGPORT: "5432" };

  static async start(): Promise<PostgresServer> {
    const server = new PostgresServer();
    execFileSync("chown", ["postgres:", server.folder]);
    await server.#run("initdb", "--no-sync", "--auth-local=trust", "--locale=C.UTF-8", `--pgdata=${server.#data}`);
    const options = `-c fsync=off -c listen_addresses= -c unix_socket_directories=${server.folder}`;
    await server.#run("pg_ctl", ...server.#control, `--log=${server.folder}/log`, `--options=${options}`, "start");
    return server;
  }

  async [Symbol.asyncDispose]() {
    await this.#run("pg_ctl", ...this.#control, "--mode=immediate", "stop");
    rmSync(this.folder, { recursive: true });
  }

  /** What a query prints, as postgres. */
  async query(database: string, ...statements: string[]): Promise<string> {
    const options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"];
    const input = statements.map((one) => `${one};\n`).join("");
    return (await this.#run("psql", ...options, { input, database })).trim();
  }

  get #data() {
    return join(this.folder, "data");
  }

  get #control() {
    return ["--silent", "--wait", `--pgdata=${this.#data}`];
  }

  async #run(program: string, ...words: (string | Query)[]): Promise<string> {
    const argv = words.filter((word) => typeof word === "string");
    const { input, database } = words.find((word) => typeof word !== "string") ?? { input: "", database: "postgres" };
    const command = ["-u", "postgres", "--", join(SERVER_PROGRAMS!, program), ...argv];
    // By the environment: psql takes an argument with = in it for a connection string.
    const env = { ...this.environment, PGDATABASE: database };
    // The server that pg_ctl leaves would hold a pipe open.
    const stdout = program === "pg_ctl" ? "ignore" : "pipe";
    return (await execa("runuser", command, { input, stdout, stderr: stdout, cwd: "/", env })).stdout ?? "";
  }
}
