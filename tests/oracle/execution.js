// Is an operation answered as graphql-js answers it? Over the toy, whose resolvers answer from one table.
import { GraphQLNonNull, Kind, TypeInfo, getOperationAST, parse, typeFromAST, visit, visitWithTypeInfo } from "graphql";
import { Generator } from "./generate.js";
import { rearrange, spell } from "./mutate.js";
import { clone, withoutPositions } from "./nodes.js";
import { Random, mix } from "./random.js";
import { Report, each } from "./report.js";
import { shrink } from "./shrink.js";
import { answer } from "./table.js";
import { expected } from "./validation.js";
import { anyJson, json } from "./values.js";

const AT_ONCE = 16;

/**
 * The request of a seed: `{ text, operationName, variables, table, stream }`; `variables` is the text of JSON. `asked` says more of it,
 * as `Generator` has it.
 */
export function requestOf(target, seed, asked = {}) {
  const random = new Random(seed);
  const { schema } = target;
  const plain = withoutPositions(new Generator(random, schema, { kinds: [[5, "query"], [3, "mutation"], [2, "subscription"]], ...asked }).document());
  const arranged = clone(plain);
  rearrange(random, schema, arranged);
  for (const document of [arranged, plain]) {
    const text = attempt(() => spell(random, document));
    if (text !== undefined && expected(target, text).valid) return { text, ...parameters(random, schema, document) };
  }
  return undefined;
}

function attempt(work) {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function parameters(random, schema, document) {
  const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION);
  const operation = random.of(operations);
  const given = (operation.variableDefinitions ?? []).flatMap((node) => {
    const type = typeFromAST(schema, node.type);
    const isRequired = node.type.kind === Kind.NON_NULL_TYPE && !node.defaultValue;
    if (random.chance(isRequired ? 0.02 : 0.4)) return [];
    return [`${JSON.stringify(node.variable.name.value)}:${random.chance(0.08) ? anyJson(random) : json(random, type)}`];
  });
  if (random.chance(0.03)) given.push('"notThere":1');
  const named = operations.length > 1 || random.chance(0.3) ? operation.name?.value : undefined;
  const operationName = random.chance(0.03) ? random.of(["", "Unknown", "Op0", "query"]) : named;
  return {
    operationName,
    variables: `{${given.join(",")}}`,
    table: random.below(1_000_000),
    stream: getOperationAST(document, operationName)?.operation === "subscription",
  };
}

const isRequestError = (response) => response.data === undefined || response.data === null;
const pathsOf = (response) => [...new Set((response.errors ?? []).map((error) => (error.path ?? []).join(".")))];

/** The kind of a difference between two responses, where there is one. */
function compareResponses(wanted, got) {
  if (wanted.data === undefined) {
    // Programs that answer with `data: null` in that case leave it to HTTP to take it away.
    return isRequestError(got) && got.errors?.length > 0 ? undefined : "executed, and not to be: " + wanted.errors[0].message.replace(/"[^"]*"|[-\d.]+/g, "_");
  }
  const data = compareData(wanted.data, got.data ?? null);
  if (data) return got.errors?.length > 0 && pathsOf(got).every((path) => path === "") ? `not executed: ${got.errors[0].message.split("\n").at(-1).replace(/"[^"]*"|[-\d.]+/g, "_")}` : `data: ${data}`;
  // Where a position became null, one of the errors below it is enough.
  const [a, b] = [pathsOf(wanted), pathsOf(got)];
  const nulls = (path) => {
    let value = wanted.data;
    const keys = path.split(".");
    for (let length = 0; length < keys.length; length++) {
      if (value === null || value === undefined) return keys.slice(0, length).join(".");
      value = value[keys[length]];
    }
    return path;
  };
  const below = (paths) => new Set(paths.map(nulls));
  const [missing] = [...below(a)].filter((path) => !below(b).has(path));
  const [more] = [...below(b)].filter((path) => !below(a).has(path));
  if (missing !== undefined) return "errors: one is missing";
  return more === undefined ? undefined : "errors: one more";
}

