//! A year over 500 keys of all kinds: each owed reminder comes once, to the right people, and no other.

use crate::{
    members::roles,
    support::{World, world, world_with},
};
use keywright_core::keys::rotation::Rotation;
use keywright_db::{Db, Writes, on_both_engines};
use keywright_protocol::{KeyId, OrganizationId, Time, UserId, admin::RolesIn, mail::MailContent};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    in_a_year_each_owed_reminder_comes_once_to_the_right_people,
    a_week_and_a_life_are_measured_to_the_millisecond,
    what_nobody_is_owed_any_more_is_not_sent,
    many_keys_are_reminded_of_in_several_writes,
);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const DAYS: usize = 365;
const KEYS: usize = 500;
const WEEK_MILLIS: i64 = 7 * 86_400_000;

/// Numbers that are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// What is known of a key.
struct Key {
    id: KeyId,
    organization: OrganizationId,
    /// Whose it is, by part; of an API Key nobody's.
    holder: Option<&'static str>,
    made_at: Time,
    expires_at: Time,
    suspended: bool,
    revoked: bool,
    reminded_of: Option<Time>,
}

/// What is known of everything else.
#[derive(Default)]
struct Facts {
    disabled: BTreeSet<&'static str>,
    /// Organizations that are suspended.
    suspended: BTreeSet<OrganizationId>,
    /// Who owns what directly.
    owners: BTreeMap<OrganizationId, BTreeSet<&'static str>>,
}

impl Facts {
    /// Whoever is owed a reminder of a key now, said as plainly as can be.
    fn owed(&self, world: &World, key: &Key, now: Time) -> Vec<&'static str> {
        let root = if key.organization == world.demo.mobile.id { world.demo.acme.id } else { key.organization };
        let left = key.expires_at.as_millis() - now.as_millis();
        let life = key.expires_at.as_millis() - key.made_at.as_millis();
        let alive = !key.revoked
            && !key.suspended
            && left > 0
            && !self.suspended.contains(&key.organization)
            && !self.suspended.contains(&root)
            && key.holder.is_none_or(|holder| !self.disabled.contains(holder));
        if !alive || left > WEEK_MILLIS || life < WEEK_MILLIS + 86_400_000 || key.reminded_of == Some(key.expires_at) {
            return Vec::new();
        }
        let enabled = |organization| -> Vec<&'static str> {
            self.owners.get(&organization).into_iter().flatten().copied().filter(|owner| !self.disabled.contains(owner)).collect()
        };
        match key.holder {
            Some(holder) => vec![holder],
            None if enabled(key.organization).is_empty() => enabled(root),
            None => enabled(key.organization),
        }
    }
}

/// Reddens when a reminder is early, late, missing, doubled, or goes to anybody else; for each kind of key and each kind of change.
async fn in_a_year_each_owed_reminder_comes_once_to_the_right_people(db: Db) {
    let world = world_with(db, |settings| settings.personal_access_keys_per_member = 1_000).await;
    // The demo's own keys are not among those that are counted.
    for key in ["acme", "mobile", "globex"] {
        let organization = match key {
            "acme" => world.demo.acme.id,
            "mobile" => world.demo.mobile.id,
            _ => world.demo.globex.id,
        };
        for key in world.core.list_keys(&world.host(), organization).await.unwrap() {
            world.core.revoke_key(&world.host(), key.id).await.unwrap();
        }
    }
    world.read_mail().await;
    let (acme, globex) = (world.demo.acme.id, world.demo.globex.id);
    let mut facts = Facts::default();
    facts.owners.entry(acme).or_default().insert("owner");
    facts.owners.entry(globex).or_default().insert("globexowner");
    let (mut keys, mut chance, mut sent) = (Vec::new(), Chance(0x5eed_cafe), 0);
    for day in 0..DAYS {
        world.clock.advance(DAY);
        if keys.len() < KEYS {
            for _ in 0..3 {
                keys.push(make(&world, &mut chance, keys.len()).await);
            }
        }
        change(&world, &mut facts, &mut keys, &mut chance).await;
        world.read_mail().await;
        // For a week nobody asks, as if the process were down; on some days somebody asks twice.
        if (100..107).contains(&day) {
            continue;
        }
        let now = world.clock.now();
        let mut expected = Vec::new();
        for key in &mut keys {
            let recipients = facts.owed(&world, key, now);
            if !recipients.is_empty() {
                key.reminded_of = Some(key.expires_at);
            }
            expected.extend(recipients.into_iter().map(|part| (world.demo.users[part].email.clone(), key.id, key.expires_at)));
        }
        for _ in 0..1 + day % 2 {
            world.core.remind(now).await.unwrap();
        }
        let mut found: Vec<(String, KeyId, Time)> = Vec::new();
        for mail in world.read_mail().await {
            let MailContent::KeyExpiring { key, expires_at } = mail.content else { panic!("{mail:?}") };
            found.push((mail.recipient, key.id, expires_at));
        }
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "day {day}");
        sent += found.len();
    }
    assert!(keys.len() >= KEYS && sent > KEYS / 2, "{} keys, {sent} reminders", keys.len());
    println!("{} keys, {sent} reminders", keys.len());
}

