//! The referee over RPC, between real watchers and real agents: a watcher killed halfway, withheld data that are asked for
//! step by step, and an honest provider whose published data are gone.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        ClientError, Keypair, Pubkey, Signer, accounts, addresses,
        flows::{self, Route},
        quern::{
            events::QuernEvent,
            state::{Conviction, ConvictionReason, JobState},
        },
    },
    quern_proof::{
        Operand,
        demand::{NodeId, Tree},
    },
    quern_testkit::net::{Answer, Cell, Forger, Lookout, Machine, Names, QUSD, Stage, Work, until},
    quern_watcher::{Report, Verdict},
    std::{collections::HashSet, fs, path::PathBuf, time::Duration},
};

const LIMIT: Duration = Duration::from_secs(60);
const SOL: u64 = 1_000_000_000;

/// A job of the dishonest provider's with one wrong value that is not published. Its machine, once it runs, has the data.
async fn withheld(stage: &Stage, model: Pubkey, work: &Work, answer: &Answer) -> Pubkey {
    let keys = &stage.providers[2];
    let forger = Forger::new(stage, keys);
    let owner = keys.owner.pubkey();
    let job = stage
        .create_refereed_job("withheld", model, work, 3 * QUSD, Some(owner))
        .await
        .unwrap();
    forger.take(&job).await.unwrap();
    forger.keep(&job, answer).unwrap();
    let uri = forger.uri(&job).unwrap();
    forger.submit(&job, answer, &uri).await.unwrap();
    job
}

async fn is_gone(stage: &Stage, job: &Pubkey) {
    until("the job ends", LIMIT, async || {
        Ok(stage.job(job).await?.is_none().then_some(()))
    })
    .await
    .unwrap();
}

/// Waits until nothing of a wallet's lies in demands any more.
async fn is_tidy(stage: &Stage, wallet: &Pubkey) {
    until("the demands are closed", 2 * LIMIT, async || {
        let open = accounts::demands_by(stage.net.rpc(), wallet).await?;
        Ok(open.is_empty().then_some(()))
    })
    .await
    .unwrap();
}

/// The events, all of them.
async fn events(stage: &Stage) -> Vec<QuernEvent> {
    stage.chronicle.catch_up().await.unwrap();
    let entries = stage.chronicle.entries();
    entries.into_iter().map(|entry| entry.event).collect()
}

fn count(events: &[QuernEvent], is_one: impl Fn(&QuernEvent) -> bool) -> usize {
    events.iter().filter(|event| is_one(event)).count()
}

/// What a wallet may have spent: signatures, answers to its own demands, and the rent of a purse that it opened.
async fn explained_lamports(stage: &Stage, wallet: &Pubkey, events: &[QuernEvent]) -> u64 {
    let rpc = stage.net.rpc();
    let mut lamports = 0;
    for item in rpc.get_signatures_for_address(wallet).await.unwrap() {
        let signature = item.signature.parse().unwrap();
        lamports += stage.sender().cost(&signature).await.unwrap().fee_lamports;
    }
    let answered = |demand: &Pubkey| {
        events.iter().any(
            |event| matches!(event, QuernEvent::DemandAnswered(event) if event.demand == *demand),
        )
    };
    for event in events {
        match event {
            QuernEvent::DemandOpened(event)
                if event.opener == *wallet && answered(&event.demand) =>
            {
                lamports += event.fee_lamports;
            }
            QuernEvent::PurseOpened(event) if event.owner == *wallet => {
                let purse = addresses::purse(wallet, &event.mint);
                lamports += rpc.get_balance(&purse).await.unwrap();
            }
            _ => {}
        }
    }
    lamports
}

