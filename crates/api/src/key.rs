//! Addresses and signatures as plain bytes, written in base58.

use {
    serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error},
    std::{borrow::Cow, fmt, str},
};

/// An account's address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub [u8; 32]);

/// A transaction's first signature.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub [u8; 64]);

impl Key {
    /// The address that stands for "none".
    pub const NONE: Self = Self([0; 32]);

    /// The address, or nothing if it stands for "none".
    pub fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    /// Reads base58 of exactly 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        five8::decode_32(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl Signature {
    /// Reads base58 of exactly 64 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        five8::decode_64(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; five8::BASE58_ENCODED_32_MAX_LEN];
        let length = five8::encode_32(&self.0, &mut text);
        write_ascii(text.get(..length.into()), out)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; five8::BASE58_ENCODED_64_MAX_LEN];
        let length = five8::encode_64(&self.0, &mut text);
        write_ascii(text.get(..length.into()), out)
    }
}

fn write_ascii(text: Option<&[u8]>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    // The encoder writes letters and digits within its buffer.
    let text = text.and_then(|text| str::from_utf8(text).ok());
    out.pad(text.ok_or(fmt::Error)?)
}

macro_rules! as_text {
    ($name:ident, $what:literal, $lengths:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some($what))
                    .pattern(Some("^[1-9A-HJ-NP-Za-km-z]+$"))
                    .min_length(Some($lengths.0))
                    .max_length(Some($lengths.1))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, out)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| D::Error::custom($what))
            }
        }
    };
}

as_text!(Key, "an address must be base58 of 32 bytes", (32, 44));
as_text!(
    Signature,
    "a signature must be base58 of 64 bytes",
    (64, 88)
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, proptest::prelude::*};

    proptest! {
        #[test]
        fn text_reads_back_as_the_same_bytes(key in any::<[u8; 32]>(), half in any::<[u8; 32]>(), zeros in 0..32usize) {
            let mut key = key;
            key[..zeros].fill(0);
            prop_assert_eq!(Key::parse(&Key(key).to_string()), Some(Key(key)));
            let signature = Signature([key, half].concat().try_into().unwrap());
            prop_assert_eq!(Signature::parse(&signature.to_string()), Some(signature));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,100}") {
            if let Some(key) = Key::parse(&text) {
                prop_assert_eq!(key.to_string(), text.clone());
            }
            if let Some(signature) = Signature::parse(&text) {
                prop_assert_eq!(signature.to_string(), text);
            }
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        assert_eq!(Key::NONE.to_string(), "1".repeat(32));
        for length in [0, 31, 33, 5_000] {
            assert_eq!(Key::parse(&"1".repeat(length)), None, "{length}");
        }
        assert_eq!(Signature::parse(&"1".repeat(63)), None);
        assert_eq!(Key::parse(&"0".repeat(32)), None);
        assert_eq!(
            serde_json::to_value(Key::NONE).unwrap(),
            "1".repeat(32).as_str()
        );
        assert!(serde_json::from_str::<Key>("\"abc\"").is_err());
    }
}
