//! Arguments, directives and variable definitions of a normalised operation.

use async_graphql::{
    Name, Positioned,
    parser::types::{self, BaseType, Type, VariableDefinition},
};
use async_graphql_value::Value;

use super::normalising::{Normalising, positioned};
use crate::{
    ast::{self, Argument, Directive, Operation, ValueKind},
    error::Pos,
    literal,
    schema::{InputDefinition, Named, Schema, Ty},
    typed_literal,
};

type Arguments = Vec<(Positioned<Name>, Positioned<Value>)>;

impl<'d> Normalising<'d> {
    pub(super) fn arguments(
        &mut self,
        arguments: &'d [Argument<'d>],
        definitions: &Named<InputDefinition>,
    ) -> Arguments {
        let mut read = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = match definitions.get(argument.name.text) {
                Some(definition) => {
                    typed_literal::typed(self.schema, &argument.value, &definition.ty)
                }
                None => literal::untyped(&argument.value),
            };
            self.note(
                &argument.value,
                definitions.get(argument.name.text).map(|it| &it.ty),
            );
            if let ValueKind::Variable(name) = argument.value.kind
                && self
                    .variables
                    .get(name)
                    .is_some_and(|(_, is_optional)| *is_optional)
                && !self.optional.iter().any(|known| known.as_str() == name)
            {
                self.optional.push(Name::new(name));
            }
            let name = positioned(argument.name.pos, Name::new(argument.name.text));
            read.push((name, positioned(argument.value.pos, value)));
        }
        read
    }

    /// Notes the size of a value and the variables in it. `ty` is the expected type; `None` if it is not known, as inside a custom scalar.
    fn note(&mut self, value: &'d ast::Value<'d>, ty: Option<&Ty>) {
        self.text += 64;
        match &value.kind {
            ValueKind::Variable(name) => {
                self.used.insert(name);
                self.note_not_null(name, value.pos, ty);
            }
            ValueKind::String(text, _) => self.text += text.len(),
            ValueKind::List(items) => {
                let inner = match ty.map(Ty::nullable) {
                    Some(Ty::List(inner)) => Some(&**inner),
                    _ => None,
                };
                items.iter().for_each(|item| self.note(item, inner));
            }
            ValueKind::Object(fields) => {
                let schema = self.schema;
                // A single object may be written for a list of one.
                let inputs = ty.map(|ty| &schema.ty(ty.base()).inputs);
                for field in fields {
                    self.text += 64 + field.name.text.len();
                    let input = inputs.and_then(|inputs| inputs.get(field.name.text));
                    self.note(&field.value, input.map(|input| &input.ty));
                }
            }
            _ => {}
        }
    }

    /// Notes a nullable variable that is used where null is not allowed. Validation accepts this if the variable or the place has a
    /// default, but the value must still not be null.
    fn note_not_null(&mut self, name: &str, pos: Pos, ty: Option<&Ty>) {
        let may_be_null = self
            .variables
            .get(name)
            .is_some_and(|(ty, _)| !ty.is_non_null());
        if may_be_null
            && ty.is_some_and(Ty::is_non_null)
            && !self
                .not_null
                .iter()
                .any(|(known, _)| known.as_str() == name)
        {
            self.not_null.push((Name::new(name), pos));
        }
    }

    /// The directives other than `@skip` and `@include`.
    pub(super) fn directives(
        &mut self,
        directives: &'d [Directive<'d>],
    ) -> Vec<Positioned<types::Directive>> {
        let mut read = Vec::new();
        for directive in directives {
            if matches!(directive.name.text, "skip" | "include") {
                continue;
            }
            let arguments = match self.schema.directive(directive.name.text) {
                Some(definition) => self.arguments(&directive.arguments, &definition.arguments),
                None => Vec::new(),
            };
            let name = positioned(directive.name.pos, Name::new(directive.name.text));
            read.push(positioned(
                directive.pos,
                types::Directive { name, arguments },
            ));
        }
        read
    }

    /// The definitions of the variables that are still used. They have no defaults, which were applied when the variables were coerced.
    pub(super) fn definitions(
        &mut self,
        operation: &'d Operation<'d>,
    ) -> Vec<Positioned<VariableDefinition>> {
        let mut definitions = Vec::new();
        for variable in &operation.variables {
            let name = variable.name.text;
            let Some((ty, _)) = self.variables.get(name) else {
                continue;
            };
            if !self.used.contains(name) {
                continue;
            }
            self.text += 200 + name.len();
            let definition = VariableDefinition {
                name: positioned(variable.name.pos, Name::new(name)),
                var_type: positioned(variable.ty.pos, engine_type(self.schema, ty)),
                directives: Vec::new(),
                default_value: None,
            };
            definitions.push(positioned(variable.pos, definition));
        }
        definitions
    }
}

fn engine_type(schema: &Schema, ty: &Ty) -> Type {
    let base = match ty.nullable() {
        Ty::List(inner) => BaseType::List(Box::new(engine_type(schema, inner))),
        named => BaseType::Named(Name::new(&schema.ty(named.base()).name)),
    };
    Type {
        base,
        nullable: !ty.is_non_null(),
    }
}
