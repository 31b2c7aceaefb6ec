//! Every way in, against every way to be dead: nothing is accepted, on a key that is remembered from a moment before and on
//! one that is not. And the live column: everything is.
//!
//! Taking any conjunct out of `core::alive`, giving a way in a rule of its own, or letting memory outlive a change reddens the
//! test of that state.

use crate::support::{fails, issued, key_id};
use keywright_core::members::RoleChange;
use keywright_protocol::paths::{API_KEY_TOKEN, TOKEN_V1, TOKEN_V2, TOKEN_V3};
use keywright_testkit::{Answer, TestServer};
use reqwest::Method;
use std::time::Duration;

const USERINFO: &str = "/auth/realms/appcircle/protocol/openid-connect/userinfo";
/// As long as a key of the demo lives.
const KEY_LIFE: Duration = Duration::from_secs(182 * 24 * 60 * 60);

/// A key, and what it was exchanged for while it lived.
struct Holder {
    exchanges: Vec<(&'static str, String)>,
    /// Ways in that nobody has used before, so that nothing is remembered.
    fresh: Vec<(&'static str, String)>,
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
        Self::live(server, exchanges, fresh.collect()).await
    }

    /// Of an API Key.
    async fn api_key(server: &TestServer, name: &str, fresh: Option<String>) -> Self {
        let (id, secret) = (server.demo.api_keys[name].id, server.api_key(name));
        let exchanges = vec![(API_KEY_TOKEN, format!("name={name}&secret={secret}")), (API_KEY_TOKEN, format!("name={id}&secret={secret}&organizationId="))];
        let fresh = fresh.map(|organization| (API_KEY_TOKEN, format!("name={name}&secret={secret}&organizationId={organization}")));
        Self::live(server, exchanges, fresh.into_iter().collect()).await
    }

    async fn live(server: &TestServer, exchanges: Vec<(&'static str, String)>, fresh: Vec<(&'static str, String)>) -> Self {
        let (path, body) = exchanges.first().expect("a way in");
        let token = issued(&server.form(path, body).await);
        let holder = Self { exchanges, fresh, token };
        holder.all_accepted(server).await;
        holder
    }

    async fn userinfo(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, USERINFO).bearer_auth(&self.token)).await
    }

    /// The identity API as a way in.
    async fn organizations(&self, server: &TestServer) -> Answer {
        server.send(server.request(Method::GET, "/identity/v1/organizations").bearer_auth(&self.token)).await
    }

    /// The live column. What shall not be remembered is left out.
    async fn all_accepted(&self, server: &TestServer) {
        for (path, body) in &self.exchanges {
            issued(&server.form(path, body).await);
        }
        assert_eq!(self.userinfo(server).await.status, 200);
        assert_eq!(self.organizations(server).await.status, 200);
    }

    /// The dead column: 0 accepted.
    async fn none_accepted(&self, server: &TestServer, status: u16, code: &str) {
        for (path, body) in self.exchanges.iter().chain(&self.fresh) {
            fails(&server.form(path, body).await, status, code);
        }
        fails(&self.userinfo(server).await, 401, "invalid_token");
        // A dead key's token is no token any more; one whose grant is gone is told so.
        let code = if status == 401 { "invalid_token" } else { code };
        fails(&self.organizations(server).await, status, code);
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
    for (path, body) in person.exchanges.iter().chain(&elsewhere.exchanges) {
        issued(&server.form(path, body).await);
    }
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
    for (path, body) in holders.iter().flat_map(|holder| holder.exchanges.iter().chain(&holder.fresh)) {
        issued(&server.form(path, body).await);
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
