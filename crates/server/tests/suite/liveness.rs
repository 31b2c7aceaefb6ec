//! Every way in, against every way to be dead: nothing is accepted, on a key that is remembered from a moment before and on
//! one that is not. And the live column: everything is.
//!
//! Taking any conjunct out of `core::alive`, giving a way in a rule of its own, or letting memory outlive a change reddens the
//! test of that state.

use crate::support::{fails, issued, key_id};
use keywright_core::{
    keys::{
        api::{Introspection, NewApiKey},
        rotation::Rotation,
    },
    members::RoleChange,
};
use keywright_protocol::{
    admin::{AdminReply, AdminRequest},
    oauth,
    paths::{API_KEY_TOKEN, OAUTH_INTROSPECT, OAUTH_TOKEN, TOKEN_V1, TOKEN_V2, TOKEN_V3},
};
use keywright_testkit::{Answer, TestServer};
use reqwest::Method;
use serde_json::json;
use std::{collections::BTreeMap, sync::Mutex, time::Duration};

const USERINFO: &str = "/auth/realms/appcircle/protocol/openid-connect/userinfo";
const SESSIONS: &str = "/auth/v1/sessions";
const CURRENT_SESSION: &str = "/auth/v1/sessions/current";
const SESSION_TOKEN: &str = "/auth/v1/sessions/current/token";
const ORGANIZATIONS: &str = "/identity/v1/organizations";
const ME: &str = "/identity/v1/me";
/// As long as a key of the demo lives.
const KEY_LIFE: Duration = Duration::from_secs(182 * 24 * 60 * 60);

/// A key, and what it was exchanged for while it lived.
struct Holder {
    exchanges: Vec<(&'static str, String)>,
    /// Ways in that nobody has used before, so that nothing is remembered.
    fresh: Vec<(&'static str, String)>,
    /// Forms of the token endpoint.
    oauth: Vec<String>,
    key: String,
    token: String,
}

impl Holder {
    /// Of a Personal Access Key. All of its exchanges are used once, but for the sub-organization `fresh`.
    async fn person(server: &TestServer, label: &str, fresh: Option<String>) -> Self {
        let key = server.key(label);
        let exchanges = vec![
            (TOKEN_V1, format!("pat={key}")),
            (TOKEN_V1, format!("personal-access-key={key}")),
            (TOKEN_V2, format!("pat={key}&subOrganizationId=")),
            (TOKEN_V2, format!("personalAccessKey={key}")),
            (TOKEN_V3, format!("personalAccessKey={key}")),
            (TOKEN_V3, format!("pat={key}&scope=openid")),
        ];
        let fresh = fresh.into_iter().flat_map(|id| {
            [
                (TOKEN_V1, format!("pat={key}&organizationId={id}")),
                (TOKEN_V2, format!("pat={key}&subOrganizationId={id}")),
                (TOKEN_V3, format!("personalAccessKey={key}&subOrganization={id}")),
            ]
        });
        let oauth = vec![exchange_of(oauth::PERSONAL_ACCESS_KEY, key)];
        Self::live(server, exchanges, fresh.collect(), (key, oauth)).await.key_is_active(server).await
    }

    /// Of an API Key.
    async fn api_key(server: &TestServer, name: &str, fresh: Option<String>) -> Self {
        let (id, secret) = (server.demo.api_keys[name].id, server.api_key(name));
        let exchanges = vec![(API_KEY_TOKEN, format!("name={name}&secret={secret}")), (API_KEY_TOKEN, format!("name={id}&secret={secret}&organizationId="))];
        let fresh = fresh.map(|organization| (API_KEY_TOKEN, format!("name={name}&secret={secret}&organizationId={organization}")));
        let oauth = vec![
            format!("grant_type=client_credentials&client_id={name}&client_secret={secret}"),
            format!("grant_type=client_credentials&client_id={id}&client_secret={secret}&scope=distribution.profile.view"),
            exchange_of(oauth::API_KEY, secret),
        ];
        Self::live(server, exchanges, fresh.into_iter().collect(), (secret, oauth)).await.key_is_active(server).await
    }

    async fn live(server: &TestServer, exchanges: Vec<(&'static str, String)>, fresh: Vec<(&'static str, String)>, (key, oauth): (&str, Vec<String>)) -> Self {
        let (path, body) = exchanges.first().expect("a way in");
        let token = issued(&server.form(path, body).await);
        let holder = Self { exchanges, fresh, oauth, key: key.to_owned(), token };
        holder.all_accepted(server).await;
        holder
    }

    /// A key that is bound to no address is told to be good as it is.
    async fn key_is_active(self, server: &TestServer) -> Self {
        assert!(self.is_active(server, &self.key).await);
        self
    }

    async fn userinfo(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, USERINFO).bearer_auth(&self.token)).await
    }

