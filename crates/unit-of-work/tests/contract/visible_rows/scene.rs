//! Documents of two tenants with their notes, and a schema whose resolvers ask for whatever they are told to.

use std::collections::HashMap;

use async_graphql::{
    Context, EmptySubscription, Json, Object, Request, Response, Result, Schema, dataloader::Loader,
};
use daybook_test_harness::{Engine, Observer, TestDatabase};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QueryResult, Set, Statement,
};
use serde_json::{Value, json};
use tokio::time::timeout;
use unit_of_work::{
    ContextExt, Database, DatabaseOptions, Report, Retrying, SessionSettings, UnitLoader,
    UnitOfWork, UnitOfWorkExtension, idempotency,
};
use uuid::Uuid;

use super::entities::{document, note};
use crate::stage::{PATIENCE, codes};

const TABLES: [&str; 7] = [
    "CREATE TABLE document (id BLOB PRIMARY KEY, tenant TEXT NOT NULL, title TEXT NOT NULL UNIQUE, is_open BOOLEAN NOT NULL, \
     written_at DATETIME NOT NULL, pages BIGINT)",
    "CREATE INDEX document_tenant_idx ON document (tenant, title)",
    "CREATE TABLE note (id INTEGER PRIMARY KEY, document_id BLOB NOT NULL REFERENCES document (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, text TEXT NOT NULL UNIQUE)",
    "CREATE TABLE seen (documents INTEGER NOT NULL)",
    "CREATE VIEW titles AS SELECT title FROM document",
    "CREATE VIRTUAL TABLE found USING fts5(title)",
    "CREATE TRIGGER note_sees AFTER INSERT ON note BEGIN INSERT INTO seen SELECT COUNT(*) FROM document; END",
];

/// The id of the document with this title.
pub(super) fn id(title: &str) -> Uuid {
    Uuid::from_u128(
        title
            .bytes()
            .fold(7, |id, byte| id * 256 + u128::from(byte)),
    )
}

pub(super) struct Scene {
    pub(super) test: TestDatabase,
    pub(super) database: Database,
    pub(super) schema: Retrying<Schema<Query, Mutation, EmptySubscription>>,
}

/// What one tenant sees.
pub(super) fn tenant(name: &str) -> SessionSettings {
    SessionSettings::new()
        .rows("document", format!("tenant = '{name}'"))
        .rows("note", "document_id IN (SELECT id FROM document)")
}

impl Scene {
    /// A database with pools of one connection, so that what stays on it would be seen. Ann has two documents, and Bob three.
    pub(super) async fn new() -> Self {
        let test = TestDatabase::create(Engine::Sqlite).await;
        let observer = test.observer().await;
        for table in TABLES {
            observer.execute(table).await;
        }
        let keys = idempotency::create_table(sea_orm::DbBackend::Sqlite);
        observer.execute(&keys).await;
        for (tenant, title, pages) in [
            ("ann", "a1", "1"),
            ("ann", "a2", "NULL"),
            ("bob", "b1", "10"),
            ("bob", "b2", "NULL"),
            ("bob", "b3", "30"),
        ] {
            let id = id(title).simple();
            observer
                .execute(&format!(
                    "INSERT INTO document VALUES (x'{id}', '{tenant}', '{title}', {}, '2026-11-28T12:00:00+00:00', {pages}); \
                     INSERT INTO note (document_id, text) VALUES (x'{id}', 'on {title}'); INSERT INTO found VALUES ('{title}')",
                    pages != "NULL"
                ))
                .await;
        }
        observer.execute("DELETE FROM seen").await;
        let mut options = DatabaseOptions::default();
        options.max_connections = 1;
        options.acquire_timeout = PATIENCE;
        let database = Database::connect(test.url(), options)
            .await
            .expect("connects");
        let extension = UnitOfWorkExtension::new(database.clone())
            .report(Report::InExtensions)
            .idempotency(unit_of_work::IdempotencySettings::default());
        let schema = Schema::build(Query, Mutation, EmptySubscription)
            .extension(extension)
            .finish();
        Self {
            test,
            database,
            schema: Retrying::new(schema),
        }
    }

    pub(super) async fn observer(&self) -> Observer {
        self.test.observer().await
    }

    pub(super) async fn send(&self, request: Request) -> Response {
        use async_graphql::Executor as _;
        timeout(PATIENCE, self.schema.execute(request))
            .await
            .expect("answers")
    }

    /// The one field's value, as somebody sees it who is held to these rows.
    pub(super) async fn value(&self, settings: &SessionSettings, operation: &str) -> Value {
        let response = self
            .send(Request::new(operation).data(settings.clone()))
            .await;
        value(response, operation)
    }

    /// The rows of a statement, in a query and in a mutation alike, as Ann sees them.
    pub(super) async fn rows(&self, sql: &str) -> Value {
        let [query, mutation] =
            ["query", "mutation"].map(|kind| self.rows_in(kind, sql, tenant("ann")));
        let (read, written) = (query.await, mutation.await);
        assert_eq!(read, written, "{sql}");
        read
    }

