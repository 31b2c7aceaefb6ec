//! `keywright demo`: what it prints works as it stands, and the world it makes is the promised one.

use crate::{
    http::{claims, exchange, exchange_for, form, get_with, post_with, token_of},
    process::{Ended, Place, Program, Server, mode, shell, text},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

/// A demo that has printed everything and written its credentials file.
pub(crate) struct Demo {
    /// The process.
    pub(crate) program: Program,
    /// Where it listens.
    pub(crate) base: String,
    /// What it wrote.
    pub(crate) credentials: Value,
    /// Where it wrote it.
    pub(crate) credentials_file: String,
}

impl Demo {
    /// Starts one on a free port.
    pub(crate) async fn start(place: &Place, more: &[&str]) -> Self {
        let credentials_file = place.text("credentials.json");
        let arguments = [&["demo", "--listen", "127.0.0.1:0", "--credentials-file", &credentials_file], more].concat();
        let Server { base, mut program } = Server::listening(place.start(&arguments, &[])).await;
        program.line_with("Ctrl-C ends it.").await;
        let credentials = serde_json::from_str(&fs::read_to_string(&credentials_file).unwrap()).unwrap();
        Self { program, base, credentials, credentials_file }
    }

    /// Somebody's Personal Access Key.
    pub(crate) fn key(&self, label: &str) -> String {
        text(&self.credentials["personalAccessKeys"], label)
    }

    /// The id of `rootOrganization`, `subOrganization` or `otherOrganization`.
    pub(crate) fn id(&self, organization: &str) -> String {
        text(&self.credentials[organization], "id")
    }

    /// The printed lines that begin with `start`.
    pub(crate) fn lines(&self, start: &str) -> Vec<&str> {
        self.program.printed().lines().filter(|line| line.starts_with(start)).collect()
    }

    /// The two lines of "Both at once".
    pub(crate) fn both_at_once(&self) -> (&str, &str) {
        let mut lines = self.program.printed().lines().skip_while(|line| !line.starts_with("TOKEN="));
        (lines.next().expect("the line that makes a token"), lines.next().expect("the line that uses it"))
    }
}

/// The `access_token` in what curl printed.
fn token_in(printed: &str) -> String {
    text(&serde_json::from_str(printed).unwrap(), "access_token")
}

/// The names of the profiles in what curl printed, or in a body.
pub(crate) fn names(body: &str) -> BTreeSet<String> {
    let profiles: Vec<Value> = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"));
    profiles.iter().map(|profile| text(profile, "name")).collect()
}

/// A set of words.
fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The keys of a JSON object.
fn members(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().cloned().collect()
}

/// The profiles of Acme.
pub(crate) fn of_acme() -> BTreeSet<String> {
    set(&["Acme iOS", "Acme Android", "Acme Beta"])
}

#[tokio::test]
async fn the_lines_that_it_prints_work_as_printed() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let commands: Vec<&str> = demo.program.printed().lines().filter(|line| ["curl ", "TOKEN="].iter().any(|start| line.starts_with(start))).collect();
    let [exchange, call, ..] = commands.as_slice() else { panic!("fewer than two curl lines: {commands:?}") };
    assert!(exchange.starts_with("curl ") && exchange.contains("/auth/v3/token") && exchange.contains(&demo.key("owner")), "{exchange}");
    assert!(call.starts_with("curl ") && call.contains("/distribution/v2/profiles"), "{call}");

    let token = token_in(&shell(exchange).await);
    assert_eq!(names(&shell(&call.replace("<the token>", &token)).await), of_acme());
    let (make, use_it) = demo.both_at_once();
    assert_eq!(names(&shell(&format!("{make}\n{use_it}")).await), of_acme());
    let old = exchange.replace("/auth/v3/token", "/auth/v1/token").replace("personalAccessKey=", "pat=");
    assert!(old.contains("/auth/v1/token") && old.contains("\"pat="), "{old}");
    assert_eq!(claims(&token_in(&shell(&old).await))["currentOrganizationId"], demo.id("rootOrganization"));

    let api_key = demo.lines("curl ").into_iter().find(|line| line.contains("/auth/v1/api-key/token")).unwrap();
    let issued = claims(&token_in(&shell(api_key).await));
    assert_eq!((&issued["keyKind"], &issued["sub"]), (&json!("apiKey"), &demo.credentials["apiKeys"]["acme-ci"]["id"]));
    let sub = demo.lines("curl ").into_iter().find(|line| line.contains("subOrganization=")).unwrap();
    assert_eq!(claims(&token_in(&shell(sub).await))["currentOrganizationId"], demo.id("subOrganization"));
    demo.program.end().await.succeeded();
}

