//! What a batch may be.

/// Where the lines of a batch go.
pub const ENDPOINT: &str = "/v1/embeddings";
/// The time that a batch has, in OpenAI's word.
pub const WINDOW: &str = "24h";
/// The same, in seconds.
pub const WINDOW_SECS: i64 = 24 * 3600;
