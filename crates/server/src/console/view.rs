//! How things are shown: times, states, lists of roles.

use askama::{Template, filters::HtmlSafe};
use keywright_core::keys::{ExpiryState, KeyRecord, KeyState};
use keywright_protocol::{
    OrganizationId, Time,
    catalog::{Document, OWNER},
    roles::role_groups,
};

/// A moment: for programs, and for people as long as no script shows it in their own time.
#[derive(Template)]
#[template(source = r#"<time datetime="{{ iso }}"{% if is_exact %} data-exact{% endif %}>{{ shown }}</time>"#, ext = "html")]
pub(crate) struct When {
    iso: String,
    shown: String,
    /// To the second.
    is_exact: bool,
}

impl HtmlSafe for When {}

/// A moment as a page shows it.
pub(crate) fn when(at: Time) -> When {
    When { iso: at.to_string(), shown: minute(at), is_exact: false }
}

/// A moment to the minute, as text.
pub(crate) fn minute(at: Time) -> String {
    up_to(at, 16)
}

fn up_to(at: Time, end: usize) -> String {
    let iso = at.to_string();
    match (iso.get(..10), iso.get(11..end)) {
        (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
        _ => iso,
    }
}

/// The same to the second, where minutes are long.
pub(crate) fn exactly(at: Time) -> When {
    When { iso: at.to_string(), shown: up_to(at, 19), is_exact: true }
}

/// The day (UTC) of a moment that people choose by its day, the last of a key for one: in their own time it could be another day.
#[derive(Template)]
#[template(source = r#"<time datetime="{{ at.iso }}" title="{{ at.shown }}" data-day>{{ day }}</time>"#, ext = "html")]
pub(crate) struct Day {
    at: When,
    day: String,
}

impl HtmlSafe for Day {}

/// The day of a moment as a page shows it.
pub(crate) fn on_day(at: Time) -> Day {
    Day { at: when(at), day: day(at) }
}

/// When and from where something was last used, if it ever was.
#[derive(Template)]
#[template(
    source = r#"{% if let Some((at, address)) = last %}{{ at }}{% if !address.is_empty() %}<br><span class="small muted">{{ address }}</span>{% endif %}{% else %}<span class="muted">never</span>{% endif %}"#,
    ext = "html"
)]
pub(crate) struct LastUse {
    last: Option<(When, String)>,
}

impl HtmlSafe for LastUse {}

/// The last use as a page shows it.
pub(crate) fn last_use(at: Option<Time>, address: Option<&str>) -> LastUse {
    LastUse { last: at.map(|at| (when(at), address.unwrap_or_default().to_owned())) }
}

/// The day of a moment, as a date field takes it.
pub(crate) fn day(at: Time) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

/// A word with how good or bad it is.
#[derive(Template)]
#[template(source = r#"<span class="badge {{ tone }}">{{ word }}</span>"#, ext = "html")]
pub(crate) struct Badge {
    pub(crate) word: &'static str,
    pub(crate) tone: &'static str,
}

impl HtmlSafe for Badge {}

/// What a key is now.
pub(crate) fn state(key: &KeyRecord, now: Time) -> Badge {
    match KeyState::of(key, now) {
        KeyState::Active => Badge { word: "Active", tone: "good" },
        KeyState::Pending => Badge { word: "Not valid yet", tone: "" },
        KeyState::Suspended => Badge { word: "Suspended", tone: "warning" },
        KeyState::Expired => Badge { word: "Expired", tone: "critical" },
        KeyState::Revoked => Badge { word: "Revoked", tone: "" },
    }
}

/// When a key ends, and whether that is soon.
#[derive(Template)]
#[template(source = r#"{{ at }}{% if let Some(badge) = badge %} {{ badge }}{% endif %}"#, ext = "html")]
pub(crate) struct Ending {
    pub(crate) at: Day,
    badge: Option<Badge>,
}

impl HtmlSafe for Ending {}

/// When a key ends.
pub(crate) fn ending(expires_at: Time, now: Time) -> Ending {
    let badge = match ExpiryState::of(expires_at, now) {
        ExpiryState::Ok => None,
        ExpiryState::Warning => Some(Badge { word: "Within 30 days", tone: "warning" }),
        ExpiryState::Critical => Some(Badge { word: "Within 7 days", tone: "critical" }),
    };
    Ending { at: on_day(expires_at), badge }
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
    let owner = (owners == Owners::With).then(|| TickGroup { title: "Full access".to_owned(), ticks: vec![tick(OWNER, "Owner")] });
    let groups = role_groups(catalog)
        .into_iter()
        .map(|group| TickGroup { title: group.title.to_string(), ticks: group.roles.iter().map(|role| tick(&role.key, &role.name)).collect() });
    let own = (!custom.is_empty()).then(|| TickGroup { title: "Custom roles".to_owned(), ticks: custom.iter().map(|(key, name)| tick(key, name)).collect() });
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
            None => told.push(custom.iter().find(|(key, _)| key == role).map_or_else(|| role.clone(), |(_, name)| format!("{name} (custom role)"))),
            Some((module, name)) => match by_name.iter_mut().find(|(known, _)| known == name) {
                Some((_, modules)) => modules.push(module.clone()),
                None => by_name.push((name.clone(), vec![module.clone()])),
            },
        }
    }
    let everywhere = |name: &str| groups.iter().filter(|group| group.roles.iter().any(|role| role.name == name)).count();
    told.extend(by_name.into_iter().map(|(name, modules)| match modules.as_slice() {
        all if all.len() > 3 && all.len() == everywhere(&name) => format!("{name} in all modules"),
        [first, second, third, rest @ ..] if !rest.is_empty() => format!("{name} in {first}, {second}, {third} and {} more", rest.len()),
        several => format!("{name} in {}", several.join(", ")),
    }));
    told
}

/// A browser and its system by their names, of what it says of itself (RFC 9110, section 10.1.5); for people, who decide nothing else by it.
pub(crate) fn browser(user_agent: &str) -> String {
    let of = |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    // Most claim to be others besides; the more particular ones come first.
    let program = of(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chromium/", "Chromium"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = of(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) if user_agent.is_empty() => "Unknown".to_owned(),
        (None, None) => user_agent.to_owned(),
    }
}

/// So many of something.
pub(crate) fn counted<N: std::fmt::Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    format!("{count} {one}{}", if count == N::from(1) { "" } else { "s" })
}

/// What is empty, as people read it.
pub(crate) fn or_dash(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_by_their_names() {
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0 Safari/537.36 Edg/148.0", "Edge on Windows"),
            ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1 (KHTML, like Gecko) Version/18.0 Safari/605.1", "Safari on macOS"),
            ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0 Mobile Safari/537.36", "Chrome on Android"),
            ("curl/7.88.1", "curl"),
            ("something/1.0", "something/1.0"),
            ("", "Unknown"),
        ] {
            assert_eq!(browser(agent), name);
        }
    }

    #[test]
    fn one_is_not_several() {
        assert_eq!([counted(0_usize, "key"), counted(1_i64, "key"), counted(2_u64, "key")], ["0 keys", "1 key", "2 keys"]);
    }
}
