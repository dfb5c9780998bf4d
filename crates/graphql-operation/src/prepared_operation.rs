//! A prepared operation, as it travels with its request.

use std::{any::TypeId, sync::Arc};

use async_graphql::{
    CacheControl, Data, Request, Response, ValidationResult, Variables,
    extensions::ExtensionContext,
    parser::types::{ExecutableDocument, OperationType, SelectionSet},
};

use crate::{
    known::KnownOperation,
    measure::Measure,
    normalise::{self, Template},
    options::{Options, Rules},
    print::Printed,
    schema::{Schema, TypeId as TypeOf},
};

/// A prepared operation. It travels in the request's data, so that all layers of a server agree on what it is.
///
/// `Display` writes the normalised operation.
///
/// ```
/// use async_graphql::Request;
/// use graphql_operation::{Options, Preparer, Schema};
///
/// let schema = Schema::parse("type Query { one: Int! two: Int! }")?;
/// let preparer = Preparer::new(schema, Options::default());
/// let prepared = preparer.prepare(&mut Request::new("query Both { one again: two }"))?;
/// assert_eq!(prepared.name(), Some("Both"));
/// let fields: Vec<_> = prepared.root_fields().collect();
/// assert_eq!(fields, [("one", "one"), ("again", "two")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct PreparedOperation {
    pub(crate) rules: Arc<Rules>,
    pub(crate) operation: Arc<KnownOperation>,
    pub(crate) template: Arc<Template>,
    /// The values of its conditions, for which the template was chosen.
    pub(crate) chosen: Vec<bool>,
    pub(crate) measure: Measure,
}

impl PreparedOperation {
    /// Whether it is a query, a mutation or a subscription.
    #[must_use]
    pub fn kind(&self) -> OperationType {
        self.operation.kind
    }

    /// Its name in the document.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.operation.name.as_deref()
    }

    /// The response key and the name of each root field, in order, with those in fragments.
    pub fn root_fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.template.root_fields.iter();
        fields.map(|(key, name)| (key.as_str(), name.as_str()))
    }

    /// How much it asks for.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// The normalised document, which has only this operation. `variables` are those of the request after it was prepared.
    #[must_use]
    pub fn document(&self, variables: &Variables) -> ExecutableDocument {
        self.template.document(variables)
    }

    /// The prepared operation of a request: from the request's data, or from the session's, where a retried operation has it. The session's
    /// data may hold that of another operation, which is not returned.
    #[must_use]
    pub fn carried(ctx: &ExtensionContext<'_>, request: &Request) -> Option<Arc<Self>> {
        let of = |data: &Data| {
            let carried = data.get(&TypeId::of::<Arc<Self>>())?;
            carried.downcast_ref::<Arc<Self>>().cloned()
        };
        let carried = of(&request.data).or_else(|| of(ctx.session_data))?;
        carried.is_of(request).then_some(carried)
    }

    /// The result that the engine's own validation would give.
    #[must_use]
    pub fn validation(&self) -> ValidationResult {
        ValidationResult {
            cache_control: CacheControl::default(),
            complexity: self.measure.complexity,
            depth: self.measure.depth,
        }
    }

    /// Whether the engine's response must be corrected by [`PreparedOperation::put_right`].
    #[must_use]
    pub fn is_put_right(&self) -> bool {
        !self.template.interfaces.is_empty()
    }

    /// Corrects what the engine answers to introspection. Call it for every response of an operation that is executed without
    /// [`PreparedOperations`](crate::PreparedOperations).
    pub fn put_right(&self, response: &mut Response) {
        if self.is_put_right() {
            normalise::complete(response, self.schema(), &self.template.interfaces);
        }
    }

    /// Whether it was prepared for this request.
    pub(crate) fn is_of(&self, request: &Request) -> bool {
        *self.operation.text == *request.query
            && self.operation.name == request.operation_name
            && self
                .operation
                .chosen(&request.variables)
                .eq(self.chosen.iter().copied())
    }

    pub(crate) fn options(&self) -> &Options {
        &self.rules.options
    }

    pub(crate) fn schema(&self) -> &Schema {
        &self.rules.schema
    }

    /// The type of the root, and the selections on it.
    pub(crate) fn root(&self) -> Option<(TypeOf, &SelectionSet)> {
        let root = self.schema().root(self.kind())?;
        let mut operations = self.template.document.operations.iter();
        let (_, operation) = operations.next()?;
        Some((root, &operation.node.selection_set.node))
    }

    /// Whether both are the same normalised operation, whatever their variables.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.template, &other.template)
    }
}

impl std::fmt::Display for PreparedOperation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Printed(&self.template.document).fmt(f)
    }
}
