// Trees by the parts of codes or paths, with sums of each currency that count what is below.
import { decimal } from "./amount.js";
import { exponentOf } from "./api.js";
import { h, said } from "./dom.js";

/** What separates the parts of a code or a path, as in `accountSums`. */
const SEPARATOR = ":";

/** An amount with its side: `12.00 EUR debit`. */
function onItsSide(amount, currency, exponent) {
  const side = amount < 0n ? "credit" : "debit";
  return `${decimal(amount < 0n ? -amount : amount, exponent)} ${currency}${amount === 0n ? "" : ` ${side}`}`;
}

/** A part of a tree: what has this name, if anything has, and what is below it. */
export class Branch {
  constructor(title) {
    this.children = new Map();
    /** What is shown of it. */
    this.label = [said(title)];
    /** What is its own, in minor units by currency; positive where debits are more. */
    this.own = new Map();
    this.sums = h("span", { class: "amount" });
  }

  /** The branches on the way to this name below it; those that are missing grow. */
  path(name) {
    let branch = this;
    return name.split(SEPARATOR).map((title) => {
      if (!branch.children.has(title)) branch.children.set(title, new Branch(title));
      return (branch = branch.children.get(title));
    });
  }

  /** All branches below it. */
  *below() {
    for (const child of this.children.values()) {
      yield child;
      yield* child.below();
    }
  }

  /** The sum of each currency, of its own and of those below. */
  sum() {
    const sums = new Map();
    const add = ([currency, amount]) => sums.set(currency, (sums.get(currency) ?? 0n) + amount);
    [...this.own].forEach(add);
    for (const child of this.children.values()) [...child.sum()].forEach(add);
    return sums;
  }

  /** Shows the sums; what has changed since it was shown is marked for a moment. */
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
    const row = h("span", { class: "row" }, h("span", { class: "title" }, this.label), this.sums);
    if (!this.children.size) return h("li", {}, row);
    const below = h("ul", {}, [...this.children.values()].map((child) => child.draw()));
    return h("li", {}, h("details", { open: true }, h("summary", {}, row), below));
  }
}
