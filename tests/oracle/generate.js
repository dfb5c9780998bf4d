// Random documents that fit a schema, mostly.
//
// Fields are chosen by type. Where two fields would share a response key and differ, the later one takes another alias; what is
// said of that here need not be perfect, since graphql-js judges.
import {
  GraphQLNonNull, Kind, SchemaMetaFieldDef, TypeMetaFieldDef, doTypesOverlap, getNamedType, isCompositeType, isInputType,
  isNonNullType, isAbstractType, isObjectType, isRequiredArgument, parseType, print, typeFromAST,
} from "graphql";
import { argument, directive, field, name, namedType, string, variable, walk } from "./nodes.js";
import { literal, nullValue } from "./values.js";

const LOCATIONS = { query: "QUERY", mutation: "MUTATION", subscription: "SUBSCRIPTION" };

// Words of the language, and names that are made for the schema or by whoever prepares a document.
const NAMES = ["__typename", "__schema", "__type", "__kindOf_interfaces", "__", "_", "on", "query", "fragment", "true", "null", "data", "errors", "constructor", "length", "l".repeat(300)];

export class Generator {
  #keys = new Map();
  #fragments = [];
  #variables = new Map();
  #composites;
  #names;
  #budget;

  /**
   * `size` is about how many fields a document gets; with `introspection`, some of them ask for the schema, but for the fields in
   * `untold`.
   */
  constructor(random, schema, { size = 12, introspection = true, untold = [], kinds = [[7, "query"], [3, "mutation"], [1, "subscription"]] } = {}) {
    Object.assign(this, { random, schema, introspection, untold, kinds });
    this.#budget = 1 + random.below(2 * size);
    const members = Object.values(schema.getTypeMap()).flatMap((type) => ("getFields" in type ? Object.keys(type.getFields()) : []));
    this.#names = [...new Set(members), ...NAMES];
    this.#composites = Object.values(schema.getTypeMap()).filter((type) => isCompositeType(type) && !type.name.startsWith("__"));
  }

