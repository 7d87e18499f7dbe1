//! `withdraw`: what is refused; `deposit.rs` tests both ways.

use super::common::*;

/// Whoever refuses it: tokens never go from a vault to itself.
#[test]
fn a_vault_is_no_destination() {
    let mut stage = Stage::new();
    let (client, usd) = (stage.cast.client, stage.usd);
    stage.fails(ix::withdraw(
        &client,
        &addresses::vault(&usd),
        &usd,
        &addresses::TOKEN_PROGRAM,
        1,
    ));
}

/// What `withdraw` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::ZeroAmount, "a withdrawal", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            ix::withdraw(&client, &destination, &usd, &addresses::TOKEN_PROGRAM, 0)
        }),
        (E::InsufficientFunds, "a withdrawal", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            ix::withdraw(
                &client,
                &destination,
                &usd,
                &addresses::TOKEN_PROGRAM,
                DEPOSIT_ATOMS + 1,
            )
        }),
        (E::VaultShort, "tokens that vanished", |stage| {
            let (client, usd) = (stage.cast.client, stage.usd);
            let destination = token::issue(stage, &client, &usd, 0);
            let vault = addresses::vault(&usd);
            let mut account = stage.svm.get_account(&vault).unwrap();
            account.data[64..72].copy_from_slice(&(3 * DEPOSIT_ATOMS - 1).to_le_bytes());
            stage.svm.set_account(vault, account).unwrap();
            ix::withdraw(&client, &destination, &usd, &addresses::TOKEN_PROGRAM, 1)
        }),
    ]
}
