//! Certificates and keys out of files in PEM (RFC 7468).
//!
//! Errors are texts for people that name the file.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The largest file that is read: all the CAs of a system take a quarter of a mebibyte.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// The most files that are read of a folder.
pub const FOLDER_FILES_MAX: usize = 1024;

/// The certificates of a file, in its order: at least one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = parse_certificates(path, &read(path)?)?;
    if found.is_empty() { Err(format!("no certificate in '{}'", path.display())) } else { Ok(found) }
}

fn parse_certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("'{}' is not PEM: {error}", path.display()))
}

/// The first key of a file.
pub fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    // PKCS#8 says it in its first line, the older formats in a header.
    if [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"].iter().any(|mark| contains(&text, mark)) {
        let path = path.display();
        return Err(format!(
            "the key in '{path}' is encrypted, which is not supported; decrypt the file and protect it by its mode"
        ));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| format!("no key in '{}': {error}", path.display()))
}

/// The CAs of a file and of all files of a folder, each once.
pub fn authorities(
    file: Option<&Path>,
    folder: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let mut found = match file {
        Some(path) => certificates(path)?,
        None => Vec::new(),
    };
    if let Some(folder) = folder {
        let unreadable = |error| format!("'{}' cannot be read: {error}", folder.display());
        for entry in fs::read_dir(folder).map_err(unreadable)?.take(FOLDER_FILES_MAX) {
            let path = entry.map_err(unreadable)?.path();
            // Links too: folders of OpenSSL hold each certificate under a second name. Others' files are none of ours.
            if path.is_file() {
                found.extend(parse_certificates(&path, &read(&path)?)?);
            }
        }
    }
    found.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    found.dedup();
    Ok(found)
}

/// CAs as what clients' certificates are checked against.
pub fn store(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for der in authorities {
        store.add(der.clone()).map_err(|error| format!("a CA cannot be used: {error}"))?;
    }
    Ok(store)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text))
        .map_err(|error| format!("'{}' cannot be read: {error}", path.display()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("'{}' is larger than {FILE_BYTES_MAX} bytes", path.display()));
    }
    Ok(text)
}

fn contains(text: &[u8], mark: &[u8]) -> bool {
    text.windows(mark.len()).any(|window| window == mark)
}
