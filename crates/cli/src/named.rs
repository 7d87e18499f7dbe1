//! What people name instead of an address, or leave out: the only mint, a model or a provider by its name.
//!
//! Anybody can give any name to a model or a provider, so a name counts only while one of them has it, and commands show the
//! address that it stood for.

use {
    crate::{
        amount::Amount,
        context::Context,
        error::{Error, Result},
    },
    clap::Args,
    quern_client::{Pubkey, accounts, quern::state::MintConfig},
    std::collections::{BTreeMap, BTreeSet},
};

/// A mint that is named, or the only one.
#[derive(Args, Clone, Debug)]
pub struct InMint {
    /// In which mint [default: the only registered one, or the only one that takes new jobs]
    #[arg(long, value_name = "ADDRESS")]
    pub mint: Option<Pubkey>,
}

impl InMint {
    /// Its configuration.
    ///
    /// # Errors
    /// That the named one is not registered, or that none or several could be meant.
    pub async fn config(&self, context: &Context) -> Result<MintConfig> {
        match self.mint {
            Some(mint) => context.mint(&mint).await,
            None => only(accounts::mint_configs(context.rpc()).await?),
        }
    }
}

/// The only mint, or the only one that takes new jobs. Money leaves one that takes none.
fn only(all: Vec<(Pubkey, MintConfig)>) -> Result<MintConfig> {
    let all: Vec<MintConfig> = all.into_iter().map(|(_, config)| config).collect();
    let enabled = all.iter().filter(|config| config.enabled.get());
    let enabled: Vec<MintConfig> = enabled.copied().collect();
    let meant = if enabled.is_empty() { all } else { enabled };
    match meant.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::Other(
            "no mint is registered with Quern on this cluster; see `quern mint register --help`"
                .to_owned(),
        )),
        several => {
            let mints: Vec<String> = several.iter().map(|one| one.mint.to_string()).collect();
            Err(Error::Usage(format!(
                "there are {} mints here; name one with --mint: {}",
                mints.len(),
                mints.join(", ")
            )))
        }
    }
}

/// An amount and its mint.
#[derive(Args, Clone, Debug)]
pub struct AmountInMint {
    #[command(flatten)]
    mint: InMint,
    #[command(flatten)]
    amount: Amount,
}

impl AmountInMint {
    /// The mint's configuration, and the amount in atoms.
    ///
    /// # Errors
    /// As [`InMint::config`], or an amount that the mint does not have.
    pub async fn read(&self, context: &Context) -> Result<(MintConfig, u64)> {
        let config = self.mint.config(context).await?;
        let atoms = self.amount.in_atoms(config.decimals)?;
        Ok((config, atoms))
    }

    /// As [`Self::read`], for an amount that moves.
    ///
    /// # Errors
    /// As [`Self::read`], or that it is nothing.
    pub async fn read_some(&self, context: &Context) -> Result<(MintConfig, u64)> {
        let config = self.mint.config(context).await?;
        let atoms = self.amount.some_atoms(config.decimals)?;
        Ok((config, atoms))
    }
}

/// A model by its address or its name.
///
/// # Errors
/// That no model or several have the name.
pub async fn model(context: &Context, text: &str) -> Result<Pubkey> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    context.protocol().await?;
    let models = accounts::models(context.rpc(), None).await?;
    let named = models
        .into_iter()
        .map(|(address, model)| (accounts::name(&model.name), address));
    unique("model", text, named)
}

/// Several models.
///
/// # Errors
/// As [`model`].
pub async fn models(context: &Context, texts: &[String]) -> Result<BTreeSet<Pubkey>> {
    let mut found = BTreeSet::new();
    for text in texts {
        found.insert(model(context, text).await?);
    }
    Ok(found)
}

/// Own sources of models' weights.
///
/// # Errors
/// As [`model`].
pub async fn sources(
    context: &Context,
    all: &[(String, String)],
) -> Result<BTreeMap<Pubkey, String>> {
    let mut found = BTreeMap::new();
    for (text, uri) in all {
        found.insert(model(context, text).await?, uri.clone());
    }
    Ok(found)
}

/// A provider's owner by its address or the provider's name.
///
/// # Errors
/// That no provider or several have the name.
pub async fn provider(context: &Context, text: &str) -> Result<Pubkey> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    context.protocol().await?;
    let providers = accounts::providers(context.rpc()).await?;
    let named = providers
        .into_iter()
        .map(|(_, provider)| (accounts::name(&provider.name), provider.owner));
    unique("provider", text, named)
}

fn unique(what: &str, text: &str, named: impl Iterator<Item = (String, Pubkey)>) -> Result<Pubkey> {
    let found: Vec<Pubkey> = named
        .filter(|(name, _)| name == text)
        .map(|(_, address)| address)
        .collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(Error::Other(format!(
            "no {what} is called `{text}`, and it is no address; see `quern {what} list`"
        ))),
        several => {
            let addresses: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(Error::Usage(format!(
                "{} {what}s are called `{text}`; name one by its address: {}",
                addresses.len(),
                addresses.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn mint(byte: u8, is_enabled: bool) -> (Pubkey, MintConfig) {
        let mut config: MintConfig = bytemuck::Zeroable::zeroed();
        config.mint = Pubkey::from([byte; 32]);
        config.enabled = is_enabled.into();
        (Pubkey::default(), config)
    }

    #[test]
    fn only_one_mint_may_be_left_out() {
        let one = only(vec![mint(1, true), mint(2, false)]).unwrap();
        assert_eq!(one.mint, Pubkey::from([1; 32]));
        let several = only(vec![mint(1, true), mint(2, true)]).unwrap_err();
        assert!(several.to_string().contains("--mint"), "{several}");
        assert_eq!(several.exit_code(), 2);
        // Money leaves a mint that takes no new jobs.
        let closed = only(vec![mint(1, false)]).unwrap();
        assert_eq!(closed.mint, Pubkey::from([1; 32]));
        assert!(only(vec![mint(1, false), mint(2, false)]).is_err());
        assert!(only(Vec::new()).is_err());
    }

    #[test]
    fn a_name_counts_only_while_one_has_it() {
        let all = [("Digits", 1), ("Two", 2), ("Two", 3)];
        let all = || all.map(|(name, byte)| (name.to_owned(), Pubkey::from([byte; 32])));
        let find = |text| unique("model", text, all().into_iter());
        assert_eq!(find("Digits").unwrap(), Pubkey::from([1; 32]));
        let several = find("Two").unwrap_err().to_string();
        let both = [2, 3].map(|byte| Pubkey::from([byte; 32]).to_string());
        assert!(both.iter().all(|one| several.contains(one)), "{several}");
        assert!(
            find("digits")
                .unwrap_err()
                .to_string()
                .contains("model list")
        );
    }
}
