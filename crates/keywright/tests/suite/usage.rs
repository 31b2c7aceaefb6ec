//! The use of keys, while many use one and the process is killed.

use crate::{
    admin::OwnerKey,
    http::{claims, client, exchange, get_with, try_send},
    process::{Place, Server, text, until},
};
use keywright_protocol::{Time, paths};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};
use tokio::task::JoinSet;

const CLIENTS: usize = 64;
/// Nothing comes back as fast as these clients come.
const UNLIMITED: [(&str, &str); 2] = [("KEYWRIGHT_LIMITS__KEY_PER_SECOND", "0"), ("KEYWRIGHT_LIMITS__ORGANIZATION_PER_SECOND", "0")];

/// What the clients have done.
#[derive(Default)]
struct Done {
    sent: AtomicI64,
    answered: AtomicI64,
}

/// Exchanges one key again and again until nobody answers any more.
async fn exchange_on(url: String, secret: String, done: Arc<Done>) {
    let client = client();
    let fields = [("name", "ci"), ("secret", secret.as_str())];
    loop {
        done.sent.fetch_add(1, Ordering::SeqCst);
        let Some(answer) = try_send(client.post(&url).form(&fields)).await else { return };
        assert_eq!(answer.status, 200, "{answer:?}");
        done.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the API says of the key, with how often it was issued a token.
async fn usage(server: &Server, path: &str, token: &str) -> (Value, i64) {
    let answer = get_with(&server.base, path, token).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let usage = answer.json();
    let issued = usage["ways"].as_array().unwrap().iter().map(|way| way["issued"].as_i64().unwrap()).sum();
    (usage, issued)
}

/// Reddens when `asOf` promises more than is written, when a batch loses or doubles a use under load, or when what was shown is lost by
/// a kill.
#[tokio::test]
async fn what_was_shown_outlives_a_kill_under_load() {
    let place = Place::new();
    let server = place.serve(&[], &UNLIMITED).await;
    let owner = OwnerKey::make(&place).await;
    let grant = format!("{}=view-organization", owner.organization);
    let key = place.admin_json(&["key", "create-api", "--organization", &owner.organization, "--name", "ci", "--grant", &grant]).await;
    let path = format!("/identity/v1/organizations/{}/api-keys/{}/usage", owner.organization, text(&key, "id"));
    let token = exchange(&server.base, &owner.secret).await;

    let done = Arc::new(Done::default());
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(exchange_on(format!("{}{}", server.base, paths::API_KEY_TOKEN), text(&key, "secret"), Arc::clone(&done)));
    }
    let mut shown = 0;
    for round in 1..=3 {
        until("the clients are at work", async || (done.answered.load(Ordering::SeqCst) > round * 500).then_some(())).await;
        let answered = done.answered.load(Ordering::SeqCst);
        // After all of these, by the server's clock.
        let then = claims(&exchange(&server.base, &owner.secret).await)["iat"].as_i64().unwrap() + 1;
        let then = Time::from_seconds(then).to_string();
        shown = until("everything up to a moment is written", async || {
            let (known, issued) = usage(&server, &path, &token).await;
            (text(&known, "asOf") >= then).then_some(issued)
        })
        .await;
        assert!(answered <= shown && shown <= done.sent.load(Ordering::SeqCst), "{answered} {shown} {}", done.sent.load(Ordering::SeqCst));
    }
    server.program.kill().await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let sent = done.sent.load(Ordering::SeqCst);

    let server = place.serve(&[], &UNLIMITED).await;
    let (known, counted) = usage(&server, &path, &token).await;
    assert!(shown <= counted && counted <= sent, "{shown} {counted} {sent}");
    let hours: i64 = known["data"].as_array().unwrap().iter().map(|count| count["issued"].as_i64().unwrap()).sum();
    assert_eq!(hours, counted, "the counts of a batch are all there, or none of them");
    server.end().await;
}
