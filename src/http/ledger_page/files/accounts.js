// The accounts as a tree by the parts of their codes, with balances that change as entries are posted.
import { ask } from "./api.js";
import { h, linkToAccount, more, said } from "./dom.js";
import { Branch } from "./tree.js";

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

/** The balance by its currency, positive where debits are more. */
function own({ currency, normalSide, balances }) {
  const amount = BigInt(balances.posted.amount);
  return new Map([[currency, normalSide === "DEBIT" ? amount : -amount]]);
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
  /** The accounts by id, each with the branches from the root to it. */
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
    await Promise.all([...root.below()].map((branch) => branch.write()));
    tree.replaceChildren(...[...root.children.values()].map((child) => child.draw()));
    const which = prefix ? ` whose code begins with “${prefix}”` : "";
    count.textContent = known.size
      ? `${known.size}${hasMore ? " of more" : ""} account${known.size === 1 ? "" : "s"}${which}. What is below another is counted in it.`
      : `There is no account${which}.`;
    return hasMore;
  }

  function place(account) {
    const path = root.path(account.code);
    const branch = path.at(-1);
    branch.label = [linkToAccount(account), " ", h("span", { class: "soft" }, said(account.name), ...marks(account))];
    branch.own = own(account);
    known.set(account.id, { account, path });
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
    for (const touch of entry.lines.flatMap(({ debit, credit }) => [debit, credit])) {
      const { account, path } = known.get(touch.id) ?? {};
      // Events may come in another order than the account's lines.
      if (!account || BigInt(touch.balances.version) < BigInt(account.balances.version)) continue;
      account.balances = touch.balances;
      path.at(-1).own = own(account);
      for (const branch of path) touched.add(branch);
    }
    await Promise.all([...touched].map((branch) => branch.write()));
  };
}
