//! An endpoint that events are sent to.

use sea_orm::entity::prelude::*;

/// Whether events are sent to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum WebhookStatus {
    /// They are.
    #[sea_orm(string_value = "ACTIVE")]
    Active,
    /// They wait, because somebody wants it so.
    #[sea_orm(string_value = "PAUSED")]
    Paused,
    /// They wait, because an event could not be delivered, or the endpoint said that it is gone.
    #[sea_orm(string_value = "STOPPED")]
    Stopped,
}

/// What becomes of an event whose last attempt has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum WhenExhausted {
    /// It becomes a dead letter, and the next one is delivered.
    #[sea_orm(string_value = "SKIP")]
    Skip,
    /// The endpoint is stopped before it.
    #[sea_orm(string_value = "STOP")]
    Stop,
}

/// What requests to an endpoint are signed with: `whsec_…`. It is shown in no `Debug` output.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct WebhookSecret(pub String);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("whsec_…")
    }
}

/// An endpoint that events are sent to.
#[derive(Clone, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "webhook")]
pub struct Model {
    /// UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Where they are sent.
    pub url: String,
    /// Which kinds of events, as the migration lists them: their names, with spaces between.
    pub events: String,
    /// Rises whenever other events are chosen, or other accounts.
    pub choice: i64,
    /// What becomes of an event whose last attempt has failed.
    pub when_exhausted: WhenExhausted,
    /// Whether events are sent.
    pub status: WebhookStatus,
    /// What requests are signed with.
    pub secret: WebhookSecret,
    /// What they are signed with as well, for a while after a rotation.
    pub previous_secret: Option<WebhookSecret>,
    /// Until when.
    pub previous_secret_until: Option<DateTimeUtc>,
    /// All events up to this number were delivered, or are dead letters.
    pub position: i64,
    /// How many attempts of the next event have failed.
    pub failed_attempts: i64,
    /// Before this instant, there is no further attempt.
    pub next_attempt_at: Option<DateTimeUtc>,
    /// When an event was last delivered.
    pub last_success_at: Option<DateTimeUtc>,
    /// When an attempt last failed.
    pub last_failure_at: Option<DateTimeUtc>,
    /// Why: 1 to 500 characters.
    pub last_failure: Option<String>,
    /// Rises whenever a server takes the endpoint, gives it back, or has made an attempt.
    pub lease: i64,
    /// For how long the server that has the endpoint can be silent before another one takes it; none if no server has it.
    pub lease_ms: Option<i64>,
    /// When it was created.
    pub created_at: DateTimeUtc,
    /// Who created it: the `sub` of a token.
    pub created_by: Option<String>,
}

impl std::fmt::Debug for Model {
    /// Without the secrets, and without the URL, which can have one in its query.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("webhook")
            .field("id", &self.id)
            .field("status", &self.status)
            .field("position", &self.position)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// None: the domain reads by key.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_debug_output_shows_a_secret() {
        let now = DateTimeUtc::UNIX_EPOCH;
        let model = Model {
            id: Uuid::nil(),
            url: "https://app.example/?token=abc".to_owned(),
            events: "ENTRY_POSTED".to_owned(),
            choice: 1,
            when_exhausted: WhenExhausted::Skip,
            status: WebhookStatus::Active,
            secret: WebhookSecret("whsec_first".to_owned()),
            previous_secret: Some(WebhookSecret("whsec_second".to_owned())),
            previous_secret_until: Some(now),
            position: 0,
            failed_attempts: 0,
            next_attempt_at: None,
            last_success_at: None,
            last_failure_at: None,
            last_failure: None,
            lease: 0,
            lease_ms: None,
            created_at: now,
            created_by: None,
        };
        let shown = format!("{model:?}");
        assert!(!shown.contains("token"), "{shown}");
        let shown = shown + &format!("{:?}", ActiveModel::from(model));
        assert!(
            !shown.contains("first") && !shown.contains("second"),
            "{shown}"
        );
    }
}
