// The trial balance: every account's balance on its side, as it was known at one instant.
import { decimal, instant } from "./amount.js";
import { ask, exponentOf } from "./api.js";
import { debits } from "./accounts.js";
import { h, linkToAccount, said, table } from "./dom.js";

const NEWEST = `{ entries(last: 1, orderBy: { field: RECORDED_AT }) { edges { node { recordedAt } } } }`;

const ACCOUNTS = `query TrialBalance($after: String, $at: DateTime!) {
  accounts(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node { id code name currency normalSide balances(at: { recordedAt: $at }) { posted { amount } } } }
  }
}`;

const COLUMNS = [
  ["Account", ""],
  ["Name", ""],
  ["Debit", "amount"],
  ["Credit", "amount"],
];

export async function showTrialBalance(view, { signal }) {
  view.append(h("h1", {}, "Trial balance"));
  const newest = await ask(NEWEST, {}, signal);
  const at = newest.entries.edges[0]?.node.recordedAt;
  if (!at) {
    view.append(h("p", {}, "No entry has been posted yet."));
    return null;
  }
  const working = h("p", { class: "soft", role: "status" }, "Adding up …");
  view.append(working);
  const currencies = new Map();
  let after = null;
  let count = 0;
  for (let hasMore = true; hasMore; ) {
    const { accounts } = await ask(ACCOUNTS, { after, at }, signal);
    for (const { node } of accounts.edges) {
      const amount = debits(node, node.balances.posted.amount);
      if (amount === 0n) continue;
      if (!currencies.has(node.currency)) currencies.set(node.currency, []);
      currencies.get(node.currency).push([node, amount]);
    }
    count += accounts.edges.length;
    working.textContent = `Adding up … ${count} accounts`;
    hasMore = accounts.pageInfo.hasNextPage;
    after = accounts.pageInfo.endCursor;
  }
  working.replaceChildren("As it was known at ", instant(at), ", after the newest entry. Accounts with a balance of zero are left out.");
  for (const [currency, accounts] of [...currencies].sort()) {
    const exponent = await exponentOf(currency);
    const write = (amount) => (amount > 0n ? decimal(amount, exponent) : "");
    const total = (side) => accounts.reduce((sum, [, amount]) => sum + (side * amount > 0n ? side * amount : 0n), 0n);
    const [debit, credit] = [total(1n), total(-1n)];
    const rows = accounts.map(([account, amount]) => [linkToAccount(account), said(account.name), write(amount), write(-amount)]);
    const foot = [["Total", "", decimal(debit, exponent), decimal(credit, exponent)]];
    view.append(h("h2", {}, currency), table(`${accounts.length} accounts in ${currency}`, COLUMNS, rows, foot));
    view.append(
      debit === credit
        ? h("p", {}, "Debits and credits are equal.")
        : h("p", { class: "bad", role: "alert" }, "Debits and credits are not equal. Load the page again; if it stays so, run “daybook verify”."),
    );
  }
  return null;
}
