//! A failover that loses changes: the server goes on with what it was some changes ago, and replicas write back what they know.
//!
//! What was lost is taken out of the database as a whole, all tables but the replicas' rows, which are what the standby had.

#![expect(clippy::disallowed_methods, reason = "what waits must wait beside the test, which ends it")]

use crate::{
    replicas::{Two, another},
    support::open_session,
};
use keywright_core::{Core, Credential, Error, catalog::assemble, replica::WAIT};
use keywright_protocol::{KeyId, Position, catalog::Document};
use keywright_store::{catalogs, changes};
use std::{sync::Arc, time::Duration};

const KEEP: &str = "DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename NOT IN ('replicas', 'schema_migrations') LOOP
        EXECUTE format('CREATE TABLE %I AS TABLE %I', 'kept_' || name, name);
    END LOOP; END $$";
const LOSE: &str = "DO $$ DECLARE name text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR name IN SELECT substr(tablename, 6) FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'kept\\_%' LOOP
        EXECUTE format('DELETE FROM %I', name);
        EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, 'kept_' || name);
        EXECUTE format('DROP TABLE %I', 'kept_' || name);
    END LOOP;
    UPDATE revision SET cluster = split_part(cluster, '/', 1) || '/00000000';
    END $$";
const MOMENT: Duration = Duration::from_millis(1);
const ANOTHER: &str = "manager";

impl Two {
    async fn run(&self, sql: &'static str) {
        self.db.write_though_shut(move |tx| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
    }

    async fn open_session(&self) {
        open_session(&self.db, self.world.demo.users[ANOTHER].id, self.world.clock.now()).await;
        self.renew_both().await;
    }

    async fn kept(&self) -> Position {
        self.run(KEEP).await;
        // That was a change, too.
        self.renew_both().await;
        self.position().await
    }

    async fn renew_both(&self) {
        for core in [&self.one, &self.other, &self.one] {
            core.renew_lease().await.unwrap();
        }
    }

    /// Does something that both are told of.
    async fn change<T: Send + 'static>(&self, act: impl Future<Output = Result<T, Error>> + Send + 'static) -> T {
        let act = tokio::spawn(act);
        while !act.is_finished() {
            self.other.renew_lease().await.unwrap();
            tokio::time::sleep(MOMENT).await;
        }
        act.await.unwrap().unwrap()
    }

    async fn revoke_acknowledged(&self, key: KeyId) {
        let (core, ctx) = (Arc::clone(&self.one), self.host());
        self.change(async move { core.revoke_key(&ctx, key).await.map(drop) }).await;
    }

    /// What somebody else's key is answered.
    async fn ask_another(&self, core: &Arc<Core>) -> &'static str {
        if core.hold_lease().await.is_err() {
            return "unavailable";
        }
        let key = Credential::PersonalAccessKey(&self.world.demo.personal_access_keys[ANOTHER]);
        crate::support::outcome(&core.exchange(&self.host(), key, None).await)
    }

    async fn wait_out(&self) {
        self.world.clock.advance(WAIT + MOMENT);
        self.others_clock.advance(WAIT + MOMENT);
    }

    async fn is_shut(&self) -> bool {
        self.db.read(|tx| Box::pin(async move { changes::find_cluster(tx).await })).await.unwrap().shut_at.is_some()
    }

    async fn assert_shut(&self, core: &Arc<Core>) {
        assert_eq!(core.renew_lease().await, Err(Error::Unavailable));
        assert!(matches!(self.ask(core).await, "unavailable" | "temporarily_unavailable"), "behind what it knows, it reads nothing");
        assert!(self.is_shut().await);
    }
}

#[tokio::test]
async fn what_a_failover_loses_is_taken_away_again() {
    let two = Two::new().await;
    let key = two.key().await;
    two.open_session().await;
    let before = two.position().await;
    two.kept().await;
    two.revoke_acknowledged(key).await;
    assert_eq!((two.ask(&two.one).await, two.ask(&two.other).await), ("key_revoked", "key_revoked"));
    two.run(LOSE).await;
    // Another history begins; one writes back, then the other; it opens when no lease of before can run.
    for core in [&two.one, &two.other, &two.one, &two.other, &two.one, &two.other] {
        two.assert_shut(core).await;
    }
    two.wait_out().await;
    assert_eq!(two.one.renew_lease().await, Err(Error::Unavailable), "it opens another one");
    assert!(!two.is_shut().await);
    two.renew_both().await;
    assert!(before.history + 1 < two.position().await.history);
    assert_eq!((two.ask(&two.one).await, two.ask(&two.other).await), ("key_revoked", "key_revoked"));
    assert_eq!((two.ask_another(&two.one).await, two.ask_another(&two.other).await), ("accepted", "accepted"));
    let live = two.db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT COUNT(*) AS count FROM sessions WHERE ended_at IS NULL", &[]).await }));
    assert_eq!(live.await.unwrap().get::<i64>("count"), Ok(0), "of sessions nobody knows");
    two.revoke_acknowledged(key).await;
}

