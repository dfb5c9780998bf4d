//! One event of the journal; append-only.

use sea_orm::entity::prelude::*;

/// What an entry does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum EntryKind {
    /// Moves money.
    #[sea_orm(string_value = "POST")]
    Post,
    /// Sets money aside.
    #[sea_orm(string_value = "HOLD")]
    Hold,
    /// Moves money that a hold had set aside.
    #[sea_orm(string_value = "CAPTURE")]
    Capture,
    /// Gives back what a hold had set aside.
    #[sea_orm(string_value = "RELEASE")]
    Release,
    /// Undoes an entry.
    #[sea_orm(string_value = "REVERSAL")]
    Reversal,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entry")]
pub struct Model {
    /// UUIDv7, the last twelve bits zero.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What it does.
    pub kind: EntryKind,
    /// The hold that it ends, or of which it captures or releases a part.
    pub resolves_id: Option<Uuid>,
    /// The entry that it undoes, wholly or in part.
    pub reverses_id: Option<Uuid>,
    /// What people read.
    pub description: Option<String>,
    /// When it counts from, as the caller says.
    pub effective_at: DateTimeUtc,
    /// When the ledger learned of it.
    pub recorded_at: DateTimeUtc,
    /// When a hold can no longer be captured.
    pub expires_at: Option<DateTimeUtc>,
    /// A JSON object of the caller's.
    pub metadata: Json,
    /// The name that the caller gave it. No other entry of its ledger ever has the same.
    pub reference: Option<String>,
    /// Who had it recorded: the `sub` of a token. None without authentication, and for what the server or an import does.
    pub recorded_by: Option<String>,
    /// Which of the parts it is, from 1, in which that other entry is ended or undone; none if all at once.
    pub part: Option<i32>,
    /// Whether it leaves something of that other entry, so that another part can follow.
    pub leaves_rest: bool,
    /// The ledger of its accounts. None: the one that has no name.
    pub ledger: Option<String>,
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
