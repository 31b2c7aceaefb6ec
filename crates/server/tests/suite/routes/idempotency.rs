//! A change that is asked for twice with one `Idempotency-Key` is made once.

use crate::{
    access_operator::operator_key,
    support::{fails, raw},
};
use keywright_protocol::OperatorScope;
use keywright_testkit::{Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

struct Asking {
    server: TestServer,
    by: String,
    path: String,
}

impl Asking {
    async fn start() -> Self {
        let server = TestServer::start().await;
        let by = server.session("owner").await;
        let path = format!("/identity/v1/organizations/{}/api-keys", server.demo.acme.id);
        Self { server, by, path }
    }

    async fn ask(&self, by: &str, key: &str, path: &str, body: &Value) -> Answer {
        let request = self.server.request(Method::POST, path).bearer_auth(by).header("idempotency-key", key).json(body);
        self.server.send(request).await
    }

    async fn make(&self, key: &str, name: &str) -> Answer {
        let body = json!({ "name": name, "grants": [{ "organizationId": self.server.demo.acme.id, "roles": ["view-build"] }] });
        self.ask(&self.by, key, &self.path, &body).await
    }

    async fn count(&self) -> i64 {
        self.server.by(&self.by, Method::GET, &self.path, None).await.json()["total"].as_i64().unwrap()
    }
}

/// Reddens when the note is not part of the change, or when a secret is kept for the answer to a repetition.
#[tokio::test]
async fn a_repetition_gets_the_first_answer_without_its_secret() {
    let asking = Asking::start().await;
    let before = asking.count().await;
    let first = asking.make("one", "nightly").await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert!(first.member("secret").starts_with("kw_api_"));
    let again = asking.make("one", "nightly").await;
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!((again.member("id"), again.header("idempotency-replayed").as_str()), (first.member("id"), "true"));
    assert_eq!(again.header("keywright-revision"), first.header("keywright-revision"));
    assert_eq!((&again.json()["secret"], &again.json()["secretShown"]), (&Value::Null, &json!(true)));
    assert_eq!(asking.count().await, before + 1);
    // Another request under the same key is a mistake; another key is another request, which the name refuses.
    fails(&asking.make("one", "weekly").await, 422, "idempotency_key_reused");
    fails(&asking.make("two", "nightly").await, 409, "conflict");
    assert_eq!(asking.count().await, before + 1);
    asking.server.end().await;
}

/// Reddens when keys of several people are one.
#[tokio::test]
async fn a_key_is_its_senders_own() {
    let asking = Asking::start().await;
    assert_eq!(asking.make("mine", "first").await.status, 201);
    let manager = asking.server.session("manager").await;
    let body = json!({ "name": "second", "grants": [{ "organizationId": asking.server.demo.acme.id, "roles": ["view-build"] }] });
    let other = asking.ask(&manager, "mine", &asking.path, &body).await;
    assert_eq!((other.status.as_u16(), other.header("idempotency-replayed").as_str()), (201, ""), "{}", other.text);
    // Nobody is answered to what somebody else may do: whoever has lost his session gets nothing again.
    asking.server.by(&asking.by, Method::DELETE, "/auth/v1/sessions/current", None).await;
    fails(&asking.make("mine", "first").await, 401, "session_ended");
    asking.server.end().await;
}

/// Reddens when two at once both find nothing.
#[tokio::test]
async fn many_at_once_make_one() {
    let asking = Asking::start().await;
    let before = asking.count().await;
    let answers = futures_util::future::join_all((0..12).map(|_| asking.make("burst", "burst"))).await;
    assert_eq!(asking.count().await, before + 1);
    let made: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
    let fresh = made.iter().filter(|answer| answer.header("idempotency-replayed").is_empty()).count();
    assert_eq!(fresh, 1);
    // Whoever came between the change and its answer's being kept is told that it was made.
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.member("error") == "idempotency_answer_not_kept"), "{answers:?}");
    asking.server.end().await;
}

/// Reddens when a refusal is remembered, when a day does not end, or when any text is a key.
#[tokio::test]
async fn what_was_refused_is_asked_again_and_a_day_ends() {
    let asking = Asking::start().await;
    asking.server.clock.advance(Duration::from_secs(300));
    fails(&asking.make("later", "later").await, 403, "session_not_fresh");
    let by = asking.server.session("owner").await;
    let asking = Asking { by, ..asking };
    assert_eq!(asking.make("later", "later").await.status, 201);
    asking.server.clock.advance(Duration::from_secs(24 * 60 * 60));
    let by = asking.server.session("owner").await;
    let asking = Asking { by, ..asking };
    assert_eq!(asking.make("later", "the next day").await.status, 201);
    for bad in ["", "two words", &"k".repeat(256)] {
        fails(&asking.make(bad, "bad").await, 400, "invalid_request");
    }
    asking.server.end().await;
}

