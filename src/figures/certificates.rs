//! What INFO tells of the certificates in use: set by whoever reads their files, shown with the time of now.

use parking_lot::Mutex;

/// One certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// Until when it is valid, Unix seconds.
    pub not_after_s: i64,
}

/// The certificates in use; none while there is no TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InUse {
    pub server: Option<Facts>,
    /// Of the CAs whose clients are let in, the one that ends first.
    pub authority: Option<Facts>,
}

/// Holds them for all threads.
#[derive(Debug, Default)]
pub struct Certificates(Mutex<InUse>);

impl Certificates {
    #[must_use]
    pub fn get(&self) -> InUse {
        self.0.lock().clone()
    }

    pub fn set(&self, in_use: InUse) {
        *self.0.lock() = in_use;
    }
}
