//! Tokens for less than everything, what is made from them, and giving up what one holds, on both engines.

use crate::support::{self, ISSUER, World, payload, world, world_with};
use keywright_core::{
    Actor, Context, Credential, Error, HeldToken, IssuedToken, ScopedToken, TokenActor, Wanted,
    keys::{
        api::{ApiKeyChange, Introspection, NewApiKey, Protection},
        rotation::Rotation,
    },
    members::RoleChange,
    usage::Way,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{AccessClaims, KeyKind, OrganizationId, admin::RolesIn, status::News};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_key_gives_less_than_it_has,
    a_key_gives_for_each_audience_what_it_may_do_there,
    a_token_of_a_token_never_does_more_nor_lives_longer,
    a_token_of_a_token_dies_with_it,
    a_sessions_token_is_narrowed_too,
    what_is_taken_back_takes_along_what_may_have_been_made_of_it,
    whoever_has_a_key_may_give_it_up,
    a_key_is_judged_by_its_secret_alone,
    asking_about_everybody_is_given_by_owners_of_the_operator,
);

const READ: &str = "distribution.profile.view";

fn claims(token: &IssuedToken) -> AccessClaims<'static> {
    payload(&token.access_token)
}

/// A token as a verifier of its audience has found it.
fn held(world: &World, token: &IssuedToken) -> HeldToken {
    let claims = claims(token);
    let catalog = world.core.catalog();
    let audience = (claims.aud != ISSUER).then_some(&*claims.aud);
    let mut permissions = claims.scope.as_ref().map_or_else(|| catalog.catalog.permissions(&claims.roles), |scope| catalog.catalog.scope(scope));
    permissions.intersect(catalog.catalog.audience(audience).unwrap());
    HeldToken {
        audience: claims.aud.to_string(),
        expires_at: claims.exp,
        status_index: claims.status.index(ISSUER).unwrap(),
        actor: TokenActor {
            key_id: claims.key_id,
            key_kind: claims.key_kind,
            key_version: claims.key_version,
            organization_id: claims.current_organization_id,
            roles: claims.roles.iter().map(|role| role.to_string()).collect(),
            permissions: catalog.catalog.ids(&permissions).map(str::to_owned).collect(),
        },
    }
}

fn code<T>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "done")
}

impl World {
    async fn wanted(&self, who: &str, wanted: Wanted<'_>) -> Result<ScopedToken, Error> {
        self.core.exchange_for(&self.host(), Credential::PersonalAccessKey(&self.demo.personal_access_keys[who]), wanted).await
    }

    async fn narrowed(&self, token: &IssuedToken, wanted: Wanted<'_>) -> Result<IssuedToken, Error> {
        self.core.narrow(&self.host(), &held(self, token), wanted).await.map(|scoped| scoped.token)
    }

    fn first_permissions(&self, token: &IssuedToken) -> Vec<String> {
        held(self, token).actor.permissions
    }
}

const fn scope(scope: &str) -> Wanted<'_> {
    Wanted { scope: Some(scope), organization_id: None, audience: None, expires_in: None }
}

const fn for_organization(id: OrganizationId) -> Wanted<'static> {
    Wanted { organization_id: Some(id), scope: None, audience: None, expires_in: None }
}

/// Reddens when what is named is not the whole truth, or when roles stand beside it.
async fn a_key_gives_less_than_it_has(db: Db) {
    let world = world(db).await;
    let plain = world.exchange("owner", None).await.unwrap();
    let narrow = world.wanted("owner", Wanted { expires_in: Some(60), ..scope(READ) }).await.unwrap();
    let (whole, less) = (claims(&plain), claims(&narrow.token));
    assert_eq!((less.scope.as_deref(), less.roles.len(), narrow.token.expires_in, narrow.scope.as_deref()), (Some(READ), 0, 60, Some(READ)));
    assert_eq!(less.status, whole.status, "it is of the same generation");
    assert_eq!((less.aud, less.sub, less.key_id), (whole.aud, whole.sub, whole.key_id));
    // Remembered or not, everybody else gets everything.
    assert_eq!(claims(&world.exchange("owner", None).await.unwrap()).roles, whole.roles);
    assert_eq!(world.wanted("owner", Wanted { expires_in: Some(1_000_000), ..Wanted::default() }).await.unwrap().token.expires_in, plain.expires_in);
    for unknown in ["no.such.thing", &format!("{READ} no.such.thing")] {
        assert_eq!(code(world.wanted("owner", scope(unknown)).await), "invalid_scope", "{unknown}: nothing is left out unsaid");
    }
    assert_eq!(code(world.wanted("owner", scope(" ")).await), "invalid_scope");
    let refused = world.wanted("viewer", scope("distribution.profile.view organization.api-key.manage")).await;
    assert!(matches!(refused, Err(Error::Scope(ref sentence)) if sentence.contains("organization.api-key.manage") && !sentence.contains(READ)));
    // What is named is the whole truth, also where it is all that there is.
    let submember = world.exchange("submember", None).await.unwrap();
    let all = world.first_permissions(&submember).join(" ");
    let named = claims(&world.wanted("submember", scope(&all)).await.unwrap().token);
    assert_eq!((named.scope.as_deref(), named.roles.len()), (Some(all.as_str()), 0));
    // More than fits into a token cannot be named.
    let most = world.first_permissions(&plain)[1..].join(" ");
    assert_eq!(code(world.wanted("owner", scope(&most)).await), "invalid_scope");
    assert_eq!(code(world.wanted("owner", for_organization(world.demo.globex.id)).await), "organization_out_of_reach");
}

