//! Where finalized transactions come from.

mod endpoint;
mod file;
mod rpc;
#[cfg(feature = "yellowstone")]
pub mod yellowstone;

pub use {
    endpoint::Endpoint,
    file::FileSource,
    rpc::{RpcOptions, RpcSource},
};

use {
    crate::{
        error::{IndexerError, Result},
        project::program::EntityKind,
        store::Origin,
    },
    async_trait::async_trait,
    quern_api::{Key, Signature},
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::sync::Arc,
};

/// Transactions of one account that are looked at to fill a hole. Strangers can name an account as often as they like; a walk
/// through everything finds what is older.
pub const MOST_OF_ACCOUNT: usize = 20_000;

/// The end of the finalized chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The finalized slot.
    pub slot: u64,
    /// The cluster's clock, in seconds, if the source knows it.
    pub time: Option<i64>,
}

/// A transaction that names the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its signature.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// Whether it failed: it then has no events and need not be fetched.
    pub failed: bool,
}

/// Transactions, oldest first. Shared, because a whole history has millions: a recording's list is also its index.
pub type Items = Arc<Vec<Item>>;

/// What a walk covers: everything up to the tip's slot, and back to a floor or to the program's first transaction.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Where it begins, going back in time.
    pub tip: Tip,
    /// It may end at the first transaction of a slot below this one; none means the whole history, to the end of the node's
    /// list.
    pub floor: Option<u64>,
    /// The oldest transaction that is known: a walk with a floor ends there in any case, one without must reach it.
    pub origin: Option<Origin>,
}

/// A source of finalized transactions. Live and backfill use the same calls.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// What names the network, if the source knows it.
    async fn genesis(&self) -> Result<Option<String>>;
    /// The end of the finalized chain.
    async fn tip(&self) -> Result<Tip>;
    /// Every transaction in the range, oldest first. Fails rather than leave one out.
    async fn walk(&self, range: &Range) -> Result<Items>;
    /// Finalized transactions that name an account, oldest first and at most [`MOST_OF_ACCOUNT`], the newest ones: what a walk
    /// left out of it. A source that cannot search by account walks everything.
    async fn walk_of(&self, _account: &Key, tip: Tip) -> Result<Vec<Item>> {
        let all = Range {
            tip,
            floor: None,
            origin: None,
        };
        self.walk(&all).await.map(Arc::unwrap_or_clone)
    }
    /// One of them with its metadata. Fails rather than answer that there is none.
    async fn transaction(&self, item: &Item) -> Result<EncodedConfirmedTransactionWithStatusMeta>;
    /// Returns when there may be something new.
    async fn wake(&self);
}

/// What the chain has confirmed and not finalized. A fork may still drop it.
#[async_trait]
pub trait Ahead: Send + Sync + 'static {
    /// The confirmed slot.
    async fn confirmed_slot(&self) -> Result<u64>;
    /// Transactions that name the program above a slot, newest first; the newest ones, if they are many, and whether they are.
    async fn confirmed(&self, floor: u64) -> Result<(Vec<Item>, bool)>;
    /// One of them with its metadata; none where the node does not have it any more.
    async fn unfinal(
        &self,
        item: &Item,
    ) -> Result<Option<EncodedConfirmedTransactionWithStatusMeta>>;
}

/// Accounts as the chain holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The finalized slot that the answer names. Their state is of that slot or of a later one, up to
    /// [`Accounts::newest_slot`]: some nodes name the finalized slot and answer with what they have.
    pub slot: u64,
    /// Addresses and fixed parts.
    pub accounts: Vec<(Key, Vec<u8>)>,
}

/// What the chain holds now, for a comparison with what events told.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Every account of a kind, or one of the 256 parts into which large kinds are split.
    async fn of_kind(&self, kind: EntityKind, part: Option<u8>) -> Result<Held>;
    /// The accounts of a kind at these addresses, and the oldest slot of the answer; what is gone is left out.
    async fn at(&self, kind: EntityKind, addresses: &[Key]) -> Result<Held>;
    /// Atoms in these token accounts, in the same order, and the oldest slot of the answer; none where there is none.
    async fn token_atoms(&self, accounts: &[Key]) -> Result<(u64, Vec<Option<u64>>)>;
    /// The newest slot that the node has processed: no answer before this one is of a later state.
    async fn newest_slot(&self) -> Result<u64>;
}

/// Collects pages of a walk, newest first, and says when it is whole.
pub(crate) struct Walk<'a> {
    range: &'a Range,
    items: Vec<Item>,
    last_slot: u64,
    has_met_origin: bool,
}

