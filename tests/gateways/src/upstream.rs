//! The API behind the gateways: it answers 200 to everything, and remembers what it got, to the letter.

use crate::http::{header, read_head};
use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// In which each request says which one it is.
pub(crate) const CASE: &str = "X-Case";

/// Heads of requests, by what they say in [`CASE`]; those that say nothing by an empty text.
#[derive(Clone, Default)]
pub(crate) struct Upstream(Arc<Mutex<HashMap<String, Vec<String>>>>);

impl Upstream {
    /// Listens on a port of its own, as long as the process lives.
    pub(crate) fn start() -> anyhow::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let upstream = Self::default();
        let log = upstream.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                thread::spawn(move || log.answer(stream));
            }
        });
        Ok((upstream, address))
    }

    fn answer(&self, mut stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
        while let Ok((head, rest)) = read_head(&mut stream) {
            let length: usize = header(&head, "content-length").next().and_then(|length| length.parse().ok()).unwrap_or(0);
            let mut body = vec![0; length.saturating_sub(rest.len())];
            let case = header(&head, CASE).next().unwrap_or_default().to_owned();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(case).or_default().push(head);
            if stream.read_exact(&mut body).is_err() || stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
                return;
            }
        }
    }

    /// What came of a request.
    pub(crate) fn seen(&self, case: &str) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(case).cloned().unwrap_or_default()
    }

    /// Everything that ever came.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().flatten().cloned().collect()
    }
}
