// graphql-sse, the reference client of GraphQL over server-sent events.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createClient } from "graphql-sse";
import { ACCOUNTS, POST, POSTED, entry, openAccounts, postUntil, serve } from "./server.js";

const server = await serve();
await openAccounts(server);
const client = createClient({ url: server.url, retryAttempts: 0 });
after(() => {
  client.dispose();
  return server.stop();
});

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

test("what is not valid is a result of errors alone", async () => {
  const [refused] = await all({ query: "{ nothing }" });
  assert.equal(refused.data, undefined);
  assert.equal(refused.errors[0].extensions.code, "GRAPHQL_VALIDATION_FAILED");
});

test("a subscription has events, and an open one does not hold the stop of the server", async () => {
  const events = client.iterate({ query: POSTED });
  const event = await postUntil(server, events.next());
  assert.equal(event.value.data.entryPosted.entry.lines[0].amount.decimal, "1.00");
  // More events may be under way; the stream ends all the same, and not as one that is complete.
  const ended = assert.rejects(async () => {
    for await (const _ of events);
  });
  await server.stop();
  await ended;
});
