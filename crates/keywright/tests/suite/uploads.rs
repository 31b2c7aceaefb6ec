//! Uploads to the running program: memory, broken lines, two at once, keys that end between two steps.

use crate::{
    demo::Demo,
    http::{Answer, client, exchange, form, get_with, post_with, token_of},
    process::{Place, Server, text, until},
    raw::{Raw, read},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const MB: usize = 1 << 20;

fn is_full() -> bool {
    std::env::vars().any(|(name, value)| name == "TEST_EXTENT" && value == "full")
}

/// A demo in a folder of its own, its Owner's token, and a profile.
struct Stage {
    demo: Demo,
    files: PathBuf,
    token: String,
    profile: String,
}

impl Stage {
    async fn start(place: &Place) -> Self {
        let demo = Demo::start(place, &["--data-dir", &place.data()]).await;
        let token = exchange(&demo.base, &demo.key("owner")).await;
        let profile = text(&get_with(&demo.base, "/distribution/v2/profiles", &token).await.json()[0], "id");
        Self { files: place.path("data").join("files"), demo, token, profile }
    }

    fn versions(&self) -> String {
        format!("/distribution/v1/profiles/{}/app-versions", self.profile)
    }

    /// The first step: the file's id, and the path of its URL.
    async fn ask(&self, token: &str, size: usize) -> (String, String) {
        let answer = get_with(&self.demo.base, &format!("{}?action=uploadInformation&fileSize={size}", self.versions()), token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let url = text(&answer.json(), "uploadUrl");
        (text(&answer.json(), "fileId"), url.strip_prefix(&self.demo.base).unwrap().to_owned())
    }

    /// The first two steps: the file's id.
    async fn uploaded(&self, token: &str) -> String {
        let (file, url) = self.ask(token, 5).await;
        assert_eq!(self.put(&url, 1, b"hello").await.status, 200);
        file
    }

    async fn commit(&self, token: &str, file: &str) -> Answer {
        let body = json!({ "fileId": file, "fileName": "shop.ipa" });
        post_with(&self.demo.base, &format!("{}?action=commitFileUpload", self.versions()), token, &body).await
    }

    async fn connect(&self, head: &str, length: usize) -> TcpStream {
        let address = self.demo.base.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("{head}Host: {address}\r\nContent-Length: {length}\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    async fn put(&self, path: &str, pieces: usize, piece: &[u8]) -> Raw {
        let mut stream = self.connect(&format!("PUT {path} HTTP/1.1\r\n"), pieces * piece.len()).await;
        for _ in 0..pieces {
            stream.write_all(piece).await.unwrap();
        }
        read(&mut stream).await
    }

    async fn app_versions(&self) -> Vec<Value> {
        get_with(&self.demo.base, &self.versions(), &self.token).await.json().as_array().unwrap().clone()
    }
}

/// The files in the folder, at any depth.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The most memory that a process has had, in bytes.
fn peak(id: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
}

/// Reddens when the connection is closed under somebody who writes all he has before he looks: then the answer is lost.
#[tokio::test]
async fn whoever_writes_on_still_gets_his_answer() {
    let place = Place::new();
    let stage = Stage::start(&place).await;
    let viewer = exchange(&stage.demo.base, &stage.demo.key("viewer")).await;
    let form =
        |token: &str| format!("POST {} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=b\r\n", stage.versions());
    let nowhere = format!("PUT /distribution/v1/uploads/{}?signature=x HTTP/1.1\r\n", stage.profile);
    let json = format!("POST /distribution/v1/profiles HTTP/1.1\r\nAuthorization: Bearer {}\r\n", stage.token);
    for (head, code) in [
        (form(&viewer), "insufficient_permission"),
        (form("x"), "invalid_token"),
        (form(&stage.token), "invalid_request"),
        (nowhere, "upload_url_invalid"),
        (json, "request_too_large"),
    ] {
        for more in ["", "Connection: close\r\n"] {
            let mut stream = stage.connect(&format!("{head}{more}"), 20 * MB).await;
            for _ in 0..20 {
                stream.write_all(&vec![b'x'; MB]).await.unwrap();
            }
            assert_eq!(text(&read(&mut stream).await.json(), "error"), code, "{head}{more}");
        }
    }
}

/// Reddens when a body is gathered before it is written, or a form, or a file before it is sent.
#[tokio::test]
async fn memory_stays_small_however_large_the_file() {
    let place = Place::new();
    // The demo hashes passwords while it fills its folder; whoever goes on with that folder does not.
    let Stage { demo: Demo { program, base, credentials, credentials_file }, files, profile, .. } = Stage::start(&place).await;
    let config = place.text("data/keywright.toml");
    program.end().await.succeeded();
    let address = base.strip_prefix("http://").unwrap();
    let next = Server::listening(place.start(&["serve", "--config", &config, "--listen", address], &[])).await;
    let demo = Demo { program: next.program, base, credentials, credentials_file };
    let token = exchange(&demo.base, &demo.key("owner")).await;
    let stage = Stage { demo, files, token, profile };
    let megabytes = if is_full() { 300 } else { 64 };
    let before = peak(stage.demo.program.id());
    let (file, url) = stage.ask(&stage.token, megabytes * MB).await;
    let piece = vec![0x5a; MB];
    let put = stage.put(&url, megabytes, &piece).await;
    assert_eq!(put.status, 200, "{put:?}");
    let done = stage.commit(&stage.token, &file).await;
    assert_eq!(done.status, 200, "{done:?}");

    let start = b"--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"shop.apk\"\r\n\r\n";
    let end = b"\r\n--b0und--\r\n";
    let head = format!("POST {} HTTP/1.1\r\nAuthorization: {}\r\nContent-Type: multipart/form-data; boundary=b0und\r\n", stage.versions(), stage.token);
    let mut stream = stage.connect(&head, start.len() + megabytes * MB + end.len()).await;
    stream.write_all(start).await.unwrap();
    for _ in 0..megabytes {
        stream.write_all(&piece).await.unwrap();
    }
    stream.write_all(end).await.unwrap();
    let sent = read(&mut stream).await;
    assert_eq!(sent.status, 200, "{sent:?}");

    for version in stage.app_versions().await {
        let path = format!("{}{}/{}/download", stage.demo.base, stage.versions(), text(&version, "id"));
        let mut download = client().get(path).bearer_auth(&stage.token).send().await.unwrap();
        let mut length = 0;
        while let Some(chunk) = download.chunk().await.unwrap() {
            length += chunk.len();
        }
        assert_eq!(length, megabytes * MB);
    }
    let after = peak(stage.demo.program.id());
    println!("{megabytes} MB three times: {} MB before, {} MB at most", before / MB, after / MB);
    assert!(after < 100 * MB && after - before < 24 * MB, "{before} before, {after} after");
}

/// Reddens when what broke off stays, and when a URL does not survive a broken line.
#[tokio::test]
async fn a_line_that_breaks_anywhere_leaves_nothing() {
    let place = Place::new();
    let stage = Stage::start(&place).await;
    let times = if is_full() { 200 } else { 20 };
    let (file, url) = stage.ask(&stage.token, MB).await;
    let form = "--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"shop.apk\"\r\n\r\n";
    let posting = format!("POST {} HTTP/1.1\r\nAuthorization: {}\r\nContent-Type: multipart/form-data; boundary=b0und\r\n", stage.versions(), stage.token);
    // Anywhere, and the same at each run.
    let mut chance = 0x2545_f491_u32;
    for time in 0..times {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let cut = usize::try_from(chance >> 12).unwrap() % MB;
        let mut stream = match time % 2 {
            0 => stage.connect(&format!("PUT {url} HTTP/1.1\r\n"), MB).await,
            _ => {
                let mut stream = stage.connect(&posting, MB).await;
                stream.write_all(form.as_bytes()).await.unwrap();
                stream
            }
        };
        stream.write_all(&vec![7; cut.saturating_sub(form.len())]).await.unwrap();
        if time % 3 == 0 {
            // Some are gone without a word, others end their half of the line.
            stream.shutdown().await.unwrap();
        }
        drop(stream);
    }
    // Whoever lost his line tries again.
    until("the URL works", async || (stage.put(&url, 1, &vec![7; MB]).await.status == 200).then_some(())).await;
    assert_eq!(stage.commit(&stage.token, &file).await.status, 200);
    // The last ones may only now be noticed.
    until("nothing else is left", async || (files(&stage.files).len() == 1).then_some(())).await;
    assert_eq!(stage.app_versions().await.len(), 1);
    let Stage { demo, .. } = stage;
    demo.program.end().await.succeeded();
    let location = keywright_db_location(&place);
    assert_eq!(loose(&location).await, 0, "no row is left either");
}

fn keywright_db_location(place: &Place) -> keywright_db::Location {
    keywright_db::Location::Sqlite { path: place.path("data").join("distribution.sqlite3") }
}

/// Rows of reservations and of files that are nobody's.
async fn loose(location: &keywright_db::Location) -> i64 {
    let db = keywright_db::Db::open(location, keywright_db::Writes::Plain, keywright_distribution::MIGRATIONS).await.unwrap();
    let sql = "SELECT (SELECT COUNT(*) FROM uploads) + (SELECT COUNT(*) FROM loose_files) AS n";
    let counted = db.read(|tx| Box::pin(async move { tx.fetch_one(sql, &[]).await?.get::<i64>("n") })).await;
    let counted = counted.map_err(|error: keywright_db::StoreError| format!("{error:?}")).unwrap();
    db.close().await;
    counted
}

/// Reddens when the next start does not clear away what a process has left that was killed.
#[tokio::test]
async fn what_was_being_received_when_the_process_was_killed_goes_at_the_next_start() {
    let place = Place::new();
    let stage = Stage::start(&place).await;
    let (_, url) = stage.ask(&stage.token, MB).await;
    let mut stream = stage.connect(&format!("PUT {url} HTTP/1.1\r\n"), MB).await;
    stream.write_all(&vec![7; MB / 2]).await.unwrap();
    until("it is being received", async || (!files(&stage.files).is_empty()).then_some(())).await;
    let folder = stage.files.clone();
    stage.demo.program.kill().await;
    assert_eq!(files(&folder).len(), 1);
    let config = place.text("data/keywright.toml");
    let program = place.start(&["serve", "--config", &config, "--listen", "127.0.0.1:0"], &[]);
    let next = Server::listening(program).await;
    until("it is cleared away", async || files(&folder).is_empty().then_some(())).await;
    next.end().await;
    assert_eq!(loose(&keywright_db_location(&place)).await, 1, "the reservation alone");
}

#[tokio::test]
async fn of_two_who_send_at_once_one_wins() {
    let place = Place::new();
    let stage = Stage::start(&place).await;
    for _ in 0..5 {
        let (file, url) = stage.ask(&stage.token, 4 * MB).await;
        let (ones, twos) = (vec![1; MB], vec![2; MB]);
        let (one, two) = tokio::join!(stage.put(&url, 4, &ones), stage.put(&url, 4, &twos));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        let done = stage.commit(&stage.token, &file).await.json();
        let path = format!("{}{}/{}/download", stage.demo.base, stage.versions(), text(&done, "appVersionId"));
        let content = client().get(path).bearer_auth(&stage.token).send().await.unwrap().bytes().await.unwrap();
        let winner = if one.status == 200 { 1 } else { 2 };
        assert!(content.len() == 4 * MB && content.iter().all(|byte| *byte == winner));
    }
    until("the losers are gone", async || (files(&stage.files).len() == 5).then_some(())).await;
}

/// Reddens when a step does not ask whether the key is still alive; the second one has no token to ask about.
#[tokio::test]
async fn a_key_that_is_revoked_between_two_steps_stops_the_next_one() {
    let place = Place::new();
    let stage = Stage::start(&place).await;
    let base = &stage.demo.base;
    let owner = &stage.demo.credentials["users"]["owner"];
    let sign_in = json!({ "email": owner["email"], "password": owner["password"] });
    let session = text(&client().post(format!("{base}/auth/v1/sessions")).json(&sign_in).send().await.unwrap().json().await.unwrap(), "sessionToken");
    let keys = "/identity/v1/organizations/current/api-keys";
    let make = async |name: &str| {
        let grants = json!([{ "organizationId": stage.demo.id("rootOrganization"), "roles": ["operate-distribution-profile"] }]);
        let made = post_with(base, keys, &session, &json!({ "name": name, "grants": grants })).await.json();
        let token = token_of(&form(base, "/auth/v1/api-key/token", &[("name", name), ("secret", &text(&made, "secret"))]).await);
        (text(&made, "id"), token)
    };
    let revoke = async |id: &str| {
        let answer = client().delete(format!("{base}{keys}/{id}")).bearer_auth(&session).send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    };
    let error = |answer: &Raw| text(&answer.json(), "error");

    let (id, token) = make("before-the-first").await;
    revoke(&id).await;
    let asked = get_with(base, &format!("{}?action=uploadInformation&fileSize=5", stage.versions()), &token).await;
    assert_eq!((asked.status, text(&asked.json(), "error")), (401, "invalid_token".to_owned()));

    let (id, token) = make("before-the-second").await;
    let (_, url) = stage.ask(&token, 5).await;
    revoke(&id).await;
    let put = stage.put(&url, 1, b"hello").await;
    assert_eq!((put.status, error(&put)), (403, "upload_url_revoked".to_owned()));
    assert_eq!(files(&stage.files).len(), 0);

    let (id, token) = make("before-the-third").await;
    let file = stage.uploaded(&token).await;
    revoke(&id).await;
    assert_eq!(stage.commit(&token, &file).await.status, 401);
    assert_eq!(stage.app_versions().await.len(), 0);

    let (id, token) = make("within-the-only-one").await;
    let head = format!("POST {} HTTP/1.1\r\nAuthorization: {token}\r\nContent-Type: multipart/form-data; boundary=b\r\n", stage.versions());
    let (start, end) = (&b"--b\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a.apk\"\r\n\r\nhel"[..], &b"lo\r\n--b--\r\n"[..]);
    let mut stream = stage.connect(&head, start.len() + end.len()).await;
    stream.write_all(start).await.unwrap();
    until("the file is begun", async || (!files(&stage.files).is_empty()).then_some(())).await;
    revoke(&id).await;
    stream.write_all(end).await.unwrap();
    let late = read(&mut stream).await;
    assert_eq!((late.status, error(&late)), (401, "invalid_token".to_owned()));
    assert_eq!(stage.app_versions().await.len(), 0);

    let (id, token) = make("within-the-third").await;
    let file = stage.uploaded(&token).await;
    let body = json!({ "fileId": file, "fileName": "a.apk" }).to_string();
    let head = format!("POST {}?action=commitFileUpload HTTP/1.1\r\nAuthorization: {token}\r\nExpect: 100-continue\r\n", stage.versions());
    let mut stream = stage.connect(&head, body.len()).await;
    // The body is asked for when the token was found good.
    let mut asked = [0; b"HTTP/1.1 100 Continue\r\n\r\n".len()];
    stream.read_exact(&mut asked).await.unwrap();
    revoke(&id).await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let late = read(&mut stream).await;
    assert_eq!((late.status, error(&late)), (401, "invalid_token".to_owned()));
    assert_eq!(stage.app_versions().await.len(), 0);

    let (id, token) = make("before-the-last").await;
    let file = stage.uploaded(&token).await;
    let done = stage.commit(&token, &file).await.json();
    revoke(&id).await;
    assert_eq!(get_with(base, &format!("/task/v1/tasks/{}", text(&done, "taskId")), &token).await.status, 401);
}

/// Reddens when URLs of an API that runs by itself lead elsewhere, or its files do.
#[tokio::test]
async fn an_api_by_itself_takes_uploads_too() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let (data, files_dir) = (place.text("beside"), place.text("elsewhere"));
    let arguments =
        ["distribution", "--issuer", &demo.base, "--listen", "127.0.0.1:0", "--data-dir", &data, "--files-dir", &files_dir, "--max-file-bytes", "1000"];
    let beside = Server::listening(place.start(&arguments, &[])).await;
    let token = exchange(&demo.base, &demo.key("owner")).await;
    let profile = text(&post_with(&beside.base, "/distribution/v2/profiles", &token, &json!({ "name": "one" })).await.json(), "id");
    let versions = format!("/distribution/v1/profiles/{profile}/app-versions");
    assert_eq!(get_with(&beside.base, &format!("{versions}?action=uploadInformation&fileSize=1001"), &token).await.status, 413);
    let asked = get_with(&beside.base, &format!("{versions}?action=uploadInformation&fileSize=5"), &token).await.json();
    let url = text(&asked, "uploadUrl");
    assert!(url.starts_with(&beside.base), "{url}");
    assert_eq!(client().put(url).body("hello").send().await.unwrap().status(), 200);
    let done = post_with(&beside.base, &format!("{versions}?action=commitFileUpload"), &token, &json!({ "fileId": asked["fileId"] })).await.json();
    assert_eq!(get_with(&beside.base, &format!("/task/v1/tasks/{}", text(&done, "taskId")), &token).await.json()["stateValue"], 3);
    assert_eq!(files(Path::new(&files_dir)).len(), 1);
    beside.end().await;
}
