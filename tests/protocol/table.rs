//! Tests over the command table: what must hold for every row, whoever wrote it.
//!
//! Requests are generated from the rows' arguments: the smallest and the largest that the table allows. They are
//! sent to a real server, one connection each, and may fail in any way but by their grammar.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use onefill::base::clock::Clock;
use onefill::commands::groups::{GROUPS, table};
use onefill::config::Settings;
use onefill::dispatch::command::Command;
use onefill::server::Server;
use onefill::table::{Arg, ArgKind, Flag, Role, Row, Spec};

/// Not sent to the server, and why.
const NOT_SENT: &[(&str, &str)] = &[
    ("client|reply", "answers nothing"),
    ("debug", "its words are not in the table, and it is not allowed by default"),
    ("shutdown", "ends the server"),
];

/// Redis's table shows these options side by side, but they exclude each other.
const MAXIMAL_NOT_SENT: &[(&str, &str)] = &[
    ("client|list", "TYPE and ID"),
    ("hsetex", "more pairs than are counted"),
    ("restore", "IDLETIME and FREQ"),
    ("zrange", "BYLEX and WITHSCORES"),
];

fn all_rows() -> Vec<&'static Row> {
    table().all().collect()
}

/// The commands themselves, subcommands included.
fn all_commands() -> impl Iterator<Item = &'static Command> {
    let commands = GROUPS.iter().copied().flatten().copied().flatten();
    commands.flat_map(|command| std::iter::once(command).chain(command.subcommands))
}

#[test]
fn names_are_unique_and_sorted_within_their_file() {
    for file in GROUPS.iter().copied().flatten() {
        assert_sorted(file);
        file.iter().for_each(|command| assert_sorted(command.subcommands));
    }
    let mut names: Vec<_> = table().rows().iter().map(|row| row.spec.name).collect();
    names.sort_unstable();
    let doubled = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(doubled, None);
}

fn assert_sorted(commands: &[Command]) {
    let name = |command: &Command| command.spec.name;
    let unsorted = commands.windows(2).find(|pair| name(&pair[0]) >= name(&pair[1]));
    assert!(unsorted.is_none(), "{:?}", unsorted.map(|pair| (name(&pair[0]), name(&pair[1]))));
}

#[test]
fn every_row_is_found_by_its_name_in_any_case() {
    for row in table().rows() {
        let found = table().find(row.spec.name.to_uppercase().as_bytes());
        assert_eq!(found.map(|found| &found.full_name), Some(&row.full_name));
        for sub in &row.subcommands {
            let found = row.subcommand(sub.spec.name.to_uppercase().as_bytes());
            assert_eq!(found.map(|found| &found.full_name), Some(&sub.full_name));
        }
    }
}

#[test]
fn every_row_says_what_it_is() {
    for row in all_rows() {
        let Spec { name, summary, complexity, reply, .. } = row.spec;
        assert!(!name.is_empty() && name.bytes().all(|byte| !byte.is_ascii_uppercase()), "{}", row.full_name);
        for text in [summary, complexity, reply] {
            assert!(!text.trim().is_empty(), "{} lacks a text", row.full_name);
        }
        let parts: Vec<_> = row.spec.since.split('.').map(str::parse::<u32>).collect();
        assert!(
            parts.len() == 3 && parts.iter().all(Result::is_ok),
            "{} since {}",
            row.full_name,
            row.spec.since
        );
    }
}

#[test]
fn what_has_no_handler_has_subcommands_and_takes_no_words() {
    for Command { spec, subcommands, .. } in all_commands().filter(|command| command.run.is_none()) {
        assert!(spec.args.is_empty() && !subcommands.is_empty(), "{}", spec.name);
    }
}

