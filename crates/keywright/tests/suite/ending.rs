//! SIGTERM: what is in flight is finished, nothing else is begun, and the process ends with 0 within five seconds.

use crate::{
    admin::OwnerKey,
    process::{BOUND, Place, Server, until},
};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

/// What the service promises to a service manager.
const PROMISED: Duration = Duration::from_secs(5);

/// A `POST` whose body is waited for: the server has said so, with 100 (RFC 9110, section 10.1.1).
async fn half_sent(base: &str, body: &str) -> BufReader<TcpStream> {
    let address = base.strip_prefix("http://").unwrap();
    let mut stream = BufReader::new(TcpStream::connect(address).await.unwrap());
    let head = format!(
        "POST /auth/v3/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut lines = String::new();
    while !lines.ends_with("\r\n\r\n") {
        assert_ne!(timeout(BOUND, stream.read_line(&mut lines)).await.unwrap().unwrap(), 0, "{lines}");
    }
    assert!(lines.starts_with("HTTP/1.1 100"), "{lines}");
    stream
}

/// The port answers nobody any more.
async fn closed(base: &str) {
    let address = base.strip_prefix("http://").unwrap();
    until("the port is closed", async || TcpStream::connect(address).await.is_err().then_some(())).await;
}

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    // A connection on which nothing is asked holds nobody up.
    let _idle = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap();
    server.program.terminate().await;
    server.program.ended_within(PROMISED).await.succeeded();
}

#[tokio::test]
async fn a_request_in_flight_gets_its_answer() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let body = format!("personalAccessKey={}", OwnerKey::make(&place).await.secret);
    let (first, second) = body.split_at(30);
    let mut stream = half_sent(&server.base, &body).await;
    stream.write_all(first.as_bytes()).await.unwrap();
    let Server { base, program } = server;
    program.terminate().await;
    closed(&base).await;

    stream.write_all(second.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(BOUND, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("access_token"), "{answer}");
    program.ended_within(PROMISED).await.succeeded();
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    let mut stream = half_sent(&server.base, "personalAccessKey=kw_pak_").await;
    server.program.terminate().await;
    let ended = server.program.ended_within(PROMISED).await;
    assert!(ended.log.contains("cut off"), "{ended:?}");
    ended.succeeded();
    let mut answer = Vec::new();
    // Whether the connection is closed or reset is the system's business.
    let _ = timeout(BOUND, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.is_empty(), "{answer:?}");
}

/// Reddens when somebody who asks how a server is waits for one that stands still, or is not told where to look.
#[tokio::test]
async fn one_that_stands_still_is_told_of_soon() {
    let place = Place::new();
    let server = place.serve(&[], &[]).await;
    server.program.signal("STOP").await;
    let asked = place.start(&["status", "--data-dir", &place.data()], &[]).ended_within(Duration::from_secs(15)).await;
    assert!(asked.code == Some(5) && asked.log.contains("keywright db status"), "{asked:?}");
    server.program.signal("CONT").await;
    server.end().await;
}
