// Random values of a type: literals for documents, and JSON for variables.
import {
  GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, Kind, isRequiredInputField,
} from "graphql";
import { argument, name, string, variable } from "./nodes.js";

// Of these, other texts are put together: of one byte to many, those that a string escapes, and those that mean something outside of it.
const PIECES = [
  "a", "Z", " ", '"', "\\", "/", "é", "e\u0301", "ß", "漢字", "😀", "👩‍👩‍👧", "\u{10ffff}", "\u{10000}", "\ufeff", "\ufffd", "\uffff", "\u2028", "\u00a0", "\u0000", "\u0007",
  "\u007f", "\u0085", "\b", "\f", "\v", "\t", "\n", "\r", "\r\n", "#", "$a", "{", "}", ",", "...", '"""', "\\u0041", "\\n", "\\u{1F600}", "@skip",
];
const TEXTS = ["", "a", "Node", "Spot", "two words", 'a "quoted" one', "back\\slash", "naïve", "😀", "\u{10ffff}", "tab\t", "two\nlines", "# no comment", "$v1", "{}", "\u0001"];
const BLOCKS = ["", "a", 'a """ b', "one\n  two\n\n three", ' "quoted" ', "back\\slash \\n", "😀", "  indented"];

/** A text, mostly one of those that are given. */
const text = (random, texts) => random.chance(0.6) ? random.of(texts) : Array.from({ length: 1 + random.below(6) }, () => random.of(PIECES)).join("");

/** A number of JSON for anything: none that is an integer of which a double loses digits, as which JavaScript takes it. */
function anyFraction(random) {
  const number = fraction(random);
  return Number.isInteger(Number(number)) && !Number.isSafeInteger(Number(number)) ? "1.5" : number;
}

/** A number with a fraction, with as many digits as there can be, or at an end of what there is. */
const fraction = (random) => random.weighted([
  [2, () => random.of(["1.5", "-0.25", "1e3", "1.0", "0.5E2", "-0.0", "0e0", "1E+2", "2.5E-3", "100e-2"])],
  [1, () => `${random.below(1000)}.${random.below(2 ** 30)}${random.below(2 ** 20)}`],
  [1, () => `${1 + random.below(9)}.${random.below(2 ** 30)}e${random.below(600) - 300}`],
  [0.3, () => random.of(["1.7976931348623157e308", "5e-324", "2.2250738585072014e-308", "1e-400", "9007199254740993.0", "123456789012345678901234567890.5"])],
])();

/** Ids and texts of what is really there: with them, an answer has more in it. */
export const known = { ID: [], String: [] };

const isKnown = (random, type) => known[type.name]?.length > 0 && random.chance(0.8);

// Literals and JSON of custom scalars, by name. Any other one takes anything.
const SCALARS = {
  Int64: (random) => random.of([() => int(random.below(1000)), () => string(`${random.below(1000)}`)])(),
  DateTime: () => string("2026-01-31T12:00:00.000000Z"),
  CurrencyCode: (random) => string(random.of(["EUR", "JPY", "POINTS"])),
  Even: (random) => int(random.of([0, 2, -4, 100, 2_147_483_648])),
};

const int = (value) => ({ kind: Kind.INT, value: `${value}` });
const float = (value) => ({ kind: Kind.FLOAT, value: `${value}` });
const boolean = (value) => ({ kind: Kind.BOOLEAN, value });
const enumValue = (value) => ({ kind: Kind.ENUM, value });
export const nullValue = () => ({ kind: Kind.NULL });
const objectField = (key, value) => ({ ...argument(key, value), kind: Kind.OBJECT_FIELD });

