// Elements of the page. Text is always text: nothing that the ledger says is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (functions) and children. Children that are null are left out. */
export function h(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same, for drawings. */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value != null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null));
  return element;
}

/** A text of somebody's, which may be written from right to left. */
export function said(text) {
  return h("bdi", {}, text);
}

/** A table with a caption; `columns` are `[heading, class]`, rows are lists of cells. The first cell of a row names it. */
export function table(caption, columns, rows, foot = []) {
  const row = (cells) =>
    h(
      "tr",
      {},
      cells.map((cell, at) => h(at === 0 ? "th" : "td", { scope: at === 0 ? "row" : null, class: columns[at][1] }, cell)),
    );
  return h(
    "div",
    { class: "scrolls", tabindex: "0", role: "region", "aria-label": caption },
    h(
      "table",
      {},
      h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map(([heading, kind]) => h("th", { scope: "col", class: kind }, heading)))),
      h("tbody", {}, rows.map(row)),
      foot.length ? h("tfoot", {}, foot.map(row)) : null,
    ),
  );
}

/** What there is to know of one thing. */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value != null);
  return h("dl", {}, known.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]).flat());
}

export function link(to, ...children) {
  return h("a", { href: `#/${to}` }, ...children);
}

export function linkToAccount({ code }) {
  return link(`account/${encodeURIComponent(code)}`, said(code));
}

export function linkToEntry({ id }, ...children) {
  return link(`entry/${encodeURIComponent(id)}`, ...(children.length ? children : [h("span", { class: "id" }, id)]));
}

/** A button that shows more each time, until there is no more. `next` answers whether there is. */
export function more(text, next) {
  const problem = h("p", { class: "bad", role: "alert" });
  const press = async () => {
    button.disabled = true;
    problem.textContent = "";
    try {
      if (!(await next())) return box.remove();
    } catch (error) {
      problem.textContent = error.message;
    }
    button.disabled = false;
    button.focus();
  };
  const button = h("button", { type: "button", click: press }, text);
  const box = h("div", { class: "more" }, button, problem);
  return box;
}

/**
 * A table of a connection that counts its items, each a row, with a button for those that are not read yet. `what` is one item's name, or
 * its name and that of several; `ask` answers a page, after a cursor, and its rows.
 */
export async function listed(what, order, columns, ask) {
  const [one, several] = [what].flat();
  const names = several ?? `${one}s`;
  const box = h("div", {});
  const rows = [];
  let after = null;
  const load = async () => {
    const { page, rows: next } = await ask(after);
    rows.push(...next);
    after = page.pageInfo.endCursor;
    const of = rows.length === page.totalCount ? "" : ` of ${page.totalCount}`;
    box.replaceChildren(
      rows.length
        ? table(`${rows.length}${of} ${page.totalCount === 1 ? one : names}, ${order}`, columns, rows)
        : h("p", {}, `There is no ${one}.`),
    );
    return page.pageInfo.hasNextPage;
  };
  return h("div", {}, box, (await load()) ? more(`More ${names}`, load) : null);
}
