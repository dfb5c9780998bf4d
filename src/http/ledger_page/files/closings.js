// What is closed, and when the books were closed and reopened.
import { instant } from "./amount.js";
import { ask } from "./api.js";
import { h, listed, said, table } from "./dom.js";

const PAGE = 50;

const CLOSING = "codePrefix closedUntil reason recordedAt recordedBy";

const CLOSED = `{ closedPeriods { ${CLOSING} } }`;

const CLOSINGS = `query Closings($after: String) {
  closings(first: ${PAGE}, after: $after) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { node { ${CLOSING} } }
  }
}`;

const COLUMNS = [
  ["Accounts", ""],
  ["Closed for what counts from before", ""],
  ["Why", ""],
  ["Recorded", ""],
  ["By", ""],
];

function row({ codePrefix, closedUntil, reason, recordedAt, recordedBy }) {
  return [
    codePrefix ? h("span", {}, "whose code begins with ", said(codePrefix)) : "all",
    closedUntil ? instant(closedUntil) : "reopened",
    said(reason ?? ""),
    instant(recordedAt),
    said(recordedBy ?? ""),
  ];
}

export async function showClosings(view, { signal }) {
  const { closedPeriods } = await ask(CLOSED, {}, signal);
  view.append(
    h("h1", {}, "Closed periods"),
    closedPeriods.length
      ? table("Nothing is posted that counts from before these instants", COLUMNS, closedPeriods.map(row))
      : h("p", {}, "Nothing is closed."),
    h("h2", {}, "Closings and reopenings"),
    await listed(["closing or reopening", "closings and reopenings"], "newest first", COLUMNS, async (after) => {
      const { closings } = await ask(CLOSINGS, { after }, signal);
      return { page: closings, rows: closings.edges.map(({ node }) => row(node)) };
    }),
  );
  return null;
}
