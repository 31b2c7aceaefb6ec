//! What is promised after a revocation, and what a thief of the database finds.

use crate::support::{self, outcome, world};
use keywright_core::{Context, Core, Credential, KeyFile, Settings, catalog::Preset};
use keywright_db::{Db, Location, Writes, on_both_engines};
use keywright_protocol::{
    Clock, Time,
    jwk::{Algorithm, Purpose},
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    no_exchange_that_starts_after_the_acknowledgement_succeeds,
    many_at_once_open_one_generation,
);

/// Rounds of a race in the short form.
const ROUNDS: usize = if cfg!(debug_assertions) { 50 } else { 200 };

fn rounds() -> usize {
    let full = std::env::vars().any(|(name, value)| name == "TEST_EXTENT" && value == "full");
    if full { ROUNDS * 20 } else { ROUNDS }
}

/// Reddens when a write answers before memory has applied it (leave `follow` out of `Core::write`), and when a late read is kept
/// (leave the judgement out of `GrantCache::insert` and `load`).
async fn no_exchange_that_starts_after_the_acknowledgement_succeeds(db: Db) {
    let world = world(db).await;
    let (acme, owner) = (world.demo.acme.id, world.demo.users["owner"].id);
    for round in 0..rounds() {
        let key = world.core.create_personal_access_key(&world.host(), acme, owner, "racer", None).await.unwrap();
        let (secret, acknowledged) = (key.secret.reveal().to_owned(), Arc::new(AtomicBool::new(false)));
        let mut exchangers = Vec::new();
        for _ in 0..4 {
            let (core, ctx, secret, acknowledged) = (Arc::clone(&world.core), world.host(), secret.clone(), Arc::clone(&acknowledged));
            let exchanger = async move {
                // Goes on until the first refusal; whoever started after the acknowledgement must be refused.
                loop {
                    let after = acknowledged.load(Ordering::SeqCst);
                    match core.exchange(&ctx, Credential::PersonalAccessKey(&secret), None).await {
                        Ok(_) if after => return Err("an exchange that started after the acknowledgement succeeded"),
                        Ok(_) => tokio::task::yield_now().await,
                        Err(_) => return Ok(()),
                    }
                }
            };
            #[expect(clippy::disallowed_methods, reason = "ends with its first refusal, and is awaited below")]
            exchangers.push(tokio::spawn(exchanger));
        }
        tokio::task::yield_now().await;
        world.core.revoke_key(&world.host(), key.id).await.unwrap();
        acknowledged.store(true, Ordering::SeqCst);
        for exchanger in exchangers {
            assert_eq!(exchanger.await.unwrap(), Ok(()), "round {round}");
        }
        let late = world.core.exchange(&world.host(), Credential::PersonalAccessKey(&secret), None).await;
        assert_eq!(outcome(&late), "key_revoked");
    }
}

async fn many_at_once_open_one_generation(db: Db) {
    let world = world(db.clone()).await;
    let mobile = Some(world.demo.mobile.id);
    let exchanges = (0..16).map(|_| world.exchange("owner", mobile));
    for exchanged in futures_util::future::join_all(exchanges).await {
        assert_eq!(outcome(&exchanged), "accepted");
    }
    let (key, sub) = (world.demo.personal_access_keys.len(), world.demo.mobile.id);
    assert!(key > 0);
    let open: i64 = db
        .read(move |tx| {
            Box::pin(async move {
                let counted = "SELECT count(*) AS open FROM generations g JOIN keys k ON k.id = g.key_id
                    JOIN memberships m ON m.id = k.membership_id WHERE g.organization_id = $1 AND g.ended_at IS NULL AND m.organization_id <> $1";
                tx.fetch_one(counted, &[sub.into()]).await?.get("open")
            })
        })
        .await
        .unwrap();
    assert_eq!(open, 1);
}

