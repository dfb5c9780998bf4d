//! The first connections to a database. They are made as the pools make them, so that errors show at once.

use std::future::Future;

use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use crate::{
    ConnectError, DatabaseOptions,
    database::{
        engine::{Engine, session::SessionError},
        pool::{Limits, OptionsOf},
    },
    unit::acquire_error,
};

pub(super) fn limits(options: &DatabaseOptions, max_connections: u32) -> Limits {
    Limits {
        max_connections,
        acquire_timeout: options.acquire_timeout,
        connect_timeout: options.connect_timeout,
    }
}

/// Makes a connection as a pool would, and closes it properly.
pub(super) async fn first_connection<E: Engine>(
    options: &OptionsOf<E>,
    asked: &E::Asked,
) -> Result<(), sqlx::Error> {
    let mut connection = options.connect().await?;
    match E::prove(&mut connection, asked).await {
        Err(error)
            if matches!(
                SessionError::in_driver_error(&error),
                Some(SessionError::TakesNoWrites(_))
            ) =>
        {
            // The server can still answer queries, and a server that takes writes may take over.
            tracing::warn!(%error, "mutations will fail until that changes");
        }
        proven => proven?,
    }
    connection.close().await
}

pub(super) async fn first_connections<T>(
    options: &DatabaseOptions,
    connect: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ConnectError> {
    match timeout(options.connect_timeout, connect).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(source)) => Err(match SessionError::in_driver_error(&source) {
            Some(error) => ConnectError::Session {
                problem: error.to_string(),
            },
            None => ConnectError::Open {
                source: Box::new(acquire_error(source)),
            },
        }),
        Err(_) => Err(ConnectError::Timeout {
            after: options.connect_timeout,
        }),
    }
}

pub(super) fn invalid_url(error: sqlx::Error) -> ConnectError {
    ConnectError::InvalidUrl {
        source: Box::new(acquire_error(error)),
    }
}
