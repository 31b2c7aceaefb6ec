//! Everything there is against the reference: what stands in the tables, what the host sees, what every secret opens.

use super::{
    reference::Kind,
    world::{Issued, World},
};
use keywright_core::Actor;
use keywright_db::Row;
use keywright_protocol::{OrganizationId, Time};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

const ORGANIZATIONS: &str = "SELECT id, root_id, name, suspended_at FROM organizations WHERE root_id IN ($1, $2)";
const USERS: &str = "SELECT id, disabled_at FROM users WHERE id IN ($1, $2, $3, $4, $5)";
const SESSIONS: &str = "SELECT user_id, created_at, ended_at FROM sessions WHERE user_id IN ($1, $2, $3, $4, $5)";
const MEMBERSHIPS: &str = "SELECT m.organization_id, m.user_id, m.ended_at,
        (SELECT string_agg(role, ' ') FROM membership_roles WHERE membership_id = m.id) AS roles
    FROM memberships m JOIN organizations o ON o.id = m.organization_id WHERE o.root_id IN ($1, $2)";
const KEYS: &str = "SELECT k.id, k.organization_id, m.user_id, m.organization_id AS of, k.name, k.not_before, k.expires_at, k.suspended_at, k.revoked_at,
        k.protected_at, k.allowed_addresses, (SELECT string_agg(name, ' ') FROM key_names WHERE key_id = k.id) AS names
    FROM keys k JOIN organizations o ON o.id = k.organization_id LEFT JOIN memberships m ON m.id = k.membership_id WHERE o.root_id IN ($1, $2)";
const KEY_ROLES: &str = "SELECT r.key_id, r.organization_id, r.role
    FROM key_roles r JOIN keys k ON k.id = r.key_id JOIN organizations o ON o.id = k.organization_id WHERE o.root_id IN ($1, $2)";
const VERSIONS: &str = "SELECT v.key_id, v.version, v.ends_at, v.ended_at
    FROM secret_versions v JOIN keys k ON k.id = v.key_id JOIN organizations o ON o.id = k.organization_id WHERE o.root_id IN ($1, $2)";
const GENERATIONS: &str = "SELECT g.status_index, g.key_id, g.version, g.organization_id, g.ended_at
    FROM generations g JOIN keys k ON k.id = g.key_id JOIN organizations o ON o.id = k.organization_id WHERE o.root_id IN ($1, $2)";

/// The index of an open generation by key, version and organization.
type Open = HashMap<(usize, usize, usize), i64>;

/// Numbers for ids.
struct Numbers(HashMap<Uuid, usize>);

impl Numbers {
    fn of(world: &World<'_>) -> Self {
        let organizations = world.organizations.iter().map(|id| id.as_uuid()).enumerate();
        let users = world.users.iter().map(|id| id.as_uuid()).enumerate();
        let keys = world.keys.iter().map(|id| id.as_uuid()).enumerate();
        Self(organizations.chain(users).chain(keys).map(|(at, id)| (id, at)).collect())
    }

    fn get(&self, row: &Row, column: &str) -> usize {
        let id: Option<Uuid> = row.get(column).unwrap();
        id.map_or(usize::MAX, |id| self.0.get(&id).copied().unwrap_or(usize::MAX))
    }
}

fn time(row: &Row, column: &str) -> Option<i64> {
    row.get::<Option<Time>>(column).unwrap().map(Time::as_millis)
}

fn is_so(row: &Row, column: &str) -> bool {
    time(row, column).is_some()
}

fn words(text: Option<String>) -> Vec<String> {
    let mut words: Vec<String> = text.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    words.sort_unstable();
    words
}

/// Sorted lines must be the same.
fn same(what: &str, mut expected: Vec<String>, mut found: Vec<String>) -> Result<(), String> {
    expected.sort_unstable();
    found.sort_unstable();
    if expected == found {
        return Ok(());
    }
    let only = |some: &[String], others: &[String]| some.iter().filter(|line| !others.contains(line)).cloned().collect::<Vec<_>>().join("\n  ");
    Err(format!("{what} differ.\nExpected only:\n  {}\nFound only:\n  {}", only(&expected, &found), only(&found, &expected)))
}

