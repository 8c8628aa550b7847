//! The users of a running server: seen by each connection when it begins a batch, replaced by ACL SETUSER and its kin.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::acl::log::Log;
use crate::acl::{self, DEFAULT, Rulebook, SetUserError, User, Users, file};
use crate::config::{self, PubsubDefault, Settings};
use crate::table::Table;

/// The users, and what it takes to change them.
#[derive(Debug)]
pub struct LiveUsers {
    now: ArcSwap<Users>,
    /// Grows with each change.
    version: AtomicU64,
    /// Held from reading the users to storing the changed ones, so that no change is lost.
    change: Mutex<()>,
    /// What was refused lately.
    pub log: Mutex<Log>,
}

impl LiveUsers {
    #[must_use]
    pub fn new(users: Users) -> LiveUsers {
        LiveUsers {
            now: ArcSwap::from_pointee(users),
            version: AtomicU64::new(0),
            change: Mutex::default(),
            log: Mutex::default(),
        }
    }

    /// The users of now, for a look.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Users>> {
        self.now.load()
    }

    /// How often they were changed. Cost: a load of a cache line that is written when that happens.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Relaxed)
    }

    /// Replaces the users by what `change` makes of them; nothing changes where that fails.
    pub fn change<E>(&self, change: impl FnOnce(&Users) -> Result<Users, E>) -> Result<(), E> {
        let _change = self.change.lock();
        let changed = change(&self.now.load())?;
        self.now.store(Arc::new(changed));
        self.version.fetch_add(1, Relaxed);
        Ok(())
    }
}

/// What rules are read with under these settings.
#[must_use]
pub fn rulebook<'t>(settings: &Settings, table: &'t Table) -> Rulebook<'t> {
    Rulebook { table, allows_channels: settings.acl_pubsub_default == PubsubDefault::AllChannels }
}

/// The users at a start: those of the file, or of the configuration. An error is one line that names the fault.
pub fn users_at_start(settings: &Settings, table: &Table) -> Result<Users, String> {
    if settings.aclfile.is_none() {
        return users_of_lines(settings, table);
    }
    if !settings.lines.users.is_empty() {
        return Err(
            "users stand in the configuration (user) and in a file (aclfile): decide for one of them"
                .to_owned(),
        );
    }
    let users = users_of_file(settings, table).map_err(|text| String::from_utf8_lossy(&text).into_owned())?;
    Ok(users)
}

/// The users of the file (`aclfile`), or all of its faults.
pub fn users_of_file(settings: &Settings, table: &Table) -> Result<Users, Vec<u8>> {
    let path = settings.aclfile.as_deref().unwrap_or(Path::new(""));
    let name = path.to_string_lossy();
    let text = config::read_bounded_file(path)
        .map_err(|error| format!("Error loading ACLs, opening file '{name}': {error}").into_bytes())?;
    file::read(rulebook(settings, table), &name, &text).map_err(|errors| errors.text())
}

/// The users of the configuration: what is said of the default one counts more than `requirepass`.
fn users_of_lines(settings: &Settings, table: &Table) -> Result<Users, String> {
    let book = rulebook(settings, table);
    let mut users = with_password(&Users::new(book), book, settings.requirepass.as_deref());
    let mut seen: Vec<&[u8]> = Vec::new();
    for words in &settings.lines.users {
        let Some((name, rules)) = words.split_first() else { continue };
        let shown = String::from_utf8_lossy(name);
        if seen.contains(&name.as_slice()) {
            return Err(format!(
                "user {shown}: Duplicate user found. A user can only be defined once in config files"
            ));
        }
        seen.push(name);
        let rules: Vec<&[u8]> = rules.iter().map(Vec::as_slice).collect();
        let made = acl::made(book, None, name, &rules).and_then(|user| users.with_user(user));
        users = made.map_err(|error| format!("user {shown}: {}", without_password(&error)))?;
    }
    Ok(users)
}

/// What is wrong with a line, for the log.
fn without_password(error: &SetUserError) -> String {
    match error {
        SetUserError::Rule { rule, error } if rule.starts_with(b">") || rule.starts_with(b"<") => {
            error.to_string()
        }
        error => String::from_utf8_lossy(&error.text()).into_owned(),
    }
}

/// These users, whose default one comes in by this password alone, or without any.
#[must_use]
pub fn with_password(users: &Users, book: Rulebook<'_>, password: Option<&[u8]>) -> Users {
    let rule = password.map_or_else(|| b"nopass".to_vec(), |password| [b">", password].concat());
    // Neither rule can be refused.
    users.with(book, DEFAULT, &[b"resetpass", &rule]).unwrap_or_else(|_| users.clone())
}

/// The lines that a configuration file needs for these users: none where they stand in a file of their own, and none for a
/// default user who is as `requirepass` alone makes him.
#[must_use]
pub fn user_lines(settings: &Settings, table: &Table, users: &Users) -> Vec<Vec<u8>> {
    if settings.aclfile.is_some() {
        return Vec::new();
    }
    let book = rulebook(settings, table);
    let plain = with_password(&Users::new(book), book, settings.requirepass.as_deref());
    let is_needed = |user: &&Arc<User>| ***user != **plain.default_user();
    users.iter().filter(is_needed).map(|user| file::line(user)).collect()
}
