//! One request to one receiver: to an address that was checked, without redirects, without a proxy, within a bounded time.

use super::destination::{Destination, Scheme};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, header::CONNECTION, header::HOST};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// For connecting to one address; a host may have several.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// What is read of an answer's head, and of its body, in bytes.
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 4 * 1024;

/// What is sent.
pub(super) struct Outgoing {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Sends it; answers the status. Reasons are short and quote nothing that the receiver said.
pub(super) async fn post(to: &Destination, addresses: &[SocketAddr], tls: &Arc<ClientConfig>, outgoing: Outgoing) -> Result<u16, String> {
    let stream = connect(addresses).await?;
    match to.scheme {
        Scheme::Http => converse(stream, to, outgoing).await,
        Scheme::Https => {
            let name = to.server_name().ok_or("the host has no name that a certificate can have")?;
            let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(|error| format!("TLS: {}", described(&error)))?;
            converse(stream, to, outgoing).await
        }
    }
}

/// To the first address that takes the connection.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut reason = "there is no address".to_owned();
    for address in addresses {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => reason = format!("it cannot be connected to: {}", described(&error)),
            Err(_) => reason = "it cannot be connected to: no answer in time".to_owned(),
        }
    }
    Err(reason)
}

async fn converse<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S, to: &Destination, outgoing: Outgoing) -> Result<u16, String> {
    let broken = |error: hyper::Error| {
        let reason = if error.is_parse() || error.is_parse_too_large() { "the answer is no HTTP" } else { "the connection broke off before the answer" };
        reason.to_owned()
    };
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let exchange = async {
        let response = sender.send_request(request(to, outgoing)?).await.map_err(broken)?;
        let status = response.status().as_u16();
        read_a_little(response).await;
        Ok(status)
    };
    tokio::pin!(exchange, connection);
    tokio::select! {
        biased;
        done = &mut exchange => done,
        // What had come before the end is still there.
        _ = &mut connection => exchange.await,
    }
}

fn request(to: &Destination, Outgoing { headers, body }: Outgoing) -> Result<Request<Full<Bytes>>, String> {
    let unusable = |_| "the address cannot be asked for".to_owned();
    let mut request = Request::post(Uri::from(to.target.clone())).header(HOST, &to.authority).header(CONNECTION, "close").body(Full::new(body));
    if let Ok(request) = &mut request {
        request.headers_mut().extend(headers);
    }
    request.map_err(unusable)
}

/// The answer is its status. A little of its body is read, so that the receiver is not cut off while it writes that.
async fn read_a_little(response: Response<Incoming>) {
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read >= MAX_BODY {
            return;
        }
    }
}

fn described(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        "connection refused".to_owned()
    } else if matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof) {
        "the connection broke off".to_owned()
    } else {
        error.to_string()
    }
}
