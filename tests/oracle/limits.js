// Is what is measured of an operation never less than what its answer has? Its fields are counted.
import { requestOf } from "./execution.js";
import { mix } from "./random.js";
import { Report, each } from "./report.js";
import { shrink } from "./shrink.js";
import { expected } from "./validation.js";
import { known } from "./values.js";

const AT_ONCE = 8;

/** How many fields a value of a response has. */
function fieldsOf(value) {
  if (Array.isArray(value)) return value.reduce((sum, item) => sum + fieldsOf(item), 0);
  if (value === null || typeof value !== "object") return 0;
  return Object.values(value).reduce((sum, item) => sum + 1 + fieldsOf(item), 0);
}

/** `answer(text, parameters)` answers the responses; an answer of scalars that are JSON themselves counts more than its fields. */
export async function run(target, judge, answer, { documents, seed, cases, out = console.log }) {
  const report = new Report();
  const seeds = cases ?? Array.from({ length: documents }, (_, index) => mix(seed, index));
  let most = 0;
  const measure = async (text, { operationName, variables }) => (await judge.ask({ document: text, operationName }, variables)).measure?.complexity;
  const difference = async (text, parameters) => {
    const [measured, responses] = await Promise.all([measure(text, parameters), answer(text, parameters)]);
    const fields = Math.max(0, ...responses.map((response) => fieldsOf(response.data)));
    return { measured, fields };
  };
  await each(seeds.length, AT_ONCE, async (index) => {
    const request = requestOf(target, seeds[index], [[1, "query"]]);
    if (!request || /metadata|any/.test(request.text)) return;
    const { text, ...parameters } = request;
    const { measured, fields } = await difference(text, parameters);
    report.count("documents");
    if (cases) out(`${text}\n${JSON.stringify(parameters)}\nmeasured ${measured}, answered ${fields}`);
    if (measured === undefined) return report.count("not measured, since refused");
    report.count("fields that were answered", fields);
    most = Math.max(most, fields);
    if (fields > measured) report.difference("answers more than was measured", { seed: seeds[index], document: text, parameters });
  });
  report.count("fields in one answer, at most", most);
  await report.write(async (kind, { document, parameters }) => {
    const small = await shrink(document, async (smaller) => {
      if (!expected(target, smaller).valid) return false;
      const { measured, fields } = await difference(smaller, parameters);
      return fields > measured;
    });
    const { measured, fields } = await difference(small, parameters);
    return { document: small, says: [`variables: ${parameters.variables}`, `measured ${measured}, answered ${fields}`] };
  }, out);
  return report;
}

/** Fills a ledger, so that what is asked for is there. */
export async function fill(server) {
  const say = async (query) => {
    const { data, errors } = JSON.parse((await server.post(JSON.stringify({ query }))).text);
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  };
  const codes = Array.from({ length: 120 }, (_, index) => `account-${index}`);
  for (let from = 0; from < codes.length; from += 40) {
    const open = codes.slice(from, from + 40).map((code, index) => `a${index}: openAccount(input: {code: "${code}", name: "${code}", currency: "EUR", normalSide: DEBIT}) {account {id}}`);
    Object.values(await say(`mutation { ${open.join(" ")} }`)).forEach(({ account }) => known.ID.push(account.id));
  }
  const line = (from, to) => `{debit: {code: "account-${from}"}, credit: {code: "account-${to}"}, amount: 1, currency: "EUR"}`;
  for (let round = 0; round < 12; round++) {
    const post = Array.from({ length: 20 }, (_, index) => `e${index}: ${index % 5 ? "postEntry" : "placeHold"}(input: {lines: [${Array.from({ length: 1 + (index % 8) }, (_, at) => line(at % 4, 10 + ((index + at + round) % 30)))}]}) {entry {id lines {id}}}`);
    Object.values(await say(`mutation { ${post.join(" ")} }`)).forEach(({ entry }) => known.ID.push(entry.id, entry.lines[0].id));
  }
  known.String.push(...codes.slice(0, 12));
}
