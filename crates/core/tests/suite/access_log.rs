//! The log of access, on both engines: what it says, how it hangs together, and what becomes of it when something breaks.

use crate::support::{World, outcome, world, world_with};
use futures_util::FutureExt as _;
use keywright_core::{Context, Credential, Error, members::RoleChange};
use keywright_db::{Db, StoreError, Writes, on_both_engines};
use keywright_protocol::{KeyKind, OrganizationId, RequestId, Time, secret};
use keywright_store::{
    access_log,
    log::{EventRow, LinkKind},
};
use std::time::Duration;
use uuid::Uuid;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    each_outcome_is_an_event,
    a_session_that_is_exchanged_is_an_event_too,
    a_batch_is_one_link_a_root_and_nothing_is_no_batch,
    many_events_are_written_in_order,
    an_altered_log_is_noticed,
    unknown_secrets_are_counted,
    beyond_a_thousand_addresses_they_are_counted_together,
    what_cannot_be_written_waits,
    a_batch_that_was_written_unseen_is_not_written_twice,
    what_does_not_find_room_is_counted,
    a_crash_leaves_a_gap_and_a_good_end_none,
    what_is_gathered_at_the_end_is_written_then,
);

const MINUTE: Duration = Duration::from_secs(60);

fn nil() -> OrganizationId {
    Uuid::nil().into()
}

async fn events(db: &Db, root: OrganizationId) -> Vec<EventRow> {
    db.read(move |tx| Box::pin(async move { access_log::list(tx, root).await })).await.unwrap()
}

/// Kinds of a chain's links, without those of changes.
async fn batches(db: &Db, root: OrganizationId) -> Vec<LinkKind> {
    let links = db.read(move |tx| {
        Box::pin(async move {
            crate::support::is_whole(tx, root).await.map(|whole| assert!(whole))?;
            Ok::<_, Error>(keywright_store::log::list_links(tx, root, 0, i64::MAX).await?)
        })
    });
    links.await.unwrap().into_iter().map(|link| link.kind.unwrap()).filter(|kind| *kind != LinkKind::Change).collect()
}

async fn revision(db: &Db) -> i64 {
    db.read(|tx| Box::pin(async move { keywright_store::changes::position(tx).await })).await.unwrap().n
}

