// standardwebhooks, the reference library of Standard Webhooks: what arrives verifies with it, and nothing else does.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { Webhook } from "standardwebhooks";
import { POST, entry, openAccounts, run, serve } from "./server.js";

const server = await serve("--webhook-allow-private", "--webhook-allow-http", "--webhook-first-wait", "50ms");
after(() => server.stop());
await openAccounts(server);

const CREATE = /* GraphQL */ `
  mutation Create($url: String!) {
    createWebhook(input: { url: $url, events: [ENTRY_POSTED, ACCOUNT_CHANGED] }) { webhook { id } secret }
  }
`;
const ROTATE = /* GraphQL */ `
  mutation Rotate($webhook: ID!) {
    rotateWebhookSecret(input: { webhook: $webhook }) { secret }
  }
`;
const DELETE = /* GraphQL */ `
  mutation Delete($webhook: ID!) {
    deleteWebhook(input: { webhook: $webhook }) { deletedId }
  }
`;

async function create(port) {
  const { createWebhook } = await run(server, CREATE, { url: `http://127.0.0.1:${port}/hook` });
  return { id: createWebhook.webhook.id, secret: createWebhook.secret };
}

/** Posts an entry, and answers its id. */
async function post() {
  return (await run(server, POST, { input: entry("cash", "alice", "5") })).postEntry.entry.id;
}

test("what arrives verifies with the secret, and with the one before while it counts", async () => {
  const arrived = [];
  const receiver = createServer(async (request, response) => {
    let body = "";
    for await (const part of request.setEncoding("utf8")) body += part;
    response.writeHead(204).end();
    arrived.push({ body, headers: request.headers });
    receiver.emit("arrived");
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const { id, secret } = await create(receiver.address().port);
  const next = async () => {
    if (arrived.length === 0) await once(receiver, "arrived", { signal: AbortSignal.timeout(20_000) });
    return arrived.shift();
  };

  const posted = await post();
  const first = await next();
  const told = new Webhook(secret).verify(first.body, first.headers);
  assert.deepEqual([told.type, told.data.entry.id], ["entry.posted", posted]);
  assert.match(told.timestamp, /^\d{4}-\d\d-\d\dT/);

  const { secret: second } = (await run(server, ROTATE, { webhook: id })).rotateWebhookSecret;
  assert.notEqual(second, secret);
  await post();
  const both = await next();
  for (const known of [secret, second]) new Webhook(known).verify(both.body, both.headers);

  const refused = (known, { body, headers }) =>
    assert.throws(() => new Webhook(known).verify(body, headers), { name: "WebhookVerificationError" });
  refused(second, first);
  refused(secret, { ...first, body: first.body.replace("entry.posted", "entry.changed") });
  refused(secret, { ...first, headers: { ...first.headers, "webhook-id": both.headers["webhook-id"] } });
  refused(secret, { ...first, headers: { ...first.headers, "webhook-timestamp": `${Number(first.headers["webhook-timestamp"]) - 1}` } });

  await run(server, DELETE, { webhook: id });
  receiver.close();
});

/** The receiver of docs/webhooks.md, on a free port. `said` answers its next line. */
async function documented(secret) {
  const text = await readFile(new URL("../../docs/webhooks.md", import.meta.url), "utf8");
  const [, code] = text.match(/```js\n([\s\S]*?)```/);
  const listens = ".listen(8080);";
  assert.ok(code.includes(listens), code);
  const anywhere = code.replace(listens, '.listen(0, "127.0.0.1", function () { console.log(this.address().port); });');
  const receiver = spawn(process.execPath, ["--input-type=module", "-"], {
    cwd: import.meta.dirname,
    env: { ...process.env, WEBHOOK_SECRET: secret },
    stdio: ["pipe", "pipe", "inherit"],
  });
  receiver.stdin.end(anywhere);
  process.once("exit", () => receiver.kill("SIGKILL"));
  const lines = createInterface(receiver.stdout)[Symbol.asyncIterator]();
  const said = async () => (await lines.next()).value;
  return { port: Number(await said()), said, stop: () => receiver.kill() };
}

test("the receiver of the documentation takes what is signed with its secret, and nothing else", async () => {
  // A secret of somebody else's.
  const receiver = await documented("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const { id, secret } = await create(receiver.port);
  await post();
  const failed = async () => {
    const { webhooks } = await run(server, "{ webhooks { lastFailure } }");
    return webhooks[0].lastFailure;
  };
  while ((await failed()) === null) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await failed(), "it answers 400 Bad Request");
  receiver.stop();

  const right = await documented(secret);
  const update = "mutation ($input: UpdateWebhookInput!) { updateWebhook(input: $input) { webhook { id } } }";
  await run(server, update, { input: { webhook: id, url: `http://127.0.0.1:${right.port}/` } });
  assert.match(await right.said(), /^msg_\S+ entry\.posted entry_\S+$/);
  right.stop();
});
