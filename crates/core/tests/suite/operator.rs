//! Operator keys, on both engines: who makes them, when they live, and what is out of their reach.

use crate::support::{World, claims, world};
use keywright_core::{
    Actor, Context, Core, Credential, Error, OperatorActor, Part, TokenActor,
    keys::{
        api::NewApiKey,
        rotation::{DEFAULT_OVERLAP, Rotation},
    },
    members::RoleChange,
    operator::{NewOperatorKey, OperatorKeyState},
    sessions::SignIn,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{
    KeyId, KeyKind, OperatorScope, OrganizationId, UserId,
    admin::{AdminReply, AdminRequest, RolesIn},
    secret,
};
use keywright_store::log::EventRow;
use std::{net::IpAddr, sync::Arc, time::Duration};
use zeroize::Zeroizing;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    fresh_owners_of_the_operator_organization_make_them_and_nobody_else,
    what_is_dead_opens_nothing_and_acts_no_more,
    a_rotated_key_works_by_both_secrets_for_the_overlap,
    what_was_altered_in_the_database_is_refused,
    a_change_says_for_whom_and_a_read_need_not,
    the_operator_organization_is_not_there_for_them,
    they_are_never_exchanged,
    its_secret_is_nowhere,
);

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const PASSWORD: &str = "the operator's own password";

pub(crate) fn code<T>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "done")
}

pub(crate) fn roles(roles: &[&str]) -> RoleChange {
    RoleChange::Replace(roles.iter().map(|role| (*role).to_owned()).collect())
}

/// The operator organization and its Owner.
pub(crate) struct Operator {
    pub(crate) organization: OrganizationId,
    pub(crate) owner: UserId,
    pub(crate) session: String,
}

impl World {
    /// Makes the operator organization, whose Owner signs in.
    pub(crate) async fn bootstrap(&self) -> Operator {
        let reply = self.core.administer(&self.host(), AdminRequest::Bootstrap { owner_email: "chief@operator.example".into() }).await;
        let AdminReply::Bootstrapped { organization_id, user_id, one_time_password } = reply else { panic!("{reply:?}") };
        let attempt = SignIn {
            email: "chief@operator.example".into(),
            password: Zeroizing::new(one_time_password),
            organization: None,
            new_password: Some(Zeroizing::new(PASSWORD.into())),
            code: None,
        };
        let session = self.core.sign_in(&self.anonymous(), attempt).await.unwrap().value.secret.reveal().to_owned();
        Operator { organization: organization_id, owner: user_id, session }
    }

    /// An operator key made on the host.
    pub(crate) async fn operator_key(&self, scopes: &[OperatorScope]) -> (KeyId, String) {
        let (key, secret) = self.core.create_operator_key(&self.host(), new_key(scopes)).await.unwrap().value;
        (key.row.id, secret.reveal().to_owned())
    }

    /// Whoever presents an operator key's secret, on behalf of a customer.
    pub(crate) async fn operator(&self, secret: &str) -> Result<Context, Error> {
        self.operator_from(secret, Some("customer 7"), None).await
    }

    async fn operator_from(&self, secret: &str, whom: Option<&str>, address: Option<&str>) -> Result<Context, Error> {
        let mut ctx = Context { client_ip: address.map(|text| text.parse::<IpAddr>().unwrap()), ..self.anonymous() };
        ctx.actor = Actor::Operator(self.core.find_operator(&ctx, secret, whom).await?);
        Ok(ctx)
    }

    pub(crate) async fn operator_with(&self, scopes: &[OperatorScope]) -> Context {
        let (_, secret) = self.operator_key(scopes).await;
        self.operator(&secret).await.unwrap()
    }
}

pub(crate) fn new_key(scopes: &[OperatorScope]) -> NewOperatorKey {
    NewOperatorKey { name: "backend".into(), scopes: scopes.to_vec(), expires_at: None, allowed_addresses: Vec::new() }
}

