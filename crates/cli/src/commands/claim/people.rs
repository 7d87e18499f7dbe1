//! Who claims for whom, and who pays.

use {
    crate::{
        context::{self, Context},
        error::{Error, Result},
    },
    quern_client::{Keypair, Pubkey, Signer},
};

/// Who claims for whom, and who pays.
pub struct People {
    /// Whose claims.
    pub owner: Pubkey,
    /// Who pays.
    pub payer: Pubkey,
    /// Whether the owner signs.
    pub signs: bool,
    wallet: Result<Keypair>,
    fee_payer: Option<Keypair>,
}

impl People {
    /// `owner` if not the wallet's own, and who pays the fees if not the wallet; a dry run needs neither.
    pub fn of(
        context: &Context,
        owner: Option<Pubkey>,
        fee_payer: Option<&str>,
        is_dry: bool,
    ) -> Result<Self> {
        let fee_payer = match fee_payer {
            Some(source) => Some(context::keypair(source)?),
            None => None,
        };
        let wallet = context.wallet();
        let own = wallet.as_ref().ok().map(Keypair::pubkey);
        let owner = match (owner, own) {
            (Some(owner), _) => owner,
            (None, Some(own)) => own,
            (None, None) => return Err(wallet.err().unwrap_or_else(no_wallet)),
        };
        let payer = fee_payer.as_ref().map(Keypair::pubkey).or(own);
        // Nobody pays where nothing is sent, and a stranger's claims can be looked at without any key.
        let payer = match (payer, is_dry) {
            (Some(payer), _) => payer,
            (None, true) => owner,
            (None, false) => return Err(wallet.err().unwrap_or_else(no_wallet)),
        };
        Ok(Self {
            owner,
            payer,
            signs: own == Some(owner),
            wallet,
            fee_payer,
        })
    }

    /// Who signs, the payer first.
    pub fn signers(&self) -> Result<Vec<&Keypair>> {
        let all: Vec<&Keypair> = self
            .fee_payer
            .iter()
            .chain(self.wallet.as_ref().ok())
            .collect();
        match all.is_empty() {
            true => Err(no_wallet()),
            false => Ok(all),
        }
    }
}

fn no_wallet() -> Error {
    Error::Usage("nobody pays; name a wallet with --keypair or --fee-payer".to_owned())
}
