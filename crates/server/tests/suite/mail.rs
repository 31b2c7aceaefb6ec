//! Mail against a mail server that nobody here wrote, and into a folder without one.

use crate::python::Python;
use keywright_core::{Context, Credential, PersonActor, second_factor::GUESSES_AT_ONCE, sessions::SignIn};
use keywright_protocol::{OrganizationId, admin::RolesIn, mail::MailContent};
use keywright_server::config::{Config, Mail};
use keywright_testkit::{Actor, TestServer, device::Device};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Python's mail server.
struct MailServer(Python);

impl MailServer {
    async fn start(arguments: &[&str]) -> Self {
        Self(Python::start("smtp_server.py", arguments).await)
    }

    fn settings(&self) -> Mail {
        Mail { smtp: Some(format!("smtp://127.0.0.1:{}", self.0.port)), from: Some("Keywright <auth@example.com>".to_owned()), ..Mail::default() }
    }

    /// The next piece of mail that came, as Python understands it.
    async fn mail(&mut self) -> Value {
        self.0.told().await
    }

    /// Ends it; answers what had come besides.
    async fn end(self) -> Vec<Value> {
        self.0.end().await
    }
}

fn header(mail: &Value, name: &str) -> String {
    let values: Vec<&str> = mail["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect();
    assert_eq!(values.len(), 1, "{name}: {mail}");
    values[0].to_owned()
}

fn recipient(mail: &Value) -> String {
    mail["rcptTo"][0].as_str().unwrap().to_owned()
}

fn part<'a>(mail: &'a Value, of: &str) -> &'a str {
    mail["parts"][of].as_str().unwrap_or_else(|| panic!("no {of} in {mail}"))
}

async fn server_with(mail: Mail) -> TestServer {
    let server = TestServer::start_with(|config: &mut Config| config.mail = mail).await;
    server.courier.remind().await.unwrap();
    server
}

async fn invite(server: &TestServer, email: &str) {
    let grants = vec![RolesIn { organization_id: server.demo.acme.id, roles: vec!["view-build".to_owned()] }];
    server.core.invite(&server.host(), server.demo.acme.id, email, grants).await.unwrap();
}

async fn reset(server: &TestServer, email: &str) {
    let ctx = Context { actor: keywright_core::Actor::Anonymous, ..server.host() };
    server.core.request_reset(&ctx, email).unwrap().await.unwrap();
}

async fn api_key(server: &TestServer, organization: OrganizationId, name: &str, days: u64) {
    let grants = [RolesIn { organization_id: organization, roles: vec!["view-build".to_owned()] }];
    let expires_at = server.clock.now().plus(Duration::from_secs(days * 86_400));
    server.core.create_api_key(&server.host(), organization, name, &grants, Some(expires_at)).await.unwrap();
}

/// What is the same in all mail; answers text and HTML.
fn check(mail: &Value) -> (String, String) {
    assert_eq!(mail["defects"], json!([]), "{mail}");
    assert_eq!((mail["mailFrom"].as_str(), mail["contentType"].as_str()), (Some("auth@example.com"), Some("multipart/alternative")));
    assert_eq!((&mail["partTypes"], &mail["charsets"]), (&json!(["text/plain", "text/html"]), &json!(["utf-8", "utf-8"])), "the richer part comes last");
    assert!(mail["isAscii"] == true && mail["longestLine"].as_u64().unwrap() <= 998, "it passes through any server: {mail}");
    assert_eq!(header(mail, "from"), "Keywright <auth@example.com>");
    assert_eq!(header(mail, "to"), recipient(mail));
    assert_eq!(header(mail, "auto-submitted"), "auto-generated");
    assert_eq!(header(mail, "mime-version"), "1.0");
    assert!(header(mail, "date").ends_with(" 2027 08:00:00 +0000"), "the clock's: {mail}");
    assert!(header(mail, "message-id").ends_with("@127.0.0.1>"), "{mail}");
    (part(mail, "text/plain").to_owned(), part(mail, "text/html").to_owned())
}

/// Where it is printed, so that people can look at it.
fn show(name: &str, text: &str, html: &str) {
    println!("--- {name}\n{text}");
    if let Some(folder) = std::env::vars().find_map(|(variable, folder)| (variable == "SHOW_MAIL_IN").then_some(folder)) {
        std::fs::write(PathBuf::from(&folder).join(format!("{name}.html")), html).unwrap();
        std::fs::write(PathBuf::from(folder).join(format!("{name}.txt")), text).unwrap();
    }
}

