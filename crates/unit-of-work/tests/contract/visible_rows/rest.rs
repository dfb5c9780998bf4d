//! REST handlers see what their caller may see, as fields do.

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
    routing::{get, post},
};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};
use tower::ServiceExt as _;
use unit_of_work::{
    IdempotencySettings, SessionSettings, UnitOfWork, UnitTerms,
    web::{Problem, UnitOfWorkLayer},
};

use super::{
    entities::{document, note},
    scene::{Scene, tenant},
};

async fn count(unit: UnitOfWork) -> Result<String, Problem> {
    Ok(document::Entity::find().count(&unit).await?.to_string())
}

async fn delete(unit: UnitOfWork) -> Result<String, Problem> {
    let deleted = note::Entity::delete_many().exec(&unit).await?;
    Ok(deleted.rows_affected.to_string())
}

/// Sends a request for a tenant, or for somebody who sees all, and returns the status and the body.
async fn send(app: &Router, method: &str, path: &str, tenant: &str) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("x-tenant", tenant)
        .header("idempotency-key", "k")
        .body(Body::empty())
        .expect("is a request");
    let response = app.clone().oneshot(request).await.expect("answers");
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000)
        .await
        .expect("is whole");
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_see_nothing_outside() {
    let scene = Scene::new().await;
    let layer = UnitOfWorkLayer::new(scene.database.clone())
        .idempotency(IdempotencySettings::default())
        .viewer(|_| Some("one".to_owned()))
        .terms(|parts| {
            let name = parts.headers["x-tenant"].to_str().unwrap_or_default();
            let settings = match name {
                "all" => SessionSettings::new(),
                name => tenant(name),
            };
            Ok(UnitTerms::default().settings(settings))
        });
    let app = Router::new()
        .route("/count", get(count))
        .route("/notes", post(delete))
        .layer(layer);
    for (tenant, seen) in [("ann", "2"), ("bob", "3"), ("all", "5")] {
        assert_eq!(
            send(&app, "GET", "/count", tenant).await,
            (StatusCode::OK, seen.to_owned()),
            "{tenant}"
        );
    }
    // The same viewer and key, and other rows.
    assert_eq!(
        send(&app, "POST", "/notes", "ann").await,
        (StatusCode::OK, "2".to_owned())
    );
    for other in ["bob", "all"] {
        let (status, body) = send(&app, "POST", "/notes", other).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{other}");
        assert!(body.contains("IDEMPOTENCY_KEY_REUSED"), "{other}: {body}");
    }
    assert_eq!(
        send(&app, "POST", "/notes", "ann").await,
        (StatusCode::OK, "2".to_owned())
    );
    assert_eq!(
        scene
            .observer()
            .await
            .i64("SELECT COUNT(*) FROM note")
            .await,
        3
    );
}
