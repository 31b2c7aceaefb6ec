//! `keywright admin`: each request is one operation, each answer one reply.

use crate::{
    Context, Core, Error, chance,
    keys::{
        CreatedKey,
        rotation::{self, RotatedKey, Rotation},
    },
    members::{Member, RoleChange},
    operator::{NewOperatorKey, OperatorKey},
    passwords,
};
use keywright_db::Committed;
use keywright_protocol::{
    KeyId, OrganizationId, Time,
    admin::{AdminReply, AdminRequest, KeyRow, MemberRow, OperatorKeyRow, OrganizationRow, UserRow},
    catalog::OWNER,
};
use keywright_store::{
    changes::{self, ChangeKind},
    memberships, organizations, settings, users,
};

use std::{sync::Arc, time::Duration};

impl Core {
    /// Does what an administrator on the host asks for. A refusal is a reply too.
    pub async fn administer(self: &Arc<Self>, ctx: &Context, request: AdminRequest) -> AdminReply {
        self.dispatch(ctx, request).await.unwrap_or_else(|error| {
            if let Error::Internal(text) = &error {
                tracing::error!(text, "an act of administration failed");
            }
            AdminReply::Refused { error: error.code().to_owned(), message: error.to_string() }
        })
    }

    async fn dispatch(self: &Arc<Self>, ctx: &Context, request: AdminRequest) -> Result<AdminReply, Error> {
        match request {
            AdminRequest::Bootstrap { owner_email } => self.bootstrap(ctx, &owner_email).await,
            AdminRequest::ListOrganizations => {
                let rows = self.list_organizations(ctx).await?.into_iter();
                Ok(AdminReply::Organizations { organizations: rows.map(|organization| organization_row(organization.row)).collect() })
            }
            AdminRequest::CreateOrganization { name, parent } => self.make_organization(ctx, &name, parent).await,
            AdminRequest::SuspendOrganization { organization } => self.suspend_organization(ctx, organization).await.map(done),
            AdminRequest::ResumeOrganization { organization } => self.resume_organization(ctx, organization).await.map(done),
            AdminRequest::ListUsers => Ok(AdminReply::Users { users: self.list_users(ctx).await?.into_iter().map(user_row).collect() }),
            AdminRequest::CreateUser { email, name } => Ok(AdminReply::User(user_row(self.create_user(ctx, &email, &name, users::Password::None).await?))),
            AdminRequest::DisableUser { user } => self.disable_user(ctx, user).await.map(done),
            AdminRequest::EnableUser { user } => self.enable_user(ctx, user).await.map(done),
            AdminRequest::ResetSecondFactor { email } => self.reset_second_factor(ctx, &email).await.map(done),
            AdminRequest::ListMembers { organization } => {
                Ok(AdminReply::Members { members: self.list_members(ctx, organization).await?.into_iter().filter_map(member_row).collect() })
            }
            AdminRequest::SetMember { organization, user, roles } => self.change_roles(ctx, organization, user, RoleChange::Replace(roles)).await.map(done),
            AdminRequest::RemoveMember { organization, user } => self.remove_member(ctx, organization, user).await.map(done),
            AdminRequest::ListKeys { organization } => {
                Ok(AdminReply::Keys { keys: self.list_keys(ctx, organization).await?.into_iter().map(key_row).collect() })
            }
            AdminRequest::CreatePersonalAccessKey { organization, user, name, expires_at } => {
                self.create_personal_access_key(ctx, organization, user, &name, expires_at).await.map(created)
            }
            AdminRequest::CreateApiKey { organization, name, grants, expires_at } => {
                self.create_api_key(ctx, organization, &name, &grants, expires_at).await.map(created)
            }
            AdminRequest::ListChain { organization, after } => {
                let links = self.chain(ctx, organization, after).await?;
                Ok(AdminReply::Chain { links: links.iter().map(written).collect::<Result<_, _>>()? })
            }
            AdminRequest::ListRevocations { after } => {
                Ok(AdminReply::Revocations { section: self.list_revocations(ctx, after).await?.as_ref().map(written).transpose()? })
            }
            AdminRequest::ListOutbox => Ok(AdminReply::Outbox { mail: self.list_outbox(ctx).await? }),
            AdminRequest::RotateKey { key, overlap_seconds, expires_at } => {
                let home = self.home_of_key(ctx, key).await?;
                Ok(rotated(key, &self.rotate_api_key(ctx, home, key, rotation(overlap_seconds, expires_at)).await?))
            }
            AdminRequest::SuspendKey { key } => self.suspend_api_key(ctx, self.home_of_key(ctx, key).await?, key).await.map(done),
            AdminRequest::ResumeKey { key } => self.resume_api_key(ctx, self.home_of_key(ctx, key).await?, key).await.map(done),
            AdminRequest::RevokeKey { key } => self.revoke_key(ctx, key).await.map(done),
            AdminRequest::ListOperatorKeys => {
                Ok(AdminReply::OperatorKeys { keys: self.list_operator_keys(ctx).await?.into_iter().map(operator_key_row).collect() })
            }
            AdminRequest::CreateOperatorKey { name, scopes, expires_at, allowed_addresses } => {
                let (key, secret) = self.create_operator_key(ctx, NewOperatorKey { name, scopes, expires_at, allowed_addresses }).await?.value;
                Ok(AdminReply::KeyCreated { id: key.row.id, secret: secret.reveal().to_owned(), expires_at: key.row.expires_at })
            }
            AdminRequest::RotateOperatorKey { key, overlap_seconds, expires_at } => {
                Ok(rotated(key, &self.rotate_operator_key(ctx, key, rotation(overlap_seconds, expires_at)).await?))
            }
            AdminRequest::RevokeOperatorKey { key } => self.revoke_operator_key(ctx, key).await.map(done),
            AdminRequest::DiffCatalog { document } => Ok(AdminReply::CatalogDiff { diff: self.diff_catalog(ctx, document).await? }),
            AdminRequest::ApplyCatalog { document, replace } => {
                let applied = self.apply_catalog(ctx, document, replace).await?;
                Ok(AdminReply::CatalogApplied { revision: applied.position.to_string(), diff: applied.value })
            }
            AdminRequest::ListSigningKeys => Ok(AdminReply::SigningKeys { keys: self.list_signing_keys(ctx).await? }),
            AdminRequest::RotateSigningKeys { purpose } => Ok(AdminReply::SigningKeys { keys: self.rotate_signing_keys(ctx, purpose).await?.value }),
            AdminRequest::Status => self.installation_status(ctx).await.map(AdminReply::Status),
            AdminRequest::RevokeSigningKey { kid } => self.revoke_signing_key(ctx, &kid).await.map(done),
        }
    }

