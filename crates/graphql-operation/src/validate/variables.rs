//! Rules of the uses of variables: each must be defined, used, and of a type that fits.

use std::collections::{HashMap, HashSet};

use super::validator::{Use, Validator};
use crate::{
    ast::{Operation, ValueKind, VariableDefinition},
    schema::Ty,
};

impl<'d> Validator<'d> {
    pub(super) fn variables(&mut self) {
        let document = self.document;
        for (place, operation) in document.operations.iter().enumerate() {
            let definitions: HashMap<_, _> = operation
                .variables
                .iter()
                .map(|variable| {
                    (
                        variable.name.text,
                        (variable, self.schema.resolve(&variable.ty)),
                    )
                })
                .collect();
            let mut used = HashSet::new();
            let mut places = vec![place];
            let fragments = self.reachable(place);
            places.extend(fragments.iter().map(|&number| self.place_of(number)));
            // In the order of the document, so that errors are reported in it.
            places.sort_unstable();
            for place in places {
                for at in 0..self.uses[place].len() {
                    let usage = self.uses[place][at];
                    match definitions.get(usage.name) {
                        None => self.undefined(&usage, operation),
                        Some((variable, ty)) => {
                            used.insert(usage.name);
                            if let Some(ty) = ty {
                                self.allowed(&usage, variable, ty);
                            }
                        }
                    }
                }
            }
            for variable in &operation.variables {
                let name = variable.name.text;
                if !used.contains(name) {
                    let of = of_operation(operation, "in");
                    self.error(
                        format!("Variable \"${name}\" is never used{of}."),
                        &[variable.pos],
                    );
                }
            }
        }
    }

    fn undefined(&mut self, usage: &Use<'d>, operation: &'d Operation<'d>) {
        let of = of_operation(operation, "by");
        self.error(
            format!("Variable \"${}\" is not defined{of}.", usage.name),
            &[usage.pos, operation.pos],
        );
    }

    /// Specification, "All Variable Usages Are Allowed".
    fn allowed(&mut self, usage: &Use<'d>, variable: &'d VariableDefinition<'d>, ty: &Ty) {
        let Some(expected) = usage.ty else {
            return;
        };
        let schema = self.schema;
        if let Some(one_of) = usage.one_of
            && !ty.is_non_null()
        {
            let (shown, object) = (schema.show(ty), self.name_of(one_of));
            self.error(
                format!(
                    "Variable \"${}\" is of type \"{shown}\" but must be non-nullable to be used for OneOf Input Object \"{object}\".",
                    usage.name
                ),
                &[variable.pos, usage.pos],
            );
            return;
        }
        let has_value = variable
            .default
            .as_ref()
            .is_some_and(|default| !matches!(default.kind, ValueKind::Null));
        let expected_of_it = if expected.is_non_null() && (has_value || usage.has_default) {
            expected.nullable()
        } else {
            expected
        };
        if !fits(ty, expected_of_it) {
            let (shown, expected) = (schema.show(ty), schema.show(expected));
            self.error(
                format!(
                    "Variable \"${}\" of type \"{shown}\" used in position expecting type \"{expected}\".",
                    usage.name
                ),
                &[variable.pos, usage.pos],
            );
        }
    }
}

/// Whether each value of one type is a value of the other.
fn fits(one: &Ty, of: &Ty) -> bool {
    match (one, of) {
        (Ty::NonNull(one), Ty::NonNull(of)) => fits(one, of),
        (_, Ty::NonNull(_)) => false,
        (Ty::NonNull(one), of) => fits(one, of),
        (Ty::List(one), Ty::List(of)) => fits(one, of),
        (Ty::Named(one), Ty::Named(of)) => one == of,
        (Ty::List(_), Ty::Named(_)) | (Ty::Named(_), Ty::List(_)) => false,
    }
}

fn of_operation(operation: &Operation<'_>, preposition: &str) -> String {
    operation.name.map_or_else(String::new, |name| {
        format!(" {preposition} operation \"{}\"", name.text)
    })
}
