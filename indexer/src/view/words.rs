//! The program's codes in the words of the API. A code and its word have the same name, which the tests check for every one.

use {
    crate::project::program::{self, Code},
    quern_api::{AccountKind, Assurance, ConvictionReason, JobKind, JobState},
    std::str::FromStr,
};

fn word<C: Code, W: FromStr>(code: Option<C>) -> Option<W> {
    code?.name().parse().ok()
}

/// The assurance level with a code.
pub fn assurance(code: u8) -> Option<Assurance> {
    word(program::Assurance::from_code(code))
}

/// The code of an assurance level.
pub fn assurance_code(assurance: Assurance) -> u8 {
    let level = assurance.word().parse();
    level.map_or(0, program::Assurance::code)
}

/// The state with a code of the store, where 0 stands for closed.
pub fn job_state(code: u8) -> Option<JobState> {
    match code {
        0 => Some(JobState::Closed),
        _ => word(program::JobState::from_code(code)),
    }
}

/// The code of a state in the store.
pub fn job_state_code(state: JobState) -> u8 {
    let state = state.word().parse();
    state.map_or(0, program::JobState::code)
}

/// What a job with this code is for.
pub fn job_kind(code: u8) -> Option<JobKind> {
    word(program::JobKind::from_code(code))
}

/// The reason with a code; 0 stands for none.
pub fn conviction_reason(code: u8) -> Option<ConvictionReason> {
    word(program::ConvictionReason::from_code(code))
}

/// The kind of account with a code.
pub fn account_kind(code: u8) -> Option<AccountKind> {
    word(program::EntityKind::from_code(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_names<C: Code, W: Copy + PartialEq + ToString + std::fmt::Debug>(
        words: &[W],
        word: impl Fn(u8) -> Option<W>,
    ) {
        let found: Vec<Option<W>> = C::ALL.iter().map(|code| word(code.code())).collect();
        let expected: Vec<Option<W>> = words.iter().copied().map(Some).collect();
        assert_eq!(found, expected, "every {} has its word", C::WHAT);
    }

    #[test]
    fn every_code_has_its_word_and_every_word_its_code() {
        same_names::<program::Assurance, _>(Assurance::ALL, assurance);
        same_names::<program::JobKind, _>(JobKind::ALL, job_kind);
        same_names::<program::ConvictionReason, _>(ConvictionReason::ALL, conviction_reason);
        same_names::<program::EntityKind, _>(AccountKind::ALL, account_kind);
        // The store's "closed" is no state of a live job.
        let (closed, live) = JobState::ALL
            .split_last()
            .unwrap_or((&JobState::Closed, &[]));
        assert_eq!(*closed, JobState::Closed);
        same_names::<program::JobState, _>(live, job_state);
        for level in Assurance::ALL {
            assert_eq!(assurance(assurance_code(*level)), Some(*level));
        }
        for state in JobState::ALL {
            assert_eq!(job_state(job_state_code(*state)), Some(*state));
        }
        assert_eq!((assurance(0), job_state(77)), (None, None));
    }
}
