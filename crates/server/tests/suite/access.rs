//! Who gets what from each documented operation. A route without a row fails, and so does a row without a route.

use crate::{
    access_operator::own_body,
    support::{fails, resolve},
};
use keywright_core::{
    authorize::FRESH,
    custom_roles::NewRole,
    members::RoleChange,
    webhooks::{
        NewWebhook, Reach,
        delivery::{Attempt, UnderWay},
    },
};
use keywright_protocol::{
    DeliveryId, KeyId, Position, UserId, WebhookId,
    admin::{AdminReply, AdminRequest, RolesIn},
};
use keywright_server::openapi;
use keywright_testkit::{Actor, Answer, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who calls: an actor with a token of its own, a raw key where a token belongs, or the Owner himself with a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Caller {
    By(Actor),
    RawKey,
    /// He gave his password just now.
    FreshOwner,
    /// He gave it more than five minutes ago.
    StaleOwner,
}

/// The columns. `Owner` is the control: what he is answered shows that the call itself is right.
const CALLERS: [Caller; 9] = [
    Caller::By(Actor::Owner),
    Caller::By(Actor::Anonymous),
    Caller::By(Actor::OtherOwner),
    Caller::By(Actor::Viewer),
    Caller::By(Actor::Submember),
    Caller::By(Actor::ApiKey),
    Caller::RawKey,
    Caller::FreshOwner,
    Caller::StaleOwner,
];
/// An id that nobody has.
const NOBODYS: &str = "6f9619ff-8b86-4011-b42d-00c04fc964ff";
/// Statuses in the order of [`CALLERS`].
pub(crate) type Statuses = [u16; 9];

/// An exchange takes its credential from the form alone; who else is named in `Authorization` changes nothing.
const EXCHANGE: Statuses = [400; 9];
/// Who signs in, or follows a link, is said in the body.
const NO_BODY: Statuses = [400; 9];
/// A session is no business of an access token, whoever holds it.
const SESSION: Statuses = [403, 401, 403, 403, 403, 403, 401, 200, 200];
/// The same, by a person who gave his password just now.
const FRESH_SESSION: Statuses = [403, 401, 403, 403, 403, 403, 401, 200, 403];
/// The same, without the body that it takes.
const SESSION_BODY: Statuses = [403, 401, 403, 403, 403, 403, 401, 400, 400];
/// The same, of a session that nobody has.
const NO_SESSION: Statuses = [403, 401, 403, 403, 403, 403, 401, 404, 404];
/// Whoever says who he is may ask, and asks nothing here; a Personal Access Key is exchanged first.
const ASKS: Statuses = [400, 401, 400, 400, 400, 400, 401, 400, 400];
const PUBLIC: Statuses = [200; 9];
/// A session is exchanged for a token first.
const HOLDER: Statuses = [200, 401, 200, 200, 200, 200, 401, 401, 401];
const LIST: Statuses = [200, 401, 200, 200, 200, 200, 401, 401, 401];
/// Another root's Owner makes profiles too, in his own organization.
const CREATE: Statuses = [200, 401, 200, 403, 403, 403, 401, 401, 401];
/// The profile is Acme's: for whoever belongs elsewhere, the sub-organization included, it is not there.
const READ: Statuses = [200, 401, 404, 200, 404, 200, 401, 401, 401];
const CHANGE: Statuses = [200, 401, 404, 403, 404, 403, 401, 401, 401];
/// Deleted by the Owner before others try; then it is not there.
const DELETE: Statuses = [200, 401, 404, 403, 403, 403, 401, 401, 401];
const DELETE_AGAIN: Statuses = [404, 401, 404, 403, 403, 403, 401, 401, 401];
/// Without the form, or the notes, that it takes. The API Key is a pipeline's, and may upload.
const UPLOAD: Statuses = [400, 401, 400, 403, 403, 400, 401, 401, 401];
/// Of something that nobody has.
const SEE_NOTHING: Statuses = [404, 401, 404, 404, 404, 404, 401, 401, 401];
const CHANGE_NO_VERSION: Statuses = [404, 401, 404, 403, 403, 404, 401, 401, 401];
const CHANGE_NO_GROUP: Statuses = [404, 401, 404, 403, 403, 403, 401, 401, 401];
/// The URL alone permits, and this is none.
const NO_URL: Statuses = [403; 9];
const LIST_GROUPS: Statuses = [200, 401, 200, 200, 403, 403, 401, 401, 401];
const SEE_NO_GROUP: Statuses = [404, 401, 404, 404, 403, 403, 401, 401, 401];
/// The body is no array.
const TESTERS: Statuses = [400, 401, 400, 403, 403, 403, 401, 401, 401];

const ME: Statuses = [200, 401, 200, 200, 200, 200, 401, 200, 200];
/// Acme: for whoever belongs elsewhere, a member of its sub-organization included, it is not there.
const MEMBER: Statuses = [200, 401, 404, 200, 404, 200, 401, 200, 200];
const SEE_MEMBERS: Statuses = [200, 401, 404, 200, 404, 403, 401, 200, 200];
const ADMINISTER: Statuses = [200, 401, 404, 403, 404, 403, 401, 200, 200];
/// Whoever may read the activity of the organization that a change was in.
const RECEIPT: Statuses = [200, 401, 404, 200, 404, 404, 401, 200, 200];
/// The secret of a link decides, not who is named in `Authorization`.
const LINK: Statuses = [404; 9];
/// The Owner's key. What is another member's is not there for the others.
const OWN_KEY: Statuses = [200, 401, 404, 404, 404, 404, 401, 200, 200];
/// Keys do not breed: not even an Owner's token makes one.
const BREED: Statuses = [403, 401, 404, 403, 404, 403, 401, 201, 403];
/// Nor revives or rotates one.
const REVIVE: Statuses = [403, 401, 404, 403, 404, 403, 401, 200, 403];
/// What widens nothing is for a person, however long ago he gave his password.
const BY_PERSON: Statuses = [403, 401, 404, 403, 404, 403, 401, 200, 200];

/// For operator keys, and their own people; nobody of an organization. What an operator key gets: `access_operator.rs`.
const OPERATORS: Statuses = [403, 401, 403, 403, 403, 403, 401, 403, 403];
/// The same about one organization: who belongs there is told so, for everybody else it is not there.
const FROM_ABOVE: Statuses = [403, 401, 404, 403, 404, 403, 401, 403, 403];

/// Method, path as documented, statuses in the order of [`CALLERS`].
pub(crate) const TABLE: [(&str, &str, Statuses); 165] = [
    ("post", "/oauth/token", NO_BODY),
    ("post", "/oauth/introspect", ASKS),
    ("post", "/oauth/revoke", NO_BODY),
    ("get", "/oauth/userinfo", HOLDER),
    ("post", "/oauth/userinfo", HOLDER),
    ("get", "/.well-known/oauth-authorization-server", PUBLIC),
    ("get", "/.well-known/openid-configuration", PUBLIC),
    ("get", "/.well-known/oauth-protected-resource", PUBLIC),
    ("post", "/auth/v1/token", EXCHANGE),
    ("post", "/auth/v2/token", EXCHANGE),
    ("post", "/auth/v3/token", EXCHANGE),
    ("post", "/auth/v1/api-key/token", EXCHANGE),
    ("get", "/auth/realms/{realm}/protocol/openid-connect/userinfo", HOLDER),
    ("post", "/auth/v1/sessions", NO_BODY),
    ("get", "/auth/v1/sessions", SESSION),
    ("delete", "/auth/v1/sessions", SESSION),
    ("delete", "/auth/v1/sessions/{id}", NO_SESSION),
    ("get", "/auth/v1/sessions/current", SESSION),
    ("patch", "/auth/v1/sessions/current", SESSION_BODY),
    ("delete", "/auth/v1/sessions/current", SESSION),
    ("post", "/auth/v1/sessions/current/confirm", SESSION_BODY),
    ("post", "/auth/v1/sessions/current/token", SESSION),
    ("post", "/auth/v1/password", SESSION_BODY),
    ("post", "/auth/v1/password-resets", NO_BODY),
    ("post", "/auth/v1/password-resets/confirm", NO_BODY),
    ("get", "/auth/v1/second-factor", SESSION),
    ("post", "/auth/v1/second-factor", FRESH_SESSION),
    ("post", "/auth/v1/second-factor/confirm", SESSION_BODY),
    ("post", "/auth/v1/second-factor/remove", SESSION_BODY),
    ("post", "/auth/v1/second-factor/recovery-codes", SESSION_BODY),
    ("get", "/.well-known/jwks.json", PUBLIC),
    ("get", "/.well-known/jwks.pem", PUBLIC),
    ("get", "/.well-known/keywright-catalog", PUBLIC),
    ("get", "/roles.json", PUBLIC),
    ("get", "/status/v1/lists/{number}", PUBLIC),
    ("get", "/status/v1/changes", PUBLIC),
    ("get", "/status/v1/stream", PUBLIC),
    ("post", "/status/v1/reports", NO_BODY),
    ("get", "/identity/v1/revocations/{revision}", RECEIPT),
    // Nobody is named.
    ("get", "/gateway/v1/check", [403; 9]),
    ("get", "/gateway/v1/check/{path}", LIST),
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
    ("get", "/distribution/v1/profiles/{id}/settings", READ),
    ("patch", "/distribution/v1/profiles/{id}/settings", READ),
    ("get", "/distribution/v1/profiles/{id}/app-versions", READ),
    ("post", "/distribution/v1/profiles/{id}/app-versions", UPLOAD),
    ("get", "/distribution/v1/profiles/{id}/app-versions/{versionId}", SEE_NOTHING),
    ("patch", "/distribution/v1/profiles/{id}/app-versions/{versionId}", UPLOAD),
    ("delete", "/distribution/v1/profiles/{id}/app-versions/{versionId}", CHANGE_NO_VERSION),
    ("get", "/distribution/v1/profiles/{id}/app-versions/{versionId}/download", CHANGE_NO_VERSION),
    ("put", "/distribution/v1/uploads/{fileId}", NO_URL),
    ("post", "/distribution/v1/uploads/{fileId}", NO_URL),
    ("get", "/distribution/v1/testing-groups", LIST_GROUPS),
    ("post", "/distribution/v1/testing-groups", CREATE),
    ("get", "/distribution/v1/testing-groups/{id}", SEE_NO_GROUP),
    ("patch", "/distribution/v1/testing-groups/{id}", CHANGE_NO_GROUP),
    ("delete", "/distribution/v1/testing-groups/{id}", CHANGE_NO_GROUP),
    ("post", "/distribution/v1/testing-groups/{id}/testers", TESTERS),
    ("delete", "/distribution/v1/testing-groups/{id}/testers", TESTERS),
    ("get", "/distribution/v2/profiles/{id}/settings", READ),
    ("patch", "/distribution/v2/profiles/{id}/settings", READ),
    ("get", "/distribution/v2/profiles/{id}/app-versions", READ),
    ("post", "/distribution/v2/profiles/{id}/app-versions", UPLOAD),
    ("get", "/distribution/v2/profiles/{id}/app-versions/{versionId}", SEE_NOTHING),
    ("patch", "/distribution/v2/profiles/{id}/app-versions/{versionId}", UPLOAD),
    ("delete", "/distribution/v2/profiles/{id}/app-versions/{versionId}", CHANGE_NO_VERSION),
    ("get", "/distribution/v2/profiles/{id}/app-versions/{versionId}/download", CHANGE_NO_VERSION),
    ("put", "/distribution/v2/uploads/{fileId}", NO_URL),
    ("post", "/distribution/v2/uploads/{fileId}", NO_URL),
    ("get", "/distribution/v2/testing-groups", LIST_GROUPS),
    ("post", "/distribution/v2/testing-groups", CREATE),
    ("get", "/distribution/v2/testing-groups/{id}", SEE_NO_GROUP),
    ("patch", "/distribution/v2/testing-groups/{id}", CHANGE_NO_GROUP),
    ("delete", "/distribution/v2/testing-groups/{id}", CHANGE_NO_GROUP),
    ("post", "/distribution/v2/testing-groups/{id}/testers", TESTERS),
    ("delete", "/distribution/v2/testing-groups/{id}/testers", TESTERS),
    ("get", "/task/v1/tasks/{id}", SEE_NOTHING),
    ("delete", "/distribution/v1/profiles/{id}", DELETE),
    ("delete", "/distribution/v2/profiles/{id}", DELETE_AGAIN),
    ("get", "/identity/v1/me", ME),
    ("get", "/identity/v1/me/explain", ME),
    ("get", "/identity/v1/organizations", ME),
    ("get", "/identity/v1/organizations/{id}", MEMBER),
    ("patch", "/identity/v1/organizations/{id}", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/policy", MEMBER),
    ("put", "/identity/v1/organizations/{id}/policy", REVIVE),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}/brought-in", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/users/export", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/attention", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/activity", SEE_MEMBERS),
    ("get", "/identity/v1/organizations/{id}/activity/export", SEE_MEMBERS),
    ("get", "/identity/v1/organizations/{id}/activity/head", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/activity/chain", ADMINISTER),
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
    ("get", "/identity/v1/signing-keys", OPERATORS),
    ("post", "/identity/v1/signing-keys/rotate", OPERATORS),
    ("delete", "/identity/v1/signing-keys/{kid}", OPERATORS),
    ("post", "/identity/v1/catalog/diff", OPERATORS),
    ("post", "/identity/v1/catalog/apply", OPERATORS),
    ("post", "/identity/v1/invitations/lookup", LINK),
    ("post", "/identity/v1/invitations/accept", LINK),
    ("get", "/identity/v1/organizations/{id}/personal-access-keys", MEMBER),
    ("post", "/identity/v1/organizations/{id}/personal-access-keys", BREED),
    ("patch", "/identity/v1/organizations/{id}/personal-access-keys/{key}", BY_PERSON),
    ("get", "/identity/v1/organizations/{id}/personal-access-keys/{key}/usage", OWN_KEY),
    ("delete", "/identity/v1/organizations/{id}/personal-access-keys/{key}", OWN_KEY),
    ("get", "/identity/v1/organizations/{id}/api-keys", SEE_MEMBERS),
    ("post", "/identity/v1/organizations/{id}/api-keys", BREED),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}", SEE_MEMBERS),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}/secrets", SEE_MEMBERS),
    ("get", "/identity/v1/organizations/{id}/api-keys/{key}/usage", SEE_MEMBERS),
    ("patch", "/identity/v1/organizations/{id}/api-keys/{key}", BY_PERSON),
    ("post", "/identity/v1/organizations/{id}/api-keys/{key}/suspend", ADMINISTER),
    ("post", "/identity/v1/organizations/{id}/api-keys/{key}/resume", REVIVE),
    ("post", "/identity/v1/organizations/{id}/api-keys/{key}/rotate", REVIVE),
    // Last of these: what is revoked is rotated no more.
    ("delete", "/identity/v1/organizations/{id}/api-keys/{key}", ADMINISTER),
    ("post", "/identity/v1/organizations/{id}/revoke-all", REVIVE),
    ("get", "/identity/v1/organizations/{id}/roles", SEE_MEMBERS),
    ("post", "/identity/v1/organizations/{id}/roles", BREED),
    ("get", "/identity/v1/organizations/{id}/roles/{role}", SEE_MEMBERS),
    ("patch", "/identity/v1/organizations/{id}/roles/{role}", REVIVE),
    ("delete", "/identity/v1/organizations/{id}/roles/{role}", REVIVE),
    ("get", "/identity/v1/organizations/{id}/webhooks", ADMINISTER),
    ("post", "/identity/v1/organizations/{id}/webhooks", BREED),
    ("get", "/identity/v1/organizations/{id}/webhooks/{webhook}", ADMINISTER),
    ("patch", "/identity/v1/organizations/{id}/webhooks/{webhook}", REVIVE),
    ("post", "/identity/v1/organizations/{id}/webhooks/{webhook}/rotate", REVIVE),
    ("post", "/identity/v1/organizations/{id}/webhooks/{webhook}/ping", ADMINISTER),
    ("get", "/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries", ADMINISTER),
    ("post", "/identity/v1/organizations/{id}/webhooks/{webhook}/deliveries/{delivery}/redeliver", ADMINISTER),
    ("delete", "/identity/v1/organizations/{id}/webhooks/{webhook}", REVIVE),
];