/// The events of a chain, which is whole. The installation's has the nil id.
pub(crate) async fn events(db: &Db, root: Option<OrganizationId>) -> Vec<EventRow> {
    let root = root.unwrap_or(OrganizationId::from(uuid::Uuid::nil()));
    assert!(db.read(move |tx| Box::pin(async move { crate::support::is_whole(tx, root).await })).await.unwrap());
    db.read(move |tx| Box::pin(async move { keywright_store::log::list_changes(tx, root, (0, i64::MAX)).await })).await.unwrap()
}

async fn sql(db: &Db, statement: &'static str, id: KeyId) {
    let changed = db.write(move |tx| Box::pin(async move { tx.execute(statement, &[id.into()]).await })).await.unwrap();
    assert_eq!(changed.value, 1, "{statement}");
}

/// An access token that carries everything, of an organization's API Key that is Owner.
async fn owners_token(core: &Arc<Core>, host: &Context, organization: OrganizationId) -> Context {
    let grants = [RolesIn { organization_id: organization, roles: vec!["owner".into()] }];
    let key = core.create_api_key(host, organization, "owning", &grants, None).await.unwrap().id;
    let catalog = core.catalog();
    let permissions = catalog.catalog.ids(&catalog.catalog.permissions(&["owner"])).map(str::to_owned).collect();
    Context {
        actor: Actor::Token(TokenActor {
            key_id: key,
            key_kind: KeyKind::ApiKey,
            key_version: None,
            organization_id: organization,
            roles: vec!["owner".to_owned()],
            permissions,
        }),
        ..host.clone()
    }
}

/// Reddens when `installation_owner` leaves out Owner, freshness or the organization, or lets an operator key pass.
async fn fresh_owners_of_the_operator_organization_make_them_and_nobody_else(db: Db) {
    let world = world(db.clone()).await;
    let all = || new_key(&OperatorScope::ALL);
    assert_eq!(code(world.core.create_operator_key(&world.person("owner", 0).await, all()).await), "insufficient_permission", "before there is one");
    let operator = world.bootstrap().await;
    let chief = world.holder(&operator.session).await.unwrap();
    let (key, secret) = world.core.create_operator_key(&chief, all()).await.unwrap().value;
    assert!(secret.reveal().starts_with("kw_op_"));
    assert_eq!(key.row.created_by, format!("user {}", operator.owner));

    // A plain member of the operator organization, an Owner of another one, an Owner's token there, and an operator key with everything.
    let viewer = world.demo.users["viewer"].id;
    world.core.change_roles(&world.host(), operator.organization, viewer, roles(&["manage-organization"])).await.unwrap();
    let others = [
        ("manager there", world.person("viewer", 0).await),
        ("owner elsewhere", world.person("owner", 0).await),
        ("owner's token", owners_token(&world.core, &world.host(), operator.organization).await),
        ("operator key", world.operator(secret.reveal()).await.unwrap()),
    ];
    let rotation = || Rotation { overlap: DEFAULT_OVERLAP, expires_at: None };
    for (who, ctx) in &others {
        let answers = [
            code(world.core.create_operator_key(ctx, all()).await),
            code(world.core.list_operator_keys(ctx).await),
            code(world.core.rotate_operator_key(ctx, key.row.id, rotation()).await),
            code(world.core.revoke_operator_key(ctx, key.row.id).await),
        ];
        assert_eq!(answers, ["insufficient_permission"; 4], "{who}");
    }
    world.clock.advance(Duration::from_secs(300));
    let stale = world.holder(&operator.session).await.unwrap();
    let answers = [
        code(world.core.create_operator_key(&stale, all()).await),
        code(world.core.list_operator_keys(&stale).await),
        code(world.core.rotate_operator_key(&stale, key.row.id, rotation()).await),
        code(world.core.revoke_operator_key(&stale, key.row.id).await),
    ];
    assert_eq!(answers, ["session_not_fresh"; 4]);

    let fresh = world.core.confirm(&stale, Zeroizing::new(PASSWORD.into())).await.unwrap().value;
    let chief = world.holder(fresh.secret.reveal()).await.unwrap();
    world.core.rotate_operator_key(&chief, key.row.id, rotation()).await.unwrap();
    world.core.revoke_operator_key(&chief, key.row.id).await.unwrap();
    world.core.revoke_operator_key(&chief, key.row.id).await.unwrap();
    assert_eq!(code(world.core.rotate_operator_key(&chief, key.row.id, rotation()).await), "conflict");
    assert_eq!(code(world.core.revoke_operator_key(&chief, KeyId::from(uuid::Uuid::nil())).await), "not_found");
    let listed = world.core.list_operator_keys(&chief).await.unwrap();
    assert_eq!(listed.iter().map(|key| key.state(world.clock.now())).collect::<Vec<_>>(), [OperatorKeyState::Revoked]);
    let told: Vec<(String, String)> =
        events(&db, None).await.into_iter().filter(|event| event.action.starts_with("Operator Key")).map(|event| (event.action, event.subject)).collect();
    let id = key.row.id.to_string();
    assert_eq!(told, ["Create", "Rotate", "Revoke"].map(|what| (format!("Operator Key {what}"), id.clone())), "each once");
    for bad in [NewOperatorKey { name: " ".into(), ..all() }, NewOperatorKey { scopes: Vec::new(), ..all() }] {
        assert_eq!(code(world.core.create_operator_key(&world.host(), bad).await), "invalid_request");
    }
    let bad = NewOperatorKey { allowed_addresses: vec!["nowhere".into()], ..all() };
    assert_eq!(code(world.core.create_operator_key(&world.host(), bad).await), "invalid_request");
    let late = NewOperatorKey { expires_at: Some(world.clock.now().plus(DAY * 366)), ..all() };
    assert_eq!(code(world.core.create_operator_key(&world.host(), late).await), "invalid_request");
}

