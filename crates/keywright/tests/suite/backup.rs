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
    io::Write as _,
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

/// Reddens when something that cannot be restored is, when it leaves anything behind, or when its sentence does not say what is wrong.
#[tokio::test]
async fn what_cannot_be_restored_leaves_nothing() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let owner = OwnerKey::make(&place).await;
    let ((key, recipient), (other_key, _)) = (key(&place, "backup.key").await, key(&place, "other.key").await);
    let data = place.data();
    let backup_of = |more: &[&str]| [&["backup", "--data-dir", &data], more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let output = place.text("backup.age");
    place.run(&backup_of(&["--output", &output]), &[]).await.assert_refused(&["needs a recipient", "backup.recipients"]);
    place.run(&backup_of(&["--recipient", &recipient]), &[]).await.assert_refused(&["--output"]);
    place.run(&["backup", "key", "--output", &key], &[]).await.assert_refused(&["backup.key", "exists"]);
    let none = place.text("none");
    let nowhere = ["backup", "--data-dir", &none, "--recipient", &recipient, "--output", &output];
    place.run(&nowhere, &[]).await.assert_refused(&["there is no database in"]);
    assert!(!Path::new(&output).exists());
    let from_configuration = [("KEYWRIGHT_BACKUP__RECIPIENTS", format!("[\"{recipient}\"]"))];
    place.run(&backup_of(&["--output", &output]), &[(from_configuration[0].0, &from_configuration[0].1)]).await.succeeded();
    place.run(&backup_of(&["--recipient", &recipient, "--output", &output]), &[]).await.assert_refused(&["is there already"]);
    place
        .run(&["config", "check"], &[("KEYWRIGHT_BACKUP__RECIPIENTS", "[\"age1nobody\"]")])
        .await
        .assert_refused(&["backup.recipients, entry 1", "no recipient"]);
    // A key that stands where a recipient or a name belongs is not repeated.
    let secret = fs::read_to_string(&key).unwrap().lines().last().unwrap().to_owned();
    let misplaced = [
        backup_of(&["--recipient", &secret, "--output", &place.text("x")]),
        ["restore", &output, "--key", &secret, "--data-dir", &none, "--accept-lost-revocations"].map(str::to_owned).to_vec(),
        ["restore", &secret, "--key", &key, "--data-dir", &none, "--accept-lost-revocations"].map(str::to_owned).to_vec(),
    ];
    for arguments in misplaced {
        let ended = place.run(&arguments, &[]).await;
        ended.assert_refused(&[]);
        assert!(!ended.log.contains(&secret), "{}", ended.log);
    }
    let ended = place.run(&["config", "check"], &[("KEYWRIGHT_BACKUP__RECIPIENTS", &format!("[\"{secret}\"]"))]).await;
    ended.assert_refused(&["entry 1"]);
    assert!(!ended.log.contains(&secret), "{}", ended.log);
    // A full disk is an error, and no panic.
    let to_nowhere = format!("{} backup --data-dir {data} --recipient {recipient} --output - 2>&1 >/dev/full || true", env!("CARGO_BIN_EXE_keywright"));
    let told = shell(&to_nowhere).await;
    assert!(told.contains("No space left") && !told.contains("panicked"), "{told}");

    let whole = fs::read(&output).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        fs::write(place.path(name), bytes).unwrap();
        place.text(name)
    };
    let altered = [&whole[..whole.len() / 2], &[whole[whole.len() / 2] ^ 1], &whole[whole.len() / 2 + 1..]].concat();
    let log = revocations(&place, "revocations.jsonl").await;
    let lines = fs::read_to_string(&log).unwrap();
    let repack = async |name: &str, manifest: &str, files: &[&str]| {
        let folder = place.text(name);
        shell(&format!("mkdir {folder} && age --decrypt --identity {key} {output} | tar --extract --directory {folder}")).await;
        fs::File::create(Path::new(&folder).join("manifest.json")).unwrap().write_all(manifest.as_bytes()).unwrap();
        let files = files.join(" ");
        shell(&format!("cd {folder} && touch extra && tar --create {files} | age --recipient {recipient} --output {folder}.age")).await;
        format!("{folder}.age")
    };
    let manifest = r#"{"format": 1, "program": "keywright 0.1.0", "at": "2026-01-01T00:00:00Z", "files": []}"#;
    let all = ["manifest.json", "keywright.key", "keywright.sqlite3"];
    let newer = repack("newer", &manifest.replace(": 1,", ": 2,").replace("0.1.0", "9.9.9"), &all).await;
    let lost = ["--accept-lost-revocations"];
    let cases: [Case<'_>; 13] = [
        ("neither flag", &output, &key, &[], &["--revocations", "--accept-lost-revocations"]),
        ("another key", &output, &other_key, &lost, &["this key does not open it"]),
        ("no key", &output, &output, &lost, &["backup.age"]),
        ("cut in the middle", &write("cut.age", &whole[..whole.len() / 2]), &key, &lost, &["cut short"]),
        ("cut at the last byte", &write("cut1.age", &whole[..whole.len() - 1]), &key, &lost, &["cut short"]),
        ("altered", &write("altered.age", &altered), &key, &lost, &["the backup cannot be opened"]),
        ("no backup", &write("text.age", b"hello"), &key, &lost, &["no encrypted backup"]),
        ("newer", &newer, &key, &lost, &["keywright 9.9.9", "newer"]),
        ("without its database", &repack("less", manifest, &all[..2]).await, &key, &lost, &["`keywright.sqlite3` is not in it"]),
        ("with something else", &repack("more", manifest, &[&all[..], &["extra"]].concat()).await, &key, &lost, &["`extra`", "does not belong"]),
        ("not there", &none, &key, &lost, &["none"]),
        ("a log that is none", &output, &key, &["--revocations", &write("log", b"{}\n")], &["line 1"]),
        ("an empty log", &output, &key, &["--revocations", &write("empty", b"")], &["nothing in the log of revocations"]),
    ];
    for (what, backup, key, more, parts) in cases {
        let target = place.text("target");
        let arguments = [&["restore", backup, "--key", key, "--data-dir", &target], more].concat();
        let ended = place.run(&arguments, &[]).await;
        assert!(ended.code == Some(1), "{what}: {ended:?}");
        ended.assert_refused(parts);
        assert!(!Path::new(&target).exists(), "{what}");
    }
    // An empty folder stays one. What a power cut left in the middle of a restore is used by nobody, and restored over.
    let target = place.text("target");
    fs::create_dir(&target).unwrap();
    let restore = |key: &str| ["restore", &output, "--key", key, "--data-dir", &target, "--accept-lost-revocations"].map(str::to_owned);
    place.run(&restore(&other_key), &[]).await.assert_refused(&["this key does not open it"]);
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);
    fs::create_dir(format!("{target}/restore.tmp")).unwrap();
    for half in ["restore.tmp/keywright.sqlite3", "keywright.key"] {
        fs::write(format!("{target}/{half}"), "half").unwrap();
    }
    place.run(&["serve", "--data-dir", &target], &[]).await.assert_refused(&["was interrupted", "run it again"]);
    place.run(&restore(&key), &[]).await.succeeded();
    serve(&place, &target, &[]).await.end().await;
    let into_data = ["restore", &output, "--key", &key, "--data-dir", &data, "--accept-lost-revocations"];
    place.run(&into_data, &[]).await.assert_refused(&["is not empty"]);
    // The server has not noticed any of this; and a log that was cut in the middle of a line goes on where it was whole.
    exchange(&server.base, &owner.secret).await;
    fs::write(&log, &lines.as_bytes()[..lines.len() - 10]).unwrap();
    revocations(&place, "revocations.jsonl").await;
    let sections = fs::read_to_string(&log).unwrap();
    assert!(sections.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()) && sections.lines().count() == lines.lines().count(), "{sections}");
    // What is something else is not written to.
    let foreign = place.write("password", "hunter2");
    place.run(&["audit", "revocations", "--data-dir", &data, &foreign], &[]).await.assert_refused(&["no log of revocations"]);
    assert_eq!(fs::read_to_string(&foreign).unwrap(), "hunter2");
    let others = place.write("others", &sections.replace("https://auth.example.com", "https://other.example.com"));
    place.admin_json(&["user", "create", "--name", "New", "--email", "new@example.com"]).await;
    place.run(&["audit", "revocations", "--data-dir", &data, &others], &[]).await.assert_refused(&["another installation", "other.example.com"]);
    server.end().await;
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
    let unlimited = ["KEY_PER_SECOND", "ORGANIZATION_PER_SECOND", "REFUSED_KEYS_PER_MINUTE"].map(|rate| format!("KEYWRIGHT_LIMITS__{rate}"));
    let unlimited = unlimited.each_ref().map(|rate| (rate.as_str(), "0"));
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
        let made = done.lock().unwrap().made.clone();
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
