//! Rates that must not let fees come back as rewards, compared before anything is sent.

use {
    crate::{
        amount::{show_billionths, show_bps},
        context::Context,
        error::{Error, Result},
    },
    quern_client::{Pubkey, accounts},
    quern_rules::reward::is_wash_proof,
};

/// Refuses a reward rate that would pay more than the fee back in the mint of the fee.
///
/// # Errors
/// Rate, weight and limit.
pub async fn check(context: &Context, mint: &Pubkey, rate_e9: u64) -> Result<()> {
    let emission = accounts::emission(context.rpc()).await?;
    match emission.reward_mint == *mint {
        true => require(rate_e9, emission.highest_weight_bps()),
        false => Ok(()),
    }
}

/// Refuses a rate and a weight whose product is one or more.
///
/// # Errors
/// Rate, weight and limit.
pub fn require(rate_e9: u64, weight_bps: u16) -> Result<()> {
    if is_wash_proof(rate_e9, weight_bps) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--reward-rate {} times the highest weight, {}, must stay below 1, because this mint pays both the fees and the rewards; lower the rate, or --refereed-weight and --reviewed-weight of `quern emission configure`",
        show_billionths(rate_e9),
        show_bps(weight_bps.into())
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_weight_and_limit_are_said() {
        assert!(require(999_999_999, 10_000).is_ok());
        let said = require(2_000_000_000, 5_000).expect_err("it pays the fee back");
        let said = said.to_string();
        assert!(said.contains("--reward-rate 2 times"), "{said}");
        assert!(said.contains("50 %") && said.contains("below 1"), "{said}");
    }
}
