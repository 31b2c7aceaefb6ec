//! HTTP as bytes: requests go out as they are written, however odd, and the head of the answer is read.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(20);
const MAX_HEAD: usize = 128 * 1024;

/// An answer, as far as it was read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
}

impl Answer {
    /// A header's value, empty without one.
    pub(crate) fn header(&self, name: &str) -> &str {
        header(&self.head, name).next().unwrap_or_default()
    }
}

/// The values of a header in a head.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    headers(head).filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// All headers of a head.
pub(crate) fn headers(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
}

/// Sends bytes and reads the head of what comes back.
pub(crate) fn send(to: SocketAddr, request: &[u8]) -> anyhow::Result<Answer> {
    let mut stream = connect(to)?;
    // Whoever refuses early may close before all of it is sent.
    let _ = stream.write_all(request);
    let head = read_head(&mut stream)?.0;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("no status: {head:?}"))?;
    Ok(Answer { status, head })
}

fn connect(to: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, LIMIT).with_context(|| format!("no connection to {to}"))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The head, and what came with it of the body.
pub(crate) fn read_head(stream: &mut TcpStream) -> anyhow::Result<(String, Vec<u8>)> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        ensure!(bytes.len() < MAX_HEAD, "the head is too long");
        let count = stream.read(&mut buffer).context("no answer in time")?;
        ensure!(count > 0, "the connection ended after {:?}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
    }
}

/// A whole call that answers text.
pub(crate) fn call(to: SocketAddr, method: &str, path: &str, more: &str, body: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = connect(to)?;
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {to}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let (head, mut rest) = read_head(&mut stream)?;
    stream.read_to_end(&mut rest)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("no status: {head:?}"))?;
    Ok((status, String::from_utf8(rest)?))
}

/// A form that answers JSON with success.
pub(crate) fn form(to: SocketAddr, path: &str, body: &str) -> anyhow::Result<Value> {
    let (status, text) = call(to, "POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", body)?;
    ensure!(status == 200, "{path}: {status} {text}");
    Ok(serde_json::from_str(&text)?)
}
