//! What is printed for a system: the annotated configuration, the manual page, completions; and files that are checked.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use onefill::config::{
    Launch, SETTINGS, Setting, Settings, Shell, Topic, completion, config_file, launch_from, man_page,
};

use crate::docs::is_up_to_date;

/// Settings that somebody may want to change.
fn offered() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.topic != Topic::Absent && !setting.is_old_name())
}

fn launched(args: &[&str], input: &str) -> Result<Launch, String> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    launch_from(&args, &mut input.as_bytes()).map_err(|error| error.to_string())
}

#[test]
fn printed_configuration_is_the_committed_one_and_changes_nothing() {
    let text = config_file();
    is_up_to_date("contrib/onefill.conf", &text);
    assert!(text.lines().count() <= 300 && text.lines().all(|line| line.len() <= 120), "for people to read");
    let uncommented: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.starts_with(' '))
        .collect();
    let names: Vec<&str> = uncommented.iter().filter_map(|line| line.split(' ').next()).collect();
    let mut expected: Vec<&str> = offered().map(|setting| setting.name).collect();
    expected.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, expected);
    for line in &uncommented {
        match launched(&["-"], line) {
            Ok(Launch::Serve(loaded)) => assert!(loaded.settings == Settings::default(), "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn manual_page_names_every_setting_and_holds_no_stray_macro() {
    let page = man_page();
    for setting in offered() {
        let name = setting.name.replace('-', "\\-");
        assert!(page.contains(&format!("\\fB\\-\\-{name}\\fR")), "{name}");
    }
    let macros = [".TH", ".SH", ".SS", ".TP", ".B", ".BR", ".PP"];
    for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
        assert!(macros.contains(&line.split(' ').next().unwrap_or("")), "{line}");
    }
}

/// Bash itself says what it would complete.
#[test]
fn bash_completes_settings_and_their_words() {
    let script = completion(Shell::Bash);
    let complete = |words: &[&str]| -> Vec<String> {
        let ask = format!(
            "{script}\nCOMP_WORDS=({}); COMP_CWORD={}; _onefill; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "),
            words.len() - 1
        );
        let mut bash =
            Command::new("bash").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("bash runs");
        bash.stdin.take().expect("piped").write_all(ask.as_bytes()).expect("it reads");
        let output = bash.wait_with_output().expect("it ends");
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    };
    assert_eq!(complete(&["onefill", "--logl"]), ["--loglevel"]);
    assert_eq!(complete(&["onefill", "--loglevel", "v"]), ["verbose"]);
    assert_eq!(complete(&["onefill", "--print-completion", ""]), ["bash", "zsh", "fish"]);
    assert!(complete(&["onefill", "--port", ""]).concat().is_empty());
    let all = complete(&["onefill", "--"]);
    assert!(offered().all(|setting| all.contains(&format!("--{}", setting.name))));
}

#[test]
fn other_shells_are_offered_the_same() {
    let (zsh, fish) = (completion(Shell::Zsh), completion(Shell::Fish));
    for setting in offered() {
        assert!(zsh.contains(&format!("'--{}[", setting.name)), "{}", setting.name);
        assert!(fish.contains(&format!(" -l {} ", setting.name)), "{}", setting.name);
    }
    // A quote in a text would end it.
    assert!(zsh.lines().skip(3).all(|line| line.matches('\'').count() == 2), "{zsh}");
    assert!(fish.lines().all(|line| line.matches('\'').count() % 2 == 0));
}

#[test]
fn errands_take_what_they_take() {
    for (args, expected) in [
        (&["--print-config"][..], "---- Memory ----"),
        (&["--print-man"], ".TH ONEFILL 1"),
        (&["--print-completion", "fish"], "complete -c onefill"),
    ] {
        assert!(matches!(launched(args, ""), Ok(Launch::Print(text)) if text.contains(expected)), "{args:?}");
    }
    assert!(matches!(launched(&["--check", "a:1"], ""), Ok(Launch::Check(address)) if address == "a:1"));
    for args in
        [&["--print-config", "x"][..], &["--print-completion"], &["--print-completion", "csh"], &["--check"]]
    {
        assert!(launched(args, "").unwrap_err().starts_with(args[0]), "{args:?}");
    }
}

#[test]
fn checked_configuration_tells_all_that_is_wrong_with_it() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("checked.conf");
    let check = |text: &str| {
        fs::write(&path, text).expect("a file");
        launched(&["--check-config", path.to_str().expect("UTF-8")], "")
    };
    let errors =
        check("port 7000\nmaxmemory lots\nnonsense 1\nrequirepass \"open\nappendonly yes\n").unwrap_err();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 4, "{errors}");
    for (number, what) in [(2, "maxmemory"), (3, "nonsense"), (4, "requirepass"), (5, "appendonly")] {
        assert!(lines.iter().any(|line| line.contains(&format!(":{number}: '{what}"))), "{errors}");
    }
    assert!(!errors.contains("open"), "a password stays out of logs: {errors}");
    assert!(matches!(check("port 7000\ndaemonize yes\n"), Ok(Launch::Print(text))
        if text.contains("daemonize") && text.ends_with("the configuration is fine\n")));
    assert!(launched(&["--check-config", "/nowhere.conf"], "").unwrap_err().contains("/nowhere.conf"));
}

#[test]
fn memory_is_also_a_share_of_what_there_is() {
    let settings = |line: &str| match launched(&["-"], line) {
        Ok(Launch::Serve(loaded)) => Ok(loaded.settings.maxmemory_bytes),
        Ok(_) => unreachable!("it would serve"),
        Err(error) => Err(error),
    };
    let allowed = onefill::base::memory::allowed_bytes();
    assert!(allowed > 0);
    assert_eq!(settings("maxmemory 75%"), Ok((u128::from(allowed) * 75 / 100) as u64));
    assert_eq!(settings("maxmemory 0%"), Ok(0));
    for wrong in ["101%", "-1%", "%", "75 %", "7.5%"] {
        assert!(settings(&format!("maxmemory {wrong}")).is_err(), "{wrong}");
    }
    assert!(settings("script-memory-limit 50%").is_err(), "a share of what?");
}
