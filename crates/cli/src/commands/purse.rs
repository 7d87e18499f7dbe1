//! `quern purse`: your money in Quern.

use {
    crate::{
        amount::{Amount, show},
        context::Context,
        error::{Error, Result},
        output::{Fields, print_list},
    },
    clap::Subcommand,
    quern_client::{Pubkey, Signer, accounts, addresses, flows, instructions, quern::state::Purse},
    std::collections::HashMap,
};

/// What to do with purses.
#[derive(Subcommand)]
pub enum Command {
    /// Show the purses of a wallet
    #[command(after_help = "Example:
  quern purse show
  quern purse show --owner WALLET --mint MINT --output json")]
    Show {
        /// Whose [default: the wallet's]
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Pubkey>,
        /// In this mint only
        #[arg(long, value_name = "ADDRESS")]
        mint: Option<Pubkey>,
    },
    /// Open a purse, for yourself or anybody
    #[command(after_help = "Example:
  quern purse open --mint MINT")]
    Open {
        /// In which mint
        #[arg(long, value_name = "ADDRESS")]
        mint: Pubkey,
        /// For whom [default: the wallet]
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Pubkey>,
    },
    /// Move tokens from your token account into a purse, opening it if needed
    #[command(after_help = "Example:
  quern purse deposit --mint MINT --amount 12.5")]
    Deposit {
        /// In which mint
        #[arg(long, value_name = "ADDRESS")]
        mint: Pubkey,
        #[command(flatten)]
        amount: Amount,
        /// Into whose purse [default: the wallet's]
        #[arg(long, value_name = "ADDRESS")]
        owner: Option<Pubkey>,
    },
    /// Move free tokens out of your purse
    #[command(after_help = "Example:
  quern purse withdraw --mint MINT --amount 12.5")]
    Withdraw {
        /// In which mint
        #[arg(long, value_name = "ADDRESS")]
        mint: Pubkey,
        #[command(flatten)]
        amount: Amount,
        /// Token account that receives them [default: the wallet's usual one, created if needed]
        #[arg(long, value_name = "TOKEN_ACCOUNT")]
        to: Option<Pubkey>,
    },
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Show { owner, mint } => show_purses(context, owner, mint).await,
        Command::Open { mint, owner } => {
            let wallet = context.wallet()?;
            let owner = owner.unwrap_or(wallet.pubkey());
            context.mint(&mint).await?;
            let address = addresses::purse(&owner, &mint);
            let done = Fields::new()
                .text("purse", address)
                .text("owner", owner)
                .text("mint", mint);
            if accounts::purse(context.rpc(), &owner, &mint)
                .await?
                .is_some()
            {
                return Err(Error::Other(format!("the purse {address} is open already")));
            }
            context
                .send_and_show(
                    &[instructions::open_purse(&wallet.pubkey(), &owner, &mint)],
                    &[&wallet],
                    done,
                )
                .await
        }
        Command::Deposit {
            mint,
            amount,
            owner,
        } => {
            let wallet = context.wallet()?;
            let decimals = context.mint(&mint).await?.decimals;
            let atoms = amount.in_atoms(decimals)?;
            let owner = owner.unwrap_or(wallet.pubkey());
            let all = flows::deposit(context.rpc(), &wallet.pubkey(), &owner, &mint, atoms).await?;
            let done = Fields::new()
                .text("purse", addresses::purse(&owner, &mint))
                .text("mint", mint)
                .text("deposited", show(atoms, decimals));
            context.send_and_show(&all, &[&wallet], done).await
        }
        Command::Withdraw { mint, amount, to } => {
            let wallet = context.wallet()?;
            let decimals = context.mint(&mint).await?.decimals;
            let atoms = amount.in_atoms(decimals)?;
            let all =
                flows::withdraw(context.rpc(), &wallet.pubkey(), &mint, to.as_ref(), atoms).await?;
            let done = Fields::new()
                .text("purse", addresses::purse(&wallet.pubkey(), &mint))
                .text("mint", mint)
                .text("withdrawn", show(atoms, decimals));
            context.send_and_show(&all, &[&wallet], done).await
        }
    }
}

async fn show_purses(context: &Context, owner: Option<Pubkey>, mint: Option<Pubkey>) -> Result<()> {
    let owner = context.owner(owner)?;
    context.protocol().await?;
    let mut purses: Vec<(Pubkey, Purse)> = accounts::purses(context.rpc(), Some(&owner)).await?;
    purses.retain(|(_, purse)| mint.is_none_or(|mint| purse.mint == mint));
    let decimals = decimals_of(context).await?;
    let list: Vec<Fields> = purses
        .iter()
        .map(|(address, purse)| fields(address, purse, &decimals))
        .collect();
    print_list(
        context.format,
        &list,
        &format!("{owner} has no purse yet; `quern purse deposit` opens one."),
    );
    Ok(())
}

/// Decimals of all registered mints.
pub async fn decimals_of(context: &Context) -> Result<HashMap<Pubkey, u8>> {
    let mints = accounts::mint_configs(context.rpc()).await?;
    Ok(mints
        .into_iter()
        .map(|(_, config)| (config.mint, config.decimals))
        .collect())
}

fn fields(address: &Pubkey, purse: &Purse, decimals: &HashMap<Pubkey, u8>) -> Fields {
    let tokens = |atoms: u64| show(atoms, decimals.get(&purse.mint).copied().unwrap_or(0));
    Fields::new()
        .text("purse", address)
        .text("mint", purse.mint)
        .text("free", tokens(purse.free_atoms.get()))
        .text("reserved", tokens(purse.reserved_atoms.get()))
        .with("opened", purse.opened.get())
        .text(
            "operator_reserved",
            tokens(purse.operator_reserved_atoms.get()),
        )
        .text("operator_limit", tokens(purse.operator_limit_atoms.get()))
}
