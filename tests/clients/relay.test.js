// Relay, headless: what its compiler makes of the schema and of operations, run by its runtime with its normalised store.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createClient } from "graphql-ws";
import compiler from "relay-compiler";
import relay from "relay-runtime";
import WebSocket from "ws";
import { entry, openAccounts, postUntil, run, serve } from "./server.js";

const { Environment, Network, Observable, RecordSource, Store } = relay;

const require = createRequire(import.meta.url);
const here = (path) => fileURLToPath(new URL(path, import.meta.url));
await rm(here("frontend/relay/__generated__"), { recursive: true, force: true });
execFileSync(compiler, ["relay.config.json"], { cwd: here("."), encoding: "utf8", stdio: "pipe" });
const artifact = (name) => require(`./frontend/relay/__generated__/${name}.graphql.js`);

// The first page.
const first = relay.createOperationDescriptor(artifact("AccountsQuery"), { first: 1 });

const server = await serve();
await openAccounts(server);
const socket = createClient({ url: server.socketUrl, webSocketImpl: WebSocket });
after(async () => {
  await socket.dispose();
  await server.stop();
});

let requests = 0;
async function send({ text }, variables) {
  requests += 1;
  const response = await fetch(server.url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: text, variables }),
  });
  return response.json();
}
const subscribe = ({ text }, variables) => Observable.create((sink) => socket.subscribe({ query: text, variables }, sink));
const environment = new Environment({
  network: Network.create(send, subscribe),
  store: new Store(new RecordSource()),
});

const fetched = (query, variables) => relay.fetchQuery(environment, query, variables).toPromise();
const mutate = (name, config) =>
  new Promise((onCompleted, onError) => {
    relay.commitMutation(environment, { mutation: artifact(name), onCompleted, onError, ...config });
  });

// As a view would: what nothing retains is collected.
environment.retain(first);

/** What a fragment finds in the store; nothing here asks the network. */
function read(fragment, reference) {
  const { data, isMissingData } = environment.lookup(relay.getSingularSelector(artifact(fragment), reference));
  assert.equal(isMissingData, false);
  return data;
}
const page = () => read("Accounts_page", environment.lookup(first.fragment).data).accounts;
const account = (reference) => read("Accounts_account", reference);
const accounts = () => page().edges.map(({ node }) => account(node));
const codes = () => accounts().map(({ code }) => code);
const find = (wanted) => accounts().find(({ code }) => code === wanted);

test("a connection is read page by page into one list", async () => {
  await fetched(artifact("AccountsQuery"), { first: 1 });
  assert.deepEqual(codes(), ["alice"]);
  assert.equal(page().pageInfo.hasNextPage, true);
  // As usePaginationFragment does it.
  const { paginationRequest, paginationMetadata } = relay.getPaginationMetadata(artifact("Accounts_page"), "this test");
  const next = relay.getPaginationVariables("forward", 1, page().pageInfo.endCursor, { first: 1 }, {}, paginationMetadata);
  await fetched(paginationRequest, next);
  assert.deepEqual(codes(), ["alice", "cash"]);
  assert.equal(page().pageInfo.hasNextPage, false);
});

test("a mutation updates what the store has of the same objects", async () => {
  await mutate("AccountsPostMutation", { variables: { input: entry("cash", "alice", "700") } });
  await mutate("AccountsSetStatusMutation", { variables: { input: { account: { code: "cash" }, status: "FROZEN" } } });
  const before = requests;
  assert.deepEqual(
    accounts().map(({ code, status, balances }) => [code, status, balances.posted.decimal]),
    [["alice", "OPEN", "7.00"], ["cash", "FROZEN", "7.00"]],
  );
  assert.equal(environment.check(first).status, "available");
  assert.equal(requests, before);
});

test("a mutation appends what it has made to a connection", async () => {
  const input = { code: "bob", name: "Bob", currency: "EUR", normalSide: "CREDIT" };
  await mutate("AccountsOpenMutation", { variables: { input, connections: [page().__id] } });
  assert.deepEqual(codes(), ["alice", "cash", "bob"]);
  assert.equal(find("bob").balances.posted.decimal, "0.00");
});

test("an object is read again by its id", async () => {
  await run(server, `mutation { setAccountStatus(input: { account: { code: "cash" }, status: OPEN }) { account { id } } }`);
  const { id, status } = find("cash");
  assert.equal(status, "FROZEN");
  const { refetchableRequest, refetchMetadata } = relay.getRefetchMetadata(artifact("Accounts_account"), "this test");
  await fetched(refetchableRequest, { [refetchMetadata.identifierInfo.identifierQueryVariableName]: id });
  assert.equal(find("cash").status, "OPEN");
});

test("a mutation that is refused is an error with its code, and what was hoped of it is undone", async () => {
  const [{ node }] = page().edges;
  const alice = account(node);
  const seen = [];
  const snapshot = environment.lookup(relay.getSingularSelector(artifact("Accounts_account"), node));
  const watched = environment.subscribe(snapshot, ({ data }) => seen.push(data.balances.version));
  const hoped = { ...alice, balances: { ...alice.balances, version: "99" } };
  const refused = mutate("AccountsPostMutation", {
    variables: { input: entry("alice", "cash", "999999") },
    optimisticResponse: { postEntry: { accounts: [hoped] } },
  });
  await assert.rejects(refused, ({ source }) => {
    assert.equal(source.errors[0].extensions.code, "INSUFFICIENT_FUNDS");
    return true;
  });
  watched.dispose();
  assert.deepEqual(seen, ["99", alice.balances.version]);
});

test("a subscription has events, which update the store", async () => {
  const before = find("cash").balances;
  let subscription;
  const event = new Promise((onNext, onError) => {
    subscription = relay.requestSubscription(environment, {
      subscription: artifact("AccountsPostedSubscription"),
      variables: {},
      onNext,
      onError,
    });
  });
  const { entryPosted } = await postUntil(server, event);
  subscription.dispose();
  assert.deepEqual(entryPosted.entry.lines.map(({ amount }) => amount), [{ amount: "100", currency: "EUR" }]);
  const { posted, version } = find("cash").balances;
  assert.ok(BigInt(posted.amount) > BigInt(before.posted.amount));
  assert.ok(BigInt(version) > BigInt(before.version));
});
