//! The age file format (age-encryption.org/v1) with X25519 recipients: whoever encrypts needs no secret, and any other program that
//! reads the format can decrypt. Written and read as a stream.

use crate::chance;
use aws_lc_rs::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    agreement::{PrivateKey, UnparsedPublicKey, X25519, agree},
    hkdf::{HKDF_SHA256, KeyType, Salt},
    hmac,
};
use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bech32::{Bech32, Hrp};
use std::{
    fmt,
    io::{self, BufRead, Read, Write},
    str::FromStr,
};
use zeroize::Zeroizing;

const VERSION: &str = "age-encryption.org/v1";
const ARMOR: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const X25519_LABEL: &str = "age-encryption.org/v1/X25519";
const RECIPIENT_PREFIX: &str = "age";
const IDENTITY_PREFIX: &str = "age-secret-key-";
const FILE_KEY: usize = 16;
const KEY: usize = 32;
const TAG: usize = 16;
/// What is sealed at a time.
const CHUNK: usize = 64 * 1024;
/// A header is longer for no sensible number of recipients.
const MAX_HEADER: usize = 64 * 1024;

/// Canonical base64 without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Why a file, a recipient or an identity is of no use. Each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// Not a recipient.
    #[error("this is no recipient; one reads age1…, and `keywright backup key` prints yours")]
    NotARecipient,
    /// Not an identity.
    #[error("there is no backup key in this file; one is a line that reads AGE-SECRET-KEY-1…")]
    NotAnIdentity,
    /// Another kind of file.
    #[error("this is no encrypted backup")]
    NotEncrypted,
    /// It is written as text.
    #[error("this is an armored file; take the armor off first: age --decrypt --identity KEY FILE, and encrypt it again without --armor")]
    Armored,
    /// It was encrypted for somebody else.
    #[error("this key does not open it; give the key whose recipient it was made for")]
    OtherKey,
    /// Its end is missing.
    #[error("it was cut short: its end is missing, or not what was written; copy it again, whole")]
    CutShort,
    /// It is not what was written.
    #[error("it was altered since it was made; take another copy of it")]
    Altered,
    /// The library refuses, or the system gives no randomness.
    #[error("it cannot be encrypted here")]
    Unable,
}

impl From<AgeError> for io::Error {
    fn from(error: AgeError) -> Self {
        Self::other(error)
    }
}

/// The [`AgeError`] in an error of reading.
#[must_use]
pub fn found_in(error: &io::Error) -> Option<AgeError> {
    error.get_ref()?.downcast_ref().copied()
}

/// For whom a file is encrypted: an X25519 public key, `age1…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; KEY]);

impl FromStr for Recipient {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        decode(text, RECIPIENT_PREFIX).map(|bytes| Self(*bytes)).ok_or(AgeError::NotARecipient)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0, RECIPIENT_PREFIX).map_err(|_| fmt::Error)?)
    }
}

/// What decrypts: an X25519 private key, `AGE-SECRET-KEY-1…`. Has no `Debug` and no `Display`.
pub struct Identity(Zeroizing<[u8; KEY]>);

impl Identity {
    /// Makes a new one.
    ///
    /// # Errors
    /// [`AgeError::Unable`] if the system gives no randomness.
    pub fn generate() -> Result<Self, AgeError> {
        chance::bytes().map(|bytes| Self(Zeroizing::new(bytes))).map_err(|_| AgeError::Unable)
    }

