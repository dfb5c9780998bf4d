// Changes of documents, each of which may make them invalid.
import { Kind, print } from "graphql";
import { VALUES, all, argument, clone, directive, field, lists, name, namedType, responseKey, string, variable } from "./nodes.js";
import { anyLiteral, nullValue } from "./values.js";

const SELECTIONS = [Kind.FIELD, Kind.INLINE_FRAGMENT, Kind.FRAGMENT_SPREAD];
const WITH_DIRECTIVES = [...SELECTIONS, Kind.OPERATION_DEFINITION, Kind.FRAGMENT_DEFINITION, Kind.VARIABLE_DEFINITION];

const put = (found, node) => (found.holder[found.key] = node);

/** Names that mean something here, and some that mean nothing. */
function pool(schema, document) {
  const types = Object.values(schema.getTypeMap());
  const members = types.flatMap((type) => ("getFields" in type ? Object.values(type.getFields()) : []));
  return {
    types: [...types.map((type) => type.name), "Unknown"],
    fields: [...members.map((member) => member.name), "__typename", "__schema", "__type", "unknown"],
    args: [...members.flatMap((member) => (member.args ?? []).map((arg) => arg.name)), "if", "unknown"],
    directives: [...schema.getDirectives().map((own) => own.name), "unknown", "defer", "stream"],
    variables: [...all(document, Kind.VARIABLE_DEFINITION).map(({ node }) => node.variable.name.value), "undefined"],
    fragments: [...all(document, Kind.FRAGMENT_DEFINITION).map(({ node }) => node.name.value), "Unknown"],
    keys: all(document, Kind.FIELD).map(({ node }) => responseKey(node)),
  };
}

