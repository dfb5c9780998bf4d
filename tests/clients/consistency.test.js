// Apollo Client, urql and Relay before a server that reads on a replica: each uses the `fetch` of docs/replicas.md, and reads what it has written.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { HttpLink, gql } from "@apollo/client";
import { Client, fetchExchange, gql as urqlGql } from "@urql/core";
import relay from "relay-runtime";
import { clientOver } from "./apollo.js";
import { consistentFetch } from "./frontend/consistency.js";
import { startPostgres } from "./postgres.js";
import { ACCOUNTS, POST, entry, openAccounts, run, serve } from "./server.js";

const { Environment, Network, RecordSource, Store } = relay;

let primary;
let standby;
let server;
before(async () => {
  primary = await startPostgres();
  standby = await startPostgres(primary.port);
  // Long enough for this replica to get there: an answer from it is what is tested.
  server = await serve("--database", primary.url, "--replica", standby.url, "--replica-wait", "5s");
  await openAccounts(server);
});
after(async () => {
  await server?.stop();
  await standby?.stop();
  await primary?.stop();
});

/** How many queries were read on the replica, at once or after a wait, and how many showed a token at all. */
async function reads() {
  const metrics = await (await fetch(server.url.replace("/graphql", "/metrics"))).text();
  const counts = [...metrics.matchAll(/^unit_of_work_replica_reads_total\{at="(\w+)"\} (\d+)$/gm)];
  const of = (...places) => counts.filter(([, at]) => places.includes(at)).reduce((sum, [, , count]) => sum + Number(count), 0);
  return { replica: of("replica", "replica_later"), all: of("replica", "replica_later", "primary") };
}

/** What a client sees of `cash` after each of some entries that it posts. All must be there, and the replica must have told. */
async function readsItsWrites(post, cash) {
  const begun = await reads();
  let balance = await cash();
  for (let posted = 0; posted < 5; posted += 1) {
    await post();
    balance += 1;
    assert.equal(await cash(), balance);
  }
  const ended = await reads();
  // The first look shows a token only where another client has one already: they share it, as parts of a page do.
  assert.ok(ended.replica - begun.replica >= 5, JSON.stringify({ begun, ended }));
}

const balanceOf = (data) => {
  const node = data.accounts.edges.map((edge) => edge.node).find((account) => account.code === "cash");
  return Number(node.balances.posted.decimal);
};
const posting = () => ({ input: entry("cash", "alice", "100") });

test("without a token, queries are read on the primary", async () => {
  await run(server, POST, posting());
  await run(server, ACCOUNTS, { first: 5 });
  assert.deepEqual(await reads(), { replica: 0, all: 0 });
});

test("Apollo Client reads what it has written, on the replica", async () => {
  const client = clientOver(new HttpLink({ uri: server.url, fetch: consistentFetch }));
  after(() => client.stop());
  await readsItsWrites(
    () => client.mutate({ mutation: gql(POST), variables: posting() }),
    async () => balanceOf((await client.query({ query: gql(ACCOUNTS), variables: { first: 5 }, fetchPolicy: "network-only" })).data),
  );
});

test("urql reads what it has written, on the replica", async () => {
  const client = new Client({ url: server.url, preferGetMethod: false, fetch: consistentFetch, exchanges: [fetchExchange] });
  await readsItsWrites(
    async () => assert.equal((await client.mutation(urqlGql(POST), posting())).error, undefined),
    async () => balanceOf((await client.query(urqlGql(ACCOUNTS), { first: 5 })).data),
  );
});

test("Relay reads what it has written, on the replica", async () => {
  const send = async ({ text }, variables) => {
    const response = await consistentFetch(server.url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: text, variables }),
    });
    return response.json();
  };
  const environment = new Environment({ network: Network.create(send), store: new Store(new RecordSource()) });
  const execute = (text, variables) => environment.getNetwork().execute({ text }, variables, {}).toPromise();
  await readsItsWrites(
    () => execute(POST, posting()),
    async () => balanceOf((await execute(ACCOUNTS, { first: 5 })).data),
  );
});

test("the documentation has the function that was tested", () => {
  const documentation = readFileSync(new URL("../../docs/replicas.md", import.meta.url), "utf8");
  const tested = readFileSync(new URL("frontend/consistency.js", import.meta.url), "utf8");
  assert.ok(documentation.includes(`\`\`\`js\n${tested}\`\`\``), "docs/replicas.md");
});
