//! Creates the protocol and the (still empty) emission.
//!
//! # Specification
//! - SHALL succeed only if signed by the program's upgrade authority, so that nobody takes the protocol over between
//!   deployment and set-up.
//! - SHALL refuse settings outside the bounds of [`ProtocolSettings::validate`].
//! - SHALL keep the cluster's genesis hash, which nothing changes later: tools compare it with the cluster that they talk to.
//! - SHALL be possible once.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ProtocolInitialized, emit_event},
        state::{Emission, LAYOUT_VERSION, Protocol, ProtocolSettings, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
};

/// The loader whose ProgramData accounts name upgrade authorities.
const UPGRADEABLE_LOADER: Address =
    anchor_lang::address!("BPFLoaderUpgradeab1e11111111111111111111111");

/// Accounts of `initialize`.
#[event_cpi]
#[derive(Accounts)]
pub struct Initialize {
    /// The upgrade authority; pays and becomes the protocol's authority.
    #[account(mut)]
    pub authority: Signer,
    /// The program's ProgramData; address and content are checked by `validate`.
    pub program_data: UncheckedAccount,
    /// The protocol, created here.
    #[account(init, payer = authority, seeds = [Protocol::SEED], bump)]
    pub protocol: Account<Protocol>,
    /// The emission, created here.
    #[account(init, payer = authority, seeds = [Emission::SEED], bump)]
    pub emission: Account<Emission>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

impl Initialize {
    fn validate(&self) -> Result<()> {
        let (expected, _) =
            anchor_lang::find_program_address(&[crate::ID.as_ref()], &UPGRADEABLE_LOADER);
        require!(
            address_eq(self.program_data.address(), &expected),
            QuernError::NotUpgradeAuthority
        );
        let data = self.program_data.try_borrow()?;
        let authority = upgrade_authority(&data).ok_or(QuernError::NotUpgradeAuthority)?;
        require!(
            authority == self.authority.address().as_ref(),
            QuernError::NotUpgradeAuthority
        );
        Ok(())
    }
}

/// Creates both accounts.
pub fn handle_initialize(
    ctx: &mut Context<Initialize>,
    settings: ProtocolSettings,
    cluster: [u8; 32],
) -> Result<()> {
    ctx.accounts.validate()?;
    let at = Moment::without_restart()?.now;
    let bumps = (ctx.bumps.protocol, ctx.bumps.emission);

    let accounts = &mut ctx.accounts;
    let protocol = &mut accounts.protocol;
    protocol.version = LAYOUT_VERSION;
    protocol.bump = bumps.0;
    protocol.authority = *accounts.authority.address();
    protocol.cluster = cluster;
    protocol.apply(&settings)?;
    accounts.emission.version = LAYOUT_VERSION;
    accounts.emission.bump = bumps.1;

    let changes = changes![
        changed(&mut accounts.protocol),
        changed(&mut accounts.emission)
    ];
    emit_event!(ctx, ProtocolInitialized { at, changes });
    Ok(())
}

/// The upgrade authority in a ProgramData account (u32 tag 3, u64 slot, option, address), if it has one.
fn upgrade_authority(data: &[u8]) -> Option<&[u8]> {
    let is_program_data = data.get(..4)? == [3, 0, 0, 0];
    let has_authority = *data.get(12)? == 1;
    (is_program_data && has_authority)
        .then(|| data.get(13..45))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_a_program_data_account_with_an_authority() {
        let mut data = [0u8; 45];
        data[0] = 3;
        data[12] = 1;
        data[13..].fill(7);
        assert_eq!(upgrade_authority(&data), Some(&[7u8; 32][..]));
        assert_eq!(upgrade_authority(&data[..44]), None);
        data[12] = 0;
        assert_eq!(upgrade_authority(&data), None);
        data[12] = 1;
        data[0] = 2;
        assert_eq!(upgrade_authority(&data), None);
    }
}
