//! Selects the additional fields with which `interfaces` completes the answer; the reason is there.

use std::borrow::Cow;

use async_graphql::{
    Name, Positioned,
    parser::types::{self, Selection},
};
use async_graphql_value::Value as Argument;

use super::{
    interfaces::InterfacesField,
    normalising::{Groups, Items, Normalising, NotNormalised},
};
use crate::{
    ast,
    schema::{Kind, Schema, TypeId},
};

/// The prefix of the additional response keys. If a document has such keys itself, the prefix is made longer.
const BESIDE: &str = "__interfaces";

impl<'d> Normalising<'d> {
    /// Adds the additional fields to a selection on `__Type` that has `interfaces`.
    pub(super) fn ask_beside_interfaces(
        &mut self,
        groups: &Groups<'d>,
        parent: TypeId,
        items: &mut Items,
    ) -> Result<(), NotNormalised> {
        for group in &groups.list {
            let field = group[0];
            if field.name.text != "interfaces" {
                continue;
            }
            let sets: Vec<_> = group
                .iter()
                .filter_map(|one| one.selections.as_ref())
                .collect();
            let at = types::Field {
                alias: None,
                name: Positioned::new(Name::new("name"), field.pos.into()),
                arguments: Vec::new(),
                directives: Vec::new(),
                selection_set: Positioned::default(),
            };
            let (name, item) = self.beside(&at);
            items.push(item);
            let mut implemented = Vec::new();
            for interface in implemented_by_interfaces(self.schema) {
                let (key, item) = self.interface(interface, &sets, parent, &at)?;
                self.beside_root.push(item);
                implemented.push((interface, key));
            }
            self.asked.push(InterfacesField {
                path: self.path.iter().map(Name::new).collect(),
                interfaces: Name::new(field.response_key()),
                name,
                implemented,
            });
        }
        Ok(())
    }

    /// A field `__type` for an interface, with these selections.
    fn interface(
        &mut self,
        interface: TypeId,
        sets: &[&'d ast::SelectionSet<'d>],
        parent: TypeId,
        at: &types::Field,
    ) -> Result<(Name, Positioned<Selection>), NotNormalised> {
        let position = &at.name;
        let argument = Argument::String(self.schema.ty(interface).name.to_string());
        let mut asked = types::Field {
            name: position.position_node(Name::new("__type")),
            arguments: vec![(position.clone(), position.position_node(argument))],
            ..at.clone()
        };
        let (key, _) = self.beside(&asked);
        let there = vec![Cow::Owned(key.to_string())];
        let here = std::mem::replace(&mut self.path, there);
        let items = self.sets(sets, parent)?;
        self.path = here;
        asked.alias = Some(position.position_node(key.clone()));
        asked.selection_set = position.position_node(types::SelectionSet { items });
        let item = Selection::Field(position.position_node(asked));
        Ok((key, position.position_node(item)))
    }

    /// A field with a response key that the document does not have.
    fn beside(&mut self, field: &types::Field) -> (Name, Positioned<Selection>) {
        let prefix = self.beside_prefix.get_or_insert_with(|| {
            let mut prefix = BESIDE.to_owned();
            while self.document.has_key_like(&prefix) {
                prefix.push('_');
            }
            prefix
        });
        self.fields += 1;
        let key = Name::new(format!("{prefix}{}", self.fields));
        let mut field = field.clone();
        let position = field.name.clone();
        field.alias = Some(position.position_node(key.clone()));
        let item = Selection::Field(position.position_node(field));
        (key, position.position_node(item))
    }
}

/// The interfaces that other interfaces implement.
fn implemented_by_interfaces(schema: &Schema) -> Vec<TypeId> {
    let interfaces = schema
        .types()
        .filter(|(_, ty)| ty.kind == Kind::Interface)
        .flat_map(|(_, ty)| ty.interfaces.iter().copied());
    let mut interfaces: Vec<_> = interfaces.collect();
    interfaces.sort_unstable();
    interfaces.dedup();
    interfaces
}
