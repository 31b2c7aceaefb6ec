//! The contract's clients: what each sends, byte for byte, to do its main job against the running program. It logs in, finds or makes its
//! profile, uploads, and sees the upload complete.

use crate::{
    demo::Demo,
    process::Place,
    raw::{Raw, send},
};
use serde_json::{Value, json};

const AXIOS: &str = "Accept: application/json, text/plain, */*\r\nUser-Agent: Appcircle CLI/1.0.3\r\nAccept-Encoding: gzip, compress, deflate, br\r\n";
const ACTION: &str = "Accept: application/json\r\nContent-Type: application/json\r\nUser-Agent: Appcircle Github Action\r\n";
const REQUESTS: &str =
    "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\nContent-Type: application/json\r\n";
const RUBY: &str = "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\r\nAccept: application/json\r\nUser-Agent: Ruby\r\n";
const APACHE: &str = "Accept: application/json\r\nUser-Agent: Apache-HttpClient/4.5.14 (Java/17.0.9)\r\nConnection: Keep-Alive\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

/// A client with its headers and its token.
struct Client<'a> {
    demo: &'a Demo,
    headers: &'a str,
    token: String,
}

impl<'a> Client<'a> {
    /// Logs in with a form that is sent as it stands.
    async fn login(demo: &'a Demo, headers: &'a str, path: &str, form: &str) -> Client<'a> {
        let mut client = Self { demo, headers, token: String::new() };
        let answer = client.send("POST", path, FORM, form.as_bytes()).await.good();
        client.token = answer["access_token"].as_str().unwrap().to_owned();
        client
    }

    async fn send(&self, method: &str, path: &str, more: &str, body: &[u8]) -> Raw {
        let host = self.demo.base.strip_prefix("http://").unwrap();
        let token = if self.token.is_empty() { String::new() } else { format!("Authorization: Bearer {}\r\n", self.token) };
        let length = if body.is_empty() && method != "POST" { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{}{token}{more}{length}\r\n", self.headers);
        send(&self.demo.base, &[head.as_bytes(), body].concat()).await
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", path, "", b"").await.good()
    }

    async fn json(&self, method: &str, path: &str, body: &str) -> Value {
        self.send(method, path, JSON, body.as_bytes()).await.good()
    }

    /// The profile of this name, made if it is not there.
    async fn profile(&self, list: &str, make: &str, name: &str) -> String {
        let listed = self.get(list).await;
        let profiles = listed.as_array().expect("a bare array");
        assert!(profiles.iter().all(|profile| profile["settings"].is_object() && profile["testingGroupIds"] != json!([])));
        if let Some(found) = profiles.iter().find(|profile| profile["name"] == name) {
            return found["id"].as_str().unwrap().to_owned();
        }
        let made = self.json("POST", make, &json!({ "name": name }).to_string()).await;
        assert_eq!(made["name"], name);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Sends to the URL that was given: no token, and none of its own headers.
    async fn put(&self, information: &Value, content: &[u8]) {
        assert_eq!(information["configuration"]["httpMethod"], "PUT");
        let url = information["uploadUrl"].as_str().unwrap();
        let path = url.strip_prefix(&self.demo.base).expect("the URL leads here");
        let host = self.demo.base.strip_prefix("http://").unwrap();
        let head = format!("PUT {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n", content.len());
        let answer = send(&self.demo.base, &[head.as_bytes(), content].concat()).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// Polls as often as a client does that does not wait.
    async fn complete(&self, done: &Value) {
        let task = done["taskId"].as_str().expect("a task");
        for _ in 0..100 {
            let stands = self.get(&format!("/task/v1/tasks/{task}")).await;
            assert_ne!(stands["stateName"], "");
            match stands["stateValue"].as_i64().unwrap() {
                1 => {}
                state => return assert_eq!(state, 3),
            }
        }
        panic!("after a hundred questions it is not done");
    }

    async fn newest(&self, profile: &str) -> Value {
        let versions = self.get(&format!("/distribution/v2/profiles/{profile}")).await["appVersions"].clone();
        versions.as_array().unwrap().iter().max_by_key(|version| version["createdAt"].as_str().unwrap().to_owned()).unwrap().clone()
    }
}

/// Clients that ask whether the content is what they have sent.
async fn assert_content(client: &Client<'_>, profile: &str, version: &Value, content: &[u8]) {
    let path = format!("/distribution/v2/profiles/{profile}/app-versions/{}/download", version["id"].as_str().unwrap());
    let answer = client.send("GET", &path, "", b"").await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, content));
}