    /// Reads the text of a key file: the first line that is an identity; empty lines and those that begin with `#` are comments.
    ///
    /// # Errors
    /// [`AgeError::NotAnIdentity`].
    pub fn parse(text: &str) -> Result<Self, AgeError> {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).ok_or(AgeError::NotAnIdentity)?;
        decode(line, IDENTITY_PREFIX).map(Self).ok_or(AgeError::NotAnIdentity)
    }

    /// As it stands in a key file.
    ///
    /// # Errors
    /// [`AgeError::Unable`] if it cannot be written.
    pub fn to_text(&self) -> Result<Zeroizing<String>, AgeError> {
        Ok(Zeroizing::new(Zeroizing::new(encode(&self.0, IDENTITY_PREFIX)?).to_ascii_uppercase()))
    }

    /// For whom to encrypt what this opens.
    ///
    /// # Errors
    /// [`AgeError::Unable`] if the library refuses.
    pub fn recipient(&self) -> Result<Recipient, AgeError> {
        public(&private(&self.0)?).map(Recipient)
    }

    /// The file key in a stanza, if it was made for this identity.
    fn unwrap(&self, share: &[u8; KEY], body: &[u8]) -> Result<Option<Zeroizing<Vec<u8>>>, AgeError> {
        let key = wrapping_key(&private(&self.0)?, share, &self.recipient()?.0, share).map_err(|_| AgeError::Altered)?;
        let mut file_key = Zeroizing::new(body.to_vec());
        let Ok(length) = cipher(&key)?.open_in_place(nonce_of(0, Last::No), Aad::empty(), &mut file_key).map(|plain| plain.len()) else { return Ok(None) };
        file_key.truncate(length);
        Ok(Some(file_key).filter(|key| key.len() == FILE_KEY))
    }
}

/// Encrypts what is written to it. What was written is whole only after [`Encryptor::finish`].
pub struct Encryptor<W> {
    out: W,
    cipher: LessSafeKey,
    counter: u64,
    buffer: Zeroizing<Vec<u8>>,
}

impl<W: Write> Encryptor<W> {
    /// Writes the header, for one recipient or several: each of them can decrypt.
    ///
    /// # Errors
    /// Whatever keeps `out` from being written, and [`AgeError::Unable`].
    pub fn new(mut out: W, recipients: &[Recipient]) -> io::Result<Self> {
        let file_key = Zeroizing::new(chance::bytes::<FILE_KEY>().map_err(|_| AgeError::Unable)?);
        let mut header = format!("{VERSION}\n");
        for recipient in recipients {
            let ephemeral = private(&Zeroizing::new(chance::bytes().map_err(|_| AgeError::Unable)?))?;
            let share = public(&ephemeral)?;
            let key = wrapping_key(&ephemeral, &recipient.0, &recipient.0, &share).map_err(|_| AgeError::NotARecipient)?;
            let mut body = file_key.to_vec();
            cipher(&key)?.seal_in_place_append_tag(nonce_of(0, Last::No), Aad::empty(), &mut body).map_err(|_| AgeError::Unable)?;
            header += &format!("-> X25519 {}\n{}\n", BASE64.encode(share), BASE64.encode(body));
        }
        header += "---";
        let mac = hmac::sign(&header_key(file_key.as_slice())?, header.as_bytes());
        out.write_all(format!("{header} {}\n", BASE64.encode(mac)).as_bytes())?;
        let nonce = chance::bytes::<FILE_KEY>().map_err(|_| AgeError::Unable)?;
        out.write_all(&nonce)?;
        let key = derive(&nonce, file_key.as_slice(), "payload")?;
        let cipher = cipher(&key)?;
        Ok(Self { out, cipher, counter: 0, buffer: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)) })
    }

    /// Writes the end.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(Last::Yes)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, last: Last) -> io::Result<()> {
        self.cipher.seal_in_place_append_tag(nonce_of(self.counter, last), Aad::empty(), &mut *self.buffer).map_err(|_| AgeError::Unable)?;
        self.counter += 1;
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}

impl<W: Write> Write for Encryptor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // A full chunk waits: it may be the last one, which is marked.
        if self.buffer.len() == CHUNK && !data.is_empty() {
            self.seal(Last::No)?;
        }
        let taken = data.get(..(CHUNK - self.buffer.len()).min(data.len())).unwrap_or_default();
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decrypts what is read through it. What was read is whole only once nothing more comes: a cut is noticed at the end.
pub struct Decryptor<R> {
    from: R,
    cipher: LessSafeKey,
    counter: u64,
    /// The chunk behind the one that is being read; empty at the end.
    next: Vec<u8>,
    plain: Zeroizing<Vec<u8>>,
    given: usize,
}