async fn rows(world: &World<'_>, statement: &'static str) -> Vec<Row> {
    let of_users = [USERS, SESSIONS].contains(&statement);
    let values: Vec<keywright_db::Value> =
        if of_users { world.users.iter().map(|id| (*id).into()).collect() } else { roots(world).iter().map(|id| (*id).into()).collect() };
    world.bench.db.read(move |tx| Box::pin(async move { tx.fetch_all(statement, &values).await })).await.unwrap()
}

fn roots(world: &World<'_>) -> [OrganizationId; 2] {
    [world.organizations[0], world.organizations[3]]
}

/// No row is other than the reference says, in all of both trees; and what must hold of every state holds.
pub(crate) async fn tables(world: &mut World<'_>) -> Result<(), String> {
    let numbers = Numbers::of(world);
    let model = &world.model;
    let found = rows(world, ORGANIZATIONS).await;
    let found = found.iter().map(|row| {
        let name: String = row.get("name").unwrap();
        format!("{} of {} {name} suspended={}", numbers.get(row, "id"), numbers.get(row, "root_id"), is_so(row, "suspended_at"))
    });
    let expected = model.organizations.iter().enumerate().map(|(at, it)| format!("{at} of {} {} suspended={}", it.root, it.name, it.suspended));
    same("organizations", expected.collect(), found.collect())?;

    let found = rows(world, USERS).await;
    let found = found.iter().map(|row| format!("{} disabled={}", numbers.get(row, "id"), is_so(row, "disabled_at")));
    same("users", model.users.iter().enumerate().map(|(at, disabled)| format!("{at} disabled={disabled}")).collect(), found.collect())?;

    let found = rows(world, SESSIONS).await;
    let found = found.iter().map(|row| format!("{} since={:?} ended={}", numbers.get(row, "user_id"), time(row, "created_at"), is_so(row, "ended_at")));
    let expected = model.sessions.iter().map(|it| format!("{} since={:?} ended={}", it.user, Some(it.since), it.ended));
    same("sessions", expected.collect(), found.collect())?;

    let found = rows(world, MEMBERSHIPS).await;
    let found = found.iter().map(|row| {
        let (place, user, roles) = (numbers.get(row, "organization_id"), numbers.get(row, "user_id"), words(row.get("roles").unwrap()));
        format!("{user} in {place} {roles:?} ended={}", is_so(row, "ended_at"))
    });
    let expected = model.memberships.iter().map(|it| format!("{} in {} {:?} ended={}", it.user, it.place, it.roles.iter().collect::<Vec<_>>(), it.ended));
    same("memberships", expected.collect(), found.collect())?;

    keys(world, &numbers).await?;
    invariants(world)?;
    ended_generations(world, &numbers).await
}