/// The dishonest provider answers what it is asked. Two watchers work at its downfall; the one that asks first is cut off
/// after its first demand, and again and again everything is decided by what the chain says.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_watcher_killed_halfway_and_another_convict_once() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let work = Work::digits(&stage.digits, 0..20).unwrap();
    let (cell, value) = work.turning_point().unwrap();
    let wrong = work.with_value(cell, value).unwrap();
    let charge_of_cell = cell.charge(&work.graph).unwrap();
    let wallets: [Keypair; 2] = [
        stage.net.fresh(SOL).await.unwrap(),
        stage.net.fresh(SOL).await.unwrap(),
    ];
    let folder = |index: usize| stage.folder().join(format!("watcher-{index}"));
    let mut lookouts = Vec::new();
    for (index, wallet) in wallets.iter().enumerate() {
        let lookout = Lookout::start(&stage, wallet, Some(&folder(index))).await;
        lookouts.push(lookout.unwrap());
    }
    let job = withheld(&stage, stage.model, &work, &wrong).await;

    // Nobody answers yet, so there is one demand, whoever was first.
    let opener = until("a watcher asks", LIMIT, async || {
        let asked = accounts::demands_of(stage.net.rpc(), &job).await?;
        Ok(asked.first().map(|asked| asked.demand.opener))
    })
    .await
    .unwrap();
    let first = wallets.iter().position(|wallet| wallet.pubkey() == opener);
    let first = first.unwrap();
    lookouts.remove(first).kill().await;
    let other = lookouts.remove(0);

    // It is dead when the answer comes, and the provider's machine goes, too.
    let machine = Machine::start(&stage, &stage.providers[2]).await.unwrap();
    until("the demand is answered", LIMIT, async || {
        let asked = accounts::demands_of(stage.net.rpc(), &job).await?;
        Ok(asked
            .iter()
            .any(|asked| asked.answer.is_some())
            .then_some(()))
    })
    .await
    .unwrap();
    machine.stop().await.unwrap();
    let again = Lookout::start(&stage, &wallets[first], Some(&folder(first))).await;
    let again = again.unwrap();
    assert!(again.reports().is_empty(), "{:?}", again.reports());
    assert!(other.reports().is_empty(), "{:?}", other.reports());
    let machine = Machine::start(&stage, &stage.providers[2]).await.unwrap();

    let mut reports = Vec::new();
    for lookout in [&again, &other] {
        reports.push(lookout.report_on(&job, LIMIT).await.unwrap().1);
    }
    is_gone(&stage, &job).await;
    for wallet in &wallets {
        is_tidy(&stage, &wallet.pubkey()).await;
    }
    again.stop().await.unwrap();
    other.stop().await.unwrap();
    machine.stop().await.unwrap();

    // Exactly one of them convicted, both know it, and it is what the chain says.
    let events = events(&stage).await;
    let convicted: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            QuernEvent::JobConvicted(event) => Some(event),
            _ => None,
        })
        .collect();
    let [convicted] = convicted[..] else {
        panic!("{} convictions", convicted.len())
    };
    let expected = Conviction::WrongCell {
        op: cell.op,
        row: cell.item,
        col: cell.col,
        at: 0,
    };
    assert_eq!((convicted.job, convicted.conviction), (job, expected));
    let mut convictions = 0;
    for Report { verdict, .. } in &reports {
        match verdict {
            Verdict::Convicted {
                charge, demands, ..
            } => {
                assert_eq!(*charge, charge_of_cell);
                assert!(*demands >= 3, "{verdict:?}");
                convictions += 1;
            }
            Verdict::AlreadyConvicted { prover, reason, .. } => {
                let wrong = Some(ConvictionReason::WrongCell);
                assert_eq!((*prover, *reason), (convicted.prover, wrong));
            }
            verdict => panic!("{verdict:?}"),
        }
    }
    assert_eq!(convictions, 1, "{reports:?}");
    assert_eq!(
        count(&events, |event| matches!(
            event,
            QuernEvent::ConvictionSettled(_)
        )),
        1
    );

    // No demand was asked twice, all of them are closed, and every lamport is accounted for.
    let opened = count(&events, |event| {
        matches!(event, QuernEvent::DemandOpened(_))
    });
    let closed = count(&events, |event| {
        matches!(event, QuernEvent::DemandClosed(_))
    });
    assert!(opened >= 3);
    assert_eq!(opened, closed);
    for wallet in &wallets {
        let wallet = wallet.pubkey();
        let left = stage.net.rpc().get_balance(&wallet).await.unwrap();
        let spent = explained_lamports(&stage, &wallet, &events).await;
        assert_eq!(SOL - left, spent, "{wallet}");
    }
}

