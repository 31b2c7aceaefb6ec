//! Keys: what their state means at an exchange, who may make more of them, and what ends with a change.

use crate::support::{World, claims, outcome, world, world_with};
use keywright_core::{
    Actor, Context, Credential, Error, Part, TokenActor,
    keys::{
        CreatedKey,
        api::{ApiKeyChange, NewApiKey, Protection},
        rotation::{DEFAULT_OVERLAP, MAX_OVERLAP, Rotation},
    },
    members::RoleChange,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, SessionId, Time, admin::RolesIn};
use std::{net::IpAddr, time::Duration};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    a_suspended_key_is_refused_until_it_is_resumed,
    a_rotation_ends_the_old_secret_at_once_or_after_the_overlap,
    a_rotation_sets_another_end_and_revives_what_expired,
    a_rotation_makes_nothing_good_that_was_altered_in_the_database,
    a_key_is_taken_from_its_addresses_alone,
    earlier_names_go_on_working,
    a_key_waits_for_its_begin,
    keys_do_not_breed,
    a_token_does_not_follow_its_holder_up_to_owner,
    what_a_key_had_where_nothing_is_any_more_keeps_it_from_nothing,
    a_suspension_gives_nobody_more,
    a_key_lists_suspends_and_revokes,
    no_key_may_more_than_its_maker,
    only_an_owner_has_a_key_that_is_owner,
    names_are_unique_among_unrevoked_keys_of_an_organization,
    limits_are_kept_and_revoked_keys_do_not_count,
    a_protected_key_is_not_revoked,
    everybody_has_his_own_keys_and_owners_see_them_all,
    an_api_key_outlives_its_makers_rights_and_his_own_key_does_not,
    what_loses_something_ends_and_nothing_else,
);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A key as its user has it.
pub(crate) struct Made {
    pub(crate) id: KeyId,
    pub(crate) name: String,
    pub(crate) secret: String,
}

pub(crate) fn code<T>(result: Result<T, Error>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "done")
}

pub(crate) fn role(organization_id: OrganizationId, role: &str) -> RolesIn {
    RolesIn { organization_id, roles: vec![role.to_owned()] }
}

impl World {
    pub(crate) async fn api_key(&self, new: NewApiKey) -> Made {
        let (acme, name) = (self.demo.acme.id, new.name.clone());
        let grants = if new.grants.is_empty() { vec![role(acme, "view-build")] } else { new.grants };
        let made = self.core.make_api_key(&self.host(), acme, NewApiKey { grants, ..new }).await.unwrap();
        Made { id: made.id, name, secret: made.secret.reveal().to_owned() }
    }

    /// Two keys alike: the first one is remembered from an exchange, the second one is not.
    async fn warm_and_cold(&self, new: NewApiKey) -> [Made; 2] {
        let named = |suffix: &str| NewApiKey { name: format!("{} {suffix}", new.name), ..new.clone() };
        let (warm, cold) = (self.api_key(named("warm")).await, self.api_key(named("cold")).await);
        let _ = self.try_key(&warm.name, &warm.secret).await;
        [warm, cold]
    }

    /// What an exchange of a key says, from 192.0.2.1.
    pub(crate) async fn try_key(&self, name: &str, secret: &str) -> &'static str {
        self.try_key_from(name, secret, Some("192.0.2.1")).await
    }

    async fn try_key_from(&self, name: &str, secret: &str, address: Option<&str>) -> &'static str {
        let client_ip: Option<IpAddr> = address.map(|address| address.parse().unwrap());
        let ctx = Context { client_ip, ..self.anonymous() };
        outcome(&self.core.exchange(&ctx, Credential::ApiKey { name, secret }, None).await)
    }

    pub(crate) async fn rotate(&self, ctx: &Context, id: KeyId, overlap: Duration, expires_at: Option<Time>) -> Result<String, Error> {
        let rotated = self.core.rotate_api_key(ctx, self.demo.acme.id, id, Rotation { overlap, expires_at }).await?;
        Ok(rotated.secret.reveal().to_owned())
    }

    async fn change(&self, ctx: &Context, id: KeyId, change: ApiKeyChange) -> Result<(), Error> {
        self.core.update_api_key(ctx, self.demo.acme.id, id, change).await.map(|_| ())
    }

    /// Whoever holds a token of a key that carries every permission there is.
    fn bearer(&self, key_id: KeyId, key_kind: KeyKind) -> Context {
        let catalog = self.core.catalog();
        let permissions = catalog.catalog.ids(&catalog.catalog.permissions(&["owner"])).map(str::to_owned).collect();
        let actor = TokenActor { key_id, key_kind, key_version: None, organization_id: self.demo.acme.id, roles: vec!["owner".to_owned()], permissions };
        Context { actor: Actor::Token(actor), ..self.host() }
    }

    /// The same of a session.
    async fn bearer_of_session(&self, person: &Context) -> Context {
        let token = claims(&self.core.session_token(person).await.unwrap());
        let id: SessionId = token["keyId"].as_str().unwrap().parse().unwrap();
        self.bearer(KeyId::from(id.as_uuid()), KeyKind::Session)
    }

    async fn personal_key(&self, part: &str, organization: OrganizationId) -> CreatedKey {
        self.core.create_personal_access_key(&self.host(), organization, self.demo.users[part].id, "acting", None).await.unwrap()
    }

    fn in_time(&self, from_now: Duration) -> Time {
        self.clock.now().plus(from_now)
    }
}

fn named(name: &str) -> NewApiKey {
    NewApiKey { name: name.to_owned(), ..NewApiKey::default() }
}