// Each answers whether it found something to change.
const CHANGES = {
  drop(random, document) {
    const found = random.of(lists(document).filter(({ list }) => list.length > 0));
    if (!found) return false;
    found.list.splice(random.below(found.list.length), 1);
  },
  duplicate(random, document) {
    const found = random.of(lists(document).filter(({ list }) => list.length > 0));
    if (!found) return false;
    found.list.splice(random.below(found.list.length + 1), 0, clone(random.of(found.list)));
  },
  /** Twice the same argument, variable, key of an object, operation, fragment: with another value. */
  duplicateAndChange(random, document, names) {
    const found = random.of(lists(document).filter(({ list, member }) => list.length > 0 && ["arguments", "fields", "variableDefinitions", "selections"].includes(member)));
    if (!found) return false;
    const twin = clone(random.of(found.list));
    const values = all([twin], ...VALUES).filter(({ node }) => node.kind !== Kind.VARIABLE);
    if (values.length > 0) put(random.of(values), anyLiteral(random));
    else if (twin.kind === Kind.FIELD) twin.name = name(random.of(names.fields));
    found.list.push(twin);
  },
  reorder(random, document) {
    const found = random.of(lists(document).filter(({ list }) => list.length > 1));
    if (!found) return false;
    found.list.splice(0, found.list.length, ...random.shuffled(found.list));
  },
  rename(random, document, names) {
    const found = random.of(all(document, Kind.NAME));
    if (!found) return false;
    found.node.value = random.of([...names.types, ...names.fields, ...names.args, ...names.variables, ...names.fragments]);
  },
  typo(random, document) {
    const found = random.of(all(document, Kind.NAME));
    if (!found) return false;
    found.node.value += random.of(["s", "_", "X"]);
  },
  swapType(random, document, names) {
    const found = random.of(all(document, Kind.NAMED_TYPE));
    if (!found) return false;
    found.node.name = name(random.of(names.types));
  },
  wrapType(random, document) {
    const found = random.of(all(document, Kind.VARIABLE_DEFINITION));
    if (!found) return false;
    const { node } = found;
    const inner = random.of(all([node.type], Kind.NAMED_TYPE, Kind.LIST_TYPE, Kind.NON_NULL_TYPE));
    if (inner.node.kind === Kind.NON_NULL_TYPE) put(inner.node === node.type ? { holder: node, key: "type" } : inner, inner.node.type);
    else if (random.chance(0.5)) put(inner.node === node.type ? { holder: node, key: "type" } : inner, { kind: Kind.LIST_TYPE, type: inner.node });
    else if (inner.node === node.type || inner.holder.kind === Kind.LIST_TYPE) put(inner.node === node.type ? { holder: node, key: "type" } : inner, { kind: Kind.NON_NULL_TYPE, type: inner.node });
  },
  default(random, document) {
    const found = random.of(all(document, Kind.VARIABLE_DEFINITION));
    if (!found) return false;
    found.node.defaultValue = found.node.defaultValue && random.chance(0.5) ? undefined : anyLiteral(random);
  },
  wrongLiteral(random, document) {
    const found = random.of(all(document, ...VALUES).filter(({ key }) => key !== "variable"));
    if (!found) return false;
    put(found, anyLiteral(random));
  },
  nullLiteral(random, document) {
    const found = random.of(all(document, ...VALUES).filter(({ key }) => key !== "variable"));
    if (!found) return false;
    put(found, nullValue());
  },
  stringForEnum(random, document) {
    const found = random.of(all(document, Kind.ENUM, Kind.STRING).filter(({ key }) => key !== "description"));
    if (!found) return false;
    put(found, found.node.kind === Kind.ENUM ? string(found.node.value) : { kind: Kind.ENUM, value: "PLAIN" });
  },
  variableForValue(random, document, names) {
    const found = random.of(all(document, ...VALUES).filter(({ key }) => key !== "variable"));
    if (!found) return false;
    put(found, variable(random.of(names.variables)));
  },
  wrapInList(random, document) {
    const found = random.of(all(document, ...VALUES).filter(({ key }) => key !== "variable"));
    if (!found) return false;
    put(found, { kind: Kind.LIST, values: random.chance(0.5) ? [found.node] : [found.node, nullValue()] });
  },
  unwrapList(random, document) {
    const found = random.of(all(document, Kind.LIST).filter(({ node }) => node.values.length > 0));
    if (!found) return false;
    put(found, random.of(found.node.values));
  },
  member(random, document, names) {
    const found = random.of(all(document, Kind.OBJECT));
    if (!found) return false;
    found.node.fields.push({ ...argument(random.of(names.fields), anyLiteral(random)), kind: Kind.OBJECT_FIELD });
  },
  argument(random, document, names) {
    const found = random.of(all(document, Kind.FIELD, Kind.DIRECTIVE));
    if (!found) return false;
    found.node.arguments.push(argument(random.of(names.args), anyLiteral(random)));
  },
  directive(random, document, names) {
    const found = random.of(all(document, ...WITH_DIRECTIVES));
    if (!found) return false;
    const key = random.of(names.directives);
    const value = random.of([() => ({ kind: Kind.BOOLEAN, value: random.chance(0.5) }), () => variable(random.of(names.variables)), () => anyLiteral(random)])();
    (found.node.directives ??= []).push(directive(key, random.chance(0.7) ? [argument(random.of(["if", "if", "text", "n", "must"]), value)] : []));
  },
  moveDirectives(random, document) {
    const from = random.of(all(document, Kind.DIRECTIVE));
    const to = random.of(all(document, ...WITH_DIRECTIVES));
    if (!from || !to) return false;
    (to.node.directives ??= []).push(clone(from.node));
  },
  copySelection(random, document) {
    const from = random.of(all(document, ...SELECTIONS));
    const to = random.of(all(document, Kind.SELECTION_SET));
    if (!from || !to) return false;
    const twin = clone(from.node);
    to.node.selections.splice(random.below(to.node.selections.length + 1), 0, twin);
  },
  /** The same field twice, with a difference far below. */
  conflictBelow(random, document, names) {
    const found = random.of(all(document, Kind.FIELD).filter(({ node }) => node.selectionSet));
    if (!found) return false;
    const twin = clone(found.node);
    const inner = random.of(all([twin], Kind.FIELD));
    random.of([
      () => (inner.node.name = name(random.of(names.fields))),
      () => (inner.node.alias = name(random.of(names.keys))),
      () => inner.node.arguments.push(argument(random.of(names.args), anyLiteral(random))),
      () => inner.node.arguments.pop(),
      () => all([inner.node], ...VALUES).slice(0, 1).forEach((value) => put(value, anyLiteral(random))),
    ])();
    const wrapped = random.chance(0.5) ? twin : { kind: Kind.INLINE_FRAGMENT, directives: [], selectionSet: { kind: Kind.SELECTION_SET, selections: [twin] } };
    found.holder.push(wrapped);
  },
  alias(random, document, names) {
    const found = random.of(all(document, Kind.FIELD));
    if (!found) return false;
    found.node.alias = random.chance(0.8) ? name(random.of(names.keys)) : undefined;
  },
  newField(random, document, names) {
    const to = random.of(all(document, Kind.SELECTION_SET));
    if (!to) return false;
    to.node.selections.push(field(random.of(names.fields), { alias: random.chance(0.3) ? random.of(names.keys) : undefined }));
  },
  typename(random, document, names) {
    const to = random.of(all(document, Kind.SELECTION_SET));
    if (!to) return false;
    to.node.selections.push(field("__typename", random.of([
      {}, { alias: random.of(names.keys) }, { args: [argument("x", anyLiteral(random))] },
      { selections: [field("__typename")] }, { directives: [directive("include", [argument("if", variable(random.of(names.variables)))])] },
      { directives: [directive(random.of(names.directives))] },
    ])));
  },
  spread(random, document, names) {
    const to = random.of(all(document, Kind.SELECTION_SET));
    if (!to) return false;
    to.node.selections.push({ kind: Kind.FRAGMENT_SPREAD, name: name(random.of(names.fragments)), directives: [] });
  },
  inline(random, document, names) {
    const found = random.of(all(document, ...SELECTIONS));
    if (!found) return false;
    put(found, { kind: Kind.INLINE_FRAGMENT, typeCondition: random.chance(0.7) ? namedType(random.of(names.types)) : undefined, directives: [], selectionSet: { kind: Kind.SELECTION_SET, selections: [found.node] } });
  },
  extract(random, document, names) {
    const found = random.of(all(document, Kind.SELECTION_SET));
    if (!found) return false;
    const key = `E${random.below(100)}`;
    document.definitions.push({ kind: Kind.FRAGMENT_DEFINITION, name: name(key), typeCondition: namedType(random.of(names.types)), directives: [], selectionSet: clone(found.node) });
    found.node.selections = [{ kind: Kind.FRAGMENT_SPREAD, name: name(key), directives: [] }];
  },
  leaf(random, document) {
    const found = random.of(all(document, Kind.FIELD));
    if (!found) return false;
    found.node.selectionSet = found.node.selectionSet ? undefined : { kind: Kind.SELECTION_SET, selections: [field(random.of(["__typename", "id", "name"]))] };
  },
  operation(random, document) {
    const found = random.of(all(document, Kind.OPERATION_DEFINITION));
    if (!found) return false;
    random.of([
      () => (found.node.operation = random.of(["query", "mutation", "subscription"])),
      () => (found.node.name = random.chance(0.5) ? undefined : name(random.of(["Op0", "Op1", "query", "on"]))),
      () => (found.node.description = string(random.of(["What it does.", ""]), random.chance(0.5))),
    ])();
  },
  variableDefinition(random, document, names) {
    const found = random.of(all(document, Kind.OPERATION_DEFINITION));
    if (!found) return false;
    (found.node.variableDefinitions ??= []).push({
      kind: Kind.VARIABLE_DEFINITION, variable: variable(random.of([...names.variables, "another"])), type: namedType(random.of(names.types)), directives: [],
      defaultValue: random.chance(0.3) ? anyLiteral(random) : undefined,
    });
  },
  fragmentType(random, document, names) {
    const found = random.of(all(document, Kind.FRAGMENT_DEFINITION, Kind.INLINE_FRAGMENT));
    if (!found) return false;
    found.node.typeCondition = namedType(random.of(names.types));
  },
  /** A fragment that comes back to itself, through some others. */
  cycle(random, document) {
    const fragments = all(document, Kind.FRAGMENT_DEFINITION);
    if (fragments.length === 0) return false;
    const ring = random.shuffled(fragments).slice(0, 1 + random.below(3)).map(({ node }) => node);
    ring.forEach((fragment, index) => {
      const sets = all(fragment, Kind.SELECTION_SET);
      random.of(sets).node.selections.push({ kind: Kind.FRAGMENT_SPREAD, name: name(ring[(index + 1) % ring.length].name.value), directives: [] });
    });
  },
  /** Two definitions of one name, or of which one has none. */
  sameName(random, document) {
    const kind = random.of([Kind.OPERATION_DEFINITION, Kind.OPERATION_DEFINITION, Kind.FRAGMENT_DEFINITION]);
    const found = random.of(all(document, kind));
    if (!found) return false;
    const twin = clone(found.node);
    if (kind === Kind.OPERATION_DEFINITION && random.chance(0.5)) twin.name = random.chance(0.5) ? undefined : name("Another");
    document.definitions.splice(random.below(document.definitions.length + 1), 0, twin);
  },
  unused(random, document, names) {
    const found = random.of(all(document, Kind.SELECTION_SET));
    if (!found) return false;
    document.definitions.push({ kind: Kind.FRAGMENT_DEFINITION, name: name("Unused"), typeCondition: namedType(random.of(names.types)), directives: [], selectionSet: clone(found.node) });
  },
  repeatDirective(random, document) {
    const found = random.of(all(document, ...WITH_DIRECTIVES).filter(({ node }) => node.directives?.length > 0));
    if (!found) return false;
    found.node.directives.push(clone(random.of(found.node.directives)));
  },
  /** A type in so many lists, and a value in as many. */
  deepen(random, document) {
    const found = random.of(all(document, Kind.VARIABLE_DEFINITION, Kind.LIST));
    if (!found) return false;
    const { node } = found;
    for (let depth = 1 + random.below(30); depth > 0; depth--) {
      if (node.kind === Kind.LIST) node.values = [{ kind: Kind.LIST, values: node.values }];
      else node.type = { kind: Kind.LIST_TYPE, type: node.type };
    }
  },
  secondRoot(random, document, names) {
    const found = random.of(all(document, Kind.OPERATION_DEFINITION).filter(({ node }) => node.operation === "subscription"));
    if (!found) return false;
    found.node.selectionSet.selections.push(random.of([
      () => field(random.of(names.fields)), () => field("__typename"), () => field("__schema", { selections: [field("__typename")] }),
      () => ({ ...clone(found.node.selectionSet.selections[0]), directives: [directive("skip", [argument("if", { kind: Kind.BOOLEAN, value: false })])] }),
      () => ({ ...clone(found.node.selectionSet.selections[0]), directives: [directive("include", [argument("if", variable(random.of(names.variables)))])] }),
    ])());
  },
};

