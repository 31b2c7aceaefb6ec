//! Sessions of people: sign-in, what one does with a session, and the change of a password.
//!
//! A session is found in the database on each use; nothing about it is remembered.

use crate::{
    Context, Core, Error, IssuedToken, PersonActor, Refusal,
    access_log::{Known, Use},
    alive::{alive_session, session_ends_at},
    authorize::{By, HeldSession, live_session, roles_of},
    chance,
    error::Forbidden,
    exchange::Subject,
    grant::granted,
    limits::{Place, network},
    log::{self, Action, Where},
    names,
    narrowing::Wanted,
    passwords,
    second_factor::{Asked, GivenCode, Verdict, passed},
    secret::{self, KeyDigest, KeySecret},
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{KeyId, KeyKind, OrganizationId, Position, SessionId, Time, UserId};
pub use keywright_store::sessions::SessionRow;
use keywright_store::{
    changes::{self, ChangeKind},
    generations::{self, Origin},
    memberships,
    organizations::{self, OrganizationRow},
    sessions::{self, NewSession},
    users::{self, Credentials},
};
use std::{sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// No session is older.
pub const LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long an access token of a session lives.
pub const TOKEN_LIFE: Duration = Duration::from_secs(5 * 60);
/// The use of a session is noted to this precision, so that reading does not become writing.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
/// A snapshot is read again when a generation was opened for it; not for ever.
const READS: usize = 3;
const ORGANIZATION: Error = Error::NotFound("organization");
const SESSION: Error = Error::NotFound("session");

/// Who wants to sign in.
pub struct SignIn {
    /// His address.
    pub email: String,
    /// His password.
    pub password: Zeroizing<String>,
    /// Where he wants to work; without it, in the first of his organizations.
    pub organization: Option<OrganizationId>,
    /// A password to have from now on.
    pub new_password: Option<Zeroizing<String>>,
    /// A code of his second factor, or a recovery code. Without a second factor nobody looks at it.
    pub code: Option<Zeroizing<String>>,
}

/// What becomes of an account whose password was right.
struct Begin {
    new: NewSession,
    asked: Option<OrganizationId>,
    new_hash: Option<String>,
    given: Option<GivenCode>,
}

/// A secret that opens a session from now on.
pub struct SessionSecret {
    /// Shown once.
    pub secret: KeySecret,
    /// When the session ends at the latest.
    pub expires_at: Time,
}

impl Core {
    /// Signs a person in; the session is fresh. With a new password that is set at once, and his other sessions end. Unknown address,
    /// wrong password, disabled account and account without a password are one answer, after the same work. Of a second factor only whoever
    /// gave the right password learns anything.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::WrongPassword`]; [`Error::PasswordMustChange`] for a one-time password without a new one;
    /// [`Error::SecondFactorRequired`] and [`Error::WrongSecondFactor`]; [`Error::Forbidden`] for a second factor that was lost;
    /// [`Error::NotFound`] for an organization that is not his; [`Error::Invalid`]; [`Error::Busy`].
    pub async fn sign_in(self: &Arc<Self>, ctx: &Context, attempt: SignIn) -> Result<Committed<SessionSecret>, Error> {
        self.limits.sign_in(ctx.client_ip)?;
        let email = names::email(&attempt.email)?;
        if let Some(new) = &attempt.new_password {
            check_other("newPassword", &attempt.password, new)?;
        }
        let given = attempt.code.as_ref().map(|code| GivenCode::parse(code)).transpose()?;
        let (account, place) = self.find_account(ctx, email.clone()).await?;
        // What it costs is given back in the end alone: a wrong code costs what a wrong password does.
        let paid = self.limits.attempt(&email, ctx.client_ip, place)?;
        paid.settle(self.sign_in_to(ctx, account, attempt, given).await)
    }

    async fn sign_in_to(
        self: &Arc<Self>,
        ctx: &Context,
        account: Option<Credentials>,
        SignIn { password, organization, new_password, .. }: SignIn,
        given: Option<GivenCode>,
    ) -> Result<Committed<SessionSecret>, Error> {
        self.hashing.check(password, account.as_ref().and_then(|account| account.password_hash.clone())).await?;
        let account = account.filter(|account| account.user.disabled_at.is_none()).ok_or(Error::WrongPassword)?;
        let new_hash = match new_password {
            None if account.one_time_since.is_some() => return Err(Error::PasswordMustChange),
            None => None,
            Some(new) => Some(self.hashing.hash(new).await?),
        };
        let (secret, digest) = self.new_session_secret()?;
        let new = NewSession {
            id: chance::id()?,
            digest: *digest.as_bytes(),
            user_id: account.user.id,
            organization_id: None,
            created_at: ctx.now,
            expires_at: ctx.now.plus(LIFE),
            address: ctx.address_text(),
            user_agent: ctx.user_agent_text(),
        };
        let (expires_at, core, ctx) = (new.expires_at, Arc::clone(self), ctx.clone());
        let begin = Begin { new, asked: organization, new_hash, given };
        let begun = self.write(move |tx| Box::pin(async move { core.begin(tx, &ctx, &account, begin).await })).await;
        Ok(Committed { value: SessionSecret { secret, expires_at }, position: passed(begun)?.position })
    }

    /// Writes a session that is signed in. Between the check of the password and this moment the account may have changed.
    async fn begin(&self, tx: &mut Tx, ctx: &Context, account: &Credentials, begin: Begin) -> Result<Verdict, Error> {
        let user = &account.user;
        unchanged(tx, account).await?;
        let place = match begin.asked {
            Some(id) => reached(tx, id, user.id).await?,
            None => first_reached(tx, user.id).await?,
        };
        let at = place.as_ref().map_or(Where::Installation, Where::In);
        let asked = Asked { user: user.id, email: &user.email, at };
        if let Verdict::Refused(error) = self.ask_second_factor(tx, ctx, &asked, begin.given.as_ref()).await? {
            return Ok(Verdict::Refused(error));
        }
        if begin.asked.is_some() && place.is_none() {
            return Err(ORGANIZATION);
        }
        let by = By::Person { id: user.id, confirmed_at: Some(ctx.now) };
        let told = || (user.email.clone(), String::new());
        if let Some(hash) = begin.new_hash {
            passwords::replace(tx, user.id, &hash, ctx.now).await?;
            sessions::end_of_user(tx, user.id, ctx.now).await?;
            end_tokens(tx, user.id, ctx.now).await?;
            log::change(tx, ctx, &by, at, Action::PasswordChange, told()).await?;
        }
        sessions::insert(tx, &NewSession { organization_id: place.as_ref().map(|place| place.id), ..begin.new }).await?;
        log::change(tx, ctx, &by, at, Action::Login, told()).await?;
        Ok(Verdict::Passed)
    }

    /// The account of an address, and whether its person works where this request comes from. What is asked of the database is the same
    /// without an account.
    async fn find_account(&self, ctx: &Context, email: String) -> Result<(Option<Credentials>, Place), Error> {
        let (here, now) = (ctx.client_ip.map(network), ctx.now);
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                let account = users::find_credentials(tx, &email).await?;
                let user = account.as_ref().map_or(UserId::from(uuid::Uuid::nil()), |account| account.user.id);
                let sessions = sessions::list_of_user(tx, user).await?;
                Ok::<_, Error>((account, sessions))
            })
        });
        let (account, sessions) = read.await?;
        let is_here = |session: &SessionRow| session.address.parse().is_ok_and(|address| Some(network(address)) == here);
        let known = sessions.iter().any(|session| alive_session(session, now).is_ok() && is_here(session));
        Ok((account, if known { Place::Known } else { Place::New }))
    }

    /// The session that a secret opens, if it lives. That it is used is noted, once a minute at most.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unavailable`].
    pub async fn find_session(self: &Arc<Self>, now: Time, secret: &str) -> Result<SessionRow, Error> {
        let digest = *self.pepper.digest(secret::parse(secret, KeyKind::Session)?).as_bytes();
        let found = self.db.read(move |tx| Box::pin(async move { sessions::find_by_digest(tx, &digest).await.map_err(Error::from) })).await?;
        let session = found.ok_or(Refusal::UnknownSession)?;
        alive_session(&session, now)?;
        if session.used_at.plus(TOUCH_EVERY) <= now {
            let id = session.id;
            let noted = self.write_what_is_found(move |tx| Box::pin(async move { sessions::touch(tx, id, now).await.map_err(Error::from) })).await;
            // What is not noted ends the session sooner, never later.
            if let Err(error) = noted {
                tracing::warn!(code = error.code(), "the use of a session could not be noted");
            }
        }
        Ok(session)
    }

    /// The actor's session.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Forbidden`] for whoever is no person with a session.
    pub async fn current_session(&self, ctx: &Context) -> Result<SessionRow, Error> {
        let (person, now) = (ctx.authorize_person()?.clone(), ctx.now);
        self.db.read(move |tx| Box::pin(async move { live_session(tx, (&person).into(), now).await })).await
    }

    /// The actor's sessions that live, oldest first.
    ///
    /// # Errors
    /// As [`Core::current_session`].
    pub async fn list_sessions(&self, ctx: &Context) -> Result<Vec<SessionRow>, Error> {
        let (person, now) = (ctx.authorize_person()?.clone(), ctx.now);
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let own = live_session(tx, (&person).into(), now).await?;
                    let mut rows = sessions::list_of_user(tx, own.user_id).await?;
                    rows.retain(|row| alive_session(row, now).is_ok());
                    Ok(rows)
                })
            })
            .await
    }

    /// Moves the actor's session to another organization of his.
    ///
    /// # Errors
    /// As [`Core::current_session`]; [`Error::NotFound`] for an organization that is not his.
    pub async fn switch_organization(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Committed<SessionRow>, Error> {
        let (person, ctx) = (ctx.authorize_person()?.clone(), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, (&person).into(), ctx.now).await?;
                let place = reached(tx, organization, session.user_id).await?.ok_or(ORGANIZATION)?;
                sessions::switch(tx, session.id, place.id).await?;
                log::change(tx, &ctx, &by(&session), Where::In(&place), Action::SwitchOrganization, (session.email.clone(), String::new())).await?;
                Ok(SessionRow { organization_id: Some(place.id), ..session })
            })
        })
        .await
    }

    /// Makes the actor's session fresh by his password. It gets another secret, so that whoever had stolen the old one does not become
    /// fresh with it.
    ///
    /// # Errors
    /// As [`Core::current_session`]; [`Error::Invalid`] for a wrong password; [`Error::Busy`].
    pub async fn confirm(self: &Arc<Self>, ctx: &Context, password: Zeroizing<String>) -> Result<Committed<SessionSecret>, Error> {
        let (person, account) = self.check_own_password(ctx, "password", password).await?;
        let (secret, digest) = self.new_session_secret()?;
        let now = ctx.now;
        let renewed = self.write(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, (&person).into(), now).await?;
                unchanged(tx, &account).await?;
                sessions::renew(tx, session.id, digest.as_bytes(), now).await?;
                end_tokens(tx, session.user_id, now).await?;
                Ok(session.expires_at)
            })
        });
        Ok(with_secret(renewed.await?, secret))
    }

    /// Changes the actor's password. His other sessions end; this one is fresh and gets another secret.
    ///
    /// # Errors
    /// As [`Core::confirm`]; [`Error::Invalid`] also for a new password that cannot be chosen.
    pub async fn change_password(
        self: &Arc<Self>,
        ctx: &Context,
        current: Zeroizing<String>,
        new: Zeroizing<String>,
    ) -> Result<Committed<SessionSecret>, Error> {
        check_other("newPassword", &current, &new)?;
        let (person, account) = self.check_own_password(ctx, "currentPassword", current).await?;
        let hash = self.hashing.hash(new).await?;
        let ((secret, digest), ctx) = (self.new_session_secret()?, ctx.clone());
        let changed = self.write(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, (&person).into(), ctx.now).await?;
                unchanged(tx, &account).await?;
                passwords::replace(tx, session.user_id, &hash, ctx.now).await?;
                sessions::end_others(tx, session.user_id, session.id, ctx.now).await?;
                sessions::renew(tx, session.id, digest.as_bytes(), ctx.now).await?;
                end_tokens(tx, session.user_id, ctx.now).await?;
                note(tx, &ctx, &session, Action::PasswordChange, "").await?;
                Ok(session.expires_at)
            })
        });
        Ok(with_secret(changed.await?, secret))
    }

    /// Ends one of the actor's sessions, or the one he acts by. Ending it again is no error.
    ///
    /// # Errors
    /// As [`Core::current_session`]; [`Error::NotFound`] for a session that is not his.
    pub async fn end_session(self: &Arc<Self>, ctx: &Context, id: SessionId) -> Result<Committed<()>, Error> {
        let (person, ctx) = (ctx.authorize_person()?.clone(), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let own = live_session(tx, (&person).into(), ctx.now).await?;
                let session = sessions::find(tx, id).await?.filter(|session| session.user_id == own.user_id).ok_or(SESSION)?;
                if sessions::end(tx, session.id, ctx.now).await? {
                    end_tokens(tx, session.user_id, ctx.now).await?;
                    note(tx, &ctx, &session, Action::Logout, if session.id == own.id { "" } else { "by another session" }).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Ends all of the actor's sessions but the one he acts by; answers how many.
    ///
    /// # Errors
    /// As [`Core::current_session`].
    pub async fn end_other_sessions(self: &Arc<Self>, ctx: &Context) -> Result<Committed<u64>, Error> {
        let (person, ctx) = (ctx.authorize_person()?.clone(), ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let own = live_session(tx, (&person).into(), ctx.now).await?;
                let mut ended = 0;
                for other in sessions::list_of_user(tx, own.user_id).await? {
                    if other.id != own.id && sessions::end(tx, other.id, ctx.now).await? {
                        ended += 1;
                        note(tx, &ctx, &other, Action::Logout, "by another session").await?;
                    }
                }
                end_tokens(tx, own.user_id, ctx.now).await?;
                Ok(ended)
            })
        })
        .await
    }

    /// An access token for the organization of the actor's session, to call APIs with. It never outlives the session.
    ///
    /// # Errors
    /// As [`Core::current_session`]; [`Error::Conflict`] for a session without an organization; [`Error::NotFound`] if he has left it;
    /// [`Error::Forbidden`] if his roles permit nothing there.
    pub async fn session_token(self: &Arc<Self>, ctx: &Context) -> Result<IssuedToken, Error> {
        self.session_token_for(ctx, None).await
    }

    /// The same for an audience of the catalog, or the issuer; without one the default audience.
    ///
    /// # Errors
    /// Those; [`Error::Target`].
    pub async fn session_token_for(self: &Arc<Self>, ctx: &Context, audience: Option<&str>) -> Result<IssuedToken, Error> {
        let (person, now) = (ctx.authorize_person()?.clone(), ctx.now);
        for _ in 0..READS {
            let (held, core, audience) = (HeldSession::from(&person), Arc::clone(self), audience.map(str::to_owned));
            let read = self.db.read(move |tx| {
                Box::pin(async move {
                    let session = live_session(tx, held, now).await?;
                    let place = place_of(tx, &session).await?;
                    let issued = core.token_in(tx, &session, (place.as_ref(), audience.as_deref()), now).await;
                    Ok::<_, Error>((session, place, changes::position(tx).await?, issued))
                })
            });
            let (session, place, position, issued) = read.await?;
            let (of, organization) = (origin(&session), session.organization_id);
            match (issued, organization) {
                // The first token for an organization opens its generation; then everything is read again.
                (Ok(None), Some(organization)) => {
                    self.write_what_is_found(move |tx| Box::pin(async move { generations::open(tx, of, organization, now).await.map_err(Error::from) }))
                        .await?;
                }
                (Ok(None), None) => return Err(Error::Internal("a session without an organization has a token")),
                (Ok(Some(token)), _) => {
                    self.access_log.exchanged(ctx, Some(session_use(session, place, position)), None);
                    return Ok(token);
                }
                (Err(error), _) => {
                    self.access_log.exchanged(ctx, Some(session_use(session, place, position)), Some(&error));
                    return Err(error);
                }
            }
        }
        Err(Error::Unavailable)
    }

    /// `None` if its generation is not open yet.
    async fn token_in(
        &self,
        tx: &mut Tx,
        session: &SessionRow,
        (place, audience): (Option<&OrganizationRow>, Option<&str>),
        now: Time,
    ) -> Result<Option<IssuedToken>, Error> {
        let nowhere = || Error::Conflict("this session is in no organization; switch to one of yours first".to_owned());
        let place = place.ok_or_else(nowhere)?;
        let roles = roles_of(tx, place, session.user_id).await?.ok_or(ORGANIZATION)?;
        let catalog = self.catalog_in(tx, Some(place)).await?;
        let nothing = || {
            Forbidden::because(format!("your roles give no permission in {} for this API; name another API, or ask one of its Owners for a role", place.name))
        };
        let wanted = Wanted { audience, ..Wanted::default() };
        let grant = granted(place.id, &roles, &catalog, wanted.known_audience(&catalog, &self.issuer)?)
            .map_err(|error| if error == Error::NothingGranted { nothing().into() } else { error })?;
        let of = origin(session);
        let Some(status_index) = generations::find_open(tx, of, place.id).await? else { return Ok(None) };
        let subject = Subject {
            id: session.user_id.as_uuid(),
            email: &session.email,
            key_id: of.id,
            key_kind: KeyKind::Session,
            key_version: Some(of.version),
            home: place.id,
        };
        let fixed = self.fixed_claims(&subject, &grant, &catalog, status_index)?;
        let expires = now.plus(TOKEN_LIFE).min(session_ends_at(session));
        self.sign(&fixed, now.as_seconds(), expires.as_seconds()).map(Some)
    }

    fn new_session_secret(&self) -> Result<(KeySecret, KeyDigest), Error> {
        let secret = KeySecret::generate(&self.settings.key_prefix, KeyKind::Session)?;
        let digest = self.pepper.digest(secret::parse(secret.reveal(), KeyKind::Session)?);
        Ok((secret, digest))
    }

    /// The actor and his account, if this is his password. Hashing takes long and is done outside of transactions; what is written
    /// afterwards asks again by [`unchanged`].
    async fn check_own_password(&self, ctx: &Context, field: &'static str, password: Zeroizing<String>) -> Result<(PersonActor, Credentials), Error> {
        let (person, now) = (ctx.authorize_person()?.clone(), ctx.now);
        self.limits.sign_in(ctx.client_ip)?;
        let (id, held) = (person.session_id, HeldSession::from(&person));
        let read = self.db.read(move |tx| {
            Box::pin(async move {
                let session = live_session(tx, held, now).await?;
                Ok::<_, Error>(users::find_credentials_by_id(tx, session.user_id).await?.ok_or(Refusal::UnknownSession)?)
            })
        });
        let account = read.await?;
        let attempt = self.limits.attempt_in(id)?;
        match attempt.settle(self.hashing.check(password, account.password_hash.clone()).await) {
            Ok(()) => Ok((person, account)),
            Err(Error::WrongPassword) => {
                let reason = "this is not your password; if you have forgotten it, ask for a link at /auth/v1/password-resets".to_owned();
                Err(Error::Invalid { field, reason })
            }
            Err(other) => Err(other),
        }
    }
}