async fn execute(db: &Db, sql: &'static str) {
    db.write(move |tx| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
}

impl World {
    /// Somebody at an address, with a client that says its name.
    fn from(&self, address: &str) -> Context {
        Context { client_ip: Some(address.parse().unwrap()), user_agent: Some("curl/8\u{7}.14".into()), ..self.anonymous() }
    }

    async fn flush(&self) {
        self.core.flush_access_log(self.clock.now()).await.unwrap();
    }

    async fn try_unknown(&self, address: &str) {
        let unknown = secret::compose("kw", KeyKind::PersonalAccessKey, &[1; 32]);
        let refused = self.core.exchange(&self.from(address), Credential::PersonalAccessKey(&unknown), None).await;
        assert_eq!(outcome(&refused), "invalid_key");
    }
}

/// Reddens when `exchanged` is left out of `exchange`, when it notes nothing of refusals, when `load` does not say what it found, and
/// when `used` takes the organization asked for without asking `reaches`.
async fn each_outcome_is_an_event(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let (owner, ci) = (&world.demo.personal_access_keys["owner"], &world.demo.api_keys["acme-ci"]);
    let (owner, by_name) = (Credential::PersonalAccessKey(owner), |name| Credential::ApiKey { name, secret: &ci.secret });
    let viewer = Credential::PersonalAccessKey(&world.demo.personal_access_keys["viewer"]);
    let mut expected: Vec<(RequestId, String, &str, OrganizationId)> = Vec::new();
    let mut exchange = async |credential: Credential<'_>, target: Option<OrganizationId>, email: &str, reason: &'static str, at: OrganizationId| {
        let ctx = world.from("192.0.2.7");
        let exchanged = world.core.exchange(&ctx, credential, target).await;
        assert_eq!(exchanged.err().map_or("", |error| error.code()), reason);
        expected.push((ctx.request_id, email.to_owned(), reason, at));
    };
    let (holder, id) = ("owner@acme.example", ci.id);
    let identity = db.read(move |tx| Box::pin(async move { tx.fetch_one("SELECT email FROM keys WHERE id = $1", &[id.into()]).await?.get("email") }));
    let identity: String = identity.await.unwrap_or_else(|error: StoreError| panic!("{error}"));
    // From the database and from memory; its own organization and one below.
    for _ in 0..2 {
        exchange(owner, None, holder, "", acme).await;
        exchange(owner, Some(mobile), holder, "", mobile).await;
        exchange(by_name("acme-ci"), None, &identity, "", acme).await;
        exchange(by_name("other"), None, &identity, "key_name_mismatch", acme).await;
    }
    // What it does not reach learns nothing of it.
    exchange(owner, Some(globex), holder, "organization_out_of_reach", acme).await;
    exchange(owner, Some(Uuid::from_u128(7).into()), holder, "organization_out_of_reach", acme).await;
    world.core.change_roles(&world.host(), acme, world.demo.users["viewer"].id, RoleChange::Replace(vec![])).await.unwrap();
    exchange(viewer, Some(mobile), "viewer@acme.example", "nothing_granted", mobile).await;
    world.core.disable_user(&world.host(), world.demo.users["viewer"].id).await.unwrap();
    exchange(viewer, None, "viewer@acme.example", "holder_disabled", acme).await;
    world.core.revoke_key(&world.host(), ci.id).await.unwrap();
    exchange(by_name("acme-ci"), None, &identity, "key_revoked", acme).await;
    world.clock.advance(Duration::from_secs(200 * 24 * 60 * 60));
    exchange(owner, None, holder, "key_expired", acme).await;

    assert!(events(&db, acme).await.is_empty(), "nothing is written by an exchange");
    world.flush().await;
    let written = events(&db, acme).await;
    let told: Vec<_> = written.iter().map(|event| (event.request_id, event.subject.clone(), event.reason.as_str(), event.organization_id)).collect();
    // All of it at one time: there is an order within an organization alone.
    for place in [acme, mobile] {
        let there = |told: &[(RequestId, String, &str, OrganizationId)]| {
            told.iter().filter(|(.., at)| *at == place).map(|told| format!("{told:?}")).collect::<Vec<_>>()
        };
        assert_eq!(there(&told), there(&expected));
    }
    for event in &written {
        assert_eq!((event.action.as_str(), event.actor_kind.as_str()), ("Token Exchange", "key"));
        assert_eq!(event.outcome, if event.reason.is_empty() { "issued" } else { "refused" });
        assert_eq!((event.address.as_str(), event.user_agent.as_str()), ("192.0.2.7", "curl/8.14"));
        assert_eq!(event.actor_id == Some(ci.id.as_uuid()), event.subject == identity);
        assert!(event.actor_id.is_some() && event.revision > 0 && event.revision <= revision(&db).await, "{event:?}");
    }
    assert_eq!(written.last().unwrap().at, world.clock.now());
    assert!(events(&db, globex).await.is_empty() && events(&db, nil()).await.is_empty());
}

/// Reddens when `session_token` notes nothing, or in the wrong chain.
async fn a_session_that_is_exchanged_is_an_event_too(db: Db) {
    let world = world(db.clone()).await;
    let (acme, user) = (world.demo.acme.id, &world.demo.users["viewer"]);
    let person = Context { user_agent: Some("x".repeat(5_000).into()), ..world.person("viewer", 0).await };
    world.core.session_token(&person).await.unwrap();
    world.core.remove_member(&world.host(), acme, user.id).await.unwrap();
    assert!(matches!(world.core.session_token(&person).await, Err(Error::NotFound(_))));
    world.flush().await;
    let told: Vec<_> = events(&db, acme)
        .await
        .into_iter()
        .map(|event| {
            assert_eq!((event.actor_kind.as_str(), event.actor_id, &event.subject), ("user", Some(user.id.as_uuid()), &user.email));
            assert_eq!((event.organization_id, event.request_id, event.user_agent.len()), (acme, person.request_id, 200));
            (event.action, event.outcome, event.reason)
        })
        .collect();
    let told: Vec<_> = told.iter().map(|(action, outcome, reason)| (action.as_str(), outcome.as_str(), reason.as_str())).collect();
    assert_eq!(told, [("Token Exchange", "issued", ""), ("Token Exchange", "refused", "not_found")]);
}

/// Reddens when a flush writes a link for each event, or writes where nothing happened.
async fn a_batch_is_one_link_a_root_and_nothing_is_no_batch(db: Db) {
    let world = world(db.clone()).await;
    let (acme, globex) = (world.demo.acme.id, world.demo.globex.id);
    for _ in 0..20 {
        world.exchange("owner", None).await.unwrap();
        world.exchange("globexowner", None).await.unwrap();
        world.exchange("owner", Some(world.demo.mobile.id)).await.unwrap();
    }
    let before = revision(&db).await;
    world.flush().await;
    assert_eq!(revision(&db).await, before + 1, "one transaction for all roots");
    assert_eq!((batches(&db, acme).await, batches(&db, globex).await), (vec![LinkKind::Access], vec![LinkKind::Access]));
    assert_eq!((events(&db, acme).await.len(), events(&db, globex).await.len()), (40, 20));
    for _ in 0..3 {
        world.flush().await;
        world.clock.advance(MINUTE);
    }
    assert_eq!(revision(&db).await, before + 1, "nothing happened, nothing is written");
    // A change, a batch, a change: one chain.
    world.core.suspend_organization(&world.host(), globex).await.unwrap();
    assert_eq!(outcome(&world.exchange("globexowner", None).await), "organization_disabled");
    world.flush().await;
    world.core.resume_organization(&world.host(), globex).await.unwrap();
    assert_eq!(batches(&db, globex).await, [LinkKind::Access; 2]);
}

/// Reddens when ids do not follow the order of a batch, and when a batch is larger than what other writes should wait for.
async fn many_events_are_written_in_order(db: Db) {
    let world = world(db.clone()).await;
    let (acme, ci) = (world.demo.acme.id, &world.demo.api_keys["acme-ci"]);
    let mut asked = Vec::new();
    for _ in 0..2_345 {
        let ctx = Context { now: world.clock.now(), ..world.anonymous() };
        asked.push(ctx.request_id);
        // The name is refused before anything is signed.
        let _ = world.core.exchange(&ctx, Credential::ApiKey { name: "no", secret: &ci.secret }, None).await;
    }
    let before = revision(&db).await;
    world.flush().await;
    assert_eq!(revision(&db).await, before + 3);
    assert_eq!(batches(&db, acme).await, [LinkKind::Access; 3]);
    assert_eq!(events(&db, acme).await.iter().map(|event| event.request_id).collect::<Vec<_>>(), asked);
}

/// Reddens when a batch's hash leaves out its events, one of their members, their order, or the link's own kind and time.
async fn an_altered_log_is_noticed(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    for who in ["owner", "manager", "viewer", "owner"] {
        world.exchange(who, None).await.unwrap();
    }
    world.flush().await;
    world.core.change_roles(&world.host(), acme, world.demo.users["viewer"].id, RoleChange::Replace(vec![])).await.unwrap();
    let _ = world.exchange("viewer", None).await;
    world.flush().await;
    assert_eq!(batches(&db, acme).await.len(), 2);
    for tampering in [
        "UPDATE log_access SET events = replace(events, '\"refused\"', '\"issued\"') WHERE root_id = $1 AND events LIKE '%refused%'",
        "UPDATE log_access SET events = replace(events, 'nothing_granted', '') WHERE root_id = $1 AND events LIKE '%nothing_granted%'",
        "UPDATE log_access SET events = replace(events, 'manager@acme.example', 'x') WHERE root_id = $1 AND events LIKE '%manager@acme%'",
        "UPDATE log_access SET events = replace(events, '18000000', '18000001') WHERE root_id = $1",
        "UPDATE log_access SET events = replace(events, ']]', ',[]]') WHERE root_id = $1 AND events LIKE '%manager@acme%'",
        "UPDATE log_access SET organization_id = $2 WHERE root_id = $1",
        "UPDATE log_access SET events = '[]' WHERE root_id = $1 AND events LIKE '%manager@acme%'",
        "DELETE FROM log_access WHERE root_id = $1 AND events LIKE '%refused%'",
        "DELETE FROM log_access WHERE root_id = $1",
        // One row more, one moved to the other batch.
        "INSERT INTO log_access SELECT $2, root_id, sequence, organization_id, since, events FROM log_access WHERE root_id = $1 AND events LIKE '%manager@acme%'",
        "UPDATE log_access SET sequence = (SELECT max(sequence) FROM log_access WHERE root_id = $1) WHERE root_id = $1 AND events LIKE '%manager@acme%'",
        "UPDATE log_links SET at = at + 1 WHERE root_id = $1 AND kind = 'access'",
        "UPDATE log_links SET kind = 'gap' WHERE root_id = $1 AND kind = 'access'",
        "UPDATE log_links SET kind = 'change' WHERE root_id = $1 AND kind = 'access'",
        "UPDATE log_links SET kind = 'other' WHERE root_id = $1 AND kind = 'access'",
        "UPDATE log_links SET at = at + 1 WHERE root_id = $1 AND kind = 'change' AND sequence = 2",
        "UPDATE log_links SET hash = previous WHERE root_id = $1 AND kind = 'access'",
        "UPDATE log_links SET previous = hash WHERE root_id = $1 AND kind = 'access'",
    ] {
        let names_another = tampering.contains("$2");
        let noticed: Result<keywright_db::Committed<()>, Error> = db
            .write(move |tx| {
                Box::pin(async move {
                    // Behind all others.
                    let last: Uuid = Uuid::from_u128(u128::MAX);
                    let values = [acme.into(), last.into()];
                    let values = if names_another { values.as_slice() } else { values.split_at(1).0 };
                    assert!(tx.execute(tampering, values).await? > 0, "{tampering}");
                    Err(if crate::support::is_whole(tx, acme).await? { Error::Unavailable } else { Error::HostOnly })
                })
            })
            .await;
        assert_eq!(noticed.unwrap_err(), Error::HostOnly, "{tampering}");
    }
    assert_eq!(batches(&db, acme).await.len(), 2, "taken back");
}

/// Reddens when an unknown secret makes an event of its own, is not counted, or a minute is written before it is over.
async fn unknown_secrets_are_counted(db: Db) {
    let world = world(db.clone()).await;
    let start = world.clock.now();
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.1", "::ffff:192.0.2.1"] {
        world.try_unknown(address).await;
    }
    let damaged = world.core.exchange(&world.from("192.0.2.2"), Credential::PersonalAccessKey("kw_pak_x"), None).await;
    assert_eq!(outcome(&damaged), "malformed_key");
    world.clock.advance(Duration::from_secs(59));
    world.flush().await;
    assert!(events(&db, nil()).await.is_empty(), "the minute is not over");
    world.clock.advance(Duration::from_secs(1));
    world.try_unknown("192.0.2.1").await;
    world.flush().await;
    let told = |events: Vec<EventRow>| -> Vec<(String, String, Time)> {
        events
            .into_iter()
            .map(|event| {
                assert_eq!((event.action.as_str(), event.actor_kind.as_str(), event.outcome.as_str()), ("Token Exchange", "nobody", "refused"));
                (event.address, event.reason, event.at)
            })
            .collect()
    };
    let row = |address: &str, count: &str, at: Time| (address.to_owned(), count.to_owned(), at);
    let first = [row("192.0.2.1", "3", start), row("192.0.2.2", "2", start)];
    assert_eq!(told(events(&db, nil()).await), first);
    world.clock.advance(MINUTE);
    world.flush().await;
    assert_eq!(told(events(&db, nil()).await).last(), Some(&row("192.0.2.1", "1", start.plus(MINUTE))));
    assert_eq!(batches(&db, nil()).await, [LinkKind::Access; 2]);
    assert!(events(&db, world.demo.acme.id).await.is_empty());
}

