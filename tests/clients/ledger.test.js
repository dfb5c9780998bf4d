// The page for people in Chromium, with nothing but the server to load from: by keyboard, by screen reader, live, and with a token.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open as openPage } from "./browser.js";
import { POST, entry, openAccounts, run, serve } from "./server.js";

const server = await serve();
const origin = new URL(server.url).origin;
const browser = await launch();
after(async () => {
  await browser.close();
  await server.stop();
});

const { page, complaints } = await openPage(browser, origin);

before(async () => {
  await openAccounts(server);
  await run(server, `mutation { openAccount(input: { code: "assets:bank:giro", name: "<b>Giro</b>", currency: "EUR", normalSide: DEBIT }) { account { id } } }`);
  await post("cash", "alice", "1234");
  await page.goto(`${origin}/ledger`);
  await shown("Accounts");
});

function post(debit, credit, amount) {
  return run(server, POST, { input: entry(debit, credit, amount) });
}

/** Waits until a view is shown whole, and answers its text. */
async function shown(heading) {
  const isShown = (heading) =>
    document.querySelector("h1")?.textContent.startsWith(heading) && !document.querySelector("main[aria-busy]");
  await page.waitForFunction(isShown, { timeout: 10_000 }, heading);
  return page.$eval("main", (main) => main.innerText.replaceAll("\u202f", " "));
}

/** Waits until the view says this. */
async function says(text) {
  const isThere = (text) => document.querySelector("main").innerText.replaceAll("\u202f", " ").includes(text);
  await page.waitForFunction(isThere, { timeout: 10_000 }, text);
}

test("accounts are a tree with sums, and what the ledger says is text", async () => {
  const text = await shown("Accounts");
  assert.match(text, /alice Alice\n?\s*12\.34 EUR credit/);
  assert.match(text, /cash Cash\n?\s*12\.34 EUR debit/);
  assert.match(text, /assets[\s\S]*bank[\s\S]*assets:bank:giro <b>Giro<\/b>/);
  assert.equal(await page.$("main b"), null);
});

test("balances change as entries are committed", async () => {
  await page.waitForFunction(() => document.getElementById("live").textContent.startsWith("Live"), { timeout: 10_000 });
  // The stream begins after the line says so: an entry that is posted meanwhile is seen at the next one.
  const isSeen = () => document.querySelector("main").innerText.includes("1\u202f");
  for (let posted = 0; ; posted += 1) {
    assert.ok(posted < 20, "no entry was seen");
    await post("assets:bank:giro", "alice", "100000");
    // Either it is seen soon, or the stream had not begun.
    if (await page.waitForFunction(isSeen, { timeout: 1000 }).then(() => true, () => false)) break;
  }
  const { account } = await run(server, `{ account(by: { code: "alice" }) { balances { posted { decimal } } } }`);
  const [whole, part] = account.balances.posted.decimal.split(".");
  await says(`${whole.replace(/\B(?=(\d{3})+$)/g, " ")}.${part} EUR credit`);
  assert.match(await page.$eval("main", (main) => main.innerText.replaceAll("\u202f", " ")), /assets[^\n]*\n?[^\n]*EUR debit/);
});

test("the keyboard alone reaches an account, its statement and an entry", async () => {
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "To the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "view");
  const follow = async (pattern) => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press("Tab");
      const focus = await page.evaluate(() => document.activeElement.textContent);
      if (pattern.test(focus) && (await page.evaluate(() => document.activeElement.matches("main a")))) {
        return page.keyboard.press("Enter");
      }
    }
    throw new Error(`nothing like ${pattern} was focused`);
  };
  await follow(/^alice$/);
  const text = await shown("Account alice");
  assert.match(text, /debits may not exceed credits/);
  assert.equal(await page.evaluate(() => document.activeElement.id), "view");
  await follow(/^post$/);
  assert.match(await shown("Entry"), /Lines[\s\S]*alice/);
});

test("a screen reader is told of landmarks, headings, tables and what the chart shows", async () => {
  await page.goto(`${origin}/ledger#/account/alice`);
  await shown("Account alice");
  const tree = await page.accessibility.snapshot({ interestingOnly: false });
  const nodes = [];
  (function walk(node) {
    nodes.push(node);
    (node.children ?? []).forEach(walk);
  })(tree);
  const of = (role) => nodes.filter((node) => node.role === role).map(({ name }) => name);
  assert.ok(of("navigation").includes("Views"), JSON.stringify(of("navigation")));
  assert.equal(of("main").length, 1);
  assert.equal(of("search").length, 1);
  assert.deepEqual(of("heading"), ["Account alice", "Statement", "Changes"]);
  assert.ok(of("columnheader").includes("Balance after"), JSON.stringify(of("columnheader")));
  const drawing = nodes.find(({ name }) => name?.startsWith("The balance over time."));
  assert.match(drawing?.name ?? "", /From .* to .*; at least .*12\.34 EUR, at most .* EUR\./);
  // Every field and button has a name.
  for (const role of ["searchbox", "textbox", "combobox", "button", "link"]) {
    assert.ok(of(role).every(Boolean), `${role}: ${JSON.stringify(of(role))}`);
  }
});

