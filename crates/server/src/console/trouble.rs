//! What a person sees instead of a page, and the sentences that stand beside a form.

use super::{
    page::{Plain, html},
    view::minute,
};
use crate::error::ApiError;
use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use keywright_core::{Error, organizations::Organization};
use keywright_protocol::Time;

/// A page that could not be made, or a form that could not be taken.
#[derive(Debug)]
pub(crate) struct Trouble {
    status: StatusCode,
    sentence: String,
    retry_after: Option<HeaderValue>,
}

#[derive(Template)]
#[template(path = "console/trouble.html")]
struct TroublePage {
    frame: Plain,
    sentence: String,
}

impl Trouble {
    /// What was sent cannot be used.
    pub(crate) fn bad_request(sentence: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, sentence, retry_after: None }
    }

    /// It is not let in.
    pub(crate) fn forbidden(sentence: String) -> Self {
        Self { status: StatusCode::FORBIDDEN, sentence, retry_after: None }
    }

    /// An organization where nothing is to be seen until it is resumed.
    pub(crate) fn suspended(organization: &Organization) -> Self {
        let name = &organization.row.name;
        Self::forbidden(match &organization.root_name {
            Some(root) => format!("{name} is suspended. Whoever may manage sub-organizations of {root} resumes it on the profile of {root}."),
            None => format!("{name} is suspended. Ask whoever runs this server."),
        })
    }

    /// Somebody who is here, and may not do what this page is for.
    pub(crate) fn lacking(permission: &str) -> Self {
        Self::forbidden(format!("This page needs the permission {permission} here. Ask an Owner for a role that has it."))
    }

    /// There is no such page.
    pub(crate) fn no_such_page() -> Self {
        let sentence = "There is no such page, or it is not for you to see. Begin at the console's first page.";
        Self { status: StatusCode::NOT_FOUND, sentence: sentence.to_owned(), retry_after: None }
    }

    /// Of something that the address names: what is not there is no page.
    pub(crate) fn of_named(error: Error) -> Self {
        if matches!(error, Error::NotFound(_) | Error::Absent(_)) { Self::no_such_page() } else { error.into() }
    }

    /// What is wrong.
    pub(crate) fn sentence(&self) -> &str {
        &self.sentence
    }

    fn title(&self) -> &'static str {
        match self.status {
            StatusCode::FORBIDDEN => "Not permitted",
            StatusCode::NOT_FOUND => "Nothing here",
            StatusCode::TOO_MANY_REQUESTS => "Too many at once",
            StatusCode::SERVICE_UNAVAILABLE => "Not available at the moment",
            status if status.is_server_error() => "Something broke",
            _ => "That did not work",
        }
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        let sentence = if let ApiError::Core(error) = &error { sentence(error) } else { as_sentence(&error.body().message) };
        let status = error.status();
        let retry_after = error.into_response().headers().get(RETRY_AFTER).cloned();
        Self { status, sentence, retry_after }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let title = self.title();
        let mut response = html(self.status, &TroublePage { frame: Plain::titled(title), sentence: self.sentence });
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, after);
        }
        response
    }
}

/// Why a form was not taken, to stand beside it; what is no matter of the form is a page of its own.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) sentence: String,
}

impl Problem {
    /// A sentence of the console's own.
    pub(crate) fn of(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, sentence: sentence.into() }
    }

    /// What an operation answered, unless the form has nothing to do with it.
    pub(crate) fn about_form(error: Error) -> Result<Self, Trouble> {
        match &error {
            Error::Invalid { .. }
            | Error::Conflict(_)
            | Error::NotFresh(_)
            | Error::WrongPassword
            | Error::SecondFactorRequired
            | Error::WrongSecondFactor
            | Error::PasswordMustChange
            | Error::Forbidden(_)
            | Error::Repeated(_)
            | Error::KeyReused
            | Error::Catalog(_)
            | Error::Limited(_)
            | Error::Absent(_)
            | Error::Busy => {
                let sentence = sentence(&error);
                Ok(Self { status: ApiError::from(error).status(), sentence })
            }
            Error::Refused(_)
            | Error::OutOfReach
            | Error::NothingGranted
            | Error::Scope(_)
            | Error::Target(_)
            | Error::HostOnly
            | Error::Crowded
            | Error::NotFound(_)
            | Error::Behind(_)
            | Error::Unavailable
            | Error::Internal(_) => Err(error.into()),
        }
    }
}

