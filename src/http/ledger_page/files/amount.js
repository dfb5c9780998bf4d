// Amounts: minor units as BigInt, because JavaScript's numbers end at 2^53.

const THIN = "\u202f";

/** Minor units as a decimal number, in groups of three digits. */
export function decimal(amount, exponent) {
  const minus = amount < 0n ? "\u2212" : "";
  const digits = (amount < 0n ? -amount : amount).toString().padStart(exponent + 1, "0");
  const whole = digits.slice(0, digits.length - exponent).replace(/\B(?=(\d{3})+$)/g, THIN);
  const part = exponent ? `.${digits.slice(-exponent)}` : "";
  return `${minus}${whole}${part}`;
}

/** An amount of the API, for people. */
export function money({ amount, decimal: text, currency }) {
  const exponent = text.includes(".") ? text.length - text.indexOf(".") - 1 : 0;
  return `${decimal(BigInt(amount), exponent)} ${currency}`;
}

/** An instant, to the second, where the reader is; the exact one is in the title. */
export function instant(text) {
  const time = document.createElement("time");
  time.dateTime = text;
  time.title = text;
  time.textContent = new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return time;
}
