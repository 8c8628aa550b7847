//! `/events`: the state once, then each second what has changed of it, as server-sent events.
//!
//! Format: https://html.spec.whatwg.org/multipage/server-sent-events.html.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::{Either, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep};

use super::body::{ANSWER_TIME, Answer, text, with_body};
use super::guard::Sight;
use super::seen::Desk;
use super::state;

/// Streams at a time.
const STREAMS_MAX: usize = 8;
const PERIOD: Duration = Duration::from_secs(1);

/// A stream's place among those there may be, and what its reader knows.
struct Reader {
    desk: Rc<Desk>,
    sight: Sight,
    until: Rc<Cell<Instant>>,
    known: Option<Map<String, Value>>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.desk.streams.set(self.desk.streams.get() - 1);
    }
}

/// The answer that goes on until its reader leaves.
pub fn events(desk: &Rc<Desk>, sight: Sight, until: &Rc<Cell<Instant>>) -> Answer {
    if desk.streams.get() >= STREAMS_MAX {
        return text(StatusCode::SERVICE_UNAVAILABLE, "as many pages as there may be are open\n".to_owned());
    }
    desk.streams.set(desk.streams.get() + 1);
    let reader = Reader { desk: desk.clone(), sight, until: until.clone(), known: None };
    let events = unfold(reader, |mut reader| async move {
        if reader.known.is_some() {
            sleep(PERIOD).await;
        }
        // It is read on: the last event went out.
        reader.until.set(Instant::now() + ANSWER_TIME);
        let event = reader.next();
        Some((Ok::<_, Infallible>(Frame::data(event)), reader))
    });
    with_body(StatusCode::OK, "text/event-stream", Either::Right(StreamBody::new(Box::pin(events))))
}

impl Reader {
    fn next(&mut self) -> Bytes {
        let whole = state::whole(&self.desk, self.sight);
        let Value::Object(fresh) = whole else { return Bytes::new() };
        let is_new = |name: &str, value: &Value| {
            self.known.as_ref().is_none_or(|known| known.get(name) != Some(value))
        };
        let changed: Map<String, Value> = fresh
            .iter()
            .filter(|(name, value)| is_new(name, value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        self.known = Some(fresh);
        format!("data: {}\n\n", Value::Object(changed)).into()
    }
}