/// An error in words for a person before a page: where the API's sentence names a request to send, the console says what to do here.
pub(crate) fn sentence(error: &Error) -> String {
    match error {
        Error::NotFresh(_) => "You gave your password more than five minutes ago. Give it once more with this form.".to_owned(),
        Error::PasswordMustChange => "This password was made for your first sign-in. Choose one of your own, of at least 12 characters.".to_owned(),
        Error::WrongPassword => "E-mail address or password is wrong. Try again, or choose a new password by a mail.".to_owned(),
        Error::SecondFactorRequired => "Your account has a second factor: give your password once more, and the code.".to_owned(),
        Error::Repeated(_) => "This form was sent before and has been carried out. Look at what is there now before you send it again.".to_owned(),
        Error::KeyReused => "This form was sent before with something else in it. Load the page anew and send it again.".to_owned(),
        Error::Internal(_) => "Something went wrong here. If it happens again, tell whoever runs this server.".to_owned(),
        Error::Invalid { field, reason } => as_sentence(&format!("{}: {}", in_words(field), with_times(reason))),
        Error::Refused(_)
        | Error::OutOfReach
        | Error::NothingGranted
        | Error::Scope(_)
        | Error::Target(_)
        | Error::HostOnly
        | Error::Forbidden(_)
        | Error::WrongSecondFactor
        | Error::Busy
        | Error::Crowded
        | Error::Limited(_)
        | Error::NotFound(_)
        | Error::Absent(_)
        | Error::Conflict(_)
        | Error::Catalog(_)
        | Error::Behind(_)
        | Error::Unavailable => as_sentence(&error.to_string()),
    }
}

/// The name of a field as people read it: as the form calls it.
fn in_words(field: &str) -> String {
    match field {
        "expiresAt" => return "last day".to_owned(),
        "notBefore" => return "first day".to_owned(),
        "allowedAddresses" => return "allowed addresses".to_owned(),
        "longestKeyLifeSeconds" => return "longest lifetime of a key".to_owned(),
        "userEmail" => return "e-mail address".to_owned(),
        _ => {}
    }
    let mut words = String::new();
    for character in field.chars() {
        if character.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(character.to_ascii_lowercase());
    }
    words
}

/// A reason with its times as people read them.
fn with_times(reason: &str) -> String {
    let shown = |word: &str| match word.trim_end_matches(['.', ',', ';']).parse::<Time>() {
        Ok(at) => minute(at),
        Err(_) => word.to_owned(),
    };
    reason.split(' ').map(shown).collect::<Vec<_>>().join(" ")
}

/// With a capital at its beginning, unless that is an address, and a full stop at its end.
fn as_sentence(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let is_address = text.split(' ').next().is_some_and(|word| word.contains(['@', '`', ':']) && !word.ends_with(':'));
    let mut sentence: String = if is_address { text.to_owned() } else { first.to_uppercase().chain(characters).collect() };
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_speaks_of_the_form() {
        let told = |field, reason: &str| sentence(&Error::Invalid { field, reason: reason.to_owned() });
        assert_eq!(told("expiresAt", "must not be later than 2027-11-29T13:42:46.256Z."), "Last day: must not be later than 2027-11-29 13:42 UTC.");
        assert_eq!(told("allowedAddresses", "`foo` is no network"), "Allowed addresses: `foo` is no network.");
        assert_eq!(told("someOtherField", "is odd"), "Some other field: is odd.");
    }

    #[test]
    fn an_address_at_the_beginning_stays_as_it_is() {
        assert_eq!(as_sentence("viewer@acme.example is a member"), "viewer@acme.example is a member.");
        assert_eq!(as_sentence("nobody is"), "Nobody is.");
    }
}
