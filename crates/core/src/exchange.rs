//! The heart: a key in, an access token out.

use crate::{
    Context, Core, Error, Refusal,
    access_log::{Known, Use},
    alive::alive,
    chance, grant,
    keys::addresses::Addresses,
    memory::Entry,
    secret::{self, Bound, KeyDigest},
};
use keywright_protocol::{
    AccessClaims, KeyId, KeyKind, OrganizationId, Time,
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
    fn of_key(row: &'a CredentialRow) -> Self {
        let (id, email) = match &row.holder {
            Some(holder) => (holder.user_id.as_uuid(), holder.email.as_str()),
            None => (row.key_id.as_uuid(), row.key_email.as_deref().unwrap_or_default()),
        };
        Self { id, email, key_id: row.key_id, key_kind: row.kind, key_version: Some(row.version), home: row.organization_id }
    }
}

impl Core {
    /// Exchanges a key for an access token. `target` is the organization asked for; without it the key's own.
    ///
    /// # Errors
    /// [`Error::Limited`], [`Error::Refused`], [`Error::OutOfReach`], [`Error::NothingGranted`], [`Error::Unavailable`].
    pub async fn exchange(self: &Arc<Self>, ctx: &Context, credential: Credential<'_>, target: Option<OrganizationId>) -> Result<IssuedToken, Error> {
        self.limits.look_at_address(ctx.client_ip)?;
        let mut by = None;
        let issued = self.try_exchange(ctx, credential, target, &mut by).await;
        if let Err(Error::Refused(_)) = issued {
            self.limits.refused_key(ctx.client_ip);
        }
        self.access_log.exchanged(ctx, by, issued.as_ref().err());
        issued
    }

    /// The same, without a word in the log. `by` is what was presented, as soon as that is known.
    async fn try_exchange(
        self: &Arc<Self>,
        ctx: &Context,
        credential: Credential<'_>,
        target: Option<OrganizationId>,
        by: &mut Option<Use>,
    ) -> Result<IssuedToken, Error> {
        let shape = match credential {
            Credential::PersonalAccessKey(key) => secret::parse(key, KeyKind::PersonalAccessKey)?,
            Credential::ApiKey { secret, .. } => secret::parse(secret, KeyKind::ApiKey)?,
        };
        let digest = self.pepper.digest(shape);
        let entry = match self.memory.find(digest, target) {
            Some(entry) => {
                *by = Some(used(&entry.credential, Arc::clone(&entry.known)));
                check(&entry.credential, &entry.addresses, credential, ctx)?;
                self.limits.exchange(entry.credential.key_id, entry.credential.organization_id)?;
                entry
            }
            // Boxed, so that what is rare and large does not lie in the future of every exchange, and is not moved with it.
            None => Box::pin(self.load(ctx, digest, (credential, target), by)).await?,
        };
        self.issue(ctx.now, &entry)
    }

    /// Reads a credential from the database, checks it and keeps it. What does not live or reaches nothing is answered, never kept.
    async fn load(
        self: &Arc<Self>,
        ctx: &Context,
        digest: KeyDigest,
        (credential, target): (Credential<'_>, Option<OrganizationId>),
        by: &mut Option<Use>,
    ) -> Result<Arc<Entry>, Error> {
        let mut paid = false;
        for _ in 0..READS {
            let bytes = *digest.as_bytes();
            let core = Arc::clone(self);
            // The catalog is of the same snapshot: the grant of an older one must not get the index of a newer generation.
            let read =
                self.db.read(move |tx| Box::pin(async move { Ok::<_, Error>((keys::find_by_digest(tx, &bytes, target).await?, core.catalog_at(tx).await?)) }));
            let (row, catalog) = read.await?;
            let Some(row) = row.filter(|row| self.is_ours(row)) else {
                return Err(Refusal::Unknown.into());
            };
            if self.memory.judge(row.position).is_err() {
                continue;
            }
            let known = Known::of_key(&row);
            *by = Some(used(&row, Arc::clone(&known)));
            let addresses = Addresses::of(&row)?;
            check(&row, &addresses, credential, ctx)?;
            if !paid {
                self.limits.exchange(row.key_id, row.organization_id)?;
                paid = true;
            }
            let grant = grant::effective(&row, &catalog)?;
            let Some(status_index) = row.target.as_ref().and_then(|found| found.status_index) else {
                // The first exchange for an organization opens its generation; then the row is read again.
                self.open_generation(&row, grant.organization_id, ctx.now).await?;
                continue;
            };
            let asked = target.unwrap_or(row.organization_id);
            let claims = self.fixed_claims(&Subject::of_key(&row), &grant, &catalog, status_index)?;
            let entry = Arc::new(Entry { credential: row, addresses, asked, grant, status_index, claims, known });
            if self.memory.insert(digest, Arc::clone(&entry)).is_ok() {
                return Ok(entry);
            }
        }
        Err(Error::Unavailable)
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

    async fn open_generation(self: &Arc<Self>, row: &CredentialRow, organization: OrganizationId, now: Time) -> Result<(), Error> {
        let (key, version) = (row.key_id, row.version);
        self.write(move |tx| Box::pin(async move { generations::open(tx, Origin::key(key, version), organization, now).await.map_err(Error::from) })).await?;
        Ok(())
    }

    /// The members of the claims that are the same in each token of an entry. `scope` stands there when it fits.
    pub(crate) fn fixed_claims(
        &self,
        of: &Subject<'_>,
        grant: &grant::Grant,
        catalog: &keywright_protocol::Catalog,
        status_index: i64,
    ) -> Result<String, Error> {
        let (key_id, subject) = (of.key_id.to_string(), of.id.hyphenated().to_string());
        let scope = catalog.ids(&grant.permissions).collect::<Vec<_>>().join(" ");
        let mut claims = AccessClaims {
            iss: Cow::Borrowed(&self.issuer),
            sub: Cow::Borrowed(&subject),
            aud: Cow::Borrowed(catalog.default_audience().unwrap_or(&self.issuer)),
            exp: 0,
            nbf: 0,
            iat: 0,
            jti: Cow::Borrowed(""),
            client_id: Cow::Borrowed(&key_id),
            roles: grant.roles.iter().map(|role| Cow::Borrowed(role.as_str())).collect(),
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
            fixed = fixed_members(&claims)?;
        }
        Ok(fixed)
    }

    fn issue(&self, now: Time, entry: &Entry) -> Result<IssuedToken, Error> {
        let issued = now.as_seconds();
        let row = &entry.credential;
        let mut expires = issued.saturating_add(self.token_life_seconds).min(row.expires_at.as_seconds());
        if let Some(ends_at) = row.version_ends_at {
            expires = expires.min(ends_at.as_seconds());
        }
        self.sign(&entry.claims, issued, expires)
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
