//! The set of libraries: one snapshot that readers take without waiting, and that every change replaces as a whole.
//!
//! Names of functions are known once in the server, in any case of their letters; names of libraries keep theirs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::library::Library;
use crate::base::limits::{FUNCTIONS_MAX, LIBRARIES_BYTES_MAX};
use crate::script::state::Machines;

/// The libraries of a server.
#[derive(Debug, Default)]
pub struct Functions {
    current: ArcSwap<Libraries>,
    /// Held by who changes the set, for as long as it takes to copy it.
    changing: Mutex<()>,
    pub machines: Machines,
}

/// What RESTORE does with libraries that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// All of them go.
    Flush,
    /// One of the same name is an error.
    Append,
    /// One of the same name goes.
    Replace,
}

/// All libraries at a time.
#[derive(Clone, Debug, Default)]
pub struct Libraries {
    /// Grows with each change.
    epoch: u64,
    by_name: BTreeMap<String, Arc<Library>>,
    /// By the name in small letters: the library, and the function's place in it.
    by_function: HashMap<String, (Arc<Library>, usize)>,
    held_bytes: usize,
}

impl Functions {
    /// The set as it is now. Cost: a reference more, no waiting.
    #[must_use]
    pub fn current(&self) -> Arc<Libraries> {
        self.current.load_full()
    }

    /// FUNCTION LOAD: adds a library; `is_replacing`: instead of one of the same name.
    ///
    /// # Errors
    /// Where one of its names is taken or a limit is reached, in Redis's words without a code; then nothing has changed.
    pub fn load(&self, library: Library, is_replacing: bool) -> Result<(), String> {
        self.change(|libraries| {
            if is_replacing {
                libraries.remove(&library.name);
            }
            libraries.add(library)
        })
    }

    /// FUNCTION RESTORE: adds libraries, all or none.
    ///
    /// # Errors
    /// As `load`.
    pub fn restore(&self, incoming: Libraries, policy: Policy) -> Result<(), String> {
        self.change(|libraries| {
            for name in incoming.by_name.keys().filter(|_| policy != Policy::Flush) {
                if policy == Policy::Append && libraries.by_name.contains_key(name) {
                    return Err(format!("Library {name} already exists"));
                }
                libraries.remove(name);
            }
            if policy == Policy::Flush {
                libraries.clear();
            }
            incoming.by_name.into_values().try_for_each(|library| libraries.add(library))
        })
    }

    /// FUNCTION DELETE; false where there is no such library.
    pub fn delete(&self, name: &[u8]) -> bool {
        let deleted = self.change(|libraries| {
            let name = std::str::from_utf8(name).map_err(|_| String::new())?;
            libraries.remove(name).map(drop).ok_or_else(String::new)
        });
        deleted.is_ok()
    }

    /// FUNCTION FLUSH.
    pub fn flush(&self) {
        let flushed = self.change(|libraries| {
            libraries.clear();
            Ok(())
        });
        debug_assert_eq!(flushed, Ok(()), "nothing can be wrong with it");
    }

    /// Changes a copy and makes it the set, unless something is wrong.
    fn change(&self, change: impl FnOnce(&mut Libraries) -> Result<(), String>) -> Result<(), String> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut libraries = Libraries::clone(&self.current.load());
        change(&mut libraries)?;
        libraries.epoch += 1;
        self.current.store(Arc::new(libraries));
        Ok(())
    }
}

impl Libraries {
    /// A number that grows with each change.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The library of a function, and the function's place in it.
    #[must_use]
    pub fn find(&self, function: &[u8]) -> Option<(&Arc<Library>, usize)> {
        let name = std::str::from_utf8(function).ok()?.to_ascii_lowercase();
        self.by_function.get(&name).map(|(library, at)| (library, *at))
    }