/// Reddens when the addresses of a minute have no bound.
async fn beyond_a_thousand_addresses_they_are_counted_together(db: Db) {
    let world = world(db.clone()).await;
    for number in 0..1_100_u32 {
        let ctx = Context { client_ip: Some(std::net::Ipv4Addr::from(number).into()), ..world.anonymous() };
        let _ = world.core.exchange(&ctx, Credential::PersonalAccessKey("x"), None).await;
    }
    world.clock.advance(MINUTE);
    world.flush().await;
    let written = events(&db, nil()).await;
    assert_eq!(written.len(), 1_001);
    assert_eq!(written.iter().filter(|event| event.address == "others").map(|event| event.reason.as_str()).collect::<Vec<_>>(), ["100"]);
}

/// Reddens when a batch that failed is dropped.
async fn what_cannot_be_written_waits(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    world.exchange("owner", None).await.unwrap();
    execute(&db, "ALTER TABLE log_access RENAME TO away").await;
    for _ in 0..3 {
        assert!(world.core.flush_access_log(world.clock.now()).await.is_err());
        world.exchange("owner", None).await.unwrap();
    }
    assert_eq!(world.core.access_events_waiting(), 4);
    execute(&db, "ALTER TABLE away RENAME TO log_access").await;
    world.flush().await;
    assert_eq!((events(&db, acme).await.len(), world.core.access_events_waiting()), (4, 0));
    assert_eq!(batches(&db, acme).await, [LinkKind::Access; 2], "the one that failed, and the rest");
}

