//! What an operator key with every scope gets from each documented operation, presented as it is: the column beside the table of
//! `access`.

use crate::access::{Caller, Fixture, TABLE, body};
use keywright_protocol::{
    OperatorScope,
    admin::{AdminReply, AdminRequest},
};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The identity API; an operator key is in no organization, so it is nobody in particular at `me`.
const IDENTITY: [(&str, &str, u16); 75] = [
    ("get", "/identity/v1/me", 403),
    ("get", "/identity/v1/me/explain", 400),
    ("get", "/identity/v1/organizations", 200),
    ("get", "/identity/v1/organizations/{id}", 200),
    ("post", "/identity/v1/organizations/{id}/sub-organizations", 200),
    ("patch", "/identity/v1/organizations/{id}", 200),
    ("get", "/identity/v1/organizations/{id}/policy", 200),
    // A policy, and everything at once, are for the organization's own people.
    ("put", "/identity/v1/organizations/{id}/policy", 403),
    ("post", "/identity/v1/organizations/{id}/revoke-all", 403),
    ("get", "/identity/v1/organizations/{id}/attention", 200),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}/brought-in", 200),
    ("get", "/identity/v1/organizations/{id}/users/export", 200),
    // So is what happened there.
    ("get", "/identity/v1/revocations/{revision}", 404),
    ("get", "/identity/v1/organizations/{id}/activity", 403),
    ("get", "/identity/v1/organizations/{id}/activity/export", 403),
    ("get", "/identity/v1/organizations/{id}/activity/head", 403),
    ("get", "/identity/v1/organizations/{id}/activity/chain", 403),
    // Who gives any role makes roles.
    ("get", "/identity/v1/organizations/{id}/roles", 200),
    ("post", "/identity/v1/organizations/{id}/roles", 201),
    ("get", "/identity/v1/organizations/{id}/roles/{role}", 200),
    ("patch", "/identity/v1/organizations/{id}/roles/{role}", 200),
    ("delete", "/identity/v1/organizations/{id}/roles/{role}", 200),
    // And where it is told.
    ("get", "/identity/v1/organizations/{id}/webhooks", 403),
    ("post", "/identity/v1/organizations/{id}/webhooks", 403),
    ("get", "/identity/v1/organizations/{id}/webhooks/{webhook}", 403),
    ("patch", "/identity/v1/organizations/{id}/webhooks/{webhook}", 403),
    ("post", "/identity/v1/organizations/{id}/webhooks/{webhook}/rotate", 403),
    ("post", "/identity/v1/organizations/{id}/webhooks/{webhook}/ping", 403),
    ("get", "/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries", 403),
    ("post", "/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries/{delivery}/redeliver", 403),
    ("delete", "/identity/v1/organizations/{id}/webhooks/{webhook}", 403),
    ("get", "/identity/v1/organizations/{id}/personal-access-keys", 200),
    // People make and name their own.
    ("post", "/identity/v1/organizations/{id}/personal-access-keys", 403),
    ("patch", "/identity/v1/organizations/{id}/personal-access-keys/{key}", 403),
    ("get", "/identity/v1/organizations/{id}/personal-access-keys/{key}/usage", 200),
    ("delete", "/identity/v1/organizations/{id}/personal-access-keys/{key}", 200),
    ("get", "/identity/v1/organizations/{id}/api-keys", 200),
    ("post", "/identity/v1/organizations/{id}/api-keys", 201),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}", 200),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}/secrets", 200),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}/usage", 200),
    ("patch", "/identity/v1/organizations/{id}/api-keys/{key}", 200),
    ("post", "/identity/v1/organizations/{id}/api-keys/{key}/suspend", 200),
    ("post", "/identity/v1/organizations/{id}/api-keys/{key}/resume", 200),
    ("post", "/identity/v1/organizations/{id}/api-keys/{key}/rotate", 200),
    ("delete", "/identity/v1/organizations/{id}/api-keys/{key}", 200),
    ("get", "/identity/v1/organizations/{id}/users", 200),
    ("get", "/identity/v1/organizations/{id}/users/{user}/roles", 200),
    ("put", "/identity/v1/organizations/{id}/users/{user}/roles", 200),
    ("post", "/identity/v1/organizations/{id}/users/{user}/roles", 200),
    ("delete", "/identity/v1/organizations/{id}/users/{user}/roles", 200),
    ("patch", "/identity/v1/users", 200),
    ("get", "/identity/v1/organizations/{id}/invitations", 200),
    ("patch", "/identity/v1/organizations/{id}/invitations", 200),
    ("delete", "/identity/v1/organizations/{id}/invitations", 200),
    ("delete", "/identity/v1/organizations/{id}", 200),
    ("post", "/identity/v1/organizations", 201),
    ("put", "/identity/v1/organizations/by-external-id/{externalId}", 201),
    ("get", "/identity/v1/organizations/by-external-id/{externalId}", 200),
    ("get", "/identity/v1/organizations/{id}/limits", 200),
    ("put", "/identity/v1/organizations/{id}/limits", 200),
    ("post", "/identity/v1/organizations/{id}/suspend", 200),
    ("post", "/identity/v1/organizations/{id}/resume", 200),
    ("post", "/identity/v1/users", 201),
    ("post", "/identity/v1/users/{user}/disable", 200),
    ("post", "/identity/v1/users/{user}/enable", 200),
    ("get", "/identity/v1/operator-keys", 403),
    ("post", "/identity/v1/operator-keys", 403),
    ("post", "/identity/v1/operator-keys/{id}/rotate", 403),
    ("delete", "/identity/v1/operator-keys/{id}", 403),
    ("get", "/identity/v1/signing-keys", 403),
    ("post", "/identity/v1/signing-keys/rotate", 403),
    ("delete", "/identity/v1/signing-keys/{kid}", 403),
    ("post", "/identity/v1/catalog/diff", 403),
    ("post", "/identity/v1/catalog/apply", 403),
];