function compareData(wanted, got) {
  if (JSON.stringify(wanted) === JSON.stringify(got)) return undefined;
  if (wanted === null || got === null || typeof wanted !== "object" || typeof got !== "object") {
    return wanted === null ? "not null" : got === null ? "null" : "another value";
  }
  if (Array.isArray(wanted) && wanted.length !== got.length) return "another length";
  for (const key of Object.keys(wanted)) {
    if (!(key in got)) return "a key is missing";
    const inner = compareData(wanted[key], got[key]);
    if (inner) return inner;
  }
  return Object.keys(got).length > Object.keys(wanted).length ? "one key more" : "another order";
}

/** A condition that is null: graphql-js answers with an error of the field around it, if it comes there. To refuse is as good. */
const refusesNullCondition = ({ responses }) => responses.every((response) => isRequestError(response) && response.errors?.every(({ message }) => /must not be null: it is a condition/.test(message)));

const NULL_ARGUMENT = /^Variable "\$(\w+)" must not be null: it is used where null cannot stand\.$/;

/**
 * A variable that is null where null cannot stand. graphql-js answers with an error of that field, if it comes there, and with the
 * other fields; Daybook refuses the request, and nothing runs. It may, if each of its errors names a variable that is null indeed and
 * stands in such a place.
 */
function refusesNullArgument(target, document, operationName, variables, { responses, executed }) {
  const errors = responses.flatMap((response) => (isRequestError(response) ? response.errors : [undefined]));
  const named = errors.map((error) => NULL_ARGUMENT.exec(error?.message ?? "")?.[1]);
  if (named.length === 0 || executed.length > 0 || named.includes(undefined)) return false;
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  const isNull = (name) => {
    const value = variables[name];
    if (value !== undefined) return value === null;
    return definitions.some(({ variable, defaultValue }) => variable.name.value === name && defaultValue?.kind === Kind.NULL);
  };
  const places = new Set();
  const typeInfo = new TypeInfo(target.schema);
  visit(document, visitWithTypeInfo(typeInfo, {
    Variable: ({ name }) => void (typeInfo.getInputType() instanceof GraphQLNonNull && places.add(name.value)),
  }));
  return named.every((name) => isNull(name) && places.has(name));
}

/**
 * Any error in a mutation may take all of its data, and end it: that is the contract of the unit of work, which undoes all of it. So
 * far it has to have done the same.
 */
function isEndedMutation(wanted, got) {
  const [[{ errors: a, data }], [{ errors: b, data: none }]] = [wanted.responses, got.responses];
  const begun = b?.every(({ path }) => path) && got.executed.every((line, index) => line === wanted.executed[index]);
  return data !== undefined && a?.length > 0 && b?.length > 0 && none === null && begun;
}

/**
 * Where a value became null, which of the errors below it is told is nobody's business. But each that is told stands where something
 * failed.
 */
function strayPath(got, failed) {
  return got.responses.flatMap(pathsOf).find((path) => path !== "" && !failed.has(path));
}

/** The kind of the first difference between two answers of `both`, where there is one. */
export function compare(answers) {
  const { wanted, got, isTolerated, failed } = answers;
  if (strayPath(got, failed) !== undefined) return "errors: one where nothing failed";
  if (refusesNullCondition(got) || isTolerated) return undefined;
  if (wanted.responses.length === 1 && got.responses.length === 1 && isEndedMutation(wanted, got)) return undefined;
  if (got.responses.length !== wanted.responses.length) {
    const refused = got.responses.find((response) => response.errors);
    return `${refused ? "an error" : "another number"} of responses: ${refused?.errors[0].message.split("\n").at(-1).replace(/"[^"]*"/g, "_") ?? ""}`;
  }
  for (const [index, response] of wanted.responses.entries()) {
    const kind = compareResponses(response, got.responses[index]);
    if (kind) return kind;
  }
  if (wanted.responses[0]?.data === undefined) return undefined;
  return JSON.stringify(wanted.executed) === JSON.stringify(got.executed) ? undefined : "executed otherwise";
}