/// What the calls are about, and the Owner's two sessions.
pub(crate) struct Fixture {
    pub(crate) server: TestServer,
    profile: String,
    personal_access_key: KeyId,
    api_key: KeyId,
    webhook: WebhookId,
    delivery: DeliveryId,
    /// A change in Acme.
    revision: Position,
    /// Members to remove, one a caller.
    leavers: Vec<UserId>,
    fresh: String,
    stale: String,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let server = TestServer::start().await;
        let (profile, host, acme, owner) = (acme_profile(&server).await, server.host(), server.demo.acme.id, server.demo.users["owner"].id);
        let personal_access_key = server.core.create_personal_access_key(&host, acme, owner, "table", None).await.unwrap().id;
        let grants = [RolesIn { organization_id: acme, roles: vec!["view-build".to_owned()] }];
        let api_key = server.core.create_api_key(&host, acme, "table", &grants, None).await.unwrap().id;
        let new = NewWebhook { name: "table".to_owned(), url: "https://9.9.9.9/".to_owned(), actions: Vec::new(), reach: Reach::Organization };
        let webhook = server.core.create_webhook(&host, acme, new).await.unwrap().value.0.id;
        let role = NewRole { name: "Table".to_owned(), permissions: vec!["build.profile.view".to_owned()], ..NewRole::default() };
        server.core.create_custom_role(&host, acme, role).await.unwrap();
        let delivery = server.core.list_deliveries(&host, (acme, webhook), None, 1).await.unwrap().rows[0].id;
        let (mut leavers, mut revision) = (Vec::new(), Position { history: 0, n: 0 });
        for number in 0..CALLERS.len() {
            let new = AdminRequest::CreateUser { email: format!("leaver{number}@acme.example"), name: "Leaver".to_owned() };
            let AdminReply::User(user) = server.core.administer(&host, new).await else { panic!("a user") };
            revision = server.core.change_roles(&host, acme, user.id, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap().position;
            leavers.push(user.id);
        }
        Self { server, profile, personal_access_key, api_key, webhook, delivery, revision, leavers, fresh: String::new(), stale: String::new() }
    }

