//! A restored database is told what was taken away after its backup, or that nobody knows.

use super::{
    KeyState, OrganizationState, SecondFactorState, Section, State, Subject, UserState, fingerprint,
    membership::{Catalogs, Left, Seat, Seats, left, less},
    roles::CustomRoles,
};
use crate::{
    Context, Error, KeyFile,
    authorize::By,
    catalog, chance, keyring,
    keys::addresses::AddressList,
    log::{self, Action, Where},
    second_factor::totp::step_of,
    secret::{Bound, OperatorBound, Pepper},
    start::check_key_file,
};
use keywright_db::{Db, Location, OpenError, Tx, Writes};
use keywright_protocol::{
    Catalog, Clock, KeyKind, OrganizationId, Position, Time, UserId,
    admin::RolesIn,
    jwk::{Algorithm, Purpose},
};
use keywright_store::{
    MIGRATIONS, changes, generations, keys,
    managed_keys::{self, VersionRow},
    memberships,
    recovery::{self, KeyRow, OrganizationRow, UserRow},
    second_factors, settings, signing_keys,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Status indices that are left out at least: whole lists.
pub(crate) const INDICES_LEFT_OUT: i64 = 16 << 20;
/// No installation gives so many for long: what two restores of one backup give are not the same.
pub(crate) const INDICES_A_SECOND: i64 = 1_024;

/// What is known of the time after the backup.
pub enum Later {
    /// Everything that was taken away, as far as the sections go.
    Known(Vec<Section>),
    /// Nothing: all signing keys are revoked, so that no token that is out opens anything.
    Lost,
}

/// What a restore did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The position of the backup.
    pub backup: Position,
    /// The position and the time up to which revocations are known.
    pub known_to: Option<(Position, Time)>,
    /// Keys, users and organizations that were narrowed.
    pub narrowed: usize,
}

/// Why a restored database is of no use, in one sentence.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key file is another one's.
    #[error("the key file does not belong to this database")]
    OtherKeyFile,
    /// The database is empty.
    #[error("the database in the backup was never started with; there is nothing to restore")]
    NeverStarted,
    /// The log is another installation's.
    #[error("the log of revocations is of {found}, and the backup of {known}; give the one of this installation")]
    OtherInstallation {
        /// Its issuer.
        found: String,
        /// The backup's.
        known: String,
    },
    /// Sections do not follow each other.
    #[error("in the log of revocations something is missing between {0} and {1}; give the whole one")]
    Gap(Position, Position),
    /// The log is empty.
    #[error("there is nothing in the log of revocations; give the one that `keywright audit revocations` wrote, or --accept-lost-revocations")]
    Empty,
    /// The log begins too late.
    #[error("the log of revocations begins at {from}, behind the backup's {backup}: what was taken away between is not in it; give the whole one")]
    BeginsLater {
        /// Where it begins.
        from: Position,
        /// The position of the backup.
        backup: Position,
    },
    /// The log ends too early.
    #[error(
        "the log of revocations ends at {to}, before the backup's {backup}; let `keywright audit revocations` write on, or, if that machine is gone, restore an earlier backup, which the log covers"
    )]
    EndsBefore {
        /// Where it ends.
        to: Position,
        /// The position of the backup.
        backup: Position,
    },
    /// Something in it is not usable.
    #[error(transparent)]
    Core(#[from] Error),
}

impl From<keywright_db::StoreError> for RestoreError {
    fn from(error: keywright_db::StoreError) -> Self {
        Self::Core(error.into())
    }
}

