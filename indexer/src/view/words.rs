//! The program's codes in the words of the API.

use {
    crate::project::program,
    quern_api::{AccountKind, Assurance, ConvictionReason, JobKind, JobState},
};

/// The assurance level with a code.
pub fn assurance(code: u8) -> Option<Assurance> {
    Some(match program::Assurance::from_code(code)? {
        program::Assurance::Refereed => Assurance::Refereed,
        program::Assurance::Reviewed => Assurance::Reviewed,
    })
}

/// The code of an assurance level.
pub fn assurance_code(assurance: Assurance) -> u8 {
    let level = match assurance {
        Assurance::Refereed => program::Assurance::Refereed,
        Assurance::Reviewed => program::Assurance::Reviewed,
    };
    level as u8
}

/// The state with a code of the store, where 0 stands for closed.
pub fn job_state(code: u8) -> Option<JobState> {
    if code == 0 {
        return Some(JobState::Closed);
    }
    Some(match program::JobState::from_code(code)? {
        program::JobState::Open => JobState::Open,
        program::JobState::Taken => JobState::Taken,
        program::JobState::Submitted => JobState::Submitted,
        program::JobState::Rejected => JobState::Rejected,
        program::JobState::Convicted => JobState::Convicted,
    })
}

/// The code of a state in the store.
pub fn job_state_code(state: JobState) -> u8 {
    let state = match state {
        JobState::Closed => return 0,
        JobState::Open => program::JobState::Open,
        JobState::Taken => program::JobState::Taken,
        JobState::Submitted => program::JobState::Submitted,
        JobState::Rejected => program::JobState::Rejected,
        JobState::Convicted => program::JobState::Convicted,
    };
    state as u8
}

/// What a job with this code is for.
pub fn job_kind(code: u8) -> Option<JobKind> {
    Some(match program::JobKind::from_code(code)? {
        program::JobKind::Inference => JobKind::Inference,
        program::JobKind::FineTuning => JobKind::FineTuning,
        program::JobKind::Training => JobKind::Training,
    })
}

/// The reason with a code; 0 stands for none.
pub fn conviction_reason(code: u8) -> Option<ConvictionReason> {
    Some(match program::ConvictionReason::from_code(code)? {
        program::ConvictionReason::WrongCell => ConvictionReason::WrongCell,
        program::ConvictionReason::BadPadding => ConvictionReason::BadPadding,
        program::ConvictionReason::Unanswered => ConvictionReason::Unanswered,
    })
}

/// The kind of account with a code.
pub fn account_kind(code: u8) -> Option<AccountKind> {
    Some(match program::kind_of(code)? {
        program::EntityKind::Protocol => AccountKind::Protocol,
        program::EntityKind::MintConfig => AccountKind::Mint,
        program::EntityKind::Emission => AccountKind::Emission,
        program::EntityKind::Provider => AccountKind::Provider,
        program::EntityKind::Purse => AccountKind::Purse,
        program::EntityKind::Model => AccountKind::Model,
        program::EntityKind::Job => AccountKind::Job,
        program::EntityKind::Demand => AccountKind::Demand,
        program::EntityKind::Campaign => AccountKind::Campaign,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_codes_lead_back_to_each_other() {
        for level in Assurance::ALL {
            assert_eq!(assurance(assurance_code(*level)), Some(*level));
        }
        for state in JobState::ALL {
            assert_eq!(job_state(job_state_code(*state)), Some(*state));
        }
        assert_eq!((assurance(0), job_state(6)), (None, None));
    }
}