    /// The path of a documented one.
    pub(crate) fn path(&self, documented: &str) -> String {
        let id = match documented {
            _ if documented.starts_with("/identity/") => self.server.demo.acme.id.to_string(),
            _ if documented.contains("/testing-groups/") || documented.contains("/tasks/") => NOBODYS.to_owned(),
            _ => self.profile.clone(),
        };
        let key = if documented.contains("/api-keys/") { self.api_key } else { self.personal_access_key };
        let user = self.server.demo.users["manager"].id.to_string();
        documented
            .replace("{realm}", "appcircle")
            .replace("{id}", &id)
            .replace("{user}", &user)
            .replace("{key}", &key.to_string())
            .replace("{role}", "custom:table")
            .replace("{webhook}", &self.webhook.to_string())
            .replace("{delivery}", &self.delivery.to_string())
            .replace("{externalId}", "customer-7")
            .replace("{number}", "0")
            .replace("{path}", "profiles")
            .replace("{versionId}", NOBODYS)
            .replace("{fileId}", NOBODYS)
            .replace("{revision}", &self.revision.to_string())
    }

    /// A session of the Owner that is still as it should be; another one if a call before has ended it or time has passed.
    async fn session(&mut self, wanted: Caller) -> String {
        let held = if wanted == Caller::FreshOwner { &self.fresh } else { &self.stale };
        let current = self.server.by(held, Method::GET, "/auth/v1/sessions/current", None).await;
        if current.status == 200 && (current.member("freshUntil") > self.server.clock.now().to_string()) == (wanted == Caller::FreshOwner) {
            return held.clone();
        }
        let session = self.server.session("owner").await;
        if wanted == Caller::FreshOwner {
            self.fresh.clone_from(&session);
        } else {
            self.stale.clone_from(&session);
            self.server.clock.advance(FRESH);
        }
        session
    }

