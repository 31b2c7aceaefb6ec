//! What needs attention in an organization, on both engines: each list at its edges, and who is told what.

use crate::{
    members::code,
    support::{World, outcome, world},
};
use keywright_core::{
    Context, Credential, Error,
    attention::{Attention, NoticedKey, Urgency},
    keys::{CreatedKey, rotation::Rotation},
    members::RoleChange,
    usage::{Spelling, Way},
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Time, admin::RolesIn};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    keys_that_end_within_thirty_days_are_listed,
    keys_that_nobody_uses_are_listed,
    keys_that_are_refused_often_are_listed,
    old_secrets_are_listed_as_long_as_somebody_uses_them,
    clients_of_old_endpoints_are_listed_for_thirty_days,
    the_clients_of_a_day_have_a_bound,
    keys_of_makers_who_left_are_listed,
    everybody_is_told_what_he_may_see,
    a_list_has_a_bound_and_says_how_many_there_are,
    no_list_reads_a_whole_table,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);

impl World {
    async fn make_to_notice(&self, name: &str, life: Duration) -> CreatedKey {
        let grants = [RolesIn { organization_id: self.demo.acme.id, roles: vec!["view-build".to_owned()] }];
        self.core.create_api_key(&self.host(), self.demo.acme.id, name, &grants, Some(self.clock.now().plus(life))).await.unwrap()
    }

    async fn looks(&self) -> Attention {
        self.core.flush_access_log(self.clock.now()).await.unwrap();
        self.core.attention(&self.host(), self.demo.acme.id).await.unwrap()
    }

    async fn use_key(&self, key: &CreatedKey, target: Option<OrganizationId>) -> &'static str {
        let name = key.id.to_string();
        outcome(&self.core.exchange(&self.host(), Credential::ApiKey { name: &name, secret: key.secret.reveal() }, target).await)
    }

    async fn use_old(&self, who: &str, way: Way, (address, user_agent): (&str, &str)) {
        let ctx = Context { way, client_ip: Some(address.parse().unwrap()), user_agent: Some(user_agent.into()), ..self.anonymous() };
        let key = Credential::PersonalAccessKey(&self.demo.personal_access_keys[who]);
        assert_eq!(outcome(&self.core.exchange(&ctx, key, None).await), "accepted");
    }
}

fn ids<'a>(keys: impl Iterator<Item = &'a NoticedKey>) -> Vec<KeyId> {
    keys.map(|key| key.id).collect()
}

/// Reddens when an edge is another one, or what is dead is listed.
async fn keys_that_end_within_thirty_days_are_listed(db: Db) {
    let world = world(db).await;
    let (critical, soon, last, later) = (
        world.make_to_notice("critical", 7 * DAY).await,
        world.make_to_notice("soon", 7 * DAY + MILLISECOND).await,
        world.make_to_notice("last", 30 * DAY).await,
        world.make_to_notice("later", 30 * DAY + MILLISECOND).await,
    );
    let (suspended, revoked, over) =
        (world.make_to_notice("suspended", DAY).await, world.make_to_notice("revoked", DAY).await, world.make_to_notice("over", HOUR).await);
    world.core.suspend_api_key(&world.host(), world.demo.acme.id, suspended.id).await.unwrap();
    world.core.revoke_key(&world.host(), revoked.id).await.unwrap();
    let found = world.looks().await.expiring;
    assert_eq!(found.total, 4);
    let listed: Vec<_> = found.rows.iter().map(|(key, urgency)| (key.id, *urgency)).collect();
    assert_eq!(listed, [(over.id, Urgency::Critical), (critical.id, Urgency::Critical), (soon.id, Urgency::Soon), (last.id, Urgency::Soon)]);
    world.clock.advance(HOUR);
    let found = world.looks().await.expiring;
    assert_eq!(ids(found.rows.iter().map(|(key, _)| key)), [critical.id, soon.id, last.id, later.id]);
}

