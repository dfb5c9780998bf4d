// One account: its balances, a chart of them, and its statement.
import { instant, money } from "./amount.js";
import { ask } from "./api.js";
import { chart } from "./chart.js";
import { facts, h, linkToAccount, linkToEntry, listed, more, said, table } from "./dom.js";
import { linkToGroup } from "./groups.js";

const PAGE = 50;

const MONEY = "{ amount decimal currency }";

const ACCOUNT = `query Account($code: String!) {
  account(by: { code: $code }) {
    id code name class currency normalSide limitPolicy minBalance ${MONEY} maxBalance ${MONEY} status metadata createdAt closedUntil groups { group { path } }
    balances { version posted { amount decimal currency } pending { amount decimal currency } available { amount decimal currency } }
  }
}`;

const STATEMENT = `query Statement($code: String!, $after: String) {
  account(by: { code: $code }) {
    statement(first: ${PAGE}, after: $after, direction: DESC) {
      pageInfo { hasNextPage endCursor }
      edges {
        node {
          side version
          change { amount decimal currency }
          balanceAfter { amount decimal currency }
          counterparty { code }
          line { id effect amount { amount decimal currency } }
          entry { id kind description effectiveAt recordedAt }
        }
      }
    }
  }
}`;

const CHANGES = `query AccountChanges($code: String!, $after: String) {
  account(by: { code: $code }) {
    changes(first: ${PAGE}, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      edges { node { recordedAt recordedBy before { ...Described } after { ...Described } } }
    }
  }
}
fragment Described on AccountDescription { name class limitPolicy minBalance ${MONEY} maxBalance ${MONEY} status metadata }`;

const CHANGE_COLUMNS = [
  ["Recorded", ""],
  ["What", ""],
  ["Before", ""],
  ["After", ""],
  ["By", ""],
];

const COLUMNS = [
  ["Recorded", ""],
  ["Counts from", ""],
  ["Entry", ""],
  ["Other account", ""],
  ["Change", "amount"],
  ["Balance after", "amount"],
];

const LIMITS = {
  NONE: "none",
  NO_DEBIT_OVERDRAFT: "debits may not exceed credits",
  NO_CREDIT_OVERDRAFT: "credits may not exceed debits",
};

export async function showAccount(view, { code, signal }) {
  const { account } = await ask(ACCOUNT, { code }, signal);
  view.append(h("h1", {}, "Account ", said(code)));
  if (!account) {
    view.append(h("p", { class: "bad" }, "There is no account with this code."));
    return null;
  }
  const about = h("div", {});
  const drawing = h("div", {});
  const statement = h("div", {});
  let lines = [];
  let after = null;

  function tell(account) {
    const { posted, pending, available } = account.balances;
    about.replaceChildren(
      facts([
        ["Name", said(account.name)],
        ["Class", account.class?.toLowerCase()],
        ["Balance", `${money(posted)}, positive on the ${account.normalSide.toLowerCase()} side`],
        ["Set aside", pending.amount === "0" ? null : money(pending)],
        ["Available", pending.amount === "0" ? null : money(available)],
        ["Limit", LIMITS[account.limitPolicy] ?? account.limitPolicy],
        ["Least balance", account.minBalance && money(account.minBalance)],
        ["Largest balance", account.maxBalance && money(account.maxBalance)],
        ["Status", account.status.toLowerCase()],
        ["Closed", account.closedUntil && h("span", {}, "for what counts from before ", instant(account.closedUntil))],
        ["Groups", groups(account)],
        ["Opened", instant(account.createdAt)],
        ["Lines", account.balances.version],
        ["Metadata", metadata(account.metadata)],
        ["Id", h("span", { class: "id" }, account.id)],
      ]),
    );
  }

  function list() {
    drawing.replaceChildren(...(lines.length > 1 ? [chart(lines)] : []));
    statement.replaceChildren(
      lines.length
        ? table(lines.length === 1 ? "One line" : `${lines.length} lines, newest first`, COLUMNS, lines.map(row))
        : h("p", {}, "No entry has touched this account."),
    );
  }

  async function load() {
    const answer = await ask(STATEMENT, { code, after }, signal);
    const { edges, pageInfo } = answer.account.statement;
    lines = lines.concat(edges.map(({ node }) => node));
    after = pageInfo.endCursor;
    list();
    return pageInfo.hasNextPage;
  }

  tell(account);
  view.append(about, h("h2", {}, "Statement"), drawing, statement);
  if (await load()) view.append(more("Older lines", load));
  view.append(
    h("h2", {}, "Changes"),
    await listed("change", "newest first", CHANGE_COLUMNS, async (after) => {
      const { changes } = (await ask(CHANGES, { code, after }, signal)).account;
      return { page: changes, rows: changes.edges.map(({ node }) => changeRow(node)) };
    }),
  );

  return async ({ entry }) => {
    const touches = ({ debit, credit }) => debit.id === account.id || credit.id === account.id;
    if (!entry.lines.some(touches)) return;
    // As many of the newest lines as there were, and the balances with them.
    const newest = await ask(ACCOUNT, { code }, signal);
    tell(newest.account);
    const known = new Set(lines.map(({ version }) => version));
    const page = await ask(STATEMENT, { code, after: null }, signal);
    const fresh = page.account.statement.edges.map(({ node }) => node).filter(({ version }) => !known.has(version));
    lines = fresh.concat(lines);
    list();
  };
}

