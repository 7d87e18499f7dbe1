//! Mints and tokens for tests and the demo, made by ordinary transactions.

use {
    crate::{error::Result, network::LocalNet},
    quern_client::{
        ClientError, Instruction, Keypair, Pubkey, Sender, Signer, addresses, instructions,
    },
    solana_sdk::instruction::AccountMeta,
    solana_system_interface::instruction::create_account,
};

/// Size of a mint without extensions, in both token programs.
const MINT_BYTES: usize = 82;
/// Number of `InitializeMint2` in both token programs.
const INITIALIZE_MINT: u8 = 20;
/// Number of `MintTo` in both token programs.
const MINT_TO: u8 = 7;

/// A mint of which the network's admin is the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mint {
    /// Its address.
    pub address: Pubkey,
    /// The program that owns it.
    pub token_program: Pubkey,
    /// Its decimals.
    pub decimals: u8,
}

impl LocalNet {
    /// A new mint of the SPL Token program.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn create_mint(&self, decimals: u8) -> Result<Mint> {
        self.create_mint_at(&Keypair::new(), decimals).await
    }

    /// A new mint of the SPL Token program at the address of a keypair.
    ///
    /// # Errors
    /// That the network does not answer, or has an account there already.
    pub async fn create_mint_at(&self, mint: &Keypair, decimals: u8) -> Result<Mint> {
        self.create_mint_of(&addresses::TOKEN_PROGRAM, mint, decimals)
            .await
    }

    /// A new mint of the Token-2022 program, without extensions.
    ///
    /// # Errors
    /// That the network does not answer.
    pub async fn create_mint_2022(&self, decimals: u8) -> Result<Mint> {
        self.create_mint_of(&addresses::TOKEN_2022_PROGRAM, &Keypair::new(), decimals)
            .await
    }

    async fn create_mint_of(
        &self,
        token_program: &Pubkey,
        mint: &Keypair,
        decimals: u8,
    ) -> Result<Mint> {
        let admin = self.admin().pubkey();
        let rent = self
            .rpc()
            .get_minimum_balance_for_rent_exemption(MINT_BYTES)
            .await
            .map_err(|error| ClientError::from_rpc(self.rpc_url(), error))?;
        let create = create_account(
            &admin,
            &mint.pubkey(),
            rent,
            MINT_BYTES as u64,
            token_program,
        );
        let mut data = vec![INITIALIZE_MINT, decimals];
        data.extend_from_slice(admin.as_ref());
        data.push(0); // nobody may freeze
        let accounts = vec![AccountMeta::new(mint.pubkey(), false)];
        let initialize = Instruction {
            program_id: *token_program,
            accounts,
            data,
        };
        self.sender()
            .send(&[create, initialize], &[self.admin(), mint])
            .await?;
        Ok(Mint {
            address: mint.pubkey(),
            token_program: *token_program,
            decimals,
        })
    }

    /// Mints tokens into the usual token account of an owner, creating it if needed. Returns that account.
    ///
    /// # Errors
    /// That the network does not answer, or that the supply would be too large.
    pub async fn mint_to(&self, mint: &Mint, owner: &Pubkey, amount_atoms: u64) -> Result<Pubkey> {
        mint_to(self.sender(), self.admin(), mint, owner, amount_atoms).await
    }
}

/// Mints tokens into the usual token account of an owner, creating it if needed; `authority` is the mint's and pays. Returns
/// that account.
///
/// # Errors
/// That the network does not answer, that the mint has another authority, or that the supply would be too large.
pub async fn mint_to(
    sender: &Sender,
    authority: &Keypair,
    mint: &Mint,
    owner: &Pubkey,
    amount_atoms: u64,
) -> Result<Pubkey> {
    let payer = authority.pubkey();
    let account = addresses::token_account(owner, &mint.address, &mint.token_program);
    let create =
        instructions::create_token_account(&payer, owner, &mint.address, &mint.token_program);
    let mut data = vec![MINT_TO];
    data.extend_from_slice(&amount_atoms.to_le_bytes());
    let accounts = vec![
        AccountMeta::new(mint.address, false),
        AccountMeta::new(account, false),
        AccountMeta::new_readonly(payer, true),
    ];
    let mint_to = Instruction {
        program_id: mint.token_program,
        accounts,
        data,
    };
    sender.send(&[create, mint_to], &[authority]).await?;
    Ok(account)
}