/// Reddens when `check_operator_key` leaves out `alive_operator` or the addresses, or when `Core::operator` takes the actor's word
/// in a transaction instead of asking again.
async fn what_is_dead_opens_nothing_and_acts_no_more(db: Db) {
    let world = world(db).await;
    let host = world.host();
    let act = async |ctx: &Context| code(world.core.ensure_user(ctx, "new@acme.example", "New").await);
    let read = async |ctx: &Context| code(world.core.list_organizations(ctx).await);

    // Revoked: whoever came in before does nothing any more.
    let (id, secret) = world.operator_key(&OperatorScope::ALL).await;
    let ctx = world.operator(&secret).await.unwrap();
    assert_eq!((act(&ctx).await, read(&ctx).await), ("done", "done"));
    world.core.revoke_operator_key(&host, id).await.unwrap();
    assert_eq!((act(&ctx).await, read(&ctx).await, code(world.operator(&secret).await)), ("key_revoked", "key_revoked", "key_revoked"));

    // From elsewhere, or from nobody knows where.
    let inside = NewOperatorKey { allowed_addresses: vec!["10.0.0.0/8".into()], ..new_key(&OperatorScope::ALL) };
    let (_, inside) = world.core.create_operator_key(&host, inside).await.unwrap().value;
    let ctx = world.operator_from(inside.reveal(), Some("c"), Some("10.1.2.3")).await.unwrap();
    assert_eq!(act(&ctx).await, "done");
    for address in [Some("11.0.0.1"), None] {
        assert_eq!(code(world.operator_from(inside.reveal(), Some("c"), address).await), "key_address_not_allowed", "{address:?}");
        let moved = Context { client_ip: address.map(|text| text.parse().unwrap()), ..ctx.clone() };
        assert_eq!((act(&moved).await, read(&moved).await), ("key_address_not_allowed", "key_address_not_allowed"));
    }

    // Expired, to the millisecond.
    let expires_at = world.clock.now().plus(HOUR);
    let short = NewOperatorKey { expires_at: Some(expires_at), ..new_key(&OperatorScope::ALL) };
    let (short_key, secret) = world.core.create_operator_key(&host, short).await.unwrap().value;
    let ctx = world.operator(secret.reveal()).await.unwrap();
    world.clock.advance(HOUR - Duration::from_millis(1));
    assert!(world.operator(secret.reveal()).await.is_ok());
    world.clock.advance(Duration::from_millis(1));
    let late = Context { now: world.clock.now(), ..ctx };
    assert_eq!((act(&late).await, read(&late).await, code(world.operator(secret.reveal()).await)), ("key_expired", "key_expired", "key_expired"));
    let refused = world.operator(secret.reveal()).await.unwrap_err().to_string();
    assert!(refused.contains("keywright admin operator-key rotate"), "{refused}");
    assert_eq!(short_key.state(world.clock.now()), OperatorKeyState::Expired);

    // Unknown, damaged, of another kind.
    let unknown = secret::compose("kw", KeyKind::OperatorKey, &[9; 32]);
    assert_eq!(code(world.operator(&unknown).await), "invalid_key");
    assert_eq!(code(world.operator(unknown.get(..40).unwrap()).await), "malformed_key");
    assert_eq!(code(world.operator(&world.demo.api_keys["acme-ci"].secret).await), "malformed_key");
    // A made-up actor is nobody.
    let nobody = Context { actor: Actor::Operator(OperatorActor { key_id: id, version: 2, on_behalf_of: Some("c".into()) }), ..host.clone() };
    assert_eq!(read(&nobody).await, "invalid_key");
    // The long default life is over as well, without a step between.
    let (_, secret) = world.operator_key(&[OperatorScope::Users]).await;
    world.clock.advance(DAY * 182);
    assert_eq!(code(world.operator(&secret).await), "key_expired");
}

