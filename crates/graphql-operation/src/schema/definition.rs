//! The definitions of a schema: its types, fields, arguments and directives.

use std::collections::HashMap;

use async_graphql::{Value as ConstValue, parser::types::OperationType};

use crate::ast;

/// The number of a type.
pub(crate) type TypeId = usize;

/// A schema, read from its definition language. See [`Schema::parse`].
///
/// ```
/// use graphql_operation::Schema;
///
/// let schema = Schema::parse("type Query { one: Int! }")?;
/// # let _ = schema;
/// # Ok::<(), graphql_operation::SchemaError>(())
/// ```
#[derive(Debug)]
pub struct Schema {
    pub(super) types: Vec<TypeDefinition>,
    pub(super) by_name: HashMap<Box<str>, TypeId>,
    pub(super) query: TypeId,
    pub(super) mutation: Option<TypeId>,
    pub(super) subscription: Option<TypeId>,
    pub(super) directives: HashMap<Box<str>, DirectiveDefinition>,
    pub(super) typename: FieldDefinition,
    pub(super) schema_field: FieldDefinition,
    pub(super) type_field: FieldDefinition,
}

/// A text that does not define a schema.
///
/// ```
/// assert!(graphql_operation::Schema::parse("type Query {").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(pub(crate) String);

impl std::fmt::Display for SchemaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

/// A type reference: a named type, with lists and non-nulls around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ty {
    Named(TypeId),
    List(Box<Ty>),
    NonNull(Box<Ty>),
}

impl Ty {
    /// The type inside all lists.
    pub(crate) fn base(&self) -> TypeId {
        match self {
            Self::Named(id) => *id,
            Self::List(inner) | Self::NonNull(inner) => inner.base(),
        }
    }

    pub(crate) fn is_non_null(&self) -> bool {
        matches!(self, Self::NonNull(_))
    }

    /// The type without its outermost non-null.
    pub(crate) fn nullable(&self) -> &Self {
        match self {
            Self::NonNull(inner) => inner,
            nullable => nullable,
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.nullable(), Self::List(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar,
    Object,
    Interface,
    Union,
    Enum,
    InputObject,
}

#[derive(Debug)]
pub(crate) struct TypeDefinition {
    pub(crate) name: Box<str>,
    pub(crate) kind: Kind,
    pub(crate) fields: Named<FieldDefinition>,
    pub(crate) interfaces: Vec<TypeId>,
    /// The possible object types, in ascending order. An object type has itself.
    pub(crate) possible: Vec<TypeId>,
    pub(crate) values: Vec<Box<str>>,
    pub(crate) inputs: Named<InputDefinition>,
    pub(crate) is_one_of: bool,
}

impl TypeDefinition {
    pub(crate) fn is_composite(&self) -> bool {
        matches!(self.kind, Kind::Object | Kind::Interface | Kind::Union)
    }

    pub(crate) fn is_abstract(&self) -> bool {
        matches!(self.kind, Kind::Interface | Kind::Union)
    }

    pub(crate) fn is_input(&self) -> bool {
        matches!(self.kind, Kind::Scalar | Kind::Enum | Kind::InputObject)
    }
}

#[derive(Debug)]
pub(crate) struct FieldDefinition {
    pub(crate) name: Box<str>,
    pub(crate) arguments: Named<InputDefinition>,
    pub(crate) ty: Ty,
}

/// An argument, or a field of an input object.
#[derive(Debug)]
pub(crate) struct InputDefinition {
    pub(crate) name: Box<str>,
    pub(crate) ty: Ty,
    pub(crate) default: Option<ConstValue>,
}

impl InputDefinition {
    pub(crate) fn is_required(&self) -> bool {
        self.ty.is_non_null() && self.default.is_none()
    }
}

#[derive(Debug)]
pub(crate) struct DirectiveDefinition {
    pub(crate) arguments: Named<InputDefinition>,
    pub(crate) locations: Vec<Box<str>>,
    pub(crate) is_repeatable: bool,
}

/// Named items, in their order.
#[derive(Debug)]
pub(crate) struct Named<T> {
    pub(super) list: Vec<T>,
    index: HashMap<Box<str>, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            index: HashMap::new(),
        }
    }
}

impl<T> Named<T> {
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.index.get(name).map(|&at| &self.list[at])
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.list.iter_mut()
    }

    pub(super) fn insert(&mut self, name: &str, one: T) -> bool {
        let is_new = self.index.insert(name.into(), self.list.len()).is_none();
        self.list.push(one);
        is_new
    }
}

impl Schema {
    pub(crate) fn ty(&self, id: TypeId) -> &TypeDefinition {
        &self.types[id]
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = (TypeId, &TypeDefinition)> {
        self.types.iter().enumerate()
    }

    pub(crate) fn find(&self, name: &str) -> Option<TypeId> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn directive(&self, name: &str) -> Option<&DirectiveDefinition> {
        self.directives.get(name)
    }

    pub(crate) fn directives(&self) -> impl Iterator<Item = (&str, &DirectiveDefinition)> {
        self.directives
            .iter()
            .map(|(name, directive)| (&**name, directive))
    }

    pub(crate) fn root(&self, kind: OperationType) -> Option<TypeId> {
        match kind {
            OperationType::Query => Some(self.query),
            OperationType::Mutation => self.mutation,
            OperationType::Subscription => self.subscription,
        }
    }

    /// A field of a type, or one of the meta-fields `__typename`, `__schema` and `__type`.
    pub(crate) fn field(&self, of: TypeId, name: &str) -> Option<&FieldDefinition> {
        let ty = self.ty(of);
        if name.starts_with("__") {
            return match name {
                "__typename" if ty.is_composite() => Some(&self.typename),
                "__schema" if of == self.query => Some(&self.schema_field),
                "__type" if of == self.query => Some(&self.type_field),
                _ => ty.fields.get(name),
            };
        }
        ty.fields.get(name)
    }

    /// Resolves a type reference of a document; `None` if its name is unknown.
    pub(crate) fn resolve(&self, ty: &ast::Type<'_>) -> Option<Ty> {
        Some(match &ty.kind {
            ast::TypeKind::Named(name) => Ty::Named(self.find(name)?),
            ast::TypeKind::List(inner) => Ty::List(Box::new(self.resolve(inner)?)),
            ast::TypeKind::NonNull(inner) => Ty::NonNull(Box::new(self.resolve(inner)?)),
        })
    }

    /// A type reference as a document writes it.
    pub(crate) fn show(&self, ty: &Ty) -> String {
        match ty {
            Ty::Named(id) => self.ty(*id).name.to_string(),
            Ty::List(inner) => format!("[{}]", self.show(inner)),
            Ty::NonNull(inner) => format!("{}!", self.show(inner)),
        }
    }

    /// Whether an object type is possible for both types.
    pub(crate) fn overlap(&self, one: TypeId, other: TypeId) -> bool {
        if one == other {
            return true;
        }
        let (one, other) = (&self.ty(one).possible, &self.ty(other).possible);
        one.iter().any(|id| other.binary_search(id).is_ok())
    }

    /// Whether a type is a subtype of another: a possible type of it, or an interface that implements it.
    pub(crate) fn is_subtype(&self, one: TypeId, of: TypeId) -> bool {
        one == of
            || self.ty(of).possible.binary_search(&one).is_ok()
            || self.ty(one).interfaces.contains(&of)
    }
}
