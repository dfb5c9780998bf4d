// Apollo Client 4, headless.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ApolloLink, CombinedGraphQLErrors, CombinedProtocolErrors, HttpLink, gql } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { createHash } from "node:crypto";
import { filter, firstValueFrom, from } from "rxjs";
import { clientOver, connect } from "./apollo.js";
import { ACCOUNTS, FREEZE, POST, POSTED, entry, openAccounts, postUntil, serve } from "./server.js";

const server = await serve();
await openAccounts(server);
const { client, stop } = connect(server);
after(async () => {
  await stop();
  await server.stop();
});

const codes = (data) => data.accounts.edges.map(({ node }) => node.code);

test("a connection is read page by page into one list", async () => {
  const query = client.watchQuery({ query: gql(ACCOUNTS), variables: { first: 1 } });
  const { data } = await firstValueFrom(from(query).pipe(filter(({ loading }) => !loading)));
  assert.deepEqual(codes(data), ["alice"]);
  await query.fetchMore({ variables: { after: data.accounts.pageInfo.endCursor } });
  assert.deepEqual(codes(query.getCurrentResult().data), ["alice", "cash"]);
});

test("a mutation updates what the cache has of the same objects", async () => {
  await client.mutate({ mutation: gql(POST), variables: { input: entry("cash", "alice", "700") } });
  await client.mutate({ mutation: gql(FREEZE), variables: { code: "cash" } });
  // From the cache alone.
  const { accounts } = client.readQuery({ query: gql(ACCOUNTS), variables: { first: 1 } });
  assert.deepEqual(
    accounts.edges.map(({ node }) => [node.code, node.status, node.balances.posted.decimal]),
    [["alice", "OPEN", "7.00"], ["cash", "FROZEN", "7.00"]],
  );
  await client.mutate({
    mutation: gql`mutation { setAccountStatus(input: { account: { code: "cash" }, status: OPEN }) { account { id status } } }`,
  });
});

test("a mutation that is refused is an error with its code", async () => {
  const refused = client.mutate({ mutation: gql(POST), variables: { input: entry("alice", "cash", "999999") } });
  await assert.rejects(refused, (error) => {
    assert.ok(CombinedGraphQLErrors.is(error), error);
    assert.equal(error.errors[0].extensions.code, "INSUFFICIENT_FUNDS");
    return true;
  });
});

test("a subscription has events", async () => {
  let subscription;
  const event = new Promise((next, error) => {
    subscription = client.subscribe({ query: gql(POSTED) }).subscribe({ next, error });
  });
  const { data } = await postUntil(server, event);
  assert.equal(data.entryPosted.entry.lines[0].amount.decimal, "1.00");
  subscription.unsubscribe();
});

test("a subscription over the plain HttpLink has events, and an error when the server stops", async () => {
  const server = await serve();
  after(server.stop);
  await openAccounts(server);
  const client = clientOver(new HttpLink({ uri: server.url }));
  after(() => client.stop());
  const events = [];
  let ended;
  const end = new Promise((resolve) => (ended = resolve));
  let first;
  const event = new Promise((resolve) => (first = resolve));
  const subscription = client.subscribe({ query: gql(POSTED) }).subscribe({
    next({ data, error }) {
      if (error) return ended(error);
      events.push(data);
      first(data);
    },
    error: ended,
    complete: () => ended("complete"),
  });
  await postUntil(server, event);
  assert.equal(events[0].entryPosted.entry.lines[0].amount.decimal, "1.00");
  await server.stop();
  const error = await end;
  assert.ok(CombinedProtocolErrors.is(error), error);
  assert.equal(error.errors[0].extensions.code, "SUBSCRIPTION_INTERRUPTED");
  subscription.unsubscribe();
});

test("automatic persisted queries: the hash is refused once, and then enough", async () => {
  const bodies = [];
  const watched = new HttpLink({
    uri: server.url,
    fetch: (url, options) => {
      bodies.push(JSON.parse(options.body));
      return fetch(url, options);
    },
  });
  const sha256 = (text) => createHash("sha256").update(text).digest("hex");
  const link = ApolloLink.from([new PersistedQueryLink({ sha256 }), watched]);
  for (const _ of ["first", "second"]) {
    const { data } = await clientOver(link).query({ query: gql(ACCOUNTS), variables: { first: 1 } });
    assert.deepEqual(codes(data), ["alice"]);
  }
  assert.deepEqual(bodies.map(({ query }) => query !== undefined), [false, true, false]);
});
