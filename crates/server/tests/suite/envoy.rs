//! Envoy's gRPC check, asked with the client that is generated from Envoy's own definitions.

use crate::support::key_id;
use envoy_types::{
    ext_authz::v3::pb::{CheckRequest, CheckResponse, HttpResponse},
    pb::envoy::service::auth::v3::{
        AttributeContext,
        attribute_context::{HttpRequest, Request},
        authorization_client::AuthorizationClient,
    },
};
use keywright_server::gateway::{Gateway, GatewayRoute};
use keywright_testkit::{Actor, TestServer};
use std::collections::HashMap;
use tonic::Code;

const VIEW: &str = "distribution.profile.view";
const MANAGE: &str = "distribution.profile.manage";

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let pseudo = [(":path", path), (":method", method), (":authority", "api.example.com")];
    let headers: HashMap<String, String> = pseudo.iter().chain(headers).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpRequest { method: method.to_owned(), path: path.to_owned(), host: "api.example.com".to_owned(), headers, ..HttpRequest::default() }
}

async fn ask(server: &TestServer, http: Option<HttpRequest>) -> CheckResponse {
    let mut client = AuthorizationClient::connect(server.base.clone()).await.unwrap();
    let attributes = AttributeContext { request: Some(Request { http, time: None }), ..AttributeContext::default() };
    client.check(CheckRequest { attributes: Some(attributes) }).await.unwrap().into_inner()
}

/// The code, the status for the client, and the headers.
fn told(answer: CheckResponse) -> (Code, i32, HashMap<String, String>, Vec<String>) {
    let code = Code::from(answer.status.unwrap().code);
    let (status, headers, removed) = match answer.http_response.unwrap() {
        HttpResponse::OkResponse(ok) => (200, ok.headers, ok.headers_to_remove),
        HttpResponse::DeniedResponse(denied) => {
            assert_eq!(denied.body, "");
            (denied.status.unwrap().code, denied.headers, Vec::new())
        }
        HttpResponse::ErrorResponse(error) => panic!("{error:?}"),
    };
    (code, status, headers.into_iter().filter_map(|option| option.header).map(|header| (header.key, header.value)).collect(), removed)
}

/// Reddens when the decision is another one than over HTTP, when a check that fails is not a denial, or when a key goes on.
#[tokio::test]
async fn envoy_is_told_the_same() {
    let server = TestServer::start_with(|config| {
        let route = |path: &str, permission: &str, accept_keys| GatewayRoute {
            path: path.to_owned(),
            permission: permission.to_owned(),
            accept_keys,
            ..GatewayRoute::default()
        };
        let routes = vec![route("/profiles", VIEW, false), route("/manage", MANAGE, false), route("/keys/{*rest}", VIEW, true)];
        config.gateway = Gateway { peers: vec!["127.0.0.0/8".parse().unwrap()], key_header: Some("X-API-Key".to_owned()), routes };
    })
    .await;
    let token = server.token(Actor::Viewer).await;
    let bearer = format!("Bearer {token}");
    let authorization = [("authorization", bearer.as_str())];
    let (code, status, headers, removed) = told(ask(&server, Some(request("GET", "/profiles?a=b", &authorization))).await);
    assert_eq!((code, status, headers["x-keywright-key-id"].as_str()), (Code::Ok, 200, key_id(&token).to_string().as_str()));
    assert!(headers["x-identity-jwt"].split('.').count() == 3 && !headers.contains_key("content-length"));
    assert_eq!(removed, ["x-api-key"], "the token may go on, the header for keys never does");
    let key = server.key("viewer");
    let spoofed = [("authorization", bearer.as_str()), ("x_identity_jwt", "me")];
    for (http, expected) in [
        (request("GET", "/manage", &authorization), (Code::PermissionDenied, 403, "insufficient_permission")),
        (request("GET", "/nothing", &authorization), (Code::PermissionDenied, 403, "no_route")),
        (request("GET", "/profiles", &[]), (Code::Unauthenticated, 401, "unauthorized")),
        (request("GET", "/profiles", &[("authorization", key)]), (Code::Unauthenticated, 401, "key_not_exchanged")),
        (request("GET", "//profiles", &authorization), (Code::PermissionDenied, 403, "ambiguous_path")),
        (request("GET", "/a/../profiles", &authorization), (Code::PermissionDenied, 403, "ambiguous_path")),
        (request("GET", "profiles", &authorization), (Code::PermissionDenied, 403, "unreadable_request")),
        (request("G T", "/profiles", &authorization), (Code::PermissionDenied, 403, "unreadable_request")),
        (request("GET", "/profiles", &[("authorization", "a\r\nb")]), (Code::PermissionDenied, 403, "unreadable_request")),
        (HttpRequest { fragment: "x".to_owned(), ..request("GET", "/profiles", &authorization) }, (Code::PermissionDenied, 403, "unreadable_request")),
        (request("GET", "/profiles", &spoofed), (Code::PermissionDenied, 403, "ambiguous_header")),
    ] {
        let asked = format!("{} {}", http.method, http.path);
        let (code, status, headers, _) = told(ask(&server, Some(http)).await);
        assert_eq!((code, status, headers["x-keywright-reason"].as_str()), expected, "{asked}");
    }
    assert_eq!(told(ask(&server, None).await).1, 403);
    for header in ["authorization", "x-api-key"] {
        let (code, _, headers, mut removed) = told(ask(&server, Some(request("GET", "/keys/a", &[(header, key)]))).await);
        assert_eq!((code, headers["x-keywright-email"].as_str()), (Code::Ok, "viewer@acme.example"), "{header}");
        removed.retain(|removed| removed == header);
        assert_eq!(removed, [header], "the key stays here");
    }
    server.core.disable_user(&server.host(), server.demo.users["viewer"].id).await.unwrap();
    assert_eq!(told(ask(&server, Some(request("GET", "/profiles", &authorization))).await).1, 401);
    assert_eq!(told(ask(&server, Some(request("GET", "/keys/a", &[("x-api-key", key)]))).await).1, 401);
    server.core.close().await;
    let (code, status, headers, _) = told(ask(&server, Some(request("GET", "/keys/a", &[("x-api-key", server.key("owner"))]))).await);
    assert_eq!((code, status, headers["x-keywright-status"].as_str()), (Code::Unavailable, 503, "503"), "a denial that says that nothing was decided");
    server.end().await;
}
