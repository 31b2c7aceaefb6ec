//! The heart: a key in, an access token out.

use crate::{
    Context, Core, Error, Refusal,
    access_log::{Known, Use},
    alive::alive,
    chance,
    grant::{self, Grant},
    keys::addresses::Addresses,
    limits::Policy,
    memory::{Entry, Plain},
    narrowing::{ScopedToken, Wanted, scope_of},
    secret::{self, Bound, KeyDigest},
};
use keywright_protocol::{
    AccessClaims, Catalog, KeyId, KeyKind, OrganizationId, Time,
    catalog::is_custom,
    claims::{MAX_ISSUED_TOKEN_BYTES, MAX_SCOPE_BYTES},
    status::StatusClaim,
};
use keywright_store::{generations, generations::Origin, keys, keys::CredentialRow};
use std::{borrow::Cow, io::Write as _, sync::Arc};
use uuid::Uuid;

/// A snapshot is read again when the log has gone past it; not for ever.
const READS: usize = 5;

/// What is presented.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The secret of a Personal Access Key.
    PersonalAccessKey(&'a str),
    /// An API Key: the secret selects it, the name is checked.
    ApiKey {
        /// Its present name, an earlier one, or its id.
        name: &'a str,
        /// The secret.
        secret: &'a str,
    },
    /// The secret of an API Key alone.
    ApiKeySecret(&'a str),
}

/// What an exchange gives.
pub struct IssuedToken {
    /// The signed token.
    pub access_token: String,
    /// Seconds until it expires.
    pub expires_in: i64,
}

/// Whose a token is, and what it is made from.
pub(crate) struct Subject<'a> {
    /// The user's id, or the API Key's.
    pub(crate) id: Uuid,
    /// His address, or the generated identity of an API Key.
    pub(crate) email: &'a str,
    /// The key; for a session its id.
    pub(crate) key_id: KeyId,
    /// What kind of key it is.
    pub(crate) key_kind: KeyKind,
    /// Which of its secrets.
    pub(crate) key_version: Option<i64>,
    /// Where the key lives.
    pub(crate) home: OrganizationId,
}

impl<'a> Subject<'a> {
    pub(crate) fn of_key(row: &'a CredentialRow) -> Self {
        let (id, email) = match &row.holder {
            Some(holder) => (holder.user_id.as_uuid(), holder.email.as_str()),
            None => (row.key_id.as_uuid(), row.key_email.as_deref().unwrap_or_default()),
        };
        Self { id, email, key_id: row.key_id, key_kind: row.kind, key_version: Some(row.version), home: row.organization_id }
    }
}

/// What a credential is looked at for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// A token is made from it.
    Exchange(Wanted<'a>),
    /// It says who somebody is, or is judged by itself.
    Check,
}

impl Purpose<'_> {
    fn target(self) -> Option<OrganizationId> {
        match self {
            Self::Exchange(wanted) => wanted.organization_id,
            Self::Check => None,
        }
    }

    /// Whether everything is there; otherwise the database is asked.
    fn is_served_by(self, entry: &Entry) -> bool {
        match self {
            Self::Exchange(wanted) if wanted.is_plain(&entry.catalog) => entry.plain.is_some(),
            Self::Exchange(_) => entry.status_index.is_some(),
            Self::Check => true,
        }
    }
}

impl Core {
    /// Exchanges a key for an access token. `target` is the organization asked for; without it the key's own.
    ///
    /// # Errors
    /// [`Error::Limited`], [`Error::Refused`], [`Error::OutOfReach`], [`Error::NothingGranted`], [`Error::Unavailable`].
    pub async fn exchange(self: &Arc<Self>, ctx: &Context, credential: Credential<'_>, target: Option<OrganizationId>) -> Result<IssuedToken, Error> {
        let wanted = Wanted { organization_id: target, ..Wanted::default() };
        let (entry, by) = self.present(ctx, credential, Purpose::Exchange(wanted)).await;
        let issued = entry.and_then(|entry| Ok(self.issue(ctx.now, &entry, &wanted)?.0));
        self.noted(ctx, (issued, by))
    }

