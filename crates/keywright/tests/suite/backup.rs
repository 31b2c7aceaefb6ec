//! `keywright backup` and `keywright restore`: while the server is at work, into another folder, without what was taken away since.

use crate::{
    admin::OwnerKey,
    http::{client, exchange, try_exchange, try_exchange_api_key},
    process::{ISSUER, Place, Server, mode, shell, text, until},
};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::task::JoinSet;

/// A backup key in a place; answers its file and its recipient.
async fn key(place: &Place, name: &str) -> (String, String) {
    let file = place.text(name);
    let recipient = place.run(&["backup", "key", "--output", &file], &[]).await.succeeded();
    (file, recipient.trim().to_owned())
}

async fn back_up(place: &Place, recipient: &str, name: &str) -> String {
    let (data, output) = (place.data(), place.text(name));
    place.run(&["backup", "--data-dir", &data, "--recipient", recipient, "--output", &output], &[]).await.succeeded();
    output
}

async fn revocations(place: &Place, name: &str) -> String {
    let (data, file) = (place.data(), place.text(name));
    place.run(&["audit", "revocations", "--data-dir", &data, &file], &[]).await.succeeded();
    file
}

/// A server on a restored folder.
async fn serve(place: &Place, data: &str, environment: &[(&str, &str)]) -> Server {
    let arguments = ["serve", "--data-dir", data, "--public-url", ISSUER, "--listen", "127.0.0.1:0"];
    Server::listening(place.start(&arguments, environment)).await
}

/// Reddens when a file is encrypted in a form of our own, when something is missing in it, or when what is in it is readable for others.
#[tokio::test]
async fn other_programs_open_a_backup() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let owner = OwnerKey::make(&place).await;
    let (key, recipient) = key(&place, "backup.key").await;
    let (other_key, other) = self::key(&place, "other.key").await;
    assert_eq!((mode(Path::new(&key)), recipient.starts_with("age1")), (0o600, true));
    let (data, backup) = (place.data(), place.text("backup.age"));
    let both = ["backup", "--data-dir", &data, "--recipient", &recipient, "--recipient", &other, "--output", &backup];
    place.run(&both, &[]).await.succeeded();
    assert_eq!(mode(Path::new(&backup)), 0o600);
    for key in [&key, &other_key] {
        let listed = shell(&format!("age --decrypt --identity {key} {backup} | tar --list")).await;
        assert_eq!(listed.lines().collect::<Vec<_>>(), ["manifest.json", "keywright.key", "keywright.sqlite3"]);
    }
    let manifest = shell(&format!("age --decrypt --identity {key} {backup} | tar --extract --to-stdout manifest.json")).await;
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!((&manifest["format"], manifest["position"]["history"].as_i64()), (&json!(1), Some(1)), "{manifest}");
    let sealed = fs::read(&backup).unwrap();
    for plain in ["SQLite format 3", "pepper", "Initech", &owner.secret] {
        assert!(!sealed.windows(plain.len()).any(|window| window == plain.as_bytes()), "{plain}");
    }
    // The other way round: what they encrypt is a backup too.
    shell(&format!("age --decrypt --identity {key} {backup} | age --recipient {other} --output {backup}.again")).await;
    let (again, restored) = (format!("{backup}.again"), place.text("restored"));
    place.run(&["restore", &again, "--key", &other_key, "--data-dir", &restored, "--accept-lost-revocations"], &[]).await.succeeded();
    let again = serve(&place, &restored, &[]).await;
    exchange(&again.base, &owner.secret).await;
    again.end().await;
    server.end().await;
    let leftovers: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!leftovers.iter().any(|name| name == "backup.tmp"), "{leftovers:?}");
    assert_eq!(mode(Path::new(&restored)), 0o700);
}

/// What is wrong, the backup, the key, the other flags, and parts of the sentence.
type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], &'a [&'a str]);

/// A server with something in it, two backup keys, and a backup for the first one.
struct Scene {
    place: Place,
    server: Server,
    owner: OwnerKey,
    key: String,
    recipient: String,
    other_key: String,
    backup: String,
}

impl Scene {
    async fn begin() -> Self {
        let place = Place::new();
        let server = place.serve(&[], &[]).await;
        let owner = OwnerKey::make(&place).await;
        let ((key, recipient), (other_key, _)) = (key(&place, "backup.key").await, key(&place, "other.key").await);
        let backup = back_up(&place, &recipient, "backup.age").await;
        Self { place, server, owner, key, recipient, other_key, backup }
    }