/// Reddens when an attempt whose end nobody saw is forgotten (its events are lost if it failed), or made again without a look (its
/// ids are there already, for ever).
async fn a_batch_that_was_written_unseen_is_not_written_twice(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    world.exchange("owner", None).await.unwrap();
    assert!(world.core.flush_access_log(world.clock.now()).now_or_never().is_none(), "given up while it is written");
    world.exchange("manager", None).await.unwrap();
    world.flush().await;
    let told: Vec<String> = events(&db, acme).await.into_iter().map(|event| event.subject).collect();
    assert_eq!(told, ["owner@acme.example", "manager@acme.example"]);
    assert_eq!(batches(&db, acme).await, [LinkKind::Access; 2]);
}

/// Reddens when the buffer has no bound, or what it has no room for is not counted.
async fn what_does_not_find_room_is_counted(db: Db) {
    let world = world_with(db.clone(), |settings| settings.access_events_waiting = 5).await;
    let acme = world.demo.acme.id;
    for _ in 0..12 {
        world.exchange("owner", None).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.core.access_events_waiting(), 5);
    world.flush().await;
    assert_eq!(events(&db, acme).await.len(), 5);
    let [gap] = <[EventRow; 1]>::try_from(events(&db, nil()).await).unwrap();
    assert_eq!((gap.action.as_str(), gap.outcome.as_str()), ("Log Gap", "lost"));
    assert_eq!(gap.reason, "7 events from 2027-01-15T08:00:05.000Z to 2027-01-15T08:00:11.000Z");
    assert_eq!(batches(&db, nil()).await, [LinkKind::Gap]);
    world.exchange("owner", None).await.unwrap();
    world.flush().await;
    assert_eq!(events(&db, nil()).await.len(), 1, "told once");
}

