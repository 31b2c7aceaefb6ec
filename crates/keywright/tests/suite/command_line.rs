//! The commands that speak to a server: each used for real against a demo, for people and for programs.

use crate::{
    admin::OwnerKey,
    demo::Demo,
    device::Device,
    http::{claims, client, get_with, userinfo},
    process::{BOUND, Ended, ISSUER, Place, Program, mode, text, until},
};
use keywright_db::{Db, Location, Writes};
use keywright_protocol::Clock;
use serde_json::{Value, json};
use std::{fs, io::pipe, os::unix::fs::PermissionsExt as _, process::Stdio};
use tokio::io::AsyncWriteExt as _;

/// A person before a terminal, with a server and a home of his own.
struct Shell {
    place: Place,
    demo: Demo,
}

impl Shell {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    /// In the data folder of the place, so that its host can be asked too.
    async fn open_with_data() -> Self {
        let place = Place::new();
        let demo = Demo::start(&place, &["--data-dir", &place.data()]).await;
        Self { place, demo }
    }

    async fn with(more: &[&str]) -> Self {
        let place = Place::new();
        let demo = Demo::start(&place, more).await;
        Self { place, demo }
    }

    fn home(&self) -> String {
        self.place.text("home")
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.place.path("home/keywright").join(name)
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "").await
    }

    async fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        self.place.run_with(arguments, &[("XDG_CONFIG_HOME", &self.home())], input).await
    }

    /// What is printed for people, and for programs.
    async fn both(&self, arguments: &[&str]) -> (String, Value) {
        let people = self.run(arguments).await.succeeded();
        (people, self.json(arguments).await)
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        self.run(&[arguments, &["--output", "json"]].concat()).await.json()
    }

    /// Keeps a key under a profile.
    async fn keep(&self, profile: &str, key: &str) {
        let ended = self.run_with(&["login", "--url", &self.demo.base, "--key-stdin", "--profile", profile], &format!("{key}\n")).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }

    fn password(&self, person: &str) -> String {
        text(&self.demo.credentials["users"][person], "password")
    }

    /// Signs somebody in under the default profile.
    async fn sign_in(&self, person: &str, more: &[&str]) -> Ended {
        let email = text(&self.demo.credentials["users"][person], "email");
        let arguments = [&["login", "--url", &self.demo.base, "--email", &email, "--password-stdin"], more].concat();
        self.run_with(&arguments, &format!("{}\n", self.password(person))).await
    }

    /// The secret that is kept under a profile.
    fn kept(&self, profile: &str) -> String {
        let all: Value = serde_json::from_str(&fs::read_to_string(self.file("credentials.json")).unwrap()).unwrap();
        text(&all["profiles"][profile]["credential"], "secret")
    }

    async fn token(&self, more: &[&str]) -> String {
        self.run(&[&["token"], more].concat()).await.succeeded().trim().to_owned()
    }
}

/// Exit code, nothing on standard output, and a sentence of the program's own with all parts; for programs the same as a body.
fn assert_told(people: &Ended, programs: &Ended, code: i32, error: &str, parts: &[&str]) {
    assert_eq!((people.code, people.printed.as_str()), (Some(code), ""), "{people:?}");
    assert!(people.log.starts_with("keywright: "), "{people:?}");
    assert_eq!((programs.code, programs.printed.as_str()), (Some(code), ""), "{programs:?}");
    let body: Value = serde_json::from_str(&programs.log).unwrap_or_else(|wrong| panic!("{wrong}: {programs:?}"));
    assert_eq!(body["error"], error, "{body}");
    for part in parts {
        assert!(people.log.contains(part), "{part:?} is not in: {}", people.log);
        assert!(text(&body, "message").contains(part) || people.log.lines().count() > 1, "{part:?} is not in: {body}");
    }
}

#[tokio::test]
async fn a_session_is_kept_for_its_owner_alone_and_ends_with_logout() {
    let shell = Shell::open().await;
    let said = shell.sign_in("owner", &[]).await.succeeded();
    assert!(said.contains("owner@acme.example in Acme") && said.contains("credentials.json"), "{said}");
    assert_eq!((mode(&shell.file("credentials.json")), mode(&shell.place.path("home/keywright"))), (0o600, 0o700));

    let (people, programs) = shell.both(&["whoami"]).await;
    assert!(people.contains("owner@acme.example (owner)") && people.contains("session"), "{people}");
    assert_eq!((&programs["kind"], &programs["organization"]["name"], &programs["roles"]), (&json!("person"), &json!("Acme"), &json!(["owner"])));
    assert!(programs["credential"]["expiresAt"].is_string() && programs["permissions"].as_array().is_some_and(|all| !all.is_empty()), "{programs}");

    let session = shell.kept("default");
    assert_eq!(get_with(&shell.demo.base, "/auth/v1/sessions/current", &session).await.status, 200);
    let out = shell.json(&["logout"]).await;
    assert_eq!(out, json!({ "profile": "default", "forgotten": true }));
    assert_eq!(get_with(&shell.demo.base, "/auth/v1/sessions/current", &session).await.status, 401);
    assert!(!shell.file("credentials.json").exists() && !shell.file("tokens.json").exists());
    let (people, programs) = (shell.run(&["whoami"]).await, shell.run(&["whoami", "--output", "json"]).await);
    assert_told(&people, &programs, 3, "not_signed_in", &["keywright login"]);
    assert!(shell.run(&["logout"]).await.succeeded().contains("not signed in"));
}