#[tokio::test]
async fn the_command_line_uploads_in_three_steps() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let cli = Client::login(&demo, AXIOS, "//auth/v1/token", &format!("pat={}", demo.key("owner"))).await;
    let profile = cli.profile("/distribution/v2/profiles", "/distribution/v1/profiles", "newp").await;
    let content = vec![0x5a; 40_960];
    let path = format!("/distribution/v1/profiles/{profile}/app-versions");
    // The name is not escaped: what stands behind & is lost, and + is a space.
    let information = cli.get(&format!("{path}?action=uploadInformation&fileSize={}&fileName=my%20app+1&2.ipa", content.len())).await;
    cli.put(&information, &content).await;
    let done = cli
        .json("POST", &format!("{path}?action=commitFileUpload"), &json!({ "fileId": information["fileId"], "fileName": "my app+1&2.ipa" }).to_string())
        .await;
    cli.complete(&done).await;
    let version = cli.newest(&profile).await;
    assert_eq!(version["fileName"], "my app+1&2.ipa");
    cli.json("PATCH", &format!("{path}/{}?action=updateMessage", version["id"].as_str().unwrap()), r#"{"message":"m"}"#).await;
    assert_eq!(cli.newest(&profile).await["message"], "m");
    assert_content(&cli, &profile, &version, &content).await;
    // Too large for the server, in the words that it looks for.
    let refused = cli.send("GET", &format!("{path}?action=uploadInformation&fileSize=3221225473&fileName=a.ipa"), "", b"").await;
    assert!(refused.status == 413 && refused.json()["message"].as_str().unwrap().contains("The file is too large"), "{refused:?}");
    // Testing groups.
    let made = cli.json("POST", "/distribution/v2/testing-groups", r#"{"name":"Friends"}"#).await;
    let group = made["id"].as_str().unwrap();
    assert_eq!(cli.get("/distribution/v2/testing-groups").await[0]["name"], "Friends");
    cli.json("POST", &format!("/distribution/v2/testing-groups/{group}/testers"), r#"["t@b.c"]"#).await;
    let shared = cli.json("PATCH", &format!("/distribution/v2/profiles/{profile}"), &json!({ "testingGroupIds": [group] }).to_string()).await;
    assert_eq!((&shared["id"], &shared["testingGroupIds"]), (&json!(profile), &json!([group])));
    assert_eq!(cli.get(&format!("/distribution/v2/testing-groups/{group}")).await["testers"], json!(["t@b.c"]));
    cli.json("DELETE", &format!("/distribution/v2/testing-groups/{group}/testers"), r#"["t@b.c"]"#).await;
    cli.send("DELETE", &format!("/distribution/v2/testing-groups/{group}"), JSON, b"").await.good();
}

#[tokio::test]
async fn the_newer_command_line_and_connectors_log_in_with_either_key() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let newer = Client::login(&demo, AXIOS, "/auth/v3/token", &format!("personalAccessKey={}", demo.key("owner"))).await;
    assert_eq!(newer.get("/distribution/v2/profiles").await.as_array().unwrap().len(), 3);
    let secret = demo.credentials["apiKeys"]["acme-ci"]["secret"].as_str().unwrap();
    for (headers, form) in [
        (AXIOS, format!("name=acme-ci&secret={secret}")),
        (
            "Accept: application/json\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n",
            format!("name=acme-ci&organizationId={}&secret={secret}", demo.id("rootOrganization")),
        ),
        ("accept: application/json\r\nuser-agent: node\r\naccept-language: *\r\nsec-fetch-mode: cors\r\n", format!("name=acme-ci&secret={secret}")),
    ] {
        let client = Client::login(&demo, headers, "/auth/v1/api-key/token", &form).await;
        assert_eq!(client.get("/distribution/v2/profiles?Page=1&Size=2&search=").await.as_array().unwrap().len(), 2);
        assert!(client.get("/identity/v1/organizations?page=1&perPage=200").await["data"].is_array());
        let profile = client.profile("/distribution/v2/profiles", "", "Acme iOS").await;
        let path = format!("/distribution/v1/profiles/{profile}/app-versions");
        let information = client.get(&format!("{path}?action=uploadInformation&fileSize=4&fileName=a.ipa")).await;
        client.put(&information, b"test").await;
        let done =
            client.json("POST", &format!("{path}?action=commitFileUpload"), &json!({ "fileId": information["fileId"], "fileName": "a.ipa" }).to_string()).await;
        client.complete(&done).await;
    }
}

#[tokio::test]
async fn the_python_command_line_sends_a_form() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let login = "User-Agent: python-requests/2.32.3\r\nAccept-Encoding: gzip, deflate\r\nAccept: application/json\r\nConnection: keep-alive\r\n";
    let token = Client::login(&demo, login, "/auth/v1/token", &format!("pat={}", demo.key("owner"))).await.token;
    let py = Client { demo: &demo, headers: REQUESTS, token };
    // Two slashes, and a content type without a body.
    let profile = py.profile("//distribution/v2/profiles", "//distribution/v1/profiles", "py").await;
    let boundary = "d5a1b6f0c2e94f7a8b3c4d5e6f708192";
    let body = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"message\"\r\n\r\nhello\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"app.apk\"\r\n\r\nPK\r\n--{boundary}--\r\n"
    );
    let plain = Client { headers: login, token: py.token.clone(), ..py };
    let kind = format!("Content-Type: multipart/form-data; boundary={boundary}\r\n");
    let done = plain.send("POST", &format!("//distribution/v1/profiles/{profile}/app-versions"), &kind, body.as_bytes()).await.good();
    py.complete(&done).await;
    let version = py.newest(&profile).await;
    assert_eq!((&version["message"], &version["platform"]), (&json!("hello"), &json!("android")));
    assert_content(&py, &profile, &version, b"PK").await;
    let settings = format!("/distribution/v2/profiles/{profile}/settings");
    assert_eq!(py.json("PATCH", &settings, r#"{"testingGroupIds": [], "autoSendEnabled": true}"#).await["autoSendEnabled"], true);
    assert_eq!(py.get(&settings).await["autoSendEnabled"], true);
    // Names that its author guessed.
    for (method, path) in [("POST", "testers"), ("POST", "testing-groups"), ("DELETE", "workflows")] {
        let answer = py.send(method, &format!("/distribution/v2/profiles/{profile}/{path}"), "", br#"{"email": "a@b.c"}"#).await;
        assert!(matches!(answer.status, 404 | 405), "{answer:?}");
    }
}

#[tokio::test]
async fn the_github_action_sends_a_form_in_chunks() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let login =
        Client::login(&demo, "Accept: application/json\r\nUser-Agent: Appcircle Github Action\r\n", "/auth/v1/token", &format!("pat={}", demo.key("owner")))
            .await;
    let action = Client { headers: ACTION, ..login };
    let profile = action.profile("/distribution/v2/profiles", "/distribution/v2/profiles", "gha").await;
    let boundary = "--------------------------382740163925841739204857";
    let parts = [
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"Message\"\r\n\r\nGr\u{fc}\u{df}e"),
        format!("\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"app.ipa\"\r\nContent-Type: application/octet-stream\r\n\r\n"),
        "0123456789".repeat(1000),
        format!("\r\n--{boundary}--\r\n"),
    ];
    let chunks: String = parts.iter().map(|part| format!("{:x}\r\n{part}\r\n", part.len())).collect();
    let host = demo.base.strip_prefix("http://").unwrap();
    let head = format!(
        "POST /distribution/v2/profiles/{profile}/app-versions HTTP/1.1\r\nAccept: application/json, text/plain, */*\r\nContent-Type: multipart/form-data; boundary={boundary}\r\nAuthorization: Bearer {}\r\nUser-Agent: Appcircle Github Action\r\nHost: {host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n",
        action.token
    );
    let done = send(&demo.base, head.as_bytes()).await.good();
    action.complete(&done).await;
    let version = action.newest(&profile).await;
    assert_eq!((&version["message"], version["size"].as_i64()), (&json!("Gr\u{fc}\u{df}e"), Some(10_000)));
}

#[tokio::test]
async fn the_azure_task_commits_with_a_message() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let azure =
        Client::login(&demo, "Accept: application/json\r\nUser-Agent: Appcircle Github Action\r\n", "/auth/v1/token", &format!("pat={}", demo.key("owner")))
            .await;
    let azure = Client { headers: ACTION, ..azure };
    let profile = azure.profile("/distribution/v2/profiles", "/distribution/v2/profiles", "az").await;
    let path = format!("/distribution/v1/profiles/{profile}/app-versions");
    let information = azure.get(&format!("{path}?action=uploadInformation&fileName=app.aab&fileSize=7")).await;
    assert!(information["configuration"].is_object());
    azure.put(&information, b"content").await;
    let body = json!({ "fileId": information["fileId"], "fileName": "app.aab", "message": "from a pipeline" });
    let done = azure.json("POST", &format!("{path}?action=commitFileUpload"), &body.to_string()).await;
    azure.complete(&done).await;
    assert_eq!(azure.newest(&profile).await["message"], "from a pipeline");
}

