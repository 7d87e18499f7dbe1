//! A local Solana network inside the process (Surfnet, offline), with Quern deployed, mints and funded wallets.
//!
//! For tests, the demo and `quern localnet`. It is a real virtual machine behind real RPC, but one node without consensus:
//! blocks come by the clock, and time can be moved forward. Nothing in here may ever be used on another cluster: the
//! program's key is public.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use quern_localnet::{LocalNet, Options};
//! let net = LocalNet::start(Options { program_so: Some("target/deploy/quern.so".into()), ..Options::default() }).await?;
//! let wallet = net.fresh(1_000_000_000).await?;
//! let mint = net.create_mint(6).await?;
//! net.mint_to(&mint, &wallet_address(&wallet), 5_000_000).await?;
//! net.advance_time(3_600).await?;
//! # fn wallet_address(wallet: &quern_client::Keypair) -> quern_client::Pubkey { quern_client::Signer::pubkey(wallet) }
//! # Ok(()) }
//! ```

mod error;
mod mint;
mod network;
mod surfnet;

pub use {
    error::{LocalNetError, Result},
    mint::{Mint, mint_to},
    network::{LocalNet, Options, PROGRAM_KEYPAIR, program_keypair, set_lamports},
};
