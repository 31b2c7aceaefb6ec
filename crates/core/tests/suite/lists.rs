//! Lists page by page: as many rows as were asked for are read, and all pages together are the whole list.

use crate::{
    keys::role,
    support::{World, world},
};
use keywright_core::{Part, keys::api::NewApiKey, members::Member, members::RoleChange};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{OrganizationId, UserId};
use keywright_store::{key_lists, member_lists, users::Password};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    pages_of_keys_are_cut_by_the_database,
    pages_of_members_are_cut_by_the_database,
);

/// Reddens when a list statement loses its `LIMIT`, its order, or what it is a list of; or roles of keys beyond the page come along.
async fn pages_of_keys_are_cut_by_the_database(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile, owner) = (world.demo.acme.id, world.demo.mobile.id, world.demo.users["owner"].id);
    for number in 0..24 {
        // Three at each moment, so that ids decide among them.
        if number % 3 == 0 {
            world.clock.advance(Duration::from_millis(1));
        }
        let grants = vec![role(acme, "view-build"), role(mobile, "view-codepush")];
        world.api_key(NewApiKey { name: format!("page {number}"), grants, ..NewApiKey::default() }).await;
        if number < 12 {
            let holder = if number % 2 == 0 { owner } else { world.demo.users["manager"].id };
            world.core.create_personal_access_key(&world.host(), acme, holder, "page", None).await.unwrap();
        }
    }
    let whole = world.core.list_api_keys(&world.host(), acme, Part::ALL).await.unwrap();
    assert_eq!((whole.total, whole.rows.len()), (25, 25));
    let mut sorted = whole.rows.clone();
    sorted.sort_by_key(|key| (key.record.created_at, key.record.id));
    assert_eq!(whole.rows, sorted);
    assert!(whole.rows.iter().all(|key| key.grants.len() == 2), "each with its grants");
    let mut pages = Vec::new();
    for (number, length) in [(1, 10), (2, 10), (3, 5), (4, 0)] {
        let part = Part::page(number, 10);
        let (page, roles) = db.read(move |tx| Box::pin(async move { key_lists::list_api(tx, acme, part).await })).await.unwrap();
        assert_eq!((page.total, page.rows.len(), roles.len()), (25, length, length * 2), "page {number}: no row and no role beyond it");
        pages.extend(world.core.list_api_keys(&world.host(), acme, part).await.unwrap().rows);
    }
    assert_eq!(pages, whole.rows);

    let all = world.core.list_personal_access_keys(&world.host(), acme, Part::ALL).await.unwrap();
    assert_eq!((all.total, all.rows.len()), (15, 15), "the demo's three, and twelve");
    let own = world.core.list_personal_access_keys(&world.person("manager", 0).await, acme, Part::ALL).await.unwrap();
    assert_eq!((own.total, own.rows.len()), (7, 7));
    assert_eq!(own.rows, all.rows.iter().filter(|key| key.user_id == Some(world.demo.users["manager"].id)).cloned().collect::<Vec<_>>());
    for (ctx, whole) in [(world.host(), all), (world.person("manager", 0).await, own)] {
        let mut pages = Vec::new();
        for number in 1..=4 {
            let page = world.core.list_personal_access_keys(&ctx, acme, Part::page(number, 5)).await.unwrap();
            assert!(page.rows.len() <= 5 && page.total == whole.total, "page {number}");
            pages.extend(page.rows);
        }
        assert_eq!(pages, whole.rows);
    }
}

async fn member(world: &World, name: &str, places: &[OrganizationId]) -> UserId {
    let user = world.core.create_user(&world.host(), &format!("{name}@acme.example"), name, Password::None).await.unwrap().id;
    for place in places {
        world.core.change_roles(&world.host(), *place, user, RoleChange::Replace(vec!["view-build".to_owned(), "view-codepush".to_owned()])).await.unwrap();
    }
    user
}

/// Reddens when direct members and heirs are put together in another order, one of them comes twice, or a page reads beyond itself.
async fn pages_of_members_are_cut_by_the_database(db: Db) {
    let world = world(db.clone()).await;
    let (acme, mobile) = (world.demo.acme.id, world.demo.mobile.id);
    let mut expected = vec![world.demo.users["submember"].id];
    let mut heirs = vec![];
    for number in 0..18 {
        world.clock.advance(Duration::from_millis(1));
        // In the sub-organization alone, in both, in the root alone.
        let places: &[OrganizationId] = match number % 3 {
            0 => &[mobile],
            1 => &[acme, mobile],
            _ => &[acme],
        };
        let user = member(&world, &format!("member{number}"), places).await;
        if number % 3 == 2 { heirs.push(user) } else { expected.push(user) }
    }
    world.clock.advance(Duration::from_millis(1));
    // Whoever has left is nobody's member.
    let leaver = member(&world, "leaver", &[acme, mobile]).await;
    world.core.remove_member(&world.host(), mobile, leaver).await.unwrap();
    heirs.push(leaver);
    let gone = member(&world, "gone", &[mobile]).await;
    world.core.remove_member(&world.host(), mobile, gone).await.unwrap();

    let id = |member: &Member| member.user.id;
    let whole = world.core.list_members(&world.host(), mobile).await.unwrap();
    let parts: Vec<UserId> = whole.iter().map(id).collect();
    assert_eq!(parts[..13], expected);
    let demo = ["manager", "owner", "viewer"].map(|part| world.demo.users[part].id);
    assert!(parts[13..16].iter().all(|user| demo.contains(user)), "those of one moment by their memberships' ids");
    assert_eq!(parts[16..], heirs);
    let of = |user: UserId| whole.iter().find(|member| member.user.id == user).unwrap();
    let two = Some(vec!["view-build".to_owned(), "view-codepush".to_owned()]);
    assert_eq!((&of(expected[1]).own, &of(expected[1]).inherited), (&two, &None));
    assert_eq!((&of(expected[2]).own, &of(expected[2]).inherited), (&two, &two));
    assert_eq!((&of(heirs[0]).own, &of(heirs[0]).inherited), (&None, &two));
    assert_eq!(of(leaver).own, None);

    for (place, root, total) in [(mobile, Some(acme), 23), (acme, None, 16)] {
        let whole = world.core.list_members(&world.host(), place).await.unwrap();
        assert_eq!(whole.len(), total);
        for size in [1, 4, 7, 13, 50] {
            let mut pages = Vec::new();
            for number in 1..=24 {
                let part = Part::page(number, size);
                let read = db.read(move |tx| Box::pin(async move { member_lists::list(tx, place, root, part).await })).await.unwrap();
                let before = usize::try_from((number - 1) * size).unwrap();
                assert_eq!(read.rows.len(), total.saturating_sub(before).min(usize::try_from(size).unwrap()), "page {number} of {size}");
                let page = world.core.list_members_page(&world.host(), place, part).await.unwrap();
                assert_eq!(page.total, i64::try_from(total).unwrap());
                pages.extend(page.rows);
            }
            assert_eq!(pages, whole, "pages of {size}");
        }
    }
}
