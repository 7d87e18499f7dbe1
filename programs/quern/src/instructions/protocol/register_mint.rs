//! Takes a mint into the protocol and creates its vault.
//!
//! # Specification
//! - SHALL require the authority's signature.
//! - SHALL take SPL Token mints, and Token-2022 mints whose extensions are all on the allow-list; others are refused by name.
//! - SHALL refuse rates that make buying from oneself pay (P12).
//! - SHALL create the one vault of the mint, its own authority, for which only this program signs.

use {
    super::require_wash_proof,
    crate::{
        clock::Moment,
        error::QuernError,
        events::{MintRegistered, emit_event},
        state::{Emission, LAYOUT_VERSION, MintConfig, MintRates, Protocol, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
    anchor_spl::{
        token_2022_cpi::instructions::InitializeAccount3,
        token_interface::{Mint, TokenAccount, TokenInterface},
    },
    spl_token_2022_interface::{
        extension::{BaseStateWithExtensions, ExtensionType, PodStateWithExtensions},
        pod::PodMint,
    },
};

/// Accounts of `register_mint`.
#[event_cpi]
#[derive(Accounts)]
pub struct RegisterMint {
    /// The protocol's authority; pays.
    #[account(mut, address = protocol.authority @ QuernError::NotAuthorized)]
    pub authority: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The emission; there is only one account of this type.
    pub emission: Account<Emission>,
    /// The mint; owner and layout are checked by its type, extensions by `validate`.
    pub mint: InterfaceAccount<Mint>,
    /// The mint's configuration, created here.
    #[account(init, payer = authority, seeds = [MintConfig::SEED, mint.address().as_ref()], bump)]
    pub mint_config: Account<MintConfig>,
    /// The vault, created here as a token account that is its own authority.
    #[account(mut, seeds = [MintConfig::VAULT_SEED, mint.address().as_ref()], bump)]
    pub vault: UncheckedAccount,
    /// SPL Token or Token-2022, whichever owns the mint.
    pub token_program: Interface<'static, TokenInterface>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

impl RegisterMint {
    fn validate(&self, rates: &MintRates) -> Result<()> {
        require!(rates.least_price_atoms >= 1, QuernError::ZeroAmount);
        let view = self.mint.view();
        require!(
            view.owned_by(self.token_program.address()),
            QuernError::WrongMint
        );
        // SAFETY: read-only, while no wrapper of the mint writes.
        let data = unsafe { view.borrow_unchecked() };
        let mint = PodStateWithExtensions::<PodMint>::unpack(data)?;
        for extension in mint.get_extension_types()? {
            refusal(extension).map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Allowed extensions need no room in token accounts, so a vault has the plain size.
    fn create_vault(&self, bump: u8) -> Result<()> {
        let (mint, vault) = (self.mint.view(), self.vault.account());
        anchor_lang::create_account_with_signers(
            self.authority.account(),
            vault,
            core::mem::size_of::<TokenAccount>(),
            self.token_program.address(),
            Some(&[MintConfig::VAULT_SEED, mint.address().as_ref(), &[bump]]),
            None,
        )?;
        InitializeAccount3 {
            account: vault,
            mint,
            owner: vault.address(),
            token_program: self.token_program.address(),
        }
        .invoke()
    }
}

/// Writes the configuration.
pub fn handle_register_mint(ctx: &mut Context<RegisterMint>, rates: MintRates) -> Result<()> {
    ctx.accounts.validate(&rates)?;
    let at = Moment::without_restart()?.now;
    let bumps = (ctx.bumps.mint_config, ctx.bumps.vault);

    ctx.accounts.create_vault(bumps.1)?;
    let accounts = &mut ctx.accounts;
    let mint = *accounts.mint.address();
    let config = &mut accounts.mint_config;
    config.version = LAYOUT_VERSION;
    config.bump = bumps.0;
    config.vault_bump = bumps.1;
    config.decimals = accounts.mint.decimals();
    config.enabled = true.into();
    config.mint = mint;
    config.token_program = *accounts.token_program.address();
    config.vault = *accounts.vault.address();
    config.apply(&rates);
    require_wash_proof(&accounts.emission, &accounts.mint_config)?;

    let changes = changes![changed(&mut accounts.mint_config)];
    emit_event!(ctx, MintRegistered { at, mint, changes });
    Ok(())
}

/// Why a mint with this extension is refused, or nothing for those that cannot hurt a vault.
fn refusal(extension: ExtensionType) -> Option<ProgramError> {
    let error = match extension {
        ExtensionType::MetadataPointer
        | ExtensionType::TokenMetadata
        | ExtensionType::GroupPointer
        | ExtensionType::TokenGroup
        | ExtensionType::GroupMemberPointer
        | ExtensionType::TokenGroupMember => return None,
        ExtensionType::TransferFeeConfig => QuernError::MintHasTransferFee,
        ExtensionType::TransferHook => QuernError::MintHasTransferHook,
        ExtensionType::PermanentDelegate => QuernError::MintHasPermanentDelegate,
        ExtensionType::Pausable => QuernError::MintIsPausable,
        ExtensionType::DefaultAccountState => QuernError::MintDefaultFrozen,
        ExtensionType::MintCloseAuthority => QuernError::MintHasCloseAuthority,
        ExtensionType::ConfidentialTransferMint
        | ExtensionType::ConfidentialTransferFeeConfig
        | ExtensionType::ConfidentialMintBurn => QuernError::MintIsConfidential,
        _ => QuernError::MintExtensionRefused,
    };
    Some(error.into())
}

/// The amount in a token account of either program.
pub(crate) fn token_amount(account: &AccountView) -> Result<u64> {
    let data = account.try_borrow()?;
    let bytes = data.get(64..72).ok_or(ProgramError::AccountDataTooSmall)?;
    let mut amount = [0; 8];
    amount.copy_from_slice(bytes);
    Ok(u64::from_le_bytes(amount))
}

/// Whether an account is the one registered for a mint.
pub(crate) fn require_registered(account: &AccountView, registered: &Address) -> Result<()> {
    require!(
        address_eq(account.address(), registered),
        QuernError::WrongMint
    );
    Ok(())
}