#[tokio::test]
async fn a_person_begins_in_the_organization_that_he_names() {
    let shell = Shell::open().await;
    shell.sign_in("owner", &["--org", "acme mobile"]).await.succeeded();
    assert_eq!(shell.json(&["whoami"]).await["organization"]["id"], shell.demo.id("subOrganization"));
    assert_eq!(claims(&shell.token(&[]).await)["currentOrganizationId"], shell.demo.id("subOrganization"));
    // Whoever signs in again under the same name leaves no session behind.
    let before = shell.kept("default");
    shell.sign_in("owner", &[]).await.succeeded();
    assert_eq!(get_with(&shell.demo.base, "/auth/v1/sessions/current", &before).await.status, 401);
    let said = shell.sign_in("owner", &["--org", "Globex", "--output", "json"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
}

/// Reddens when the memory is not asked, and when it is not emptied.
#[tokio::test]
async fn a_token_is_kept_until_near_its_end_and_goes_with_its_key() {
    let shell = Shell::open().await;
    shell.keep("default", &shell.demo.key("owner")).await;
    let first = shell.token(&[]).await;
    assert_eq!(mode(&shell.file("tokens.json")), 0o600);
    assert_eq!(shell.token(&[]).await, first);
    let other = shell.token(&["--new"]).await;
    assert_ne!(other, first);
    let told = shell.json(&["token"]).await;
    assert_eq!((&told["access_token"], &told["token_type"]), (&json!(other), &json!("Bearer")));
    assert!((3_000..=3_600).contains(&told["expires_in"].as_i64().unwrap()), "{told}");
    assert_eq!(userinfo(&shell.demo.base, &other).await.status, 200);

    // What is kept near its end is not handed out any more.
    let mut kept: Value = serde_json::from_str(&fs::read_to_string(shell.file("tokens.json")).unwrap()).unwrap();
    for token in kept["default"].as_object_mut().unwrap().values_mut() {
        token["renewAt"] = json!("2026-01-01T00:00:00.000Z");
    }
    fs::write(shell.file("tokens.json"), kept.to_string()).unwrap();
    let renewed = shell.token(&[]).await;
    assert!(renewed != other && renewed != first);

    // A key that is revoked: the token that is kept opens nothing; commands notice, and are refused another one.
    let id = text(&claims(&renewed), "keyId");
    shell.sign_in("owner", &["--profile", "me"]).await.succeeded();
    shell.json(&["keys", "revoke", "--personal", &id, "--profile", "me"]).await;
    assert_eq!(shell.token(&[]).await, renewed, "nothing tells this command");
    let (people, programs) = (shell.run(&["whoami"]).await, shell.run(&["whoami", "--output", "json"]).await);
    assert_told(&people, &programs, 3, "invalid_request", &["revoked", "keywright login"]);
    assert_eq!(shell.run(&["token", "--new"]).await.code, Some(3));

    assert!(shell.run(&["logout"]).await.succeeded().contains("until it is revoked"));
    assert!(!fs::read_to_string(shell.file("tokens.json")).unwrap_or_default().contains(&renewed));
}

#[tokio::test]
async fn a_token_is_narrowed_to_permissions_an_audience_and_an_organization() {
    let shell = Shell::open().await;
    shell.keep("default", &shell.demo.key("owner")).await;
    shell.keep("ci", &text(&shell.demo.credentials["apiKeys"]["acme-ci"], "secret")).await;
    let (root, sub) = (shell.demo.id("rootOrganization"), shell.demo.id("subOrganization"));
    let whole = shell.token(&[]).await;
    let only = shell.token(&["--only", "organization.member.view", "organization.activity.view"]).await;
    assert_eq!(claims(&only)["scope"], "organization.activity.view organization.member.view");
    assert_eq!(shell.token(&["--only", "organization.activity.view,organization.member.view"]).await, only, "the same in another order");
    assert_eq!(shell.token(&[]).await, whole, "each narrowing is kept by itself");
    for place in ["Acme Mobile", "acme mobile", &sub] {
        for profile in ["default", "ci"] {
            assert_eq!(claims(&shell.token(&["--org", place, "--profile", profile]).await)["currentOrganizationId"], sub, "{place} {profile}");
        }
    }
    assert_eq!(claims(&shell.token(&["--for", &shell.demo.base, "--org", &root]).await)["aud"], shell.demo.base);
    for (narrowing, code, error, part) in [
        (["--for", "https://nobody.example"], 1, "invalid_target", "audience"),
        (["--only", "moon.land"], 1, "invalid_scope", "moon.land"),
        (["--org", "Nowhere"], 1, "failed", "\"Nowhere\""),
        (["--org", &shell.demo.id("otherOrganization")], 4, "invalid_target", "organization"),
    ] {
        let (people, programs) =
            (shell.run(&[&["token"], &narrowing[..]].concat()).await, shell.run(&[&["token", "--output", "json"], &narrowing[..]].concat()).await);
        assert_told(&people, &programs, code, error, &[part]);
    }
    // A session's token is narrowed too.
    shell.sign_in("viewer", &["--profile", "me"]).await.succeeded();
    let token = shell.token(&["--profile", "me", "--only", "organization.member.view"]).await;
    assert_eq!((&claims(&token)["scope"], &claims(&token)["keyKind"]), (&json!("organization.member.view"), &json!("session")));
}

#[tokio::test]
async fn a_command_runs_with_a_token_and_without_the_key() {
    let shell = Shell::open().await;
    let key = shell.demo.key("manager");
    let environment = [("KEYWRIGHT_KEY", key.as_str()), ("KEYWRIGHT_URL", shell.demo.base.as_str()), ("KEPT", "as it was")];
    let script = r#"env; tr '\0' ' ' < /proc/$$/cmdline; exit 7"#;
    let ended = shell.place.run(&["exec", "--only", "organization.member.view", "--", "/bin/sh", "-c", script, "sh", "two  words"], &environment).await;
    assert_eq!(ended.code, Some(7), "{ended:?}");
    assert!(!ended.printed.contains("kw_pak_") && !ended.printed.contains("KEYWRIGHT_KEY"), "{ended:?}");
    let value =
        |name: &str| ended.printed.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap_or_else(|| panic!("{name}: {ended:?}")).to_owned();
    assert_eq!((value("KEYWRIGHT_URL"), value("KEYWRIGHT_ORGANIZATION")), (shell.demo.base.clone(), shell.demo.id("rootOrganization")));
    assert_eq!(claims(&value("KEYWRIGHT_TOKEN"))["scope"], "organization.member.view");
    assert!(value("KEPT") == "as it was" && ended.printed.contains("two  words"), "{ended:?}");
    assert!(!shell.file("tokens.json").exists() && !shell.file("credentials.json").exists(), "what comes from the environment is kept nowhere");

    // It is the command: signals reach it, and it says how it ends.
    let waiting = r#"trap 'echo asked to end; exit 9' TERM; echo waiting; while :; do /bin/sleep 0.01; done"#;
    let mut program: Program = shell.place.start(&["exec", "--", "/bin/sh", "-c", waiting], &environment);
    program.line_with("waiting").await;
    assert_eq!(program.end().await.code, Some(9));

    for (command, code, part) in [("/no/such/program", 127, "no command"), ("/", 126, "cannot be run")] {
        let ended = shell.place.run(&["exec", "--", command], &environment).await;
        assert!(ended.code == Some(code) && ended.log.contains(part), "{ended:?}");
    }
    let ended = shell.place.run(&["exec", "--", "/bin/true"], &[("KEYWRIGHT_KEY", key.as_str())]).await;
    assert!(ended.code == Some(2) && ended.log.contains("KEYWRIGHT_URL"), "{ended:?}");
    // What exec sets is no setting of a server that is started by it.
    let started = ["exec", "--", env!("CARGO_BIN_EXE_keywright"), "config", "check"];
    shell.place.run(&started, &environment).await.succeeded();
}

#[tokio::test]
async fn keys_are_made_rotated_suspended_resumed_and_revoked() {
    let shell = Shell::open().await;
    shell.sign_in("owner", &[]).await.succeeded();
    let made = shell.json(&["keys", "create", "nightly", "--role", "view-build", "--grant", "Acme Mobile=view-build,view-codepush", "--expires", "30d"]).await;
    let (id, secret) = (text(&made, "id"), text(&made, "secret"));
    assert_eq!(made["grants"].as_array().map(Vec::len), Some(2), "{made}");
    let people = shell.run(&["keys", "create", "weekly", "--role", "view-build", "--from", "127.0.0.0/8", "--description", "once a week"]).await;
    assert!(people.log.contains("shown once") && people.printed.contains("kw_api_"), "{people:?}");

    let (people, programs) = shell.both(&["keys", "list"]).await;
    assert!(people.starts_with("ID ") && people.contains("nightly") && people.contains("Active") && !people.contains("kw_api_"), "{people}");
    let names: Vec<String> = programs.as_array().unwrap().iter().map(|key| text(key, "name")).collect();
    assert_eq!(names, ["acme-ci", "nightly", "weekly"]);

    shell.keep("nightly", &secret).await;
    for (act, sentence, exit) in [("suspend", "the key is suspended", 3), ("resume", "not suspended any more", 0)] {
        assert!(shell.run(&["keys", act, "nightly"]).await.succeeded().contains(sentence));
        assert_eq!(shell.run(&["token", "--new", "--profile", "nightly"]).await.code, Some(exit), "{act}");
        assert!(text(&shell.json(&["keys", act, &id]).await, "message").contains(sentence));
    }
    let rotated = shell.json(&["keys", "rotate", "nightly", "--overlap", "0s"]).await;
    assert_eq!((&rotated["version"], &rotated["oldSecretEndsAt"]), (&json!(2), &Value::Null), "{rotated}");
    assert_eq!(shell.run(&["token", "--new", "--profile", "nightly"]).await.code, Some(3), "the old secret");
    let people = shell.run(&["keys", "rotate", "weekly", "--overlap", "1h", "--expires", "90d"]).await;
    assert!(people.log.contains("the old secret goes on until") && people.printed.contains("kw_api_"), "{people:?}");
    shell.keep("nightly", &text(&rotated, "secret")).await;
    assert!(shell.run(&["keys", "revoke", "nightly"]).await.succeeded().contains("revoked"));
    assert!(text(&shell.json(&["keys", "revoke", "weekly"]).await, "message").contains("revoked"));
    assert_eq!(shell.run(&["token", "--new", "--profile", "nightly"]).await.code, Some(3));

    let made = shell.json(&["keys", "create", "--personal", "laptop"]).await;
    assert!(text(&made, "key").starts_with("kw_pak_"), "{made}");
    assert!(shell.run(&["keys", "create", "--personal", "tablet", "--expires", "7d"]).await.succeeded().contains("kw_pak_"));
    let (people, programs) = shell.both(&["keys", "list", "--personal"]).await;
    assert!(people.contains("laptop") && programs.as_array().unwrap().iter().any(|key| key["name"] == "tablet"), "{people} {programs}");
    assert!(shell.run(&["keys", "revoke", "--personal", "laptop"]).await.succeeded().contains("revoked"));
    assert!(text(&shell.json(&["keys", "revoke", "--personal", "tablet"]).await, "message").contains("revoked"));
    for (arguments, code, part) in [
        (&["keys", "rotate", "--personal", "laptop"][..], 2, "neither rotated nor suspended"),
        (&["keys", "create", "nothing"], 2, "--role"),
        (&["keys", "revoke", "nobody"], 1, "no key called \"nobody\""),
        (&["keys", "create", "acme-ci", "--role", "view-build"], 1, "has that name already"),
    ] {
        let ended = shell.run(arguments).await;
        assert!(ended.code == Some(code) && ended.log.contains(part), "{ended:?}");
    }
}

/// Reddens when a session that is not fresh is not confirmed, and when the secret that it goes on under is not kept.
#[tokio::test]
async fn a_session_that_is_not_fresh_is_confirmed_by_the_password() {
    let place = Place::new();
    let demo = Demo::start(&place, &["--data-dir", &place.data()]).await;
    let shell = Shell { place, demo };
    shell.sign_in("owner", &[]).await.succeeded();
    let before = shell.kept("default");
    let db = Db::open(&Location::Sqlite { path: shell.place.path("data/keywright.sqlite3") }, Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap();
    let aged = db
        .write(|tx| Box::pin(async move { tx.execute("UPDATE sessions SET confirmed_at = confirmed_at - 600000 WHERE ended_at IS NULL", &[]).await }))
        .await
        .unwrap();
    assert_eq!(aged.value, 1);
    db.close().await;

    let create = ["keys", "create", "nightly", "--role", "view-build"];
    let nobody = shell.run(&create).await;
    assert!(nobody.code == Some(2) && nobody.log.contains("--password-stdin"), "{nobody:?}");
    let confirmed = |password: String| {
        let shell = &shell;
        async move { shell.run_with(&[&create[..], &["--password-stdin", "--output", "json"]].concat(), &password).await }
    };
    let wrong = confirmed("a wrong password".to_owned()).await;
    assert!(wrong.code == Some(3) && wrong.log.contains("not your password"), "{wrong:?}");
    let made = confirmed(shell.password("owner")).await.json();
    assert!(text(&made, "secret").starts_with("kw_api_"), "{made}");
    assert_ne!(shell.kept("default"), before);
    // The session goes on, and is fresh.
    shell.run(&["keys", "create", "weekly", "--role", "view-build"]).await.succeeded();
}

#[tokio::test]
async fn members_are_listed_invited_changed_and_removed() {
    let shell = Shell::open().await;
    shell.sign_in("owner", &[]).await.succeeded();
    let (people, programs) = shell.both(&["members", "list"]).await;
    assert!(people.starts_with("ID ") && people.contains("viewer@acme.example"), "{people}");
    assert_eq!(programs.as_array().map(Vec::len), Some(3), "{programs}");
    assert!(shell.run(&["members", "list", "--org", "Acme Mobile"]).await.succeeded().contains("submember@acme.example"));

    assert!(shell.run(&["members", "invite", "new@acme.example", "--role", "view-build"]).await.succeeded().contains("on its way"));
    assert!(text(&shell.json(&["members", "invite", "newer@acme.example", "--org", "Acme Mobile"]).await, "message").contains("on its way"));

    let submember = ["members", "roles", "submember@acme.example", "--org", "Acme Mobile"];
    let (people, programs) = shell.both(&submember).await;
    assert!(people.contains("view-distribution-profile"), "{people}");
    assert_eq!(programs["roles"], json!(["view-distribution-profile"]));
    for (change, roles) in [
        (["--add", "view-build"], json!(["view-build", "view-distribution-profile"])),
        (["--remove", "view-distribution-profile"], json!(["view-build"])),
        (["--set", "view-codepush,view-build"], json!(["view-build", "view-codepush"])),
        (["--set", ""], json!([])),
    ] {
        assert_eq!(shell.json(&[&submember[..], &change].concat()).await["roles"], roles, "{change:?}");
    }
    assert!(shell.run(&[&submember[..], &["--set", "view-build"]].concat()).await.succeeded().contains("view-build"));

    let id = text(&shell.demo.credentials["users"]["submember"], "id");
    assert!(shell.run(&["members", "remove", &id, "--org", "Acme Mobile"]).await.succeeded().contains("removed"));
    assert!(text(&shell.json(&["members", "remove", "viewer@acme.example"]).await, "message").contains("removed"));
    let nobody = shell.run(&["members", "remove", "viewer@acme.example"]).await;
    assert!(nobody.code == Some(1) && nobody.log.contains("no member here"), "{nobody:?}");
    let last = shell.run(&["members", "remove", "owner@acme.example"]).await;
    assert!(last.code == Some(1) && last.log.contains("Owner"), "{last:?}");
}

/// Reddens when what happens while somebody follows is left out, or told twice.
#[tokio::test]
async fn what_happens_is_listed_and_followed() {
    let shell = Shell::open().await;
    shell.sign_in("owner", &[]).await.succeeded();
    let (people, programs) = shell.both(&["activity", "--log", "changes"]).await;
    assert!(people.starts_with("AT ") && people.contains("Member Assign"), "{people}");
    let times: Vec<String> = programs.as_array().unwrap().iter().map(|event| text(event, "at")).collect();
    assert!(times.len() > 5 && times.is_sorted(), "{times:?}");
    assert_eq!(shell.json(&["activity", "--limit", "2"]).await.as_array().map(Vec::len), Some(2));
    let logins = shell.json(&["activity", "--since", "1h", "--action", "Login"]).await;
    assert_eq!(logins.as_array().map(Vec::len), Some(1), "{logins}");
    assert_eq!(shell.json(&["activity", "--since", "2026-01-01T00:00:00Z", "--actor", "nobody of them"]).await, json!([]));

    let home = shell.home();
    let environment = [("XDG_CONFIG_HOME", home.as_str())];
    let mut people = shell.place.start(&["activity", "--follow", "--limit", "1"], &environment);
    let mut programs = shell.place.start(&["activity", "--follow", "--limit", "1", "--output", "json"], &environment);
    people.line_with("Login").await;
    programs.line_with("Login").await;
    // Each by a look of its own, so that what was told would be told again.
    shell.run(&["keys", "create", "nightly", "--role", "view-build"]).await.succeeded();
    for program in [&mut people, &mut programs] {
        program.line_with("API Key Create").await;
    }
    shell.keep("key", &shell.demo.key("owner")).await;
    for program in [&mut people, &mut programs] {
        program.line_with("Token Exchange").await;
    }
    shell.run(&["keys", "revoke", "nightly"]).await.succeeded();
    for program in [&mut people, &mut programs] {
        program.line_with("API Key Revoke").await;
    }
    let (people, programs) = (people.end().await, programs.end().await);
    for told in [&people, &programs] {
        assert_eq!(told.printed.matches("API Key Create").count(), 1, "{told:?}");
    }
    assert!(programs.printed.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|event| event["id"].is_string())), "{programs:?}");
}

#[tokio::test]
async fn a_token_is_inspected_and_verified() {
    let shell = Shell::open().await;
    shell.keep("default", &shell.demo.key("owner")).await;
    let token = shell.token(&[]).await;
    let people = shell.run_with(&["token", "inspect"], &format!("Bearer {token}\n")).await.succeeded();
    for part in ["an access token", "not verified", "owner@acme.example", &shell.demo.base] {
        assert!(people.contains(part), "{part}: {people}");
    }
    let programs = shell.run_with(&["token", "inspect", "--output", "json"], &token).await.json();
    assert_eq!((&programs["verified"], &programs["claims"]), (&json!(false), &claims(&token)));
    let key = shell.run_with(&["token", "inspect"], &shell.demo.key("owner")).await.succeeded();
    assert!(key.contains("a Personal Access Key") && key.contains("whole") && !key.contains("kw_pak_"), "{key}");
    let cut = shell.run_with(&["token", "inspect"], shell.demo.key("owner").get(..40).unwrap()).await.succeeded();
    assert!(cut.contains("cut off"), "{cut}");
    let nothing = shell.run_with(&["token", "inspect"], "hunter2").await;
    assert!(nothing.code == Some(1) && nothing.log.contains("no token") && !nothing.log.contains("hunter2"), "{nothing:?}");

    let people = shell.run_with(&["token", "verify"], &token).await.succeeded();
    assert!(people.contains("good until") && people.contains("owner@acme.example"), "{people}");
    let verify = ["token", "verify", "--issuer", &shell.demo.base, "--audience", &shell.demo.base, "--output", "json"];
    let programs = shell.run_with(&verify, &token).await.json();
    assert_eq!((&programs["verified"], &programs["claims"]["email"]), (&json!(true), &json!("owner@acme.example")));
    let other = shell.run_with(&["token", "verify", "--audience", "https://other.example"], &token).await;
    assert!(other.code == Some(1) && other.log.contains("for another API"), "{other:?}");
    let away = shell.run_with(&["token", "verify", "--issuer", "http://127.0.0.1:1"], &token).await;
    assert!(away.code == Some(5) && away.log.contains("cannot be known"), "{away:?}");

    // What this command keeps for itself is of the same generation.
    shell.run(&["whoami"]).await.succeeded();
    client().post(format!("{}/oauth/revoke", shell.demo.base)).form(&[("token", &token)]).send().await.unwrap().error_for_status().unwrap();
    let back = shell.run_with(&["token", "verify"], &token).await;
    assert!(back.code == Some(1) && back.log.contains("taken back"), "{back:?}");
    // The commands notice by themselves, and make another one.
    shell.run(&["whoami"]).await.succeeded();
}

/// Reddens when the commands' own calls go with whatever token the catalog makes by default, and when the issuer is taken for the address.
#[tokio::test]
async fn where_tokens_are_for_another_api_keys_and_members_are_looked_after_all_the_same() {
    const CATALOG: &str = r#"default_audience = "https://api.example.com"
[apis.invoices]
audience = "https://api.example.com"
permissions = { "invoices.read" = "See invoices" }
"#;
    let place = Place::new();
    let catalog = place.write("catalog.toml", CATALOG);
    let config = place.write("keywright.toml", &format!("[catalog]\nfile = \"{catalog}\"\n"));
    let server = place.serve(&["--config", &config], &[]).await;
    let owner = OwnerKey::make(&place).await;
    let home = place.text("home");
    let run = |arguments: &'static [&'static str], more: Vec<String>, input: String| {
        let (place, home) = (&place, home.as_str());
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).chain(more).collect();
        async move { place.run_with(&arguments, &[("XDG_CONFIG_HOME", home)], &input).await }
    };
    run(&["login", "--key-stdin", "--url"], vec![server.base.clone()], owner.secret.clone()).await.succeeded();
    let me = run(&["whoami", "--output", "json"], Vec::new(), String::new()).await.json();
    assert_eq!((&me["issuer"], &me["url"], &me["organization"]["id"]), (&json!(ISSUER), &json!(server.base), &json!(owner.organization)));
    assert_eq!(run(&["members", "list", "--output", "json"], Vec::new(), String::new()).await.json().as_array().map(Vec::len), Some(1));
    let token = run(&["token"], Vec::new(), String::new()).await.succeeded().trim().to_owned();
    assert_eq!((&claims(&token)["aud"], &claims(&token)["iss"]), (&json!("https://api.example.com"), &json!(ISSUER)));
    let own = run(&["token", "--for"], vec![ISSUER.to_owned()], String::new()).await.succeeded();
    assert_eq!(claims(own.trim())["aud"], ISSUER);
    let verified = run(&["token", "verify", "--audience", "https://api.example.com", "--output", "json"], Vec::new(), token).await.json();
    assert_eq!(verified["permissions"], json!(["invoices.read"]));
    server.end().await;
}