impl<R: BufRead> Decryptor<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// Whatever keeps it from being read, and every [`AgeError`] of a file.
    pub fn new(mut from: R, identity: &Identity) -> io::Result<Self> {
        let header = Header::read(&mut from)?;
        let file_key = header.unwrap(identity)?;
        let key = header_key(&file_key)?;
        hmac::verify(&key, header.text.as_bytes(), &header.mac).map_err(|_| AgeError::Altered)?;
        let mut nonce = [0; FILE_KEY];
        from.read_exact(&mut nonce).map_err(cut_short)?;
        let key = derive(&nonce, &file_key, "payload")?;
        let cipher = cipher(&key)?;
        let next = chunk(&mut from)?;
        if next.is_empty() {
            return Err(AgeError::CutShort.into());
        }
        Ok(Self { from, cipher, counter: 0, next, plain: Zeroizing::default(), given: 0 })
    }

    fn open(&mut self) -> io::Result<()> {
        let sealed = std::mem::replace(&mut self.next, chunk(&mut self.from)?);
        let last = if self.next.is_empty() { Last::Yes } else { Last::No };
        let Some(plain) = self.try_open(&sealed, last)? else {
            // A chunk that opens as one in the middle, and has nothing behind it, was one.
            let was_in_the_middle = last == Last::Yes && self.try_open(&sealed, Last::No)?.is_some();
            let in_a_chunk = last == Last::Yes && sealed.len() < CHUNK + TAG;
            return Err(if was_in_the_middle || in_a_chunk { AgeError::CutShort } else { AgeError::Altered }.into());
        };
        if plain.is_empty() && self.counter > 0 {
            return Err(AgeError::Altered.into());
        }
        (self.plain, self.given) = (plain, 0);
        self.counter += 1;
        Ok(())
    }

    fn try_open(&self, sealed: &[u8], last: Last) -> Result<Option<Zeroizing<Vec<u8>>>, AgeError> {
        let mut plain = Zeroizing::new(sealed.to_vec());
        let opened = self.cipher.open_in_place(nonce_of(self.counter, last), Aad::empty(), &mut plain).map(|plain| plain.len());
        Ok(opened.ok().map(|length| {
            plain.truncate(length);
            plain
        }))
    }
}

impl<R: BufRead> Read for Decryptor<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        while self.given == self.plain.len() {
            if self.next.is_empty() {
                return Ok(0);
            }
            self.open()?;
        }
        let left = self.plain.get(self.given..).unwrap_or_default();
        let count = left.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..count), left.get(..count)) {
            to.copy_from_slice(from);
        }
        self.given += count;
        Ok(count)
    }
}

/// What stands before the content.
struct Header {
    /// Up to what the code at its end is made of.
    text: String,
    mac: Vec<u8>,
    /// Share and wrapped key of each X25519 recipient.
    stanzas: Vec<([u8; KEY], Vec<u8>)>,
}

impl Header {
    /// Stanzas of other kinds are skipped.
    fn read(from: &mut impl BufRead) -> io::Result<Self> {
        let mut text = String::new();
        match line(from, &mut text)?.as_deref() {
            Some(VERSION) => {}
            Some(ARMOR) => return Err(AgeError::Armored.into()),
            Some(_) | None => return Err(AgeError::NotEncrypted.into()),
        }
        let mut stanzas = Vec::new();
        let mut open: Option<([u8; KEY], String)> = None;
        loop {
            let line = line(from, &mut text)?.ok_or(AgeError::CutShort)?;
            let is_new = line.starts_with("-> ") || line.starts_with("---");
            if is_new && let Some((share, body)) = open.take() {
                stanzas.push((share, BASE64.decode(body).map_err(|_| AgeError::Altered)?));
            }
            if let Some(mac) = line.strip_prefix("--- ") {
                let mac = BASE64.decode(mac).map_err(|_| AgeError::Altered)?;
                let covered = text.len() - line.len() - 1 + "---".len();
                text.truncate(covered);
                return Ok(Self { text, mac, stanzas });
            }
            if let Some(share) = line.strip_prefix("-> X25519 ") {
                let share = BASE64.decode(share).ok().and_then(|share| share.try_into().ok()).ok_or(AgeError::Altered)?;
                open = Some((share, String::new()));
            } else if !is_new && let Some((_, body)) = &mut open {
                body.push_str(&line);
            }
        }
    }

