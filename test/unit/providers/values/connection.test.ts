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
    ["a host's address in brackets, which ssh looks up as a name", { host: "[fd00::1]", hostKey }],
    ["a port beside the host, which ssh looks up as a name", { host: "db.lan:2222", hostKey }],
    ["a path or a URL for a host", { host: "ssh://db.lan", hostKey }],
    ["a host that ssh says has invalid characters", { host: "a;b", hostKey }],
    ["a host key that was cut off", { host: "a", hostKey: hostKey.slice(0, -1) }],
    ["an ECDSA host key that was cut off", { host: "a", hostKey: `ecdsa-sha2-nistp256 ${"A".repeat(68)}` }],
    ["a port of a jump host that isn't one", { host: "a", hostKey, proxyJump: "jump:65536" }],
    ["the port 0 of a jump host", { host: "a", hostKey, proxyJump: "jump:0" }],
    ["a jump host that ssh would take for an option", { host: "a", hostKey, proxyJump: "u@-oProxyCommand=reboot" }],
    ["an identity file on two lines", { host: "a", hostKey, identityFile: "~/.ssh/a\n" }],
    ["a user whose last backslash ssh refuses", { host: "a", hostKey, user: "corp\\" }],
    ["a timeout that ends before a handshake does", { host: "a", hostKey, timeoutSeconds: 0 }],
    ["an unknown key", { host: "a", hostKey, password: "secret" }],
  ])("refuses %s", (_what, connection) => {
    expect(connectionSchema.safeParse(connection).success).toBe(false);
  });

  it.each([
    { host: "fd00::1" },
    { host: "fe80::1%eth0" },
    { host: "an_alias.of-mine" },
    { user: "alice@corp.example" },
    { user: "CORP\\alice" },
    { user: "1admin" },
    { proxyJump: "jump@[fd00::1]:2222" },
    { proxyJump: "none" },
    { hostKey: `${hostKey} root@db` },
  ])("takes what ssh takes: %j", (connection) => {
    expect(connectionSchema.safeParse({ host: "a", hostKey, ...connection }).error).toBeUndefined();
  });
});