#[tokio::test]
async fn what_is_refused_is_told_in_a_sentence_and_by_the_exit_code() {
    let shell = Shell::open().await;
    shell.keep("viewer", &shell.demo.key("viewer")).await;
    shell.sign_in("manager", &["--profile", "manager"]).await.succeeded();
    let unknown = format!("{}\n", keywright_protocol::secret::compose("kw", keywright_protocol::KeyKind::PersonalAccessKey, &[7; 32]));
    let login = ["login", "--url", &shell.demo.base, "--key-stdin"];
    let (base, nobody) = (shell.demo.base.as_str(), "http://127.0.0.1:1");
    let password = "a wrong password\n";
    let email = ["login", "--url", base, "--email", "owner@acme.example", "--password-stdin"];
    for (arguments, input, code, error, part) in [
        (&login[..], unknown.as_str(), 3, "invalid_request", "key"),
        (&login, "kw_pak_short\n", 2, "usage", "cut off"),
        (&login, "\n", 2, "usage", "empty"),
        (&["login", "--url", base], "", 2, "usage", "--key-stdin"),
        (&email, password, 3, "invalid_credentials", "password"),
        (&["login", "--url", nobody, "--key-stdin"], unknown.as_str(), 5, "unreachable", "cannot be reached"),
        (&["login", "--url", "http://auth.example.com", "--key-stdin"], unknown.as_str(), 2, "usage", "in clear"),
        (&["login", "--url", "auth.example.com", "--key-stdin"], unknown.as_str(), 2, "usage", "https://"),
        (&["whoami", "--profile", "nobody"], "", 3, "not_signed_in", "--profile nobody"),
        (&["keys", "create", "x", "--role", "view-build", "--profile", "viewer"], "", 4, "insufficient_permission", "sign in"),
        (&["keys", "revoke", "acme-ci", "--profile", "viewer"], "", 4, "insufficient_permission", "organization.api-key"),
        (&["members", "roles", "viewer@acme.example", "--add", "owner", "--profile", "viewer"], "", 4, "insufficient_permission", "organization.member"),
        (&["activity", "--action", "Moon Landing", "--profile", "manager"], "", 1, "invalid_request", "action"),
    ] {
        let people = shell.run_with(arguments, input).await;
        let programs = shell.run_with(&[arguments, &["--output", "json"]].concat(), input).await;
        assert_told(&people, &programs, code, error, &[part]);
        for told in [&people, &programs] {
            assert!(!told.log.contains(unknown.trim()) && !told.log.contains("a wrong password"), "{told:?}");
        }
    }
    assert_eq!(shell.run(&["whoami"]).await.code, Some(3), "nothing was kept of these");
    let key = shell.run(&["keys", "create", "x", "--role", "view-build", "--profile", "viewer"]).await;
    assert!(key.log.contains("sign in beside the key: keywright login --profile me"), "{key:?}");

    // A session that has ended, and a server that has.
    let session = shell.kept("manager");
    client().delete(format!("{base}/auth/v1/sessions/current")).bearer_auth(session).send().await.unwrap().error_for_status().unwrap();
    let (people, programs) =
        (shell.run(&["keys", "list", "--profile", "manager"]).await, shell.run(&["keys", "list", "--profile", "manager", "--output", "json"]).await);
    assert_eq!((people.code, programs.code), (Some(3), Some(3)), "{people:?}");
    assert!(people.log.contains("sign in again: keywright login --profile manager"), "{people:?}");
    let Shell { place, demo } = shell;
    let home = place.text("home");
    demo.program.end().await.succeeded();
    let ended = place.run(&["members", "list", "--profile", "viewer"], &[("XDG_CONFIG_HOME", &home)]).await;
    assert!(ended.code == Some(5) && ended.log.contains("cannot be reached"), "{ended:?}");
}

