// Is a document valid? graphql-js and Daybook have to agree.
import { parse } from "graphql";
import * as next from "graphql17";
import { errorsByRule, errorsOf, variablesInScalars } from "./corrections.js";
import { Generator } from "./generate.js";
import { mutate, mutateText, spell } from "./mutate.js";
import { withoutPositions } from "./nodes.js";
import { Random, mix } from "./random.js";
import { Report, each } from "./report.js";
import { shrink } from "./shrink.js";

const AT_ONCE = 16;

/** The document of a seed. */
export function documentOf(schema, seed) {
  const random = new Random(seed);
  const document = withoutPositions(new Generator(random, schema).document());
  const how = random.weighted([[3, "as it is"], [6, "changed"], [1, "text"]]);
  if (how === "changed") mutate(random, schema, document);
  const text = attempt(() => spell(random, document)) ?? "";
  return how === "text" ? mutateText(random, text) : text;
}

function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** What graphql-js says: `{ valid, parsed, errors }`. */
export function expected(target, text) {
  let document;
  try {
    document = parse(text);
  } catch (error) {
    return { valid: false, errors: [error] };
  }
  const errors = errorsOf(target, document, text);
  return { valid: errors.length === 0, document, errors };
}

/** The rules that refuse a document. */
export function rulesOf(target, { document }, text) {
  if (!document) return ["parse"];
  return [...errorsByRule(target, document, text)].filter(([, errors]) => errors.length > 0).map(([name]) => name.replace(/Rule$/, ""));
}

/** What the next major version of graphql-js says. */
function isValidNext({ next: schema }, text) {
  try {
    return next.validate(schema, next.parse(text)).length === 0;
  } catch {
    return false;
  }
}

const withoutNames = (message) => message.split("\n")[0].replace(/"[^"]*"|`[^`]*`|'[^']*'|\$\w+/g, "_").slice(0, 120);

/** The kind of a difference; `undefined` where there is none. */
export function differenceOf(target, text, oracle, verdict) {
  const isLimit = verdict.limit || verdict.errors.some(({ message }) => /^the limit of /.test(message));
  if (isLimit || oracle.valid === verdict.valid) return undefined;
  // A literal of a custom scalar with a variable in it may be refused before the variable is known: Daybook reads null there.
  if (oracle.valid && variablesInScalars(target.schema, oracle.document).size > 0) return undefined;
  if (oracle.valid) {
    const message = verdict.errors[0]?.message ?? "no reason";
    return `refused, and valid: ${/^\s*-->/.test(message) ? message.split("\n").at(-1).trim() : withoutNames(message)}`;
  }
  return `accepted, and invalid: ${rulesOf(target, oracle, text).join(", ")}`;
}

/** Whether the first position of each error is one that the other reports too. */
function compareLocations(report, oracle, verdict) {
  if (oracle.valid || verdict.valid) return;
  const places = ({ errors }) => new Set(errors.flatMap((error) => (error.locations ?? []).slice(0, 1).map(({ line, column }) => `${line}:${column}`)));
  const [a, b] = [places(oracle), places(verdict)];
  const shared = [...a].filter((place) => b.has(place)).length;
  report.count(shared === a.size && shared === b.size ? "locations: the same" : shared > 0 ? "locations: some the same" : "locations: others");
}

/** Compares `count` documents from `seed` on; `asker.verdict(text)` is Daybook's. */
export async function run(target, asker, { documents, seed, cases, out = console.log }) {
  const report = new Report();
  const seeds = cases ?? Array.from({ length: documents }, (_, index) => mix(seed, index));
  await each(seeds.length, AT_ONCE, async (index) => {
    const text = documentOf(target.schema, seeds[index]);
    const oracle = expected(target, text);
    const verdict = await asker.verdict(text);
    report.count("documents");
    report.count(oracle.valid && verdict.valid ? "valid for both" : !oracle.valid && !verdict.valid ? "invalid for both" : "judged differently");
    compareLocations(report, oracle, verdict);
    const kind = differenceOf(target, text, oracle, verdict);
    if (cases) out(`${text}\n\ngraphql-js: ${says(oracle)}\nDaybook: ${says(verdict)}`);
    if (!kind) return;
    if (isValidNext(target, text) !== oracle.valid) report.count("of these, graphql-js 17 judges otherwise than 16");
    report.difference(kind, { seed: seeds[index], document: text });
  });
  await report.write((kind, { document }) => smallest(target, asker, kind, document), out);
  return report;
}

export const says = ({ valid, errors }) => (valid ? "valid" : errors.map((error) => `${error.message.trim().split("\n").at(-1)} ${JSON.stringify(error.locations ?? [])}`).join("\n    "));

async function smallest(target, asker, kind, text) {
  const small = await shrink(text, async (smaller) => {
    const oracle = expected(target, smaller);
    return differenceOf(target, smaller, oracle, await asker.verdict(smaller)) === kind;
  });
  const oracle = expected(target, small);
  return { document: small, says: [`graphql-js: ${says(oracle)}`, `Daybook: ${says(await asker.verdict(small))}`] };
}
