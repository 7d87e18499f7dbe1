//! `quern emission fund`: tokens to grant rewards from.

use {
    crate::{
        amount::Amount,
        context::Context,
        error::{Error, Result},
        output::Fields,
    },
    quern_client::{Signer, accounts, addresses, flows},
};

/// Puts tokens into the emission's purse.
pub async fn run(context: &Context, amount: &Amount) -> Result<()> {
    let wallet = context.wallet()?;
    let emission = accounts::emission(context.rpc()).await?;
    if !emission.is_configured() {
        return Err(Error::Other(
            "no rewards are configured on this cluster yet; see `quern emission configure --help`"
                .to_owned(),
        ));
    }
    let config = context.mint(&emission.reward_mint).await?;
    let atoms = amount.some_atoms(config.decimals)?;
    let (payer, mint) = (wallet.pubkey(), &config.mint);
    context.check_tokens(&payer, &config, atoms).await?;
    let (to, token_program) = (addresses::emission(), &config.token_program);
    let all = flows::deposit(context.rpc(), &payer, &to, mint, token_program, atoms).await?;
    let done = Fields::new()
        .text("reward_mint", mint)
        .tokens("funded", atoms, config.decimals);
    context.send_and_show(&all, &[&wallet], done).await
}