test("a search goes to an entry, to an account by its id, and to the codes that begin so", async () => {
  const { entries, account } = await run(
    server,
    `{ entries(first: 1) { edges { node { id } } } account(by: { code: "assets:bank:giro" }) { id } }`,
  );
  const find = async (text) => {
    await page.$eval("#sought", (input, text) => (input.value = text), text);
    await page.click("#search button");
  };
  await find(entries.edges[0].node.id);
  assert.match(await shown("Entry"), /12\.34 EUR/);
  await find(account.id);
  await shown("Account assets:bank:giro");
  await find("assets:");
  const text = await shown("Accounts");
  assert.match(text, /1 account whose code begins with “assets:”/);
  await run(server, POST, { input: { ...entry("cash", "alice", "77"), reference: "order 77/a" } });
  await find("order 77/a");
  assert.match(await shown("Entry"), /Reference\s+order 77\/a/);
  await find("nothing%");
  await says("There is no account whose code begins with “nothing%”.");
});

test("entries are chosen by account and kind", async () => {
  await page.goto(`${origin}/ledger#/entries?account=cash&kind=POST`);
  const text = await shown("Entries");
  assert.match(text, /2 entries, newest first/);
  await page.goto(`${origin}/ledger#/entries?kind=HOLD`);
  await says("There is no such entry.");
});

test("the trial balance is the server's, and equal on both sides", async () => {
  await page.goto(`${origin}/ledger#/trial-balance`);
  const text = await shown("Trial balance");
  assert.match(text, /Debits and credits are equal\./);
  const { trialBalance } = await run(server, "{ trialBalance { accountCount totals { debit { amount } credit { amount } } } }");
  const [, debit, credit] = text.match(/Total in EUR\s+([\d. ]+\d) EUR\s*\t\s*([\d. ]+\d) EUR/);
  assert.equal(debit, credit);
  assert.equal(debit.replace(/\D/g, ""), trialBalance.totals[0].debit.amount);
  assert.match(text, new RegExp(`All ${trialBalance.accountCount} accounts`));
});

test("groups are trees with sums, and a group shows its accounts and how it came to be", async () => {
  await page.goto(`${origin}/ledger#/groups`);
  await says("There are no groups of accounts.");
  const create = (path, name) => run(server, `mutation { createAccountGroup(input: { path: "${path}", name: "${name}" }) { group { id } } }`);
  await create("tax", "Tax report");
  await create("tax:money", "<i>Money</i>");
  await create("tax:money:till", "till");
  await run(
    server,
    `mutation {
      hand: addToAccountGroup(input: { group: { path: "tax:money:till" }, accounts: [{ code: "cash" }] }) { group { id } }
      prefix: addToAccountGroup(input: { group: { path: "tax:money" }, codePrefixes: ["assets:"] }) { group { id } }
    }`,
  );
  await page.reload();
  const text = await shown("Groups");
  const { accountSums } = await run(server, `{ accountSums(by: [GROUP], groupTree: "tax", groupDepth: 0) { group { path } closing { amount } } }`);
  const cents = Object.fromEntries(accountSums.map(({ group, closing }) => [group ? "inside" : "outside", BigInt(closing.amount)]));
  assert.equal(cents.inside, -cents.outside);
  const digits = cents.inside.toString();
  const sum = `${digits.slice(0, -2).replace(/\B(?=(\d{3})+$)/g, " ")}.${digits.slice(-2)} EUR`;
  assert.match(text, new RegExp(`Tax report[\\s\\S]*tax Tax report\\s+${sum} debit[\\s\\S]*money <i>Money</i>\\s+${sum} debit[\\s\\S]*till\\s`));
  assert.match(text, new RegExp(`in no group of this tree\\s+${sum} credit`));
  assert.equal(await page.$("main i"), null);

  await page.goto(`${origin}/ledger#/group/${encodeURIComponent("tax:money")}`);
  const group = await shown("Group tax:money");
  assert.match(group, /By prefix\s+assets:/);
  assert.match(group, /2 accounts, by code[\s\S]*assets:bank:giro[\s\S]*by the prefix assets:[\s\S]*cash\s[\s\S]*tax:money:till\s+by hand/);
  assert.match(group, /Changes of the whole tree[\s\S]*5 changes, newest first[\s\S]*prefix assets:[\s\S]*account cash[\s\S]*the group/);
  await page.goto(`${origin}/ledger#/account/cash`);
  assert.match(await shown("Account cash"), /Groups\s+tax:money:till/);
});

