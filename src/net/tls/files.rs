//! Whether the files of certificates and keys are still those that were read.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::TlsSettings;

/// The most files of a folder that are looked at.
const FOLDER_FILES_MAX: usize = 1024;

/// What the system says of each file, in the order of their names; links are followed, as secrets of Kubernetes change by
/// a link alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, Option<Stamp>)>);

/// Device, inode, length, and the time of the last change in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl Stamps {
    /// Looks at the files that the settings name. Cost: a system call for each.
    pub fn take(tls: &TlsSettings) -> Stamps {
        let named = [&tls.cert_file, &tls.key_file, &tls.ca_cert_file];
        let mut stamps: Vec<_> = named.into_iter().flatten().map(|path| stamp(path)).collect();
        if let Some(entries) = tls.ca_cert_dir.as_ref().and_then(|folder| fs::read_dir(folder).ok()) {
            stamps.extend(entries.take(FOLDER_FILES_MAX).flatten().map(|entry| stamp(&entry.path())));
        }
        stamps.sort_unstable();
        Stamps(stamps)
    }
}

fn stamp(path: &Path) -> (PathBuf, Option<Stamp>) {
    let found = fs::metadata(path).ok();
    let stamp = found.map(|found| (found.dev(), found.ino(), found.len(), found.ctime(), found.ctime_nsec()));
    (path.to_owned(), stamp)
}
