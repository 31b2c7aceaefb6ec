//! Who gets what from each documented operation. A route without a row fails, and so does a row without a route.

use crate::{access_operator::own_body, support::fails};
use keywright_server::openapi;
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who calls: an actor with a token of its own, or a raw key where a token belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    By(Actor),
    RawKey,
}

/// The columns. `Owner` is the control: what he is answered shows that the call itself is right.
const CALLERS: [Caller; 7] = [
    Caller::By(Actor::Owner),
    Caller::By(Actor::Anonymous),
    Caller::By(Actor::OtherOwner),
    Caller::By(Actor::Viewer),
    Caller::By(Actor::Submember),
    Caller::By(Actor::ApiKey),
    Caller::RawKey,
];

/// An exchange takes its credential from the form alone; who else is named in `Authorization` changes nothing.
const EXCHANGE: [u16; 7] = [400; 7];
/// Who signs in, or follows a link, is said in the body.
const NO_BODY: [u16; 7] = [400; 7];
/// A session is no business of an access token, whoever holds it. What a session opens: `routes/auth/sessions.rs`.
const SESSION: [u16; 7] = [403, 401, 403, 403, 403, 403, 401];
const PUBLIC: [u16; 7] = [200; 7];
const HOLDER: [u16; 7] = [200, 401, 200, 200, 200, 200, 401];
const LIST: [u16; 7] = [200, 401, 200, 200, 200, 200, 401];
/// Another root's Owner makes profiles too, in his own organization.
const CREATE: [u16; 7] = [200, 401, 200, 403, 403, 403, 401];
/// The profile is Acme's: for whoever belongs elsewhere, the sub-organization included, it is not there.
const READ: [u16; 7] = [200, 401, 404, 200, 404, 200, 401];
const CHANGE: [u16; 7] = [200, 401, 404, 403, 404, 403, 401];

/// Acme: for whoever belongs elsewhere, a member of its sub-organization included, it is not there.
const MEMBER: [u16; 7] = [200, 401, 404, 200, 404, 200, 401];
const SEE_MEMBERS: [u16; 7] = [200, 401, 404, 200, 404, 403, 401];
const ADMINISTER: [u16; 7] = [200, 401, 404, 403, 404, 403, 401];
/// The secret of a link decides, not who is named in `Authorization`.
const LINK: [u16; 7] = [404; 7];

/// For operator keys, and their own people; nobody of an organization. What an operator key gets: `access_operator.rs`.
const OPERATORS: [u16; 7] = [403, 401, 403, 403, 403, 403, 401];
/// The same about one organization: who belongs there is told so, for everybody else it is not there.
const FROM_ABOVE: [u16; 7] = [403, 401, 404, 403, 404, 403, 401];

