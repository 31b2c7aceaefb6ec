//! Accepting connections: HTTP/1.1 and HTTP/2, with or without TLS, until asked to stop.

use crate::{
    config::{Config, ConfigError},
    outer::Outer,
    tasks::{self, Stop},
    tls::Reloading,
};
use axum::body::Body;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use ipnet::IpNet;
use std::{
    collections::HashMap,
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;

/// Between the first byte and the end of a request's headers, and for a TLS handshake.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// From the connection to its first whole request. Before the first bytes tell the protocol, no timer of the library runs.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Whoever takes nothing of an answer for so long is cut off: it is held in memory for him.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// What may still be finished after the sign to stop.
const GRACE: Duration = Duration::from_secs(4);
/// Connections at the same time; more wait in the system's queue.
const MAX_CONNECTIONS: usize = 8_192;
/// Of these from one address that is no trusted proxy; more are closed at once.
const MAX_CONNECTIONS_PER_ADDRESS: u32 = 2_048;
/// File descriptors that are kept for the database and the log.
const RESERVED_FILES: usize = 64;
/// Headers above this are cut off by the parser; the documented limit below it is answered in words.
const MAX_BUFFER: usize = 64 * 1024;

/// Takes an address.
///
/// # Errors
/// [`ConfigError`] says that the port is taken, or what else the system says.
pub async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ConfigError> {
    let wrong = |error: std::io::Error| {
        ConfigError(if error.kind() == std::io::ErrorKind::AddrInUse {
            format!("{address} is taken by another program; stop that one, or choose another address with --listen")
        } else {
            format!("{address} cannot be listened on: {error}")
        })
    };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let actual = listener.local_addr().map_err(wrong)?;
    Ok((listener, actual))
}

/// Whether the TLS files can be used, if there are any.
///
/// # Errors
/// [`ConfigError`] says what is wrong with which.
pub fn check_tls(config: &Config) -> Result<(), ConfigError> {
    config.tls.as_ref().map_or(Ok(()), |files| Reloading::open(files).map(|_| ()))
}

/// Serves until the sign to stop, then finishes what is in flight, for some seconds at most.
///
/// # Errors
/// [`ConfigError`] if the TLS files cannot be used.
pub async fn serve(listener: TcpListener, config: &Config, outer: Arc<Outer>, mut stop: Stop) -> Result<(), ConfigError> {
    let tls = match &config.tls {
        None => None,
        Some(files) => {
            let reloading = Reloading::open(files)?;
            let acceptor = TlsAcceptor::from(Arc::clone(&reloading.config));
            tasks::spawn(reloading.follow(stop.clone()));
            Some(acceptor)
        }
    };
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS.min(open_files().saturating_sub(RESERVED_FILES)).max(1)));
    let crowd = Arc::new(Crowd { counts: Mutex::default(), trusted: outer.trusted_proxies.clone() });
    let mut out_of_files = false;
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let (stream, peer) = tokio::select! {
            () = stop.wait() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, for one: that passes, and the server must not spin meanwhile.
                    if !std::mem::replace(&mut out_of_files, true) {
                        tracing::warn!(%error, "connections cannot be accepted");
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            }
        };
        out_of_files = false;
        let Some(guest) = crowd.enter(peer.ip()) else { continue };
        let (outer, tls, watcher) = (Arc::clone(&outer), tls.clone(), graceful.watcher());
        tasks::spawn(async move {
            connection(stream, peer, tls, outer, watcher).await;
            drop((place, guest));
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time and are cut off");
    }
    Ok(())
}

/// Takes a path; what a process that has ended left there is removed.
///
/// # Errors
/// [`ConfigError`] says that somebody listens there already, or what else the system says.
pub fn bind_unix(path: &Path) -> Result<UnixListener, ConfigError> {
    let wrong = |what: &dyn std::fmt::Display| ConfigError(format!("unix:{} cannot be listened on: {what}", path.display()));
    let found = std::fs::symlink_metadata(path);
    if found.as_ref().is_ok_and(|found| !found.file_type().is_socket()) {
        return Err(wrong(&"there is something else that is no socket; remove it, or choose another path"));
    }
    if found.is_ok() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(wrong(&"another program does so; stop that one, or choose another path"));
        }
        std::fs::remove_file(path).map_err(|error| wrong(&error))?;
    }
    UnixListener::bind(path).map_err(|error| wrong(&error))
}

/// The same on a socket of this machine; then the socket is removed.
pub async fn serve_unix(listener: UnixListener, path: &Path, outer: Arc<Outer>, mut stop: Stop) {
    let own = std::fs::symlink_metadata(path).map(|found| found.ino()).ok();
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS.min(open_files().saturating_sub(RESERVED_FILES)).max(1)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = stop.wait() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (outer, watcher) = (Arc::clone(&outer), graceful.watcher());
        tasks::spawn(async move {
            requests(stream, None, outer, watcher).await;
            drop(place);
        });
    }
    drop(listener);
    // Somebody may have put another socket in its place.
    if own.is_some() && std::fs::symlink_metadata(path).map(|found| found.ino()).ok() == own {
        let _ = std::fs::remove_file(path);
    }
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time and are cut off");
    }
}

/// How many files this process may have open; connections are files.
fn open_files() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)).and_then(|soft| soft.parse().ok()).unwrap_or(MAX_CONNECTIONS)
}

/// The connections of each address, so that one cannot take all places.
struct Crowd {
    counts: Mutex<HashMap<IpAddr, u32>>,
    trusted: Vec<IpNet>,
}

/// One connection of an address.
struct Guest(Arc<Crowd>, IpAddr);

impl Crowd {
    /// `None` if the address has its share already.
    fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Guest> {
        let address = address.to_canonical();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= MAX_CONNECTIONS_PER_ADDRESS && !self.trusted.iter().any(|network| network.contains(&address)) {
            return None;
        }
        *count += 1;
        drop(counts);
        Some(Guest(Arc::clone(self), address))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, outer: Arc<Outer>, watcher: hyper_util::server::graceful::Watcher) {
    // Small answers go out at once.
    let _ = stream.set_nodelay(true);
    match tls {
        None => requests(stream, Some(peer.ip()), outer, watcher).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HEADER_TIMEOUT, acceptor.accept(stream)).await {
                requests(stream, Some(peer.ip()), outer, watcher).await;
            }
        }
    }
}

/// Ends a connection whose other end does not read what is written.
fn read_by<S: AsyncRead + AsyncWrite>(stream: S) -> TimeoutStream<S> {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(ANSWER_TIMEOUT));
    stream
}

async fn requests<S>(stream: S, peer: Option<IpAddr>, outer: Arc<Outer>, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&begun);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let outer = Arc::clone(&outer);
        seen.store(true, Ordering::Relaxed);
        async move { Ok::<_, Infallible>(outer.answer(request.map(Body::new), peer).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .max_concurrent_streams(100)
        .max_header_list_size(u32::try_from(MAX_BUFFER).unwrap_or(u32::MAX));
    let connection = builder.serve_connection(TokioIo::new(Box::pin(read_by(stream))), service).into_owned();
    let silent = async {
        tokio::time::sleep(FIRST_REQUEST_TIMEOUT).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // What a client does to its own connection is its own business.
        _ = watcher.watch(connection) => {}
        () = silent => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use tokio::io::AsyncWriteExt as _;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (near, _far) = tokio::io::duplex(1000);
        let mut stream = Box::pin(read_by(near));
        assert_eq!(stream.write_all(&[7; 1001]).await.unwrap_err().kind(), ErrorKind::TimedOut);
    }
}