/// Reddens when rotation leaves the old version alive, ends it at once, revives what had expired, or forgets to bind anew.
async fn a_rotated_key_works_by_both_secrets_for_the_overlap(db: Db) {
    let world = world(db).await;
    let (id, old) = world.operator_key(&OperatorScope::ALL).await;
    let expires_at = world.clock.now().plus(DAY * 300);
    let rotated = world.core.rotate_operator_key(&world.host(), id, Rotation { overlap: HOUR, expires_at: Some(expires_at) }).await.unwrap();
    assert_eq!((rotated.version, rotated.expires_at, rotated.old_secret_ends_at), (2, expires_at, Some(world.clock.now().plus(HOUR))));
    let new = rotated.secret.reveal().to_owned();
    let before = world.operator(&old).await.unwrap();
    assert!(world.operator(&new).await.is_ok());
    world.clock.advance(HOUR);
    let late = Context { now: world.clock.now(), ..before };
    assert_eq!(code(world.core.list_organizations(&late).await), "key_secret_replaced", "the version that was presented, not the newest");
    assert_eq!((code(world.operator(&old).await), code(world.operator(&new).await)), ("key_secret_replaced", "done"));

    let at_once = world.core.rotate_operator_key(&world.host(), id, Rotation { overlap: Duration::ZERO, expires_at: None }).await.unwrap();
    assert_eq!((at_once.version, at_once.old_secret_ends_at), (3, None));
    assert_eq!(code(world.operator(&new).await), "key_secret_replaced");
    let newest = at_once.secret.reveal().to_owned();
    world.clock.advance(DAY * 300);
    assert_eq!(code(world.operator(&newest).await), "key_expired");
    let how = Rotation { overlap: HOUR, expires_at: None };
    assert_eq!(code(world.core.rotate_operator_key(&world.host(), id, how).await), "invalid_request", "expired: it needs another expiry");
    let how = Rotation { overlap: HOUR, expires_at: Some(world.clock.now().plus(DAY)) };
    let revived = world.core.rotate_operator_key(&world.host(), id, how).await.unwrap();
    assert!(world.operator(revived.secret.reveal()).await.is_ok());
    assert_eq!(code(world.operator(&newest).await), "key_secret_replaced", "what expired stays dead");
    let how = Rotation { overlap: DAY * 31, expires_at: None };
    assert_eq!(code(world.core.rotate_operator_key(&world.host(), id, how).await), "invalid_request");
}