/// Opens a restored database for the first time, brings it to this program's schema, and takes away what was taken away since. All
/// sessions, invitations and links for new passwords end in any case. After an error the database is of no use.
///
/// # Errors
/// [`RestoreError`].
pub async fn restore(location: &Location, key_file: KeyFile, later: Later, clock: &Clock) -> Result<Restored, RestoreError> {
    let db = Db::open(location, Writes::Revisioned, MIGRATIONS).await?;
    let now = clock.now();
    let restored = async {
        let key_file = Arc::new(key_file);
        let replay = db.read(move |tx| Box::pin(async move { Replay::begin(tx, key_file, now).await })).await?;
        let last = replay.check(&later)?;
        // Whatever this restore changes is a change of the new history.
        let history = replay.history(last.map(|(position, _)| position));
        db.write_though_shut(move |tx| Box::pin(async move { recovery::begin_history(tx, history).await })).await?;
        let replayed = db.write_though_shut(move |tx| {
            Box::pin(async move {
                let restored = replay.run(tx, later, last).await?;
                if let Some(server) = tx.server().await? {
                    changes::open(tx, &server.cluster).await?;
                }
                // Yet another one: a replica that runs, and has loaded the last one before this, loads again.
                recovery::begin_history(tx, history.saturating_add(1)).await?;
                Ok::<_, RestoreError>(restored)
            })
        });
        Ok::<_, RestoreError>(replayed.await?.value)
    };
    let restored = restored.await;
    db.close().await;
    restored
}

/// In a history that is shut since a failover: takes away again what a replica knows to have been taken away behind the position at which the
/// new server goes on. Where anything came behind it, also what no state is known of ends.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn write_back(tx: &mut Tx, (key_file, now): (Arc<KeyFile>, Time), forked: Position, lost: Option<Vec<Section>>) -> Result<usize, Error> {
    let Some(sections) = lost else { return Ok(0) };
    // Sections of its own: of this installation, and all that it has seen.
    let mut replay = Replay::new(tx, (key_file, String::new()), forked, now).await?;
    for state in sections.iter().flat_map(|section| &section.states) {
        if let State::Key(key) = state {
            recovery::end_introspection(tx, Some(key.id)).await?;
        }
    }
    let catalog = sections.iter().rev().find_map(|section| {
        section.states.iter().find_map(|state| if let State::Catalog { document } = state { Some((section.to, document.clone())) } else { None })
    });
    replay.replay(tx, sections).await?;
    if let Some((to, document)) = catalog {
        // Whoever has seen more knows the later one.
        let known = settings::find(tx, settings::CATALOG_WRITTEN_BACK).await?.and_then(|text| text.parse::<Position>().ok());
        if known.is_none_or(|known| known < to) {
            catalog::ensure(tx, &document, now).await?;
            settings::put(tx, settings::CATALOG_WRITTEN_BACK, &to.to_string()).await?;
        }
    }
    keyring::ensure(tx, &replay.key_file, replay.algorithm, now).await?;
    second_factors::end_passing_things(tx, step_of(now).saturating_add(1)).await?;
    recovery::end_passing_things(tx, now, "the database server failed over").await?;
    Ok(replay.narrowed)
}

/// Opens another history behind one that was shut since a failover, when no replica owes what it knows; `false` if one does.
///
/// # Errors
/// Whatever keeps the database from writing.
pub(crate) async fn open_after_failover(tx: &mut Tx, name: &str, forked: Position, now: Time) -> Result<bool, Error> {
    if !changes::open_another(tx, name, forked).await? {
        return Ok(false);
    }
    settings::delete(tx, settings::CATALOG_WRITTEN_BACK).await?;
    recovery::skip_indices(tx, INDICES_LEFT_OUT, now.as_seconds().saturating_mul(INDICES_A_SECOND)).await?;
    let told = (forked.to_string(), "the database server failed over; what replicas knew to be taken away since is taken away again".to_owned());
    log::change(tx, &Context::system(now)?, &By::Host, Where::Installation, Action::Restore, told).await?;
    Ok(true)
}

/// What roles are worth, by the catalogs and by what the roots have of their own.
type Worth<'a> = (&'a Catalogs, &'a CustomRoles);

struct Replay {
    key_file: Arc<KeyFile>,
    pepper: Pepper,
    issuer: String,
    algorithm: Algorithm,
    backup: Position,
    now: Time,
    narrowed: usize,
}

