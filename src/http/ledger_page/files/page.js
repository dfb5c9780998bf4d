// The page: which view the address asks for, what the feed tells it, and who may see it.
import { Refused, ask, listen, token } from "./api.js";
import { showAccount } from "./account.js";
import { showAccounts } from "./accounts.js";
import { showClosings } from "./closings.js";
import { h } from "./dom.js";
import { showEntries, showEntry } from "./entries.js";
import { showGroup, showGroups } from "./groups.js";
import { showTrialBalance } from "./trial_balance.js";

const FEED = `subscription Feed($after: String) {
  entryPosted(after: $after) {
    cursor
    entry { id lines { debit { ...Touched } credit { ...Touched } } }
  }
}
fragment Touched on Account { id balances { version posted { amount } pending { amount } } }`;

const view = document.getElementById("view");
const live = document.getElementById("live");

/** What the view that is shown does with an event of the feed. */
let hear = null;
let shown = new AbortController();

const VIEWS = [
  [/^\/$/, "Accounts", (options) => showAccounts(view, { ...options, prefix: options.query.get("prefix") })],
  [/^\/account\/(.+)$/, "Account", (options) => showAccount(view, { ...options, code: options.name })],
  [/^\/entries$/, "Entries", (options) => showEntries(view, options)],
  [/^\/entry\/(.+)$/, "Entry", (options) => showEntry(view, { ...options, id: options.name })],
  [/^\/groups$/, "Groups", (options) => showGroups(view, options)],
  [/^\/group\/(.+)$/, "Group", (options) => showGroup(view, { ...options, path: options.name })],
  [/^\/closings$/, "Closed periods", (options) => showClosings(view, options)],
  [/^\/trial-balance$/, "Trial balance", (options) => showTrialBalance(view, options)],
];

async function show() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  hear = null;
  const [path, query] = (location.hash.slice(1) || "/").split("?");
  const found = VIEWS.map(([pattern, title, view]) => ({ at: pattern.exec(path), title, view })).find(({ at }) => at);
  view.replaceChildren();
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#${path}`;
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  view.setAttribute("aria-busy", "true");
  try {
    if (!found) throw new Error("There is no such view.");
    const name = found.at[1] && decodeURIComponent(found.at[1]);
    document.title = `${name ?? found.title} – Daybook`;
    const listener = await found.view({ name, query: new URLSearchParams(query), signal });
    if (!signal.aborted) hear = listener;
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
  if (!signal.aborted) view.removeAttribute("aria-busy");
}

/** Shows an error, and asks for a token where that is what is missing. */
function fail(error) {
  view.append(h("p", { class: "bad", role: "alert" }, error.message));
  if (!(error instanceof Refused) || !["UNAUTHENTICATED", "FORBIDDEN"].includes(error.code)) return;
  const give = (event) => {
    event.preventDefault();
    token.set(event.target.elements.token.value.trim());
    show();
    follow();
  };
  view.append(
    h(
      "form",
      { submit: give },
      h("label", { for: "token" }, "A token with the scope to read"),
      h("input", { id: "token", name: "token", type: "password", autocomplete: "off" }),
      h("button", {}, "Use it in this tab"),
    ),
  );
}

let following = new AbortController();

/** Hears the feed for as long as the page is open, and goes on where it was interrupted. */
async function follow() {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  let after = null;
  while (!signal.aborted) {
    try {
      live.textContent = "Live: balances, statements and entries change as they are committed.";
      for await (const { entryPosted } of listen(FEED, { after }, signal)) {
        after = entryPosted.cursor;
        // A view that fails to follow is still right as of when it was loaded.
        await hear?.(entryPosted).catch((error) => shown.signal.aborted || (live.textContent = `Not live: ${error.message}`));
      }
    } catch (error) {
      if (signal.aborted) return;
      live.textContent = `Not live: ${error.message}`;
      // What is gone cannot be gone on from.
      if (error instanceof Refused) {
        if (["UNAUTHENTICATED", "FORBIDDEN"].includes(error.code)) return;
        after = null;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

const ENTRY_OF = `query EntryOf($reference: String!) { entry(by: { reference: $reference }) { id } }`;
const ACCOUNT_OF = `query AccountOf($id: ID!) { node(id: $id) { ... on Account { code } } }`;

/** Goes to what somebody looks for: an id, the reference of an entry, or the beginning of a code. */
async function find(event) {
  event.preventDefault();
  const sought = event.target.elements.sought.value.trim();
  if (!sought) return;
  if (sought.startsWith("entry_")) location.hash = `#/entry/${encodeURIComponent(sought)}`;
  else if (sought.startsWith("acct_")) {
    const code = await ask(ACCOUNT_OF, { id: sought }).then(({ node }) => node?.code, () => null);
    location.hash = `#/account/${encodeURIComponent(code ?? sought)}`;
  } else {
    const entry = await ask(ENTRY_OF, { reference: sought }).then(({ entry }) => entry, () => null);
    location.hash = entry ? `#/entry/${encodeURIComponent(entry.id)}` : `#/?prefix=${encodeURIComponent(sought)}`;
  }
}

document.getElementById("search").addEventListener("submit", find);
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  view.focus();
});
addEventListener("hashchange", () => {
  show();
  // Who uses a screen reader hears the new view, and the keyboard goes on from there.
  view.focus();
});
show();
follow();
