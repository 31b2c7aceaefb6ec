//! A bounded number of requests over kept-alive connections. Plain TCP, so that the load costs little itself.

use anyhow::{Context, bail, ensure};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

/// A server that has not answered within this is given up.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The bytes of one request, and where to send them.
pub(crate) struct Request {
    address: String,
    bytes: Vec<u8>,
}

impl Request {
    /// A POST of the form `body`, or a GET without one.
    pub(crate) fn new(url: &str, body: Option<&str>, authorization: Option<&str>) -> anyhow::Result<Self> {
        let rest = url.strip_prefix("http://").context("the URL must start with http://")?;
        let (address, path) = rest.split_once('/').context("the URL must have a path")?;
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut text = format!("{method} /{path} HTTP/1.1\r\nhost: {address}\r\naccept: application/json\r\n");
        if let Some(value) = authorization {
            text += &format!("authorization: {value}\r\n");
        }
        if let Some(body) = body {
            text += &format!("content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body.unwrap_or_default();
        Ok(Self { address: address.to_owned(), bytes: text.into_bytes() })
    }
}

/// What came of the requests.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Of each request, from its first byte to the last of its answer.
    pub(crate) latencies: Vec<Duration>,
    /// Bytes of all answers, heads included.
    pub(crate) bytes: usize,
}

/// Sends all requests and prints the counts.
pub(crate) fn run(request: &Request, connections: u64, requests: u64) -> anyhow::Result<()> {
    let mut counts = send(request, connections, requests)?;
    counts.latencies.sort_unstable();
    let answers = counts.latencies.len();
    let percentile = |percent: usize| counts.latencies.get((answers * percent / 100).min(answers - 1)).map(Duration::as_micros);
    let printed = serde_json::json!({
        "requests": answers,
        "bytesPerAnswer": counts.bytes / answers,
        "p50Micros": percentile(50),
        "p99Micros": percentile(99),
    });
    println!("{printed}");
    Ok(())
}

/// Shares the requests out among the connections and waits for all answers. The first one that is not 200 fails it.
pub(crate) fn send(request: &Request, connections: u64, requests: u64) -> anyhow::Result<Counts> {
    ensure!(connections > 0 && requests >= connections, "there must be a connection, and a request for each");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let shared = Arc::new((request.address.clone(), request.bytes.clone()));
        let mut tasks = JoinSet::new();
        for number in 0..connections {
            let share = requests / connections + u64::from(number < requests % connections);
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { connection(&shared.0, &shared.1, share).await });
        }
        let mut all = Counts::default();
        while let Some(counts) = tasks.join_next().await {
            let counts = counts??;
            all.latencies.extend(counts.latencies);
            all.bytes += counts.bytes;
        }
        Ok(all)
    })
}

async fn connection(address: &str, request: &[u8], count: u64) -> anyhow::Result<Counts> {
    let mut stream = TcpStream::connect(address).await.with_context(|| format!("could not connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (mut counts, mut buffer) = (Counts::default(), Vec::with_capacity(4096));
    for _ in 0..count {
        let start = crate::instant();
        buffer.clear();
        timeout(ANSWER_LIMIT, async {
            stream.write_all(request).await?;
            read_answer(&mut stream, &mut buffer).await
        })
        .await
        .context("no answer in time")??;
        counts.latencies.push(start.elapsed());
        counts.bytes += buffer.len();
    }
    Ok(counts)
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    loop {
        ensure!(stream.read_buf(buffer).await? > 0, "the server closed the connection");
        ensure!(buffer.len() <= MAX_ANSWER_BYTES, "the answer is too long");
        if let Some(length) = answer_length(buffer)?
            && buffer.len() >= length
        {
            ensure!(buffer.len() == length, "the server sent more than its answer");
            return Ok(());
        }
    }
}

/// Bytes of the whole answer, once its head is there.
fn answer_length(received: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(received.get(..end).unwrap_or_default())?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("the server answered `{status}`");
    }
    let length = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("an answer without Content-Length")?;
    Ok(Some(end + 4 + length.trim().parse::<usize>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_http() {
        let post = Request::new("http://127.0.0.1:1/a/b", Some("x=y"), None).unwrap();
        assert_eq!(post.address, "127.0.0.1:1");
        let text = String::from_utf8(post.bytes).unwrap();
        assert!(text.starts_with("POST /a/b HTTP/1.1\r\nhost: 127.0.0.1:1\r\n") && text.ends_with("content-length: 3\r\n\r\nx=y"), "{text}");
        let get = Request::new("http://127.0.0.1:1/", None, Some("Bearer t")).unwrap();
        assert!(String::from_utf8(get.bytes).unwrap().ends_with("authorization: Bearer t\r\n\r\n"));
        assert!(Request::new("https://127.0.0.1/", None, None).is_err());
    }

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        assert_eq!(answer_length(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n").unwrap(), None);
        assert_eq!(answer_length(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").unwrap(), Some(40));
        assert!(answer_length(b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(answer_length(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
