//! A forgotten password: a link by mail, and the choice of a new one.

use crate::{
    Context, Core, Error,
    authorize::By,
    chance,
    invitations::digest_of,
    log::{self, Action, Where},
    names,
    outbox::{Mail, ResetMail},
    passwords,
    sessions::end_tokens,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::Time;
use keywright_store::{
    password_resets::{self, NewReset},
    sessions, users,
};
use std::{sync::Arc, time::Duration};
use zeroize::Zeroizing;

/// How long a link works.
pub const LIFE: Duration = Duration::from_secs(60 * 60);
/// Requests that are carried out at a time; whoever comes then is told to come again.
pub(crate) const AT_A_TIME: usize = 64;
/// One person gets one mail in this time, however often it is asked for.
const ONE_MAIL_IN: Duration = Duration::from_secs(60);

impl Core {
    /// Takes a request for a link; the future that comes back carries it out. Whoever asked is answered before that, so that neither
    /// the answer nor its time tells whether there is such an account.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::Invalid`] for what is no address; [`Error::Busy`] if too many are being carried out.
    pub fn request_reset(self: &Arc<Self>, ctx: &Context, email: &str) -> Result<impl Future<Output = Result<(), Error>> + Send + use<>, Error> {
        self.limits.sign_in(ctx.client_ip)?;
        let email = names::email(email)?;
        let place = Arc::clone(&self.resets).try_acquire_owned().map_err(|_| Error::Busy)?;
        let (core, now) = (Arc::clone(self), ctx.now);
        Ok(async move {
            let (writer, _held) = (Arc::clone(&core), place);
            writer.write(move |tx| Box::pin(async move { core.mail_reset(tx, &email, now).await })).await.map(|_| ())
        })
    }

    async fn mail_reset(&self, tx: &mut Tx, email: &str, now: Time) -> Result<(), Error> {
        let Some(user) = users::find_by_email(tx, email).await?.filter(|user| user.disabled_at.is_none()) else { return Ok(()) };
        if password_resets::exists_since(tx, user.id, now.minus(ONE_MAIL_IN)).await? {
            return Ok(());
        }
        let token = chance::link_secret()?;
        let reset = NewReset { id: chance::id()?, digest: digest_of(&token), user_id: user.id, created_at: now, expires_at: now.plus(LIFE) };
        password_resets::insert(tx, &reset).await?;
        self.put_mail(tx, &user.email, &Mail::PasswordReset(ResetMail { token, expires_at: reset.expires_at }), now).await
    }

    /// Sets a new password by the secret of a link, once. All of the person's sessions end, and his other links.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::Invalid`] for a link that does not work (any more), or a password that cannot be chosen; [`Error::Busy`].
    pub async fn reset_password(self: &Arc<Self>, ctx: &Context, token: &str, new: Zeroizing<String>) -> Result<Committed<()>, Error> {
        self.limits.sign_in(ctx.client_ip)?;
        passwords::check_new("newPassword", &new)?;
        let (digest, now) = (digest_of(token), ctx.now);
        // No work for whoever guesses; inside the transaction it is asked again.
        let open = self.db.read(move |tx| Box::pin(async move { password_resets::find_open(tx, &digest, now).await.map_err(Error::from) }));
        open.await?.ok_or_else(gone)?;
        let (hash, ctx) = (self.hashing.hash(new).await?, ctx.clone());
        self.write(move |tx| {
            Box::pin(async move {
                let id = password_resets::consume(tx, &digest, ctx.now).await?.ok_or_else(gone)?;
                let user = users::find(tx, id).await?.filter(|user| user.disabled_at.is_none()).ok_or_else(gone)?;
                passwords::replace(tx, id, &hash, ctx.now).await?;
                sessions::end_of_user(tx, id, ctx.now).await?;
                end_tokens(tx, id, ctx.now).await?;
                let by = By::Person { id, confirmed_at: None };
                log::change(tx, &ctx, &by, Where::Installation, Action::PasswordChange, (user.email, "by a link".to_owned())).await
            })
        })
        .await
    }
}

fn gone() -> Error {
    let reason = "this link was used already, or is older than an hour, or was never sent; ask for another one at /auth/v1/password-resets";
    Error::Invalid { field: "token", reason: reason.to_owned() }
}
