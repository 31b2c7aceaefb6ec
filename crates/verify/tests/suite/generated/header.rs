//! Row 14: what a header may say to be checked otherwise. All of it is signed by a right key, as far as there is one for it.

use super::{
    By, Class, class,
    forge::{Forge, object, quoted},
};
use crate::world::{Signer, base64url};
use aws_lc_rs::hmac;
use serde_json::json;

pub(super) const CLASSES: &[Class] = &[
    class("alg none", &[By::Algorithm], none),
    class("alg HS256 with a public key as its secret", &[By::Algorithm, By::Signature], public_key_as_secret),
    class("another alg", &[By::Algorithm], another_algorithm),
    class("the alg of another key", &[By::Algorithm], swapped_algorithm),
    class("an alg of no string", &[By::Form], algorithm_of_no_string),
    class("an alg as the name of a member", &[By::Form], |f| {
        let signer = f.signer();
        let header = format!(r#"{{"alg":{{"{}":null}},"kid":"{}","typ":"at+jwt"}}"#, signer.algorithm.as_str(), signer.kid);
        f.under(signer, &header)
    }),
    class("a kid of nobody", &[By::Key], kid_of_nobody),
    class("a huge kid", &[By::Form], |f| {
        let length = if f.dice.once_in(2) { 65 + f.dice.below(30) } else { 65 + f.dice.below(4800) };
        with_kid(f, &quoted(&"k".repeat(length)))
    }),
    class("no kid", &[By::Form], |f| {
        let signer = f.signer();
        let kid = f.dice.pick(&["", r#","kid":"""#, r#","kid":null"#, r#","KID":"es""#]);
        let header = format!(r#"{{"alg":"{}","typ":"at+jwt"{kid}}}"#, signer.algorithm.as_str());
        f.under(signer, &header)
    }),
    class("a kid of no string", &[By::Form], |f| {
        let value = f.dice.pick(&["7", "true", r#"["es"]"#, r#"{"kid":"es"}"#, "1e400"]);
        with_kid(f, value)
    }),
    class("a kid of another key for access tokens", &[By::Algorithm, By::Signature], |f| {
        let (signer, other) = (f.signer(), f.signer());
        let other = if other.kid == signer.kid { if signer.kid == "es" { "ed" } else { "es" } } else { other.kid };
        f.under(signer, &header(signer.algorithm.as_str(), other, "at+jwt"))
    }),
    class("a key for documents or status lists", &[By::Key], |f| {
        let signer = if f.dice.once_in(2) { &f.mint.document } else { &f.mint.status };
        f.under(signer, &header(signer.algorithm.as_str(), signer.kid, "at+jwt"))
    }),
    class("a key for documents or status lists under the kid of one for access tokens", &[By::Signature], |f| {
        let (signer, kid) = if f.dice.once_in(2) { (&f.mint.document, "ed") } else { (&f.mint.status, "es") };
        f.under(signer, &header(signer.algorithm.as_str(), kid, "at+jwt"))
    }),
    class("a header that brings or names its own key", &[By::Form], own_key),
    class("a header that says more", &[By::Form], says_more),
    class("a header with a member twice", &[By::Form], doubled),
    class("another typ", &[By::Type], |f| {
        let typ = f.dice.pick(&[
            "JWT",
            "jwt",
            "AT+JWT",
            "at+JWT",
            "application/at+jwt",
            "at+jwt ",
            "at",
            "",
            "id+jwt",
            "logout+jwt",
            "secevent+jwt",
            "statuslist+jwt",
            "keywright-catalog+jwt",
            "keywright-status+jwt",
            "keywright-receipt+jwt",
            "at+jwt\u{0}",
            "ａt+jwt",
        ]);
        let signer = f.signer();
        let header = object(&[("alg", signer.algorithm.as_str()), ("kid", signer.kid), ("typ", typ)].map(|(name, value)| (name.to_owned(), quoted(value))));
        f.under(signer, &header)
    }),
    class("no typ", &[By::Form], |f| {
        let signer = f.signer();
        let typ = f.dice.pick(&["", r#","typ":null"#, r#","Typ":"at+jwt""#]);
        let header = format!(r#"{{"alg":"{}","kid":"{}"{typ}}}"#, signer.algorithm.as_str(), signer.kid);
        f.under(signer, &header)
    }),
    class("a typ of no string", &[By::Form], |f| {
        let signer = f.signer();
        let typ = f.dice.pick(&["1", "true", r#"["at+jwt"]"#, r#"{"typ":"at+jwt"}"#]);
        let header = format!(r#"{{"alg":"{}","kid":"{}","typ":{typ}}}"#, signer.algorithm.as_str(), signer.kid);
        f.under(signer, &header)
    }),
    class("a header that is no object", &[By::Form], no_object),
    class("a header that is no text", &[By::Form], |f| {
        let signer = f.signer();
        let good = f.header(signer);
        let mut bytes = good.into_bytes();
        let at = f.dice.below(bytes.len());
        bytes.insert(at, 0x80 | f.dice.bytes(1)[0]);
        let claims = f.claims();
        Forge::over(signer, &base64url(bytes), &base64url(object(&claims)))
    }),
];

fn header(alg: &str, kid: &str, typ: &str) -> String {
    format!(r#"{{"alg":"{alg}","kid":"{kid}","typ":"{typ}"}}"#)
}

fn with_kid(f: &mut Forge<'_>, kid: &str) -> String {
    let signer = f.signer();
    let header = format!(r#"{{"alg":"{}","kid":{kid},"typ":"at+jwt"}}"#, signer.algorithm.as_str());
    f.under(signer, &header)
}

fn none(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let alg = f.dice.pick(&["none", "None", "NONE", "nOnE", "NonE", "none ", " none", "", "null", "no\u{200b}ne"]);
    let good = f.under(signer, &header(alg, signer.kid, "at+jwt"));
    if f.dice.once_in(2) { format!("{}.", good.rsplit_once('.').unwrap().0) } else { good }
}

fn public_key_as_secret(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let jwk = signer.jwk();
    let secrets = [signer.public(), serde_json::to_vec(&jwk).unwrap(), jwk.x.or(jwk.n).unwrap().into_bytes(), signer.kid.as_bytes().to_vec(), Vec::new()];
    let secret = &secrets[f.dice.below(secrets.len())];
    let (alg, algorithm) = match f.dice.below(4) {
        0 => ("HS384", hmac::HMAC_SHA384),
        1 => ("HS512", hmac::HMAC_SHA512),
        2 => (signer.algorithm.as_str(), hmac::HMAC_SHA256),
        _ => ("HS256", hmac::HMAC_SHA256),
    };
    let claims = f.claims();
    let signed = format!("{}.{}", base64url(header(alg, signer.kid, "at+jwt")), base64url(object(&claims)));
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), signed.as_bytes());
    format!("{signed}.{}", base64url(tag))
}

fn another_algorithm(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let alg = f.dice.pick(&[
        "PS256",
        "PS384",
        "RS384",
        "RS512",
        "ES384",
        "ES512",
        "ES256K",
        "Ed25519",
        "Ed448",
        "ML-DSA-44",
        "HS256",
        "es256",
        "eddsa",
        "Rs256",
        "ES256 ",
        "ES256\\u0000",
        "dir",
        "RSA-OAEP",
        "A128KW",
        "SHA256",
        "ＥＳ256",
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
    ]);
    f.under(signer, &header(alg, signer.kid, "at+jwt"))
}

fn swapped_algorithm(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let others: Vec<&str> = ["ES256", "EdDSA", "RS256"].into_iter().filter(|alg| *alg != signer.algorithm.as_str()).collect();
    let alg = f.dice.pick(&others);
    f.under(signer, &header(alg, signer.kid, "at+jwt"))
}

fn algorithm_of_no_string(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let alg = f.dice.pick(&["null", "0", "true", r#"["ES256"]"#, r#"{"ES256":1}"#, r#"["none","EdDSA"]"#]);
    let header = if f.dice.once_in(5) {
        format!(r#"{{"kid":"{}","typ":"at+jwt"}}"#, signer.kid)
    } else {
        format!(r#"{{"alg":{alg},"kid":"{}","typ":"at+jwt"}}"#, signer.kid)
    };
    f.under(signer, &header)
}

fn kid_of_nobody(f: &mut Forge<'_>) -> String {
    let kid = match f.dice.below(3) {
        0 => f.dice.word(43),
        1 => {
            let length = 1 + f.dice.below(64);
            f.dice.word(length)
        }
        _ => f
            .dice
            .pick(&[
                "../../../../dev/null",
                "..\\..\\nul",
                "/proc/self/environ",
                "file:///etc/passwd",
                "https://evil.example/key",
                "' OR 1=1 --",
                "es' UNION SELECT 'a",
                "es\u{0}",
                "es ",
                " es",
                "ES",
                "Es",
                "es\n",
                "e\u{0301}s",
                "ｅs",
                "$(id)",
                "|id",
                "es;ed",
                "es,ed",
                "*",
                "%65s",
                "es#",
                "\u{202e}se",
                "[\"es\"]",
                "null",
                "0",
            ])
            .to_owned(),
    };
    with_kid(f, &quoted(&kid))
}

/// Signed by somebody else, whose key the header offers.
fn own_key(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let stranger: &Signer = f.stranger_to(signer);
    let kid = if f.dice.once_in(2) { signer.kid } else { stranger.kid };
    let mut jwk = serde_json::to_value(stranger.jwk()).unwrap();
    jwk["kid"] = json!(kid);
    let mut header = json!({ "alg": stranger.algorithm.as_str(), "kid": kid, "typ": "at+jwt" });
    match f.dice.below(4) {
        0 => header["jwk"] = jwk,
        1 => header["jku"] = json!("https://evil.example/.well-known/jwks.json"),
        2 => header["x5u"] = json!("https://evil.example/cert.pem"),
        _ => header["x5c"] = json!([base64url(stranger.public())]),
    }
    f.under(stranger, &header.to_string())
}

fn says_more(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let more = f.dice.pick(&[
        r#""jku":"https://auth.example.com/.well-known/jwks.json""#,
        r#""x5u":"https://auth.example.com/cert.pem""#,
        r#""x5c":["MIIB"]"#,
        r#""x5t":"AAAA""#,
        r#""x5t#S256":"AAAA""#,
        r#""crit":["exp"],"exp":1"#,
        r#""crit":[]"#,
        r#""crit":["b64"],"b64":false"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""zip":"DEF""#,
        r#""cty":"JWT""#,
        r#""enc":"A128GCM""#,
        r#""nonce":"n""#,
        r#""Alg":"none""#,
        r#""":"""#,
        r#""other":{"a":[1,2,{"b":null}]}"#,
        r#""iss":"https://auth.example.com""#,
    ]);
    let good = f.header(signer);
    let header = format!("{},{more}}}", good.strip_suffix('}').unwrap());
    f.under(signer, &header)
}

fn doubled(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let (alg, kid) = (signer.algorithm.as_str(), signer.kid);
    let good = [format!(r#""alg":"{alg}""#), format!(r#""kid":"{kid}""#), r#""typ":"at+jwt""#.to_owned()];
    let again = match f.dice.below(7) {
        0 => format!(r#""alg":"{alg}""#),
        1 => r#""alg":"none""#.to_owned(),
        2 => format!(r#""\u0061lg":"{alg}""#),
        3 => format!(r#""kid":"{kid}""#),
        4 => r#""ki\u0064":"evil""#.to_owned(),
        5 => r#""typ":"JWT""#.to_owned(),
        _ => r#""t\u0079p":"at+jwt""#.to_owned(),
    };
    let members = if f.dice.once_in(2) { [good.as_slice(), &[again]].concat() } else { [&[again], good.as_slice()].concat() };
    f.under(signer, &format!("{{{}}}", members.join(",")))
}

fn no_object(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let (alg, kid) = (signer.algorithm.as_str(), signer.kid);
    let good = f.header(signer);
    let cut = 1 + f.dice.below(good.len() - 2);
    let header = match f.dice.below(14) {
        0 => format!(r#"["{alg}","{kid}","at+jwt"]"#),
        1 => format!(r#"["at+jwt","{alg}",null,null,null,"{kid}"]"#),
        2 => quoted(&good),
        3 => format!("[{good}]"),
        4 => format!("{good}{good}"),
        5 => format!("{good}\u{0}"),
        6 => format!("\u{feff}{good}"),
        7 => good.replace('"', "'"),
        8 => good.replace('}', ",}"),
        9 => format!("/* */{good}"),
        10 => good.chars().take(cut).collect(),
        11 => String::new(),
        12 => "{}".to_owned(),
        _ => f.dice.pick(&["null", "true", "0", "{", "}", "[]", "{{}}", "\"\""]).to_owned(),
    };
    f.under(signer, &header)
}