    /// The identity API as a way in.
    async fn organizations(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, "/identity/v1/organizations").bearer_auth(&self.token)).await
    }

    /// A resource API, which knows nothing but what tokens say and which were taken back.
    async fn profiles(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, "/distribution/v2/profiles").bearer_auth(&self.token)).await
    }

    /// The key itself at a gateway that takes keys.
    async fn key_at_gateway(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, "/gateway/v1/check/keys/profiles").header("x-forwarded-for", "127.0.0.1").header("x-api-key", &self.key)).await
    }

    /// A gateway as a way in.
    async fn gateway(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, "/gateway/v1/check/profiles").bearer_auth(&self.token)).await
    }

    /// Whether somebody is told that a token, or a key, is good.
    async fn is_active(&self, server: &TestServer, what: &str) -> bool {
        let answer = server.form(OAUTH_INTROSPECT, &format!("{}&token={what}", asker(server).await)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["active"].as_bool().expect("active")
    }

    /// The live column. What shall not be remembered is left out.
    async fn all_accepted(&self, server: &TestServer) {
        for body in self.oauth.iter().chain([&exchange_of(oauth::ACCESS_TOKEN, &self.token)]) {
            assert_eq!(server.form(OAUTH_TOKEN, body).await.status, 200, "{body}");
        }
        assert!(self.is_active(server, &self.token).await);
        for (path, body) in &self.exchanges {
            issued(&server.form(path, body).await);
        }
        assert_eq!(self.userinfo(server).await.status, 200);
        assert_eq!(self.organizations(server).await.status, 200);
        assert_eq!(self.gateway(server).await.status, 200);
        assert_eq!(self.key_at_gateway(server).await.status, 200);
    }

    /// The dead column: 0 accepted.
    async fn none_accepted(&self, server: &TestServer, status: u16, code: &str) {
        for (path, body) in self.exchanges.iter().chain(&self.fresh) {
            fails(&server.form(path, body).await, status, code);
        }
        let answer = self.key_at_gateway(server).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-keywright-reason").as_str(), answer.text.as_str()), (status, code, ""));
        for body in &self.oauth {
            let answer = server.form(OAUTH_TOKEN, body).await;
            assert!(answer.status.is_client_error(), "{body}: {}", answer.text);
            assert_eq!(answer.member("reason"), code, "{body}: {}", answer.text);
        }
        assert!(!self.is_active(server, &self.key).await);
        self.token_is_dead(server).await;
    }

    async fn token_is_dead(&self, server: &TestServer) {
        for answer in [self.userinfo(server).await, self.organizations(server).await, self.profiles(server).await] {
            fails(&answer, 401, "invalid_token");
        }
        let answer = self.gateway(server).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-keywright-reason").as_str(), answer.text.as_str()), (401, "invalid_token", ""));
        assert!(!self.is_active(server, &self.token).await);
        let narrowed = server.form(OAUTH_TOKEN, &exchange_of(oauth::ACCESS_TOKEN, &self.token)).await;
        assert_eq!((narrowed.status.as_u16(), narrowed.member("error")), (400, "invalid_request".to_owned()), "{}", narrowed.text);
    }

    /// The key lives again and gives new tokens; the one from before stays dead.
    async fn revived(&self, server: &TestServer) {
        self.token_is_dead(server).await;
        Self::live(server, self.exchanges.clone(), self.fresh.clone(), (&self.key, self.oauth.clone())).await;
        self.token_is_dead(server).await;
    }
}