#[tokio::test]
async fn each_key_opens_what_its_holder_may_have_and_nothing_else() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let (base, root, sub, other) = (&demo.base, demo.id("rootOrganization"), demo.id("subOrganization"), demo.id("otherOrganization"));
    let profiles = "/distribution/v2/profiles";

    let in_sub = token_of(&exchange_for(base, &demo.key("owner"), &sub).await);
    assert_eq!(claims(&in_sub)["currentOrganizationId"], sub);
    assert_eq!(names(&get_with(base, profiles, &in_sub).await.text), set(&["Acme Mobile Nightly"]));

    let own = token_of(&exchange_for(base, &demo.key("submember"), "").await);
    assert_eq!(claims(&own)["currentOrganizationId"], sub);
    for (label, out_of_reach) in [("submember", &root), ("manager", &other), ("owner", &other), ("globexowner", &root), ("globexowner", &sub)] {
        let answer = exchange_for(base, &demo.key(label), out_of_reach).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (403, Some("organization_out_of_reach")), "{label} {out_of_reach}");
    }

    let (manager, viewer) = (exchange(base, &demo.key("manager")).await, claims(&exchange(base, &demo.key("viewer")).await));
    let in_globex = exchange(base, &demo.key("manager@globex")).await;
    let (at_home, abroad) = (claims(&manager), claims(&in_globex));
    assert_eq!(abroad["currentOrganizationId"], other);
    assert_eq!(abroad["sub"], at_home["sub"], "one person");
    assert_eq!((&abroad["roles"], &abroad["scope"]), (&viewer["roles"], &viewer["scope"]));
    assert_ne!(abroad["roles"], at_home["roles"]);
    assert_eq!(names(&get_with(base, profiles, &in_globex).await.text), set(&["Globex iOS", "Globex Android"]));
    let refused = post_with(base, profiles, &in_globex, &json!({ "name": "Of a viewer" })).await;
    assert_eq!((refused.status, refused.json()["error"].as_str()), (403, Some("insufficient_permission")));
    assert!((200..300).contains(&post_with(base, profiles, &manager, &json!({ "name": "Of a manager" })).await.status));
}

#[tokio::test]
async fn the_credentials_file_has_its_shape_and_is_private() {
    let place = Place::new();
    // A file that anybody may read is there already, and its mode must not stay.
    place.write("credentials.json", "something else that is there");
    let demo = Demo::start(&place, &["--data-dir", &place.data()]).await;
    assert_eq!(mode(&place.path("credentials.json")), 0o600);
    let all = &demo.credentials;

    let urls = ["authUrl", "apiUrl", "consoleUrl"];
    let organizations = ["rootOrganization", "subOrganization", "otherOrganization"];
    assert_eq!(members(all), set(&[&urls[..], &organizations, &["users", "personalAccessKeys", "apiKeys", "operator"]].concat()));
    assert!(urls.iter().all(|url| all[*url] == demo.base));
    for (organization, name) in organizations.iter().zip(["Acme", "Acme Mobile", "Globex"]) {
        assert_eq!(members(&all[*organization]), set(&["id", "name"]));
        assert_eq!(all[*organization]["name"], name);
    }
    let people = ["owner", "manager", "viewer", "submember", "globexowner"];
    assert_eq!(members(&all["users"]), set(&people));
    for person in people {
        assert_eq!(members(&all["users"][person]), set(&["id", "email", "password"]));
        assert!(!text(&all["users"][person], "password").is_empty());
    }
    assert_eq!(members(&all["personalAccessKeys"]), set(&[&people[..], &["manager@globex"]].concat()));
    assert!(people.iter().all(|person| demo.key(person).starts_with("kw_pak_")));
    assert_eq!(members(&all["apiKeys"]), set(&["acme-ci", "mobile-ci"]));
    for name in ["acme-ci", "mobile-ci"] {
        let key = &all["apiKeys"][name];
        assert_eq!(members(key), set(&["id", "name", "secret"]));
        let answer = form(&demo.base, "/auth/v1/api-key/token", &[("name", &text(key, "name")), ("secret", &text(key, "secret"))]).await;
        assert_eq!(claims(&token_of(&answer))["sub"], key["id"], "{name}");
    }
}