/// Reddens when a row that owes is passed over.
#[tokio::test]
async fn it_stays_shut_while_one_is_missing() {
    let two = Two::new().await;
    let key = two.key().await;
    two.kept().await;
    two.revoke_acknowledged(key).await;
    two.run(LOSE).await;
    for _ in 0..3 {
        two.assert_shut(&two.other).await;
        two.wait_out().await;
    }
    // A start in place of the other is no answer for it.
    let third = another(&two.test, &two.world, ("third", &two.others_clock)).await;
    for _ in 0..3 {
        two.assert_shut(&third).await;
        two.wait_out().await;
    }
    let status = third.installation_status(&two.host()).await.unwrap();
    let owing: Vec<String> = status.replicas.into_iter().filter(|row| row.owes).map(|row| row.address).collect();
    assert_eq!((status.shut_at.is_some(), owing), (true, vec!["one".to_owned()]));
}

/// Whoever ends meanwhile says what it knows before it goes: a process that does one act is never seen again.
#[tokio::test]
async fn whoever_goes_says_what_it_knows() {
    let two = Two::new().await;
    let key = two.key().await;
    two.kept().await;
    two.revoke_acknowledged(key).await;
    two.run(LOSE).await;
    // Not its own change, and not its own history.
    let late = another(&two.test, &two.world, ("late", &two.others_clock)).await;
    two.run("UPDATE replicas SET owes = 1").await;
    for core in [&two.one, &two.other, &late] {
        core.close().await;
    }
    let rows = two.rows().await;
    assert!(rows.len() == 3 && rows.iter().all(|row| !row.owes), "nobody owes; rows go when it is open: {rows:?}");
    let third = another(&two.test, &two.world, ("third", &two.others_clock)).await;
    two.assert_shut(&third).await;
    two.wait_out().await;
    assert_eq!(third.renew_lease().await, Err(Error::Unavailable));
    third.renew_lease().await.unwrap();
    assert_eq!(two.ask(&third).await, "key_revoked");
}

/// Its row was made anew in what was lost, so that nobody waits for it; but it is there, and knows.
#[tokio::test]
async fn whoever_knows_something_says_so_unasked() {
    let two = Two::new().await;
    let key = two.key().await;
    two.kept().await;
    let (core, ctx) = (Arc::clone(&two.other), two.host());
    let act = tokio::spawn(async move { core.revoke_key(&ctx, key).await.map(drop) });
    // The first one hears nothing of it, and its lease runs out.
    while !act.is_finished() {
        tokio::time::sleep(MOMENT).await;
        two.others_clock.advance(WAIT / 10);
    }
    act.await.unwrap().unwrap();
    two.run(LOSE).await;
    two.assert_shut(&two.one).await;
    two.run("UPDATE replicas SET owes = 0 WHERE address = 'other'").await;
    for core in [&two.other, &two.one, &two.other] {
        two.assert_shut(core).await;
    }
    two.wait_out().await;
    assert_eq!(two.one.renew_lease().await, Err(Error::Unavailable));
    two.renew_both().await;
    assert_eq!((two.ask(&two.one).await, two.ask(&two.other).await), ("key_revoked", "key_revoked"));
}

/// A role that gives less names nobody who holds it: the catalog itself is put in force again, the last one that anybody has seen.
#[tokio::test]
async fn a_lost_catalog_is_in_force_again() {
    the_last_catalog_is_in_force_again(|two| [&two.one, &two.other]).await;
    the_last_catalog_is_in_force_again(|two| [&two.other, &two.one]).await;
}

