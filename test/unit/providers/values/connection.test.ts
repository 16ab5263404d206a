import { describe, expect, it } from "vitest";
import { connectionSchema } from "../../../../providers/values/connection.ts";

const hostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

describe("connectionSchema", () => {
  it("needs only a host and its key", () => {
    expect(connectionSchema.parse({ host: "10.0.0.1", hostKey })).toEqual({
      host: "10.0.0.1",
      hostKey,
      port: 22,
      timeoutSeconds: 30,
      user: "root",
    });
  });

  it.each([
    ["no host key", { host: "a" }],
    ["a fingerprint for a key", { host: "a", hostKey: "SHA256:abc" }],
    ["a line of known_hosts for a key", { host: "a", hostKey: `a ${hostKey}` }],
    ["two keys", { host: "a", hostKey: `${hostKey}\nb ${hostKey}` }],
    ["a port that isn't one", { host: "a", hostKey, port: 65_536 }],
    ["a user that ssh would take for an option", { host: "a", hostKey, user: "-oProxyCommand=reboot" }],
    ["a host that ssh would take for an option", { host: "-oProxyCommand=reboot", hostKey }],
    ["a timeout that ends before a handshake does", { host: "a", hostKey, timeoutSeconds: 0 }],
    ["an unknown key", { host: "a", hostKey, password: "secret" }],
  ])("refuses %s", (_what, connection) => {
    expect(connectionSchema.safeParse(connection).success).toBe(false);
  });
});
