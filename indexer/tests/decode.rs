//! What counts as an event and what does not (X6), and where the rest goes (X4).
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_indexer::{IndexerError, decode, project::Event},
    serde_json::Value,
    support::{Forgery, History, program, reply, reply_with},
};

fn decoded(value: Value) -> Result<decode::Decoded, IndexerError> {
    decode::transaction(&program(), &serde_json::from_value(value).unwrap())
}

#[test]
fn every_honest_event_is_accepted_with_its_identity() {
    for event in History::lived(1, 20).events {
        let found = decoded(reply(&event, Forgery::None)).unwrap();
        assert_eq!(found.events, [event]);
        assert!(found.dead_letters.is_empty());
    }
}

#[test]
fn forged_events_are_not_counted() {
    let history = History::lived(1, 5);
    let event: &Event = history
        .events
        .iter()
        .find(|event| event.body.name() == "MilestoneSettled")
        .unwrap();
    for forgery in [
        Forgery::OtherProgram,
        Forgery::Failed,
        Forgery::WrongAuthority,
        Forgery::NoAuthority,
        Forgery::NoTag,
        Forgery::LogOnly,
    ] {
        let found = decoded(reply(event, forgery)).unwrap();
        assert!(found.events.is_empty(), "{forgery:?} was counted");
        // The program was called in each of them: where the call succeeded, its silence is written down.
        assert_eq!(
            found.dead_letters.len(),
            usize::from(forgery != Forgery::Failed),
            "{forgery:?}"
        );
    }
}

#[test]
fn writing_and_closing_evidence_owes_no_event() {
    use quern_client::{Pubkey, instructions};
    let history = History::new(1);
    let (author, evidence) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
    let calls = [
        instructions::write_evidence(&author, &evidence, 0, &[7; 9]),
        instructions::close_evidence(&author, &evidence),
        instructions::timeout(&author, &evidence),
    ];
    for (call, letters) in calls.iter().zip([0, 0, 1]) {
        let mut value = reply(&history.events[0], Forgery::LogOnly);
        let data = bs58::encode(&call.data).into_string();
        value["transaction"]["message"]["instructions"][0]["data"] = data.into();
        let found = decoded(value).unwrap();
        assert!(found.events.is_empty());
        assert_eq!(found.dead_letters.len(), letters);
    }
}

#[test]
fn a_demand_without_its_beginning_leaves_a_gap() {
    use quern_indexer::project::Delta;
    let mut delta = Delta::default();
    let history = History::lived(1, 1);
    for event in &history.events {
        if event.body.name() != "DemandAnswered" {
            delta.add(event);
        }
    }
    // The first demand and its job miss a change, the second demand does not.
    let gaps: Vec<u8> = delta
        .entities
        .iter()
        .filter(|(_, row)| row.has_gap())
        .map(|((kind, _), _)| *kind)
        .collect();
    assert_eq!(gaps, [7, 8]);
}

#[test]
fn bytes_that_are_not_understood_become_dead_letters() {
    let history = History::lived(1, 5);
    let event = history.events.last().unwrap();
    let honest = event.body.encode();
    let mut unknown = honest.clone();
    unknown[0] ^= 1;
    let longer = [&honest[..], &[0]].concat();
    for bytes in [
        &unknown,
        &longer,
        &honest[..honest.len() - 1].to_vec(),
        &Vec::new(),
    ] {
        let found = decoded(reply_with(event, Forgery::None, bytes)).unwrap();
        assert!(found.events.is_empty());
        assert_eq!(found.dead_letters.len(), 1);
        assert_eq!(found.dead_letters[0].id, event.id);
        assert_eq!(&found.dead_letters[0].data, bytes);
    }
}