    /// A file in the place.
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.place.path(name), bytes).unwrap();
        self.place.text(name)
    }

    /// The same backup with another manifest and only some of its files, or more, as other programs would make it.
    async fn repack(&self, name: &str, manifest: &str, files: &[&str]) -> String {
        let (folder, Self { key, recipient, backup, .. }) = (self.place.text(name), self);
        shell(&format!("mkdir {folder} && age --decrypt --identity {key} {backup} | tar --extract --directory {folder}")).await;
        fs::write(Path::new(&folder).join("manifest.json"), manifest).unwrap();
        let files = files.join(" ");
        shell(&format!("cd {folder} && touch extra && tar --create {files} | age --recipient {recipient} --output {folder}.age")).await;
        format!("{folder}.age")
    }
}

/// Reddens when a backup is begun that cannot be one, overwrites something, or repeats a key that stands in a wrong place.
#[tokio::test]
async fn what_cannot_be_backed_up_leaves_nothing() {
    let scene = Scene::begin().await;
    let (place, data, none, output) = (&scene.place, scene.place.data(), scene.place.text("none"), scene.place.text("second.age"));
    let backup = |more: &[&str]| [&["backup", "--data-dir", &data], more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    place.run(&backup(&["--output", &output]), &[]).await.assert_refused(&["needs a recipient", "backup.recipients"]);
    place.run(&backup(&["--recipient", &scene.recipient]), &[]).await.assert_refused(&["--output"]);
    place.run(&["backup", "key", "--output", &scene.key], &[]).await.assert_refused(&["backup.key", "exists"]);
    let nowhere = ["backup", "--data-dir", &none, "--recipient", &scene.recipient, "--output", &output];
    place.run(&nowhere, &[]).await.assert_refused(&["there is no database in"]);
    assert!(!Path::new(&output).exists());
    let recipients = |text: &str| [("KEYWRIGHT_BACKUP__RECIPIENTS", format!("[\"{text}\"]"))];
    let [(name, value)] = recipients(&scene.recipient);
    place.run(&backup(&["--output", &output]), &[(name, &value)]).await.succeeded();
    place.run(&backup(&["--recipient", &scene.recipient, "--output", &output]), &[]).await.assert_refused(&["is there already"]);

    // A key that stands where a recipient or a name belongs is not repeated.
    let secret = fs::read_to_string(&scene.key).unwrap().lines().last().unwrap().to_owned();
    let [(name, value)] = recipients(&secret);
    let restore = |backup: &str, key: &str| ["restore", backup, "--key", key, "--data-dir", &none, "--accept-lost-revocations"].map(str::to_owned).to_vec();
    for (arguments, environment) in [
        (backup(&["--recipient", &secret, "--output", &none]), vec![]),
        (restore(&output, &secret), vec![]),
        (restore(&secret, &scene.key), vec![]),
        (vec!["config".to_owned(), "check".to_owned()], vec![(name, value.as_str())]),
    ] {
        let ended = place.run(&arguments, &environment).await;
        ended.assert_refused(&[]);
        assert!(!ended.log.contains(&secret), "{}", ended.log);
    }
    // A full disk is an error, and no panic.
    let program = env!("CARGO_BIN_EXE_keywright");
    let told = shell(&format!("{program} backup --data-dir {data} --recipient {} --output - 2>&1 >/dev/full || true", scene.recipient)).await;
    assert!(told.contains("No space left") && !told.contains("panicked"), "{told}");
    scene.server.end().await;
}

/// Reddens when something that cannot be restored is, when it leaves anything behind, or when its sentence does not say what is wrong.
#[tokio::test]
async fn what_cannot_be_restored_leaves_nothing() {
    let scene = Scene::begin().await;
    let (place, key, output) = (&scene.place, scene.key.as_str(), scene.backup.as_str());
    let whole = fs::read(output).unwrap();
    let altered = [&whole[..whole.len() / 2], &[whole[whole.len() / 2] ^ 1], &whole[whole.len() / 2 + 1..]].concat();
    let manifest = r#"{"format": 1, "program": "keywright 0.1.0", "at": "2026-01-01T00:00:00Z", "files": []}"#;
    let all = ["manifest.json", "keywright.key", "keywright.sqlite3"];
    let newer = scene.repack("newer", &manifest.replace(": 1,", ": 2,").replace("0.1.0", "9.9.9"), &all).await;
    let lost: &[&str] = &["--accept-lost-revocations"];
    let cases: [Case<'_>; 13] = [
        ("neither flag", output, key, &[], &["--revocations", "--accept-lost-revocations"]),
        ("another key", output, &scene.other_key, lost, &["this key does not open it"]),
        ("no key", output, output, lost, &["backup.age"]),
        ("cut in the middle", &scene.write("cut.age", &whole[..whole.len() / 2]), key, lost, &["cut short"]),
        ("cut at the last byte", &scene.write("cut1.age", &whole[..whole.len() - 1]), key, lost, &["cut short"]),
        ("altered", &scene.write("altered.age", &altered), key, lost, &["the backup cannot be opened"]),
        ("no backup", &scene.write("text.age", b"hello"), key, lost, &["no encrypted backup"]),
        ("newer", &newer, key, lost, &["keywright 9.9.9", "newer"]),
        ("without its database", &scene.repack("less", manifest, &all[..2]).await, key, lost, &["`keywright.sqlite3` is not in it"]),
        ("with something else", &scene.repack("more", manifest, &[&all[..], &["extra"]].concat()).await, key, lost, &["`extra`", "does not belong"]),
        ("not there", &place.text("none"), key, lost, &["none"]),
        ("a log that is none", output, key, &["--revocations", &scene.write("log", b"{}\n")], &["line 1"]),
        ("an empty log", output, key, &["--revocations", &scene.write("empty", b"")], &["nothing in the log of revocations"]),
    ];
    for (what, backup, key, more, parts) in cases {
        let target = place.text("target");
        let ended = place.run(&[&["restore", backup, "--key", key, "--data-dir", &target], more].concat(), &[]).await;
        assert!(ended.code == Some(1), "{what}: {ended:?}");
        ended.assert_refused(parts);
        assert!(!Path::new(&target).exists(), "{what}");
    }
    // The server has not noticed any of this, nor of a restore into its own folder.
    let into_data = ["restore", output, "--key", key, "--data-dir", &place.data(), "--accept-lost-revocations"];
    place.run(&into_data, &[]).await.assert_refused(&["another Keywright process uses"]);
    exchange(&scene.server.base, &scene.owner.secret).await;
    scene.server.end().await;
    place.run(&into_data, &[]).await.assert_refused(&["is not empty"]);
}

/// Reddens when an empty folder is not left as it was, or when what a power cut left in the middle of a restore is used by anybody.
#[tokio::test]
async fn half_a_restore_is_used_by_nobody() {
    let scene = Scene::begin().await;
    let (place, target) = (&scene.place, scene.place.text("target"));
    fs::create_dir(&target).unwrap();
    let restore = |key: &str| ["restore", &scene.backup, "--key", key, "--data-dir", &target, "--accept-lost-revocations"].map(str::to_owned);
    place.run(&restore(&scene.other_key), &[]).await.assert_refused(&["this key does not open it"]);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    fs::create_dir(format!("{target}/restore.tmp")).unwrap();
    for half in ["restore.tmp/keywright.sqlite3", "keywright.key"] {
        fs::write(format!("{target}/{half}"), "half").unwrap();
    }
    place.run(&["serve", "--data-dir", &target], &[]).await.assert_refused(&["was interrupted", "run it again"]);
    place.run(&restore(&scene.key), &[]).await.succeeded();
    let again = serve(place, &target, &[]).await;
    exchange(&again.base, &scene.owner.secret).await;
    again.end().await;
    scene.server.end().await;
}

/// Reddens when what a crash left of a section stays, or when something else is taken for a log of revocations, or written over.
#[tokio::test]
async fn a_log_of_revocations_goes_on_where_it_was_whole() {
    let scene = Scene::begin().await;
    let (place, data) = (&scene.place, scene.place.data());
    let log = revocations(place, "revocations.jsonl").await;
    let lines = fs::read_to_string(&log).unwrap();
    fs::write(&log, &lines.as_bytes()[..lines.len() - 10]).unwrap();
    revocations(place, "revocations.jsonl").await;
    let sections = fs::read_to_string(&log).unwrap();
    assert!(sections.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && sections.lines().count() == lines.lines().count(), "{sections}");
    assert_eq!(mode(Path::new(&log)), 0o600);

    let write_to = async |file: &str| place.run(&["audit", "revocations", "--data-dir", &data, file], &[]).await;
    let foreign = place.write("password", "hunter2");
    write_to(&foreign).await.assert_refused(&["no log of revocations"]);
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "hunter2");
    let others = place.write("others", &sections.replace("https://auth.example.com", "https://other.example.com"));
    place.admin_json(&["user", "create", "--name", "New", "--email", "new@example.com"]).await;
    write_to(&others).await.assert_refused(&["another installation", "other.example.com"]);
    scene.server.end().await;
}

