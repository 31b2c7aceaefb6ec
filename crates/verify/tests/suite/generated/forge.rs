//! What tokens are made of: an issuer's keys, seeded chance, and good claims in all their variety.

use crate::world::{AUDIENCE, ISSUER, NOW, Shelf, Signer, base64url, now, snapshot};
use keywright_protocol::{
    jwk::{Algorithm, Purpose},
    status::ENTRIES,
};
use keywright_verify::{Config, Source, Verifier, VerifyError};
use serde_json::Value;

/// The last second a token may name, 9999-12-31T23:59:59Z.
pub(super) const END_OF_TIME: i64 = 253_402_300_799;
/// The entry of a token that was taken back.
pub(super) const ENDED: u64 = 1313;

/// Seeded chance (SplitMix64): one seed and one number make one token.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn of(seed: u64, number: usize) -> Self {
        let mut dice = Self(seed ^ (number as u64).wrapping_mul(0xd134_2543_de82_ef95));
        dice.next();
        dice
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    pub(super) fn word(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789-_"[self.below(38)])).collect()
    }

    pub(super) fn guid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        let guid = format!("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", a >> 32, a & 0xffff, (a >> 16) & 0xfff, b >> 52, b & 0xffff_ffff_ffff);
        if self.once_in(6) { guid.to_uppercase() } else { guid }
    }

    /// A JSON string, at times all of it in escapes.
    pub(super) fn quoted(&mut self, text: &str) -> String {
        if self.once_in(12) {
            let escapes: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            format!("\"{escapes}\"")
        } else {
            quoted(text)
        }
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Members of a JSON object as they are written: names, and values as JSON text.
pub(super) type Members = Vec<(String, String)>;

pub(super) fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{}:{value}", quoted(name))).collect();
    format!("{{{}}}", members.join(","))
}

pub(super) fn set(members: &mut Members, name: &str, value: impl Into<String>) {
    let value = value.into();
    match members.iter_mut().find(|(known, _)| known == name) {
        Some(member) => member.1 = value,
        None => members.push((name.to_owned(), value)),
    }
}

pub(super) fn status(idx: &str, uri: &str) -> String {
    format!(r#"{{"status_list":{{"idx":{idx},"uri":{}}}}}"#, quoted(uri))
}

/// Keys for every purpose, and a verifier that knows them all.
pub(super) struct Mint {
    pub(super) es: Signer,
    pub(super) ed: Signer,
    pub(super) rs: Signer,
    pub(super) document: Signer,
    pub(super) status: Signer,
    /// One of each algorithm, that the issuer has nothing to do with.
    pub(super) strangers: [Signer; 3],
    pub(super) verifier: Verifier,
    theirs: Vec<(jsonwebtoken::Algorithm, jsonwebtoken::DecodingKey, jsonwebtoken::Validation)>,
}

impl Mint {
    pub(super) fn new() -> Self {
        let es = Signer::new("es", Algorithm::ES256, Some(Purpose::AccessToken));
        let ed = Signer::new("ed", Algorithm::EdDSA, None);
        let rs = Signer::new("rs", Algorithm::RS256, Some(Purpose::AccessToken));
        let document = Signer::new("doc", Algorithm::EdDSA, Some(Purpose::Document));
        let status = Signer::new("status", Algorithm::ES256, Some(Purpose::StatusList));
        let shelf = Shelf::of(snapshot(&[&es, &ed, &rs, &document, &status], 1));
        shelf.snapshot().unwrap().status.as_ref().unwrap().end(ENDED);
        let verifier = Verifier::new(Config { cache_capacity: 64, ..Config::new(ISSUER, AUDIENCE) }, shelf);
        let theirs = [(&es, jsonwebtoken::Algorithm::ES256), (&ed, jsonwebtoken::Algorithm::EdDSA), (&rs, jsonwebtoken::Algorithm::RS256)]
            .map(|(signer, algorithm)| (algorithm, signer.decoding_key(), validation(algorithm)));
        let strangers = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::RS256].map(|algorithm| Signer::new("stranger", algorithm, None));
        Self { es, ed, rs, document, status, strangers, verifier, theirs: theirs.into() }
    }

    /// What the crate under test says.
    pub(super) fn ours(&self, token: &str) -> Option<VerifyError> {
        self.verifier.verify(token, now()).err()
    }

    /// Whether the other library accepts it. It has no key set, so every key for access tokens that fits the header's `alg` is tried.
    pub(super) fn do_they_accept(&self, token: &str) -> bool {
        let Ok(header) = jsonwebtoken::decode_header(token) else { return false };
        let mut fitting = self.theirs.iter().filter(|(algorithm, ..)| *algorithm == header.alg);
        fitting.any(|(_, key, validation)| jsonwebtoken::decode::<Value>(token, key, validation).is_ok_and(|read| is_in_time(&read.claims)))
    }
}

fn validation(algorithm: jsonwebtoken::Algorithm) -> jsonwebtoken::Validation {
    let mut validation = jsonwebtoken::Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    // It would ask the system's clock, which is not the tests': `is_in_time` says the same.
    validation.validate_exp = false;
    validation
}

/// The other library's time checks, as of the tests' present.
#[expect(clippy::cast_precision_loss, reason = "seconds of this century are exact")]
fn is_in_time(claims: &Value) -> bool {
    let second = |name: &str| claims.get(name).and_then(Value::as_f64).map(f64::round);
    second("exp").is_some_and(|exp| exp >= (NOW - 30) as f64) && second("nbf").is_some_and(|nbf| nbf <= (NOW + 30) as f64)
}

