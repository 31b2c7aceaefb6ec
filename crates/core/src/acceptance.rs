//! Accepting an invitation by the secret of its link, with an account or without.

use crate::{
    Context, Core, Error,
    authorize::{Authority, By},
    brought_in, chance,
    invitations::{digest_of, grants_of},
    limits::Place,
    log::{self, Action, Where},
    members::{MANAGE, Member, check_roles, find_in, set_roles},
    names, passwords,
    policy::require_bringing,
};
use keywright_db::{Committed, Tx};
use keywright_protocol::{OrganizationId, Time, UserId, admin::RolesIn};
use keywright_store::{
    StoreError, custom_roles,
    invitations::{self, InvitationRow},
    organizations::{self, OrganizationRow},
    password_resets,
    users::{self, Credentials, Password, UserRow},
};
use std::sync::Arc;
use zeroize::Zeroizing;

const GONE: Error =
    Error::Absent("this link does not work: it was used, taken back, replaced by a newer one, or is older than a week; ask to be invited again");

/// What somebody who follows a link sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Who is invited.
    pub email: String,
    /// The names of the organizations.
    pub organizations: Vec<String>,
    /// Roles by organization.
    pub grants: Vec<RolesIn>,
    /// Keys and names of the root's own roles among these.
    pub custom_roles: Vec<(String, String)>,
    /// When the link stops working.
    pub expires_at: Time,
    /// Whether there is an account with that address and a password: then that is asked for, otherwise one is chosen.
    pub has_account: bool,
}

