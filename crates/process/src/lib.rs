//! What the commands of this project do alike.
//!
//! - [`logs`]: logs on standard error, as text or as one JSON object a line.
//! - [`config_file`]: settings from a file, below those of line and environment.
//! - [`redact`]: URLs of nodes carry keys; no log and no message repeats them.
//! - [`pages`]: man pages and completions, as a package lays them out.

pub mod config_file;
pub mod logs;
pub mod pages;
pub mod redact;
