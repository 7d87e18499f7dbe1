//! `open_purse`: anybody, for anybody.

use super::common::*;

#[test]
fn purses_are_opened_by_anybody_for_anybody() {
    let mut stage = Stage::new();
    let usd = stage.usd;
    for owner in [
        actor("newcomer"),
        addresses::protocol(),
        addresses::vault(&usd),
    ] {
        let payer = stage.bank();
        let before = stage.lamports(&payer);
        let outcome = stage.ok(ix::open_purse(&payer, &owner, &usd));
        assert!(
            matches!(outcome.event(), QuernEvent::PurseOpened(e) if e.owner == owner && e.mint == usd)
        );
        assert_eq!(
            stage.lamports(&payer),
            before - rent(&stage, space::<Purse>())
        );
        let purse: Purse = stage.get(&addresses::purse(&owner, &usd));
        assert_eq!(
            (
                purse.owner,
                purse.mint,
                purse.free_atoms.get(),
                purse.seq.get()
            ),
            (owner, usd, 0, 1)
        );
        stage.fails(ix::open_purse(&payer, &owner, &usd));
    }
}

/// Everybody's first step.
#[test]
fn open_purse_for_oneself() {
    let mut stage = Stage::new();
    let (usd, newcomer) = (stage.usd, actor("newcomer"));
    stage.give_lamports(&newcomer);
    stage.ok(ix::open_purse(&newcomer, &newcomer, &usd));
}

/// P11: lamports sent ahead to an address that will be created must not stop its creation.
#[test]
fn lamports_sent_ahead_block_no_creation() {
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let usd = stage.usd;
    let newcomer = actor("newcomer");
    stage.give_lamports(&newcomer);
    let mint = token::create_mint(&mut stage, "later", &addresses::TOKEN_PROGRAM, 2);
    let gifts: [Pubkey; 6] = [
        addresses::job(&cast.client, &usd, 0),
        addresses::purse(&newcomer, &usd),
        addresses::provider(&newcomer),
        addresses::model(&newcomer, 3),
        addresses::mint_config(&mint),
        addresses::vault(&mint),
    ];
    for (n, address) in gifts.into_iter().enumerate() {
        // Less than, as much as, and more than the rent.
        let lamports = [1, rent(&stage, 165), 100_000_000_000][n % 3];
        let account = solana_sdk::account::Account {
            lamports,
            owner: addresses::SYSTEM_PROGRAM,
            ..Default::default()
        };
        stage.svm.set_account(address, account).unwrap();
    }
    stage.create(stage.refereed());
    let payer = stage.bank();
    stage.ok(ix::open_purse(&payer, &newcomer, &usd));
    stage.ok(ix::register_provider(&newcomer, provider_args(&newcomer)));
    stage.ok(ix::register_model(&newcomer, model_args(3, 10)));
    stage.ok(ix::register_mint(
        &cast.authority,
        &mint,
        &addresses::TOKEN_PROGRAM,
        rates(),
    ));
}
