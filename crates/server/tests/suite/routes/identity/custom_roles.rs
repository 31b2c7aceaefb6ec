//! Roles of an organization's own: made by a person, given like any other, known to whatever checks a token.

use crate::support::{claims, fails, issued};
use keywright_protocol::paths::{OAUTH_INTROSPECT, ROLES};
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};

const MANAGE: &str = "distribution.profile.manage";
const VIEW: &str = "distribution.profile.view";
const PROFILES: &str = "/distribution/v2/profiles";

struct People {
    server: TestServer,
    owner: String,
    roles: String,
}

impl People {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let (owner, roles) = (server.session("owner").await, format!("/identity/v1/organizations/{}/roles", server.demo.acme.id));
        Self { server, owner, roles }
    }

    async fn owner(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.server.by(&self.owner, method, path, body).await
    }

    /// Gives somebody of Acme these roles and no others.
    async fn give(&self, part: &str, roles: &Value) {
        let path = format!("/identity/v1/organizations/{}/users/{}/roles", self.server.demo.acme.id, self.server.demo.users[part].id);
        let given = self.owner(Method::PUT, &path, Some(&json!({ "roles": roles }))).await;
        assert_eq!(given.status, 200, "{}", given.text);
    }

    async fn token(&self, part: &str) -> String {
        issued(&self.server.form("/auth/v3/token", &format!("personalAccessKey={}", self.server.key(part))).await)
    }

    async fn make_profile(&self, token: &str, name: &str) -> Answer {
        self.server.by(token, Method::POST, PROFILES, Some(&json!({ "name": name }))).await
    }
}

