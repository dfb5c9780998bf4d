//! Relay connections (<https://relay.dev/graphql/connections.htm>) over the ledger's keyset pages.

use async_graphql::{
    OutputType,
    connection::{
        Connection, ConnectionNameType, DisableNodesField, Edge, EdgeNameType, EmptyFields,
    },
};

use crate::ledger::Page;

macro_rules! connection_names {
    ($connection:ident, $connection_name:literal, $edge:ident, $edge_name:literal) => {
        /// The name of the connection's type.
        pub struct $connection;

        impl ConnectionNameType for $connection {
            fn type_name<T: OutputType>() -> String {
                $connection_name.to_owned()
            }
        }

        /// The name of its edges' type.
        pub struct $edge;

        impl EdgeNameType for $edge {
            fn type_name<T: OutputType>() -> String {
                $edge_name.to_owned()
            }
        }
    };
}

connection_names!(
    AccountConnectionName,
    "AccountConnection",
    AccountEdgeName,
    "AccountEdge"
);
connection_names!(
    EntryConnectionName,
    "EntryConnection",
    EntryEdgeName,
    "EntryEdge"
);

connection_names!(
    AccountGroupConnectionName,
    "AccountGroupConnection",
    AccountGroupEdgeName,
    "AccountGroupEdge"
);

connection_names!(
    AccountGroupChangeConnectionName,
    "AccountGroupChangeConnection",
    AccountGroupChangeEdgeName,
    "AccountGroupChangeEdge"
);

connection_names!(
    ClosingConnectionName,
    "ClosingConnection",
    ClosingEdgeName,
    "ClosingEdge"
);

connection_names!(
    AccountChangeConnectionName,
    "AccountChangeConnection",
    AccountChangeEdgeName,
    "AccountChangeEdge"
);

connection_names!(
    StatementLineConnectionName,
    "StatementLineConnection",
    StatementLineEdgeName,
    "StatementLineEdge"
);

/// A connection without the shortcut `nodes`: edges, a cursor on each, and `pageInfo`.
pub type ConnectionOf<Node, Total, Name, EdgeName> =
    Connection<String, Node, Total, EmptyFields, Name, EdgeName, DisableNodesField>;

/// A page of the ledger as a connection.
pub fn connection<Model, Node, Total, Name, EdgeName>(
    page: Page<Model>,
    total: Total,
    node: impl Fn(Model) -> Node,
) -> ConnectionOf<Node, Total, Name, EdgeName>
where
    Node: OutputType,
    Total: async_graphql::ObjectType,
    Name: ConnectionNameType,
    EdgeName: EdgeNameType,
{
    let mut connection =
        Connection::with_additional_fields(page.has_previous_page, page.has_next_page, total);
    connection.edges = page
        .edges
        .into_iter()
        .map(|edge| Edge::new(edge.cursor, node(edge.node)))
        .collect();
    connection
}