#[tokio::test]
async fn the_database_files_contain_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::Sqlite { path: folder.path().join("keywright.sqlite3") };
    let settings = Settings { preset: Some(Preset::Appcircle), ..Settings::new(support::ISSUER) };
    let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
    let key_file = KeyFile::generate().unwrap();
    let key_text = key_file.to_text().unwrap();
    let core = Core::start(&location, key_file, settings, clock.clone()).await.unwrap();
    let demo = keywright_core::demo::build(&core, &Context::system(clock.now()).unwrap()).await.unwrap();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        bytes.append(&mut std::fs::read(entry.unwrap().path()).unwrap());
    }
    let contains = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(contains(b"owner@acme.example"), "the scan sees what is there");
    for (label, key) in &demo.personal_access_keys {
        let body = key.strip_prefix("kw_pak_").unwrap().get(..43).unwrap();
        assert!(!contains(body.as_bytes()), "{label}");
    }
    for user in demo.users.values() {
        assert!(!contains(user.password.as_bytes()), "{}", user.email);
    }
    for line in key_text.lines().filter_map(|line| line.split_once(" = ")) {
        assert!(!contains(line.1.trim_matches('"').as_bytes()), "{}", line.0);
    }
    // What every PKCS #8 of a P-256 key has in it: the identifiers of id-ecPublicKey and prime256v1.
    assert!(!contains(&[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]));
    core.close().await;
}

#[tokio::test]
async fn another_algorithm_retires_the_old_key_and_both_verify() {
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let text = KeyFile::generate().unwrap().to_text().unwrap();
    let clock = Clock::stepped(Time::from_seconds(1_800_000_000));
    let start = |algorithm| {
        let settings = Settings { algorithm, ..Settings::new(support::ISSUER) };
        Core::start_on(test.db.clone(), KeyFile::parse(&text).unwrap(), settings, clock.clone())
    };
    let first = start(Algorithm::ES256).await.unwrap();
    let before = first.keyring().token().jwk().kid.clone();
    let again = start(Algorithm::ES256).await.unwrap();
    assert_eq!(again.keyring().token().jwk().kid, before, "a restart makes no new key");
    let other = start(Algorithm::EdDSA).await.unwrap();
    assert_eq!(other.keyring().token().jwk().alg, "EdDSA");
    let kids: Vec<String> = other.keyring().jwks().keys.into_iter().map(|key| key.kid).collect();
    assert!(kids.contains(&before) && kids.len() == 2 * Purpose::ALL.len(), "{kids:?}");
}

#[tokio::test]
async fn what_does_not_belong_together_does_not_start() {
    use keywright_core::StartError;
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let text = KeyFile::generate().unwrap().to_text().unwrap();
    let key_file = || KeyFile::parse(&text).unwrap();
    Core::start_on(test.db.clone(), key_file(), Settings::new(support::ISSUER), Clock::System).await.unwrap();
    let other_issuer = Core::start_on(test.db.clone(), key_file(), Settings::new("https://other.example"), Clock::System).await;
    assert!(matches!(other_issuer, Err(StartError::OtherIssuer { .. })));
    let other_key_file = Core::start_on(test.db.clone(), KeyFile::generate().unwrap(), Settings::new(support::ISSUER), Clock::System).await;
    assert!(matches!(other_key_file, Err(StartError::OtherKeyFile)));
}

#[tokio::test]
async fn a_catalog_without_a_role_that_is_held_does_not_start() {
    let test = keywright_db::testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let text = KeyFile::generate().unwrap().to_text().unwrap();
    let start = |preset| {
        let settings = Settings { preset, ..Settings::new(support::ISSUER) };
        Core::start_on(test.db.clone(), KeyFile::parse(&text).unwrap(), settings, Clock::System)
    };
    let core = start(None).await.unwrap();
    let before = core.catalog().position;
    let core = start(Some(Preset::Appcircle)).await.unwrap();
    assert!(core.catalog().position > before, "nobody holds anything: the preset may come");
    keywright_core::demo::build(&core, &Context::system(Clock::System.now()).unwrap()).await.unwrap();
    let refused = start(None).await.err().unwrap().to_string();
    assert!(refused.contains("which members or keys hold") && refused.contains("catalog.preset"), "{refused}");
    assert_eq!(start(Some(Preset::Appcircle)).await.unwrap().catalog().position, core.catalog().position);
}
