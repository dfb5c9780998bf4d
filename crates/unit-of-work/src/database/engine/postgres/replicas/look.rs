//! A look at a server, before a snapshot is taken there.

use sqlx::{AssertSqlSafe, Executor as _, Postgres, Row as _};

use super::super::position::{POSITION, Position};
use crate::{
    ConsistencyToken,
    consistency::judgement::{Judgement, Place},
    database::pool::Pooled,
};

/// What a look at a replica shows.
pub(super) struct Look {
    place: Option<Place>,
    is_standby: bool,
}

/// Looks at the server at the other end, in one flight. The connection is in doubt until it has answered.
///
/// # Errors
/// Those of the question.
pub(super) async fn look(connection: &mut Pooled<Postgres>) -> Result<Look, sqlx::Error> {
    connection.in_doubt(true);
    // The role is asked for last: what was a standby then, was one before.
    let question = format!("{POSITION}; SELECT pg_is_in_recovery()::text");
    let rows = connection.fetch_all(AssertSqlSafe(question)).await?;
    connection.in_doubt(false);
    let Some((role, rows)) = rows.split_last() else {
        return Ok(Look {
            place: None,
            is_standby: false,
        });
    };
    let peer = connection.peer();
    let position = Position::read(rows);
    if let Some(token) = position.and_then(|position| position.included(peer)) {
        peer.prove(token);
    }
    let place = position.zip(peer.system_number());
    Ok(Look {
        place: place.map(|(position, system)| Place {
            system,
            timeline: position.timeline,
            position: position.position,
        }),
        is_standby: role.try_get_unchecked::<String, _>(0)? == "true",
    })
}

impl Look {
    /// Judges a replica. A server that is none is not read: it may be a primary that another one has replaced.
    pub(super) fn judge(&self, token: &ConsistencyToken) -> Judgement {
        match &self.place {
            Some(place) if self.is_standby => place.judge(token),
            _ => Judgement::Unknown,
        }
    }

    /// Whether the server is a standby.
    pub(super) fn is_standby(&self) -> bool {
        self.is_standby
    }
}
