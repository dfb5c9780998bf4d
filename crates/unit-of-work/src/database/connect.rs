//! The first connections to a database. They are made as the pools make them, so that errors show at once.

use std::future::Future;

use sqlx::Connection as _;
use tokio::time::timeout;

use crate::{
    ConnectError, DatabaseOptions,
    database::{
        after_connect::{AfterConnect, HookError},
        engine::{Engine, session::SessionError},
        pool::Limits,
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

/// Lets the application's hook have a new connection, and then checks it.
pub(super) async fn prepare<E: Engine>(
    connection: &mut E::Connection,
    asked: &E::Asked,
) -> Result<(), sqlx::Error> {
    if let Some((hook, access)) = E::hook(asked) {
        hook.run::<E>(connection, access).await?;
    }
    E::prove(connection, asked).await
}

/// Makes a connection as a pool would, and closes it properly.
pub(super) async fn first_connection<E: Engine>(
    target: &E::Target,
    asked: &E::Asked,
) -> Result<(), sqlx::Error> {
    match E::connect(target, asked).await {
        Err(error) if SessionError::waits_for_a_primary(&error) => {
            // A standby can still answer queries, and a server that takes writes may take over.
            tracing::warn!(%error, "mutations will fail until that changes");
            Ok(())
        }
        Err(error) => Err(error),
        Ok((connection, _)) => connection.close().await,
    }
}

pub(super) async fn first_connections<T>(
    options: &DatabaseOptions,
    connect: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, ConnectError> {
    match timeout(options.connect_timeout, connect).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(source)) => Err(first_error(source)),
        Err(_) => {
            let cut = options.after_connect.as_ref().and_then(AfterConnect::cut);
            Err(match cut {
                Some(cut) => first_error(cut),
                None => ConnectError::Timeout {
                    after: options.connect_timeout,
                },
            })
        }
    }
}

pub(super) fn first_error(source: sqlx::Error) -> ConnectError {
    match SessionError::in_driver_error(&source) {
        None | Some(SessionError::NoServer { .. }) => {}
        Some(error) => {
            return ConnectError::Session {
                problem: error.to_string(),
            };
        }
    }
    match HookError::from_driver_error(source) {
        Ok(hook) => ConnectError::AfterConnect {
            problem: hook.to_string(),
            source: match hook {
                HookError::Refused(error) => Some(Box::new(error)),
                _ => None,
            },
        },
        Err(source) => ConnectError::Open {
            source: Box::new(acquire_error(source)),
        },
    }
}

pub(super) fn invalid_url(error: sqlx::Error) -> ConnectError {
    ConnectError::InvalidUrl {
        source: Box::new(acquire_error(error)),
    }
}
