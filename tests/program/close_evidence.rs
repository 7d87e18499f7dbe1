//! `close_evidence`: the author takes the rent back.

use super::common::*;

#[test]
fn an_author_gets_all_lamports_back() {
    let mut stage = Stage::new();
    let author = stage.cast.prover;
    let before = stage.lamports(&author);
    let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
    assert!(stage.lamports(&author) < before);
    // Gifts too.
    let account = stage.svm.get_account(&evidence).unwrap();
    let with_gift = Account {
        lamports: account.lamports + 7,
        ..account
    };
    stage.svm.set_account(evidence, with_gift).unwrap();
    let close = ix::close_evidence(&author, &evidence);
    stage.ok(close.clone());
    assert_eq!(stage.lamports(&author), before + 7);
    assert!(!stage.exists(&evidence));
    // A second time there is nothing to close.
    stage.fails(close);
    assert_eq!(stage.lamports(&author), before + 7);
}

/// What `close_evidence` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![(
        E::NotAuthorized,
        "closing somebody else's evidence",
        |stage| {
            let author = stage.cast.prover;
            let evidence = stage.write_down(&author, "one", &[1, 2, 3]);
            ix::close_evidence(&stage.cast.stranger, &evidence)
        },
    )]
}
