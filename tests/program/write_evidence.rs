//! `write_evidence`: accounts of evidence, and who may write which.

use super::common::*;

#[test]
fn evidence_is_written_in_any_order_by_its_author_alone() {
    let mut stage = Stage::new();
    let (author, thief) = (stage.cast.prover, stage.cast.stranger);
    let evidence = actor("evidence");
    let before = stage.lamports(&author);
    let creation = stage.creation_of(&author, &evidence, 100);
    stage.ok_all_of(creation);
    let bytes = |stage: &Stage| {
        stage.svm.get_account(&evidence).unwrap().data[Evidence::HEADER_BYTES..].to_vec()
    };
    assert_eq!(bytes(&stage), [0; 100]);
    stage.ok(ix::write_evidence(&author, &evidence, 60, &[3; 40]));
    stage.ok(ix::write_evidence(&author, &evidence, 0, &[1; 30]));
    stage.ok(ix::write_evidence(&author, &evidence, 30, &[2; 30]));
    assert_eq!(
        bytes(&stage),
        [vec![1; 30], vec![2; 30], vec![3; 40]].concat()
    );
    // What was written may be written again: it proves nothing until it is read.
    stage.ok(ix::write_evidence(&author, &evidence, 99, &[9]));
    stage.ok(ix::write_evidence(&author, &evidence, 100, &[]));
    assert_eq!(bytes(&stage)[99], 9);

    for (offset, length) in [(100u32, 1), (99, 2), (0, 101), (u32::MAX, 1), (u32::MAX, 0)] {
        let write = ix::write_evidence(&author, &evidence, offset, &vec![7; length]);
        stage.refused(write, QuernError::EvidenceOutOfRoom);
    }
    // Nobody else writes or closes it, and nobody takes it over, with or without the account's signature.
    let write = ix::write_evidence(&thief, &evidence, 0, &[7]);
    stage.refused(write.clone(), QuernError::NotAuthorized);
    let mut signed = write;
    signed.accounts[1].is_signer = true;
    stage.refused(signed, QuernError::NotAuthorized);
    stage.refused(
        ix::close_evidence(&thief, &evidence),
        QuernError::NotAuthorized,
    );
    // All of it goes back, gifts too.
    let gift = solana_sdk::native_token::LAMPORTS_PER_SOL;
    let account = stage.svm.get_account(&evidence).unwrap();
    let with_gift = Account {
        lamports: account.lamports + gift,
        ..account
    };
    stage.svm.set_account(evidence, with_gift).unwrap();
    stage.ok(ix::close_evidence(&author, &evidence));
    assert_eq!(stage.lamports(&author), before + gift);
    assert!(!stage.exists(&evidence));
    let write = ix::write_evidence(&author, &evidence, 0, &[7]);
    stage.refused(write, QuernError::NotEvidence);
    // The same address may serve again.
    let creation = stage.creation_of(&author, &evidence, 5);
    stage.ok_all_of(creation);
}

