//! What the commands of this project do alike.
//!
//! - [`logs`]: logs on standard error, as text or as one JSON object a line.
//! - [`redact`]: URLs of nodes carry keys; no log and no message repeats them.
//! - [`pages`]: man pages and completions, as a package lays them out.

pub mod logs;
pub mod pages;
pub mod redact;