async fn the_last_catalog_is_in_force_again(order: fn(&Two) -> [&Arc<Core>; 2]) {
    let two = Two::new().await;
    let with = |permissions: &str| {
        format!("[apis.shop.permissions]\nread = \"See\"\nwrite = \"Write\"\n[roles.clerk]\nname = \"Clerk\"\npermissions = {permissions}\n")
    };
    let document = |permissions| assemble(two.world.settings.preset, Some(&with(permissions))).unwrap();
    let (wide, narrow, none) = (document(r#"["read", "write"]"#), document(r#"["read"]"#), document("[]"));
    let apply = |document: Document| {
        let (core, ctx) = (Arc::clone(&two.one), two.host());
        async move { core.apply_catalog(&ctx, document, Vec::new()).await.map(drop) }
    };
    two.change(apply(wide)).await;
    two.kept().await;
    two.change(apply(narrow)).await;
    // The other one does not hear of the last one.
    let (core, ctx, last) = (Arc::clone(&two.one), two.host(), none.clone());
    let act = tokio::spawn(async move { core.apply_catalog(&ctx, last, Vec::new()).await.map(drop) });
    while !act.is_finished() {
        tokio::time::sleep(MOMENT).await;
        two.world.clock.advance(WAIT / 10);
    }
    act.await.unwrap().unwrap();
    two.run(LOSE).await;
    for core in [order(&two), order(&two)].concat() {
        two.assert_shut(core).await;
    }
    two.wait_out().await;
    assert_eq!(two.one.renew_lease().await, Err(Error::Unavailable));
    two.renew_both().await;
    let found = two.db.read(|tx| Box::pin(async move { catalogs::find_in_force(tx).await })).await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<Document>(&found.document).unwrap(), none);
}

/// Reddens when it opens as soon as all have written back: a replica that the new server knows nothing of may have a lease.
#[tokio::test]
async fn where_nothing_was_lost_nothing_ends() {
    let two = Two::new().await;
    two.open_session().await;
    let acme = two.world.demo.acme.id;
    // What was suspended for a while before is not so again.
    let (core, ctx) = (Arc::clone(&two.one), two.host());
    two.change(async move {
        core.suspend_organization(&ctx, acme).await?;
        core.resume_organization(&ctx, acme).await.map(drop)
    })
    .await;
    two.kept().await;
    two.run(LOSE).await;
    for core in [&two.one, &two.other, &two.one, &two.other] {
        two.assert_shut(core).await;
    }
    two.world.clock.advance(WAIT);
    two.others_clock.advance(WAIT);
    two.assert_shut(&two.one).await;
    two.world.clock.advance(MOMENT);
    assert_eq!(two.one.renew_lease().await, Err(Error::Unavailable));
    two.renew_both().await;
    assert_eq!((two.ask(&two.one).await, two.ask(&two.other).await), ("accepted", "accepted"));
    let live = two.db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT COUNT(*) AS count FROM sessions WHERE ended_at IS NULL", &[]).await }));
    assert_eq!(live.await.unwrap().get::<i64>("count"), Ok(1));
}

/// Reddens when a replica vouches for what it has not seen: it lost its row meanwhile, and loaded anew.
#[tokio::test]
async fn whoever_has_not_seen_all_does_not_vouch() {
    let two = Two::new().await;
    let key = two.key().await;
    two.kept().await;
    two.run("DELETE FROM replicas WHERE address = 'other'").await;
    two.one.renew_lease().await.unwrap();
    two.one.revoke_key(&two.host(), key).await.unwrap();
    two.other.renew_lease().await.unwrap();
    two.run(LOSE).await;
    for _ in 0..4 {
        two.assert_shut(&two.one).await;
        two.assert_shut(&two.other).await;
        two.wait_out().await;
    }
    let owing: Vec<String> = two.rows().await.into_iter().filter(|row| row.owes).map(|row| row.address).collect();
    assert_eq!(owing, ["other"]);
}

/// Reddens when a second failover is taken for the first: what was written back after that may be lost as well.
#[tokio::test]
async fn a_second_failover_is_for_people() {
    let two = Two::new().await;
    two.kept().await;
    two.run(LOSE).await;
    for core in [&two.one, &two.other, &two.one, &two.other] {
        two.assert_shut(core).await;
    }
    two.run("UPDATE revision SET cluster = split_part(cluster, '/', 1) || '/00000000'").await;
    for _ in 0..4 {
        two.assert_shut(&two.one).await;
        two.assert_shut(&two.other).await;
        two.wait_out().await;
    }
}

/// Another server is a restore: what its rows of replicas say is of long ago.
#[tokio::test]
async fn a_restore_is_for_people() {
    let two = Two::new().await;
    two.fail_over().await;
    for _ in 0..4 {
        two.assert_shut(&two.one).await;
        two.assert_shut(&two.other).await;
        two.wait_out().await;
    }
}