/// A form of token exchange.
fn exchange_of(kind: &str, subject: &str) -> String {
    format!("grant_type={}&subject_token_type={kind}&subject_token={subject}", oauth::TOKEN_EXCHANGE)
}

/// The credentials, in a form, of somebody who may ask about everything: a key of the operator organization.
async fn asker(server: &TestServer) -> String {
    static MADE: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    if let Some(made) = MADE.lock().unwrap().get(&server.base) {
        return made.clone();
    }
    let AdminReply::Bootstrapped { organization_id, .. } =
        server.core.administer(&server.host(), AdminRequest::Bootstrap { owner_email: "chief@operator.example".to_owned() }).await
    else {
        panic!("the operator organization is made once")
    };
    let expires_at = Some(server.clock.now().plus(2 * KEY_LIFE));
    let new = NewApiKey { name: "asker".to_owned(), introspection: Introspection::Everything, expires_at, ..NewApiKey::default() };
    let key = server.core.make_api_key(&server.host(), organization_id, new).await.unwrap();
    let made = format!("client_id=asker&client_secret={}", key.secret.reveal());
    MADE.lock().unwrap().insert(server.base.clone(), made.clone());
    made
}

/// A person's ways in: the session itself, and an access token that was made from it while it lived.
struct SignedIn {
    session: String,
    token: String,
}

impl SignedIn {
    async fn manager(server: &TestServer) -> Self {
        let user = &server.demo.users["manager"];
        let body = json!({ "email": user.email, "password": user.password.as_str(), "organizationId": server.demo.acme.id });
        let session = server.send(server.request(Method::POST, SESSIONS).json(&body)).await.member("sessionToken");
        let token = server.by(&session, Method::POST, SESSION_TOKEN, None).await.member("access_token");
        let signed_in = Self { session, token };
        signed_in.all_accepted(server).await;
        signed_in
    }

    async fn all_accepted(&self, server: &TestServer) {
        for path in [CURRENT_SESSION, SESSIONS, ORGANIZATIONS, ME] {
            assert_eq!(server.by(&self.session, Method::GET, path, None).await.status, 200, "{path}");
        }
        issued(&server.by(&self.session, Method::POST, SESSION_TOKEN, None).await);
        for path in [USERINFO, ORGANIZATIONS, ME] {
            assert_eq!(server.by(&self.token, Method::GET, path, None).await.status, 200, "{path}");
        }
    }

    /// Neither the session nor its token, whatever it is that is dead.
    async fn none_accepted(&self, server: &TestServer, code: &str) {
        for path in [CURRENT_SESSION, SESSIONS, ORGANIZATIONS, ME] {
            fails(&server.by(&self.session, Method::GET, path, None).await, 401, code);
        }
        for (method, path) in [(Method::POST, SESSION_TOKEN), (Method::DELETE, CURRENT_SESSION), (Method::DELETE, SESSIONS)] {
            fails(&server.by(&self.session, method, path, None).await, 401, code);
        }
        self.no_token_accepted(server).await;
    }

    async fn no_token_accepted(&self, server: &TestServer) {
        for path in [USERINFO, ORGANIZATIONS, ME] {
            fails(&server.by(&self.token, Method::GET, path, None).await, 401, "invalid_token");
        }
    }
}

async fn manager(server: &TestServer) -> Holder {
    Holder::person(server, "manager", Some(server.demo.mobile.id.to_string())).await
}

async fn acme_ci(server: &TestServer) -> Holder {
    Holder::api_key(server, "acme-ci", Some(server.demo.mobile.id.to_string())).await
}

#[tokio::test]
async fn the_live_column() {
    let server = TestServer::start().await;
    let holders =
        [manager(&server).await, Holder::person(&server, "submember", None).await, acme_ci(&server).await, Holder::api_key(&server, "mobile-ci", None).await];
    for holder in holders {
        for (path, body) in &holder.fresh {
            issued(&server.form(path, body).await);
        }
        holder.all_accepted(&server).await;
    }
    server.end().await;
}

