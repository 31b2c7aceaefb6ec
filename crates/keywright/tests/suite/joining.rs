//! More replicas join a database by its URL and its key file.

use crate::{
    demo::{Demo, names, of_acme},
    http::{claims, exchange, form, get_with, try_exchange},
    moving::empty,
    process::{PRESET, Place, Server, text},
};
use serde_json::json;
use std::{fs, os::unix::fs::DirBuilderExt as _};

/// Reddens when one that is told neither a name nor a catalog does not find them in the database or the folder, when its tokens carry another
/// name, or when it honours what another one took back.
#[tokio::test]
async fn replicas_join_a_demo_and_are_one_issuer() {
    let (place, url) = (Place::new(), empty().await);
    let (data, elsewhere) = (place.data(), place.text("elsewhere"));
    let demo = Demo::start(&place, &["--data-dir", &data, "--database-url", &url]).await;
    fs::DirBuilder::new().mode(0o700).create(&elsewhere).unwrap();
    fs::copy(format!("{data}/keywright.key"), format!("{elsewhere}/keywright.key")).unwrap();

    let join = |folder| ["serve", "--database-url", &url, "--data-dir", folder, "--listen", "127.0.0.1:0"];
    let beside = Server::listening(place.start(&join(&data), &[])).await;
    let far = Server::listening(place.start(&join(&elsewhere), &[PRESET])).await;
    let key = demo.key("owner");
    for base in [&beside.base, &far.base] {
        assert_eq!(claims(&exchange(base, &key).await)["iss"], json!(demo.base));
    }
    // Whoever shares the folder has its configuration, and so the distribution API.
    let token = exchange(&far.base, &key).await;
    assert_eq!(names(&get_with(&beside.base, "/distribution/v2/profiles", &token).await.text), of_acme());

    assert_eq!(form(&far.base, "/oauth/revoke", &[("token", &key)]).await.status, 200);
    for base in [&demo.base, &beside.base, &far.base] {
        assert_eq!(text(&try_exchange(base, &key).await.json(), "error"), "key_revoked");
    }
    for server in [beside, far] {
        let ended = server.program.end().await;
        assert!(ended.code == Some(0) && !ended.log.contains("could not be removed"), "{ended:?}");
    }
}
