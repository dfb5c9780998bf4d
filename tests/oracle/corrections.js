// Where graphql-js 16 is not what the specification of September 2025 says, the oracle is put right.
import {
  GraphQLBoolean, GraphQLError, GraphQLNonNull, GraphQLString, OverlappingFieldsCanBeMergedRule, SingleFieldSubscriptionsRule, TypeInfo, __Directive,
  __DirectiveLocation, __Schema, __Type, buildSchema, extendSchema, getNamedType, getNullableType, introspectionTypes, isInterfaceType, isNonNullType, isObjectType, isScalarType,
  parse, specifiedRules, typeFromAST, validate, visit, visitWithTypeInfo,
} from "graphql";
import * as next from "graphql17";

// Its introspection is ahead of that in directives that are deprecated, and behind it in `includeDeprecated: Boolean!`.
__Schema.getFields().directives.args.splice(0);
for (const ahead of ["isDeprecated", "deprecationReason"]) delete __Directive.getFields()[ahead];
for (const type of introspectionTypes) {
  for (const { args } of isObjectType(type) ? Object.values(type.getFields()) : []) {
    for (const arg of args) if (arg.name === "includeDeprecated") arg.type = new GraphQLNonNull(GraphQLBoolean);
  }
}

// It is ahead in a place where directives may stand, too.
const ahead = __DirectiveLocation.getValues().findIndex(({ name }) => name === "DIRECTIVE_DEFINITION");
if (ahead >= 0) __DirectiveLocation.getValues().splice(ahead, 1);

// Not the specification's, but the engine's: the description of a schema is never null, and fields come in another order.
__Schema.getFields().description.type = new GraphQLNonNull(GraphQLString);
inOrder(__Directive, ["name", "description", "locations", "args", "isRepeatable"]);
inOrder(__Type, ["kind", "name", "description", "fields", "interfaces", "possibleTypes", "enumValues", "inputFields", "ofType", "specifiedByURL", "isOneOf"]);

function inOrder(type, names) {
  const fields = type.getFields();
  for (const name of names) {
    const field = fields[name];
    delete fields[name];
    fields[name] = field;
  }
}

/** A variable that can be null is found in a field of a @oneOf input object also where that object stands in a non-null place, or for a list of it. */
export function OneOfVariablesRule(context) {
  // An item of a list has the list around it, as a field of one object has that stands for a list.
  const inFields = new Set();
  visit(context.getDocument(), { ObjectField: ({ value }) => void inFields.add(value) });
  return {
    OperationDefinition: {
      leave(operation) {
        const types = new Map(operation.variableDefinitions.map((node) => [node.variable.name.value, node]));
        for (const { node, parentType } of context.getRecursiveVariableUsages(operation)) {
          const definition = types.get(node.name.value);
          const type = definition && typeFromAST(context.getSchema(), definition.type);
          const parent = parentType && getNamedType(parentType);
          if (!type || isNonNullType(type) || !parent?.isOneOf || !inFields.has(node)) continue;
          context.reportError(new GraphQLError(`Variable "$${node.name.value}" is of type "${type}" but must be non-nullable to be used for OneOf Input Object "${parent}".`, { nodes: [definition, node] }));
        }
      },
    },
  };
}

/**
 * Variables in a list inside a literal of a custom scalar. That scalar alone knows what they may be; graphql-js takes each item of
 * the list for another value of the scalar.
 */
export function variablesInScalars(schema, document) {
  const found = new Set();
  const typeInfo = new TypeInfo(schema);
  let depth = 0;
  const isScalar = () => isScalarType(getNullableType(typeInfo.getParentInputType()));
  visit(document, visitWithTypeInfo(typeInfo, {
    ListValue: { enter: () => void (isScalar() && depth++), leave: () => void (isScalar() && depth--) },
    Variable: (node) => void (depth > 0 && found.add(node)),
  }));
  return found;
}

const RULES = [...specifiedRules.filter((rule) => rule !== SingleFieldSubscriptionsRule && rule !== OverlappingFieldsCanBeMergedRule), OneOfVariablesRule];

/** The schema in which `__typename` is a field like others: that has a type, which can conflict. */
export function withTypenames(sdl) {
  const schema = buildSchema(sdl);
  const composite = Object.values(schema.getTypeMap()).filter((type) => (isObjectType(type) || isInterfaceType(type)) && !type.name.startsWith("__"));
  const fields = composite.map((type) => `extend ${isObjectType(type) ? "type" : "interface"} ${type.name} { __typename: String! }`);
  return extendSchema(schema, parse(fields.join("\n")), { assumeValid: true, assumeValidSDL: true });
}

function ruled(schema, document, rules) {
  const errors = validate(schema, document, rules);
  const isOfPosition = (error) => /used in position expecting/.test(error.message);
  if (!errors.some(isOfPosition)) return errors;
  const free = variablesInScalars(schema, document);
  return errors.filter((error) => !(isOfPosition(error) && free.has(error.nodes[1])));
}

/** All errors of a document, by rule: `[[name, errors]]`. */
export function* errorsByRule({ schema, typenames, next: next17 }, document, text) {
  for (const rule of RULES) yield [rule.name, ruled(schema, document, [rule])];
  yield* others({ typenames, next: next17 }, document, text);
}

function* others({ typenames, next: next17 }, document, text) {
  yield [OverlappingFieldsCanBeMergedRule.name, validate(typenames, document, [OverlappingFieldsCanBeMergedRule])];
  // The rule of 17 is that of September 2025: at the root of a subscription stands no @skip and no @include. The one of 16 throws
  // where such a directive has a variable.
  if (text.includes("subscription")) yield [next.SingleFieldSubscriptionsRule.name, next.validate(next17, next.parse(text), [next.SingleFieldSubscriptionsRule])];
}

/** All errors of a document. */
export function errorsOf(target, document, text) {
  return [...ruled(target.schema, document, RULES), ...[...others(target, document, text)].flatMap(([, errors]) => errors)];
}