    /// The same for less than everything, or for another API than the one that tokens are for when nobody says; and what it may do.
    ///
    /// # Errors
    /// Those; and [`Error::Scope`], [`Error::Target`].
    pub async fn exchange_for(self: &Arc<Self>, ctx: &Context, credential: Credential<'_>, wanted: Wanted<'_>) -> Result<ScopedToken, Error> {
        let (entry, by) = self.present(ctx, credential, Purpose::Exchange(wanted)).await;
        let issued = entry.and_then(|entry| {
            let (token, grant) = self.issue(ctx.now, &entry, &wanted)?;
            Ok(ScopedToken { token, scope: scope_of(&grant, &entry.catalog) })
        });
        self.noted(ctx, (issued, by))
    }

    /// Finds what is presented and checks it. The second is what it was, as soon as that is known.
    pub(crate) async fn present(self: &Arc<Self>, ctx: &Context, credential: Credential<'_>, purpose: Purpose<'_>) -> (Result<Arc<Entry>, Error>, Option<Use>) {
        let mut by = None;
        let found = self.find_entry(ctx, credential, purpose, &mut by).await;
        (found, by)
    }

    /// Writes down what became of a credential. A refusal costs the address that it came from.
    pub(crate) fn noted<T>(&self, ctx: &Context, (done, by): (Result<T, Error>, Option<Use>)) -> Result<T, Error> {
        if let Err(Error::Refused(_)) = done {
            self.limits.refused_key(ctx.client_ip);
        }
        if !matches!(done, Err(Error::Limited(limit)) if limit.policy == Policy::RefusedKeys) {
            self.access_log.exchanged(ctx, by, done.as_ref().err());
        }
        done
    }

    async fn find_entry(self: &Arc<Self>, ctx: &Context, credential: Credential<'_>, purpose: Purpose<'_>, by: &mut Option<Use>) -> Result<Arc<Entry>, Error> {
        self.limits.look_at_address(ctx.client_ip)?;
        let shape = match credential {
            Credential::PersonalAccessKey(key) => secret::parse(key, KeyKind::PersonalAccessKey)?,
            Credential::ApiKey { secret, .. } | Credential::ApiKeySecret(secret) => secret::parse(secret, KeyKind::ApiKey)?,
        };
        let digest = self.pepper.digest(shape);
        match self.memory.find(digest, purpose.target()).filter(|entry| purpose.is_served_by(entry)) {
            Some(entry) => {
                *by = Some(used(&entry.credential, Arc::clone(&entry.known)));
                check(&entry.credential, &entry.addresses, credential, ctx)?;
                if let Purpose::Exchange(_) = purpose {
                    self.limits.exchange(entry.credential.key_id, entry.credential.organization_id)?;
                }
                Ok(entry)
            }
            // Boxed, so that what is rare and large does not lie in the future of every exchange, and is not moved with it.
            None => Box::pin(self.load(ctx, digest, (credential, purpose), by)).await,
        }
    }

    /// Reads a credential from the database, checks it and keeps it. What does not live or reaches nothing is answered, never kept.
    async fn load(
        self: &Arc<Self>,
        ctx: &Context,
        digest: KeyDigest,
        (credential, purpose): (Credential<'_>, Purpose<'_>),
        by: &mut Option<Use>,
    ) -> Result<Arc<Entry>, Error> {
        let (target, mut paid) = (purpose.target(), false);
        for _ in 0..READS {
            let bytes = *digest.as_bytes();
            let core = Arc::clone(self);
            // The catalog, and the custom roles that are held, are of the same snapshot: the grant of an older one must not get the index of a newer generation.
            let read = self.db.read(move |tx| {
                Box::pin(async move {
                    let Some(row) = keys::find_by_digest(tx, &bytes, target).await? else { return Ok(None) };
                    let catalog = core.catalog_for(tx, &row).await?;
                    Ok::<_, Error>(Some((row, catalog)))
                })
            });
            let Some((row, catalog)) = self.soon(read).await?.filter(|(row, _)| self.is_ours(row)) else {
                return Err(Refusal::Unknown.into());
            };
            if self.memory.judge(row.position).is_err() {
                continue;
            }
            let known = Known::of_key(&row);
            *by = Some(used(&row, Arc::clone(&known)));
            let addresses = Addresses::of(&row)?;
            check(&row, &addresses, credential, ctx)?;
            let status_index = row.target.as_ref().and_then(|found| found.status_index);
            if let Purpose::Exchange(wanted) = purpose {
                if !paid {
                    self.limits.exchange(row.key_id, row.organization_id)?;
                    paid = true;
                }
                let grant = wanted.grant(&row, &catalog, &self.issuer)?;
                if status_index.is_none() {
                    // The first exchange for an organization opens its generation; then the row is read again.
                    self.open_generation(Origin::key(row.key_id, row.version), grant.organization_id, ctx.now).await?;
                    continue;
                }
            }
            let entry = Arc::new(self.entry(row, (addresses, known), catalog, target)?);
            if self.memory.insert(digest, Arc::clone(&entry)).is_ok() {
                return Ok(entry);
            }
        }
        Err(Error::Unavailable)
    }

