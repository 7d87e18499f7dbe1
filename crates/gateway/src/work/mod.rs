//! One job's way from the first attempt to the answer: every step begins with what was written down, and ends with writing down
//! what it did. So a gateway that was killed anywhere goes on where it was, and nothing is paid twice.
//!
//! The one moment that no record can tell is whether a job was created whose creation was sent. Its number and the unlike
//! address of its inputs are written down before it is sent, and a number is given once: whatever lies under it is this
//! job, or another one took the number and this one can never come to be.

mod experience;
mod following;
mod placing;
mod shared;
mod steps;
mod terms;

pub(crate) use {
    shared::{Paused, SENT_FOR_SECS},
    steps::work,
};
