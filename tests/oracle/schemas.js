// The schemas, as graphql-js has them.
import { BREAK, GraphQLError, Kind, assertValidSchema, buildASTSchema, buildSchema, parse, valueFromASTUntyped, visit } from "graphql";
import * as next from "graphql17";
import { withTypenames } from "./corrections.js";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const read = (path) => readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8");

// What the scalars of both schemas take; any other one takes everything.
const TAKES = {
  Int64: (value) => (typeof value === "number" ? Number.isInteger(value) : typeof value === "string" && /^[+-]?[0-9]+$/.test(value) && BigInt.asIntN(64, BigInt(value.replace("+", ""))) === BigInt(value.replace("+", ""))),
  DateTime: (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value),
  CurrencyCode: (value) => typeof value === "string" && /^[A-Z0-9]{3,12}$/.test(value),
  Even: (value) => Number.isSafeInteger(value) && value % 2 === 0,
};

function withScalars(schema) {
  for (const [name, takes] of Object.entries(TAKES)) {
    const scalar = schema.getType(name);
    if (!scalar) continue;
    const coerce = (value) => {
      if (!takes(value)) throw new GraphQLError(`${name} cannot represent ${JSON.stringify(value)}`);
      return value;
    };
    const coerceLiteral = (node, variables) => {
      // Before its variables have values, nothing can be said of it.
      if (!variables && hasVariable(node)) return null;
      // An integer that is written with a fraction is none.
      if (node.kind === Kind.FLOAT) throw new GraphQLError(`${name} cannot represent ${node.value}`);
      return coerce(node.kind === Kind.INT ? exact(node.value) : valueFromASTUntyped(node, variables));
    };
    // The one of graphql-js 16, and the other of 17.
    Object.assign(scalar, { parseValue: coerce, parseLiteral: coerceLiteral, coerceInputValue: coerce, coerceInputLiteral: coerceLiteral });
  }
  return schema;
}

/** The schema in which every field and every item of a list can be null. */
function nullable(sdl) {
  const withoutNonNull = (field) => ({ ...field, type: visit(field.type, { NonNullType: { leave: ({ type }) => type } }) });
  return buildASTSchema(visit(parse(sdl), { FieldDefinition: withoutNonNull }));
}

/** Introspection lists types in an order that nothing says. The engine has them by name. */
function inOrder(schema) {
  const types = schema.getTypeMap();
  for (const [name, type] of Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1))) {
    delete types[name];
    types[name] = type;
  }
}

function hasVariable(node) {
  let found = false;
  visit(node, { Variable: () => ((found = true), BREAK) });
  return found;
}

const exact = (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : text);

/**
 * `daybook` or `toy`: `{ name, sdl, schema, nullable, typenames, next }`; `next` is the schema for the next major version of graphql-js. With
 * `anyScalars`, a custom scalar takes everything, as for one who knows only the SDL.
 */
export function load(name, { anyScalars = false } = {}) {
  const scalars = anyScalars ? (schema) => schema : withScalars;
  const sdl = read({ daybook: "../../schema.graphql", toy: "toy/schema.graphql" }[name]);
  const schema = scalars(buildSchema(sdl));
  assertValidSchema(schema);
  inOrder(schema);
  return { name, sdl, schema, nullable: scalars(nullable(sdl)), typenames: withTypenames(sdl), next: scalars(next.buildSchema(sdl)) };
}
