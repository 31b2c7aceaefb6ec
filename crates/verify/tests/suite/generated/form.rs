//! Rows 14 and 15: texts that are near to a token, and texts that are not. Where a part is spelled otherwise, the signature is right for
//! that spelling.

use super::{
    By, Class, class,
    forge::{Forge, object, quoted},
};
use crate::world::{AUDIENCE, base64url};
use keywright_protocol::secret::{self, KeyKind};
use keywright_verify::MAX_TOKEN_BYTES;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(super) const CLASSES: &[Class] = &[
    class("cut off anywhere", &[By::Form, By::Signature], |f| {
        let token = f.token();
        let length = f.dice.below(token.len());
        token.chars().take(length).collect()
    }),
    class("one bit flipped", &[By::Form, By::Type, By::Algorithm, By::Key, By::Signature], |f| {
        let mut bytes = f.token().into_bytes();
        let at = f.dice.below(bytes.len());
        bytes[at] ^= 1 << f.dice.below(7);
        String::from_utf8(bytes).unwrap()
    }),
    class("one letter of a part changed", &[By::Form, By::Type, By::Algorithm, By::Key, By::Signature], |f| {
        let mut parts = f.parts().map(String::into_bytes);
        let part = &mut parts[f.dice.below(3)];
        let at = f.dice.below(part.len());
        let other = ALPHABET[f.dice.below(64)];
        part[at] = if part[at] == other { b'~' } else { other };
        parts.map(|part| String::from_utf8(part).unwrap()).join(".")
    }),
    class("a letter more or less", &[By::Form, By::Type, By::Algorithm, By::Key, By::Signature], |f| {
        let good = f.token();
        let mut bytes = good.clone().into_bytes();
        let at = f.dice.below(bytes.len());
        if f.dice.once_in(2) {
            bytes.remove(at);
        } else {
            bytes.insert(at, ALPHABET[f.dice.below(64)]);
        }
        String::from_utf8(bytes).unwrap()
    }),
    class("padding", &[By::Form, By::Claims], |f| respelled(f, |_, part| format!("{part}{}", "=".repeat(1 + part.len() % 2)))),
    class("bits left over", &[By::Form, By::Claims], left_over_bits),
    class("the other alphabet of base64", &[By::Form, By::Claims], other_alphabet),
    class("white space within", &[By::Form, By::Claims], |f| {
        respelled(f, |f, part| {
            let mut part = part.to_owned();
            let at = f.dice.below(part.len() + 1);
            part.insert_str(at, f.dice.pick(&[" ", "\n", "\r\n", "\t", "\u{b}", "\u{a0}", "\u{200b}", "\u{0}"]));
            part
        })
    }),
    class("no base64 at all", &[By::Form, By::Claims], |f| {
        respelled(f, |f, part| match f.dice.below(4) {
            0 => "{}".to_owned(),
            1 => format!("%{part}"),
            2 => format!("é{part}"),
            _ => format!("{part}*"),
        })
    }),
    class("something behind", &[By::Form, By::Signature], |f| {
        let good = f.token();
        let more = f.dice.pick(&["\n", " ", "\0", ".", "..", ",", ";", "A", "AA", "AAA", "AAAA", "=", "==", "%00", "#", "&a=b", "}", "~", "/", "é"]);
        format!("{good}{more}")
    }),
    class("something before", &[By::Form], |f| {
        let good = f.token();
        let more = f.dice.pick(&["\n", " ", "\0", ".", "Bearer ", "bearer ", "\u{feff}", "JWT ", "\"", "access_token=", "A", "="]);
        format!("{more}{good}")
    }),
    class("not three parts", &[By::Form, By::Signature], |f| {
        let [header, payload, signature] = f.parts();
        match f.dice.below(12) {
            0 => header,
            1 => format!("{header}.{payload}"),
            2 => format!("{header}.{signature}"),
            3 => format!("{header}.{payload}.{signature}.{signature}"),
            4 => format!("{header}.{payload}.{header}.{payload}.{signature}"),
            5 => format!("{header}..{payload}.{signature}"),
            6 => format!("{header}..{signature}"),
            7 => format!(".{payload}.{signature}"),
            8 => format!("{header}.{payload}."),
            9 => ".".repeat(f.dice.below(8000)),
            10 => format!("{header}.{payload}.{signature}~{}", f.token()),
            // Four, and the signature is right for the three before it.
            _ => {
                let signer = f.signer();
                let header = base64url(f.header(signer));
                Forge::over(signer, &header, &if f.dice.once_in(2) { format!("{payload}.{payload}") } else { format!("{payload}.") })
            }
        }
    }),
    class("JWE", &[By::Form], |f| {
        let signer = f.signer();
        let alg = f.dice.pick(&["dir", "RSA-OAEP", "ECDH-ES", "A128KW", "none", "ES256"]);
        let header = base64url(format!(r#"{{"alg":"{alg}","enc":"A256GCM","kid":"{}","typ":"at+jwt"}}"#, signer.kid));
        let claims = f.claims();
        let parts = [f.dice.bytes(32), f.dice.bytes(12), object(&claims).into_bytes(), f.dice.bytes(16)].map(base64url);
        format!("{header}.{}", parts.join("."))
    }),
    class("JSON serialisation", &[By::Form], |f| {
        let [header, payload, signature] = f.parts().map(|part| quoted(&part));
        match f.dice.below(3) {
            0 => format!(r#"{{"payload":{payload},"protected":{header},"signature":{signature}}}"#),
            1 => format!(r#"{{"payload":{payload},"signatures":[{{"protected":{header},"signature":{signature}}}]}}"#),
            _ => format!("[{header},{payload},{signature}]"),
        }
    }),
    class("SD-JWT", &[By::Form], |f| {
        let good = f.token();
        format!("{good}~{}~", base64url(r#"["s","roles",["owner"]]"#))
    }),
    class("a token in a token", &[By::Claims], |f| {
        let inner = f.token();
        let payload = if f.dice.once_in(2) { inner } else { quoted(&inner) };
        f.paying(&payload)
    }),
    class("longer than 8 KiB", &[By::Length], |f| {
        let mut claims = f.claims();
        let most = if f.dice.once_in(50) { 1 << 20 } else { 2000 };
        let more = 6200 + f.dice.below(most);
        claims.push(("x-long".to_owned(), quoted(&f.dice.word(1).repeat(more))));
        f.paying(&object(&claims))
    }),
    class("filled up to more than 8 KiB", &[By::Length], |f| {
        let good = f.token();
        let filler = f.dice.pick(&["A", ".", " ", "=", "\0", "é"]);
        let times = MAX_TOKEN_BYTES + 1 - good.len() + f.dice.below(100);
        format!("{good}{}", filler.repeat(times))
    }),
    class("a raw key", &[By::RawKey], |f| {
        let kinds = [KeyKind::PersonalAccessKey, KeyKind::ApiKey, KeyKind::OperatorKey, KeyKind::Session];
        let random = f.dice.bytes(32).try_into().unwrap();
        let key = secret::compose("kw", kinds[f.dice.below(4)], &random);
        if f.dice.once_in(3) { format!("{key}.{}", f.token()) } else { key }
    }),
    class("bytes of chance", &[By::Form], |f| {
        let length = f.dice.below(600);
        let bytes = f.dice.bytes(length);
        String::from_utf8_lossy(&bytes).into_owned()
    }),
    class("three parts of chance", &[By::Form], |f| {
        let mut part = |most: usize| {
            let length = f.dice.below(most);
            base64url(f.dice.bytes(length))
        };
        format!("{}.{}.{}", part(80), part(500), part(80))
    }),
    class("other words", &[By::Form, By::RawKey], |f| {
        let words = [
            AUDIENCE,
            "",
            ".",
            "..",
            "...",
            "null",
            "undefined",
            "[object Object]",
            "Bearer",
            "eyJ",
            "hunter2",
            "a.b.c",
            "{}.{}.{}",
            "true",
            "..A",
            "Basic dTpw",
            "e30.e30.",
        ];
        words[f.dice.below(words.len())].repeat(1 + f.dice.below(3))
    }),
];

/// A good token with one part spelled otherwise, and a signature over that spelling.
fn respelled(f: &mut Forge<'_>, spell: impl Fn(&mut Forge<'_>, &str) -> String) -> String {
    let signer = f.signer();
    let claims = f.claims();
    let (header, payload) = (base64url(f.header(signer)), base64url(object(&claims)));
    match f.dice.below(3) {
        0 => Forge::over(signer, &spell(f, &header), &payload),
        1 => Forge::over(signer, &header, &spell(f, &payload)),
        _ => {
            let good = Forge::over(signer, &header, &payload);
            let (signed, signature) = good.rsplit_once('.').unwrap();
            format!("{signed}.{}", spell(f, signature))
        }
    }
}

/// The last letter of a part carries 2 or 4 bits that no byte needs; they are set.
fn left_over_bits(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let spell = |f: &mut Forge<'_>, part: &str| {
        let free = match part.len() % 4 {
            2 => 4,
            3 => 2,
            _ => panic!("nothing is left over"),
        };
        let mut letters = part.as_bytes().to_vec();
        let last = letters.last_mut().unwrap();
        let value = ALPHABET.iter().position(|letter| letter == last).unwrap();
        *last = ALPHABET[value | (1 + f.dice.below((1 << free) - 1))];
        String::from_utf8(letters).unwrap()
    };
    let whole = |text: String| if text.len().is_multiple_of(3) { base64url(format!("{text} ")) } else { base64url(text) };
    let claims = f.claims();
    let (header, payload) = (whole(f.header(signer)), whole(object(&claims)));
    let good = Forge::over(signer, &header, &payload);
    let signature = good.rsplit_once('.').unwrap().1;
    match f.dice.below(3) {
        0 => Forge::over(signer, &spell(f, &header), &payload),
        1 => Forge::over(signer, &header, &spell(f, &payload)),
        _ => format!("{header}.{payload}.{}", spell(f, signature)),
    }
}

/// `+` and `/` for `-` and `_`. A text is made so that they occur.
fn other_alphabet(f: &mut Forge<'_>) -> String {
    let signer = f.signer();
    let mut claims = f.claims();
    claims.push(("x-other".to_owned(), quoted("~~~???ÿÿÿ>>>")));
    let (header, payload) = (base64url(f.header(signer)), base64url(object(&claims)));
    let other = |part: &str| part.replace('-', "+").replace('_', "/");
    let good = Forge::over(signer, &header, &payload);
    let signature = good.rsplit_once('.').unwrap().1;
    if other(signature) != signature && f.dice.once_in(2) {
        format!("{header}.{payload}.{}", other(signature))
    } else {
        Forge::over(signer, &header, &other(&payload))
    }
}