    fn unwrap(&self, identity: &Identity) -> Result<Zeroizing<Vec<u8>>, AgeError> {
        for (share, body) in &self.stanzas {
            if let Some(key) = identity.unwrap(share, body)? {
                return Ok(key);
            }
        }
        Err(AgeError::OtherKey)
    }
}

/// One line of a header, added to what was read; `None` at the end of the file.
fn line(from: &mut impl BufRead, text: &mut String) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let room = u64::try_from(MAX_HEADER.saturating_sub(text.len())).unwrap_or_default();
    from.by_ref().take(room).read_until(b'\n', &mut bytes)?;
    if bytes.pop() != Some(b'\n') {
        return Ok(None);
    }
    let line = String::from_utf8(bytes).map_err(|_| AgeError::Altered)?;
    text.push_str(&line);
    text.push('\n');
    Ok(Some(line))
}

/// The next sealed chunk; a shorter one at the end, an empty one behind it.
fn chunk(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut sealed = Vec::with_capacity(CHUNK + TAG);
    from.take(u64::try_from(CHUNK + TAG).unwrap_or_default()).read_to_end(&mut sealed)?;
    Ok(sealed)
}

fn cut_short(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { AgeError::CutShort.into() } else { error }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    No,
    Yes,
}

/// The nonce of a chunk: its number, big-endian in eleven bytes, and whether it is the last one. No key is used for two files.
fn nonce_of(counter: u64, last: Last) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().skip(3).zip(counter.to_be_bytes()) {
        *to = from;
    }
    if let Some(flag) = bytes.last_mut() {
        *flag = u8::from(last == Last::Yes);
    }
    Nonce::assume_unique_for_key(bytes)
}

fn private(bytes: &[u8; KEY]) -> Result<PrivateKey, AgeError> {
    PrivateKey::from_private_key(&X25519, bytes).map_err(|_| AgeError::Unable)
}

fn public(key: &PrivateKey) -> Result<[u8; KEY], AgeError> {
    let public = key.compute_public_key().map_err(|_| AgeError::Unable)?;
    public.as_ref().try_into().map_err(|_| AgeError::Unable)
}

/// The key that wraps a file key: of the secret that both sides share, bound to the share in the stanza and to the recipient.
fn wrapping_key(own: &PrivateKey, other: &[u8; KEY], recipient: &[u8; KEY], share: &[u8; KEY]) -> Result<Zeroizing<[u8; KEY]>, AgeError> {
    let salt = [share.as_slice(), recipient.as_slice()].concat();
    agree(own, UnparsedPublicKey::new(&X25519, other.as_slice()), AgeError::Unable, |shared| derive(&salt, shared, X25519_LABEL))
}

fn header_key(file_key: &[u8]) -> Result<hmac::Key, AgeError> {
    derive(&[], file_key, "header").map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))
}

/// HKDF-SHA-256 (RFC 5869), 32 bytes.
fn derive(salt: &[u8], secret: &[u8], info: &str) -> Result<Zeroizing<[u8; KEY]>, AgeError> {
    struct Length;
    impl KeyType for Length {
        fn len(&self) -> usize {
            KEY
        }
    }
    let mut key = Zeroizing::new([0; KEY]);
    let (pseudorandom, info) = (Salt::new(HKDF_SHA256, salt).extract(secret), [info.as_bytes()]);
    pseudorandom.expand(&info, Length).and_then(|okm| okm.fill(key.as_mut_slice())).map_err(|_| AgeError::Unable)?;
    Ok(key)
}

fn cipher(key: &[u8; KEY]) -> Result<LessSafeKey, AgeError> {
    UnboundKey::new(&CHACHA20_POLY1305, key).map(LessSafeKey::new).map_err(|_| AgeError::Unable)
}

fn encode(bytes: &[u8; KEY], prefix: &str) -> Result<String, AgeError> {
    let prefix = Hrp::parse(prefix).map_err(|_| AgeError::Unable)?;
    bech32::encode::<Bech32>(prefix, bytes).map_err(|_| AgeError::Unable)
}

