// Is what is measured of an operation never less than what its answer has? Its fields are counted.
import { requestOf } from "./execution.js";
import { Random, mix } from "./random.js";
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

/** The `body` of a request over HTTP: the text of JSON. */
const bodyOf = (query, { variables, operationName }) => `${JSON.stringify({ query, operationName }).slice(0, -1)},"variables":${variables}}`;

/** What a server answers. */
export const answerOf = (server) => async (text, parameters) => [JSON.parse((await server.post(bodyOf(text, parameters))).text)];

/** What a server of which the limit of complexity is 1 says that a document has. `undefined` where it refuses it for another reason. */
export const complexityOf = (server) => async (text, parameters) => {
  const { errors } = JSON.parse((await server.post(bodyOf(text, parameters))).text);
  const limit = errors?.find((error) => error.extensions?.limit === "complexity");
  if (limit) return limit.extensions.value;
  const refused = ["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT"];
  return errors?.some((error) => refused.includes(error.extensions?.code)) ? undefined : 1;
};

/** `measure(text, parameters)` answers what is measured, and `answer(text, parameters)` the responses. */
export async function run(target, measure, answer, { documents, seed, cases, out = console.log }) {
  const report = new Report();
  const seeds = cases ?? Array.from({ length: documents }, (_, index) => mix(seed, index));
  let most = 0;
  const difference = async (text, parameters) => {
    const [measured, responses] = await Promise.all([measure(text, parameters), answer(text, parameters)]);
    const fields = Math.max(0, ...responses.map((response) => fieldsOf(response.data)));
    return { measured, fields };
  };
  await each(seeds.length, AT_ONCE, async (index) => {
    const request = requestOf(target, seeds[index], { kinds: [[1, "query"]] });
    // JSON of the application's own is one field, whatever is in it.
    if (!request || /metadata|\bany\b/.test(request.text)) return report.count("documents left out");
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

/** A query for lists whose size nobody knows before it is read: entries on every way that leads to them, with their lines. */
function queryOf(seed) {
  const random = new Random(seed);
  const some = (list) => random.shuffled(list).slice(0, 1 + random.below(list.length)).join(" ");
  const account = () => `{${some(["id", "code", "balances {version posted {amount}}"])}}`;
  const line = () => `{${some(["id", "effect", "amount {amount decimal}", `debit ${account()}`, `credit ${account()}`])}}`;
  const entry = (depth) => {
    const lines = Array.from({ length: 1 + random.below(3) }, (_, index) => `l${index}: lines ${line()}`);
    const others = depth > 0 ? [`resolves {${entry(depth - 1)}}`, `resolvedBy {${entry(depth - 1)}}`] : [];
    return some(["id", "kind", ...lines, ...others]);
  };
  const ids = () => JSON.stringify(Array.from({ length: 1 + random.below(6) }, () => random.of(known.ID)));
  return random.of([
    () => `{entries(first: ${1 + random.below(12)}) {edges {node {${entry(1)}}}}}`,
    () => `{entries(last: ${1 + random.below(12)}) {edges {node {...E}}}} fragment E on Entry {${entry(1)}}`,
    () => `{nodes(ids: ${ids()}) {id ... on Entry {${entry(1)}}}}`,
    () => `{a: node(id: "${random.of(known.ID)}") {... on Entry {${entry(2)}}} b: entry(id: "${random.of(known.ID)}") {${entry(2)}}}`,
    () => `{account(by: {code: "${random.of(known.String)}"}) {statement(first: ${1 + random.below(8)}) {edges {node {entry {${entry(0)}}}}}}}`,
  ])();
}

/**
 * Over a ledger whose entries have many lines, which nobody can count before: does a server whose limit is `most` ever answer
 * more fields than that?
 */
export async function runBounded(answer, most, { documents, seed, cases, out = console.log }) {
  const report = new Report();
  const seeds = cases ?? Array.from({ length: documents }, (_, index) => mix(seed, index));
  let tooLarge = 0;
  await each(seeds.length, AT_ONCE, async (index) => {
    const document = queryOf(seeds[index]);
    const [{ data, errors = [] }] = await answer(document, { variables: "{}" });
    const fields = fieldsOf(data);
    const codes = new Set(errors.map(({ extensions }) => extensions?.code));
    report.count("documents");
    if (cases) out(`${document}\nanswered ${fields}, ${JSON.stringify([...codes])}`);
    if (fields > most) report.difference(`answers ${fields} fields, more than the limit`, { seed: seeds[index], document });
    const isTooLarge = codes.delete("ANSWER_TOO_LARGE");
    tooLarge += isTooLarge ? 1 : 0;
    report.count(isTooLarge ? "found too large on the way" : codes.has("GRAPHQL_VALIDATION_FAILED") ? "refused before" : "answered");
    codes.delete("GRAPHQL_VALIDATION_FAILED");
    if (codes.size > 0) report.difference(`another error: ${[...codes]}`, { seed: seeds[index], document });
  });
  // Without any, nothing was seen.
  if (!cases && tooLarge === 0) report.difference("no answer was found too large", { seed, document: "" });
  await report.write(undefined, out);
  return report;
}

/** Fills a ledger, so that what is asked for is there. `most` is the number of lines that an entry has at most. */
export async function fill(server, most = 8) {
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
    const lines = (index) => Array.from({ length: 1 + (index % 8) * Math.floor((most - 1) / 7) }, (_, at) => line(at % 4, 10 + ((index + at + round) % 30)));
    const post = Array.from({ length: 20 }, (_, index) => `e${index}: ${index % 5 ? "postEntry" : "placeHold"}(input: {lines: [${lines(index)}]}) {entry {id}}`);
    const posted = Object.values(await say(`mutation { ${post.join(" ")} }`)).map(({ entry }) => entry.id);
    known.ID.push(...posted);
    const { entry } = await say(`{ entry(id: "${posted[0]}") {lines {id}} }`);
    known.ID.push(entry.lines[0].id);
  }
  known.String.push(...codes.slice(0, 12));
}
