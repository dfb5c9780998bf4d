//! The schema. A resolver reads its arguments, and calls one function with the operation's unit.

use async_graphql::{
    Context, Error, ErrorExtensions, ID, Object, Result, Schema, Subscription,
    futures_util::{Stream, stream},
};
use graphql_service::{Limits, RequestErrors};
use tokio::sync::broadcast::{self, error::RecvError};
use unit_of_work::{ContextExt, Database, IdempotencySettings, UnitOfWorkExtension, redeliver};

use crate::{entity, note};

/// The schema, whose operations are units of work on this database.
pub fn schema(database: Database, limits: &Limits) -> Schema<Query, Mutation, Subscriptions> {
    let exists = refusal("NOTE_EXISTS", "There is such a note already.");
    let units = UnitOfWorkExtension::new(database)
        .idempotency(IdempotencySettings::default())
        // What PostgreSQL calls the constraint, and what SQLite does.
        .constraint(["note_text_key", "note.text"], exists);
    Schema::build(Query, Mutation, Subscriptions)
        .data(Written::new(100))
        .extension(RequestErrors::around_units(units, limits))
        .finish()
}

/// Tells subscribers the ids of notes that were committed by this process. With several servers, let the database tell all of them
/// (an outbox, or PostgreSQL's NOTIFY).
type Written = broadcast::Sender<i64>;

fn refusal(code: &'static str, message: &str) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code))
}

fn number(id: &ID) -> Result<i64> {
    id.parse().map_err(|_| no_such_note())
}

fn no_such_note() -> Error {
    refusal("NO_SUCH_NOTE", "There is no such note.")
}

/// A note.
pub struct Note(entity::note::Model);

#[Object]
impl Note {
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    async fn text(&self) -> &str {
        &self.0.text
    }

    async fn is_read(&self) -> bool {
        self.0.is_read
    }
}

/// What can be read.
pub struct Query;

#[Object]
impl Query {
    /// At most 100 notes, in the order in which they were written.
    async fn notes(
        &self,
        ctx: &Context<'_>,
        after: Option<ID>,
        #[graphql(default = 20)] first: u64,
    ) -> Result<Vec<Note>> {
        let after = after.as_ref().map(number).transpose()?.unwrap_or(0);
        let page = note::page(ctx.unit(), after, first).await?;
        Ok(page.into_iter().map(Note).collect())
    }
}

/// What can be done.
pub struct Mutation;

#[Object]
impl Mutation {
    /// Writes a note.
    async fn write_note(&self, ctx: &Context<'_>, text: String) -> Result<Note> {
        if text.is_empty() {
            return Err(refusal("NOTE_EMPTY", "A note has a text."));
        }
        let note = note::write(ctx.unit(), text).await?;
        let (id, written) = (note.id, ctx.data_unchecked::<Written>().clone());
        // Nobody hears of a note that was rolled back.
        ctx.unit().after_commit(async move {
            let _ = written.send(id);
        });
        Ok(Note(note))
    }

    /// Marks a note as read.
    async fn mark_note_read(&self, ctx: &Context<'_>, id: ID) -> Result<Note> {
        let note = note::mark_read(ctx.unit(), number(&id)?).await?;
        note.map(Note).ok_or_else(no_such_note)
    }
}

/// What can be followed.
pub struct Subscriptions;

#[Subscription]
impl Subscriptions {
    /// Notes, as they are written.
    async fn note_written(&self, ctx: &Context<'_>) -> impl Stream<Item = Result<NoteWritten>> {
        let written = ctx.data_unchecked::<Written>().subscribe();
        let events = stream::unfold(Some(written), async |written| {
            let mut written = written?;
            match written.recv().await {
                Ok(id) => Some((Ok(NoteWritten(id)), Some(written))),
                Err(RecvError::Lagged(_)) => Some((Err(interrupted()), None)),
                Err(RecvError::Closed) => None,
            }
        });
        // An event whose read met a conflict or a lost connection is read again.
        redeliver(ctx, events, |_, _| interrupted())
    }
}

fn interrupted() -> Error {
    let message = "Notes were missed: read them with the query, and subscribe again.";
    refusal("INTERRUPTED", message)
}

/// A note was written.
#[derive(Clone, Copy)]
pub struct NoteWritten(i64);

#[Object]
impl NoteWritten {
    /// The note, as it is now. Each event has a unit of its own to read it.
    async fn note(&self, ctx: &Context<'_>) -> Result<Note> {
        let note = note::find(ctx.unit(), self.0).await?;
        note.map(Note).ok_or_else(no_such_note)
    }
}
