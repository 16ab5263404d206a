import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findConnectionProblems, lineAsRoot, programText, remoteTo } from "../../../components/remote.ts";
import { connectionSchema } from "../../../providers/values/connection.ts";

const hostile = fc.string({
  unit: fc.constantFrom(..."'\"\\$`!*?[]{}()<>|&;~#=% \t\n\r\u0001é🗄", "$(touch canary)", "--", "..", "-n"),
  maxLength: 12,
});

describe("a shell line that runs a program as root", () => {
  it.each(["bash", "dash"])(
    "gives a program its arguments byte for byte, whatever they hold, where the user's shell is %s",
    (shell) => {
      const calls = fc.sample(fc.array(hostile, { maxLength: 4 }), { numRuns: 150, seed: 3 });
      const record = 'bash() { printf \'%s\\0\' bash "$#" "$@"; }; sudo() { printf \'%s\\0\' sudo "$#" "$@"; }\n';
      const lines = calls.flatMap((args) => [
        lineAsRoot("root", "remove-written", ...args),
        lineAsRoot("dave", "remove-written", ...args),
      ]);
      const { stdout, stderr, status } = spawnSync(shell, ["-s"], {
        input: record + lines.join("\n") + "\n",
        encoding: "utf8",
        maxBuffer: 2 ** 26,
      });
      expect([stderr, status]).toEqual(["", 0]);
      const words = stdout.split("\0");
      for (const args of calls) {
        for (const tools of [["bash"], ["sudo", "--non-interactive", "--", "bash"]]) {
          const [name, count] = words.splice(0, 2);
          const got = words.splice(0, Number(count));
          expect([name, ...got]).toEqual([...tools, "-s", "--", "remove-written", ...args]);
        }
      }
      expect(words).toEqual([""]);
    },
  );

  it("refuses a NUL, which no argument can hold", () => {
    expect(() => lineAsRoot("root", "remove-written", "a\0b")).toThrow(TypeError);
  });
});

describe("the program on its standard input", () => {
  /** As @pulumi/command runs it; verify-tiers.py is what prints what it was sent, and ends with the given code. */
  const verify = (data: string, { exitCode = 0, cut = 0 } = {}) => {
    const stdin = programText("verify", data);
    const folder = spawnSync("mktemp", ["--directory"], { encoding: "utf8" }).stdout.trim();
    const script = `#!/bin/sh\necho run >>${folder}/runs\ncat\necho "FAILED a"\nexit ${exitCode}\n`;
    const write = `printf %s "$1" >${folder}/verify-tiers.py; chmod 755 ${folder}/verify-tiers.py`;
    spawnSync("bash", ["-c", write, "write", script]);
    const { stdout, stderr, status } = spawnSync("sh", ["-c", lineAsRoot("root", "verify", folder)], {
      input: stdin.slice(0, stdin.length - cut),
      encoding: "utf8",
    });
    const runs = spawnSync("cat", [`${folder}/runs`], { encoding: "utf8" }).stdout;
    spawnSync("rm", ["--recursive", "--", folder]);
    return { stdout, stderr, status, runs };
  };

  it("gets its data, whatever it holds, and its exit code is the line's", () => {
    for (const data of ["", ...fc.sample(hostile, { numRuns: 20, seed: 3 }).map((text) => JSON.stringify(text))])
      expect(verify(data)).toMatchObject({ stdout: `${data}\nFAILED a\n`, stderr: "", status: 0 });
    expect(verify("", { exitCode: 3 }).status).toBe(3);
  });

  it("does nothing where only a part of it arrived", () => {
    for (const cut of [2, 8, 20, 100]) expect(verify('{"a":1}', { cut })).toMatchObject({ stdout: "", runs: "" });
  });

  it("ends what it says of a failure with what to try next, and isn't in the line that the plugin repeats", () => {
    expect(verify("{}", { exitCode: 1 }).stderr).toMatch(/^FAILED a\nNext: npm run verify .*\n$/);
    expect(lineAsRoot("root", "verify", "/usr/local/lib/jts-storage")).toBe(
      "bash -s -- verify /usr/local/lib/jts-storage",
    );
  });

  it("refuses data of several lines, which could end it early", () => {
    expect(() => programText("verify", "a\nEND-OF-DATA\nrm")).toThrow(TypeError);
  });
});

describe("the jump host that @pulumi/command gets", () => {
  const hostKey = `ssh-ed25519 ${"A".repeat(68)}`;
  const proxyOf = (proxyJump: string) =>
    remoteTo({ host: "trading", connection: { host: "h", hostKey, proxyJump, proxyHostKey: hostKey } }).connection;

  // It writes brackets itself.
  it.each([
    ["[fd00::5]", "fd00::5", 22],
    ["[fd00::5]:2222", "fd00::5", 2222],
    ["jump@[fd00::5]", "fd00::5", 22],
    ["jump.lan", "jump.lan", 22],
    ["192.0.2.1:2222", "192.0.2.1", 2222],
  ])("of %s is %s, without brackets", (proxyJump, host, port) => {
    expect(proxyOf(proxyJump)).toMatchObject({ proxy: { host, port } });
  });
});

describe("a connection that ssh(1) can use and @pulumi/command can't", () => {
  const ed25519 = `ssh-ed25519 ${"A".repeat(68)}`;
  const rsa = `ssh-rsa ${"A".repeat(372)}`;
  const problemsOf = (connection: object) =>
    findConnectionProblems(connectionSchema.parse({ host: "h", hostKey: ed25519, ...connection }));

  it("has an RSA host key, of the host or the jump host, or no key of the jump host", () => {
    const isRsa = expect.stringMatching(/is an RSA key, .*ssh-keyscan -t ed25519 /) as string;
    expect(problemsOf({ hostKey: rsa })).toEqual([{ key: "hostKey", message: isRsa }]);
    expect(problemsOf({ proxyJump: "jump", proxyHostKey: rsa })).toEqual([{ key: "proxyHostKey", message: isRsa }]);
    expect(problemsOf({ hostKey: rsa, proxyJump: "jump" }).map(({ key }) => key)).toEqual(["hostKey", "proxyHostKey"]);
  });

  it.each(["~jts/.ssh/key", "%d/.ssh/key", "${HOME}/.ssh/key"])("has the identity file %s", (identityFile) => {
    expect(problemsOf({ identityFile })).toEqual([
      { key: "identityFile", message: expect.stringMatching(/write the path itself, or ~\/…$/) as string },
    ]);
  });

  it("is not one with a path of its own, or without a jump host by ssh's word for that", () => {
    expect(problemsOf({ identityFile: "~/.ssh/key", proxyJump: "none" })).toEqual([]);
  });

  it("is not one with a key of another type", () => {
    expect(problemsOf({ proxyJump: "jump", proxyHostKey: `ecdsa-sha2-nistp256 ${"A".repeat(140)}` })).toEqual([]);
  });
});
