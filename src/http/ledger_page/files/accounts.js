// The accounts as a tree by the parts of their codes, with balances that change as entries are posted.
import { decimal } from "./amount.js";
import { ask, exponentOf } from "./api.js";
import { h, linkToAccount, more, said } from "./dom.js";

/** What separates the parts of a code, as in `accountSums`. */
const SEPARATOR = ":";

/** Accounts of one question; the API answers no more. */
const PAGE = 100;

/** How many are shown before somebody asks for more. */
const AT_ONCE = 2000;

const ACCOUNTS = `query Accounts($after: String, $prefix: String) {
  accounts(first: ${PAGE}, after: $after, filter: { codePrefix: $prefix }) {
    pageInfo { hasNextPage endCursor }
    edges { node { id code name currency normalSide status balances { version posted { amount } pending { amount } } } }
  }
}`;

/** A balance, positive where debits are more. */
function debits({ normalSide }, amount) {
  return normalSide === "DEBIT" ? BigInt(amount) : -BigInt(amount);
}

/** An amount with its side: `12.00 EUR debit`. */
function onItsSide(amount, currency, exponent) {
  const side = amount < 0n ? "credit" : "debit";
  return `${decimal(amount < 0n ? -amount : amount, exponent)} ${currency}${amount === 0n ? "" : ` ${side}`}`;
}

/** A part of the tree: the account of this code, if there is one, and what is below it. */
class Branch {
  constructor(title) {
    this.title = title;
    this.children = new Map();
    this.account = null;
    this.sums = h("span", { class: "amount" });
  }

  child(title) {
    if (!this.children.has(title)) this.children.set(title, new Branch(title));
    return this.children.get(title);
  }

  /** The sum of each currency, of this account and those below. */
  sum() {
    const sums = new Map();
    const add = (currency, amount) => sums.set(currency, (sums.get(currency) ?? 0n) + amount);
    if (this.account) add(this.account.currency, debits(this.account, this.account.balances.posted.amount));
    for (const child of this.children.values()) {
      for (const [currency, amount] of child.sum()) add(currency, amount);
    }
    return sums;
  }

  async write() {
    const texts = [];
    for (const [currency, amount] of this.sum()) texts.push(onItsSide(amount, currency, await exponentOf(currency)));
    const text = texts.join(", ");
    if (this.sums.textContent && this.sums.textContent !== text) {
      this.sums.classList.remove("changed");
      // Read, so that the browser begins the animation anew.
      void this.sums.offsetWidth;
      this.sums.classList.add("changed");
    }
    this.sums.textContent = text;
  }

  draw() {
    const account = this.account;
    const title = h("span", { class: "title" }, account ? linkToAccount(account) : said(this.title));
    if (account) title.append(" ", h("span", { class: "soft" }, said(account.name), ...marks(account)));
    const row = h("span", { class: "row" }, title, this.sums);
    if (!this.children.size) return h("li", {}, row);
    const below = h("ul", {}, [...this.children.values()].map((child) => child.draw()));
    return h("li", {}, h("details", { open: true }, h("summary", {}, row), below));
  }
}

function marks({ status, balances }) {
  const marks = [];
  if (status !== "OPEN") marks.push(` (${status.toLowerCase()})`);
  if (balances.pending.amount !== "0") marks.push(" (something is set aside)");
  return marks;
}

/** Shows the tree; answers what to do with each event. */
export async function showAccounts(view, { prefix, signal }) {
  const root = new Branch("");
  /** The branches from the root to an account, by its id. */
  const known = new Map();
  const tree = h("ul", { class: "tree" });
  const count = h("p", { class: "soft" });
  let after = null;

  async function load() {
    let loaded = 0;
    let hasMore = true;
    while (hasMore && loaded < AT_ONCE) {
      const { accounts } = await ask(ACCOUNTS, { after, prefix: prefix || null }, signal);
      for (const { node } of accounts.edges) place(node);
      loaded += accounts.edges.length;
      hasMore = accounts.pageInfo.hasNextPage;
      after = accounts.pageInfo.endCursor;
    }
    const branches = new Set([...known.values()].flat());
    await Promise.all([...branches].map((branch) => branch.write()));
    tree.replaceChildren(...[...root.children.values()].map((child) => child.draw()));
    const which = prefix ? ` whose code begins with “${prefix}”` : "";
    count.textContent = known.size
      ? `${known.size}${hasMore ? " of more" : ""} account${known.size === 1 ? "" : "s"}${which}. What is below another is counted in it.`
      : `There is no account${which}.`;
    return hasMore;
  }

  function place(account) {
    let branch = root;
    const path = account.code.split(SEPARATOR).map((title) => (branch = branch.child(title)));
    branch.account = account;
    known.set(account.id, path);
  }

  const find = (event) => {
    event.preventDefault();
    location.hash = `#/?prefix=${encodeURIComponent(event.target.elements.prefix.value.trim())}`;
  };
  const filter = h(
    "form",
    { submit: find },
    h("label", { for: "prefix" }, "Code begins with"),
    h("input", { id: "prefix", name: "prefix", type: "search", value: prefix ?? "", spellcheck: "false" }),
    h("button", {}, "Show"),
  );
  view.append(h("h1", {}, "Accounts"), filter, count, tree);
  if (await load()) view.append(more("More accounts", load));

  return async ({ entry }) => {
    const touched = new Set();
    for (const account of entry.lines.flatMap(({ debit, credit }) => [debit, credit])) {
      const path = known.get(account.id);
      const shown = path?.at(-1).account;
      // Events may come in another order than the account's lines.
      if (!shown || BigInt(account.balances.version) < BigInt(shown.balances.version)) continue;
      shown.balances = account.balances;
      for (const branch of path) touched.add(branch);
    }
    await Promise.all([...touched].map((branch) => branch.write()));
  };
}
