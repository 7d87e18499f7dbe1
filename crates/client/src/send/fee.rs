//! What a transaction offers for being included sooner.

use {
    crate::{
        errors::{ClientError, Result},
        transaction::{MICRO, priority_lamports},
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
};

/// What is offered above others, so that a flood at their price does not stand beside ours: micro-lamports and a fifth.
pub const ABOVE_OTHERS: u64 = 1_000;
/// A priority fee that is not worth a look at the payer's balance: that of a signature.
const SMALL_FEE_LAMPORTS: u64 = 5_000;
/// No priority fee that was not fixed takes more than this part of what the payer has.
const AFFORDABLE_PART: u64 = 4;

/// What is paid for being included sooner, per compute unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorityFee {
    /// Nothing.
    None,
    /// This many micro-lamports.
    Fixed(u64),
    /// Somewhat more than others paid recently for the same accounts (upper quartile), and more for each attempt that was
    /// not included: the last one offers the cap.
    Recent {
        /// The most, in micro-lamports.
        cap_micro_lamports: u64,
    },
}

/// How a sender prices its transactions.
pub struct Pricing<'a> {
    /// The cluster.
    pub rpc: &'a RpcClient,
    /// What the owner of the transaction wants.
    pub fee: PriorityFee,
    /// Whether the cap of [`PriorityFee::Recent`] is offered at once.
    pub is_urgent: bool,
}

impl Pricing<'_> {
    /// The price of a compute unit in micro-lamports.
    pub async fn unit_price(&self, instructions: &[Instruction]) -> Result<u64> {
        match self.fee {
            PriorityFee::None => Ok(0),
            PriorityFee::Fixed(price) => Ok(price),
            PriorityFee::Recent { cap_micro_lamports } if self.is_urgent => Ok(cap_micro_lamports),
            PriorityFee::Recent { cap_micro_lamports } => {
                // What others pay only helps to choose; a node that cannot tell is no reason not to send.
                let others = self
                    .recent_price(instructions)
                    .await
                    .unwrap_or_else(|error| {
                        tracing::debug!(%error, "nothing is known about recent priority fees");
                        0
                    });
                Ok(above(others).min(cap_micro_lamports))
            }
        }
    }

    /// The price after an attempt at `price` that was not included, with this many attempts left.
    pub async fn raised_price(
        &self,
        price: u64,
        left: u32,
        instructions: &[Instruction],
    ) -> Result<u64> {
        match self.fee {
            PriorityFee::Recent { cap_micro_lamports } => {
                let others = self.unit_price(instructions).await?;
                Ok(others.max(raised(price, cap_micro_lamports, left)))
            }
            _ => Ok(price),
        }
    }

    /// A price whose fee leaves the payer most of its lamports: a transaction that it can't pay for is dropped without a word.
    pub async fn affordable(&self, price: u64, units: u32, payer: &Pubkey) -> u64 {
        let is_chosen_here = matches!(self.fee, PriorityFee::Recent { .. });
        if !is_chosen_here || priority_lamports(units, price) <= SMALL_FEE_LAMPORTS {
            return price;
        }
        let Ok(balance) = self.rpc.get_balance(payer).await else {
            return price;
        };
        let most = u128::from(balance / AFFORDABLE_PART) * MICRO / u128::from(units.max(1));
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        if most < price {
            tracing::warn!(%payer, balance, price, "the wallet has too few lamports for the priority fee that this takes; it offers less");
        }
        price.min(most)
    }

    /// What others paid recently to write to the same accounts: the upper quartile.
    async fn recent_price(&self, instructions: &[Instruction]) -> Result<u64> {
        /// What one request takes.
        const MAX_ACCOUNTS: usize = 128;
        let mut accounts: Vec<Pubkey> = instructions
            .iter()
            .flat_map(|instruction| &instruction.accounts)
            .filter(|meta| meta.is_writable)
            .map(|meta| meta.pubkey)
            .collect();
        accounts.sort_unstable();
        accounts.dedup();
        accounts.truncate(MAX_ACCOUNTS);
        let recent = self
            .rpc
            .get_recent_prioritization_fees(&accounts)
            .await
            .map_err(|error| ClientError::from_rpc(&self.rpc.url(), error))?;
        let mut prices: Vec<u64> = recent.iter().map(|fee| fee.prioritization_fee).collect();
        prices.sort_unstable();
        Ok(prices.get(prices.len() * 3 / 4).copied().unwrap_or(0))
    }
}

/// Somewhat more than others pay.
fn above(others: u64) -> u64 {
    others
        .saturating_add(others / 5)
        .saturating_add(ABOVE_OTHERS)
}

/// The price after one that was too low: at least twice as much, and in equal steps so much that the last of the attempts that
/// are left offers the cap.
fn raised(price: u64, cap: u64, left: u32) -> u64 {
    let price = price.max(1);
    let doublings = (cap.max(1).ilog2() + 1).saturating_sub(price.ilog2());
    let step = doublings.div_ceil(left.max(1)).max(1);
    price
        .saturating_mul(1u64.checked_shl(step).unwrap_or(u64::MAX))
        .min(cap)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_price_doubles_and_ends_at_the_cap() {
        for (first, cap) in [
            (0, 50_000_000),
            (1_000, 50_000_000),
            (1_200, 1_300),
            (u64::MAX - 1, u64::MAX),
            (7, 0),
            (5_000, 5_000),
        ] {
            for attempts in 2..=6 {
                let (mut price, mut last) = (first, first);
                for left in (1..attempts).rev() {
                    price = raised(price, cap, left);
                    assert!(price == cap || price >= last * 2, "{first} {cap} {price}");
                    assert!(price <= cap);
                    last = price;
                }
                assert_eq!(price, cap, "{first} {attempts}");
            }
        }
        // In even steps, not all at once.
        assert_eq!(raised(1_000, 1_024_000, 3), 16_000);
        assert_eq!(above(0), ABOVE_OTHERS);
        assert_eq!(above(1_000_000), 1_201_000);
        assert_eq!(above(u64::MAX), u64::MAX);
    }
}