/// Reddens when the audience asked for is not the one that a grant is computed for.
async fn a_key_gives_for_each_audience_what_it_may_do_there(db: Db) {
    const INVOICES: &str = "https://api.example.com";
    let own = format!(
        r#"
        [apis.invoices]
        audience = "{INVOICES}"
        permissions = {{ "invoices.read" = "See invoices", "invoices.write" = "Create and change invoices" }}
        [roles.accountant]
        name = "Accountant"
        permissions = ["invoices.read", "invoices.write"]
    "#
    );
    let world = world_with(db, |settings| settings.own_catalog = Some(own)).await;
    let (host, acme) = (world.host(), world.demo.acme.id);
    let grants = vec![RolesIn { organization_id: acme, roles: vec!["accountant".to_owned()] }];
    let key = world.core.create_api_key(&host, acme, "books", &grants, None).await.unwrap();
    let secret = Credential::ApiKeySecret(key.secret.reveal());
    let of = |audience| Wanted { audience, ..Wanted::default() };
    assert_eq!(code(world.core.exchange_for(&host, secret, of(None)).await), "nothing_granted", "the default audience is the issuer");
    assert_eq!(code(world.core.exchange_for(&host, secret, of(Some("https://other.example"))).await), "invalid_target");
    for _ in 0..2 {
        let token = world.core.exchange_for(&host, secret, of(Some(INVOICES))).await.unwrap();
        let claims = claims(&token.token);
        assert_eq!((&*claims.aud, claims.scope.as_deref(), claims.roles.len()), (INVOICES, Some("invoices.read invoices.write"), 1));
    }
    assert_eq!(code(world.core.exchange_for(&host, secret, Wanted { audience: Some(INVOICES), ..scope(READ) }).await), "invalid_scope");
    let token = world.core.exchange_for(&host, secret, of(Some(INVOICES))).await.unwrap().token;
    assert_eq!(code(world.narrowed(&token, of(Some(ISSUER))).await), "invalid_target", "a token stays for its API");
    let less = world.narrowed(&token, Wanted { audience: Some(INVOICES), ..scope("invoices.read") }).await.unwrap();
    assert_eq!(claims(&less).scope.as_deref(), Some("invoices.read"));
    // Memory knows the key, and says the same of the default audience.
    assert_eq!(code(world.core.exchange(&host, secret, None).await), "nothing_granted");
}

