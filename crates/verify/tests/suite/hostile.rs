//! Tokens that must not be accepted, as data. All are signed with a right key unless the signature is the point, so that what
//! the row names is the only reason to refuse.

use crate::world::{AUDIENCE, EXP, ISSUER, NOW, Signer, World, base64url, claims, now};
use aws_lc_rs::hmac;
use keywright_protocol::{
    Time,
    jwk::{Algorithm, Jwk, JwkSet},
    secret,
};
use keywright_verify::{Config, KeySet, KeySetError, Malformation, Need, StatusPolicy, Verifier, VerifyError};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::OnceLock;

fn refused(verifier: &Verifier, token: &str) -> VerifyError {
    verifier.verify(token, now()).expect_err(token)
}

fn is_claims(error: VerifyError) -> bool {
    matches!(error, VerifyError::Claims(_))
}

#[test]
fn headers() {
    use Malformation::{Header, KeyId};
    let world = World::new();
    let verifier = world.verifier();
    let kid_of = |length: usize| format!(r#"{{"alg":"ES256","kid":"{}","typ":"at+jwt"}}"#, "k".repeat(length));
    let malformed = VerifyError::Malformed;
    let rows = [
        (r#"{"alg":"none","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"NonE","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"es256","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"ES384","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"PS256","kid":"rs","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"HS256","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"EdDSA","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"RS256","kid":"es","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"ES256","kid":"rs","typ":"at+jwt"}"#, VerifyError::Algorithm),
        (r#"{"alg":"EdDSA","kid":"ed","typ":"at+jwt"}"#, VerifyError::Signature),
        (r#"{"alg":"RS256","kid":"rs","typ":"at+jwt"}"#, VerifyError::Signature),
        (r#"{"alg":"ES256","kid":"es","typ":"JWT"}"#, VerifyError::WrongType),
        (r#"{"alg":"ES256","kid":"es","typ":"AT+JWT"}"#, VerifyError::WrongType),
        (r#"{"alg":"ES256","kid":"es","typ":"application/at+jwt"}"#, VerifyError::WrongType),
        (r#"{"alg":"ES256","kid":"es","typ":"keywright-catalog+jwt"}"#, VerifyError::WrongType),
        (r#"{"alg":"ES256","kid":"es","typ":""}"#, VerifyError::WrongType),
        (r#"{"alg":"ES256","kid":"es"}"#, malformed(Header)),
        (r#"{"alg":"ES256","typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"kid":"es","typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":7,"typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":null,"typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":["es"],"typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":["ES256"],"kid":"es","typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":null}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"","typ":"at+jwt"}"#, malformed(KeyId)),
        (&kid_of(65), malformed(KeyId)),
        (&kid_of(5000), malformed(KeyId)),
        (&kid_of(64), VerifyError::NeedsRefresh(Need::Keys)),
        (r#"{"alg":"ES256","kid":"ES","typ":"at+jwt"}"#, VerifyError::NeedsRefresh(Need::Keys)),
        (r#"{"alg":"ES256","kid":"es ","typ":"at+jwt"}"#, VerifyError::NeedsRefresh(Need::Keys)),
        (r#"{"alg":"ES256","kid":"es\u0000","typ":"at+jwt"}"#, VerifyError::NeedsRefresh(Need::Keys)),
        (r#"{"alg":"ES256","kid":"../../dev/null","typ":"at+jwt"}"#, VerifyError::NeedsRefresh(Need::Keys)),
        (r#"{"alg":"ES256","kid":"' OR 1=1 --","typ":"at+jwt"}"#, VerifyError::NeedsRefresh(Need::Keys)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","jku":"https://evil.example/jwks"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","jwk":{"kty":"EC"}}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","x5u":"https://evil.example/"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","x5c":["MII="]}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","crit":["b64"],"b64":false}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","b64":true}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","zip":"DEF"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt","cty":"JWT"}"#, malformed(Header)),
        (r#"{"alg":"none","alg":"ES256","kid":"es","typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","kid":"es","typ":"at+jwt"}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"JWT","t\u0079p":"at+jwt"}"#, malformed(Header)),
        (r#"["ES256","es","at+jwt"]"#, malformed(Header)),
        (r#""ES256""#, malformed(Header)),
        ("", malformed(Header)),
        ("{}", malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt"}{}"#, malformed(Header)),
        (r#"{"alg":"ES256","kid":"es","typ":"at+jwt",}"#, malformed(Header)),
        ("\u{feff}{\"alg\":\"ES256\",\"kid\":\"es\",\"typ\":\"at+jwt\"}", malformed(Header)),
    ];
    for (header, expected) in rows {
        assert_eq!(refused(&verifier, &world.es.jws(header, &claims().to_string())), expected, "{header}");
    }
    verifier.verify(&world.es.token(&claims()), now()).unwrap();
}

#[test]
fn claims_of_wrong_types() {
    let world = World::new();
    let verifier = world.verifier();
    let good = claims();
    let names: Vec<&String> = good.as_object().unwrap().keys().collect();
    for name in names {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(is_claims(refused(&verifier, &world.es.token(&without))), "without {name}");
        for value in [json!(null), json!(true), json!({}), json!([[]]), json!(-1)] {
            let mut other = good.clone();
            other[name] = value;
            assert!(is_claims(refused(&verifier, &world.es.token(&other))), "{other}");
        }
    }
    for name in ["exp", "nbf", "iat"] {
        let written = format!(r#""{name}":{}"#, good[name]);
        let numbers = ["\"1800000000\"", "1800000000.5", "1800000000.0", "1.8e9", "1e400", "-1e400", "NaN", "Infinity", "-1", "-0.0", "0x10", "01800000000"];
        for value in numbers.into_iter().chain(["9223372036854775808", "18446744073709551616", "253402300800", "[1800000000]", "", "null"]) {
            let text = good.to_string().replace(&written, &format!(r#""{name}":{value}"#));
            assert_ne!(text, good.to_string());
            assert!(is_claims(refused(&verifier, &world.es.jws(&world.es.header(), &text))), "{text}");
        }
    }
    for (name, value) in [
        ("aud", json!([AUDIENCE])),
        ("roles", json!("viewer")),
        ("roles", json!([1])),
        ("permissions", json!(null)),
        ("permissions", json!("reports.view")),
        ("permissions", json!({ "0": "reports.view" })),
        ("permissions", json!([1])),
        ("permissions", json!([null])),
        ("permissions", json!(["reports.view", ["reports.edit"]])),
        ("permissions", json!([{ "id": "reports.edit" }])),
        ("permissions", json!(true)),
        ("scope", json!(null)),
        ("scope", json!(["reports.view"])),
        ("currentOrganizationId", json!("none")),
        ("keyKind", json!("everything")),
    ] {
        let mut other = good.clone();
        other[name] = value;
        assert!(is_claims(refused(&verifier, &world.es.token(&other))), "{other}");
    }
}

#[test]
fn claims_that_are_no_plain_object() {
    let world = World::new();
    let verifier = world.verifier();
    let good = claims().to_string();
    let open = good.strip_suffix('}').unwrap();
    let rows = [
        format!(r#"{open},"exp":{EXP}}}"#),
        format!(r#"{open},"roles":["owner"]}}"#),
        format!(r#"{open},"r\u006fles":["owner"]}}"#),
        format!(r#"{open},"permissions":[],"permissions":["reports.edit"]}}"#),
        format!(r#"{open},"permissions":["reports.edit"],"permission\u0073":[]}}"#),
        format!(r#"{open},"other":1,"other":1}}"#),
        format!(r#"{open},"other":{{"a":1,"a":1}}}}"#),
        format!(r#"{open},"other":[[{{"a":{{"b":1,"b":2}}}}]]}}"#),
        format!(r#"{open},"other":{}{}}}"#, "[".repeat(32), "]".repeat(32)),
        format!(r#"{open},"other":{}{}}}"#, "[".repeat(2000), "]".repeat(2000)),
        format!("{good} {good}"),
        format!("{good}\0"),
        format!("[{good}]"),
        open.to_owned(),
        String::new(),
        "null".to_owned(),
    ];
    for payload in rows {
        assert!(is_claims(refused(&verifier, &world.es.jws(&world.es.header(), &payload))), "{payload}");
    }
    // In the order of the fields, as a derived reader would take them.
    let list: Vec<Value> =
        "iss sub aud exp nbf iat jti client_id roles permissions scope currentOrganizationId organizationId email keyId keyKind keyVersion status"
            .split(' ')
            .map(|name| claims().get(name).cloned().unwrap_or_default())
            .collect();
    assert!(is_claims(refused(&verifier, &world.es.jws(&world.es.header(), &Value::from(list).to_string()))));
    let later = format!(r#"{open},"of_a_later_day":{{"a":[null,{{"b":1}}]}}}}"#);
    verifier.verify(&world.es.jws(&world.es.header(), &later), now()).expect("a claim of a later day is no obstacle");
}

#[test]
fn issuer_and_audience_are_exact() {
    let world = World::new();
    let tokens = [(ISSUER, AUDIENCE), (ISSUER, ISSUER), ("https://other.example.com", AUDIENCE), (AUDIENCE, ISSUER)];
    for (iss, aud) in tokens {
        for (issuer, audience) in tokens {
            let verifier = world.verifier_with(|config| *config = Config::new(issuer, audience));
            let mut other = claims();
            (other["iss"], other["aud"]) = (json!(iss), json!(aud));
            other["status"]["status_list"]["uri"] = json!(format!("{issuer}/status/v1/lists/0"));
            let accepted = verifier.verify(&world.es.token(&other), now()).is_ok();
            assert_eq!(accepted, (iss, aud) == (issuer, audience), "{iss} {aud} at {issuer} {audience}");
        }
    }
    let verifier = world.verifier();
    for near in [format!("{ISSUER}/"), ISSUER.to_uppercase(), ISSUER.replace("https", "http"), format!(" {ISSUER}"), String::new()] {
        let mut other = claims();
        other["iss"] = json!(near);
        assert_eq!(refused(&verifier, &world.es.token(&other)), VerifyError::WrongIssuer);
    }
    for near in [format!("{AUDIENCE}/"), AUDIENCE.to_uppercase(), format!("{AUDIENCE} {AUDIENCE}"), String::new()] {
        let mut other = claims();
        other["aud"] = json!(near);
        assert_eq!(refused(&verifier, &world.es.token(&other)), VerifyError::WrongAudience);
    }
}

#[test]
fn form() {
    use Malformation::{Encoding, Parts};
    let world = World::new();
    let verifier = world.verifier();
    let good = world.es.token(&claims());
    for length in 0..good.len() {
        refused(&verifier, good.get(..length).unwrap());
    }
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    // The last of 86 characters carries 2 bits of the 64th byte and 4 that must be zero.
    let next = |letter: u8| if letter == b'_' { b'-' } else { letter + 1 };
    let mut loose = signature.as_bytes().to_vec();
    loose[85] = next(loose[85]);
    let loose = String::from_utf8(loose).unwrap();
    let json = json!({ "payload": payload, "protected": header, "signature": signature }).to_string();
    let rows = [
        (format!("{header}.{payload}.{loose}"), VerifyError::Malformed(Encoding)),
        (format!("{header}=.{payload}.{signature}"), VerifyError::Malformed(Encoding)),
        (format!("{header}.{payload}.{signature}=="), VerifyError::Malformed(Encoding)),
        (format!("{header}.{payload}.{signature}\n"), VerifyError::Malformed(Encoding)),
        (format!("{header}.{payload}. {signature}"), VerifyError::Malformed(Encoding)),
        (format!(" {good}"), VerifyError::Malformed(Encoding)),
        (format!("{good}A"), VerifyError::Signature),
        (format!("{good}AA"), VerifyError::Signature),
        (format!("{good}AAAA"), VerifyError::Signature),
        (format!("{good}."), VerifyError::Malformed(Parts)),
        (format!(".{good}"), VerifyError::Malformed(Parts)),
        (format!("{header}.{signature}"), VerifyError::Malformed(Parts)),
        (format!("{header}..{signature}"), VerifyError::Signature),
        (format!("{header}.{payload}."), VerifyError::Signature),
        (format!("{header}.{payload}.{header}.{payload}.{signature}"), VerifyError::Malformed(Parts)),
        (format!("{good}.{good}"), VerifyError::Malformed(Parts)),
        (format!("{good},{good}"), VerifyError::Malformed(Parts)),
        (json, VerifyError::Malformed(Parts)),
        ("..".to_owned(), VerifyError::Malformed(Malformation::Header)),
        (String::new(), VerifyError::Malformed(Parts)),
        ("hunter2".to_owned(), VerifyError::Malformed(Parts)),
        (format!("{good}{}", "A".repeat(8193 - good.len())), VerifyError::TooLong),
    ];
    for (token, expected) in rows {
        assert_eq!(refused(&verifier, &token), expected, "{token}");
    }
    let mut long = claims();
    long["email"] = json!("a".repeat(9000));
    assert_eq!(refused(&verifier, &world.es.token(&long)), VerifyError::TooLong);
}

#[test]
fn signatures() {
    let world = World::new();
    let verifier = world.verifier();
    let with = |signer: &Signer, signature: &[u8]| {
        let signed = format!("{}.{}", base64url(signer.header()), base64url(claims().to_string()));
        format!("{signed}.{}", base64url(signature))
    };
    let order = [
        0xff_u8, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9,
        0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let one = [[0_u8; 31].as_slice(), &[1]].concat();
    // r = s = 0, the group's order, 1; a DER form; too short and too long.
    for signature in [vec![0; 64], [order, order].concat(), [one.clone(), one].concat(), vec![0x30, 6, 2, 1, 1, 2, 1, 1], vec![0; 63], vec![0; 65], vec![]] {
        assert_eq!(refused(&verifier, &with(&world.es, &signature)), VerifyError::Signature);
        assert_eq!(refused(&verifier, &with(&world.ed, &signature)), VerifyError::Signature);
    }
    for signature in [vec![0; 256], vec![0xff; 256], vec![1; 255], vec![]] {
        assert_eq!(refused(&verifier, &with(&world.rs, &signature)), VerifyError::Signature);
    }
    for signer in [&world.es, &world.ed, &world.rs] {
        let mut stranger = Signer::new("stranger", signer.algorithm, None);
        stranger.kid = signer.kid;
        assert_eq!(refused(&verifier, &stranger.token(&claims())), VerifyError::Signature);
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let world = World::new();
    let verifier = world.verifier();
    for signer in [&world.es, &world.ed, &world.rs] {
        let jwk = signer.jwk();
        let secrets = [signer.public(), serde_json::to_vec(&jwk).unwrap(), jwk.x.or(jwk.n).unwrap().into_bytes()];
        for (secret, alg) in secrets.iter().flat_map(|secret| ["HS256", signer.algorithm.as_str()].map(|alg| (secret, alg))) {
            let header = format!(r#"{{"alg":"{alg}","kid":"{}","typ":"at+jwt"}}"#, signer.kid);
            let signed = format!("{}.{}", base64url(header), base64url(claims().to_string()));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
            let expected = if alg == "HS256" { VerifyError::Algorithm } else { VerifyError::Signature };
            assert_eq!(refused(&verifier, &format!("{signed}.{}", base64url(tag))), expected);
        }
    }
}

#[test]
fn a_key_for_documents_signs_no_access_token() {
    let world = World::new();
    assert_eq!(refused(&world.verifier(), &world.document.token(&claims())), VerifyError::UnknownKey);
}

#[test]
fn an_algorithm_that_is_not_configured() {
    let world = World::new();
    let verifier = world.verifier_with(|config| config.algorithms = vec![Algorithm::EdDSA]);
    assert_eq!(refused(&verifier, &world.es.token(&claims())), VerifyError::Algorithm);
    verifier.verify(&world.ed.token(&claims()), now()).unwrap();
}

#[test]
fn two_minutes_around_each_boundary() {
    let world = World::new();
    let mut early = claims();
    (early["nbf"], early["iat"]) = (json!(NOW - 3600), json!(NOW - 3600));
    let token = world.es.token(&early);
    // A leeway beyond its bounds is taken as the nearer bound.
    for (leeway, effective) in [(0, 0), (10, 10), (30, 30), (100_000, 30), (-5, 0)] {
        // What is known of the status is an hour old by then, which is not the point.
        let verifier = world.verifier_with(|config| (config.leeway_seconds, config.status) = (leeway, StatusPolicy::Lenient));
        for offset in -120_i64..=120 {
            for _ in 0..2 {
                let result = verifier.verify(&token, Time::from_seconds(EXP + offset));
                assert_eq!(result.err(), (offset >= effective).then_some(VerifyError::Expired), "leeway {leeway}, {offset} s after exp");
            }
        }
        let last = Time::from_seconds(EXP + effective).as_millis();
        assert!(verifier.verify(&token, Time::from_millis(last - 1)).is_ok());
        assert!(verifier.verify(&token, Time::from_millis(last)).is_err());
    }
    for name in ["nbf", "iat"] {
        let verifier = world.verifier_with(|config| config.cache_capacity = 0);
        for offset in -120_i64..=120 {
            let mut other = claims();
            other[name] = json!(NOW + offset);
            let result = verifier.verify(&world.ed.token(&other), now());
            assert_eq!(result.err(), (offset > 30).then_some(VerifyError::NotYetValid), "{name} {offset} s ahead");
        }
    }
}

#[test]
fn raw_keys_are_known_by_sight() {
    let world = World::new();
    let verifier = Verifier::new(Config::new(ISSUER, AUDIENCE), std::sync::Arc::<crate::world::Shelf>::default());
    use secret::KeyKind::{ApiKey, OperatorKey, PersonalAccessKey, Session};
    for kind in [PersonalAccessKey, ApiKey, OperatorKey, Session] {
        let key = secret::compose("kw", kind, &[7; 32]);
        for verifier in [&verifier, &world.verifier()] {
            assert_eq!(refused(verifier, &key), VerifyError::RawKey(kind));
            assert_eq!(refused(verifier, key.get(..20).unwrap()), VerifyError::RawKey(kind));
            assert!(!refused(verifier, &key).to_string().contains(key.get(8..20).unwrap()));
        }
    }
}

#[test]
fn key_sets_that_must_not_be_used() {
    let world = World::new();
    let set = |keys: Vec<_>| KeySet::from_jwks(&JwkSet { keys }).map(|set| set.len());
    let (es, ed, rs) = (world.es.jwk(), world.ed.jwk(), world.rs.jwk());
    let material = |kid: &str| Err(KeySetError::Material(kid.to_owned()));
    assert_eq!(set(vec![es.clone(), es.clone()]), Err(KeySetError::Twice("es".to_owned())));
    let damages: [fn(&mut Jwk); 5] = [
        |key| key.x = None,
        |key| key.y.clone_from(&key.x),
        |key| key.x = Some(base64url([0; 32])),
        |key| key.x = key.x.clone().map(|x| x + "="),
        |key| key.x = key.x.clone().map(|x| base64url([[0].as_slice(), x.as_bytes()].concat())),
    ];
    for damage in damages {
        let mut other = es.clone();
        damage(&mut other);
        assert_eq!(set(vec![other]), material("es"));
    }
    // The same 64 bytes, cut elsewhere.
    let (public, mut shifted) = (world.es.public(), es.clone());
    (shifted.x, shifted.y) = (Some(base64url(&public[1..32])), Some(base64url(&public[32..])));
    assert_eq!(set(vec![shifted]), material("es"));
    let mut short = ed.clone();
    short.x = Some(base64url([1; 31]));
    assert_eq!(set(vec![short]), material("ed"));
    let mut small = rs.clone();
    small.n = Some(base64url([0xff; 128]));
    assert_eq!(set(vec![small]), material("rs"));
    let mut nameless = es.clone();
    nameless.kid = String::new();
    assert_eq!(set(vec![nameless]), Err(KeySetError::KeyId));
    // What is not known is left out, and so can verify nothing.
    for (alg, kty, crv, usage) in [
        ("HS256", "oct", None, "sig"),
        ("ES384", "EC", Some("P-384"), "sig"),
        ("ES256", "EC", Some("secp256k1"), "sig"),
        ("ES256", "RSA", Some("P-256"), "sig"),
        ("none", "EC", Some("P-256"), "sig"),
        ("ES256", "EC", Some("P-256"), "enc"),
    ] {
        let mut other = es.clone();
        (other.alg, other.kty, other.crv, other.usage) = (alg.to_owned(), kty.to_owned(), crv.map(str::to_owned), usage.to_owned());
        assert_eq!(set(vec![other, ed.clone()]), Ok(1), "{alg} {kty}");
    }
}

fn shared() -> &'static (World, String, String) {
    static SHARED: OnceLock<(World, String, String)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let world = World::new();
        let (es, ed) = (world.es.token(&claims()), world.ed.token(&claims()));
        (world, es, ed)
    })
}

/// One change of a text's bytes: where (as a share of its length), what, and which byte.
fn change() -> impl Strategy<Value = (f64, u8, u8)> {
    (0.0..1.0, 0..5_u8, prop_oneof![4 => proptest::sample::select(b"ABCabc019-_.=+/ {}\"".to_vec()), 1 => any::<u8>()])
}

fn apply(bytes: &mut Vec<u8>, (at, what, byte): (f64, u8, u8)) {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a position within a short text")]
    let at = ((bytes.len() as f64) * at) as usize;
    if bytes.is_empty() {
        return;
    }
    match what {
        0 => bytes[at] = byte,
        1 => bytes.insert(at, byte),
        2 => drop(bytes.remove(at)),
        3 => bytes[at] ^= 1 << (byte % 8),
        _ => bytes.truncate(at),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_changed_token_is_accepted(changes in prop::collection::vec(change(), 1..4), eddsa in any::<bool>()) {
        let (world, es, ed) = shared();
        let good = if eddsa { ed } else { es };
        let mut bytes = good.clone().into_bytes();
        for change in changes {
            apply(&mut bytes, change);
        }
        let other = String::from_utf8_lossy(&bytes);
        prop_assert_eq!(world.verifier().verify(&other, now()).is_ok(), *other == **good);
    }

    #[test]
    fn no_text_makes_it_panic(header in any::<String>(), payload in any::<String>(), text in any::<String>()) {
        let (world, ..) = shared();
        prop_assert!(world.verifier().verify(&text, now()).is_err());
        prop_assert!(world.verifier().verify(&world.ed.jws(&header, &payload), now()).is_err());
        prop_assert!(world.verifier().verify(&world.ed.jws(&world.ed.header(), &payload), now()).is_err());
    }
}