#[test]
fn quick_commands_on_keys_are_those_whose_words_say_so() {
    let is_said = |row: &Row| row.spec.has(Flag::Fast) || row.spec.complexity == "O(1)";
    // Of the others nobody cares.
    let rows = all_rows().into_iter().filter(|row| row.first_key > 0);
    let wrong: Vec<&str> =
        rows.filter(|row| row.is_quick != is_said(row)).map(|row| row.full_name.as_str()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What dispatch treats specially, beside what Redis says of these commands.
#[test]
fn roles_are_those_of_redis() {
    let with = |is_meant: fn(Role) -> bool| -> Vec<&str> {
        let mut names: Vec<&str> =
            table().rows().iter().filter(|row| is_meant(row.role)).map(|row| row.spec.name).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(with(Role::runs_while_queueing), ["discard", "exec", "multi", "quit", "reset", "watch"]);
    assert_eq!(with(Role::discards), ["discard", "quit", "reset"]);
    let listening = "ping psubscribe punsubscribe quit reset ssubscribe subscribe sunsubscribe unsubscribe";
    assert_eq!(with(Role::runs_while_listening).join(" "), listening);
    assert_eq!(with(Role::answers_leases), ["fill.mput", "fill.none", "fill.pass", "fill.put"]);
    // A token stands behind each key.
    for row in table().rows().iter().filter(|row| row.role.answers_leases()) {
        let arguments = row.spec.args.iter().flat_map(|arg| match arg.kind {
            ArgKind::Block(parts) => parts,
            _ => std::slice::from_ref(arg),
        });
        let names: Vec<&str> = arguments.map(|arg| arg.name).collect();
        let key = names.iter().position(|name| *name == "key").expect("it has a key");
        assert_eq!(names[key + 1], "token", "{}", row.full_name);
    }
    let client = table().find(b"client").expect("a command");
    assert!(client.subcommands.iter().all(|sub| sub.role == Role::Client));
}

#[test]
fn generated_requests_fit_the_arity_and_one_word_less_does_not() {
    for row in
        all_rows().into_iter().filter(|row| row.subcommands.is_empty() && row.spec.arity_fixed.is_none())
    {
        let least = request(row, Extent::Minimal).len();
        assert!(row.admits_words(least), "{} with {least} words", row.full_name);
        assert!(!row.admits_words(least - 1), "{} with {} words", row.full_name, least - 1);
        for choice in 0..choices(row.spec.args) {
            let words = request(row, Extent::Maximal { choice });
            assert!(row.admits_words(words.len()), "{words:?}");
        }
    }
}

#[test]
fn keys_of_generated_requests_stand_where_the_table_says() {
    for row in all_rows() {
        for words in requests(row) {
            let expected: Vec<usize> = (0..words.len()).filter(|at| words[*at] == KEY).collect();
            let found: Vec<usize> =
                row.keys(words.len(), |at| words[at].as_bytes()).map(|(at, _)| at).collect();
            assert_eq!(found, expected, "{words:?}");
        }
    }
}

#[test]
fn generated_requests_are_no_syntax_errors() {
    let settings = Settings { port: 0, bind: vec!["127.0.0.1".into()], io_threads: 1, ..Settings::default() };
    let server = Server::start(settings, Clock::system()).expect("the server starts");
    let mut wrong = Vec::new();
    for row in all_rows().into_iter().filter(|row| !is_listed(NOT_SENT, row)) {
        if !row.subcommands.is_empty() && row.arity != -1 {
            continue;
        }
        for words in requests(row) {
            let reply = first_line_of_reply(server.tcp_addr(), &words);
            if reply.contains("syntax error")
                || reply.contains("wrong number of arguments")
                || reply.is_empty()
            {
                wrong.push(format!("{words:?}: {reply}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn is_listed(list: &[(&str, &str)], row: &Row) -> bool {
    list.iter().any(|(name, _)| row.full_name == *name)
}

/// The smallest request, and the largest with each of the alternatives.
fn requests(row: &Row) -> Vec<Vec<String>> {
    let mut all = vec![request(row, Extent::Minimal)];
    if !is_listed(MAXIMAL_NOT_SENT, row) {
        all.extend((0..choices(row.spec.args)).map(|choice| request(row, Extent::Maximal { choice })));
    }
    all
}

fn first_line_of_reply(addr: SocketAddr, words: &[String]) -> String {
    let mut stream = TcpStream::connect(addr).expect("connects");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("takes a time-out");
    let mut request = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| request.push_str(&format!("${}\r\n{word}\r\n", word.len())));
    stream.write_all(request.as_bytes()).expect("sends");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap_or_else(|error| panic!("{words:?}: {error}"));
    line
}

const KEY: &str = "a-key";

/// How much of the optional a request has.
#[derive(Clone, Copy)]
enum Extent {
    Minimal,
    /// Everything, and of alternatives the one with this number (the last one where there are fewer).
    Maximal {
        choice: usize,
    },
}

fn request(row: &Row, extent: Extent) -> Vec<String> {
    let mut words: Vec<String> = row.full_name.split('|').map(str::to_owned).collect();
    let counts = row.spec.args.iter().any(|arg| matches!(arg.kind, ArgKind::KeyCount));
    for arg in row.spec.args {
        write_arg(arg, extent, counts, &mut words);
    }
    words
}

fn write_arg(arg: &Arg, extent: Extent, once: bool, words: &mut Vec<String>) {
    let times = match extent {
        Extent::Minimal => usize::from(!arg.optional),
        Extent::Maximal { .. } => 1 + usize::from(arg.multiple && !once),
    };
    for time in 0..times {
        if time == 0 || arg.multiple_token {
            words.extend(arg.token.map(str::to_owned));
        }
        write_value(arg, extent, once, words);
    }
}

fn write_value(arg: &Arg, extent: Extent, once: bool, words: &mut Vec<String>) {
    match arg.kind {
        ArgKind::Token => {}
        ArgKind::Block(parts) => parts.iter().for_each(|part| write_arg(part, extent, once, words)),
        ArgKind::OneOf(alternatives) => {
            let chosen = match extent {
                Extent::Minimal => alternatives.iter().min_by_key(|arg| arg.width_min()),
                Extent::Maximal { choice } => alternatives.get(choice).or(alternatives.last()),
            };
            write_arg(chosen.expect("alternatives"), extent, once, words);
        }
        _ => words.push(sample(arg).to_owned()),
    }
}

/// The number of alternatives in the widest choice among these arguments, at least 1.
fn choices(args: &[Arg]) -> usize {
    let widest = args.iter().map(|arg| match arg.kind {
        ArgKind::OneOf(parts) => parts.len().max(choices(parts)),
        ArgKind::Block(parts) => choices(parts),
        _ => 1,
    });
    widest.max().unwrap_or(1)
}

/// A value that a handler takes, or refuses for other reasons than its grammar.
fn sample(arg: &Arg) -> &'static str {
    match (arg.kind, arg.name) {
        (ArgKind::Key(_), _) => KEY,
        (ArgKind::Double, _) => "1.5",
        (ArgKind::UnixTime, _) => "33177117420",
        (ArgKind::Pattern, _) => "*",
        (ArgKind::Integer, "protover") => "3",
        (ArgKind::Integer, "start" | "offset") => "0",
        (ArgKind::Integer, _) => "1",
        (_, "operation") => "AND",
        (_, "encoding") => "u8",
        (_, "command") => "mget",
        (_, "yes/no") => "yes",
        _ => "1",
    }
}
