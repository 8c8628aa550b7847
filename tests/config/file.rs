//! Command lines and configuration files: syntax, order, includes, and errors that name the place.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use onefill::config::{
    EvictionPolicy, INCLUDE_DEPTH_MAX, Launch, Loaded, LogLevel, MEANINGLESS, Settings, launch_from, quote,
    split_args,
};
use proptest::prelude::*;

/// A folder of its own for a test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("onefill-config-file-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Writes a file; `@` in its text stands for the folder.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text.replace('@', self.0.to_str().unwrap())).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn try_load(args: &[&str], stdin: &str) -> Result<Loaded, String> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    match launch_from(&args, &mut stdin.as_bytes()) {
        Ok(Launch::Serve(loaded)) => Ok(*loaded),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[track_caller]
fn load(args: &[&str]) -> Loaded {
    try_load(args, "").unwrap()
}

/// The settings of a text given on standard input.
fn load_text(text: &str) -> Result<Loaded, String> {
    try_load(&["-"], text)
}

#[test]
fn empty_command_line_serves_with_defaults() {
    let loaded = load(&[]);
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.file, None);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn file_then_standard_input_then_flags_the_last_one_wins() {
    let folder = Folder::new();
    let file = folder.file("a.conf", "# comment\n\n  PORT 7001 \r\ntimeout 5\ntimeout 6\nmaxclients 7\n");
    let loaded = try_load(&[&file, "--maxclients", "9", "-"], "maxclients 8\ntcp-backlog 3\n").unwrap();
    assert_eq!(loaded.settings.port, 7001);
    assert_eq!(loaded.settings.timeout_s, 6);
    assert_eq!(loaded.settings.tcp_backlog, 3);
    assert_eq!(loaded.settings.maxclients, 9);
    assert_eq!(loaded.file.as_deref(), Some(Path::new(&file)));
}

#[test]
fn relative_file_is_remembered_by_its_absolute_path() {
    // Cargo runs tests in the package's folder, where a file of this name always is.
    let error = try_load(&["Cargo.toml"], "").unwrap_err();
    assert!(error.starts_with("Cargo.toml:1: '[package]'"), "{error}");
    let loaded = load(&["/dev/null"]);
    assert_eq!(loaded.file.as_deref(), Some(Path::new("/dev/null")));
}

#[test]
fn flags_take_everything_up_to_the_next_one() {
    let loaded = load(&["--bind", "127.0.0.1", "::1", "--Port", "0", "--loglevel", "verbose", "--save", ""]);
    assert_eq!(loaded.settings.bind, ["127.0.0.1", "::1"]);
    assert_eq!(loaded.settings.port, 0);
    assert_eq!(loaded.settings.loglevel, LogLevel::Verbose);
    let limits =
        load(&["--client-output-buffer-limit", "normal", "1", "2", "3", "pubsub", "4", "5", "6"]).settings;
    assert_eq!((limits.output_limits[0].hard_bytes, limits.output_limits[2].soft_seconds), (1, 6));
    assert_eq!(limits.output_limits[1], Settings::default().output_limits[1]);
}

#[test]
fn flag_and_value_in_one_argument_are_a_line() {
    let loaded = load(&["--port 7000", "--bind 127.0.0.1 ::1", "--requirepass 'a b'", "--maxclients", "5"]);
    assert_eq!(loaded.settings.port, 7000);
    assert_eq!(loaded.settings.bind.len(), 2);
    assert_eq!(loaded.settings.requirepass.as_deref(), Some(b"a b".as_slice()));
    assert_eq!(loaded.settings.maxclients, 5);
}

#[test]
fn flag_takes_its_first_value_even_if_it_looks_like_a_flag() {
    let loaded = load(&["--requirepass", "--secret", "--port", "7000"]);
    assert_eq!(loaded.settings.requirepass.as_deref(), Some(b"--secret".as_slice()));
    assert_eq!(loaded.settings.port, 7000);
}

#[test]
fn save_flag_without_a_value_is_off() {
    assert_eq!(load(&["--save", "--port", "7000"]).settings.port, 7000);
    assert_eq!(load(&["--port", "7000", "--save"]).settings.port, 7000);
}

#[test]
fn help_and_version_are_found_anywhere() {
    for args in [&["--help"][..], &["-h"], &["x.conf", "--help"], &["--port", "1", "--help"]] {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        assert!(
            matches!(launch_from(&args, &mut std::io::empty()), Ok(Launch::Print(text)) if text.contains("Usage"))
        );
    }
    for args in [&["--version"][..], &["-v"], &["--port", "1", "--version"]] {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        assert!(matches!(launch_from(&args, &mut std::io::empty()), Ok(Launch::Print(_))));
    }
}