/** Any literal, of no type. */
export function anyLiteral(random, depth = 2) {
  return random.weighted([
    [2, () => int(random.of([0, 1, -1, 7, 2147483647, 2147483648, -2147483649, "9007199254740993", "12345678901234567890"]))],
    [1, () => float(fraction(random))],
    [2, () => string(text(random, TEXTS), false)],
    [0.5, () => string(text(random, BLOCKS), true)],
    [1, () => boolean(random.chance(0.5))],
    [1, nullValue],
    [1, () => enumValue(random.of(["ASC", "DEBIT", "PLAIN", "BOLD", "FANCY", "OPEN", "nothing"]))],
    [depth, () => ({ kind: Kind.LIST, values: Array.from({ length: random.below(3) }, () => anyLiteral(random, depth - 1)) })],
    [depth / 10, () => deep(anyLiteral(random, 0), 1 + random.below(40))],
    [depth, () => ({
      kind: Kind.OBJECT,
      fields: random.shuffled(["a", "b", "id", "x"]).slice(0, random.below(3)).map((key) => objectField(key, anyLiteral(random, depth - 1))),
    })],
  ])();
}

/** A value in so many lists. */
function deep(value, lists) {
  return lists === 0 ? value : { kind: Kind.LIST, values: [deep(value, lists - 1)] };
}

/**
 * A literal that fits the type. `use(type, hasDefault)` answers the name of a variable that may stand there, or nothing.
 */
export function literal(random, type, use, { depth = 3, hasDefault = false } = {}) {
  const used = use?.(type, hasDefault);
  if (used !== undefined) return variable(used);
  if (type instanceof GraphQLNonNull) return nonNull(random, type.ofType, use, depth);
  return random.chance(0.08) ? nullValue() : nonNull(random, type, use, depth);
}

function nonNull(random, type, use, depth) {
  if (type instanceof GraphQLList) {
    const item = () => literal(random, type.ofType, use, { depth });
    // One item stands for a list of it; null would be no list.
    if (random.chance(0.15)) return literal(random, new GraphQLNonNull(nullable(type.ofType)), undefined, { depth });
    return { kind: Kind.LIST, values: Array.from({ length: random.below(3) }, item) };
  }
  if (type instanceof GraphQLEnumType) return enumValue(random.of(type.getValues()).name);
  if (type instanceof GraphQLInputObjectType) return { kind: Kind.OBJECT, fields: members(random, type, use, depth) };
  if (isKnown(random, type)) return string(random.of(known[type.name]));
  switch (type.name) {
    case "Int": return int(random.of([0, 1, -1, "-0", 3, 100, 2147483647, -2147483648]));
    case "Float": return random.of([() => int(random.below(100)), () => float(fraction(random))])();
    case "Boolean": return boolean(random.chance(0.5));
    case "ID": return random.of([() => int(random.below(100)), () => string(`id-${random.below(9)}`), () => int(random.of(["-0", "-7", "9007199254740993", "12345678901234567890123"])), () => string(text(random, TEXTS))])();
    case "String": return random.chance(0.25) ? string(text(random, BLOCKS), true) : string(text(random, TEXTS), false);
    default: return SCALARS[type.name]?.(random) ?? anyLiteral(random);
  }
}

const nullable = (type) => (type instanceof GraphQLNonNull ? type.ofType : type);

/** The fields of an input object that are to be given. */
function chosen(random, type, depth) {
  const fields = Object.values(type.getFields());
  if (type.isOneOf) return [random.of(depth > 0 ? fields : fields.filter((field) => !(nullable(field.type) instanceof GraphQLInputObjectType)))];
  const optional = depth > 0 ? 0.3 : 0;
  return random.shuffled(fields.filter((field) => isRequiredInputField(field) || random.chance(optional)));
}

function members(random, type, use, depth) {
  return chosen(random, type, depth).map((field) => {
    const asked = type.isOneOf ? new GraphQLNonNull(field.type) : field.type;
    const hasDefault = field.defaultValue !== undefined;
    return objectField(field.name, literal(random, asked, use, { depth: depth - 1, hasDefault }));
  });
}

