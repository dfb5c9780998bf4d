//! A REST handler. Its request is a unit of work, too: committed if it answers 2xx or 3xx, and otherwise rolled back.

use axum::{extract::Path, http::StatusCode};
use unit_of_work::{UnitOfWork, web::Problem};

use crate::note;

/// `POST /hooks/read/{id}` marks a note as read.
pub async fn mark_read(unit: UnitOfWork, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    match note::mark_read(&unit, id).await? {
        Some(_) => Ok(StatusCode::NO_CONTENT),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "There is no such note.",
            "NO_SUCH_NOTE",
        )),
    }
}
