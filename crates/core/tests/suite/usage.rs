//! The use of keys, on both engines: what is counted, what it says of old secrets and new networks, and what is left of it in time.

use crate::{
    keys::Made,
    model::operations::Dice,
    support::{World, extent, outcome, world, world_with},
};
use futures_util::FutureExt as _;
use keywright_core::{
    Context, Credential, Error, Part,
    keys::{api::NewApiKey, rotation::Rotation},
    usage::{Contact, CountRow, Period, SecretState, Spelling, Total, UsageQuery, UsesRow, Way},
};
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, KeyKind, Time};
use keywright_store::usage::{self, NetworkRow};
use std::{collections::BTreeMap, time::Duration};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    counts_are_those_of_a_reference,
    drained_is_what_a_reference_says,
    what_finds_no_room_is_counted_all_the_same,
    more_than_a_batch_takes_along_is_counted_all_the_same,
    what_failed_or_was_written_unseen_is_counted_once,
    a_new_network_is_news_once,
    ninety_days_are_exact_and_a_batch_has_an_order,
    the_networks_of_a_key_have_a_bound,
    old_usage_is_deleted_in_pieces,
    the_last_use_stands_in_lists,
    whoever_sees_a_key_sees_its_use,
    a_time_that_cannot_be_answered_is_told,
);

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WAYS: [Way; 6] =
    [Way::V3(Spelling::PersonalAccessKey), Way::V3(Spelling::Pat), Way::V2(Spelling::Pat), Way::V1(Spelling::Hyphenated), Way::ApiKey, Way::InProcess];

/// One secret of a key.
#[derive(Clone)]
struct Secret {
    key: KeyId,
    kind: KeyKind,
    version: i64,
    name: String,
    text: String,
}

impl Secret {
    fn credential(&self) -> Credential<'_> {
        if self.kind == KeyKind::ApiKey { Credential::ApiKey { name: &self.name, secret: &self.text } } else { Credential::PersonalAccessKey(&self.text) }
    }
}

impl World {
    async fn first_secret(&self, name: &str) -> Secret {
        let Made { id, name, secret } = self.api_key(NewApiKey { name: name.to_owned(), ..NewApiKey::default() }).await;
        Secret { key: id, kind: KeyKind::ApiKey, version: 1, name, text: secret }
    }

    /// Gives the key another secret; the old one goes on for 30 days.
    async fn next_secret(&self, old: &Secret) -> Secret {
        let how = Rotation { overlap: DAY * 30, expires_at: None };
        let rotated = self.core.rotate_api_key(&self.host(), self.demo.acme.id, old.key, how).await.unwrap();
        Secret { version: rotated.version, text: rotated.secret.reveal().to_owned(), ..old.clone() }
    }

    async fn personal_secret(&self) -> Secret {
        let made = self.core.create_personal_access_key(&self.host(), self.demo.acme.id, self.demo.users["owner"].id, "personal", None).await.unwrap();
        Secret { key: made.id, kind: KeyKind::PersonalAccessKey, version: 1, name: String::new(), text: made.secret.reveal().to_owned() }
    }

    /// Somebody at an address.
    fn at(&self, address: &str) -> Context {
        Context { client_ip: Some(address.parse().unwrap()), user_agent: Some("curl/8.14".into()), ..self.anonymous() }
    }

    async fn try_use(&self, ctx: &Context, secret: &Secret) -> &'static str {
        outcome(&self.core.exchange(ctx, secret.credential(), None).await)
    }

    /// Uses it now, from 192.0.2.1.
    async fn use_now(&self, secret: &Secret) {
        assert_eq!(self.try_use(&self.at("192.0.2.1"), secret).await, "accepted");
    }

    async fn write_usage(&self) {
        self.core.flush_access_log(self.clock.now()).await.unwrap();
    }

    async fn usage(&self, of: &Secret, by: Period, from: Time, until: Time) -> keywright_core::usage::Usage {
        let query = UsageQuery { from: Some(from), until: Some(until), by };
        self.core.key_usage(&self.host(), self.demo.acme.id, (of.key, of.kind), query).await.unwrap()
    }

    /// How often a key was used and refused, by all ways.
    async fn totals(&self, of: &Secret) -> (i64, i64) {
        let ways = self.usage(of, Period::Day, self.clock.now(), self.clock.now().plus(SECOND)).await.ways;
        (ways.iter().map(|way| way.issued).sum(), ways.iter().map(|way| way.refused).sum())
    }
}

