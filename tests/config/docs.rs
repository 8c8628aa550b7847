//! docs/config.md is what the table of settings says, docs/watching.md what the tables of metrics say.

use std::path::Path;

use onefill::base::metrics::{GAUGES, METRICS};
use onefill::config::{MEANINGLESS, SETTINGS, render_docs, render_help};
use onefill::figures::page;

#[test]
fn config_page_is_up_to_date() {
    is_up_to_date("docs/config.md", &render_docs());
}

#[test]
fn watching_page_is_up_to_date() {
    let page = page::render();
    is_up_to_date("docs/watching.md", &page);
    // What it says to look out for is there.
    let names: Vec<&str> = METRICS.iter().chain(GAUGES).map(|metric| metric.name).collect();
    let said = page
        .split('`')
        .filter(|word| word.starts_with("fill_") && word.chars().all(|c| c == '_' || c.is_ascii_lowercase()));
    let unknown: Vec<&str> = said.filter(|word| !names.contains(word)).collect();
    assert!(unknown.is_empty(), "no figures of these names: {unknown:?}");
}

pub fn is_up_to_date(name: &str, rendered: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, rendered).unwrap_or_else(|error| panic!("{name} must be writable: {error}"));
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == rendered, "{name} is stale: run UPDATE_DOCS=1 cargo test --test config");
}

#[test]
fn help_and_page_name_every_directive() {
    let (page, help) = (render_docs(), render_help());
    for setting in SETTINGS {
        assert!(page.contains(&format!("| `{}` |", setting.name)), "{}", setting.name);
        assert!(help.contains(&format!("--{} ", setting.name)), "{}", setting.name);
    }
    for (name, _) in MEANINGLESS {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