#[tokio::test]
async fn the_fastlane_plugin_shares_and_uploads() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let (key, sub) = (demo.key("owner"), demo.id("subOrganization"));
    let oldest = Client::login(&demo, RUBY, "/auth/v1/token", &format!("personal-access-key={key}")).await;
    let listed = oldest.get("/identity/v1/organizations").await;
    let found = listed["data"].as_array().unwrap().iter().find(|organization| organization["name"] == "Acme Mobile").unwrap();
    assert_eq!(found["id"], sub.as_str(), "it finds its sub-organization by name");
    for fl in [oldest, Client::login(&demo, RUBY, "/auth/v2/token", &format!("pat={key}&subOrganizationId={sub}")).await] {
        let profile = fl.profile("/distribution/v2/profiles", "/distribution/v2/profiles", "fl").await;
        assert!(fl.get("/distribution/v2/testing-groups").await.is_array());
        let group = fl.json("POST", "/distribution/v2/testing-groups", r#"{"name":"QA"}"#).await["id"].clone();
        let patch = json!({ "settings": { "authenticationType": 3, "username": "qa", "password": "correct horse" }, "testingGroupIds": [group] }).to_string();
        let json_patch = RUBY.replace("application/json", "application/json-patch+json");
        let patcher = Client { headers: &json_patch, token: fl.token.clone(), ..fl };
        let patched = patcher.json("PATCH", &format!("/distribution/v2/profiles/{profile}"), &patch).await;
        // It goes on with the id that comes back.
        let path = format!("/distribution/v1/profiles/{}/app-versions", patched["id"].as_str().unwrap());
        let information = fl.get(&format!("{path}?action=uploadInformation&fileSize=3&fileName=app.ipa")).await;
        fl.put(&information, b"ipa").await;
        let body = json!({ "fileId": information["fileId"], "fileName": "app.ipa", "message": "" }).to_string();
        // Without MIME types at hand it says `json`.
        let done = fl.send("POST", &format!("{path}?action=commitFileUpload"), "Content-Type: json\r\n", body.as_bytes()).await.good();
        fl.complete(&done).await;
    }
}