#[tokio::test]
async fn data_that_is_there_already_is_left_to_serve() {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    place.write("data/notes.txt", "mine");
    let ended: Ended = place.run(&["demo", "--listen", "127.0.0.1:0", "--data-dir", &place.data()], &[]).await;
    ended.assert_refused(&["is not empty", "--data-dir"]);
    assert!(!ended.log.contains("keywright.toml"), "there is none: {ended:?}");
    assert_eq!(fs::read_dir(place.path("data")).unwrap().count(), 1, "nothing was put there");
}

/// Reddens when a demo that failed leaves something that keeps the next one from its folder.
#[tokio::test]
async fn after_one_that_failed_the_folder_is_as_good_as_new() {
    let place = Place::new();
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--data-dir", &place.data()];
    let nobody = [&arguments[..], &["--database-url", "postgres://x@127.0.0.1:1/x"]].concat();
    place.run(&nobody, &[]).await.assert_refused(&["cannot use the database"]);
    assert!(place.path("data").exists(), "the lock is there");
    Server::listening(place.start(&arguments, &[])).await.program.end().await.succeeded();
}

#[tokio::test]
async fn serve_goes_on_with_what_a_demo_left() {
    let place = Place::new();
    let demo = Demo::start(&place, &["--data-dir", &place.data()]).await;
    let (key, acme) = (demo.key("owner"), of_acme());
    assert_eq!(demo.program.end().await.code, Some(0));
    // The demo's own words say how.
    let again = place.run(&["demo", "--data-dir", &place.data()], &[]).await;
    let file = format!("{}/keywright.toml", place.data());
    again.assert_refused(&[&format!("keywright serve --config {file}")]);
    // The folder has its configuration, which counts if none is nearer.
    for found in [["--config", &file], ["--data-dir", &place.data()]] {
        let server = Server::listening(place.start(&[&["serve", "--listen", "127.0.0.1:0"], &found[..]].concat(), &[])).await;
        let token = exchange(&server.base, &key).await;
        assert_eq!(names(&get_with(&server.base, "/distribution/v2/profiles", &token).await.text), acme);
        server.end().await;
    }
    // Without it the roles that are held would be gone, which is refused.
    fs::remove_file(file).unwrap();
    let bare = place.run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", &place.data(), "--public-url", &demo.base], &[]).await;
    bare.assert_refused(&["which members or keys hold", "catalog.preset"]);
}

#[tokio::test]
async fn the_temporary_folder_goes_with_it() {
    let place = Place::new();
    let there = || fs::read_dir(place.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let demo = Demo::start(&place, &[]).await;
    let [folder] = there().try_into().expect("one folder");
    assert!(folder.join("keywright.sqlite3").is_file() && demo.lines("Keywright is listening")[0].contains(folder.to_str().unwrap()));
    demo.program.end().await.succeeded();
    assert!(there().is_empty(), "{:?}", there());
}
