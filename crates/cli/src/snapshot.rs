//! What people read, compared with what was accepted: one file a command or table in `tests/snapshots`.
//!
//! `INSTA_UPDATE=always cargo test -p quern-cli` accepts a change; review it as a part of the commit.

use insta::{Settings, assert_snapshot};

/// Compares a text with its file.
pub fn check(name: &str, text: &str) {
    let mut settings = Settings::new();
    settings.set_snapshot_path("../tests/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!(name, text));
}
