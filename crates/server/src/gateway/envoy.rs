//! The same check as Envoy's gRPC service `envoy.service.auth.v3.Authorization`, on the server's own address (HTTP/2 without upgrade).

use super::{answer::Refused, is_check};
use crate::{app::App, outer::RequestInfo};
use axum::{Router, http::request::Parts, response::Response};
use envoy_types::{
    ext_authz::v3::pb::{
        Authorization, AuthorizationServer, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption, HttpResponse,
        HttpStatus, OkHttpResponse,
    },
    pb::{envoy::service::auth::v3::attribute_context::HttpRequest, google::rpc},
};
use http::{
    HeaderName, Request, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use keywright_protocol::{paths::GATEWAY_CHECK, secret};
use keywright_verify::bearer_token;
use std::sync::Arc;
use tonic::{Code, Status, service::Routes};

/// Longest message, in bytes: Envoy sends headers along, and no bodies unless told to.
const MAX_MESSAGE: usize = 64 * 1024;
const UNREADABLE: &str = "the gateway's message says of no HTTP request that can be read";

struct Checks(Arc<App>);

/// The service's route.
pub(crate) fn router(app: &Arc<App>) -> Router {
    let service = AuthorizationServer::new(Checks(Arc::clone(app))).max_decoding_message_size(MAX_MESSAGE);
    Routes::new(service).into_axum_router()
}

#[tonic::async_trait]
impl Authorization for Checks {
    async fn check(&self, request: tonic::Request<CheckRequest>) -> Result<tonic::Response<CheckResponse>, Status> {
        let info = request.extensions().get::<RequestInfo>().copied();
        let asked = request.into_inner().attributes.and_then(|attributes| attributes.request).and_then(|request| request.http);
        let parts = asked.and_then(parts).zip(info);
        let (answer, keys) = match parts {
            Some((mut parts, info)) => {
                parts.extensions.insert(info);
                (self.0.answer_to_gateway(&parts).await, self.headers_with_keys(&parts))
            }
            None => (Refused::forbidden("unreadable_request", UNREADABLE).into_response(), Vec::new()),
        };
        Ok(tonic::Response::new(told(&answer, keys)))
    }
}

impl Checks {
    /// What does not go on to whatever stands behind the gateway: a key never does.
    fn headers_with_keys(&self, parts: &Parts) -> Vec<String> {
        let has_key = |value: &http::HeaderValue| bearer_token(Some(value.as_bytes())).is_ok_and(|text| secret::recognize(text).is_some());
        let authorization = parts.headers.get_all(AUTHORIZATION).iter().any(has_key).then_some(AUTHORIZATION);
        self.0.gateway.table.key_header().cloned().into_iter().chain(authorization).map(|name| name.as_str().to_owned()).collect()
    }
}

/// The request that is asked about, as if it had come to the check itself.
fn parts(asked: HttpRequest) -> Option<Parts> {
    if !asked.fragment.is_empty() {
        return None;
    }
    let mut request = Request::builder().method(asked.method.as_str()).uri(format!("{GATEWAY_CHECK}{}", asked.path)).body(()).ok()?;
    if !asked.path.starts_with('/') || !is_check(request.uri().path()) {
        return None;
    }
    let raw = asked.header_map.into_iter().flat_map(|map| map.headers).map(|header| {
        let value = if header.raw_value.is_empty() { header.value.into_bytes() } else { header.raw_value };
        (header.key, value)
    });
    // Pseudo-headers stand in members of their own.
    for (name, value) in asked.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).chain(raw).filter(|(name, _)| !name.starts_with(':')) {
        let name: HeaderName = name.parse().ok()?;
        if name != HOST {
            request.headers_mut().append(name, http::HeaderValue::from_bytes(&value).ok()?);
        }
    }
    request.headers_mut().insert(HOST, asked.host.parse().ok()?);
    Some(request.into_parts().0)
}

/// A decision in Envoy's words. What is none is a denial too, with the status that says so: whoever lets requests through when a check fails
/// must not do so here.
fn told(answer: &Response, headers_to_remove: Vec<String>) -> CheckResponse {
    let status = answer.status();
    let headers = answer.headers().iter().filter(|(name, _)| name.as_str() != "content-length").map(|(name, value)| HeaderValueOption {
        header: Some(HeaderValue { key: name.as_str().to_owned(), value: value.to_str().unwrap_or_default().to_owned(), ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        keep_empty_value: true,
        ..HeaderValueOption::default()
    });
    let headers = headers.collect();
    let code = match status {
        StatusCode::OK => Code::Ok,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        _ => Code::Unavailable,
    };
    let http = if code == Code::Ok {
        HttpResponse::OkResponse(OkHttpResponse { headers, headers_to_remove, ..OkHttpResponse::default() })
    } else {
        HttpResponse::DeniedResponse(DeniedHttpResponse { status: Some(HttpStatus { code: i32::from(status.as_u16()) }), headers, body: String::new() })
    };
    CheckResponse { status: Some(rpc::Status { code: code.into(), ..rpc::Status::default() }), http_response: Some(http), ..CheckResponse::default() }
}
