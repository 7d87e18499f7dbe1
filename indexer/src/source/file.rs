//! A recording: one `getTransaction` reply as JSON on each line, in any order. For tests, benchmarks and replays.

use {
    super::{Item, Range, Source, Tip},
    crate::{
        decode,
        error::{IndexerError, Result},
    },
    async_trait::async_trait,
    quern_api::Signature,
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
    /// If the file cannot be read or a line is no transaction.
    pub fn open(path: &Path) -> Result<Self> {
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
                let transaction: EncodedConfirmedTransactionWithStatusMeta =
                    serde_json::from_str(&line)
                        .map_err(|error| failed(format!("line {number}: {error}")))?;
                let signature = decode::signature_of(&transaction).ok_or_else(|| {
                    failed(format!("line {number}: the transaction has no signature"))
                })?;
                // Without metadata it counts as good here; reading it then says what is missing.
                let failed = transaction
                    .transaction
                    .meta
                    .as_ref()
                    .is_some_and(|meta| meta.err.is_some());
                source.places.insert(signature, (start, length));
                source.items.push(Item {
                    signature,
                    slot: transaction.slot,
                    failed,
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
        serde_json::from_slice(&line).map_err(|error| failed(error.to_string()))
    }

    async fn wake(&self) {
        // A recording never grows.
        std::future::pending().await
    }
}