/// One cell of a million is off by one, and nothing is published. Five answers lead to it. The evidence goes through an account
/// of its own, as on a cluster that takes no large transactions.
#[tokio::test(flavor = "multi_thread")]
async fn withheld_data_are_asked_for_down_to_the_wrong_cell() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let work = Work::product(7).unwrap();
    let cell = Cell {
        op: 0,
        item: 0,
        row: 999,
        col: 998,
    };
    let right = work.value(cell).unwrap();
    let wrong = work.with_value(cell, right - 1).unwrap();
    let machine_keys = &stage.providers[2];
    let job = withheld(&stage, stage.product, &work, &wrong).await;
    let machine = Machine::start(&stage, machine_keys).await.unwrap();
    let wallet = stage.net.fresh(SOL).await.unwrap();
    let lookout = Lookout::with_route(&stage, &wallet, None, Route::Account).await;
    let lookout = lookout.unwrap();
    let (_, report) = lookout.report_on(&job, LIMIT).await.unwrap();
    let Verdict::Convicted {
        charge,
        route,
        evidence_bytes,
        demands,
        ..
    } = report.verdict
    else {
        panic!("{report:?}")
    };
    assert_eq!(charge, cell.charge(&work.graph).unwrap());
    // 15 levels in steps of four, and the leaf.
    assert_eq!((demands, evidence_bytes, route), (5, 3_296, Route::Account));
    let fee_lamports = 10_000 * u64::from(demands);
    assert_eq!(report.fees_lamports, fee_lamports);
    is_gone(&stage, &job).await;
    is_tidy(&stage, &lookout.wallet()).await;
    lookout.stop().await.unwrap();
    machine.stop().await.unwrap();

    // All that the watcher is short of are signatures, the answers and its purse: neither evidence nor demands are left.
    let (rpc, watcher) = (stage.net.rpc(), wallet.pubkey());
    let left = accounts::evidences_by(rpc, &watcher).await.unwrap();
    assert_eq!(left, []);
    let events = events(&stage).await;
    let spent = explained_lamports(&stage, &watcher, &events).await;
    assert_eq!(SOL - rpc.get_balance(&watcher).await.unwrap(), spent);
    let bounty = stage.purse(&watcher, &stage.payment).await.unwrap();
    assert_eq!(bounty.free_atoms.get(), 6 * QUSD * 2 / 5);

    // Whoever answered earned the fees, and lost the bond all the same.
    let operator = machine_keys.operator.pubkey();
    let answered = count(
        &events,
        |event| matches!(event, QuernEvent::DemandAnswered(event) if event.revealer == operator && event.fee_lamports == 10_000),
    );
    assert_eq!(answered, 5);
    let owner = machine_keys.owner.pubkey();
    let purse = stage.purse(&owner, &stage.payment).await.unwrap();
    assert_eq!(
        (purse.free_atoms.get(), purse.reserved_atoms.get()),
        (394 * QUSD, 0)
    );
}

/// The published roots of a job.
fn roots_file(stage: &Stage, job: &Pubkey) -> PathBuf {
    let folder = stage.public.join(stage.providers[0].name);
    folder.join(job.to_string()).join("1").join("roots.bin")
}

/// Asks as somebody who is no watcher.
async fn ask(stage: &Stage, opener: &Keypair, job: &Pubkey, node_id: NodeId) -> Pubkey {
    let rpc = stage.net.rpc();
    let asked = flows::demand(rpc, &opener.pubkey(), job, &node_id).await;
    let (demand, all) = asked.unwrap();
    stage.sender().send_all(&all, &[opener]).await.unwrap();
    demand
}

/// Waits until a demand is answered.
async fn is_answered(stage: &Stage, demand: &Pubkey) {
    until("the demand is answered", LIMIT, async || {
        let account = accounts::demand(stage.net.rpc(), demand).await?;
        Ok(account.answer.map(|_| ()))
    })
    .await
    .unwrap();
}