/// Reddens when `alive` forgets the suspension, or suspending does not tell memory.
async fn a_suspended_key_is_refused_until_it_is_resumed(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    for key in world.warm_and_cold(named("suspended")).await {
        for _ in 0..2 {
            world.core.suspend_api_key(&world.host(), acme, key.id).await.unwrap();
            assert_eq!(world.try_key(&key.name, &key.secret).await, "key_suspended", "{}", key.name);
        }
        // Another secret makes no suspension undone.
        let second = world.rotate(&world.host(), key.id, HOUR, None).await.unwrap();
        for secret in [&key.secret, &second] {
            assert_eq!(world.try_key(&key.name, secret).await, "key_suspended", "{}", key.name);
        }
        for _ in 0..2 {
            world.core.resume_api_key(&world.host(), acme, key.id).await.unwrap();
            for secret in [&key.secret, &second] {
                assert_eq!(world.try_key(&key.name, secret).await, "accepted", "{}", key.name);
            }
        }
    }
}

/// Reddens when `replace_secret` leaves the old versions as they are, or a version's end is not asked at each exchange.
async fn a_rotation_ends_the_old_secret_at_once_or_after_the_overlap(db: Db) {
    let world = world(db).await;
    for key in world.warm_and_cold(named("at once")).await {
        let second = world.rotate(&world.host(), key.id, Duration::ZERO, None).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_secret_replaced", "{}", key.name);
        assert_eq!(world.try_key(&key.name, &second).await, "accepted", "{}", key.name);
    }
    for key in world.warm_and_cold(named("overlap")).await {
        let second = world.rotate(&world.host(), key.id, HOUR, None).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted", "{}", key.name);
        world.clock.advance(HOUR - MILLISECOND);
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted", "{}", key.name);
        world.clock.advance(MILLISECOND);
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_secret_replaced", "{}", key.name);
        assert_eq!(world.try_key(&key.name, &second).await, "accepted", "{}", key.name);
        // A longer overlap of the next rotation does not bring the first secret back; a shorter one takes from the second.
        let third = world.rotate(&world.host(), key.id, DAY, None).await.unwrap();
        let fourth = world.rotate(&world.host(), key.id, MINUTE, None).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_secret_replaced", "{}", key.name);
        world.clock.advance(MINUTE);
        for (secret, expected) in [(&second, "key_secret_replaced"), (&third, "key_secret_replaced"), (&fourth, "accepted")] {
            assert_eq!(world.try_key(&key.name, secret).await, expected, "{}", key.name);
        }
    }
    let key = world.api_key(named("too long")).await;
    let refused = world.rotate(&world.host(), key.id, MAX_OVERLAP + Duration::from_secs(1), None).await.unwrap_err();
    assert!(refused.to_string().starts_with("overlapSeconds: "), "{refused}");
    assert_eq!(code(world.rotate(&world.host(), key.id, MAX_OVERLAP, None).await), "done");
}

/// Reddens when `set_expiry` does not bind the secrets anew, or an expired key's old secret gets an overlap.
async fn a_rotation_sets_another_end_and_revives_what_expired(db: Db) {
    let world = world(db).await;
    // Time passes for both of a pair, so that each of them needs a pair of its own.
    let key_of = async |name: &str, which: usize| {
        let [warm, cold] = world.warm_and_cold(NewApiKey { expires_at: Some(world.in_time(DAY)), ..named(&format!("{name} {which}")) }).await;
        if which == 0 { warm } else { cold }
    };
    for which in [0, 1] {
        let key = key_of("longer", which).await;
        // A day more for both secrets; the old one ends with its overlap.
        let second = world.rotate(&world.host(), key.id, HOUR * 30, Some(world.in_time(DAY * 2))).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted", "{}", key.name);
        world.clock.advance(HOUR * 29);
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted", "{}", key.name);
        world.clock.advance(HOUR * 19);
        assert_eq!(world.try_key(&key.name, &second).await, "key_expired", "{}", key.name);
        // It needs an end in the future, and what expired stays dead.
        let without = world.rotate(&world.host(), key.id, HOUR, None).await.unwrap_err();
        assert!(without.to_string().starts_with("expiresAt: ") && without.to_string().contains("expired on"), "{without}");
        let third = world.rotate(&world.host(), key.id, DAY, Some(world.in_time(HOUR))).await.unwrap();
        for (secret, expected) in [(&key.secret, "key_secret_replaced"), (&second, "key_secret_replaced"), (&third, "accepted")] {
            assert_eq!(world.try_key(&key.name, secret).await, expected, "{}", key.name);
        }
        world.clock.advance(HOUR);
        assert_eq!(world.try_key(&key.name, &third).await, "key_expired", "{}", key.name);
    }
    for which in [0, 1] {
        let key = key_of("shorter", which).await;
        let second = world.rotate(&world.host(), key.id, DAY, Some(world.in_time(MINUTE))).await.unwrap();
        for secret in [&key.secret, &second] {
            assert_eq!(world.try_key(&key.name, secret).await, "accepted", "{}", key.name);
        }
        world.clock.advance(MINUTE);
        for secret in [&key.secret, &second] {
            assert_eq!(world.try_key(&key.name, secret).await, "key_expired", "{}", key.name);
        }
    }
    let key = world.api_key(named("bounds")).await;
    for (at, expected) in [
        (world.clock.now(), "invalid_request"),
        (world.in_time(DAY * 365 + MILLISECOND), "invalid_request"),
        (world.in_time(DAY * 365), "done"),
        (world.in_time(MILLISECOND), "done"),
    ] {
        assert_eq!(code(world.rotate(&world.host(), key.id, HOUR, Some(at)).await), expected, "{at}");
    }
}

/// Reddens when `bind_anew` does not ask whether the tag was right before.
async fn a_rotation_makes_nothing_good_that_was_altered_in_the_database(db: Db) {
    let world = world(db.clone()).await;
    let (key, later) = (world.api_key(named("altered")).await, world.in_time(DAY * 300));
    let id = key.id;
    db.write(move |tx| Box::pin(async move { tx.execute_one("UPDATE keys SET expires_at = $2 WHERE id = $1", &[id.into(), later.into()]).await }))
        .await
        .unwrap();
    assert_eq!(world.try_key(&key.name, &key.secret).await, "invalid_key");
    let second = world.rotate(&world.host(), key.id, DAY, Some(world.in_time(DAY * 10))).await.unwrap();
    assert_eq!(world.try_key(&key.name, &key.secret).await, "invalid_key");
    assert_eq!(world.try_key(&key.name, &second).await, "accepted");
}

