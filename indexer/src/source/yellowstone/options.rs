//! How a stream is reached.

use {
    crate::{
        error::{IndexerError, Result},
        source::Endpoint,
    },
    quern_api::Key,
    std::time::Duration,
    tonic::metadata::{Ascii, MetadataValue},
};

/// Bytes of messages that wait to be asked for. A first walk through a long history takes hours, and the stream goes on meanwhile.
const MOST_HELD_BYTES: usize = 32 << 20;
/// Longest time without a message other than pings: servers tell two slots a second.
const MOST_SILENCE: Duration = Duration::from_secs(30);
/// Pause before the first try to connect again; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How to reach a stream.
#[derive(Clone, Debug)]
pub struct YellowstoneOptions {
    /// Its address.
    pub url: Endpoint,
    /// Who asks.
    pub token: Option<MetadataValue<Ascii>>,
    /// The program to follow.
    pub program: Key,
    /// Longest time without a message other than pings.
    pub silence: Duration,
    /// Pause before the first try to connect again.
    pub first_pause: Duration,
    /// Bytes of messages that are held at most.
    pub most_bytes: usize,
}

impl YellowstoneOptions {
    /// The usual ones.
    ///
    /// # Errors
    /// If the address or the token is malformed.
    pub fn new(url: &str, token: Option<&str>, program: Key) -> Result<Self> {
        let url = Endpoint::stream(url)?;
        let token = token.map(sensitive).transpose()?;
        if token.is_some() && url.secret().starts_with("http:") {
            tracing::warn!(%url, "the token goes to the stream's server unencrypted; use https:// unless the network is yours");
        }
        Ok(Self {
            url,
            token,
            program,
            silence: MOST_SILENCE,
            first_pause: FIRST_PAUSE,
            most_bytes: MOST_HELD_BYTES,
        })
    }
}

/// A token that is not shown.
fn sensitive(token: &str) -> Result<MetadataValue<Ascii>> {
    let mut token: MetadataValue<Ascii> = token.parse().map_err(|_| IndexerError::BadToken)?;
    token.set_sensitive(true);
    Ok(token)
}