function row({ side, change, balanceAfter, counterparty, line, entry }) {
  const what = entry.description ? said(entry.description) : entry.kind.toLowerCase();
  const moved = change.amount === "0" ? `${money(line.amount)} ${line.effect === "HOLD" ? "set aside" : "freed"}` : money(change);
  return [
    instant(entry.recordedAt),
    instant(entry.effectiveAt),
    linkToEntry(entry, what),
    linkToAccount(counterparty),
    h("span", { title: side === "DEBIT" ? "on the debit side" : "on the credit side" }, moved),
    money(balanceAfter),
  ];
}

function groups({ groups }) {
  return groups.length ? h("ul", { class: "plain" }, groups.map(({ group }) => h("li", {}, linkToGroup(group)))) : null;
}

/** What of an account's description is shown, by its name here. */
const DESCRIBED = {
  name: ({ name }) => said(name),
  class: (description) => description.class?.toLowerCase() ?? "none",
  limit: ({ limitPolicy }) => LIMITS[limitPolicy] ?? limitPolicy,
  "least balance": ({ minBalance }) => (minBalance ? money(minBalance) : "none"),
  "largest balance": ({ maxBalance }) => (maxBalance ? money(maxBalance) : "none"),
  status: ({ status }) => status.toLowerCase(),
  metadata: (description) => metadata(description.metadata) ?? "none",
};

/** What a change changed, one above the other; the opening has no before. */
function changeRow({ before, after, recordedAt, recordedBy }) {
  const isChanged = ([, show]) => {
    const text = (description) => h("i", {}, show(description)).textContent;
    return before && text(before) !== text(after);
  };
  const changed = Object.entries(DESCRIBED).filter(isChanged);
  const each = (show) => changed.map((one) => h("div", {}, show(one)));
  return [
    instant(recordedAt),
    before ? each(([name]) => name) : "opened",
    before ? each(([, show]) => show(before)) : "",
    before ? each(([, show]) => show(after)) : h("div", {}, DESCRIBED.name(after)),
    said(recordedBy ?? ""),
  ];
}

/** A JSON object of somebody's, if there is anything in it. */
export function metadata(value) {
  const isEmpty = value == null || (typeof value === "object" && !Object.keys(value).length);
  return isEmpty ? null : h("pre", { class: "id" }, JSON.stringify(value, null, 2));
}
