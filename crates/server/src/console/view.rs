//! How things are shown: times, states, lists of roles.

use keywright_core::keys::{ExpiryState, KeyRecord, KeyState};
use keywright_protocol::{
    OrganizationId, Time,
    catalog::{Document, OWNER},
    roles::role_groups,
};

/// A moment: for programs, and for people as long as no script shows it in their own time.
pub(crate) struct When {
    pub(crate) iso: String,
    pub(crate) shown: String,
}

/// A moment as a page shows it.
pub(crate) fn when(at: Time) -> When {
    let iso = at.to_string();
    let shown = match (iso.get(..10), iso.get(11..16)) {
        (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
        _ => iso.clone(),
    };
    When { iso, shown }
}

/// The day of a moment, as a date field takes it.
pub(crate) fn day(at: Time) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

/// A word with how good or bad it is.
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    pub(crate) tone: &'static str,
}

/// What a key is now.
pub(crate) fn state(key: &KeyRecord, now: Time) -> Badge {
    match KeyState::of(key, now) {
        KeyState::Active => Badge { word: "Active", tone: "good" },
        KeyState::Pending => Badge { word: "Not valid yet", tone: "" },
        KeyState::Suspended => Badge { word: "Suspended", tone: "warning" },
        KeyState::Expired => Badge { word: "Expired", tone: "critical" },
        KeyState::Revoked => Badge { word: "Revoked", tone: "critical" },
    }
}

/// When a key ends, and whether that is soon.
pub(crate) struct Ending {
    pub(crate) at: When,
    pub(crate) badge: Option<Badge>,
}

/// When a key ends.
pub(crate) fn ending(expires_at: Time, now: Time) -> Ending {
    let badge = match ExpiryState::of(expires_at, now) {
        ExpiryState::Ok => None,
        ExpiryState::Warning => Some(Badge { word: "within 30 days", tone: "warning" }),
        ExpiryState::Critical => Some(Badge { word: "within 7 days", tone: "critical" }),
    };
    Ending { at: when(expires_at), badge }
}

/// A role that can be ticked.
pub(crate) struct Tick {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) ticked: bool,
}

/// Roles of one module.
pub(crate) struct TickGroup {
    pub(crate) title: String,
    pub(crate) ticks: Vec<Tick>,
}

/// An organization whose roles can be ticked.
pub(crate) struct PlaceTicks {
    pub(crate) id: OrganizationId,
    pub(crate) name: String,
    pub(crate) groups: Vec<TickGroup>,
    /// Whether one is.
    pub(crate) any: bool,
}

/// Whether the role `owner` is among those to choose from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    With,
    Without,
}

/// The roles to choose from: the organization's own (`custom`) and the catalog's, with those ticked that are held.
pub(crate) fn ticks(catalog: &Document, custom: &[(String, String)], held: &[String], owners: Owners) -> Vec<TickGroup> {
    let tick = |key: &str, name: &str| Tick { key: key.to_owned(), name: name.to_owned(), ticked: held.iter().any(|role| role == key) };
    let owner = (owners == Owners::With).then(|| TickGroup { title: "Everything".to_owned(), ticks: vec![tick(OWNER, "Owner")] });
    let groups = role_groups(catalog)
        .into_iter()
        .map(|group| TickGroup { title: group.title.to_string(), ticks: group.roles.iter().map(|role| tick(&role.key, &role.name)).collect() });
    let own =
        (!custom.is_empty()).then(|| TickGroup { title: "Roles of your own".to_owned(), ticks: custom.iter().map(|(key, name)| tick(key, name)).collect() });
    owner.into_iter().chain(own).chain(groups).collect()
}

/// Roles as people read them: `Manager in Build and CodePush`. What the catalog does not know is shown by its key.
pub(crate) fn role_names(catalog: &Document, custom: &[(String, String)], roles: &[String]) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    let mut by_name: Vec<(String, Vec<String>)> = Vec::new();
    let groups = role_groups(catalog);
    for role in roles {
        let found = groups.iter().find_map(|group| group.roles.iter().find(|known| known.key == *role).map(|known| (&group.title, &known.name)));
        match found {
            _ if role == OWNER => told.push("Owner".to_owned()),
            None => told.push(custom.iter().find(|(key, _)| key == role).map_or_else(|| role.clone(), |(_, name)| name.clone())),
            Some((module, name)) => match by_name.iter_mut().find(|(known, _)| known == name) {
                Some((_, modules)) => modules.push(module.clone()),
                None => by_name.push((name.clone(), vec![module.clone()])),
            },
        }
    }
    let everywhere = |name: &str| groups.iter().filter(|group| group.roles.iter().any(|role| role.name == name)).count();
    told.extend(by_name.into_iter().map(|(name, modules)| match modules.as_slice() {
        all if all.len() > 3 && all.len() == everywhere(&name) => format!("{name} in all modules that have it"),
        [first, second, third, rest @ ..] if !rest.is_empty() => format!("{name} in {first}, {second}, {third} and {} more", rest.len()),
        several => format!("{name} in {}", several.join(", ")),
    }));
    told
}

/// What is empty, as people read it.
pub(crate) fn or_dash(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}