fn decode(text: &str, prefix: &str) -> Option<Zeroizing<[u8; KEY]>> {
    let decoded = bech32::primitives::decode::CheckedHrpstring::new::<Bech32>(text).ok()?;
    let bytes = Zeroizing::new(decoded.byte_iter().collect::<Vec<u8>>());
    let is_ours = decoded.hrp().as_str().eq_ignore_ascii_case(prefix);
    <[u8; KEY]>::try_from(bytes.as_slice()).ok().filter(|_| is_ours).map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn sealed(plain: &[u8], recipients: &[Recipient]) -> Vec<u8> {
        let mut writer = Encryptor::new(Vec::new(), recipients).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn opened(sealed: &[u8], identity: &Identity) -> Result<Vec<u8>, AgeError> {
        let mut plain = Vec::new();
        let read = Decryptor::new(Cursor::new(sealed), identity).and_then(|mut reader| reader.read_to_end(&mut plain));
        read.map(|_| plain).map_err(|error| found_in(&error).unwrap_or_else(|| panic!("{error}")))
    }

    fn some(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
    }

    #[test]
    fn what_is_sealed_opens_for_each_recipient_and_for_nobody_else() {
        let [one, two, other] = [0; 3].map(|_| Identity::generate().unwrap());
        let recipients = [one.recipient().unwrap(), two.recipient().unwrap()];
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 17] {
            let file = sealed(&some(length), &recipients);
            assert_eq!(opened(&file, &one), Ok(some(length)), "{length}");
            assert_eq!(opened(&file, &two), Ok(some(length)), "{length}");
            assert_eq!(opened(&file, &other), Err(AgeError::OtherKey), "{length}");
        }
    }

    /// Reddens when the end is not marked, when the header's code is not asked, and when a chunk's number is not in its nonce.
    #[test]
    fn a_file_cut_short_or_altered_does_not_open() {
        let identity = Identity::generate().unwrap();
        let file = sealed(&some(2 * CHUNK + 100), &[identity.recipient().unwrap()]);
        let body = file.len() - (2 * CHUNK + 100 + 3 * TAG);
        let cuts = (0..file.len()).step_by(997).chain([body, body + CHUNK + TAG, body + 2 * (CHUNK + TAG), file.len() - 1]);
        for cut in cuts {
            let told = opened(&file[..cut], &identity).unwrap_err();
            let expected = if cut < VERSION.len() + 1 { AgeError::NotEncrypted } else { AgeError::CutShort };
            assert_eq!(told, expected, "cut at {cut}");
        }
        for at in (0..body).chain((body..file.len()).step_by(1_009)) {
            let mut altered = file.clone();
            altered[at] ^= 1;
            assert!(opened(&altered, &identity).is_err(), "byte {at}");
        }
        let (first, second) = (&file[body..body + CHUNK + TAG], &file[body + CHUNK + TAG..body + 2 * (CHUNK + TAG)]);
        let swapped = [&file[..body], second, first, &file[body + 2 * (CHUNK + TAG)..]].concat();
        assert_eq!(opened(&swapped, &identity), Err(AgeError::Altered));
        assert!(opened(&[&file[..], b"more"].concat(), &identity).is_err());
    }

    #[test]
    fn keys_are_written_and_read() {
        let identity = Identity::generate().unwrap();
        let (text, recipient) = (identity.to_text().unwrap(), identity.recipient().unwrap());
        assert!(text.starts_with("AGE-SECRET-KEY-1") && recipient.to_string().starts_with("age1"));
        let again = Identity::parse(&format!("# a comment\n\n{}\n", text.as_str())).unwrap();
        assert_eq!(again.recipient(), Ok(recipient));
        assert_eq!(recipient.to_string().parse(), Ok(recipient));
        for bad in ["", "age1", &text, &recipient.to_string().replace("age1", "agf1"), &format!("{recipient}q")] {
            assert_eq!(bad.parse::<Recipient>(), Err(AgeError::NotARecipient), "{bad}");
        }
        assert!(Identity::parse(&recipient.to_string()).is_err() && Identity::parse("# nothing").is_err());
    }

    /// From the format's published description: the recipient of an identity.
    #[test]
    fn the_recipient_of_a_known_identity() {
        let identity = Identity::parse("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX").unwrap();
        assert_eq!(identity.recipient().unwrap().to_string(), "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj");
    }
}
