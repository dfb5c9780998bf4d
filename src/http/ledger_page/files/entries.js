// The entries, newest first, and one entry with what it stands in relation to.
import { instant, money } from "./amount.js";
import { ask } from "./api.js";
import { facts, h, link, linkToAccount, linkToEntry, more, said, table } from "./dom.js";
import { metadata } from "./account.js";

const PAGE = 50;

const ENTRY_LINES = "lines { amount { amount decimal currency } effect debit { id code } credit { id code } }";

const ENTRIES = `query Entries($after: String, $filter: EntryFilter) {
  entries(first: ${PAGE}, after: $after, filter: $filter, orderBy: { field: RECORDED_AT, direction: DESC }) {
    pageInfo { hasNextPage endCursor }
    edges { node { id kind description effectiveAt recordedAt ${ENTRY_LINES} } }
  }
}`;

const RELATED = "{ id kind description recordedAt }";

const ENTRY = `query Entry($id: ID!) {
  entry(id: $id) {
    id kind reference description effectiveAt recordedAt recordedBy metadata hold { status expiresAt }
    receipt { number hash } changes { recordedAt recordedBy before after }
    resolves ${RELATED} resolutions ${RELATED} reverses ${RELATED} reversals ${RELATED}
    lines {
      id effect amount { amount decimal currency } remaining { amount decimal currency } debit { code name } credit { code name }
      debitBalanceAfter { amount decimal currency } creditBalanceAfter { amount decimal currency }
    }
  }
}`;

const KINDS = ["POST", "HOLD", "CAPTURE", "RELEASE", "REVERSAL"];

const COLUMNS = [
  ["Recorded", ""],
  ["Counts from", ""],
  ["Entry", ""],
  ["Debit", ""],
  ["Credit", ""],
  ["Amount", "amount"],
];

function rows({ id, kind, description, effectiveAt, recordedAt, lines }) {
  const what = description ? said(description) : kind.toLowerCase();
  return lines.map(({ debit, credit, amount }, at) => [
    at === 0 ? instant(recordedAt) : h("span", { class: "soft" }, "″"),
    at === 0 ? instant(effectiveAt) : "",
    at === 0 ? linkToEntry({ id }, what) : "",
    linkToAccount(debit),
    linkToAccount(credit),
    money(amount),
  ]);
}

/** The entries that a query in the address chooses: account, kind, from, until (that day included), words, beginning of the reference. */
export async function showEntries(view, { query, signal }) {
  const chosen = Object.fromEntries(["account", "kind", "from", "until", "text", "reference"].map((name) => [name, query.get(name)?.trim() || null]));
  const filter = {
    account: chosen.account ? { code: chosen.account } : undefined,
    kind: chosen.kind ?? undefined,
    text: chosen.text ?? undefined,
    referencePrefix: chosen.reference ?? undefined,
    effectiveFrom: chosen.from ?? undefined,
    effectiveUntil: chosen.until ?? undefined,
  };
  const list = h("div", {});
  let entries = [];
  let after = null;

  const choose = (event) => {
    event.preventDefault();
    const said = [...new FormData(event.target)].filter(([, value]) => value);
    location.hash = `#/entries?${new URLSearchParams(said)}`;
  };
  const field = (name, text, attributes) => [
    h("label", { for: `by-${name}` }, text),
    h("input", { id: `by-${name}`, name, value: chosen[name] ?? "", ...attributes }),
  ];
  const kinds = KINDS.map((kind) => h("option", { value: kind, selected: kind === chosen.kind }, kind.toLowerCase()));
  const form = h(
    "form",
    { submit: choose, "aria-label": "Choose entries" },
    field("account", "Account", { type: "search", spellcheck: "false" }),
    field("text", "Words", { type: "search" }),
    field("reference", "Reference", { type: "search", spellcheck: "false" }),
    h("label", { for: "by-kind" }, "Kind"),
    h("select", { id: "by-kind", name: "kind" }, h("option", { value: "" }, "any"), kinds),
    field("from", "Counts from", { type: "date" }),
    field("until", "to", { type: "date" }),
    h("button", {}, "Show"),
  );

  function write() {
    list.replaceChildren(
      entries.length
        ? table(`${entries.length === 1 ? "One entry" : `${entries.length} entries, newest first`}; days are those of UTC`, COLUMNS, entries.flatMap(rows))
        : h("p", {}, "There is no such entry."),
    );
  }

  async function load() {
    const { entries: page } = await ask(ENTRIES, { after, filter }, signal);
    entries = entries.concat(page.edges.map(({ node }) => node));
    after = page.pageInfo.endCursor;
    write();
    return page.pageInfo.hasNextPage;
  }

  view.append(h("h1", {}, "Entries"), form, list);
  if (await load()) view.append(more("Older entries", load));

  return async () => {
    const { entries: page } = await ask(ENTRIES, { after: null, filter }, signal);
    const known = new Set(entries.map(({ id }) => id));
    const fresh = page.edges.map(({ node }) => node).filter(({ id }) => !known.has(id));
    if (!fresh.length) return;
    entries = fresh.concat(entries);
    write();
  };
}

