//! Webhooks: their routes, where they may lead, and what a receiver that nobody here wrote makes of them.

use crate::{python::Python, support::fails};
use futures_util::future::BoxFuture;
use keywright_core::{
    members::RoleChange,
    webhooks::{NewWebhook, Reach, WebhookChange},
};
use keywright_protocol::WebhookId;
use keywright_server::{
    config::{Config, Webhooks},
    webhooks::{Names, SystemNames},
};
use keywright_testkit::{Answer, TestServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

const MINUTE: Duration = Duration::from_secs(60);

/// Python's receiver.
struct Receiver(Python);

impl Receiver {
    async fn start(arguments: &[&str]) -> Self {
        Self(Python::start("webhook_receiver.py", arguments).await)
    }

    fn port(&self) -> u16 {
        self.0.port
    }

    async fn told(&mut self) -> Value {
        self.0.told().await
    }

    /// Makes a secret known to it.
    async fn knows(&mut self, path: &str, secret: &str) {
        self.0.tell(&format!("{path} {secret}"));
        assert_eq!(self.told().await, json!({ "knows": path }));
    }

    fn release(&mut self) {
        self.0.tell("release");
    }

    async fn end(self) -> Vec<Value> {
        self.0.end().await
    }
}

fn allowing(networks: &[&str]) -> Webhooks {
    Webhooks { allow_networks: networks.iter().map(|network| network.parse().unwrap()).collect(), ca_file: None }
}

async fn server_with(webhooks: Webhooks) -> TestServer {
    TestServer::start_with(|config: &mut Config| config.webhooks = webhooks).await
}

fn webhooks_path(server: &TestServer) -> String {
    format!("/identity/v1/organizations/{}/webhooks", server.demo.acme.id)
}

async fn create(server: &TestServer, session: &str, url: &str, actions: &[&str]) -> Answer {
    let body = json!({ "name": "hook", "url": url, "actions": actions });
    server.by(session, Method::POST, &webhooks_path(server), Some(&body)).await
}

/// Makes one that hears of changed roles alone; answers its id and secret.
async fn made(server: &TestServer, session: &str, url: &str) -> (String, String) {
    let answer = create(server, session, url, &["Member|RoleUpdate"]).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    (answer.member("id"), answer.member("secret"))
}

/// Something happens that webhooks hear of.
async fn happen(server: &TestServer, number: usize) {
    let role = if number.is_multiple_of(2) { "view-build" } else { "view-organization" };
    let roles = RoleChange::Replace(vec![role.to_owned()]);
    server.core.change_roles(&server.host(), server.demo.acme.id, server.demo.users["viewer"].id, roles).await.unwrap();
}

async fn deliveries(server: &TestServer, session: &str, webhook: &str) -> Vec<Value> {
    let answer = server.by(session, Method::GET, &format!("{}/{webhook}/deliveries", webhooks_path(server)), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["deliveries"].as_array().unwrap().clone()
}

/// What is the same of each delivery that arrives.
fn check(server: &TestServer, told: &Value) -> Value {
    assert_eq!((&told["contract"], &told["standard"]), (&json!(true), &json!(true)), "{told}");
    assert_eq!((&told["inTime"], &told["replayed"]), (&json!([true, true]), &json!([false, false])), "{told}");
    assert_eq!(told["forged"], json!([false, false, false, false]), "{told}");
    let body: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
    let headers = &told["headers"];
    assert_eq!(headers["webhook-id"], body["deliveryId"]);
    assert_eq!(headers["webhook-timestamp"], server.clock.now().as_seconds().to_string());
    assert_eq!((&headers["content-type"], &headers["connection"]), (&json!("application/json"), &json!("close")));
    assert!(headers["user-agent"].as_str().unwrap().starts_with("keywright-webhooks/"));
    let names: BTreeSet<&str> = headers.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["ac_signature", "connection", "content-length", "content-type", "host", "user-agent"];
    assert_eq!(names, expected.into_iter().chain(["webhook-id", "webhook-signature", "webhook-timestamp"]).collect(), "no credential, no cookie");
    body
}

/// Reddens when a signature is none, a replay passes, a redirect is followed, an answer is read for ever, or what failed is lost.
#[tokio::test]
async fn what_is_delivered_is_signed_and_arrives() {
    let mut receiver = Receiver::start(&[]).await;
    let server = server_with(allowing(&["127.0.0.1/32"])).await;
    let session = server.session("owner").await;
    let at = |path: &str| format!("http://127.0.0.1:{}{path}", receiver.port());
    let paths = ["/ok", "/huge", "/redirect", "/garbage", "/status/500", "/status/299", "/status/410"];
    let mut hooks = Vec::new();
    for path in paths {
        let (id, secret) = made(&server, &session, &at(path)).await;
        hooks.push((path, id, secret));
    }
    for (path, _, secret) in &hooks {
        receiver.knows(path, secret).await;
    }
    happen(&server, 0).await;
    server.messenger.deliver().await.unwrap();
    let mut arrived = BTreeSet::new();
    for _ in 0..hooks.len() {
        let told = receiver.told().await;
        let body = check(&server, &told);
        assert_eq!((&body["action"], &body["item"]["subject"]), (&json!("Member|RoleUpdate"), &json!("viewer@acme.example")));
        assert!(body["links"]["activity"].as_str().unwrap().starts_with(&server.base), "{body}");
        arrived.insert(told["path"].as_str().unwrap().to_owned());
    }
    assert_eq!(arrived, paths.into_iter().map(str::to_owned).collect(), "each once, and the redirect led nowhere");
    for (path, id, _) in &hooks {
        let [row] = <[Value; 1]>::try_from(deliveries(&server, &session, id).await).unwrap();
        let (state, status, reason) = match *path {
            "/ok" | "/huge" => ("delivered", json!(200), Value::Null),
            "/status/299" => ("delivered", json!(299), Value::Null),
            "/redirect" => {
                ("waiting", json!(307), json!("the answer was 307, a redirect, which is not followed; give the webhook the address that it leads to"))
            }
            "/garbage" => ("waiting", Value::Null, json!("the answer is no HTTP")),
            "/status/500" => ("waiting", json!(500), json!("the answer was 500; only 200 to 299 say that it was taken")),
            _ => ("waiting", json!(410), json!("the answer was 410; only 200 to 299 say that it was taken")),
        };
        assert_eq!((&row["state"], &row["status"], &row["reason"], &row["attempts"]), (&json!(state), &status, &reason, &json!(1)), "{path}: {row}");
        assert_eq!(row["nextAttemptAt"].is_null(), state == "delivered", "{row}");
    }
    receiver.end().await;
    server.end().await;
}

/// Reddens when what is sent again is something else, an old secret goes on, or what nobody took is lost.
#[tokio::test]
async fn what_nobody_took_arrives_later_and_what_was_taken_again() {
    let mut receiver = Receiver::start(&[]).await;
    let server = server_with(allowing(&["127.0.0.1/32"])).await;
    let session = server.session("owner").await;
    let port = receiver.port();
    let (id, _) = made(&server, &session, &format!("http://127.0.0.1:{port}/ok")).await;
    happen(&server, 0).await;
    server.messenger.deliver().await.unwrap();
    assert_eq!(receiver.told().await["standard"], false, "it does not know the secret");
    // Sent again as it was; with another secret after a rotation.
    let path = format!("{}/{id}", webhooks_path(&server));
    let rotated = server.by(&session, Method::POST, &format!("{path}/rotate"), None).await;
    receiver.knows("/ok", &rotated.member("secret")).await;
    let sent = deliveries(&server, &session, &id).await.remove(0);
    let redeliver = format!("{path}/deliveries/{}/redeliver", sent["id"].as_str().unwrap());
    server.clock.advance(MINUTE / 2);
    assert_eq!(server.by(&session, Method::POST, &redeliver, None).await.status, 200);
    server.messenger.deliver().await.unwrap();
    let told = receiver.told().await;
    assert_eq!((check(&server, &told)["deliveryId"].clone(), &told["body"]), (sent["id"].clone(), &sent["body"]));
    let ping = server.by(&session, Method::POST, &format!("{path}/ping"), None).await;
    server.messenger.deliver().await.unwrap();
    let body = check(&server, &receiver.told().await);
    assert_eq!((&body["action"], body["deliveryId"].as_str().unwrap()), (&json!("Webhook|Ping"), ping.member("deliveryId").as_str()));
    assert_eq!(receiver.end().await, Vec::<Value>::new());
    // Nobody listens any more; then somebody does, at the same place.
    happen(&server, 1).await;
    server.messenger.deliver().await.unwrap();
    let row = deliveries(&server, &session, &id).await.remove(0);
    assert_eq!((&row["state"], &row["reason"]), (&json!("waiting"), &json!("it cannot be connected to: connection refused")), "{row}");
    let mut receiver = Receiver::start(&["--port", &port.to_string()]).await;
    receiver.knows("/ok", &rotated.member("secret")).await;
    server.messenger.deliver().await.unwrap();
    server.clock.advance(MINUTE);
    server.messenger.deliver().await.unwrap();
    assert_eq!(check(&server, &receiver.told().await)["deliveryId"], row["id"]);
    let row = deliveries(&server, &session, &id).await.remove(0);
    assert_eq!((&row["state"], &row["attempts"], &row["status"]), (&json!("delivered"), &json!(2), &json!(200)), "{row}");
    receiver.end().await;
    let metrics = server.send(server.request(Method::GET, "/metrics")).await.text;
    assert!(metrics.contains(r#"keywright_webhook_deliveries_total{outcome="delivered"}"#), "{metrics}");
    server.end().await;
}

/// Reddens when one who does not answer keeps others from being sent to, or is waited for without end.
#[tokio::test]
async fn one_slow_receiver_holds_up_no_other() {
    let mut receiver = Receiver::start(&[]).await;
    let mut server = server_with(allowing(&["127.0.0.0/8"])).await;
    let session = server.session("owner").await;
    let (slow, _) = made(&server, &session, &format!("http://127.0.0.1:{}/held", receiver.port())).await;
    let (quick, _) = made(&server, &session, &format!("http://127.0.0.1:{}/ok", receiver.port())).await;
    for number in 0..12 {
        happen(&server, number).await;
    }
    server.messenger.patience = MINUTE;
    let state = async |webhook: &str| {
        let rows = deliveries(&server, &session, webhook).await;
        (rows.len(), rows.iter().filter(|row| row["state"] == "delivered").count(), rows.iter().filter(|row| row["attempts"] == 1).count())
    };
    let others_arrive = async {
        while state(&quick).await.1 < 12 {
            tokio::task::yield_now().await;
        }
        assert_eq!(state(&slow).await, (12, 0, 4), "four are under way, the others wait");
        receiver.release();
    };
    let (delivered, ()) = tokio::join!(server.messenger.deliver(), others_arrive);
    delivered.unwrap();
    assert_eq!(state(&slow).await.1, 12);
    assert_eq!(receiver.end().await.len(), 24);
    // One who never answers is waited for no longer than for anybody.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (dead, _) = made(&server, &session, &format!("http://{}/", listener.local_addr().unwrap())).await;
    happen(&server, 12).await;
    server.messenger.patience = Duration::from_millis(200);
    server.messenger.deliver().await.unwrap();
    let row = deliveries(&server, &session, &dead).await.remove(0);
    assert_eq!((&row["state"], &row["reason"]), (&json!("waiting"), &json!("there was no answer in time")));
    server.end().await;
}

/// A certificate for a name, and whoever signed it, as files.
fn certificate(folder: &Path, name: &str) -> [String; 3] {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let (own, issuer) = (KeyPair::generate().unwrap(), Issuer::from_params(&params, &key));
    let signed = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&own, &issuer).unwrap();
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|file| folder.join(file));
    std::fs::write(&ca, authority.pem()).unwrap();
    std::fs::write(&cert, signed.pem()).unwrap();
    std::fs::write(&key, own.serialize_pem()).unwrap();
    [ca, cert, key].map(|path| path.to_str().unwrap().to_owned())
}

/// Names as the test says. It answers in turn, the last for ever; and counts.
struct Told {
    answers: Vec<(&'static str, Vec<Vec<IpAddr>>)>,
    asked: AtomicUsize,
}

impl Told {
    fn new(answers: Vec<(&'static str, Vec<Vec<IpAddr>>)>) -> Arc<Self> {
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Names for Told {
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.iter().find(|(known, _)| *known == host).map(|(_, answers)| answers);
        let answer = answers.map(|answers| answers.get(asked).or(answers.last()).cloned().unwrap_or_default());
        Box::pin(async move { Ok(answer.ok_or(io::ErrorKind::NotFound)?.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Reddens when a certificate is not checked, or is checked for the address instead of the name.
#[tokio::test]
async fn over_tls_the_receiver_shows_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let [ca, cert, key] = certificate(folder.path(), "hooks.example.com");
    let mut receiver = Receiver::start(&["--certificate", &cert, "--key", &key]).await;
    let here = vec![vec![ip("127.0.0.1")]];
    let names = Told::new(vec![("hooks.example.com", here.clone()), ("other.example.com", here)]);
    let trusting = |config: &mut Config| config.webhooks = Webhooks { ca_file: Some(ca.clone().into()), ..allowing(&["127.0.0.1/32"]) };
    let server = TestServer::start_among(trusting, Arc::clone(&names) as Arc<dyn Names>).await;
    let session = server.session("owner").await;
    let (good, secret) = made(&server, &session, &format!("https://hooks.example.com:{}/ok", receiver.port())).await;
    let (other, _) = made(&server, &session, &format!("https://other.example.com:{}/ok", receiver.port())).await;
    receiver.knows("/ok", &secret).await;
    happen(&server, 0).await;
    server.messenger.deliver().await.unwrap();
    let told = receiver.told().await;
    check(&server, &told);
    assert_eq!(told["headers"]["host"], format!("hooks.example.com:{}", receiver.port()));
    assert_eq!(deliveries(&server, &session, &good).await[0]["state"], "delivered");
    let row = deliveries(&server, &session, &other).await.remove(0);
    assert!(row["state"] == "waiting" && row["reason"].as_str().unwrap().starts_with("TLS: "), "{row}");
    server.end().await;
    // Whoever does not trust that authority sends nothing.
    let server = TestServer::start_among(|config| config.webhooks = allowing(&["127.0.0.1/32"]), names).await;
    let session = server.session("owner").await;
    let (id, _) = made(&server, &session, &format!("https://hooks.example.com:{}/ok", receiver.port())).await;
    happen(&server, 0).await;
    server.messenger.deliver().await.unwrap();
    assert!(deliveries(&server, &session, &id).await[0]["reason"].as_str().unwrap().starts_with("TLS: "));
    assert_eq!(receiver.end().await, Vec::<Value>::new());
    server.end().await;
}

/// Counts connections on loopback.
struct Canary {
    listeners: Vec<TcpListener>,
    port: u16,
}

impl Canary {
    fn new() -> Self {
        let first = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let mut listeners = vec![first];
        listeners.extend(TcpListener::bind(("::1", port)));
        listeners.iter().for_each(|listener| listener.set_nonblocking(true).unwrap());
        Self { listeners, port }
    }

    /// How many have come since the last time.
    fn count(&self) -> usize {
        self.listeners.iter().map(|listener| std::iter::from_fn(|| listener.accept().ok()).count()).sum()
    }
}

/// All ways in which an IPv4 address may stand in a URL.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let ([a, b, c, d], number) = (address.octets(), u32::from(address));
    let (tail3, tail2) = (number & 0xff_ffff, number & 0xffff);
    let wide = |text: &str| -> String { text.chars().map(|c| char::from_u32(if c == '.' { 0xff0e } else { c as u32 + 0xfee0 }).unwrap()).collect() };
    let plain = address.to_string();
    let mut forms = vec![
        plain.clone(),
        format!("{plain}."),
        number.to_string(),
        format!("{number}."),
        format!("{number:#x}"),
        format!("0X{number:08X}"),
        format!("0x0000{number:08x}"),
        format!("0{number:o}"),
        format!("{a}.{tail3}"),
        format!("{a:#x}.{tail3:#x}"),
        format!("{a}.{b}.{tail2}"),
        format!("{a}.{b:#x}.0{tail2:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("{a}.0{b:o}.{c:#x}.{d}"),
        format!("{a:#04x}.{b:#04x}.{c}.{d}"),
        plain.replace('.', "%2e"),
        plain.replace('.', "%2E"),
        plain.replace('1', "%31"),
        plain.replace('.', "\u{3002}"),
        plain.replace('.', "\u{ff0e}"),
        plain.replace('.', "\u{ff61}"),
        wide(&plain),
        plain.replace('1', "\u{2460}"),
    ];
    let hex = format!("{:x}:{:x}", number >> 16, number & 0xffff);
    forms.extend([
        format!("[::ffff:{plain}]"),
        format!("[::ffff:{hex}]"),
        format!("[::FFFF:{hex}]"),
        format!("[0:0:0:0:0:ffff:{hex}]"),
        format!("[::{plain}]"),
        format!("[::{hex}]"),
        format!("[64:ff9b::{plain}]"),
        format!("[64:ff9b::{hex}]"),
        format!("[64:ff9b:1::{hex}]"),
        format!("[2002:{hex}::1]"),
        format!("[2001:0:{hex}::1]"),
        format!("[2001:0:101:101:0:0:{:x}:{:x}]", (number >> 16) ^ 0xffff, (number & 0xffff) ^ 0xffff),
        format!("[::ffff:0:{hex}]"),
        format!("[fe80::5efe:{hex}]"),
    ]);
    forms
}

/// URLs that lead inside, or would for another reader; and the names among their hosts.
fn hostile_urls(port: u16) -> (Vec<String>, Vec<&'static str>) {
    let addresses = [
        "127.0.0.1",
        "127.1.2.3",
        "127.255.255.254",
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.254",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.254",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ];
    let mut hosts: Vec<String> = addresses.iter().flat_map(|address| spellings(address.parse().unwrap())).collect();
    let named =
        ["localhost", "localhost.", "LOCALHOST", "a.localhost", "ip6-localhost", "loopback.example", "both.example", "xn--loopback-", "nowhere.example"];
    let literal =
        ["[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[fe80::1]", "[fc00::1]", "[fd12::1]", "[fec0::1]", "[ff02::1]", "[2001:db8::1]", "[100::1]"];
    hosts.extend(named.iter().chain(&literal).map(|host| (*host).to_owned()));
    let mut urls: Vec<String> = hosts.iter().map(|host| format!("https://{host}:{port}/x")).collect();
    urls.extend(hosts.iter().take(spellings(Ipv4Addr::LOCALHOST).len()).map(|host| format!("http://{host}:{port}/x")));
    urls.extend(
        [
            "https://user@127.0.0.1:PORT/",
            "https://1.1.1.1@127.0.0.1:PORT/",
            "https://1.1.1.1:443@127.0.0.1:PORT/",
            r"https://127.0.0.1:PORT\@1.1.1.1/",
            r"https:\\127.0.0.1:PORT\",
            "https:127.0.0.1:PORT/",
            "https:/127.0.0.1:PORT/",
            "https:///127.0.0.1:PORT/",
            "https://127.0.0.1:PORT#@1.1.1.1/",
            "https://127.0.0.1:PORT?@1.1.1.1/",
            "https://127.0.0.1:0PORT/",
            "HTTP://127.0.0.1:PORT/",
            "http://1.1.1.1:PORT/",
            "gopher://127.0.0.1:PORT/",
            "file://127.0.0.1:PORT/",
            "ws://127.0.0.1:PORT/",
            "127.0.0.1:PORT",
            "//127.0.0.1:PORT/",
            "https://127.0.0.1:PORT/\r\nHost: a",
            "https://[::1%25lo]:PORT/",
            "https://[::1%lo]:PORT/",
            "https://127.0.0.1%00.example.com:PORT/",
            "https://127.0.0.1\t:PORT/",
            "https://1.1.1.1 @127.0.0.1:PORT/",
        ]
        .map(|url| url.replace("PORT", &port.to_string())),
    );
    (urls, named.to_vec())
}

/// Reddens when a private address passes in any spelling: at the making, or at the sending, where the URL was planted.
#[tokio::test]
async fn no_form_of_a_private_address_is_connected_to() {
    let canary = Canary::new();
    let port = canary.port;
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() && canary.count() == 1, "the canary sings");
    let (urls, named) = hostile_urls(port);
    let loopback = || vec![vec![ip("127.0.0.1")]];
    let names = Told::new(vec![
        ("localhost", loopback()),
        ("localhost.", loopback()),
        ("a.localhost", loopback()),
        ("ip6-localhost", vec![vec![ip("::1")]]),
        ("loopback.example", loopback()),
        ("both.example", vec![vec![ip("9.9.9.9"), ip("127.0.0.1")]]),
        ("xn--loopback-", loopback()),
    ]);
    let server = TestServer::start_among(|_| {}, names).await;
    let session = server.session("owner").await;
    for url in &urls {
        let sentence = fails(&create(&server, &session, url, &[]).await, 400, "invalid_request");
        assert!(sentence.starts_with("url: "), "{url:?}: {sentence}");
        if named.iter().any(|host| url.contains(host)) {
            assert!(!sentence.contains("127.0.0.1") && !sentence.contains("::1"), "what a name leads to is not told: {sentence}");
        }
    }
    // The same in the database already, as if the setting had been another one.
    let (host, acme) = (server.host(), server.demo.acme.id);
    let new = NewWebhook { name: "planted".to_owned(), url: urls[0].clone(), actions: vec!["Invite|Create".to_owned()], reach: Reach::Organization };
    let webhook: WebhookId = server.core.create_webhook(&host, acme, new).await.unwrap().value.0.id;
    let ping = server.core.ping_webhook(&host, acme, webhook).await.unwrap().value;
    for url in &urls {
        let change = WebhookChange { url: Some(url.clone()), ..WebhookChange::default() };
        server.core.update_webhook(&host, acme, webhook, change).await.unwrap();
        server.core.redeliver(&host, (acme, webhook), ping).await.unwrap();
        server.messenger.deliver().await.unwrap();
        let row = server.core.list_deliveries(&host, (acme, webhook), None, 1).await.unwrap().rows.remove(0);
        assert!(row.delivered_at.is_none() && !row.failure.is_empty() && !row.failure.contains("connect"), "{url:?}: {row:?}");
    }
    assert!(urls.len() >= 400, "{}", urls.len());
    assert_eq!(canary.count(), 0);
    println!("{} forms, each at the making and at the sending: no connection", urls.len());
    server.end().await;
}

/// Reddens when what was checked is not what is connected to, or a name that was public once is believed for ever.
#[tokio::test]
async fn a_name_that_changes_its_mind_gets_nothing() {
    let canary = Canary::new();
    let url = format!("https://rebind.example:{}/", canary.port);
    // Public when it is made; then this machine.
    let names = Told::new(vec![("rebind.example", vec![vec![ip("9.9.9.9")], vec![ip("127.0.0.1")]])]);
    let server = TestServer::start_among(|_| {}, Arc::clone(&names) as Arc<dyn Names>).await;
    let session = server.session("owner").await;
    let (id, _) = made(&server, &session, &url).await;
    happen(&server, 0).await;
    server.messenger.deliver().await.unwrap();
    let row = deliveries(&server, &session, &id).await.remove(0);
    assert!(row["reason"].as_str().unwrap().starts_with("the host rebind.example leads to an address that is not public"), "{row}");
    assert_eq!((names.asked.load(Ordering::SeqCst), canary.count()), (2, 0));
    server.end().await;
    // Allowed whenever it is asked an odd time. Each attempt asks once, and connects there.
    let answers = (0..8).map(|turn| vec![ip(if turn % 2 == 0 { "127.0.0.2" } else { "127.0.0.1" })]).collect();
    let names = Told::new(vec![("rebind.example", answers)]);
    let mut receiver = Receiver::start(&["--address", "127.0.0.2"]).await;
    let wrong = TcpListener::bind(("127.0.0.1", receiver.port())).unwrap();
    wrong.set_nonblocking(true).unwrap();
    let server = TestServer::start_among(|config| config.webhooks = allowing(&["127.0.0.2/32"]), Arc::clone(&names) as Arc<dyn Names>).await;
    let session = server.session("owner").await;
    let (id, _) = made(&server, &session, &format!("http://rebind.example:{}/ok", receiver.port())).await;
    for attempt in 1..=4 {
        if attempt == 1 {
            happen(&server, 0).await;
        } else {
            let sent = deliveries(&server, &session, &id).await.remove(0);
            let again = format!("{}/{id}/deliveries/{}/redeliver", webhooks_path(&server), sent["id"].as_str().unwrap());
            assert_eq!(server.by(&session, Method::POST, &again, None).await.status, 200);
        }
        server.messenger.deliver().await.unwrap();
        let row = deliveries(&server, &session, &id).await.remove(0);
        assert_eq!(names.asked.load(Ordering::SeqCst), attempt + 1, "once for each attempt");
        assert_eq!(row["state"], if attempt % 2 == 0 { "delivered" } else { "waiting" }, "{row}");
    }
    for _ in 0..2 {
        assert_eq!(receiver.told().await["path"], "/ok");
    }
    assert!(wrong.accept().is_err());
    assert_eq!(receiver.end().await, Vec::<Value>::new());
    server.end().await;
}

/// Reddens when a route says something else than its description, or bad input gets anything but a sentence.
#[tokio::test]
async fn routes_answer_as_they_are_described() {
    let server = TestServer::start_among(|config| config.webhooks = allowing(&["127.0.0.0/8"]), Arc::new(SystemNames)).await;
    let (session, path) = (server.session("owner").await, webhooks_path(&server));
    let body = json!({ "name": " audit ", "url": "HTTPS://9.9.9.9:443/a b".replace(' ', "%20"), "actions": ["Member|Assign", "ApiKey|Create"], "includeSubOrganizations": true });
    let made = server.by(&session, Method::POST, &path, Some(&body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(made.member("secret").starts_with("whsec_") && made.member("secret").len() == 50, "{}", made.text);
    assert!(!made.header("keywright-revision").is_empty());
    let mut item = made.json();
    item.as_object_mut().unwrap().remove("secret");
    let (id, owner) = (made.member("id"), server.demo.users["owner"].id);
    let expected = json!({ "id": id, "organizationId": server.demo.acme.id, "name": "audit", "url": "https://9.9.9.9/a%20b", "actions": ["ApiKey|Create", "Member|Assign"],
        "includeSubOrganizations": true, "createdAt": server.clock.now(), "createdBy": format!("user {owner}"), "suspendedAt": null, "suspendedFor": null,
        "failingSince": null });
    assert_eq!(item, expected);
    let one = format!("{path}/{id}");
    assert_eq!(server.by(&session, Method::GET, &path, None).await.json(), json!([expected]));
    assert_eq!(server.by(&session, Method::GET, &one, None).await.json(), expected);
    let narrowed = server.by(&session, Method::PATCH, &one, Some(&json!({ "suspended": true, "actions": ["ApiKey|Create"] }))).await.json();
    assert_eq!((&narrowed["suspendedAt"], &narrowed["actions"]), (&json!(server.clock.now()), &json!(["ApiKey|Create"])));
    fails(&server.by(&session, Method::POST, &format!("{one}/ping"), None).await, 409, "conflict");
    let resumed = server.by(&session, Method::PATCH, &one, Some(&json!({ "suspended": false }))).await;
    assert_eq!(resumed.json()["suspendedAt"], Value::Null);
    let rotated = server.by(&session, Method::POST, &format!("{one}/rotate"), None).await;
    assert!(rotated.member("secret").starts_with("whsec_") && rotated.member("secret") != made.member("secret"));
    // Twice is once, and a secret is shown once.
    let twice = async || server.send(server.request(Method::POST, &path).bearer_auth(&session).header("idempotency-key", "twice").json(&body)).await;
    let (first, second) = (twice().await, twice().await);
    assert_eq!((first.status.as_u16(), second.status.as_u16(), second.header("idempotency-replayed").as_str()), (201, 201, "true"));
    assert!(first.member("secret").starts_with("whsec_"));
    assert_eq!((&second.json()["secret"], &second.json()["secretShown"], second.member("id")), (&Value::Null, &json!(true), first.member("id")));
    // What is not usable.
    let url = "https://9.9.9.9/";
    for (method, path, body, part) in [
        (Method::POST, &path, json!({}), "missing field `name`"),
        (Method::POST, &path, json!({ "name": "x" }), "missing field `url`"),
        (Method::POST, &path, json!({ "name": "", "url": url }), "name: must have 1 to 128 characters"),
        (Method::POST, &path, json!({ "name": "x", "url": url, "secret": "mine" }), "unknown field `secret`"),
        (
            Method::POST,
            &path,
            json!({ "name": "x", "url": url, "actions": ["Build|Start"] }),
            "actions: there is no `Build|Start` to hear of; there are: Organization|Create",
        ),
        (Method::POST, &path, json!({ "name": "x", "url": url, "actions": null }), "actions: invalid type: null"),
        (Method::POST, &path, json!({ "name": "x", "url": "http://9.9.9.9/" }), "url: must begin with https://; without TLS"),
        (Method::POST, &path, json!({ "name": "x", "url": "https://no-such-host.invalid/" }), "url: the host no-such-host.invalid is not found"),
        (Method::PATCH, &one, json!({ "url": null }), "url: invalid type: null"),
        (Method::PATCH, &one, json!({ "url": "https://10.0.0.1/" }), "leads to an address that is not public"),
        (Method::PATCH, &one, json!({ "suspended": "yes" }), "suspended: invalid type"),
        (Method::PATCH, &one, json!({ "state": "x" }), "unknown field `state`"),
    ] {
        let sentence = fails(&server.by(&session, method, path, Some(&body)).await, 400, "invalid_request");
        assert!(sentence.contains(part), "{body}: {sentence}");
    }
    for (query, part) in
        [("limit=0", "limit must be"), ("cursor=x", "cursor: this is no cursor of this list"), ("state=failed", "there is no parameter `state`")]
    {
        let sentence = fails(&server.by(&session, Method::GET, &format!("{one}/deliveries?{query}"), None).await, 400, "invalid_request");
        assert!(sentence.contains(part), "{sentence}");
    }
    for unknown in ["0b1f7a52-8a3e-4c8e-9d0e-6a7f0e3f2b11", "nonsense"] {
        let told = fails(&server.by(&session, Method::GET, &format!("{path}/{unknown}"), None).await, 404, "not_found");
        assert_eq!(told, "there is no webhook with that id");
        let told = fails(&server.by(&session, Method::POST, &format!("{one}/deliveries/{unknown}/redeliver"), None).await, 404, "not_found");
        assert_eq!(told, "there is no delivery with that id");
    }
    let log =
        server.by(&session, Method::GET, &format!("/identity/v1/organizations/{}/activity?action=Webhook%20Create", server.demo.acme.id), None).await.json();
    assert_eq!(log["events"][1]["reason"], "audit: to 9.9.9.9, hears of ApiKey|Create Member|Assign, in sub-organizations too");
    assert_eq!(server.by(&session, Method::DELETE, &one, None).await.json(), json!({ "message": "the webhook was deleted" }));
    fails(&server.by(&session, Method::GET, &one, None).await, 404, "not_found");
    server.end().await;
}
