//! Uploads, app versions and tasks through the router, on both engines.

use crate::common::{ACME, Answer, BASE, EXTERNAL, MANAGER, MAX_FILE_BYTES, OPERATOR, OTHER, VIEWER, World};
use axum::{body::Body, http::Request};
use keywright_db::{Db, Writes};
use keywright_distribution::MIGRATIONS;
use serde_json::{Value, json};
use std::time::Duration;

keywright_db::on_both_engines!(Writes::Plain, MIGRATIONS;
    three_steps_make_an_app_version,
    a_form_makes_an_app_version,
    a_url_is_for_one_file_of_one_size_and_works_once,
    a_url_ends_after_an_hour_and_with_its_token,
    a_commit_is_of_its_own_file_profile_and_organization,
    names_and_notes_are_checked,
    a_file_that_is_too_large_is_refused_with_the_words_clients_look_for,
    an_organization_has_so_many_uploads_under_way,
    each_step_needs_its_permission,
    another_organization_sees_no_app_version,
    app_versions_are_changed_downloaded_and_deleted,
    a_profile_shows_what_is_newest,
    a_file_that_somebody_took_away_fails_its_task,
    a_form_to_an_upload_url_works_too,
);

pub(crate) const PROFILES: &str = "/distribution/v1/profiles";
const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// A path under a profile.
pub(crate) fn versions(profile: &str) -> String {
    format!("{PROFILES}/{profile}/app-versions")
}

impl World {
    /// The first step, as an operator of ACME.
    pub(crate) async fn ask(&self, profile: &str, size: usize) -> (String, String) {
        let path = format!("{}?action=uploadInformation&fileSize={size}&fileName=my%20app.ipa", versions(profile));
        let answer = self.get(OPERATOR, &path).await.good();
        assert_eq!(answer["configuration"], json!({ "httpMethod": "PUT", "signParameters": null }));
        let url = answer["uploadUrl"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
        (answer["fileId"].as_str().unwrap().to_owned(), url)
    }

    /// The second step, without a token.
    pub(crate) async fn put(&self, url: &str, body: impl Into<Body>) -> Answer {
        self.send(Request::put(url).header("content-type", "application/octet-stream").body(body.into()).unwrap()).await
    }

    /// The third step.
    pub(crate) async fn commit(&self, profile: &str, file: &str) -> Answer {
        let body = json!({ "fileId": file, "fileName": "my app.ipa" });
        self.call(OPERATOR, "POST", &format!("{}?action=commitFileUpload", versions(profile)), body.to_string()).await
    }

    /// All at once.
    pub(crate) async fn form(&self, profile: &str, name: &str, content: &[u8]) -> Answer {
        let head = format!("--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"{name}\"\r\n\r\n");
        let body = [head.as_bytes(), content, b"\r\n--b0und--\r\n"].concat();
        self.multipart(profile, body).await
    }

    async fn multipart(&self, profile: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post(versions(profile).replace("/v1/", "/v2/"))
            .header("authorization", self.token(ACME, OPERATOR))
            .header("content-type", "multipart/form-data; boundary=b0und");
        self.send(request.body(body.into()).unwrap()).await
    }

    async fn task(&self, id: &Value) -> (i64, String) {
        let task = self.get(VIEWER, &format!("/task/v1/tasks/{}", id.as_str().unwrap())).await.good();
        (task["stateValue"].as_i64().unwrap(), task["stateName"].as_str().unwrap().to_owned())
    }

    /// An app version of a profile that is its newest one.
    async fn newest(&self, profile: &str) -> Value {
        self.get(VIEWER, &format!("{PROFILES}/{profile}")).await.good()["appVersions"][0].clone()
    }
}

async fn three_steps_make_an_app_version(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 5).await;
    world.commit(&profile, &file).await.fails(409, "not_uploaded");
    assert_eq!(world.put(&url, "hello").await.good(), json!({ "fileId": file }));
    assert_eq!(world.newest(&profile).await, json!(null), "nothing is there before the commit");
    let done = world.commit(&profile, &file).await.good();
    assert_eq!(world.task(&done["taskId"]).await, (3, "Completed".to_owned()));
    let version = world.newest(&profile).await;
    let now = world.clock.now().to_string();
    let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let expected = json!({ "id": done["appVersionId"], "fileName": "my app.ipa", "platform": "ios", "version": null, "size": 5, "sha256": sha256,
        "message": null, "createdAt": now, "updatedAt": now });
    assert_eq!(version, expected);
    assert_eq!(world.get(VIEWER, &versions(&profile)).await.good(), json!([expected]));
    assert_eq!(world.get(VIEWER, &format!("{}/{}", versions(&profile), done["appVersionId"].as_str().unwrap())).await.good(), expected);
    world.commit(&profile, &file).await.fails(404, "upload_not_found");
    assert_eq!(world.files().len(), 1);
    // In any case of letters, and with a name that the query has mangled beyond use.
    let asked = world.get(OPERATOR, &format!("{}?ACTION=UPLOADINFORMATION&filesize=5&FILENAME=%00", versions(&profile))).await.good();
    world.put(asked["uploadUrl"].as_str().unwrap().strip_prefix(BASE).unwrap(), "again").await.good();
    let body = json!({ "fileId": asked["fileId"], "fileName": "a+b&c.apk", "message": "notes", "more": [] });
    world.call(OPERATOR, "POST", &format!("{}?Action=CommitFileUpload", versions(&profile)), body.to_string()).await.good();
    let names: Vec<Value> = world.get(VIEWER, &versions(&profile)).await.good().as_array().unwrap().iter().map(|version| version["fileName"].clone()).collect();
    assert!(names.contains(&json!("a+b&c.apk")), "{names:?}");
}

