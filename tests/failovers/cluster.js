// PostgreSQL under Patroni on loopback: etcd, three servers with a synchronous standby, and haproxy before the primary.
import { spawn, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync, chmodSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How long Patroni's leader may be silent before another one takes over, in seconds. Most of an outage. */
export const TTL = 20;

const folderOfPrograms = readdirSync("/usr/lib/postgresql")
  .sort((one, other) => Number(other) - Number(one))
  .map((version) => `/usr/lib/postgresql/${version}/bin`)[0];

/** PostgreSQL refuses to run as root. */
const isRoot = process.getuid() === 0;
const asPostgres = isRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] : [];

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Tries every half second, for a minute at the most. */
export async function eventually(what, attempt) {
  let last;
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(500)) {
    try {
      const found = await attempt();
      if (found) return found;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`not in a minute: ${what}${last ? ` (${last.message})` : ""}`);
}

export class Cluster {
  #folder = mkdtempSync(join(tmpdir(), "daybook-failovers-"));
  #processes = new Map();

  /** Starts it, and waits until it has a leader and a synchronous standby. */
  static async start() {
    const cluster = new Cluster();
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  #spawn(name, ...command) {
    const [program, ...args] = [...asPostgres, ...command];
    const child = spawn(program, args, { stdio: "ignore", env: { ...process.env, HOME: this.#folder } });
    this.#processes.set(name, child);
  }

  async #start() {
    const folder = this.#folder;
    chmodSync(folder, 0o755);
    if (isRoot) {
      const id = (flag) => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
      chownSync(folder, id("-u"), id("-g"));
    }
    const [clients, peers, proxy] = [await freePort(), await freePort(), await freePort()];
    const url = (port) => `http://127.0.0.1:${port}`;
    this.#spawn(
      "etcd", "etcd", "--data-dir", join(folder, "etcd"), "--name", "one",
      "--listen-client-urls", url(clients), "--advertise-client-urls", url(clients),
      "--listen-peer-urls", url(peers), "--initial-advertise-peer-urls", url(peers), "--initial-cluster", `one=${url(peers)}`,
    );
    await eventually("etcd answers", async () => (await fetch(`${url(clients)}/health`)).ok);
    this.nodes = [];
    for (const name of ["one", "two", "three"]) {
      const node = { name, port: await freePort(), rest: await freePort() };
      this.nodes.push(node);
      writeFileSync(join(folder, `${name}.json`), JSON.stringify(this.#settings(node, clients)));
      this.#patroni(node);
      // The others copy the first one.
      if (name === "one") await eventually("there is a leader", () => this.leader());
    }
    this.proxy = proxy;
    const servers = this.nodes.map(({ name, port, rest }) => `  server ${name} 127.0.0.1:${port} check port ${rest}`);
    writeFileSync(
      join(folder, "haproxy.cfg"),
      ["defaults", "  mode tcp", "  timeout connect 1s", "  timeout client 1h", "  timeout server 1h", "listen primary",
        `  bind 127.0.0.1:${proxy}`, "  option httpchk GET /primary",
        "  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions", ...servers, ""].join("\n"),
    );
    process.env.PATH += ":/usr/sbin";
    this.#spawn("haproxy", "haproxy", "-db", "-f", join(folder, "haproxy.cfg"));
    await this.isWhole();
  }

  #settings({ name, port, rest }, etcd) {
    const folder = join(this.#folder, name);
    mkdirSync(join(this.#folder, "sockets"), { recursive: true, mode: 0o777 });
    chmodSync(join(this.#folder, "sockets"), 0o777);
    return {
      scope: "daybook",
      name,
      restapi: { listen: `127.0.0.1:${rest}`, connect_address: `127.0.0.1:${rest}` },
      etcd3: { hosts: `127.0.0.1:${etcd}` },
      bootstrap: {
        dcs: {
          ttl: TTL, loop_wait: 2, retry_timeout: 5, synchronous_mode: true,
          postgresql: { use_pg_rewind: true, parameters: { max_connections: 120, wal_log_hints: "on", wal_keep_size: "256MB" } },
        },
        initdb: [{ "auth-host": "trust" }, { "auth-local": "trust" }, { encoding: "UTF8" }, "no-locale"],
        pg_hba: ["host all all 127.0.0.1/32 trust", "local all all trust", "host replication all 127.0.0.1/32 trust"],
      },
      postgresql: {
        listen: `127.0.0.1:${port}`,
        connect_address: `127.0.0.1:${port}`,
        data_dir: folder,
        bin_dir: folderOfPrograms,
        parameters: { unix_socket_directories: join(this.#folder, "sockets") },
        pgpass: join(this.#folder, `${name}.pgpass`),
        authentication: { superuser: { username: "postgres" }, replication: { username: "postgres" }, rewind: { username: "postgres" } },
      },
    };
  }

  #patroni({ name }) {
    this.#spawn(name, "patroni", join(this.#folder, `${name}.json`));
  }

  async #status({ rest }) {
    const answer = await fetch(`http://127.0.0.1:${rest}/patroni`, { signal: AbortSignal.timeout(2000) }).catch(() => null);
    return answer?.json();
  }

  async leader() {
    for (const node of this.nodes) {
      const status = await this.#status(node);
      if (["master", "primary"].includes(status?.role) && status.state === "running") return node;
    }
    return null;
  }

  /** Waits until there is a leader with a synchronous standby, and nobody is missing. */
  isWhole() {
    return eventually("the cluster is whole", async () => {
      const all = await Promise.all(this.nodes.map((node) => this.#status(node)));
      return all.every((status) => status?.state === "running" || status?.state === "streaming") && all.some((status) => status.sync_standby);
    });
  }

  /** What each server says of itself. */
  async roles() {
    const role = async (node) => {
      const status = await this.#status(node);
      const isPrimary = ["master", "primary"].includes(status?.role);
      if (!status) return `${node.name} is silent`;
      return `${node.name} ${isPrimary ? "primary" : "standby"}${status.sync_standby ? ", synchronous" : ""}${status.state === "running" || status.state === "streaming" ? "" : `, ${status.state}`}`;
    };
    return (await Promise.all(this.nodes.map(role))).join("; ");
  }

  async switchOver() {
    const { name, rest } = await this.leader();
    const answer = await fetch(`http://127.0.0.1:${rest}/switchover`, { method: "POST", body: JSON.stringify({ leader: name }) });
    if (!answer.ok) throw new Error(`Patroni refused to switch over: ${await answer.text()}`);
  }

  /** The processes of a node: Patroni, the postmaster and its children. */
  #of({ name }) {
    const patroni = this.#processes.get(name).pid;
    let postmaster;
    try {
      postmaster = Number(readFileSync(join(this.#folder, name, "postmaster.pid"), "utf8").split("\n")[0]);
    } catch {
      return [patroni];
    }
    const children = spawnSync("ps", ["-o", "pid=", "--ppid", String(postmaster)], { encoding: "utf8" }).stdout;
    return [patroni, postmaster, ...children.trim().split(/\s+/).filter(Boolean).map(Number)];
  }

  signal(node, signal) {
    for (const pid of this.#of(node)) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        if (error.code !== "ESRCH") throw error;
      }
    }
  }

  /** Starts a node again that was killed. */
  startAgain(node) {
    this.#patroni(node);
  }

  async stop() {
    for (const node of this.nodes ?? []) this.signal(node, "SIGCONT");
    const ended = [...this.#processes.values()].map((child) => child.exitCode ?? child.signalCode ?? new Promise((resolve) => child.once("exit", resolve)));
    // Patroni stops its PostgreSQL.
    for (const name of ["haproxy", ...(this.nodes ?? []).map(({ name }) => name)]) this.#processes.get(name)?.kill("SIGTERM");
    await Promise.race([Promise.all(ended.slice(1)), sleep(20_000)]);
    for (const node of this.nodes ?? []) this.signal(node, "SIGKILL");
    this.#processes.get("etcd")?.kill("SIGKILL");
    await sleep(500);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