/// Reddens when `check` of an exchange forgets the addresses, does not unmap them, or remembers the list beyond a change.
async fn a_key_is_taken_from_its_addresses_alone(db: Db) {
    let world = world(db).await;
    let allowed_addresses = vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned(), "192.0.2.7".to_owned()];
    for key in world.warm_and_cold(NewApiKey { allowed_addresses, ..named("addresses") }).await {
        let no = "key_address_not_allowed";
        for (address, expected) in [
            (Some("10.255.255.255"), "accepted"),
            (Some("11.0.0.0"), no),
            (Some("192.0.2.7"), "accepted"),
            (Some("192.0.2.8"), no),
            (Some("::ffff:10.1.2.3"), "accepted"),
            (Some("::ffff:11.1.2.3"), no),
            (Some("2001:db8:1::1"), "accepted"),
            (Some("2001:db9::1"), no),
            (None, no),
        ] {
            assert_eq!(world.try_key_from(&key.name, &key.secret, address).await, expected, "{} from {address:?}", key.name);
        }
        let only = |list: &[&str]| ApiKeyChange { allowed_addresses: Some(list.iter().map(|one| (*one).to_owned()).collect()), ..ApiKeyChange::default() };
        world.change(&world.host(), key.id, only(&["2001:db8::/32"])).await.unwrap();
        assert_eq!(world.try_key_from(&key.name, &key.secret, Some("10.1.2.3")).await, no, "{}", key.name);
        assert_eq!(world.try_key_from(&key.name, &key.secret, Some("2001:db8::1")).await, "accepted", "{}", key.name);
        world.change(&world.host(), key.id, only(&[])).await.unwrap();
        for address in [Some("10.1.2.3"), Some("2001:db9::1"), None] {
            assert_eq!(world.try_key_from(&key.name, &key.secret, address).await, "accepted", "{} from {address:?}", key.name);
        }
    }
    let wrong = NewApiKey { allowed_addresses: vec!["10.0.0.0/8".to_owned(), "10.0.0.1/8".to_owned()], ..named("wrong") };
    let refused = world.core.make_api_key(&world.host(), world.demo.acme.id, wrong).await.unwrap_err().to_string();
    assert!(refused.starts_with("allowedAddresses: `10.0.0.1/8`"), "{refused}");
}

/// Reddens when `update_name` does not keep the names, or memory does not hear of it.
async fn earlier_names_go_on_working(db: Db) {
    let world = world(db).await;
    let rename = |name: &str| ApiKeyChange { name: Some(name.to_owned()), ..ApiKeyChange::default() };
    for key in world.warm_and_cold(named("first")).await {
        let second = format!("{} renamed", key.name);
        world.change(&world.host(), key.id, rename(&second)).await.unwrap();
        for name in [&key.name, &second, &key.id.to_string()] {
            assert_eq!(world.try_key(name, &key.secret).await, "accepted", "{name}");
        }
        assert_eq!(world.try_key("another", &key.secret).await, "key_name_mismatch");
        // The name is free again. The secret still selects the key.
        let heir = world.api_key(named(&key.name)).await;
        assert_eq!(world.try_key(&key.name, &heir.secret).await, "accepted");
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted");
        assert_eq!(world.try_key(&second, &heir.secret).await, "key_name_mismatch");
        assert_eq!(code(world.change(&world.host(), key.id, rename(&key.name)).await), "conflict", "nobody takes it back from its heir");
    }
}

/// Reddens when `alive` forgets the begin, or a change of it does not bind the secrets anew.
async fn a_key_waits_for_its_begin(db: Db) {
    let world = world(db).await;
    let begin = |at: Time| ApiKeyChange { not_before: Some(at), ..ApiKeyChange::default() };
    for key in world.warm_and_cold(NewApiKey { not_before: Some(world.in_time(HOUR)), ..named("later") }).await {
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_not_yet_valid", "{}", key.name);
        world.change(&world.host(), key.id, begin(world.in_time(MINUTE))).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_not_yet_valid", "{}", key.name);
        world.clock.advance(MINUTE - MILLISECOND);
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_not_yet_valid", "{}", key.name);
        world.clock.advance(MILLISECOND);
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted", "{}", key.name);
        world.change(&world.host(), key.id, begin(world.in_time(MILLISECOND))).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "key_not_yet_valid", "{}", key.name);
        world.change(&world.host(), key.id, begin(world.clock.now())).await.unwrap();
        assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted", "{}", key.name);
        let beyond = world.change(&world.host(), key.id, begin(world.in_time(DAY * 182))).await.unwrap_err();
        assert!(beyond.to_string().starts_with("notBefore: "), "{beyond}");
    }
}

/// What makes more of a key, or more keys.
#[derive(Debug, Clone, Copy)]
enum Breeding {
    MakePersonal,
    MakeApi,
    MoreRoles,
    MoreAddresses,
    EarlierBegin,
    Rotate,
    Resume,
}

impl Breeding {
    const ALL: [Self; 7] = [Self::MakePersonal, Self::MakeApi, Self::MoreRoles, Self::MoreAddresses, Self::EarlierBegin, Self::Rotate, Self::Resume];

    async fn by(self, world: &World, ctx: &Context, key: KeyId, name: &str) -> Result<(), Error> {
        let acme = world.demo.acme.id;
        let change = ApiKeyChange::default();
        match self {
            Self::MakePersonal => world.core.create_own_personal_access_key(ctx, acme, name, None).await.map(|_| ()),
            Self::MakeApi => world.core.create_api_key(ctx, acme, name, &[role(acme, "view-build")], None).await.map(|_| ()),
            Self::MoreRoles => world.change(ctx, key, ApiKeyChange { grants: Some(vec![role(acme, "manage-build")]), ..change }).await,
            Self::MoreAddresses => world.change(ctx, key, ApiKeyChange { allowed_addresses: Some(Vec::new()), ..change }).await,
            Self::EarlierBegin => world.change(ctx, key, ApiKeyChange { not_before: Some(world.in_time(MINUTE)), ..change }).await,
            Self::Rotate => world.rotate(ctx, key, HOUR, None).await.map(|_| ()),
            Self::Resume => world.core.resume_api_key(ctx, acme, key).await.map(|_| ()),
        }
    }
}

