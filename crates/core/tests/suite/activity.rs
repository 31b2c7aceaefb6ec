//! What is read of the logs, on both engines: who may, what is found, and that a chain from which old links were removed stays whole.

use crate::{
    members::code,
    support::{World, is_whole, world, world_with},
};
use keywright_core::{
    Context, Credential, Error,
    activity::{Filter, Log, Told},
    log::{self, Keeping},
    members::RoleChange,
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    access_log,
    log::{EventRow, LinkKind},
};
use std::{cmp::Reverse, time::Duration};
use uuid::Uuid;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    pages_are_what_is_in_the_logs,
    a_page_has_a_bound,
    who_may_read_it,
    cursors_are_of_one_list,
    old_events_go_and_the_chain_stays_whole,
    what_was_removed_otherwise_is_found,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    async fn try_out(&self, part: &str, target: Option<OrganizationId>) {
        let key = Credential::PersonalAccessKey(&self.demo.personal_access_keys[part]);
        let _ = self.core.exchange(&self.host(), key, target).await;
    }

    /// All pages, and how many that were.
    async fn all(&self, ctx: &Context, place: Option<OrganizationId>, filter: &Filter, limit: usize) -> (Vec<Told>, usize) {
        let (mut all, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = self.core.activity(ctx, place, filter.clone(), cursor.as_deref(), limit).await.unwrap();
            assert!(page.events.len() <= limit);
            all.extend(page.events);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                return (all, pages);
            }
        }
    }
}

/// Everything in a root's chain, latest first.
async fn everything(db: &Db, root: OrganizationId) -> Vec<EventRow> {
    let read = db.read(move |tx| {
        Box::pin(async move {
            let mut events = keywright_store::log::list_changes(tx, root, (0, i64::MAX)).await?;
            events.append(&mut access_log::list(tx, root).await?);
            Ok::<_, Error>(events)
        })
    });
    let mut events = read.await.unwrap();
    events.sort_by_key(|event| Reverse((event.sequence, event.at, event.id)));
    events
}

/// A month with something of everything in it.
async fn busy(db: &Db) -> World {
    let world = world(db.clone()).await;
    let (acme, mobile, viewer) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["viewer"].id);
    for day in 0..30 {
        world.try_out("owner", if day % 2 == 0 { None } else { Some(mobile) }).await;
        world.try_out("viewer", None).await;
        world.try_out("submember", Some(acme)).await;
        let role = ["view-build", "manage-build"][day % 2];
        world.core.change_roles(&world.person("owner", 0).await, acme, viewer, RoleChange::Replace(vec![role.to_owned()])).await.unwrap();
        world.core.flush_access_log(world.clock.now()).await.unwrap();
        world.clock.advance(DAY);
    }
    world
}

/// Reddens when an event is left out, shown twice, in another order, or in spite of a filter.
async fn pages_are_what_is_in_the_logs(db: Db) {
    let world = busy(&db).await;
    let (acme, mobile, host) = (world.demo.acme.id, world.demo.mobile.id, world.host());
    let events = everything(&db, acme).await;
    assert!(events.len() > 100 && events.iter().any(|event| event.organization_id == mobile), "{}", events.len());
    let middle = Time::from_millis(events[events.len() / 2].at.as_millis());
    let owner = world.demo.users["owner"].id.as_uuid();
    let text = |text: &str| Some(text.to_owned());
    let by_owner = |event: &EventRow| {
        // His key's exchanges are his key's, whose e-mail address is his.
        event.actor_id == Some(owner) || (event.actor_kind == "key" && event.subject == "owner@acme.example")
    };
    type Expected<'a> = Box<dyn Fn(&EventRow) -> bool + 'a>;
    let cases: Vec<(Filter, Expected<'_>)> = vec![
        (Filter::default(), Box::new(|_| true)),
        (Filter { log: Some(Log::Changes), ..Filter::default() }, Box::new(|event| event.outcome == "done")),
        (Filter { log: Some(Log::Access), ..Filter::default() }, Box::new(|event| event.outcome != "done")),
        (Filter { from: Some(middle), ..Filter::default() }, Box::new(|event| event.at >= middle)),
        (Filter { until: Some(middle), ..Filter::default() }, Box::new(|event| event.at < middle)),
        (Filter { from: Some(middle), until: Some(middle), ..Filter::default() }, Box::new(|_| false)),
        (Filter { action: text("member role update"), ..Filter::default() }, Box::new(|event| event.action == "Member Role Update")),
        (Filter { outcome: text("refused"), ..Filter::default() }, Box::new(|event| event.outcome == "refused")),
        (Filter { actor: text("OWNER@ac"), ..Filter::default() }, Box::new(by_owner)),
        (Filter { actor: text(&owner.to_string()), ..Filter::default() }, Box::new(|event| event.actor_id == Some(owner))),
        (Filter { actor: text("nobody at all"), ..Filter::default() }, Box::new(|_| false)),
    ];
    for (filter, is_expected) in cases {
        for limit in [1_000, 7] {
            for (place, subs) in [(acme, false), (acme, true), (mobile, false)] {
                let filter = Filter { sub_organizations: subs, ..filter.clone() };
                let (told, _) = world.all(&host, Some(place), &filter, limit).await;
                let told: Vec<_> = told.into_iter().map(|told| told.event).collect();
                let expected: Vec<_> = events.iter().filter(|event| (subs || event.organization_id == place) && is_expected(event)).cloned().collect();
                assert_eq!(told, expected, "{place} {filter:?}");
            }
        }
    }
    let (told, _) = world.all(&host, Some(acme), &Filter { sub_organizations: true, ..Filter::default() }, 50).await;
    let name = |told: &Told| (told.organization.clone(), told.actor.email.clone());
    let exchange = told.iter().find(|told| told.event.organization_id == mobile && told.event.outcome == "issued").unwrap();
    assert_eq!(name(exchange), ("Acme Mobile".to_owned(), "owner@acme.example".to_owned()));
    let (installation, _) = world.all(&host, None, &Filter::default(), 50).await;
    assert!(installation.iter().any(|told| told.event.action == "User Create"), "{installation:?}");
}