/// What clients have been told is done.
#[derive(Default)]
struct Acknowledged {
    /// Name, id and secret of each key, in the order they were made.
    made: Vec<(String, String, String)>,
    revoked: Vec<String>,
}

/// One client that makes keys and revokes some.
struct Load {
    keys: String,
    operator: String,
    organization: String,
    done: Arc<Mutex<Acknowledged>>,
}

impl Load {
    async fn run(self, stop: Arc<AtomicBool>) {
        let client = client();
        for number in (0..).take_while(|_| !stop.load(Ordering::SeqCst)) {
            let name = format!("key-{number:04}");
            let body = json!({ "name": name, "grants": [{ "organizationId": self.organization, "roles": ["view-organization"] }] });
            let made: Value = serde_json::from_str(&self.send(client.post(format!("{}?onBehalfOf=load", self.keys)).json(&body)).await).unwrap();
            let id = text(&made, "id");
            self.done.lock().unwrap().made.push((name, id.clone(), text(&made, "secret")));
            // Every other key goes at once, and now and then an older one.
            if number % 2 == 1 {
                self.revoke(&client, id).await;
            }
            if number % 8 == 6 {
                let older = self.done.lock().unwrap().made[number - 6].1.clone();
                self.revoke(&client, older).await;
            }
        }
    }

