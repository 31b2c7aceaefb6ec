//! `keywright admin outbox`: mail that waits, with what its recipient has to send, and mail that was given up, with the reason.

use keywright_protocol::{
    KeyKind,
    mail::{MailContent, MailKey, MailRow, NewSecret, SecondFactorEvent},
};

/// A piece of mail, for people.
pub(crate) fn lines(mail: &MailRow) -> String {
    let mut text = format!("{}  {}  {}", mail.created_at, mail.recipient, what(&mail.content));
    if let Some(state) = state(mail) {
        text.push_str(&format!("\n  {state}"));
    }
    if let Some((token, example)) = link(&mail.content) {
        text.push_str(&format!("\n  token {token}\n  {example}"));
    }
    text
}

fn what(content: &MailContent) -> String {
    match content {
        MailContent::Invitation { organization, expires_at, .. } => format!("invitation to {organization}, until {expires_at}"),
        MailContent::PasswordReset { expires_at, .. } => format!("password reset, until {expires_at}"),
        MailContent::NewKey { key, made: NewSecret::OfNewKey, .. } => format!("{} was made", named(key)),
        MailContent::NewKey { key, made: NewSecret::OfRotation, .. } => format!("{} has a new secret", named(key)),
        MailContent::KeyExpiring { key, expires_at } => format!("{} expires {expires_at}", named(key)),
        MailContent::NewNetwork { key, address, .. } => format!("{} was used from {address}", named(key)),
        MailContent::SecondFactor { event, .. } => match event {
            SecondFactorEvent::TurnedOn => "the second factor was turned on".to_owned(),
            SecondFactorEvent::TurnedOff => "the second factor was turned off".to_owned(),
            SecondFactorEvent::Reset => "the second factor was reset by an administrator".to_owned(),
            SecondFactorEvent::RecoveryCodeUsed { left } => format!("a recovery code was used; {left} are left"),
            SecondFactorEvent::NewRecoveryCodes => "there are new recovery codes".to_owned(),
            SecondFactorEvent::GuessesUsedUp => "too many wrong codes were given with the right password".to_owned(),
        },
        MailContent::OutOfDate => "is of no use any more".to_owned(),
        MailContent::Unreadable => "cannot be read: it was altered in the database, or sealed by another key file".to_owned(),
    }
}

fn named(key: &MailKey) -> String {
    let kind = if key.kind == KeyKind::ApiKey { "API Key" } else { "Personal Access Key" };
    format!("{kind} {} of {}", key.name, key.organization)
}

/// What became of it until now, if anything has.
fn state(mail: &MailRow) -> Option<String> {
    let why = mail.failure.as_deref().unwrap_or("the attempt was not brought to its end");
    let times = |attempts: i64| if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
    match (mail.failed_at, mail.next_attempt_at) {
        (Some(at), _) => Some(format!("given up {at}, tried {}: {why}", times(mail.attempts))),
        (None, Some(next)) if mail.attempts > 0 => Some(format!("tried {}, again {next}: {why}", times(mail.attempts))),
        (None, _) => None,
    }
}

/// The secret of the link, and the line that uses it.
fn link(content: &MailContent) -> Option<(&str, String)> {
    match content {
        MailContent::Invitation { token, accept_at, .. } => {
            Some((token, format!(r#"curl {accept_at} --json '{{"token": "{token}", "name": "...", "password": "..."}}'"#)))
        }
        MailContent::PasswordReset { token, confirm_at, .. } => {
            Some((token, format!(r#"curl {confirm_at} --json '{{"token": "{token}", "newPassword": "..."}}'"#)))
        }
        MailContent::NewKey { .. }
        | MailContent::KeyExpiring { .. }
        | MailContent::NewNetwork { .. }
        | MailContent::SecondFactor { .. }
        | MailContent::OutOfDate
        | MailContent::Unreadable => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Format, render};
    use keywright_protocol::{Time, admin::AdminReply};

    fn waiting(content: MailContent) -> MailRow {
        let at = Time::from_seconds(0);
        MailRow { recipient: "p@example.com".into(), created_at: at, attempts: 0, next_attempt_at: Some(at), failed_at: None, failure: None, content }
    }

    #[test]
    fn mail_says_until_when_and_how_its_link_is_used_and_what_became_of_it() {
        let at = Time::from_seconds(0);
        let accept_at = "https://auth.example.com/identity/v1/invitations/accept".to_owned();
        let invitation = MailContent::Invitation { organization: "Acme".into(), invited_by: None, token: "q2Jx".into(), expires_at: at, accept_at };
        let confirm_at = "https://auth.example.com/auth/v1/password-resets/confirm".to_owned();
        let reset = MailContent::PasswordReset { token: "Zt7w".into(), expires_at: at, confirm_at };
        let tried = MailRow { attempts: 2, failure: Some("connection refused".into()), ..waiting(reset) };
        let failed = MailRow { attempts: 1, next_attempt_at: None, failed_at: Some(at), failure: Some("550 no".into()), ..waiting(MailContent::OutOfDate) };
        let mail = vec![waiting(invitation), tried, failed];
        let text = render(&AdminReply::Outbox { mail }, Format::Text).unwrap();
        for part in [
            "p@example.com  invitation to Acme, until 1970-01-01",
            r#"curl https://auth.example.com/identity/v1/invitations/accept --json '{"token": "q2Jx","#,
            "p@example.com  password reset, until 1970-01-01",
            "tried 2 times, again 1970-01-01T00:00:00.000Z: connection refused",
            r#"curl https://auth.example.com/auth/v1/password-resets/confirm --json '{"token": "Zt7w","#,
            "given up 1970-01-01T00:00:00.000Z, tried once: 550 no",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}
