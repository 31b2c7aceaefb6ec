//! Requests that bring files: they may take long, as long as bytes come.

use crate::error::ApiError;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use http::{Method, Request, Uri};
use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// However slowly it goes: three gigabytes at 75 kB/s.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// Whether a request may take long, by its method and its path.
pub type BringsFiles = fn(&Method, &Uri) -> bool;

/// Answers a request whose body, and whose answer after the body, may not stand still for longer than `patience`.
pub(crate) async fn answer<F: Future<Output = Response>>(request: Request<Body>, patience: Duration, route: impl FnOnce(Request<Body>) -> F) -> Response {
    let begun = Instant::now();
    let last = Arc::new(Mutex::new(begun));
    let seen = Arc::clone(&last);
    let (head, body) = request.into_parts();
    let watched = body.into_data_stream().inspect(move |_| *seen.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now());
    let mut answered = pin!(route(Request::from_parts(head, Body::from_stream(watched))));
    loop {
        let late = (*last.lock().unwrap_or_else(PoisonError::into_inner) + patience).min(begun + LONGEST);
        if late <= Instant::now() {
            return ApiError::TooLate.into_response();
        }
        tokio::select! {
            response = &mut answered => return response,
            () = tokio::time::sleep_until(late) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Bytes, to_bytes};
    use http::StatusCode;
    use std::{convert::Infallible, future::pending};

    const PATIENCE: Duration = Duration::from_secs(30);

    /// A body of `pieces` bytes, one every `pause`; then it ends, or does not.
    fn body(pieces: usize, pause: Duration, ends: Ends) -> Request<Body> {
        let pieces = futures_util::stream::unfold(0, move |at| async move {
            if at == pieces {
                if ends == Ends::Never {
                    pending::<()>().await;
                }
                return None;
            }
            tokio::time::sleep(pause).await;
            Some((Ok::<_, Infallible>(Bytes::from_static(b"x")), at + 1))
        });
        Request::new(Body::from_stream(pieces))
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Ends {
        Well,
        Never,
    }

    async fn read(request: Request<Body>) -> Response {
        to_bytes(request.into_body(), usize::MAX).await.unwrap().len().to_string().into_response()
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_is_read_to_its_end() {
        let slow = answer(body(100, Duration::from_secs(29), Ends::Well), PATIENCE, read).await;
        assert_eq!((slow.status(), to_bytes(slow.into_body(), 10).await.unwrap()), (StatusCode::OK, Bytes::from_static(b"100")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_cut_off() {
        for request in [body(3, Duration::from_secs(1), Ends::Never), body(3, Duration::from_secs(31), Ends::Well), body(0, PATIENCE, Ends::Never)] {
            let begun = Instant::now();
            assert_eq!(answer(request, PATIENCE, read).await.status(), StatusCode::REQUEST_TIMEOUT);
            assert!(begun.elapsed() <= Duration::from_secs(34));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn neither_an_answer_nor_a_body_takes_for_ever() {
        let never = answer(body(1, PATIENCE / 2, Ends::Well), PATIENCE, async |request| {
            read(request).await;
            pending().await
        });
        assert_eq!(never.await.status(), StatusCode::REQUEST_TIMEOUT);
        let begun = Instant::now();
        assert_eq!(answer(body(10_000, Duration::from_secs(29), Ends::Well), PATIENCE, read).await.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(begun.elapsed(), LONGEST);
    }
}
