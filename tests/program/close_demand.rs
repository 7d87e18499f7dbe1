//! `close_demand`: where the lamports of a demand go.

use super::common::*;

/// The fee to whoever answers, the rent to whoever asked; nothing else moves.
#[test]
fn lamports_of_a_demand_go_where_they_belong() {
    let claim = every_op();
    let mut stage = Stage::new();
    let cast = stage.cast.clone();
    let job = stage.submitted_for(&claim);
    let rent = stage
        .svm
        .minimum_balance_for_rent_exemption(Demand::ANSWER_OFFSET + 512);
    let opener = stage.lamports(&cast.prover);
    let demand = stage.ask(&job, &claim, &TRACE);
    assert_eq!(stage.lamports(&cast.prover), opener - rent - FEE);
    assert_eq!(stage.lamports(&demand), rent + FEE);
    // Nobody gets it back while the job lives, answered or not.
    let close = ix::close_demand(&demand, &stage.get(&demand));
    stage.refused(close.clone(), QuernError::JobLives);
    // A stranger answers: whoever has the data serves them.
    let revealer = stage.lamports(&cast.stranger);
    let reveal = ix::reveal(&cast.stranger, &job, &demand, &claim.answer(&TRACE));
    let outcome = stage.ok(reveal);
    let QuernEvent::DemandAnswered(event) = outcome.event() else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!(
        (event.revealer, event.fee_lamports, &event.answer),
        (cast.stranger, FEE, &claim.answer(&TRACE))
    );
    assert_eq!(stage.lamports(&cast.stranger), revealer + FEE);
    assert_eq!(stage.lamports(&demand), rent);
    stage.refused(close.clone(), QuernError::JobLives);
    // A gift disturbs nothing and goes to the opener with the rent.
    let account = stage.svm.get_account(&demand).unwrap();
    let gift = Account {
        lamports: account.lamports + 5,
        ..account
    };
    stage.svm.set_account(demand, gift).unwrap();
    stage.wait(REACT + 1);
    let past = stage.now().max(stage.job(&job).deadline.get() + 1);
    stage.set_time(past);
    stage.finalize(&job);
    let mut to_thief = close.clone();
    to_thief.accounts[2].pubkey = cast.stranger;
    stage.refused(to_thief, QuernError::WrongRecipient);
    let mut of_other = close.clone();
    of_other.accounts[1].pubkey = cast.stranger;
    stage.refused(of_other, QuernError::WrongDemand);
    stage.ok(close.clone());
    assert_eq!(stage.lamports(&cast.prover), opener - FEE + 5);
    assert!(!stage.exists(&demand));
    stage.fails(close);
}

/// What `close_demand` refuses, and an instruction that is refused for it.
pub fn errors() -> Vec<Provocation> {
    use QuernError as E;
    vec![
        (E::WrongDemand, "closed with another job", |stage| {
            let (job, other) = (submitted(stage), submitted(stage));
            let demand = stage.ask(&job, &claim(1), &TRACE);
            stage.convict(&other);
            let mut close = ix::close_demand(&demand, &stage.get(&demand));
            close.accounts[1].pubkey = other;
            close
        }),
        (
            E::WrongRecipient,
            "a demand's lamports for another",
            |stage| {
                let job = submitted(stage);
                let demand = stage.ask(&job, &claim(1), &TRACE);
                stage.convict(&job);
                let mut close = ix::close_demand(&demand, &stage.get(&demand));
                close.accounts[2].pubkey = stage.cast.stranger;
                close
            },
        ),
        (E::JobLives, "closed while it is submitted", |stage| {
            let job = submitted(stage);
            let demand = stage.ask(&job, &claim(1), &TRACE);
            ix::close_demand(&demand, &stage.get(&demand))
        }),
    ]
}