/// A kind of mail, its recipient, its subject, and what both parts say.
type Expected = (&'static str, &'static str, &'static str, Vec<String>);

fn expected(server: &TestServer, tokens: &[String]) -> [Expected; 7] {
    let (base, acme, key) = (&server.base, server.demo.acme.id, server.demo.api_keys["acme-ci"].id);
    [
        (
            "invitation",
            "new@example.com",
            "Invitation to <b>Söhne</b> & \"Acme\"",
            vec![
                format!("curl {base}/identity/v1/invitations/accept --json '{{\"token\": \"{}\", \"name\": \"...\", \"password\": \"...\"}}'", tokens[0]),
                "until 2027-01-22 08:00 UTC".to_owned(),
            ],
        ),
        (
            "password-reset",
            "viewer@acme.example",
            "Choose a new password",
            vec![
                format!("curl {base}/auth/v1/password-resets/confirm --json '{{\"token\": \"{}\", \"newPassword\": \"...\"}}'", tokens[1]),
                "until 2027-01-15 09:00 UTC".to_owned(),
            ],
        ),
        (
            "new-key",
            "owner@acme.example",
            "New API Key \"<script>alert(1)</script>\" of <b>Söhne</b> & \"Acme\"",
            vec!["an administrator on the host".to_owned(), format!("curl -X DELETE {base}/identity/v1/organizations/{acme}/api-keys/")],
        ),
        (
            "new-network",
            "owner@acme.example",
            "API Key \"acme-ci\" of <b>Söhne</b> & \"Acme\" was used from a new network",
            vec![
                "203.0.113.7".to_owned(),
                "<img src=x>".to_owned(),
                format!("curl -X DELETE {base}/identity/v1/organizations/{acme}/api-keys/{key} -H \"Authorization: $SESSION\""),
            ],
        ),
        ("second-factor", "manager@acme.example", "Your second factor is on", vec!["Keep your recovery codes".to_owned()]),
        (
            "second-factor",
            "manager@acme.example",
            "Somebody knows your password",
            vec!["198.51.100.9".to_owned(), "<i>x</i>".to_owned(), format!("curl {base}/auth/v1/password-resets --json '{{\"email\": \"...\"}}'")],
        ),
        (
            "key-expiring",
            "owner@acme.example",
            "API Key \"<script>alert(1)</script>\" of <b>Söhne</b> & \"Acme\" expires on 2027-02-14",
            vec!["/rotate -H \"Authorization: $SESSION\" --json '{\"expiresAt\": \"...\"}'".to_owned()],
        ),
    ]
}

/// Somebody who knows the manager's password tries codes.
async fn guess(server: &TestServer) {
    let manager = &server.demo.users["manager"];
    let core = &server.core;
    let session = core.find_session(server.clock.now(), &server.session("manager").await).await.unwrap();
    let person = PersonActor { user_id: session.user_id, session_id: session.id, confirmed_at: session.confirmed_at };
    let ctx = Context { actor: keywright_core::Actor::Person(person), ..server.host() };
    let device = Device::of(&core.begin_second_factor(&ctx).await.unwrap().value.secret);
    core.confirm_second_factor(&ctx, &device.code(server.clock.now())).await.unwrap();
    let from = Context {
        actor: keywright_core::Actor::Anonymous,
        client_ip: Some("198.51.100.9".parse().unwrap()),
        user_agent: Some("<i>x</i>".into()),
        ..server.host()
    };
    for _ in 0..GUESSES_AT_ONCE {
        let code = Some("000000".to_owned().into());
        let attempt = SignIn { email: manager.email.clone(), password: manager.password.clone(), organization: None, new_password: None, code };
        assert!(core.sign_in(&from, attempt).await.is_err());
    }
}

/// Reddens when a kind of mail does not arrive, lacks a part, says what is wrong, or takes a name for markup.
#[tokio::test]
async fn each_mail_arrives_in_html_and_text() {
    let mut mail_server = MailServer::start(&[]).await;
    let server = server_with(mail_server.settings()).await;
    let (acme, name) = (server.demo.acme.id, "<b>Söhne</b> & \"Acme\"");
    let rename = json!({ "name": name });
    let session = server.session("owner").await;
    // Renamed over HTTP, with another host in the request: no link goes there.
    let request = server.request(Method::PATCH, &format!("/identity/v1/organizations/{acme}")).bearer_auth(&session).header("host", "evil.example");
    assert_eq!(server.send(request.json(&rename)).await.status, 200);
    server.courier.deliver().await.unwrap();
    let of_the_demo = server.demo.personal_access_keys.len() + server.demo.api_keys.len();
    for _ in 0..of_the_demo {
        let mail = mail_server.mail().await;
        assert!(header(&mail, "subject").starts_with("New "), "{mail}");
    }

    invite(&server, "new@example.com").await;
    reset(&server, "viewer@acme.example").await;
    api_key(&server, acme, "<script>alert(1)</script>", 30).await;
    for address in ["192.0.2.1", "203.0.113.7"] {
        let from = Context { client_ip: Some(address.parse().unwrap()), user_agent: Some("<img src=x>".into()), ..server.host() };
        let key = Credential::ApiKey { name: "acme-ci", secret: &server.demo.api_keys["acme-ci"].secret };
        server.core.exchange(&from, key, None).await.unwrap();
        server.core.flush_access_log(server.clock.now()).await.unwrap();
    }
    guess(&server).await;
    let tokens: Vec<String> = server.core.list_outbox(&server.host()).await.unwrap().iter().map(|mail| mail.content.token().to_owned()).collect();
    server.courier.deliver().await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(mail_server.mail().await);
    }
    server.clock.advance(HOUR * 24 * 24);
    server.courier.remind().await.unwrap();
    server.courier.deliver().await.unwrap();
    seen.push(mail_server.mail().await);

    let expected = expected(&server, &tokens);
    for ((kind, to, subject, parts), mail) in expected.iter().zip(&seen) {
        let (text, html) = check(mail);
        show(kind, &text, &html);
        assert_eq!((recipient(mail).as_str(), header(mail, "subject").as_str()), (*to, *subject), "{kind}");
        for part in parts {
            assert!(text.contains(part.as_str()), "{kind}: {part}\n{text}");
            let escaped = part.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;");
            assert!(html.contains(&escaped), "{kind}: {escaped}\n{html}");
        }
        for markup in ["<script", "<img", "<b>", "evil.example"] {
            assert!(!html.contains(markup), "{kind}: {markup}\n{html}");
        }
        assert!(!text.contains("evil.example"));
    }
    assert!(mail_server.end().await.is_empty(), "and nothing else");
    assert!(server.core.list_outbox(&server.host()).await.unwrap().is_empty());
    let metrics = server.get(Actor::Anonymous, "/metrics").await.text;
    assert!(metrics.contains("keywright_mail_total{kind=\"key-expiring\",outcome=\"sent\"} 1"), "{metrics}");
    server.end().await;
}

