import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { stringify } from "yaml";
import { LAB } from "../lab/folders.ts";
import { HOST_KEY_ALIAS, KNOWN_HOSTS } from "../lab/keys.ts";
import type { Connection } from "../providers/values/connection.ts";
import { pathsIn, timersOf, type Wanted } from "./wanted.ts";

/** Debian's package: Ansible with the collections community.general and ansible.posix. */
export const ANSIBLE_PACKAGES = ["ansible"];

const FOLDER = join(LAB, "bench-ansible");
const UNITS = "/etc/systemd/system";

/** Writes what a user of Ansible would write for such a host: ansible.cfg, an inventory, a playbook and its files. */
export async function writePlaybook(wanted: Wanted, { host, port, user, identityFile }: Connection): Promise<void> {
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(join(FOLDER, "files"), { recursive: true });
  for (const [path, text] of wanted.texts) await writeFile(join(FOLDER, "files", basename(path)), text);
  const inventory = {
    all: {
      hosts: {
        lab: {
          ansible_host: host,
          ansible_port: port,
          ansible_user: user,
          ansible_ssh_private_key_file: identityFile,
          ansible_python_interpreter: "/usr/bin/python3",
        },
      },
    },
  };
  await writeFile(join(FOLDER, "inventory.yaml"), stringify(inventory));
  await writeFile(join(FOLDER, "playbook.yaml"), stringify(playbook(wanted), { lineWidth: 0 }));
  const sshOptions = [
    "ControlMaster=auto",
    "ControlPersist=60s",
    `UserKnownHostsFile=${KNOWN_HOSTS}`,
    `HostKeyAlias=${HOST_KEY_ALIAS}`,
  ];
  await writeFile(
    join(FOLDER, "ansible.cfg"),
    `[defaults]
inventory = inventory.yaml
nocows = true
home = ${FOLDER}/home

[ssh_connection]
pipelining = true
ssh_args = ${sshOptions.flatMap((option) => ["-o", option]).join(" ")}
`,
  );
}

/** Runs the playbook over a connection of its own. Gives how many tasks changed something. */
export async function runPlaybook(...options: readonly string[]): Promise<number> {
  const sockets = await mkdtemp(join(tmpdir(), "jts-bench-"));
  try {
    const { stdout } = await execa("ansible-playbook", [...options, "playbook.yaml"], {
      cwd: FOLDER,
      env: { LC_ALL: "C.UTF-8", ANSIBLE_SSH_CONTROL_PATH_DIR: sockets },
      stdin: "ignore",
    });
    return Number(/ changed=(\d+) /.exec(stdout)?.[1]);
  } finally {
    await rm(sockets, { recursive: true, force: true });
  }
}