async fn a_form_makes_an_app_version(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    for (name, charset, text, expected) in [
        ("Message", "; charset=ISO-8859-1", &b"Gr\xfc\xdfe"[..], json!("Grüße")),
        ("message", "", "Grüße\n".as_bytes(), json!("Grüße\n")),
        ("MESSAGE", "; charset=utf-8", b"", json!(null)),
    ] {
        let part = format!(
            "--b0und\r\nContent-Disposition: form-data; name=\"{name}\"\r\nContent-Type: text/plain{charset}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        );
        let file = "\r\n--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"shop-1.2.aab\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--b0un\r\n\r\n--b0und--\r\n";
        let done = world.multipart(&profile, [part.as_bytes(), text, file.as_bytes()].concat()).await.good();
        assert_eq!(world.task(&done["taskId"]).await.0, 3);
        let version = world.get(VIEWER, &format!("{}/{}", versions(&profile), done["appVersionId"].as_str().unwrap())).await.good();
        assert_eq!(
            (&version["message"], version["size"].as_i64(), &version["platform"], &version["version"]),
            (&expected, Some(10), &json!("android"), &json!("1.2"))
        );
    }
    for body in [
        "--b0und\r\nContent-Disposition: form-data; name=\"Message\"\r\n\r\nx\r\n--b0und--",
        "--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a\"\r\n\r\n\r\n--b0und--",
        "--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a\"\r\n\r\nx",
        "--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a\"\r\n\r\nx\r\n--b0und\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\ny\r\n--b0und--",
        "--b0und\r\nContent-Disposition: form-data; name=\"File\"; filename=\"a\"\r\n\r\nx\r\n--b0und\r\nContent-Disposition: form-data; name=\"Message\"\r\n\r\na\u{1b}b\r\n--b0und--",
        "",
    ] {
        world.multipart(&profile, body).await.fails(400, "invalid_request");
    }
    world.call(OPERATOR, "POST", &versions(&profile), "{}").await.fails(400, "invalid_request");
    world.call(OPERATOR, "POST", &format!("{}?action=other", versions(&profile)), "{}").await.fails(400, "invalid_request");
    world.multipart(NOBODYS, "").await.fails(404, "profile_not_found");
    world.distribution.tidy().await;
    assert_eq!(world.files().len(), 3, "what was refused left nothing");
}

async fn a_url_is_for_one_file_of_one_size_and_works_once(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 5).await;
    let (other, other_url) = world.ask(&profile, 5).await;
    let (path, signature) = url.split_once("?signature=").unwrap();
    let changed: String = signature.chars().rev().collect();
    let foreign = other_url.split_once("?signature=").unwrap().1;
    let expected = world.put(&format!("{path}?signature={changed}"), "hello").await;
    expected.fails(403, "upload_url_invalid");
    for url in [
        path.to_owned(),
        format!("{path}?signature="),
        format!("{path}?signature={foreign}"),
        format!("{path}?signature={}", signature.strip_prefix(|_: char| true).unwrap()),
        format!("{path}?signature={signature}A"),
        url.replace(&file, &other),
        url.replace(&file, NOBODYS),
        url.replace(&file, "x"),
        url.replace(&file, "%FF"),
    ] {
        assert_eq!(world.put(&url, "hello").await, expected, "{url}");
    }
    for body in ["hell", "hello!", ""] {
        world.put(&url, body).await.fails(400, "wrong_length");
        let declared = Request::put(&url).header("content-length", body.len()).body(Body::from(body)).unwrap();
        world.send(declared).await.fails(400, "wrong_length");
    }
    world.distribution.tidy().await;
    assert_eq!(world.files().len(), 0, "what was refused left nothing");
    world.put(&url.replace("/v1/", "/v2/"), "hello").await.good();
    world.put(&url, "HELLO").await.fails(409, "already_uploaded");
    world.commit(&profile, &file).await.good();
    world.put(&url, "HELLO").await.fails(403, "upload_url_invalid");
    let download = format!("{}/{}/download", versions(&profile), world.newest(&profile).await["id"].as_str().unwrap());
    assert_eq!(world.get(OPERATOR, &download).await.bytes, "hello");
    // Of two at once one wins, and the other leaves nothing.
    let (one, two) = tokio::join!(world.put(&other_url, "first"), world.put(&other_url, "other"));
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    world.distribution.tidy().await;
    assert_eq!(world.files().len(), 2);
    let winner = if one.status == 200 { "first" } else { "other" };
    let done = world.commit(&profile, &other).await.good();
    let download = format!("{}/{}/download", versions(&profile), done["appVersionId"].as_str().unwrap());
    assert_eq!(world.get(OPERATOR, &download).await.bytes, winner);
}