/// What a session's tokens are made from.
fn origin(session: &SessionRow) -> Origin {
    Origin { id: KeyId::from(session.id.as_uuid()), version: session.confirmed_at.as_millis(), session_of: Some(session.user_id) }
}

/// Ends the tokens of a user's sessions that have ended, or whose password was given anew.
pub(crate) async fn end_tokens(tx: &mut Tx, user: UserId, now: Time) -> Result<(), Error> {
    let bits = generations::end_of_sessions(tx, user, now).await?;
    if !bits.is_empty() {
        changes::insert(tx, ChangeKind::User, user.as_uuid(), &bits).await?;
    }
    Ok(())
}

/// What the log is told of the use of a session. One that is in no organization is the installation's.
pub(crate) fn session_use(session: SessionRow, place: Option<OrganizationRow>, position: Position) -> Use {
    let nil = OrganizationId::from(uuid::Uuid::nil());
    let (organization_id, root_id) = place.map_or((nil, nil), |place| (place.id, place.root_id));
    let known = Known { actor_kind: "user", actor_id: session.user_id.as_uuid(), email: session.email, root_id, version: None };
    Use { of: Arc::new(known), organization_id, revision: position.n }
}

/// Whether an account still is as it was when its password was checked.
async fn unchanged(tx: &mut Tx, account: &Credentials) -> Result<(), Error> {
    let now = users::find_credentials_by_id(tx, account.user.id).await?;
    let same = now.is_some_and(|now| now.user.disabled_at.is_none() && now.password_hash == account.password_hash);
    if same { Ok(()) } else { Err(Error::WrongPassword) }
}

