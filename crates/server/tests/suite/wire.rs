//! Token requests byte for byte as the contract's clients send them, over a bare connection. Each must get status 200 exactly
//! and a JSON object, or the error that its client reads.

use crate::support::{GUID_SENTENCE, Raw, claims, raw};
use keywright_testkit::{Actor, TestServer};
use serde_json::Value;

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n{body}")
}

const AXIOS: &str = "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nUser-Agent: axios/1.8.4\r\nAccept-Encoding: gzip, compress, deflate, br\r\n";
const REQUESTS: &str =
    "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n";
const RUBY: &str = "Content-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: application/json\r\nUser-Agent: Ruby\r\n";
const APACHE: &str = "Accept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\nUser-Agent: Apache-HttpClient/4.5.14 (Java/17.0.9)\r\n";

/// What every client needs: 200, one JSON object, a token in it.
#[track_caller]
fn token(answer: &Raw) -> String {
    assert!(answer.head.starts_with("http/1.1 200 ok\r\n"), "{answer:?}");
    assert!(answer.head.contains("content-type: application/json\r\n"), "{answer:?}");
    assert!(!answer.head.contains("content-encoding"), "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let token = body["access_token"].as_str().expect("a string");
    assert_eq!(token.split('.').count(), 3);
    token.to_owned()
}

/// What clients read of an error: a string in each of three members.
#[track_caller]
fn error(answer: &Raw, status: u16) -> String {
    assert_eq!(answer.status, status, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert!(["error", "error_description", "message"].iter().all(|name| body[name].is_string()), "{body}");
    assert!(body.get("stackTrace").is_none());
    body["error"].as_str().unwrap().to_owned()
}

/// The CLI and the Azure and GitHub integrations.
#[tokio::test]
async fn login_with_a_personal_access_key() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    token(&raw(&server, &post("/auth/v1/token", AXIOS, &format!("pat={key}"))).await);
    token(&raw(&server, &post("//auth/v1/token", AXIOS, &format!("pat={key}"))).await);
    token(&raw(&server, &post("/auth/v3/token", AXIOS, &format!("personalAccessKey={key}"))).await);
    assert_eq!(error(&raw(&server, &post("/auth/v1/token", AXIOS, "pat=AbC%2Bd%2Fe%3D%3D")).await, 401), "malformed_key");
    server.end().await;
}

#[tokio::test]
async fn login_with_an_api_key() {
    let server = TestServer::start().await;
    let (secret, acme) = (server.api_key("acme-ci"), server.demo.acme.id);
    let path = "/auth/v1/api-key/token";
    let own = token(&raw(&server, &post(path, AXIOS, &format!("name=acme-ci&secret={secret}"))).await);
    assert_eq!(claims(&own)["currentOrganizationId"], acme.to_string(), "interactive login compares this one");
    token(&raw(&server, &post(path, AXIOS, &format!("name=acme-ci&secret={secret}&organizationId={acme}"))).await);
    let malformed = raw(&server, &post(path, AXIOS, &format!("name=acme-ci&secret={secret}&organizationId=42"))).await;
    assert!(error(&malformed, 400).contains(GUID_SENTENCE), "looked for as a part of `error`");
    error(&raw(&server, &post(path, AXIOS, "name=k1&secret=s3%2B%2F%3D")).await, 401);
    let foreign = format!("name=acme-ci&secret={secret}&organizationId={}", server.demo.globex.id);
    error(&raw(&server, &post(path, AXIOS, &foreign)).await, 403);
    server.end().await;
}

/// The Jenkins plugin does not escape: our keys have nothing to escape, and an old `tok+1/==` is refused, not misread.
#[tokio::test]
async fn an_unescaped_form() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "nothing that a form would change");
    token(&raw(&server, &post("/auth/v2/token", APACHE, &format!("pat={key}"))).await);
    assert_eq!(error(&raw(&server, &post("/auth/v2/token", APACHE, "pat=tok+1/==")).await, 401), "malformed_key");
    server.end().await;
}

/// The migration tool always sends the sub-organization, mostly empty, and reads `email` and `exp` of the token.
#[tokio::test]
async fn an_empty_sub_organization() {
    let server = TestServer::start().await;
    let key = server.key("owner");
    let claims = claims(&token(&raw(&server, &post("/auth/v2/token", AXIOS, &format!("pat={key}&subOrganizationId="))).await));
    assert_eq!(claims["email"], "owner@acme.example");
    assert!(claims["exp"].as_i64().unwrap() - server.clock.now().as_seconds() > 30 * 60, "or it would log in on each call");
    server.end().await;
}