async fn make(world: &World, chance: &mut Chance, number: usize) -> Key {
    let now = world.clock.now();
    let (acme, mobile, globex) = (world.demo.acme.id, world.demo.mobile.id, world.demo.globex.id);
    let life = DAY * [3, 7, 8, 9, 15, 30, 60, 90, 182, 300][chance.below(10)] as u32;
    // Some of them not on the stroke of the day.
    let expires_at = now.plus(life + Duration::from_millis(chance.below(3) as u64));
    let personal = [("owner", acme), ("manager", acme), ("viewer", acme), ("submember", mobile), ("globexowner", globex), ("manager", globex)];
    let (holder, organization, id) = if number.is_multiple_of(2) {
        let (part, organization) = personal[chance.below(personal.len())];
        let user = world.demo.users[part].id;
        let made = world.core.create_personal_access_key(&world.host(), organization, user, "key", Some(expires_at)).await.unwrap();
        (Some(part), organization, made.id)
    } else {
        let organization = [acme, mobile, globex][chance.below(3)];
        let grants = [RolesIn { organization_id: organization, roles: vec!["view-build".to_owned()] }];
        let made = world.core.create_api_key(&world.host(), organization, &format!("key {number}"), &grants, Some(expires_at)).await.unwrap();
        (None, organization, made.id)
    };
    Key { id, organization, holder, made_at: now, expires_at, suspended: false, revoked: false, reminded_of: None }
}

/// A day's changes: of some keys, and of whoever and whatever they hang on.
async fn change(world: &World, facts: &mut Facts, keys: &mut [Key], chance: &mut Chance) {
    let (host, now) = (world.host(), world.clock.now());
    for _ in 0..4 {
        let at = chance.below(keys.len());
        let key = &mut keys[at];
        match chance.below(10) {
            0 => {
                world.core.revoke_key(&host, key.id).await.unwrap();
                key.revoked = true;
            }
            1..=3 if key.holder.is_none() && !key.suspended => {
                key.suspended = world.core.suspend_api_key(&host, key.organization, key.id).await.is_ok();
            }
            4..=6 if key.holder.is_none() && key.suspended => {
                key.suspended = world.core.resume_api_key(&host, key.organization, key.id).await.is_err();
            }
            7..=9 if key.holder.is_none() => {
                let expires_at = now.plus(DAY * (1 + chance.below(60)) as u32);
                let how = Rotation { overlap: Duration::ZERO, expires_at: Some(expires_at) };
                if world.core.rotate_api_key(&host, key.organization, key.id, how).await.is_ok() {
                    key.expires_at = expires_at;
                }
            }
            _ => {}
        }
    }
    match chance.below(8) {
        0 => toggle_user(world, facts, "viewer").await,
        1 => toggle_user(world, facts, "submember").await,
        2 => toggle_suspension(world, facts, world.demo.mobile.id).await,
        3 => toggle_suspension(world, facts, world.demo.globex.id).await,
        4 => toggle_owner(world, facts, world.demo.acme.id, "manager").await,
        5 => toggle_owner(world, facts, world.demo.mobile.id, "submember").await,
        _ => {}
    }
}

async fn toggle_user(world: &World, facts: &mut Facts, part: &'static str) {
    let user: UserId = world.demo.users[part].id;
    if facts.disabled.remove(part) {
        world.core.enable_user(&world.host(), user).await.unwrap();
    } else {
        world.core.disable_user(&world.host(), user).await.unwrap();
        facts.disabled.insert(part);
    }
}

async fn toggle_suspension(world: &World, facts: &mut Facts, organization: OrganizationId) {
    if facts.suspended.remove(&organization) {
        world.core.resume_organization(&world.host(), organization).await.unwrap();
    } else {
        world.core.suspend_organization(&world.host(), organization).await.unwrap();
        facts.suspended.insert(organization);
    }
}

async fn toggle_owner(world: &World, facts: &mut Facts, organization: OrganizationId, part: &'static str) {
    let owners = facts.owners.entry(organization).or_default();
    let new = if owners.contains(part) { "view-organization" } else { "owner" };
    if world.core.change_roles(&world.host(), organization, world.demo.users[part].id, roles(&[new])).await.is_ok() && !owners.remove(part) {
        owners.insert(part);
    }
}

