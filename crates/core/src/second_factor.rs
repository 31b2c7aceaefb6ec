//! A second factor of people beside the password: codes of a device that shares a secret with the server (RFC 6238), and recovery codes
//! for when it is lost. It is asked for at the sign-in; a session that is open stays fresh by the password alone.
//!
//! Nothing turns it off but its owner, with a code, and the host. Why it is as it is: `docs/decisions/0024-second-factor.md`.

pub(crate) mod codes;
mod guesses;
pub mod totp;

pub use codes::{GivenCode, RECOVERY_CODES};
pub use guesses::{AT_ONCE as GUESSES_AT_ONCE, ONE_COMES_BACK_IN as GUESS_COMES_BACK_IN};

use crate::{
    Context, Core, Error, PersonActor,
    authorize::{By, FRESH, live_session},
    error::Forbidden,
    log::{self, Action, Where},
    names,
    sessions::{end_tokens, note},
};
use codes::NewCodes;
use guesses::Left;
use keywright_db::{Committed, Tx};
use keywright_protocol::{Time, UserId, mail::SecondFactorEvent};
use keywright_store::{
    StoreError,
    changes::{self, ChangeKind},
    second_factors::{self, SecondFactorRow},
    sessions::{self, SessionRow},
    users,
};
use std::{fmt::Write as _, sync::Arc, time::Duration};
use totp::{Code, Secret};
use zeroize::Zeroizing;

/// How long after its beginning a second factor may be confirmed.
pub const CONFIRM_WITHIN: Duration = Duration::from_secs(60 * 60);
const NONE: Error = Error::Absent("you have no second factor; set one up with POST /auth/v1/second-factor");
const NOT_BEGUN: Error = Error::Absent("no second factor waits to be confirmed, or it was begun more than an hour ago; begin with POST /auth/v1/second-factor");

/// How somebody's second factor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// None is asked for.
    Off,
    /// It was begun and is not asked for yet.
    Pending {
        /// Until when it may be confirmed.
        until: Time,
    },
    /// It is asked for at each sign-in.
    On {
        /// Since when.
        since: Time,
        /// How many recovery codes are not used.
        recovery_codes_left: usize,
    },
    /// It is asked for, and was lost when a backup was restored: the host has to reset it.
    Lost,
}

/// What a device needs to make codes. Shown once.
pub struct SetUp {
    /// The secret in base32, for whoever types it.
    pub secret: Zeroizing<String>,
    /// The same as a URI, for whoever shows it to a camera.
    pub uri: Zeroizing<String>,
    /// Until when it may be confirmed.
    pub confirm_until: Time,
}

/// What becomes of a sign-in that brings, or lacks, a code. A refusal is a value, so that the transaction writes what it costs.
pub(crate) enum Verdict {
    /// It may go on.
    Passed,
    /// It may not.
    Refused(Error),
}

/// Whose second factor is asked for, and where that is noted.
pub(crate) struct Asked<'a> {
    pub(crate) user: UserId,
    pub(crate) email: &'a str,
    pub(crate) at: Where<'a>,
}