#[test]
fn a_change_of_unknown_kind_or_length_becomes_a_dead_letter() {
    use quern_client::quern::events::QuernEvent;
    let history = History::new(1);
    let event = history
        .events
        .iter()
        .find(|event| event.body.name() == "ProviderRegistered")
        .unwrap();
    for (kind, cut) in [(77, 0), (4, 1)] {
        let mut event = event.clone();
        let QuernEvent::ProviderRegistered(body) = &mut event.body else {
            panic!("another event")
        };
        body.changes[0].kind = kind;
        let length = body.changes[0].after.len() - cut;
        body.changes[0].after.truncate(length);
        let found = decoded(reply(&event, Forgery::None)).unwrap();
        assert!(found.events.is_empty());
        assert_eq!(found.dead_letters.len(), 1);
    }
}

#[test]
fn a_code_that_this_version_does_not_know_becomes_a_dead_letter() {
    use quern_client::quern::{events::QuernEvent, state::Job};
    type Breaks = fn(&mut Job);
    let history = History::lived(1, 5);
    let created = history.events.iter().find_map(|event| match &event.body {
        QuernEvent::JobCreated(body) => Some((event, body)),
        _ => None,
    });
    let (event, body) = created.unwrap();
    let breaks: [(&str, Breaks); 4] = [
        ("state", |job| job.state = 99),
        ("kind", |job| job.kind = 99),
        ("assurance level", |job| job.assurance = 0),
        ("conviction reason", |job| job.conviction_reason = 99),
    ];
    for (what, break_it) in breaks {
        let mut body = body.clone();
        let job = &mut body.changes[0].after;
        let mut broken: Job = bytemuck::pod_read_unaligned(job);
        break_it(&mut broken);
        *job = bytemuck::bytes_of(&broken).to_vec();
        let event = Event {
            body: QuernEvent::JobCreated(body),
            ..event.clone()
        };
        let found = decoded(reply(&event, Forgery::None)).unwrap();
        assert!(found.events.is_empty(), "{what}");
        let reason = &found.dead_letters[0].reason;
        assert!(reason.contains("unknown code"), "{what}: {reason}");
    }
    let settled = history.events.iter().find_map(|event| match &event.body {
        QuernEvent::MilestoneSettled(body) => Some((event, body.clone())),
        _ => None,
    });
    let (event, mut body) = settled.unwrap();
    body.assurance = 9;
    let event = Event {
        body: QuernEvent::MilestoneSettled(body),
        ..event.clone()
    };
    // Codes among the event's own fields are refused when its bytes are decoded.
    let found = decoded(reply(&event, Forgery::None)).unwrap();
    assert_eq!((found.events.len(), found.dead_letters.len()), (0, 1));
    assert_eq!(found.dead_letters[0].data, event.body.encode());
}

#[test]
fn an_account_of_a_newer_layout_becomes_a_dead_letter() {
    use quern_client::quern::{
        events::QuernEvent,
        state::{LAYOUT_VERSION, Provider},
    };
    let history = History::new(1);
    let registered = history
        .events
        .iter()
        .find_map(|event| match &event.body {
            QuernEvent::ProviderRegistered(body) => Some((event, body.clone())),
            _ => None,
        })
        .unwrap();
    let (event, mut body) = registered;
    for (version, letters) in [(LAYOUT_VERSION, 0), (LAYOUT_VERSION + 1, 1)] {
        let after = &mut body.changes[0].after;
        let mut provider: Provider = bytemuck::pod_read_unaligned(after);
        provider.version = version;
        *after = bytemuck::bytes_of(&provider).to_vec();
        let event = Event {
            body: QuernEvent::ProviderRegistered(body.clone()),
            ..event.clone()
        };
        let found = decoded(reply(&event, Forgery::None)).unwrap();
        assert_eq!(found.dead_letters.len(), letters);
        assert_eq!(found.events.len(), 1 - letters);
    }
}

#[test]
fn an_incomplete_answer_is_an_error_and_not_silence() {
    let history = History::new(1);
    for missing in ["meta", "innerInstructions"] {
        let mut value = reply(&history.events[0], Forgery::None);
        if missing == "meta" {
            value["meta"] = Value::Null;
        } else {
            value["meta"]["innerInstructions"] = Value::Null;
        }
        assert!(
            matches!(decoded(value), Err(IndexerError::Unreadable { .. })),
            "without {missing}"
        );
    }
}
