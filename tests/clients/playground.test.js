// The playground in Chromium, with nothing but the server to load from: what a visitor clicks, and what the panel shows.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open as openPage } from "./browser.js";
import { playgroundOn } from "./playground.js";
import { openAccounts, postUntil, run, serve } from "./server.js";

const server = await serve();
const origin = new URL(server.url).origin;
const browser = await launch();
after(async () => {
  await browser.close();
  await server.stop();
});

const { page, complaints } = await openPage(browser, origin);

before(async () => {
  await page.setViewport({ width: 1600, height: 1000 });
  await page.goto(origin, { waitUntil: "networkidle0" });
});

const { open, press, panel, responseWith } = playgroundOn(page);

test("a mutation's unit is drawn from its first wait to COMMIT", async () => {
  await open("OpenAccounts");
  await press();
  const { facts, steps } = await panel("COMMITTED");
  assert.deepEqual(
    steps.map(({ step }) => step).filter((step) => step !== "STATEMENT"),
    ["WAIT", "BEGIN", "COMMIT"],
  );
  const statements = steps.filter(({ step }) => step === "STATEMENT");
  assert.equal(facts.statements, String(statements.length));
  assert.ok(statements.some(({ sql, field }) => sql.startsWith("INSERT INTO") && field === "cash"), JSON.stringify(steps));
  assert.ok(steps.every(({ width }) => width > 0));
});

test("the panel shows why a failing mutation was rolled back", async () => {
  await open("SecondFails");
  await press();
  const { outcome, error, steps } = await panel("ROLLED_BACK");
  assert.match(outcome, /the response has an error/);
  assert.match(error, /available/);
  assert.equal(steps.at(-1).step, "ROLLBACK");
  await responseWith("INSUFFICIENT_FUNDS");
});

test("a query reads one snapshot, and says which field a statement was for", async () => {
  await open("Balances");
  await press();
  const { facts, steps } = await panel("READ");
  assert.equal(facts.access, "READ ONLY");
  assert.ok(steps.some(({ step, field }) => step === "STATEMENT" && field !== null), JSON.stringify(steps));
  assert.ok(!steps.some(({ step }) => step === "COMMIT"));
});

test("the headers that are prefilled make a dry run when they are taken out of their comments", async () => {
  await open("PostEntry");
  await page.locator('::-p-xpath(//button[normalize-space()="Headers"])').click();
  // The editor draws what there is room for.
  const line = await page.waitForSelector(`::-p-xpath(//*[@class="view-line"][contains(., "x-dry-run")])`);
  const editor = await line.evaluate((line) => line.parentElement.textContent.replaceAll("\u00a0", " "));
  assert.match(editor, /\/\/ "idempotency-key": "\\"payment-1\\""/);
  await line.click();
  await page.keyboard.press("Home");
  for (const _ of "// ") await page.keyboard.press("Delete");
  await press();
  const { outcome, facts } = await panel("ROLLED_BACK");
  assert.match(outcome, /dry run/);
  assert.notEqual(facts.statements, "0");
  const { verifyLedger } = await run(server, "{ verifyLedger { entries } }");
  assert.equal(verifyLedger.entries, "0");
});

test("a subscription shows events as they are committed", async () => {
  await openAccounts(server);
  await open("Feed");
  await press();
  await page.waitForSelector('.graphiql-execute-button[aria-label^="Stop"]');
  const { facts } = await postUntil(server, panel("READ"));
  assert.equal(facts.access, "READ ONLY");
  await responseWith("entryPosted");
  await press();
});

test("it is dark for who wants it dark", async () => {
  const brightness = () =>
    page.evaluate(() => {
      const { color } = getComputedStyle(document.querySelector(".unit-of-work"));
      return Math.max(...color.match(/[\d.]+/g).slice(0, 3).map(Number));
    });
  const brightnesses = [];
  for (const value of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    await page.reload({ waitUntil: "networkidle0" });
    await page.waitForSelector(".unit-of-work");
    brightnesses.push(await brightness());
  }
  const [inLight, inDark] = brightnesses;
  assert.ok(inLight < 128 && inDark > 128, `text: ${brightnesses}`);
});

test("nothing was complained of, and nothing came from elsewhere", () => {
  assert.deepEqual(complaints, []);
});

test("a server without a playground has no page, and tells no statement", async () => {
  const closed = await serve("--no-playground");
  try {
    const page = await fetch(new URL(closed.url).origin);
    assert.equal(page.status, 404);
    const response = await fetch(closed.url, {
      method: "POST",
      headers: { "content-type": "application/json", "x-unit-of-work": "timeline" },
      body: JSON.stringify({ query: "{ currencies { code } }" }),
    });
    const { extensions } = await response.json();
    assert.equal(extensions.unitOfWork.outcome, "READ");
    assert.equal(extensions.unitOfWork.timeline, undefined);
  } finally {
    await closed.stop();
  }
});
