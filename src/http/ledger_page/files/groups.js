// Groups of accounts: the trees with their sums, one group with its accounts, and how they were changed.
import { instant, money } from "./amount.js";
import { ask } from "./api.js";
import { facts, h, link, linkToAccount, listed, said } from "./dom.js";
import { Branch } from "./tree.js";

const PAGE = 100;

const TREES = "{ accountTrees { path name } }";

const GROUPS = `query Groups($tree: String!, $after: String) {
  accountGroups(tree: $tree, first: ${PAGE}, after: $after) {
    pageInfo { hasNextPage endCursor }
    edges { node { path name } }
  }
}`;

// A tree may have been deleted since: then it has no sums.
const SUMS = `query GroupSums($tree: String!) {
  accountSums(by: [GROUP], groupTree: $tree) { currency group { path } closing { amount } }
}`;

const GROUP = `query Group($path: String!) {
  accountGroup(by: { path: $path }) {
    path name codePrefixes revision parent { path } tree { path } children { path name }
  }
}`;

const ACCOUNTS = `query AccountsOfGroup($path: String!, $after: String) {
  accounts(first: ${PAGE}, after: $after, filter: { group: { path: $path } }) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { node { code name class currency normalSide balances { posted { amount decimal currency } } groups { codePrefix group { path tree { path } } } } }
  }
}`;

const CHANGES = `query GroupChanges($tree: String!, $after: String) {
  accountGroupChanges(tree: $tree, first: ${PAGE}, after: $after) {
    totalCount
    pageInfo { hasNextPage endCursor }
    edges { node { account { code } codePrefix pathBefore pathAfter nameBefore nameAfter recordedAt recordedBy } }
  }
}`;

const ACCOUNT_COLUMNS = [
  ["Account", ""],
  ["Name", ""],
  ["Class", ""],
  ["Group", ""],
  ["Put there", ""],
  ["Balance", "amount"],
];

const CHANGE_COLUMNS = [
  ["Recorded", ""],
  ["What", ""],
  ["Before", ""],
  ["After", ""],
  ["By", ""],
];

/** A link to a group, by its path unless it is called otherwise. */
export function linkToGroup({ path }, ...children) {
  return link(`group/${encodeURIComponent(path)}`, ...(children.length ? children : [said(path)]));
}

/** All groups of a tree, as a tree with sums. */
async function draw(tree, signal) {
  const root = new Branch("");
  let after = null;
  do {
    const { accountGroups } = await ask(GROUPS, { tree: tree.path, after }, signal);
    for (const { node } of accountGroups.edges) {
      const title = node.path.slice(node.path.lastIndexOf(":") + 1);
      const name = node.name === title ? [] : [" ", h("span", { class: "soft" }, said(node.name))];
      root.path(node.path).at(-1).label = [linkToGroup(node, said(title)), ...name];
    }
    const { hasNextPage, endCursor } = accountGroups.pageInfo;
    after = hasNextPage ? endCursor : null;
  } while (after);
  const { accountSums } = await ask(SUMS, { tree: tree.path }, signal);
  const outside = new Branch("in no group of this tree");
  for (const { currency, group, closing } of accountSums) {
    (group ? root.path(group.path).at(-1) : outside).own.set(currency, BigInt(closing.amount));
  }
  const branches = [...root.children.values(), ...(outside.own.size ? [outside] : [])];
  await Promise.all([...root.below(), outside].map((branch) => branch.write()));
  return h("ul", { class: "tree" }, branches.map((branch) => branch.draw()));
}

/** Shows the trees. */
export async function showGroups(view, { signal }) {
  view.append(h("h1", {}, "Groups"));
  const { accountTrees } = await ask(TREES, {}, signal);
  if (!accountTrees.length) view.append(h("p", {}, "There are no groups of accounts."));
  for (const tree of accountTrees) view.append(h("h2", {}, said(tree.name)), await draw(tree, signal));
  return null;
}

/** Shows a group, with the accounts in it and below it. */
export async function showGroup(view, { path, signal }) {
  const { accountGroup: group } = await ask(GROUP, { path }, signal);
  view.append(h("h1", {}, "Group ", said(path)));
  if (!group) {
    view.append(h("p", { class: "bad" }, "There is no group with this path."));
    return null;
  }
  const list = (groups) => (groups.length ? h("ul", { class: "plain" }, groups.map((group) => h("li", {}, linkToGroup(group)))) : null);
  view.append(
    facts([
      ["Name", said(group.name)],
      ["In", group.parent && linkToGroup(group.parent)],
      ["Directly below", list(group.children)],
      ["By prefix", group.codePrefixes.length ? said(group.codePrefixes.join(", ")) : null],
    ]),
    h("h2", {}, "Accounts"),
    await listed("account", "by code", ACCOUNT_COLUMNS, async (after) => {
      const { accounts } = await ask(ACCOUNTS, { path, after }, signal);
      return { page: accounts, rows: accounts.edges.map(({ node }) => accountRow(node, group.tree.path)) };
    }),
    h("h2", {}, group.parent ? "Changes of the whole tree" : "Changes"),
    await listed("change", "newest first", CHANGE_COLUMNS, async (after) => {
      const { accountGroupChanges } = await ask(CHANGES, { tree: group.tree.path, after }, signal);
      return { page: accountGroupChanges, rows: accountGroupChanges.edges.map(({ node }) => changeRow(node)) };
    }),
  );
  return null;
}

function accountRow(account, tree) {
  const place = account.groups.find(({ group }) => group.tree.path === tree);
  const { posted } = account.balances;
  return [
    linkToAccount(account),
    said(account.name),
    account.class?.toLowerCase() ?? "",
    place ? linkToGroup(place.group) : "",
    place?.codePrefix == null ? "by hand" : h("span", {}, "by the prefix ", said(place.codePrefix)),
    `${money(posted)}${posted.amount === "0" ? "" : ` ${account.normalSide.toLowerCase()}`}`,
  ];
}

function changeRow({ account, codePrefix, pathBefore, pathAfter, nameBefore, nameAfter, recordedAt, recordedBy }) {
  const named = (path, name) => (path == null ? "" : h("span", {}, said(path), name == null || path.endsWith(name) ? "" : h("span", { class: "soft" }, " ", said(name))));
  let what = "the group";
  if (account) what = h("span", {}, "account ", linkToAccount(account));
  else if (codePrefix != null) what = h("span", {}, "prefix ", said(codePrefix));
  return [instant(recordedAt), what, named(pathBefore, nameBefore), named(pathAfter, nameAfter), said(recordedBy ?? "")];
}