    async fn revoke(&self, client: &Client, id: String) {
        self.send(client.delete(format!("{}/{id}?onBehalfOf=load", self.keys))).await;
        self.done.lock().unwrap().revoked.push(id);
    }

    async fn send(&self, request: RequestBuilder) -> String {
        let answer = request.bearer_auth(&self.operator).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status} {text}");
        text
    }
}

/// Reddens when a backup is not one moment of the database, when what was acknowledged before it is not in it, and when a key that was revoked
/// after it opens anything.
#[tokio::test]
async fn under_load_a_backup_is_a_moment_and_nothing_revoked_comes_back() {
    let rounds = if std::env::vars().any(|(name, value)| name == "TEST_EXTENT" && value == "full") { 20 } else { 4 };
    // The work goes on as long as the rounds do.
    let unlimited = [
        ("KEYWRIGHT_LIMITS__KEY_PER_SECOND", "0"),
        ("KEYWRIGHT_LIMITS__ORGANIZATION_PER_SECOND", "0"),
        ("KEYWRIGHT_LIMITS__REFUSED_KEYS_PER_MINUTE", "0"),
        ("KEYWRIGHT_KEYS__API_PER_ROOT", "1000000"),
    ];
    let place = Place::new();
    let server = place.serve(&[], &unlimited).await;
    let owner = OwnerKey::make(&place).await;
    let operator = text(&place.admin_json(&["operator-key", "create", "--name", "maker", "--scope", "keys"]).await, "secret");
    let (key, recipient) = key(&place, "backup.key").await;
    let (done, stop) = (Arc::new(Mutex::new(Acknowledged::default())), Arc::new(AtomicBool::new(false)));
    let keys = format!("{}/identity/v1/organizations/{}/api-keys", server.base, owner.organization);
    let mut work = JoinSet::new();
    work.spawn(Load { keys, operator, organization: owner.organization.clone(), done: Arc::clone(&done) }.run(Arc::clone(&stop)));
    until("some keys are made", async || (done.lock().unwrap().made.len() > 10).then_some(())).await;
    for round in 0..rounds {
        let before = done.lock().unwrap().made.len();
        let backup = back_up(&place, &recipient, &format!("{round}.age")).await;
        until("more is revoked after the backup", async || (done.lock().unwrap().made.len() > before + 20).then_some(())).await;
        let revoked = done.lock().unwrap().revoked.clone();
        let log = revocations(&place, "revocations.jsonl").await;
        let restored = place.text(&format!("restored-{round}"));
        place.run(&["restore", &backup, "--key", &key, "--data-dir", &restored, "--revocations", &log], &[]).await.succeeded();
        let again = serve(&place, &restored, &unlimited).await;
        // Those around the moment of the backup; the older ones were asked for in the rounds before.
        let older = before.saturating_sub(100);
        let (made, before) = (done.lock().unwrap().made[older..].to_vec(), before - older);
        let mut known = Vec::new();
        for (name, id, secret) in &made {
            let answer = try_exchange_api_key(&again.base, name, secret).await;
            let code = if answer.status == 200 { "accepted".to_owned() } else { text(&answer.json(), "error") };
            assert!(!(revoked.contains(id) && answer.status == 200), "{name} came back in round {round}");
            known.push(code != "invalid_key");
        }
        let count = known.iter().filter(|known| **known).count();
        assert!(before <= count && known.iter().take(count).all(|known| *known), "round {round}: {before} were made before it, {known:?}");
        let living = made.iter().take(before).find(|(_, id, _)| !revoked.contains(id)).unwrap();
        assert_eq!(try_exchange_api_key(&again.base, &living.0, &living.2).await.status, 200, "others live on");
        assert_eq!(try_exchange(&again.base, &owner.secret).await.status, 200);
        again.end().await;
        fs::remove_dir_all(&restored).unwrap();
        fs::remove_file(&backup).unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    work.join_next().await.unwrap().unwrap();
    server.end().await;
}
