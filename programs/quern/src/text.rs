//! Texts that users give: short names are stored, URIs are hashed and repeated by the event.

use {
    crate::{
        constants::{MAX_NAME_BYTES, MAX_URI_BYTES},
        error::QuernError,
    },
    anchor_lang::{prelude::*, sha256},
};

/// A name as stored: 1 to 32 bytes of UTF-8, padded with zero bytes.
pub fn name(text: &str) -> Result<[u8; MAX_NAME_BYTES]> {
    let bytes = text.as_bytes();
    require!(
        !bytes.is_empty() && bytes.len() <= MAX_NAME_BYTES,
        QuernError::BadText
    );
    let mut name = [0; MAX_NAME_BYTES];
    name[..bytes.len()].copy_from_slice(bytes);
    Ok(name)
}

/// The SHA-256 of a URI of at most 200 bytes; an empty URI is 32 zero bytes.
pub fn uri_hash(uri: &str) -> Result<[u8; 32]> {
    require!(uri.len() <= MAX_URI_BYTES, QuernError::BadText);
    Ok(if uri.is_empty() {
        [0; 32]
    } else {
        sha256(uri.as_bytes())
    })
}
