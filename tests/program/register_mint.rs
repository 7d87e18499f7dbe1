//! `register_mint`: the vault, and which mints are taken.

use super::common::*;

#[test]
fn a_registered_mint_has_a_vault_that_is_its_own_authority() {
    let mut stage = Stage::initialized(Cast::usual());
    let authority = stage.cast.authority;
    for (name, token_program, decimals) in [
        ("a", addresses::TOKEN_PROGRAM, 6),
        ("b", addresses::TOKEN_2022_PROGRAM, 0),
        ("c", addresses::TOKEN_PROGRAM, 255),
    ] {
        let mint = token::create_mint(&mut stage, name, &token_program, decimals);
        let before = stage.lamports(&authority);
        let outcome = stage.ok(ix::register_mint(
            &authority,
            &mint,
            &token_program,
            rates(),
        ));
        assert!(matches!(outcome.event(), QuernEvent::MintRegistered(e) if e.mint == mint));
        let paid = rent(&stage, space::<MintConfig>()) + rent(&stage, token::ACCOUNT_BYTES);
        assert_eq!(stage.lamports(&authority), before - paid);
        let config: MintConfig = stage.get(&addresses::mint_config(&mint));
        let vault = addresses::vault(&mint);
        assert_eq!(
            (config.mint, config.vault, config.token_program),
            (mint, vault, token_program)
        );
        assert_eq!(
            (
                config.decimals,
                config.enabled.get(),
                config.total_atoms.get()
            ),
            (decimals, true, 0)
        );
        assert_eq!(config.least_price_atoms.get(), rates().least_price_atoms);
        assert_eq!(config.reward_rate_e9.get(), rates().reward_rate_e9);
        let account = stage.svm.get_account(&vault).unwrap();
        assert_eq!(
            (account.owner, account.data.len()),
            (token_program, token::ACCOUNT_BYTES)
        );
        assert_eq!(&account.data[..32], mint.as_ref());
        assert_eq!(&account.data[32..64], vault.as_ref(), "its own authority");
        stage.fails(ix::register_mint(
            &authority,
            &mint,
            &token_program,
            rates(),
        ));
    }
}

const METADATA: u16 = 19;

fn values() -> Vec<(u16, Vec<u8>)> {
    let metadata = [
        vec![1; 64],
        vec![4, 0, 0, 0],
        b"name".to_vec(),
        vec![0; 8],
        vec![0; 4],
    ]
    .concat();
    vec![
        (18, vec![1; 64]),
        (METADATA, metadata),
        (20, vec![1; 64]),
        (21, vec![1; 80]),
        (22, vec![1; 64]),
        (23, vec![1; 72]),
    ]
}

/// Each allowed extension, and all of them, on real deposits and withdrawals.
#[test]
fn mints_with_allowed_extensions_work() {
    let mut sets: Vec<Vec<(u16, Vec<u8>)>> =
        values().into_iter().map(|value| vec![value]).collect();
    sets.push(values());
    for (n, extensions) in sets.into_iter().enumerate() {
        let mut stage = Stage::new();
        let (authority, client) = (stage.cast.authority, stage.cast.client);
        let name = format!("extended {n}");
        let mint = token::create_mint_with(
            &mut stage,
            &name,
            &addresses::TOKEN_2022_PROGRAM,
            2,
            &extensions,
        );
        stage.ok(ix::register_mint(
            &authority,
            &mint,
            &addresses::TOKEN_2022_PROGRAM,
            rates(),
        ));
        stage.open(&client, &mint);
        stage.deposit(&client, &mint, 1_000);
        stage.withdraw(&client, &mint, 400);
        let purse: Purse = stage.get(&addresses::purse(&client, &mint));
        assert_eq!(purse.free_atoms.get(), 600);
        assert_eq!(token::amount(&stage, &addresses::vault(&mint)), 600);
    }
}

/// The allow-list is exactly metadata, groups and members, whatever else exists or will exist.
#[test]
fn every_other_extension_is_refused() {
    let mut stage = Stage::new();
    let authority = stage.cast.authority;
    let mut accepted = Vec::new();
    for kind in (1..80).chain([255, 256, u16::MAX]) {
        let value = values()
            .into_iter()
            .find(|(allowed, _)| *allowed == kind)
            .map_or(vec![0; 8], |(_, value)| value);
        let name = format!("kind {kind}");
        let mint = token::create_mint_with(
            &mut stage,
            &name,
            &addresses::TOKEN_2022_PROGRAM,
            2,
            &[(kind, value)],
        );
        let register =
            ix::register_mint(&authority, &mint, &addresses::TOKEN_2022_PROGRAM, rates());
        if stage
            .clone()
            .try_send(std::slice::from_ref(&register))
            .is_ok()
        {
            accepted.push(kind);
        } else {
            stage.fails(register);
        }
    }
    assert_eq!(accepted, [18, 19, 20, 21, 22, 23]);
}

