//! `keywright audit`: a chain is exported by one command and checked by another, which needs nothing but the file.

use crate::{admin::OwnerKey, http::exchange, process::Place};

/// Reddens when an export is not the chain, and when what was done to it afterwards is not found.
#[tokio::test]
async fn an_exported_chain_is_checked_without_the_server() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let key = OwnerKey::make(&place).await;
    exchange(&server.base, &key.secret).await;
    let data = place.data();
    let export = ["audit", "export", "--data-dir", &data, "--organization", &key.organization];
    let earlier = place.run(&export, &[]).await.succeeded();
    server.end().await;
    // The last exchange was written at the end.
    let whole = place.run(&export, &[]).await.succeeded();
    assert!(whole.starts_with(&earlier) && whole.len() > earlier.len(), "{whole}");
    let verify = async |text: &str, more: &[&str]| {
        let file = place.write("chain.jsonl", text);
        let mut arguments = vec!["audit", "verify", &file];
        arguments.extend(more);
        place.run(&arguments, &[]).await
    };
    let told = verify(&whole, &[]).await.succeeded();
    let links = whole.lines().count();
    let head = told.split("up to ").nth(1).unwrap().split(';').next().unwrap().to_owned();
    assert!(told.starts_with(&format!("whole: {links} links")) && head.starts_with(&format!("{links}:")), "{told}");
    assert!(verify(&whole, &["--head", &head]).await.succeeded().contains("the noted link is in it"));

    let lines: Vec<&str> = whole.lines().collect();
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    verify(&join(&[&lines[..1], &lines[2..]].concat()), &[]).await.assert_refused(&["line 2", "links 2 to 2 are missing"]);
    verify(&join(&[&lines[..2], &lines[1..]].concat()), &[]).await.assert_refused(&["line 3", "out of its order"]);
    verify(&whole.replacen("host", "user", 1), &[]).await.assert_refused(&["line 1", "was altered"]);
    verify(&join(&lines[..links - 1]), &["--head", &head]).await.assert_refused(&["was cut off"]);
    verify(whole.trim_end().trim_end_matches('}'), &[]).await.assert_refused(&[&format!("line {links}"), "is it whole?"]);
    verify("", &[]).await.assert_refused(&["it is empty"]);
    place.run(&["audit", "verify", &place.path("none").display().to_string()], &[]).await.assert_refused(&["cannot be read"]);
    let unknown = ["audit", "export", "--data-dir", &data, "--organization", "6f9619ff-8b86-4011-b42d-00c04fc964ff"];
    place.run(&unknown, &[]).await.assert_refused(&["there is no organization with that id"]);
}
