//! Uploads: asked for, received, committed; or all at once.

pub(crate) mod routes;
mod rows;
mod url;

use crate::{
    Error,
    error::{Ended, Thing, id, require},
    files::{self, Files, Length, MAX_UNDER_WAY, Received, Source},
    ids::{FileId, TaskId, UploadId, VersionId},
    multipart::Parts,
    names::{FileName, MAX_MESSAGE_CHARS, message, unusable_message},
    profiles,
    tasks::{self, State},
    versions::{self, MANAGE},
};
use keywright_db::{Db, StoreError, Tx};
use keywright_protocol::{Clock, OrganizationId, ProfileId, Time};
use keywright_verify::{Verified, Verifier, VerifyError};
pub(crate) use rows::STATEMENTS;
use rows::UploadRow;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use url::Number;

/// How long an upload URL works, and how long a file waits for its commit.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// Who may send to one URL at a time: somebody, and the same once more while nobody has noticed that his line broke.
const SENDERS: u32 = 2;

/// The operations.
#[derive(Clone)]
pub(crate) struct Uploads {
    db: Db,
    files: Files,
    clock: Clock,
    verifier: Arc<Verifier>,
    /// What upload URLs begin with.
    base: Arc<str>,
    senders: Arc<Mutex<HashMap<UploadId, u32>>>,
}

/// An upload that was asked for.
pub(crate) struct Reserved {
    pub(crate) id: UploadId,
    pub(crate) url: String,
    pub(crate) expires_at: Time,
}

/// An upload that is done.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    pub(crate) task: TaskId,
    /// `None` if the file was gone.
    pub(crate) version: Option<VersionId>,
}

/// An app version that is about to be.
struct New {
    organization: OrganizationId,
    profile: ProfileId,
    name: FileName,
    message: Option<String>,
    now: Time,
}

impl Uploads {
    pub(crate) fn new(db: Db, files: Files, clock: Clock, verifier: Arc<Verifier>, base: &str) -> Self {
        Self { db, files, clock, verifier, base: base.trim_end_matches('/').into(), senders: Arc::default() }
    }

    /// The first of three steps: a URL for one file of one size. `token` is the caller's own.
    pub(crate) async fn reserve(&self, caller: &Arc<Verified>, token: &str, profile: &str, size: u64, name: FileName) -> Result<Reserved, Error> {
        let profile: ProfileId = id(profile, Thing::Profile)?;
        if size > self.files.max_bytes() {
            return Err(Error::FileTooLarge(self.files.max_bytes()));
        }
        let declared = i64::try_from(size).ok().filter(|size| *size > 0);
        let size =
            declared.ok_or_else(|| Error::Invalid("fileSize must be the file's length in bytes, at least 1; send for example fileSize=40960".to_owned()))?;
        let (upload, number, now) = (UploadId::random(), Number::draw()?, self.clock.now());
        let expires_at = now.plus(LIFE).min(Time::from_seconds(caller.claims.exp));
        let organization = caller.organization_id();
        let row = UploadRow { organization, profile, size, sealed_token: number.seal(upload, token)?, expires_at, file: None };
        let insert = self.db.write(move |tx| {
            Box::pin(async move {
                profiles::check(tx, organization, profile).await?;
                if rows::count_open(tx, organization, now).await? >= MAX_UNDER_WAY {
                    return Err(Error::TooManyUploads(MAX_UNDER_WAY));
                }
                Ok(rows::insert(tx, upload, &row, (&name, now)).await?)
            })
        });
        insert.await?;
        let url = format!("{}/distribution/v1/uploads/{upload}?signature={}", self.base, number.text());
        Ok(Reserved { id: upload, url, expires_at })
    }