/// Makes one token.
pub(super) struct Forge<'m> {
    pub(super) mint: &'m Mint,
    pub(super) dice: Dice,
}

impl<'m> Forge<'m> {
    /// A key for access tokens. RSA seldom, as it takes thirty times as long to sign.
    pub(super) fn signer(&mut self) -> &'m Signer {
        match self.dice.below(24) {
            0 => &self.mint.rs,
            1..=12 => &self.mint.es,
            _ => &self.mint.ed,
        }
    }

    /// A key of the same algorithm that is not the issuer's.
    pub(super) fn stranger_to(&self, signer: &Signer) -> &'m Signer {
        self.mint.strangers.iter().find(|stranger| stranger.algorithm == signer.algorithm).unwrap()
    }

    /// Good claims: every form that an issuer may give them, in any order.
    pub(super) fn claims(&mut self) -> Members {
        let dice = &mut self.dice;
        let (key, idx) = (dice.guid(), dice.below(usize::try_from(ENTRIES).unwrap()) as u64);
        let idx = if idx == ENDED { 0 } else { idx };
        let exp = match dice.below(4) {
            0 => NOW - 29 + i64::try_from(dice.below(60)).unwrap(),
            1 => END_OF_TIME,
            _ => NOW + 3600 + i64::try_from(dice.below(86_400)).unwrap(),
        };
        let roles = dice.below(9);
        let roles: Vec<String> = (0..roles).map(|_| dice.word(8)).chain(["viewer".to_owned()]).collect();
        let kind = dice.pick(&["personalAccessKey", "apiKey", "operatorKey", "session"]);
        let email = dice.pick(&["ada@example.com", "åse.blåbær@example.com", "用户@例子.example", "o'hara+\"x\"@example.com", "\u{1f511}\u{200d}@example.com"]);
        let mut members: Members = [
            ("iss", dice.quoted(ISSUER)),
            ("sub", quoted(&dice.guid())),
            ("aud", dice.quoted(AUDIENCE)),
            ("exp", exp.to_string()),
            ("nbf", before(dice)),
            ("iat", before(dice)),
            ("jti", quoted(&dice.word(22))),
            ("client_id", quoted(&key)),
            ("roles", Value::from(roles).to_string()),
            ("currentOrganizationId", quoted(&dice.guid())),
            ("organizationId", quoted(&dice.guid())),
            ("email", dice.quoted(email)),
            ("keyId", dice.quoted(&key)),
            ("keyKind", dice.quoted(kind)),
            ("status", status(&idx.to_string(), &format!("{ISSUER}/status/v1/lists/0"))),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        if dice.once_in(2) {
            members.push(("scope".to_owned(), quoted(dice.pick(&["", "reports.view", "reports.view reports.edit", "unheard.of"]))));
        }
        if dice.once_in(2) {
            members.push(("keyVersion".to_owned(), dice.below(1 << 40).to_string()));
        }
        if dice.once_in(3) {
            // Claims of a later day, null but not at the top.
            let value =
                dice.pick(&["1", "-1.5e300", "true", "[]", "[null,{\"a\":{}}]", r#"{"a":{"a":{"a":1}},"b":null}"#, "18446744073709551615", "\"\\u0000\""]);
            members.push((format!("x-{}", dice.word(5)), value.to_owned()));
        }
        dice.shuffle(&mut members);
        members
    }

    /// The header of a key's tokens, its members in any order.
    pub(super) fn header(&mut self, signer: &Signer) -> String {
        let mut members: Members =
            [("alg", signer.algorithm.as_str()), ("kid", signer.kid), ("typ", "at+jwt")].map(|(name, value)| (name.to_owned(), self.dice.quoted(value))).into();
        self.dice.shuffle(&mut members);
        object(&members)
    }

    /// A token of this payload: header and signature are right.
    pub(super) fn paying(&mut self, payload: &str) -> String {
        let signer = self.signer();
        let header = self.header(signer);
        signer.jws(&header, payload)
    }

    /// A good token but for one claim.
    pub(super) fn with(&mut self, name: &str, value: impl Into<String>) -> String {
        let mut members = self.claims();
        set(&mut members, name, value);
        self.paying(&object(&members))
    }

    /// A good token.
    pub(super) fn token(&mut self) -> String {
        let claims = self.claims();
        self.paying(&object(&claims))
    }

    /// A good token in its three parts.
    pub(super) fn parts(&mut self) -> [String; 3] {
        let token = self.token();
        let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        parts.try_into().unwrap()
    }

    /// Good claims, signed by `signer` over this header as it stands.
    pub(super) fn under(&mut self, signer: &Signer, header: &str) -> String {
        let claims = self.claims();
        signer.jws(header, &object(&claims))
    }

    /// These two parts as they stand, with a right signature.
    pub(super) fn over(signer: &Signer, header: &str, payload: &str) -> String {
        let signed = format!("{header}.{payload}");
        let signature = base64url(signer.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

/// A second at which a token was valid already: long ago, just now, or ahead by what clocks may disagree.
fn before(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => 0,
        1 => NOW + 30,
        _ => NOW + 30 - i64::try_from(dice.below(100_000)).unwrap(),
    }
    .to_string()
}