/// Reddens when any of these operations leaves out `require_maker`, `require_fresh_person` or `require_person`, or when a token
/// made from a session counts as the session.
async fn keys_do_not_breed(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let personal = world.personal_key("owner", acme).await;
    let mut every: Vec<String> = world.core.catalog().catalog.document().roles.keys().cloned().collect();
    every.push("owner".to_owned());
    let api = world.api_key(NewApiKey { grants: vec![RolesIn { organization_id: acme, roles: every }], ..named("mighty") }).await;
    let fresh = world.person("owner", 299).await;
    let actors = [
        ("a token of an Owner's key", world.bearer(personal.id, KeyKind::PersonalAccessKey), "insufficient_permission", "needs a person"),
        ("a token of an API Key with every role", world.bearer(api.id, KeyKind::ApiKey), "insufficient_permission", "needs a person"),
        ("a stale session", world.person("owner", 300).await, "session_not_fresh", "/auth/v1/sessions/current/confirm"),
        ("a token of a fresh session", world.bearer_of_session(&fresh).await, "insufficient_permission", "needs a person with a fresh session"),
    ];
    for breeding in Breeding::ALL {
        let new = NewApiKey { allowed_addresses: vec!["192.0.2.0/24".to_owned()], not_before: Some(world.in_time(HOUR)), ..named(&format!("{breeding:?}")) };
        let key = world.api_key(new).await.id;
        world.core.suspend_api_key(&world.host(), acme, key).await.unwrap();
        let before = everything(&world, &db).await;
        for (who, ctx, expected, sentence) in &actors {
            let refused = breeding.by(&world, ctx, key, "bred").await.expect_err(who);
            assert_eq!(refused.code(), *expected, "{breeding:?} by {who}: {refused}");
            assert!(refused.to_string().contains(sentence), "{breeding:?} by {who}: {refused}");
        }
        assert_eq!(everything(&world, &db).await, before, "{breeding:?} left something behind");
        breeding.by(&world, &fresh, key, "bred").await.unwrap();
        assert_ne!(everything(&world, &db).await, before, "{breeding:?} does something");
    }
}

/// All that there is of keys in Acme, and how many generations its API Keys have open.
async fn everything(world: &World, db: &Db) -> String {
    let acme = world.demo.acme.id;
    let api = world.core.list_api_keys(&world.host(), acme, Part::ALL).await.unwrap();
    let personal = world.core.list_personal_access_keys(&world.host(), acme, Part::ALL).await.unwrap();
    let mut open = 0;
    for key in &api.rows {
        open += generations(db, key.record.id).await.len();
    }
    format!("{api:?} {personal:?} {open}")
}

/// What is no breeding, by the same tokens. Reddens when listing, suspending or revoking is asked a person.
async fn a_key_lists_suspends_and_revokes(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let owner = world.personal_key("owner", acme).await.id;
    let ctx = world.bearer(owner, KeyKind::PersonalAccessKey);
    let key = world.api_key(named("managed")).await;
    assert_eq!(code(world.core.list_api_keys(&ctx, acme, Part::ALL).await), "done");
    assert_eq!(code(world.core.get_api_key(&ctx, acme, key.id).await), "done");
    assert_eq!(code(world.core.list_personal_access_keys(&ctx, acme, Part::ALL).await), "done");
    assert_eq!(code(world.core.suspend_api_key(&ctx, acme, key.id).await), "done");
    // Nor does it describe or narrow one: that is for a person, of whatever freshness.
    let describe = || ApiKeyChange { description: Some("by night".to_owned()), ..ApiKeyChange::default() };
    assert_eq!(code(world.change(&ctx, key.id, describe()).await), "insufficient_permission");
    assert_eq!(code(world.core.rename_personal_access_key(&ctx, acme, owner, "other").await), "insufficient_permission");
    let stale = world.person("owner", 3_000).await;
    assert_eq!(code(world.change(&stale, key.id, describe()).await), "done");
    assert_eq!(code(world.core.rename_personal_access_key(&stale, acme, owner, "other").await), "done");
    assert_eq!(code(world.core.revoke_api_key(&ctx, acme, key.id).await), "done");
    assert_eq!(code(world.core.revoke_personal_access_key(&ctx, acme, owner).await), "done", "itself");
    assert_eq!(code(world.core.list_api_keys(&ctx, acme, Part::ALL).await), "key_revoked");
    // Without the role not even that.
    let viewer = world.bearer(world.personal_key("viewer", acme).await.id, KeyKind::PersonalAccessKey);
    for refused in [world.core.suspend_api_key(&viewer, acme, key.id).await, world.core.revoke_api_key(&viewer, acme, key.id).await] {
        assert_eq!(code(refused), "insufficient_permission");
    }
}

