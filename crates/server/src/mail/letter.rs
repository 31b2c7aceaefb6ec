//! What mail says to people, before it is HTML or text.

use keywright_protocol::{
    KeyKind, Time,
    mail::{MailContent, MailKey, NewSecret, SecondFactorEvent},
};

/// A letter. None of its texts is escaped; all of them may contain what somebody typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) title: String,
    /// Paragraphs above everything else.
    pub(super) before: Vec<String>,
    /// Names and values.
    pub(super) facts: Vec<(&'static str, String)>,
    /// What may be done, on a page.
    pub(super) link: Option<Call>,
    /// The same in a terminal.
    pub(super) call: Option<Call>,
    /// Paragraphs below.
    pub(super) after: Vec<String>,
}

/// A line to follow, or to paste into a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) what: String,
    pub(super) line: String,
}

impl Letter {
    /// What a piece of mail says; `None` for what is not to be sent at all.
    pub(super) fn of(content: &MailContent, issuer: &str) -> Option<Self> {
        let mut letter = match content {
            MailContent::Invitation { organization, invited_by, token, expires_at, accept_at } => {
                invitation((organization, invited_by.as_deref()), (token, accept_at), *expires_at, issuer)
            }
            MailContent::PasswordReset { token, expires_at, confirm_at } => password_reset((token, confirm_at), *expires_at, issuer),
            MailContent::NewKey { key, made, made_by, address, at, expires_at, .. } => {
                new_key(key, (*made, made_by), &[("At", shown(*at)), ("From", address.clone()), ("Expires", shown(*expires_at))], issuer)
            }
            MailContent::KeyExpiring { key, expires_at } => key_expiring(key, *expires_at, issuer),
            MailContent::NewNetwork { key, address, user_agent, at, .. } => new_network(key, (address, user_agent), *at, issuer),
            MailContent::SecondFactor { event, address, user_agent, at } => second_factor(*event, (address, user_agent), *at, issuer),
            MailContent::OutOfDate | MailContent::Unreadable => return None,
        };
        if letter.call.as_ref().is_some_and(|call| call.line.contains("$SESSION")) {
            letter
                .after
                .push(format!("SESSION is what {issuer}/auth/v1/sessions answers as sessionToken when you sign in; {issuer}/openapi/index.html says more."));
        }
        if let MailContent::NewKey { last_for_now: true, .. } | MailContent::NewNetwork { last_for_now: true, .. } = content {
            letter.after.push(
                "You have got many mails of this kind within an hour. What else happens in this hour you are not told by mail; look at your keys.".to_owned(),
            );
        }
        Some(letter)
    }
}