const LINE_COLUMNS = [
  ["Line", ""],
  ["Debit", ""],
  ["Its balance after", "amount"],
  ["Credit", ""],
  ["Its balance after", "amount"],
  ["Amount", "amount"],
  ["Left of it", "amount"],
];

const CHANGE_COLUMNS = [
  ["Recorded", ""],
  ["Before", ""],
  ["After", ""],
  ["By", ""],
];

function changeRow({ before, after, recordedAt, recordedBy }) {
  return [instant(recordedAt), metadata(before) ?? "none", metadata(after) ?? "none", said(recordedBy ?? "")];
}

export async function showEntry(view, { id, signal }) {
  const { entry } = await ask(ENTRY, { id }, signal);
  view.append(h("h1", {}, "Entry"));
  if (!entry) {
    view.append(h("p", { class: "bad" }, "There is no entry with this id."));
    return null;
  }
  const to = (other) =>
    other && linkToEntry(other, other.kind.toLowerCase(), other.description ? ": " : "", said(other.description ?? ""));
  const { receipt, changes } = entry;
  const { status, expiresAt } = entry.hold ?? {};
  view.append(
    facts([
      ["Description", entry.description && said(entry.description)],
      ["Reference", entry.reference && said(entry.reference)],
      ["Kind", entry.kind.toLowerCase()],
      ["Hold", status && status.toLowerCase()],
      ["Expires", expiresAt && instant(expiresAt)],
      ["Counts from", instant(entry.effectiveAt)],
      ["Recorded", instant(entry.recordedAt)],
      ["Recorded by", entry.recordedBy && said(entry.recordedBy)],
      ["Of the hold", to(entry.resolves)],
      ...entry.resolutions.map((part) => ["Captured or released by", to(part)]),
      ["Undoes", to(entry.reverses)],
      ...entry.reversals.map((part) => ["Undone by", to(part)]),
      ["Metadata", metadata(entry.metadata)],
      ["Receipt", receipt && h("span", { class: "id" }, `${receipt.number}:${receipt.hash}`)],
      ["Id", h("span", { class: "id" }, entry.id)],
    ]),
    h("h2", {}, "Lines"),
    table(
      `${entry.lines.length} line${entry.lines.length === 1 ? "" : "s"}`,
      LINE_COLUMNS,
      entry.lines.map((line, at) => [
        `${at + 1}`,
        linkToAccount(line.debit),
        money(line.debitBalanceAfter),
        linkToAccount(line.credit),
        money(line.creditBalanceAfter),
        money(line.amount),
        line.remaining ? money(line.remaining) : "",
      ]),
    ),
    ...(changes.length ? [h("h2", {}, "Changes of its metadata"), table("Newest first", CHANGE_COLUMNS, changes.map(changeRow))] : []),
    h("p", { class: "more" }, link("entries", "All entries")),
  );
  return null;
}