    /// What is kept of a credential.
    fn entry(
        &self,
        row: CredentialRow,
        (addresses, known): (Addresses, Arc<Known>),
        catalog: Arc<Catalog>,
        target: Option<OrganizationId>,
    ) -> Result<Entry, Error> {
        let status_index = row.target.as_ref().and_then(|found| found.status_index);
        let plain = match (grant::effective(&row, &catalog), status_index) {
            (Ok(grant), Some(index)) => Some(Plain { claims: self.fixed_claims(&Subject::of_key(&row), &grant, &catalog, index)?, grant }),
            (Ok(_), None) | (Err(_), _) => None,
        };
        Ok(Entry { asked: target.unwrap_or(row.organization_id), credential: row, addresses, catalog, status_index, plain, known })
    }

    /// Whether the row's tag says that this installation wrote it as it stands.
    pub(crate) fn is_ours(&self, row: &CredentialRow) -> bool {
        let bound = Bound { key_id: row.key_id, organization_id: row.organization_id, not_before: row.not_before, expires_at: row.expires_at };
        let ours = self.pepper.is_tag(&row.tag, &row.digest, &bound);
        if !ours {
            tracing::error!(key_id = %row.key_id, "a stored credential does not carry its tag: it was altered in the database");
        }
        ours
    }

    pub(crate) async fn open_generation(self: &Arc<Self>, of: Origin, organization: OrganizationId, now: Time) -> Result<(), Error> {
        self.write_what_is_found(move |tx| Box::pin(async move { generations::open(tx, of, organization, now).await.map_err(Error::from) })).await?;
        Ok(())
    }

    /// The members of the claims that are the same in each token of an entry. `scope` stands there when it fits; otherwise the roles of the
    /// catalog do, and `permissions` for what others add.
    pub(crate) fn fixed_claims(&self, of: &Subject<'_>, grant: &Grant, catalog: &Catalog, status_index: i64) -> Result<String, Error> {
        let (key_id, subject) = (of.key_id.to_string(), of.id.hyphenated().to_string());
        let scope = catalog.ids(&grant.permissions).collect::<Vec<_>>().join(" ");
        let mut claims = AccessClaims {
            iss: Cow::Borrowed(&self.issuer),
            sub: Cow::Borrowed(&subject),
            aud: Cow::Borrowed(grant.audience.as_deref().unwrap_or(&self.issuer)),
            exp: 0,
            nbf: 0,
            iat: 0,
            jti: Cow::Borrowed(""),
            client_id: Cow::Borrowed(&key_id),
            roles: grant.roles.iter().filter(|role| !is_custom(role)).map(|role| Cow::Borrowed(role.as_str())).collect(),
            permissions: Vec::new(),
            scope: (scope.len() <= MAX_SCOPE_BYTES).then_some(Cow::Owned(scope)),
            current_organization_id: grant.organization_id,
            organization_id: of.home,
            email: Cow::Borrowed(of.email),
            key_id: of.key_id,
            key_kind: of.key_kind,
            key_version: of.key_version,
            status: StatusClaim::new(&self.issuer, u64::try_from(status_index).map_err(|_| Error::Internal("a status index is negative"))?),
        };
        let keyring = self.keyring();
        let mut fixed = fixed_members(&claims)?;
        if claims.scope.is_some() && keyring.token().token_length(fixed.len() + VARIABLE_BYTES) > MAX_ISSUED_TOKEN_BYTES {
            claims.scope = None;
        }
        if claims.scope.is_none() && grant.roles.is_empty() {
            return Err(Error::Scope(format!(
                "that many permissions have no room in a token; name those that you need in scope, {MAX_SCOPE_BYTES} bytes at most"
            )));
        }
        if claims.scope.is_none() {
            let beyond = catalog.beyond_the_catalog(&grant.roles, &grant.permissions);
            claims.permissions = catalog.ids(&beyond).map(Cow::Borrowed).collect();
            fixed = fixed_members(&claims)?;
        }
        Ok(fixed)
    }

