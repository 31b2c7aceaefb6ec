//! Requests as bytes over a bare connection, as clients write them.

use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of an answer that went well.
    #[track_caller]
    pub(crate) fn good(&self) -> Value {
        assert_eq!(self.status, 200, "{} {}", self.head, String::from_utf8_lossy(&self.body));
        self.json()
    }
}

/// Sends bytes and reads one answer, whether the connection stays open or not.
pub(crate) async fn send(base: &str, request: &[u8]) -> Raw {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    timeout(Duration::from_secs(60), read(&mut stream)).await.expect("an answer in time")
}

/// Reads one answer.
pub(crate) async fn read(stream: &mut TcpStream) -> Raw {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at + 2].to_vec()).unwrap().to_lowercase();
            if head.starts_with("http/1.1 100") {
                bytes.drain(..at + 4);
                continue;
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).expect("answers say how long they are");
            if bytes.len() >= at + 4 + length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Raw { status, head, body: bytes[at + 4..at + 4 + length].to_vec() };
            }
        }
        let mut more = [0; 16 * 1024];
        let read = stream.read(&mut more).await.unwrap();
        assert_ne!(read, 0, "the answer breaks off: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&more[..read]);
    }
}