#[tokio::test]
async fn a_revoked_key() {
    let server = TestServer::start().await;
    let (person, api_key, bystander) = (manager(&server).await, acme_ci(&server).await, Holder::person(&server, "manager@globex", None).await);
    for holder in [&person, &api_key] {
        server.core.revoke_key(&server.host(), key_id(&holder.token)).await.unwrap();
        holder.none_accepted(&server, 401, "key_revoked").await;
        server.core.revoke_key(&server.host(), key_id(&holder.token)).await.unwrap();
        holder.none_accepted(&server, 401, "key_revoked").await;
    }
    bystander.all_accepted(&server).await;
    server.end().await;
}

#[tokio::test]
async fn an_expired_key_from_its_last_moment_on() {
    let server = TestServer::start().await;
    server.clock.advance(KEY_LIFE - Duration::from_millis(1));
    let holders = [manager(&server).await, Holder::person(&server, "submember", None).await, acme_ci(&server).await];
    server.clock.advance(Duration::from_millis(1));
    for holder in holders {
        holder.none_accepted(&server, 401, "key_expired").await;
    }
    let user = server.demo.users["manager"].id;
    let newer = server.core.create_personal_access_key(&server.host(), server.demo.acme.id, user, "newer", None).await.unwrap();
    issued(&server.form(TOKEN_V3, &format!("pat={}", newer.secret.reveal())).await);
    server.end().await;
}

#[tokio::test]
async fn a_disabled_holder_until_he_is_enabled() {
    let server = TestServer::start().await;
    let (person, elsewhere, api_key) = (manager(&server).await, Holder::person(&server, "manager@globex", None).await, acme_ci(&server).await);
    let user = server.demo.users["manager"].id;
    server.core.disable_user(&server.host(), user).await.unwrap();
    person.none_accepted(&server, 401, "holder_disabled").await;
    elsewhere.none_accepted(&server, 401, "holder_disabled").await;
    api_key.all_accepted(&server).await;
    server.core.enable_user(&server.host(), user).await.unwrap();
    person.revived(&server).await;
    elsewhere.revived(&server).await;
    server.end().await;
}

#[tokio::test]
async fn an_ended_membership_also_when_its_holder_joins_again() {
    let server = TestServer::start().await;
    let (person, elsewhere) = (manager(&server).await, Holder::person(&server, "manager@globex", None).await);
    let (acme, user) = (server.demo.acme.id, server.demo.users["manager"].id);
    server.core.remove_member(&server.host(), acme, user).await.unwrap();
    person.none_accepted(&server, 401, "membership_ended").await;
    server.core.change_roles(&server.host(), acme, user, RoleChange::Replace(vec!["owner".to_owned()])).await.unwrap();
    person.none_accepted(&server, 401, "membership_ended").await;
    elsewhere.all_accepted(&server).await;
    server.end().await;
}

#[tokio::test]
async fn a_suspended_root_with_everything_under_it() {
    let server = TestServer::start().await;
    let holders =
        [manager(&server).await, Holder::person(&server, "submember", None).await, acme_ci(&server).await, Holder::api_key(&server, "mobile-ci", None).await];
    let bystander = Holder::person(&server, "globexowner", None).await;
    server.core.suspend_organization(&server.host(), server.demo.acme.id).await.unwrap();
    for holder in &holders {
        holder.none_accepted(&server, 401, "organization_disabled").await;
    }
    bystander.all_accepted(&server).await;
    server.core.resume_organization(&server.host(), server.demo.acme.id).await.unwrap();
    for holder in &holders {
        for (path, body) in &holder.fresh {
            issued(&server.form(path, body).await);
        }
        holder.revived(&server).await;
    }
    server.end().await;
}

