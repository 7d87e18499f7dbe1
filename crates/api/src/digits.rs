//! Numbers as strings of decimal digits, for `#[serde(with = "digits")]`: JSON readers lose digits of large numbers.

use {
    serde::{Deserialize, Deserializer, Serializer, de::Error},
    std::{borrow::Cow, fmt::Display, str::FromStr},
};

/// Writes the digits.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

/// Reads digits.
///
/// # Errors
/// That the text is no number of this type.
pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(deserializer)?;
    text.parse()
        .map_err(|_| D::Error::custom(format!("\"{text}\" is not a number of the right size")))
}

/// What the documentation says of them.
pub fn schema() -> utoipa::openapi::schema::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::Type::String)
        .pattern(Some("^[0-9]+$"))
        .build()
}