/// An operator's own backend runs twice and makes one of each.
#[tokio::test]
async fn an_operator_key_provisions_twice_and_makes_one_of_each() {
    let asking = Asking::start().await;
    let key = operator_key(&asking.server, &OperatorScope::ALL).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let put = asking.server.request(Method::PUT, "/identity/v1/organizations/by-external-id/customer-1?onBehalfOf=customer-1");
        let organization = asking.server.send(put.bearer_auth(&key).json(&json!({ "name": "Customer 1" }))).await;
        assert!(organization.status.is_success(), "{}", organization.text);
        let id = organization.member("id");
        let path = format!("/identity/v1/organizations/{id}/api-keys?onBehalfOf=customer-1");
        let body = json!({ "name": "main", "grants": [{ "organizationId": id, "roles": ["owner"] }] });
        let made = asking.ask(&key, "customer-1/main", &path, &body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        seen.push((id, made.member("id"), made.member("secret").is_empty()));
    }
    assert_eq!((&seen[0].0, &seen[0].1), (&seen[1].0, &seen[1].1));
    assert_eq!((seen[0].2, seen[1].2), (false, true), "the secret is shown once");
    asking.server.end().await;
}

/// Reddens when a kept answer is given to somebody who would be refused now.
#[tokio::test]
async fn whoever_lost_his_rights_gets_no_answer_again() {
    let asking = Asking::start().await;
    let (acme, host) = (asking.server.demo.acme.id, asking.server.host());
    let sub = json!({ "name": "Made once" });
    let subs = format!("/identity/v1/organizations/{acme}/sub-organizations");
    let key = asking.server.core.create_personal_access_key(&host, acme, asking.server.demo.users["manager"].id, "gone", None).await.unwrap();
    let token = asking.server.form("/auth/v3/token", &format!("pat={}", key.secret.reveal())).await.member("access_token");
    assert_eq!(asking.ask(&token, "once", &subs, &sub).await.status, 200);
    assert_eq!(asking.ask(&token, "once", &subs, &sub).await.header("idempotency-replayed"), "true", "its name is taken, by itself");
    asking.server.core.revoke_key(&host, key.id).await.unwrap();
    fails(&asking.ask(&token, "once", &subs, &sub).await, 401, "invalid_token");
    // A manager who is none any more.
    let manager = asking.server.session("manager").await;
    let body = json!({ "name": "kept", "grants": [{ "organizationId": acme, "roles": ["view-build"] }] });
    assert_eq!(asking.ask(&manager, "kept", &asking.path, &body).await.status, 201);
    let less = keywright_core::members::RoleChange::Replace(vec!["view-build".to_owned()]);
    asking.server.core.change_roles(&host, acme, asking.server.demo.users["manager"].id, less).await.unwrap();
    fails(&asking.ask(&manager, "kept", &asking.path, &body).await, 403, "insufficient_permission");
    asking.server.core.remove_member(&host, acme, asking.server.demo.users["manager"].id).await.unwrap();
    fails(&asking.ask(&manager, "kept", &asking.path, &body).await, 404, "not_found");
    asking.server.end().await;
}

/// Reddens when `current` is compared as a word.
#[tokio::test]
async fn current_is_another_organization_after_a_switch() {
    let asking = Asking::start().await;
    let (acme, mobile) = (asking.server.demo.acme.id, asking.server.demo.mobile.id);
    let current = "/identity/v1/organizations/current/api-keys";
    let body = json!({ "name": "here", "grants": [] });
    let switch = async |to| {
        let moved = asking.server.by(&asking.by, Method::PATCH, "/auth/v1/sessions/current", Some(&json!({ "organizationId": to }))).await;
        assert_eq!(moved.status, 200, "{}", moved.text);
    };
    switch(acme).await;
    assert_eq!(asking.ask(&asking.by, "here", current, &body).await.status, 201);
    switch(mobile).await;
    fails(&asking.ask(&asking.by, "here", current, &body).await, 422, "idempotency_key_reused");
    // In whatever way it is written, and where none is named.
    let encoded = "/identity/v1/organizations/%63urrent/sub-organizations";
    let invite = "/identity/v1/users?action=invite";
    let invited = json!({ "userEmail": "p@example.com", "organizationsAndRoles": [] });
    let named = json!({ "name": "Labs" });
    switch(acme).await;
    assert_eq!(asking.ask(&asking.by, "labs", encoded, &named).await.status, 200);
    let patch = async |path: &str| {
        let request = asking.server.request(Method::PATCH, path).bearer_auth(&asking.by).header("idempotency-key", "p").json(&invited);
        asking.server.send(request).await
    };
    assert_eq!(patch(invite).await.status, 200);
    switch(mobile).await;
    fails(&asking.ask(&asking.by, "labs", encoded, &named).await, 422, "idempotency_key_reused");
    fails(&patch(invite).await, 422, "idempotency_key_reused");
    // An organization that is named is the same one wherever the session is.
    assert_eq!(asking.make("named", "nightly").await.status, 201);
    switch(acme).await;
    assert_eq!(asking.make("named", "nightly").await.header("idempotency-replayed"), "true");
}

/// Reddens when a body is read for somebody who has not said who he is.
#[tokio::test]
async fn nobody_s_body_is_not_waited_for() {
    let asking = Asking::start().await;
    let head = format!("POST {} HTTP/1.1\r\nhost: x\r\nidempotency-key: a\r\ncontent-length: 15000\r\n\r\n", asking.path);
    let answer = raw(&asking.server, &head).await;
    assert_eq!(answer.status, 401, "{}", answer.body);
    asking.server.end().await;
}
