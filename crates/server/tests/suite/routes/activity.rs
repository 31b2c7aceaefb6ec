//! The activity of an organization: pages, files, the chain.

use crate::support::fails;
use keywright_core::log::chain::{Checker, Head, Link};
use keywright_testkit::TestServer;
use reqwest::Method;
use serde_json::Value;

#[tokio::test]
async fn what_happened_is_listed_exported_and_proven() {
    let server = TestServer::start().await;
    let owner = server.session("owner").await;
    let root = server.demo.acme.id;
    let activity = format!("/identity/v1/organizations/{root}/activity");
    let get = async |path: &str| server.by(&owner, Method::GET, &format!("{activity}{path}"), None).await;
    let exchanged = server.form("/auth/v3/token", &format!("personalAccessKey={}", server.key("owner"))).await;
    assert_eq!(exchanged.status, 200);
    server.core.flush_access_log(server.core.clock().now()).await.unwrap();

    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("?limit=7&subOrganizations=true{cursor}")).await.json();
        events.extend(page["events"].as_array().unwrap().iter().cloned());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let latest = &events[0];
    assert_eq!((&latest["action"], &latest["outcome"], &latest["actor"]["email"]), (&"Token Exchange".into(), &"issued".into(), &"owner@acme.example".into()));
    assert_eq!(events.last().unwrap()["action"], "Organization Create");

    let lines = get("/export?format=jsonl&subOrganizations=true").await;
    assert_eq!(lines.header("content-type"), "application/jsonl");
    assert_eq!(lines.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>(), events);
    let table = get("/export?subOrganizations=true").await;
    assert!(table.header("content-type").starts_with("text/csv") && table.header("content-disposition").contains("activity.csv"));
    assert_eq!(table.text.lines().count(), events.len() + 1);
    assert!(table.text.lines().nth(1).unwrap().contains(",owner@acme.example,Token Exchange,"), "{}", table.text);

    let chain = get("/chain").await;
    let links: Vec<Link> = chain.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let head: Head = serde_json::from_value(get("/head").await.json()).unwrap();
    let mut checker = Checker::new(root, Some(head.clone()));
    links.iter().try_for_each(|link| checker.follow(link)).unwrap();
    assert_eq!(checker.end().unwrap().head, Some(head));
    let behind = get("/chain?after=3").await;
    assert_eq!(behind.text, chain.text.lines().skip(3).map(|line| format!("{line}\n")).collect::<String>());
    server.end().await;
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_in_a_sentence() {
    let server = TestServer::start().await;
    let owner = server.session("owner").await;
    let root = server.demo.acme.id;
    for (query, part) in [
        ("frm=2026-11-01T00:00:00Z", "there is no parameter `frm` here; there are: log, from, until"),
        ("from=yesterday", "from: must be a time as in RFC 3339"),
        ("until=2026-13-01T00:00:00Z", "until: must be a time"),
        ("from=2026-12-01T00:00:00Z&until=2026-11-01T00:00:00Z", "from must be before until"),
        ("log=all", "log must be changes or access"),
        ("action=Organisation%20Create", "action must be one of: Organization Create"),
        ("outcome=failed", "outcome must be one of: done, issued, accepted, refused, lost"),
        ("subOrganizations=yes", "subOrganizations must be true or false"),
        ("limit=0", "limit must be a number from 1 to 200"),
        ("cursor=abc", "cursor: this is no cursor of this list"),
    ] {
        let refused = server.by(&owner, Method::GET, &format!("/identity/v1/organizations/{root}/activity?{query}"), None).await;
        let sentence = fails(&refused, 400, "invalid_request");
        assert!(sentence.contains(part), "{query}: {sentence}");
        if !query.starts_with("limit") && !query.starts_with("cursor") {
            fails(&server.by(&owner, Method::GET, &format!("/identity/v1/organizations/{root}/activity/export?{query}"), None).await, 400, "invalid_request");
        }
    }
    let format = server.by(&owner, Method::GET, &format!("/identity/v1/organizations/{root}/activity/export?format=xml"), None).await;
    assert!(fails(&format, 400, "invalid_request").contains("csv or jsonl"));
    let below = server.demo.mobile.id;
    let sub = server.by(&owner, Method::GET, &format!("/identity/v1/organizations/{below}/activity/chain"), None).await;
    assert!(fails(&sub, 403, "insufficient_permission").contains("in its root's chain"));
    server.end().await;
}
