//! What verifiers are told of tokens that were taken back.

use crate::support::{self, World, payload, world};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::read::ZlibDecoder;
use keywright_core::{Core, Credential, Error, KeyFile, Settings, keys::rotation::Rotation, members::RoleChange, status::readers::Introduction};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{
    AccessClaims, Position,
    admin::AdminRequest,
    status::{ENTRIES, LIST_BYTES, ListPayload, News},
};
use std::{io::Read as _, time::Duration};
use uuid::Uuid;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    whatever_shrinks_a_grant_ends_the_tokens_that_were_made_of_it,
    what_takes_nothing_away_ends_no_token,
    a_role_that_is_held_no_more_ends_the_tokens_that_name_it,
    a_list_says_what_the_database_says,
    a_restart_forgets_nothing,
    a_token_that_was_made_to_live_longer_does_not_outlive_an_overlap,
    news_begin_where_their_reader_is_or_anew,
    tokens_of_a_session_end_with_it,
    what_readers_say_is_written_down_within_bounds,
);

fn index_of(token: &str) -> u64 {
    payload::<AccessClaims<'static>>(token).status.index(support::ISSUER).unwrap()
}

fn news(world: &World, after: Option<Position>) -> News {
    payload(&world.core.status_news(after).unwrap().text)
}

async fn bytes_of(core: &keywright_core::Core, number: u64) -> Vec<u8> {
    let list: ListPayload = payload(&core.signed_status_list(number).await.unwrap());
    assert_eq!((list.sub, list.status_list.bits), (format!("{}/status/v1/lists/{number}", support::ISSUER), 1));
    let mut bytes = Vec::new();
    ZlibDecoder::new(URL_SAFE_NO_PAD.decode(list.status_list.lst).unwrap().as_slice()).read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), LIST_BYTES, "of fixed size");
    bytes
}

async fn is_ended(core: &keywright_core::Core, index: u64) -> bool {
    let bytes = bytes_of(core, index / ENTRIES).await;
    bytes[usize::try_from(index % ENTRIES / 8).unwrap()] & (1 << (index % 8)) != 0
}

async fn manager(world: &World) -> u64 {
    index_of(&world.exchange("manager", None).await.unwrap().access_token)
}

async fn acme_ci(world: &World) -> u64 {
    let key = Credential::ApiKey { name: "acme-ci", secret: &world.demo.api_keys["acme-ci"].secret };
    index_of(&world.core.exchange(&world.host(), key, None).await.unwrap().access_token)
}

