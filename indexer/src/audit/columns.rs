//! Numbers of everybody together: one sum for each bucket, measure, level and mint, however many subjects there are.

use {
    super::{
        Report,
        report::{Subject, of_mint},
        sums::add,
    },
    crate::project::{
        self, ScoreKey,
        program::{Assurance, EntityKind},
        window_bucket,
    },
    quern_api::{AuditCheck, Key, Window},
    std::collections::{BTreeMap, BTreeSet},
};

/// The sums; no key names a subject.
#[derive(Default)]
pub(super) struct Columns(BTreeMap<ScoreKey, u128>);

impl Columns {
    /// Adds a number of somebody.
    pub fn add(&mut self, key: ScoreKey, value: u128) {
        let subject = Key::NONE;
        add(
            self.0.entry(ScoreKey { subject, ..key }).or_default(),
            value,
        );
    }

    /// Some of them.
    pub fn only(&self, wanted: impl Fn(&ScoreKey) -> bool) -> Self {
        let found = self.0.iter().filter(|(key, _)| wanted(key));
        Self(found.map(|(key, value)| (*key, *value)).collect())
    }

    /// The same as those of another kind of subject.
    pub fn with_subject(self, subject: project::Subject) -> Self {
        let each = self.0.into_iter().map(|(mut key, value)| {
            key.measure.subject = subject;
            (key, value)
        });
        Self(each.collect())
    }

    fn of(&self, key: &ScoreKey) -> u128 {
        self.0.get(key).copied().unwrap_or(0)
    }
}

/// Compares every column that is on either side.
pub(super) fn same(report: &mut Report, what: &str, expected: &Columns, found: &Columns) {
    let keys: BTreeSet<&ScoreKey> = expected.0.keys().chain(found.0.keys()).collect();
    for key in keys {
        let figure = format!("{}: {what}", named(key));
        report.equal(about(key), &figure, expected.of(key), found.of(key));
    }
}

/// An amount is told of its mint, anything else of the protocol.
fn about(key: &ScoreKey) -> Subject {
    match key.mint.some() {
        Some(mint) => of_mint(AuditCheck::Counters, mint),
        None => Subject {
            check: AuditCheck::Counters,
            kind: EntityKind::Protocol,
            address: Key::NONE,
        },
    }
}

/// Which column: what is counted, of whom, at which level, over which time.
fn named(key: &ScoreKey) -> String {
    let whom = match key.measure.subject {
        project::Subject::Provider => "providers",
        project::Subject::Model => "models",
        project::Subject::Client => "clients",
        project::Subject::Network => "the network",
    };
    let level = Assurance::from_code(key.assurance).map_or("no level", Assurance::name);
    let mut windows = Window::ALL.iter();
    let window = windows.find(|window| window_bucket(**window) == key.bucket);
    let window = window.map_or("no window", |window| window.word());
    format!("{} of {whom}, {level}, {window}", key.measure.metric.word())
}