impl Replay {
    async fn begin(tx: &mut Tx, key_file: Arc<KeyFile>, now: Time) -> Result<Self, RestoreError> {
        let issuer = settings::find(tx, settings::ISSUER).await?.ok_or(RestoreError::NeverStarted)?;
        check_key_file(&key_file, settings::find(tx, settings::SEAL_CHECK).await?).map_err(|_| RestoreError::OtherKeyFile)?;
        let backup = changes::position(tx).await?;
        Ok(Self::new(tx, (key_file, issuer), backup, now).await?)
    }

    async fn new(tx: &mut Tx, (key_file, issuer): (Arc<KeyFile>, String), backup: Position, now: Time) -> Result<Self, Error> {
        let active = signing_keys::list(tx).await?.into_iter().find(keyring::is_active);
        let algorithm = active.map_or(Algorithm::ES256, |key| key.algorithm);
        Ok(Self { pepper: key_file.pepper(), key_file, issuer, algorithm, backup, now, narrowed: 0 })
    }

    /// One that no other restore of this backup began, and none that the log knows of: the second in which it begins.
    fn history(&self, last: Option<Position>) -> i64 {
        let known = last.map_or(0, |last| last.history).max(self.backup.history);
        known.saturating_add(1).max(self.now.as_seconds())
    }

    async fn run(mut self, tx: &mut Tx, later: Later, last: Option<(Position, Time)>) -> Result<Restored, RestoreError> {
        let reason = match later {
            Later::Known(sections) => {
                self.replay(tx, sections).await?;
                let told = last.map(|(to, at)| format!("{to}, {at}")).unwrap_or_default();
                format!("what was taken away up to {told} is taken away again: {} narrowed", self.narrowed)
            }
            Later::Lost => {
                for kid in recovery::list_signing_keys(tx).await? {
                    signing_keys::revoke(tx, &kid, self.now).await?;
                }
                // Which of them were used since nobody knows.
                second_factors::end_all_codes(tx, self.now).await?;
                "what was taken away since is not known; the signing keys are revoked".to_owned()
            }
        };
        for purpose in Purpose::ALL {
            signing_keys::retire(tx, purpose, self.now).await?;
        }
        keyring::ensure(tx, &self.key_file, self.algorithm, self.now).await?;
        second_factors::end_passing_things(tx, step_of(self.now).saturating_add(1)).await?;
        recovery::end_passing_things(tx, self.now, "the database was restored from a backup").await?;
        recovery::end_introspection(tx, None).await?;
        recovery::skip_indices(tx, INDICES_LEFT_OUT, self.now.as_seconds().saturating_mul(INDICES_A_SECOND)).await?;
        // Wherever it had been moved to, it is served from here again.
        settings::delete(tx, settings::MOVED_TO).await?;
        settings::delete(tx, settings::CATALOG_WRITTEN_BACK).await?;
        changes::clear_shut(tx).await?;
        let (ctx, told) = (Context::system(self.now)?, (self.backup.to_string(), reason));
        log::change(tx, &ctx, &By::Host, Where::Installation, Action::Restore, told).await?;
        Ok(Restored { backup: self.backup, known_to: last, narrowed: self.narrowed })
    }

    /// Whether the sections are all that came after the backup, as far as they go. Answers how far.
    fn check(&self, later: &Later) -> Result<Option<(Position, Time)>, RestoreError> {
        let Later::Known(sections) = later else { return Ok(None) };
        let (Some(first), Some(last)) = (sections.first(), sections.last()) else { return Err(RestoreError::Empty) };
        if let Some(other) = sections.iter().find(|section| section.issuer != self.issuer) {
            return Err(RestoreError::OtherInstallation { found: other.issuer.escape_debug().to_string(), known: self.issuer.clone() });
        }
        if let Some((one, next)) = sections.iter().zip(sections.iter().skip(1)).find(|(one, next)| one.to != next.from) {
            return Err(RestoreError::Gap(one.to, next.from));
        }
        if self.backup < first.from {
            return Err(RestoreError::BeginsLater { from: first.from, backup: self.backup });
        }
        if last.to < self.backup {
            return Err(RestoreError::EndsBefore { to: last.to, backup: self.backup });
        }
        Ok(Some((last.to, last.at)))
    }

