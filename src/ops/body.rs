//! What an answer is made of, and how long one may take.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::LocalBoxStream;
use http_body_util::{Either, Full, StreamBody};
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

/// How long an answer may take, a stream's next event included.
pub const ANSWER_TIME: Duration = Duration::from_secs(30);

const TEXT: &str = "text/plain; charset=utf-8";

/// Whole, or a stream of events.
pub type Body = Either<Full<Bytes>, StreamBody<LocalBoxStream<'static, Result<Frame<Bytes>, Infallible>>>>;
pub type Answer = Response<Body>;

/// An answer in words.
pub fn text(status: StatusCode, text: String) -> Answer {
    whole(status, TEXT, text)
}

/// An answer of this type.
pub fn whole(status: StatusCode, kind: &'static str, content: impl Into<Bytes>) -> Answer {
    with_body(status, kind, Either::Left(Full::new(content.into())))
}

/// An answer whose body may be a stream.
pub fn with_body(status: StatusCode, kind: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
