// The table of `toy/src/table.rs`, and the toy's resolvers over it.
import { GraphQLList, GraphQLNonNull, execute, getOperationAST, isAbstractType, isCompositeType, isEnumType, subscribe } from "graphql";

const mixed = (number, text) => {
  for (const byte of Buffer.from(text, "utf8")) number = Math.imul(number ^ byte, 16777619) >>> 0;
  return number;
};

const spread = (number) => {
  number = Math.imul(number ^ (number >>> 16), 0x85ebca6b);
  number = Math.imul(number ^ (number >>> 13), 0xc2b2ae35);
  return (number ^ (number >>> 16)) >>> 0;
};

const item = (number, index) => spread((number + Math.imul(index, 0x9e3779b9) + 1) | 0);
const fails = (number) => spread(number ^ 0xe) % 14 === 0;
const isNull = (number) => spread(number ^ 0xa) % 8 === 0;

const MEMBERS = {
  Node: ["Book", "Pen", "Shop"], Named: ["Book", "Pen"], Priced: ["Book", "Lamp"], Thing: ["Book", "Pen", "Shop"], Goods: ["Book", "Lamp"],
};
const TEXTS = ["", "plain", 'a "quoted" one', "naïve", "😀", "two\nlines", "\u0001\\/"];
const VALUES = {
  Int: (number) => (number % 201) - 100,
  Float: (number) => ((number % 2001) - 1000) / 4,
  Boolean: (number) => number % 2 === 1,
  String: (number) => TEXTS[number % TEXTS.length],
  ID: (number) => `id-${number % 1000}`,
  Even: (number) => (number % 50) * 2,
  JSON: (number) => [{ a: [true, null, "x"], b: 1 }, [1, [2.5], {}], "text", number % 10][number % 4],
};

/** The value of a number as a type: of a field, or of an item, each of which can fail. Null goes before failure. */
function valueOf(schema, type, number, canFail = true) {
  const bare = type instanceof GraphQLNonNull ? type.ofType : type;
  if (bare === type && isNull(number)) return null;
  return canFail && fails(number) ? new Error("the table says so") : nonNull(schema, bare, number);
}

function nonNull(schema, type, number) {
  if (type instanceof GraphQLList) return Array.from({ length: spread(number ^ 0x1) % 4 }, (_, index) => valueOf(schema, type.ofType, item(number, index)));
  if (isAbstractType(type)) {
    const members = MEMBERS[type.name] ?? schema.getPossibleTypes(type).map(({ name }) => name);
    return { number: Math.max(number, 1), __typename: members[spread(number ^ 0x7) % members.length] };
  }
  if (isCompositeType(type)) return { number: Math.max(number, 1), __typename: type.name };
  if (isEnumType(type)) return type.getValues()[number % type.getValues().length].name;
  return (VALUES[type.name] ?? VALUES.ID)(number);
}

/** Values after coercion, in the canonical text of `table.rs`. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map((one) => `${canonical(one)},`).join("")}]`;
  if (typeof value === "number") return `#${new BigUint64Array(new Float64Array([value + 0]).buffer)[0].toString(16)}`;
  if (value !== null && typeof value === "object") {
    return `{${Object.keys(value).sort().map((key) => `${key}:${canonical(value[key])},`).join("")}}`;
  }
  return JSON.stringify(value);
}

const textOf = (definitions, args) => definitions.filter(({ name }) => name in args).map(({ name }) => `${name}:${canonical(args[name])} `).join("");

function numberOf(source, { table }, field, text) {
  const own = source?.number ?? mixed(2166136261, `${table}`);
  return spread(mixed(mixed(own, field), text));
}

function resolve(source, args, context, { parentType, fieldName, schema: own }) {
  // What the stream has given.
  if (parentType.name === "Subscription") return source.event;
  const field = `${parentType.name}.${fieldName}`;
  const schema = context.types ?? own;
  const definition = schema.getType(parentType.name).getFields()[fieldName];
  const text = textOf(definition.args, args);
  const answer = () => {
    const value = valueOf(schema, definition.type, numberOf(source, context, field, text));
    if (value instanceof Error) throw value;
    return value;
  };
  if (parentType.name !== "Mutation") return answer();
  context.executed.push(`begin ${field} ${text}`);
  return Promise.resolve().then(() => {
    context.executed.push(`end ${field}`);
    return answer();
  });
}

async function* events(_, args, context, { parentType, fieldName, schema: own }) {
  const schema = context.types ?? own;
  const definition = schema.getType(parentType.name).getFields()[fieldName];
  const number = numberOf(undefined, context, `Subscription.${fieldName}`, textOf(definition.args, args));
  for (let index = 0; index < spread(number ^ 0x1) % 4; index++) yield { event: valueOf(schema, definition.type, item(number, index), false) };
}

/** What graphql-js answers: `{ responses, executed }`. The values are those of `types`, where that is another schema. */
export async function answer(schema, { document, operationName, variables, table, types }) {
  const executed = [];
  const request = {
    schema, document, operationName, variableValues: variables, contextValue: { table, executed, types }, fieldResolver: resolve, subscribeFieldResolver: events,
  };
  if (getOperationAST(document, operationName)?.operation !== "subscription") return { responses: [await execute(request)], executed };
  const stream = await subscribe(request);
  if (!(Symbol.asyncIterator in stream)) return { responses: [stream], executed };
  const responses = [];
  for await (const response of stream) responses.push(response);
  return { responses, executed };
}