    async fn replay(&mut self, tx: &mut Tx, sections: Vec<Section>) -> Result<(), Error> {
        let backup = self.backup;
        let mut latest: BTreeMap<Subject, State> = BTreeMap::new();
        for section in sections.into_iter().filter(|section| backup < section.to) {
            for index in section.ended {
                recovery::end_generation(tx, index, self.now).await?;
            }
            latest.extend(section.states.into_iter().map(|state| (state.subject(), state)));
        }
        let own = super::catalog(tx).await?.ok_or(Error::Internal("there is no catalog"))?;
        let later = match latest.remove(&Subject::Catalog) {
            Some(State::Catalog { document }) => Some(Catalog::new(*document)?),
            Some(_) | None => None,
        };
        let catalogs = Catalogs { own: Catalog::new(own)?, later };
        let roles = CustomRoles::read(tx, &latest).await?;
        for state in latest.into_values() {
            let narrowed = match state {
                State::Organization(later) => {
                    let root = later.id;
                    self.organization(tx, later).await? | roles.narrow(tx, root, self.now).await?
                }
                State::Key(later) => self.key(tx, later, (&catalogs, &roles)).await?,
                State::User(later) => self.user(tx, later, (&catalogs, &roles)).await?,
                State::SigningKeys { kids } => self.signing_keys(tx, &kids).await?,
                State::Catalog { .. } => false,
            };
            self.narrowed += usize::from(narrowed);
        }
        Ok(())
    }

    async fn signing_keys(&self, tx: &mut Tx, kids: &[String]) -> Result<bool, Error> {
        let mut any = false;
        for kid in recovery::list_signing_keys(tx).await?.into_iter().filter(|kid| !kids.contains(kid)) {
            any |= signing_keys::revoke(tx, &kid, self.now).await?;
        }
        Ok(any)
    }

    async fn organization(&self, tx: &mut Tx, later: OrganizationState) -> Result<bool, Error> {
        let Some(before) = recovery::find_organization(tx, later.id).await? else { return Ok(false) };
        let since = |at: Option<Time>, is_so: bool| at.or(is_so.then_some(self.now));
        let addresses = self.addresses(&before.allowed_addresses, &later.allowed_addresses)?;
        let after = OrganizationRow {
            // Addresses of which none is left let nobody in, which no list can say.
            suspended_at: since(before.suspended_at, later.suspended || addresses.is_none()),
            deleted_at: since(before.deleted_at, later.deleted),
            longest_key_life: before.longest_key_life.into_iter().chain(later.longest_key_life.filter(|seconds| *seconds > 0)).min(),
            allowed_addresses: addresses.unwrap_or_else(|| before.allowed_addresses.clone()),
            personal_keys_off_at: since(before.personal_keys_off_at, later.personal_keys_off),
            members_by_keys_off_at: since(before.members_by_keys_off_at, later.members_by_keys_off),
            ..before.clone()
        };
        let mut narrowed = after != before;
        if narrowed {
            recovery::narrow_organization(tx, &after).await?;
            generations::end_of_organization(tx, later.id, self.now).await?;
        }
        for key in recovery::list_living_keys(tx, later.id).await?.into_iter().filter(|key| !later.keys.contains(key)) {
            keys::revoke(tx, key, self.now).await?;
            generations::end_of_key(tx, key, self.now).await?;
            narrowed = true;
        }
        Ok(narrowed)
    }

    /// The addresses that both lists allow; `None` if there is none.
    fn addresses(&self, before: &str, later: &str) -> Result<Option<String>, Error> {
        Ok(AddressList::load(before)?.common(&AddressList::load(later)?).map(|list| list.to_stored()))
    }