/// Reddens when an edge is another one, or a refusal is taken for a use.
async fn keys_that_nobody_uses_are_listed(db: Db) {
    let world = world(db).await;
    let (used, never) = (world.make_to_notice("used", 365 * DAY).await, world.make_to_notice("never", 365 * DAY).await);
    assert_eq!(world.use_key(&used, None).await, "accepted");
    assert_eq!(world.use_key(&never, Some(world.demo.globex.id)).await, "organization_out_of_reach");
    let never_used = async || ids(world.looks().await.never_used.rows.iter());
    let unused = async || ids(world.looks().await.unused.rows.iter().map(|(key, _)| key));
    world.clock.advance(7 * DAY);
    assert_eq!(never_used().await, [], "not older than seven days");
    world.clock.advance(MILLISECOND);
    let listed = never_used().await;
    assert!(listed.contains(&never.id) && !listed.contains(&used.id), "{listed:?}");
    world.clock.advance(83 * DAY - MILLISECOND);
    assert_eq!(unused().await, []);
    let since = Time::from_millis(world.clock.now().as_millis() - i64::try_from((90 * DAY).as_millis()).unwrap());
    world.clock.advance(MILLISECOND);
    let found = world.looks().await.unused;
    assert_eq!((found.total, found.rows.iter().map(|(key, last)| (key.id, *last)).collect::<Vec<_>>()), (1, vec![(used.id, since)]));
    assert_eq!(world.use_key(&used, None).await, "accepted");
    assert_eq!(unused().await, []);
}

/// Reddens when nine are enough, or ten of long ago.
async fn keys_that_are_refused_often_are_listed(db: Db) {
    let world = world(db).await;
    let key = world.make_to_notice("wrong", 365 * DAY).await;
    for _ in 0..9 {
        assert_eq!(world.use_key(&key, Some(world.demo.globex.id)).await, "organization_out_of_reach");
    }
    assert_eq!(world.use_key(&key, None).await, "accepted");
    assert_eq!(world.looks().await.refused.total, 0);
    world.use_key(&key, Some(world.demo.globex.id)).await;
    let found = world.looks().await.refused;
    let (noticed, refused, (at, ..), reason) = &found.rows[0];
    assert_eq!((found.total, noticed.id, *refused, *at, reason.as_str()), (1, key.id, 10, world.clock.now(), "organization_out_of_reach"));
    world.clock.advance(7 * DAY + HOUR);
    assert_eq!(world.looks().await.refused.total, 0);
}

/// Reddens when a secret is listed that nobody has used since, or that is over.
async fn old_secrets_are_listed_as_long_as_somebody_uses_them(db: Db) {
    let world = world(db).await;
    let key = world.make_to_notice("nightly", 365 * DAY).await;
    assert_eq!(world.use_key(&key, None).await, "accepted");
    world.clock.advance(HOUR);
    world.core.rotate_api_key(&world.host(), world.demo.acme.id, key.id, Rotation { overlap: DAY, expires_at: None }).await.unwrap();
    assert_eq!(world.looks().await.old_secrets.total, 0, "nobody has since");
    world.clock.advance(HOUR);
    assert_eq!(world.use_key(&key, None).await, "accepted");
    let found = world.looks().await.old_secrets;
    let (noticed, version, ends_at, (last, ..)) = &found.rows[0];
    assert_eq!((found.total, noticed.id, *version), (1, key.id, 1));
    assert_eq!((*last, *ends_at), (world.clock.now(), world.clock.now().plus(DAY - HOUR)));
    world.clock.advance(DAY - HOUR);
    assert_eq!(world.looks().await.old_secrets.total, 0, "its overlap is over");
}