#[tokio::test]
async fn a_role_is_made_given_used_changed_and_deleted() {
    let people = People::start().await;
    let (server, roles) = (&people.server, people.roles.clone());
    let new = json!({ "name": "Release manager", "description": "Sends what is released", "permissions": [VIEW, MANAGE] });
    let made = people.owner(Method::POST, &roles, Some(&new)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(!made.header("keywright-revision").is_empty());
    let role = format!("{roles}/custom:release-manager");
    let shown = |memberships: u64, permissions: &[&str]| {
        json!({ "key": "custom:release-manager", "name": "Release manager", "description": "Sends what is released", "permissions": permissions,
            "createdAt": server.clock.now().to_string(), "heldBy": { "memberships": memberships, "keys": 0, "invitations": 0 } })
    };
    assert_eq!(made.json(), shown(0, &[MANAGE, VIEW]));
    let before = people.token("viewer").await;
    fails(&people.make_profile(&before, "too early").await, 403, "insufficient_permission");
    people.give("viewer", &json!(["custom:release-manager"])).await;
    let token = people.token("viewer").await;
    assert_eq!(people.make_profile(&token, "by a role of Acme's").await.status, 200);
    assert_eq!(people.owner(Method::GET, &role, None).await.json(), shown(1, &[MANAGE, VIEW]));
    assert_eq!(people.owner(Method::GET, &roles, None).await.json(), json!([shown(1, &[MANAGE, VIEW])]));
    // Asked about, the key and its token say the same.
    for presented in [&token, server.key("viewer")] {
        let body = format!("token={presented}&client_id=acme-ci&client_secret={}", server.api_key("acme-ci"));
        let told = server.form(OAUTH_INTROSPECT, &body).await.json();
        assert_eq!((&told["active"], &told["scope"]), (&json!(true), &json!(format!("{MANAGE} {VIEW}"))), "{told}");
    }
    assert!(!server.get(Actor::Anonymous, ROLES).await.text.contains("custom:"), "that list is the catalog's alone");
    // A refusal names it beside the catalog's.
    let refused = server.by(&token, Method::GET, &format!("/identity/v1/organizations/{}/users", server.demo.acme.id), None).await;
    fails(&refused, 403, "insufficient_permission");
    people.owner(Method::POST, &roles, Some(&json!({ "slug": "looker", "name": "Looker", "permissions": ["organization.member.view"] }))).await;
    let refused = server.by(&token, Method::GET, &format!("/identity/v1/organizations/{}/users", server.demo.acme.id), None).await.json();
    assert!(refused["rolesWithPermission"].as_array().unwrap().contains(&json!("custom:looker")), "{refused}");
    // What shrinks ends the tokens that said more, at once.
    let changed = people.owner(Method::PATCH, &role, Some(&json!({ "permissions": [VIEW] }))).await;
    assert_eq!((changed.status.as_u16(), changed.json()), (200, shown(1, &[VIEW])));
    assert_eq!(people.make_profile(&token, "too late").await.status, 401);
    fails(&people.make_profile(&people.token("viewer").await, "no more").await, 403, "insufficient_permission");
    let held = people.owner(Method::DELETE, &role, None).await;
    assert!(fails(&held, 409, "conflict").contains("held by 1 memberships"));
    let unknown = people.owner(Method::DELETE, &format!("{role}?replace=nothing"), None).await;
    assert!(fails(&unknown, 400, "invalid_request").starts_with("replace: there is no role `nothing`"));
    let deleted = people.owner(Method::DELETE, &format!("{role}?replace=view-distribution-profile"), None).await;
    assert_eq!((deleted.status.as_u16(), deleted.json()), (200, json!({ "message": "the role was deleted" })));
    assert_eq!(claims(&people.token("viewer").await)["roles"], json!(["view-distribution-profile"]));
    fails(&people.owner(Method::GET, &role, None).await, 404, "not_found");
    assert!(fails(&people.owner(Method::POST, &roles, Some(&new)).await, 409, "conflict").contains("no key is used again"));
    people.server.end().await;
}

/// Reddens when a verifier takes a token without `scope` for its roles alone.
#[tokio::test]
async fn a_token_too_full_for_a_scope_opens_what_the_role_adds() {
    let people = People::start().await;
    let server = &people.server;
    let catalog = server.core.catalog();
    let document = catalog.catalog.document();
    // Everything of a Manager's but distribution, which the role brings.
    let mut roles: Vec<&str> = document.roles.keys().map(String::as_str).filter(|role| role.starts_with("manage-") && !role.contains("distribution")).collect();
    people.give("viewer", &json!(roles)).await;
    fails(&people.make_profile(&people.token("viewer").await, "without").await, 403, "insufficient_permission");
    let made = people.owner(Method::POST, &people.roles, Some(&json!({ "name": "Profiles", "permissions": [MANAGE] }))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    roles.push("custom:profiles");
    people.give("viewer", &json!(roles)).await;
    let token = people.token("viewer").await;
    let said = claims(&token);
    assert_eq!((said.get("scope"), &said["permissions"]), (None, &json!([MANAGE])));
    assert_eq!(people.make_profile(&token, "with").await.status, 200);
    people.server.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let people = People::start().await;
    let mobile = format!("/identity/v1/organizations/{}/roles", people.server.demo.mobile.id);
    for (path, body, status, code, part) in [
        (&people.roles, json!({ "name": "A", "permissions": ["no.such"] }), 400, "invalid_request", "permissions: the catalog has no permission `no.such`"),
        (&people.roles, json!({ "name": "A", "permissions": [] }), 400, "invalid_request", "at least one permission"),
        (&people.roles, json!({ "name": "A", "slug": "A", "permissions": [VIEW] }), 400, "invalid_request", "slug: must have 1 to 40"),
        (&people.roles, json!({ "name": "A", "slug": null, "permissions": [VIEW] }), 400, "invalid_request", "slug"),
        (&people.roles, json!({ "name": "A", "permissions": VIEW }), 400, "invalid_request", "permissions"),
        (&people.roles, json!({ "name": "A", "permissions": [VIEW], "everything": true }), 400, "invalid_request", "everything"),
        (&mobile, json!({ "name": "A", "permissions": [VIEW] }), 409, "conflict", "make, change and delete them in Acme"),
    ] {
        let sentence = fails(&people.owner(Method::POST, path, Some(&body)).await, status, code);
        assert!(sentence.contains(part), "{body}: {sentence}");
    }
    let bad = people.owner(Method::DELETE, &format!("{}/custom:a?replaced=b", people.roles), None).await;
    assert!(fails(&bad, 400, "invalid_request").contains("there are: replace"));
    people.server.end().await;
}
