//! Time as the program sees it: the cluster's clock, and the slot of its last restart.

use {
    anchor_lang::{pinocchio::sysvars::get_sysvar, prelude::*},
    quern_rules::deadline,
};

const LAST_RESTART_SLOT: Address =
    anchor_lang::address!("SysvarLastRestartS1ot1111111111111111111111");

/// One reading of the clock; every decision of an instruction uses the same.
#[derive(Clone, Copy)]
pub struct Moment {
    /// Unix time of the cluster, in seconds.
    pub now: i64,
    /// Current slot.
    pub slot: u64,
    /// Slot of the last cluster restart, 0 if there was none.
    pub last_restart_slot: u64,
}

impl Moment {
    /// Reads the sysvars.
    #[inline(never)]
    pub fn read() -> Result<Self> {
        let clock = Clock::get()?;
        let mut restart = [0; 8];
        get_sysvar(&mut restart, &LAST_RESTART_SLOT, 0)?;
        Ok(Self {
            now: clock.unix_timestamp,
            slot: clock.slot,
            last_restart_slot: u64::from_le_bytes(restart),
        })
    }

    /// Reads the clock alone, for an instruction that looks at no deadline of a state that began earlier.
    #[inline(never)]
    pub fn without_restart() -> Result<Self> {
        let clock = Clock::get()?;
        Ok(Self {
            now: clock.unix_timestamp,
            slot: clock.slot,
            last_restart_slot: 0,
        })
    }

    /// A deadline of a state that began at `state_slot`, moved by the grace time if the cluster restarted since.
    pub fn deadline(&self, deadline: i64, state_slot: u64, restart_grace_secs: u32) -> i64 {
        deadline::extended(
            deadline,
            state_slot,
            self.last_restart_slot,
            restart_grace_secs,
        )
    }
}
