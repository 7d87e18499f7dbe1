//! Sending with checks: after every transaction that succeeds, what its events say and all accounts are audited.

use {
    super::{
        audit,
        world::{Failure, MAX_TRANSACTION_BYTES, Outcome, World},
    },
    solana_sdk::instruction::Instruction,
};

impl World {
    /// Sends instructions, and folds and audits if they succeed.
    pub fn send(&mut self, instructions: &[Instruction]) -> Result<Outcome, Failure> {
        self.checked(|world| world.try_send(instructions))
    }

    /// As [`World::send`], in a transaction of version 1.
    pub fn send_v1(&mut self, instructions: &[Instruction]) -> Result<Outcome, Failure> {
        self.checked(|world| world.try_send_v1(instructions))
    }

    fn checked(
        &mut self,
        send: impl FnOnce(&mut Self) -> Result<Outcome, Failure>,
    ) -> Result<Outcome, Failure> {
        let before = self.program_accounts();
        let lamports = self.all_lamports() + u128::from(self.fees_lamports);
        let outcome = send(self)?;
        let after = self.all_lamports() + u128::from(self.fees_lamports);
        assert_eq!(after, lamports, "lamports came or went");
        let after = self.program_accounts();
        for event in &outcome.events {
            assert_eq!(
                event.at(),
                self.now(),
                "an event's time is the cluster's: {event:?}"
            );
            self.follower.apply(event);
            self.oracle.apply(event);
        }
        audit::every_change_is_told(&before, &after, &outcome.events);
        audit::all(self);
        Ok(outcome)
    }

    /// Sends an instruction that must succeed.
    #[track_caller]
    pub fn ok(&mut self, instruction: Instruction) -> Outcome {
        self.ok_all(&[instruction])
    }

    /// Sends instructions that must succeed.
    #[track_caller]
    pub fn ok_all(&mut self, instructions: &[Instruction]) -> Outcome {
        match self.send(instructions) {
            Ok(outcome) => {
                let bytes = outcome.bytes;
                assert!(
                    bytes <= MAX_TRANSACTION_BYTES,
                    "no node takes a transaction of {bytes} bytes"
                );
                outcome
            }
            Err(failure) => panic!("{:?}\n{}", failure.error, failure.logs.join("\n")),
        }
    }
}