/// An organization that a person belongs to and that is not suspended.
async fn reached(tx: &mut Tx, id: OrganizationId, user: UserId) -> Result<Option<OrganizationRow>, Error> {
    let Some(place) = organizations::find(tx, id).await? else { return Ok(None) };
    Ok(roles_of(tx, &place, user).await?.map(|_| place))
}

/// The first of a person's organizations that is not suspended.
async fn first_reached(tx: &mut Tx, user: UserId) -> Result<Option<OrganizationRow>, Error> {
    for id in memberships::list_organizations_of(tx, user).await? {
        if let Some(place) = reached(tx, id, user).await? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// A new password, and whether it is another one.
fn check_other(field: &'static str, current: &str, new: &str) -> Result<(), Error> {
    passwords::check_new(field, new)?;
    if current == new {
        return Err(Error::Invalid { field, reason: "must be another password than the present one".to_owned() });
    }
    Ok(())
}

fn by(session: &SessionRow) -> By {
    By::Person { id: session.user_id, confirmed_at: Some(session.confirmed_at) }
}

/// Notes something about a session in the log of its organization's root.
pub(crate) async fn note(tx: &mut Tx, ctx: &Context, session: &SessionRow, action: Action, reason: &str) -> Result<(), Error> {
    let place = place_of(tx, session).await?;
    let at = place.as_ref().map_or(Where::Installation, Where::In);
    log::change(tx, ctx, &by(session), at, action, (session.email.clone(), reason.to_owned())).await
}

/// The organization that a session is in.
pub(crate) async fn place_of(tx: &mut Tx, session: &SessionRow) -> Result<Option<OrganizationRow>, Error> {
    match session.organization_id {
        Some(id) => Ok(organizations::find(tx, id).await?),
        None => Ok(None),
    }
}

fn with_secret(committed: Committed<Time>, secret: KeySecret) -> Committed<SessionSecret> {
    Committed { value: SessionSecret { secret, expires_at: committed.value }, position: committed.position }
}
