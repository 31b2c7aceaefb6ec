//! Secrets of every kind go through the program while it logs all that it can; then they are looked for wherever something is kept or
//! answered, as they are and in the forms that programs give to bytes.

use crate::{
    http::{Answer, client, exchange, exchange_for, form, get, get_with, try_send},
    process::{Place, shell, text, until},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keywright_protocol::paths;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path};

const EMAIL: &str = "owner@example.com";
/// Everything is logged, and nobody is answered 429.
const TRACE: [(&str, &str); 5] = [
    ("KEYWRIGHT_WEBHOOKS__ALLOW_NETWORKS", "[\"127.0.0.0/8\"]"),
    ("KEYWRIGHT_LOG__LEVEL", "trace"),
    ("KEYWRIGHT_LIMITS__REFUSED_KEYS_PER_MINUTE", "0"),
    ("KEYWRIGHT_LIMITS__SIGN_IN_PER_MINUTE", "0"),
    ("KEYWRIGHT_LIMITS__ACCOUNT_FAILURES_PER_HOUR_AND_ADDRESS", "0"),
];

/// A secret by what it is.
type Secrets = BTreeMap<&'static str, String>;

/// Everything that was answered or kept, by where.
#[derive(Default)]
struct Kept(Vec<(String, Vec<u8>)>);

impl Kept {
    fn answer(&mut self, what: &str, answer: &Answer) {
        let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()))).collect();
        self.0.push((what.to_owned(), format!("{headers}\n{}", answer.text).into_bytes()));
    }

    /// Every file below a folder, but the key file and mail: those hold secrets by design.
    fn folder(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() && entry.file_name() != "mail" {
                self.folder(&path);
            }
            if kind.is_file() && entry.file_name() != "keywright.key" {
                self.0.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }

    fn look_for(&self, secrets: &Secrets) {
        let forms: Vec<_> = secrets.iter().flat_map(|(what, secret)| forms(secret).into_iter().map(move |(form, text)| (what, form, text))).collect();
        for (place, bytes) in &self.0 {
            // All forms are of ASCII, and so found between whatever else there is.
            let kept = String::from_utf8_lossy(bytes);
            for (what, form, text) in &forms {
                assert!(!kept.contains(text.as_str()), "{what} is in {place} as {form}");
            }
        }
    }
}

