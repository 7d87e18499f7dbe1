//! Leaderboards in memory. The database keeps each subject's numbers and says which rows changed since when; whoever serves
//! boards keeps the numbers of all of them side by side and goes through those of one board for each page. Ranks are nowhere
//! written: a milestone would move a dozen of them.

use {
    super::{
        rows::{BoardQuery, Meta, Queries},
        score::{Score, ScoreRow},
        scores::unpack,
    },
    crate::{
        error::Result,
        project::{ALL_TIME, Measure, ScoreKey, Subject, window_bucket},
    },
    futures::TryStreamExt,
    quern_api::{Key, Metric, Window},
    std::{
        cmp::Reverse,
        collections::{BTreeMap, BinaryHeap, HashMap},
    },
};

/// The sums of everybody after one change of the store.
#[derive(Default)]
pub(super) struct Boards {
    change: Option<i64>,
    /// By [`Subject`].
    members: [Members; Subject::COUNT],
    /// The numbers of one board each, in the order of members. The key's own subject is none.
    columns: BTreeMap<ScoreKey, Vec<u128>>,
}

/// Those whom a kind of board ranks.
#[derive(Default)]
struct Members {
    positions: HashMap<Key, usize>,
    addresses: Vec<Key>,
}

impl Members {
    fn position(&mut self, address: Key) -> usize {
        *self.positions.entry(address).or_insert_with(|| {
            self.addresses.push(address);
            self.addresses.len() - 1
        })
    }
}

impl Boards {
    /// After which change of the store they are as they are.
    pub(super) fn change(&self) -> Option<i64> {
        self.change
    }

    /// Brings them to this state, which is no older than theirs.
    pub(super) async fn follow(&mut self, rows: &mut dyn Queries, meta: &Meta) -> Result<()> {
        match self.change.filter(|known| *known >= meta.remade) {
            Some(known) => {
                // All at once: a request that ends before its reply leaves no half of a change behind.
                for row in rows.sums_since(known).await? {
                    self.put(&row)?;
                }
            }
            None => {
                let mut made = Self::default();
                let mut found = rows.scores_between(ALL_TIME, ALL_TIME);
                while let Some(row) = found.try_next().await? {
                    made.put(&row)?;
                }
                drop(found);
                *self = made;
            }
        }
        self.change = Some(meta.change);
        Ok(())
    }

    /// Replaces the numbers of a subject.
    fn put(&mut self, row: &ScoreRow) -> Result<()> {
        let numbers = unpack(row)?;
        let members = self.members.iter();
        let known: Vec<Option<usize>> = members
            .map(|members| members.positions.get(&row.0.subject).copied())
            .collect();
        for (key, column) in &mut self.columns {
            let position = known.get(key.measure.subject as usize).copied().flatten();
            if let Some(number) = position.and_then(|position| column.get_mut(position)) {
                *number = 0;
            }
        }
        for (key, value) in numbers {
            // Nobody is ranked by these.
            if key.measure.metric.is_of_clients_alone() {
                continue;
            }
            let Some(members) = self.members.get_mut(key.measure.subject as usize) else {
                continue;
            };
            let position = members.position(key.subject);
            let of_all = ScoreKey {
                subject: Key::NONE,
                ..key
            };
            let column = self.columns.entry(of_all).or_default();
            if column.len() <= position {
                column.resize(position + 1, 0);
            }
            if let Some(number) = column.get_mut(position) {
                *number = value;
            }
        }
        Ok(())
    }

