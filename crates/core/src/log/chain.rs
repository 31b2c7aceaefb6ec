//! The hash chain of a root's logs, and how anybody checks it who has its links, also without the database.

use super::Action;
use crate::Error;
use aws_lc_rs::digest::{Context as Digest, SHA256, digest};
use keywright_db::Tx;
use keywright_protocol::{OrganizationId, Time};
use keywright_store::{
    access_log::{self, AccessRow},
    log::{self, EventRow, LinkKind},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// What the first link of a chain follows.
pub(super) const FIRST: [u8; 32] = [0; 32];
/// Links that are read at once.
const PAGE: i64 = 200;

/// A SHA-256 hash; as text 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hash(Vec<u8>);

impl Hash {
    /// Of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(digest(&SHA256, bytes).as_ref().to_vec())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const WRONG: &str = "a hash has 64 hexadecimal digits";
        if text.len() != 64 || !text.is_ascii() {
            return Err(WRONG);
        }
        let digit = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        (0..32).map(|byte| digit(byte * 2)).collect::<Option<_>>().map(Self).ok_or(WRONG)
    }
}

/// One link with all that it stands for: a line of an exported chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Link {
    /// Whose chain; nil for the installation as a whole.
    pub root_id: OrganizationId,
    /// Counted from 1.
    pub sequence: i64,
    /// What it stands for.
    pub kind: LinkKind,
    /// When it was written.
    pub at: Time,
    /// The hash of the link before it.
    pub previous: Hash,
    /// Its own.
    pub hash: Hash,
    /// The change, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<EventRow>,
    /// The accesses, if it is a batch of such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accesses: Vec<AccessRow>,
}

/// The end of a chain, to be noted where whoever writes the database does not write: a chain that was cut off later is found by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The number of the last link.
    pub sequence: i64,
    /// Its hash.
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Head {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a head is the number of a link, a colon and its hash, such as 17:5342…, as it was told when it was noted";
        let (sequence, hash) = text.split_once(':').ok_or(WRONG)?;
        let sequence = sequence.parse().ok().filter(|sequence| *sequence >= 1).ok_or(WRONG)?;
        Ok(Self { sequence, hash: hash.to_owned().try_into()? })
    }
}

/// What is wrong with a chain. The numbers are those of links.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A link of another chain.
    #[error("link {0} belongs to another chain")]
    Foreign(i64),
    /// Links are not there.
    #[error("links {0} to {1} are missing")]
    Missing(i64, i64),
    /// A link that comes too late.
    #[error("link {0} is out of its order, or is there twice")]
    OutOfOrder(i64),
    /// A link whose predecessor is another one.
    #[error("link {0} does not follow the one before it: one of the two was altered or replaced")]
    DoesNotFollow(i64),
    /// What a link stands for is not what it was made of.
    #[error("link {0} was altered: its hash is not that of its events")]
    Altered(i64),
    /// More is gone than was removed in good order.
    #[error("{missing} links are not there any more, but the log tells of the removal of {told} only")]
    Removed {
        /// How many are not there.
        missing: i64,
        /// How many were removed in good order.
        told: i64,
    },
    /// The chain ends before the noted head.
    #[error("the chain ends with link {last}, but link {noted} was noted: what came after was cut off")]
    CutOff {
        /// The last link.
        last: i64,
        /// The noted one.
        noted: i64,
    },
    /// The noted link has another hash.
    #[error("link {0} is not the one that was noted: the chain was written anew")]
    NotTheNoted(i64),
}

/// What a whole chain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its end; `None` of a chain without links.
    pub head: Option<Head>,
    /// Links that were removed when their time was over.
    pub pruned: i64,
    /// Whether the noted head was among them, so that it could not be compared.
    pub noted_was_pruned: bool,
}

/// Checks a chain, link by link, from its first one.
#[derive(Debug, Clone)]
pub struct Checker {
    root: OrganizationId,
    last: i64,
    previous: Vec<u8>,
    noted: Option<Head>,
    noted_was_pruned: bool,
    missing: i64,
    last_stub: i64,
    told: Pruned,
}

impl Checker {
    /// Checks a root's chain, against a head that was noted earlier if there is one.
    #[must_use]
    pub fn new(root: OrganizationId, noted: Option<Head>) -> Self {
        Self { root, last: 0, previous: FIRST.to_vec(), noted, noted_was_pruned: false, missing: 0, last_stub: 0, told: Pruned::default() }
    }