    pub(super) async fn rows_in(&self, kind: &str, sql: &str, settings: SessionSettings) -> Value {
        let response = self.send(asks(kind, "rows", sql).data(settings)).await;
        value(response, sql)
    }

    /// How many rows a statement has changed, in a mutation of Ann's.
    pub(super) async fn changed(&self, sql: &str) -> Value {
        let response = self
            .send(asks("mutation", "change", sql).data(tenant("ann")))
            .await;
        value(response, sql)
    }

    /// Sends a statement in each way there is, and expects that it is refused and nothing has happened.
    pub(super) async fn assert_refused(&self, sql: &str, settings: &SessionSettings) {
        let before = self.all().await;
        for (kind, field) in [
            ("query", "rows"),
            ("query", "row"),
            ("mutation", "rows"),
            ("mutation", "change"),
            ("mutation", "changeUnprepared"),
            ("mutation", "changeInASavepoint"),
        ] {
            let response = self
                .send(asks(kind, field, sql).data(settings.clone()))
                .await;
            let told = serde_json::to_value(&response.errors).expect("is JSON");
            assert_eq!(codes(&response), ["ROWS_REFUSED"], "{field} {sql}: {told}");
        }
        assert_eq!(self.all().await, before, "{sql}");
    }

    /// Every row that there is, as a separate connection sees it.
    pub(super) async fn all(&self) -> Vec<String> {
        let observer = self.observer().await;
        let rows = observer
            .texts(
                "SELECT tenant || ' ' || title || ' ' || coalesce(pages, '-') FROM document \
                 UNION ALL SELECT text FROM note UNION ALL SELECT 'seen ' || documents FROM seen ORDER BY 1",
            )
            .await;
        rows.into_iter().flatten().collect()
    }
}

fn asks(kind: &str, field: &str, sql: &str) -> Request {
    Request::new(format!("{kind} ($sql: String!) {{ {field}(sql: $sql) }}"))
        .variables(async_graphql::Variables::from_json(json!({ "sql": sql })))
}

fn value(response: Response, what: &str) -> Value {
    assert!(response.is_ok(), "{what}: {response:?}");
    let data = response.data.into_json().expect("is JSON");
    let fields = data.as_object().and_then(|fields| fields.values().next());
    fields.cloned().unwrap_or_default()
}

/// The values of a row, each of whatever type it is.
pub(super) fn values(row: &QueryResult) -> Vec<Value> {
    (0..row.column_names().len())
        .map(|column| {
            let number = row
                .try_get_by_index::<Option<i64>>(column)
                .map(|value| json!(value));
            let float = || {
                row.try_get_by_index::<Option<f64>>(column)
                    .map(|value| json!(value))
            };
            let text = || {
                row.try_get_by_index::<Option<String>>(column)
                    .map(|value| json!(value))
            };
            let blob = || {
                row.try_get_by_index::<Vec<u8>>(column)
                    .map(|value| json!(value))
            };
            number
                .or_else(|_| float())
                .or_else(|_| text())
                .or_else(|_| blob())
                .expect("has a type")
        })
        .collect()
}

fn statement(sql: &str) -> Statement {
    Statement::from_string(sea_orm::DbBackend::Sqlite, sql)
}

/// An error of the database as it is, so that tests see what was refused.
fn shown(error: &DbErr) -> async_graphql::Error {
    use async_graphql::ErrorExtensions as _;
    use unit_of_work::UnitError;
    let code = match UnitError::in_db_err(error) {
        Some(UnitError::RowsRefused { .. } | UnitError::SavepointFailed) => "ROWS_REFUSED",
        _ => "OTHER",
    };
    async_graphql::Error::new(error.to_string())
        .extend_with(|_, extensions| extensions.set("code", code))
}

async fn all_rows(unit: &impl ConnectionTrait, sql: &str) -> Result<Json<Vec<Vec<Value>>>> {
    let rows = unit
        .query_all_raw(statement(sql))
        .await
        .map_err(|error| shown(&error))?;
    Ok(Json(rows.iter().map(values).collect()))
}

pub(super) struct Query;

#[Object]
impl Query {
    async fn rows(&self, ctx: &Context<'_>, sql: String) -> Result<Json<Vec<Vec<Value>>>> {
        all_rows(ctx.unit(), &sql).await
    }

    async fn row(&self, ctx: &Context<'_>, sql: String) -> Result<Json<Option<Vec<Value>>>> {
        let row = ctx
            .unit()
            .query_one_raw(statement(&sql))
            .await
            .map_err(|error| shown(&error))?;
        Ok(Json(row.as_ref().map(values)))
    }

    async fn rows_in_a_savepoint(
        &self,
        ctx: &Context<'_>,
        sql: String,
    ) -> Result<Json<Vec<Vec<Value>>>> {
        ctx.unit()
            .savepoint(async |tx| all_rows(tx, &sql).await)
            .await
    }

    /// Everything of a document that is found by its id.
    async fn document(&self, ctx: &Context<'_>, title: String) -> Result<Option<String>> {
        let found = document::Entity::find_by_id(id(&title))
            .one(ctx.unit())
            .await?;
        Ok(found.map(|found| {
            format!(
                "{} {} {} {} {:?}",
                found.id, found.title, found.is_open, found.written_at, found.pages
            )
        }))
    }

