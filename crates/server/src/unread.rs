//! What is left of a body when its request is answered before all of it was read.
//!
//! Whoever still sends when the connection is closed may lose the answer that waits for him (RFC 9112, section 9.6), and programs are
//! known that write all they have before they look. So the rest is read on and thrown away, for a while.

use crate::tasks;
use axum::body::{Body, BodyDataStream, Bytes, HttpBody as _};
use futures_util::{Stream, StreamExt as _};
use http::{
    Request,
    header::{CONTENT_LENGTH, EXPECT},
};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

/// Whoever sends nothing for so long is not waited for.
const SILENCE: Duration = Duration::from_secs(5);
/// What is no longer than this is read by its handler, or has come together with the headers.
const SHORT: u64 = 16 * 1024;

/// Reads on what its handler leaves of a body, for as long as `longest` says of the request. Who asked before he sends (`Expect`, RFC 9110, section 10.1.1) hears
/// the answer first.
pub(crate) fn read_on(request: Request<Body>, longest: impl FnOnce(&Request<Body>) -> Duration) -> Request<Body> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse::<u64>().ok());
    if declared.is_some_and(|length| length <= SHORT) || request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return request;
    }
    let longest = longest(&request);
    request.map(|body| Body::from_stream(ReadOn { body: Some(body.into_data_stream()), longest }))
}

struct ReadOn {
    /// Until its end.
    body: Option<BodyDataStream>,
    longest: Duration,
}

impl Stream for ReadOn {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let next = ready!(body.poll_next_unpin(context));
        if !matches!(next, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(next)
    }
}

impl Drop for ReadOn {
    fn drop(&mut self) {
        if let Some(mut body) = self.body.take() {
            let all = async move { while let Ok(Some(Ok(_))) = tokio::time::timeout(SILENCE, body.next()).await {} };
            // It ends with the connection, or by the clock.
            drop(tasks::spawn(tokio::time::timeout(self.longest, all)));
        }
    }
}