/// Method, path as documented, statuses in the order of [`CALLERS`].
pub(crate) const TABLE: [(&str, &str, [u16; 7]); 63] = [
    ("post", "/auth/v1/token", EXCHANGE),
    ("post", "/auth/v2/token", EXCHANGE),
    ("post", "/auth/v3/token", EXCHANGE),
    ("post", "/auth/v1/api-key/token", EXCHANGE),
    ("get", "/auth/realms/{realm}/protocol/openid-connect/userinfo", HOLDER),
    ("post", "/auth/v1/sessions", NO_BODY),
    ("get", "/auth/v1/sessions", SESSION),
    ("delete", "/auth/v1/sessions", SESSION),
    ("delete", "/auth/v1/sessions/{id}", SESSION),
    ("get", "/auth/v1/sessions/current", SESSION),
    ("patch", "/auth/v1/sessions/current", SESSION),
    ("delete", "/auth/v1/sessions/current", SESSION),
    ("post", "/auth/v1/sessions/current/confirm", SESSION),
    ("post", "/auth/v1/sessions/current/token", SESSION),
    ("post", "/auth/v1/password", SESSION),
    ("post", "/auth/v1/password-resets", NO_BODY),
    ("post", "/auth/v1/password-resets/confirm", NO_BODY),
    ("get", "/.well-known/jwks.json", PUBLIC),
    ("get", "/.well-known/jwks.pem", PUBLIC),
    ("get", "/.well-known/keywright-catalog", PUBLIC),
    ("get", "/roles.json", PUBLIC),
    ("get", "/healthz", PUBLIC),
    ("get", "/readyz", PUBLIC),
    ("get", "/metrics", PUBLIC),
    ("get", "/distribution/v1/profiles", LIST),
    ("get", "/distribution/v2/profiles", LIST),
    ("post", "/distribution/v1/profiles", CREATE),
    ("post", "/distribution/v2/profiles", CREATE),
    ("get", "/distribution/v1/profiles/{id}", READ),
    ("get", "/distribution/v2/profiles/{id}", READ),
    ("patch", "/distribution/v1/profiles/{id}", CHANGE),
    ("patch", "/distribution/v2/profiles/{id}", CHANGE),
    ("get", "/identity/v1/me", HOLDER),
    ("get", "/identity/v1/me/explain", HOLDER),
    ("get", "/identity/v1/organizations", HOLDER),
    ("get", "/identity/v1/organizations/{id}", MEMBER),
    ("post", "/identity/v1/organizations/{id}/sub-organizations", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/users", SEE_MEMBERS),
    ("get", "/identity/v1/organizations/{id}/users/{user}/roles", SEE_MEMBERS),
    ("put", "/identity/v1/organizations/{id}/users/{user}/roles", ADMINISTER),
    ("post", "/identity/v1/organizations/{id}/users/{user}/roles", ADMINISTER),
    ("delete", "/identity/v1/organizations/{id}/users/{user}/roles", ADMINISTER),
    ("patch", "/identity/v1/users", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/invitations", SEE_MEMBERS),
    ("patch", "/identity/v1/organizations/{id}/invitations", ADMINISTER),
    ("delete", "/identity/v1/organizations/{id}/invitations", ADMINISTER),
    ("delete", "/identity/v1/organizations/{id}", ADMINISTER),
    ("post", "/identity/v1/organizations", OPERATORS),
    ("put", "/identity/v1/organizations/by-external-id/{externalId}", OPERATORS),
    ("get", "/identity/v1/organizations/by-external-id/{externalId}", OPERATORS),
    ("get", "/identity/v1/organizations/{id}/limits", ADMINISTER),
    ("put", "/identity/v1/organizations/{id}/limits", FROM_ABOVE),
    ("post", "/identity/v1/organizations/{id}/suspend", FROM_ABOVE),
    ("post", "/identity/v1/organizations/{id}/resume", FROM_ABOVE),
    ("post", "/identity/v1/users", OPERATORS),
    ("post", "/identity/v1/users/{user}/disable", OPERATORS),
    ("post", "/identity/v1/users/{user}/enable", OPERATORS),
    ("get", "/identity/v1/operator-keys", OPERATORS),
    ("post", "/identity/v1/operator-keys", OPERATORS),
    ("post", "/identity/v1/operator-keys/{id}/rotate", OPERATORS),
    ("delete", "/identity/v1/operator-keys/{id}", OPERATORS),
    ("post", "/identity/v1/invitations/lookup", LINK),
    ("post", "/identity/v1/invitations/accept", LINK),
];

async fn call(server: &TestServer, caller: Caller, method: &str, path: &str) -> Answer {
    let method: Method = method.to_uppercase().parse().unwrap();
    // Another name each time, so that each call would change something.
    // All members that any route reads; the contract's routes ignore what they do not know.
    let named = json!({ "name": format!("{method} {path} by {caller:?}"), "roles": ["view-build"], "userEmail": "new@acme.example",
        "organizationsAndRoles": [{ "organizationId": server.demo.acme.id, "roles": ["view-build"] }] });
    let link = json!({ "token": "no such link" });
    let body = match path {
        "/identity/v1/invitations/lookup" => Some(link),
        "/identity/v1/invitations/accept" => Some(json!({ "token": "no such link", "password": "a password of one's own" })),
        _ => own_body(&method, path).or(Some(named)),
    };
    let body = body.filter(|_| method != Method::GET && !path.starts_with("/auth/"));
    let action = match (&method, path) {
        (&Method::GET, "/identity/v1/me/explain") => "?permission=organization.member.view".to_owned(),
        (&Method::PATCH, "/identity/v1/users") => format!("?action=invite&organizationId={}", server.demo.acme.id),
        (&Method::PATCH, path) if path.ends_with("/invitations") => "?action=re-invite".to_owned(),
        (&Method::DELETE, path) if path.starts_with("/identity/v1/organizations/") && path.matches('/').count() == 4 => {
            format!("?action=remove&userId={}", server.demo.users["manager"].id)
        }
        _ => String::new(),
    };
    let path = &format!("{path}{action}");
    match caller {
        Caller::By(actor) => server.call(actor, method, path, body.as_ref()).await,
        Caller::RawKey => {
            let request = server.request(method, path).bearer_auth(server.key("owner"));
            server.send(if let Some(body) = body { request.json(&body) } else { request }).await
        }
    }
}

fn documented(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths.iter().flat_map(|(path, item)| item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))).collect()
}

/// Reddens when a route is added to a document without a row here, or the other way round.
#[tokio::test]
async fn every_documented_operation_has_a_row_and_every_row_an_operation() {
    let server = TestServer::start().await;
    let mut operations = documented(&serde_json::from_str(&openapi::auth().to_json().unwrap()).unwrap());
    for other in ["identity", "distribution"] {
        operations.append(&mut documented(&server.get(Actor::Anonymous, &format!("/openapi/{other}.json")).await.json()));
    }
    let rows: BTreeSet<(String, String)> = TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(operations, rows);
    assert_eq!(rows.len(), TABLE.len(), "no row twice");
    server.end().await;
}

