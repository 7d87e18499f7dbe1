//! Which deployment of the program this process works with.
//!
//! A process talks to one deployment, so its address is chosen once, before anything is read or built, and every address,
//! instruction, account and event follows it. docs/decisions/026-program-id-at-run-time.md says why it is not an argument.

use {solana_sdk::pubkey::Pubkey, std::sync::OnceLock};

static CHOSEN: OnceLock<Pubkey> = OnceLock::new();

/// The program's address: the chosen one, otherwise the committed one, which is for local networks. The first call fixes it.
pub fn program_id() -> Pubkey {
    *CHOSEN.get_or_init(|| quern::ID)
}

/// Chooses the deployment; `Err` names the one that this process works with already.
pub(crate) fn choose(program_id: Pubkey) -> Result<(), Pubkey> {
    let used = *CHOSEN.get_or_init(|| program_id);
    if used == program_id {
        Ok(())
    } else {
        Err(used)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::program_id, crate::set_program_id, solana_sdk::pubkey::Pubkey};

    #[test]
    fn a_deployment_is_chosen_once() {
        // Other tests of this process work with the committed address, in any order.
        assert_eq!(program_id(), quern::ID);
        set_program_id(quern::ID).unwrap();
        let refused = set_program_id(Pubkey::from([1; 32])).unwrap_err();
        assert!(refused.to_string().contains("already"), "{refused}");
        assert_eq!(program_id(), quern::ID);
    }
}
