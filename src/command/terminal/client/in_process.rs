//! The way to a database: the service of a server, in this process, without its port.

use std::{fs::File, io::Read, path::Path, time::Duration};

use async_trait::async_trait;
use axum::{
    body::{Body, Bytes},
    http::{Request, Response, header},
};
use http_body_util::{BodyExt, Limited};
use tower::ServiceExt;
use unit_of_work::{Database, DatabaseOptions};

use super::{MOST_BYTES, Transport, Undelivered, Use};
use crate::{command::serve, config::DatabaseUrl, database, error::StartError, http::App};

/// Connections of each pool. One operation runs at a time.
const CONNECTIONS: u32 = 2;

pub(super) struct InProcess {
    app: App,
    database: Database,
}

impl InProcess {
    /// Opens a database. It has to be there, and to be one of this version: it is not created, and not brought up to date, which are
    /// decisions for whoever runs its server.
    pub(super) async fn open(
        url: &DatabaseUrl,
        timeout: Duration,
        to: Use,
    ) -> Result<Self, StartError> {
        if url.file().is_some_and(|file| !file.exists()) {
            return Err(StartError::NoLedger(url.clone()));
        }
        let mut options = DatabaseOptions::default();
        options.application_name = "daybook".to_owned();
        options.max_connections = CONNECTIONS;
        options.statement_timeout = timeout;
        options.idle_in_transaction_timeout = timeout;
        options.read_only = to == Use::Read && url.file().is_none_or(has_log);
        let database = database::connect(url, options).await?;
        database::refuse_other_versions(&database, url).await?;
        if to == Use::Write {
            database::refuse_incomplete(&database, url).await?;
        }
        let app = serve::app_in_process(&database, url, timeout).await?;
        Ok(Self { app, database })
    }
}

/// Whether an SQLite file has a write-ahead log, which a database that is opened only to read must have. A backup by `VACUUM INTO` has none:
/// it gets one, as from a server, and from `daybook verify`.
fn has_log(file: &Path) -> bool {
    // The version that a program must know to read the file: https://www.sqlite.org/fileformat.html
    const READ_VERSION: usize = 19;
    let mut header = [0; READ_VERSION + 1];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[READ_VERSION] == 2
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Bytes) -> Result<Response<Bytes>, Undelivered> {
        // Neither can fail: the parts of the request are constants, and the service answers everything.
        let request = Request::post("/graphql")
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(request))
            .map_err(|error| Undelivered::NotSent(error.to_string()))?;
        let response = self.app.clone().oneshot(request).await;
        let (parts, body) = response.unwrap_or_else(|error| match error {}).into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| Undelivered::Unanswered(error.to_string()))?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }

    async fn close(&self) {
        self.database.close().await;
    }
}
