//! Which operation of a document a request means.

use async_graphql::{
    Positioned, Request,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};

/// The operation that the engine will run, if it runs one: where the name does not decide, it refuses.
pub(crate) fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a Positioned<OperationDefinition>> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => operations.values().next(),
    }
}

/// What kind of operation a request surely is; `None` where its document does not parse. The request keeps the document.
pub(crate) fn kind_of(request: &mut Request) -> Option<OperationType> {
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    select(document, name.as_deref()).map(|operation| operation.node.ty)
}