/// Every role of the catalog, given by people with few: what comes out is what the sets say. Reddens when `require_covered` is left
/// out of making or of changing, or looks at one organization alone.
async fn no_key_may_more_than_its_maker(db: Db) {
    let world = world(db).await;
    let (acme, mobile, maker) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["manager"].id);
    let catalog = world.core.catalog();
    let roles: Vec<&String> = catalog.catalog.document().roles.keys().collect();
    let (mut made, mut refused) = (0, 0);
    for own in [&["manage-organization"][..], &["manage-organization", "operate-distribution-profile", "view-build"]] {
        let own: Vec<String> = own.iter().map(|role| (*role).to_owned()).collect();
        world.core.change_roles(&world.host(), acme, maker, RoleChange::Replace(own.clone())).await.unwrap();
        let ctx = world.person("manager", 0).await;
        let mine = catalog.catalog.permissions(&own);
        for role_key in &roles {
            let within = role_key.as_str() != "owner" && catalog.catalog.permissions(&[role_key]).is_within(&mine);
            let expected = if within { "done" } else { "insufficient_permission" };
            let name = format!("{role_key} of {}", own.len());
            assert_eq!(code(world.core.create_api_key(&ctx, acme, &name, &[role(acme, role_key)], None).await), expected, "{role_key} by {own:?}");
            // The same by a change, and below, where his roles are inherited.
            let key = world.api_key(NewApiKey { grants: vec![role(acme, "view-organization")], ..named(&format!("{name} changed")) }).await;
            let grants = vec![role(acme, "view-organization"), role(mobile, role_key)];
            assert_eq!(code(world.change(&ctx, key.id, ApiKeyChange { grants: Some(grants), ..ApiKeyChange::default() }).await), expected, "{role_key}");
            if within { made += 1 } else { refused += 1 }
        }
    }
    assert!(made >= 4 && refused >= 20, "{made} {refused}");

    // One role too many spoils the whole, above or below; so do roles of his own there.
    let ctx = world.person("manager", 0).await;
    let above = [role(acme, "manage-build"), role(mobile, "view-build")];
    assert_eq!(code(world.core.create_api_key(&ctx, acme, "above", &above, None).await), "insufficient_permission");
    let both = [role(acme, "view-build"), role(mobile, "manage-build")];
    assert_eq!(code(world.core.create_api_key(&ctx, acme, "both", &both, None).await), "insufficient_permission");
    world.core.change_roles(&world.host(), mobile, maker, RoleChange::Replace(vec!["view-codepush".to_owned()])).await.unwrap();
    let below = [role(mobile, "view-build")];
    assert_eq!(code(world.core.create_api_key(&ctx, acme, "below", &below, None).await), "insufficient_permission");

    // Whoever may less than a key neither rotates nor resumes nor widens it, but narrows, suspends and revokes it.
    let strong =
        world.api_key(NewApiKey { grants: vec![role(acme, "manage-build")], allowed_addresses: vec!["192.0.2.0/24".to_owned()], ..named("strong") }).await;
    assert_eq!(code(world.rotate(&ctx, strong.id, HOUR, None).await), "insufficient_permission");
    assert_eq!(code(world.core.resume_api_key(&ctx, acme, strong.id).await), "insufficient_permission");
    let anywhere = ApiKeyChange { allowed_addresses: Some(Vec::new()), ..ApiKeyChange::default() };
    assert_eq!(code(world.change(&ctx, strong.id, anywhere).await), "insufficient_permission");
    let less = ApiKeyChange { grants: Some(vec![role(acme, "view-build")]), ..ApiKeyChange::default() };
    assert_eq!(code(world.core.suspend_api_key(&ctx, acme, strong.id).await), "done");
    assert_eq!(code(world.change(&ctx, strong.id, less).await), "done");
    assert_eq!(code(world.core.resume_api_key(&ctx, acme, strong.id).await), "done", "now he may all that it may");
    assert_eq!(code(world.core.revoke_api_key(&ctx, acme, strong.id).await), "done");

    // Only an Owner has a key that is Owner, only there; and nobody reaches another root.
    let (owner, globex) = (world.person("owner", 0).await, world.demo.globex.id);
    assert_eq!(code(world.core.create_api_key(&owner, acme, "whole", &[role(acme, "owner"), role(mobile, "owner")], None).await), "done");
    for (home, there) in [(acme, globex), (mobile, acme)] {
        let refused = world.core.create_api_key(&owner, home, "across", &[role(there, "view-build")], None).await.unwrap_err().to_string();
        assert!(refused.starts_with("grants: "), "{refused}");
    }
    assert_eq!(code(world.core.create_api_key(&owner, globex, "there", &[role(globex, "view-build")], None).await), "not_found");
    let ghost = world.core.create_api_key(&owner, acme, "ghost", &[role(acme, "ghost")], None).await.unwrap_err().to_string();
    assert!(ghost.contains("`ghost`"), "{ghost}");
}

/// A role with every permission is still not Owner. Reddens when `require_covered` compares permissions alone.
async fn only_an_owner_has_a_key_that_is_owner(db: Db) {
    let world = world(db).await;
    let (acme, manager) = (world.demo.acme.id, world.demo.users["manager"].id);
    let catalog = world.core.catalog();
    let mut document = catalog.catalog.document().clone();
    let mut deputy = document.roles["manage-organization"].clone();
    deputy.permissions = catalog.catalog.ids(&catalog.catalog.permissions(&["owner"])).map(str::to_owned).collect();
    document.roles.insert("deputy".to_owned(), deputy);
    let every: Vec<String> = document.roles.keys().filter(|role| *role != "owner").cloned().collect();
    world.core.apply_catalog(&world.host(), document, Vec::new()).await.unwrap();
    let catalog = world.core.catalog();
    assert!(catalog.catalog.permissions(&["owner"]).is_within(&catalog.catalog.permissions(&every)), "he may all that an Owner may");
    world.core.change_roles(&world.host(), acme, manager, RoleChange::Replace(every.clone())).await.unwrap();
    let ctx = world.person("manager", 0).await;
    let owner = || vec![role(acme, "owner")];
    assert_eq!(code(world.core.create_api_key(&ctx, acme, "like him", &[role(acme, "deputy")], None).await), "done");
    assert_eq!(code(world.core.create_api_key(&ctx, acme, "more", &owner(), None).await), "insufficient_permission");
    let all_but = vec![RolesIn { organization_id: acme, roles: every }];
    let key = world.api_key(NewApiKey { grants: all_but, ..named("widened") }).await;
    let widened = ApiKeyChange { grants: Some(owner()), ..ApiKeyChange::default() };
    assert_eq!(code(world.change(&ctx, key.id, widened.clone()).await), "insufficient_permission");
    assert_eq!(code(world.change(&world.person("owner", 0).await, key.id, widened).await), "done");
    assert_eq!(code(world.rotate(&ctx, key.id, HOUR, None).await), "insufficient_permission");
}