    async fn make_organization(self: &Arc<Self>, ctx: &Context, name: &str, parent: Option<OrganizationId>) -> Result<AdminReply, Error> {
        let row = match parent {
            None => self.create_root(ctx, name).await?,
            Some(parent) => self.create_sub_organization(ctx, parent, name).await?.value,
        };
        Ok(AdminReply::Organization(organization_row(row)))
    }

    /// Whether the operator organization stands.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn is_bootstrapped(&self) -> Result<bool, Error> {
        let found = self.db.read(|tx| Box::pin(async move { settings::find(tx, settings::OPERATOR_ORGANIZATION).await.map_err(Error::from) }));
        Ok(found.await?.is_some())
    }

    /// Makes the operator organization and its first Owner, with a one-time password; once.
    async fn bootstrap(self: &Arc<Self>, ctx: &Context, owner_email: &str) -> Result<AdminReply, Error> {
        ctx.authorize_host()?;
        let password = passwords::generate()?;
        let hash = self.hashing.hash(password.clone()).await?;
        let id = chance::id()?;
        let organization = organizations::OrganizationRow { id, root_id: id, name: "Operator".to_owned(), created_at: ctx.now, suspended_at: None };
        let user =
            users::UserRow { id: chance::id()?, email: crate::names::email(owner_email)?, name: "Owner".to_owned(), created_at: ctx.now, disabled_at: None };
        let (organization_id, user_id, membership_id, now) = (organization.id, user.id, chance::id()?, ctx.now);
        self.write_once(ctx.once(), move |tx| {
            Box::pin(async move {
                if settings::find(tx, settings::OPERATOR_ORGANIZATION).await?.is_some() {
                    return Err(Error::Conflict("the operator organization stands already".to_owned()));
                }
                organizations::insert(tx, &organization).await?;
                users::insert(tx, &user, &users::Password::OneTime(hash)).await?;
                memberships::insert(tx, membership_id, organization.id, user.id, now).await?;
                memberships::update_roles(tx, membership_id, &[OWNER.to_owned()]).await?;
                settings::insert(tx, settings::OPERATOR_ORGANIZATION, &organization.id.to_string()).await?;
                changes::insert(tx, ChangeKind::Organization, organization.id.as_uuid(), &[]).await?;
                Ok(())
            })
        })
        .await?;
        Ok(AdminReply::Bootstrapped { organization_id, user_id, one_time_password: password.to_string() })
    }
}

