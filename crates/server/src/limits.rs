//! What is told about limits: the fields `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers, version 10),
//! and the task that frees memory after a flood. What is limited and how stands in `core::limits`.

use crate::{app::App, outer::RequestInfo, tasks::Stop};
use axum::{Extension, body::Body, extract::State, middleware::Next, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use keywright_core::{Core, limits::Allowance};
use std::{sync::Arc, time::Duration};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// How often full buckets are forgotten.
const EVERY: Duration = Duration::from_secs(60);

/// Says which limit holds (`q` at once, all of them back in `w` seconds) and what is left of it (`r`; if nothing, seconds until there is
/// something again in `t`).
pub(crate) fn tell(headers: &mut HeaderMap, allowance: &Allowance) {
    let name = allowance.policy.name();
    let wait = if allowance.left == 0 { format!(";t={}", allowance.wait) } else { String::new() };
    let fields = [
        (RATE_LIMIT_POLICY, format!("\"{name}\";q={};w={}", allowance.quota, allowance.window)),
        (RATE_LIMIT, format!("\"{name}\";r={}{wait}", allowance.left)),
    ];
    for (field, text) in fields {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(field, value);
        }
    }
}

/// Tells on each answer of a route of people how often they may come, unless it tells of another limit.
pub(crate) async fn tell_people(State(app): State<Arc<App>>, Extension(info): Extension<RequestInfo>, request: Request<Body>, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !response.headers().contains_key(RATE_LIMIT)
        && let Some(allowance) = app.core.limits().sign_ins_left(info.client_ip)
    {
        tell(response.headers_mut(), &allowance);
    }
    response
}

/// Forgets full buckets until the sign to stop.
pub(crate) async fn forget_full_buckets(core: Arc<Core>, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.wait() => return,
            () = tokio::time::sleep(EVERY) => core.limits().forget_full(),
        }
    }
}

/// What the routes of people answer when a limit is reached.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum LimitedAnswer {
    /// Too often from this address or for this account (`rate_limited`), or too many passwords are being checked at this moment
    /// (`too_many_requests`). Try again after `Retry-After` seconds.
    #[response(status = 429, headers(
        ("Retry-After" = i64, description = "Seconds to wait."),
        ("RateLimit" = String, description = "The limit that was reached, and in how many seconds there is something left again: `\"sign-in\";r=0;t=3`."),
        ("RateLimit-Policy" = String, description = "How much that limit is, and in how many seconds all of it comes back: `\"sign-in\";q=20;w=60`.")),
        example = json!({"error": "rate_limited",
        "error_description": "too many sign-ins, password changes or links came from your address; try again in 3 seconds",
        "message": "too many sign-ins, password changes or links came from your address; try again in 3 seconds"}))]
    Limited(keywright_protocol::ErrorBody),
}
