//! Builds a schema from its definitions.

use std::collections::HashMap;

use super::{
    defaults,
    definition::{
        DirectiveDefinition, FieldDefinition, InputDefinition, Kind, Named, Schema, SchemaError,
        Ty, TypeDefinition, TypeId,
    },
    sdl::{Definition, InputSyntax, TypeSyntax, definitions},
};
use crate::{ast::Type, literal};

/// The built-in definitions of every schema, as async-graphql has them.
const BUILT_IN: &str = r#"
scalar Int scalar Float scalar String scalar Boolean scalar ID
directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT
directive @deprecated(reason: String! = "No longer supported") on FIELD_DEFINITION | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION | ENUM_VALUE
directive @specifiedBy(url: String!) on SCALAR
directive @oneOf on INPUT_OBJECT
type __Schema {
  description: String! types: [__Type!]! queryType: __Type! mutationType: __Type subscriptionType: __Type directives: [__Directive!]!
}
type __Type {
  kind: __TypeKind! name: String description: String
  fields(includeDeprecated: Boolean! = false): [__Field!]
  interfaces: [__Type!] possibleTypes: [__Type!]
  enumValues(includeDeprecated: Boolean! = false): [__EnumValue!]
  inputFields(includeDeprecated: Boolean! = false): [__InputValue!]
  ofType: __Type specifiedByURL: String isOneOf: Boolean
}
type __Field {
  name: String! description: String args(includeDeprecated: Boolean! = false): [__InputValue!]! type: __Type!
  isDeprecated: Boolean! deprecationReason: String
}
type __InputValue {
  name: String! description: String type: __Type! defaultValue: String isDeprecated: Boolean! deprecationReason: String
}
type __EnumValue { name: String! description: String isDeprecated: Boolean! deprecationReason: String }
type __Directive {
  name: String! description: String locations: [__DirectiveLocation!]! args(includeDeprecated: Boolean! = false): [__InputValue!]!
  isRepeatable: Boolean!
}
enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }
enum __DirectiveLocation {
  QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT VARIABLE_DEFINITION
  SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION ENUM ENUM_VALUE INPUT_OBJECT INPUT_FIELD_DEFINITION
}
type __Root { __typename: String! __schema: __Schema! __type(name: String!): __Type }
"#;

impl Schema {
    /// Reads a schema from its definition language.
    ///
    /// # Errors
    /// If the text is not a schema, names a type that it does not define, or has no query type.
    ///
    /// ```
    /// let schema = graphql_operation::Schema::parse("type Query { one: Int! }")?;
    /// # let _ = schema;
    /// # Ok::<(), graphql_operation::SchemaError>(())
    /// ```
    pub fn parse(sdl: &str) -> Result<Self, SchemaError> {
        parse(sdl)
    }
}

fn parse(sdl: &str) -> Result<Schema, SchemaError> {
    let own = definitions(sdl)?;
    let built_in = definitions(BUILT_IN)?;
    let mut builder = Builder::default();
    // The schema's own definitions come first, since it may define built-in ones itself.
    for definition in own.iter().chain(&built_in) {
        builder.declare(definition);
    }
    for definition in own.iter().chain(&built_in) {
        builder.define(definition)?;
    }
    builder.finish(&own)
}