/// The Python CLI marks requests without a body as JSON, and joins paths with two slashes.
#[tokio::test]
async fn a_get_with_a_content_type_and_no_body() {
    let server = TestServer::start().await;
    let access = token(&raw(&server, &post("/auth/v1/token", REQUESTS, &format!("pat={}", server.key("owner")))).await);
    for path in ["/distribution/v2/profiles", "//distribution/v2/profiles", "/auth/realms/appcircle/protocol/openid-connect/userinfo"] {
        let headers = "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n";
        let answer = raw(&server, &format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Authorization: Bearer {access}\r\n\r\n")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap();
    }
    server.end().await;
}

/// The fastlane plugin: kebab case on v1, or v2 with the sub-organization's id; then `json-patch` as what it accepts.
#[tokio::test]
async fn kebab_case_on_the_oldest_form() {
    let server = TestServer::start().await;
    let (key, mobile) = (server.key("owner"), server.demo.mobile.id.to_string());
    let access = token(&raw(&server, &post("/auth/v1/token", RUBY, &format!("personal-access-key={key}"))).await);
    let sub = token(&raw(&server, &post("/auth/v2/token", RUBY, &format!("pat={key}&subOrganizationId={mobile}"))).await);
    assert_eq!(claims(&sub)["currentOrganizationId"], mobile);
    let id = server.get(Actor::Owner, "/distribution/v2/profiles").await.json()[0]["id"].as_str().unwrap().to_owned();
    let body = r#"{"settings":{"authenticationType":3,"username":"qa","password":"correct horse"}}"#;
    let length = body.len();
    let head = "Accept: application/json-patch+json\r\nContent-Type: application/json\r\nUser-Agent: Ruby\r\nHost: 127.0.0.1\r\nConnection: close\r\n";
    let request = format!("PATCH /distribution/v2/profiles/{id} HTTP/1.1\r\n{head}Authorization: Bearer {access}\r\nContent-Length: {length}\r\n\r\n{body}");
    let answer = raw(&server, &request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let profile: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(profile["id"], id.as_str(), "the upload goes to the id that comes back");
    assert!(profile["settings"].is_object() && !answer.body.contains("correct horse"), "{profile}");
    server.end().await;
}

/// The documentation's curl: the token alone in the header.
#[tokio::test]
async fn a_token_without_a_scheme() {
    let server = TestServer::start().await;
    let curl = "User-Agent: curl/8.5.0\r\nAccept: application/json\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let access =
        token(&raw(&server, &post("/auth/v3/token", curl, &format!("personalAccessKey={}&scope=openid%2Cprofile%2Cemail", server.key("viewer")))).await);
    let answer =
        raw(&server, &format!("GET /distribution/v2/profiles HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {access}\r\nConnection: close\r\n\r\n")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let profiles: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(profiles.as_array().map(Vec::len), Some(3), "a bare array");
    server.end().await;
}

/// Two requests on one connection, the first refused before its body was wanted: the second is answered as itself.
#[tokio::test]
async fn a_refused_request_leaves_the_connection_in_order() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = TestServer::start().await;
    let body = "personalAccessKey=x";
    let first = format!("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let second = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    stream.write_all(format!("{first}{second}").as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    let statuses: Vec<&str> = all.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.lines().next()).collect();
    assert_eq!(statuses, ["404 Not Found", "200 OK"], "{all}");
    server.end().await;
}

/// Two hosts are two opinions of whom the request is for (RFC 9112, section 3.2).
#[tokio::test]
async fn a_request_with_two_hosts_is_refused() {
    let server = TestServer::start().await;
    for (hosts, status) in [("Host: a\r\n", 200), ("Host: a\r\nHost: a\r\n", 400), ("Host: a\r\nX-A: b\r\nHost: b\r\n", 400)] {
        let answer = raw(&server, &format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")).await;
        assert_eq!(answer.status, status, "{hosts}: {answer:?}");
    }
    server.end().await;
}

/// A request of the identity API, as a client sends it.
fn identity(method: &str, path: &str, headers: &str, access: &str, body: Option<&str>) -> String {
    let length = body.map(|body| format!("Content-Length: {}\r\n", body.len())).unwrap_or_default();
    let body = body.unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\n{headers}Authorization: Bearer {access}\r\n{length}Host: 127.0.0.1\r\nConnection: close\r\n\r\n{body}")
}

/// A body that must have come with 200.
#[track_caller]
fn success(answer: &Raw) -> Value {
    assert!(answer.head.starts_with("http/1.1 200 ok\r\n"), "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

const CLI: &str =
    "accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: Appcircle CLI/1.0.3\r\nAccept-Encoding: gzip, compress, deflate, br\r\n";
/// The same without a content type, as it sends its reads.
const CLI_GET: &str = "accept: application/json\r\nUser-Agent: Appcircle CLI/1.0.3\r\nAccept-Encoding: gzip, compress, deflate, br\r\n";
const PYTHON: &str = "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nContent-Type: application/json\r\n";
const USERINFO: &str = "/auth/realms/appcircle/protocol/openid-connect/userinfo";

/// The CLI's `organization` commands in the order of its own calls, each with what it reads of the answer.
#[tokio::test]
async fn the_organization_commands_of_the_cli() {
    let server = TestServer::start().await;
    let access = token(&raw(&server, &post("/auth/v1/token", AXIOS, &format!("pat={}", server.key("owner")))).await);
    let get = async |path: &str| success(&raw(&server, &identity("GET", path, CLI_GET, &access, None)).await);
    let send = async |method: &str, path: &str, body: &str| raw(&server, &identity(method, path, CLI, &access, Some(body))).await;

    // view
    let list = get("/identity/v1/organizations").await;
    assert!(list["data"].as_array().unwrap().iter().any(|item| item["name"] == "Acme" && item["id"].is_string()), "{list}");
    let own = get(USERINFO).await["currentOrganizationId"].as_str().unwrap().to_owned();
    let one = get(&format!("/identity/v1/organizations/{own}")).await;
    for name in ["name", "id", "givenId", "memberCount", "ssoEnabled", "createdDate", "rootOrganizationName", "rootOrganizationId", "logoUrl"] {
        assert!(one.get(name).is_some(), "{name}: {one}");
    }
    // create-sub
    let sub = success(&send("POST", "/identity/v1/organizations/current/sub-organizations", r#"{"name":"s1"}"#).await);
    assert_eq!(sub["rootOrganizationId"], own.as_str());
    error(&send("POST", "/identity/v1/organizations/current/sub-organizations", r#"{"name":"s1"}"#).await, 409);
    // user view: every roles call but a 400 with `error` must succeed, or the whole list is lost
    for organization in [own.as_str(), sub["id"].as_str().unwrap(), &server.demo.mobile.id.to_string()] {
        let users = get(&format!("/identity/v1/organizations/{organization}/users")).await;
        assert!(!users.as_array().unwrap().is_empty());
        for user in users.as_array().unwrap() {
            assert!(["id", "username", "email", "fullName"].iter().all(|name| user[name].is_string()), "{user}");
            let path = format!("/identity/v1/organizations/{organization}/users/{}/roles", user["id"].as_str().unwrap());
            let answer = raw(&server, &identity("GET", &path, CLI_GET, &access, None)).await;
            if answer.status == 400 {
                error(&answer, 400);
                continue;
            }
            let roles = success(&answer);
            assert!(roles["roles"].is_array() && roles["inheritedRoles"].is_array() && roles["isSubOrganizationMember"].is_boolean(), "{roles}");
        }
        assert!(get(&format!("/identity/v1/organizations/{organization}/invitations")).await.is_array());
    }
    // user invite, re-invite, and taking it back
    let groups = get("/roles.json?v=5").await;
    let role = groups[0]["roles"][0]["key"].as_str().unwrap().to_owned();
    let invite = format!(r#"{{"userEmail":"x+y@b.c","organizationsAndRoles":[{{"organizationId":"{own}","roles":["{role}"]}}]}}"#);
    success(&send("PATCH", &format!("/identity/v1/users?action=invite&organizationId={own}"), &invite).await);
    let invitations = format!("/identity/v1/organizations/{own}/invitations");
    let pending = get(&invitations).await;
    assert_eq!((&pending[0]["userEmail"], &pending[0]["status"]), (&"x+y@b.c".into(), &"Pending".into()));
    assert_eq!(pending[0]["organizationsAndRoles"][0]["roles"], serde_json::json!([role]));
    success(&send("PATCH", &format!("{invitations}?action=re-invite"), r#"{"userEmail":"x+y@b.c"}"#).await);
    success(&send("DELETE", &invitations, r#"{"userEmail":"x+y@b.c"}"#).await);
    assert_eq!(get(&invitations).await, serde_json::json!([]));
    // role add, role clear, user remove
    let viewer = server.demo.users["viewer"].id;
    let roles = format!("/identity/v1/organizations/{own}/users/{viewer}/roles");
    success(&send("PUT", &roles, &format!(r#"{{"roles":["{role}","view-build"]}}"#)).await);
    success(&send("PUT", &roles, r#"{"roles":[]}"#).await);
    assert_eq!(get(&roles).await["roles"], serde_json::json!([]));
    let remove = format!("/identity/v1/organizations/{own}?action=remove&userId={viewer}");
    success(&raw(&server, &identity("DELETE", &remove, CLI_GET, &access, None)).await);
    // Its older form: no bodies.
    success(&send("PATCH", &format!("/identity/v1/users?action=invite&organizationId={own}"), &invite).await);
    let again = format!("/identity/v1/users?action=re-invite&userEmail=x%2By@b.c&organizationId={own}");
    success(&raw(&server, &identity("PATCH", &again, CLI_GET, &access, None)).await);
    success(&raw(&server, &identity("DELETE", &format!("{invitations}?userEmail=x%2By@b.c"), CLI_GET, &access, None)).await);
    server.end().await;
}

/// The Python CLI adds and removes roles, sends `Content-Type: application/json` without a body, and joins paths with two slashes.
#[tokio::test]
async fn the_organization_commands_of_the_python_cli() {
    let server = TestServer::start().await;
    let (acme, viewer) = (server.demo.acme.id, server.demo.users["viewer"].id);
    let access = token(&raw(&server, &post("/auth/v1/token", REQUESTS, &format!("pat={}", server.key("owner")))).await);
    let send = async |method: &str, path: &str, body: Option<&str>| success(&raw(&server, &identity(method, path, PYTHON, &access, body)).await);
    assert!(send("GET", "//identity/v1/organizations", None).await["data"].is_array());
    assert!(send("GET", &format!("/identity/v1/organizations/{acme}/users"), None).await.is_array());
    let roles = format!("/identity/v1/organizations/{acme}/users/{viewer}/roles");
    let added = send("POST", &roles, Some(r#"{"roles": ["manage-build"]}"#)).await;
    assert!(added["roles"].as_array().unwrap().contains(&"manage-build".into()), "{added}");
    let removed = send("DELETE", &roles, Some(r#"{"roles": ["manage-build"]}"#)).await;
    assert!(!removed["roles"].as_array().unwrap().contains(&"manage-build".into()) && removed["roles"] != serde_json::json!([]), "{removed}");
    assert_eq!(send("DELETE", &roles, None).await["roles"], serde_json::json!([]));
    let invite = format!(r#"{{"userEmail": "p@b.c", "organizationsAndRoles": [{{"organizationId": "{acme}", "roles": []}}]}}"#);
    send("PATCH", &format!("/identity/v1/users?action=invite&organizationId={acme}"), Some(&invite)).await;
    assert_eq!(
        send("GET", &format!("/identity/v1/organizations/{acme}/invitations"), None).await[0]["organizationsAndRoles"][0]["roles"],
        serde_json::json!([])
    );
    send("POST", "/identity/v1/organizations/current/sub-organizations", Some(r#"{"name": "from python"}"#)).await;
    server.end().await;
}

/// The fastlane plugin finds a sub-organization by its name and exchanges for it; the migration tool makes one, invites, and sends a role
/// that cannot be when it has none.
#[tokio::test]
async fn the_organization_commands_of_fastlane_and_the_migration_tool() {
    let server = TestServer::start().await;
    let (key, acme) = (server.key("owner"), server.demo.acme.id);
    let access = token(&raw(&server, &post("/auth/v1/token", RUBY, &format!("personal-access-key={key}"))).await);
    let list = success(&raw(&server, &identity("GET", "/identity/v1/organizations", RUBY, &access, None)).await);
    let found = list["data"].as_array().unwrap().iter().find(|item| item["name"] == "Acme Mobile").expect("by its name")["id"].as_str().unwrap();
    let sub = token(&raw(&server, &post("/auth/v2/token", RUBY, &format!("pat={key}&subOrganizationId={found}"))).await);
    assert_eq!(claims(&sub)["currentOrganizationId"], found);

    let access = token(&raw(&server, &post("/auth/v2/token", AXIOS, &format!("pat={key}&subOrganizationId="))).await);
    let send = async |method: &str, path: &str, body: &str| raw(&server, &identity(method, path, CLI, &access, Some(body))).await;
    success(&send("POST", "/identity/v1/organizations/current/sub-organizations", r#"{"name":"migrated"}"#).await);
    let invite = |role: &str| format!(r#"{{"userEmail":"m@b.c","organizationsAndRoles":[{{"organizationId":"{acme}","roles":["{role}"]}}]}}"#);
    let path = format!("/identity/v1/users?action=invite&organizationId={acme}");
    error(&send("PATCH", &path, &invite("None-distribution-profile")).await, 400);
    success(&send("PATCH", &path, &invite("manage-distribution-profile")).await);
    server.end().await;
}