async fn keys(world: &World<'_>, numbers: &Numbers) -> Result<(), String> {
    let model = &world.model;
    let found = rows(world, KEYS).await;
    let found = found.iter().map(|row| {
        let (key, home, name): (_, _, String) = (numbers.get(row, "id"), numbers.get(row, "organization_id"), row.get("name").unwrap());
        let holder = row.get::<Option<Uuid>>("user_id").unwrap().map(|_| (numbers.get(row, "user_id"), numbers.get(row, "of")));
        let (names, networks) = (words(row.get("names").unwrap()), row.get::<String>("allowed_addresses").unwrap());
        let narrowness = ["", "10.0.0.0/8", "10.1.0.0/16"].iter().position(|known| *known == networks);
        let times = (time(row, "not_before"), time(row, "expires_at"));
        let so = ["suspended_at", "revoked_at", "protected_at"].map(|column| is_so(row, column));
        format!("{key} in {home} of {holder:?} {name} {names:?} {times:?} {so:?} {narrowness:?}")
    });
    let expected = model.keys.iter().enumerate().map(|(key, it)| {
        let holder = match &it.kind {
            Kind::Personal(membership) => Some((model.memberships[*membership].user, model.memberships[*membership].place)),
            Kind::Api(_) => None,
        };
        let (names, times) = (it.names.iter().collect::<Vec<_>>(), (Some(it.not_before), Some(it.expires)));
        let so = [it.suspended, it.revoked, it.protected];
        format!("{key} in {} of {holder:?} {} {names:?} {times:?} {so:?} {:?}", it.home, it.name, Some(it.narrowness))
    });
    same("keys", expected.collect(), found.collect())?;

    let found = rows(world, KEY_ROLES).await;
    let found = found.iter().map(|row| {
        let role: String = row.get("role").unwrap();
        format!("{} in {} {role}", numbers.get(row, "key_id"), numbers.get(row, "organization_id"))
    });
    let mut expected = Vec::new();
    for (key, it) in model.keys.iter().enumerate() {
        if let Kind::Api(grants) = &it.kind {
            expected.extend(grants.iter().flat_map(|(place, roles)| roles.iter().map(move |role| format!("{key} in {place} {role}"))));
        }
    }
    same("key roles", expected, found.collect())?;

    let found = rows(world, VERSIONS).await;
    let found = found.iter().map(|row| {
        let end = [time(row, "ends_at"), time(row, "ended_at")].into_iter().flatten().min();
        format!("{} version {} ends {end:?}", numbers.get(row, "key_id"), row.get::<i64>("version").unwrap())
    });
    let expected = model
        .keys
        .iter()
        .enumerate()
        .flat_map(|(key, it)| it.secrets.iter().enumerate().map(move |(secret, end)| format!("{key} version {} ends {end:?}", secret + 1)));
    same("secret versions", expected.collect(), found.collect())
}

/// Every organization has an Owner, its own or its root's, as soon as it has had one.
fn invariants(world: &World<'_>) -> Result<(), String> {
    let model = &world.model;
    for place in 0..model.organizations.len() {
        if !(0..model.users.len()).any(|user| model.is_owner(place, user)) {
            return Err(format!("organization {place} has no Owner"));
        }
    }
    Ok(())
}

/// Whoever has lost something holds no token that says otherwise; and nobody else's has ended.
async fn ended_generations(world: &mut World<'_>, numbers: &Numbers) -> Result<(), String> {
    let found = rows(world, GENERATIONS).await;
    let ended: BTreeMap<i64, bool> = found.iter().map(|row| (row.get("status_index").unwrap(), is_so(row, "ended_at"))).collect();
    open(&found, numbers)?;
    let now = world.model.now;
    world.issued.retain(|_, issued| now < issued.granted.expires);
    for (index, issued) in &world.issued {
        let what = format!("generation {index} of secret {} of key {} in {}", issued.secret, issued.key, issued.place);
        match ended.get(index) {
            None => return Err(format!("{what} is gone")),
            Some(false) if issued.must_end => return Err(format!("{what} is open although something was lost")),
            Some(true) if !issued.may_end => return Err(format!("{what} ended although nothing happened to its key")),
            Some(_) => {}
        }
    }
    world.issued.retain(|index, _| ended.get(index) == Some(&false));
    Ok(())
}

fn open(found: &[Row], numbers: &Numbers) -> Result<Open, String> {
    let mut open = Open::new();
    for row in found.iter().filter(|row| !is_so(row, "ended_at")) {
        let version = usize::try_from(row.get::<i64>("version").unwrap()).unwrap();
        let of = (numbers.get(row, "key_id"), version - 1, numbers.get(row, "organization_id"));
        if open.insert(of, row.get("status_index").unwrap()).is_some() {
            return Err(format!("{of:?} has two open generations"));
        }
    }
    Ok(open)
}