test("what was changed of an account and of an entry's metadata is shown, with what was before", async () => {
  const { updateAccount } = await run(
    server,
    `mutation { updateAccount(input: { account: { code: "assets:bank:giro" }, name: "Giro <2>", class: ASSET, minBalance: -50000 }) { account { code } } }`,
  );
  await page.goto(`${origin}/ledger#/account/${encodeURIComponent(updateAccount.account.code)}`);
  const text = await shown("Account assets:bank:giro");
  assert.match(text, /2 changes, newest first[\s\S]*name\s+class\s+least balance\s+<b>Giro<\/b>\s+none\s+none\s+Giro <2>\s+asset\s+−500.00 EUR[\s\S]*opened/);
  const { postEntry } = await run(server, POST, { input: { ...entry("cash", "alice", "1"), metadata: { order: "7" } } });
  await page.goto(`${origin}/ledger#/entry/${postEntry.entry.id}`);
  assert.doesNotMatch(await shown("Entry"), /Changes of its metadata/);
  await run(server, `mutation { annotateEntry(input: { entry: { id: "${postEntry.entry.id}" }, metadata: { paid: true } }) { entry { id } } }`);
  await page.reload();
  assert.match(await shown("Entry"), /Changes of its metadata[\s\S]*"order": "7"[\s\S]*"paid": true/);
});

test("what is closed is shown, and who closed it when and why", async () => {
  await page.goto(`${origin}/ledger#/closings`);
  await says("Nothing is closed.");
  await says("There is no closing or reopening.");
  await run(server, `mutation { closeBooks(input: { closedUntil: "2020-02-01", codePrefix: "assets:", reason: "January <done>" }) { closing { closedUntil } } }`);
  await page.reload();
  const text = await shown("Closed periods");
  assert.match(text, /whose code begins with assets:[\s\S]*January <done>[\s\S]*1 closing or reopening, newest first/);
  await page.goto(`${origin}/ledger#/account/${encodeURIComponent("assets:bank:giro")}`);
  assert.match(await shown("Account assets:bank:giro"), /Closed\s+for what counts from before/);
});

test("what is not there is told", async () => {
  for (const [path, told] of [
    ["account/nobody", "There is no account with this code."],
    ["group/nothing", "There is no group with this path."],
    ["nothing", "There is no such view."],
  ]) {
    await page.goto(`${origin}/ledger#/${path}`);
    await says(told);
  }
});

test("it is dark for who wants it dark", async () => {
  const papers = [];
  for (const value of ["light", "dark"]) {
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value }]);
    papers.push(await page.evaluate(() => Math.max(...getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).map(Number))));
  }
  const [light, dark] = papers;
  assert.ok(light > 200 && dark < 60, `paper: ${papers}`);
});

test("nothing was complained of, and nothing came from elsewhere", () => {
  assert.deepEqual(complaints, []);
});

test("a server with tokens shows nothing until it is given one", async () => {
  const folder = await mkdtemp(join(tmpdir(), "daybook-ledger-"));
  const secret = "0123456789abcdef0123456789abcdef";
  const file = join(folder, "secret");
  await writeFile(file, secret);
  await chmod(file, 0o600);
  const closed = await serve("--jwt-secret-file", file, "--jwt-issuer", "test", "--jwt-audience", "daybook");
  const visitor = await browser.newPage();
  try {
    await visitor.goto(`${new URL(closed.url).origin}/ledger`);
    await visitor.waitForSelector("#token", { timeout: 10_000 });
    assert.equal(await visitor.$(".tree li"), null);
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "test", aud: "daybook", sub: "visitor", scope: "ledger:read", exp: Math.floor(Date.now() / 1000) + 600 };
    const said = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    const token = `${said}.${createHmac("sha256", secret).update(said).digest("base64url")}`;
    await visitor.type("#token", token);
    await visitor.keyboard.press("Enter");
    await visitor.waitForFunction(() => document.querySelector("main").innerText.includes("There is no account."), { timeout: 10_000 });
    await visitor.waitForFunction(() => document.getElementById("live").textContent.startsWith("Live"), { timeout: 10_000 });
  } finally {
    await visitor.close();
    await closed.stop();
    await rm(folder, { recursive: true });
  }
});

test("a server without the page has none", async () => {
  const closed = await serve("--no-ledger-page");
  try {
    const page = await fetch(`${new URL(closed.url).origin}/ledger`);
    assert.equal(page.status, 404);
  } finally {
    await closed.stop();
  }
});