    /// Takes the next link.
    ///
    /// # Errors
    /// What is wrong with it; then nothing can be said of those behind it.
    pub fn follow(&mut self, link: &Link) -> Result<(), Broken> {
        let expected = self.last + 1;
        if link.root_id != self.root {
            return Err(Broken::Foreign(link.sequence));
        }
        if link.sequence < expected {
            return Err(Broken::OutOfOrder(link.sequence));
        }
        if link.kind == LinkKind::Pruned {
            self.missing += link.sequence - self.last;
            self.last_stub = link.sequence;
        } else if link.sequence > expected {
            return Err(Broken::Missing(expected, link.sequence - 1));
        }
        if link.previous.0 != self.previous {
            return Err(Broken::DoesNotFollow(link.sequence));
        }
        if !is_unaltered(link) {
            return Err(Broken::Altered(link.sequence));
        }
        if let Some(noted) = &self.noted
            && (expected..=link.sequence).contains(&noted.sequence)
        {
            if noted.sequence < link.sequence {
                self.noted_was_pruned = true;
            } else if noted.hash != link.hash {
                return Err(Broken::NotTheNoted(link.sequence));
            }
        }
        if let Some(event) = &link.change
            && event.action == Action::LogPrune.as_str()
        {
            self.told = Pruned::read(&event.subject, &event.reason).ok_or(Broken::Altered(link.sequence))?;
        }
        self.last = link.sequence;
        self.previous.clone_from(&link.hash.0);
        Ok(())
    }

    /// There are no more links.
    ///
    /// # Errors
    /// What is wrong with the whole.
    pub fn end(self) -> Result<Whole, Broken> {
        // What is told of may still be there, in a chain that was read while it was pruned.
        if self.missing > self.told.links || self.last_stub > self.told.up_to {
            return Err(Broken::Removed { missing: self.missing, told: self.told.links });
        }
        match self.noted {
            Some(noted) if noted.sequence > self.last => Err(Broken::CutOff { last: self.last, noted: noted.sequence }),
            _ => {
                let head = (self.last > 0).then_some(Head { sequence: self.last, hash: Hash(self.previous) });
                Ok(Whole { head, pruned: self.missing, noted_was_pruned: self.noted_was_pruned })
            }
        }
    }
}

/// Whether a link is what its hash was taken of. Of a stub nothing but the hash is left.
fn is_unaltered(link: &Link) -> bool {
    let hash = match (link.kind, &link.change, link.accesses.as_slice()) {
        (LinkKind::Pruned, None, []) => return true,
        (LinkKind::Change, Some(event), []) if (event.root_id, event.sequence, event.at) == (link.root_id, link.sequence, link.at) => {
            change_hash(&link.previous.0, event)
        }
        (LinkKind::Access | LinkKind::Gap, None, rows) if rows.iter().all(AccessRow::has_its_time) => {
            batch_hash(&link.previous.0, (link.root_id, link.kind, link.sequence, link.at), rows)
        }
        _ => return false,
    };
    hash.is_ok_and(|hash| hash == link.hash.0)
}

/// What was removed of a chain, all in all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pruned {
    /// The last link of which that is true.
    pub(super) up_to: i64,
    /// How many links.
    pub(super) links: i64,
}

impl Pruned {
    const SUBJECT: &'static str = "links up to ";

    /// What an event says of it.
    pub(super) fn read(subject: &str, reason: &str) -> Option<Self> {
        let up_to = subject.strip_prefix(Self::SUBJECT)?.parse().ok()?;
        let links = reason.split(' ').next()?.parse().ok()?;
        Some(Self { up_to, links })
    }

    /// Subject and reason of the event.
    pub(super) fn told(self, (changes, accesses): (Time, Time)) -> (String, String) {
        (
            format!("{}{}", Self::SUBJECT, self.up_to),
            format!("{} links in all by now; accesses from before {accesses}, changes from before {changes}", self.links),
        )
    }
}

/// The hash of a change: SHA-256 over the hash before it and the event as JSON.
pub(super) fn change_hash(previous: &[u8], event: &EventRow) -> Result<Vec<u8>, Error> {
    let event = (
        event.id,
        event.root_id,
        event.sequence,
        event.at,
        event.organization_id,
        &event.actor_kind,
        event.actor_id,
        &event.action,
        &event.subject,
        &event.outcome,
        &event.reason,
        &event.address,
        &event.user_agent,
        event.request_id,
        event.revision,
    );
    hash(previous, &event, &[])
}

/// The hash of a link that stands for several accesses: SHA-256 over the hash before it, then root, kind, number and time of the link
/// and id, organization and length of each row, as JSON, then the events of the rows as they are stored.
pub(super) fn batch_hash(previous: &[u8], link: (OrganizationId, LinkKind, i64, Time), rows: &[AccessRow]) -> Result<Vec<u8>, Error> {
    let (root, kind, sequence, at) = link;
    let lengths: Vec<_> = rows.iter().map(|row| (row.id, row.organization_id, row.events.len())).collect();
    hash(previous, &(root, kind.as_str(), sequence, at, lengths), rows)
}