    /// All, by their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Library>> {
        self.by_name.get(name)
    }

    /// Functions of all libraries.
    #[must_use]
    pub fn functions(&self) -> usize {
        self.by_function.len()
    }

    /// What they take, bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Adds a library.
    ///
    /// # Errors
    /// Where one of its names is taken or a limit is reached, in Redis's words without a code; then the set is of no use.
    pub fn add(&mut self, library: impl Into<Arc<Library>>) -> Result<(), String> {
        let library = library.into();
        if self.by_name.contains_key(&library.name) {
            return Err(format!("Library '{}' already exists", library.name));
        }
        if self.by_function.len() + library.functions.len() > FUNCTIONS_MAX {
            return Err("there are too many functions".to_owned());
        }
        // With what they say of their functions: a short text may make long descriptions.
        if self.held_bytes + library.held_bytes() > LIBRARIES_BYTES_MAX {
            return Err("the libraries are too large".to_owned());
        }
        for (at, function) in library.functions.iter().enumerate() {
            let place = (library.clone(), at);
            if self.by_function.insert(function.name.to_ascii_lowercase(), place).is_some() {
                return Err(format!("Function {} already exists", function.name));
            }
        }
        self.held_bytes += library.held_bytes();
        self.by_name.insert(library.name.clone(), library);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Option<Arc<Library>> {
        let library = self.by_name.remove(name)?;
        for function in &library.functions {
            self.by_function.remove(&function.name.to_ascii_lowercase());
        }
        self.held_bytes -= library.held_bytes();
        Some(library)
    }

    fn clear(&mut self) {
        *self = Libraries { epoch: self.epoch, ..Libraries::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::super::flags::FunctionFlags;
    use super::super::library::Function;
    use super::*;
    use crate::script::proof::Proved;

    fn library(name: &str, functions: &[&str]) -> Library {
        let function = |name: &&str| Function {
            name: (*name).to_owned(),
            description: None,
            flags: FunctionFlags::default(),
        };
        let text = format!("#!lua name={name}\n").into_bytes().into();
        Library {
            name: name.to_owned(),
            text,
            functions: functions.iter().map(function).collect(),
            proved: Proved::default(),
        }
    }

    fn with(libraries: &[(&str, &[&str])]) -> Functions {
        let set = Functions::default();
        libraries.iter().for_each(|(name, functions)| set.load(library(name, functions), false).unwrap());
        set
    }

    /// Names of the libraries with those of their functions.
    fn shown(set: &Functions) -> String {
        let of = |library: &Arc<Library>| {
            let names: Vec<&str> = library.functions.iter().map(|function| function.name.as_str()).collect();
            format!("{}:{}", library.name, names.join(","))
        };
        set.current().iter().map(of).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn functions_are_found_in_any_case_and_libraries_in_their_own() {
        let set = with(&[("a", &["f", "g"]), ("A", &["h"])]);
        let now = set.current();
        let (found, at) = now.find(b"G").expect("it is there");
        assert_eq!((found.name.as_str(), at), ("a", 1));
        assert!(now.find(b"nosuch").is_none() && now.find(b"\xff").is_none());
        assert_eq!(set.current().functions(), 3);
        assert!(set.delete(b"A") && !set.delete(b"A") && !set.delete(b"\xff"));
        assert!(set.current().find(b"h").is_none());
        assert_eq!(shown(&set), "a:f,g");
    }

    #[test]
    fn taken_names_are_told_and_change_nothing() {
        let set = with(&[("a", &["f"]), ("b", &["g"])]);
        let epoch = set.current().epoch();
        let told = |text: &str| Err(text.to_owned());
        assert_eq!(set.load(library("a", &["x"]), false), told("Library 'a' already exists"));
        assert_eq!(set.load(library("c", &["x", "F"]), false), told("Function F already exists"));
        assert_eq!(set.load(library("a", &["x", "g"]), true), told("Function g already exists"));
        assert_eq!((shown(&set).as_str(), set.current().epoch()), ("a:f b:g", epoch));
        assert!(set.current().find(b"x").is_none());
        assert_eq!(set.load(library("a", &["x"]), true), Ok(()));
        assert_eq!((shown(&set).as_str(), set.current().epoch()), ("a:x b:g", epoch + 1));
        assert!(set.current().find(b"f").is_none());
    }

    #[test]
    fn restore_is_all_or_nothing_under_each_policy() {
        let set = with(&[("a", &["f"]), ("b", &["g"])]);
        let told = |text: &str| Err(text.to_owned());
        let restore = |policy, libraries: &[(&str, &[&str])]| {
            let mut incoming = Libraries::default();
            libraries.iter().try_for_each(|(name, functions)| incoming.add(library(name, functions)))?;
            set.restore(incoming, policy)
        };
        assert_eq!(
            restore(Policy::Append, &[("c", &["h"]), ("a", &["i"])]),
            told("Library a already exists")
        );
        assert_eq!(
            restore(Policy::Append, &[("c", &["h"]), ("d", &["g"])]),
            told("Function g already exists")
        );
        assert_eq!(restore(Policy::Replace, &[("a", &["g"])]), told("Function g already exists"));
        assert_eq!(
            restore(Policy::Flush, &[("c", &["h"]), ("c", &["i"])]),
            told("Library 'c' already exists")
        );
        assert_eq!(
            restore(Policy::Flush, &[("c", &["h"]), ("d", &["H"])]),
            told("Function H already exists")
        );
        assert_eq!(shown(&set), "a:f b:g");
        assert_eq!(restore(Policy::Append, &[("c", &["h"])]), Ok(()));
        assert_eq!(restore(Policy::Replace, &[("a", &["F", "x"])]), Ok(()));
        assert_eq!(shown(&set), "a:F,x b:g c:h");
        // Names may go from one library to another.
        assert_eq!(restore(Policy::Replace, &[("a", &["g"]), ("b", &["f"])]), Ok(()));
        assert_eq!(restore(Policy::Flush, &[("z", &["f"])]), Ok(()));
        assert_eq!(shown(&set), "z:f");
    }

    #[test]
    fn what_goes_is_no_longer_counted() {
        let set = with(&[("a", &["f", "g"]), ("b", &["h"])]);
        assert!(set.current().held_bytes() > 0);
        let epoch = set.current().epoch();
        assert!(set.delete(b"a") && set.delete(b"b"));
        let left = set.current();
        assert_eq!((left.held_bytes(), left.functions(), left.iter().len()), (0, 0, 0));
        assert_eq!(left.epoch(), epoch + 2);
        set.load(library("a", &["f"]), false).unwrap();
        set.flush();
        assert_eq!((set.current().held_bytes(), set.current().functions()), (0, 0));
    }

    #[test]
    fn limits_are_those_of_all_libraries_together() {
        let names: Vec<String> = (0..FUNCTIONS_MAX).map(|at| format!("f{at}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let set = with(&[("a", &names)]);
        assert_eq!(set.load(library("b", &["x"]), false), Err("there are too many functions".to_owned()));
        assert_eq!(set.load(library("a", &["x"]), true), Ok(()));
        let long = |name: &str, len| Library { text: vec![b' '; len].into(), ..library(name, &[name]) };
        let bytes = LIBRARIES_BYTES_MAX - set.current().held_bytes() - long("b", 0).held_bytes();
        let too_large = Err("the libraries are too large".to_owned());
        assert_eq!(set.load(long("b", bytes + 1), false), too_large);
        assert_eq!(set.load(long("b", bytes), false), Ok(()));
        // What a library says of its functions counts.
        let mut talkative = library("c", &["c"]);
        talkative.functions[0].description = Some(vec![b'x'; LIBRARIES_BYTES_MAX].into());
        assert_eq!(set.load(talkative, false), too_large);
    }
}