/// Reddens when a filter that matches nothing reads the whole log for one page, or the list ends before the log does.
async fn a_page_has_a_bound(db: Db) {
    let world = world(db.clone()).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    for round in 0..600 {
        let role = ["view-build", "manage-build"][round % 2];
        world.core.change_roles(&world.host(), acme, viewer, RoleChange::Replace(vec![role.to_owned()])).await.unwrap();
    }
    let (told, pages) = world.all(&world.host(), Some(acme), &Filter { action: Some("Organization Create".to_owned()), ..Filter::default() }, 10).await;
    assert_eq!(told.len(), 1, "the very first one");
    assert!(pages > 1, "{pages}");
}

/// Reddens when the first line of an operation does not authorize, or sub-organizations are told to whoever is no Owner.
async fn who_may_read_it(db: Db) {
    let world = busy(&db).await;
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let [owner, manager, viewer, submember] =
        [world.person("owner", 0).await, world.person("manager", 0).await, world.person("viewer", 0).await, world.person("submember", 0).await];
    let list = async |ctx: &Context, place: Option<OrganizationId>, sub_organizations| {
        code(world.core.activity(ctx, place, Filter { sub_organizations, ..Filter::default() }, None, 10).await.map(drop))
    };
    let (done, forbidden, unknown) = ("done", "insufficient_permission", "not_found");
    for (who, ctx, expected) in [
        ("owner", &owner, [done, done, done, forbidden, unknown]),
        ("manager", &manager, [done, forbidden, done, forbidden, done]),
        ("viewer", &viewer, [forbidden, forbidden, forbidden, forbidden, unknown]),
        ("submember", &submember, [unknown, unknown, forbidden, forbidden, unknown]),
    ] {
        let asked = [(acme, false), (acme, true), (mobile, false), (mobile, true), (globex, false)];
        for ((place, subs), expected) in asked.into_iter().zip(expected) {
            assert_eq!(list(ctx, Some(place), subs).await, expected, "{who} {place} {subs}");
        }
        assert_eq!(list(ctx, None, false).await, "host_only", "{who}");
        let chain = [code(world.core.chain(ctx, Some(acme), 0).await.map(drop)), code(world.core.chain_head(ctx, Some(acme)).await.map(drop))];
        assert_eq!(chain, [expected[1]; 2], "{who}");
    }
    assert_eq!(list(&world.anonymous(), Some(acme), false).await, "host_only");
}

/// Reddens when a cursor is not sealed, or not for its list.
async fn cursors_are_of_one_list(db: Db) {
    let world = busy(&db).await;
    let (acme, mobile, host) = (world.demo.acme.id, world.demo.mobile.id, world.host());
    let cursor = world.core.activity(&host, Some(acme), Filter::default(), None, 3).await.unwrap().next.unwrap();
    let go_on = async |place, filter, cursor: &str| code(world.core.activity(&host, Some(place), filter, Some(cursor), 3).await.map(drop));
    assert_eq!(go_on(acme, Filter::default(), &cursor).await, "done");
    assert_eq!(go_on(mobile, Filter::default(), &cursor).await, "invalid_request");
    assert_eq!(go_on(acme, Filter { log: Some(Log::Access), ..Filter::default() }, &cursor).await, "invalid_request");
    let mut flipped = cursor.clone().into_bytes();
    flipped[20] = if flipped[20] == b'A' { b'B' } else { b'A' };
    for tampered in
        [String::from_utf8(flipped).unwrap().as_str(), format!("A{cursor}").as_str(), "", "x", "[17,\"2026-11-24T09:00:00Z\",\"\"]", &"A".repeat(9_000)]
    {
        assert_eq!(go_on(acme, Filter::default(), tampered).await, "invalid_request", "{tampered}");
    }
}

