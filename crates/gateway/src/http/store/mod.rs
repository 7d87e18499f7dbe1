//! What the HTTP front keeps in the state folder: files of batches, and batches.

mod batches;
mod files;

pub use {
    batches::{BatchStore, Part, Record, Work},
    files::{FileStore, Room, Upload},
};
