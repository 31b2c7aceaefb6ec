//! What pages read together is what the single operations say, on both engines.

use crate::support::world;
use keywright_core::{
    Credential, Error, Part,
    usage::{Period, UsageQuery},
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyKind, OrganizationId, admin::RolesIn};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    what_every_page_needs_is_read_at_once,
    counts_are_those_of_the_lists,
    keys_come_with_their_use_by_day,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const EVERYBODY: [&str; 5] = ["owner", "manager", "viewer", "submember", "globexowner"];

async fn what_every_page_needs_is_read_at_once(db: Db) {
    let world = world(db).await;
    let (core, demo) = (&world.core, &world.demo);
    for part in EVERYBODY {
        let ctx = world.person(part, 0).await;
        for place in [demo.acme.id, demo.mobile.id, demo.globex.id, OrganizationId::from(uuid::Uuid::nil())] {
            let read = core.surroundings(&ctx, place).await.unwrap();
            assert_eq!(
                read.me.as_ref().map(|me| (me.email.clone(), me.roles.clone())),
                core.me(&ctx, place).await.as_ref().map(|me| (me.email.clone(), me.roles.clone()))
            );
            assert_eq!(read.organizations, core.list_organizations(&ctx).await.unwrap(), "{part}");
            assert!(!read.is_operator && read.custom_roles.is_empty());
        }
    }
    // What was suspended is no more one's own, and stands among the organizations all the same.
    let owner = world.person("owner", 0).await;
    core.suspend_organization(&owner, demo.mobile.id).await.unwrap();
    let read = core.surroundings(&owner, demo.mobile.id).await.unwrap();
    assert!(matches!(read.me, Err(Error::NotFound(_))), "{:?}", read.me);
    assert!(read.organizations.iter().any(|of| of.row.id == demo.mobile.id && of.row.suspended_at.is_some()));
    let gone = world.person("viewer", 0).await;
    let keywright_core::Actor::Person(person) = &gone.actor else { panic!("{:?}", gone.actor) };
    core.end_session(&gone, person.session_id).await.unwrap();
    let ended = core.surroundings(&gone, demo.acme.id).await.unwrap_err();
    assert_eq!(ended, core.list_organizations(&gone).await.unwrap_err());
}

async fn counts_are_those_of_the_lists(db: Db) {
    let world = world(db).await;
    let (core, demo) = (&world.core, &world.demo);
    for (part, name) in [("owner", "one"), ("owner", "two"), ("viewer", "three")] {
        let ctx = world.person(part, 0).await;
        let made = core.create_own_personal_access_key(&ctx, demo.acme.id, name, None).await.unwrap();
        if name == "two" {
            core.revoke_personal_access_key(&ctx, demo.acme.id, made.record.id).await.unwrap();
        }
    }
    for part in EVERYBODY {
        let ctx = world.person(part, 0).await;
        for place in [demo.acme.id, demo.mobile.id, demo.globex.id] {
            let counts = match core.counts(&ctx, place).await {
                Ok(counts) => counts,
                Err(error) => {
                    assert_eq!(Some(error), core.me(&ctx, place).await.err(), "{part}");
                    continue;
                }
            };
            let personal = core.list_personal_access_keys(&ctx, place, Part::ALL).await.unwrap();
            let total = |found: Result<i64, Error>| match found {
                Ok(total) => Some(total),
                Err(Error::Forbidden(_)) => None,
                Err(error) => panic!("{part}: {error}"),
            };
            let (api, members) = (core.list_api_keys(&ctx, place, Part::ALL).await, core.list_members_page(&ctx, place, Part::ALL).await);
            let living = |of: &[keywright_core::keys::KeyRecord]| i64::try_from(of.iter().filter(|key| key.revoked_at.is_none()).count()).unwrap();
            assert_eq!(counts.personal_access_keys, living(&personal.rows), "{part}");
            assert_eq!(
                (counts.api_keys, counts.members),
                (total(api.map(|page| living(&page.rows.into_iter().map(|key| key.record).collect::<Vec<_>>()))), total(members.map(|page| page.total))),
                "{part}"
            );
        }
    }
}

async fn keys_come_with_their_use_by_day(db: Db) {
    let world = world(db).await;
    let (core, acme) = (&world.core, world.demo.acme.id);
    let grants = [RolesIn { organization_id: acme, roles: vec!["view-build".to_owned()] }];
    let mut made = Vec::new();
    for name in ["used", "unused", "elsewhere"] {
        made.push(core.create_api_key(&world.host(), acme, name, &grants, None).await.unwrap());
    }
    for uses in [3, 0, 1] {
        for _ in 0..uses {
            let key = Credential::ApiKey { name: "used", secret: made[0].secret.reveal() };
            core.exchange(&world.anonymous(), key, None).await.unwrap();
        }
        let refused = Credential::ApiKey { name: "elsewhere", secret: made[2].secret.reveal() };
        assert!(core.exchange(&world.anonymous(), refused, Some(world.demo.globex.id)).await.is_err());
        core.flush_access_log(world.clock.now()).await.unwrap();
        world.clock.advance(DAY);
    }
    let owner = world.person("owner", 0).await;
    let all = core.list_used_api_keys(&owner, acme, (Part::ALL, 29 * DAY)).await.unwrap();
    assert_eq!(all.keys, core.list_api_keys(&owner, acme, Part::ALL).await.unwrap());
    for key in &all.keys.rows {
        let usage = core.key_usage(&owner, acme, (key.record.id, KeyKind::ApiKey), UsageQuery { from: None, until: None, by: Period::Day }).await.unwrap();
        assert_eq!(usage.from, all.since);
        let mut listed: Vec<_> = all.days.get(&key.record.id).into_iter().flatten().map(|day| (day.begins_at, day.issued, day.refused)).collect();
        listed.sort_unstable();
        assert_eq!(listed, usage.counts.iter().map(|count| (count.begins_at, count.issued, count.refused)).collect::<Vec<_>>(), "{}", key.record.name);
    }
    let used = &all.days[&made[0].record.id];
    assert_eq!(used.iter().map(|day| day.issued).sum::<i64>(), 4);
    // Those of one page, and what is too old is left out.
    let second = core.list_used_api_keys(&owner, acme, (Part::page(2, 1), 29 * DAY)).await.unwrap();
    assert_eq!((second.keys.rows.len(), second.days.keys().all(|id| *id == second.keys.rows[0].record.id)), (1, true));
    let today = core.list_used_api_keys(&owner, acme, (Part::ALL, Duration::ZERO)).await.unwrap();
    assert!(today.days.is_empty(), "{:?}", today.days);
    let stranger = world.person("globexowner", 0).await;
    assert!(core.list_used_api_keys(&stranger, acme, (Part::ALL, 29 * DAY)).await.is_err());
}