/** Changes the document in place, once or a few times; answers the names of the changes. */
export function mutate(random, schema, document) {
  const done = [];
  for (let count = random.weighted([[6, 1], [2, 2], [1, 3]]); count > 0; count--) {
    const change = random.of(Object.keys(CHANGES));
    if (CHANGES[change](random, document, pool(schema, document)) !== false) done.push(change);
  }
  return done;
}

const ARRANGES = ["duplicate", "copySelection", "inline", "extract", "reorder", "spread", "typename", "moveDirectives"];

/** Changes the document in place so that it is likely to stay valid, and to say things more than once. */
export function rearrange(random, schema, document) {
  for (let count = 1 + random.below(4); count > 0; count--) CHANGES[random.of(ARRANGES)](random, document, pool(schema, document));
}

const PIECES = [
  "{", "}", "(", ")", "[", "]", ":", "!", "=", "@", "$", "...", "|", "&", "on", "query", "fragment", "mutation", "null", "true", "subscription", "extend", "type",
  "0", "-", "-0", "01", "1.", ".5", "1e", "1e5", "0x1", "1_0", "0.0", "1a", "-a", "1.5.5", "00", "2147483648",
  '"', '""', '"""', '""""""', '"\\u0041"', '"\\u{41}"', '"\\u{1F600}"', '"\\uD83D\\uDE00"', '"\\uD83D"', '"\\u{110000}"', '"\\u{}"', '"\\x"', '"\\n\\t\\b\\f\\r\\/\\\\"', '"a\nb"',
  '"""a \\""" b"""', '"""\n  a\n    b\n"""', '"\\uDE00"', '"\\u00"', '"\\u{D83D}"', '"\\u{00000041}"', '"\\uD83D\\u0041"',
  "#", "# comment\n", ",", ",,", "\uFEFF", "\t", "\r\n", "\r", "\u00a0", "\u0000", "é", "😀", "?", ";", "%", "`", "'", "~", "/", "\\", "..", "....", "_", "__x", "\u2028", "\u000b", "\u0007",
];
const TOKEN = /"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"|[_A-Za-z][_0-9A-Za-z]*|-?[0-9][0-9.eE+-]*|\.\.\.|[^\s,]/g;

