//! `multipart/form-data` as it comes in (RFC 7578, RFC 2046 section 5.1): part by part, chunk by chunk, never as a whole.
//!
//! What is held is one chunk of the body, and what of the last one may be the beginning of a delimiter.

use crate::Error;
use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::HeaderValue,
};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use memchr::memmem::{Finder, find};

/// Headers of a part, in bytes.
const MAX_HEADERS: usize = 8 * 1024;
/// Parts of a body: clients send two, and signed forms a dozen.
const MAX_PARTS: u32 = 64;
/// RFC 2046, section 5.1.1.
const MAX_BOUNDARY: usize = 70;

/// A body of parts.
pub(crate) struct Parts {
    body: BodyDataStream,
    held: BytesMut,
    /// `\r\n--` and the boundary.
    delimiter: Finder<'static>,
    place: Place,
    parts: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before a delimiter: in a part, or in what stands before the first one.
    Within,
    /// Behind a delimiter.
    Behind,
    /// Behind the last one.
    End,
}

/// What is said of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field's name, in lower case.
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    is_latin1: bool,
}

impl Parts {
    /// A body whose `Content-Type` says that it has parts.
    ///
    /// # Errors
    /// [`Error::Invalid`] for another type.
    pub(crate) fn new(content_type: Option<&HeaderValue>, body: Body) -> Result<Self, Error> {
        let boundary = content_type.and_then(|value| boundary(value.as_bytes())).ok_or_else(|| {
            Error::Invalid(
                "the body must be multipart/form-data with a boundary; send the file as its part File, or ask for an upload with action=uploadInformation"
                    .to_owned(),
            )
        })?;
        let delimiter = Finder::new(&[b"\r\n--", boundary.as_slice()].concat()).into_owned();
        // The first delimiter has no line before it.
        Ok(Self { body: body.into_data_stream(), held: BytesMut::from(&b"\r\n"[..]), delimiter, place: Place::Within, parts: 0 })
    }

    /// The next part, after the rest of the last one; `None` after all of them.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no multipart body.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, Error> {
        while self.chunk().await?.is_some() {}
        if self.place == Place::End {
            return Ok(None);
        }
        // Behind a delimiter stands the end of its line, or two hyphens.
        let line_end = loop {
            if self.held.starts_with(b"--") {
                self.place = Place::End;
                return Ok(None);
            }
            match find(&self.held, b"\r\n") {
                Some(at) => break at,
                None if self.held.len() > MAX_HEADERS => return Err(malformed()),
                None => self.fill().await?,
            }
        };
        if !self.held.iter().take(line_end).all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(malformed());
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Error::Invalid(format!("the body must have at most {MAX_PARTS} parts; send fewer")));
        }
        // The line's end is kept: without headers, it and the empty line make the two that end them.
        drop(self.held.split_to(line_end));
        let headers_end = loop {
            match find(&self.held, b"\r\n\r\n") {
                Some(at) => break at,
                None if self.held.len() > MAX_HEADERS => return Err(malformed()),
                None => self.fill().await?,
            }
        };
        let headers = self.held.split_to(headers_end);
        drop(self.held.split_to(4));
        self.place = Place::Within;
        Ok(Some(read_headers(&headers)))
    }

    /// The next bytes of the part; `None` at its end.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a body that breaks off.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if self.place != Place::Within {
            return Ok(None);
        }
        loop {
            if let Some(at) = self.delimiter.find(&self.held) {
                let chunk = self.held.split_to(at);
                if chunk.is_empty() {
                    drop(self.held.split_to(self.delimiter.needle().len()));
                    self.place = Place::Behind;
                    return Ok(None);
                }
                return Ok(Some(chunk.freeze()));
            }
            let sure = (self.held.len() + 1).saturating_sub(self.delimiter.needle().len());
            if sure > 0 {
                return Ok(Some(self.held.split_to(sure).freeze()));
            }
            self.fill().await?;
        }
    }

    /// The part as text, if it is not longer than `max` bytes.
    ///
    /// # Errors
    /// [`Error::TooLarge`], and as [`Parts::chunk`].
    pub(crate) async fn text(&mut self, part: &Part, max: usize) -> Result<String, Error> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() + chunk.len() > max {
                return Err(Error::TooLarge);
            }
            bytes.extend_from_slice(&chunk);
        }
        let latin1 = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
        if part.is_latin1 {
            return Ok(latin1(&bytes));
        }
        // Clients are known that send ISO-8859-1; they say so, but who knows.
        Ok(String::from_utf8(bytes).unwrap_or_else(|error| latin1(error.as_bytes())))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        match self.body.next().await {
            Some(Ok(chunk)) => {
                self.held.extend_from_slice(&chunk);
                Ok(())
            }
            Some(Err(_)) | None => Err(broke_off()),
        }
    }
}

fn broke_off() -> Error {
    Error::Invalid("the body broke off before its last boundary; send it again".to_owned())
}

fn malformed() -> Error {
    Error::Invalid("the body is not well-formed multipart/form-data (RFC 2046, section 5.1); leave its making to a library".to_owned())
}

/// The boundary in a `Content-Type` of `multipart/form-data`.
fn boundary(content_type: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(content_type).ok()?;
    let (kind, parameters) = text.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let found = parameter(parameters, "boundary")?;
    (1..=MAX_BOUNDARY).contains(&found.len()).then(|| found.into_bytes())
}

fn read_headers(headers: &[u8]) -> Part {
    // Names of files come in whatever letters their sender's machine has.
    let text = std::str::from_utf8(headers).map_or_else(|_| headers.iter().map(|byte| char::from(*byte)).collect(), str::to_owned);
    let mut part = Part::default();
    for line in text.split("\r\n") {
        let Some((header, value)) = line.split_once(':') else { continue };
        if header.trim().eq_ignore_ascii_case("content-disposition") {
            let parameters = value.split_once(';').map_or("", |(_, parameters)| parameters);
            part.name = parameter(parameters, "name").unwrap_or_default().to_lowercase();
            part.file_name = parameter(parameters, "filename*").and_then(|value| extended(&value)).or_else(|| parameter(parameters, "filename"));
        } else if header.trim().eq_ignore_ascii_case("content-type") {
            let charset = value.split_once(';').and_then(|(_, parameters)| parameter(parameters, "charset")).unwrap_or_default();
            part.is_latin1 = ["iso-8859-1", "latin1", "windows-1252"].iter().any(|name| charset.eq_ignore_ascii_case(name));
        }
    }
    part
}

/// A parameter by its name, in any case: a word, or a text in quotes in which a backslash stands before a quote alone. (A browser's
/// `C:\shop.ipa` has others.)
fn parameter(parameters: &str, wanted: &str) -> Option<String> {
    let mut rest = parameters;
    loop {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => after.split_once(';').map_or((after.trim().to_owned(), ""), |(word, next)| (word.trim().to_owned(), next)),
        };
        if name.trim_matches([' ', '\t', ';']).eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next;
    }
}

/// Up to the closing quote, and what comes behind it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if letters.peek().is_some_and(|(_, next)| *next == '"') => {
                value.push('"');
                letters.next();
            }
            '"' => return Some((value, text.get(at + 1..).unwrap_or_default())),
            other => value.push(other),
        }
    }
    None
}

/// `UTF-8''na%C3%AFve.ipa` (RFC 8187, section 3.2).
fn extended(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut letters = encoded.bytes();
    while let Some(byte) = letters.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [letters.next()?, letters.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
