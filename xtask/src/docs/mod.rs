//! `cargo xtask docs`: the reference pages, generated from the program's IDL, the command line's own help and
//! the indexer's routes.

mod cli;
mod http;
mod program;

use std::fs;

use anyhow::{Context, Result, bail};

use crate::idl;
use crate::shell::{self, Step};

const HINT: &str = "Run `cargo xtask docs` and commit what it changes.";

/// A generated page.
struct Page {
    file: &'static str,
    text: String,
}

fn pages() -> Result<[Page; 3]> {
    Ok([
        Page {
            file: "docs/reference/program.md",
            text: program::page()?,
        },
        Page {
            file: "docs/reference/cli.md",
            text: cli::page()?,
        },
        Page {
            file: "docs/reference/http.md",
            text: http::page()?,
        },
    ])
}

/// Writes the pages.
pub fn write() -> Result<()> {
    let step = Step::start("Writing docs/reference (the commands are built first)");
    for page in pages()? {
        let place = shell::root().join(page.file);
        fs::create_dir_all(place.parent().context("a page stands in a folder")?)?;
        fs::write(&place, page.text).with_context(|| format!("cannot write {}", page.file))?;
    }
    step.done("written");
    Ok(())
}

/// Fails when a page is not what it is generated from says.
pub fn check() -> Result<()> {
    let step = Step::start("Checking docs/reference (the commands are built first)");
    for page in pages()? {
        let committed = fs::read_to_string(shell::root().join(page.file))
            .with_context(|| format!("cannot read {}. {HINT}", page.file))?;
        if committed != page.text {
            let difference = idl::difference(&committed, &page.text);
            bail!("{} is stale: {difference}. {HINT}", page.file);
        }
    }
    step.done("up to date");
    Ok(())
}
