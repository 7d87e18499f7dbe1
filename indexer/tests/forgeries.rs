//! What looks like an event and is none, and what is one wherever it stands: counted exactly when it should be, in transactions
//! of every version (X6).
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::{Pubkey, instructions, quern},
    quern_indexer::{decode, follow::Follower, health::Health, project::Event, source::FileSource},
    std::sync::Arc,
    support::{
        EVENT_TAG, History, counts, open, program,
        transaction::{
            CALLER, Call, OTHER, STRANGER, Transaction, VERSIONS, event_authority, tagged,
        },
    },
    tempfile::TempDir,
};

/// A transaction's calls, and what counts of them.
struct Case {
    name: &'static str,
    calls: Vec<(Call, Vec<Call>)>,
    failed: bool,
    logs: Vec<String>,
    /// Places of the events that count.
    events: Vec<(u32, u32)>,
    dead_letters: usize,
}

fn case(name: &'static str, calls: Vec<(Call, Vec<Call>)>, events: &[(u32, u32)]) -> Case {
    Case {
        name,
        calls,
        failed: false,
        logs: Vec::new(),
        events: events.to_vec(),
        dead_letters: 0,
    }
}

/// With so many things that are written down as not understood.
fn with_letters(case: Case, dead_letters: usize) -> Case {
    Case {
        dead_letters,
        ..case
    }
}

fn told(events: &[Event; 3]) -> Vec<Case> {
    let [one, two, three] = events.each_ref().map(|event| Call::event(&event.body));
    vec![
        case(
            "an event",
            vec![(Call::quern(), vec![one.clone()])],
            &[(0, 0)],
        ),
        case(
            "several events of several instructions",
            vec![
                (Call::quern(), vec![one.clone(), two.clone()]),
                (Call::of(OTHER, &[], &[1]), vec![]),
                (Call::quern(), vec![three.clone()]),
            ],
            &[(0, 0), (0, 1), (2, 0)],
        ),
        case(
            "the program called by another one, and that by a third",
            vec![(
                Call::of(CALLER, &[STRANGER], &[1]),
                vec![
                    Call::quern(),
                    one.clone().at_depth(3),
                    Call::of(OTHER, &[], &[2]),
                    Call::quern().at_depth(3),
                    two.clone().at_depth(4),
                ],
            )],
            &[(0, 1), (0, 4)],
        ),
        case(
            "the same event told twice is two",
            vec![(Call::quern(), vec![one.clone(), one.clone()])],
            &[(0, 0), (0, 1)],
        ),
        case(
            "a forged one beside an honest one",
            vec![(
                Call::quern(),
                vec![
                    Call::of(
                        OTHER,
                        &[event_authority(&quern::ID)],
                        &tagged(&events[1].body),
                    ),
                    one,
                ],
            )],
            &[(0, 1)],
        ),
        Case {
            failed: true,
            ..case(
                "a failed transaction",
                vec![(Call::quern(), vec![two])],
                &[],
            )
        },
        case(
            "writing evidence owes none",
            {
                let author = Pubkey::new_from_array([1; 32]);
                let evidence = Pubkey::new_from_array([2; 32]);
                let write = instructions::write_evidence(&author, &evidence, 0, &[7; 9]);
                vec![(Call::of(quern::ID, &[evidence], &write.data), vec![])]
            },
            &[],
        ),
    ]
}

