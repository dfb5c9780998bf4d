// See .ci/failovers.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Clients } from "./clients.js";
import { Cluster, TTL } from "./cluster.js";

const isProxied = process.argv.includes("--proxy");
const cluster = await Cluster.start();
let server;
let status = 1;
try {
  const hosts = isProxied ? [cluster.proxy] : cluster.nodes.map(({ port }) => port);
  const url = `postgres://postgres@${hosts.map((port) => `127.0.0.1:${port}`).join(",")}/postgres`;
  server = spawn(process.env.DAYBOOK_BIN, ["--listen", "127.0.0.1:0", "--log", process.env.DAYBOOK_LOG ?? "error", "--database", url], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface(server.stdout);
  const line = await new Promise((resolve, reject) => {
    lines.once("line", resolve);
    server.once("exit", (code) => reject(new Error(`daybook ended with ${code}`)));
  });
  const clients = new Clients(line.match(/http:\/\/\S+/)[0]);
  await clients.begin();

  let killed;
  // Each with the time that it takes, and whether operations may be told that nothing of them happened: those at a server that is frozen.
  const phases = [
    ["nothing", 5, async () => {}],
    ["a switchover", 15, () => cluster.switchOver()],
    ["another switchover", 15, () => cluster.switchOver()],
    ["the primary and its Patroni are killed", TTL + 20, async () => cluster.signal((killed = await cluster.leader()), "SIGKILL")],
    ["they come back", 15, async () => cluster.startAgain(killed)],
    ["the primary and its Patroni are frozen", TTL + 20, async () => {
      await cluster.isWhole();
      cluster.signal((killed = await cluster.leader()), "SIGSTOP");
    }, { mayRefuse: true }],
    ["they go on", 20, async () => cluster.signal(killed, "SIGCONT")],
  ];
  console.log(`Daybook on ${isProxied ? "haproxy, which leads to the primary" : "a list of three servers"}`);
  console.log("what happens                              entries  longest post  longest read  silence of the feed  refused  problems  servers afterwards");
  for (const [name, time, act, { mayRefuse } = {}] of phases) {
    const [before, refused, problems] = [clients.acknowledged.size, clients.refused.length, clients.problems.length];
    clients.longest = { post: 0, read: 0, silence: 0 };
    await act();
    await sleep(time * 1000);
    if (!mayRefuse) clients.problems.push(...clients.refused.splice(refused));
    const { post, read, silence } = clients.longest;
    const column = (number, width) => `${number.toFixed(1)} s`.padStart(width);
    console.log(
      name.padEnd(40),
      String(clients.acknowledged.size - before).padStart(8),
      column(post, 13), column(read, 13), column(silence, 20),
      String(clients.refused.length - refused).padStart(8),
      String(clients.problems.length - problems).padStart(9),
      ` ${await cluster.roles()}`,
    );
    for (const told of [...clients.refused.slice(refused), ...clients.problems.slice(problems)].slice(0, 10)) console.log(`  ${told}`);
  }
  await clients.end();
  const { account, verifyLedger } = await clients.run(`{ account(by: { code: "alice" }) { balances { version } } verifyLedger { ok } }`);
  const there = Number(account.balances.version);
  console.log(`acknowledged ${clients.acknowledged.size}, in the ledger ${there}, heard ${clients.heard.size} and ${clients.before} before it listened; the ledger is ${verifyLedger.ok ? "sound" : "NOT sound"}`);
  const isWhole = there === clients.acknowledged.size && clients.heard.size + clients.before === there && verifyLedger.ok;
  status = isWhole && !clients.problems.length ? 0 : 1;
} finally {
  server?.kill("SIGTERM");
  await cluster.stop();
}
process.exit(status);