    /// As if everything that waits for webhooks were delivered.
    async fn deliver(&self) {
        let (core, now) = (&self.server.core, self.server.clock.now());
        loop {
            let due = core.take_due_deliveries(now, &UnderWay::default()).await.unwrap();
            if due.is_empty() {
                return;
            }
            for due in due {
                core.settle_delivery(&due, Attempt::Delivered(204), now).await.unwrap();
            }
        }
    }

    async fn call(&mut self, caller: Caller, method: &str, path: &str) -> Answer {
        // One trial at a time.
        if path.ends_with("/ping") {
            self.deliver().await;
        }
        let method: Method = method.to_uppercase().parse().unwrap();
        let body = body(&self.server, caller, &method, path);
        let leaver = CALLERS.iter().zip(&self.leavers).find(|(known, _)| **known == caller).map(|(_, leaver)| leaver).unwrap();
        let action = match (&method, path) {
            (&Method::GET, "/identity/v1/me/explain") => "?permission=organization.member.view".to_owned(),
            (&Method::PATCH, "/identity/v1/users") => format!("?action=invite&organizationId={}", self.server.demo.acme.id),
            (&Method::PATCH, path) if path.ends_with("/invitations") => "?action=re-invite".to_owned(),
            (&Method::DELETE, path) if path.starts_with("/identity/v1/organizations/") && path.matches('/').count() == 4 => {
                format!("?action=remove&userId={leaver}")
            }
            _ => String::new(),
        };
        let path = &format!("{path}{action}");
        match caller {
            Caller::By(actor) => self.server.call(actor, method, path, body.as_ref()).await,
            Caller::RawKey => self.server.by(self.server.key("owner"), method, path, body.as_ref()).await,
            Caller::FreshOwner | Caller::StaleOwner => {
                let session = self.session(caller).await;
                self.server.by(&session, method, path, body.as_ref()).await
            }
        }
    }
}