impl Core {
    /// What a link offers.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::NotFound`] for a link that does not work any more, or never did.
    pub async fn look_up_invitation(self: &Arc<Self>, ctx: &Context, token: &str) -> Result<Offer, Error> {
        self.limits.sign_in(ctx.client_ip)?;
        let (digest, now) = (digest_of(token), ctx.now);
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let row = open(tx, &digest, now).await?;
                    let (mut names, grants) = (Vec::new(), grants_of(tx, row.id).await?);
                    for grant in &grants {
                        names.extend(organizations::find(tx, grant.organization_id).await?.map(|place| place.name));
                    }
                    let custom = custom_roles::list(tx, row.root_id).await?.into_iter().map(|row| (row.role.key, row.name));
                    let custom_roles = custom.filter(|(key, _)| grants.iter().any(|grant| grant.roles.contains(key))).collect();
                    let has_account = users::find_credentials(tx, &row.email).await?.is_some_and(|account| account.password_hash.is_some());
                    Ok(Offer { email: row.email, organizations: names, grants, custom_roles, expires_at: row.expires_at, has_account })
                })
            })
            .await
    }

    /// Accepts an invitation, once. Without an account one is made, with this name and password; an account without a password
    /// gets this one; otherwise the password must be the account's. Whoever has the link and the address's account becomes a
    /// member with the roles of the invitation, if whoever sent it may still give them.
    ///
    /// # Errors
    /// [`Error::Limited`]; [`Error::NotFound`] as for looking it up; [`Error::Invalid`] for name or password; [`Error::WrongPassword`];
    /// [`Error::Conflict`] if the sender may not give that any more, the organization is suspended, or there is no room for another
    /// member.
    pub async fn accept_invitation(
        self: &Arc<Self>,
        ctx: &Context,
        token: &str,
        name: Option<&str>,
        password: Zeroizing<String>,
    ) -> Result<Committed<UserId>, Error> {
        self.limits.sign_in(ctx.client_ip)?;
        let (digest, now) = (digest_of(token), ctx.now);
        let known = self.db.read(move |tx| {
            Box::pin(async move {
                let row = open(tx, &digest, now).await?;
                Ok::<_, Error>(users::find_credentials(tx, &row.email).await?)
            })
        });
        // Hashing takes long and is done before the transaction; inside, everything is looked at again.
        let account = match known.await? {
            Some(Credentials { user, password_hash: Some(hash), .. }) => {
                let attempt = self.limits.attempt(&user.email, ctx.client_ip, Place::Known)?;
                attempt.settle(self.hashing.check(password, Some(hash)).await)?;
                Account::Known(user.id)
            }
            // The link proves the address; there is no password that could prove more.
            Some(Credentials { user, password_hash: None, .. }) => {
                passwords::check_new("password", &password)?;
                Account::WithoutPassword { id: user.id, hash: self.hashing.hash(password).await? }
            }
            None => {
                let name = names::name("name", name.unwrap_or_default())?;
                passwords::check_new("password", &password)?;
                Account::New { id: chance::id()?, name, hash: self.hashing.hash(password).await? }
            }
        };
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.write_once(ctx.once(), move |tx| Box::pin(async move { core.accept(tx, &ctx, &digest, account).await })).await
    }

    async fn accept(&self, tx: &mut Tx, ctx: &Context, digest: &[u8; 32], account: Account) -> Result<UserId, Error> {
        let row = open(tx, digest, ctx.now).await?;
        let user = match account {
            Account::Known(id) => enabled(tx, id).await?,
            Account::WithoutPassword { id, hash } => {
                let user = enabled(tx, id).await?;
                users::set_first_password(tx, id, &hash).await.map_err(|error| match error {
                    StoreError::NotFound => Error::Conflict("this account got a password meanwhile; use that".to_owned()),
                    StoreError::Conflict { .. } | StoreError::Busy | StoreError::Unavailable | StoreError::Corrupt => error.into(),
                })?;
                password_resets::end_of_user(tx, id, ctx.now).await?;
                user
            }
            Account::New { id, name, hash } => {
                let user = UserRow { id, email: row.email.clone(), name, created_at: ctx.now, disabled_at: None };
                users::insert(tx, &user, &Password::Hash(hash))
                    .await
                    .map_err(|error| crate::organizations::taken(error, "an account was made for this address meanwhile; use its password"))?;
                user
            }
        };
        invitations::accept(tx, row.id, ctx.now).await?;
        let by = By::Person { id: user.id, confirmed_at: Some(ctx.now) };
        for grant in grants_of(tx, row.id).await? {
            let place = alive_place(tx, grant.organization_id).await?;
            let before = find_in(tx, &place, user.id).await?.unwrap_or(Member { user: user.clone(), own: None, inherited: None });
            // Whoever got roles there meanwhile keeps those: nobody was asked about both together.
            if before.own.as_ref().is_some_and(|roles| !roles.is_empty()) {
                continue;
            }
            let mut roles = grant.roles;
            roles.sort_unstable();
            let sender = self.sender(tx, ctx, (&row, place.id), (&before, &roles)).await?;
            self.require_room_for_member(tx, place.root_id, user.id).await?;
            let membership = set_roles(tx, &sender, &before, &roles, chance::id()?, ctx.now).await?;
            brought_in::note_accepted(tx, row.id, (membership, &before, &roles), grant.organization_id, ctx.now).await?;
            let told = (user.email.clone(), roles.join(" "));
            log::change(tx, ctx, &by, Where::In(&place), Action::InviteAccept, told).await?;
        }
        Ok(user.id)
    }

    /// What whoever sent the invitation may do now: he gives only what he still can, as if he gave it this moment.
    async fn sender(
        &self,
        tx: &mut Tx,
        ctx: &Context,
        (row, place): (&InvitationRow, OrganizationId),
        (before, roles): (&Member, &[String]),
    ) -> Result<Authority, Error> {
        let asked = async {
            let sender = self.standing(tx, &row.created_by, place, ctx.now).await?;
            sender.require(MANAGE)?;
            require_bringing(tx, &sender, self.settings.keys_bring).await?;
            check_roles(&sender.catalog, roles)?;
            self.check_giving(&sender, ctx, before, roles)?;
            Ok(sender)
        };
        asked.await.map_err(|error: Error| {
            if error.is_outage() {
                return error;
            }
            Error::Conflict("whoever invited you may not give you these roles any more; ask to be invited again".to_owned())
        })
    }
}

/// What is suspended takes nobody in.
async fn alive_place(tx: &mut Tx, id: OrganizationId) -> Result<OrganizationRow, Error> {
    let place = organizations::find(tx, id).await?.ok_or(GONE)?;
    let root = organizations::find(tx, place.root_id).await?.ok_or(GONE)?;
    if place.suspended_at.or(root.suspended_at).is_some() {
        return Err(Error::Conflict(format!("{} is suspended; accept the invitation when it is resumed", place.name)));
    }
    Ok(place)
}

/// Whose membership it will be.
enum Account {
    Known(UserId),
    WithoutPassword { id: UserId, hash: String },
    New { id: UserId, name: String, hash: String },
}

async fn enabled(tx: &mut Tx, id: UserId) -> Result<UserRow, Error> {
    users::find(tx, id).await?.filter(|user| user.disabled_at.is_none()).ok_or(GONE)
}

/// The invitation behind a link that still works.
async fn open(tx: &mut Tx, digest: &[u8; 32], now: Time) -> Result<InvitationRow, Error> {
    invitations::find_by_digest(tx, digest).await?.filter(|row| now < row.expires_at).ok_or(GONE)
}