// At the ends of what there is, and beyond. Numbers of which a double loses digits are left out: graphql-js does not see them.
const EDGES = [
  "0", "-0", "-0.0", "0.0", "1.0", "1e2", "1E+2", "100e-2", "1.5", "1e-400", "2147483647", "2147483648", "-2147483648", "-2147483649", "2147483647.0", "4294967296", "9007199254740991", "1e15",
  "true", "false", '""', '"1"', '"1.0"', '"NaN"', '"Infinity"', '"-Infinity"', '"true"', '"null"', '"PLAIN"', '"plain"', '"__typename"', "[]", "[[]]", "[1]", "[null]", "{}", '{"x":1}', '{"id":null}', '{"id":"a","style":null}',
];

/** JSON text that fits the type, mostly: numbers as a client may write them. */
export function json(random, type, depth = 3) {
  if (random.chance(0.03)) return random.of(EDGES);
  if (type instanceof GraphQLNonNull) return nonNullJson(random, type.ofType, depth);
  return random.chance(0.12) ? "null" : nonNullJson(random, type, depth);
}

function nonNullJson(random, type, depth) {
  if (type instanceof GraphQLList) {
    if (random.chance(0.2)) return nonNullJson(random, nullable(type.ofType), depth);
    return `[${Array.from({ length: random.below(3) }, () => json(random, type.ofType, depth)).join(",")}]`;
  }
  if (type instanceof GraphQLEnumType) return JSON.stringify(random.of(type.getValues()).name);
  if (type instanceof GraphQLInputObjectType) {
    const fields = chosen(random, type, depth).map((field) => {
      const asked = type.isOneOf ? new GraphQLNonNull(field.type) : field.type;
      return `${JSON.stringify(field.name)}:${json(random, asked, depth - 1)}`;
    });
    return `{${fields.join(",")}}`;
  }
  if (isKnown(random, type)) return JSON.stringify(random.of(known[type.name]));
  switch (type.name) {
    case "Int": return random.of(["0", "1", "-1", "1.0", "1e2", "100e-2", "-0", "-0.0", "2147483647", "-2147483648", "2147483647.0"]);
    case "Float": return random.chance(0.5) ? random.of(["0", "1.5", "-2", "1e3", "0.25", "2147483648", "9007199254740991"]) : fraction(random);
    case "Boolean": return random.of(["true", "false"]);
    case "ID": return random.chance(0.8) ? random.of(['"id-1"', '"7"', "7", "7.0", "-0", "1e2", "9007199254740991"]) : JSON.stringify(text(random, TEXTS));
    case "String": return written(random, JSON.stringify(text(random, TEXTS)));
    case "Int64": return random.of(['"12"', "12"]);
    case "DateTime": return '"2026-01-31T12:00:00.000000Z"';
    case "CurrencyCode": return '"EUR"';
    case "Even": return random.of(["0", "2", "-4", "2.0", "1e2", "-0"]);
    default: return anyJson(random);
  }
}

/** A text of JSON, some of its characters as escapes, in pairs where they are surrogates. */
function written(random, literal) {
  if (!random.chance(0.3)) return literal;
  return literal.replace(/\\u[0-9a-f]{4}|\\.|[^"\\]/gu, (one) => {
    if (one.startsWith("\\") || random.chance(0.7)) return one;
    return Array.from({ length: one.length }, (_, index) => `\\u${one.charCodeAt(index).toString(16).padStart(4, "0")}`).join("");
  });
}

/** Any JSON text. */
export function anyJson(random, depth = 2) {
  return random.weighted([
    [1, () => "null"],
    [2, () => random.of(["0", "1", "-1", "1.5", "1.0", "2147483648", "1e2"])],
    [0.5, () => anyFraction(random)],
    [2, () => JSON.stringify(random.of(["", "a", "PLAIN", "7", "x".repeat(9), "😀"]))],
    [1, () => random.of(["true", "false"])],
    [depth, () => `[${Array.from({ length: random.below(3) }, () => anyJson(random, depth - 1)).join(",")}]`],
    [depth, () => `{${["a", "x", "id"].slice(0, random.below(3)).map((key) => `"${key}":${anyJson(random, depth - 1)}`).join(",")}}`],
  ])();
}