/// What a route reads, so that each call would change something: another name each time. The contract's routes ignore what they
/// do not know.
pub(crate) fn body(server: &TestServer, caller: Caller, method: &Method, path: &str) -> Option<Value> {
    let acme = server.demo.acme.id;
    let brings = json!([{ "organizationId": acme, "roles": ["view-build"] }]);
    let body = match path {
        _ if own_body(method, path).is_some() => own_body(method, path)?,
        "/identity/v1/invitations/lookup" => json!({ "token": "no such link" }),
        "/identity/v1/invitations/accept" => json!({ "token": "no such link", "password": "a password of one's own" }),
        _ if path.ends_with("/policy") => json!({ "longestKeyLifeSeconds": null, "allowedAddresses": [], "personalKeys": true, "membersByKeys": true }),
        _ if path.ends_with("/roles") && path.matches('/').count() == 5 => json!({ "name": format!("by {caller:?}"), "permissions": ["build.profile.view"] }),
        _ if path.contains("/roles/") => json!({ "name": format!("{method} by {caller:?}") }),
        _ if path.ends_with("/webhooks") => json!({ "name": format!("by {caller:?}"), "url": "https://9.9.9.9/" }),
        _ if path.contains("/webhooks/") => json!({ "name": format!("{method} by {caller:?}") }),
        _ if path.ends_with("/revoke-all") => json!({ "since": "2999-01-01T00:00:00Z" }),
        _ if path.starts_with("/identity/") && path.matches('/').count() == 4 && method == Method::PATCH => json!({ "name": "Acme" }),
        _ if path.ends_with("/rotate") => json!({ "overlapSeconds": 60 }),
        _ if path.ends_with("/api-keys") => json!({ "name": format!("by {caller:?}"), "grants": brings }),
        _ if path.contains("-keys") => json!({ "name": format!("{method} by {caller:?}") }),
        _ => {
            json!({ "name": format!("{method} {path} by {caller:?}"), "roles": ["view-build"], "userEmail": format!("{}@acme.example", format!("{caller:?}").replace(['(', ')'], "-")),
            "organizationsAndRoles": brings })
        }
    };
    Some(body).filter(|_| *method != Method::GET && !path.starts_with("/auth/") && !path.starts_with("/oauth/"))
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
    for other in ["oauth", "identity", "distribution", "gateway"] {
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
    let mut fixture = Fixture::new().await;
    for (method, documented, expected) in TABLE {
        let path = fixture.path(documented);
        let mut found = [0; CALLERS.len()];
        for (status, caller) in found.iter_mut().zip(CALLERS) {
            let answer = fixture.call(caller, method, &path).await;
            *status = answer.status.as_u16();
            if path.starts_with("/gateway/") {
                assert_eq!(answer.text, "", "gateways take no body");
            } else if answer.status.is_client_error() {
                assert!(answer.json()["message"].is_string(), "{method} {path} by {caller:?}: {}", answer.text);
            }
        }
        assert_eq!(found, expected, "{method} {documented}");
    }
    let server = fixture.server;
    // The list is of one organization: whoever made or renamed what, it is among his own alone.
    let acme = names(&server.get(Actor::Owner, "/distribution/v2/profiles").await);
    assert!(acme.iter().filter(|name| name.contains(" by ")).all(|name| name.ends_with("by By(Owner)")), "{acme:?}");
    let globex = names(&server.get(Actor::OtherOwner, "/distribution/v2/profiles").await);
    assert_eq!(globex.len(), 4);
    assert!(globex.iter().all(|name| name.starts_with("Globex") || name.ends_with("by By(OtherOwner)")), "{globex:?}");
    assert_eq!(names(&server.get(Actor::Submember, "/distribution/v2/profiles").await), ["Acme Mobile Nightly".to_owned()].into());
    server.end().await;
}

/// Reddens when an operation asks for a fresh session and its documentation does not say so in the same words.
#[tokio::test]
async fn what_needs_a_fresh_session_shows_the_refusal_as_its_example() {
    let mut fixture = Fixture::new().await;
    let document = fixture.server.get(Actor::Anonymous, "/openapi/identity.json").await.json();
    let stale = TABLE.iter().filter(|(_, path, statuses)| path.starts_with("/identity/") && matches!(statuses, [.., 200 | 201, 403]));
    let mut found = 0;
    for (method, documented, _) in stale {
        let path = fixture.path(documented);
        let sentence = fails(&fixture.call(Caller::StaleOwner, method, &path).await, 403, "session_not_fresh");
        let forbidden = &resolve(&document, &document["paths"][documented][method]["responses"]["403"])["content"]["application/json"];
        assert_eq!(forbidden["examples"]["session_not_fresh"]["value"]["message"], sentence.as_str(), "{method} {documented}");
        found += 1;
    }
    assert!(found > 5, "the table has such rows");
    fixture.server.end().await;
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
