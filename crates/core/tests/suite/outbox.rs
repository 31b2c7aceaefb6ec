//! Mail that waits: handed out once an attempt, tried again with growing pauses, given up, forgotten.

use crate::support::{World, world};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use keywright_core::outbox::delivery::{Attempt, DueMail, Fate};
use keywright_db::{Db, Location, Writes, on_both_engines, testing};
use keywright_protocol::{Time, admin::RolesIn, mail::MailContent};
use std::time::Duration;

on_both_engines!(Writes::Revisioned, keywright_store::MIGRATIONS;
    mail_is_handed_out_once_an_attempt_and_again_after_growing_pauses,
    a_refused_piece_ends_with_its_reason_and_blocks_no_other,
    what_was_sent_keeps_no_content_and_is_removed_after_thirty_days,
    a_link_that_does_not_work_any_more_is_not_sent,
    a_restart_loses_no_mail,
    what_was_altered_is_given_up_and_hides_no_other,
    where_nothing_is_due_nothing_is_written,
);

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    /// What is due now, without what becomes of it.
    pub(crate) async fn due(&self) -> Vec<DueMail> {
        self.core.take_due_mail(self.clock.now(), 1_000).await.unwrap()
    }

    /// Takes all mail that is due, as if it were sent.
    pub(crate) async fn read_mail(&self) -> Vec<DueMail> {
        let due = self.due().await;
        for mail in &due {
            assert_eq!(self.settle(mail, Attempt::Sent).await, Fate::Sent);
        }
        due
    }

    async fn settle(&self, mail: &DueMail, attempt: Attempt) -> Fate {
        self.core.settle_mail(mail, attempt, self.clock.now()).await.unwrap()
    }

    async fn invite_somebody(&self, email: &str) {
        let grants = vec![RolesIn { organization_id: self.demo.acme.id, roles: vec!["view-build".to_owned()] }];
        self.core.invite(&self.host(), self.demo.acme.id, email, grants).await.unwrap();
    }
}

/// Rows of the outbox: how many there are, and how many of them have any content.
async fn rows(db: &Db) -> (usize, usize) {
    let rows = db.read(|tx| Box::pin(async move { tx.fetch_all("SELECT sealed FROM outbox", &[]).await })).await.unwrap();
    (rows.len(), rows.iter().filter(|row| !row.get::<Vec<u8>>("sealed").unwrap().is_empty()).count())
}