#[tokio::test]
async fn a_file_that_others_may_read_is_not_used() {
    let shell = Shell::open().await;
    shell.keep("default", &shell.demo.key("owner")).await;
    let file = shell.file("credentials.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let told = shell.run(&["whoami"]).await;
    assert!(told.code == Some(1) && told.log.contains("chmod 600"), "{told:?}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    shell.run(&["whoami"]).await.succeeded();
    fs::write(&file, "{").unwrap();
    let told = shell.run(&["whoami"]).await;
    assert!(told.code == Some(1) && told.log.contains("damaged"), "{told:?}");
    let nowhere = shell.place.run(&["whoami"], &[]).await;
    assert!(nowhere.code == Some(1) && nowhere.log.contains("XDG_CONFIG_HOME"), "{nowhere:?}");
}

/// Reddens when somebody prints by a macro that panics, and when it is told as a fault.
#[tokio::test]
async fn a_reader_that_goes_away_is_no_fault() {
    let shell = Shell::open().await;
    shell.sign_in("owner", &[]).await.succeeded();
    let home = shell.home();
    for arguments in [&["activity"][..], &["whoami", "--output", "json"], &["token"], &["completions", "bash"]] {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let mut command = shell.place.command(arguments, &[("XDG_CONFIG_HOME", home.as_str())]);
        let running = command.stdout(writer).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        drop(command);
        let output = tokio::time::timeout(BOUND, running.wait_with_output()).await.unwrap().unwrap();
        assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

/// Reddens when what is typed shows, also when the terminal is as it was before the question.
#[tokio::test]
async fn a_secret_that_is_typed_does_not_show() {
    let shell = Shell::open().await;
    let (tty, home, key) = (shell.place.text("tty"), shell.home(), shell.demo.key("owner"));
    let program = env!("CARGO_BIN_EXE_keywright");
    let line = format!("tty > {tty}; XDG_CONFIG_HOME={home} {program} login --url {}; stty -F $(cat {tty}) -a > {tty}.after", shell.demo.base);
    let mut terminal = tokio::process::Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut terminal = terminal.spawn().expect("this test types into a terminal: install script, of util-linux or bsdutils");
    let is_off = |settings: &str| settings.split_whitespace().any(|word| word == "-echo");
    until("the terminal shows nothing more", async || {
        let device = fs::read_to_string(&tty).ok().filter(|device| device.ends_with('\n'))?;
        let settings = tokio::process::Command::new("stty").args(["-F", device.trim(), "-a"]).output().await.ok()?;
        is_off(&String::from_utf8_lossy(&settings.stdout)).then_some(())
    })
    .await;
    let mut typing = terminal.stdin.take().unwrap();
    typing.write_all(format!("{key}\n").as_bytes()).await.unwrap();
    let shown = tokio::time::timeout(BOUND, terminal.wait_with_output()).await.unwrap().unwrap();
    drop(typing);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("Key: ") && shown.contains("signed in at") && !shown.contains(&key), "{shown}");
    assert!(!is_off(&fs::read_to_string(format!("{tty}.after")).unwrap()), "it shows again what is typed");
    shell.run(&["whoami"]).await.succeeded();
}

#[tokio::test]
async fn shells_are_told_how_to_complete() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.run(&["completions", shell], &[]).await.succeeded();
        for word in ["whoami", "follow", "verify", "password-stdin"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            let file = place.write("completions.bash", &script);
            let mut checking = std::process::Command::new("bash");
            assert!(checking.args(["-n", &file]).status().unwrap().success());
        }
    }
    let help = place.run(&["--help"], &[]).await.succeeded();
    assert!(help.contains("Exit codes: 0 done"), "{help}");
    assert_eq!(place.run(&["whoami", "--output", "yaml"], &[]).await.code, Some(2));
}

/// Reddens when the code is not asked for, when standard input is asked for it in another place, or when the host cannot take it back.
#[tokio::test]
async fn a_second_factor_is_given_at_login_and_reset_on_the_host() {
    let shell = Shell::open_with_data().await;
    shell.sign_in("owner", &[]).await.succeeded();
    let session = shell.kept("default");
    let post = async |path: &str, body: Value| {
        let request = client().post(format!("{}{path}", shell.demo.base)).header("authorization", &session).json(&body);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let begun = post("/auth/v1/second-factor", json!({})).await;
    let code = Device::of(&text(&begun, "secret")).code(Clock::System.now());
    let on = post("/auth/v1/second-factor/confirm", json!({ "code": code })).await;
    let recovery = on["recoveryCodes"][0].as_str().unwrap().to_owned();

    let refused = shell.sign_in("owner", &[]).await;
    assert!(refused.code == Some(3) && refused.log.contains("second factor") && refused.log.contains("the third line"), "{refused:?}");
    let email = text(&shell.demo.credentials["users"]["owner"], "email");
    let arguments = ["login", "--url", &shell.demo.base, "--email", &email, "--password-stdin"];
    let with = async |code: &str| shell.run_with(&arguments, &format!("{}\n\n{code}\n", shell.password("owner"))).await;
    let wrong = with("ABCD-EFGH-IJKL-MNOP").await;
    assert!(wrong.code == Some(3) && wrong.log.contains("this code is wrong"), "{wrong:?}");
    with(&recovery).await.succeeded();
    assert_eq!(with(&recovery).await.code, Some(3), "once");
    let reset = shell.place.admin(&["user", "reset-second-factor", &email]).await.succeeded();
    assert!(reset.contains("done, revision"), "{reset}");
    shell.sign_in("owner", &[]).await.succeeded();
    let outbox = shell.place.admin(&["outbox"]).await;
    assert!(!outbox.printed.contains(&recovery), "{outbox:?}");
}
