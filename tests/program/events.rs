//! Events, whichever instruction emits them.

use super::common::*;

/// Nobody but the program can emit an event.
#[test]
fn events_cannot_be_forged() {
    let mut stage = Stage::new();
    let job = stage.create(stage.refereed());
    let outcome = stage.take(&job);
    let mut data = anchor_lang::event::EVENT_IX_TAG_LE.to_vec();
    data.extend(outcome.event().encode());
    let metas = [
        vec![solana_sdk::instruction::AccountMeta::new_readonly(
            addresses::event_authority(),
            false,
        )],
        vec![solana_sdk::instruction::AccountMeta::new_readonly(
            stage.cast.stranger,
            true,
        )],
        Vec::new(),
    ];
    for accounts in metas {
        let forged = Instruction {
            program_id: quern::ID,
            accounts,
            data: data.clone(),
        };
        stage.fails(forged);
    }
}