impl Core {
    /// How the actor's second factor stands.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Forbidden`] for whoever is no person with a session.
    pub async fn second_factor(&self, ctx: &Context) -> Result<SecondFactor, Error> {
        let (person, now) = (ctx.authorize_person()?.clone(), ctx.now);
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let session = live_session(tx, (&person).into(), now).await?;
                    let Some(row) = second_factors::find(tx, session.user_id).await? else { return Ok(SecondFactor::Off) };
                    let left = second_factors::list_codes(tx, session.user_id).await?.len();
                    let until = row.begun_at.plus(CONFIRM_WITHIN);
                    Ok(match (row.confirmed_at, row.sealed) {
                        (Some(since), Some(_)) => SecondFactor::On { since, recovery_codes_left: left },
                        (Some(_), None) => SecondFactor::Lost,
                        (None, _) if now < until => SecondFactor::Pending { until },
                        (None, _) => SecondFactor::Off,
                    })
                })
            })
            .await
    }

    /// Makes a secret for the actor's device. Nothing is asked for before a code has shown that the device has it; until then another one
    /// may be begun in its place.
    ///
    /// # Errors
    /// Those; [`Error::NotFresh`]; [`Error::Conflict`] if a second factor is on.
    pub async fn begin_second_factor(self: &Arc<Self>, ctx: &Context) -> Result<Committed<SetUp>, Error> {
        let (person, now) = (ctx.authorize_person()?.clone(), ctx.now);
        let secret = Secret::generate()?;
        let sealed = self.key_file.seal(&seal_purpose(person.user_id), secret.as_bytes())?;
        let begun = self.write(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, (&person).into(), now).await?;
                require_fresh(&session, now, "setting up a second factor")?;
                second_factors::begin(tx, session.user_id, &sealed, now).await.map_err(|error| match error {
                    StoreError::NotFound => Error::Conflict("a second factor is on already; remove it before you set up another one".to_owned()),
                    StoreError::Conflict { .. } | StoreError::Busy | StoreError::Unavailable | StoreError::Corrupt => error.into(),
                })?;
                Ok(session.email)
            })
        });
        let begun = begun.await?;
        let text = secret.to_base32();
        let uri = uri(host(&self.issuer), &begun.value, &text);
        Ok(Committed { value: SetUp { secret: text, uri, confirm_until: now.plus(CONFIRM_WITHIN) }, position: begun.position })
    }

    /// Turns the second factor on that was begun, by a code of the device that has its secret. The actor's other sessions end. Answers
    /// recovery codes, which are shown once.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Forbidden`]; [`Error::Limited`]; [`Error::Absent`] if none waits; [`Error::Invalid`] for a wrong code.
    pub async fn confirm_second_factor(self: &Arc<Self>, ctx: &Context, code: &str) -> Result<Committed<Vec<Zeroizing<String>>>, Error> {
        let person = ctx.authorize_person()?.clone();
        self.limits.sign_in(ctx.client_ip)?;
        let GivenCode::Device(code) = GivenCode::parse(code)? else { return Err(in_session(Error::WrongSecondFactor)) };
        let attempt = self.limits.attempt_in(person.session_id)?;
        let codes = NewCodes::generate(&self.pepper, person.user_id)?;
        let (core, ctx, digests) = (Arc::clone(self), ctx.clone(), codes.digests);
        let confirmed = self.write(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, (&person).into(), ctx.now).await?;
                let user = session.user_id;
                let row = second_factors::find(tx, user).await?.ok_or(NOT_BEGUN)?;
                if row.confirmed_at.is_some() || row.begun_at.plus(CONFIRM_WITHIN) <= ctx.now {
                    return Err(NOT_BEGUN);
                }
                let Code::Right(step) = core.secret_of(&row)?.check(&code, ctx.now, row.last_step) else { return Err(Error::WrongSecondFactor) };
                second_factors::confirm(tx, user, step, ctx.now).await?;
                second_factors::replace_codes(tx, user, &digests).await?;
                sessions::end_others(tx, user, session.id, ctx.now).await?;
                end_tokens(tx, user, ctx.now).await?;
                changes::insert(tx, ChangeKind::User, user.as_uuid(), &[]).await?;
                note(tx, &ctx, &session, Action::SecondFactorEnable, "").await?;
                core.tell_second_factor(tx, &ctx, &session.email, SecondFactorEvent::TurnedOn).await
            })
        });
        let confirmed = attempt.settle(confirmed.await).map_err(in_session)?;
        Ok(Committed { value: codes.shown, position: confirmed.position })
    }

    /// Turns the actor's second factor off, by a code or a recovery code of it.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Forbidden`]; [`Error::NotFresh`]; [`Error::Limited`]; [`Error::Absent`] if there is none;
    /// [`Error::Invalid`] for a wrong code.
    pub async fn remove_second_factor(self: &Arc<Self>, ctx: &Context, code: &str) -> Result<Committed<()>, Error> {
        let (person, given) = (ctx.authorize_person()?.clone(), GivenCode::parse(code)?);
        let core = Arc::clone(self);
        self.with_second_factor(ctx, person, (given, "removing the second factor"), move |tx, ctx, session| {
            Box::pin(async move {
                second_factors::delete(tx, session.user_id).await?;
                note(tx, ctx, session, Action::SecondFactorDisable, "").await?;
                core.tell_second_factor(tx, ctx, &session.email, SecondFactorEvent::TurnedOff).await
            })
        })
        .await
    }

    /// New recovery codes in the place of the actor's old ones, by a code or a recovery code.
    ///
    /// # Errors
    /// As [`Core::remove_second_factor`].
    pub async fn renew_recovery_codes(self: &Arc<Self>, ctx: &Context, code: &str) -> Result<Committed<Vec<Zeroizing<String>>>, Error> {
        let (person, given) = (ctx.authorize_person()?.clone(), GivenCode::parse(code)?);
        let NewCodes { shown, digests } = NewCodes::generate(&self.pepper, person.user_id)?;
        let core = Arc::clone(self);
        let renewed = self.with_second_factor(ctx, person, (given, "making new recovery codes"), move |tx, ctx, session| {
            Box::pin(async move {
                second_factors::replace_codes(tx, session.user_id, &digests).await?;
                note(tx, ctx, session, Action::RecoveryCodesCreate, "").await?;
                core.tell_second_factor(tx, ctx, &session.email, SecondFactorEvent::NewRecoveryCodes).await
            })
        });
        Ok(Committed { position: renewed.await?.position, value: shown })
    }

    /// Turns somebody's second factor off, whose device and recovery codes are lost.
    ///
    /// # Errors
    /// [`Error::HostOnly`]; [`Error::Invalid`]; [`Error::Absent`] if there is no such user, or he has none.
    pub async fn reset_second_factor(self: &Arc<Self>, ctx: &Context, email: &str) -> Result<Committed<()>, Error> {
        ctx.authorize_host()?;
        let email = names::email(email)?;
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let nobody = Error::Absent("there is no user with that e-mail address; `keywright admin user list` shows all");
                let user = users::find_by_email(tx, &email).await?.ok_or(nobody)?;
                if !second_factors::delete(tx, user.id).await? {
                    return Err(Error::Absent("this user has no second factor; there is nothing to reset"));
                }
                changes::insert(tx, ChangeKind::User, user.id.as_uuid(), &[]).await?;
                log::change(tx, &ctx, &By::Host, Where::Installation, Action::SecondFactorReset, (user.email.clone(), String::new())).await?;
                core.tell_second_factor(tx, &ctx, &user.email, SecondFactorEvent::Reset).await
            })
        })
        .await
    }

    /// Asks for somebody's second factor, in the transaction of what it opens. Whether the password is right was asked before: nobody else
    /// may learn that there is one.
    ///
    /// # Errors
    /// [`Error::SecondFactorRequired`] without a code; [`Error::WrongSecondFactor`] for one that was used, or a recovery code that is not
    /// known; [`Error::Limited`] after too many wrong ones; [`Error::Forbidden`] for one that was lost.
    pub(crate) async fn ask_second_factor(&self, tx: &mut Tx, ctx: &Context, asked: &Asked<'_>, given: Option<&GivenCode>) -> Result<Verdict, Error> {
        let on = second_factors::find(tx, asked.user).await?.filter(|row| row.confirmed_at.is_some());
        let Some(row) = on else { return Ok(Verdict::Passed) };
        if row.sealed.is_none() {
            let how = "ask the administrator of this service to reset it with `keywright admin user reset-second-factor`";
            return Err(Forbidden::because(format!("your second factor was lost when this service was restored from a backup; {how}")).into());
        }
        match given.ok_or(Error::SecondFactorRequired)? {
            GivenCode::Recovery(code) => self.use_recovery_code(tx, ctx, asked, code).await,
            GivenCode::Device(code) => {
                let cost = guesses::cost(row.guesses_back_at, ctx.now)?;
                match self.secret_of(&row)?.check(code, ctx.now, row.last_step) {
                    Code::Right(step) if second_factors::use_step(tx, row.user_id, step).await? => Ok(Verdict::Passed),
                    // What was used tells whoever repeats it nothing that he did not know, and costs no guess.
                    Code::Right(_) | Code::Used => Err(Error::WrongSecondFactor),
                    Code::Wrong => {
                        second_factors::take_guess(tx, row.user_id, cost.back_at).await?;
                        if cost.left == Left::None {
                            self.tell_second_factor(tx, ctx, asked.email, SecondFactorEvent::GuessesUsedUp).await?;
                        }
                        Ok(Verdict::Refused(Error::WrongSecondFactor))
                    }
                }
            }
        }
    }

    async fn use_recovery_code(&self, tx: &mut Tx, ctx: &Context, asked: &Asked<'_>, code: &str) -> Result<Verdict, Error> {
        let digest = self.pepper.recovery_digest(asked.user, code);
        if !second_factors::use_code(tx, asked.user, &digest, ctx.now).await? {
            return Err(Error::WrongSecondFactor);
        }
        let left = second_factors::list_codes(tx, asked.user).await?.len();
        changes::insert(tx, ChangeKind::User, asked.user.as_uuid(), &[]).await?;
        let by = By::Person { id: asked.user, confirmed_at: Some(ctx.now) };
        log::change(tx, ctx, &by, asked.at, Action::RecoveryCodeUse, (asked.email.to_owned(), format!("{left} left"))).await?;
        self.tell_second_factor(tx, ctx, asked.email, SecondFactorEvent::RecoveryCodeUsed { left: u32::try_from(left).unwrap_or(u32::MAX) }).await?;
        Ok(Verdict::Passed)
    }

    /// Does something that takes a fresh session and a code.
    async fn with_second_factor<F>(
        self: &Arc<Self>,
        ctx: &Context,
        person: PersonActor,
        (given, what): (GivenCode, &'static str),
        change: F,
    ) -> Result<Committed<()>, Error>
    where
        F: for<'t> FnOnce(&'t mut Tx, &'t Context, &'t SessionRow) -> keywright_db::BoxFuture<'t, Result<(), Error>> + Send + 'static,
    {
        self.limits.sign_in(ctx.client_ip)?;
        let attempt = self.limits.attempt_in(person.session_id)?;
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        let written = self.write(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, (&person).into(), ctx.now).await?;
                require_fresh(&session, ctx.now, what)?;
                second_factors::find(tx, session.user_id).await?.filter(|row| row.confirmed_at.is_some()).ok_or(NONE)?;
                let place = crate::sessions::place_of(tx, &session).await?;
                let asked = Asked { user: session.user_id, email: &session.email, at: place.as_ref().map_or(Where::Installation, Where::In) };
                if let Verdict::Refused(error) = core.ask_second_factor(tx, &ctx, &asked, Some(&given)).await? {
                    return Ok(Verdict::Refused(error));
                }
                changes::insert(tx, ChangeKind::User, session.user_id.as_uuid(), &[]).await?;
                change(tx, &ctx, &session).await?;
                Ok(Verdict::Passed)
            })
        });
        attempt.settle(passed(written.await)).map_err(in_session)
    }

    fn secret_of(&self, row: &SecondFactorRow) -> Result<Secret, Error> {
        let sealed = row.sealed.as_deref().ok_or(Error::Internal("a second factor has no secret"))?;
        self.key_file.open(&seal_purpose(row.user_id), sealed).map(Secret::of)
    }
}