/// Reddens when the index is not partial, or does not name the organization.
async fn names_are_unique_among_unrevoked_keys_of_an_organization(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let make = async |place, name| code(world.core.create_api_key(&world.host(), place, name, &[role(place, "view-build")], None).await);
    let first = world.api_key(named("nightly")).await;
    assert_eq!(make(acme, " nightly ").await, "conflict");
    assert_eq!(make(mobile, "nightly").await, "done", "a sub-organization has names of its own");
    let other = world.api_key(named("weekly")).await;
    let rename = || ApiKeyChange { name: Some("nightly".to_owned()), ..ApiKeyChange::default() };
    assert_eq!(code(world.change(&world.host(), other.id, rename()).await), "conflict");
    world.core.revoke_api_key(&world.host(), acme, first.id).await.unwrap();
    assert_eq!(code(world.change(&world.host(), other.id, rename()).await), "done");
    assert_eq!(world.try_key("nightly", &first.secret).await, "key_revoked");
    // Personal Access Keys may be called alike.
    for _ in 0..2 {
        world.personal_key("owner", acme).await;
    }
}

/// Reddens when a limit is off by one, counts what is revoked, or forgets what hangs under the root.
async fn limits_are_kept_and_revoked_keys_do_not_count(db: Db) {
    let world = world_with(db, |settings| (settings.api_keys_per_root, settings.personal_access_keys_per_member) = (4, 2)).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let make = async |place, name| code(world.core.create_api_key(&world.host(), place, name, &[role(place, "view-build")], None).await);
    // Two there are in the demo.
    assert_eq!(make(mobile, "three").await, "done");
    assert_eq!(make(acme, "four").await, "done");
    assert_eq!(make(acme, "five").await, "conflict");
    assert_eq!(make(mobile, "five").await, "conflict");
    assert_eq!(make(world.demo.globex.id, "elsewhere").await, "done");
    world.core.revoke_api_key(&world.host(), mobile, world.demo.api_keys["mobile-ci"].id).await.unwrap();
    assert_eq!(make(acme, "five").await, "done");
    assert_eq!(make(acme, "six").await, "conflict");

    let ctx = world.person("owner", 0).await;
    let own = async || world.core.create_own_personal_access_key(&ctx, acme, "laptop", None).await;
    let second = own().await.unwrap();
    let full = own().await.unwrap_err();
    assert!(full.code() == "conflict" && full.to_string().contains("2 Personal Access Keys"), "{full}");
    world.core.revoke_personal_access_key(&ctx, acme, second.id).await.unwrap();
    assert_eq!(code(own().await), "done");
}

/// Reddens when the protection is not asked, or cannot be taken off.
async fn a_protected_key_is_not_revoked(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    let ctx = world.person("owner", 3_000).await;
    let key = world.api_key(NewApiKey { protection: Protection::On, ..named("dear") }).await;
    let refused = world.core.revoke_api_key(&ctx, acme, key.id).await.unwrap_err();
    assert!(refused.code() == "conflict" && refused.to_string().contains("deleteProtection"), "{refused}");
    assert_eq!(world.try_key(&key.name, &key.secret).await, "accepted");
    let protect = |protection| ApiKeyChange { protection: Some(protection), ..ApiKeyChange::default() };
    world.change(&ctx, key.id, protect(Protection::Off)).await.unwrap();
    world.core.revoke_api_key(&ctx, acme, key.id).await.unwrap();
    assert_eq!(world.try_key(&key.name, &key.secret).await, "key_revoked");
    // What is revoked is so for ever.
    assert_eq!(code(world.change(&ctx, key.id, protect(Protection::On)).await), "conflict");
    let fresh = world.person("owner", 0).await;
    assert_eq!(code(world.core.resume_api_key(&fresh, acme, key.id).await), "conflict");
    assert_eq!(code(world.core.suspend_api_key(&fresh, acme, key.id).await), "conflict");
    assert_eq!(code(world.rotate(&fresh, key.id, DEFAULT_OVERLAP, Some(world.in_time(DAY))).await), "conflict");
    assert_eq!(code(world.core.revoke_api_key(&ctx, acme, key.id).await), "done", "again is no error");
    let other = world.api_key(NewApiKey { protection: Protection::On, ..named("dear") }).await;
    world.core.revoke_key(&world.host(), other.id).await.unwrap();
    assert_eq!(world.try_key(&other.name, &other.secret).await, "key_revoked", "the host may");
}

