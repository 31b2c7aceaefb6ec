//! What was taken back: the lists that tokens name, and the news that keep them up to date.
//!
//! Nothing here goes backwards: no bit is cleared, no lower position and no earlier history is accepted. News are applied only if they
//! begin where what is known ends; otherwise, and when the issuer's history is another one, what has ended stays known and whole lists are
//! fetched anew.

use super::{Inner, invalid, pace::Pace, pace::Rhythm, pace::Turn};
use crate::{KeySet, RefreshError, document::DocumentError, document::signed_document};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::read::ZlibDecoder;
use keywright_protocol::{
    Position,
    jwk::Purpose,
    paths,
    status::{ENTRIES, LIST_BYTES, ListPayload, News, STATUS_LIST_TYPE, STATUS_NEWS_TYPE, StatusList, list_uri},
};
use serde::de::DeserializeOwned;
use std::{io::Read as _, sync::Arc};
use tokio::time::Instant;

/// A list that news have overtaken is fetched again; not for ever.
const FETCHES: usize = 3;

/// How far the lists are.
pub(super) struct Known {
    /// Everything up to here is in every list that is at hand.
    applied: Option<Position>,
    polls: Pace,
}

impl Default for Known {
    fn default() -> Self {
        Self { applied: None, polls: Pace::new(Rhythm::STATUS) }
    }
}

impl Known {
    pub(super) fn applied(&self) -> Option<Position> {
        self.applied
    }
}

/// What came of news.
pub(super) struct Applied {
    pub(super) position: Position,
    /// Of which changes keys and catalog are.
    pub(super) marks: (Position, Position),
    /// Whether whoever waits for it should be told: something was taken back, or this is the first one.
    pub(super) is_worth_a_report: bool,
}

impl Inner {
    /// Fetches a list, unless it is at hand or could not be had a moment ago.
    pub(super) async fn refresh_list(&self, number: u64) -> Result<(), RefreshError> {
        let mut failed = self.fetching.lock().await;
        if self.lists.get(number).is_some() {
            return Ok(());
        }
        let pace = failed.entry(number).or_insert_with(|| Pace::new(Rhythm::STATUS));
        if pace.turn(Instant::now()) != Turn::Fetch {
            return Err(RefreshError::Unavailable("the last try failed, the next one follows soon".to_owned()));
        }
        pace.begin(Instant::now());
        let mut fetched = self.fetch_list(number).await;
        for _ in 1..FETCHES {
            if fetched != Err(overtaken()) {
                break;
            }
            fetched = self.fetch_list(number).await;
        }
        match &fetched {
            Ok(()) => drop(failed.remove(&number)),
            Err(error) => {
                self.last_error.store(Some(Arc::new(error.clone())));
                if let Some(pace) = failed.get_mut(&number) {
                    pace.fail(Instant::now());
                }
            }
        }
        fetched
    }

    /// Asks for news, unless that was done a moment ago.
    pub(super) async fn refresh_status(&self) -> Result<(), RefreshError> {
        {
            let mut known = self.known.lock().await;
            match known.polls.turn(Instant::now()) {
                Turn::Recent => return Ok(()),
                Turn::Pause => return Err(RefreshError::Unavailable("the last try failed, the next one follows soon".to_owned())),
                Turn::Fetch => known.polls.begin(Instant::now()),
            }
        }
        let mut polled = Err(RefreshError::Unavailable("the issuer has no server".to_owned()));
        for base in &self.bases {
            polled = self.poll(base).await;
            if polled.is_ok() {
                break;
            }
        }
        let mut known = self.known.lock().await;
        match polled {
            Ok(_) => {
                known.polls.succeed(Instant::now());
                Ok(())
            }
            Err(error) => {
                known.polls.fail(Instant::now());
                Err(error)
            }
        }
    }

    /// Asks one of the issuer's servers for news, and applies them.
    pub(super) async fn poll(&self, base: &str) -> Result<Applied, RefreshError> {
        let after = self.known.lock().await.applied;
        let path = after.map_or_else(|| paths::STATUS_CHANGES.to_owned(), |after| format!("{}?after={after}", paths::STATUS_CHANGES));
        let text = String::from_utf8(self.get_at(base, &path).await?).map_err(|error| invalid(paths::STATUS_CHANGES, &error))?;
        self.apply(text.trim_ascii_end()).await
    }

