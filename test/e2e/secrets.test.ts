/** No key leaves the machine that has it, and no door stands open: what others could read, or put in our way. */
import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { STACK_KEY } from "../../lab/keys.ts";
import * as lab from "../../lab/lab.ts";
import { hotWith, LabStack, only } from "../support/labStack.ts";

const on = async (command: string) => (await lab.run("storage-host", command)).stdout;

let stack: LabStack;

beforeAll(async () => {
  await lab.blank();
  stack = await LabStack.select();
});

afterAll(() => stack.destroy());

describe("secrets", () => {
  /** Every process's arguments on this machine, read again and again until it is stopped. */
  function watchProcesses(): () => Promise<string> {
    const seen = new Set<string>();
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        for (const pid of await readdir("/proc"))
          if (/^\d+$/.test(pid)) seen.add(await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => ""));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    })();
    return async () => {
      isOver = true;
      await watching;
      return [...seen].join("\n");
    };
  }

  it("are in no argument of a process on either side, no environment there, no state, no log and nothing that is printed", async () => {
    await stack.configure((host) => {
      only("hot", "warm", "automation")(host);
      host.hot = { ...(host.hot as object), volumes: { redis: { size: "1GiB" } } };
    });
    await on(`
      systemd-run --quiet --unit=watcher bash -c \\
        'while :; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; sleep 0.1; done >/run/watched'
    `);
    const stop = watchProcesses();
    const { said } = await stack.up();
    const here = await stop();
    const refused = await stack.refusal(async () => {
      await stack.configure((host) => {
        only("warm")(host);
        host.connection = { ...(host.connection as object), user: "nobody-here" };
      });
      await stack.up({ refresh: true });
    });
    await on("systemctl stop watcher.service");
    const there = await on("tr '\\0' '\\n' </run/watched | sort -u; journalctl --boot --output=cat");
    // That it looked at the right processes.
    expect(here).toContain("jts-ssh-");
    expect(there).toContain("mkfs.btrfs");

    const key = await readFile(STACK_KEY, "utf8");
    const secrets = [...key.split("\n").filter((line) => /^[A-Za-z0-9+/=]{20,}$/.test(line)), "PRIVATE KEY"];
    expect(secrets.length).toBeGreaterThan(3);
    const state = await stack.stateFile();
    expect(state).toContain("lab-warm-fs");
    for (const [where, text] of Object.entries({ here, there, said, refused, state })) {
      for (const secret of secrets) expect(text.includes(secret), `${where} holds ${secret.slice(0, 12)}…`).toBe(false);
    }
    // Here Pulumi itself has it in its environment, and an SSH alias is the same word.
    const passphrase = lab.pulumiEnv("dev").PULUMI_CONFIG_PASSPHRASE ?? "";
    for (const [where, text] of Object.entries({ there, said, refused, state })) {
      for (const word of ["PULUMI_CONFIG_PASSPHRASE", ...(text === there || text === state ? [passphrase] : [])])
        expect(text.includes(word), `${where} holds ${word}`).toBe(false);
    }
    await on("rm /run/watched");
  });
});

describe("doors", () => {
  it("only root can write our files on the host, and nothing temporary is left", async () => {
    expect(
      await on(`
        find /etc/jts-storage /usr/local/lib/jts-storage /var/lib/jts-storage /etc/systemd/system/tiered-storage.* \\
            /etc/fstab -perm /022 -o ! -user root |
          grep . || true
      `),
    ).toBe("");
    expect(await on("find /run /tmp /var/tmp /home/jts -maxdepth 1 -name '*jts-storage*' ! -name '*.lock'")).toBe("");
  });

  it("a link that a service planted in place of its folder is not followed", async () => {
    await stack.configure(hotWith({ redis: { size: "1GiB" } }));
    await stack.up();
    const plant = "rmdir /var/lib/redis/logs && ln -s /root/private /var/lib/redis/logs";
    await on(`
      install --directory --mode=700 /root/private &&
      runuser --user redis -- bash -c '${plant}' 2>/dev/null ||
        su --shell /bin/bash redis --command '${plant}'
    `);
    expect(await stack.refusal(() => stack.up({ refresh: true }))).toMatch(/symbolic link|leads to|File exists/);
    expect(await on("stat --format='%U %a' /root/private; ls -A /root/private")).toBe("root 700");
    await on("rm /var/lib/redis/logs");
    await stack.up({ refresh: true });
  });

  it("names of ours that others planted in folders that all may write to change nothing outside", async () => {
    await on(`
      for name in jts-storage.fstab jts-storage.lock jts-storage.aaaaaaaaaa; do
        runuser --user nobody -- ln -s /etc/shadow /tmp/$name
      done
      sha256sum /etc/shadow >/root/shadow
    `);
    await on("chmod 700 /var/lib/redis");
    await stack.up({ refresh: true });
    expect(
      await on("sha256sum --check /root/shadow; stat --format=%a /etc/shadow /var/lib/redis; rm /tmp/jts-storage.*"),
    ).toBe("/etc/shadow: OK\n640\n750");
  });
});