/// Reddens when the mark is not left at the start, not taken away at the end, taken away without a word, or not kept up to date.
async fn a_crash_leaves_a_gap_and_a_good_end_none(db: Db) {
    let world = world(db.clone()).await;
    let marks = async || {
        let count = db.read(|tx| Box::pin(async move { keywright_store::settings::list_open_logs(tx).await })).await.unwrap();
        count.len()
    };
    world.clock.advance(MINUTE);
    world.exchange("owner", None).await.unwrap();
    world.flush().await;
    let written = world.clock.now();
    // Lost.
    world.exchange("owner", None).await.unwrap();
    world.clock.advance(10 * MINUTE);
    let second = world.restart(db.clone()).await;
    let [gap] = <[EventRow; 1]>::try_from(events(&db, nil()).await).unwrap();
    assert_eq!((gap.action.as_str(), gap.subject.as_str(), gap.at), ("Log Gap", "unclean end", world.clock.now()));
    assert!(gap.reason.starts_with(&format!("events from {written} to {}", world.clock.now())), "{}", gap.reason);
    assert_eq!((batches(&db, nil()).await, marks().await), (vec![LinkKind::Gap], 1), "its own mark stands in place of the other one");

    second.close_access_log(world.clock.now()).await.unwrap();
    assert_eq!(marks().await, 0);
    let before = revision(&db).await;
    second.close_access_log(world.clock.now()).await.unwrap();
    assert_eq!(revision(&db).await, before, "closed already");
    let third = world.restart(db.clone()).await;
    assert_eq!((events(&db, nil()).await.len(), marks().await), (1, 1));
    drop(third);
    world.restart(db.clone()).await;
    assert_eq!(events(&db, nil()).await.len(), 2, "also if nothing was ever exchanged");
}

/// Reddens when the end forgets what waits, or what was counted in a minute that is not over.
async fn what_is_gathered_at_the_end_is_written_then(db: Db) {
    let world = world(db.clone()).await;
    world.exchange("owner", None).await.unwrap();
    world.try_unknown("192.0.2.1").await;
    world.core.close_access_log(world.clock.now()).await.unwrap();
    assert_eq!((events(&db, world.demo.acme.id).await.len(), events(&db, nil()).await.len()), (1, 1));
    world.restart(db.clone()).await;
    assert_eq!(batches(&db, nil()).await, [LinkKind::Access], "no gap");
}