/// Reddens when something goes before its time or stays behind it, when the chain does not hold over what has gone, and when the log
/// does not tell of it.
async fn old_events_go_and_the_chain_stays_whole(db: Db) {
    let keeping = Keeping { changes: DAY * 20, accesses: DAY * 5 };
    let world = world_with(db.clone(), |settings| settings.keeping = keeping).await;
    let (acme, viewer) = (world.demo.acme.id, world.demo.users["viewer"].id);
    for day in 0..40_usize {
        for _ in 0..3 {
            world.try_out("owner", None).await;
            world.core.flush_access_log(world.clock.now()).await.unwrap();
        }
        let role = ["view-build", "manage-build"][day % 2];
        world.core.change_roles(&world.host(), acme, viewer, RoleChange::Replace(vec![role.to_owned()])).await.unwrap();
        if day % 3 != 1 {
            world.core.prune_logs(world.clock.now()).await.unwrap();
            assert_eq!(world.core.prune_logs(world.clock.now()).await.unwrap(), 0, "once is enough");
        }
        let whole = db.read(move |tx| Box::pin(async move { log::chain::check(tx, acme).await })).await.unwrap();
        assert!(whole.is_ok(), "day {day}: {whole:?}");
        world.clock.advance(DAY);
    }
    let removed = world.core.prune_logs(world.clock.now()).await.unwrap();
    assert!(removed > 0);
    let now = world.clock.now();
    let oldest = |keep: Duration| {
        let millis = now.as_millis() - i64::try_from(keep.as_millis()).unwrap();
        Time::from_millis(millis - millis.rem_euclid(86_400_000))
    };
    let events = everything(&db, acme).await;
    let (changes, accesses): (Vec<_>, Vec<_>) = events.iter().partition(|event| event.outcome == "done");
    assert!(changes.iter().all(|event| event.at >= oldest(keeping.changes)) && changes.iter().any(|event| event.at < oldest(keeping.accesses)));
    assert!(accesses.iter().all(|event| event.at >= oldest(keeping.accesses)) && accesses.len() >= 12, "{}", accesses.len());
    let told = changes.first().unwrap();
    assert_eq!((told.action.as_str(), told.actor_kind.as_str()), ("Log Prune", "host"));
    let links = db.read(move |tx| Box::pin(async move { keywright_store::log::list_links(tx, acme, 0, i64::MAX).await })).await.unwrap();
    let kinds: Vec<_> = links.iter().map(|link| link.kind.unwrap()).collect();
    assert!(!kinds.windows(2).any(|pair| pair == [LinkKind::Pruned, LinkKind::Pruned]), "neighbours are one stub");
    assert!(links.len() <= 2 * changes.len() + accesses.len() + 1, "{} links for {} events", links.len(), events.len());
    // The nil chain has its own.
    assert!(db.read(move |tx| Box::pin(async move { is_whole(tx, Uuid::nil().into()).await })).await.unwrap());
}

/// Reddens when a stub may stand for more than the log tells of.
async fn what_was_removed_otherwise_is_found(db: Db) {
    let world = world_with(db.clone(), |settings| settings.keeping = Keeping { changes: DAY * 2_000, accesses: DAY }).await;
    let acme = world.demo.acme.id;
    for _ in 0..3 {
        world.try_out("owner", None).await;
        world.core.flush_access_log(world.clock.now()).await.unwrap();
    }
    world.clock.advance(DAY * 3);
    assert_eq!(world.core.prune_logs(world.clock.now()).await.unwrap(), 3);
    assert!(db.read(move |tx| Box::pin(async move { is_whole(tx, acme).await })).await.unwrap());
    let erased = db.write(move |tx| {
        Box::pin(async move {
            let links = keywright_store::log::list_links(tx, acme, 0, i64::MAX).await?;
            let stub = links.iter().position(|link| link.kind == Some(LinkKind::Pruned)).unwrap();
            let before = &links[stub - 1];
            // As a removal in good order would do it, of a change that nobody shall see.
            keywright_store::log::prune(tx, acme, (before.sequence, links[stub].sequence), &before.previous).await?;
            Ok::<_, Error>(())
        })
    });
    erased.await.unwrap();
    let found = db.read(move |tx| Box::pin(async move { log::chain::check(tx, acme).await })).await.unwrap();
    assert_eq!(found.unwrap_err(), log::chain::Broken::Removed { missing: 4, told: 3 });
}
