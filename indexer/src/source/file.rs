//! A recording: one `getTransaction` reply as JSON on each line, in any order. For tests, benchmarks and replays.

use {
    super::{Item, Range, Source, Tip},
    crate::{
        decode,
        error::{IndexerError, Result},
    },
    async_trait::async_trait,
    quern_api::{Key, Signature},
    quern_client::text,
    serde_json::Value,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{
        collections::HashMap,
        fs::File,
        io::{BufRead, BufReader, Read, Seek, SeekFrom},
        path::{Path, PathBuf},
    },
};

/// A recorded file; only its index is kept in memory.
pub struct FileSource {
    path: PathBuf,
    /// By slot, then by place in the file.
    items: Vec<Item>,
    places: HashMap<Signature, (u64, usize)>,
    tip: Tip,
}

impl FileSource {
    /// Reads a recording once and keeps where each transaction stands.
    ///
    /// # Errors
    /// If the file cannot be read or a line is no transaction that tells its events.
    pub fn open(path: &Path, program: &Key) -> Result<Self> {
        let failed = |reason: String| IndexerError::Recording {
            path: path.display().to_string(),
            reason,
        };
        let mut reader =
            BufReader::new(File::open(path).map_err(|error| failed(error.to_string()))?);
        let mut source = Self {
            path: path.to_owned(),
            items: Vec::new(),
            places: HashMap::new(),
            tip: Tip {
                slot: 0,
                time: None,
            },
        };
        let (mut line, mut start, mut number) = (String::new(), 0_u64, 0_u64);
        loop {
            line.clear();
            let length = reader
                .read_line(&mut line)
                .map_err(|error| failed(error.to_string()))?;
            if length == 0 {
                break;
            }
            number += 1;
            if !line.trim().is_empty() {
                let at_line = |reason: String| failed(format!("line {number}: {reason}"));
                let transaction = transaction_of(line.as_bytes()).map_err(at_line)?;
                // A recording never changes: what cannot be read now never can.
                let decoded = decode::transaction(program, &transaction)
                    .map_err(|error| at_line(error.to_string()))?;
                source.places.insert(decoded.signature, (start, length));
                source.items.push(Item {
                    signature: decoded.signature,
                    slot: transaction.slot,
                    failed: !decoded.succeeded,
                });
                source.tip.slot = source.tip.slot.max(transaction.slot);
                source.tip.time = source.tip.time.max(transaction.block_time);
            }
            start += length as u64;
        }
        source.items.sort_by_key(|item| item.slot);
        Ok(source)
    }
}

/// The transaction of a line, bare or as the result of a JSON-RPC reply.
fn transaction_of(line: &[u8]) -> Result<EncodedConfirmedTransactionWithStatusMeta, String> {
    let mut value: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if let Some(error) = value.get("error").filter(|error| !error.is_null()) {
        return Err(text::escaped(&format!(
            "a node's refusal instead of a transaction: {error}"
        )));
    }
    if let Some(result) = value.get_mut("result") {
        value = result.take();
    }
    if value.is_null() {
        return Err("the node's answer was \"null\": it did not have the transaction".to_owned());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[async_trait]
impl Source for FileSource {
    async fn genesis(&self) -> Result<Option<String>> {
        Ok(None)
    }

    async fn tip(&self) -> Result<Tip> {
        Ok(self.tip)
    }

    async fn walk(&self, range: &Range) -> Result<Vec<Item>> {
        let floor = range.floor.unwrap_or(0);
        let within = |item: &&Item| item.slot >= floor && item.slot <= range.tip.slot;
        Ok(self.items.iter().filter(within).copied().collect())
    }

    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        let failed = |reason: String| IndexerError::Recording {
            path: self.path.display().to_string(),
            reason,
        };
        let Some((start, length)) = self.places.get(&item.signature).copied() else {
            return Err(failed(format!("it does not hold {}", item.signature)));
        };
        let path = self.path.clone();
        let read = move || -> std::io::Result<Vec<u8>> {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(start))?;
            let mut line = vec![0; length];
            file.read_exact(&mut line)?;
            Ok(line)
        };
        let line = tokio::task::spawn_blocking(read)
            .await?
            .map_err(|error| failed(error.to_string()))?;
        transaction_of(&line).map_err(failed)
    }

    async fn wake(&self) {
        // A recording never grows.
        std::future::pending().await
    }
}