async fn execute(db: &Db, sql: &'static str) {
    db.write(move |tx| Box::pin(async move { tx.execute(sql, &[]).await })).await.unwrap();
}

async fn revision(db: &Db) -> i64 {
    db.read(|tx| Box::pin(async move { keywright_store::changes::position(tx).await })).await.unwrap().n
}

async fn networks(db: &Db, key: KeyId) -> Vec<NetworkRow> {
    db.read(move |tx| Box::pin(async move { usage::list_networks(tx, key).await })).await.unwrap()
}

/// One exchange that was answered.
struct Answered {
    secret: Secret,
    way: Way,
    contact: Contact,
    outcome: &'static str,
}

impl Answered {
    fn is_issued(&self) -> bool {
        self.outcome == "accepted"
    }
}

/// `(issued, refused)` by period, its beginning and the secret version.
type Counts = BTreeMap<(&'static str, Time, i64), (i64, i64)>;

/// What stands about a key when these were answered in this order, counted one by one.
fn reference(answered: &[Answered], key: KeyId) -> (Vec<UsesRow>, Counts) {
    let (mut ways, mut counts) = (BTreeMap::new(), BTreeMap::new());
    for one in answered.iter().filter(|one| one.secret.key == key) {
        let (version, at) = (one.secret.version, one.contact.at);
        let bare =
            UsesRow { key_id: key, version, way: one.way.as_str().to_owned(), issued: 0, refused: 0, first_used_at: None, last_use: None, last_refusal: None };
        let row = ways.entry((version, one.way.as_str())).or_insert(bare);
        if one.is_issued() {
            row.issued += 1;
            row.first_used_at = Some(row.first_used_at.map_or(at, |first| first.min(at)));
            if row.last_use.as_ref().is_none_or(|last| last.at <= at) {
                row.last_use = Some(one.contact.clone());
            }
        } else {
            row.refused += 1;
            if row.last_refusal.as_ref().is_none_or(|last| last.contact.at <= at) {
                row.last_refusal = Some(usage::LastRefusal { contact: one.contact.clone(), reason: one.outcome.to_owned() });
            }
        }
        for (period, seconds) in [("hour", 3_600), ("day", 86_400)] {
            let begins_at = Time::from_seconds(at.as_seconds() - at.as_seconds() % seconds);
            let (issued, refused) = counts.entry((period, begins_at, version)).or_insert((0, 0));
            *if one.is_issued() { issued } else { refused } += 1;
        }
    }
    (ways.into_values().collect(), counts)
}

/// Reddens when a batch forgets what an earlier one wrote or counts it twice; when versions, ways, hours or days are mixed up; when a
/// refusal counts as a use; and when a use that is written late passes for the last one.
async fn counts_are_those_of_a_reference(db: Db) {
    let world = world(db.clone()).await;
    let start = world.clock.now();
    let mut secrets = vec![world.personal_secret().await, world.first_secret("one").await, world.first_secret("two").await, world.first_secret("unused").await];
    secrets.push(world.next_secret(&secrets[1]).await);
    let (two, unused) = (secrets[2].clone(), secrets.remove(3));
    let mut dice = Dice(7);
    let mut answered = Vec::new();
    let steps = extent(500, 5_000);
    for step in 0..steps {
        world.clock.advance(SECOND * u32::try_from(dice.below(200)).unwrap());
        if step == steps / 2 {
            world.core.revoke_key(&world.host(), two.key).await.unwrap();
        }
        let mut secret = dice.one_of(&secrets);
        if dice.once_in(8) {
            secret.name = "another".to_owned();
        }
        // Some are noted late.
        let late = if dice.once_in(5) { i64::try_from(dice.below(7_200_000)).unwrap() } else { 0 };
        let address = dice.one_of(&["192.0.2.7", "198.51.100.9", "2001:db8::7", "::ffff:203.0.113.4"]);
        let user_agent = dice.one_of(&["curl/8.14", "appcircle-cli", ""]);
        let ctx = Context {
            now: Time::from_millis(world.clock.now().as_millis() - late),
            way: dice.one_of(&WAYS),
            user_agent: (!user_agent.is_empty()).then(|| user_agent.into()),
            ..world.at(address)
        };
        let outcome = world.try_use(&ctx, &secret).await;
        let contact = Contact { at: ctx.now, address: address.trim_start_matches("::ffff:").to_owned(), user_agent: user_agent.to_owned() };
        answered.push(Answered { secret, way: ctx.way, contact, outcome });
        if dice.once_in(25) {
            world.write_usage().await;
        }
    }
    world.write_usage().await;
    assert!(answered.iter().any(|one| one.outcome == "key_revoked") && answered.iter().any(|one| one.outcome == "key_name_mismatch"));
    for secret in &secrets {
        world.compare(secret, Time::from_millis(start.as_millis() - 7_200_000), &answered).await;
    }
    assert_eq!(world.totals(&unused).await, (0, 0));
    world.compare_secrets(secrets[1].key, &answered).await;
}

impl World {
    /// What is shown of a key, against what was answered from a time on.
    async fn compare(&self, secret: &Secret, from: Time, answered: &[Answered]) {
        let (ways, counts) = reference(answered, secret.key);
        let mut found = BTreeMap::new();
        let mut shown = Vec::new();
        for by in Period::ALL {
            // In pieces of a thousand periods.
            let mut begin = by.beginning(from);
            while begin <= self.clock.now() {
                let end = Time::from_millis(begin.as_millis() + by.millis() * 1_000);
                let usage = self.usage(secret, by, begin, end).await;
                for CountRow { begins_at, version, issued, refused } in usage.counts {
                    assert_eq!(found.insert((by.as_str(), begins_at, version), (issued, refused)), None);
                }
                shown = usage.ways;
                begin = end;
            }
        }
        let sorted = |mut rows: Vec<UsesRow>| {
            rows.sort_by_key(|row| (row.version, row.way.clone()));
            rows
        };
        assert_eq!(sorted(shown), sorted(ways));
        assert_eq!(found, counts);
    }

    /// The secrets of a key add their ways up.
    async fn compare_secrets(&self, key: KeyId, answered: &[Answered]) {
        let shown = self.core.list_api_key_secrets(&self.host(), self.demo.acme.id, key).await.unwrap();
        for secret in shown.secrets {
            let of = |one: &&Answered| one.secret.key == key && one.secret.version == secret.secret.version;
            let (issued, refused): (Vec<_>, Vec<_>) = answered.iter().filter(of).partition(|one| one.is_issued());
            let Total { first_used_at, last_use, last_refusal, .. } = &secret.total;
            assert_eq!((secret.total.issued, secret.total.refused), (i64::try_from(issued.len()).unwrap(), i64::try_from(refused.len()).unwrap()));
            assert_eq!(*first_used_at, issued.iter().map(|one| one.contact.at).min());
            assert_eq!(last_use.as_ref().map(|contact| contact.at), issued.iter().map(|one| one.contact.at).max());
            assert_eq!(last_refusal.as_ref().map(|refusal| refusal.contact.at), refused.iter().map(|one| one.contact.at).max());
        }
    }
}

/// Reddens when the new secret need not have been used, when a refusal counts as a use, when uses that are not written yet are taken
/// for written, or side by side is told drained before a token's life is over, or never.
async fn drained_is_what_a_reference_says(db: Db) {
    let world = world_with(db.clone(), |settings| settings.api_keys_per_root = 100_000).await;
    let mut dice = Dice(11);
    let (mut drained, mut in_use, mut unknown, mut side_by_side) = (0, 0, 0, 0);
    for number in 0..extent(500, 5_000) {
        let old = world.first_secret(&format!("schedule {number}")).await;
        let new = world.next_secret(&old).await;
        // (version, when)
        let mut uses: Vec<(i64, Time)> = Vec::new();
        let mut written = 0;
        let mut as_of = world.clock.now();
        world.write_usage().await;
        for _ in 0..dice.below(8) {
            let pause = dice.one_of(&[Duration::ZERO, SECOND, MINUTE, MINUTE * 20, HOUR, HOUR * 7]);
            world.clock.advance(pause);
            match dice.below(5) {
                0 => {
                    world.write_usage().await;
                    (written, as_of) = (uses.len(), world.clock.now());
                }
                1 => {
                    let mistaken = Secret { name: "mistaken".to_owned(), ..dice.one_of(&[old.clone(), new.clone()]) };
                    assert_eq!(world.try_use(&world.at("192.0.2.1"), &mistaken).await, "key_name_mismatch");
                }
                _ => {
                    let secret = dice.one_of(&[&old, &new]);
                    world.use_now(secret).await;
                    uses.push((secret.version, world.clock.now()));
                }
            }
        }
        if dice.once_in(2) {
            world.clock.advance(dice.one_of(&[SECOND, MINUTE * 59, HOUR, HOUR * 5]));
            world.write_usage().await;
            (written, as_of) = (uses.len(), world.clock.now());
        }
        let known = &uses[..written];
        let new_since = known.iter().find(|(version, _)| *version == 2).map(|(_, at)| *at);
        let old_last = known.iter().rfind(|(version, _)| *version == 1).map(|(_, at)| *at);
        let (expected, unused_for) = match (new_since, old_last) {
            (None, _) => (false, None),
            (Some(new_since), Some(old_last)) if old_last >= new_since => {
                let quiet = as_of.as_millis() - old_last.as_millis();
                side_by_side += 1;
                (quiet >= 3_600_000, Some(quiet))
            }
            (Some(new_since), _) => (true, Some(as_of.as_millis() - new_since.as_millis())),
        };
        let found = world.core.list_api_key_secrets(&world.host(), world.demo.acme.id, old.key).await.unwrap();
        let [first, second] = <[_; 2]>::try_from(found.secrets).unwrap();
        let drain = first.drain.unwrap();
        let told = (drain.is_drained, drain.unused_for.map(|unused| i64::try_from(unused.as_millis()).unwrap()));
        assert_eq!((found.as_of, told), (as_of, (expected, unused_for)), "schedule {number}: {known:?} of {uses:?}");
        assert_eq!((first.state, second.state, second.drain), (SecretState::Overlapping, SecretState::Current, None));
        match (expected, unused_for) {
            (true, _) => drained += 1,
            (false, Some(_)) => in_use += 1,
            (false, None) => unknown += 1,
        }
    }
    assert!(drained > 50 && in_use > 20 && unknown > 50 && side_by_side > 50, "{drained} {in_use} {unknown} {side_by_side}: each kind of schedule was there");
}

/// Reddens when an event that finds no room takes its use with it, or a use is counted in another hour than its own.
async fn what_finds_no_room_is_counted_all_the_same(db: Db) {
    let world = world_with(db.clone(), |settings| settings.access_events_waiting = 5).await;
    let (start, secret) = (world.clock.now(), world.first_secret("one").await);
    let new = world.next_secret(&secret).await;
    for number in 0..60 {
        world.clock.advance(MINUTE * 5);
        let mut used = if number % 3 == 0 { new.clone() } else { secret.clone() };
        if number % 4 == 0 {
            used.name = "mistaken".to_owned();
        }
        world.try_use(&world.at("192.0.2.1"), &used).await;
    }
    assert_eq!(world.core.access_events_waiting(), 5);
    world.write_usage().await;
    assert_eq!(world.totals(&secret).await, (45, 15));
    let usage = world.usage(&secret, Period::Hour, start, world.clock.now().plus(SECOND)).await;
    let per_hour: Vec<i64> = (0..6)
        .map(|hour| {
            let begins_at = start.plus(HOUR * hour);
            usage.counts.iter().filter(|count| count.begins_at == begins_at).map(|count| count.issued + count.refused).sum()
        })
        .collect();
    assert_eq!(per_hour, [11, 12, 12, 12, 12, 1]);
    let of = |version| {
        usage.counts.iter().filter(|count| count.version == version).map(|count| (count.issued, count.refused)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    assert_eq!((of(1), of(2)), ((30, 10), (15, 5)));
    world.write_usage().await;
    assert_eq!(world.totals(&secret).await, (45, 15), "once");
}

/// Reddens when what a batch does not take along is forgotten, counted twice, or leaves no gap; or when it waits although all is said
/// to be written.
async fn more_than_a_batch_takes_along_is_counted_all_the_same(db: Db) {
    let world = world_with(db.clone(), |settings| settings.access_events_waiting = 1).await;
    let secret = world.first_secret("one").await;
    for _ in 0..2_500 {
        world.clock.advance(HOUR);
        // The name is refused before anything is signed.
        let _ = world.try_use(&world.at("192.0.2.1"), &Secret { name: "no".to_owned(), ..secret.clone() }).await;
    }
    // The first attempt is given up while it is written.
    assert!(world.core.flush_access_log(world.clock.now()).now_or_never().is_none());
    world.write_usage().await;
    assert_eq!(world.totals(&secret).await, (0, 2_500));
    let nobody = uuid::Uuid::nil().into();
    let gaps = db.read(move |tx| Box::pin(async move { keywright_store::access_log::list(tx, nobody).await })).await.unwrap();
    let counts: Vec<i64> = gaps.iter().map(|gap| gap.reason.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(counts, [1_000, 1_000, 499]);
    let secrets = world.core.list_api_key_secrets(&world.host(), world.demo.acme.id, secret.key).await.unwrap();
    assert_eq!(secrets.as_of, world.clock.now());
}

/// Reddens when a batch's usage is written in another transaction than its events, or anew with each attempt.
async fn what_failed_or_was_written_unseen_is_counted_once(db: Db) {
    let world = world(db.clone()).await;
    let secret = world.first_secret("one").await;
    world.write_usage().await;
    let begin = world.clock.now();
    let as_of = async || world.core.list_api_key_secrets(&world.host(), world.demo.acme.id, secret.key).await.unwrap().as_of;
    world.use_now(&secret).await;
    world.clock.advance(MINUTE);
    execute(&db, "ALTER TABLE key_use_counts RENAME TO away").await;
    for _ in 0..3 {
        assert!(world.core.flush_access_log(world.clock.now()).await.is_err());
        world.use_now(&secret).await;
    }
    assert_eq!((world.totals_of_ways(&db, &secret).await, as_of().await), (0, begin), "nothing of a batch, or all of it");
    execute(&db, "ALTER TABLE away RENAME TO key_use_counts").await;
    world.write_usage().await;
    assert_eq!((world.totals(&secret).await, as_of().await), ((4, 0), world.clock.now()));

    world.use_now(&secret).await;
    assert!(world.core.flush_access_log(world.clock.now()).now_or_never().is_none(), "given up while it is written");
    world.use_now(&secret).await;
    world.write_usage().await;
    assert_eq!(world.totals(&secret).await, (6, 0));
    // What waits at the end is written then.
    world.use_now(&secret).await;
    world.core.close_access_log(world.clock.now()).await.unwrap();
    assert_eq!(world.totals(&secret).await, (7, 0));
}

impl World {
    async fn totals_of_ways(&self, db: &Db, of: &Secret) -> i64 {
        let key = of.key;
        db.read(move |tx| Box::pin(async move { usage::list(tx, key).await })).await.unwrap().iter().map(|row| row.issued).sum()
    }
}

/// Where a key was used, as the rule has it: a network that was written within 90 days is known, what is written is an hour behind at
/// most, and the first use of a key is no news.
#[derive(Default)]
struct Places {
    /// Uses that are not written yet.
    waiting: Vec<(&'static str, Time)>,
    written: BTreeMap<&'static str, Time>,
    news: BTreeMap<&'static str, Time>,
}

impl Places {
    /// All of a batch together: the first use from a network says whether it is news, the last one is written.
    fn write(&mut self) {
        let mut seen = Vec::new();
        let waiting = std::mem::take(&mut self.waiting);
        for (network, at) in &waiting {
            if seen.contains(network) {
                continue;
            }
            seen.push(*network);
            let known = self.written.get(network).copied();
            if known.is_none_or(|written| at.as_millis() - written.as_millis() > 90 * 24 * 3_600_000) && !self.written.is_empty() {
                self.news.insert(network, *at);
            }
            let last = waiting.iter().rfind(|(other, _)| other == network).unwrap().1;
            if known.is_none_or(|written| last.as_millis() - written.as_millis() >= 3_600_000) {
                self.written.insert(network, last);
            }
        }
    }
}

/// Reddens when another prefix is taken, when an address of IPv4 in IPv6 is a network of its own, when a refusal leaves its network,
/// when a first use is news, when 90 days are longer or shorter, or pruning forgets what they have not forgotten.
async fn a_new_network_is_news_once(db: Db) {
    const SITES: [(&str, [&str; 3]); 5] = [
        ("192.0.2.0/24", ["192.0.2.1", "192.0.2.254", "::ffff:192.0.2.9"]),
        ("192.0.3.0/24", ["192.0.3.1", "192.0.3.2", "::ffff:c000:303"]),
        ("2001:db8:1::/48", ["2001:db8:1::1", "2001:db8:1:ffff::1", "2001:db8:1:0:1::"]),
        ("2001:db8:2::/48", ["2001:db8:2::1", "2001:db8:2:1::1", "2001:db8:2::2"]),
        ("203.0.113.0/24", ["203.0.113.5", "203.0.113.6", "203.0.113.7"]),
    ];
    let world = world(db.clone()).await;
    let mut dice = Dice(3);
    let (mut news, mut quiet) = (0, 0);
    for number in 0..extent(8, 80) {
        let secret = world.first_secret(&format!("roaming {number}")).await;
        let mut places = Places::default();
        for _ in 0..30 {
            // Half a year at most, so that the key lives; 90 days to the millisecond among them.
            let pause = dice.one_of(&[SECOND, MINUTE, HOUR, DAY, DAY * 2, DAY * 10]);
            world.clock.advance(pause);
            if dice.once_in(40) {
                world.clock.advance(DAY * 90 - pause);
            }
            if world.clock.now() > world.created(&secret).await.plus(DAY * 181) {
                break;
            }
            let (network, addresses) = dice.one_of(&SITES);
            let ctx = world.at(dice.one_of(&addresses));
            let mistaken = Secret { name: "mistaken".to_owned(), ..secret.clone() };
            let _ = world.try_use(&world.at("198.51.100.1"), &mistaken).await;
            assert_eq!(world.try_use(&ctx, &secret).await, "accepted");
            places.waiting.push((network, world.clock.now()));
            if dice.once_in(2) {
                world.write_usage().await;
                places.write();
            }
            if dice.once_in(6) {
                // Once all is written: it does not know of what waits.
                world.write_usage().await;
                places.write();
                world.core.prune_usage(world.clock.now()).await.unwrap();
            }
        }
        world.write_usage().await;
        places.write();
        // What is pruned and was not seen again is forgotten here too.
        let found = networks(&db, secret.key).await;
        let rows: BTreeMap<&str, (Time, Option<Time>)> = found.iter().map(|row| (row.network.as_str(), (row.last_used_at, row.news_at))).collect();
        for (network, written) in &places.written {
            match rows.get(network) {
                Some((last, told)) => {
                    assert_eq!(last, written, "{number} {network}");
                    // An older mark may have been pruned with its row; a newer one is what counts.
                    assert_eq!(*told, places.news.get(network).copied(), "{number} {network}");
                }
                None => assert!(world.clock.now().as_millis() - written.as_millis() > 90 * 24 * 3_600_000, "{number} {network}"),
            }
        }
        assert_eq!(rows.keys().filter(|network| !places.written.contains_key(*network)).count(), 0, "{number}: no network but those of uses");
        news += places.news.len();
        quiet += places.written.len() - places.news.len();
    }
    assert!(news > 5 && quiet > 0, "{news} {quiet}");
}

/// Reddens when 90 days are a millisecond longer or shorter, a network of a batch is told twice, or the order of its uses is lost.
async fn ninety_days_are_exact_and_a_batch_has_an_order(db: Db) {
    let world = world(db.clone()).await;
    let secret = world.first_secret("exact").await;
    let used = async |address: &str| assert_eq!(world.try_use(&world.at(address), &secret).await, "accepted");
    let told = async || {
        world.write_usage().await;
        networks(&db, secret.key).await.into_iter().map(|row| (row.network, row.news_at)).collect::<Vec<_>>()
    };
    used("192.0.2.1").await;
    used("192.0.2.2").await;
    let first = world.clock.now();
    assert_eq!(told().await, [("192.0.2.0/24".to_owned(), None)]);
    world.clock.advance(DAY * 90);
    used("192.0.2.3").await;
    used("2001:db8::1").await;
    let second = world.clock.now();
    assert_eq!(told().await, [("192.0.2.0/24".to_owned(), None), ("2001:db8::/48".to_owned(), Some(second))]);
    assert_eq!(first.plus(DAY * 90), second);
    world.clock.advance(DAY * 90 + Duration::from_millis(1));
    used("2001:db8:0:7::1").await;
    let third = world.clock.now();
    assert_eq!(told().await, [("192.0.2.0/24".to_owned(), None), ("2001:db8::/48".to_owned(), Some(third))]);
    let fresh = world.first_secret("two at once").await;
    for address in ["198.51.100.1", "203.0.113.1"] {
        world.clock.advance(SECOND);
        assert_eq!(world.try_use(&world.at(address), &fresh).await, "accepted");
    }
    world.write_usage().await;
    let rows = networks(&db, fresh.key).await;
    assert_eq!(rows.iter().map(|row| row.news_at).collect::<Vec<_>>(), [None, Some(world.clock.now())], "the first of all is no news, the second is");
}

impl World {
    async fn created(&self, secret: &Secret) -> Time {
        self.core.get_api_key(&self.host(), self.demo.acme.id, secret.key).await.unwrap().record.created_at
    }
}

/// Reddens when somebody who comes from everywhere fills the database.
async fn the_networks_of_a_key_have_a_bound(db: Db) {
    let world = world(db.clone()).await;
    let secret = world.first_secret("everywhere").await;
    for number in 0..1_020_u32 {
        let ctx = Context { client_ip: Some(std::net::Ipv4Addr::from(number << 8 | 1).into()), ..world.anonymous() };
        assert_eq!(world.try_use(&ctx, &secret).await, "accepted");
        if number % 400 == 0 {
            world.write_usage().await;
        }
    }
    world.write_usage().await;
    let rows = networks(&db, secret.key).await;
    assert_eq!((rows.len(), rows.iter().filter(|row| row.news_at.is_none()).count()), (1_000, 1));
    assert_eq!(world.totals(&secret).await, (1_020, 0), "counted all the same");
}

/// Reddens when a piece has no bound, what is not old goes too, what is old stays, or a revision is raised for nothing.
async fn old_usage_is_deleted_in_pieces(db: Db) {
    let world = world(db.clone()).await;
    let (secret, now) = (world.first_secret("one").await, world.clock.now());
    let key = secret.key;
    let ago = move |duration: Duration| Time::from_millis(now.as_millis() - i64::try_from(duration.as_millis()).unwrap());
    db.write(move |tx| {
        Box::pin(async move {
            let count = |begins_at, version| CountRow { begins_at, version, issued: 1, refused: 0 };
            for number in 0..2_300_i64 {
                usage::add_counts(tx, &[(key, Period::Hour, count(ago(DAY * 91), number))]).await?;
            }
            for at in [ago(DAY * 90), ago(HOUR)] {
                usage::add_counts(tx, &[(key, Period::Hour, count(at, 1))]).await?;
            }
            // The clock stands at eight o'clock.
            let today = Period::Day.beginning(now);
            for days in [0, 729, 730, 731] {
                usage::add_counts(tx, &[(key, Period::Day, count(Time::from_millis(today.as_millis() - days * 86_400_000), 1))]).await?;
            }
            for (network, age) in [("192.0.2.0/24", DAY * 90), ("192.0.3.0/24", DAY * 90 + SECOND)] {
                usage::put_network(tx, key, &NetworkRow { network: network.to_owned(), last_used_at: ago(age), news_at: None }).await?;
            }
            Ok::<_, Error>(())
        })
    })
    .await
    .unwrap();
    let before = revision(&db).await;
    assert_eq!(world.core.prune_usage(now).await.unwrap(), 2_300 + 2 + 1);
    assert_eq!(revision(&db).await, before + 3 + 1 + 1, "a thousand rows at a time");
    assert_eq!(world.core.prune_usage(now).await.unwrap(), 0);
    assert_eq!(revision(&db).await, before + 5, "where there is nothing to delete, nothing is written");
    let counts = async |by: Period| {
        let (from, until) = (ago(DAY * 1_000), now);
        db.read(move |tx| Box::pin(async move { usage::list_counts(tx, key, by, (from, until)).await })).await.unwrap().len()
    };
    assert_eq!((counts(Period::Hour).await, counts(Period::Day).await), (2, 2));
    assert_eq!(networks(&db, key).await.iter().map(|row| row.network.as_str()).collect::<Vec<_>>(), ["192.0.2.0/24"]);
    let shown = world.usage(&secret, Period::Hour, ago(HOUR), now).await;
    assert_eq!((shown.kept_since, shown.counts.len()), (ago(DAY * 90), 1));
    let shown = world.usage(&secret, Period::Day, ago(DAY), now).await;
    assert_eq!(shown.kept_since, Time::from_millis(Period::Day.beginning(now).as_millis() - 729 * 86_400_000));
}

/// Reddens when a list or a single key says nothing of its last use, or takes that of another version, a refusal, or another key.
async fn the_last_use_stands_in_lists(db: Db) {
    let world = world(db.clone()).await;
    let acme = world.demo.acme.id;
    let (old, other, personal) = (world.first_secret("one").await, world.first_secret("other").await, world.personal_secret().await);
    let new = world.next_secret(&old).await;
    let last = async |secret: &Secret| {
        let listed = if secret.kind == KeyKind::ApiKey {
            let got = world.core.get_api_key(&world.host(), acme, secret.key).await.unwrap();
            let page = world.core.list_api_keys(&world.host(), acme, Part::ALL).await.unwrap();
            let listed = page.rows.into_iter().find(|key| key.record.id == secret.key).unwrap();
            assert_eq!(listed, got);
            listed.record
        } else {
            let page = world.core.list_personal_access_keys(&world.host(), acme, Part::ALL).await.unwrap();
            page.rows.into_iter().find(|key| key.id == secret.key).unwrap()
        };
        listed.last_used_at.zip(listed.last_used_address)
    };
    for (secret, address) in [(&new, "192.0.2.1"), (&old, "192.0.2.2"), (&personal, "::ffff:192.0.2.3")] {
        world.clock.advance(MINUTE);
        let ctx = Context { way: Way::V1(Spelling::Pat), ..world.at(address) };
        assert_eq!(world.try_use(&ctx, secret).await, "accepted");
    }
    assert_eq!(last(&old).await, None, "not yet");
    let used = world.clock.now();
    world.clock.advance(MINUTE);
    assert_eq!(world.try_use(&world.at("192.0.2.9"), &Secret { name: "mistaken".to_owned(), ..old.clone() }).await, "key_name_mismatch");
    world.write_usage().await;
    assert_eq!(last(&old).await, Some((Time::from_millis(used.as_millis() - 60_000), "192.0.2.2".to_owned())));
    assert_eq!((last(&personal).await, last(&other).await), (Some((used, "192.0.2.3".to_owned())), None));
}

/// Reddens when somebody sees the use of a key that he does not see in its list.
async fn whoever_sees_a_key_sees_its_use(db: Db) {
    let world = world(db).await;
    let (acme, globex) = (world.demo.acme.id, world.demo.globex.id);
    let (api, personal) = (world.first_secret("one").await, world.personal_secret().await);
    let query = UsageQuery { from: None, until: None, by: Period::Day };
    let code = |result: Result<keywright_core::usage::Usage, Error>| result.map_or_else(|error| error.code(), |_| "seen");
    for (part, sees_api, sees_personal) in
        [("owner", "seen", "seen"), ("manager", "seen", "not_found"), ("viewer", "seen", "not_found"), ("globexowner", "not_found", "not_found")]
    {
        let ctx = world.person(part, 0).await;
        let of_api = world.core.key_usage(&ctx, acme, (api.key, KeyKind::ApiKey), query).await;
        let secrets = world.core.list_api_key_secrets(&ctx, acme, api.key).await;
        assert_eq!(secrets.map_or_else(|error| error.code(), |_| "seen"), sees_api, "{part}");
        let of_personal = world.core.key_usage(&ctx, acme, (personal.key, KeyKind::PersonalAccessKey), query).await;
        assert_eq!((code(of_api), code(of_personal)), (sees_api, sees_personal), "{part}");
    }
    // A key is no key of another organization, and none of another kind.
    let owner = world.person("globexowner", 0).await;
    assert_eq!(code(world.core.key_usage(&owner, globex, (api.key, KeyKind::ApiKey), query).await), "not_found");
    assert_eq!(code(world.core.key_usage(&world.host(), acme, (api.key, KeyKind::PersonalAccessKey), query).await), "not_found");
    assert_eq!(code(world.core.key_usage(&world.host(), acme, (personal.key, KeyKind::ApiKey), query).await), "not_found");
    assert_eq!(world.core.list_api_key_secrets(&world.host(), acme, personal.key).await.unwrap_err().code(), "not_found");
}

async fn a_time_that_cannot_be_answered_is_told(db: Db) {
    let world = world(db).await;
    let (secret, now) = (world.first_secret("one").await, world.clock.now());
    let ago = |hours: i64| Some(Time::from_millis(now.as_millis() - hours * 3_600_000));
    let ask =
        async |from, until, by| world.core.key_usage(&world.host(), world.demo.acme.id, (secret.key, KeyKind::ApiKey), UsageQuery { from, until, by }).await;
    let range = ask(None, None, Period::Hour).await.unwrap();
    assert_eq!((Some(range.from), range.until), (ago(23), now.plus(HOUR)), "the present hour is the last of 24");
    let range = ask(None, None, Period::Day).await.unwrap();
    let today = Period::Day.beginning(now);
    assert_eq!((range.from, range.until), (Time::from_millis(today.as_millis() - 29 * 86_400_000), today.plus(DAY)));
    assert!(ask(ago(999), None, Period::Hour).await.is_ok());
    for (from, until, by, part) in [
        (Some(now.plus(HOUR)), None, Period::Hour, "from: must be before until, which is 2027-01-15T09:00:00.000Z"),
        (ago(1), ago(2), Period::Day, "from: must be before until"),
        (ago(1_000), None, Period::Hour, "from: 1001 hours lie between it and until, and 1000 are the most; ask for a shorter time, or by=day"),
        (ago(24 * 1_000), None, Period::Day, "from: 1001 days lie between it and until, and 1000 are the most; ask for a shorter time"),
        (Some(Time::from_millis(i64::MIN)), Some(Time::from_millis(i64::MAX)), Period::Day, "days lie between"),
    ] {
        let told = ask(from, until, by).await.unwrap_err();
        assert_eq!(told.code(), "invalid_request");
        assert!(told.to_string().contains(part), "{told}");
    }
}
