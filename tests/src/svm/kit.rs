//! Negative kit.
