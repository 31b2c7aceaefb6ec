//! Who somebody is and what he may do, and why: the facts that [`Core::authority`] decides by, told in their order.

use crate::{
    Actor, Context, Core, Error, Refusal, TokenActor,
    authorize::{Authority, By},
    error::Forbidden,
    operator::carrier,
    organizations::{Organization, with_root},
};
use keywright_db::Tx;
use keywright_protocol::{KeyId, KeyKind, OrganizationId};
use keywright_store::{keys, keys::CredentialRow, memberships, operator_keys, users};
use std::sync::Arc;
use uuid::Uuid;

/// What kind of actor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person, by a session or by a Personal Access Key of his.
    Person,
    /// An API Key: it belongs to its organization.
    ApiKey,
}

/// Who acts, and what he may do in one organization at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// A person or an API Key.
    pub kind: Kind,
    /// The user's or the API Key's id.
    pub id: Uuid,
    /// His address, or the generated one of an API Key.
    pub email: String,
    /// His name.
    pub name: String,
    /// Where.
    pub organization: Organization,
    /// The roles that hold there.
    pub roles: Vec<String>,
    /// Ids of what they permit, as far as the credential carries it.
    pub permissions: Vec<String>,
}

/// What a step of an explanation is about. A permission is there when every step holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Whether the credential authenticates, and who holds it.
    Credential,
    /// Which roles hold in the organization, and where they come from.
    Roles,
    /// Whether one of them carries the permission.
    Permission,
    /// A condition of the catalog: other roles that are needed besides.
    Condition,
    /// Whether the permission is one of the issuer's own API, as whatever is decided here.
    Audience,
    /// Whether the presented token carries it.
    Token,
}

impl Rule {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Roles => "roles",
            Self::Permission => "permission",
            Self::Condition => "condition",
            Self::Audience => "audience",
            Self::Token => "token",
        }
    }
}

/// One link of the chain that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is about.
    pub rule: Rule,
    /// Whether it is met.
    pub holds: bool,
    /// What was found, as a sentence.
    pub text: String,
}

/// Yes or no, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Whether the actor has the permission.
    pub allowed: bool,
    /// The sentence that decided.
    pub reason: String,
    /// Everything that was asked, in order.
    pub chain: Vec<Step>,
}

/// Where the actor's roles come from.
struct Origin {
    credential: String,
    roles: String,
}

impl Core {
    /// Who acts, with his roles and permissions in an organization.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Refused`]; [`Error::Forbidden`] for the host, which is nobody in particular.
    pub async fn me(self: &Arc<Self>, ctx: &Context, organization: OrganizationId) -> Result<Me, Error> {
        let (core, ctx) = (Arc::clone(self), ctx.clone());
        self.db.read(move |tx| Box::pin(async move { core.me_in(tx, &ctx, organization).await })).await
    }

    /// The same within a transaction.
    pub(crate) async fn me_in(&self, tx: &mut Tx, ctx: &Context, organization: OrganizationId) -> Result<Me, Error> {
        if let Actor::Operator(operator) = &ctx.actor {
            self.operator(tx, ctx, operator).await?;
            return Err(nobody_in_particular());
        }
        let authority = self.authority(tx, ctx, organization).await?;
        let (kind, id, email, name) = match authority.by {
            By::Host => return Err(Forbidden::because("the host itself is nobody in particular").into()),
            By::Operator { .. } => return Err(nobody_in_particular()),
            By::Key { id, .. } => {
                let row = row_of(tx, id, organization).await?;
                match row.holder {
                    Some(holder) => (Kind::Person, holder.user_id.as_uuid(), holder.email, holder.name),
                    None => (Kind::ApiKey, row.key_id.as_uuid(), row.key_email.unwrap_or_default(), row.name),
                }
            }
            By::Person { id, .. } => {
                let user = users::find(tx, id).await?.ok_or(Refusal::Unknown)?;
                (Kind::Person, user.id.as_uuid(), user.email, user.name)
            }
        };
        let (roles, permissions) = (authority.roles().to_vec(), authority.permission_ids());
        let organization = with_root(tx, authority.place).await?;
        Ok(Me { kind, id, email, name, organization, roles, permissions })
    }

    /// Whether the actor has a permission in an organization, and the chain of facts and rules that decides it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Refused`]; [`Error::Invalid`] for a permission that the catalog does not have.
    pub async fn explain(self: &Arc<Self>, ctx: &Context, organization: OrganizationId, permission: &str) -> Result<Explanation, Error> {
        let (core, ctx, permission) = (Arc::clone(self), ctx.clone(), permission.to_owned());
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let authority = core.authority(tx, &ctx, organization).await?;
                    if authority.catalog.index(&permission).is_none() {
                        let reason = format!("the catalog has no permission `{permission}`; /.well-known/keywright-catalog lists those that there are");
                        return Err(Error::Invalid { field: "permission", reason });
                    }
                    let mut chain = held_by(origin(tx, &authority).await?, &authority, &permission);
                    if let Actor::Token(token) = &ctx.actor {
                        chain.extend(carried_by(token, &authority, &permission, &core.issuer));
                    }
                    let allowed = authority.may(&permission);
                    let refused = chain.iter().find(|step| !step.holds).map(|step| step.text.clone());
                    let reason = refused.unwrap_or_else(|| format!("you have {permission} in {}", authority.place.name));
                    Ok(Explanation { allowed, reason, chain })
                })
            })
            .await
    }
}