/// What was written, unless it is a refusal.
pub(crate) fn passed(written: Result<Committed<Verdict>, Error>) -> Result<Committed<()>, Error> {
    let Committed { value, position } = written?;
    match value {
        Verdict::Passed => Ok(Committed { value: (), position }),
        Verdict::Refused(error) => Err(error),
    }
}

/// A wrong code of somebody who is signed in says nothing against his session.
fn in_session(error: Error) -> Error {
    if error == Error::WrongSecondFactor { Error::Invalid { field: "code", reason: error.to_string() } } else { error }
}

fn require_fresh(session: &SessionRow, now: Time, what: &'static str) -> Result<(), Error> {
    if now < session.confirmed_at.plus(FRESH) { Ok(()) } else { Err(Error::NotFresh(what)) }
}

/// What a secret is sealed for: moved to another user's row it does not open.
fn seal_purpose(user: UserId) -> String {
    format!("second factor {user}")
}

/// The host of the issuer, by which people find the code among others.
fn host(issuer: &str) -> &str {
    let authority = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let authority = authority.split_once('/').map_or(authority, |(authority, _)| authority);
    // A colon within brackets belongs to the address.
    authority.rsplit_once(':').filter(|(_, port)| port.chars().all(|digit| digit.is_ascii_digit())).map_or(authority, |(host, _)| host)
}

/// The key URI that authenticator apps read; all of its parameters are said, also where they are the usual ones.
fn uri(issuer: &str, account: &str, secret: &str) -> Zeroizing<String> {
    let (issuer, account) = (escaped(issuer), escaped(account));
    Zeroizing::new(format!("otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30"))
}

/// Everything but unreserved characters, as RFC 3986, section 2.1 has it.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reddens when a port or a path stays in the name, or something is not escaped.
    #[test]
    fn the_uri_names_host_and_account() {
        for (issuer, name) in [
            ("https://auth.example.com", "auth.example.com"),
            ("https://auth.example.com:8443/keys", "auth.example.com"),
            ("http://[::1]:8080", "[::1]"),
            ("http://[::1]", "[::1]"),
        ] {
            assert_eq!(host(issuer), name, "{issuer}");
        }
        assert_eq!(
            uri("[::1]", "a+b@acme.example", "MZXQ").as_str(),
            "otpauth://totp/%5B%3A%3A1%5D:a%2Bb%40acme.example?secret=MZXQ&issuer=%5B%3A%3A1%5D&algorithm=SHA1&digits=6&period=30"
        );
    }
}
