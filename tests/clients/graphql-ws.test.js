// graphql-ws, the reference client of `graphql-transport-ws`.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { ACCOUNTS, POST, POSTED, entry, openAccounts, postUntil, serve } from "./server.js";

const server = await serve();
await openAccounts(server);
const client = createClient({ url: server.socketUrl, webSocketImpl: WebSocket, lazy: false, retryAttempts: 0 });
after(async () => {
  await client.dispose();
  await server.stop();
});

/** All results of an operation. */
async function all(payload) {
  const results = [];
  for await (const result of client.iterate(payload)) results.push(result);
  return results;
}

test("a query and a mutation are one result each", async () => {
  const [accounts, ...none] = await all({ query: ACCOUNTS, variables: { first: 1 } });
  assert.equal(accounts.data.accounts.edges[0].node.code, "alice");
  assert.deepEqual(none, []);
  const [posted] = await all({ query: POST, variables: { input: entry("cash", "alice", "5") } });
  assert.equal(posted.data.postEntry.entry.__typename, "Entry");
});

test("a mutation that is refused is a result with null and errors", async () => {
  const [refused] = await all({ query: POST, variables: { input: entry("alice", "cash", "999999") } });
  assert.equal(refused.data, null);
  assert.equal(refused.errors[0].extensions.code, "INSUFFICIENT_FUNDS");
});

test("what is not valid is an error of the operation, and the socket lives on", async () => {
  await assert.rejects(all({ query: "{ nothing }" }), (errors) => {
    assert.equal(errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
    return true;
  });
  assert.deepEqual(await all({ query: "{ __typename }" }), [{ data: { __typename: "Query" } }]);
});

test("a subscription has events, beside queries of the same socket, until it is ended", async () => {
  const events = client.iterate({ query: POSTED });
  const event = await postUntil(server, events.next());
  assert.equal(event.value.data.entryPosted.entry.lines[0].amount.decimal, "1.00");
  assert.deepEqual(await all({ query: "{ __typename }" }), [{ data: { __typename: "Query" } }]);
  await events.return();
});

test("many operations of one socket are all answered", async () => {
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) => all({ query: `{ n${n}: __typename }` })),
  );
  answers.forEach(([answer], n) => assert.deepEqual(answer, { data: { [`n${n}`]: "Query" } }));
});