fn forged(events: &[Event; 3]) -> Vec<Case> {
    let ours = event_authority(&quern::ID);
    let data = tagged(&events[0].body);
    let silent = |name, inner: Vec<Call>| case(name, vec![(Call::quern(), inner)], &[]);
    let of_other =
        |name, inner: Vec<Call>| case(name, vec![(Call::of(OTHER, &[], &[1]), inner)], &[]);
    let log = format!("Program data: {}", bs58::encode(&data).into_string());
    vec![
        of_other(
            "another program's call with the tag",
            vec![Call::of(OTHER, &[ours], &data)],
        ),
        of_other(
            "another program's call by its own authority",
            vec![Call::of(OTHER, &[event_authority(&OTHER)], &data)],
        ),
        Case {
            logs: vec![log.clone()],
            ..of_other("another program's log line", vec![])
        },
        // The program was called and told nothing: that is written down as an error.
        with_letters(
            Case {
                logs: vec![log],
                ..silent("a log line", vec![])
            },
            1,
        ),
        with_letters(
            silent(
                "a stranger instead of the authority",
                vec![Call::of(quern::ID, &[STRANGER], &data)],
            ),
            1,
        ),
        with_letters(
            silent(
                "another program's authority",
                vec![Call::of(quern::ID, &[event_authority(&OTHER)], &data)],
            ),
            1,
        ),
        with_letters(
            silent(
                "the authority in the second place",
                vec![Call::of(quern::ID, &[STRANGER, ours], &data)],
            ),
            1,
        ),
        with_letters(
            silent("no authority at all", vec![Call::of(quern::ID, &[], &data)]),
            1,
        ),
        with_letters(
            silent(
                "the authority with data of an instruction",
                vec![Call::of(quern::ID, &[ours], &events[0].body.encode())],
            ),
            1,
        ),
        // What bears tag and authority came from the program: it is kept until a version understands it.
        with_letters(
            silent(
                "the authority with other data behind the tag",
                vec![Call::of(
                    quern::ID,
                    &[ours],
                    &[&EVENT_TAG[..], &[1; 40]].concat(),
                )],
            ),
            1,
        ),
        with_letters(
            silent(
                "nothing behind the tag",
                vec![Call::of(quern::ID, &[ours], &EVENT_TAG)],
            ),
            1,
        ),
        with_letters(
            case(
                "an outer call",
                vec![(Call::of(quern::ID, &[ours], &data), vec![])],
                &[],
            ),
            1,
        ),
    ]
}

fn cases() -> (Vec<Case>, [Event; 3]) {
    let history = History::lived(1, 5);
    let mut events = history.events.into_iter().skip(3);
    let events = std::array::from_fn(|_| events.next().unwrap());
    let mut cases = told(&events);
    cases.extend(forged(&events));
    (cases, events)
}

fn transactions() -> Vec<(Case, Transaction)> {
    let mut all = Vec::new();
    for (v, version) in VERSIONS.into_iter().enumerate() {
        for (n, case) in cases().0.into_iter().enumerate() {
            let mut signature = [5; 64];
            (signature[0], signature[1]) = (v as u8, n as u8);
            let transaction = Transaction {
                failed: case.failed,
                logs: case.logs.clone(),
                version,
                ..Transaction::new(signature, 10 + n as u64, case.calls.clone())
            };
            all.push((case, transaction));
        }
    }
    all
}

#[test]
fn everything_is_counted_exactly_when_it_should_be() {
    let (_, events) = cases();
    for (case, transaction) in transactions() {
        let what = format!("{} in {:?}", case.name, transaction.version);
        let encoded = serde_json::from_value(transaction.reply()).unwrap();
        let found = decode::transaction(&program(), &encoded).unwrap();
        assert_eq!(found.signature.0, transaction.signature, "{what}");
        let places: Vec<_> = found
            .events
            .iter()
            .map(|event| (event.id.instruction, event.id.inner))
            .collect();
        assert_eq!(places, case.events, "{what}");
        assert!(
            found
                .events
                .iter()
                .all(|event| events.iter().any(|told| told.body == event.body)),
            "{what}"
        );
        assert_eq!(found.dead_letters.len(), case.dead_letters, "{what}");
        assert_eq!(found.is_silent(), case.dead_letters > 0, "{what}");
    }
}

#[tokio::test]
async fn a_recording_of_all_of_them_adds_up_and_silence_is_a_figure() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("recording");
    let all = transactions();
    let lines = all
        .iter()
        .map(|(_, transaction)| format!("{}\n", transaction.reply()));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let health = Health::default();
    let follower = Follower {
        source: Arc::new(FileSource::open(&path, &program()).unwrap()),
        store: Arc::new(open(&folder.path().join("db")).await),
        program: program(),
        fetches: 4,
        health: health.clone(),
    };
    follower.walk().await.unwrap();
    let counts = counts(&follower.store).await;
    let sum = |figure: fn(&Case) -> usize| all.iter().map(|(case, _)| figure(case)).sum::<usize>();
    let (events, letters) = (sum(|case| case.events.len()), sum(|case| case.dead_letters));
    assert!(events > 20 && letters > 20);
    assert_eq!(
        (counts.events, counts.dead_letters),
        (events as u64, letters as u64)
    );
    assert_eq!(counts.transactions, all.len() as u64);
    assert_eq!(health.now().silent_calls, letters as u64);
}