/** One play as a skilled user would write it: a task with a loop for each kind of thing, and no needless questions. */
function playbook(wanted: Wanted): unknown[] {
  const { accounts, devices, volumeGroup, volumes, filesystems, entries, trees, sysctl } = wanted;
  const [sysctlFile] = pathsIn("/etc/sysctl.d", wanted);
  const rules = pathsIn("/etc/udev/rules.d", wanted);
  const units = pathsIn(UNITS, wanted).map((path) => basename(path));
  const users = accounts.flatMap(({ user, group, home }) => (user === undefined ? [] : [{ user, group, home }]));
  const mountPoints = entries.map(({ mountPoint }) => mountPoint);
  const isNotMounted = "item not in mounted.stdout_lines";
  /** Shows only this property of each item of a loop. */
  const label = (property: string) => ({ loop_control: { label: `{{ item.${property} }}` } });
  const tasks = [
    {
      name: "Groups",
      "ansible.builtin.group": { name: "{{ item }}", system: true },
      loop: [...new Set(accounts.map(({ group }) => group))],
    },
    {
      name: "Users",
      "ansible.builtin.user": {
        name: "{{ item.user }}",
        group: "{{ item.group }}",
        home: "{{ item.home }}",
        system: true,
        create_home: false,
        shell: "/usr/sbin/nologin",
      },
      loop: users,
      ...label("user"),
    },
    {
      name: "Volume group",
      "community.general.lvg": {
        vg: volumeGroup.name,
        pvs: devices,
        pesize: `${volumeGroup.extentSize}b`,
        pv_options: `--dataalignment ${volumeGroup.dataAlignment}b`,
      },
    },
    {
      name: "Logical volumes",
      "community.general.lvol": { vg: volumeGroup.name, lv: "{{ item.name }}", size: "{{ item.size }}" },
      loop: volumes.map(({ name, sizeBytes }) => ({ name, size: `${sizeBytes / 1024}k` })),
      ...label("name"),
    },
    {
      name: "Filesystems",
      "community.general.filesystem": {
        dev: "{{ item.device }}",
        fstype: "{{ item.type }}",
        opts: "{{ item.options }}",
      },
      loop: filesystems.map(({ options, ...rest }) => ({ ...rest, options: options.join(" ") })),
      ...label("device"),
    },
    {
      name: "What is mounted",
      "ansible.builtin.command": "findmnt --kernel --list --noheadings --output TARGET",
      register: "mounted",
      changed_when: false,
    },
    {
      name: "Mount points",
      "ansible.builtin.file": { path: "{{ item }}", state: "directory" },
      loop: mountPoints,
      when: isNotMounted,
    },
    {
      // A task of its own: with the one above, folders above the mount points would become immutable, too.
      name: "Mount points that nobody can write to while nothing is mounted",
      "ansible.builtin.file": { path: "{{ item }}", state: "directory", attributes: "+i" },
      loop: mountPoints,
      when: isNotMounted,
    },
    {
      name: "Mounts",
      "ansible.posix.mount": {
        src: "{{ item.source }}",
        path: "{{ item.mountPoint }}",
        fstype: "{{ item.type }}",
        opts: "{{ item.options }}",
        passno: "{{ item.pass }}",
        state: "mounted",
      },
      loop: entries.map(({ source, mountPoint, type, options, pass }) => ({
        ...{ source, mountPoint, type, pass: String(pass) },
        options: options.join(","),
      })),
      ...label("mountPoint"),
    },
    {
      name: "Folders",
      "ansible.builtin.file": {
        path: "{{ item.path }}",
        state: "directory",
        owner: "{{ item.owner }}",
        group: "{{ item.group }}",
        mode: "{{ item.mode }}",
      },
      loop: trees.flatMap(({ paths, ...whose }) => paths.map((path) => ({ path, ...whose }))),
      ...label("path"),
    },
    {
      name: "Kernel parameters",
      "ansible.posix.sysctl": {
        name: "{{ item.key }}",
        value: "{{ item.value }}",
        sysctl_file: sysctlFile,
        sysctl_set: true,
        reload: false,
      },
      loop: Object.entries(sysctl).map(([key, value]) => ({ key, value })),
      ...label("key"),
    },
    {
      name: "I/O scheduler",
      "ansible.builtin.copy": { src: "{{ item | basename }}", dest: "{{ item }}", mode: "644" },
      loop: rules,
      notify: "Apply the rule",
    },
    {
      name: "Units",
      "ansible.builtin.copy": { src: "{{ item }}", dest: `${UNITS}/{{ item }}`, mode: "644" },
      loop: units,
      register: "units",
    },
    {
      name: "Let systemd read units and fstab",
      "ansible.builtin.systemd": { daemon_reload: true },
      when: "units is changed",
    },
    {
      name: "Timers",
      "ansible.builtin.systemd": { name: "{{ item }}", enabled: true, state: "started" },
      loop: timersOf(wanted),
    },
  ];
  const handlers = [
    {
      name: "Apply the rule",
      "ansible.builtin.shell": [
        "udevadm control --reload",
        `udevadm trigger --action=change --settle ${devices.join(" ")}`,
      ].join(" && "),
    },
  ];
  return [{ name: "Storage tiers", hosts: "all", gather_facts: false, tasks, handlers }];
}
