//! docs/config.md is what the table of settings says.

use std::path::Path;

use onefill::config::{MEANINGLESS, SETTINGS, render_docs, render_help};

#[test]
fn config_page_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    let rendered = render_docs();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &rendered).expect("docs/config.md must be writable");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == rendered,
        "docs/config.md is stale: run UPDATE_DOCS=1 cargo test --test config_docs"
    );
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