    /// A token, and what it may do.
    fn issue<'e>(&self, now: Time, entry: &'e Entry, wanted: &Wanted<'_>) -> Result<(IssuedToken, Cow<'e, Grant>), Error> {
        let (issued, row) = (now.as_seconds(), &entry.credential);
        let expires = wanted.expires(issued, self.token_life_seconds).min(row.expires_at.as_seconds());
        let expires = row.version_ends_at.map_or(expires, |ends_at| expires.min(ends_at.as_seconds()));
        match &entry.plain {
            Some(plain) if wanted.is_plain(&entry.catalog) => Ok((self.sign(&plain.claims, issued, expires)?, Cow::Borrowed(&plain.grant))),
            _ => {
                let grant = wanted.grant(row, &entry.catalog, &self.issuer)?;
                let index = entry.status_index.ok_or(Error::Internal("a token has no generation"))?;
                let fixed = self.fixed_claims(&Subject::of_key(row), &grant, &entry.catalog, index)?;
                Ok((self.sign(&fixed, issued, expires)?, Cow::Owned(grant)))
            }
        }
    }

    /// A token of fixed claims, from one second up to another.
    pub(crate) fn sign(&self, fixed: &str, issued: i64, expires: i64) -> Result<IssuedToken, Error> {
        let mut claims = Vec::with_capacity(fixed.len() + VARIABLE_BYTES);
        let jti = chance::text()?;
        write!(claims, r#"{{"exp":{expires},"nbf":{issued},"iat":{issued},"jti":"{jti}",{fixed}}}"#)
            .map_err(|_| Error::Internal("claims cannot be written"))?;
        Ok(IssuedToken { access_token: self.keyring().token().sign_token(&claims)?, expires_in: expires - issued })
    }
}

/// Room for the members that differ from token to token.
const VARIABLE_BYTES: usize = 96;

/// What the log is told of the use of a key: an organization that it does not reach learns nothing of it.
fn used(row: &CredentialRow, of: Arc<Known>) -> Use {
    let reached = row.target.as_ref().filter(|target| grant::reaches(row, target));
    Use { of, organization_id: reached.map_or(row.organization_id, |target| target.id), revision: row.position.n }
}

/// Who presents it, whether it lives now, and whether it is taken from there.
fn check(row: &CredentialRow, addresses: &Addresses, credential: Credential<'_>, ctx: &Context) -> Result<(), Refusal> {
    if let Credential::ApiKey { name, .. } = credential
        && !row.names.iter().any(|known| known == name)
        && !row.key_id.to_string().eq_ignore_ascii_case(name)
    {
        return Err(Refusal::Name);
    }
    alive(row, ctx.now)?;
    addresses.check(ctx.client_ip)
}

/// All but `exp`, `nbf`, `iat` and `jti`, as JSON members without the braces.
fn fixed_members(claims: &AccessClaims<'_>) -> Result<String, Error> {
    let broken = || Error::Internal("claims cannot be written");
    let serde_json::Value::Object(mut members) = serde_json::to_value(claims).map_err(|_| broken())? else {
        return Err(broken());
    };
    for variable in ["exp", "nbf", "iat", "jti"] {
        members.remove(variable);
    }
    let text = serde_json::to_string(&members).map_err(|_| broken())?;
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).map(str::to_owned).ok_or_else(broken)
}