/** Changes the text as the parser sees it. */
export function mutateText(random, text) {
  const tokens = text.match(TOKEN) ?? [];
  for (let count = 1 + random.below(2); count > 0; count--) {
    const at = random.below(tokens.length + 1);
    random.of([
      () => tokens.splice(at, 1),
      () => tokens.splice(at, 0, random.of(PIECES)),
      () => tokens.splice(at, 0, random.of(PIECES)),
      () => tokens.splice(at, 1, random.of(PIECES)),
      () => tokens.splice(at, 0, random.of(tokens)),
      () => {
        // A value is replaced by a spelling of one.
        const values = tokens.flatMap((token, index) => (/^["0-9-]/.test(token) ? [index] : []));
        if (values.length > 0) tokens[random.of(values)] = random.of(PIECES.filter((piece) => /^["0-9-]/.test(piece)));
      },
      () => (tokens[at] = tokens[at]?.slice(0, random.below(tokens[at].length))),
    ])();
  }
  return tokens.filter((token) => token !== undefined).join(random.of([" ", " ", "\n", ""])).toWellFormed();
}

/** The same document, written in another way. */
export function spell(random, document) {
  let text = print(document);
  if (random.chance(0.3)) text = text.replace(/"""(?:\\"""|[^])*?"""|"(?:\\.|[^"\\\n])*"/g, (found) => escaped(random, found));
  if (random.chance(0.2)) return (random.chance(0.3) ? "\uFEFF" : "") + respaced(random, text);
  if (random.chance(0.1)) text = text.replaceAll("\n", random.of(["\r\n", "\r"]));
  else if (random.chance(0.1) && !text.includes('"""')) text = text.replaceAll("\n", random.of([" # } {\n", ",\n", "\t\n"]));
  if (random.chance(0.05)) text = `\uFEFF${text}`;
  return text;
}

const IGNORED = [
  " ", " ", "\n", "\n", "\t", "\r", "\r\n", ",", ",,", " , ", "\uFEFF", "#\n", "# } { \" \"\"\" \n", "# é 漢字 😀 \u2028 \u0085\r", "#\u0000\r\n", "#,\n#\n", "#\\u000A\n",
];
const isWord = (token) => /^[\w-]/.test(token);

/** The same tokens, with anything between them that means nothing, and nothing where nothing is needed. */
function respaced(random, text) {
  const tokens = text.match(TOKEN) ?? [];
  let spaced = "";
  for (const [index, token] of tokens.entries()) {
    const before = tokens[index - 1] ?? "";
    const joins = (isWord(before) && isWord(token)) || (/^[\d-]/.test(before) && token === "...") || (before.endsWith('"') && token.startsWith('"'));
    const count = random.chance(0.5) ? 0 : 1 + random.below(2);
    const ignored = Array.from({ length: joins ? Math.max(count, 1) : count }, () => random.of(IGNORED)).join("");
    spaced += ignored + token;
  }
  return random.chance(0.3) ? `${spaced}# the end` : spaced;
}

function escaped(random, found) {
  if (found.startsWith('"""')) return found;
  return found.replace(/\\.|[^"\\]/gu, (one) => {
    if (one.startsWith("\\") || !random.chance(0.2)) return one;
    const point = one.codePointAt(0);
    if (random.chance(0.5)) return `\\u{${point.toString(16)}}`;
    return Array.from({ length: one.length }, (_, index) => `\\u${one.charCodeAt(index).toString(16).padStart(4, "0")}`).join("");
  });
}