/// How bytes are written down. In base64 a text that stands in another one begins at one of three places.
fn forms(secret: &str) -> Vec<(&'static str, String)> {
    // What stands before the last underscore says what kind of secret it is, and is none.
    let core = secret.rsplit('_').next().filter(|core| core.len() > 20).unwrap_or(secret);
    let url: String = core.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut forms = vec![
        ("it is", core.to_owned()),
        ("hexadecimal", hex(core.as_bytes())),
        ("HEXADECIMAL", hex(core.as_bytes()).to_uppercase()),
        ("a URL's", url),
        ("a list of numbers", core.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ")),
    ];
    for shift in 0..3 {
        let whole = &core.as_bytes()[shift..core.len() - (core.len() - shift) % 3];
        forms.push(("base64", STANDARD.encode(whole)));
        forms.push(("base64 for URLs", URL_SAFE_NO_PAD.encode(whole)));
    }
    forms
}

/// The secret of the link in the newest mail of a kind.
async fn mailed(place: &Place, kind: &str) -> String {
    let text = until("mail", async || {
        let files = fs::read_dir(place.path("data/mail")).ok()?.map(|entry| entry.unwrap().path());
        let newest = files.filter(|path| path.to_string_lossy().contains(kind) && path.extension().is_some_and(|it| it == "eml")).max()?;
        fs::read_to_string(newest).ok()
    })
    .await;
    let (_, rest) = text.split_once("\"token\": \"").unwrap_or_else(|| panic!("{text}"));
    rest.split('"').next().unwrap().to_owned()
}

/// Secrets where they do not belong: each must be answered without being repeated.
async fn misplace(base: &str, secrets: &Secrets, kept: &mut Kept) {
    let client = client();
    for (what, secret) in secrets {
        let organizations = format!("{base}/identity/v1/organizations");
        let broken = format!("{{\"email\": \"{secret}\"");
        let requests = [
            client.get(format!("{base}/{secret}")),
            client.get(format!("{organizations}/{secret}/api-keys")),
            client.get(format!("{organizations}?token={secret}")),
            client.get(&organizations).bearer_auth(secret),
            client.get(&organizations).bearer_auth(format!("{secret}x")),
            client.get(&organizations).basic_auth(secret, Some(secret)),
            client.get(&organizations).header("x-api-key", secret).header("user-agent", "canary"),
            client.post(format!("{base}{}", paths::TOKEN_V3)).form(&[("personalAccessKey", format!("{secret}x"))]),
            client.post(format!("{base}{}", paths::TOKEN_V3)).form(&[("personalAccessKey", secret.get(..secret.len() - 1).unwrap())]),
            client.post(format!("{base}{}", paths::TOKEN_V3)).form(&[(secret.as_str(), "x"), ("subOrganization", secret.as_str())]),
            client.post(format!("{base}{}", paths::API_KEY_TOKEN)).form(&[("name", "nightly"), ("secret", secret)]),
            client.post(format!("{base}/auth/v1/sessions")).body(broken).header("content-type", "application/json"),
            client.post(format!("{base}/auth/v1/sessions")).json(&json!({ "email": EMAIL, "password": secret, secret.clone(): 1 })),
            client.post(format!("{base}/auth/v1/password-resets/confirm")).json(&json!({ "token": secret, "newPassword": "short" })),
            client.post(format!("{base}/auth/v1/password-resets/confirm")).json(&json!({ "token": format!("{secret}x"), "newPassword": secret })),
        ];
        for (number, request) in requests.into_iter().enumerate() {
            let answer = try_send(request).await.unwrap();
            // A key that is one is exchanged, and its token is an answer that it shall have.
            if answer.status != 200 {
                kept.answer(&format!("the answer to misplacement {number} of {what}"), &answer);
            }
        }
    }
}

/// A signed-in Owner makes one of everything; answers the secrets, and what the server knows of them.
async fn live(place: &Place, base: &str, one_time: &str) -> (Secrets, String, String) {
    let mut secrets = Secrets::from([("the one-time password", one_time.to_owned()), ("the password", "a password of four words".to_owned())]);
    let post = async |path: &str, session: &str, body: Value| {
        let answer = try_send(client().post(format!("{base}{path}")).header("authorization", session).json(&body)).await.unwrap();
        assert!((200..300).contains(&answer.status), "{path}: {answer:?}");
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    };
    let sign_in = json!({ "email": EMAIL, "password": one_time, "newPassword": secrets["the password"] });
    let session = text(&post("/auth/v1/sessions", "", sign_in).await, "sessionToken");
    let organization = text(&get_with(base, "/identity/v1/organizations", &session).await.json()["data"][0], "id");
    let here = format!("/identity/v1/organizations/{organization}");
    let personal = post(&format!("{here}/personal-access-keys"), &session, json!({ "name": "laptop" })).await;
    let grants = json!([{ "organizationId": organization, "roles": ["view-organization"] }]);
    let api = post(&format!("{here}/api-keys"), &session, json!({ "name": "nightly", "grants": grants })).await;
    let rotated = post(&format!("{here}/api-keys/{}/rotate", text(&api, "id")), &session, json!({ "overlapSeconds": 600 })).await;
    // Nobody listens there.
    let webhook = json!({ "name": "trail", "url": "http://127.0.0.1:1/a-path-that-is-one-too-0123456789" });
    let webhook = post(&format!("{here}/webhooks"), &session, webhook).await;
    secrets.insert("a webhook's secret", text(&webhook, "secret").trim_end_matches('=').to_owned());
    let invite = json!({ "userEmail": "new@example.com", "organizationsAndRoles": grants });
    let patch = client().patch(format!("{base}/identity/v1/users?action=invite")).header("authorization", &session).json(&invite);
    assert_eq!(try_send(patch).await.unwrap().status, 200);
    post("/auth/v1/password-resets", "", json!({ "email": EMAIL })).await;
    secrets.insert("the secret of an invitation", mailed(place, "invitation").await);
    secrets.insert("the secret of a reset", mailed(place, "password-reset").await);
    let operator = place.admin_json(&["operator-key", "create", "--name", "backend", "--scope", "keys"]).await;
    secrets.insert("a Personal Access Key", text(&personal, "key"));
    secrets.insert("an API Key", text(&api, "secret"));
    secrets.insert("a rotated API Key", text(&rotated, "secret"));
    secrets.insert("an operator key", text(&operator, "secret"));
    secrets.insert("an access token", exchange(base, &secrets["a Personal Access Key"]).await);
    let by_name = form(base, paths::API_KEY_TOKEN, &[("name", "nightly"), ("secret", &secrets["a rotated API Key"])]).await;
    secrets.insert("an API Key's access token", crate::http::token_of(&by_name));
    secrets.insert("a session", session.clone());
    secrets.insert("a second factor's secret", text(&post("/auth/v1/second-factor", &session, json!({})).await, "secret"));
    (secrets, organization, session)
}

/// Reddens when any secret is logged at any level, stored, counted, backed up in clear, exported, or repeated in an answer.
#[tokio::test]
async fn no_secret_is_found_anywhere() {
    let place = Place::new();
    let server = place.serve(&["--owner-email", EMAIL], &TRACE).await;
    let one_time = server.program.printed().lines().find_map(|line| line.strip_prefix("one-time password (shown once): ")).unwrap().to_owned();
    let base = server.base.clone();
    let (mut secrets, organization, session) = live(&place, &base, &one_time).await;
    let key_file = fs::read_to_string(place.path("data/keywright.key")).unwrap();
    for (name, what) in [("pepper", "the pepper"), ("key_encryption_key", "the key-encryption key")] {
        let line = key_file.lines().find_map(|line| line.strip_prefix(&format!("{name} = \""))).unwrap();
        let bytes = STANDARD.decode(line.trim_end_matches('"')).unwrap();
        secrets.insert(what, line.trim_end_matches('"').trim_end_matches('=').to_owned());
        // As bytes it is looked for in the files alone, which have them.
        secrets.insert(
            if name == "pepper" { "the pepper's hexadecimal" } else { "the key's hexadecimal" },
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        );
    }
    let (backup, backup_key, data) = (place.text("backup.age"), place.text("backup.key"), place.data());
    let recipient = place.run(&["backup", "key", "--output", &backup_key], &[]).await.succeeded();
    secrets.insert("the backup key", fs::read_to_string(&backup_key).unwrap().lines().last().unwrap().to_owned());

    let mut kept = Kept::default();
    misplace(&base, &secrets, &mut kept).await;
    kept.answer("a foreign organization", &exchange_for(&base, &secrets["a Personal Access Key"], "6f9619ff-8b86-4011-b42d-00c04fc964ff").await);
    let here = format!("/identity/v1/organizations/{organization}");
    for path in [
        "activity?limit=200",
        "activity/export?format=csv",
        "activity/export?format=jsonl",
        "activity/chain",
        "api-keys",
        "personal-access-keys",
        "users/export",
    ] {
        let answer = get_with(&base, &format!("{here}/{path}"), &session).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        kept.answer(path, &answer);
    }
    for path in ["/metrics", "/openapi/identity.json", paths::JWKS, paths::CATALOG, "/healthz"] {
        kept.answer(path, &get(&base, path).await);
    }
    for (what, arguments) in [
        ("the chain", vec!["audit", "export", "--data-dir", &data, "--organization", &organization]),
        ("the installation's chain", vec!["audit", "export", "--data-dir", &data]),
        ("the users", vec!["admin", "--data-dir", &data, "--json", "user", "list"]),
        ("the keys", vec!["admin", "--data-dir", &data, "--json", "key", "list", "--organization", &organization]),
    ] {
        kept.0.push((what.to_owned(), place.run(&arguments, &[]).await.succeeded().into_bytes()));
    }
    let revocations = place.text("revocations.jsonl");
    place.run(&["audit", "revocations", "--data-dir", &data, &revocations], &[]).await.succeeded();
    place.run(&["backup", "--data-dir", &data, "--recipient", recipient.trim(), "--output", &backup], &TRACE).await.succeeded();
    for file in [&revocations, &backup] {
        kept.0.push((file.clone(), fs::read(file).unwrap()));
    }
    // What the backup holds, opened: no secret but in the key file, which is left out as the one in the data folder is.
    let opened = place.text("opened");
    shell(&format!("mkdir {opened} && age --decrypt --identity {backup_key} {backup} | tar --extract --directory {opened}")).await;
    kept.folder(Path::new(&opened));
    // With the write-ahead log as it is while the server runs, and after a kill.
    kept.folder(&place.path("data"));
    server.program.kill().await;
    kept.folder(&place.path("data"));
    kept.folder(&place.path("logs"));
    let wal = kept.0.iter().find(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty());
    assert!(wal.is_some() && kept.0.len() > 100, "{:?}", kept.0.iter().map(|(name, _)| name).collect::<Vec<_>>());
    kept.look_for(&secrets);
    // Whoever looks finds: what is there on purpose.
    let mail = Kept(vec![("mail".to_owned(), format!("a link with {}", hex(secrets["the secret of a reset"].as_bytes())).into_bytes())]);
    assert!(std::panic::catch_unwind(|| mail.look_for(&secrets)).is_err());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