/// The sub-organization's own keys are dead; the root's live and reach it no more.
#[tokio::test]
async fn a_suspended_sub_organization_alone() {
    let server = TestServer::start().await;
    let (inside, inside_api) = (Holder::person(&server, "submember", None).await, Holder::api_key(&server, "mobile-ci", None).await);
    let mobile = server.demo.mobile.id;
    let remembered = format!("pat={}&subOrganization={mobile}", server.key("owner"));
    let into = issued(&server.form(TOKEN_V3, &remembered).await);
    let from_root = [manager(&server).await, acme_ci(&server).await];
    server.core.suspend_organization(&server.host(), mobile).await.unwrap();
    inside.none_accepted(&server, 401, "organization_disabled").await;
    inside_api.none_accepted(&server, 401, "organization_disabled").await;
    fails(&server.form(TOKEN_V3, &remembered).await, 403, "organization_out_of_reach");
    fails(&server.send(server.request(Method::GET, USERINFO).bearer_auth(&into)).await, 401, "invalid_token");
    for holder in from_root {
        holder.all_accepted(&server).await;
        for (path, body) in &holder.fresh {
            fails(&server.form(path, body).await, 403, "organization_out_of_reach");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn roles_taken_away() {
    let server = TestServer::start().await;
    let (person, elsewhere) = (manager(&server).await, Holder::person(&server, "manager@globex", None).await);
    let (acme, user) = (server.demo.acme.id, server.demo.users["manager"].id);
    server.core.change_roles(&server.host(), acme, user, RoleChange::Replace(vec![])).await.unwrap();
    person.none_accepted(&server, 403, "nothing_granted").await;
    elsewhere.all_accepted(&server).await;
    server.core.change_roles(&server.host(), acme, user, RoleChange::Replace(vec!["view-distribution-profile".to_owned()])).await.unwrap();
    let weaker = issued(&server.form(TOKEN_V3, &format!("pat={}", server.key("manager"))).await);
    let made = server.request(Method::POST, "/distribution/v2/profiles").bearer_auth(&weaker).json(&serde_json::json!({ "name": "x" }));
    fails(&server.send(made).await, 403, "insufficient_permission");
    server.end().await;
}

/// Reddens when a session is remembered, or when a token of it outlives it.
#[tokio::test]
async fn a_session_that_was_ended() {
    let server = TestServer::start().await;
    let (signed_out, by_other, others, bystander) =
        (SignedIn::manager(&server).await, SignedIn::manager(&server).await, SignedIn::manager(&server).await, SignedIn::manager(&server).await);
    let id = server.by(&by_other.session, Method::GET, CURRENT_SESSION, None).await.member("id");
    assert_eq!(server.by(&signed_out.session, Method::DELETE, CURRENT_SESSION, None).await.status, 200);
    signed_out.none_accepted(&server, "session_ended").await;
    assert_eq!(server.by(&bystander.session, Method::DELETE, &format!("{SESSIONS}/{id}"), None).await.status, 200);
    by_other.none_accepted(&server, "session_ended").await;
    others.all_accepted(&server).await;
    assert_eq!(server.by(&bystander.session, Method::DELETE, SESSIONS, None).await.status, 200);
    others.none_accepted(&server, "session_ended").await;
    bystander.all_accepted(&server).await;
    server.end().await;
}

#[tokio::test]
async fn a_session_that_was_not_used_or_is_too_old() {
    let server = TestServer::start().await;
    let idle = SignedIn::manager(&server).await;
    server.clock.advance(Duration::from_secs(12 * 60 * 60));
    idle.none_accepted(&server, "session_ended").await;
    let old = SignedIn::manager(&server).await;
    for _ in 0..60 {
        server.clock.advance(Duration::from_secs(12 * 60 * 60 - 1));
        let _ = server.by(&old.session, Method::GET, CURRENT_SESSION, None).await;
    }
    assert_eq!(server.by(&old.session, Method::GET, CURRENT_SESSION, None).await.status, 200, "used, and a minute younger than 30 days");
    server.clock.advance(Duration::from_secs(60));
    old.none_accepted(&server, "session_ended").await;
    server.end().await;
}

#[tokio::test]
async fn a_session_of_a_disabled_user_or_of_an_old_password() {
    let server = TestServer::start().await;
    let (before, user) = (SignedIn::manager(&server).await, &server.demo.users["manager"]);
    server.core.disable_user(&server.host(), user.id).await.unwrap();
    before.none_accepted(&server, "user_disabled").await;
    server.core.enable_user(&server.host(), user.id).await.unwrap();
    before.none_accepted(&server, "session_ended").await;
    let (one, other) = (SignedIn::manager(&server).await, SignedIn::manager(&server).await);
    let change = json!({ "currentPassword": user.password.as_str(), "newPassword": "another password of mine" });
    let renewed = server.by(&one.session, Method::POST, "/auth/v1/password", Some(&change)).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text);
    other.none_accepted(&server, "session_ended").await;
    for path in [CURRENT_SESSION, ORGANIZATIONS] {
        fails(&server.by(&one.session, Method::GET, path, None).await, 401, "invalid_session");
    }
    SignedIn { session: renewed.member("sessionToken"), token: one.token }.all_accepted(&server).await;
    server.end().await;
}

/// The session lives; what it opened does not.
#[tokio::test]
async fn a_session_where_membership_or_organization_have_ended() {
    let server = TestServer::start().await;
    let (acme, user) = (server.demo.acme.id, server.demo.users["manager"].id);
    let opens_nothing = async |signed_in: &SignedIn| {
        assert_eq!(server.by(&signed_in.session, Method::GET, CURRENT_SESSION, None).await.status, 200);
        fails(&server.by(&signed_in.session, Method::GET, ME, None).await, 404, "not_found");
        fails(&server.by(&signed_in.session, Method::POST, SESSION_TOKEN, None).await, 404, "not_found");
        signed_in.no_token_accepted(&server).await;
    };
    let signed_in = SignedIn::manager(&server).await;
    server.core.suspend_organization(&server.host(), acme).await.unwrap();
    opens_nothing(&signed_in).await;
    server.core.resume_organization(&server.host(), acme).await.unwrap();
    signed_in.no_token_accepted(&server).await;
    let token = server.by(&signed_in.session, Method::POST, SESSION_TOKEN, None).await.member("access_token");
    let signed_in = SignedIn { token, ..signed_in };
    signed_in.all_accepted(&server).await;
    server.core.remove_member(&server.host(), acme, user).await.unwrap();
    opens_nothing(&signed_in).await;
    server.end().await;
}

/// Reddens when a token is held against its key's newest secret instead of the one that it was made from.
#[tokio::test]
async fn a_secret_that_was_replaced_at_once_with_its_tokens() {
    let server = TestServer::start().await;
    let (replaced, bystander) = (acme_ci(&server).await, Holder::api_key(&server, "mobile-ci", None).await);
    let (acme, id) = (server.demo.acme.id, server.demo.api_keys["acme-ci"].id);
    let now = Rotation { overlap: Duration::ZERO, expires_at: None };
    let rotated = server.core.rotate_api_key(&server.host(), acme, id, now).await.unwrap().secret;
    replaced.none_accepted(&server, 401, "key_secret_replaced").await;
    bystander.all_accepted(&server).await;
    let body = format!("name=acme-ci&secret={}", rotated.reveal());
    let newer = Holder::live(&server, vec![(API_KEY_TOKEN, body)], Vec::new(), (rotated.reveal(), Vec::new())).await;
    // With an overlap both secrets are good until it is over. It is shorter than tokens live, so those from before it end, and the older
    // secret gives others that do not outlive it.
    let for_a_minute = Rotation { overlap: Duration::from_secs(60), expires_at: None };
    server.core.rotate_api_key(&server.host(), acme, id, for_a_minute).await.unwrap();
    newer.revived(&server).await;
    server.clock.advance(Duration::from_secs(60));
    newer.none_accepted(&server, 401, "key_secret_replaced").await;
    server.end().await;
}

#[tokio::test]
async fn a_suspended_key_until_it_is_resumed() {
    let server = TestServer::start().await;
    let (suspended, bystander) = (acme_ci(&server).await, manager(&server).await);
    let (acme, id) = (server.demo.acme.id, server.demo.api_keys["acme-ci"].id);
    server.core.suspend_api_key(&server.host(), acme, id).await.unwrap();
    suspended.none_accepted(&server, 401, "key_suspended").await;
    bystander.all_accepted(&server).await;
    server.core.resume_api_key(&server.host(), acme, id).await.unwrap();
    suspended.revived(&server).await;
    server.end().await;
}

#[tokio::test]
async fn a_deleted_organization_with_everything_under_it() {
    let server = TestServer::start().await;
    let dead =
        [manager(&server).await, Holder::person(&server, "submember", None).await, acme_ci(&server).await, Holder::api_key(&server, "mobile-ci", None).await];
    let bystander = Holder::person(&server, "manager@globex", None).await;
    let owner = server.session("owner").await;
    let path = format!("{ORGANIZATIONS}/{}?action=delete&confirm=Acme", server.demo.acme.id);
    assert_eq!(server.by(&owner, Method::DELETE, &path, None).await.status, 200);
    for holder in &dead {
        holder.none_accepted(&server, 401, "key_revoked").await;
    }
    bystander.all_accepted(&server).await;
    server.end().await;
}

#[tokio::test]
async fn personal_keys_where_a_policy_takes_none() {
    let server = TestServer::start().await;
    let people = [manager(&server).await, Holder::person(&server, "submember", None).await];
    let (api_key, elsewhere) = (acme_ci(&server).await, Holder::person(&server, "manager@globex", None).await);
    let owner = server.session("owner").await;
    let path = format!("{ORGANIZATIONS}/{}/policy", server.demo.acme.id);
    let policy = |personal: bool| json!({ "longestKeyLifeSeconds": null, "allowedAddresses": [], "personalKeys": personal, "membersByKeys": true });
    assert_eq!(server.by(&owner, Method::PUT, &path, Some(&policy(false))).await.status, 200);
    for holder in &people {
        holder.none_accepted(&server, 401, "personal_keys_off").await;
    }
    api_key.all_accepted(&server).await;
    elsewhere.all_accepted(&server).await;
    assert_eq!(server.by(&owner, Method::PUT, &path, Some(&policy(true))).await.status, 200);
    for holder in &people {
        holder.revived(&server).await;
    }
    server.end().await;
}

/// An API Key belongs to its organization: whatever becomes of its maker, it lives; his own key dies. Reddens when `alive` asks
/// about the maker.
#[tokio::test]
async fn an_api_key_whose_maker_is_demoted_removed_and_disabled() {
    let server = TestServer::start().await;
    let (acme, user) = (server.demo.acme.id, server.demo.users["manager"].id);
    let (maker, own) = (server.session("manager").await, manager(&server).await);
    let body = json!({ "name": "made", "grants": [{ "organizationId": acme, "roles": ["view-distribution-profile"] }] });
    let made = server.by(&maker, Method::POST, &format!("{ORGANIZATIONS}/{acme}/api-keys"), Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = {
        let secret = made.member("secret");
        Holder::live(&server, vec![(API_KEY_TOKEN, format!("name=made&secret={secret}"))], Vec::new(), (&secret, Vec::new())).await
    };
    server.core.change_roles(&server.host(), acme, user, RoleChange::Clear).await.unwrap();
    own.none_accepted(&server, 403, "nothing_granted").await;
    made.all_accepted(&server).await;
    server.core.remove_member(&server.host(), acme, user).await.unwrap();
    own.none_accepted(&server, 401, "membership_ended").await;
    made.all_accepted(&server).await;
    server.core.disable_user(&server.host(), user).await.unwrap();
    own.none_accepted(&server, 401, "holder_disabled").await;
    made.all_accepted(&server).await;
    server.end().await;
}

/// Reddens when the identity API or userinfo forget from where a key is taken.
#[tokio::test]
async fn addresses_that_do_not_allow_this_one() {
    let server = TestServer::start().await;
    let (acme, owner) = (server.demo.acme.id, server.session("owner").await);
    let holders = [manager(&server).await, acme_ci(&server).await];
    let bystander = Holder::person(&server, "manager@globex", None).await;
    let path = format!("{ORGANIZATIONS}/{acme}/policy");
    let policy = |addresses: &[&str]| json!({ "longestKeyLifeSeconds": null, "allowedAddresses": addresses, "personalKeys": true, "membersByKeys": true });
    assert_eq!(server.by(&owner, Method::PUT, &path, Some(&policy(&["203.0.113.0/24"]))).await.status, 200);
    for holder in &holders {
        holder.none_accepted(&server, 401, "key_address_not_allowed").await;
    }
    bystander.all_accepted(&server).await;
    assert_eq!(server.by(&owner, Method::PUT, &path, Some(&policy(&["127.0.0.0/8"]))).await.status, 200);
    for holder in &holders {
        holder.revived(&server).await;
    }
    server.end().await;
}