async fn a_url_ends_after_an_hour_and_with_its_token(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 5).await;
    world.clock.advance(Duration::from_secs(3599));
    let (late, late_url) = world.ask(&profile, 5).await;
    world.put(&url, "hello").await.good();
    let (_, over) = world.ask(&profile, 5).await;
    world.clock.advance(Duration::from_secs(3600));
    world.put(&over, "hello").await.fails(403, "upload_url_invalid");
    world.put(&late_url, "hello").await.fails(403, "upload_url_invalid");
    world.commit(&profile, &late).await.fails(409, "not_uploaded");
    // A file that nobody commits within an hour goes; a reservation that nobody can be sending to any more goes too.
    world.distribution.tidy().await;
    world.commit(&profile, &file).await.fails(404, "upload_not_found");
    assert_eq!(world.files().len(), 0);
    world.clock.advance(Duration::from_secs(14 * 3600));
    world.distribution.tidy().await;
    world.commit(&profile, &late).await.fails(404, "upload_not_found");
    assert_eq!(rows(&db).await, 0);
}

/// Rows of reservations and loose files.
pub(crate) async fn rows(db: &Db) -> i64 {
    let sql = "SELECT (SELECT COUNT(*) FROM uploads) + (SELECT COUNT(*) FROM loose_files) AS n";
    db.read(move |tx| Box::pin(async move { tx.fetch_one(sql, &[]).await?.get("n") }))
        .await
        .map_err(|error: keywright_db::StoreError| format!("{error:?}"))
        .unwrap()
}

