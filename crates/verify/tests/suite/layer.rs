//! The layer and the extractors, as an API uses them.

use crate::world::{AUDIENCE, Shelf, World, claims, now};
use axum::{Router, body::Body, body::to_bytes, response::Response, routing::get};
use http::{Request, StatusCode, header};
use keywright_protocol::{Clock, ErrorBody, KeyKind, secret};
use keywright_verify::{AuthLayer, Authenticated, Config, RefreshError, Require, Verifier, permission};
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt as _;

permission!(ReportsView = "reports.view");
permission!(ReportsEdit = "reports.edit");

fn routes() -> Router {
    Router::new()
        .route("/open", get(|| async { "open" }))
        .route("/any", get(|Authenticated(holder): Authenticated| async move { holder.organization_id().to_string() }))
        .route("/view", get(|Require(holder, _): Require<ReportsView>| async move { holder.claims.email.to_string() }))
        .route("/edit", get(|_: Require<ReportsEdit>| async { "edited" }))
}

fn app(verifier: Verifier) -> Router {
    routes().layer(AuthLayer::new(Arc::new(verifier), Clock::stepped(now())))
}

async fn call(app: &Router, path: &str, authorization: &[&str]) -> Response {
    let mut request = Request::get(path);
    for value in authorization {
        request = request.header(header::AUTHORIZATION, *value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

async fn error(response: Response) -> ErrorBody {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body: ErrorBody = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(body.message, body.error_description);
    body
}

fn challenge(response: &Response) -> String {
    response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn good_tokens_pass_in_every_form() {
    let world = World::new();
    let app = app(world.verifier());
    let token = world.es.token(&claims());
    for form in [token.clone(), format!("Bearer {token}"), format!("bEARER   {token} ")] {
        let response = call(&app, "/view", &[&form]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(text(response).await, "ada@example.com");
    }
    assert_eq!(text(call(&app, "/any", &[&token]).await).await, "8c0d1f7e-0000-4000-8000-000000000003");
}

#[tokio::test]
async fn without_a_token_the_way_to_one_is_named() {
    let world = World::new();
    let app = app(world.verifier());
    let response = call(&app, "/any", &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenge(&response), r#"Bearer realm="keywright""#);
    let body = error(response).await;
    assert_eq!(body.error, "unauthorized");
    assert!(body.message.contains("https://auth.example.com/auth/v3/token"), "{}", body.message);
}

#[tokio::test]
async fn a_raw_key_is_told_to_be_exchanged() {
    let world = World::new();
    let app = app(world.verifier_with(|config| config.exchange_url = Some("https://login.example.com/x".to_owned())));
    let key = secret::compose("kw", KeyKind::PersonalAccessKey, &[7; 32]);
    let response = call(&app, "/view", &[&format!("Bearer {key}")]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let (challenge, body) = (challenge(&response), error(response).await);
    assert!(challenge.starts_with(r#"Bearer realm="keywright", error="invalid_token", error_description="this is a Personal Access Key"#), "{challenge}");
    assert_eq!(body.error, "key_not_exchanged");
    assert!(body.message.contains("https://login.example.com/x"));
    let body_of_key = key.get(8..20).unwrap();
    assert!(!challenge.contains(body_of_key) && !body.message.contains(body_of_key));
}

#[tokio::test]
async fn bad_tokens_are_challenged() {
    let world = World::new();
    let app = app(world.verifier());
    let good = world.es.token(&claims());
    let mut late = claims();
    late["exp"] = json!(1);
    let late = world.es.token(&late);
    let rows: [(&[&str], &str); 5] = [
        (&[&late], "invalid_token"),
        (&["Bearer a.b.c"], "invalid_token"),
        (&["Basic dXNlcjpwdw=="], "invalid_request"),
        (&[&good, &good], "invalid_request"),
        (&["kw_ses_short"], "invalid_token"),
    ];
    for (headers, code) in rows {
        for path in ["/any", "/view"] {
            let response = call(&app, path, headers).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
            let challenge = challenge(&response);
            assert!(challenge.contains(&format!(r#"error="{code}", error_description=""#)), "{challenge}");
            assert_eq!(challenge.matches('"').count(), 6, "{challenge}");
            error(response).await;
        }
    }
    assert_eq!(call(&app, "/open", &[&late]).await.status(), StatusCode::OK, "the layer itself refuses nobody");
}

#[tokio::test]
async fn a_missing_permission_is_named_with_the_roles_that_carry_it() {
    let world = World::new();
    let app = app(world.verifier());
    let response = call(&app, "/edit", &[&world.es.token(&claims())]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(challenge(&response), r#"Bearer error="insufficient_scope", scope="reports.edit""#);
    let body = error(response).await;
    assert_eq!(body.error, "insufficient_permission");
    assert_eq!(body.required_permission.as_deref(), Some("reports.edit"));
    assert_eq!(body.roles_with_permission, ["editor", "owner"]);
    assert!(body.message.contains("reports.edit") && body.message.contains("editor, owner"), "{}", body.message);
}

#[tokio::test]
async fn what_cannot_be_judged_is_503() {
    let shelf = Arc::<Shelf>::default();
    shelf.next(Err(RefreshError::Unavailable("connection refused by 10.0.0.7".to_owned())));
    let world = World::new();
    let app = app(Verifier::new(Config::new(crate::world::ISSUER, AUDIENCE), shelf));
    let response = call(&app, "/any", &[&world.es.token(&claims())]).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert!(!error(response).await.message.contains("10.0.0.7"));
}

#[tokio::test]
async fn without_the_layer_nobody_gets_in() {
    let response = call(&routes(), "/any", &["a.b.c"]).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(error(response).await.error, "server_error");
}
