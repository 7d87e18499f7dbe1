//! A Yellowstone gRPC stream beside a node. The node's list says which transactions there are, and so that none is missing; the
//! stream brings most of them before they are asked for, and says when to look. What it does not bring, the node is asked for: a
//! stream that is cut, lags, leaves out, repeats, reorders or lies in its form costs calls and no event
//! (docs/decisions/050-stream-beside-the-list.md).

mod convert;
mod held;
mod listen;
pub mod messages;
mod options;
mod progress;

pub use options::YellowstoneOptions;

use {
    super::{Endpoint, Item, Items, Range, Source, Tip},
    crate::{decode, error::Result, metrics},
    async_trait::async_trait,
    held::Held,
    hyper::Uri,
    listen::Listener,
    messages::Info,
    quern_api::Key,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::{sync::Arc, time::Duration},
    tokio::{
        sync::{Notify, watch},
        task::JoinHandle,
    },
};

/// Pause after a slot's end: the node may learn of it a little later.
const GATHERING: Duration = Duration::from_millis(50);

/// A node with a stream beside it.
pub struct YellowstoneSource {
    node: Arc<dyn Source>,
    program: Key,
    held: Arc<Held>,
    noticed: Arc<Notify>,
    whole: watch::Receiver<Option<u64>>,
    listener: JoinHandle<()>,
}

impl Drop for YellowstoneSource {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl YellowstoneSource {
    /// Begins to listen; must be called within a tokio runtime. The server need not be there yet.
    ///
    /// # Errors
    /// If the address is malformed.
    pub fn new(node: Arc<dyn Source>, options: YellowstoneOptions) -> Result<Self> {
        let origin: Uri = options
            .url
            .secret()
            .parse()
            .map_err(|_| Endpoint::no_stream())?;
        let (program, held) = (options.program, Arc::new(Held::new(options.most_bytes)));
        let noticed = Arc::new(Notify::new());
        let (told, whole) = watch::channel(None);
        let (ours, notify) = (Arc::clone(&held), Arc::clone(&noticed));
        let listener = Listener::new(options, origin, ours, notify, told);
        Ok(Self {
            node,
            program,
            held,
            noticed,
            whole,
            listener: tokio::spawn(listener.run()),
        })
    }

    /// The last slot up to which the stream told everything.
    pub fn whole(&self) -> watch::Receiver<Option<u64>> {
        self.whole.clone()
    }

    /// What the stream told of it; none if it did not, or told what cannot be read.
    fn told(&self, item: &Item) -> Option<EncodedConfirmedTransactionWithStatusMeta> {
        let Some((info, time)) = self.held.take(item) else {
            metrics::streamed("not_told", 1);
            return None;
        };
        match self.read(item, time, info) {
            Ok(told) => {
                metrics::streamed("used", 1);
                Some(told)
            }
            Err(reason) => {
                metrics::streamed("unusable", 1);
                tracing::debug!(signature = %item.signature, reason, "what the stream told cannot be used; asking the node");
                None
            }
        }
    }

    /// Read to the end: what is wrong here must not stop a walk.
    fn read(
        &self,
        item: &Item,
        time: Option<i64>,
        info: Info,
    ) -> Result<EncodedConfirmedTransactionWithStatusMeta, String> {
        let told = convert::transaction(item.slot, time, info)?;
        let decoded =
            decode::transaction(&self.program, &told).map_err(|error| error.to_string())?;
        if decoded.signature != item.signature {
            return Err("it holds another transaction than it says".to_owned());
        }
        // What is not understood is kept as it is and never read again: that must come from the node.
        match decoded.dead_letters.first() {
            None => Ok(told),
            Some(letter) => Err(letter.reason.clone()),
        }
    }
}

#[async_trait]
impl Source for YellowstoneSource {
    async fn genesis(&self) -> Result<Option<String>> {
        self.node.genesis().await
    }

    async fn tip(&self) -> Result<Tip> {
        self.node.tip().await
    }

    async fn walk(&self, range: &Range) -> Result<Items> {
        let items = self.node.walk(range).await?;
        // Walks begin where the last one ended, so none asks for what is older.
        if let Some(floor) = range.floor {
            self.held.forget_below(floor);
        }
        Ok(items)
    }

    async fn walk_of(&self, account: &Key, tip: Tip) -> Result<Vec<Item>> {
        self.node.walk_of(account, tip).await
    }

    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta> {
        match self.told(item) {
            Some(told) => Ok(told),
            None => self.node.transaction(item).await,
        }
    }

    async fn wake(&self) {
        tokio::select! {
            () = self.node.wake() => {}
            () = self.noticed.notified() => tokio::time::sleep(GATHERING).await,
        }
    }
}
