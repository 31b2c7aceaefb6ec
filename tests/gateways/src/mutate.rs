//! Requests that were bent at random, from a seed, so that a run can be repeated. Whatever a gateway makes of them: nothing reaches the API without a
//! live credential, nothing with an identity of the sender's choosing, and nothing that the holder may not.

use crate::{
    http::{self, header, headers},
    proxies::{Asks, Gateway, Kind},
    upstream::{CASE, Upstream},
    world::World,
};
use anyhow::{bail, ensure};

/// What every value that the sender chooses for an identity contains.
pub(crate) const CHOSEN: &str = "chosen";

/// A generator of numbers (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        let at = self.below(choices.len());
        choices.get(at).copied().unwrap_or_default()
    }

    fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

const METHODS: &[&str] = &["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "get", "PURGE"];
const PATHS: &[&str] = &["/invoices", "/invoices", "/invoices/42", "/invoices/42", "/keys/a", "/keys/a/b", "/admin/a", "/bills", "/", "/nothing"];
const INSERTS: &[&str] = &[
    "/",
    "//",
    "/.",
    "/..",
    "/../",
    "/./",
    "%2e",
    "%2e%2e",
    "%2E%2e/",
    "/%2e%2e/",
    "%2f",
    "%5c",
    "\\",
    "..\\",
    ";",
    ";a=b",
    "..;/",
    "%3b",
    "%00",
    "%0a",
    "%0d%0a",
    "%23",
    "#",
    "?",
    "%3f",
    "%25",
    "%252e",
    "%252f",
    "%c0%ae",
    "%c0%af",
    "%ef%bc%8f",
    "%u002f",
    "%",
    "%2",
    "%zz",
    "é",
    "\u{2215}",
    "%20",
    "+",
    "~",
    "*",
    ":",
    "@",
    "..",
    "...",
    "/admin/a",
    "/invoices",
    "/../admin/a",
    "/..%2fadmin%2fa",
    "//admin/a",
    "\t",
    "|",
    "\"",
    "<",
    "{",
    "}",
    "^",
    "`",
    "[",
    "]",
];
const LIVE: &[&str] = &["reader", "reader", "ci", "foreign"];
const LIVE_KEYS: &[&str] = &["reader-key", "ci-key"];
/// Taken back, which those that ask nobody do not hear of.
const TAKEN_BACK: &[&str] = &["revoked", "old-ci", "removed", "disabled", "suspended"];
const DEAD: &[&str] = &[
    "",
    "",
    "expired",
    "tampered",
    "other-payload",
    "none",
    "none-signed",
    "unsigned",
    "document",
    "identity",
    "garbage",
    "revoked-key",
    "old-ci-key",
    "removed-key",
    "disabled-key",
    "suspended-key",
    "expired-key",
    "unknown-key",
    "cut-off-key",
    "session",
    "operator-key",
];
const NAMES: &[&str] = &[
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Forwarded-Host",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Path",
    "Forwarded",
    "X-Original-URI",
    "X-Original-URL",
    "X-Original-Method",
    "X-Rewrite-URL",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Identity-JWT",
    "X-Keywright-Subject",
    "X-Keywright-Email",
    "X-Keywright-Organization",
    "X-Keywright-Key-Id",
    "X-Keywright-Roles",
    "X-Keywright-Status",
    "X-Keywright-Reason",
    "X-API-Key",
    "Authorization",
    "X-Real-IP",
    "X-Keywright-Permissions",
];
const VALUES: &[&str] = &[
    "/invoices",
    "/invoices/42",
    "/keys/a",
    "GET",
    "HEAD",
    "api.example.com",
    "127.0.0.1",
    "chosen",
    "chosen owner",
    "200",
    "for=127.0.0.1;chosen",
    "/admin/a, /invoices",
    "",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjaG9zZW4ifQ.chosen",
];
const HOPS: &[&str] = &[
    "close",
    "keep-alive",
    "X-Forwarded-Uri",
    "X-Forwarded-Method",
    "X-Identity-JWT",
    "X-Keywright-Subject",
    "Authorization",
    "X-API-Key",
    "Host",
    "TE",
    "Content-Length",
];

/// One bent request.
struct Bent {
    case: String,
    bytes: Vec<u8>,
    /// Whether what is presented could open anything.
    live: bool,
}

/// How many of a gateway's bent requests reached the API.
pub(crate) fn run(world: &World, upstream: &Upstream, gateway: &Gateway, (count, seed): (usize, u64)) -> anyhow::Result<usize> {
    let mut dice = Dice(seed);
    let mut passed = 0;
    for number in 0..count {
        let bent = bend(&mut dice, world, gateway, format!("{}-bent-{number}", gateway.name));
        // Some are answered by the end of the connection.
        let _ = http::send(gateway.address, &bent.bytes);
        let seen = upstream.seen(&bent.case);
        ensure!(seen.len() <= 1, "{}: one request came {} times:\n{}", gateway.name, seen.len(), shown(&bent));
        let Some(head) = seen.first() else { continue };
        passed += 1;
        if let Err(error) = judge(head, &bent, gateway) {
            bail!("{}, seed {seed}, number {number}: {error}\nsent:\n{}\narrived:\n{head}", gateway.name, shown(&bent));
        }
    }
    Ok(passed)
}

fn shown(bent: &Bent) -> String {
    String::from_utf8_lossy(&bent.bytes).into_owned()
}

fn bend(dice: &mut Dice, world: &World, gateway: &Gateway, case: String) -> Bent {
    let mut target = dice.of(PATHS).to_owned();
    for _ in 0..[0, 0, 0, 1, 1, 2].get(dice.below(6)).copied().unwrap_or(0) {
        let places: Vec<usize> = target.char_indices().map(|(at, _)| at).chain([target.len()]).collect();
        let at = places.get(dice.below(places.len())).copied().unwrap_or(0);
        target.insert_str(at, dice.of(INSERTS));
    }
    if dice.once_in(6) {
        target.push_str(dice.of(&["?a=b", "?x=/../admin", "?access_token=chosen", "#/admin", "?"]));
    }
    if dice.once_in(40) {
        target = format!("http://{}{target}", dice.of(&["api.example.com", "127.0.0.1", "chosen.example.com"]));
    }
    let (mut lines, live) = credentials(dice, world, gateway);
    for _ in 0..dice.below(3) {
        let name = alias(dice);
        for _ in 0..if dice.once_in(4) { 2 } else { 1 } {
            let value = dice.of(VALUES);
            // Apache looks at the last of the headers with odd names, unless it is empty: see its configuration.
            let value = if value.is_empty() && matches!(gateway.kind, Kind::ApacheAsking | Kind::ApacheOffline) { "-" } else { value };
            lines.push(format!("{name}: {value}"));
        }
    }
    if dice.once_in(5) {
        lines.push(format!("Connection: {}", (0..=dice.below(3)).map(|_| dice.of(HOPS)).collect::<Vec<_>>().join(", ")));
    }
    // In any order.
    for at in (1..lines.len()).rev() {
        lines.swap(at, dice.below(at + 1));
    }
    let method = if dice.once_in(3) { dice.of(METHODS) } else { "GET" };
    let lines = lines.join("\r\n");
    let more = if lines.is_empty() { String::new() } else { format!("{lines}\r\n") };
    let bytes = format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\n{CASE}: {case}\r\n{more}\r\n").into_bytes();
    Bent { case, bytes, live }
}

/// Lines with credentials, and whether one of them lives. Live ones read, and nothing else.
fn credentials(dice: &mut Dice, world: &World, gateway: &Gateway) -> (Vec<String>, bool) {
    let dead = if gateway.asks != Asks::Nobody && dice.once_in(3) { TAKEN_BACK } else { DEAD };
    let (mut lines, mut live) = (Vec::new(), false);
    let mut present = |dice: &mut Dice, names: &[&str], lives: bool| {
        let credential = world.credential(dice.of(names));
        let line = match dice.below(8) {
            0 => format!("Authorization: {credential}"),
            1 => format!("authorization: BEARER {credential}"),
            2 | 3 => format!("X-API-Key: {credential}"),
            _ => format!("Authorization: Bearer {credential}"),
        };
        lines.push(line);
        live |= lives;
    };
    match dice.below(10) {
        0..=3 => present(dice, LIVE, true),
        4 => present(dice, LIVE_KEYS, true),
        5 => {
            present(dice, LIVE, true);
            present(dice, dead, false);
        }
        6 => {
            present(dice, dead, false);
            present(dice, dead, false);
        }
        _ => present(dice, dead, false),
    }
    (lines, live)
}

/// A header's name, or what some take for it.
fn alias(dice: &mut Dice) -> String {
    let name = dice.of(NAMES).to_owned();
    match dice.below(8) {
        0 | 1 => name.replace('-', "_"),
        2 => name.replacen('-', "_", 1),
        3 => name.to_ascii_lowercase(),
        4 => name.to_ascii_uppercase(),
        5 => name.replacen('-', ".", 1),
        _ => name,
    }
}

/// What must hold of a request that came through.
fn judge(head: &str, bent: &Bent, gateway: &Gateway) -> anyhow::Result<()> {
    ensure!(bent.live, "it came through without a live credential");
    clean(head)?;
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    ensure!(matches!(method, "GET" | "HEAD"), "a reader came through with {method}");
    let path = target.split(['?', '#']).next().unwrap_or_default();
    for reading in readings(path) {
        let is_below = ["/invoices", "/keys/", "/bills"].iter().any(|start| reading.starts_with(start));
        let moves = |segment: &str| matches!(segment.split(';').next().unwrap_or_default(), "." | "..");
        let known = is_below && !reading.contains("//") && !reading.contains('\\') && !reading.split('/').any(moves) && !reading.chars().any(char::is_control);
        ensure!(known, "a reader came to {path}, which may be read as {reading}");
    }
    if gateway.asks == Asks::Server {
        ensure!(header(head, "x-identity-jwt").count() == 1 && header(head, "x-keywright-subject").count() == 1, "it came through without an identity");
    }
    Ok(())
}

/// What no request may bring along: a credential, or an identity of the sender's choosing, in whatever spelling.
pub(crate) fn clean(head: &str) -> anyhow::Result<()> {
    for (name, value) in headers(head) {
        let plain: String = name.to_ascii_lowercase().chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
        let is_identity = ["x-identity", "x-keywright-subject", "x-keywright-email", "x-keywright-organization", "x-keywright-key-id", "x-keywright-roles"]
            .iter()
            .any(|start| plain.starts_with(start));
        ensure!(!(is_identity && value.contains(CHOSEN)), "{name} is the sender's own");
        ensure!(!["authorization", "x-api-key"].contains(&plain.as_str()) || value.is_empty() || !value.contains("_"), "{name} came through");
    }
    ensure!(!["_pak_", "_api_"].iter().any(|infix| head.contains(infix)), "a key came through");
    Ok(())
}

/// How an API might read a path: as it stands, decoded once, and twice.
fn readings(path: &str) -> Vec<String> {
    let once = decoded(path);
    let twice = decoded(&once);
    vec![path.to_owned(), once, twice]
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let pair: Vec<u8> = if byte == b'%' { rest.clone().take(2).collect() } else { Vec::new() };
        let number = std::str::from_utf8(&pair).ok().filter(|pair| pair.len() == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match number {
            Some(number) => {
                bytes.push(number);
                rest.nth(1);
            }
            None => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