    async fn key(&self, tx: &mut Tx, later: KeyState, worth: Worth<'_>) -> Result<bool, Error> {
        let Some(before) = recovery::find_key(tx, later.id).await?.filter(|key| key.revoked_at.is_none()) else { return Ok(false) };
        let scopes = before.operator_scopes.as_deref().map(|scopes| words_in_both(scopes, later.scopes.as_deref().unwrap_or_default()));
        let addresses = self.addresses(&before.allowed_addresses, &later.allowed_addresses)?;
        let opens_nothing = scopes.as_ref().is_some_and(String::is_empty) || (addresses.is_none() && before.kind == KeyKind::OperatorKey);
        if later.revoked || opens_nothing {
            keys::revoke(tx, before.id, self.now).await?;
            generations::end_of_key(tx, before.id, self.now).await?;
            return Ok(true);
        }
        let after = KeyRow {
            not_before: before.not_before.max(later.not_before),
            expires_at: before.expires_at.min(later.expires_at),
            suspended_at: before.suspended_at.or((later.suspended || addresses.is_none()).then_some(self.now)),
            allowed_addresses: addresses.unwrap_or_else(|| before.allowed_addresses.clone()),
            operator_scopes: scopes,
            ..before.clone()
        };
        let mut narrowed = after != before;
        if narrowed {
            recovery::narrow_key(tx, &after).await?;
        }
        for version in managed_keys::list_versions(tx, before.id).await? {
            let known = later.versions.iter().find(|known| known.version == version.version);
            let ended_at = version.ended_at.or(known.is_none().then_some(self.now));
            let ends_at = version.ends_at.into_iter().chain(known.and_then(|known| known.ends_at)).min();
            if narrowed || (ends_at, ended_at) != (version.ends_at, version.ended_at) {
                let tag = self.tag(&version, &before, &after);
                recovery::narrow_version(tx, before.id, version.version, &tag, (ends_at, ended_at)).await?;
                narrowed = true;
            }
        }
        narrowed |= self.grants(tx, &before, &later.roles, worth).await?;
        if narrowed {
            generations::end_of_key(tx, before.id, self.now).await?;
        }
        Ok(narrowed)
    }