/// Reddens when another endpoint counts, when clients are taken for one, when a refusal is a use, or when old days count.
async fn clients_of_old_endpoints_are_listed_for_thirty_days(db: Db) {
    let world = world(db).await;
    let (v1, v2) = (Way::V1(Spelling::Pat), Way::V2(Spelling::PersonalAccessKey));
    for _ in 0..3 {
        world.use_old("owner", v1, ("203.0.113.7", "cli/1")).await;
    }
    world.use_old("owner", v1, ("203.0.113.7", "cli/2")).await;
    world.use_old("owner", v2, ("203.0.113.8", "cli/1")).await;
    world.use_old("owner", Way::V3(Spelling::Pat), ("203.0.113.9", "cli/1")).await;
    world.clock.advance(DAY);
    world.use_old("owner", v1, ("203.0.113.7", "cli/1")).await;
    world.use_old("viewer", v2, ("203.0.113.7", "cli/1")).await;
    let refused = Context { way: v1, ..world.anonymous() };
    let key = Credential::PersonalAccessKey(&world.demo.personal_access_keys["manager"]);
    assert_eq!(outcome(&world.core.exchange(&refused, key, Some(keywright_core::chance::id().unwrap())).await), "organization_out_of_reach");
    let found = world.looks().await.old_endpoints;
    assert_eq!((found.total, found.rows[0].uses, found.rows[0].last_used_at, found.rows[1].uses), (2, 6, world.clock.now(), 1));
    let clients: Vec<_> = found.rows[0].clients.iter().map(|one| (one.way.as_str(), one.address.as_str(), one.user_agent.as_str(), one.uses)).collect();
    assert_eq!(
        clients,
        [
            ("/auth/v1/token pat", "203.0.113.7", "cli/1", 4),
            ("/auth/v1/token pat", "203.0.113.7", "cli/2", 1),
            ("/auth/v2/token personalAccessKey", "203.0.113.8", "cli/1", 1)
        ]
    );
    assert_eq!(found.rows[0].key.kind, KeyKind::PersonalAccessKey);
    world.clock.advance(30 * DAY);
    let found = world.looks().await.old_endpoints;
    assert_eq!((found.total, found.rows[0].uses, found.rows[0].clients.len()), (2, 1, 1), "the first day is over");
    assert!(world.core.prune_usage(world.clock.now()).await.unwrap() >= 3);
    assert_eq!(world.looks().await.old_endpoints.total, 2, "what is asked for is kept");
    world.clock.advance(DAY);
    assert_eq!(world.looks().await.old_endpoints.total, 0);
}

/// Reddens when each invented name makes a row.
async fn the_clients_of_a_day_have_a_bound(db: Db) {
    let world = world(db.clone()).await;
    for number in 0..25 {
        world.use_old("owner", Way::V1(Spelling::Pat), ("203.0.113.7", &format!("cli/{number}"))).await;
        if number == 3 {
            world.looks().await;
        }
    }
    let found = world.looks().await.old_endpoints;
    assert_eq!((found.rows[0].uses, found.rows[0].clients.len()), (25, 20));
    let first = &found.rows[0].clients[0];
    assert_eq!((first.address.as_str(), first.user_agent.as_str(), first.uses), ("", "", 5), "who is not named is counted");
    let rows = db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT count(*) AS rows FROM key_old_uses", &[]).await?.get::<i64>("rows") }));
    assert_eq!(rows.await.unwrap(), 21);
}

/// Reddens when a member, also by inheritance, is taken for gone, or a Personal Access Key is listed.
async fn keys_of_makers_who_left_are_listed(db: Db) {
    let world = world(db).await;
    let (acme, mobile, manager) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["manager"].id);
    let ctx = world.person("manager", 0).await;
    let make = async |place: OrganizationId, name: &str| {
        let grants = [RolesIn { organization_id: place, roles: vec!["view-organization".to_owned()] }];
        world.core.create_api_key(&ctx, place, name, &grants, None).await.unwrap().id
    };
    let (here, below) = (make(acme, "here").await, make(mobile, "below").await);
    world.make_to_notice("of the host", DAY).await;
    let found = async |place: OrganizationId| {
        let found = world.core.attention(&world.host(), place).await.unwrap().orphans;
        assert_eq!(i64::try_from(found.rows.len()).unwrap(), found.total);
        found.rows.iter().map(|orphan| (orphan.key.id, orphan.made_by, orphan.maker.clone().unwrap().email)).collect::<Vec<_>>()
    };
    assert_eq!((found(acme).await, found(mobile).await), (Vec::new(), Vec::new()), "a member, and one by inheritance");
    world.core.remove_member(&world.host(), acme, manager).await.unwrap();
    let email = "manager@acme.example".to_owned();
    assert_eq!(found(acme).await, [(here, manager, email.clone())]);
    assert_eq!(found(mobile).await, [(below, manager, email)]);
    world.core.change_roles(&world.host(), mobile, manager, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap();
    assert_eq!((found(acme).await.len(), found(mobile).await.len()), (1, 0));
    world.core.revoke_key(&world.host(), here).await.unwrap();
    assert_eq!(found(acme).await.len(), 0);
}