#[tokio::test]
async fn the_jenkins_plugin_sends_its_text_in_another_alphabet() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    // Not escaped.
    let jk = Client::login(&demo, APACHE, "/auth/v2/token", &format!("pat={}", demo.key("owner"))).await;
    let profile = jk.profile("/distribution/v2/profiles", "/distribution/v2/profiles", "jk").await;
    let boundary = "9Gt3hq0xVYwzT1n4kQ-_Zp7uR2s";
    let text = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"Message\"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\nhello "
    );
    let file = format!(
        "\r\n--{boundary}\r\nContent-Disposition: form-data; name=\"File\"; filename=\"app.zip\"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nPK\x03\x04\r\n--{boundary}--\r\n"
    );
    let body = [text.as_bytes(), b"m\xfcsg", file.as_bytes()].concat();
    let kind = format!("Message: hello msg\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n");
    let done = jk.send("POST", &format!("/distribution/v2/profiles/{profile}/app-versions"), &kind, &body).await.good();
    jk.complete(&done).await;
    let version = jk.newest(&profile).await;
    assert_eq!((&version["message"], &version["platform"]), (&json!("hello m\u{fc}sg"), &json!(null)));
    assert_content(&jk, &profile, &version, b"PK\x03\x04").await;
}

#[tokio::test]
async fn the_migration_tool_brings_profiles_and_groups() {
    let place = Place::new();
    let demo = Demo::start(&place, &[]).await;
    let mig = Client::login(&demo, AXIOS, "/auth/v2/token", &format!("pat={}&subOrganizationId=", demo.key("owner"))).await;
    assert!(mig.get("/identity/v1/organizations").await["data"].is_array());
    let made = mig.json("POST", "/distribution/v2/profiles", r#"{"name":"mig","organizationId":"x","pinned":false}"#).await;
    let profile = made["id"].as_str().unwrap();
    let group = mig.json("POST", "/distribution/v2/testing-groups", r#"{"name":"Collaborators"}"#).await["id"].clone();
    mig.json("POST", &format!("/distribution/v2/testing-groups/{}/testers", group.as_str().unwrap()), r#"["x+y@b.c","z@b.c"]"#).await;
    let patched = mig.json("PATCH", &format!("/distribution/v1/profiles/{profile}"), &json!({ "testingGroupIds": [group] }).to_string()).await;
    assert_eq!(patched["testingGroupIds"], json!([group]));
    // An access token alone, as Bearer, is what other programs bring.
    let bearer = Client { headers: "Accept: application/json\r\n", token: mig.token.clone(), ..mig };
    assert!(bearer.get("/distribution/v2/profiles").await.as_array().unwrap().iter().any(|profile| profile["name"] == "mig"));
}