/// Reddens when mail is lost with the server's absence, or comes twice.
#[tokio::test]
async fn after_an_hour_without_a_server_all_mail_arrives_once() {
    let first = MailServer::start(&[]).await;
    let (port, settings) = (first.0.port, first.settings());
    first.end().await;
    let server = server_with(settings).await;
    let count = server.core.list_outbox(&server.host()).await.unwrap().len();
    let mut written = count;
    for minute in 0..60 {
        if minute % 10 == 0 {
            invite(&server, &format!("new{minute}@example.com")).await;
            written += 1;
        }
        server.courier.deliver().await.unwrap();
        server.clock.advance(MINUTE);
    }
    let waiting = server.core.list_outbox(&server.host()).await.unwrap();
    assert_eq!(waiting.len(), written);
    let oldest = &waiting[0];
    assert_eq!((oldest.attempts, oldest.failed_at), (6, None), "after 0, 1, 3, 7, 15 and 31 minutes");
    assert!(oldest.failure.as_deref().unwrap().to_lowercase().contains("connection"), "{oldest:?}");

    let mut mail_server = MailServer::start(&["--port", &port.to_string()]).await;
    let (mut ids, mut recipients) = (BTreeSet::new(), Vec::new());
    for _ in 0..65 {
        server.courier.deliver().await.unwrap();
        server.clock.advance(MINUTE);
    }
    for _ in 0..written {
        let mail = mail_server.mail().await;
        assert!(ids.insert(header(&mail, "message-id")), "twice: {mail}");
        recipients.push(recipient(&mail));
    }
    assert!(mail_server.end().await.is_empty());
    assert_eq!(recipients.iter().filter(|to| to.starts_with("new")).count(), 6);
    assert!(server.core.list_outbox(&server.host()).await.unwrap().is_empty());
    server.end().await;
}

/// Reddens when one recipient's refusal keeps others from theirs, is tried again, or is told nobody; or when "later" is taken for "never".
#[tokio::test]
async fn a_refused_recipient_is_given_up_and_a_deferred_one_waits() {
    let mut mail_server = MailServer::start(&["--refuse", "gone@example.com", "--later", "busy@example.com"]).await;
    let server = server_with(mail_server.settings()).await;
    server.courier.deliver().await.unwrap();
    for _ in 0..server.demo.personal_access_keys.len() + server.demo.api_keys.len() {
        mail_server.mail().await;
    }
    for email in ["gone@example.com", "busy@example.com", "there@example.com"] {
        invite(&server, email).await;
    }
    server.courier.deliver().await.unwrap();
    assert_eq!(recipient(&mail_server.mail().await), "there@example.com");
    let mut unsent = server.core.list_outbox(&server.host()).await.unwrap();
    unsent.sort_by_key(|mail| mail.recipient.clone());
    let [busy, gone] = unsent.as_slice() else { panic!("{unsent:?}") };
    assert!(gone.failed_at.is_some() && gone.failure.as_deref().unwrap().contains("no such person here"), "{gone:?}");
    assert!(matches!(gone.content, MailContent::Invitation { .. }));
    assert!(busy.failed_at.is_none() && busy.failure.as_deref().unwrap().contains("come again later"), "{busy:?}");
    server.clock.advance(MINUTE);
    server.courier.deliver().await.unwrap();
    let attempts = server.core.list_outbox(&server.host()).await.unwrap();
    assert_eq!(
        attempts.iter().map(|mail| (mail.recipient.as_str(), mail.attempts)).collect::<BTreeSet<_>>(),
        [("busy@example.com", 2), ("gone@example.com", 1)].into()
    );
    assert!(mail_server.end().await.is_empty());
    server.end().await;
}