async fn a_commit_is_of_its_own_file_profile_and_organization(db: Db) {
    let world = World::new(db);
    let (profile, other) = (world.profile("one").await, world.profile("two").await);
    let (file, url) = world.ask(&profile, 5).await;
    world.put(&url, "hello").await.good();
    let theirs = world.call_in(OTHER, "owner", "POST", PROFILES, r#"{"name": "one"}"#).await.good()["id"].as_str().unwrap().to_owned();
    let body = json!({ "fileId": file }).to_string();
    let commit = |profile: &str| format!("{}?action=commitFileUpload", versions(profile));
    world.call(OPERATOR, "POST", &commit(&other), body.clone()).await.fails(404, "upload_not_found");
    world.call_in(OTHER, "owner", "POST", &commit(&theirs), body.clone()).await.fails(404, "upload_not_found");
    world.call_in(OTHER, "owner", "POST", &commit(&profile), body.clone()).await.fails(404, "profile_not_found");
    // Nobody else is told either whether the file of an upload has arrived.
    let (open, _) = world.ask(&profile, 5).await;
    world.commit(&other, &open).await.fails(404, "upload_not_found");
    world.call(OPERATOR, "POST", &commit(NOBODYS), body.clone()).await.fails(404, "profile_not_found");
    for id in [NOBODYS, "x", ""] {
        world.commit(&profile, id).await.fails(404, "upload_not_found");
    }
    for body in ["", "{}", "[]", r#"{"fileId": 1}"#] {
        world.call(OPERATOR, "POST", &commit(&profile), body).await.fails(400, "invalid_request");
    }
    // Without a name the first step's counts.
    world.call(OPERATOR, "POST", &commit(&profile), body).await.good();
    assert_eq!(world.newest(&profile).await["fileName"], "my app.ipa");
}

async fn names_and_notes_are_checked(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 5).await;
    world.put(&url, "hello").await.good();
    let commit = format!("{}?action=commitFileUpload", versions(&profile));
    for body in [
        json!({ "fileId": file, "fileName": "x".repeat(256) }),
        json!({ "fileId": file, "fileName": "a\u{0}b" }),
        json!({ "fileId": file, "fileName": "a/.." }),
        json!({ "fileId": file, "fileName": "a\u{202e}kpa.ipa" }),
        json!({ "fileId": file, "message": "x".repeat(5001) }),
        json!({ "fileId": file, "message": "a\u{0}b" }),
        json!({ "fileId": file, "message": 1 }),
        json!({ "fileId": file, "message": "\u{1b}[1m" }),
    ] {
        world.call(OPERATOR, "POST", &commit, body.to_string()).await.fails(400, "invalid_request");
    }
    world.call(OPERATOR, "POST", &commit, json!({ "fileId": file, "message": "x".repeat(66_000) }).to_string()).await.fails(413, "request_too_large");
    let odd = json!({ "fileId": file, "fileName": "../../etc/<img src=x>'; --.apk", "message": "é\r\n\t𝄞" });
    let done = world.call(OPERATOR, "POST", &commit, odd.to_string()).await.good();
    let version = world.newest(&profile).await;
    assert_eq!((version["fileName"].as_str(), version["message"].as_str()), (Some("<img src=x>'; --.apk"), Some("é\r\n\t𝄞")));
    let one = format!("{}/{}", versions(&profile), done["appVersionId"].as_str().unwrap());
    // As programs write them that keep to ASCII.
    let long = format!(r#"{{"message": "{}"}}"#, r"\u00e9".repeat(5000));
    assert_eq!(world.call(OPERATOR, "PATCH", &one, long).await.good()["message"], "é".repeat(5000));
    let download = world.get(OPERATOR, &format!("{one}/download")).await;
    assert_eq!(download.header("content-disposition").matches('"').count(), 2);
    for size in ["", "0", "-1", "x", "99999999999999999999"] {
        let answer = world.get(OPERATOR, &format!("{}?action=uploadInformation&fileSize={size}", versions(&profile))).await;
        answer.fails(400, "invalid_request");
    }
    world.get(OPERATOR, &format!("{}?action=nothing", versions(&profile))).await.fails(400, "invalid_request");
}

async fn a_file_that_is_too_large_is_refused_with_the_words_clients_look_for(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let limit = usize::try_from(MAX_FILE_BYTES).unwrap();
    let asked = world.get(OPERATOR, &format!("{}?action=uploadInformation&fileSize={}", versions(&profile), limit + 1)).await;
    let sent = world.form(&profile, "a.ipa", &vec![7; limit + 1]).await;
    for answer in [asked, sent] {
        answer.fails(413, "file_too_large");
        assert!(answer.json()["message"].as_str().unwrap().contains("The file is too large"), "{answer:?}");
    }
    world.distribution.tidy().await;
    assert_eq!(world.files().len(), 0);
    world.form(&profile, "a.ipa", &vec![7; limit]).await.good();
    let (_, url) = world.ask(&profile, limit).await;
    world.put(&url, vec![7; limit]).await.good();
}

async fn an_organization_has_so_many_uploads_under_way(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let mut asked = Vec::new();
    for _ in 0..100 {
        asked.push(world.ask(&profile, 5).await);
    }
    let path = format!("{}?action=uploadInformation&fileSize=5", versions(&profile));
    let refused = world.get(OPERATOR, &path).await;
    refused.fails(429, "too_many_uploads");
    assert_eq!(refused.header("retry-after"), "60");
    // Whoever abandons his uploads is in nobody's way who sends all at once.
    world.form(&profile, "a.ipa", b"hello").await.good();
    // Nobody would see the URL.
    assert_eq!(world.call(OPERATOR, "HEAD", &path, "").await.status, 400);
    let theirs = world.call_in(OTHER, "owner", "POST", PROFILES, r#"{"name": "one"}"#).await.good()["id"].as_str().unwrap().to_owned();
    world.call_in(OTHER, "owner", "GET", &format!("{}?action=uploadInformation&fileSize=5", versions(&theirs)), "").await.good();
    // What was asked for can be done, and then there is room.
    let (file, url) = &asked[0];
    world.put(url, "hello").await.good();
    world.commit(&profile, file).await.good();
    world.form(&profile, "a.ipa", b"hello").await.good();
    world.get(OPERATOR, &path).await.good();
    world.get(OPERATOR, &path).await.fails(429, "too_many_uploads");
    world.clock.advance(Duration::from_secs(3601));
    world.get(OPERATOR, &path).await.good();
}

async fn each_step_needs_its_permission(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let done = world.form(&profile, "a.ipa", b"hello").await.good();
    let one = format!("{}/{}", versions(&profile), done["appVersionId"].as_str().unwrap());
    let download = format!("{one}/download");
    let (all, ask) = (versions(&profile), format!("{}?action=uploadInformation&fileSize=5", versions(&profile)));
    let commit = format!("{all}?action=commitFileUpload");
    let task = format!("/task/v1/tasks/{}", done["taskId"].as_str().unwrap());
    let (view, manage) = ("distribution.profile.view", "distribution.app-version.manage");
    for (method, path, permission, role) in [
        ("GET", &all, view, "nothing"),
        ("GET", &one, view, "nothing"),
        ("GET", &task, view, "nothing"),
        ("GET", &ask, manage, VIEWER),
        ("POST", &all, manage, VIEWER),
        ("POST", &commit, manage, VIEWER),
        ("PATCH", &one, manage, VIEWER),
        ("DELETE", &one, manage, VIEWER),
        ("GET", &download, "distribution.app-version.download", VIEWER),
    ] {
        let answer = world.call(role, method, path, "{").await;
        answer.fails(403, "insufficient_permission");
        assert_eq!(answer.json()["requiredPermission"], permission, "{method} {path}");
        let anonymous = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        world.send(anonymous).await.fails(401, "unauthorized");
    }
    for role in [VIEWER, EXTERNAL, MANAGER, OPERATOR] {
        world.get(role, &all).await.good();
        world.get(role, &task).await.good();
    }
    assert_eq!(world.files().len(), 1);
}

async fn another_organization_sees_no_app_version(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let done = world.form(&profile, "a.ipa", b"hello").await.good();
    let (version, task) = (done["appVersionId"].as_str().unwrap(), done["taskId"].as_str().unwrap());
    let before = world.newest(&profile).await;
    let theirs = world.call_in(OTHER, "owner", "POST", PROFILES, r#"{"name": "one"}"#).await.good()["id"].as_str().unwrap().to_owned();
    for (method, tail, body) in [("GET", "", ""), ("PATCH", "", r#"{"message": "mine"}"#), ("DELETE", "", ""), ("GET", "/download", "")] {
        let path = format!("{}/{version}{tail}", versions(&profile));
        world.call_in(OTHER, "owner", method, &path, body).await.fails(404, "profile_not_found");
        let unknown = world.call_in(OTHER, "owner", method, &format!("{}/{NOBODYS}{tail}", versions(&theirs)), body).await;
        unknown.fails(404, "app_version_not_found");
        for id in [version, "x"] {
            assert_eq!(world.call_in(OTHER, "owner", method, &format!("{}/{id}{tail}", versions(&theirs)), body).await, unknown, "{method} {id}");
        }
    }
    for path in [versions(&profile), format!("{}?action=uploadInformation&fileSize=5", versions(&profile))] {
        world.call_in(OTHER, "owner", "GET", &path, "").await.fails(404, "profile_not_found");
    }
    let unknown = world.call_in(OTHER, "owner", "GET", &format!("/task/v1/tasks/{NOBODYS}"), "").await;
    unknown.fails(404, "task_not_found");
    for id in [task, "x", "%FF"] {
        assert_eq!(world.call_in(OTHER, "owner", "GET", &format!("/task/v1/tasks/{id}"), "").await, unknown);
    }
    assert_eq!(world.newest(&profile).await, before);
}

async fn app_versions_are_changed_downloaded_and_deleted(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    let done = world.form(&profile, "a b.ipa", b"hello").await.good();
    let one = format!("{}/{}", versions(&profile), done["appVersionId"].as_str().unwrap());
    world.clock.advance(Duration::from_secs(5));
    let patched = world.call(OPERATOR, "PATCH", &format!("{one}?action=updateMessage"), r#"{"message": "m"}"#).await.good();
    assert_eq!((patched["message"].as_str(), &patched["updatedAt"]), (Some("m"), &json!(world.clock.now().to_string())));
    assert_eq!(world.get(VIEWER, &one).await.good(), patched);
    assert_eq!(world.call(OPERATOR, "PATCH", &one, r#"{"message": ""}"#).await.good()["message"], json!(null));
    world.call(OPERATOR, "PATCH", &format!("{one}?action=other"), r#"{"message": "m"}"#).await.fails(400, "invalid_request");
    world.call(OPERATOR, "PATCH", &one, "{}").await.fails(400, "invalid_request");
    let file = world.get(OPERATOR, &format!("{one}/download")).await;
    assert_eq!((file.status.as_u16(), file.bytes.as_ref()), (200, &b"hello"[..]));
    assert_eq!((file.header("content-length"), file.header("content-type")), ("5", "application/octet-stream"));
    assert_eq!(file.header("repr-digest"), "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:");
    assert_eq!(file.header("content-disposition"), "attachment; filename=\"a_b.ipa\"; filename*=UTF-8''a%20b.ipa");
    assert_eq!(world.call(OPERATOR, "DELETE", &one, "").await.good(), json!({ "id": done["appVersionId"] }));
    world.call(OPERATOR, "DELETE", &one, "").await.fails(404, "app_version_not_found");
    world.get(OPERATOR, &format!("{one}/download")).await.fails(404, "app_version_not_found");
    world.distribution.tidy().await;
    assert_eq!((world.files().len(), rows(&db).await), (0, 0));
    // With a profile goes everything in it, also what waits for its commit.
    world.form(&profile, "b.ipa", b"hello").await.good();
    let (_, url) = world.ask(&profile, 5).await;
    let (_, open) = world.ask(&profile, 5).await;
    world.put(&url, "hello").await.good();
    assert_eq!(world.files().len(), 2);
    world.call("owner", "DELETE", &format!("{PROFILES}/{profile}"), "").await.good();
    world.put(&open, "hello").await.fails(403, "upload_url_invalid");
    world.distribution.tidy().await;
    assert_eq!((world.files().len(), rows(&db).await), (0, 0));
}

async fn a_profile_shows_what_is_newest(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let mut ids = Vec::new();
    for name in ["a-1.0.ipa", "a-2.0.ipa", "a-7.1.3.apk", "a.zip"] {
        ids.push(world.form(&profile, name, b"hello").await.good()["appVersionId"].as_str().unwrap().to_owned());
        world.clock.advance(Duration::from_secs(1));
    }
    let shown = world.get(VIEWER, &format!("{PROFILES}/{profile}")).await.good();
    assert_eq!((&shown["iOSVersion"], &shown["androidVersion"]), (&json!("2.0"), &json!("7.1.3")));
    let listed: Vec<&str> = shown["appVersions"].as_array().unwrap().iter().map(|version| version["id"].as_str().unwrap()).collect();
    assert_eq!(listed, [&ids[3], &ids[2], &ids[1], &ids[0]]);
    let page = world.get(VIEWER, &format!("{}?Page=2&Size=3", versions(&profile))).await;
    assert_eq!((page.header("x-total-count"), page.good()[0]["id"].as_str()), ("4", Some(ids[0].as_str())));
    for id in [&ids[1], &ids[2]] {
        world.call(OPERATOR, "DELETE", &format!("{}/{id}", versions(&profile)), "").await.good();
    }
    let listed = world.get(VIEWER, PROFILES).await.good()[0].clone();
    assert_eq!((&listed["iOSVersion"], &listed["androidVersion"]), (&json!("1.0"), &json!(null)));
}

async fn a_file_that_somebody_took_away_fails_its_task(db: Db) {
    let world = World::new(db.clone());
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 5).await;
    world.put(&url, "hello").await.good();
    std::fs::remove_file(&world.files()[0]).unwrap();
    let done = world.commit(&profile, &file).await.good();
    assert_eq!((world.task(&done["taskId"]).await, &done["appVersionId"]), ((2, "Failed".to_owned()), &json!(null)));
    assert_eq!(world.newest(&profile).await, json!(null));
    let done = world.form(&profile, "a.ipa", b"hello").await.good();
    std::fs::write(&world.files()[0], "hell").unwrap();
    let download = format!("{}/{}/download", versions(&profile), done["appVersionId"].as_str().unwrap());
    world.get(OPERATOR, &download).await.fails(404, "file_missing");
    world.distribution.tidy().await;
    assert_eq!(rows(&db).await, 0);
}

async fn a_form_to_an_upload_url_works_too(db: Db) {
    let world = World::new(db);
    let profile = world.profile("one").await;
    let (file, url) = world.ask(&profile, 5).await;
    let post = async |content: &str| {
        let body = format!(
            "--b0und\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b0und\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.ipa\"\r\n\r\n{content}\r\n--b0und--\r\n"
        );
        world.send(Request::post(&url).header("content-type", "multipart/form-data; boundary=b0und").body(Body::from(body)).unwrap()).await
    };
    for content in ["hell", "hello!"] {
        post(content).await.fails(400, "wrong_length");
    }
    post("hello").await.good();
    post("hello").await.fails(409, "already_uploaded");
    world.commit(&profile, &file).await.good();
    world.distribution.tidy().await;
    assert_eq!(world.files().len(), 1);
}