/// Reddens when an attempt is not counted before it is made, pauses do not grow, or it goes on for ever.
async fn mail_is_handed_out_once_an_attempt_and_again_after_growing_pauses(db: Db) {
    let world = world(db).await;
    world.read_mail().await;
    world.invite_somebody("new@example.com").await;
    let written = world.clock.now();
    let (mut pauses, mut last, mut id) = (Vec::new(), written, None);
    let given_up = loop {
        let due = world.due().await;
        assert!(world.due().await.is_empty(), "it is being tried already");
        let [mail] = due.as_slice() else { panic!("{due:?}") };
        assert_eq!((*id.get_or_insert(mail.id), mail.attempt), (mail.id, pauses.len() as i64 + 1), "one id for ever");
        let fate = world.settle(mail, Attempt::Deferred("the server is down".to_owned())).await;
        let [row] = <[_; 1]>::try_from(world.core.list_outbox(&world.host()).await.unwrap()).unwrap();
        assert_eq!((row.attempts, row.failure.as_deref()), (mail.attempt, Some("the server is down")));
        match fate {
            Fate::Waits(next) => {
                assert_eq!((row.next_attempt_at, row.failed_at), (Some(next), None));
                world.clock.advance(Duration::from_millis((next.as_millis() - world.clock.now().as_millis() - 1) as u64));
                assert!(world.due().await.is_empty(), "not a millisecond too early");
                world.clock.advance(Duration::from_millis(1));
            }
            Fate::GivenUp => break row,
            Fate::Sent => panic!("nobody took it"),
        }
        pauses.push((world.clock.now().as_millis() - last.as_millis()) / 60_000);
        last = world.clock.now();
    };
    assert_eq!(pauses.iter().take(9).copied().collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let tried_for = last.as_millis() - written.as_millis();
    assert!(tried_for <= 3 * 86_400_000 && tried_for > 3 * 86_400_000 - 3_600_000, "{tried_for}");
    assert_eq!((given_up.next_attempt_at, given_up.failed_at), (None, Some(world.clock.now())));
    assert!(matches!(given_up.content, MailContent::Invitation { .. }), "the host can hand it over himself");
    world.clock.advance(DAY * 10);
    assert!(world.due().await.is_empty());
    let [row] = <[_; 1]>::try_from(world.core.list_outbox(&world.host()).await.unwrap()).unwrap();
    assert_eq!((row.content, row.failure.as_deref()), (MailContent::OutOfDate, Some("the server is down")), "why is seen also when the link is dead");
}

/// Reddens when a refusal is tried again, or what a server quotes of a link is kept.
async fn a_refused_piece_ends_with_its_reason_and_blocks_no_other(db: Db) {
    let world = world(db).await;
    world.read_mail().await;
    world.invite_somebody("nobody@example.com").await;
    world.invite_somebody("new@example.com").await;
    let due = world.due().await;
    assert_eq!(due.len(), 2);
    for mail in &due {
        let refused = mail.recipient.starts_with("nobody");
        let reason = format!("550 no such person; you said {}\r\n", mail.content.token());
        let fate = world.settle(mail, if refused { Attempt::Refused(reason) } else { Attempt::Sent }).await;
        assert_eq!(fate, if refused { Fate::GivenUp } else { Fate::Sent });
    }
    let [row] = <[_; 1]>::try_from(world.core.list_outbox(&world.host()).await.unwrap()).unwrap();
    assert_eq!((row.recipient.as_str(), row.failure.as_deref()), ("nobody@example.com", Some("550 no such person; you said ...  ")));
    world.clock.advance(DAY);
    assert!(world.due().await.is_empty());
}

/// Reddens when content outlives its sending, or rows stay for ever.
async fn what_was_sent_keeps_no_content_and_is_removed_after_thirty_days(db: Db) {
    let world = world(db.clone()).await;
    world.invite_somebody("new@example.com").await;
    let count = world.read_mail().await.len();
    assert!(count > 1);
    assert_eq!(rows(&db).await, (count, 0));
    world.invite_somebody("other@example.com").await;
    world.clock.advance(DAY * 30);
    world.core.prune_mail(world.clock.now()).await.unwrap();
    assert_eq!(rows(&db).await.0, count + 1, "not a millisecond too early");
    world.clock.advance(Duration::from_millis(1));
    world.core.prune_mail(world.clock.now()).await.unwrap();
    assert_eq!(rows(&db).await, (1, 1), "what still waits is not removed");
}

/// Reddens when a dead link is sent.
async fn a_link_that_does_not_work_any_more_is_not_sent(db: Db) {
    let world = world(db.clone()).await;
    world.read_mail().await;
    let sent = rows(&db).await.0;
    let acme = world.demo.acme.id;
    // Taken back; sent again, so that the first link is dead; too old.
    world.invite_somebody("one@example.com").await;
    world.core.revoke_invitation(&world.host(), acme, "one@example.com").await.unwrap();
    world.invite_somebody("two@example.com").await;
    world.core.re_invite(&world.host(), acme, "two@example.com").await.unwrap();
    world.core.request_reset(&world.anonymous(), "viewer@acme.example").unwrap().await.unwrap();
    world.clock.advance(HOUR);
    let due = world.read_mail().await;
    assert_eq!(due.iter().map(|mail| mail.recipient.as_str()).collect::<Vec<_>>(), ["two@example.com"]);
    assert_eq!(rows(&db).await, (sent + 1, 0), "the others are gone");
    // Also on a later attempt.
    world.core.request_reset(&world.anonymous(), "viewer@acme.example").unwrap().await.unwrap();
    let [mail] = <[DueMail; 1]>::try_from(world.due().await).unwrap();
    world.settle(&mail, Attempt::Deferred("later".to_owned())).await;
    let used = keywright_core::Context { actor: keywright_core::Actor::Anonymous, ..world.host() };
    world.core.reset_password(&used, mail.content.token(), "correct horse battery".to_owned().into()).await.unwrap();
    world.clock.advance(MINUTE);
    assert!(world.due().await.is_empty());
}

/// Reddens when what was handed out is forgotten with the process that had it.
async fn a_restart_loses_no_mail(db: Db) {
    let world = world(db.clone()).await;
    world.read_mail().await;
    world.invite_somebody("new@example.com").await;
    let [mail] = <[DueMail; 1]>::try_from(world.due().await).unwrap();
    let again = world.restart(db).await;
    assert!(again.take_due_mail(world.clock.now(), 10).await.unwrap().is_empty(), "somebody may have sent it a moment ago");
    world.clock.advance(MINUTE);
    let [due] = <[DueMail; 1]>::try_from(again.take_due_mail(world.clock.now(), 10).await.unwrap()).unwrap();
    assert_eq!((due.id, due.attempt, due.content), (mail.id, 2, mail.content));
}

/// Reddens when a row that does not open ends the round, or is tried for ever.
async fn what_was_altered_is_given_up_and_hides_no_other(db: Db) {
    let world = world(db.clone()).await;
    world.read_mail().await;
    for email in ["one@example.com", "two@example.com"] {
        world.invite_somebody(email).await;
    }
    let alter = "UPDATE outbox SET recipient = 'thief@example.com' WHERE recipient = 'one@example.com'";
    db.write(move |tx| Box::pin(async move { tx.execute_one(alter, &[]).await })).await.unwrap();
    assert_eq!(world.read_mail().await.iter().map(|mail| mail.recipient.as_str()).collect::<Vec<_>>(), ["two@example.com"]);
    let [row] = <[_; 1]>::try_from(world.core.list_outbox(&world.host()).await.unwrap()).unwrap();
    assert!(row.failed_at.is_some() && row.content == MailContent::Unreadable && row.failure.unwrap().contains("altered"));
}

/// Reddens when looking for what is due raises the revision.
async fn where_nothing_is_due_nothing_is_written(db: Db) {
    let world = world(db.clone()).await;
    world.read_mail().await;
    let revision = async || db.read(|tx| Box::pin(async move { tx.fetch_one("SELECT n FROM revision", &[]).await?.get::<i64>("n") })).await.unwrap();
    let before = revision().await;
    assert!(world.due().await.is_empty());
    world.core.prune_mail(world.clock.now()).await.unwrap();
    assert_eq!(world.core.remind(world.clock.now()).await.unwrap(), 0);
    assert_eq!(revision().await, before);
}

/// Every form in which a secret may stand somewhere.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex, secret.replace('-', "%2D").replace('_', "%5F")];
    // Of base64 what does not depend on what stands before.
    for skipped in 0..3 {
        let rest = secret.get(skipped..).unwrap();
        for encoded in [STANDARD.encode(rest), URL_SAFE_NO_PAD.encode(rest)] {
            forms.push(encoded.get(..encoded.len() - 4).unwrap().to_owned());
        }
    }
    forms.into_iter().map(String::into_bytes).collect()
}

