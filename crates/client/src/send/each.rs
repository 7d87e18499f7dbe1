//! Parts that do not depend on each other, as many in a transaction as fit: one that is refused holds up no other.

use {
    super::{Format, Receipt, Sender, Simulation},
    crate::{
        errors::{ClientError, Result},
        transaction::{check_fit, most_that_fit, payer_of},
    },
    solana_sdk::{instruction::Instruction, pubkey::Pubkey, signature::Keypair},
    std::collections::{BTreeSet, VecDeque},
};

/// What became of the parts, by their numbers.
#[derive(Debug)]
pub struct Each<T> {
    /// What ran, in order: the parts of a transaction, what it called, and what became of it.
    pub done: Vec<(Vec<usize>, Vec<Instruction>, T)>,
    /// What did not, with the reason; parts of one transaction share it where it names none of them.
    pub failed: Vec<(Vec<usize>, ClientError)>,
    /// What was not tried any more, because the node or the network failed.
    pub left: Vec<usize>,
}

impl<T> Each<T> {
    /// Parts that have failed so far.
    fn failures(&self) -> BTreeSet<usize> {
        let parts = self.failed.iter().flat_map(|(parts, _)| parts);
        parts.copied().collect()
    }
}

/// Runs parts 0 to `count`, in order. `build` gives the instructions of a part, which stay together in one transaction; it is
/// told which parts have failed before it, and may say that its part makes no sense any more. `run` runs a transaction.
async fn run_each<T>(
    (format, payer): (Format, &Pubkey),
    count: usize,
    build: impl Fn(usize, &BTreeSet<usize>) -> Result<Vec<Instruction>>,
    mut run: impl AsyncFnMut(&[Instruction]) -> Result<T>,
) -> Each<T> {
    let mut each = Each {
        done: Vec::new(),
        failed: Vec::new(),
        left: Vec::new(),
    };
    let mut waiting: VecDeque<usize> = (0..count).collect();
    // How many of the next parts run alone, to find out which of them is to blame.
    let mut alone = 0;
    while let Some(first) = waiting.front().copied() {
        let failures = each.failures();
        let most = if alone > 0 { 1 } else { waiting.len() };
        let batch = match next_batch((format, payer), waiting.iter().take(most), |part| {
            build(part, &failures)
        }) {
            Ok(batch) => batch,
            Err(error) => {
                waiting.pop_front();
                each.failed.push((vec![first], error));
                continue;
            }
        };
        let parts: Vec<usize> = waiting.iter().take(batch.len()).copied().collect();
        let instructions = batch.concat();
        let error = match run(&instructions).await {
            Ok(done) => {
                waiting.drain(..parts.len());
                alone = usize::saturating_sub(alone, parts.len());
                each.done.push((parts, instructions, done));
                continue;
            }
            Err(error) => error,
        };
        match to_blame(&error, &batch) {
            Blame::Part(index) => {
                let part = waiting.remove(index).unwrap_or(first);
                alone = usize::saturating_sub(alone, 1);
                each.failed.push((vec![part], error));
            }
            Blame::Any => alone = parts.len(),
            Blame::Nobody => {
                waiting.drain(..parts.len());
                each.failed.push((parts, error));
                each.left = waiting.drain(..).collect();
            }
        }
    }
    each
}

