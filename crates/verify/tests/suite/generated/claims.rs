//! Rows 15 to 17: claims that are not as they must be, under a right signature.

use super::{
    By, Class, class,
    forge::{END_OF_TIME, ENDED, Forge, object, quoted, set, status},
};
use crate::world::{AUDIENCE, ISSUER, NOW, base64url};
use keywright_protocol::status::ENTRIES;
use serde_json::{Value, json};

/// What the other library knows too, `iat` not being among it.
const REGISTERED: &[&str] = &["iss", "sub", "aud", "exp", "nbf"];
const OWN: &[&str] = &["iat", "jti", "client_id", "roles", "currentOrganizationId", "organizationId", "email", "keyId", "keyKind", "status"];
const OPTIONAL: &[&str] = &["scope", "permissions", "keyVersion"];

/// What is no second.
const NO_SECONDS: &[&str] =
    &[r#""1800000000""#, "true", "false", "[1800000000]", r#"{"$date":1800000000}"#, "[]", r#""NaN""#, r#""Infinity""#, r#""""#, r#""2027-01-15T08:00:00Z""#];
/// What is no JSON.
const NO_NUMBERS: &[&str] = &[
    "NaN",
    "Infinity",
    "-Infinity",
    "0x6b49d200",
    "01800000000",
    "+1800000000",
    "1_800_000_000",
    "",
    "1e400",
    "-1e400",
    ".5",
    "1.",
    "undefined",
    "1800000000n",
];
/// Numbers, but no whole ones.
const FRACTIONS: &[&str] = &["1800003600.5", "1800003600.0", "1.8000036e9", "18e8", "1799999999.999999", "1800000000e0"];
/// Whole ones that are no seconds of a token.
const OUT_OF_RANGE: &[&str] = &[
    "-1",
    "-1800000000",
    "253402300800",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "1e19",
    "1e308",
];

pub(super) const CLASSES: &[Class] = &[
    class("exp or nbf of another type", &[By::Claims], |f| seconds(f, &["exp", "nbf"], NO_SECONDS)),
    class("iat of another type", &[By::Claims], |f| seconds(f, &["iat"], NO_SECONDS)),
    class("exp, nbf or iat that is no JSON", &[By::Claims], |f| seconds(f, &["exp", "nbf", "iat"], NO_NUMBERS)),
    class("exp, nbf or iat with a fraction or an exponent", &[By::Claims], |f| seconds(f, &["exp", "nbf", "iat"], FRACTIONS)),
    class("exp, nbf or iat out of range", &[By::Claims], |f| seconds(f, &["exp", "nbf", "iat"], OUT_OF_RANGE)),
    class("exp in the past", &[By::Time], |f| {
        let exp = if f.dice.once_in(4) { 0 } else { NOW - 31 - i64::try_from(f.dice.below(1_000_000)).unwrap() };
        f.with("exp", exp.to_string())
    }),
    class("exp this very second", &[By::Time], |f| f.with("exp", (NOW - 30).to_string())),
    class("nbf in the future", &[By::Time], |f| {
        let nbf = ahead(f);
        f.with("nbf", nbf)
    }),
    class("iat in the future", &[By::Time], |f| {
        let iat = ahead(f);
        f.with("iat", iat)
    }),
    class("a registered claim is missing", &[By::Claims], |f| without(f, REGISTERED)),
    class("a claim of our own is missing", &[By::Claims], |f| without(f, OWN)),
    class("iss or aud in another form", &[By::Claims], |f| {
        let (name, good, other) = if f.dice.once_in(2) { ("iss", ISSUER, AUDIENCE) } else { ("aud", AUDIENCE, ISSUER) };
        let forms = [
            json!([good]),
            json!([good, other]),
            json!([other, good]),
            json!([other]),
            json!([[good]]),
            json!({ "url": good }),
            json!([]),
            json!({ good: true }),
        ];
        let value = forms[f.dice.below(forms.len())].to_string();
        f.with(name, value)
    }),
    class("a registered claim of another type", &[By::Claims], |f| another_type(f, REGISTERED)),
    class("a claim of our own of another type", &[By::Claims], |f| another_type(f, &[OWN, OPTIONAL].concat())),
    class("a claim of our own in another form", &[By::Claims], another_form),
    class("a registered claim is null", &[By::Claims], |f| {
        let name = f.dice.pick(REGISTERED);
        f.with(name, "null")
    }),
    class("another claim is null", &[By::Claims], |f| {
        let name = f.dice.pick(&[OWN, OPTIONAL, &["x-unknown"]].concat());
        f.with(name, "null")
    }),
    class("a registered claim twice", &[By::Claims], |f| twice(f, REGISTERED)),
    class("another claim twice", &[By::Claims], |f| twice(f, &[OWN, &["x-unknown"]].concat())),
    class("a member twice further down", &[By::Claims], |f| {
        let pair = f.dice.pick(&[r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"":{},"":{}}"#, r#"{"a":{"b":1,"c":2,"b":3}}"#]);
        let depth = f.dice.below(12);
        let (open, close) = if f.dice.once_in(2) { ("[", "]") } else { (r#"{"d":"#, "}") };
        f.with("x-deep", format!("{}{pair}{}", open.repeat(depth), close.repeat(depth)))
    }),
    class("nested too deeply", &[By::Claims], |f| {
        let depth = if f.dice.once_in(2) { 32 + f.dice.below(60) } else { 32 + f.dice.below(1800) };
        let (open, inner, close) = if f.dice.once_in(2) || depth > 600 { ("[", "", "]") } else { (r#"{"d":"#, "1", "}") };
        f.with("x-deep", format!("{}{inner}{}", open.repeat(depth), close.repeat(depth)))
    }),
    class("a payload that is no object", &[By::Claims], no_object),
    class("a payload that is no text", &[By::Claims], |f| {
        let claims = f.claims();
        let mut bytes = object(&claims).into_bytes();
        // Within a name or a value, so that it is nothing but a wrong letter.
        let quote = bytes.iter().position(|byte| *byte == b'"').unwrap();
        bytes.insert(quote + 1, 0x80 | f.dice.bytes(1)[0]);
        let signer = f.signer();
        let header = base64url(f.header(signer));
        Forge::over(signer, &header, &base64url(bytes))
    }),
    class("another aud", &[By::Audience], |f| {
        let near = near(f, AUDIENCE, ISSUER);
        f.with("aud", quoted(&near))
    }),
    class("another iss", &[By::Issuer], |f| {
        let near = near(f, ISSUER, AUDIENCE);
        f.with("iss", quoted(&near))
    }),
    class("status in another form", &[By::Claims], status_form),
    class("status of another issuer, or no list", &[By::Claims], |f| {
        let uri = f.dice.pick(&[
            "https://evil.example/status/v1/lists/0",
            "http://auth.example.com/status/v1/lists/0",
            "https://auth.example.com.evil.example/status/v1/lists/0",
            "https://auth.example.com@evil.example/status/v1/lists/0",
            "https://auth.example.com:443/status/v1/lists/0",
            "HTTPS://AUTH.EXAMPLE.COM/status/v1/lists/0",
            "https://auth.example.com/status/v1/lists",
            "https://auth.example.com/status/v1/lists/",
            "https://auth.example.com//status/v1/lists/0",
            "https://auth.example.com/status/v2/lists/0",
            "https://auth.example.com/status/v1/lists/0/",
            "https://auth.example.com/status/v1/lists/0?a",
            "",
            "0",
            "https://auth.example.com/status/v1/lists/0#",
            "https://auth.example.com/status/v1/lists/../lists/0",
            "/status/v1/lists/0",
            " https://auth.example.com/status/v1/lists/0",
        ]);
        f.with("status", status("1", uri))
    }),
    class("a list number in another spelling", &[By::Claims], |f| {
        let number = f.dice.pick(&[
            "00",
            "+0",
            "-0",
            " 0",
            "0 ",
            "0x0",
            "0.0",
            "0e0",
            "٠",
            "18446744073709551616",
            "18446744073709551615",
            "17592186044416",
            "-1",
            "0\u{0}",
            "%30",
            "zero",
        ]);
        f.with("status", status("1", &format!("{ISSUER}/status/v1/lists/{number}")))
    }),
    class("an entry that no list has", &[By::Claims], |f| {
        let idx = [ENTRIES, ENTRIES + 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX][f.dice.below(5)];
        f.with("status", status(&idx.to_string(), &format!("{ISSUER}/status/v1/lists/0")))
    }),
    class("a list that is not at hand", &[By::Status], |f| {
        let list = 1 + f.dice.below(1 << 40);
        f.with("status", status("1", &format!("{ISSUER}/status/v1/lists/{list}")))
    }),
    class("taken back", &[By::Status], |f| f.with("status", status(&ENDED.to_string(), &format!("{ISSUER}/status/v1/lists/0")))),
];

fn seconds(f: &mut Forge<'_>, names: &[&str], values: &[&str]) -> String {
    let (name, value) = (f.dice.pick(names), f.dice.pick(values));
    f.with(name, value)
}

/// Ahead by more than clocks may disagree.
fn ahead(f: &mut Forge<'_>) -> String {
    if f.dice.once_in(4) { END_OF_TIME } else { NOW + 31 + i64::try_from(f.dice.below(1_000_000)).unwrap() }.to_string()
}

fn without(f: &mut Forge<'_>, names: &[&str]) -> String {
    let name = f.dice.pick(names);
    let mut claims = f.claims();
    claims.retain(|(known, _)| known != name);
    if f.dice.once_in(3) {
        // Near is not the same.
        claims.push((name.to_uppercase(), "1".to_owned()));
    }
    f.paying(&object(&claims))
}

fn another_type(f: &mut Forge<'_>, names: &[&str]) -> String {
    let name = f.dice.pick(names);
    let is = match name {
        "exp" | "nbf" | "iat" | "keyVersion" => 'n',
        "roles" | "permissions" => 'a',
        "status" => 'o',
        _ => 's',
    };
    let others: Vec<&str> = [
        ('n', "7"),
        ('n', "-7.5"),
        ('a', "[]"),
        ('a', r#"["a"]"#),
        ('o', "{}"),
        ('o', r#"{"a":"b"}"#),
        ('s', r#""x""#),
        ('s', r#""""#),
        ('b', "true"),
        ('b', "false"),
    ]
    .into_iter()
    .filter(|(kind, _)| *kind != is)
    .map(|(_, value)| value)
    .collect();
    let value = f.dice.pick(&others);
    f.with(name, value)
}

fn another_form(f: &mut Forge<'_>) -> String {
    let (name, value) = match f.dice.below(4) {
        0 => (
            f.dice.pick(&["currentOrganizationId", "organizationId", "keyId"]),
            f.dice.pick(&[
                r#""""#,
                r#""none""#,
                r#""8c0d1f7e-0000-4000-8000-00000000000""#,
                r#""8c0d1f7e-0000-4000-8000-0000000000011""#,
                r#""8c0d1f7e-0000-4000-8000-00000000000g""#,
                r#"" 8c0d1f7e-0000-4000-8000-000000000001""#,
                r#""8c0d1f7e_0000_4000_8000_000000000001""#,
            ]),
        ),
        1 => ("keyKind", f.dice.pick(&[r#""everything""#, r#""ApiKey""#, r#""APIKEY""#, r#""""#, r#"{"apiKey":null}"#, "0", r#""apiKey ""#])),
        2 => (
            f.dice.pick(&["roles", "permissions"]),
            f.dice.pick(&[r#""owner""#, "[1]", r#"[["owner"]]"#, "[null]", r#"["viewer",null]"#, r#"{"0":"owner"}"#, r#"[{"name":"owner"}]"#]),
        ),
        _ => ("keyVersion", f.dice.pick(&[r#""1""#, "1.5", "1e3", "9223372036854775808", "[1]"])),
    };
    f.with(name, value)
}

fn twice(f: &mut Forge<'_>, names: &[&str]) -> String {
    let name = f.dice.pick(names);
    let mut claims = f.claims();
    let value = claims.iter().find(|(known, _)| known == name).map_or("1".to_owned(), |(_, value)| value.clone());
    let other = match name {
        "exp" => (NOW + 999_999).to_string(),
        "nbf" | "iat" => "0".to_owned(),
        "roles" => r#"["owner"]"#.to_owned(),
        _ => value.clone(),
    };
    set(&mut claims, name, value.clone());
    let again = if f.dice.once_in(2) { value } else { other };
    let at = f.dice.below(claims.len() + 1);
    claims.insert(at, (name.to_owned(), again));
    let text = object(&claims);
    // The second of them in escapes, at times: the same name all the same.
    let written = quoted(name);
    let escaped = format!("\"\\u{:04x}{}", u32::from(name.chars().next().unwrap()), written.get(2..).unwrap());
    let text = if f.dice.once_in(3) { text.replacen(&format!("{written}:"), &format!("{escaped}:"), 1) } else { text };
    f.paying(&text)
}

fn no_object(f: &mut Forge<'_>) -> String {
    let claims = f.claims();
    let good = object(&claims);
    let cut = f.dice.below(good.len());
    let value = |name: &str| claims.iter().find(|(known, _)| known == name).map_or("null", |(_, value)| value.as_str());
    let in_order = |names: &[&str]| format!("[{}]", names.iter().map(|name| value(name)).collect::<Vec<_>>().join(","));
    let payload = match f.dice.below(14) {
        // In the order of the fields, as derived readers would take them.
        0 => in_order(&[
            "iss",
            "sub",
            "aud",
            "exp",
            "nbf",
            "iat",
            "jti",
            "client_id",
            "roles",
            "scope",
            "currentOrganizationId",
            "organizationId",
            "email",
            "keyId",
            "keyKind",
            "keyVersion",
            "status",
        ]),
        1 => in_order(&["exp", "nbf", "sub", "iss", "aud"]),
        2 => format!("[{good}]"),
        3 => quoted(&good),
        4 => format!("{good}{good}"),
        5 => format!("{good}\u{0}"),
        6 => format!("{good}x"),
        7 => format!("\u{feff}{good}"),
        8 => good.chars().take(cut.min(good.chars().count() - 1)).collect(),
        9 => good.replacen('{', "{,", 1),
        10 => good.replace('"', "'"),
        11 => format!("{good}//"),
        12 => format!("{},}}", good.strip_suffix('}').unwrap()),
        _ => f.dice.pick(&["", "{}", "null", "[]", "0", "true", "\"\"", "{", "{\"\":{}}"]).to_owned(),
    };
    f.paying(&payload)
}

/// A text that is near to `good`, but another one.
fn near(f: &mut Forge<'_>, good: &str, other: &str) -> String {
    let cut = f.dice.below(good.len());
    match f.dice.below(18) {
        0 => good.chars().take(cut).collect(),
        1 => good.chars().skip(cut + 1).collect(),
        2 => format!("{good}/"),
        3 => good.to_uppercase(),
        4 => good.replace("https", "http"),
        5 => good.replace("https", "HTTPS"),
        6 => format!("{good}:443"),
        7 => format!("{good}.evil.example"),
        8 => good.replace("https://", "https://evil.example/"),
        9 => good.replace("https://", "https://evil.example@"),
        10 => format!("{good} {other}"),
        11 => format!("{other} {good}"),
        12 => format!("{good},{other}"),
        13 => format!(" {good}"),
        14 => format!("{good}\u{0}"),
        15 => good.replace('e', "е"),
        16 => other.to_owned(),
        _ => f.dice.pick(&["", "*", "https://*.example.com", "null", "any", "https://example.com", "https://auth.example.com/../"]).to_owned(),
    }
}

fn status_form(f: &mut Forge<'_>) -> String {
    let uri = quoted(&format!("{ISSUER}/status/v1/lists/0"));
    let values: Vec<String> = vec![
        "{}".to_owned(),
        "[]".to_owned(),
        "0".to_owned(),
        "null".to_owned(),
        uri.clone(),
        r#"{"status_list":null}"#.to_owned(),
        r#"{"status_list":{}}"#.to_owned(),
        format!(r#"{{"status_list":{{"uri":{uri}}}}}"#),
        r#"{"status_list":{"idx":1}}"#.to_owned(),
        format!(r#"{{"status_list":{{"idx":"1","uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":-1,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":1.0,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":1e2,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":null,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":18446744073709551616,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":[1],"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":1,"uri":[{uri}]}}}}"#),
        r#"{"status_list":{"idx":1,"uri":null}}"#.to_owned(),
        format!(r#"{{"status_list":{{"idx":1,"uri":{uri},"bits":1}}}}"#),
        format!(r#"{{"status_list":{{"idx":1,"uri":{uri}}},"other":1}}"#),
        format!(r#"{{"status_list":[{{"idx":1,"uri":{uri}}}]}}"#),
        format!(r#"{{"status_list":[1,{uri}]}}"#),
        format!(r#"[{{"idx":1,"uri":{uri}}}]"#),
        format!(r#"[[1,{uri}]]"#),
        format!(r#"{{"idx":1,"uri":{uri}}}"#),
        format!(r#"{{"Status_List":{{"idx":1,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":1,"idx":2,"uri":{uri}}}}}"#),
        format!(r#"{{"status_list":{{"idx":1,"uri":{uri}}},"status_list":{{"idx":1,"uri":{uri}}}}}"#),
        Value::from(format!(r#"{{"status_list":{{"idx":1,"uri":{uri}}}}}"#)).to_string(),
    ];
    let value = values[f.dice.below(values.len())].clone();
    f.with("status", value)
}