#[test]
fn errors_name_the_place_and_the_text() {
    let folder = Folder::new();
    let file = folder.file("a.conf", "port 1\n\nport abc\n");
    let cases: [(&[&str], String); 9] = [
        (&[&file], format!("{file}:3: 'port abc': argument couldn't be parsed into an integer")),
        (
            &["--port", "70000"],
            "command line: 'port 70000': argument must be between 0 and 65535 inclusive".into(),
        ),
        (&["--port"], "command line: 'port': wrong number of arguments".into()),
        (&["--port", "1", "2"], "command line: 'port 1 2': wrong number of arguments".into()),
        (&["--nosuch", "1"], "command line: 'nosuch 1': there is no such setting; see --help".into()),
        (
            &["-p", "1"],
            "command line: '-p 1': a setting is written as --name value, such as --port 7000; see --help"
                .into(),
        ),
        (
            &["--port", "a\nb\u{1b}"],
            r#"command line: 'port "a\nb\x1b"': argument couldn't be parsed into an integer"#.into(),
        ),
        (&["--loadmodule", "x.so"], "command line: 'loadmodule x.so': modules can't be loaded".into()),
        (&["--user"], "command line: 'user': wrong number of arguments".into()),
    ];
    for (args, error) in cases {
        assert_eq!(try_load(args, "").unwrap_err(), error);
    }
    let unbalanced = load_text("port 1\nrequirepass \"x\n").unwrap_err();
    assert_eq!(unbalanced, "standard input:2: 'requirepass': Unbalanced quotes in configuration line");
    let unbalanced = load_text("logfile \"x\n").unwrap_err();
    assert_eq!(unbalanced, "standard input:1: 'logfile \"x': Unbalanced quotes in configuration line");
}

#[test]
fn errors_about_a_password_do_not_show_it() {
    let error = try_load(&["--requirepass", "sesame", "open"], "").unwrap_err();
    assert_eq!(error, "command line: 'requirepass': wrong number of arguments");
}

#[test]
fn unreadable_file_is_an_error_that_names_it() {
    let folder = Folder::new();
    let missing = folder.0.join("missing.conf");
    let error = try_load(&[missing.to_str().unwrap()], "").unwrap_err();
    assert!(
        error.starts_with(&format!("can't read the configuration file '{}'", missing.display())),
        "{error}"
    );
    assert!(try_load(&[folder.0.to_str().unwrap()], "").is_err(), "a folder is no file");
    assert!(try_load(&["/dev/zero"], "").unwrap_err().contains("more than"), "an endless file is bounded");
}

#[test]
fn directive_without_meaning_gives_one_line_that_names_it() {
    let loaded = load_text("hz 10\ndbfilename a\nhz 20\nport 7\nrdbchecksum yes\n").unwrap();
    assert_eq!(loaded.settings.port, 7);
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert!(loaded.warnings.iter().all(|warning| warning.starts_with("standard input: no effect here (")));
    assert!(loaded.warnings.iter().any(|warning| warning.ends_with("): hz")));
    assert!(loaded.warnings.iter().any(|warning| warning.ends_with("): dbfilename, rdbchecksum")));
    for (name, _) in MEANINGLESS {
        let loaded = load(&[&format!("--{name}"), "1"]);
        assert_eq!((loaded.settings, loaded.warnings.len()), (Settings::default(), 1), "{name}");
    }
}

#[test]
fn persistence_is_accepted_only_as_off() {
    for off in ["save \"\"\nappendonly no", "save ''", "save", "appendonly NO"] {
        assert_eq!(load_text(off).unwrap().warnings, [""; 0], "{off}");
    }
    let on = "nothing is kept on disk: only";
    let error = load_text("\n\nappendonly yes").unwrap_err();
    assert!(error.starts_with("standard input:3: ") && error.contains(on), "{error}");
    for flags in [["--save", "900 1"], ["--appendonly", "yes"]] {
        let error = try_load(&flags, "").unwrap_err();
        assert!(error.contains(on), "{error}");
    }
    let error = load_text("save 900").unwrap_err();
    assert_eq!(error, "standard input:1: 'save 900': Invalid save parameters");
}

#[test]
fn save_points_in_a_file_are_a_warning() {
    for text in ["save 900 1", "port 1\nsave \"900 1 300 10\""] {
        let loaded = load_text(text).unwrap();
        assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
        assert!(loaded.warnings[0].ends_with("): save"), "{}", loaded.warnings[0]);
    }
}

#[test]
fn persistence_asked_for_and_taken_back_later_is_off() {
    let folder = Folder::new();
    let file = folder.file("a.conf", "save 300 10\nappendonly yes\n");
    assert!(try_load(&[&file], "").unwrap_err().contains("appendonly"));
    let loaded = load(&[&file, "--appendonly", "no"]);
    assert_eq!(loaded.settings, Settings::default());
}

#[test]
fn keyspace_events_in_a_file_are_read() {
    let loaded = load_text("notify-keyspace-events KEA\n").unwrap();
    assert_eq!((loaded.settings.notify_events.to_string().as_str(), loaded.warnings.len()), ("AKE", 0));
    assert!(load_text("notify-keyspace-events bogus?\n").is_err());
    assert_eq!(load_text("notify-keyspace-events \"\"\n").unwrap().settings, Settings::default());
}

