//! The least over HTTP: hyper 1 without a framework.

use crate::issue::Issuer;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use keywright_protocol::{Clock, jwk::Algorithm, paths};
use std::sync::Arc;
use tokio::{net::TcpListener, task::JoinSet};

const MAX_FORM_BYTES: usize = 16 * 1024;

/// Serves until the process is ended.
pub(crate) fn run(algorithm: Algorithm, like: &str) -> anyhow::Result<()> {
    let (issuer, key) = Issuer::new(algorithm, like)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("key {key}\nlistening on http://{}", listener.local_addr()?);
        serve(&listener, Arc::new(issuer)).await
    })
}

async fn serve(listener: &TcpListener, issuer: Arc<Issuer>) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let issuer = Arc::clone(&issuer);
        connections.spawn(async move {
            let service = service_fn(|request| answer(&issuer, request));
            // A connection that breaks off is the other side's business.
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(issuer: &Issuer, request: Request<Incoming>) -> anyhow::Result<Response<Full<Bytes>>> {
    if request.method() != Method::POST || request.uri().path() != paths::TOKEN_V3 {
        return Ok(empty(StatusCode::NOT_FOUND));
    }
    let Ok(form) = Limited::new(request.into_body(), MAX_FORM_BYTES).collect().await else { return Ok(empty(StatusCode::BAD_REQUEST)) };
    let Some(body) = issuer.exchange(&form.to_bytes(), Clock::System.now())? else { return Ok(empty(StatusCode::UNAUTHORIZED)) };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        issue::{Signer, example},
        load,
    };

    #[test]
    fn the_load_is_answered() {
        let like = example(&Signer::generate(Algorithm::ES256).unwrap());
        let (issuer, key) = Issuer::new(Algorithm::ES256, &like).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/auth/v3/token", listener.local_addr().unwrap());
        runtime.spawn(async move { serve(&listener, Arc::new(issuer)).await });

        let good = load::Request::new(&url, Some(&format!("personalAccessKey={key}")), None).unwrap();
        let counts = load::send(&good, 3, 20).unwrap();
        assert_eq!(counts.latencies.len(), 20);
        let wrong = load::Request::new(&url, Some("personalAccessKey=x"), None).unwrap();
        assert!(load::send(&wrong, 1, 1).unwrap_err().to_string().contains("401"));
        let elsewhere = load::Request::new(&url, None, None).unwrap();
        assert!(load::send(&elsewhere, 1, 1).unwrap_err().to_string().contains("404"));
    }
}
