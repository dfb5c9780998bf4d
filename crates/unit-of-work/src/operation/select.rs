//! Selects the operation of a document that a request means.

use std::any::TypeId;

use async_graphql::{
    Positioned, Request,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};

/// The operation that the engine will run. `None` if the name does not determine it; then the engine refuses the request.
pub(crate) fn select<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a Positioned<OperationDefinition>> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(operation),
        // The only operation has no name.
        (DocumentOperations::Single(_), Some(_)) => None,
        (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name),
        (DocumentOperations::Multiple(operations), None) => {
            let mut operations = operations.values();
            operations.next().filter(|_| operations.next().is_none())
        }
    }
}

/// The kind of a request's operation. `None` if the text does not show it: it does not parse, it is not clear which operation is meant, or
/// the request names a document that only an extension of the schema knows. The request keeps the parsed document.
///
/// If the operation was prepared, its kind is in the request's data, and nothing is parsed.
pub(crate) fn kind_of(request: &mut Request) -> Option<OperationType> {
    let prepared = request.data.get(&TypeId::of::<OperationType>());
    if let Some(kind) = prepared.and_then(|kind| kind.downcast_ref()) {
        return Some(*kind);
    }
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    select(document, name.as_deref()).map(|operation| operation.node.ty)
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn only_what_the_engine_will_run_is_selected() {
        let kind = |document: &str, name| {
            let document = parse_query(document).expect("parses");
            select(&document, name).map(|operation| operation.node.ty)
        };
        assert_eq!(kind("{ a }", None), Some(OperationType::Query));
        assert_eq!(kind("{ a }", Some("A")), None);
        assert_eq!(
            kind("mutation A { a }", None),
            Some(OperationType::Mutation)
        );
        assert_eq!(
            kind("mutation A { a }", Some("A")),
            Some(OperationType::Mutation)
        );
        let two = "query A { a } mutation B { b }";
        assert_eq!(kind(two, Some("B")), Some(OperationType::Mutation));
        assert_eq!(kind(two, Some("C")), None);
        assert_eq!(kind(two, None), None);
    }
}