fn invitation((organization, invited_by): (&str, Option<&str>), (token, accept_at): (&str, &str), expires_at: Time, issuer: &str) -> Letter {
    Letter {
        subject: format!("Invitation to {organization}"),
        title: format!("You are invited to {organization}"),
        before: invited_by.map(|email| format!("{email} invites you.")).into_iter().collect(),
        link: Some(Call {
            what: "To accept, open this page, which says what you may do there:".to_owned(),
            line: format!("{issuer}/console/invitation#token={token}"),
        }),
        call: Some(Call {
            what: "Or without a browser: run this line in a terminal, with your name and a password in place of the dots. If you have an account here \
                   already, give its password."
                .to_owned(),
            line: format!(r#"curl {accept_at} --json '{{"token": "{token}", "name": "...", "password": "..."}}'"#),
        }),
        after: vec![
            format!("The invitation can be accepted until {}. Whoever has this mail can accept it: keep it to yourself.", shown(expires_at)),
            format!("If you do not know {organization}, there is nothing for you to do."),
        ],
        ..Letter::default()
    }
}

fn password_reset((token, confirm_at): (&str, &str), expires_at: Time, issuer: &str) -> Letter {
    Letter {
        subject: "Choose a new password".to_owned(),
        title: "Choose a new password".to_owned(),
        before: vec!["Somebody asked for a new password for the account with this address.".to_owned()],
        link: Some(Call { what: "If it was you, open this page:".to_owned(), line: format!("{issuer}/console/new-password#token={token}") }),
        call: Some(Call {
            what: "Or without a browser: run this line in a terminal, with the new password in place of the dots:".to_owned(),
            line: format!(r#"curl {confirm_at} --json '{{"token": "{token}", "newPassword": "..."}}'"#),
        }),
        after: vec![
            format!("It works once, until {}. All of your sessions end then.", shown(expires_at)),
            "If it was not you, there is nothing for you to do: your password stays as it is. Show this mail to nobody.".to_owned(),
        ],
        ..Letter::default()
    }
}

fn new_key(key: &MailKey, (made, made_by): (NewSecret, &str), more: &[(&'static str, String)], issuer: &str) -> Letter {
    let subject = match made {
        NewSecret::OfNewKey => format!("New {} of {}", named(key), key.organization),
        NewSecret::OfRotation => format!("New secret for {} of {}", named(key), key.organization),
    };
    let said = match (made, key.kind) {
        (NewSecret::OfRotation, _) => "This key has a new secret.",
        (NewSecret::OfNewKey, KeyKind::PersonalAccessKey) => "This key was made in your name.",
        (NewSecret::OfNewKey, KeyKind::ApiKey | KeyKind::OperatorKey | KeyKind::Session) => "This key was made in your organization.",
    };
    let mut facts = about(key);
    facts.push(("Made by", made_by.to_owned()));
    facts.extend(more.iter().filter(|(_, value)| !value.is_empty()).cloned());
    Letter {
        title: subject.clone(),
        subject,
        before: vec![said.to_owned()],
        facts,
        link: Some(page(key, "If you expected this, there is nothing for you to do. If not, revoke the key here, and change your password:", issuer)),
        call: Some(revoke(key, "Or in a terminal:")),
        after: Vec::new(),
    }
}

fn key_expiring(key: &MailKey, expires_at: Time, issuer: &str) -> Letter {
    let subject = format!("{} of {} expires on {}", named(key), key.organization, day(expires_at));
    let mut facts = about(key);
    facts.push(("Expires", shown(expires_at)));
    let call = if key.kind == KeyKind::PersonalAccessKey {
        Call { what: "Or in a terminal:".to_owned(), line: format!(r#"curl {} -H "Authorization: $SESSION" --json '{{"name": "..."}}'"#, key.manage_at) }
    } else {
        Call {
            what: "Or in a terminal; the old secret goes on for a day, or as long as you say by overlapSeconds:".to_owned(),
            line: format!(r#"curl {}/rotate -H "Authorization: $SESSION" --json '{{"expiresAt": "..."}}'"#, key.manage_at),
        }
    };
    let before = vec!["Whatever uses this key stops working when it expires.".to_owned()];
    let what = if key.kind == KeyKind::PersonalAccessKey {
        "If you still need it, make another one here and put that in its place:"
    } else {
        "If it is still needed, rotate it here: it gets a new secret and a later expiry:"
    };
    Letter { title: subject.clone(), subject, before, facts, link: Some(page(key, what, issuer)), call: Some(call), after: Vec::new() }
}

/// Where the console looks after a key.
fn page(key: &MailKey, what: &str, issuer: &str) -> Call {
    let home = format!("{issuer}/console/{}", key.organization_id);
    let line = if key.kind == KeyKind::PersonalAccessKey { format!("{home}/personal-keys") } else { format!("{home}/api-keys/{}", key.id) };
    Call { what: what.to_owned(), line }
}

fn new_network(key: &MailKey, (address, user_agent): (&str, &str), at: Time, issuer: &str) -> Letter {
    let subject = format!("{} of {} was used from a new network", named(key), key.organization);
    let mut facts = about(key);
    facts.extend([("From", address.to_owned()), ("Client", user_agent.to_owned()), ("At", shown(at))].into_iter().filter(|(_, value)| !value.is_empty()));
    Letter {
        title: subject.clone(),
        subject,
        before: vec!["This key was used from a network where it has not been used in the last 90 days.".to_owned()],
        facts,
        link: Some(page(key, "If you expected this, there is nothing for you to do. If not, revoke the key here:", issuer)),
        call: Some(revoke(key, "Or in a terminal:")),
        after: Vec::new(),
    }
}

fn second_factor(event: SecondFactorEvent, (address, user_agent): (&str, &str), at: Time, issuer: &str) -> Letter {
    let if_not = |what: &str| {
        format!("If it was you, there is nothing for you to do. If not, somebody {what}: choose a new password now, which ends all of your sessions:")
    };
    let (subject, said, call) = match event {
        SecondFactorEvent::TurnedOn => {
            let said = "From now on a code of your authenticator app is asked for at each sign-in. Your other sessions have ended. Keep your recovery codes where you find them without that device.";
            ("Your second factor is on", said.to_owned(), if_not("was signed in as you"))
        }
        SecondFactorEvent::TurnedOff => {
            let said = "Signing in takes your password alone from now on. The old device and the old recovery codes open nothing any more.";
            ("Your second factor is off", said.to_owned(), if_not("was signed in as you and had a code of yours"))
        }
        SecondFactorEvent::Reset => {
            let said = "An administrator of this service turned your second factor off. Signing in takes your password alone; set another one up soon.";
            let call = "If you asked for this, there is nothing else for you to do. If not, tell the administrator, and choose a new password:";
            ("Your second factor was reset", said.to_owned(), call.to_owned())
        }
        SecondFactorEvent::RecoveryCodeUsed { left } => {
            let said = format!("A recovery code was used in the place of your authenticator app. {left} are left; when few are, make new ones.");
            ("A recovery code of yours was used", said, if_not("knows your password and has your recovery codes"))
        }
        SecondFactorEvent::NewRecoveryCodes => {
            let said = "There are new recovery codes in the place of the old ones, which open nothing any more.";
            ("You have new recovery codes", said.to_owned(), if_not("was signed in as you and had a code of yours"))
        }
        SecondFactorEvent::GuessesUsedUp => {
            let said = "Somebody gave your password, which was right, and then wrong codes, as often as they are taken. He did not get in. For some hours no code of your authenticator app is taken; your recovery codes are.";
            ("Somebody knows your password", said.to_owned(), if_not("knows your password"))
        }
    };
    let facts = [("At", shown(at)), ("From", address.to_owned()), ("Client", user_agent.to_owned())];
    Letter {
        subject: subject.to_owned(),
        title: subject.to_owned(),
        before: vec![said],
        facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        link: Some(Call { what: call, line: format!("{issuer}/console/password-reset") }),
        call: Some(Call { what: "Or in a terminal:".to_owned(), line: format!(r#"curl {issuer}/auth/v1/password-resets --json '{{"email": "..."}}'"#) }),
        after: Vec::new(),
    }
}

fn about(key: &MailKey) -> Vec<(&'static str, String)> {
    vec![("Key", key.name.clone()), ("Id", key.id.to_string()), ("Organization", key.organization.clone())]
}

fn revoke(key: &MailKey, what: &str) -> Call {
    // A Personal Access Key is managed where all of them are read.
    let at = if key.kind == KeyKind::PersonalAccessKey { format!("{}/{}", key.manage_at, key.id) } else { key.manage_at.clone() };
    Call { what: what.to_owned(), line: format!(r#"curl -X DELETE {at} -H "Authorization: $SESSION""#) }
}

fn named(key: &MailKey) -> String {
    let kind = if key.kind == KeyKind::PersonalAccessKey { "Personal Access Key" } else { "API Key" };
    format!("{kind} \"{}\"", key.name)
}

/// A time for people: to the minute, in UTC.
fn shown(at: Time) -> String {
    let text = at.to_string();
    let time = text.get(11..16).unwrap_or_default();
    format!("{} {time} UTC", day(at))
}

fn day(at: Time) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}