/// Whether a walk needs another page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is whole.
    Whole,
    /// More must follow.
    More,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(range: &'a Range) -> Self {
        Self {
            range,
            items: Vec::new(),
            last_slot: u64::MAX,
            has_met_origin: false,
        }
    }

    /// Takes the next page; `finalized` is each item's own status. A page of any length is followed by another one. An empty
    /// page is the end only if nothing says that more must be there: nodes that lag or prune answer with one too.
    pub(crate) fn page(&mut self, page: &[(Item, bool)]) -> Result<Progress> {
        if page.is_empty() {
            return match self.range.origin {
                // Nothing was ever seen, or all that was: the history ends here.
                None => Ok(Progress::Whole),
                Some(_) if self.has_met_origin => Ok(Progress::Whole),
                Some(origin) => Err(IndexerError::HistoryEnded {
                    reached: if self.last_slot == u64::MAX {
                        0
                    } else {
                        self.last_slot
                    },
                    wanted: self.range.floor.unwrap_or_default().max(origin.slot),
                }),
            };
        }
        for (item, finalized) in page {
            // Newer than the tip that this walk answers for: the next walk takes it.
            if item.slot > self.range.tip.slot {
                continue;
            }
            if !finalized {
                return Err(IndexerError::NotFinalized {
                    signature: item.signature.to_string(),
                });
            }
            if item.slot > self.last_slot {
                return Err(IndexerError::Rpc {
                    method: "getSignaturesForAddress",
                    reason: format!("{} is out of order", item.signature),
                });
            }
            self.last_slot = item.slot;
            if self.range.floor.is_some_and(|floor| item.slot < floor) {
                return Ok(Progress::Whole);
            }
            self.items.push(*item);
            let origin = self.range.origin;
            if origin.is_some_and(|origin| origin.signature == item.signature) {
                self.has_met_origin = true;
                if self.range.floor.is_some() {
                    return Ok(Progress::Whole);
                }
            }
        }
        Ok(Progress::More)
    }

    /// How many it has.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Everything, oldest first.
    pub(crate) fn finish(mut self) -> Vec<Item> {
        self.items.reverse();
        self.items
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn item(n: u8, slot: u64) -> (Item, bool) {
        (
            Item {
                signature: Signature([n; 64]),
                slot,
                failed: false,
            },
            true,
        )
    }

    fn range(floor: Option<u64>, origin: Option<(u8, u64)>) -> Range {
        Range {
            tip: Tip {
                slot: 100,
                time: None,
            },
            floor,
            origin: origin.map(|(n, slot)| Origin {
                signature: Signature([n; 64]),
                slot,
            }),
        }
    }

    #[test]
    fn first_walk_ends_at_an_empty_page_only() {
        let range = range(None, None);
        let mut walk = Walk::new(&range);
        assert_eq!(walk.page(&[item(3, 90)]).unwrap(), Progress::More);
        assert_eq!(
            walk.page(&[item(2, 80), item(1, 80)]).unwrap(),
            Progress::More
        );
        assert_eq!(walk.page(&[]).unwrap(), Progress::Whole);
        let signatures: Vec<u8> = walk
            .finish()
            .iter()
            .map(|item| item.signature.0[0])
            .collect();
        assert_eq!(signatures, [1, 2, 3]);
    }

    #[test]
    fn later_walk_ends_below_the_floor_or_at_the_origin() {
        let range_floor = range(Some(85), Some((1, 10)));
        let mut walk = Walk::new(&range_floor);
        assert_eq!(
            walk.page(&[item(3, 90), item(2, 80)]).unwrap(),
            Progress::Whole
        );
        assert_eq!(walk.finish().len(), 1);

        let range_origin = range(Some(5), Some((1, 10)));
        let mut walk = Walk::new(&range_origin);
        assert_eq!(
            walk.page(&[item(3, 90), item(1, 10)]).unwrap(),
            Progress::Whole
        );
        assert_eq!(walk.finish().len(), 2);
    }

    #[test]
    fn a_walk_to_the_start_goes_past_what_was_the_oldest_and_must_reach_it() {
        let range = range(None, Some((2, 50)));
        let mut walk = Walk::new(&range);
        assert_eq!(
            walk.page(&[item(3, 90), item(2, 50)]).unwrap(),
            Progress::More
        );
        assert_eq!(walk.page(&[item(1, 10)]).unwrap(), Progress::More);
        assert_eq!(walk.page(&[]).unwrap(), Progress::Whole);
        assert_eq!(walk.finish().len(), 3);

        let mut walk = Walk::new(&range);
        walk.page(&[item(3, 90)]).unwrap();
        assert!(matches!(
            walk.page(&[]),
            Err(IndexerError::HistoryEnded {
                reached: 90,
                wanted: 50
            })
        ));
    }

    #[test]
    fn an_empty_page_before_the_end_is_an_error() {
        let range = range(Some(5), Some((1, 10)));
        assert!(matches!(
            Walk::new(&range).page(&[]),
            Err(IndexerError::HistoryEnded {
                reached: 0,
                wanted: 10
            })
        ));
        let mut walk = Walk::new(&range);
        walk.page(&[item(3, 90)]).unwrap();
        assert!(matches!(
            walk.page(&[]),
            Err(IndexerError::HistoryEnded { reached: 90, .. })
        ));
    }

    #[test]
    fn what_is_not_finalized_or_out_of_order_is_refused_and_what_is_newer_waits() {
        let range = range(None, None);
        let (pending, _) = item(3, 90);
        assert!(matches!(
            Walk::new(&range).page(&[(pending, false)]),
            Err(IndexerError::NotFinalized { .. })
        ));
        assert!(Walk::new(&range).page(&[item(3, 80), item(4, 90)]).is_err());
        let mut walk = Walk::new(&range);
        let (newer, _) = item(9, 101);
        assert_eq!(
            walk.page(&[(newer, false), item(3, 90)]).unwrap(),
            Progress::More
        );
        assert_eq!(walk.finish().len(), 1);
    }
}