/// The body that a route of our own takes: it refuses what it does not know. `None` for a route that takes what it is sent.
pub(crate) fn own_body(method: &Method, path: &str) -> Option<Value> {
    let (post, put) = (*method == Method::POST, *method == Method::PUT);
    match path {
        "/identity/v1/organizations" if post => Some(json!({ "name": "Customer" })),
        "/identity/v1/users" if post => Some(json!({ "name": "New", "email": "added@acme.example" })),
        "/identity/v1/operator-keys" if post => Some(json!({ "name": "another", "scopes": ["users"] })),
        "/identity/v1/signing-keys/rotate" | "/identity/v1/catalog/diff" | "/identity/v1/catalog/apply" if post => Some(json!({})),
        path if put && path.starts_with("/identity/v1/organizations/by-external-id/") => Some(json!({ "name": "Customer" })),
        path if put && path.ends_with("/limits") => Some(json!({ "members": 1_000 })),
        path if post && path.starts_with("/identity/v1/operator-keys/") => Some(json!({ "overlapSeconds": 0 })),
        _ => None,
    }
}

/// An operator key made on the host.
pub(crate) async fn operator_key(server: &TestServer, scopes: &[OperatorScope]) -> String {
    let request = AdminRequest::CreateOperatorKey { name: "backend".into(), scopes: scopes.to_vec(), expires_at: None, allowed_addresses: Vec::new() };
    let reply = server.core.administer(&server.host(), request).await;
    let AdminReply::KeyCreated { secret, .. } = reply else { panic!("{reply:?}") };
    secret
}

async fn call(server: &TestServer, key: &str, method: &str, path: &str) -> Answer {
    let method: Method = method.to_uppercase().parse().unwrap();
    let acme = server.demo.acme.id;
    let query = match (&method, path) {
        (&Method::GET, "/identity/v1/me/explain") => "permission=organization.member.view".to_owned(),
        (&Method::PATCH, "/identity/v1/users") => format!("action=invite&organizationId={acme}"),
        (&Method::PATCH, path) if path.ends_with("/invitations") => "action=re-invite".to_owned(),
        (&Method::DELETE, path) if path.ends_with(&acme.to_string()) => format!("action=remove&userId={}", server.demo.users["manager"].id),
        _ => String::new(),
    };
    let request = server.request(method.clone(), &format!("{path}?onBehalfOf=customer-7&{query}")).bearer_auth(key);
    server
        .send(match body(server, Caller::RawKey, &method, path) {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
}

/// Reddens when a change that operator keys may make does not say that it takes `onBehalfOf`, or one that they may not make does.
#[tokio::test]
async fn what_operator_keys_may_change_documents_for_whom() {
    let server = TestServer::start().await;
    let document = server.get(Actor::Anonymous, "/openapi/identity.json").await.json();
    for (method, path, status) in IDENTITY {
        let parameters = document["paths"][path][method]["parameters"].as_array();
        let documented = parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "onBehalfOf"));
        assert_eq!(documented, method != "get" && status != 403, "{method} {path}");
    }
    server.end().await;
}

/// Reddens when an operator key is taken anywhere but on the identity API, or reaches there what is none of its business.
#[tokio::test]
async fn an_operator_key_gets_what_the_table_says() {
    let fixture = Fixture::new().await;
    let server = &fixture.server;
    let key = operator_key(server, &OperatorScope::ALL).await;
    let mut rows: BTreeSet<&(&str, &str, u16)> = BTreeSet::new();
    let mut wrong = Vec::new();
    for (method, documented, statuses) in TABLE {
        let row = IDENTITY.iter().find(|(known, path, _)| (*known, *path) == (method, documented));
        // What takes no credential from the header, or none at all, answers everybody alike.
        let alike = statuses.iter().all(|status| *status == statuses[0]);
        let expected = match row {
            Some((_, _, status)) => *status,
            None if alike => statuses[0],
            None => {
                assert!(!documented.starts_with("/identity/"), "{method} {documented} has no row here");
                401
            }
        };
        rows.extend(row);
        let answer = call(server, &key, method, &fixture.path(documented)).await;
        if answer.status.as_u16() != expected {
            wrong.push(format!("{method} {documented}: {} instead of {expected}: {}", answer.status, answer.text));
        }
        if documented.starts_with("/identity/") && documented.ends_with("/suspend") && !documented.contains("{key}") {
            server.core.resume_organization(&server.host(), server.demo.acme.id).await.unwrap();
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(rows.len(), IDENTITY.len(), "no row without a route");
    fixture.server.end().await;
}