/// Reddens when `sees` forgets the holder, or lists and acts by different rules.
async fn everybody_has_his_own_keys_and_owners_see_them_all(db: Db) {
    let world = world(db).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let [owner, manager] = [world.person("owner", 0).await, world.person("manager", 0).await];
    let made = world.core.create_own_personal_access_key(&manager, acme, " laptop ", None).await.unwrap();
    assert_eq!((made.record.name.as_str(), made.record.user_id), ("laptop", Some(world.demo.users["manager"].id)));
    let holders = async |ctx: &Context, place| {
        let page = world.core.list_personal_access_keys(ctx, place, Part::ALL).await.unwrap();
        assert_eq!(page.total, i64::try_from(page.rows.len()).unwrap());
        page.rows.into_iter().map(|key| key.user_email.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(holders(&manager, acme).await, ["manager@acme.example"; 2]);
    assert_eq!(holders(&owner, acme).await.len(), 4, "the demo's three, and one");
    assert_eq!(holders(&owner, mobile).await, ["submember@acme.example"], "an Owner by inheritance is one");
    assert!(holders(&world.bearer(world.demo.api_keys["acme-ci"].id, KeyKind::ApiKey), acme).await.is_empty());
    assert_eq!(code(world.core.list_personal_access_keys(&world.person("globexowner", 0).await, acme, Part::ALL).await), "not_found");

    let of_owner = world.personal_key("owner", acme).await.id;
    for ctx in [&manager, &world.person("viewer", 0).await] {
        assert_eq!(code(world.core.revoke_personal_access_key(ctx, acme, of_owner).await), "not_found");
        assert_eq!(code(world.core.rename_personal_access_key(ctx, acme, of_owner, "mine").await), "not_found");
    }
    // An Owner revokes his members' keys; their names are theirs. An API Key is no Personal Access Key, nor the other way round.
    assert_eq!(code(world.core.rename_personal_access_key(&owner, acme, made.id, "his").await), "insufficient_permission");
    assert_eq!(code(world.core.revoke_personal_access_key(&owner, mobile, made.id).await), "not_found", "it lives elsewhere");
    assert_eq!(code(world.core.revoke_api_key(&owner, acme, made.id).await), "not_found");
    assert_eq!(code(world.core.revoke_personal_access_key(&owner, acme, world.demo.api_keys["acme-ci"].id).await), "not_found");
    assert_eq!(code(world.core.revoke_personal_access_key(&owner, acme, made.id).await), "done");
    assert_eq!(code(world.core.rename_personal_access_key(&manager, acme, made.id, "late").await), "conflict");

    // Everybody for himself alone, and by inheritance nobody.
    let viewer = world.demo.users["viewer"].id;
    assert_eq!(code(world.core.create_personal_access_key(&owner, acme, viewer, "for him", None).await), "insufficient_permission");
    let inherited = world.core.create_own_personal_access_key(&owner, mobile, "below", None).await.unwrap_err();
    assert!(inherited.code() == "insufficient_permission" && inherited.to_string().contains("subOrganization="), "{inherited}");
}

/// Reddens when a token that was made for less sees and ends everybody's keys as soon as its holder is Owner.
async fn a_token_does_not_follow_its_holder_up_to_owner(db: Db) {
    let world = world(db).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    let [key, of_owner] = [world.personal_key("viewer", acme).await.id, world.personal_key("owner", acme).await.id];
    let permissions = vec!["build.view".to_owned(), "organization.member.view".to_owned()];
    let narrow = TokenActor {
        key_id: key,
        key_kind: KeyKind::PersonalAccessKey,
        key_version: None,
        organization_id: acme,
        roles: vec!["view-organization".to_owned()],
        permissions,
    };
    let narrow = Context { actor: Actor::Token(narrow), ..world.host() };
    world.core.change_roles(&world.host(), acme, viewer, RoleChange::Replace(vec!["owner".to_owned()])).await.unwrap();
    let seen = async |ctx: &Context| {
        let page = world.core.list_personal_access_keys(ctx, acme, Part::ALL).await.unwrap();
        page.rows.iter().any(|key| key.id == of_owner)
    };
    assert!(!seen(&narrow).await);
    assert_eq!(code(world.core.revoke_personal_access_key(&narrow, acme, of_owner).await), "not_found");
    // Nor does one that could do everything already, as a manager's can where all permissions are the organizations' own.
    let mut managing = world.bearer(key, KeyKind::PersonalAccessKey);
    if let Actor::Token(token) = &mut managing.actor {
        token.roles = vec!["manage-organization".to_owned()];
    }
    assert!(!seen(&managing).await);
    let whole = world.bearer(key, KeyKind::PersonalAccessKey);
    assert!(seen(&whole).await);
    assert_eq!(code(world.core.revoke_personal_access_key(&whole, acme, of_owner).await), "done");
}

/// Reddens when a grant in a deleted or suspended sub-organization keeps a secret from being replaced.
async fn what_a_key_had_where_nothing_is_any_more_keeps_it_from_nothing(db: Db) {
    let world = world(db).await;
    let (acme, mobile, now) = (world.demo.acme.id, world.demo.mobile.id, Duration::ZERO);
    let both = vec![role(acme, "view-build"), role(mobile, "view-build")];
    let key = world.api_key(NewApiKey { grants: both, ..named("both") }).await;
    world.core.suspend_organization(&world.host(), mobile).await.unwrap();
    let [owner, manager] = [world.person("owner", 0).await, world.person("manager", 0).await];
    assert_eq!(code(world.rotate(&manager, key.id, now, None).await), "done", "as he could while it lived");
    assert_eq!(code(world.rotate(&owner, key.id, now, None).await), "done");
    world.core.resume_organization(&world.host(), mobile).await.unwrap();
    world.core.delete_organization(&owner, mobile, &world.demo.mobile.name).await.unwrap();
    for ctx in [&world.host(), &owner, &manager] {
        assert_eq!(code(world.rotate(ctx, key.id, now, None).await), "done");
    }
    assert_eq!(code(world.core.suspend_api_key(&owner, acme, key.id).await), "done");
    assert_eq!(code(world.core.resume_api_key(&owner, acme, key.id).await), "done");
}

/// Reddens when suspending a sub-organization gives an Owner of its root what his own roles there keep from him.
async fn a_suspension_gives_nobody_more(db: Db) {
    let world = world(db).await;
    let (acme, mobile, owner) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["owner"].id);
    let others = world.api_key(NewApiKey { grants: vec![role(acme, "view-build"), role(mobile, "owner")], ..named("others") }).await;
    let lesser = RoleChange::Add(vec!["view-build".to_owned()]);
    world.core.change_roles(&world.host(), mobile, world.demo.users["submember"].id, RoleChange::Replace(vec!["owner".to_owned()])).await.unwrap();
    world.core.change_roles(&world.host(), mobile, owner, lesser).await.unwrap();
    let ctx = world.person("owner", 0).await;
    for suspended in [false, true] {
        if suspended {
            world.core.suspend_organization(&world.host(), mobile).await.unwrap();
        }
        for (wanted, expected) in [("owner", "insufficient_permission"), ("view-build", "done")] {
            let made = world.core.create_api_key(&ctx, acme, &format!("{wanted} {suspended}"), &[role(mobile, wanted)], None).await;
            assert_eq!(code(made.map(|_| ())), expected, "{wanted} {suspended}");
        }
        assert_eq!(code(world.rotate(&ctx, others.id, Duration::ZERO, None).await), "insufficient_permission");
        let wider = ApiKeyChange { grants: Some(vec![role(acme, "manage-build"), role(mobile, "owner")]), ..ApiKeyChange::default() };
        assert_eq!(code(world.change(&ctx, others.id, wider).await), "insufficient_permission");
    }
}

/// Reddens when `alive` asks for an API Key's maker, or does not ask for a Personal Access Key's holder.
async fn an_api_key_outlives_its_makers_rights_and_his_own_key_does_not(db: Db) {
    let world = world(db).await;
    let (acme, manager) = (world.demo.acme.id, world.demo.users["manager"].id);
    let ctx = world.person("manager", 0).await;
    let api = world.core.create_api_key(&ctx, acme, "built", &[role(acme, "manage-build")], None).await.unwrap();
    let own = world.core.create_own_personal_access_key(&ctx, acme, "laptop", None).await.unwrap();
    assert_eq!(api.record.created_by, format!("user {manager}"));
    let both = async || {
        let key = Credential::PersonalAccessKey(own.secret.reveal());
        (world.try_key("built", api.secret.reveal()).await, outcome(&world.core.exchange(&world.host(), key, None).await))
    };
    assert_eq!(both().await, ("accepted", "accepted"));
    world.core.change_roles(&world.host(), acme, manager, RoleChange::Clear).await.unwrap();
    assert_eq!(both().await, ("accepted", "nothing_granted"));
    world.core.disable_user(&world.host(), manager).await.unwrap();
    assert_eq!(both().await, ("accepted", "holder_disabled"));
    world.core.enable_user(&world.host(), manager).await.unwrap();
    world.core.remove_member(&world.host(), acme, manager).await.unwrap();
    assert_eq!(both().await, ("accepted", "membership_ended"));
    let token = world.core.exchange(&world.host(), Credential::ApiKey { name: "built", secret: api.secret.reveal() }, None).await.unwrap();
    assert_eq!(claims(&token)["roles"], serde_json::json!(["manage-build"]), "with the grant that it was made with");
    let stranger = world.person("manager", 0).await;
    assert_eq!(code(world.core.list_personal_access_keys(&stranger, acme, Part::ALL).await), "not_found");
}

/// The open generations of a key: where, and of which secret version.
async fn generations(db: &Db, key: KeyId) -> Vec<(OrganizationId, i64, i64)> {
    let text = "SELECT organization_id, version, status_index FROM generations WHERE key_id = $1 AND ended_at IS NULL ORDER BY status_index";
    let rows = db.read(move |tx| Box::pin(async move { tx.fetch_all(text, &[key.into()]).await })).await.unwrap();
    rows.iter().map(|row| (row.get("organization_id").unwrap(), row.get("version").unwrap(), row.get("status_index").unwrap())).collect()
}

/// Reddens when a change that takes nothing ends something, or one that takes something leaves a generation open.
async fn what_loses_something_ends_and_nothing_else(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let grants = vec![role(acme, "view-build"), role(mobile, "manage-build")];
    let key = world.api_key(NewApiKey { grants, ..named("generations") }).await;
    let use_it = async |secret: &str| {
        for target in [None, Some(mobile)] {
            let used = world.core.exchange(&world.host(), Credential::ApiKey { name: &key.name, secret }, target).await;
            assert_eq!(outcome(&used), "accepted");
        }
    };
    use_it(&key.secret).await;
    let first = generations(&db, key.id).await;
    assert_eq!(first.iter().map(|one| one.0).collect::<Vec<_>>(), [acme, mobile]);

    let change = |grants: Option<Vec<RolesIn>>| ApiKeyChange { grants, ..ApiKeyChange::default() };
    let harmless = ApiKeyChange { description: Some("told".to_owned()), name: Some("generations 2".to_owned()), ..ApiKeyChange::default() };
    world.change(&world.host(), key.id, harmless).await.unwrap();
    let both = || RolesIn { organization_id: acme, roles: vec!["manage-build".to_owned(), "view-build".to_owned()] };
    world.change(&world.host(), key.id, change(Some(vec![both(), role(mobile, "manage-build")]))).await.unwrap();
    assert_eq!(generations(&db, key.id).await, first, "more takes nothing");

    world.change(&world.host(), key.id, change(Some(vec![both(), role(mobile, "view-build")]))).await.unwrap();
    use_it(&key.secret).await;
    let second = generations(&db, key.id).await;
    assert_eq!((second[0], second[1].0), (first[0], mobile), "what is lost below is lost below");
    assert!(second[1].2 > first[1].2);

    let narrower = ApiKeyChange { allowed_addresses: Some(vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]), ..ApiKeyChange::default() };
    world.change(&world.host(), key.id, narrower).await.unwrap();
    assert_eq!(generations(&db, key.id).await, second, "another list of the same addresses takes nothing");
    let rotated = world.rotate(&world.host(), key.id, DAY, None).await.unwrap();
    let third = generations(&db, key.id).await;
    assert_eq!((third.len(), third[2].1), (3, 2), "the overlap is longer than a token's life: nothing of the old secret ends, the new one has its own");
    let again = world.rotate(&world.host(), key.id, MINUTE, None).await.unwrap();
    let fourth = generations(&db, key.id).await;
    assert!(fourth.iter().all(|one| !third.contains(one)), "tokens would outlive a short overlap: {fourth:?}");
    assert_eq!(fourth.iter().map(|one| (one.0, one.1)).collect::<Vec<_>>(), [(acme, 1), (acme, 2), (acme, 3)]);
    world.core.suspend_api_key(&world.host(), acme, key.id).await.unwrap();
    assert!(generations(&db, key.id).await.is_empty());
    world.core.resume_api_key(&world.host(), acme, key.id).await.unwrap();
    assert_eq!(generations(&db, key.id).await.len(), 3);
    assert_eq!(world.try_key_from(&key.name, &rotated, Some("198.51.100.7")).await, "accepted");
    world.core.revoke_api_key(&world.host(), acme, key.id).await.unwrap();
    assert!(generations(&db, key.id).await.is_empty());
    assert_eq!(world.try_key(&key.name, &again).await, "key_revoked");
}