/// Reddens when `operator_tag` leaves out scopes, addresses or expiry, when the tag is not asked, or when a rotation binds anew
/// what was not bound right.
async fn what_was_altered_in_the_database_is_refused(db: Db) {
    for (statement, back) in [
        ("UPDATE keys SET operator_scopes = 'organizations users members keys' WHERE id = $1", "UPDATE keys SET operator_scopes = 'users' WHERE id = $1"),
        ("UPDATE keys SET allowed_addresses = '' WHERE id = $1", "UPDATE keys SET allowed_addresses = '10.0.0.0/8' WHERE id = $1"),
        ("UPDATE keys SET expires_at = expires_at + 1 WHERE id = $1", "UPDATE keys SET expires_at = expires_at - 1 WHERE id = $1"),
        ("UPDATE keys SET not_before = not_before - 1 WHERE id = $1", "UPDATE keys SET not_before = not_before + 1 WHERE id = $1"),
    ] {
        let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
        // Each engine once, and a database of its own for each alteration.
        let db = if statement.contains("operator_scopes") { db.clone() } else { test.db.clone() };
        let world = world(db.clone()).await;
        let new = NewOperatorKey { allowed_addresses: vec!["10.0.0.0/8".into()], ..new_key(&[OperatorScope::Users]) };
        let (key, secret) = world.core.create_operator_key(&world.host(), new).await.unwrap().value;
        let find = async || world.operator_from(secret.reveal(), Some("c"), Some("10.0.0.1")).await;
        let ctx = find().await.unwrap();
        sql(&db, statement, key.row.id).await;
        assert_eq!(code(find().await), "invalid_key", "{statement}");
        assert_eq!(code(world.core.ensure_user(&ctx, "x@acme.example", "X").await), "invalid_key", "{statement}");
        // Put back as it was, it is good again: nothing else was wrong.
        sql(&db, back, key.row.id).await;
        assert_eq!(code(find().await), "done", "{back}");
        sql(&db, statement, key.row.id).await;
        let expires_at = Some(world.clock.now().plus(DAY * 9));
        let rotated = world.core.rotate_operator_key(&world.host(), key.row.id, Rotation { overlap: HOUR, expires_at }).await.unwrap();
        assert_eq!(code(find().await), "invalid_key", "rotation makes nothing good: {statement}");
        drop(rotated);
    }
}

