// urql 6 with its normalised cache, headless; its subscriptions go over server-sent events.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client, fetchExchange, gql } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { relayPagination } from "@urql/exchange-graphcache/extras";
import { ACCOUNTS, FREEZE, POST, POSTED, entry, openAccounts, postUntil, serve } from "./server.js";

const server = await serve();
await openAccounts(server);
after(() => server.stop());

const keyless = ["Balances", "Money", "AccountConnection", "AccountEdge", "PageInfo"];
const client = new Client({
  url: server.url,
  preferGetMethod: false,
  fetchSubscriptions: true,
  exchanges: [
    cacheExchange({
      keys: Object.fromEntries(keyless.map((type) => [type, () => null])),
      resolvers: { Query: { accounts: relayPagination() } },
    }),
    fetchExchange,
  ],
});

const codes = (data) => data.accounts.edges.map(({ node }) => node.code);

test("a connection is read page by page into one list", async () => {
  const first = await client.query(gql(ACCOUNTS), { first: 1 });
  assert.equal(first.error, undefined);
  assert.deepEqual(codes(first.data), ["alice"]);
  const after = first.data.accounts.pageInfo.endCursor;
  const second = await client.query(gql(ACCOUNTS), { first: 1, after });
  assert.deepEqual(codes(second.data), ["alice", "cash"]);
});

test("a mutation updates what the cache has of the same objects", async () => {
  const posted = await client.mutation(gql(POST), { input: entry("cash", "alice", "700") });
  assert.equal(posted.error, undefined);
  await client.mutation(gql(FREEZE), { code: "cash" });
  const { data } = await client.query(gql(ACCOUNTS), { first: 1 }, { requestPolicy: "cache-only" });
  assert.deepEqual(
    data.accounts.edges.map(({ node }) => [node.code, node.status, node.balances.posted.decimal]),
    [["alice", "OPEN", "7.00"], ["cash", "FROZEN", "7.00"]],
  );
  const open = gql`mutation { setAccountStatus(input: { account: { code: "cash" }, status: OPEN }) { account { id status } } }`;
  assert.equal((await client.mutation(open, {})).error, undefined);
});

test("a mutation that is refused is an error with its code", async () => {
  const { data, error } = await client.mutation(gql(POST), { input: entry("alice", "cash", "999999") });
  assert.equal(data ?? null, null);
  assert.equal(error.graphQLErrors[0].extensions.code, "INSUFFICIENT_FUNDS");
});

test("a subscription has events", async () => {
  let subscription;
  const event = new Promise((resolve) => {
    subscription = client.subscription(gql(POSTED), {}).subscribe(resolve);
  });
  const { data, error } = await postUntil(server, event);
  assert.equal(error, undefined);
  assert.equal(data.entryPosted.entry.lines[0].amount.decimal, "1.00");
  subscription.unsubscribe();
});