/// Reddens when any of the bounds is left out.
async fn a_token_of_a_token_never_does_more_nor_lives_longer(db: Db) {
    let world = world(db).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let token = world.wanted("owner", Wanted { expires_in: Some(600), ..scope(READ) }).await.unwrap().token;
    let sub = world.narrowed(&token, for_organization(mobile)).await.unwrap();
    let (parent, child) = (claims(&token), claims(&sub));
    assert_eq!((child.current_organization_id, child.scope.as_deref(), child.roles.len()), (mobile, Some(READ), 0), "an Owner's roles do not come back");
    assert_eq!((child.exp, child.key_id, child.organization_id), (parent.exp, parent.key_id, acme));
    assert_ne!(child.status, parent.status);
    assert_eq!(claims(&world.narrowed(&token, Wanted { expires_in: Some(5), ..Wanted::default() }).await.unwrap()).exp, parent.iat + 5);
    assert_eq!(code(world.narrowed(&token, scope("distribution.profile.manage")).await), "invalid_scope");
    assert_eq!(code(world.narrowed(&token, for_organization(globex)).await), "organization_out_of_reach");
    assert_eq!(code(world.narrowed(&sub, for_organization(acme)).await), "organization_out_of_reach", "not up again");
    // What it may do now counts, not what the token says.
    let manager = world.exchange("manager", None).await.unwrap();
    let user = world.demo.users["manager"].id;
    let own = RoleChange::Replace(vec!["view-distribution-profile".to_owned()]);
    world.core.change_roles(&world.host(), mobile, user, own).await.unwrap();
    let there = world.narrowed(&manager, for_organization(mobile)).await.unwrap();
    assert_eq!(claims(&there).roles.len(), 0, "a role that the first did not name is not named");
    let above = world.first_permissions(&world.exchange("manager", None).await.unwrap());
    assert!(world.first_permissions(&there).iter().all(|permission| above.contains(permission)));
    // Nor does what its holder has become since.
    let grants = |roles: &[&str]| ApiKeyChange {
        grants: Some(vec![RolesIn { organization_id: acme, roles: roles.iter().map(|role| (*role).to_owned()).collect() }]),
        ..ApiKeyChange::default()
    };
    let key = world.demo.api_keys["acme-ci"].id;
    world.core.update_api_key(&world.host(), acme, key, grants(&["operate-distribution-profile", "manage-distribution-profile"])).await.unwrap();
    let of_key = world.exchange_api_key("acme-ci", None).await.unwrap();
    assert_eq!(claims(&world.narrowed(&of_key, Wanted { expires_in: Some(5), ..Wanted::default() }).await.unwrap()).roles.len(), 2);
    world.core.update_api_key(&world.host(), acme, key, grants(&["operate-distribution-profile", "manage-distribution-profile", "view-build"])).await.unwrap();
    let same = claims(&world.narrowed(&of_key, Wanted { expires_in: Some(5), ..Wanted::default() }).await.unwrap());
    assert!(!same.roles.iter().any(|role| role == "view-build"), "{:?}", same.roles);
    let viewer = world.exchange("viewer", None).await.unwrap();
    world.core.change_roles(&world.host(), acme, world.demo.users["viewer"].id, RoleChange::Add(vec!["owner".to_owned()])).await.unwrap();
    let after = world.narrowed(&viewer, for_organization(acme)).await;
    if let Ok(after) = after {
        assert!(!claims(&after).roles.iter().any(|role| role == "owner"));
        assert!(world.first_permissions(&after).iter().all(|permission| world.first_permissions(&viewer).contains(permission)));
    }
    world.clock.advance(std::time::Duration::from_secs(600));
    assert_eq!(code(world.narrowed(&token, Wanted::default()).await), "invalid_token", "it has expired");
}

/// Reddens when only the key is asked, and not the token's own generation.
async fn a_token_of_a_token_dies_with_it(db: Db) {
    let world = world(db).await;
    let (mobile, host) = (world.demo.mobile.id, world.host());
    let token = world.exchange("manager", None).await.unwrap();
    world.core.revoke_token(&host, &held(&world, &token)).await.unwrap();
    for wanted in [Wanted::default(), for_organization(mobile)] {
        assert_eq!(code(world.narrowed(&token, wanted).await), "invalid_token", "its key lives");
    }
    let token = world.exchange("manager", None).await.unwrap();
    world.core.disable_user(&host, world.demo.users["manager"].id).await.unwrap();
    assert_eq!(code(world.narrowed(&token, Wanted::default()).await), "holder_disabled");
}