    /// Whether a URL opens, for a body of the declared length, if one is declared. Nothing of the body was read yet.
    pub(crate) async fn open(&self, upload: &str, number: Option<&str>) -> Result<Opened, Error> {
        let upload: UploadId = upload.parse().map_err(|_| Error::UploadUrl)?;
        let number = number.and_then(Number::parse).ok_or(Error::UploadUrl)?;
        let found = self.db.read(move |tx| Box::pin(async move { rows::find(tx, upload).await.map_err(Error::from) })).await?;
        let row = found.ok_or(Error::UploadUrl)?;
        // Nobody who has another number opens it.
        let token = number.open(upload, &row.sealed_token).ok_or(Error::UploadUrl)?;
        if row.file.is_some() {
            return Err(Error::AlreadyUploaded);
        }
        let now = self.clock.now();
        if row.expires_at <= now {
            return Err(Error::UploadUrl);
        }
        let caller = match self.verifier.verify_refreshing(&token, now).await {
            Ok(caller) => caller,
            Err(VerifyError::Unavailable) => return Err(Error::Unavailable),
            Err(_taken_back) => return Err(Error::UploadUrlRevoked),
        };
        if !caller.may(MANAGE) || caller.organization_id() != row.organization {
            return Err(Error::UploadUrlRevoked);
        }
        let sender = Sender::enter(&self.senders, upload)?;
        Ok(Opened { upload, organization: row.organization, profile: row.profile, size: u64::try_from(row.size).unwrap_or_default(), _sender: sender })
    }

    /// The second step. Of several who send at once, whoever is complete first has done it.
    pub(crate) async fn receive(&self, opened: &Opened, source: Source<'_>) -> Result<(), Error> {
        let received = self.files.receive(opened.organization, Some(opened.upload), Length::Exactly(opened.size), source).await?;
        let (upload, organization, profile, now) = (opened.upload, opened.organization, opened.profile, self.clock.now());
        let (file, sha256) = (received.id, received.sha256.clone());
        let arrive = self.db.write(move |tx| {
            Box::pin(async move {
                profiles::hold(tx, organization, profile).await.map_err(|error| if matches!(error, Error::NotFound(_)) { Error::UploadUrl } else { error })?;
                given_up(Received::claim(tx, file).await)?;
                match rows::arrive(tx, upload, (file, &sha256), now.plus(LIFE)).await {
                    Err(StoreError::NotFound) => Err(Error::AlreadyUploaded),
                    done => Ok(done?),
                }
            })
        });
        arrive.await?;
        received.keep();
        Ok(())
    }

    /// Whether the caller still may, by his token. Bodies may take long, and what they bring comes after them. Whose token ran out meanwhile
    /// began in time.
    async fn still_may(&self, caller: &Verified, token: &str) -> Result<(), Error> {
        let last = Time::from_seconds(caller.claims.exp.saturating_sub(1));
        let verified = self.verifier.verify_refreshing(token, self.clock.now().min(last)).await;
        let verified = verified.map_err(|error| Error::Ended(Ended { error, verifier: Arc::clone(&self.verifier) }))?;
        require(&verified, MANAGE)
    }

    /// The third step. `token` is the caller's own.
    pub(crate) async fn commit(&self, (caller, token): (&Arc<Verified>, &str), profile: &str, commit: routes::Commit) -> Result<Done, Error> {
        self.still_may(caller, token).await?;
        let (organization, profile) = (caller.organization_id(), id::<ProfileId>(profile, Thing::Profile)?);
        let upload: UploadId = id(&commit.file_id, Thing::Upload)?;
        let name = commit.file_name.filter(|name| !name.is_empty()).map(|name| FileName::new(&name)).transpose()?;
        let message = commit.message.map(message).transpose()?.flatten();
        let found = self.db.read(move |tx| {
            Box::pin(async move {
                profiles::check(tx, organization, profile).await?;
                rows::find_named(tx, (organization, profile), upload).await.map_err(Error::from)
            })
        });
        let (row, reserved_name) = found.await?.ok_or(Error::NotFound(Thing::Upload))?;
        let (file, sha256) = row.file.clone().ok_or(Error::NotUploaded)?;
        let is_whole = self.files.is_whole(file, u64::try_from(row.size).unwrap_or_default()).await?;
        let new = New { organization, profile, name: name.unwrap_or(reserved_name), message, now: self.clock.now() };
        let settle = self.db.write(move |tx| {
            Box::pin(async move {
                profiles::hold(tx, organization, profile).await?;
                if !rows::take(tx, (organization, profile), (upload, file)).await? {
                    return Err(Error::NotFound(Thing::Upload));
                }
                if is_whole {
                    return new.insert(tx, (file, row.size, sha256)).await;
                }
                let task = TaskId::random();
                tasks::insert(tx, task, organization, State::Failed, new.now).await?;
                files::rows::doom_new(tx, file, organization, new.now).await?;
                Ok(Done { task, version: None })
            })
        });
        let done = settle.await?.value;
        if done.version.is_none() {
            tracing::error!("a file that was received is not in the folder any more: does somebody else clear it?");
            self.files.remove(vec![file]);
        }
        Ok(done)
    }

