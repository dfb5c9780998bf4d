//! Handlers that do what handlers do, right and wrong.

use std::sync::{Arc, atomic::Ordering};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use futures_util::{StreamExt, stream};
use sea_orm::{ConnectionTrait, DbErr};
use unit_of_work::{Database, UnitOfWork, web::Problem};

use crate::stage::{Cue, count_marks, insert_mark, lock, statement};

type Shared = (Arc<Cue>, Database);

async fn mark(
    unit: UnitOfWork,
    State((cue, _)): State<Shared>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    insert_mark(&unit, &name).await?;
    unit.after_commit(async move { lock(&cue.effects).push("committed".to_owned()) });
    let mut headers = HeaderMap::new();
    headers.insert("x-mark", HeaderValue::from_static("yes"));
    Ok((StatusCode::CREATED, headers, name).into_response())
}

async fn refuse(unit: UnitOfWork, Path(name): Path<String>) -> Result<Response, Problem> {
    insert_mark(&unit, &name).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, "refused").into_response())
}

async fn redirect(unit: UnitOfWork, Path(name): Path<String>) -> Result<Redirect, Problem> {
    insert_mark(&unit, &name).await?;
    Ok(Redirect::to("/elsewhere"))
}

async fn panics(unit: UnitOfWork, Path(name): Path<String>) -> StatusCode {
    insert_mark(&unit, &name).await.expect("inserts");
    panic!("the handler's own words")
}

async fn meet(
    unit: UnitOfWork,
    State((cue, _)): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    insert_mark(&unit, &name).await?;
    cue.meet().await;
    Ok(StatusCode::OK)
}

async fn swallow(unit: UnitOfWork, Path(name): Path<String>) -> StatusCode {
    let _ = insert_mark(&unit, &name).await;
    let _ = insert_mark(&unit, &name).await;
    StatusCode::OK
}

async fn orphan(unit: UnitOfWork) -> Result<StatusCode, Problem> {
    unit.execute_unprepared("INSERT INTO child VALUES (1, 2)")
        .await?;
    Ok(StatusCode::OK)
}

async fn rollback_only(unit: UnitOfWork, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    insert_mark(&unit, &name).await?;
    unit.set_rollback_only("not today");
    Ok(StatusCode::OK)
}

async fn count(unit: UnitOfWork) -> Result<String, Problem> {
    Ok(count_marks(&unit).await?.to_string())
}

/// How many marks there are, and the port of the server that says so.
async fn look(unit: UnitOfWork) -> Result<String, Problem> {
    let marks = count_marks(&unit).await?;
    let question = statement(&unit, "SELECT current_setting('port')");
    let row = unit.query_one_raw(question).await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("port".to_owned()))?;
    Ok(format!("{marks} {}", row.try_get_by_index::<String>(0)?))
}

/// Answers this status, whatever became of its statement.
async fn look_as(unit: UnitOfWork, Path(status): Path<u16>) -> (StatusCode, &'static str) {
    let _ = count_marks(&unit).await;
    let status = StatusCode::from_u16(status).expect("is a status");
    (status, "the handler's own words")
}

#[derive(serde::Deserialize)]
struct Meets {
    #[serde(default)]
    meet: bool,
}

/// Writes one more than it has read, and answers what was sent.
async fn increment(
    unit: UnitOfWork,
    State((cue, _)): State<Shared>,
    Query(Meets { meet }): Query<Meets>,
    sent: Bytes,
) -> Result<Bytes, Problem> {
    let earlier = cue.increments.fetch_add(1, Ordering::SeqCst);
    let row = unit
        .query_one_raw(statement(&unit, "SELECT value FROM counter"))
        .await?;
    let row = row.ok_or_else(|| DbErr::RecordNotFound("counter".to_owned()))?;
    let value: i64 = row.try_get_by_index(0)?;
    if meet && earlier == 0 {
        cue.meet().await;
    }
    let update = format!("UPDATE counter SET value = {}", value + 1);
    unit.execute_raw(statement(&unit, &update)).await?;
    Ok(sent)
}

/// Answers a body that reads through the unit when it is sent.
async fn stream_of_the_unit(unit: UnitOfWork, Path(name): Path<String>) -> Result<Body, Problem> {
    insert_mark(&unit, &name).await?;
    let rows = stream::once(async move { count_marks(&unit).await.map(|count| count.to_string()) });
    Ok(Body::from_stream(rows))
}

/// Answers a body that reads on units of its own when it is sent.
async fn stream_of_its_own(
    unit: UnitOfWork,
    State((_, database)): State<Shared>,
    Path(name): Path<String>,
) -> Result<Body, Problem> {
    insert_mark(&unit, &name).await?;
    let rows = stream::iter([(), ()]).then(move |()| {
        let database = database.clone();
        async move {
            let count = database.read(async |unit| count_marks(&unit).await).await;
            count.map(|count| count.to_string())
        }
    });
    Ok(Body::from_stream(rows))
}

pub fn router(cue: &Arc<Cue>, database: &Database) -> Router {
    Router::new()
        .route("/mark/{name}", post(mark).get(mark))
        .route("/refuse/{name}", post(refuse))
        .route("/redirect/{name}", post(redirect))
        .route("/panics/{name}", post(panics))
        .route("/meet/{name}", post(meet))
        .route("/swallow/{name}", post(swallow))
        .route("/orphan", post(orphan))
        .route("/rollback-only/{name}", post(rollback_only))
        .route("/count", get(count))
        .route("/look", get(look).post(look))
        .route("/look-as/{status}", get(look_as).post(look_as))
        .route("/ping", get(async |_: UnitOfWork| "pong"))
        .route("/increment", post(increment))
        .route("/stream-of-the-unit/{name}", post(stream_of_the_unit))
        .route("/stream-of-its-own/{name}", post(stream_of_its_own))
        .with_state((Arc::clone(cue), database.clone()))
}
