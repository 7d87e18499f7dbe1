//! Bodies that nobody reads: a request is often refused before its body was read, and its connection may only serve another request
//! when the body is out of the way. A short rest is passed over; otherwise the client is told that the connection ends, for
//! one that is not told sends its next request into nothing.

use {
    axum::http::{HeaderMap, HeaderValue, Request, Response, header},
    hyper::body::{Body, Bytes, Frame, Incoming, SizeHint},
    std::{
        future::poll_fn,
        pin::Pin,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        task::{Context, Poll},
        time::Duration,
    },
};

/// Most bytes of an unread body that are passed over.
const MOST_BYTES: usize = 256 * 1024;
/// Most time for them.
const MOST_TIME: Duration = Duration::from_secs(1);

/// A body that its handler reads, or leaves.
pub(super) struct Shared(Arc<Mutex<Incoming>>);

/// What is left of it afterwards.
pub(super) struct Rest {
    body: Arc<Mutex<Incoming>>,
    /// Whether the client sends the body only when it is asked to.
    waits: bool,
}

/// A request whose body may be left unread.
pub(super) fn shared(request: Request<Incoming>) -> (Request<Shared>, Rest) {
    let waits = has_expectation(request.headers());
    let (head, body) = request.into_parts();
    let body = Arc::new(Mutex::new(body));
    let rest = Rest {
        body: Arc::clone(&body),
        waits,
    };
    (Request::from_parts(head, Shared(body)), rest)
}

fn has_expectation(headers: &HeaderMap) -> bool {
    headers.contains_key(header::EXPECT)
}

impl Rest {
    /// Passes over what was not read; where that is too much, the answer says that the connection ends.
    pub(super) async fn leave<B>(self, answer: &mut Response<B>) {
        if !self.is_passed().await {
            let ends = HeaderValue::from_static("close");
            answer.headers_mut().insert(header::CONNECTION, ends);
        }
    }

    async fn is_passed(&self) -> bool {
        if lock(&self.body).is_end_stream() {
            return true;
        }
        // Somebody still reads it, or it was not sent yet.
        if self.waits || Arc::strong_count(&self.body) > 1 {
            return false;
        }
        let pass = async {
            let mut bytes = 0;
            while bytes <= MOST_BYTES {
                let next = poll_fn(|cx| Pin::new(&mut *lock(&self.body)).poll_frame(cx));
                match next.await {
                    None => return true,
                    Some(Err(_)) => return false,
                    Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, Bytes::len),
                }
            }
            false
        };
        tokio::time::timeout(MOST_TIME, pass).await == Ok(true)
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *lock(&self.0)).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        lock(&self.0).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        lock(&self.0).size_hint()
    }
}

fn lock(body: &Mutex<Incoming>) -> MutexGuard<'_, Incoming> {
    // A body that somebody panicked over fails by itself.
    body.lock().unwrap_or_else(PoisonError::into_inner)
}
