//! A piece of mail as it travels (RFC 5322): HTML and text of the same content, and headers that stay the same at each attempt.

use super::{Outgoing, letter::Letter};
use askama::Template;
use keywright_core::outbox::delivery::DueMail;
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, MultiPart, MultiPartKind, SinglePart,
        header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue},
    },
};
use std::time::{Duration, SystemTime};

/// Longest line of running text.
const LINE: usize = 76;

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    letter: &'a Letter,
    issuer: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    letter: &'a Letter,
    issuer: &'a str,
}

impl Text<'_> {
    /// What the template calls for each paragraph.
    fn wrap(&self, paragraph: &str) -> String {
        wrapped(paragraph)
    }
}

fn wrapped(text: &str) -> String {
    let (mut lines, mut length) = (String::with_capacity(text.len()), 0);
    for word in text.split_whitespace() {
        let more = word.chars().count();
        if length > 0 {
            let breaks = length + 1 + more > LINE;
            lines.push(if breaks { '\n' } else { ' ' });
            length = if breaks { 0 } else { length + 1 };
        }
        lines.push_str(word);
        length += more;
    }
    lines
}

/// Nobody's vacation answers it (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// A message with its envelope's recipient.
pub(super) struct Composed {
    pub(super) to: Address,
    pub(super) bytes: Vec<u8>,
}

/// Composes a piece of mail.
///
/// # Errors
/// A reason, if it never can be.
pub(super) fn compose(mail: &DueMail, outgoing: &Outgoing, issuer: &str) -> Result<Composed, String> {
    let letter = Letter::of(&mail.content, issuer).ok_or("there is nothing to send")?;
    let to: Address = mail.recipient.parse().map_err(|_| "the recipient's address cannot be used")?;
    let failed = |_| "the mail cannot be written".to_owned();
    let html = Html { letter: &letter, issuer }.render().map_err(failed)?;
    let text = Text { letter: &letter, issuer }.render().map_err(failed)?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(mail.created_at.as_millis()).unwrap_or_default());
    let message = Message::builder()
        .from(outgoing.from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(one_line(&letter.subject))
        .date(at)
        .message_id(Some(format!("<{}@{}>", mail.id, outgoing.host)))
        .header(AutoSubmitted)
        .multipart(
            MultiPart::builder()
                .kind(MultiPartKind::Alternative)
                .boundary(mail.id.simple().to_string())
                .singlepart(plain(text))
                .singlepart(SinglePart::html(html)),
        )
        .map_err(|error| format!("the mail cannot be written: {error}"))?;
    Ok(Composed { to, bytes: message.formatted() })
}

/// Text as it stands, where every server takes it so (RFC 5322, section 2.1.1): whoever opens the file pastes from it.
fn plain(text: String) -> SinglePart {
    const LONGEST: usize = 900;
    if !text.is_ascii() || text.lines().any(|line| line.len() > LONGEST) {
        return SinglePart::plain(text);
    }
    let lines: String = text.lines().map(|line| format!("{line}\r\n")).collect();
    let body = Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit);
    SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body)
}

/// Names have no control characters; a header ends at one all the same, so that none gets there.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_between_words() {
        let text = wrapped(&"word ".repeat(40));
        assert!(text.lines().count() == 3 && text.lines().all(|line| line.len() <= LINE), "{text}");
        assert_eq!(wrapped(&"x".repeat(100)), "x".repeat(100), "a long word stays whole");
        assert_eq!(wrapped(" a\n b "), "a b");
    }
}
