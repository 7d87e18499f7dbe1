//! `quern localnet fund`: lamports and test tokens for any wallet on a local network that runs.

use {
    super::Wallet,
    crate::{
        amount::{self, parse},
        context::Context,
        error::{Error, Result},
        named::InMint,
        output::Fields,
    },
    quern_client::{ClientError, Pubkey, config},
    quern_localnet::{Mint, mint_to, set_lamports},
    std::path::PathBuf,
};

/// Who gets how much.
#[derive(clap::Args)]
pub struct Args {
    /// Who gets it [default: your wallet]
    #[arg(value_name = "ADDRESS")]
    wallet: Option<Pubkey>,
    /// How much SOL
    #[arg(long, default_value = "100", value_name = "SOL", value_parser = amount::billionths)]
    sol: u64,
    /// How many tokens
    #[arg(long, default_value = "1000000", value_name = "TOKENS", value_parser = amount::check)]
    amount: String,
    #[command(flatten)]
    mint: InMint,
    /// Folder with the wallets' keypairs of the network
    #[arg(long, default_value = "quern-localnet", value_name = "FOLDER")]
    keys_dir: PathBuf,
}

/// Adds lamports and tokens.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    if !config::is_local(&context.url) {
        return Err(Error::Usage(
            "only a local network gives money away; pass `-u l`, or source the env file that `quern localnet` wrote".to_owned(),
        ));
    }
    let wallet = context.owner(args.wallet)?;
    let mint = args.mint.config(context).await?;
    let atoms = parse("--amount", &args.amount, mint.decimals)?;
    let admin = Wallet::load(&args.keys_dir, "admin")?;
    if admin.is_new {
        return Err(Error::file(
            &admin.path,
            "it is missing; name the folder that `quern localnet` writes to with --keys-dir",
        ));
    }
    let balance = context.rpc().get_balance(&wallet).await;
    let balance = balance.map_err(|error| ClientError::from_rpc(&context.url, error))?;
    set_lamports(context.rpc(), &wallet, balance.saturating_add(args.sol)).await?;
    let funded = Mint {
        address: mint.mint,
        token_program: mint.token_program,
        decimals: mint.decimals,
    };
    mint_to(&context.sender, &admin.keypair, &funded, &wallet, atoms).await?;
    Fields::new()
        .text("wallet", wallet)
        .sol("sol_added", args.sol)
        .text("mint", mint.mint)
        .tokens("tokens_added", atoms, mint.decimals)
        .print(context.format);
    Ok(())
}
