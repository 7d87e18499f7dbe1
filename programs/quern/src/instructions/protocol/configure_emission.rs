//! Sets what rewards are paid in (once), how much an epoch may grant, and the weights of assurance levels.
//!
//! # Specification
//! - SHALL require the authority's signature.
//! - SHALL set the reward mint and the epoch length once; later calls SHALL name the same.
//! - SHALL let a lower cap hold from the next epoch on and a higher one at once.
//! - SHALL refuse weights that make buying from oneself pay (P12).
//! - SHALL require that the emission's purse in the reward mint exists, so that no settlement lacks it (P11).

use {
    super::require_wash_proof,
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{EmissionConfigured, emit_event},
        instructions::settlement::roll_epoch,
        state::{Emission, MintConfig, Protocol, Purse, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::epoch,
};

/// Rewards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct EmissionSettings {
    /// Length of an epoch in seconds; fixed by the first call.
    pub epoch_secs: u32,
    /// Most that an epoch may grant, in atoms of the reward mint.
    pub cap_atoms: u64,
    /// Weight of refereed work in basis points.
    pub refereed_weight_bps: u16,
    /// Weight of reviewed work in basis points.
    pub reviewed_weight_bps: u16,
}

/// Accounts of `configure_emission`.
#[event_cpi]
#[derive(Accounts)]
pub struct ConfigureEmission {
    /// The protocol's authority.
    #[account(address = protocol.authority @ QuernError::NotAuthorized)]
    pub authority: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The emission; there is only one account of this type.
    #[account(mut)]
    pub emission: Account<Emission>,
    /// Configuration of the reward mint; fixed by the first call.
    pub mint_config: Account<MintConfig>,
    /// The emission's purse in the reward mint.
    pub emission_purse: Account<Purse>,
}

impl ConfigureEmission {
    fn validate(&self, settings: &EmissionSettings) -> Result<()> {
        for weight in [settings.refereed_weight_bps, settings.reviewed_weight_bps] {
            require!(weight <= 10_000, QuernError::ShareTooHigh);
        }
        require!(settings.epoch_secs > 0, QuernError::BadTimeSpan);
        if self.emission.is_configured() {
            let is_same = address_eq(&self.emission.reward_mint, &self.mint_config.mint)
                && self.emission.epoch_secs.get() == settings.epoch_secs;
            require!(is_same, QuernError::EmissionFixed);
        }
        let is_emissions_purse = address_eq(&self.emission_purse.owner, self.emission.address())
            && address_eq(&self.emission_purse.mint, &self.mint_config.mint);
        require!(is_emissions_purse, QuernError::EmissionPurseMissing);
        Ok(())
    }
}

/// Writes caps and weights.
pub fn handle_configure_emission(
    ctx: &mut Context<ConfigureEmission>,
    settings: EmissionSettings,
) -> Result<()> {
    ctx.accounts.validate(&settings)?;
    let moment = Moment::read()?;
    let accounts = &mut ctx.accounts;
    let emission = &mut accounts.emission;
    if emission.is_configured() {
        roll_epoch(emission, &moment)?;
        let (cap_atoms, next_cap_atoms) =
            epoch::schedule_cap(emission.cap_atoms.get(), settings.cap_atoms);
        emission.cap_atoms = cap_atoms.into();
        emission.next_cap_atoms = next_cap_atoms.into();
    } else {
        emission.reward_mint = accounts.mint_config.mint;
        emission.epoch_secs = settings.epoch_secs.into();
        emission.epoch_index = epoch::index_at(moment.now, settings.epoch_secs)
            .or_quern()?
            .into();
        emission.cap_atoms = settings.cap_atoms.into();
        emission.next_cap_atoms = settings.cap_atoms.into();
    }
    emission.refereed_weight_bps = settings.refereed_weight_bps.into();
    emission.reviewed_weight_bps = settings.reviewed_weight_bps.into();
    require_wash_proof(emission, &accounts.mint_config)?;

    let changes = changes![changed(emission)];
    emit_event!(
        ctx,
        EmissionConfigured {
            at: moment.now,
            changes
        }
    );
    Ok(())
}
