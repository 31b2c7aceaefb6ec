//! The one query of an exchange, and the rules that the tables themselves keep.

use keywright_db::{Db, StoreError, Tx, Writes, on_both_engines};
use keywright_protocol::{KeyId, KeyKind, MembershipId, OrganizationId, Time, UserId};
use keywright_store::{
    MIGRATIONS,
    changes::{self, ChangeKind},
    generations,
    generations::Origin,
    keys::{self, NewKey, NewVersion},
    memberships,
    organizations::{self, OrganizationRow},
    users::{self, Password, UserRow},
};
use uuid::Uuid;

on_both_engines!(Writes::Revisioned, MIGRATIONS;
    a_credential_comes_with_all_that_decides,
    generations_are_opened_once_and_never_again,
    revoking_twice_is_once,
    names_are_unique_among_siblings_and_unrevoked_keys,
    the_log_of_changes_is_read_in_order,
);

const NOW: Time = Time::from_seconds(1_000);

fn root() -> OrganizationId {
    Uuid::from_u128(1).into()
}

fn sub() -> OrganizationId {
    Uuid::from_u128(2).into()
}

fn user() -> UserId {
    Uuid::from_u128(3).into()
}

fn key() -> KeyId {
    Uuid::from_u128(4).into()
}

fn membership() -> MembershipId {
    Uuid::from_u128(5).into()
}

async fn place(tx: &mut Tx, id: OrganizationId, root_id: OrganizationId, name: &str) -> Result<(), StoreError> {
    organizations::insert(tx, &OrganizationRow { id, root_id, name: name.into(), created_at: NOW, suspended_at: None }).await
}

fn new_key(id: KeyId, kind: KeyKind, name: &str) -> NewKey {
    let membership_id = (kind == KeyKind::PersonalAccessKey).then(membership);
    let (organization_id, not_before, expires_at) = (root(), NOW, Time::from_seconds(2_000));
    NewKey { id, kind, organization_id, membership_id, name: name.into(), email: None, created_at: NOW, created_by: "system".into(), not_before, expires_at }
}

/// A root with a sub-organization, a member with two roles, and his key.
async fn world(db: &Db) {
    db.write(|tx| {
        Box::pin(async move {
            place(tx, root(), root(), "Root").await?;
            place(tx, sub(), root(), "Sub").await?;
            let row = UserRow { id: user(), email: "a@example.com".into(), name: "A".into(), created_at: NOW, disabled_at: None };
            users::insert(tx, &row, &Password::None).await?;
            memberships::insert(tx, membership(), root(), user(), NOW).await?;
            memberships::update_roles(tx, membership(), &["b".into(), "a".into()]).await?;
            keys::insert(tx, &new_key(key(), KeyKind::PersonalAccessKey, "laptop")).await?;
            keys::insert_version(tx, key(), &NewVersion { version: 1, digest: [7; 32], tag: [8; 32] }, NOW).await?;
            generations::open(tx, Origin::key(key(), 1), root(), NOW).await
        })
    })
    .await
    .unwrap();
}

async fn a_credential_comes_with_all_that_decides(db: Db) {
    world(&db).await;
    let own = db.read(|tx| Box::pin(async move { keys::find_by_digest(tx, &[7; 32], None).await })).await.unwrap().unwrap();
    assert_eq!((own.key_id, own.kind, own.organization_id, own.version), (key(), KeyKind::PersonalAccessKey, root(), 1));
    assert_eq!((own.position.history, own.position.n), (1, 1));
    assert_eq!((own.digest, own.tag, own.names), (vec![7; 32], vec![8; 32], vec!["laptop".to_owned()]));
    let target = own.target.unwrap();
    assert_eq!((target.id, target.status_index, target.own_roles), (root(), Some(0), vec!["a".to_owned(), "b".to_owned()]));

    let below = db.read(|tx| Box::pin(async move { keys::find_by_digest(tx, &[7; 32], Some(sub())).await })).await.unwrap().unwrap();
    let target = below.target.unwrap();
    assert_eq!((target.id, target.root_id, target.status_index), (sub(), root(), None));
    assert!(target.own_roles.is_empty());
    assert_eq!(target.root_roles, ["a", "b"]);

    let nowhere = Uuid::from_u128(9).into();
    let lost = db.read(move |tx| Box::pin(async move { keys::find_by_id(tx, key(), None, Some(nowhere)).await })).await.unwrap().unwrap();
    assert!(lost.target.is_none());
    assert!(db.read(|tx| Box::pin(async move { keys::find_by_digest(tx, &[9; 32], None).await })).await.unwrap().is_none());
}

