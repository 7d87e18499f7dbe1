//! What is counted of clients beside what they paid: what they locked and got back, and their jobs. Of each mint, what was locked
//! is what was paid, given back, or locked still.

use {
    super::{
        key,
        measure::{Added, Measure, Subject},
        program::QuernEvent,
    },
    quern_api::{Key, Metric},
};

/// What an event says of its job's client.
#[derive(Default)]
struct Told {
    escrowed_atoms: u64,
    refunded_atoms: u64,
    is_created: bool,
    is_ended: bool,
}

pub(super) fn added(event: &QuernEvent) -> impl Iterator<Item = Added> {
    let nobody = || (Key::NONE, Key::NONE, Told::default());
    let (client, mint, told) = told(event).unwrap_or_else(nobody);
    let numbers = [
        (Metric::Escrowed, mint, told.escrowed_atoms),
        (Metric::Refunds, mint, told.refunded_atoms),
        (Metric::Jobs, Key::NONE, u64::from(told.is_created)),
        (Metric::Ended, Key::NONE, u64::from(told.is_ended)),
    ];
    let told = numbers.into_iter().filter(|(.., value)| *value > 0);
    told.map(move |(metric, mint, value)| Added {
        measure: Measure {
            subject: Subject::Client,
            metric,
        },
        // An ending tells no level.
        assurance: 0,
        mint,
        subject: client,
        value,
    })
}

fn told(event: &QuernEvent) -> Option<(Key, Key, Told)> {
    let (client, mint, told) = match event {
        QuernEvent::JobCreated(event) => {
            let told = Told {
                escrowed_atoms: event.escrow_atoms,
                is_created: true,
                ..Told::default()
            };
            (&event.client, &event.mint, told)
        }
        QuernEvent::JobCancelled(event) => {
            let told = ended(true, event.released_atoms);
            (&event.client, &event.mint, told)
        }
        QuernEvent::MilestoneSettled(event) => (&event.client, &event.mint, ended(event.closed, 0)),
        QuernEvent::JobResolved(event) => {
            let refunded_atoms = event.client_atoms.saturating_add(event.released_atoms);
            let told = ended(event.closed, refunded_atoms);
            (&event.client, &event.mint, told)
        }
        QuernEvent::JobExpired(event) => {
            let told = ended(event.closed, event.released_atoms);
            (&event.client, &event.mint, told)
        }
        QuernEvent::ConvictionSettled(event) => {
            let told = ended(true, event.released_atoms);
            (&event.client, &event.mint, told)
        }
        _ => return None,
    };
    Some((key(client), key(mint), told))
}

fn ended(is_ended: bool, refunded_atoms: u64) -> Told {
    Told {
        refunded_atoms,
        is_ended,
        ..Told::default()
    }
}
