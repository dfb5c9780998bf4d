// Private PostgreSQL servers, by the script that the Rust tests use: each goes when this process does, however it ends.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const script = readFileSync(new URL("../harness/src/postgres.sh", import.meta.url), "utf8");

/** The folder of the server programs: Debian's newest, which is not in PATH, else `pg_config`'s. */
function programs() {
  const debian = "/usr/lib/postgresql";
  const versions = existsSync(debian) ? readdirSync(debian) : [];
  const folders = versions.toSorted((a, b) => b - a).map((version) => join(debian, version, "bin"));
  const found = folders.find((folder) => existsSync(join(folder, "initdb")));
  return found ?? execFileSync("pg_config", ["--bindir"], { encoding: "utf8" }).trim();
}

async function freePort() {
  const listener = createServer();
  await new Promise((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address();
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

/** Starts a server, or a standby of the server at the port `primary`. */
export async function startPostgres(primary) {
  const ports = [await freePort(), await freePort(), await freePort()];
  const server = spawn(
    "sh",
    ["-c", script, "postgres", programs(), tmpdir(), "-c fsync=off", primary === undefined ? "" : `${primary}`, ...ports.map(String)],
    { cwd: "/", stdio: ["pipe", "pipe", "inherit"] },
  );
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const lines = createInterface(server.stdout);
  const first = await new Promise((resolve) => lines.once("line", resolve));
  const port = Number(first.match(/^ready (\d+)$/)?.[1]);
  if (!port) throw new Error(`PostgreSQL did not start: ${first}`);
  return {
    port,
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      server.stdin.end();
      await ended;
    },
  };
}
