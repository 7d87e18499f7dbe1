//! Addresses, signatures and the identity of an event, as plain bytes.

use std::fmt;

/// An account's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// "Nobody", or no mint.
    pub const NONE: Self = Self([0; 32]);

    /// The address unless it is nobody.
    pub fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    /// Reads base58.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        // Longer text cannot be 32 bytes; the bound keeps the decoder's work small.
        (text.len() <= 44 && bs58::decode(text).onto(&mut bytes).ok()? == 32).then_some(Self(bytes))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl serde::Serialize for Key {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A transaction's first signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    /// Reads base58.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        (text.len() <= 88 && bs58::decode(text).onto(&mut bytes).ok()? == 64).then_some(Self(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&bs58::encode(self.0).into_string())
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl serde::Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What makes an event this event: inserting it twice is inserting it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The transaction.
    pub signature: Signature,
    /// The outer instruction.
    pub instruction: u32,
    /// The position among its inner instructions, whatever their depth.
    pub inner: u32,
}