/// The longest row of first parts that a transaction holds.
fn next_batch<'p>(
    (format, payer): (Format, &Pubkey),
    parts: impl Iterator<Item = &'p usize>,
    build: impl Fn(usize) -> Result<Vec<Instruction>>,
) -> Result<Vec<Vec<Instruction>>> {
    /// No transaction holds more: each part has an instruction, and an instruction takes bytes.
    const MOST_PARTS: usize = 64;
    let mut batch = Vec::new();
    for part in parts.take(MOST_PARTS) {
        match build(*part) {
            Ok(instructions) => batch.push(instructions),
            // It is told once it stands first.
            Err(_) if !batch.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    let fits = |count: usize| {
        let first = batch.get(..count).unwrap_or(&batch);
        check_fit(format, &first.concat(), payer)
    };
    let count = most_that_fit(batch.len(), fits)?;
    batch.truncate(count);
    Ok(batch)
}

/// Who is to blame for a transaction that failed.
enum Blame {
    /// This one of its parts.
    Part(usize),
    /// One of its parts, nobody knows which.
    Any,
    /// None of them: the node, the network or the caller.
    Nobody,
}

fn to_blame(error: &ClientError, batch: &[Vec<Instruction>]) -> Blame {
    let ClientError::Refused(refusal) = error else {
        return Blame::Nobody;
    };
    if batch.len() == 1 {
        return Blame::Part(0);
    }
    let mut ends = batch.iter().scan(0, |end, part| {
        *end += part.len();
        Some(*end)
    });
    let part = refusal
        .instruction
        .and_then(|refused| ends.position(|end| refused < end));
    part.map_or(Blame::Any, Blame::Part)
}

impl Sender {
    /// Sends parts 0 to `count`, in order, as many in a transaction as fit; each transaction is confirmed before the next one
    /// goes. `build` gives the instructions of a part, which stay together; it is told which parts have failed before, and may
    /// say that its part makes no sense any more. A part that the chain refuses is left out of its transaction. The first
    /// signer pays.
    ///
    /// # Errors
    /// That nobody pays; whatever else fails stands in the answer.
    pub async fn send_each(
        &self,
        count: usize,
        build: impl Fn(usize, &BTreeSet<usize>) -> Result<Vec<Instruction>>,
        signers: &[&Keypair],
    ) -> Result<Each<Receipt>> {
        let payer = payer_of(signers)?;
        let run = async |all: &[Instruction]| self.send(all, signers).await;
        Ok(run_each((self.options().format, &payer), count, build, run).await)
    }

    /// The same on the node, without sending anything: every transaction on its own, on the chain as it is.
    pub async fn simulate_each(
        &self,
        count: usize,
        build: impl Fn(usize, &BTreeSet<usize>) -> Result<Vec<Instruction>>,
        payer: &Pubkey,
    ) -> Each<Simulation> {
        let run = async |all: &[Instruction]| self.simulate(all, payer).await;
        run_each((self.options().format, payer), count, build, run).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        crate::{
            errors::Refusal,
            transaction::{self, Budget},
        },
        proptest::prelude::*,
        solana_sdk::{
            hash::Hash,
            instruction::{AccountMeta, InstructionError},
            message::VersionedMessage,
            transaction::TransactionError,
        },
    };

    const PAYER: Pubkey = Pubkey::new_from_array([9; 32]);
    /// The most accounts that a transaction may lock.
    const MOST_ACCOUNTS: usize = 64;

    /// An instruction with accounts of its own. Its first byte says whether it is refused.
    fn instruction(number: usize, accounts: u8, bytes: usize, is_bad: bool) -> Instruction {
        let key = |account: u8| {
            let mut key = [account; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            AccountMeta::new(Pubkey::from(key), false)
        };
        Instruction {
            program_id: crate::program_id(),
            accounts: (0..accounts).map(key).collect(),
            data: [vec![u8::from(is_bad)], vec![7; bytes]].concat(),
        }
    }

    fn refused_at(index: Option<usize>) -> ClientError {
        let error = match index {
            Some(index) => TransactionError::InstructionError(
                u8::try_from(index).unwrap(),
                InstructionError::Custom(6_006),
            ),
            None => TransactionError::AccountNotFound,
        };
        ClientError::Refused(Box::new(Refusal::new(error, Vec::new(), &[])))
    }

    /// Bytes and accounts of a transaction.
    fn size(format: Format, all: &[Instruction]) -> (usize, usize) {
        let message =
            transaction::message(format, all, &PAYER, &Budget::LARGEST, Hash::default()).unwrap();
        if let VersionedMessage::V1(message) = &message {
            message.validate().unwrap();
        }
        let bytes = transaction::largest_size(format, all, &PAYER).unwrap();
        (bytes, message.static_account_keys().len())
    }

    /// Runs parts where a transaction with a bad one is refused, and says which of its instructions it was, or does not.
    fn run(format: Format, parts: &[Vec<Instruction>], names_it: bool) -> Each<()> {
        let chain = async |all: &[Instruction]| {
            let (bytes, accounts) = size(format, all);
            assert!(bytes <= format.max_bytes(), "{bytes} bytes");
            assert!(accounts <= MOST_ACCOUNTS, "{accounts} accounts");
            match all.iter().position(|one| one.data[0] == 1) {
                Some(bad) => Err(refused_at(names_it.then_some(bad))),
                None => Ok(()),
            }
        };
        let build = |part: usize, _: &BTreeSet<usize>| Ok(parts[part].clone());
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(run_each((format, &PAYER), parts.len(), build, chain))
    }

    fn parts() -> impl Strategy<Value = Vec<Vec<Instruction>>> {
        let one = (0..9u8, 0..160usize, prop::bool::weighted(0.1));
        let part = prop::collection::vec(one, 1..4);
        prop::collection::vec(part, 0..40).prop_map(|all| {
            let mut number = 0;
            let mut next = |(accounts, bytes, is_bad): (u8, usize, bool)| {
                number += 1;
                instruction(number, accounts, bytes, is_bad)
            };
            all.into_iter()
                .map(|part| part.into_iter().map(&mut next).collect())
                .collect()
        })
    }

    proptest! {
        /// No transaction is larger than the cluster takes, parts stay whole and in order, and those that are refused hold up
        /// no other.
        #[test]
        fn every_good_part_runs_once(parts in parts(), is_v1: bool, names_it: bool) {
            let format = if is_v1 { Format::V1 } else { Format::Legacy };
            let each = run(format, &parts, names_it);
            let is_bad = |part: &&usize| {
                let part = &parts[**part];
                let bytes = transaction::largest_size(format, part, &PAYER).unwrap();
                bytes > format.max_bytes() || part.iter().any(|one| one.data[0] == 1)
            };
            let all: Vec<usize> = (0..parts.len()).collect();
            let (bad, good): (Vec<&usize>, Vec<&usize>) = all.iter().partition(is_bad);
            let done: Vec<&usize> = each.done.iter().flat_map(|(parts, ..)| parts).collect();
            prop_assert_eq!(done, good);
            let failed: Vec<&usize> = each.failed.iter().flat_map(|(parts, _)| parts).collect();
            prop_assert_eq!(failed, bad);
            prop_assert!(each.left.is_empty());
            for (numbers, instructions, ()) in &each.done {
                let whole: Vec<Instruction> = numbers.iter().flat_map(|part| parts[*part].clone()).collect();
                prop_assert_eq!(instructions, &whole);
            }
        }
    }

    #[test]
    fn as_many_as_fit_go_together() {
        let parts: Vec<_> = (0..30)
            .map(|number| vec![instruction(number, 3, 16, false)])
            .collect();
        let each = run(Format::Legacy, &parts, true);
        let counts: Vec<usize> = each.done.iter().map(|(parts, ..)| parts.len()).collect();
        let (full, last) = counts.split_at(counts.len() - 1);
        assert!(full.iter().all(|count| *count == full[0]), "{counts:?}");
        assert!(full[0] > 5 && last[0] <= full[0], "{counts:?}");
        // One more would not have fitted.
        let more: Vec<_> = parts[..=full[0]].concat();
        let bytes = transaction::largest_size(Format::Legacy, &more, &PAYER).unwrap();
        assert!(bytes > Format::Legacy.max_bytes());
    }

    #[tokio::test]
    async fn a_part_learns_which_failed_before_it() {
        let bad = vec![instruction(0, 1, 0, true)];
        let build = |part: usize, failed: &BTreeSet<usize>| match (part, failed.contains(&0)) {
            (0, _) => Ok(bad.clone()),
            (1, true) => Ok(vec![instruction(1, 2, 0, false)]),
            (1, false) => Ok(vec![instruction(1, 1, 0, false)]),
            _ => Err(ClientError::Argument("nothing is left".to_owned())),
        };
        let chain = async |all: &[Instruction]| match all[0].data[0] {
            1 => Err(refused_at(Some(0))),
            _ => Ok(all[0].accounts.len()),
        };
        let each = run_each((Format::Legacy, &PAYER), 3, build, chain).await;
        let [(parts, _, accounts)] = each.done.as_slice() else {
            panic!("{each:?}")
        };
        assert_eq!((parts.as_slice(), *accounts), (&[1][..], 2));
        let failed: Vec<_> = each.failed.iter().map(|(parts, _)| parts.clone()).collect();
        assert_eq!(failed, [[0], [2]]);
    }

    #[tokio::test]
    async fn a_node_in_trouble_ends_it() {
        let build = |part: usize, _: &BTreeSet<usize>| Ok(vec![instruction(part, 8, 200, false)]);
        let mut calls = 0;
        let chain = async |_: &[Instruction]| {
            calls += 1;
            match calls {
                1 => Ok(()),
                _ => Err(ClientError::Rpc {
                    reason: "nothing".to_owned(),
                }),
            }
        };
        let each = run_each((Format::Legacy, &PAYER), 9, build, chain).await;
        let done = each.done[0].0.len();
        let failed = each.failed[0].0.len();
        assert_eq!((each.done.len(), each.failed.len(), calls), (1, 1, 2));
        assert_eq!(done + failed + each.left.len(), 9);
        assert!(!each.left.is_empty());
    }
}
