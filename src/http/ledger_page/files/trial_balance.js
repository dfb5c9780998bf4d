// The trial balance: every account's balance on its side, as it was known at one instant.
import { instant, money } from "./amount.js";
import { ask } from "./api.js";
import { h, linkToAccount, more, said, table } from "./dom.js";

const PAGE = 500;

const MONEY = "{ amount decimal currency }";

const NEWEST = `{ entries(last: 1, orderBy: { field: RECORDED_AT }) { edges { node { recordedAt } } } }`;

// Pages are of one trial balance, since nothing is recorded before an instant that has passed.
const TRIAL_BALANCE = `query TrialBalance($until: DateTime!, $after: String) {
  trialBalance(recordedUntil: $until) {
    accountCount
    totals { currency debit ${MONEY} credit ${MONEY} }
    accounts(first: ${PAGE}, afterCode: $after) { code class debit ${MONEY} credit ${MONEY} }
  }
}`;

const COLUMNS = [
  ["Account", ""],
  ["Class", ""],
  ["Debit", "amount"],
  ["Credit", "amount"],
];

const written = (amount) => (amount.amount === "0" ? "" : money(amount));

/** The instant just after this one: what was recorded at it is known then. Instants have microseconds. */
function justAfter(instant) {
  const [, seconds, micros = ""] = instant.match(/^(.*:\d\d)(?:\.(\d+))?Z$/);
  const next = Number(micros.padEnd(6, "0")) + 1;
  if (next < 1_000_000) return `${seconds}.${String(next).padStart(6, "0")}Z`;
  return new Date(Date.parse(`${seconds}Z`) + 1000).toISOString();
}

export async function showTrialBalance(view, { signal }) {
  view.append(h("h1", {}, "Trial balance"));
  const newest = await ask(NEWEST, {}, signal);
  const at = newest.entries.edges[0]?.node.recordedAt;
  if (!at) {
    view.append(h("p", {}, "No entry has been posted yet."));
    return null;
  }
  const list = h("div", {});
  let accounts = [];

  async function load() {
    const after = accounts.at(-1)?.code ?? null;
    const { trialBalance } = await ask(TRIAL_BALANCE, { until: justAfter(at), after }, signal);
    accounts = accounts.concat(trialBalance.accounts);
    const { accountCount, totals } = trialBalance;
    const rows = accounts.map((account) => [linkToAccount(account), account.class?.toLowerCase() ?? "", written(account.debit), written(account.credit)]);
    const foot = totals.map(({ currency, debit, credit }) => [`Total in ${currency}`, "", money(debit), money(credit)]);
    const isWhole = accounts.length === accountCount;
    const caption = isWhole ? `All ${accountCount} accounts` : `The first ${accounts.length} of ${accountCount} accounts; the totals are of all`;
    const isEqual = totals.every(({ debit, credit }) => debit.amount === credit.amount);
    list.replaceChildren(
      table(caption, COLUMNS, rows, foot),
      isEqual
        ? h("p", {}, "Debits and credits are equal.")
        : h("p", { class: "bad", role: "alert" }, "Debits and credits are not equal. Run ", said("daybook verify"), "."),
    );
    return !isWhole;
  }

  view.append(h("p", { class: "soft" }, "As it was known at ", instant(at), ", after the newest entry."), list);
  if (await load()) view.append(more("More accounts", load));
  return null;
}