    /// Binds a secret to what its key is now. One whose tag was not right before does not become good by this.
    fn tag(&self, version: &VersionRow, before: &KeyRow, after: &KeyRow) -> Vec<u8> {
        fn bound(key: &KeyRow, organization_id: OrganizationId) -> Bound {
            Bound { key_id: key.id, organization_id, not_before: key.not_before, expires_at: key.expires_at }
        }
        fn operator_bound(key: &KeyRow) -> OperatorBound<'_> {
            let scopes = key.operator_scopes.as_deref().unwrap_or_default();
            OperatorBound { key_id: key.id, not_before: key.not_before, expires_at: key.expires_at, scopes, allowed_addresses: &key.allowed_addresses }
        }
        let digest = version.digest.as_slice();
        let again = match before.organization_id {
            Some(home) => self.pepper.is_tag(&version.tag, digest, &bound(before, home)).then(|| self.pepper.tag(digest, &bound(after, home))),
            None => {
                self.pepper.is_operator_tag(&version.tag, digest, &operator_bound(before)).then(|| self.pepper.operator_tag(digest, &operator_bound(after)))
            }
        };
        again.map_or_else(|| version.tag.clone(), |tag| tag.to_vec())
    }

    /// An API Key's roles, organization by organization. Where nothing is left there is no grant.
    async fn grants(&self, tx: &mut Tx, key: &KeyRow, later: &[RolesIn], (catalogs, roles): Worth<'_>) -> Result<bool, Error> {
        let home = match key.organization_id {
            Some(home) => recovery::find_organization(tx, home).await?,
            None => None,
        };
        let Some(home) = home else { return Ok(false) };
        let catalogs = &roles.in_tree(catalogs, home.root_id);
        let mut any = false;
        for RolesIn { organization_id, roles } in super::grants(managed_keys::list_roles_of(tx, key.id).await?) {
            let later = later.iter().find(|grant| grant.organization_id == organization_id).map(|grant| grant.roles.as_slice()).unwrap_or_default();
            let left = less(catalogs, &roles, later);
            if left != roles {
                managed_keys::delete_roles(tx, key.id, organization_id).await?;
                for role in &left {
                    keys::insert_role(tx, key.id, organization_id, role).await?;
                }
                any = true;
            }
        }
        Ok(any)
    }

    async fn user(&self, tx: &mut Tx, later: UserState, (catalogs, roles): Worth<'_>) -> Result<bool, Error> {
        let Some(before) = recovery::find_user(tx, later.id).await? else { return Ok(false) };
        let since = |at: Option<Time>, is_so: bool| at.or(is_so.then_some(self.now));
        let same_password = before.password_hash.as_deref().map(|hash| fingerprint(hash.as_bytes())) == later.password;
        let after = UserRow {
            disabled_at: since(before.disabled_at, later.disabled),
            deleted_at: since(before.deleted_at, later.deleted),
            password_hash: before.password_hash.clone().filter(|_| same_password),
            ..before.clone()
        };
        let mut narrowed = after != before;
        if narrowed {
            recovery::narrow_user(tx, &after).await?;
        }
        narrowed |= self.second_factor(tx, later.id, later.second_factor).await?;
        let mut trees: HashMap<OrganizationId, (Seats, Seats)> = HashMap::new();
        for row in recovery::list_memberships(tx, later.id).await? {
            trees.entry(row.root_id).or_default().0.insert(row.organization_id, Seat { id: row.id, roles: row.roles });
        }
        for row in later.memberships {
            // What is not there in the backup came later, with all that hangs on it.
            if recovery::find_organization(tx, row.organization_id).await?.is_some_and(|place| place.root_id == row.root_id) {
                trees.entry(row.root_id).or_default().1.insert(row.organization_id, Seat { id: row.id, roles: row.roles });
            }
        }
        for (root, (earlier, later_seats)) in trees.into_iter().filter(|(_, (earlier, later))| !earlier.is_empty() && earlier != later) {
            let left = left(&roles.in_tree(catalogs, root), root, &earlier, &later_seats).unwrap_or_default();
            self.seat(tx, later.id, (&earlier, &later_seats), &left).await?;
            narrowed = true;
        }
        if narrowed {
            generations::end_of_user(tx, later.id, self.now).await?;
        }
        Ok(narrowed)
    }

    /// What is asked for in either is asked for. Another one came since: the old one must not open anything any more, and the new one is not
    /// known, so that nobody can give it until the host resets it.
    async fn second_factor(&self, tx: &mut Tx, user: UserId, later: Option<SecondFactorState>) -> Result<bool, Error> {
        let Some(later) = later else { return Ok(false) };
        let before = second_factors::find(tx, user).await?.filter(|row| row.confirmed_at.is_some());
        let secret = before.and_then(|row| row.sealed).as_deref().map(fingerprint);
        if secret.is_none() || secret != later.secret {
            second_factors::lose(tx, user, self.now).await?;
            return Ok(true);
        }
        let mut any = false;
        for digest in second_factors::list_codes(tx, user).await?.into_iter().filter(|digest| !later.codes.contains(&fingerprint(digest))) {
            any |= second_factors::use_code(tx, user, &digest, self.now).await?;
        }
        Ok(any)
    }

    /// Writes what is left. A membership that ended since stays dead, with its keys: what is left of it is another one.
    async fn seat(&self, tx: &mut Tx, user: UserId, (earlier, later): (&Seats, &Seats), left: &Left) -> Result<(), Error> {
        let places: BTreeSet<OrganizationId> = earlier.keys().chain(left.keys()).copied().collect();
        for place in places {
            let roles = left.get(&place).cloned().flatten();
            let (had, has) = (earlier.get(&place), later.get(&place));
            let stays = had.is_some_and(|had| has.is_some_and(|has| had.id == has.id)) && roles.is_some();
            if let Some(had) = had.filter(|_| !stays) {
                memberships::end(tx, had.id, self.now).await?;
            }
            let Some(roles) = roles else { continue };
            let id = match (stays, had, has) {
                (true, Some(had), _) => had.id,
                (_, _, Some(has)) => has.id,
                (_, _, None) => chance::id()?,
            };
            if !stays {
                memberships::insert(tx, id, place, user, self.now).await?;
            }
            memberships::update_roles(tx, id, &roles).await?;
        }
        Ok(())
    }
}

fn words_in_both(some: &str, others: &str) -> String {
    some.split_whitespace().filter(|word| others.split_whitespace().any(|other| other == *word)).collect::<Vec<_>>().join(" ")
}