#[derive(Default)]
struct Builder<'a> {
    types: Vec<TypeDefinition>,
    by_name: HashMap<Box<str>, TypeId>,
    members: Vec<Vec<TypeId>>,
    directives: HashMap<Box<str>, DirectiveDefinition>,
    roots: HashMap<&'a str, &'a str>,
    defined: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn declare(&mut self, definition: &'a Definition<'a>) {
        match definition {
            Definition::Type(ty) if !self.by_name.contains_key(ty.name.text) => {
                self.by_name.insert(ty.name.text.into(), self.types.len());
                self.types.push(TypeDefinition {
                    name: ty.name.text.into(),
                    kind: ty.kind,
                    fields: Named::default(),
                    interfaces: Vec::new(),
                    possible: Vec::new(),
                    values: Vec::new(),
                    inputs: Named::default(),
                    is_one_of: false,
                });
                self.members.push(Vec::new());
                self.defined.push(false);
            }
            Definition::Schema(roots) => {
                let roots = roots.iter().map(|(kind, name)| (kind.text, name.text));
                self.roots.extend(roots);
            }
            _ => {}
        }
    }

    fn find(&self, name: &str) -> Result<TypeId, SchemaError> {
        self.by_name
            .get(name)
            .copied()
            .ok_or_else(|| SchemaError(format!("the type `{name}` is not defined")))
    }

    fn ty(&self, ty: &Type<'_>) -> Result<Ty, SchemaError> {
        use crate::ast::TypeKind;
        Ok(match &ty.kind {
            TypeKind::Named(name) => Ty::Named(self.find(name)?),
            TypeKind::List(inner) => Ty::List(Box::new(self.ty(inner)?)),
            TypeKind::NonNull(inner) => Ty::NonNull(Box::new(self.ty(inner)?)),
        })
    }

    fn inputs(&self, inputs: &[InputSyntax<'_>]) -> Result<Named<InputDefinition>, SchemaError> {
        let mut named = Named::default();
        for input in inputs {
            let name = input.name.text;
            let definition = InputDefinition {
                name: name.into(),
                ty: self.ty(&input.ty)?,
                default: input.default.as_ref().map(literal::untyped_constant),
            };
            if !named.insert(name, definition) {
                return Err(SchemaError(format!("`{name}` is defined twice")));
            }
        }
        Ok(named)
    }

    fn define(&mut self, definition: &Definition<'a>) -> Result<(), SchemaError> {
        match definition {
            Definition::Schema(_) => {}
            Definition::Directive {
                name,
                arguments,
                is_repeatable,
                locations,
            } => {
                if self.directives.contains_key(name.text) {
                    return Ok(());
                }
                let directive = DirectiveDefinition {
                    arguments: self.inputs(arguments)?,
                    locations: locations.iter().map(|name| name.text.into()).collect(),
                    is_repeatable: *is_repeatable,
                };
                self.directives.insert(name.text.into(), directive);
            }
            Definition::Type(syntax) => {
                let id = self.find(syntax.name.text)?;
                if !syntax.is_extension && std::mem::replace(&mut self.defined[id], true) {
                    // The built-in definition is ignored if the schema has its own.
                    return Ok(());
                }
                self.define_type(id, syntax)?;
            }
        }
        Ok(())
    }

    fn define_type(&mut self, id: TypeId, syntax: &TypeSyntax<'a>) -> Result<(), SchemaError> {
        for field in &syntax.fields {
            let name = field.name.text;
            let definition = FieldDefinition {
                name: name.into(),
                arguments: self.inputs(&field.arguments)?,
                ty: self.ty(&field.ty)?,
            };
            if !self.types[id].fields.insert(name, definition) {
                return Err(SchemaError(format!(
                    "`{}.{name}` is defined twice",
                    syntax.name.text
                )));
            }
        }
        let inputs = self.inputs(&syntax.inputs)?;
        for input in inputs.list {
            let name = input.name.clone();
            self.types[id].inputs.insert(&name, input);
        }
        for interface in &syntax.interfaces {
            let interface = self.find(interface.text)?;
            self.types[id].interfaces.push(interface);
        }
        for member in &syntax.members {
            let member = self.find(member.text)?;
            self.members[id].push(member);
        }
        let ty = &mut self.types[id];
        ty.values
            .extend(syntax.values.iter().map(|name| name.text.into()));
        ty.is_one_of |= syntax
            .directives
            .iter()
            .any(|directive| directive.name.text == "oneOf");
        Ok(())
    }

    fn finish(mut self, own: &'a [Definition<'a>]) -> Result<Schema, SchemaError> {
        self.close_interfaces();
        self.find_possible();
        let has_schema = own
            .iter()
            .any(|definition| matches!(definition, Definition::Schema(roots) if !roots.is_empty()));
        let root = |kind: &str, usual: &str| match self.roots.get(kind) {
            Some(name) => self.find(name).map(Some),
            None if has_schema => Ok(None),
            None => Ok(self.by_name.get(usual).copied()),
        };
        let query = root("query", "Query")?;
        let query = query.ok_or_else(|| SchemaError("the schema has no query type".to_owned()))?;
        let mutation = root("mutation", "Mutation")?;
        let subscription = root("subscription", "Subscription")?;
        let root = self.find("__Root")?;
        let fields = std::mem::take(&mut self.types[root].fields);
        self.by_name.remove("__Root");
        let mut fields = fields.list.into_iter();
        let (Some(typename), Some(schema_field), Some(type_field)) =
            (fields.next(), fields.next(), fields.next())
        else {
            return Err(SchemaError("the schema defines `__Root`".to_owned()));
        };
        let mut schema = Schema {
            types: self.types,
            by_name: self.by_name,
            query,
            mutation,
            subscription,
            directives: self.directives,
            typename,
            schema_field,
            type_field,
        };
        defaults::read(&mut schema);
        Ok(schema)
    }

    /// Adds the interfaces of interfaces to each type, even if the schema leaves them out.
    fn close_interfaces(&mut self) {
        for id in 0..self.types.len() {
            let mut at = 0;
            while let Some(&interface) = self.types[id].interfaces.get(at) {
                for further in self.types[interface].interfaces.clone() {
                    if !self.types[id].interfaces.contains(&further) {
                        self.types[id].interfaces.push(further);
                    }
                }
                at += 1;
            }
        }
    }

    fn find_possible(&mut self) {
        for id in 0..self.types.len() {
            match self.types[id].kind {
                Kind::Object => {
                    self.types[id].possible.push(id);
                    for interface in self.types[id].interfaces.clone() {
                        self.types[interface].possible.push(id);
                    }
                }
                Kind::Union => {
                    let mut members = std::mem::take(&mut self.members[id]);
                    members.sort_unstable();
                    members.dedup();
                    self.types[id].possible = members;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_knows_what_its_abstract_types_stand_for() {
        let schema = Schema::parse(
            r#"
            "A thing" interface Node { id: ID! }
            interface Named implements Node { id: ID! name: String }
            type A implements Named & Node { id: ID! name: String }
            type B implements Named { id: ID! name: String }
            union Any = | A | C
            type C { x(a: [Int!]! = [1], """b""" b: In = { n: 2 }): Int @deprecated }
            input In @oneOf { n: Int s: String }
            extend type C { y: Any }
            enum E { ONE "two" TWO }
            directive @d(a: Int) repeatable on FIELD | QUERY
            type Query { node: Node }
            "#,
        )
        .unwrap();
        let possible = |name: &str| -> Vec<_> {
            let ty = schema.ty(schema.find(name).unwrap());
            ty.possible.iter().map(|&id| &*schema.ty(id).name).collect()
        };
        assert_eq!(possible("Node"), ["A", "B"]);
        assert_eq!(possible("Named"), ["A", "B"]);
        assert_eq!(possible("Any"), ["A", "C"]);
        assert!(schema.ty(schema.find("In").unwrap()).is_one_of);
        assert!(schema.directive("d").unwrap().is_repeatable);
        let c = schema.ty(schema.find("C").unwrap());
        assert_eq!(c.fields.iter().count(), 2);
        assert!(
            schema
                .field(schema.find("Query").unwrap(), "__schema")
                .is_some()
        );
        assert!(schema.find("__Root").is_none());
    }

    #[test]
    fn what_defines_no_schema_is_refused() {
        for sdl in [
            "type A { x: Int }",
            "type Query { x: Nothing }",
            "type Query { x: Int x: Int }",
            "type Query {",
        ] {
            assert!(Schema::parse(sdl).is_err(), "{sdl}");
        }
    }
}
