//! Mail of the process: into a folder without a mail server, and what is said of settings that cannot be used.

use crate::{
    admin::OwnerKey,
    process::{Place, mode, until},
};
use std::{fs, path::PathBuf};

fn files(place: &Place) -> Vec<PathBuf> {
    let whole = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "eml");
    fs::read_dir(place.path("data/mail")).into_iter().flatten().map(|file| file.unwrap().path()).filter(whole).collect()
}

/// Reddens when mail waits for somebody to ask for it, is written where others read it, or names its recipient in the log.
#[tokio::test]
async fn without_a_mail_server_mail_is_a_file_that_the_log_names() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let key = OwnerKey::make(&place).await;
    let written = until("the mail is written", async || files(&place).pop()).await;
    until("and noted", async || place.admin_json(&["outbox"]).await["mail"].as_array().is_some_and(Vec::is_empty).then_some(())).await;
    assert_eq!((mode(&written), mode(written.parent().unwrap())), (0o600, 0o700));
    let text = fs::read_to_string(&written).unwrap();
    let (_, secret) = key.secret.rsplit_once('_').unwrap();
    assert!(text.contains("Subject: New Personal Access Key") && text.contains("multipart/alternative") && !text.contains(secret), "{text}");
    let ended = server.program.end().await;
    let lines: Vec<&str> = ended.log.lines().filter(|line| line.contains("mail was written into a file")).collect();
    let [line] = lines.as_slice() else { panic!("{}", ended.log) };
    assert!(line.contains(written.to_str().unwrap()) && line.contains("kind=\"new-key\""), "{line}");
    assert!(!ended.log.contains('@'), "{}", ended.log);

    // What is put while nothing runs goes out with the next start.
    let grant = format!("{}=view-organization", key.organization);
    place.admin_json(&["key", "create-api", "--organization", &key.organization, "--name", "second", "--grant", &grant]).await;
    assert_eq!(files(&place).len(), 1);
    let server = place.serve(&[], &[]).await;
    until("the mail is written", async || (files(&place).len() == 2).then_some(())).await;
    server.end().await;
}

/// Reddens when settings that cannot be used are found out by the first piece of mail.
#[tokio::test]
async fn unusable_settings_of_mail_are_refused_at_the_start() {
    let place = Place::new();
    let smtp = ("KEYWRIGHT_MAIL__SMTP", "smtps://mail.example.com");
    let from = ("KEYWRIGHT_MAIL__FROM", "Keywright <auth@example.com>");
    let user = ("KEYWRIGHT_MAIL__USER", "keywright");
    let missing = place.text("no such file");
    for (environment, parts) in [
        (vec![("KEYWRIGHT_MAIL__SMTP", "smtps://keywright:hunter2@mail.example.com")], ["mail.smtp", "mail.password_file"]),
        (vec![smtp], ["mail.from is required", "auth@example.com"]),
        (vec![smtp, from, user], ["mail.user", "mail.password_file"]),
        (vec![smtp, from, user, ("KEYWRIGHT_MAIL__PASSWORD_FILE", &missing)], ["mail.password_file", "no such file"]),
        (vec![smtp, from, ("KEYWRIGHT_MAIL__CA_FILE", &missing)], ["mail.ca_file", "no such file"]),
    ] {
        let refused = place.serve_in_vain(&[], &environment).await;
        refused.assert_refused(&parts);
        assert!(!refused.log.contains("hunter2"), "{}", refused.log);
        place.run(&["config", "check"], &environment).await.assert_refused(&parts);
    }
}
