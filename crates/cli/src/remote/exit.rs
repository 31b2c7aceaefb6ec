//! How a command ends.

use super::output::{Output, OutputFormat, shown};
use keywright_client::{BaseUrlError, ClientError};
use keywright_protocol::ErrorBody;
use std::{
    io::{self, Write as _},
    process::ExitCode,
};

const NOTHING_GRANTED: &str = "nothing_granted";

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Refused or failed.
    Failed = 1,
    /// The command line is not understood.
    Usage = 2,
    /// Not signed in, or the credential is not accepted.
    NotSignedIn = 3,
    /// Not permitted.
    NotPermitted = 4,
    /// The server cannot be reached or cannot decide now.
    Unavailable = 5,
    /// `exec`: the command cannot be run, as shells have it.
    CannotRun = 126,
    /// `exec`: there is no such command, as shells have it.
    NoSuchCommand = 127,
}

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// With a sentence for whoever asked.
    Told(Box<Told>),
    /// Whoever read the output has gone: nobody is left to be told anything.
    ReaderGone,
}

/// A sentence, and how the process ends.
#[derive(Debug)]
pub struct Told {
    exit: Exit,
    body: ErrorBody,
    hint: Option<String>,
}

impl Failure {
    fn new(exit: Exit, code: &str, sentence: impl Into<String>) -> Self {
        Self::Told(Box::new(Told { exit, body: ErrorBody::new(code, sentence), hint: None }))
    }

    /// Something here went wrong.
    pub(super) fn failed(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Failed, "failed", sentence)
    }

    /// The command line cannot be carried out as it is.
    pub(super) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", sentence)
    }

    /// There is no credential to act with.
    pub(super) fn not_signed_in(sentence: impl Into<String>) -> Self {
        Self::new(Exit::NotSignedIn, "not_signed_in", sentence)
    }

    /// It cannot be known at the moment.
    pub(super) fn unavailable(sentence: impl Into<String>) -> Self {
        Self::new(Exit::Unavailable, "unavailable", sentence)
    }

    /// What was asked about is not good.
    pub(super) fn refused(code: &str, sentence: impl Into<String>) -> Self {
        Self::new(Exit::Failed, code, sentence)
    }

    /// The command of `exec` does not run.
    pub(super) fn cannot_run(exit: Exit, sentence: impl Into<String>) -> Self {
        Self::new(exit, "cannot_run", sentence)
    }

    /// With what to do about it, for people.
    pub(super) fn hinting(mut self, hint: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.hint = Some(hint.into());
        }
        self
    }

    /// Whether it is about who asks.
    pub(super) fn is_about_the_credential(&self) -> bool {
        matches!(self, Self::Told(told) if told.exit == Exit::NotSignedIn)
    }

    /// It is about who asks, whatever the status was.
    pub(super) fn about_the_credential(mut self) -> Self {
        if let Self::Told(told) = &mut self {
            told.exit = Exit::NotSignedIn;
        }
        self
    }

    /// Whether it is about what one may do.
    pub(super) fn is_about_permission(&self) -> bool {
        matches!(self, Self::Told(told) if told.exit == Exit::NotPermitted)
    }

    /// Whether a credential was good and gives nothing where it was asked for.
    pub(super) fn is_about_nothing_granted(&self) -> bool {
        matches!(self, Self::Told(told) if told.body.reason.as_deref() == Some(NOTHING_GRANTED))
    }

    /// Whether another attempt may go better by itself.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Told(told) if told.exit == Exit::Unavailable)
    }

    /// Says it on standard error, as the server's body for programs.
    pub(super) fn tell(&self, output: &Output) -> ExitCode {
        let told = match self {
            Self::Told(told) => told,
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        let text = match (output.format(), &told.hint) {
            (OutputFormat::Json, _) => serde_json::to_string(&told.body).unwrap_or_default(),
            (OutputFormat::Table, None) => format!("keywright: {}", shown(&told.body.message)),
            (OutputFormat::Table, Some(hint)) => format!("keywright: {}\n{}", shown(&told.body.message), shown(hint)),
        };
        // Without anybody to tell it to the exit code still says it.
        drop(writeln!(io::stderr(), "{text}"));
        ExitCode::from(told.exit as u8)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let exit = exit_of(&error);
        let body = match error {
            ClientError::Api(refusal) => refusal.body,
            ClientError::Unreachable { .. } => ErrorBody::new("unreachable", error.to_string()),
            ClientError::Unreadable { .. } => ErrorBody::new("unreadable", error.to_string()),
        };
        Self::Told(Box::new(Told { exit, body, hint: None }))
    }
}

impl From<BaseUrlError> for Failure {
    fn from(error: BaseUrlError) -> Self {
        let hint = matches!(error, BaseUrlError::PlainHttp).then(|| "`keywright login --insecure-http` takes it all the same".to_owned());
        let failure = Self::usage(error.to_string());
        match hint {
            Some(hint) => failure.hinting(hint),
            None => failure,
        }
    }
}

fn exit_of(error: &ClientError) -> Exit {
    match (error, error.status()) {
        (ClientError::Unreachable { .. }, _) | (_, Some(429 | 502..=504)) => Exit::Unavailable,
        (ClientError::Api(_), Some(401)) => Exit::NotSignedIn,
        // The token endpoint has few statuses, and says in `reason` what it is about.
        (ClientError::Api(refusal), Some(400)) => match refusal.body.reason.as_deref() {
            None => Exit::Failed,
            Some("organization_out_of_reach" | NOTHING_GRANTED) => Exit::NotPermitted,
            Some(_) => Exit::NotSignedIn,
        },
        (ClientError::Api(_), Some(403)) => Exit::NotPermitted,
        (ClientError::Api(_) | ClientError::Unreadable { .. }, _) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_client::Refusal;

    fn api(status: u16) -> ClientError {
        ClientError::Api(Box::new(Refusal { status, body: ErrorBody::new("code", "a sentence"), retry_after: None, request_id: None }))
    }

    #[test]
    fn the_exit_code_says_whose_turn_it_is() {
        for (status, exit) in [
            (400, Exit::Failed),
            (401, Exit::NotSignedIn),
            (403, Exit::NotPermitted),
            (404, Exit::Failed),
            (409, Exit::Failed),
            (429, Exit::Unavailable),
            (500, Exit::Failed),
            (503, Exit::Unavailable),
        ] {
            assert_eq!(exit_of(&api(status)), exit, "{status}");
        }
        let (url, reason) = ("https://auth.example.com".to_owned(), String::new());
        assert_eq!(exit_of(&ClientError::Unreachable { url: url.clone(), reason: reason.clone() }), Exit::Unavailable);
        assert_eq!(exit_of(&ClientError::Unreadable { url: url.clone(), status: 401, reason: reason.clone() }), Exit::Failed);
        assert_eq!(exit_of(&ClientError::Unreadable { url, status: 502, reason }), Exit::Unavailable);
    }
}
