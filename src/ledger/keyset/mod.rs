//! Pages of a connection, as the [Relay specification](https://relay.dev/graphql/connections.htm) has them, by keyset.
//!
//! Rows are ordered by one column and, within equal values, by id. A cursor is the position of a row in that order (value and id),
//! not its number, so a page neither repeats nor skips a row when others are written meanwhile. It says which order it belongs to,
//! and another order refuses it.
//!
//! Both `hasNextPage` and `hasPreviousPage` are right, not guessed: the one in the direction of travel by reading one row more, the
//! other, only where a cursor was given, by one more statement that asks whether a row exists there.

mod cursor;

use super::{AccountNotFound, Code, GroupNotFound, InvalidInput};
pub(super) use cursor::Key;
pub(super) use cursor::Position;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, Order, QueryFilter,
    QueryOrder, QuerySelect, Select, SelectExt,
};
use uuid::Uuid;

const DEFAULT: u64 = 20;
const MOST: u64 = 100;

/// The arguments of a connection.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// How many from the start (or from `after`); 20 when neither this nor `last` is given.
    pub first: Option<i32>,
    /// Only what follows this cursor.
    pub after: Option<String>,
    /// How many from the end (or before `before`).
    pub last: Option<i32>,
    /// Only what precedes this cursor.
    pub before: Option<String>,
}

/// A page of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<M> {
    /// In the connection's order, whichever end the page was asked for from.
    pub edges: Vec<Edge<M>>,
    /// Whether rows follow the page.
    pub has_next_page: bool,
    /// Whether rows precede the page.
    pub has_previous_page: bool,
}

/// A row, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge<M> {
    /// For `after` and `before`.
    pub cursor: String,
    /// The row.
    pub node: M,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The arguments break a rule.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The arguments name an account that there is not.
    #[error(transparent)]
    AccountNotFound(#[from] AccountNotFound),
    /// The arguments name a group of accounts that there is not.
    #[error(transparent)]
    GroupNotFound(#[from] GroupNotFound),
    /// The database failed.
    #[error("the database failed while a page was being read")]
    Database {
        /// How.
        #[from]
        source: DbErr,
    },
}

impl PageError {
    /// What clients switch on; `None` when it is not the caller's doing.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Input(input) => Some(input.code()),
            Self::AccountNotFound(_) => Some(Code::AccountNotFound),
            Self::GroupNotFound(_) => Some(Code::GroupNotFound),
            Self::Database { .. } => None,
        }
    }
}

/// An order of an entity's rows.
pub(super) struct Keyset<E: EntityTrait> {
    /// Different for each pair of entity and column; part of the cursor.
    pub(super) tag: u8,
    pub(super) column: E::Column,
    pub(super) id: E::Column,
    pub(super) descending: bool,
    pub(super) position: fn(&E::Model, E::Column) -> (Key, Uuid),
}

/// The checked arguments.
pub(super) struct Window {
    pub(super) count: u64,
    pub(super) backward: bool,
    pub(super) after: Option<Position>,
    pub(super) before: Option<Position>,
}

impl Window {
    pub(super) fn new(request: &PageRequest, tag: u8) -> Result<Self, InvalidInput> {
        let count = |field: &str, count: i32| match u64::try_from(count) {
            Ok(count) if count <= MOST => Ok(count),
            _ => Err(InvalidInput::new(
                field,
                format!("is {count}: ask for 0 to {MOST}, and page on with the cursor"),
            )),
        };
        let position = |field: &str, cursor: &Option<String>| {
            cursor
                .as_deref()
                .map(|cursor| Position::decode(field, cursor, tag))
                .transpose()
        };
        let (count, backward) = match (request.first, request.last) {
            (Some(_), Some(_)) => {
                return Err(InvalidInput::new(
                    "last",
                    "is given together with `first`: give one of them",
                ));
            }
            (Some(first), None) => (count("first", first)?, false),
            (None, Some(last)) => (count("last", last)?, true),
            (None, None) => (DEFAULT, false),
        };
        let (after, before) = (
            position("after", &request.after)?,
            position("before", &request.before)?,
        );
        Ok(Self {
            count,
            backward,
            after,
            before,
        })
    }
}

impl<E> Keyset<E>
where
    E: EntityTrait,
    E::Model: FromQueryResult + Sized + Send + Sync,
{
    /// The page of `select`'s rows that `request` asks for: one statement, and one more when it has a cursor on the near side.
    pub(super) async fn page(
        &self,
        db: &impl ConnectionTrait,
        select: Select<E>,
        request: &PageRequest,
    ) -> Result<Page<E::Model>, PageError> {
        let Window {
            count,
            backward,
            after,
            before,
        } = Window::new(request, self.tag)?;
        let engine = db.get_database_backend();
        let mut window = select.clone();
        if let Some(position) = &after {
            window = window.filter(self.beyond(engine, position, true));
        }
        if let Some(position) = &before {
            window = window.filter(self.beyond(engine, position, false));
        }
        let mut rows = self.ordered(window, count, backward).all(db).await?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let more = rows.len() > count;
        rows.truncate(count);
        if backward {
            rows.reverse();
        }

        // What lies at or beyond a cursor is outside of the window on that side.
        let exists = async |cursor: Option<Position>, following: bool| match cursor {
            Some(position) => {
                select
                    .clone()
                    .filter(self.beyond(engine, &position, following).not())
                    .exists(db)
                    .await
            }
            None => Ok(false),
        };
        let (near, far) = if backward {
            (before, after)
        } else {
            (after, before)
        };
        let behind = exists(near, !backward).await?;
        let ahead = more || exists(far, backward).await?;
        let (has_next_page, has_previous_page) = if backward {
            (behind, ahead)
        } else {
            (ahead, behind)
        };
        let edges = rows
            .into_iter()
            .map(|node| Edge {
                cursor: self.cursor(&node),
                node,
            })
            .collect();
        Ok(Page {
            edges,
            has_next_page,
            has_previous_page,
        })
    }

    /// The first rows, and one more.
    pub(super) fn first(&self, select: Select<E>, count: u64) -> Select<E> {
        self.ordered(select, count, false)
    }

    fn ordered(&self, select: Select<E>, count: u64, backward: bool) -> Select<E> {
        let order = if self.descending == backward {
            Order::Asc
        } else {
            Order::Desc
        };
        select
            .order_by(self.column, order.clone())
            .order_by(self.id, order)
            .limit(count + 1)
    }

    fn cursor(&self, row: &E::Model) -> String {
        let (key, id) = (self.position)(row, self.column);
        Position { key, id }.encode(self.tag)
    }

    /// The condition that a row follows `position` in the order (or precedes it).
    fn beyond(&self, engine: DbBackend, position: &Position, following: bool) -> SimpleExpr {
        let is_less = following == self.descending;
        if engine == DbBackend::MySql {
            // It does not read a range of an index for a comparison of rows.
            let (column, id) = (Expr::col(self.column), Expr::col(self.id));
            let key = || Expr::val(position.key.to_value());
            let (near, beyond, by_id) = match is_less {
                true => (
                    column.clone().lte(key()),
                    column.lt(key()),
                    id.lt(position.id),
                ),
                false => (
                    column.clone().gte(key()),
                    column.gt(key()),
                    id.gt(position.id),
                ),
            };
            return near.and(beyond.or(by_id));
        }
        let row = Expr::tuple([Expr::col(self.column), Expr::col(self.id)]);
        let position = Expr::tuple([Expr::val(position.key.to_value()), Expr::val(position.id)]);
        if is_less {
            row.lt(position)
        } else {
            row.gt(position)
        }
    }
}
