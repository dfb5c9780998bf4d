// The playground in Chromium, on a database with a replica: its panel says which server has answered.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open as openPage } from "./browser.js";
import { playgroundOn } from "./playground.js";
import { startPostgres } from "./postgres.js";
import { serve } from "./server.js";

let primary;
let standby;
let server;
let browser;
let opened;
before(async () => {
  primary = await startPostgres();
  standby = await startPostgres(primary.port);
  // With a password, which these servers do not ask for, and nobody may be shown.
  const secret = (url) => url.replace("postgres@", "postgres:hidden-from-all@");
  // Long enough for this replica to get there.
  server = await serve("--database", secret(primary.url), "--replica", secret(standby.url), "--replica-wait", "5s");
  browser = await launch();
  opened = await openPage(browser, new URL(server.url).origin);
  await opened.page.setViewport({ width: 1600, height: 1000 });
  await opened.page.goto(new URL(server.url).origin, { waitUntil: "networkidle0" });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await standby?.stop();
  await primary?.stop();
});

/** Where each step says that another server has been used from there on. */
const servers = (steps) => steps.filter(({ server }) => server !== null).map(({ step, server }) => [step, server]);

test("a mutation is written on the primary, and a query that shows its token is read on the replica", async () => {
  const { page, complaints } = opened;
  const { open, press, panel } = playgroundOn(page);
  const answer = page.waitForResponse((response) => response.url() === server.url && response.request().postData()?.includes("openAccount"));
  await open("OpenAccounts");
  await press();
  const written = await panel("COMMITTED");
  assert.equal(written.facts.server, `primary 127.0.0.1:${primary.port}`);
  assert.deepEqual(servers(written.steps), [["BEGIN", `on the primary 127.0.0.1:${primary.port}`]]);

  const token = (await answer).headers()["x-consistency"];
  assert.match(token, /^[0-9a-f]{8}\./);
  await page.setExtraHTTPHeaders({ "x-consistency": token });
  await open("Balances");
  await press();
  const read = await panel("READ");
  assert.equal(read.facts.server, `replica 127.0.0.1:${standby.port}`);
  assert.deepEqual(servers(read.steps), [["BEGIN", `on the replica 127.0.0.1:${standby.port}`]]);

  const shown = await page.evaluate(() => document.body.textContent);
  assert.ok(!shown.includes("hidden-from-all"));
  assert.deepEqual(complaints, []);
});