fn hash(previous: &[u8], linked: &impl Serialize, rows: &[AccessRow]) -> Result<Vec<u8>, Error> {
    let mut digest = Digest::new(&SHA256);
    digest.update(previous);
    digest.update(&serde_json::to_vec(linked).map_err(|_| Error::Internal("an event cannot be written"))?);
    rows.iter().for_each(|row| digest.update(row.events.as_bytes()));
    Ok(digest.finish().as_ref().to_vec())
}

/// The end of a root's chain.
pub(crate) async fn head(tx: &mut Tx, root: OrganizationId) -> Result<Option<Head>, Error> {
    Ok(log::find_head(tx, root).await?.map(|head| Head { sequence: head.sequence, hash: Hash(head.hash) }))
}

/// The links of a root's chain behind one, with what they stand for: some of them, none at the end.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`].
pub(crate) async fn links(tx: &mut Tx, root: OrganizationId, after: i64) -> Result<Vec<Link>, Error> {
    let links = log::list_links(tx, root, after, PAGE).await?;
    let span = (after, links.last().map_or(after, |link| link.sequence));
    let mut changes: BTreeMap<_, _> = log::list_changes(tx, root, span).await?.into_iter().map(|event| (event.sequence, event)).collect();
    let mut batches: BTreeMap<i64, Vec<AccessRow>> = BTreeMap::new();
    for (sequence, row) in access_log::list_rows(tx, root, span).await? {
        batches.entry(sequence).or_default().push(row);
    }
    let with_events = |link: log::LinkRow| Link {
        root_id: link.root_id,
        sequence: link.sequence,
        kind: link.kind.unwrap_or(LinkKind::Unknown),
        at: link.at,
        previous: Hash(link.previous),
        hash: Hash(link.hash),
        change: changes.remove(&link.sequence),
        accesses: batches.remove(&link.sequence).unwrap_or_default(),
    };
    Ok(links.into_iter().map(with_events).collect())
}