/// Reddens when one of these leaves out the indices that it ended, or tells of them only after it was acknowledged.
async fn whatever_shrinks_a_grant_ends_the_tokens_that_were_made_of_it(db: Db) {
    let world = world(db).await;
    let (core, host) = (&world.core, world.host());
    let (acme, user, key) = (world.demo.acme.id, world.demo.users["manager"].id, world.demo.api_keys["acme-ci"].id);
    let mut known = news(&world, None).position;
    // What the feed says after each of them, and what the list says from the next moment on.
    let mut taken_back = async |what: &str, index: u64| {
        let told = news(&world, Some(known));
        assert_eq!(told.after, Some(known), "{what}");
        assert!(told.ended.contains(&index), "{what}: {index} is not in {:?}", told.ended);
        assert!(is_ended(&world.core, index).await, "{what}");
        known = told.position;
    };

    let index = acme_ci(&world).await;
    core.suspend_api_key(&host, acme, key).await.unwrap();
    taken_back("a suspended key", index).await;
    core.resume_api_key(&host, acme, key).await.unwrap();

    let index = acme_ci(&world).await;
    core.rotate_api_key(&host, acme, key, Rotation { overlap: Duration::ZERO, expires_at: None }).await.unwrap();
    taken_back("a secret that was replaced at once", index).await;

    let index = manager(&world).await;
    core.change_roles(&host, acme, user, RoleChange::Replace(vec!["view-build".to_owned()])).await.unwrap();
    taken_back("a weaker role", index).await;

    let index = manager(&world).await;
    core.suspend_organization(&host, acme).await.unwrap();
    taken_back("a suspended organization", index).await;
    core.resume_organization(&host, acme).await.unwrap();

    let index = manager(&world).await;
    core.disable_user(&host, user).await.unwrap();
    taken_back("a disabled user", index).await;
    core.enable_user(&host, user).await.unwrap();

    let index = manager(&world).await;
    core.remove_member(&host, acme, user).await.unwrap();
    taken_back("an ended membership", index).await;

    let owner = index_of(&world.exchange("owner", None).await.unwrap().access_token);
    core.revoke_key(&host, payload::<AccessClaims<'static>>(&world.exchange("owner", None).await.unwrap().access_token).key_id).await.unwrap();
    taken_back("a revoked key", owner).await;
}

/// Reddens when an index is ended, or used again, without need.
async fn what_takes_nothing_away_ends_no_token(db: Db) {
    let world = world(db).await;
    let (core, host) = (&world.core, world.host());
    let (acme, user) = (world.demo.acme.id, world.demo.users["manager"].id);
    let (before, known) = (manager(&world).await, news(&world, None).position);
    let mut stronger: Vec<String> = core.list_members(&host, acme).await.unwrap().into_iter().find(|member| member.user.id == user).unwrap().own.unwrap();
    stronger.push("view-organization".to_owned());
    core.change_roles(&host, acme, user, RoleChange::Replace(stronger)).await.unwrap();
    assert_eq!(news(&world, Some(known)).ended, Vec::<u64>::new());
    assert_eq!(manager(&world).await, before, "the same generation");
    assert!(!is_ended(core, before).await);
    let others: Vec<u64> = vec![acme_ci(&world).await, index_of(&world.exchange("viewer", None).await.unwrap().access_token)];
    assert!(!others.contains(&before));
}

/// A token without `scope` says roles, and a catalog to come may make more of one. Reddens when permissions alone are compared.
async fn a_role_that_is_held_no_more_ends_the_tokens_that_name_it(db: Db) {
    let world = world(db).await;
    let (core, host) = (&world.core, world.host());
    let (acme, user) = (world.demo.acme.id, world.demo.users["manager"].id);
    let roles = async |role: &str| core.change_roles(&host, acme, user, RoleChange::Replace(vec![role.to_owned()])).await.unwrap();
    roles("view-build").await;
    let (index, known) = (manager(&world).await, news(&world, None).position);
    roles("manage-build").await;
    assert_eq!(news(&world, Some(known)).ended, [index], "it permits more, and is another one");
    // An Owner has everything, whatever becomes of the role that he had.
    let (index, known) = (manager(&world).await, news(&world, None).position);
    roles("owner").await;
    assert_eq!(news(&world, Some(known)).ended, Vec::<u64>::new());
    roles("manage-build").await;
    assert_eq!(news(&world, Some(known)).ended, [index]);
}

/// Reddens when an index without a row is good although it was given, or one that was not given yet is ended.
async fn a_list_says_what_the_database_says(db: Db) {
    let world = world(db.clone()).await;
    let first = manager(&world).await;
    world.core.disable_user(&world.host(), world.demo.users["manager"].id).await.unwrap();
    // As after a restore: indices that were given and of which nothing is known.
    db.write(|tx| Box::pin(async move { keywright_store::recovery::skip_indices(tx, 100, 0).await })).await.unwrap();
    let again = world.restart(db).await;
    let open =
        index_of(&again.exchange(&world.host(), Credential::PersonalAccessKey(&world.demo.personal_access_keys["viewer"]), None).await.unwrap().access_token);
    let bytes = bytes_of(&again, 0).await;
    let bit = |index: u64| bytes[usize::try_from(index / 8).unwrap()] & (1 << (index % 8)) != 0;
    assert!(bit(first) && !bit(open));
    let ended = (0..ENTRIES).filter(|index| bit(*index)).count();
    assert!((100..200).contains(&ended), "{ended}: those that were left out, and the disabled user's; none that comes later");
    assert_eq!(again.signed_status_list(1).await.unwrap_err(), Error::NotFound("status list"));
    assert_eq!(again.signed_status_list(u64::MAX).await.unwrap_err(), Error::NotFound("status list"));
}

async fn a_restart_forgets_nothing(db: Db) {
    let world = world(db.clone()).await;
    let (index, known) = (manager(&world).await, news(&world, None).position);
    world.core.disable_user(&world.host(), world.demo.users["manager"].id).await.unwrap();
    let again = world.restart(db).await;
    assert!(is_ended(&again, index).await);
    // Whoever was told nothing of it begins anew.
    let told: News = payload(&again.status_news(Some(known)).unwrap().text);
    assert_eq!(told.after, None);
    let told: News = payload(&again.status_news(Some(told.position)).unwrap().text);
    assert!(told.after.is_some() && told.ended.is_empty());
}

/// Reddens when the present life of tokens is taken for that of all that are out.
async fn a_token_that_was_made_to_live_longer_does_not_outlive_an_overlap(db: Db) {
    let world = world(db.clone()).await;
    let (acme, key, index) = (world.demo.acme.id, world.demo.api_keys["acme-ci"].id, acme_ci(&world).await);
    let shorter = Settings { token_life: Duration::from_secs(60), ..world.settings.clone() };
    let start = async || Core::start_on(db.clone(), KeyFile::parse(&world.key_file).unwrap(), shorter.clone(), world.clock.clone()).await.unwrap();
    start().await;
    // It is known after another start too.
    let again = start().await;
    let ten_minutes = Rotation { overlap: Duration::from_secs(600), expires_at: None };
    let rotated = again.rotate_api_key(&world.host(), acme, key, ten_minutes).await.unwrap().position;
    assert!(is_ended(&again, index).await, "it would live for an hour");
    let receipt = again.receipt(&world.person("owner", 0).await, rotated).await.unwrap().receipt;
    assert_eq!(receipt.at_worst.without_feed, world.clock.now().plus(Duration::from_secs(3630)));
    // An hour later nothing of that is out any more.
    world.clock.advance(Duration::from_secs(3600));
    let key_of = Credential::ApiKey { name: "mobile-ci", secret: &world.demo.api_keys["mobile-ci"].secret };
    let index = index_of(&again.exchange(&world.host(), key_of, None).await.unwrap().access_token);
    again.rotate_api_key(&world.host(), world.demo.mobile.id, world.demo.api_keys["mobile-ci"].id, ten_minutes).await.unwrap();
    assert!(!is_ended(&again, index).await, "it expires within the overlap");
}

/// Reddens when news are sent from where nobody is.
async fn news_begin_where_their_reader_is_or_anew(db: Db) {
    let world = world(db).await;
    let known = news(&world, None).position;
    let (first, second) = (manager(&world).await, index_of(&world.exchange("viewer", None).await.unwrap().access_token));
    world.core.disable_user(&world.host(), world.demo.users["manager"].id).await.unwrap();
    let between = news(&world, None).position;
    world.core.disable_user(&world.host(), world.demo.users["viewer"].id).await.unwrap();
    let all = news(&world, Some(known)).ended;
    assert!(all.contains(&first) && all.contains(&second));
    let last = news(&world, Some(between));
    assert!(!last.ended.contains(&first) && last.ended.contains(&second));
    let ahead = Position { n: last.position.n + 1, ..last.position };
    assert_eq!(world.core.status_news(Some(ahead)).err(), Some(Error::Behind(last.position)));
    assert!(matches!(world.core.status_news(Some(Position { history: 2, n: 1 })), Err(Error::Behind(_))), "a history that this server has not seen");
    for elsewhere in [Position { history: 0, n: 900 }, Position { history: 1, n: 0 }] {
        assert_eq!(news(&world, Some(elsewhere)).after, None, "{elsewhere}");
    }
}

async fn tokens_of_a_session_end_with_it(db: Db) {
    let world = world(db).await;
    let core = &world.core;
    let token = async |ctx: &keywright_core::Context| index_of(&core.session_token(ctx).await.unwrap().access_token);
    let (one, other) = (world.person("owner", 0).await, world.person("owner", 0).await);
    let (of_one, of_other, again) = (token(&one).await, token(&other).await, token(&one).await);
    assert!(of_one != of_other && of_one == again, "a generation a session");
    let known = news(&world, None).position;
    core.end_other_sessions(&other).await.unwrap();
    assert_eq!(news(&world, Some(known)).ended, [of_one]);
    // The password given anew makes another secret, and with it other tokens.
    let known = news(&world, None).position;
    world.clock.advance(Duration::from_secs(1));
    let other = keywright_core::Context { now: world.clock.now(), ..other };
    core.confirm(&other, world.demo.users["owner"].password.clone()).await.unwrap();
    assert_eq!(news(&world, Some(known)).ended, [of_other]);
}

/// Reddens when whoever comes and talks fills the database.
async fn what_readers_say_is_written_down_within_bounds(db: Db) {
    let world = world(db.clone()).await;
    let core = &world.core;
    let written = async || {
        core.flush_status_readers().await.unwrap();
        let count = |sql: &'static str| db.read(move |tx| Box::pin(async move { tx.fetch_one(sql, &[]).await }));
        let of = async |sql| count(sql).await.unwrap().get::<i64>("count").unwrap();
        (of("SELECT COUNT(*) AS count FROM verifiers").await, of("SELECT COUNT(*) AS count FROM confirmations").await)
    };
    let who = Introduction { instance: Uuid::from_u128(7), name: "api".to_owned(), version: "1".to_owned(), max_age: Some(60_000) };
    let stream = core.open_status_stream(who, "192.0.2.1".to_owned()).unwrap();
    core.confirm_status(&stream, news(&world, None).position).unwrap();
    assert_eq!(written().await, (0, 0), "it has just come");
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(written().await, (1, 1), "what it said first is not lost");
    for n in 0..20 {
        let email = format!("new-{n}@acme.example");
        core.administer(&world.host(), AdminRequest::CreateUser { email, name: "New".to_owned() }).await;
        core.confirm_status(&stream, news(&world, None).position).unwrap();
    }
    assert_eq!(written().await, (1, 1), "nothing was taken back");
    manager(&world).await;
    core.disable_user(&world.host(), world.demo.users["manager"].id).await.unwrap();
    core.confirm_status(&stream, news(&world, None).position).unwrap();
    core.close_status_stream(&stream);
    assert_eq!(written().await, (1, 2), "also of who has left");
    assert!(core.confirm_status(&stream, news(&world, None).position).is_err());
}

/// Reddens when the feed goes on saying that all is well although the database cannot be read.
#[tokio::test]
async fn while_the_database_cannot_be_read_nothing_is_said() {
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let world = world(test.db.clone()).await;
    world.core.beat().await.unwrap();
    news(&world, None);
    test.db.close().await;
    assert!(world.core.beat().await.is_err());
    assert_eq!(world.core.status_news(None).err(), Some(Error::Unavailable));
    assert_eq!(world.core.signed_status_list(0).await.err(), Some(Error::Unavailable));
}
