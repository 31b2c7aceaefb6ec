//! Generated tokens: every way that is known to bend one, by the thousand, and as many good ones; each is judged by this crate and by the
//! `jsonwebtoken` crate. Seed and number make a token again, but for keys and what ES256 draws for each signature, so a failure shows it.

mod claims;
mod forge;
mod form;
mod header;
mod signature;

use crate::world::base64url;
use forge::{Dice, Forge, Mint, object, quoted};
use keywright_protocol::jwk::Algorithm;
use keywright_verify::{MAX_TOKEN_BYTES, Need, VerifyError};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

const SEED: u64 = 0x6b65_7977_7269_6768;

/// What a token is refused for. A class names what may be the reason, so that a token that is bent in one place is not refused for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Form,
    Length,
    RawKey,
    Type,
    Algorithm,
    Key,
    Signature,
    Claims,
    Issuer,
    Audience,
    Time,
    Status,
}

impl By {
    fn of(error: VerifyError) -> Option<Self> {
        Some(match error {
            VerifyError::Malformed(_) => Self::Form,
            VerifyError::TooLong => Self::Length,
            VerifyError::RawKey(_) => Self::RawKey,
            VerifyError::WrongType => Self::Type,
            VerifyError::Algorithm => Self::Algorithm,
            VerifyError::UnknownKey | VerifyError::NeedsRefresh(Need::Keys) => Self::Key,
            VerifyError::Signature => Self::Signature,
            VerifyError::Claims(_) => Self::Claims,
            VerifyError::WrongIssuer => Self::Issuer,
            VerifyError::WrongAudience => Self::Audience,
            VerifyError::Expired | VerifyError::NotYetValid => Self::Time,
            VerifyError::Revoked | VerifyError::NeedsRefresh(Need::StatusList(_) | Need::Status) => Self::Status,
            VerifyError::Missing | VerifyError::Inactive | VerifyError::Unavailable => return None,
        })
    }
}

