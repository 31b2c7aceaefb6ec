//! What is told of what happened: in the process's log, and in the log of access of the database.

use crate::{
    admin::OwnerKey,
    http::{exchange, try_exchange},
    process::{PRESET, Place, until},
};
use keywright_db::{Db, Location, StoreError, Writes};
use keywright_protocol::{KeyKind, OrganizationId, secret};
use keywright_store::{access_log, log::EventRow};

/// Reddens when a change or a refusal has no line, or a line says more than it shall.
#[tokio::test]
async fn changes_and_refusals_are_lines_and_no_secret_is_in_them() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let key = OwnerKey::make(&place).await;
    let stranger = secret::compose("kw", KeyKind::PersonalAccessKey, &[1; 32]);
    exchange(&server.base, &key.secret).await;
    place.admin_json(&["key", "revoke", &key.id]).await;
    let (revoked, unknown) = (try_exchange(&server.base, &key.secret).await, try_exchange(&server.base, &stranger).await);
    let ended = server.program.end().await;
    let line = |message: &str, part: &str| -> String {
        let found: Vec<&str> = ended.log.lines().filter(|line| line.contains(message) && line.contains(part)).collect();
        let [line] = found.as_slice() else { panic!("{message} {part}: {found:?}\n{}", ended.log) };
        (*line).to_owned()
    };
    let request_id = |answer: &crate::http::Answer| answer.headers["x-request-id"].to_str().unwrap().to_owned();
    let refused = line("an exchange was refused", "key_revoked");
    for part in [" INFO ", &format!("key_id={}", key.id), "client=127.0.0.1", &format!("request_id={}", request_id(&revoked))] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    let unmatched = line("an exchange was refused", "invalid_key");
    assert!(unmatched.contains(&request_id(&unknown)) && !unmatched.contains("key_id"), "{unmatched}");
    let changed = line("a change was made", "PAT Revoke");
    assert!(changed.contains(&key.organization) && changed.contains("actor=\"host\"") && changed.contains("revision="), "{changed}");
    for secret in [&key.secret, &stranger] {
        let (_, body) = secret.rsplit_once('_').unwrap();
        assert!(!ended.log.contains(body.get(..20).unwrap()), "{}", ended.log);
    }
    assert!(!ended.log.contains("olga@"), "whom it was about is not the process's log to tell\n{}", ended.log);
}

/// The events of a chain.
async fn events(place: &Place, root: OrganizationId) -> Vec<EventRow> {
    let location = Location::Sqlite { path: place.path("data/keywright.sqlite3") };
    let db = Db::open(&location, Writes::Revisioned, keywright_store::MIGRATIONS).await.unwrap();
    let events = db.read(move |tx| Box::pin(async move { access_log::list(tx, root).await })).await;
    db.close().await;
    events.unwrap_or_else(|error: StoreError| panic!("{error}"))
}

/// Reddens when the server does not write what it has gathered, in time or at its end, or takes a good end for a bad one.
#[tokio::test]
async fn a_killed_process_leaves_a_gap_and_a_good_end_leaves_everything() {
    let (place, nobody) = (Place::new(), "00000000-0000-0000-0000-000000000000".parse().unwrap());
    let server = place.serve(&[], &[]).await;
    let key = OwnerKey::make(&place).await;
    let root: OrganizationId = key.organization.parse().unwrap();
    exchange(&server.base, &key.secret).await;
    server.end().await;
    let [issued] = <[EventRow; 1]>::try_from(events(&place, root).await).unwrap();
    assert_eq!((issued.outcome.as_str(), issued.address.as_str()), ("issued", "127.0.0.1"));
    assert_eq!(issued.actor_id.unwrap().to_string(), key.id);

    // A start that does not succeed is no crash.
    let refused = place.serve_in_vain(&[], &[("KEYWRIGHT_DISTRIBUTION__ENABLED", "true")]).await;
    refused.assert_refused(&["distribution.enabled", PRESET.1]);
    place.serve(&[], &[]).await.end().await;
    assert!(events(&place, nobody).await.is_empty());

    let server = place.serve(&[], &[]).await;
    exchange(&server.base, &key.secret).await;
    until("it is written without being asked to", async || (events(&place, root).await.len() == 2).then_some(())).await;
    server.program.kill().await;
    assert!(events(&place, nobody).await.is_empty(), "the next start tells");
    place.admin_json(&["organization", "list"]).await;
    let ended = place.serve(&[], &[]).await.program.end().await;
    assert!(ended.log.contains("did not end in good order"), "{}", ended.log);
    let [gap] = <[EventRow; 1]>::try_from(events(&place, nobody).await).unwrap();
    assert_eq!((gap.action.as_str(), gap.subject.as_str()), ("Log Gap", "unclean end"));
    place.serve(&[], &[]).await.end().await;
    assert_eq!(events(&place, nobody).await.len(), 1, "told once");
}
