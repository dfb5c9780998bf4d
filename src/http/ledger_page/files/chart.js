// A balance over time, as a line of steps. The table below it says the same to those who do not see it.
import { decimal, money } from "./amount.js";
import { svg } from "./dom.js";

const WIDTH = 960;
const HEIGHT = 220;
const LEFT = 10;
const TOP = 24;
const BOTTOM = 28;

/** Of statement lines, newest first. */
export function chart(lines) {
  const points = lines
    .map(({ entry, balanceAfter }) => ({ at: Date.parse(entry.recordedAt), amount: BigInt(balanceAfter.amount), balanceAfter }))
    .reverse();
  const amounts = points.map(({ amount }) => amount);
  const lowest = amounts.reduce((a, b) => (b < a ? b : a));
  const highest = amounts.reduce((a, b) => (b > a ? b : a));
  const first = points[0].at;
  const last = points.at(-1).at;
  const x = (at) => LEFT + ((at - first) / (last - first || 1)) * (WIDTH - 2 * LEFT);
  // A thousandth of the height is finer than a pixel, and within JavaScript's numbers.
  const share = (amount) => (highest === lowest ? 0.5 : Number(((amount - lowest) * 1000n) / (highest - lowest)) / 1000);
  const y = (amount) => TOP + (1 - share(amount)) * (HEIGHT - TOP - BOTTOM);
  const path = points.map(({ at, amount }, index) =>
    index === 0 ? `M${x(at)} ${y(amount)}` : `H${x(at)} V${y(amount)}`,
  );
  const { currency } = points[0].balanceAfter;
  const text = (amount) => money(points.find((point) => point.amount === amount).balanceAfter);
  const day = (at) => new Date(at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  const summary = `From ${text(points[0].amount)} on ${day(first)} to ${text(points.at(-1).amount)} on ${day(last)}; at least ${text(lowest)}, at most ${text(highest)}.`;
  const hasZero = lowest < 0n && highest > 0n;
  return svg(
    "svg",
    { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `The balance over time. ${summary}` },
    hasZero ? svg("line", { x1: LEFT, x2: WIDTH - LEFT, y1: y(0n), y2: y(0n) }) : null,
    hasZero ? svg("text", { x: WIDTH - LEFT, y: y(0n) - 4, "text-anchor": "end" }, `${decimal(0n, 0)} ${currency}`) : null,
    svg("path", { d: path.join(" ") }),
    svg("text", { x: LEFT, y: TOP - 8 }, highest === lowest ? text(highest) : `at most ${text(highest)}`),
    highest === lowest ? null : svg("text", { x: WIDTH - LEFT, y: HEIGHT - BOTTOM - 6, "text-anchor": "end" }, `at least ${text(lowest)}`),
    svg("text", { x: LEFT, y: HEIGHT - BOTTOM + 20 }, day(first)),
    svg("text", { x: WIDTH - LEFT, y: HEIGHT - BOTTOM + 20, "text-anchor": "end" }, day(last)),
  );
}