    async fn by_title(&self, ctx: &Context<'_>, title: String) -> Result<bool> {
        let found = document::Entity::find().filter(document::COLUMN.title.eq(title));
        Ok(found.one(ctx.unit()).await?.is_some())
    }

    async fn count(&self, ctx: &Context<'_>) -> Result<u64> {
        Ok(document::Entity::find().count(ctx.unit()).await?)
    }

    async fn with_notes(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let found = document::Entity::find()
            .find_with_related(note::Entity)
            .order_by_asc(document::Column::Title);
        let found = found.all(ctx.unit()).await?;
        Ok(found
            .into_iter()
            .map(|(document, notes)| {
                let notes: Vec<_> = notes.into_iter().map(|note| note.text).collect();
                format!("{}: {}", document.title, notes.join(", "))
            })
            .collect())
    }

    async fn notes_with_documents(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let found = note::Entity::find()
            .find_also_related(document::Entity)
            .order_by_asc(note::Column::Text);
        let found = found.all(ctx.unit()).await?;
        Ok(found
            .into_iter()
            .map(|(note, document)| {
                format!(
                    "{}: {}",
                    note.text,
                    document.map_or("-".to_owned(), |document| document.title)
                )
            })
            .collect())
    }

    /// What a loader finds by these titles.
    async fn loaded(&self, ctx: &Context<'_>, titles: Vec<String>) -> Result<Vec<String>> {
        let loader = ctx.loader::<ByTitle>();
        let mut found: Vec<_> = loader.load_many(titles).await?.into_keys().collect();
        found.sort();
        Ok(found)
    }
}

struct ByTitle {
    unit: UnitOfWork,
}

impl UnitLoader for ByTitle {
    fn from_unit(unit: UnitOfWork) -> Self {
        Self { unit }
    }
}

impl Loader<String> for ByTitle {
    type Value = Uuid;
    type Error = DbErr;

    async fn load(&self, titles: &[String]) -> Result<HashMap<String, Uuid>, DbErr> {
        let found = document::Entity::find().filter(document::COLUMN.title.is_in(titles));
        let found = found.all(&self.unit).await?;
        Ok(found
            .into_iter()
            .map(|found| (found.title, found.id))
            .collect())
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn rows(&self, ctx: &Context<'_>, sql: String) -> Result<Json<Vec<Vec<Value>>>> {
        all_rows(ctx.unit(), &sql).await
    }

    async fn change(&self, ctx: &Context<'_>, sql: String) -> Result<u64> {
        let changed = ctx.unit().execute_raw(statement(&sql)).await;
        Ok(changed.map_err(|error| shown(&error))?.rows_affected())
    }

    async fn change_unprepared(&self, ctx: &Context<'_>, sql: String) -> Result<u64> {
        let changed = ctx.unit().execute_unprepared(&sql).await;
        Ok(changed.map_err(|error| shown(&error))?.rows_affected())
    }

    async fn change_in_a_savepoint(&self, ctx: &Context<'_>, sql: String) -> Result<u64> {
        let changed = ctx
            .unit()
            .savepoint(async |tx| tx.execute_raw(statement(&sql)).await);
        Ok(changed
            .await
            .map_err(|error| shown(&error))?
            .rows_affected())
    }

    /// A document with two notes, by SeaORM's nested save.
    async fn saves(&self, ctx: &Context<'_>, tenant: String, title: String) -> Result<String> {
        let saved = document::ActiveModel::builder()
            .set_id(id(&title))
            .set_tenant(tenant)
            .set_title(title.clone())
            .set_is_open(true)
            .set_written_at(epoch())
            .set_pages(None)
            .add_note(note::ActiveModel::builder().set_text(format!("1 on {title}")))
            .add_note(note::ActiveModel::builder().set_text(format!("2 on {title}")));
        Ok(saved.insert(ctx.unit()).await?.title)
    }

    /// Gives a document another title by its id, whether it was found or not.
    async fn renames(&self, ctx: &Context<'_>, title: String, to: String) -> Result<bool> {
        let changed = document::ActiveModel {
            id: Set(id(&title)),
            title: Set(to),
            ..Default::default()
        };
        match changed.update(ctx.unit()).await {
            Ok(_) => Ok(true),
            Err(DbErr::RecordNotUpdated) => Ok(false),
            Err(error) => Err(shown(&error)),
        }
    }

    async fn deletes(&self, ctx: &Context<'_>, title: String) -> Result<u64> {
        let found = document::Entity::find_by_id(id(&title))
            .one(ctx.unit())
            .await?;
        match found {
            Some(found) => Ok(found
                .into_active_model()
                .delete(ctx.unit())
                .await?
                .rows_affected),
            None => Ok(document::Entity::delete_by_id(id(&title))
                .exec(ctx.unit())
                .await?
                .rows_affected),
        }
    }
}

fn epoch() -> sea_orm::prelude::DateTimeUtc {
    sea_orm::prelude::DateTimeUtc::default()
}