/// Reddens when `Core::operator` does not ask for it, or asks for it at reads, or when the log does not have it.
async fn a_change_says_for_whom_and_a_read_need_not(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let (id, secret) = world.operator_key(&OperatorScope::ALL).await;
    let silent = world.operator_from(&secret, None, None).await.unwrap();
    let host = world.host();
    let key = world.core.create_api_key(&host, acme, "made", &[], None).await.unwrap().id;
    let (viewer, manager) = (world.demo.users["viewer"].id, world.demo.users["manager"].id);
    let core = &world.core;
    let position = db.read(|tx| Box::pin(async move { keywright_store::changes::position(tx).await })).await.unwrap();
    let refused = [
        core.make_root(&silent, keywright_core::provisioning::NewRoot { name: "N".into(), ..Default::default() }).await.map(drop),
        core.put_root(&silent, "n", keywright_core::provisioning::RootChange { name: "N".into(), ..Default::default() }).await.map(drop),
        core.set_limits(&silent, acme, Default::default()).await.map(drop),
        core.suspend_organization(&silent, acme).await.map(drop),
        core.resume_organization(&silent, acme).await.map(drop),
        core.create_sub_organization(&silent, acme, "Labs").await.map(drop),
        core.ensure_user(&silent, "viewer@acme.example", "Viewer").await.map(drop),
        core.disable_user(&silent, viewer).await.map(drop),
        core.enable_user(&silent, viewer).await.map(drop),
        core.change_roles(&silent, acme, viewer, roles(&["owner"])).await.map(drop),
        core.remove_member(&silent, acme, manager).await.map(drop),
        core.invite(&silent, acme, "x@acme.example", Vec::new()).await.map(drop),
        core.create_api_key(&silent, acme, "another", &[], None).await.map(drop),
        core.rotate_api_key(&silent, acme, key, Rotation { overlap: HOUR, expires_at: None }).await.map(drop),
        core.revoke_api_key(&silent, acme, key).await.map(drop),
    ];
    for (at, refused) in refused.into_iter().enumerate() {
        assert!(matches!(&refused, Err(Error::Invalid { field: "onBehalfOf", .. })), "{at}: {refused:?}");
    }
    assert_eq!(db.read(|tx| Box::pin(async move { keywright_store::changes::position(tx).await })).await.unwrap(), position, "nothing changed");
    assert_eq!(code(core.list_organizations(&silent).await), "done");
    assert_eq!(code(core.list_members(&silent, acme).await), "done");
    assert_eq!(code(core.list_api_keys(&silent, acme, Part::ALL).await), "done");

    let speaking = world.operator_from(&secret, Some(" Ann \"A\": from [] to [owner] "), None).await.unwrap();
    core.change_roles(&speaking, acme, viewer, roles(&["view-build"])).await.unwrap();
    core.ensure_user(&speaking, "x@acme.example", "X").await.unwrap();
    let last = events(&db, Some(acme)).await.pop().unwrap();
    assert_eq!((last.action.as_str(), last.actor_kind.as_str(), last.actor_id), ("Member Role Update", "operator-key", Some(id.as_uuid())));
    let quoted = r#"on behalf of "Ann \"A\": from [] to [owner]": from [view-"#;
    assert!(last.reason.starts_with(quoted) && last.reason.ends_with("to [view-build]"), "{}", last.reason);
    let last = events(&db, None).await.pop().unwrap();
    assert_eq!((last.action.as_str(), last.reason.as_str()), ("User Create", r#"on behalf of "Ann \"A\": from [] to [owner]""#));
    for bad in ["", "  ", "a\nb", &"x".repeat(129)] {
        assert_eq!(code(world.operator_from(&secret, Some(bad), None).await), "invalid_request", "{bad:?}");
    }
    assert!(world.operator_from(&secret, Some(&"ü".repeat(128)), None).await.is_ok());
}

/// Reddens when `operator_authority` or `organizations_of_operator` does not leave the operator organization out, its
/// sub-organizations included, or when its people can be disabled.
async fn the_operator_organization_is_not_there_for_them(db: Db) {
    let world = world(db).await;
    let operator = world.bootstrap().await;
    let host = world.host();
    let below = world.core.create_sub_organization(&host, operator.organization, "Below").await.unwrap().value.id;
    let worker = world.core.create_user(&host, "worker@operator.example", "Worker", keywright_store::users::Password::None).await.unwrap().id;
    world.core.change_roles(&host, below, worker, roles(&[])).await.unwrap();
    let ctx = world.operator_with(&OperatorScope::ALL).await;
    let nobody = OrganizationId::from(uuid::Uuid::nil());
    let stranger = world.demo.users["viewer"].id;
    for place in [operator.organization, below, nobody] {
        let key = world.core.create_api_key(&host, place, "theirs", &[], None).await.map_or(KeyId::from(uuid::Uuid::nil()), |key| key.id);
        let owner = RolesIn { organization_id: place, roles: vec!["owner".into()] };
        let core = &world.core;
        let answers = [
            core.change_roles(&ctx, place, stranger, roles(&["owner"])).await.map(drop),
            core.change_roles(&ctx, place, operator.owner, roles(&[])).await.map(drop),
            core.remove_member(&ctx, place, operator.owner).await.map(drop),
            core.invite(&ctx, place, "x@acme.example", vec![owner.clone()]).await.map(drop),
            core.list_members(&ctx, place).await.map(drop),
            core.get_member(&ctx, place, operator.owner).await.map(drop),
            core.get_organization(&ctx, place).await.map(drop),
            core.create_sub_organization(&ctx, place, "More").await.map(drop),
            core.suspend_organization(&ctx, place).await.map(drop),
            core.resume_organization(&ctx, place).await.map(drop),
            core.set_limits(&ctx, place, Default::default()).await.map(drop),
            core.tree_limits(&ctx, place).await.map(drop),
            core.make_api_key(&ctx, place, NewApiKey { name: "n".into(), grants: vec![owner], ..NewApiKey::default() }).await.map(drop),
            core.list_api_keys(&ctx, place, Part::ALL).await.map(drop),
            core.revoke_api_key(&ctx, place, key).await.map(drop),
            core.list_personal_access_keys(&ctx, place, Part::ALL).await.map(drop),
            core.explain(&ctx, place, "organization.member.view").await.map(drop),
        ];
        for (at, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Err(Error::NotFound("organization")), "{at} in {place}");
        }
    }
    let mut listed: Vec<_> = world.core.list_organizations(&ctx).await.unwrap().into_iter().map(|organization| organization.row.id).collect();
    listed.sort_unstable();
    let mut others = [world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id];
    others.sort_unstable();
    assert_eq!(listed, others);
    for person in [operator.owner, worker] {
        assert_eq!(code(world.core.disable_user(&ctx, person).await), "insufficient_permission");
        world.core.disable_user(&host, person).await.unwrap();
        assert_eq!(code(world.core.enable_user(&ctx, person).await), "insufficient_permission");
        world.core.enable_user(&host, person).await.unwrap();
    }
    assert_eq!(code(world.core.disable_user(&ctx, stranger).await), "done");
    // A grant of a key may name its own tree alone.
    let reaching = vec![RolesIn { organization_id: operator.organization, roles: vec!["owner".into()] }];
    assert_eq!(code(world.core.create_api_key(&ctx, world.demo.acme.id, "reaching", &reaching, None).await), "invalid_request");
    assert_eq!(code(world.core.me(&ctx, world.demo.acme.id).await), "insufficient_permission");
    assert_eq!(code(world.core.create_personal_access_key(&ctx, world.demo.acme.id, stranger, "n", None).await), "insufficient_permission");
    assert_eq!(code(world.core.list_sessions(&ctx).await), "insufficient_permission");
    assert_eq!(code(world.core.list_outbox(&ctx).await), "host_only");
}

/// Reddens when an exchange takes an operator key, or when one selects a key by its digest whatever its kind.
async fn they_are_never_exchanged(db: Db) {
    let world = world(db).await;
    let (id, secret) = world.operator_key(&OperatorScope::ALL).await;
    let name = id.to_string();
    for credential in [Credential::PersonalAccessKey(&secret), Credential::ApiKey { name: &name, secret: &secret }] {
        let refused = world.core.exchange(&world.host(), credential, None).await.err().unwrap();
        assert_eq!(refused.code(), "malformed_key");
        assert!(refused.to_string().contains("this is an operator key, which is not exchanged here"), "{refused}");
    }
    assert_eq!(code(world.holder(&secret).await), "malformed_key", "nor is it a session");
    // A key made by it is one like any other, and lives by itself.
    let ctx = world.operator(&secret).await.unwrap();
    let grants = [RolesIn { organization_id: world.demo.acme.id, roles: vec!["view-build".into()] }];
    let made = world.core.create_api_key(&ctx, world.demo.acme.id, "theirs", &grants, None).await.unwrap();
    world.core.revoke_operator_key(&world.host(), id).await.unwrap();
    let token = world.core.exchange(&world.host(), Credential::ApiKey { name: "theirs", secret: made.secret.reveal() }, None).await.unwrap();
    assert_eq!(claims(&token)["roles"], serde_json::json!(["view-build"]));
    assert_eq!(code(world.core.revoke_key(&world.host(), id).await), "not_found", "it is revoked as an operator key alone");
}

/// Reddens when a secret gets into a log, or is stored as it is.
async fn its_secret_is_nowhere(db: Db) {
    let world = world(db.clone()).await;
    let (id, secret) = world.operator_key(&OperatorScope::ALL).await;
    let rotated = world.core.rotate_operator_key(&world.host(), id, Rotation { overlap: HOUR, expires_at: None }).await.unwrap();
    let told = format!("{:?} {:?}", events(&db, None).await, world.core.list_operator_keys(&world.host()).await.unwrap());
    for secret in [secret.as_str(), rotated.secret.reveal()] {
        let body = secret.strip_prefix("kw_op_").unwrap().get(..43).unwrap();
        assert!(!told.contains(body));
    }
    assert!(told.contains("backend"));
}
