//! Operator keys over HTTP: how an operator's own programs work, and how they are told what is wrong.

use crate::{access_operator::operator_key, support::fails};
use keywright_protocol::{
    OperatorScope,
    admin::{AdminReply, AdminRequest, RolesIn},
};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

const ORGANIZATIONS: &str = "/identity/v1/organizations";
const KEYS: &str = "/identity/v1/operator-keys";
const FOR_ANN: &str = "?onBehalfOf=Ann";

/// Makes the operator organization and signs its Owner in; answers its id and the session's secret.
pub(super) async fn bootstrap(server: &TestServer) -> (String, String) {
    let reply = server.core.administer(&server.host(), AdminRequest::Bootstrap { owner_email: "chief@operator.example".into() }).await;
    let AdminReply::Bootstrapped { organization_id, one_time_password, .. } = reply else { panic!("{reply:?}") };
    let body = json!({ "email": "chief@operator.example", "password": one_time_password, "newPassword": "the operator's own password" });
    let session = server.send(server.request(Method::POST, "/auth/v1/sessions").json(&body)).await;
    (organization_id.to_string(), session.member("sessionToken"))
}

#[track_caller]
fn is(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
    answer.json()
}

fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_owner_of_the_operator_organization_looks_after_operator_keys() {
    let server = TestServer::start().await;
    let (_, chief) = bootstrap(&server).await;
    let new = json!({ "name": "backend", "scopes": ["keys", "organizations"], "allowedAddresses": ["127.0.0.0/8"] });
    let made = server.by(&chief, Method::POST, KEYS, Some(&new)).await;
    let body = is(&made, 201);
    assert!(made.header("keywright-revision").starts_with("1."));
    assert_eq!((&body["scopes"], &body["allowedAddresses"], &body["state"]), (&json!(["organizations", "keys"]), &json!(["127.0.0.0/8"]), &json!("Active")));
    let (id, secret) = (made.member("id"), made.member("secret"));
    assert!(secret.starts_with("kw_op_"));
    let list = server.by(&chief, Method::GET, KEYS, None).await;
    assert_eq!(is(&list, 200)[0]["id"], json!(id));
    assert!(!list.text.contains("secret"));
    assert_eq!(is(&server.by(&secret, Method::GET, ORGANIZATIONS, None).await, 200)["total"], json!(3));

    let rotated = server.by(&chief, Method::POST, &format!("{KEYS}/{id}/rotate"), Some(&json!({ "overlapSeconds": 0 }))).await;
    assert_eq!(is(&rotated, 200)["oldSecretEndsAt"], Value::Null);
    let newer = rotated.member("secret");
    fails(&server.by(&secret, Method::GET, ORGANIZATIONS, None).await, 401, "key_secret_replaced");
    let without_body = server.by(&chief, Method::POST, &format!("{KEYS}/{id}/rotate"), None).await;
    assert!(is(&without_body, 200)["oldSecretEndsAt"].is_string(), "24 hours without a word");
    assert_eq!(server.by(&newer, Method::GET, ORGANIZATIONS, None).await.status, 200);
    assert_eq!(server.by(&chief, Method::DELETE, &format!("{KEYS}/{id}"), None).await.status, 200);
    fails(&server.by(&newer, Method::GET, ORGANIZATIONS, None).await, 401, "key_revoked");

    for (body, part) in [
        (json!({ "name": "n", "scopes": [] }), "scopes"),
        (json!({ "name": "n", "scopes": ["everything"] }), "everything"),
        (json!({ "name": "n" }), "scopes"),
        (json!({ "name": "n", "scopes": ["keys"], "organizationId": "x" }), "organizationId"),
        (json!({ "name": "n", "scopes": ["keys"], "allowedAddresses": ["10.0.0.1/8"] }), "allowedAddresses"),
        (json!({ "name": "n", "scopes": ["keys"], "expiresAt": "2000-01-01T00:00:00Z" }), "expiresAt"),
    ] {
        let sentence = fails(&server.by(&chief, Method::POST, KEYS, Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains(part), "{body}: {sentence}");
    }
    for unknown in ["nonsense", "6f9619ff-8b86-4011-b42d-00c04fc964ff"] {
        fails(&server.by(&chief, Method::DELETE, &format!("{KEYS}/{unknown}"), None).await, 404, "not_found");
    }
    server.clock.advance(Duration::from_secs(300));
    for (method, path) in [(Method::GET, KEYS.to_owned()), (Method::POST, KEYS.to_owned()), (Method::DELETE, format!("{KEYS}/{id}"))] {
        let body = (method == Method::POST).then(|| new.clone());
        fails(&server.by(&chief, method, &path, body.as_ref()).await, 403, "session_not_fresh");
    }
    server.end().await;
}

/// The whole way of an operator's backend for one customer, without a person. Reddens when a step needs one.
#[tokio::test]
async fn a_customer_is_made_by_a_program_alone() {
    let server = TestServer::start().await;
    let key = operator_key(&server, &OperatorScope::ALL).await;
    let call = async |method, path: &str, body: Option<Value>| server.by(&key, method, path, body.as_ref()).await;
    let put = format!("{ORGANIZATIONS}/by-external-id/customer%2F17{FOR_ANN}");
    let wanted = json!({ "name": "Customer", "metadata": { "plan": "gold" }, "limits": { "apiKeys": 2 } });
    let made = is(&call(Method::PUT, &put, Some(wanted.clone())).await, 201);
    assert_eq!(is(&call(Method::PUT, &put, Some(wanted)).await, 200), made);
    assert_eq!(members(&made), ["id", "name", "externalId", "metadata", "limits", "createdAt", "suspendedAt"].into());
    assert_eq!((&made["externalId"], &made["metadata"]), (&json!("customer/17"), &json!({ "plan": "gold" })));
    assert_eq!(made["limits"], json!({ "apiKeys": 2, "members": null, "subOrganizations": null }));
    let found = is(&call(Method::GET, &format!("{ORGANIZATIONS}/by-external-id/customer%2F17"), None).await, 200);
    assert_eq!(found, made);
    let taken = json!({ "name": "Customer", "externalId": "customer/17" });
    fails(&call(Method::POST, &format!("{ORGANIZATIONS}{FOR_ANN}"), Some(taken)).await, 409, "conflict");
    is(&call(Method::POST, &format!("{ORGANIZATIONS}{FOR_ANN}"), Some(json!({ "name": "Another" }))).await, 201);
    let id = made["id"].as_str().unwrap();

    // People.
    let users = format!("/identity/v1/users{FOR_ANN}");
    let person = json!({ "email": "Chief@Customer.example", "name": "Chief" });
    let added = is(&call(Method::POST, &users, Some(person.clone())).await, 201);
    assert_eq!(is(&call(Method::POST, &users, Some(person)).await, 200), added);
    assert_eq!((&added["email"], &added["disabledAt"]), (&json!("chief@customer.example"), &Value::Null));
    let user = added["id"].as_str().unwrap();
    let roles = format!("{ORGANIZATIONS}/{id}/users/{user}/roles{FOR_ANN}");
    assert_eq!(is(&call(Method::PUT, &roles, Some(json!({ "roles": ["owner"] }))).await, 200), json!({ "roles": ["owner"] }));
    fails(&call(Method::DELETE, &format!("{ORGANIZATIONS}/{id}{FOR_ANN}&action=remove&userId={user}"), None).await, 409, "conflict");

    // Limits and use.
    let limits = format!("{ORGANIZATIONS}/{id}/limits");
    let shown = is(&call(Method::GET, &limits, None).await, 200);
    assert_eq!(shown["apiKeys"], json!({ "own": 2, "limit": 2, "used": 0 }));
    assert_eq!(shown["members"], json!({ "own": null, "limit": null, "used": 1 }));
    let set = json!({ "members": 1, "subOrganizations": 0 });
    let shown = is(&call(Method::PUT, &format!("{limits}{FOR_ANN}"), Some(set)).await, 200);
    assert_eq!((&shown["apiKeys"]["own"], &shown["apiKeys"]["limit"], &shown["subOrganizations"]["limit"]), (&Value::Null, &json!(1_000), &json!(0)));
    fails(&call(Method::POST, &format!("{ORGANIZATIONS}/{id}/sub-organizations{FOR_ANN}"), Some(json!({ "name": "Labs" }))).await, 409, "conflict");
    for (bad, part) in [(json!({ "members": -1 }), "-1"), (json!({ "seats": 1 }), "seats")] {
        let sentence = fails(&call(Method::PUT, &format!("{limits}{FOR_ANN}"), Some(bad)).await, 400, "invalid_request");
        assert!(sentence.contains(part), "{sentence}");
    }

    // The list has all customers, by page, in the contract's shape.
    let page = is(&call(Method::GET, &format!("{ORGANIZATIONS}?perPage=2&page=2"), None).await, 200);
    assert_eq!((&page["total"], page["data"].as_array().unwrap().len()), (&json!(5), 2));
    let contract = ["id", "name", "givenId", "ssoEnabled", "disabled", "rootOrganizationId", "rootOrganizationName", "createdDate"];
    assert_eq!(members(&page["data"][0]), contract.into());
    let one = is(&call(Method::GET, &format!("{ORGANIZATIONS}/{id}"), None).await, 200);
    assert_eq!((&one["memberCount"], one.get("externalId")), (&json!(1), None));

    // Suspended, and back.
    assert_eq!(call(Method::POST, &format!("{ORGANIZATIONS}/{}/suspend{FOR_ANN}", server.demo.acme.id), None).await.status, 200);
    let exchange = format!("personalAccessKey={}", server.key("owner"));
    fails(&server.form("/auth/v3/token", &exchange).await, 401, "organization_disabled");
    assert_eq!(call(Method::POST, &format!("{ORGANIZATIONS}/{}/resume{FOR_ANN}", server.demo.acme.id), None).await.status, 200);
    assert_eq!(server.form("/auth/v3/token", &exchange).await.status, 200);
    let owner = server.demo.users["owner"].id;
    assert_eq!(call(Method::POST, &format!("/identity/v1/users/{owner}/disable{FOR_ANN}"), None).await.status, 200);
    fails(&server.form("/auth/v3/token", &exchange).await, 401, "holder_disabled");
    assert_eq!(call(Method::POST, &format!("/identity/v1/users/{owner}/enable{FOR_ANN}"), None).await.status, 200);
    for unknown in ["nonsense", "6f9619ff-8b86-4011-b42d-00c04fc964ff"] {
        fails(&call(Method::POST, &format!("/identity/v1/users/{unknown}/disable{FOR_ANN}"), None).await, 404, "not_found");
    }
    server.end().await;
}

/// Reddens when a change passes without it, when it is read from anywhere but the query, or when two are one.
#[tokio::test]
async fn a_change_says_for_whom() {
    let server = TestServer::start().await;
    let key = operator_key(&server, &OperatorScope::ALL).await;
    let body = json!({ "name": "Customer" });
    for query in ["", "?onBehalfOf=", "?behalf=Ann"] {
        let sentence = fails(&server.by(&key, Method::POST, &format!("{ORGANIZATIONS}{query}"), Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains("onBehalfOf") && sentence.contains("for whom"), "{sentence}");
    }
    let long = "x".repeat(129);
    for query in ["?onBehalfOf=Ann&onbehalfof=Ben", "?onBehalfOf=%0A", &format!("?onBehalfOf={long}")] {
        let sentence = fails(&server.by(&key, Method::POST, &format!("{ORGANIZATIONS}{query}"), Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains("onBehalfOf"), "{sentence}");
    }
    assert_eq!(server.by(&key, Method::POST, &format!("{ORGANIZATIONS}?ONBEHALFOF=%C3%9Cn%20Named"), Some(&body)).await.status, 201);
    // For everybody else it is a parameter that means nothing.
    let owner = server.token(Actor::Owner).await;
    let subs = format!("{ORGANIZATIONS}/current/sub-organizations?onBehalfOf=a&onBehalfOf=b");
    assert_eq!(server.by(&owner, Method::POST, &subs, Some(&json!({ "name": "Labs" }))).await.status, 200);
    server.end().await;
}

/// Reddens when an operator key is taken where it has no business.
#[tokio::test]
async fn an_operator_key_opens_the_identity_api_alone() {
    let server = TestServer::start().await;
    let key = operator_key(&server, &OperatorScope::ALL).await;
    for (method, path) in [
        (Method::GET, "/auth/realms/appcircle/protocol/openid-connect/userinfo"),
        (Method::GET, "/auth/v1/sessions"),
        (Method::GET, "/auth/v1/sessions/current"),
        (Method::POST, "/auth/v1/sessions/current/token"),
        (Method::POST, "/auth/v1/password"),
        (Method::GET, "/distribution/v2/profiles"),
        // Another spelling of the path is no other place.
        (Method::GET, "/auth/v1/sessions?x=/identity/"),
        (Method::GET, "//auth//v1/sessions"),
    ] {
        let sentence = fails(&server.by(&key, method, path, None).await, 401, "key_not_exchanged");
        assert!(sentence.contains("an operator key, which opens the identity API alone"), "{sentence}");
    }
    for field in ["personalAccessKey", "pat"] {
        for path in ["/auth/v3/token", "/auth/v2/token", "/auth/v1/token"] {
            fails(&server.form(path, &format!("{field}={key}")).await, 401, "malformed_key");
        }
    }
    fails(&server.form("/auth/v1/api-key/token", &format!("name=backend&secret={key}")).await, 401, "malformed_key");
    assert_eq!(server.by(&key, Method::GET, "//identity/v1/organizations", None).await.status, 200);

    // What it is told when it is not good.
    let cut = key.get(..30).unwrap();
    fails(&server.by(cut, Method::GET, ORGANIZATIONS, None).await, 401, "malformed_key");
    let unknown = keywright_protocol::secret::compose("kw", keywright_protocol::KeyKind::OperatorKey, &[3; 32]);
    let refused = server.by(&unknown, Method::GET, ORGANIZATIONS, None).await;
    fails(&refused, 401, "invalid_key");
    let sentence = fails(&server.by(&key, Method::GET, "/identity/v1/me", None).await, 403, "insufficient_permission");
    assert!(sentence.contains("GET /identity/v1/organizations"), "{sentence}");
    let weak = operator_key(&server, &[OperatorScope::Keys]).await;
    let answer = server.by(&weak, Method::GET, &format!("{ORGANIZATIONS}/{}/users", server.demo.acme.id), None).await;
    let sentence = fails(&answer, 403, "insufficient_permission");
    assert!(sentence.contains("it needs the scope `members`, and it has: keys"), "{sentence}");
    assert_eq!(answer.json()["requiredPermission"], "organization.member.view");
    server.end().await;
}

/// Reddens when the operator organization can be told from one that is not there.
#[tokio::test]
async fn the_operator_organization_and_an_unknown_one_are_the_same_to_the_byte() {
    let server = TestServer::start().await;
    let (operator, _) = bootstrap(&server).await;
    let key = operator_key(&server, &OperatorScope::ALL).await;
    let unknown = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
    let user = server.demo.users["viewer"].id;
    let roles = json!({ "roles": ["owner"] });
    for (method, path, body) in [
        (Method::GET, "".to_owned(), None),
        (Method::GET, "/users".to_owned(), None),
        (Method::GET, "/limits".to_owned(), None),
        (Method::PUT, "/limits".to_owned(), Some(json!({}))),
        (Method::POST, "/suspend".to_owned(), None),
        (Method::POST, "/resume".to_owned(), None),
        (Method::PUT, format!("/users/{user}/roles"), Some(roles)),
        (Method::POST, "/sub-organizations".to_owned(), Some(json!({ "name": "Below" }))),
        (Method::GET, "/invitations".to_owned(), None),
    ] {
        let answers = [operator.as_str(), unknown, "nonsense"].map(|id| format!("{ORGANIZATIONS}/{id}{path}{FOR_ANN}"));
        let mut texts = BTreeSet::new();
        for answer in &answers {
            let answer = server.by(&key, method.clone(), answer, body.as_ref()).await;
            fails(&answer, 404, "not_found");
            texts.insert(answer.text);
        }
        assert_eq!(texts.len(), 1, "{method} {path}: {texts:?}");
        let current = format!("{ORGANIZATIONS}/current{path}{FOR_ANN}");
        let sentence = fails(&server.by(&key, method, &current, body.as_ref()).await, 400, "invalid_request");
        assert!(sentence.contains("name one by its id"), "{sentence}");
    }
    let body = json!({ "userEmail": "p@acme.example", "organizationsAndRoles": [] });
    let sentence = fails(&server.by(&key, Method::PATCH, "/identity/v1/users?action=invite&onBehalfOf=Ann", Some(&body)).await, 400, "invalid_request");
    assert!(sentence.contains("organizationId in the query"), "{sentence}");
    let listed = is(&server.by(&key, Method::GET, ORGANIZATIONS, None).await, 200);
    assert!(!listed.to_string().contains(&operator));
    server.end().await;
}

/// Keys of organizations by an operator key are told from those of a person in the log alone; what they open is the same.
#[tokio::test]
async fn many_customers_get_a_key_each() {
    let server = TestServer::start().await;
    let key = operator_key(&server, &[OperatorScope::Organizations, OperatorScope::Keys]).await;
    let actor = server.core.find_operator(&server.host(), &key, Some("the shop")).await.unwrap();
    let ctx = keywright_core::Context { actor: keywright_core::Actor::Operator(actor), ..server.host() };
    for n in 0..20 {
        let put = format!("{ORGANIZATIONS}/by-external-id/customer-{n}?onBehalfOf=the%20shop");
        let made = is(&server.by(&key, Method::PUT, &put, Some(&json!({ "name": format!("Customer {n}") }))).await, 201);
        let id = made["id"].as_str().unwrap().parse().unwrap();
        let grants = [RolesIn { organization_id: id, roles: vec!["view-organization".into()] }];
        let made = server.core.create_api_key(&ctx, id, "backend", &grants, None).await.unwrap();
        let exchanged = server.form("/auth/v1/api-key/token", &format!("name=backend&secret={}", made.secret.reveal())).await;
        assert_eq!(exchanged.status, 200, "{}", exchanged.text);
    }
    server.end().await;
}

/// Reddens when a stranger's catalog is read before it is asked who he is, or when the API takes less than the console.
#[tokio::test]
async fn a_catalog_is_read_for_those_it_is_for() {
    let server = TestServer::start().await;
    let (_, chief) = bootstrap(&server).await;
    let viewer = server.session("viewer").await;
    for path in ["/identity/v1/catalog/diff", "/identity/v1/catalog/apply"] {
        for body in [json!({ "own": "x = [" }), json!({ "preset": "none such" }), json!({ "what": 1 })] {
            fails(&server.by(&viewer, Method::POST, path, Some(&body)).await, 403, "insufficient_permission");
            fails(&server.by(&chief, Method::POST, path, Some(&body)).await, 400, "invalid_request");
        }
    }
    // As long as a form of the console may be.
    let long = json!({ "preset": "appcircle", "own": format!("# {}\n", "x".repeat(60_000)) });
    assert_eq!(is(&server.by(&chief, Method::POST, "/identity/v1/catalog/diff", Some(&long)).await, 200)["identical"], true);
    let longer = json!({ "own": "x".repeat(70_000) });
    assert_eq!(server.by(&chief, Method::POST, "/identity/v1/catalog/diff", Some(&longer)).await.status, 413);
    server.end().await;
}