/**
 * In place of the toy: graphql-js again, which executes what the crate has made of the document and the variables. So that can be
 * seen over any schema.
 */
export function normalised(target, judge) {
  return {
    async ask({ document, operationName, table }, variables) {
      const judgement = await judge.ask({ document, operationName }, variables);
      if (!judgement.normalised) return { responses: [{ errors: judgement.errors }], executed: [] };
      // An operation of which nothing is left has no selections, which no text can say.
      const prepared = attempt(() => parse(judgement.normalised)) ?? parse(`${judgement.normalised} { __typename @skip(if: true) }`);
      const answered = await answer(target.schema, { document: prepared, variables: judgement.variables, table });
      return JSON.parse(JSON.stringify(answered));
    },
  };
}

/** What graphql-js answers, and what Daybook does. */
export async function both(target, toy, text, { variables, ...rest }) {
  const document = parse(text);
  const values = JSON.parse(variables);
  const wanted = await answer(target.schema, { document, variables: values, ...rest });
  const got = await toy.ask({ document: text, ...rest }, variables);
  const isTolerated = refusesNullArgument(target, document, rest.operationName, values, got);
  const failed = got.responses.some((response) => pathsOf(response).some((path) => path !== "")) ? await failures(target, document, values, rest) : new Set();
  return { wanted: JSON.parse(JSON.stringify(wanted)), got, isTolerated, failed };
}

/** The paths of all fields and items that fail: where everything can be null, an error takes nothing away. */
async function failures(target, document, variables, rest) {
  const { responses } = await answer(target.nullable, { document, variables, ...rest, types: target.schema });
  return new Set(responses.flatMap(pathsOf));
}

/** Compares `count` requests from `seed` on. */
export async function run(target, toy, { documents, seed, cases, introspection = true, out = console.log }) {
  // Descriptions are the engine's own, and how a default is written is nobody's business.
  const asked = { introspection, untold: ["description", "defaultValue"] };
  const report = new Report();
  const seeds = cases ?? Array.from({ length: documents }, (_, index) => mix(seed, index));
  await each(seeds.length, AT_ONCE, async (index) => {
    const request = requestOf(target, seeds[index], asked);
    if (!request) return report.count("documents left out: not valid");
    const { text, ...parameters } = request;
    const answers = await both(target, toy, text, parameters);
    const { wanted, got, isTolerated } = answers;
    report.count("requests");
    if (isTolerated) report.count("refused, and a field's error for graphql-js: null where it cannot stand");
    report.count(wanted.responses[0]?.data === undefined ? "that are refused" : "that are executed");
    if (wanted.responses.some((response) => response.errors?.length > 0)) report.count("with errors");
    const kind = compare(answers);
    if (cases) out(`${text}\n${JSON.stringify(parameters)}\ngraphql-js: ${JSON.stringify(wanted)}\nDaybook:    ${JSON.stringify(got)}`);
    if (kind) return report.difference(kind, { seed: seeds[index], document: text, parameters });
    if (!isTolerated) compareLocations(report, wanted, got);
  });
  await report.write((kind, example) => smallest(target, toy, kind, example), out);
  return report;
}

function compareLocations(report, wanted, got) {
  const places = ({ responses }) => JSON.stringify(responses.flatMap(({ errors = [] }) => errors.map(({ locations, path }) => JSON.stringify([path, locations]))).sort());
  if (!wanted.responses.some(({ errors }) => errors)) return;
  report.count(places(wanted) === places(got) ? "errors: the same paths and locations" : "errors: other paths or locations");
}

async function smallest(target, toy, kind, { document, parameters }) {
  const small = await shrink(document, async (smaller) => {
    if (!attempt(() => expected(target, smaller).valid)) return false;
    const answers = await both(target, toy, smaller, parameters);
    return compare(answers) === kind;
  });
  const { wanted, got } = await both(target, toy, small, parameters);
  return {
    document: small,
    says: [`variables: ${parameters.variables}, table: ${parameters.table}`, `graphql-js: ${JSON.stringify(wanted)}`, `Daybook:    ${JSON.stringify(got)}`],
  };
}