fn done<T>(committed: Committed<T>) -> AdminReply {
    AdminReply::Done { revision: committed.position.to_string() }
}

/// As it goes through the socket, which knows no more of it.
fn written<T: serde::Serialize>(value: &T) -> Result<serde_json::Value, Error> {
    serde_json::to_value(value).map_err(|_| Error::Internal("a reply cannot be written"))
}

fn created(key: CreatedKey) -> AdminReply {
    AdminReply::KeyCreated { id: key.id, secret: key.secret.reveal().to_owned(), expires_at: key.expires_at }
}

fn rotation(overlap_seconds: Option<u32>, expires_at: Option<Time>) -> Rotation {
    Rotation { overlap: overlap_seconds.map_or(rotation::DEFAULT_OVERLAP, |seconds| Duration::from_secs(seconds.into())), expires_at }
}

fn rotated(id: KeyId, key: &RotatedKey) -> AdminReply {
    AdminReply::KeyRotated { id, secret: key.secret.reveal().to_owned(), expires_at: key.expires_at, old_secret_ends_at: key.old_secret_ends_at }
}

fn operator_key_row(key: OperatorKey) -> OperatorKeyRow {
    OperatorKeyRow {
        id: key.row.id,
        scopes: key.scopes.to_vec(),
        allowed_addresses: key.addresses.to_texts(),
        created_at: key.row.created_at,
        expires_at: key.row.expires_at,
        revoked_at: key.row.revoked_at,
        name: key.row.name,
    }
}

fn organization_row(row: organizations::OrganizationRow) -> OrganizationRow {
    OrganizationRow { id: row.id, name: row.name, root_id: row.root_id, created_at: row.created_at, suspended_at: row.suspended_at }
}

/// Of a direct member.
fn member_row(member: Member) -> Option<MemberRow> {
    member.own.map(|roles| MemberRow { user_id: member.user.id, email: member.user.email, roles })
}

fn user_row(row: users::UserRow) -> UserRow {
    UserRow { id: row.id, email: row.email, name: row.name, disabled_at: row.disabled_at }
}

fn key_row(row: keywright_store::managed_keys::KeyRecord) -> KeyRow {
    KeyRow {
        id: row.id,
        kind: row.kind,
        name: row.name,
        user_id: row.user_id,
        created_at: row.created_at,
        expires_at: row.expires_at,
        suspended_at: row.suspended_at,
        revoked_at: row.revoked_at,
    }
}