/// An account that was created but not yet named belongs to whoever holds its key.
#[test]
fn a_new_evidence_account_is_named_with_its_own_signature() {
    let mut stage = Stage::new();
    let (author, thief) = (stage.cast.prover, stage.cast.stranger);
    let evidence = actor("evidence");
    let creation = stage.creation_of(&author, &evidence, 10);
    stage.ok(creation[0].clone());
    for who in [thief, author] {
        let write = ix::write_evidence(&who, &evidence, 0, &[1]);
        stage.refused(write, QuernError::NotAuthorized);
    }
    let mut unsigned = creation[1].clone();
    unsigned.accounts[0].is_signer = false;
    stage.fails(unsigned);
    stage.fails(ix::close_evidence(&author, &evidence));
    stage.ok(creation[1].clone());
    let account = stage.svm.get_account(&evidence).unwrap();
    assert_eq!(account.data[8..40], *author.as_ref());
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn other_accounts_are_no_evidence() {
    let mut claim = every_op();
    claim.corrupt(1, 0, 0);
    let charge = cell(1, 0, 0);
    let mut stage = Stage::new();
    let job = stage.submitted_for(&claim);
    let author = stage.cast.prover;
    let demand = stage.ask(&job, &claim, &TRACE);
    let evidence = stage.write_down(&author, "good", &claim.evidence(&charge));

    // Accounts of ours of every other type, accounts of other programs, wallets.
    let mut others: Vec<Pubkey> = stage
        .program_accounts()
        .into_keys()
        .filter(|address| *address != evidence)
        .collect();
    assert!(others.contains(&demand) && others.contains(&job));
    others.extend([
        stage.usd,
        addresses::vault(&stage.usd),
        stage.cast.stranger,
        actor("an address without an account"),
    ]);
    for other in others {
        for signs in [false, true] {
            let mut write = ix::write_evidence(&author, &other, 0, &[1]);
            write.accounts[1].is_signer = signs;
            stage.refused(write, QuernError::NotEvidence);
        }
        stage.fails(ix::close_evidence(&author, &other));
        let state = stage.job(&job);
        let convict = ix::convict(&author, &state, &charge, ix::Proof::Account(other));
        stage.fails(convict);
    }

    // Too short for a header, with and without the type's mark.
    let good = stage.svm.get_account(&evidence).unwrap();
    for length in [0, 1, 7, 8, 39] {
        for marked in [false, true] {
            let short = actor(&format!("short {length} {marked}"));
            let mut data = good.data[..length].to_vec();
            if !marked {
                data.fill(0);
            }
            let account = Account {
                data,
                ..good.clone()
            };
            stage.svm.set_account(short, account).unwrap();
            let mut write = ix::write_evidence(&author, &short, 0, &[]);
            write.accounts[1].is_signer = true;
            stage.fails(write);
            stage.fails(ix::close_evidence(&author, &short));
            let state = stage.job(&job);
            stage.fails(ix::convict(
                &author,
                &state,
                &charge,
                ix::Proof::Account(short),
            ));
            stage.svm.set_account(short, Account::default()).unwrap();
        }
    }
    // A header and nothing else is evidence that is too short; an account that was never named is none.
    let empty = stage.write_down(&author, "empty", &[]);
    let unnamed = actor("evidence unnamed");
    let creation = stage.creation_of(&author, &unnamed, 2_000);
    stage.ok(creation[0].clone());
    let state = stage.job(&job);
    let of = |account| ix::convict(&author, &state, &charge, ix::Proof::Account(account));
    refused(&mut stage, of(empty), Refusal::TooShort);
    stage.fails(of(unnamed));
    // Forged: the right bytes under another program.
    let forged = actor("forged");
    let copy = Account {
        owner: addresses::TOKEN_PROGRAM,
        ..good
    };
    stage.svm.set_account(forged, copy).unwrap();
    stage.fails(of(forged));
    // Inline and from an account at once.
    let mut both = stage.inline(&job, &charge, &claim.evidence(&charge));
    both.accounts[3].pubkey = evidence;
    stage.refused(both, QuernError::EvidenceTwice);
    stage.ok(of(evidence));
}

/// What `write_evidence` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::NotEvidence, "a write to a job", |stage| {
            let job = submitted(stage);
            ix::write_evidence(&stage.cast.prover, &job, 0, &[1])
        }),
        (E::NotEvidence, "a write to a wallet", |stage| {
            ix::write_evidence(&stage.cast.prover, &stage.cast.stranger, 0, &[1])
        }),
        (E::NotAuthorized, "somebody else's evidence", |stage| {
            let author = stage.cast.prover;
            let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
            ix::write_evidence(&stage.cast.stranger, &evidence, 0, &[1])
        }),
        (
            E::NotAuthorized,
            "a first write without the account's signature",
            |stage| {
                let (author, evidence) = (stage.cast.prover, actor("evidence"));
                let creation = stage.creation_of(&author, &evidence, 5);
                stage.ok(creation[0].clone());
                ix::write_evidence(&author, &evidence, 0, &[1])
            },
        ),
        (E::EvidenceOutOfRoom, "a byte too much", |stage| {
            let author = stage.cast.prover;
            let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
            ix::write_evidence(&author, &evidence, 3, &[1])
        }),
    ]
}