    /// All at once: a body with the file, and notes if there are any.
    pub(crate) async fn take(&self, (caller, token): (&Arc<Verified>, &str), profile: &str, parts: &mut Parts, declared: Option<u64>) -> Result<Done, Error> {
        let (organization, profile) = (caller.organization_id(), id::<ProfileId>(profile, Thing::Profile)?);
        self.db.read(move |tx| Box::pin(async move { profiles::check(tx, organization, profile).await })).await?;
        if declared.is_some_and(|bytes| bytes > self.files.max_bytes().saturating_add(routes::FORM_BYTES)) {
            return Err(Error::FileTooLarge(self.files.max_bytes()));
        }
        let (mut file, mut notes) = (None, None);
        while let Some(part) = parts.next().await? {
            match part.name.as_str() {
                "file" if file.is_some() => return Err(Error::Invalid("the body has two files; send one, as the part File".to_owned())),
                "file" => {
                    let name = part.file_name.as_deref().map_or_else(|| Ok(FileName::unknown()), FileName::new)?;
                    file = Some((name, self.files.receive(organization, None, Length::AtMost, Source::Part(parts)).await?));
                }
                "message" => {
                    let text = parts.text(&part, MAX_MESSAGE_CHARS * 4).await;
                    notes = message(text.map_err(|error| if matches!(error, Error::TooLarge) { unusable_message() } else { error })?)?;
                }
                _ => {}
            }
        }
        let (name, received) = file.ok_or_else(|| Error::Invalid("the body has no file; send it as the part File".to_owned()))?;
        self.still_may(caller, token).await?;
        let new = New { organization, profile, name, message: notes, now: self.clock.now() };
        let (id, size, sha256) = (received.id, i64::try_from(received.size).unwrap_or(i64::MAX), received.sha256.clone());
        let settle = self.db.write(move |tx| {
            Box::pin(async move {
                profiles::hold(tx, organization, profile).await?;
                given_up(Received::claim(tx, id).await)?;
                new.insert(tx, (id, size, sha256)).await
            })
        });
        let done = settle.await?.value;
        received.keep();
        Ok(done)
    }
}

impl New {
    async fn insert(self, tx: &mut Tx, (file, size, sha256): (FileId, i64, Vec<u8>)) -> Result<Done, Error> {
        let (task, version) = (TaskId::random(), VersionId::random());
        let row = versions::VersionRow {
            id: version,
            file,
            platform: self.name.platform().map(|platform| platform.as_str().to_owned()),
            version: self.name.version(),
            file_name: self.name.as_str().to_owned(),
            size,
            sha256,
            message: self.message,
            created_at: self.now,
            updated_at: self.now,
        };
        versions::insert(tx, (self.organization, self.profile), &row).await?;
        tasks::insert(tx, task, self.organization, State::Completed, self.now).await?;
        Ok(Done { task, version: Some(version) })
    }
}

/// A file that somebody gave up while it was being received: its owner was taken for dead.
fn given_up(claimed: Result<(), StoreError>) -> Result<(), Error> {
    match claimed {
        Err(StoreError::NotFound) => Err(Error::Unavailable),
        done => Ok(done?),
    }
}

/// A URL that opens, and its sender's place.
pub(crate) struct Opened {
    upload: UploadId,
    organization: OrganizationId,
    profile: ProfileId,
    pub(crate) size: u64,
    _sender: Sender,
}

impl Opened {
    pub(crate) fn id(&self) -> uuid::Uuid {
        self.upload.as_uuid()
    }
}

/// One of those who send to a URL.
struct Sender(Arc<Mutex<HashMap<UploadId, u32>>>, UploadId);

impl Sender {
    fn enter(senders: &Arc<Mutex<HashMap<UploadId, u32>>>, upload: UploadId) -> Result<Self, Error> {
        let mut counts = senders.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(upload).or_default();
        if *count >= SENDERS {
            return Err(Error::UploadBusy);
        }
        *count += 1;
        drop(counts);
        Ok(Self(Arc::clone(senders), upload))
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

/// Dooms the files of a profile that goes, received and committed; gives their ids.
pub(crate) async fn doom_of(tx: &mut Tx, organization: OrganizationId, profile: ProfileId, now: Time) -> Result<Vec<FileId>, StoreError> {
    let files = rows::files_of(tx, profile).await?;
    for file in &files {
        files::rows::doom_new(tx, *file, organization, now).await?;
    }
    Ok(files)
}