/// Reddens when a bound of the two is a millisecond off.
async fn a_week_and_a_life_are_measured_to_the_millisecond(db: Db) {
    let world = world(db).await;
    let (acme, viewer, now) = (world.demo.acme.id, world.demo.users["viewer"].id, world.clock.now());
    let millis = Duration::from_millis;
    for (name, life) in [("too short", DAY * 8 - millis(1)), ("long enough", DAY * 8)] {
        world.core.create_personal_access_key(&world.host(), acme, viewer, name, Some(now.plus(life))).await.unwrap();
    }
    world.read_mail().await;
    let reminded = async || world.core.remind(world.clock.now()).await.unwrap();
    world.clock.advance(DAY - millis(1));
    assert_eq!(reminded().await, 0, "a week and a millisecond are left");
    world.clock.advance(millis(1));
    assert_eq!((reminded().await, reminded().await), (1, 0));
    let [mail] = <[_; 1]>::try_from(world.read_mail().await).unwrap();
    assert!(matches!(&mail.content, MailContent::KeyExpiring { key, .. } if key.name == "long enough"));
    // In the last millisecond of its life, and after it.
    let last = world.core.create_personal_access_key(&world.host(), acme, viewer, "last", Some(world.clock.now().plus(DAY * 8))).await.unwrap();
    let other = world.core.create_personal_access_key(&world.host(), acme, viewer, "dead", Some(world.clock.now().plus(DAY * 8 - millis(0)))).await.unwrap();
    world.core.revoke_key(&world.host(), other.id).await.unwrap();
    world.read_mail().await;
    world.clock.advance(millis((last.expires_at.as_millis() - world.clock.now().as_millis() - 1) as u64));
    assert_eq!(reminded().await, 1);
    world.clock.advance(millis(1));
    assert!(world.read_mail().await.is_empty(), "by now it is dead");
}

/// Reddens when a reminder goes out that is wrong by then.
async fn what_nobody_is_owed_any_more_is_not_sent(db: Db) {
    let world = world(db).await;
    let (acme, now) = (world.demo.acme.id, world.clock.now());
    let (manager, viewer) = (world.demo.users["manager"].id, world.demo.users["viewer"].id);
    world.core.change_roles(&world.host(), acme, manager, roles(&["owner"])).await.unwrap();
    let grants = [RolesIn { organization_id: acme, roles: vec!["view-build".to_owned()] }];
    let rotated = world.core.create_api_key(&world.host(), acme, "rotated", &grants, Some(now.plus(DAY * 10))).await.unwrap();
    world.core.create_api_key(&world.host(), acme, "stays", &grants, Some(now.plus(DAY * 10))).await.unwrap();
    let revoked = world.core.create_personal_access_key(&world.host(), acme, viewer, "revoked", Some(now.plus(DAY * 10))).await.unwrap();
    world.read_mail().await;
    world.clock.advance(DAY * 4);
    assert_eq!(world.core.remind(world.clock.now()).await.unwrap(), 3);
    world.core.revoke_key(&world.host(), revoked.id).await.unwrap();
    world.core.change_roles(&world.host(), acme, manager, roles(&["view-organization"])).await.unwrap();
    let how = Rotation { overlap: Duration::ZERO, expires_at: Some(world.clock.now().plus(DAY * 20)) };
    world.core.rotate_api_key(&world.host(), acme, rotated.id, how).await.unwrap();
    let expiring = async || {
        let mail = world.read_mail().await.into_iter();
        mail.filter_map(|mail| if let MailContent::KeyExpiring { key, .. } = mail.content { Some((mail.recipient, key.name)) } else { None })
            .collect::<Vec<_>>()
    };
    assert_eq!(expiring().await, [("owner@acme.example".to_owned(), "stays".to_owned())]);
    // Of its new expiry it is reminded again.
    world.clock.advance(DAY * 13);
    assert_eq!(world.core.remind(world.clock.now()).await.unwrap(), 1);
    assert_eq!(expiring().await, [("owner@acme.example".to_owned(), "rotated".to_owned())]);
}

/// Reddens when a page of keys that are not to be reminded of hides those behind it.
async fn many_keys_are_reminded_of_in_several_writes(db: Db) {
    let world = world(db).await;
    let (acme, now) = (world.demo.acme.id, world.clock.now());
    let grants = [RolesIn { organization_id: acme, roles: vec!["view-build".to_owned()] }];
    for number in 0..130 {
        // All expire at once, so that only the ids tell them apart.
        let made = world.core.create_api_key(&world.host(), acme, &format!("key {number}"), &grants, Some(now.plus(DAY * 10))).await.unwrap();
        if number < 70 {
            world.core.suspend_api_key(&world.host(), acme, made.id).await.unwrap();
        }
    }
    world.read_mail().await;
    world.clock.advance(DAY * 4);
    assert_eq!(world.core.remind(world.clock.now()).await.unwrap(), 60);
    assert_eq!(world.core.remind(world.clock.now()).await.unwrap(), 0);
    assert_eq!(world.read_mail().await.len(), 60);
}