/// One way to bend a token.
struct Class {
    name: &'static str,
    by: &'static [By],
    make: fn(&mut Forge<'_>) -> String,
}

const fn class(name: &'static str, by: &'static [By], make: fn(&mut Forge<'_>) -> String) -> Class {
    Class { name, by, make }
}

fn classes() -> Vec<&'static Class> {
    [header::CLASSES, form::CLASSES, claims::CLASSES, signature::CLASSES].into_iter().flatten().collect()
}

/// Where this crate is stricter than `jsonwebtoken`, which accepts some of these tokens. All others both refuse.
const STRICTER: &[(&str, &str)] = &[
    ("an alg as the name of a member", "it reads `{\"ES256\":null}` as it would a variant of an enum"),
    ("a kid of nobody", "it has no key set, and leaves `kid` to its caller"),
    ("a huge kid", "as above"),
    ("no kid", "as above"),
    ("a kid of another key for access tokens", "as above"),
    ("a header that says more", "it reads whatever RFC 7515 names, and keeps the rest; `crit` and `zip` too are left to its caller"),
    ("another typ", "it does not look at `typ`"),
    ("no typ", "as above"),
    ("longer than 8 KiB", "it has no bound"),
    ("nested too deeply", "its bound is that of serde_json, 127"),
    ("a member twice further down", "it does not look into claims that it does not know"),
    ("another claim twice", "as above; the second counts"),
    ("another claim is null", "as above"),
    ("a claim of our own is missing", "as above"),
    ("a claim of our own of another type", "as above"),
    ("a claim of our own in another form", "as above"),
    ("iat of another type", "it does not look at `iat`"),
    ("iat in the future", "as above"),
    ("exp, nbf or iat with a fraction or an exponent", "it rounds (RFC 7519, section 2, knows seconds that are no whole numbers; we issue none)"),
    ("exp, nbf or iat out of range", "any number below 2^64 is one, and `iat` is not looked at"),
    ("exp this very second", "a token is not to be used on its `exp` (RFC 7519, section 4.1.4); there it is, until the next second"),
    ("iss or aud in another form", "a list that contains the right one will do"),
    ("status in another form", "it does not know `status`"),
    ("status of another issuer, or no list", "as above"),
    ("a list number in another spelling", "as above"),
    ("an entry that no list has", "as above"),
    ("a list that is not at hand", "as above"),
    ("taken back", "as above"),
];

/// How much is done of what can be done more or less of: in the short form, and in the full one.
fn extent(short: usize, full: usize) -> usize {
    let is_full = std::env::vars().any(|(name, value)| name == "TEST_EXTENT" && value == "full");
    if is_full { full } else { short }
}

/// Does something for each number, on as many threads as there are processors, and gathers what each thread has to say.
fn in_parallel<T: Send>(count: usize, work: impl Fn(&mut dyn Iterator<Item = usize>) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = (0..threads).map(|first| scope.spawn(move || work(&mut (first..count).step_by(threads)))).collect();
        started.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// A token within a message: whole if it is of a usual length.
fn shown(token: &str) -> String {
    let start: String = token.chars().take(3000).collect();
    format!("{start:?} ({} bytes)", token.len())
}

/// What became of a class's tokens.
#[derive(Default)]
struct Tally {
    made: usize,
    /// How many of them the other library accepts.
    theirs: usize,
    /// The first that did not fare as it must.
    fault: Option<String>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.made += other.made;
        self.theirs += other.theirs;
        self.fault = self.fault.take().or_else(|| other.fault.clone());
    }
}

/// Makes the token of a number and has it judged; the fault, if it is not judged as it must be.
fn judge(mint: &Mint, class: &Class, number: usize, tally: &mut Tally) -> Result<(), String> {
    let token =
        catch_unwind(AssertUnwindSafe(|| (class.make)(&mut Forge { mint, dice: Dice::of(SEED, number) }))).map_err(|_| format!("not made: number {number}"))?;
    let fault = |what: String| Err(format!("{what}: number {number}, {}", shown(&token)));
    tally.made += 1;
    let Ok(ours) = catch_unwind(AssertUnwindSafe(|| mint.ours(&token))) else { return fault("panicked".to_owned()) };
    match ours.map(|error| (error, By::of(error))) {
        None => return fault("accepted".to_owned()),
        Some((_, Some(by))) if class.by.contains(&by) => {}
        Some((error, _)) => return fault(format!("refused as {error:?}, not by {:?}", class.by)),
    }
    if mint.do_they_accept(&token) {
        tally.theirs += 1;
        if !STRICTER.iter().any(|(name, _)| *name == class.name) {
            return fault("accepted by the other library alone".to_owned());
        }
    }
    Ok(())
}

/// Reddens when any check is left out of `verify_anew`, `claims`, `Jws::parse` or `read_object`, as each has classes of tokens that nothing
/// else refuses; when canonical base64 is read leniently; and when a class of [`STRICTER`] is no longer stricter.
#[test]
fn no_bad_token_is_accepted_and_another_library_refuses_all_but_the_listed() {
    let (mint, classes) = (Mint::new(), classes());
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let parts = in_parallel(extent(50_000, 1_000_000), |numbers| {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for number in numbers {
            let class = classes[number % classes.len()];
            let tally = tallies.entry(class.name).or_default();
            if let Err(fault) = judge(&mint, class, number, tally) {
                tally.fault.get_or_insert(fault);
            }
        }
        tallies
    });
    for (name, tally) in parts.iter().flatten() {
        tallies.entry(name).or_default().add(tally);
    }
    for class in &classes {
        let tally = &tallies[class.name];
        println!("{:8} made, {:8} accepted by the other library: {}", tally.made, tally.theirs, class.name);
        assert!(tally.made >= 100, "{} must occur", class.name);
    }
    let faults: Vec<String> = tallies.iter().filter_map(|(name, tally)| tally.fault.as_ref().map(|fault| format!("{name}: {fault}"))).collect();
    assert!(faults.is_empty(), "with the seed {SEED:#x}:\n{}", faults.join("\n"));
    for (name, why) in STRICTER {
        assert!(tallies[name].theirs > 0, "the other library refuses these too: {name} ({why})");
    }
}

/// Reddens when a good form is refused: a wrong order of members, a claim of a later day, the last second of the leeway.
#[test]
fn every_good_token_is_accepted_here_and_by_another_library() {
    let mint = Mint::new();
    in_parallel(10_000, |numbers| {
        for number in numbers {
            let mut forge = Forge { mint: &mint, dice: Dice::of(!SEED, number) };
            let token = good(&mut forge);
            assert_eq!(mint.ours(&token), None, "number {number}: {}", shown(&token));
            assert!(mint.do_they_accept(&token), "number {number}, by the other library: {}", shown(&token));
            assert_eq!(mint.ours(&token), None, "number {number}, seen before: {}", shown(&token));
        }
    });
}

/// A good token; one in ten is as long as a token may be.
fn good(forge: &mut Forge<'_>) -> String {
    let mut claims = forge.claims();
    let signer = forge.signer();
    let space = forge.dice.pick(&["", "", "", " ", "\n", "\t\r\n"]);
    let header = format!("{space}{}{space}", forge.header(signer));
    if forge.dice.once_in(10) {
        // Four letters carry three bytes.
        let signature = if signer.algorithm == Algorithm::RS256 { 342 } else { 86 };
        let room = (MAX_TOKEN_BYTES - 2 - base64url(&header).len() - signature) / 4 * 3;
        let filler = room - object(&claims).len() - r#","x-long":"""#.len() - 2 * space.len() - forge.dice.below(3);
        claims.push(("x-long".to_owned(), quoted(&"x".repeat(filler))));
    }
    signer.jws(&header, &format!("{space}{}{space}", object(&claims)))
}

/// ES256 has two signatures for each one (RFC 7518, section 3.4, asks for no low `s`), so a token's text is nothing to take it back by: its
/// entry of a status list is. Reddens when the status of a token that was not seen before is not looked at.
#[test]
fn the_twin_of_a_signature_makes_no_other_token_of_it() {
    let mint = Mint::new();
    for (idx, expected) in [(1, None), (forge::ENDED, Some(VerifyError::Revoked))] {
        let mut forge = Forge { mint: &mint, dice: Dice::of(SEED, 2) };
        let mut claims = forge.claims();
        forge::set(&mut claims, "status", forge::status(&idx.to_string(), &format!("{}/status/v1/lists/0", crate::world::ISSUER)));
        let token = mint.es.jws(&mint.es.header(), &object(&claims));
        let signed = token.rsplit_once('.').unwrap().0;
        let signature = mint.es.sign(signed.as_bytes());
        let (r, s) = signature.split_at(32);
        let twin = [r, &signature::minus(&signature::P256_ORDER, s)].concat();
        for token in [format!("{signed}.{}", base64url(&signature)), format!("{signed}.{}", base64url(twin))] {
            assert_eq!(mint.ours(&token), expected, "{token}");
            assert!(mint.do_they_accept(&token));
        }
    }
}