/// Reddens when mail is stored without being sealed, or its secret stays anywhere: before it is sent, after a failure, after.
#[tokio::test]
async fn no_link_can_be_read_in_the_database_nor_in_its_log() {
    let test = testing::sqlite(Writes::Revisioned, keywright_store::MIGRATIONS).await;
    let world = world(test.db.clone()).await;
    let Location::Sqlite { path } = &test.location else { panic!("a file") };
    let scan = |secrets: &[String]| {
        let mut found = 0;
        let mut bytes = 0;
        for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
            let content = std::fs::read(file.unwrap().path()).unwrap();
            bytes += content.len();
            for form in secrets.iter().flat_map(|secret| forms(secret)) {
                found += usize::from(content.windows(form.len()).any(|window| window == form));
            }
        }
        assert!(bytes > 100_000, "the log is read too");
        found
    };
    world.invite_somebody("new@example.com").await;
    world.core.request_reset(&world.anonymous(), "viewer@acme.example").unwrap().await.unwrap();
    let due = world.due().await;
    let secrets: Vec<String> = due.iter().map(|mail| mail.content.token().to_owned()).filter(|token| !token.is_empty()).collect();
    assert_eq!(secrets.len(), 2);
    assert_eq!(scan(&secrets), 0);
    for mail in &due {
        let said = format!("451 {} cannot be taken now: {}", mail.recipient, mail.content.token());
        world.settle(mail, Attempt::Deferred(said)).await;
    }
    assert_eq!(scan(&secrets), 0);
    world.clock.advance(MINUTE);
    world.read_mail().await;
    assert_eq!(scan(&secrets), 0);
    // It can be found at all.
    let (planted, at) = (secrets[0].clone(), Time::from_seconds(1));
    test.db
        .write(move |tx| Box::pin(async move { tx.execute("UPDATE outbox SET failure = $1 WHERE created_at > $2", &[planted.into(), at.into()]).await }))
        .await
        .unwrap();
    assert!(scan(&secrets) > 0);
}
