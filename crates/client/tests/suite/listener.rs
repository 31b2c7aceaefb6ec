//! A listener that answers as it is told, and keeps what it was sent.

use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

/// Answers each connection with the next of its answers, and keeps what was sent.
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<String>>>,
    answering: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

impl Server {
    #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
    pub(crate) async fn answering(answers: &[String]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answers, keeping) = (answers.to_vec(), Arc::clone(&heard));
        let answering = tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut reader = BufReader::new(&mut stream);
                let (mut request, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).await.unwrap();
                    if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
                        length = text.trim().parse().unwrap();
                    }
                    let is_end = line.trim().is_empty();
                    request.push_str(&line);
                    if is_end {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).await.unwrap();
                request.push_str(&String::from_utf8(body).unwrap());
                keeping.lock().unwrap().push(request);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, heard, answering }
    }

    /// The requests, in their order.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// An answer.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

/// An error of the API.
pub(crate) fn error(status: &str, headers: &str, code: &str) -> String {
    let body = format!(r#"{{"error": "{code}", "error_description": "a sentence", "message": "a sentence", "reason": "key_expired"}}"#);
    answer(status, headers, &body)
}

/// A header of a request.
pub(crate) fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|line| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()))
}