async fn a_sessions_token_is_narrowed_too(db: Db) {
    let world = world(db).await;
    let person = world.person("owner", 0).await;
    world.core.switch_organization(&person, world.demo.acme.id).await.unwrap();
    let person = Context { now: world.clock.now(), ..person };
    let token = world.core.session_token(&person).await.unwrap();
    let less = world.narrowed(&token, scope(READ)).await.unwrap();
    let (whole, narrow) = (claims(&token), claims(&less));
    assert_eq!((narrow.key_kind, narrow.scope.as_deref(), narrow.status == whole.status), (KeyKind::Session, Some(READ), true));
    assert!(narrow.exp <= whole.exp);
    let sub = claims(&world.narrowed(&less, for_organization(world.demo.mobile.id)).await.unwrap());
    assert_eq!((sub.current_organization_id, sub.scope.as_deref()), (world.demo.mobile.id, Some(READ)));
    world.core.revoke_token(&world.host(), &held(&world, &token)).await.unwrap();
    assert_eq!(code(world.narrowed(&less, Wanted::default()).await), "invalid_token");
    assert!(world.core.session_token(&person).await.is_ok(), "the session lives");
    assert_eq!(code(world.core.session_token_for(&person, Some("https://other.example")).await), "invalid_target");
    // With tokens of sessions out, the catalog is compared and changed like ever.
    let token = world.core.session_token(&person).await.unwrap();
    let mut document = world.core.catalog().catalog.document().clone();
    assert!(world.core.diff_catalog(&world.host(), document.clone()).await.unwrap().identical);
    document.roles.get_mut("view-build").unwrap().permissions.clear();
    world.core.apply_catalog(&world.host(), document, Vec::new()).await.unwrap();
    assert_eq!(code(world.narrowed(&token, Wanted::default()).await), "done", "an Owner's lost nothing");
    // Whatever ends the session, or the person, ends what was made of it, in a sub-organization too.
    type End = fn(&World, &Context) -> std::pin::Pin<Box<dyn Future<Output = ()>>>;
    let user = world.demo.users["owner"].id;
    let ends: [(&str, End); 3] = [
        ("signed out", |world, person| {
            let (core, person) = (world.core.clone(), person.clone());
            Box::pin(async move { core.end_session(&person, person.authorize_person().unwrap().session_id).await.unwrap().value })
        }),
        ("demoted", |world, _| {
            let (core, host, acme, user) = (world.core.clone(), world.host(), world.demo.acme.id, world.demo.users["owner"].id);
            Box::pin(async move {
                let second = RoleChange::Replace(vec!["owner".to_owned()]);
                core.change_roles(&host, acme, world_second(&core, &host).await, second).await.unwrap();
                drop(core.change_roles(&host, acme, user, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap());
            })
        }),
        ("disabled", |world, _| {
            let (core, host, user) = (world.core.clone(), world.host(), world.demo.users["owner"].id);
            Box::pin(async move { core.disable_user(&host, user).await.unwrap().value })
        }),
    ];
    for (what, end) in ends {
        let person = world.person("owner", 0).await;
        world.core.switch_organization(&person, world.demo.acme.id).await.unwrap();
        let person = Context { now: world.clock.now(), ..person };
        let token = world.core.session_token(&person).await.unwrap();
        let sub = world.narrowed(&token, for_organization(world.demo.mobile.id)).await.unwrap();
        let known = payload::<News>(&world.core.status_news(None).unwrap().text).position;
        end(&world, &person).await;
        let ended = payload::<News>(&world.core.status_news(Some(known)).unwrap().text).ended;
        for token in [&token, &sub] {
            assert!(ended.contains(&held(&world, token).status_index), "{what}");
        }
        if what == "demoted" {
            world.core.change_roles(&world.host(), world.demo.acme.id, user, RoleChange::Replace(vec!["owner".to_owned()])).await.unwrap();
        }
    }
}

/// Somebody who can be the second Owner.
async fn world_second(core: &std::sync::Arc<keywright_core::Core>, host: &Context) -> keywright_protocol::UserId {
    let new = keywright_protocol::admin::AdminRequest::CreateUser { email: "second@acme.example".to_owned(), name: "Second".to_owned() };
    let keywright_protocol::admin::AdminReply::User(user) = core.administer(host, new).await else { panic!("a user") };
    user.id
}

/// Reddens when a token for a sub-organization outlives the one that it was made from.
async fn what_is_taken_back_takes_along_what_may_have_been_made_of_it(db: Db) {
    let world = world(db).await;
    let (core, host, mobile) = (&world.core, world.host(), world.demo.mobile.id);
    let token = world.exchange("owner", None).await.unwrap();
    let sub = world.narrowed(&token, for_organization(mobile)).await.unwrap();
    let known = payload::<News>(&core.status_news(None).unwrap().text).position;
    let by = Context { actor: Actor::Token(held(&world, &token).actor), way: Way::ClientCredentials, ..host.clone() };
    core.revoke_token(&by, &held(&world, &token)).await.unwrap();
    let mut ended = payload::<News>(&core.status_news(Some(known)).unwrap().text).ended;
    ended.sort_unstable();
    let mut both = [held(&world, &token).status_index, held(&world, &sub).status_index];
    both.sort_unstable();
    assert_eq!(ended, both);
    let again = core.revoke_token(&by, &held(&world, &token)).await.unwrap();
    assert!(payload::<News>(&core.status_news(Some(again.position)).unwrap().text).ended.is_empty());
    let next = world.exchange("owner", None).await.unwrap();
    assert!(!both.contains(&held(&world, &next).status_index), "the key goes on");
    core.revoke_token(&by, &held(&world, &token)).await.unwrap();
    assert_eq!(code(world.narrowed(&next, Wanted::default()).await), "done", "an older token has no say about a newer one");
    // The other way round: a sub-organization's token takes nothing of the root's along.
    let sub = world.exchange("owner", Some(mobile)).await.unwrap();
    core.revoke_token(&by, &held(&world, &sub)).await.unwrap();
    assert_eq!(code(world.narrowed(&next, Wanted::default()).await), "done");
    assert_eq!(code(world.narrowed(&sub, Wanted::default()).await), "invalid_token");
}

async fn whoever_has_a_key_may_give_it_up(db: Db) {
    let world = world(db).await;
    let (core, host, acme) = (&world.core, world.host(), world.demo.acme.id);
    let anybody = Context { actor: Actor::Anonymous, ..host.clone() };
    let viewer = world.demo.personal_access_keys["viewer"].to_string();
    assert!(core.revoke_presented_key(&anybody, &viewer).await.unwrap().is_some());
    assert_eq!(code(world.exchange("viewer", None).await), "key_revoked");
    assert!(core.revoke_presented_key(&anybody, &viewer).await.unwrap().is_none(), "again is well");
    let unknown = keywright_protocol::secret::compose("kw", KeyKind::ApiKey, &[7; 32]);
    for nothing in [unknown.as_str(), "kw_api_short", "kw_ses_x", "word"] {
        assert!(core.revoke_presented_key(&anybody, nothing).await.unwrap().is_none(), "{nothing}");
    }
    let key = &world.demo.api_keys["acme-ci"];
    let protect = |protection| ApiKeyChange { protection: Some(protection), ..ApiKeyChange::default() };
    core.update_api_key(&host, acme, key.id, protect(Protection::On)).await.unwrap();
    assert_eq!(code(core.revoke_presented_key(&anybody, &key.secret).await), "conflict");
    assert_eq!(code(world.exchange_api_key("acme-ci", None).await), "done");
    core.update_api_key(&host, acme, key.id, protect(Protection::Off)).await.unwrap();
    // Who cannot use it has no say: by a secret that was replaced, while it is suspended, from elsewhere.
    core.suspend_api_key(&host, acme, key.id).await.unwrap();
    assert!(core.revoke_presented_key(&anybody, &key.secret).await.unwrap().is_none());
    core.resume_api_key(&host, acme, key.id).await.unwrap();
    let here = ApiKeyChange { allowed_addresses: Some(vec!["203.0.113.0/24".to_owned()]), ..ApiKeyChange::default() };
    core.update_api_key(&host, acme, key.id, here).await.unwrap();
    assert_eq!(code(core.revoke_presented_key(&anybody, &key.secret).await), "key_address_not_allowed");
    let anywhere = ApiKeyChange { allowed_addresses: Some(Vec::new()), ..ApiKeyChange::default() };
    core.update_api_key(&host, acme, key.id, anywhere).await.unwrap();
    let newer = core.rotate_api_key(&host, acme, key.id, Rotation { overlap: std::time::Duration::ZERO, expires_at: None }).await.unwrap().secret;
    assert!(core.revoke_presented_key(&anybody, &key.secret).await.unwrap().is_none());
    let exchange = async || code(core.exchange(&host, Credential::ApiKeySecret(newer.reveal()), None).await);
    assert_eq!(exchange().await, "done", "the key goes on");
    core.revoke_presented_key(&anybody, newer.reveal()).await.unwrap();
    assert_eq!(exchange().await, "key_revoked");
}

/// Reddens when a way in decides by itself what lives, or when memory outlives a change.
async fn a_key_is_judged_by_its_secret_alone(db: Db) {
    let world = world(db).await;
    let (core, acme) = (&world.core, world.demo.acme.id);
    let ctx = Context { way: Way::GatewayCheck, ..world.host() };
    let key = &world.demo.api_keys["acme-ci"];
    for _ in 0..2 {
        let judged = core.judge_key(&ctx, &key.secret, None).await.unwrap();
        assert_eq!((judged.key_id, judged.key_kind, judged.organization_id, judged.root_id), (key.id, KeyKind::ApiKey, acme, acme));
        assert!(judged.catalog.index(READ).is_some_and(|index| judged.permissions.contains(index)));
        assert_eq!(core.authenticate(&ctx, Credential::ApiKeySecret(&key.secret)).await.unwrap().root_id, acme);
    }
    let person = core.judge_key(&ctx, &world.demo.personal_access_keys["viewer"], None).await.unwrap();
    assert_eq!(person.subject, world.demo.users["viewer"].id.as_uuid());
    assert_eq!(code(core.judge_key(&ctx, &key.secret, Some("https://other.example")).await), "nothing_granted");
    core.suspend_api_key(&world.host(), acme, key.id).await.unwrap();
    assert_eq!(code(core.judge_key(&ctx, &key.secret, None).await), "key_suspended");
    assert_eq!(code(core.authenticate(&ctx, Credential::ApiKey { name: "acme-ci", secret: &key.secret }).await), "key_suspended");
    let session = world.sign_in("owner").await;
    for (wrong, expected) in [(session.as_str(), "malformed_key"), ("kw_api_x", "malformed_key"), ("word", "malformed_key")] {
        assert_eq!(code(core.judge_key(&ctx, wrong, None).await), expected, "{wrong}");
    }
    // A key without any grant says who it is, and may do nothing.
    let idle = core.make_api_key(&world.host(), acme, NewApiKey { name: "idle".to_owned(), ..NewApiKey::default() }).await.unwrap();
    assert_eq!(core.authenticate(&ctx, Credential::ApiKeySecret(idle.secret.reveal())).await.unwrap().key_id, idle.id);
    assert_eq!(code(core.judge_key(&ctx, idle.secret.reveal(), None).await), "nothing_granted");
    let exchanged = core.exchange(&world.host(), Credential::ApiKeySecret(idle.secret.reveal()), None).await;
    assert_eq!(support::outcome(&exchanged), "nothing_granted");
}

async fn asking_about_everybody_is_given_by_owners_of_the_operator(db: Db) {
    let world = world(db).await;
    let (core, host) = (&world.core, world.host());
    let operator = world.bootstrap().await;
    let asking = |name: &str| NewApiKey { name: name.to_owned(), introspection: Introspection::Everything, ..NewApiKey::default() };
    let change = |introspection| ApiKeyChange { introspection: Some(introspection), ..ApiKeyChange::default() };
    let elsewhere = core.make_api_key(&host, world.demo.acme.id, asking("gateway")).await;
    assert!(matches!(elsewhere, Err(Error::Invalid { field: "introspect", .. })));
    let manages = RoleChange::Replace(vec!["manage-organization".to_owned()]);
    core.change_roles(&host, operator.organization, world.demo.users["manager"].id, manages).await.unwrap();
    let (owner, manager) = (world.holder(&operator.session).await.unwrap(), world.person("manager", 0).await);
    assert_eq!(code(core.make_api_key(&manager, operator.organization, asking("gateway")).await), "insufficient_permission");
    let key = core.make_api_key(&owner, operator.organization, asking("gateway")).await.unwrap();
    let introspects = async || core.authenticate(&host, Credential::ApiKeySecret(key.secret.reveal())).await.unwrap().introspects;
    let update = async |by: &Context, introspection| code(core.update_api_key(by, operator.organization, key.id, change(introspection)).await);
    assert!(introspects().await);
    assert_eq!(update(&manager, Introspection::OwnTree).await, "done", "less is for everybody who manages keys");
    assert!(!introspects().await);
    assert_eq!(update(&manager, Introspection::Everything).await, "insufficient_permission");
    let later = Context { now: owner.now.plus(std::time::Duration::from_secs(301)), ..owner.clone() };
    assert_eq!(update(&later, Introspection::Everything).await, "session_not_fresh");
    assert_eq!(update(&owner, Introspection::Everything).await, "done");
    assert!(introspects().await);
    // Nobody else gets at such a key.
    let rotated = core.rotate_api_key(&manager, operator.organization, key.id, Rotation { overlap: std::time::Duration::ZERO, expires_at: None });
    assert_eq!(code(rotated.await), "insufficient_permission");
    core.suspend_api_key(&manager, operator.organization, key.id).await.unwrap();
    assert_eq!(code(core.resume_api_key(&manager, operator.organization, key.id).await), "insufficient_permission");
    core.resume_api_key(&owner, operator.organization, key.id).await.unwrap();
}