  document() {
    const { random } = this;
    const count = random.weighted([[9, 1], [1, 2], [0.5, 3]]);
    const operations = Array.from({ length: count }, (_, index) => this.#operation(count === 1 && random.chance(0.5) ? undefined : `Op${index}`));
    const fragments = this.#fragments.map((fragment) => fragment.node);
    for (const operation of operations) this.#define(operation);
    return { kind: Kind.DOCUMENT, definitions: random.shuffled([...operations, ...fragments]) };
  }

  #operation(key) {
    const { random, schema } = this;
    const operation = random.weighted(this.kinds);
    const root = schema.getRootType(operation);
    this.root = root;
    const node = {
      kind: Kind.OPERATION_DEFINITION, operation, name: key && name(key), variableDefinitions: [],
      directives: this.#directives(LOCATIONS[operation]),
      selectionSet: { kind: Kind.SELECTION_SET, selections: this.#rootSelections(operation, root) },
    };
    if (random.chance(0.05) && key) node.description = string("What it does.", random.chance(0.5));
    return node;
  }

  #rootSelections(operation, root) {
    if (operation !== "subscription") return this.#selections(root, 0);
    const only = this.#field(root, this.random.of(Object.values(root.getFields())), 0);
    // No @skip or @include here.
    only.directives = only.directives.filter((node) => !["skip", "include"].includes(node.name.value));
    const twin = this.random.chance(0.2) ? [structuredClone(only)] : [];
    return this.random.weighted([
      [3, () => [only, ...twin]],
      [1, () => [{ kind: Kind.INLINE_FRAGMENT, typeCondition: this.random.chance(0.5) ? namedType(root.name) : undefined, directives: [], selectionSet: { kind: Kind.SELECTION_SET, selections: [only, ...twin] } }]],
      [1, () => [this.#spread(this.#newFragment(root, [only])), ...twin]],
    ])();
  }

  /** The variables that an operation uses, through its fragments too, get their definitions. */
  #define(operation) {
    const used = new Set();
    const seen = new Set();
    const look = (node) => walk(node, (child) => {
      if (child.kind === Kind.VARIABLE) used.add(child.name.value);
      if (child.kind === Kind.FRAGMENT_SPREAD && !seen.has(child.name.value)) {
        seen.add(child.name.value);
        look(this.#fragments.find((fragment) => fragment.node.name.value === child.name.value)?.node);
      }
    });
    look(operation);
    operation.variableDefinitions = this.random.shuffled([...used]).map((key) => structuredClone(this.#variables.get(key)));
  }

  #selections(type, depth) {
    const { random } = this;
    const count = 1 + random.below(depth === 0 ? 4 : 3);
    const selections = [];
    for (let index = 0; index < count && (index === 0 || this.#budget > 0); index++) selections.push(...this.#selection(type, depth));
    return selections;
  }

  #selection(type, depth) {
    const { random } = this;
    const kind = this.#budget > 0 && depth < 7 ? random.weighted([[10, "field"], [1.5, "inline"], [1.5, "spread"]]) : "field";
    if (kind === "inline") {
      const condition = random.chance(0.2) ? undefined : this.#overlapping(type);
      return [{
        kind: Kind.INLINE_FRAGMENT, typeCondition: condition && namedType(condition.name), directives: this.#directives("INLINE_FRAGMENT"),
        selectionSet: { kind: Kind.SELECTION_SET, selections: this.#selections(condition ?? type, depth + 1) },
      }];
    }
    if (kind === "spread") {
      const known = this.#fragments.filter((fragment) => fragment.done && doTypesOverlap(this.schema, fragment.type, type));
      if (known.length > 0 && random.chance(0.5)) return [this.#spread(random.of(known))];
      const condition = this.#overlapping(type);
      return [this.#spread(this.#newFragment(condition, () => this.#selections(condition, depth + 1)))];
    }
    const isTold = (one) => !type.name.startsWith("__") || !this.untold.includes(one.name);
    const fields = isObjectType(type) || "getFields" in type ? Object.values(type.getFields()).filter(isTold) : [];
    if (fields.length === 0 || random.chance(0.08)) return [this.#typename()];
    if (this.introspection && type === this.schema.getQueryType() && random.chance(0.06)) {
      return [this.#field(type, random.of([SchemaMetaFieldDef, TypeMetaFieldDef]), depth)];
    }
    const deep = this.#budget > 0 && depth < 6;
    const simple = fields.filter((candidate) => !isCompositeType(getNamedType(candidate.type)));
    const node = this.#field(type, random.of(deep || simple.length === 0 ? fields : simple), depth);
    // A field that stands there twice, with a part of its selections each.
    if (node.selectionSet && random.chance(0.12)) {
      const twin = structuredClone(node);
      twin.selectionSet.selections = [random.of(twin.selectionSet.selections), this.#typename()];
      return random.shuffled([node, twin]);
    }
    return [node];
  }

  #typename() {
    const alias = this.random.chance(0.2) ? this.random.of(["kind", "t"]) : undefined;
    return field("__typename", { alias, directives: this.#directives("FIELD") });
  }

  #overlapping(type) {
    return this.random.of(this.#composites.filter((other) => doTypesOverlap(this.schema, type, other)).concat(isAbstractType(type) ? [] : [type]));
  }

  #newFragment(type, selections) {
    const fragment = { type, done: false, node: { kind: Kind.FRAGMENT_DEFINITION, name: name(`F${this.#fragments.length}`), typeCondition: namedType(type.name) } };
    this.#fragments.push(fragment);
    fragment.node.directives = this.#directives("FRAGMENT_DEFINITION");
    fragment.node.selectionSet = { kind: Kind.SELECTION_SET, selections: typeof selections === "function" ? selections() : selections };
    // Before it is done it could only be spread into itself.
    fragment.done = true;
    if (this.random.chance(0.03)) fragment.node.description = string("A part.");
    return fragment;
  }

  #spread(fragment) {
    return { kind: Kind.FRAGMENT_SPREAD, name: name(fragment.node.name.value), directives: this.#directives("FRAGMENT_SPREAD") };
  }

  #field(parent, definition, depth) {
    const { random } = this;
    this.#budget--;
    const args = definition === TypeMetaFieldDef && random.chance(0.7) ? [argument("name", string(random.of(Object.keys(this.schema.getTypeMap()))))] : this.#arguments(definition.args);
    const type = getNamedType(definition.type);
    const signature = `${definition.name}(${args.map(print).sort().join()}):${definition.type}`;
    const node = field(definition.name, { args, directives: this.#directives("FIELD") });
    const key = this.#key(definition.name, signature);
    if (key !== definition.name) node.alias = name(key);
    if (isCompositeType(type)) node.selectionSet = { kind: Kind.SELECTION_SET, selections: this.#selections(type, depth + 1) };
    return node;
  }

  /** A response key that this field has in the whole document, and no other one. */
  #key(plain, signature) {
    const { random } = this;
    const known = [...this.#keys].filter(([, other]) => other === signature).map(([key]) => key);
    if (known.length > 0 && random.chance(0.7)) return random.of(known);
    if (!this.#keys.has(plain) && random.chance(0.85)) return this.#take(plain, signature);
    // Names that other fields have, and those that only the schema may have: as aliases they are names like others.
    const taken = random.chance(0.3) ? random.of(this.#names) : undefined;
    if (taken && !this.#keys.has(taken)) return this.#take(taken, signature);
    return this.#take(`a${this.#keys.size}`, signature);
  }

  #take(key, signature) {
    this.#keys.set(key, signature);
    return key;
  }

  #arguments(definitions) {
    const chosen = definitions.filter((definition) => isRequiredArgument(definition) || this.random.chance(0.3));
    return this.random.shuffled(chosen).map((definition) =>
      argument(definition.name, literal(this.random, definition.type, this.#use, { hasDefault: definition.defaultValue !== undefined })));
  }

  #directives(location) {
    const { random } = this;
    const found = [];
    if (["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"].includes(location)) {
      for (const key of ["skip", "include"]) {
        if (random.chance(0.05)) found.push(directive(key, [argument("if", literal(random, this.schema.getDirective(key).args[0].type, this.#use))]));
      }
    }
    for (const own of this.schema.getDirectives()) {
      if (["skip", "include"].includes(own.name) || !own.locations.includes(location)) continue;
      for (let count = own.isRepeatable ? 2 : 1; count > 0; count--) {
        // A variable has no meaning where variables are defined.
        const args = () => location === "VARIABLE_DEFINITION" ? own.args.filter(isRequiredArgument).map((def) => argument(def.name, literal(random, def.type))) : this.#arguments(own.args);
        if (random.chance(0.03)) found.push(directive(own.name, args()));
      }
    }
    return found;
  }

  /** Where a value of this type is asked for: sometimes a variable that may stand there. */
  #use = (type, hasDefault) => {
    const { random } = this;
    if (!isInputType(type) || !random.chance(0.3)) return undefined;
    const bare = isNonNullType(type) ? type.ofType : type;
    const fits = [...this.#variables].filter(([, definition]) => {
      const own = typeFromAST(this.schema, definition.type);
      if (`${own}` === `${type}` || `${own}` === `${bare}!`) return true;
      const isSafe = hasDefault || (definition.defaultValue && definition.defaultValue.kind !== Kind.NULL);
      return `${own}` === `${bare}` && isSafe;
    });
    if (fits.length > 0 && random.chance(0.4)) return random.of(fits)[0];
    const key = `v${this.#variables.size}`;
    const { own, value } = random.weighted([
      [4, () => ({ own: type })],
      [2, () => ({ own: type, value: literal(random, type) })],
      [1, () => ({ own: new GraphQLNonNull(bare) })],
      [1.5, () => ({ own: bare, value: literal(random, new GraphQLNonNull(bare)) })],
      [hasDefault ? 2 : 0, () => ({ own: bare })],
      [isNonNullType(type) ? 0 : 0.5, () => ({ own: bare, value: nullValue() })],
    ])();
    const definition = { kind: Kind.VARIABLE_DEFINITION, variable: variable(key), type: parseType(`${own}`, { noLocation: true }), defaultValue: value, directives: [] };
    this.#variables.set(key, definition);
    definition.directives = this.#directives("VARIABLE_DEFINITION");
    if (random.chance(0.03)) definition.description = string("One.");
    return key;
  };
}