async fn acme_profile(server: &TestServer) -> String {
    server.get(Actor::Owner, "/distribution/v2/profiles").await.json()[0]["id"].as_str().unwrap().to_owned()
}

fn names(list: &Answer) -> BTreeSet<String> {
    list.json().as_array().unwrap().iter().map(|profile| profile["name"].as_str().unwrap().to_owned()).collect()
}

/// Reddens when a handler asks for a weaker permission or for none, when a query forgets the organization, or when a raw key
/// passes for a token.
#[tokio::test]
async fn each_caller_gets_what_the_table_says() {
    let server = TestServer::start().await;
    let (profile, acme) = (acme_profile(&server).await, server.demo.acme.id.to_string());
    let manager = server.demo.users["manager"].id.to_string();
    for (method, documented, expected) in TABLE {
        let id = if documented.starts_with("/identity/") { &acme } else { &profile };
        let path = documented.replace("{realm}", "appcircle").replace("{id}", id).replace("{user}", &manager).replace("{externalId}", "customer-7");
        let mut found = [0; 7];
        for (status, caller) in found.iter_mut().zip(CALLERS) {
            let answer = call(&server, caller, method, &path).await;
            *status = answer.status.as_u16();
            if answer.status.is_client_error() {
                assert!(answer.json()["message"].is_string(), "{method} {path} by {caller:?}: {}", answer.text);
            }
        }
        assert_eq!(found, expected, "{method} {documented}");
    }
    // The list is of one organization: whoever made or renamed what, it is among his own alone.
    let acme = names(&server.get(Actor::Owner, "/distribution/v2/profiles").await);
    assert!(acme.iter().filter(|name| name.contains(" by ")).all(|name| name.ends_with("by By(Owner)")), "{acme:?}");
    let globex = names(&server.get(Actor::OtherOwner, "/distribution/v2/profiles").await);
    assert_eq!(globex.len(), 4);
    assert!(globex.iter().all(|name| name.starts_with("Globex") || name.ends_with("by By(OtherOwner)")), "{globex:?}");
    assert_eq!(names(&server.get(Actor::Submember, "/distribution/v2/profiles").await), ["Acme Mobile Nightly".to_owned()].into());
    server.end().await;
}

#[tokio::test]
async fn a_weak_role_is_told_what_is_needed_and_who_has_it() {
    let server = TestServer::start().await;
    let change = json!({ "name": "Another" });
    let one = format!("/distribution/v2/profiles/{}", acme_profile(&server).await);
    for actor in [Actor::Viewer, Actor::ApiKey] {
        for (method, path) in [(Method::POST, "/distribution/v2/profiles"), (Method::PATCH, &one)] {
            let answer = server.call(actor, method, path, Some(&change)).await;
            let sentence = fails(&answer, 403, "insufficient_permission");
            let body = answer.json();
            assert_eq!(body["requiredPermission"], "distribution.profile.manage");
            assert_eq!(body["rolesWithPermission"], json!(["manage-distribution-profile", "owner"]));
            assert!(sentence.contains("distribution.profile.manage") && sentence.contains("manage-distribution-profile"), "{sentence}");
            assert!(answer.header("www-authenticate").contains(r#"error="insufficient_scope", scope="distribution.profile.manage""#));
        }
    }
    server.end().await;
}

/// Everything of an answer but what differs from request to request.
fn essence(answer: &Answer) -> (u16, Vec<(String, Vec<u8>)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
    (answer.status.as_u16(), headers, answer.text.clone())
}

/// Reddens when the answer to a foreign id differs in one byte from the answer to one that nobody has.
#[tokio::test]
async fn a_foreign_id_and_an_unknown_one_are_the_same_to_the_byte() {
    let server = TestServer::start().await;
    let foreign = acme_profile(&server).await;
    let change = json!({ "name": "Mine now", "pinned": true });
    for version in ["v1", "v2"] {
        for (method, body) in [(Method::GET, None), (Method::PATCH, Some(&change))] {
            for actor in [Actor::OtherOwner, Actor::Submember] {
                let unknown = format!("/distribution/{version}/profiles/6f9619ff-8b86-4011-b42d-00c04fc964ff");
                let unknown = server.call(actor, method.clone(), &unknown, body).await;
                fails(&unknown, 404, "profile_not_found");
                for id in [foreign.as_str(), "nonsense"] {
                    let path = format!("/distribution/{version}/profiles/{id}");
                    assert_eq!(essence(&server.call(actor, method.clone(), &path, body).await), essence(&unknown), "{method} {path} by {actor:?}");
                }
            }
        }
    }
    assert!(!names(&server.get(Actor::Owner, "/distribution/v2/profiles").await).contains("Mine now"));
    server.end().await;
}