/// What every secret ever made opens, in every organization; each token has its open generation.
pub(crate) async fn exchanges(world: &mut World<'_>) -> Result<(), String> {
    let mut got = Vec::new();
    for key in 0..world.keys.len() {
        for secret in 0..world.secrets[key].len() {
            let everywhere = (0..world.organizations.len()).chain([usize::MAX]).map(Some).chain([None]);
            for place in everywhere {
                let granted = world.exchange((key, secret), place, 2, 0).await?;
                if let Some(granted) = granted {
                    got.push((key, secret, place.unwrap_or(world.model.keys[key].home), granted));
                }
            }
        }
    }
    let numbers = Numbers::of(world);
    let open = open(&rows(world, GENERATIONS).await, &numbers)?;
    for (key, secret, place, granted) in got {
        let index = *open.get(&(key, secret, place)).ok_or_else(|| format!("a token of secret {secret} of key {key} in {place} has no open generation"))?;
        let narrowness = world.model.keys[key].narrowness;
        if let Some(before) = world.issued.get(&index)
            && before.must_end
        {
            return Err(format!("secret {secret} of key {key} in {place} still has generation {index}, although something was lost"));
        }
        world.issued.insert(index, Issued { key, secret, place, granted, narrowness, must_end: false, may_end: false });
    }
    Ok(())
}

/// What the host is shown, and that the log is whole.
pub(crate) async fn lists(world: &World<'_>) -> Result<(), String> {
    let (core, host, model) = (&world.bench.core, world.context(Actor::System), &world.model);
    let numbers = Numbers::of(world);
    let number = |id: Uuid| numbers.0.get(&id).copied().unwrap_or(usize::MAX);
    for (place, id) in world.organizations.iter().enumerate() {
        let members = core.list_members(&host, *id).await.unwrap();
        let found = members.iter().map(|member| format!("{} {:?} {:?}", number(member.user.id.as_uuid()), member.own, member.inherited));
        let root = model.organizations[place].root;
        let roles = |place, user| model.own(place, user).map(|at| model.memberships[at].roles.iter().cloned().collect::<Vec<_>>());
        let of = |user: usize| (roles(place, user), if root == place { None } else { roles(root, user) });
        let expected = (0..model.users.len()).filter(|user| of(*user) != (None, None)).map(|user| format!("{user} {:?} {:?}", of(user).0, of(user).1));
        same("listed members", expected.collect(), found.collect())?;

        let listed = core.list_api_keys(&host, *id, keywright_core::Part::ALL).await.unwrap().rows;
        let found = listed.iter().map(|key| {
            format!("{} {} {}", number(key.record.id.as_uuid()), key.record.name, keywright_core::keys::KeyState::of(&key.record, host.now).as_str())
        });
        let here = model.keys.iter().enumerate().filter(|(_, key)| key.home == place);
        let expected = here.clone().filter(|(_, key)| matches!(key.kind, Kind::Api(_))).map(|(at, key)| format!("{at} {} {}", key.name, state(key, model.now)));
        same("listed API Keys", expected.collect(), found.collect())?;
        let listed = core.list_personal_access_keys(&host, *id, keywright_core::Part::ALL).await.unwrap().rows;
        let found = listed.iter().map(|key| format!("{} {:?}", number(key.id.as_uuid()), key.user_id.map(|user| number(user.as_uuid()))));
        let expected = here.filter(|(_, key)| matches!(key.kind, Kind::Personal(_))).map(|(at, _)| format!("{at} {:?}", model.holder(at)));
        same("listed Personal Access Keys", expected.collect(), found.collect())?;
    }
    for root in roots(world) {
        let whole = world.bench.db.read(move |tx| Box::pin(async move { crate::support::is_whole(tx, root).await })).await.unwrap();
        if !whole {
            return Err("the log is not whole".to_owned());
        }
    }
    Ok(())
}

fn state(key: &super::reference::Key, now: i64) -> &'static str {
    match key {
        _ if key.revoked => "Revoked",
        _ if key.expires <= now => "Expired",
        _ if now < key.not_before => "Pending",
        _ if key.suspended => "Suspended",
        _ => "Active",
    }
}
