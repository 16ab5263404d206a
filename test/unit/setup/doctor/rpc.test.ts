import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { execa } from "execa";
import { afterEach, describe, expect, it } from "vitest";
import { program } from "../../../../providers/programs/program.ts";
import { EXPORTS, nfsNull, parseExports, parseReply, PORT_OF_MOUNTD, printCall } from "../../../../setup/doctor/rpc.ts";
import { rpcReply } from "../../../support/soundHost.ts";

const end: (() => void)[] = [];
afterEach(() => end.splice(0).forEach((one) => one()));

async function serve(answer: (call: string, socket: Socket) => void): Promise<number> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", (call) => answer(call.toString("hex"), socket));
    end.push(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  end.push(() => server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** The program, as a host runs it. */
function call(port: number) {
  const [file = "", ...args] = program("call-rpc", "127.0.0.1", String(port), printCall(nfsNull(3))).argv;
  return execa(file, args, { reject: false, env: { LC_ALL: "C" } });
}

describe("a call of ONC RPC", () => {
  it("is written as RFC 5531 has it", () => {
    expect(printCall(nfsNull(3))).toBe(
      "80000028" + "6a747300" + "00000000" + "00000002" + "000186a3" + "00000003" + "00000000" + "0".repeat(32),
    );
    expect(printCall(PORT_OF_MOUNTD)).toMatch(/^80000038.*000186a5000000030000000600000000$/);
    expect(printCall(EXPORTS)).toMatch(/000186a50000000300000005/);
  });

  it("travels to a server byte for byte, and its reply comes back in whole from several fragments", async () => {
    let got = "";
    const reply = Buffer.from(rpcReply(0x0a0d0000, 0x27255c00), "hex");
    const port = await serve((received, socket) => {
      got = received;
      socket.write(Buffer.from("00000008", "hex"));
      socket.write(reply.subarray(0, 8));
      socket.write(Buffer.from("80000018", "hex"));
      socket.write(reply.subarray(8));
    });
    const { stdout, exitCode } = await call(port);
    expect(got).toBe(printCall(nfsNull(3)));
    expect({ stdout, exitCode }).toEqual({ stdout: reply.toString("hex"), exitCode: 0 });
    expect(parseReply(stdout).toString("hex")).toBe("0a0d000027255c00");
  });

  it.each<[string, string, RegExp]>([
    ["that closes", "", /closes the connection to port \d+ without a reply/],
    ["of another protocol", Buffer.from("HTTP/1.1 400 Bad Request\r\n").toString("hex"), /is no RPC server/],
  ])("to a server %s says so", async (_what, bytes, said) => {
    const port = await serve((_received, socket) => socket.end(Buffer.from(bytes, "hex")));
    const { stderr, exitCode } = await call(port);
    expect(stderr).toMatch(said);
    expect(exitCode).toBe(2);
  });
});

describe("a reply of ONC RPC", () => {
  it.each<[string, string, RegExp]>([
    ["denied", "6a747300" + "00000001" + "00000001" + "0".repeat(24), /refuses calls of this host/],
    ["for an unknown program", "6a747300" + "00000001" + "0".repeat(24) + "00000001", /no such service/],
    [
      "for another version",
      "6a747300" + "00000001" + "0".repeat(24) + "000000020000000400000004",
      /the versions 4 to 4/,
    ],
    ["to another call", "00000001" + "00000001" + "0".repeat(32), /no RPC server/],
    ["that is empty", "", /no RPC server/],
  ])("that is %s is no answer", (_what, printed, said) => expect(() => parseReply(printed)).toThrow(said));

  it("with exports has each folder and whom it is for", () => {
    const words = [1, 2, 0x2f610000, 1, 3, 0x2a2e6200, 1, 1, 0x63000000, 0, 1, 1, 0x2f000000, 0, 0];
    expect(parseExports(parseReply(rpcReply(...words)))).toEqual([
      { folder: "/a", clients: ["*.b", "c"] },
      { folder: "/", clients: [] },
    ]);
    expect(() => parseExports(parseReply(rpcReply(...words.slice(0, -1))))).toThrow();
  });
});