/// What is no mint is no mint.
#[test]
fn only_initialized_mints_are_registered() {
    let mut stage = Stage::new();
    let (authority, issuer) = (stage.cast.authority, actor("issuer"));
    let good = token::mint_data(&issuer, None, 6, &[]);
    let mut uninitialized = good.clone();
    uninitialized[45] = 0;
    let mut extended = token::mint_data(&issuer, None, 6, &[(1, vec![0; 108])]);
    let mut wrong_type = token::mint_data(&issuer, None, 6, &[(18, vec![1; 64])]);
    wrong_type[165] = 2;
    let mut cut_value = token::mint_data(&issuer, None, 6, &[(18, vec![1; 64])]);
    cut_value.truncate(200);
    let mut padded = good.clone();
    padded.resize(165, 0);
    for token_program in [addresses::TOKEN_PROGRAM, addresses::TOKEN_2022_PROGRAM] {
        let data = [
            &uninitialized,
            &extended,
            &wrong_type,
            &cut_value,
            &padded,
            &vec![0; 82],
            &good[..81].to_vec(),
            &Vec::new(),
        ];
        for (n, data) in data.into_iter().enumerate() {
            let mint = actor(&format!("no mint {n}"));
            token::put(&mut stage, &mint, &token_program, data.clone());
            let failure = stage.fails(ix::register_mint(
                &authority,
                &mint,
                &token_program,
                rates(),
            ));
            assert!(!failure.logs.is_empty());
        }
        // A token account is no mint.
        let mint = token_mint(&stage, &token_program);
        let holder = token::issue(&mut stage, &issuer, &mint, 1);
        stage.fails(ix::register_mint(
            &authority,
            &holder,
            &token_program,
            rates(),
        ));
    }
    // A mint of a program that is neither.
    extended.truncate(82);
    let mint = actor("foreign mint");
    token::put(&mut stage, &mint, &Pubkey::from([3; 32]), good);
    stage.fails(ix::register_mint(
        &authority,
        &mint,
        &addresses::TOKEN_PROGRAM,
        rates(),
    ));
    stage.fails(ix::register_mint(
        &authority,
        &mint,
        &Pubkey::from([3; 32]),
        rates(),
    ));
}

fn token_mint(stage: &Stage, token_program: &Pubkey) -> Pubkey {
    if *token_program == addresses::TOKEN_PROGRAM {
        stage.usd
    } else {
        stage.gold
    }
}

fn mint_with(stage: &mut Stage, extension: u16, value: usize) -> Instruction {
    let extensions = [(18, vec![0; 64]), (extension, vec![0; value])];
    let mint = token::create_mint_with(
        stage,
        "refused",
        &addresses::TOKEN_2022_PROGRAM,
        6,
        &extensions,
    );
    ix::register_mint(
        &stage.cast.authority,
        &mint,
        &addresses::TOKEN_2022_PROGRAM,
        rates(),
    )
}

/// What `register_mint` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::MintHasTransferFee, "extension", |stage| {
            mint_with(stage, 1, 108)
        }),
        (E::MintHasCloseAuthority, "extension", |stage| {
            mint_with(stage, 3, 32)
        }),
        (E::MintIsConfidential, "transfers", |stage| {
            mint_with(stage, 4, 65)
        }),
        (E::MintIsConfidential, "fees", |stage| {
            mint_with(stage, 16, 129)
        }),
        (E::MintIsConfidential, "minting", |stage| {
            mint_with(stage, 24, 196)
        }),
        (E::MintDefaultFrozen, "extension", |stage| {
            mint_with(stage, 6, 1)
        }),
        (E::MintExtensionRefused, "non-transferable", |stage| {
            mint_with(stage, 9, 0)
        }),
        (E::MintExtensionRefused, "interest", |stage| {
            mint_with(stage, 10, 52)
        }),
        (E::MintExtensionRefused, "scaled amounts", |stage| {
            mint_with(stage, 25, 56)
        }),
        (E::MintHasPermanentDelegate, "extension", |stage| {
            mint_with(stage, 12, 32)
        }),
        (E::MintHasTransferHook, "extension", |stage| {
            mint_with(stage, 14, 64)
        }),
        (E::MintIsPausable, "extension", |stage| {
            mint_with(stage, 26, 33)
        }),
        (E::WrongMint, "a mint of the other token program", |stage| {
            let mint = token::create_mint(stage, "new", &addresses::TOKEN_PROGRAM, 6);
            ix::register_mint(
                &stage.cast.authority,
                &mint,
                &addresses::TOKEN_2022_PROGRAM,
                rates(),
            )
        }),
        (E::ZeroAmount, "a least price of a new mint", |stage| {
            let mint = token::create_mint(stage, "new", &addresses::TOKEN_PROGRAM, 6);
            let rates = rates_with(|rates| rates.least_price_atoms = 0);
            ix::register_mint(
                &stage.cast.authority,
                &mint,
                &addresses::TOKEN_PROGRAM,
                rates,
            )
        }),
    ]
}