/// Checks a root's chain as it is in the database.
///
/// # Errors
/// [`Error::Unavailable`], [`Error::Internal`]; inside, what is wrong with it.
pub async fn check(tx: &mut Tx, root: OrganizationId) -> Result<Result<Whole, Broken>, Error> {
    let mut checker = Checker::new(root, None);
    let mut after = 0;
    loop {
        let links = links(tx, root, after).await?;
        for link in &links {
            if let Err(broken) = checker.follow(link) {
                return Ok(Err(broken));
            }
        }
        match links.last() {
            Some(link) => after = link.sequence,
            None => return Ok(checker.end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn event() -> EventRow {
        let id = |n: u128| Uuid::from_u128(n);
        EventRow {
            id: id(1),
            root_id: id(2).into(),
            sequence: 7,
            at: Time::from_millis(1_800_000_000_123),
            organization_id: id(3).into(),
            actor_kind: "host".to_owned(),
            actor_id: None,
            action: "Login".to_owned(),
            subject: "a \"quoted\" subject\u{1}\u{20ac}".to_owned(),
            outcome: "done".to_owned(),
            reason: String::new(),
            address: "192.0.2.1".to_owned(),
            user_agent: "curl/8".to_owned(),
            request_id: id(4).into(),
            revision: 42,
        }
    }

    /// Chains that exist must stay whole: what is hashed of a change never changes.
    #[test]
    fn the_hash_of_a_change_stays_what_it_is() {
        let hash: String = change_hash(&FIRST, &event()).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hash, "5342ea3eb170f73af0032b73bf30782a131e74b23715cd95f91cb4c83a03a0f0");
    }

    /// A chain as it would be written: changes and batches in turn.
    fn chain(root: OrganizationId, length: i64) -> Vec<Link> {
        let (mut links, mut previous): (Vec<Link>, _) = (Vec::new(), FIRST.to_vec());
        for sequence in 1..=length {
            let at = Time::from_millis(1_800_000_000_000 + sequence);
            let kind = if sequence % 3 == 0 { LinkKind::Access } else { LinkKind::Change };
            let (mut change, mut accesses) = (None, Vec::new());
            let hash = if kind == LinkKind::Access {
                let access = access_log::Access { kind: 0, at, request_id: Uuid::nil().into() };
                let like = access_log::Kind {
                    actor_kind: "key".into(),
                    actor_id: None,
                    action: "Token Exchange".into(),
                    subject: "".into(),
                    outcome: "issued".into(),
                    reason: "".into(),
                    address: "".into(),
                    user_agent: "".into(),
                    revision: sequence,
                };
                let id = Uuid::from_u128(u128::try_from(sequence).unwrap());
                accesses.push(AccessRow::new(id, root, &[like], &[access; 8]).unwrap());
                batch_hash(&previous, (root, kind, sequence, at), &accesses)
            } else {
                let event = EventRow { root_id: root, sequence, at, id: Uuid::from_u128(u128::try_from(sequence).unwrap()), ..event() };
                let hash = change_hash(&previous, &event);
                change = Some(event);
                hash
            };
            let hash = hash.unwrap();
            links.push(Link { root_id: root, sequence, kind, at, previous: Hash(previous), hash: Hash(hash.clone()), change, accesses });
            previous = hash;
        }
        links
    }

    fn head_of(links: &[Link]) -> Head {
        let last = links.last().unwrap();
        Head { sequence: last.sequence, hash: last.hash.clone() }
    }

    /// A link with one thing in it altered, each thing in turn.
    fn altered(link: &Link) -> Vec<Link> {
        let mut altered = Vec::new();
        let mut with = |alter: &dyn Fn(&mut Link)| {
            let mut other = link.clone();
            alter(&mut other);
            altered.push(other);
        };
        with(&|link| link.at = Time::from_millis(link.at.as_millis() + 1));
        with(&|link| link.hash.0[7] ^= 1);
        with(&|link| link.previous.0[0] ^= 1);
        with(&|link| link.kind = LinkKind::Gap);
        with(&|link| link.kind = LinkKind::Pruned);
        if link.change.is_some() {
            for alter in [
                (|event| event.reason.push('x')) as fn(&mut EventRow),
                |event| event.subject.push('x'),
                |event| event.action.push('x'),
                |event| event.outcome.push('x'),
                |event| event.actor_kind.push('x'),
                |event| event.address.push('x'),
                |event| event.user_agent.push('x'),
                |event| event.actor_id = Some(Uuid::nil()),
                |event| event.id = Uuid::max(),
                |event| event.organization_id = Uuid::max().into(),
                |event| event.request_id = Uuid::max().into(),
                |event| event.revision += 1,
            ] {
                with(&|link| link.change.iter_mut().for_each(alter));
            }
            with(&|link| link.change = None);
        } else {
            with(&|link| link.accesses[0].events = link.accesses[0].events.replace("issued", "refused"));
            with(&|link| link.accesses[0].since = Time::from_millis(1));
            with(&|link| link.accesses[0].id = Uuid::max());
            with(&|link| link.accesses.clear());
        }
        altered
    }

    /// Reddens when anything that is checked is not, at whatever place in the chain.
    #[test]
    fn whatever_is_done_to_a_chain_is_found_wherever_it_is_done() {
        let root = OrganizationId::from(Uuid::from_u128(2));
        let links = chain(root, 30_000);
        let mut checker = Checker::new(root, Some(head_of(&links)));
        for (index, link) in links.iter().enumerate() {
            let behind = links.get(index + 1);
            let finds = |tampered: &[&Link]| {
                let mut checker = checker.clone();
                let followed = tampered.iter().copied().chain(behind).try_for_each(|link| checker.follow(link));
                // The last one has nothing behind it but the noted head.
                followed.is_err() || (behind.is_none() && checker.end().is_err())
            };
            for other in altered(link) {
                assert!(finds(&[&other]), "{index}: {other:?}");
            }
            assert!(finds(&[]), "{index} dropped");
            assert!(finds(&[link, link]), "{index} twice");
            if let Some(behind) = behind {
                assert!(finds(&[behind, link]), "{index} and the next one in turn");
                let mut inserted = links[0].clone();
                inserted.sequence = link.sequence;
                inserted.previous = link.previous.clone();
                if let Some(event) = &mut inserted.change {
                    (event.sequence, event.id) = (link.sequence, Uuid::max());
                    inserted.hash = Hash(change_hash(&inserted.previous.0, event).unwrap());
                }
                assert!(finds(&[&inserted]), "{index}: another one put in its place");
            }
            let noted = checker.clone().end();
            assert_eq!(noted, Err(Broken::CutOff { last: link.sequence - 1, noted: 30_000 }), "{index}");
            checker.follow(link).unwrap();
        }
        assert_eq!(checker.end().unwrap().head, Some(head_of(&links)));
    }

    /// Reddens when a chain that was written anew as a whole is taken for the one whose head was noted.
    #[test]
    fn a_chain_that_was_written_anew_is_not_the_noted_one() {
        let root = OrganizationId::from(Uuid::from_u128(2));
        let links = chain(root, 10);
        let mut noted = head_of(&links[..5]);
        let check = |noted: &Head| {
            let mut checker = Checker::new(root, Some(noted.clone()));
            links.iter().try_for_each(|link| checker.follow(link)).and_then(|()| checker.end())
        };
        assert_eq!(check(&noted).unwrap().head, Some(head_of(&links)));
        noted.hash.0[0] ^= 1;
        assert_eq!(check(&noted), Err(Broken::NotTheNoted(5)));
        assert_eq!(noted.to_string().parse(), Ok(noted));
        for wrong in ["", "5", "5:", ":00", "0:00", "x:00", "5:xyz"] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
