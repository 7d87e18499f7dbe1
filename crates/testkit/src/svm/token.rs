//! Mints and token accounts of both token programs, written as the token programs would.

use {
    super::{World, addresses},
    solana_sdk::{
        account::Account,
        instruction::{AccountMeta, Instruction},
        pubkey::Pubkey,
    },
};

/// Size of a mint without extensions.
pub const MINT_BYTES: usize = 82;
/// Size of a token account without extensions; mints with extensions are padded to it.
pub const ACCOUNT_BYTES: usize = 165;

/// The data of a mint with these extensions, each a type and its value.
pub fn mint_data(
    authority: &Pubkey,
    freeze: Option<&Pubkey>,
    decimals: u8,
    extensions: &[(u16, Vec<u8>)],
) -> Vec<u8> {
    let mut data = vec![0; MINT_BYTES];
    data[0] = 1;
    data[4..36].copy_from_slice(authority.as_ref());
    data[44] = decimals;
    data[45] = 1;
    if let Some(freeze) = freeze {
        data[46] = 1;
        data[50..82].copy_from_slice(freeze.as_ref());
    }
    if !extensions.is_empty() {
        data.resize(ACCOUNT_BYTES, 0);
        data.push(1); // account type: mint
        for (kind, value) in extensions {
            data.extend(kind.to_le_bytes());
            data.extend((value.len() as u16).to_le_bytes());
            data.extend(value);
        }
    }
    data
}

/// Creates a mint of a token program at an address that follows from its name.
pub fn create_mint(world: &mut World, name: &str, token_program: &Pubkey, decimals: u8) -> Pubkey {
    create_mint_with(world, name, token_program, decimals, &[])
}

/// As [`create_mint`], with Token-2022 extensions.
pub fn create_mint_with(
    world: &mut World,
    name: &str,
    token_program: &Pubkey,
    decimals: u8,
    extensions: &[(u16, Vec<u8>)],
) -> Pubkey {
    let mint = super::actor(&format!("mint {name}"));
    let issuer = super::actor("issuer");
    put(
        world,
        &mint,
        token_program,
        mint_data(&issuer, Some(&issuer), decimals, extensions),
    );
    mint
}

/// Writes an account with enough lamports for its rent.
pub fn put(world: &mut World, address: &Pubkey, owner: &Pubkey, data: Vec<u8>) {
    let lamports = world.svm.minimum_balance_for_rent_exemption(data.len());
    let account = Account {
        lamports,
        data,
        owner: *owner,
        ..Account::default()
    };
    world.svm.set_account(*address, account).unwrap();
}

/// The token program that owns a mint.
pub fn program_of(world: &World, mint: &Pubkey) -> Pubkey {
    world
        .svm
        .get_account(mint)
        .unwrap_or_else(|| panic!("no mint at {mint}"))
        .owner
}

/// The token account that stands for an owner in a mint.
pub fn account(world: &World, owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    addresses::token_account(owner, mint, &program_of(world, mint))
}

/// Issues atoms to an owner's token account, creating it if it is not there. Returns its address.
pub fn issue(world: &mut World, owner: &Pubkey, mint: &Pubkey, atoms: u64) -> Pubkey {
    let token_program = program_of(world, mint);
    let address = account(world, owner, mint);
    if world.svm.get_account(&address).is_none() {
        let mut data = vec![0; ACCOUNT_BYTES];
        data[..32].copy_from_slice(mint.as_ref());
        data[32..64].copy_from_slice(owner.as_ref());
        data[108] = 1;
        put(world, &address, &token_program, data);
    }
    add(world, &address, 64, atoms);
    add(world, mint, 36, atoms);
    address
}

/// Adds to a number inside an account: a balance or a supply.
fn add(world: &mut World, address: &Pubkey, at: usize, atoms: u64) {
    let mut account = world.svm.get_account(address).unwrap();
    let before = u64::from_le_bytes(account.data[at..at + 8].try_into().unwrap());
    let after = before
        .checked_add(atoms)
        .unwrap_or_else(|| panic!("the supply of a mint fits into 64 bits"));
    account.data[at..at + 8].copy_from_slice(&after.to_le_bytes());
    world.svm.set_account(*address, account).unwrap();
}

/// The amount in a token account, 0 if it does not exist.
pub fn amount(world: &World, address: &Pubkey) -> u64 {
    let Some(account) = world.svm.get_account(address) else {
        return 0;
    };
    u64::from_le_bytes(account.data[64..72].try_into().unwrap())
}

/// Sends tokens straight to another token account, outside the program.
pub fn transfer(
    token_program: &Pubkey,
    from: &Pubkey,
    to: &Pubkey,
    owner: &Pubkey,
    atoms: u64,
) -> Instruction {
    let mut data = vec![3];
    data.extend(atoms.to_le_bytes());
    let accounts = vec![
        AccountMeta::new(*from, false),
        AccountMeta::new(*to, false),
        AccountMeta::new_readonly(*owner, true),
    ];
    Instruction {
        program_id: *token_program,
        accounts,
        data,
    }
}