    /// Applies news.
    pub(super) async fn apply(&self, jws: &str) -> Result<Applied, RefreshError> {
        let news: News = self.signed(jws, (STATUS_NEWS_TYPE, Purpose::StatusList), paths::STATUS_CHANGES).await?;
        if news.iss != self.issuer {
            return Err(RefreshError::Invalid("the news are of another issuer".to_owned()));
        }
        self.revoke_keys(&news.revoked_keys);
        let mut known = self.known.lock().await;
        let before = known.applied;
        match (before, news.after) {
            (Some(applied), _) if news.position < applied => {
                return Err(RefreshError::Invalid(format!("the news are of {}, but {applied} was seen already", news.position)));
            }
            // What is known reaches to where the news begin, or further.
            (Some(applied), Some(after)) if news.position.history == applied.history && after <= applied => {
                for index in &news.ended {
                    self.lists.end(*index);
                }
            }
            // Nothing has happened since what is known.
            (Some(applied), None) if news.position == applied => {}
            // A gap, another history, or nothing is known yet: whatever is at hand may lack something.
            (Some(_) | None, _) => self.lists.restart(),
        }
        known.applied = Some(news.position);
        // After the bits: who sees this time sees them.
        self.lists.confirm(news.time);
        self.last_error.store(None);
        let is_known = |before: Position| before.history == news.position.history && before >= news.keys_at;
        let is_worth_a_report = !news.ended.is_empty() || news.after.is_none() || !before.is_some_and(is_known);
        Ok(Applied { position: news.position, marks: (news.keys_at, news.catalog_at), is_worth_a_report })
    }

    async fn fetch_list(&self, number: u64) -> Result<(), RefreshError> {
        let path = format!("{}/{number}", paths::STATUS_LISTS);
        let text = String::from_utf8(self.get(&path).await?).map_err(|error| invalid(&path, &error))?;
        let payload: ListPayload = self.signed(text.trim_ascii_end(), (STATUS_LIST_TYPE, Purpose::StatusList), &path).await?;
        let refused = |why: &str| Err(RefreshError::Invalid(format!("{path}: {why}")));
        if payload.iss != self.issuer || payload.sub != list_uri(&self.issuer, number) {
            return refused("it is another list, or another issuer's");
        }
        let list = read_entries(&payload).ok_or_else(|| RefreshError::Invalid(format!("{path}: it has not {ENTRIES} entries of one bit")))?;
        // What was applied while it was on its way is judged with it: a list from before is not kept.
        let mut known = self.known.lock().await;
        if known.applied.is_some_and(|applied| payload.position < applied) {
            return Err(overtaken());
        }
        self.revoke_keys(&payload.revoked_keys);
        match known.applied {
            Some(applied) if applied.history == payload.position.history => self.lists.insert(number, Arc::new(list)),
            // The first one, or the first one of another history. News begin from its position.
            Some(_) | None => {
                self.lists.restart();
                self.lists.insert(number, Arc::new(list));
                known.applied = Some(payload.position);
                self.lists.confirm(payload.time);
            }
        }
        Ok(())
    }

    /// Reads something signed. If its key is not known, the keys are fetched first.
    async fn signed<T: DeserializeOwned>(&self, jws: &str, form: (&str, Purpose), path: &str) -> Result<T, RefreshError> {
        let read = |keys: &KeySet| signed_document(jws, form, keys);
        let known = self.current.load_full().map(|snapshot| read(&snapshot.keys));
        match known {
            Some(Ok(document)) => return Ok(document),
            Some(Err(DocumentError::UnknownKey)) => self.refresh_documents_at_once().await?,
            None => self.refresh_documents().await?,
            Some(Err(error)) => return Err(invalid(path, &error)),
        }
        let snapshot = self.current.load_full().ok_or_else(|| RefreshError::Unavailable("the issuer's keys are not known".to_owned()))?;
        read(&snapshot.keys).map_err(|error| invalid(path, &error))
    }
}

/// News came while a list was on its way, or it is an old one.
fn overtaken() -> RefreshError {
    RefreshError::Invalid("a status list is older than what is known".to_owned())
}

/// The entries of a list; not one byte more is unpacked than it may have.
fn read_entries(payload: &ListPayload) -> Option<StatusList> {
    if payload.status_list.bits != 1 {
        return None;
    }
    let compressed = URL_SAFE_NO_PAD.decode(&payload.status_list.lst).ok()?;
    let mut bytes = Vec::with_capacity(LIST_BYTES + 1);
    let most = u64::try_from(LIST_BYTES).ok()?.saturating_add(1);
    ZlibDecoder::new(compressed.as_slice()).take(most).read_to_end(&mut bytes).ok()?;
    StatusList::from_bytes(&bytes)
}