/// A certificate by an authority of its own, as files.
fn certificate(folder: &Path) -> [String; 3] {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &Issuer::new(params, authority_key)).unwrap().pem();
    [("authority.pem", authority), ("certificate.pem", certificate), ("key.pem", key.serialize_pem())].map(|(name, text)| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// Reddens when a password or mail goes out before TLS, a certificate by nobody is taken, or a wrong password gives mail up.
#[tokio::test]
async fn a_server_with_tls_is_signed_in_to() {
    let folder = tempfile::tempdir().unwrap();
    let [authority, chain, key] = certificate(folder.path());
    let password = folder.path().join("password");
    std::fs::write(&password, "correct horse\n").unwrap();
    for (scheme, more) in [("smtp", None), ("smtps", Some("--tls"))] {
        let arguments = ["--certificate", &chain, "--key", &key, "--user", "keywright", "--password", "correct horse"];
        let arguments: Vec<&str> = arguments.into_iter().chain(more).collect();
        let mut mail_server = MailServer::start(&arguments).await;
        let settings = Mail {
            smtp: Some(format!("{scheme}://127.0.0.1:{}", mail_server.0.port)),
            user: Some("keywright".to_owned()),
            password_file: Some(password.clone()),
            ca_file: Some(PathBuf::from(&authority)),
            ..mail_server.settings()
        };
        let server = server_with(settings.clone()).await;
        server.courier.deliver().await.unwrap();
        for _ in 0..server.demo.personal_access_keys.len() + server.demo.api_keys.len() {
            let mail = mail_server.mail().await;
            assert_eq!((mail["tls"].as_bool(), mail["user"].as_str()), (Some(true), Some("keywright")), "{scheme}: {mail}");
        }
        server.end().await;

        let wrong = folder.path().join("wrong");
        std::fs::write(&wrong, "wrong\n").unwrap();
        let nobody = folder.path().join(scheme);
        std::fs::create_dir(&nobody).unwrap();
        let [stranger, _, _] = certificate(&nobody);
        for settings in [
            Mail { password_file: Some(wrong), ..settings.clone() },
            Mail { ca_file: Some(PathBuf::from(stranger)), ..settings.clone() },
            Mail { smtp: Some(format!("smtp://127.0.0.1:{}", mail_server.0.port)), ca_file: None, ..settings.clone() },
        ] {
            let server = server_with(settings).await;
            server.courier.deliver().await.unwrap();
            let waiting = server.core.list_outbox(&server.host()).await.unwrap();
            assert!(waiting.iter().all(|mail| mail.failed_at.is_none() && mail.attempts == 1 && mail.failure.is_some()), "{scheme}: {waiting:?}");
            assert!(!waiting.iter().any(|mail| mail.failure.as_deref().unwrap_or_default().contains("horse")));
            server.end().await;
        }
        assert!(mail_server.end().await.is_empty(), "{scheme}: nothing came that way");
    }
}

/// Reddens when mail without a server is lost, seen by others, or written twice.
#[tokio::test]
async fn without_a_server_mail_is_a_file_for_nobody_else() {
    let server = server_with(Mail::default()).await;
    reset(&server, "viewer@acme.example").await;
    let token = server.core.list_outbox(&server.host()).await.unwrap().pop().unwrap().content.token().to_owned();
    server.courier.deliver().await.unwrap();
    server.courier.deliver().await.unwrap();
    let folder = server.folder().join("mail");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), server.demo.personal_access_keys.len() + server.demo.api_keys.len() + 1);
    let resets: Vec<&PathBuf> = files.iter().filter(|file| file.to_str().unwrap().contains("password-reset")).collect();
    let [file] = resets.as_slice() else { panic!("{files:?}") };
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!file.to_str().unwrap().contains("viewer") && file.extension().unwrap() == "eml");
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.contains(&format!("--json '{{\"token\": \"{token}\"")), "it can be read and pasted as it is: {text}");
    assert!(text.contains("From: Keywright <keywright@localhost>\r\n"), "{text}");
    assert!(server.core.list_outbox(&server.host()).await.unwrap().is_empty());
    server.end().await;
}