#[test]
fn list_in_one_argument_is_split() {
    let settings = load_text("bind \"127.0.0.1   ::1\"\nclient-output-buffer-limit 'pubsub 1mb 1k 5'\n")
        .unwrap()
        .settings;
    assert_eq!(settings.bind, ["127.0.0.1", "::1"]);
    assert_eq!((settings.output_limits[2].hard_bytes, settings.output_limits[2].soft_bytes), (1 << 20, 1000));
    assert_eq!(load_text("bind \"\"\n").unwrap().settings.bind, [""; 0]);
}

#[test]
fn include_reads_in_place_and_globs_in_order() {
    let folder = Folder::new();
    folder.file("conf.d/20.conf", "port 20\nmaxclients 20\n");
    folder.file("conf.d/10.conf", "port 10\nmaxmemory-policy allkeys-lru\n");
    folder.file("conf.d/.hidden.conf", "port abc\n");
    folder.file("one.conf", "timeout 1\n");
    let file = folder.file(
        "main.conf",
        "timeout 9\ninclude @/one.conf\ninclude @/con?.d/*.conf\ninclude @/none*.conf\nmaxclients 30\n",
    );
    let settings = load(&[&file]).settings;
    assert_eq!((settings.port, settings.timeout_s, settings.maxclients), (20, 1, 30));
    assert_eq!(settings.maxmemory_policy, EvictionPolicy::AllkeysLru);
}

#[test]
fn include_errors_name_the_included_file() {
    let folder = Folder::new();
    let bad = folder.file("bad.conf", "\nport x\n");
    let error = try_load(&["--include", &bad], "").unwrap_err();
    assert!(error.starts_with(&format!("{bad}:2: 'port x'")), "{error}");
    let missing = folder.file("main.conf", "include @/missing.conf\n");
    assert!(try_load(&[&missing], "").unwrap_err().contains("missing.conf"));
}

#[test]
fn include_chain_of_the_greatest_depth_loads_and_one_more_is_refused() {
    let folder = Folder::new();
    for depth in 1..=INCLUDE_DEPTH_MAX {
        folder.file(&format!("{depth}.conf"), &format!("include @/{}.conf\n", depth + 1));
    }
    folder.file(&format!("{}.conf", INCLUDE_DEPTH_MAX + 1), "port 17\n");
    let path = |depth: usize| folder.0.join(format!("{depth}.conf")).to_str().unwrap().to_owned();
    assert_eq!(load(&[&path(2)]).settings.port, 17);
    let error = try_load(&[&path(1)], "").unwrap_err();
    assert!(error.starts_with(&path(INCLUDE_DEPTH_MAX)) && error.contains("nested too deep"), "{error}");
}

#[test]
fn include_cycles_end_with_an_error() {
    let folder = Folder::new();
    let own = folder.file("own.conf", "include @/own.conf\n");
    assert!(try_load(&[&own], "").unwrap_err().ends_with("include is nested too deep: is there a cycle?"));
    // Two includes per level: the number of files is bounded too, not only the depth.
    for depth in 0..INCLUDE_DEPTH_MAX {
        let next = format!("include @/{}.tree\n", depth + 1);
        folder.file(&format!("{depth}.tree"), &next.repeat(2));
    }
    folder.file(&format!("{}.tree", INCLUDE_DEPTH_MAX - 1), "port 1\n");
    let tree = folder.0.join("0.tree");
    assert!(try_load(&[tree.to_str().unwrap()], "").unwrap_err().ends_with("too many included files"));
}

proptest! {
    #[test]
    fn argument_quoted_and_split_comes_back(args in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)) {
        let line = args.iter().map(|arg| quote(arg)).collect::<Vec<_>>().join(&b' ');
        prop_assert_eq!(split_args(&line), Some(args));
    }

    #[test]
    fn password_in_a_file_or_flag_is_taken_byte_for_byte(password in prop::collection::vec(any::<u8>(), 1..20)) {
        let line = [b"requirepass ".as_slice(), &quote(&password)].concat();
        let from_file = launch_from(&["-".into()], &mut line.as_slice()).unwrap();
        let flags = ["--requirepass".into(), OsString::from_vec(password.clone())];
        // A lone `-` at the end is standard input.
        let from_flag = launch_from(&flags, &mut line.as_slice());
        for launched in [Ok(from_file), from_flag] {
            if let Ok(Launch::Serve(loaded)) = launched {
                prop_assert_eq!(loaded.settings.requirepass, Some(password.clone()));
            } else {
                prop_assert_eq!(password.as_slice(), b"-");
            }
        }
    }

    #[test]
    fn any_bytes_load_or_fail_without_a_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = launch_from(&["-".into()], &mut text.as_slice());
    }

    #[test]
    fn line_splits_the_same_whatever_blanks_surround_it(line in "[ a-z\"'\\\\]{0,20}") {
        let padded = format!(" \t{line} \t");
        // A closing quote may end at the line's end; a backslash there would escape the padding.
        if !line.ends_with('\\') {
            prop_assert_eq!(split_args(padded.as_bytes()), split_args(line.as_bytes()));
        }
    }
}