/// What an operator key is told.
fn nobody_in_particular() -> Error {
    Forbidden::because("an operator key is nobody in particular and in no organization; GET /identity/v1/organizations lists those that it reaches").into()
}

async fn row_of(tx: &mut Tx, key: KeyId, organization: OrganizationId) -> Result<CredentialRow, Error> {
    Ok(keys::find_by_id(tx, key, None, Some(organization)).await?.ok_or(Refusal::Unknown)?)
}

/// Who it is and where his roles come from, in words.
async fn origin(tx: &mut Tx, authority: &Authority) -> Result<Origin, Error> {
    let (credential, own, is_api_key) = match &authority.by {
        By::Host => ("the host itself may do everything".to_owned(), true, false),
        By::Operator { id, .. } => {
            let name = operator_keys::find(tx, *id).await?.ok_or(Refusal::Unknown)?.name;
            (format!("the operator key \"{name}\" lives"), true, false)
        }
        By::Key { id, .. } => {
            let row = row_of(tx, *id, authority.place.id).await?;
            let credential = match &row.holder {
                Some(holder) => format!("the Personal Access Key \"{}\" of {} lives, until {}", row.name, holder.email, row.expires_at),
                None => format!("the API Key \"{}\" lives, until {}", row.name, row.expires_at),
            };
            let own = row.target.is_some_and(|target| !target.own_roles.is_empty());
            (credential, own, row.kind == KeyKind::ApiKey)
        }
        By::Person { id, .. } => {
            let own = memberships::find(tx, authority.place.id, *id).await?.is_some_and(|member| !member.roles.is_empty());
            ("you are signed in, and your account is enabled".to_owned(), own, false)
        }
    };
    let (place, held) = (&authority.place.name, authority.roles().join(", "));
    let roles = match (is_api_key, own || authority.place.is_root()) {
        _ if authority.roles().is_empty() => format!("you have no role in {place}"),
        (true, _) => format!("the key was given these roles for {place}: {held}"),
        (false, true) => format!("your own roles in {place} hold: {held}"),
        (false, false) => format!("you have no role of your own in {place}, so those of its root hold: {held}"),
    };
    Ok(Origin { credential, roles })
}

/// What the catalog makes of the roles.
fn held_by(origin: Origin, authority: &Authority, permission: &str) -> Vec<Step> {
    let (catalog, roles) = (&authority.catalog, authority.roles());
    let is_host = authority.by == By::Host;
    let credential = Step { rule: Rule::Credential, holds: true, text: origin.credential };
    if is_host {
        return vec![credential];
    }
    if let By::Operator { scopes, .. } = &authority.by {
        let text = match carrier(permission) {
            Some(scope) if scopes.has(scope) => format!("its scope `{scope}` carries {permission}"),
            Some(scope) => format!("{permission} takes the scope `{scope}`, which it lacks"),
            None => format!("no scope of an operator key carries {permission}"),
        };
        return vec![credential, Step { rule: Rule::Permission, holds: authority.may(permission), text }];
    }
    let mut chain = vec![credential, Step { rule: Rule::Roles, holds: !roles.is_empty(), text: origin.roles }];
    let carriers: Vec<&str> = catalog.roles_with(permission).collect();
    let carrying: Vec<&str> = carriers.iter().copied().filter(|carrier| roles.iter().any(|role| role == carrier)).collect();
    let text = if carrying.is_empty() {
        format!("none of these roles carries {permission}; ask an Owner of {} for one that does: {}", authority.place.name, carriers.join(", "))
    } else {
        format!("{permission} is carried by {}", carrying.join(", "))
    };
    chain.push(Step { rule: Rule::Permission, holds: !carrying.is_empty(), text });
    let document = catalog.document();
    let everything = roles.iter().any(|role| document.roles.get(role).is_some_and(|role| role.everything));
    // Conditions are for roles that carry single permissions; whoever has everything has this too.
    let conditions = document.conditions.iter().filter(|condition| condition.permission == permission && !everything);
    for group in conditions.flat_map(|condition| &condition.all_of) {
        let met: Vec<&str> = group.iter().map(String::as_str).filter(|wanted| roles.iter().any(|role| role == wanted)).collect();
        let text = if met.is_empty() {
            format!("besides, {permission} needs one of these roles, and you have none of them: {}", group.join(", "))
        } else {
            format!("besides, {permission} needs one of several roles, of which you have {}", met.join(", "))
        };
        chain.push(Step { rule: Rule::Condition, holds: !met.is_empty(), text });
    }
    chain
}

/// What the token itself says; a key's is for one audience.
fn carried_by(token: &TokenActor, authority: &Authority, permission: &str, issuer: &str) -> Vec<Step> {
    let catalog = &authority.catalog;
    let is_here = catalog.index(permission).zip(catalog.audience(None)).is_some_and(|(index, set)| set.contains(index));
    let audience = if is_here {
        format!("{permission} is a permission at {issuer}, where this is asked")
    } else {
        format!("{permission} is a permission of another audience than {issuer}; only tokens for that audience carry it")
    };
    let carries = token.permissions.iter().any(|carried| carried == permission);
    let carried = if carries {
        "the token carries it".to_owned()
    } else {
        "this token does not carry it: it was issued when you did not have it; exchange the key again".to_owned()
    };
    let audience = matches!(authority.by, By::Key { .. }).then_some(Step { rule: Rule::Audience, holds: is_here, text: audience });
    audience.into_iter().chain([Step { rule: Rule::Token, holds: carries, text: carried }]).collect()
}