/// Its data are gone, or are garbage; its results are right. Nobody can harm it, whatever they ask, and it is paid.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn an_honest_provider_without_its_published_data_answers_and_is_paid() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let [alder, ..] = &stage.providers;
    let machine = Machine::start(&stage, alder).await.unwrap();
    let mut jobs = Vec::new();
    for (index, name) in ["gone", "garbage", "another"].into_iter().enumerate() {
        let images = index * 10..index * 10 + 10;
        jobs.push(
            stage
                .create_digits_job(name, images, 2 * QUSD)
                .await
                .unwrap(),
        );
    }
    for job in &jobs {
        until("the job is submitted", LIMIT, async || {
            let job = stage.job(job).await?;
            let submitted = job.filter(|job| job.state == JobState::Submitted as u8);
            Ok(submitted.map(|_| ()))
        })
        .await
        .unwrap();
    }
    machine.stop().await.unwrap();
    let [gone, garbage, another] = jobs[..] else {
        panic!("three jobs")
    };
    let other_roots = fs::read(roots_file(&stage, &gone)).unwrap();
    fs::remove_file(roots_file(&stage, &gone)).unwrap();
    fs::write(roots_file(&stage, &garbage), "no roots at all").unwrap();
    fs::write(roots_file(&stage, &another), other_roots).unwrap();

    // A watcher finds out by itself that the results are right.
    let lookout = Lookout::start(&stage, &stage.watcher, None).await.unwrap();
    for job in &jobs {
        let (_, report) = lookout.report_on(job, LIMIT).await.unwrap();
        assert!(
            matches!(
                &report.verdict,
                Verdict::Consistent {
                    delivered: false,
                    note: Some(_),
                    ..
                }
            ),
            "{report:?}"
        );
        assert_eq!(report.fees_lamports, 0);
    }

    // Somebody asks all the same, while the machine is off: about the trace, the inputs and the weights.
    let opener = stage.net.fresh(SOL).await.unwrap();
    let root = |tree| NodeId {
        tree,
        level: 0,
        index: 0,
    };
    let mut demands = Vec::new();
    for job in &jobs {
        for tree in [
            Tree::Trace,
            Tree::Data(Operand::Input(0)),
            Tree::Data(Operand::Weight(5)),
        ] {
            demands.push(ask(&stage, &opener, job, root(tree)).await);
        }
    }
    let machine = Machine::start(&stage, alder).await.unwrap();
    for demand in &demands {
        is_answered(&stage, demand).await;
    }
    // And goes on, while it runs.
    let (above, below) = (NodeId::new(Tree::Trace, 4, 0), NodeId::in_item(2, 0, 0, 0));
    let mut demand = Pubkey::default();
    for node_id in [above, below] {
        demand = ask(&stage, &opener, &gone, node_id).await;
        is_answered(&stage, &demand).await;
        demands.push(demand);
    }
    // It is no slower to answer than to ask, so nothing is overdue: a timeout is refused.
    let refused = flows::timeout(stage.net.rpc(), &demand).await.unwrap_err();
    assert!(matches!(refused, ClientError::WouldRefuse(_)), "{refused}");

    // The reviews end, the time to react to the answers, too, and the machine collects.
    let mut last = 0;
    for job in &jobs {
        last = last.max(stage.job(job).await.unwrap().unwrap().deadline.get());
    }
    stage.pass(last, "the reviews end").await.unwrap();
    for job in &jobs {
        is_gone(&stage, job).await;
    }
    machine.stop().await.unwrap();
    lookout.stop().await.unwrap();
    for job in &jobs {
        let close = flows::close_demands(stage.net.rpc(), job).await.unwrap();
        stage.sender().send_all(&close, &[&opener]).await.unwrap();
    }

    let events = events(&stage).await;
    let is_paid = |job: Pubkey| {
        count(
            &events,
            |event| matches!(event, QuernEvent::MilestoneSettled(event) if event.job == job && event.closed),
        )
    };
    assert_eq!([is_paid(gone), is_paid(garbage), is_paid(another)], [1; 3]);
    assert_eq!(
        count(&events, |event| matches!(
            event,
            QuernEvent::JobConvicted(_)
        )),
        0
    );
    // Rent comes back, the fees went to whoever answered.
    let (operator, closed) = (
        alder.operator.pubkey(),
        count(&events, |event| {
            matches!(event, QuernEvent::DemandClosed(_))
        }),
    );
    assert_eq!(closed, demands.len());
    let answered = count(
        &events,
        |event| matches!(event, QuernEvent::DemandAnswered(event) if event.revealer == operator),
    );
    assert_eq!(answered, demands.len());
    // What was asked about a job together was answered together.
    let transactions: HashSet<String> = stage
        .chronicle
        .entries()
        .into_iter()
        .filter(|entry| matches!(entry.event, QuernEvent::DemandAnswered(_)))
        .map(|entry| entry.signature)
        .collect();
    assert!(transactions.len() < demands.len(), "{transactions:?}");
    let left = stage.net.rpc().get_balance(&opener.pubkey()).await.unwrap();
    let spent = explained_lamports(&stage, &opener.pubkey(), &events).await;
    assert_eq!(SOL - left, spent);
}