    /// A page of a leaderboard: the highest values first, ties in the order of addresses.
    pub(super) fn page(&self, query: &BoardQuery) -> Vec<(u128, Key)> {
        let board = ScoreKey {
            bucket: window_bucket(query.window),
            subject: Key::NONE,
            measure: query.measure,
            assurance: query.assurance,
            mint: query.mint,
        };
        let members = self.members.get(query.measure.subject as usize);
        let (Some(column), Some(members)) = (self.columns.get(&board), members) else {
            return Vec::new();
        };
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let end = query
            .after
            .map(|(value, address)| (Reverse(value), address));
        // The worst of the best so far is on top.
        let mut best = BinaryHeap::with_capacity(limit.min(column.len()) + 1);
        for (value, address) in column.iter().zip(&members.addresses) {
            let place = (Reverse(*value), *address);
            let is_wanted = *value > 0 && end.is_none_or(|end| place > end);
            if is_wanted && (best.len() < limit || best.peek().is_some_and(|worst| place < *worst))
            {
                best.push(place);
                if best.len() > limit {
                    best.pop();
                }
            }
        }
        let best = best.into_sorted_vec().into_iter();
        best.map(|(value, address)| (value.0, address)).collect()
    }

    /// The numbers of one subject in a window at an assurance level, in a fixed order.
    pub(super) fn of(
        &self,
        subject: Subject,
        address: &Key,
        window: Window,
        assurance: u8,
    ) -> Vec<Score> {
        let members = self.members.get(subject as usize);
        let position = members.and_then(|members| members.positions.get(address));
        let Some(position) = position else {
            return Vec::new();
        };
        let first = ScoreKey {
            bucket: window_bucket(window),
            subject: Key::NONE,
            measure: Measure {
                subject,
                metric: Metric::Earned,
            },
            assurance: 0,
            mint: Key::NONE,
        };
        let columns = self.columns.range(first..);
        columns
            .take_while(|(key, _)| key.bucket == first.bucket && key.measure.subject == subject)
            .filter(|(key, _)| key.assurance == assurance)
            .filter_map(|(key, column)| {
                let value = column.get(*position).copied().filter(|value| *value > 0)?;
                Some(Score {
                    measure: key.measure,
                    assurance,
                    mint: key.mint,
                    value,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{
        super::{
            score::ScorePlace,
            scores::{Numbers, pack},
        },
        *,
    };

    fn query(after: Option<(u128, Key)>, limit: u32) -> BoardQuery {
        BoardQuery {
            measure: Measure {
                subject: Subject::Provider,
                metric: Metric::Earned,
            },
            assurance: 1,
            mint: Key([9; 32]),
            window: Window::Day,
            after,
            limit,
        }
    }

    /// The row of a subject that earned this much in the last day.
    fn row(subject: Key, value: u128) -> ScoreRow {
        let query = query(None, 0);
        let key = ScoreKey {
            bucket: window_bucket(query.window),
            subject,
            measure: query.measure,
            assurance: query.assurance,
            mint: query.mint,
        };
        (
            ScorePlace::of_sums(subject),
            pack(&Numbers::from([(key, value)])),
        )
    }

    #[test]
    fn pages_follow_each_other_and_nobody_with_nothing_is_on_them() {
        let mut boards = Boards::default();
        let mut wanted = Vec::new();
        for n in 0..200_u8 {
            let address = Key([n.wrapping_mul(77); 32]);
            boards.put(&row(address, 1_000)).unwrap();
            // What is put last counts; some have equal values, some none.
            let value = u128::from(n % 7);
            boards.put(&row(address, value)).unwrap();
            wanted.extend((value > 0).then_some((value, address)));
        }
        wanted.sort_by_key(|(value, address)| (Reverse(*value), *address));
        for limit in [1, 7, 50, 500] {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = boards.page(&query(after, limit));
                assert!(page.len() <= limit as usize);
                let Some(last) = page.last() else { break };
                after = Some(*last);
                found.extend(page);
            }
            assert_eq!(found, wanted);
        }
        let (value, first) = wanted[0];
        let of_first = boards.of(Subject::Provider, &first, Window::Day, 1);
        assert_eq!(of_first.len(), 1);
        assert_eq!(of_first[0].value, value);
        assert!(
            boards
                .of(Subject::Provider, &first, Window::Day, 2)
                .is_empty()
        );
        assert!(boards.of(Subject::Model, &first, Window::Day, 1).is_empty());
    }
}
