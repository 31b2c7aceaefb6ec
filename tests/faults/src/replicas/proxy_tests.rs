//! With real sockets. Where something must not come, what does come is something else that was caused later.

use super::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A server that says after each line `line, how often the line came`, preceded by a notification and a byte of a ready message.
async fn echo() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    let said = [message(b'A', b"rung"), message(b'D', line.as_bytes())].concat();
                    if write.write_all(&said).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, tasks)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &(u32::try_from(body.len()).unwrap() + 4).to_be_bytes(), body].concat()
}

async fn say(stream: &mut TcpStream, line: &str) {
    stream.write_all(format!("{line}\n").as_bytes()).await.unwrap();
}

/// The kind and body of the next message; nothing when the connection is over.
async fn hear(stream: &mut TcpStream) -> Option<(char, String)> {
    let kind = stream.read_u8().await.ok()?;
    let length = stream.read_u32().await.ok()?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await.ok()?;
    Some((char::from(kind), String::from_utf8(body).unwrap()))
}

async fn world() -> (Proxy, TcpStream, JoinSet<()>) {
    let (upstream, tasks) = echo().await;
    let proxy = Proxy::start(upstream).await.unwrap();
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    (proxy, stream, tasks)
}

fn said(kind: char, body: &str) -> Option<(char, String)> {
    Some((kind, body.to_owned()))
}

#[tokio::test]
async fn an_open_way_carries_everything() {
    let (proxy, mut stream, _server) = world().await;
    say(&mut stream, "one").await;
    assert_eq!((hear(&mut stream).await, hear(&mut stream).await), (said('A', "rung"), said('D', "one")));
    assert_eq!((proxy.dropped(), proxy.connections()), (0, 1));
}

#[tokio::test]
async fn notifications_are_dropped_and_nothing_else() {
    let (proxy, mut stream, _server) = world().await;
    proxy.notifications(Notifications::Dropped);
    say(&mut stream, "one").await;
    say(&mut stream, "two").await;
    assert_eq!((hear(&mut stream).await, hear(&mut stream).await), (said('D', "one"), said('D', "two")));
    proxy.notifications(Notifications::Delivered);
    say(&mut stream, "three").await;
    assert_eq!((hear(&mut stream).await, hear(&mut stream).await), (said('A', "rung"), said('D', "three")));
    assert_eq!(proxy.dropped(), 2);
}

#[tokio::test]
async fn a_cut_ends_what_is_connected_and_lets_others_in() {
    let (proxy, mut stream, _server) = world().await;
    say(&mut stream, "one").await;
    hear(&mut stream).await.unwrap();
    hear(&mut stream).await.unwrap();
    proxy.cut();
    assert_eq!(hear(&mut stream).await, None);
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut other, "two").await;
    assert_eq!(hear(&mut other).await, said('A', "rung"));
}

#[tokio::test]
async fn who_is_refused_finds_nobody_until_it_is_open_again() {
    let (proxy, mut stream, _server) = world().await;
    say(&mut stream, "one").await;
    hear(&mut stream).await.unwrap();
    hear(&mut stream).await.unwrap();
    proxy.set(Link::Refused);
    assert_eq!(hear(&mut stream).await, None);
    // The end of the connection may be seen before that of the listener.
    while TcpStream::connect(proxy.address()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    proxy.set(Link::Open);
    let mut other = loop {
        if let Ok(stream) = TcpStream::connect(proxy.address()).await {
            break stream;
        }
        tokio::task::yield_now().await;
    };
    say(&mut other, "two").await;
    assert_eq!(hear(&mut other).await, said('A', "rung"));
}

#[tokio::test]
async fn a_hole_lets_nothing_through_and_gives_it_back_at_its_end() {
    let (proxy, mut stream, _server) = world().await;
    proxy.set(Link::Hole);
    say(&mut stream, "one").await;
    let mut other = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut other, "two").await;
    let silent = tokio::time::timeout(Duration::from_millis(100), hear(&mut stream)).await;
    assert!(silent.is_err(), "{silent:?}");
    proxy.set(Link::Open);
    assert_eq!((hear(&mut stream).await, hear(&mut stream).await), (said('A', "rung"), said('D', "one")));
    assert_eq!((hear(&mut other).await, hear(&mut other).await), (said('A', "rung"), said('D', "two")));
}

#[tokio::test]
async fn late_is_later_by_as_much_for_everything_and_slow_for_each_piece() {
    // However busy a machine is, nothing comes sooner.
    let by = Duration::from_millis(20);
    for (link, least) in [(Link::Late(by), by * 2), (Link::Slow(by), by * 2)] {
        let (proxy, mut stream, _server) = world().await;
        proxy.set(link);
        let started = Instant::now();
        say(&mut stream, "one").await;
        assert_eq!(hear(&mut stream).await, said('A', "rung"));
        assert!(least <= started.elapsed(), "{link:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_slow_way_that_is_opened_is_slow_no_more() {
    let (proxy, mut stream, _server) = world().await;
    proxy.set(Link::Slow(Duration::from_secs(3_600)));
    say(&mut stream, "one").await;
    tokio::task::yield_now().await;
    proxy.set(Link::Open);
    assert_eq!(hear(&mut stream).await, said('A', "rung"));
}