/// Reddens when others' Personal Access Keys are shown to whoever is no Owner, or anybody is shown anything.
async fn everybody_is_told_what_he_may_see(db: Db) {
    let world = world(db).await;
    let acme = world.demo.acme.id;
    world.clock.advance(8 * DAY);
    let looks = async |part: &str| world.core.attention(&world.person(part, 0).await, acme).await;
    let kinds = |found: &Attention| {
        let count = |kind| found.never_used.rows.iter().filter(|key| key.kind == kind).count();
        (count(KeyKind::ApiKey) > 0, count(KeyKind::PersonalAccessKey) > 0)
    };
    let owner = looks("owner").await.unwrap();
    assert_eq!(kinds(&owner), (true, true));
    assert!(owner.never_used.rows.iter().all(|key| key.holder.is_some() == (key.kind == KeyKind::PersonalAccessKey)), "{owner:?}");
    assert_eq!(kinds(&looks("manager").await.unwrap()), (true, false));
    let viewer = looks("viewer").await.unwrap_err();
    assert!(matches!(&viewer, Error::Forbidden(why) if why.permission.as_deref() == Some("organization.api-key.manage")), "{viewer:?}");
    assert_eq!((code(looks("globexowner").await), code(looks("submember").await)), ("not_found", "not_found"));
    let before = world.looks().await.never_used.total;
    world.core.remove_member(&world.host(), acme, world.demo.users["viewer"].id).await.unwrap();
    assert_eq!(world.looks().await.never_used.total, before - 1, "what is dead needs no attention");
}

/// Reddens when a list is longer, or counts itself alone.
async fn a_list_has_a_bound_and_says_how_many_there_are(db: Db) {
    let world = world(db).await;
    for number in 0..105 {
        world.make_to_notice(&format!("key {number}"), DAY).await;
    }
    let found = world.looks().await;
    assert_eq!((found.expiring.total, found.expiring.rows.len()), (105, 100));
}

/// How an engine would carry a statement out. PostgreSQL reads small tables whole, unless it is told not to where there is another way.
async fn plan(db: &Db, sql: &str) -> Vec<String> {
    let explain = |how: &str, sql: &str| -> &'static str { Box::leak(format!("{how} {sql}").into_boxed_str()) };
    // Values of no particular type, but for the id that comes first.
    let first = if sql.contains("day < $1") { "'7'" } else { "'6f9619ff-8b86-4011-b42d-00c04fc964ff'" };
    let with_values = (2..=6).fold(sql.replace("$1", first), |sql, number| sql.replace(&format!("${number}"), "'7'"));
    let (on_sqlite, on_postgres) = (explain("EXPLAIN QUERY PLAN", sql), explain("EXPLAIN", &with_values));
    let read = |sql: &'static str, column: &'static str| async move {
        db.read(move |tx| {
            Box::pin(async move {
                if column == "QUERY PLAN" {
                    tx.execute("SET LOCAL enable_seqscan = off", &[]).await?;
                }
                tx.fetch_all(sql, &[]).await?.iter().map(|row| row.get::<String>(column)).collect::<Result<Vec<_>, _>>()
            })
        })
        .await
    };
    match read(on_sqlite, "detail").await {
        Ok(plan) => plan,
        Err(_) => read(on_postgres, "QUERY PLAN").await.unwrap(),
    }
}

/// Reddens when a statement finds no index for one of its tables.
async fn no_list_reads_a_whole_table(db: Db) {
    let statements: Vec<&str> = keywright_store::attention::STATEMENTS.iter().copied().filter(|sql| sql.starts_with("SELECT")).collect();
    assert!(statements.len() > 8);
    for sql in statements {
        let plan = plan(&db, sql).await;
        assert!(plan.iter().any(|step| step.contains("SEARCH") || step.contains("Index Cond")), "{sql}\n{plan:#?}");
        let whole = plan.iter().find(|step| step.starts_with("SCAN") && !step.contains("subquery") || step.contains("Seq Scan"));
        assert_eq!(whole, None, "{sql}\n{plan:#?}");
    }
}
