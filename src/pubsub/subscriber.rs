//! A subscriber, as far as messages to it go.

use std::sync::Arc;

use crate::parking::PostBox;

/// A connection as far as messages to it go.
#[derive(Clone, Debug)]
pub struct Subscriber {
    pub client: u64,
    pub post_box: Arc<PostBox>,
}