async fn generations_are_opened_once_and_never_again(db: Db) {
    world(&db).await;
    let opened = db
        .write(|tx| {
            Box::pin(async move {
                let same = generations::open(tx, Origin::key(key(), 1), root(), NOW).await?;
                let below = generations::open(tx, Origin::key(key(), 1), sub(), NOW).await?;
                let ended = generations::end_of_key(tx, key(), NOW).await?;
                let next = generations::open(tx, Origin::key(key(), 1), root(), NOW).await?;
                Ok::<_, StoreError>((same, below, ended, next))
            })
        })
        .await
        .unwrap()
        .value;
    let (same, below, mut ended, next) = opened;
    ended.sort_unstable();
    assert_eq!((same, below, ended, next), (0, 1, vec![0, 1], 2));
}

async fn revoking_twice_is_once(db: Db) {
    world(&db).await;
    let revoke = |at: i64| db.write(move |tx| Box::pin(async move { keys::revoke(tx, key(), Time::from_seconds(at)).await }));
    assert!(revoke(10).await.unwrap().value);
    assert!(!revoke(20).await.unwrap().value);
    let row = db.read(|tx| Box::pin(async move { keys::find_by_id(tx, key(), None, None).await })).await.unwrap().unwrap();
    assert_eq!(row.revoked_at, Some(Time::from_seconds(10)), "the first time stands");
    let unknown = Uuid::from_u128(99).into();
    assert_eq!(db.write(move |tx| Box::pin(async move { keys::revoke(tx, unknown, NOW).await })).await.unwrap_err(), StoreError::NotFound);
}

async fn names_are_unique_among_siblings_and_unrevoked_keys(db: Db) {
    world(&db).await;
    let again = db.write(|tx| Box::pin(async move { place(tx, Uuid::from_u128(20).into(), root(), "Sub").await })).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })));
    db.write(|tx| Box::pin(async move { place(tx, Uuid::from_u128(21).into(), Uuid::from_u128(21).into(), "Root").await })).await.unwrap();
    let api_key = |n: u128| db.write(move |tx| Box::pin(async move { keys::insert(tx, &new_key(Uuid::from_u128(n).into(), KeyKind::ApiKey, "ci")).await }));
    api_key(30).await.unwrap();
    assert!(matches!(api_key(31).await, Err(StoreError::Conflict { .. })));
    db.write(|tx| Box::pin(async move { keys::revoke(tx, Uuid::from_u128(30).into(), NOW).await })).await.unwrap();
    api_key(31).await.unwrap();
}

async fn the_log_of_changes_is_read_in_order(db: Db) {
    for n in 1..=3_u128 {
        db.write(move |tx| {
            Box::pin(async move {
                changes::insert(tx, ChangeKind::Key, Uuid::from_u128(n), &[1, 2]).await?;
                changes::insert(tx, ChangeKind::User, Uuid::from_u128(n), &[]).await
            })
        })
        .await
        .unwrap();
    }
    let read = db
        .read(|tx| {
            Box::pin(async move {
                let position = changes::position(tx).await?;
                Ok::<_, StoreError>((position, changes::list_after(tx, keywright_protocol::Position { history: 1, n: 1 }).await?))
            })
        })
        .await
        .unwrap();
    assert_eq!(read.0.n, 3);
    let lines: Vec<_> = read.1.iter().map(|change| (change.position.n, change.kind, change.subject.as_u128())).collect();
    let (key, user) = (ChangeKind::Key, ChangeKind::User);
    assert_eq!(lines, [(2, key, 2), (2, user, 2), (3, key, 3), (3, user, 3)]);
}
