//! `deposit` and `withdraw` together: tokens, purses and totals.

use super::common::*;

#[test]
fn deposits_and_withdrawals_move_tokens_and_totals() {
    let mut stage = Stage::new();
    let (client, bank) = (stage.cast.client, stage.bank());
    for mint in [stage.usd, stage.gold] {
        let config = addresses::mint_config(&mint);
        let (vault, purse) = (addresses::vault(&mint), addresses::purse(&client, &mint));
        let before: MintConfig = stage.get(&config);
        let outcome = stage.deposit(&client, &mint, 777);
        let QuernEvent::Deposited(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (event.owner, event.mint, event.depositor, event.amount_atoms),
            (client, mint, bank, 777)
        );
        let after: MintConfig = stage.get(&config);
        assert_eq!(after.total_atoms.get(), before.total_atoms.get() + 777);
        assert_eq!(token::amount(&stage, &vault), after.total_atoms.get());
        assert_eq!(
            stage.get::<Purse>(&purse).free_atoms.get(),
            DEPOSIT_ATOMS + 777
        );

        let outcome = stage.withdraw(&client, &mint, DEPOSIT_ATOMS + 777);
        let destination = token::account(&stage, &client, &mint);
        let QuernEvent::Withdrawn(event) = outcome.event() else {
            panic!("{outcome:?}")
        };
        assert_eq!(
            (event.owner, event.mint, event.destination),
            (client, mint, destination)
        );
        assert_eq!(token::amount(&stage, &destination), DEPOSIT_ATOMS + 777);
        assert_eq!(
            token::amount(&stage, &vault),
            before.total_atoms.get() - DEPOSIT_ATOMS
        );
        let token_program = token::program_of(&stage, &mint);
        let more = ix::withdraw(&client, &destination, &mint, &token_program, 1);
        stage.refused(more, QuernError::InsufficientFunds);
    }
}

/// P1: tokens sent to the vault from outside belong to nobody and disturb nothing.
#[test]
fn a_gift_to_the_vault_disturbs_nothing() {
    let mut stage = Stage::new();
    let (client, bank, usd) = (stage.cast.client, stage.bank(), stage.usd);
    let source = token::issue(&mut stage, &bank, &usd, 1_000);
    let gift = token::transfer(
        &addresses::TOKEN_PROGRAM,
        &source,
        &addresses::vault(&usd),
        &bank,
        1_000,
    );
    stage.ok(gift);
    let total = |stage: &Stage| {
        stage
            .get::<MintConfig>(&addresses::mint_config(&usd))
            .total_atoms
            .get()
    };
    let before = total(&stage);
    assert_eq!(
        token::amount(&stage, &addresses::vault(&usd)),
        before + 1_000
    );
    stage.deposit(&client, &usd, 10);
    assert_eq!(total(&stage), before + 10);
    stage.withdraw(&client, &usd, DEPOSIT_ATOMS + 10);
    assert_eq!(
        token::amount(&stage, &addresses::vault(&usd)),
        total(&stage) + 1_000
    );
    // Lamports to accounts disturb nothing either, nor do they keep anything from being created.
    for address in [
        addresses::vault(&usd),
        addresses::purse(&client, &usd),
        addresses::protocol(),
    ] {
        let mut account = stage.svm.get_account(&address).unwrap();
        account.lamports += 1;
        stage.svm.set_account(address, account).unwrap();
    }
    stage.deposit(&client, &usd, 20_000);
    stage.create(stage.refereed());
}

/// What `deposit` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(E::ZeroAmount, "a deposit", |stage| {
        let (bank, usd) = (stage.bank(), stage.usd);
        let source = token::issue(stage, &bank, &usd, 1);
        ix::deposit(&bank, &source, &bank, &usd, &addresses::TOKEN_PROGRAM, 0)
            .with_purse_of(&stage.cast.client, &usd)
    })]
}
