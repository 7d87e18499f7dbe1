//! How long demands can hold a job up, that there is always time to react, and what a flood of them takes and costs.
//! `docs/PROOFS.md` and `docs/THREATS.md` carry the tables that are computed here; a test compares them.

use {
    quern::state::Demand as DemandAccount,
    quern_proof::{
        DType, Graph,
        builder::GraphBuilder,
        demand::MAX_ANSWER_BYTES,
        limits::{MAX_QUESTIONS, MAX_TOKEN_QUESTIONS},
    },
    quern_rules::deadline::demand_due,
    quern_testkit::svm::{Rng, params, referee},
    quern_tests::payoffs::{
        Caught, Deal, Play, SIGNATURE_LAMPORTS, Who,
        deepest::{DEEPEST_ITEMS, largest, largest_text},
        defaults,
        demands::{
            ACCOUNT_OVERHEAD_BYTES, Above, Game, RENT_LAMPORTS_PER_BYTE, Windows, deepest, demands,
            depth_of,
        },
        text::{assert_table, hours, path, sol, thousands},
    },
    std::{collections::VecDeque, fmt::Write, fs},
};

/// Most demands that lead to a leaf; `depths_are_those_of_the_program` checks it.
const DEEPEST: u32 = MAX_QUESTIONS as u32;
/// The same of tokens, which come before.
const DEEPEST_TOKENS: u32 = (MAX_TOKEN_QUESTIONS - MAX_QUESTIONS) as u32;

// --------------------------------------------------------------------------------------------------- demands: floods

/// The least rate at which a provider answers a flood of so many demands in time, as answers in seconds: all of them wait at
/// once, each for its own time.
fn least_rate(flood: u32, response_secs: u32) -> (i64, i64) {
    (1..=flood)
        .map(|place| {
            (
                i64::from(place),
                demand_due(0, response_secs, place - 1).unwrap(),
            )
        })
        .max_by(|(a, b), (c, d)| (a * d).cmp(&(c * b)))
        .unwrap()
}

/// Whoever answers in the order of asking at that rate is always in time, however the demands come; a little slower is not
/// enough for the flood that comes all at once.
#[test]
fn a_flood_can_be_answered_at_a_fifth_of_a_demand_a_second_or_less() {
    let mut dice = Rng::new(7);
    for flood in [1, 2, 50, 3_000, 40_000] {
        let response_secs = defaults().response_secs;
        let (count, secs) = least_rate(flood, response_secs);
        for _ in 0..20 {
            assert!(in_time_at(
                count,
                secs,
                random_flood(&mut dice, flood),
                response_secs
            ));
        }
        let at_once = vec![(0, flood)];
        assert!(in_time_at(count, secs, at_once.clone(), response_secs));
        assert!(!in_time_at(count * 99, secs * 100, at_once, response_secs));
        if flood <= 17_281 {
            assert!(count * 5 < secs, "{count} answers in {secs} seconds");
        }
    }
}

/// Bursts as (second, demands wanted): what is asked is what keeps at most `flood` open.
fn random_flood(dice: &mut Rng, flood: u32) -> Vec<(i64, u32)> {
    let mut now = 0;
    let bursts = 1 + dice.below(60);
    (0..bursts)
        .map(|_| {
            now += dice.below(40_000) as i64;
            (now, 1 + dice.below(u64::from(flood)) as u32)
        })
        .collect()
}

/// Whether a provider that gives `count` answers in `secs` seconds, in the order of asking, is in time with all; never more
/// than the largest burst are open.
fn in_time_at(count: i64, secs: i64, bursts: Vec<(i64, u32)>, response_secs: u32) -> bool {
    let most_open = bursts.iter().map(|(_, size)| *size).max().unwrap();
    // Times in parts of 1 / count of a second.
    let (mut ends, mut free_from) = (VecDeque::new(), 0i64);
    for (now, wanted) in bursts {
        while ends.front().is_some_and(|end| *end <= now * count) {
            ends.pop_front();
        }
        for _ in 0..wanted {
            let open = ends.len() as u32;
            if open >= most_open {
                break;
            }
            let due = demand_due(now, response_secs, open).unwrap();
            free_from = free_from.max(now * count) + secs;
            ends.push_back(free_from);
            if free_from > due * count {
                return false;
            }
        }
    }
    true
}

/// The least flood that a provider of so many answers in a thousand seconds can't answer.
fn breaking_flood(answers_in_1000_secs: u64, response_secs: u32) -> u64 {
    let in_time = |flood: u64| {
        let waits = demand_due(0, response_secs, (flood - 1) as u32).unwrap() as u64;
        flood * 1_000 <= answers_in_1000_secs * waits
    };
    let (mut fits, mut breaks) = (0, 1);
    while in_time(breaks) {
        (fits, breaks) = (breaks, breaks * 2);
    }
    while breaks - fits > 1 {
        let middle = (fits + breaks) / 2;
        if in_time(middle) {
            fits = middle;
        } else {
            breaks = middle;
        }
    }
    breaks
}

/// The same where the demands are spread over so many jobs that none has others open: each is due after `response_secs`.
fn breaking_many(answers_in_1000_secs: u64, response_secs: u32) -> u64 {
    answers_in_1000_secs * u64::from(response_secs) / 1_000 + 1
}

/// The extra time counts the demands of one job, capacity those of all jobs: spread over many jobs, a flood need not be
/// larger than what a provider answers within the response time.
#[test]
fn a_flood_over_many_jobs_is_harder_to_answer() {
    let response_secs = defaults().response_secs;
    for answers_in_1000_secs in [100, 500, 1_000, 5_000] {
        let one = breaking_flood(answers_in_1000_secs, response_secs);
        let many = breaking_many(answers_in_1000_secs, response_secs);
        assert!(many < one);
        // The least number of demands about each of so many jobs that breaks it, all asked at once and answered in the
        // order in which they are due.
        let each = |jobs: u64| {
            let breaks = |place: &u64| {
                let due = demand_due(0, response_secs, (place - 1) as u32).unwrap() as u64;
                jobs * place * 1_000 > answers_in_1000_secs * due
            };
            (1..=one).find(breaks).unwrap()
        };
        assert_eq!((each(1), each(many)), (one, 1));
        assert!(each(many - 1) > 1);
        for jobs in [2, 5, 20, 300] {
            assert!(jobs * each(jobs) >= many, "{jobs} jobs");
        }
    }
}

/// What a flood costs whoever asks, for good, in lamports: the fee of the one demand that stays open comes back.
fn flood_lamports(flood: u64) -> u128 {
    let fee = u128::from(defaults().demand_fee_lamports);
    u128::from(flood) * (fee + u128::from(SIGNATURE_LAMPORTS)) - fee
        + u128::from(SIGNATURE_LAMPORTS)
}

/// A flood that a provider can't answer convicts it for silence although it is honest: it pays the opener from a bond on, and
/// the client, who also gets the price back, from a lower one.
#[test]
fn a_flood_pays_only_against_large_bonds_and_slow_providers() {
    for answers_in_1000_secs in [50, 100, 500, 1_000, 5_000] {
        let response_secs = defaults().response_secs;
        let flood = breaking_flood(answers_in_1000_secs, response_secs);
        let (count, secs) = least_rate(flood as u32, response_secs);
        assert!(
            count as u64 * 1_000 > answers_in_1000_secs * secs as u64,
            "it does break it"
        );
        let (count, secs) = least_rate(flood as u32 - 1, response_secs);
        assert!(
            count as u64 * 1_000 <= answers_in_1000_secs * secs as u64,
            "the next does not"
        );
        let cost = flood_lamports(flood) as i128;
        let mut deal = Deal::tightest(0);
        deal.atoms_per_sol = 1_000_000_000;
        let (stranger, client) = (stranger_bond(flood), client_bond(flood));
        assert!(client < stranger);
        for (bond, pays) in [(stranger as u64 + 10, true), (stranger as u64 - 10, false)] {
            deal.bond_atoms = bond;
            // What it costs is counted above, but for paying out, which may be left to others.
            let gained = deal.refereed(Play::Withhold(0), Caught::By(Who::Watcher, 0));
            assert_eq!(
                gained.of(Who::Watcher) + i128::from(SIGNATURE_LAMPORTS) > cost,
                pays,
                "{answers_in_1000_secs}"
            );
        }
    }
}

/// From which bond on 40 % of it exceed what a flood costs.
fn stranger_bond(flood: u64) -> u128 {
    flood_lamports(flood) * 10 / 4
}

/// The same for the client, with a bond of twice the price: 60 % and the price.
fn client_bond(flood: u64) -> u128 {
    flood_lamports(flood) * 10 / 11
}

// ----------------------------------------------------------------------------------------------- demands: how long

/// Plays the slowest game of this depth: everything asked and answered in the last second, while so many others are open;
/// first all about the tokens, then all else.
fn slowest(windows: Windows, review_end: i64, (tokens, depth): (u32, u32), others: u32) -> Game {
    let mut game = Game::new(windows, review_end);
    for (root, depth) in [(Above::TokensRoot, tokens), (Above::Root, depth)] {
        let mut above = root;
        for _ in 0..depth {
            let now = game.open_until(above).unwrap();
            assert!(
                game.ask(now + 1, above).is_none(),
                "a second later is too late"
            );
            let demand = game.ask_among(now, above, others).unwrap();
            let due = game.due(demand);
            assert!(!game.is_silent(due) && game.clone().is_silent(due + 1));
            assert!(!game.may_finalize(due));
            assert!(game.answer(due, demand));
            above = Above::Answer(demand);
        }
    }
    game
}

/// The bound is reached and never passed: the slowest game ends in the very second that the documents state.
#[test]
fn the_longest_delay_is_reached_to_the_second() {
    for params in [defaults(), params()] {
        let windows = Windows::from(&params);
        let review_end = 1_000_000;
        let plain = (1..=DEEPEST).map(|depth| (0, depth));
        let texts = (1..=DEEPEST_TOKENS).map(|tokens| (tokens, DEEPEST));
        for (tokens, below) in plain.chain(texts) {
            let depth = tokens + below;
            for others in [0, 1, 1_000, 17_280, 1_000_000] {
                let game = slowest(windows, review_end, (tokens, below), others);
                let until = review_end + windows.longest_delay_secs(depth, others);
                assert!(!game.may_finalize(until) && game.may_finalize(until + 1));
                let most = i64::from(depth)
                    * (i64::from(windows.response_secs) + 86_400 + i64::from(windows.react_secs));
                assert!(
                    windows.longest_delay_secs(depth, others) <= most,
                    "a day more at most"
                );
            }
        }
    }
}

/// A provider that answers at once is held up by the time to react alone.
#[test]
fn a_prompt_provider_is_held_up_by_reaction_times_only() {
    let windows = Windows::from(&defaults());
    let mut game = Game::new(windows, 1_000_000);
    let mut above = Above::Root;
    for _ in 0..DEEPEST {
        let now = game.open_until(above).unwrap();
        let demand = game.ask(now, above).unwrap();
        assert!(game.answer(now, demand));
        above = Above::Answer(demand);
    }
    let until = 1_000_000 + i64::from(DEEPEST) * i64::from(windows.react_secs);
    assert!(!game.may_finalize(until) && game.may_finalize(until + 1));
}

/// Random games with restarts: whenever the job may be finalized, at least the reaction time has passed since the last
/// answer, and no demand can be asked any more; and that is never later than the bound.
#[test]
fn there_is_always_time_to_react_and_always_an_end() {
    let mut dice = Rng::new(1);
    let (mut deep, mut texts) = (0, 0);
    for _ in 0..1_500 {
        let windows = Windows {
            response_secs: *dice.pick(&[1, 100, 21_600]),
            react_secs: *dice.pick(&[1, 50, 3_600]),
            restart_grace_secs: *dice.pick(&[1, 7_200]),
        };
        let (depth, review_end) = (1 + dice.below(5) as u32, 10_000);
        let (end, restarts, most_open, game) = random_game(&mut dice, windows, review_end, depth);
        let react_secs = i64::from(windows.react_secs);
        assert!(end > review_end && end > game.last_answer_at() + react_secs);
        let reached = |is_tokens: bool| {
            let demands = game.demands.iter();
            let demands = demands.filter(|demand| demand.is_tokens == is_tokens);
            demands.map(|demand| demand.depth).max().unwrap_or(0)
        };
        texts += u32::from(reached(true) >= 2 && reached(false) >= 2);
        let reached = reached(true) + reached(false);
        deep += u32::from(reached >= 4);
        let others = most_open.saturating_sub(1);
        let grace = 3 * restarts * i64::from(windows.restart_grace_secs);
        let bound = review_end + windows.longest_delay_secs(reached, others) + grace;
        assert!(end <= bound + 1, "{end} {bound} {windows:?} {game:?}");
    }
    assert!(deep > 100, "only {deep} games went deep");
    assert!(texts > 100, "only {texts} games asked about tokens");
}

/// Everything that a demand can stand below.
fn places(game: &Game) -> impl Iterator<Item = Above> {
    let answers = (0..game.demands.len()).map(Above::Answer);
    answers.chain([Above::Root, Above::TokensRoot])
}

/// Plays to the first second in which the job may be finalized. Returns it, the restarts, the most demands that were open at
/// once, and the game.
fn random_game(
    dice: &mut Rng,
    windows: Windows,
    review_end: i64,
    depth: u32,
) -> (i64, i64, u32, Game) {
    let mut game = Game::new(windows, review_end);
    let (mut now, mut restarts, mut most_open) = (2, 0, 0);
    loop {
        for _ in 0..dice.below(4) {
            let parents = game.demands.len();
            let above = match dice.below(6) {
                0 => Above::Root,
                1 => Above::TokensRoot,
                _ if parents == 0 => Above::Root,
                _ => Above::Answer(dice.below(parents as u64) as usize),
            };
            let is_deep = matches!(above, Above::Answer(one) if game.demands[one].depth >= depth);
            if !is_deep && parents < 40 {
                game.ask(now, above);
            }
        }
        let open = |game: &Game| -> Vec<usize> {
            let all = 0..game.demands.len();
            all.filter(|one| game.demands[*one].answered_at.is_none())
                .collect()
        };
        most_open = most_open.max(open(&game).len() as u32);
        if dice.below(40) == 0 && restarts < 2 {
            game.restart(now);
            restarts += 1;
        }
        if dice.below(3) == 0
            && let Some(one) = open(&game).first()
        {
            assert!(
                game.answer(now, *one),
                "an honest provider is always in time"
            );
        }
        if game.may_finalize(now) {
            for until in places(&game).filter_map(|above| game.open_until(above)) {
                assert!(until < now, "finalized while a demand could still be asked");
            }
            return (now, restarts, most_open, game);
        }
        // On to the next second in which something changes, or to just after it, or to any before it.
        let mut next: Vec<i64> = open(&game).iter().map(|one| game.due(*one)).collect();
        next.extend(places(&game).filter_map(|above| game.open_until(above)));
        next.extend(next.clone().iter().map(|at| at + 1));
        next.retain(|at| *at > now);
        next.sort_unstable();
        let first = *next.first().unwrap_or(&(now + 1));
        now = match dice.below(4) {
            0 => now + 1 + dice.below((first - now) as u64) as i64,
            _ => first,
        };
        // Whoever is honest answers in time.
        for one in open(&game) {
            if game.due(one) < now {
                now = game.due(one);
            }
        }
        for one in open(&game) {
            if game.due(one) == now {
                assert!(game.answer(now, one));
            }
        }
    }
}

// ------------------------------------------------------------------------------------------- demands: real graphs

/// One product of 1000 x 1000 by 1000 x 1000.
fn product() -> Vec<u8> {
    let mut builder = GraphBuilder::new();
    let a = builder.input_item(DType::I8, 1_000, 1_000);
    let b = builder.input_fixed(DType::I8, 1_000, 1_000);
    builder.dot(a, b).push();
    builder.finish().unwrap()
}

fn digits() -> Vec<u8> {
    fs::read(path("models/digits/digits.qmodel")).unwrap()
}

#[test]
fn depths_are_those_of_the_program() {
    let (product, largest, text) = (product(), largest(), largest_text());
    let of = |bytes: &[u8], items| deepest(&Graph::parse(bytes).unwrap(), items);
    assert_eq!(of(&product, 1), 5);
    assert_eq!(of(&largest, DEEPEST_ITEMS), DEEPEST);
    assert_eq!(of(&text, DEEPEST_ITEMS), DEEPEST + DEEPEST_TOKENS);
    for graph in [&largest, &text] {
        let sealed = quern_proof::graph::seal(graph).unwrap();
        let graph = Graph::parse(graph).unwrap();
        assert!(graph.check_items(&sealed, DEEPEST_ITEMS).is_ok());
    }
    // No other split of the rows between items and the rows of one goes deeper.
    let graph = Graph::parse(&largest).unwrap();
    for items in (0..23).flat_map(|height| [1 << height, (1 << height) + 1]) {
        assert!(deepest(&graph, items) <= DEEPEST, "{items}");
    }
    // Counting every demand of a small graph one by one gives the closed form, and none is deeper.
    for claim in [
        referee::tiny_of(1),
        referee::tiny_of(2),
        referee::tiny_of(5),
        referee::every_op(),
        referee::text(1),
        referee::text(3),
    ] {
        let (graph, all) = (claim.parsed(), claim.demands());
        assert_eq!(all.len() as u64, demands(&graph, claim.items));
        let deepest = deepest(&graph, claim.items);
        for node_id in all {
            assert!(depth_of(&graph, claim.items, node_id).unwrap() <= deepest);
        }
    }
}

// ------------------------------------------------------------------------------------------------------- the tables

/// What `docs/THREATS.md` carries about floods.
fn flood_table() -> String {
    let mut text = String::from(
        "| answers that a provider manages | asked about | flood that it can't answer | the opener pays, SOL | and locks, SOL | \
         a stranger gains from a bond of, SOL | the client gains from, SOL |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let response_secs = defaults().response_secs;
    for (rate, answers_in_1000_secs) in [
        ("6 a minute", 100),
        ("1 a second", 1_000),
        ("5 a second", 5_000),
    ] {
        for (jobs, flood) in [
            (
                "one job",
                breaking_flood(answers_in_1000_secs, response_secs),
            ),
            (
                "very many",
                breaking_many(answers_in_1000_secs, response_secs),
            ),
        ] {
            let account =
                DemandAccount::space(MAX_ANSWER_BYTES as u16) as u64 + ACCOUNT_OVERHEAD_BYTES;
            let locked = u128::from(flood) * u128::from(account * RENT_LAMPORTS_PER_BYTE);
            writeln!(
                text,
                "| {rate} | {jobs} | {} | {} | {} | {} | {} |",
                thousands(flood),
                sol(flood_lamports(flood)),
                sol(locked),
                sol(stranger_bond(flood)),
                sol(client_bond(flood)),
            )
            .unwrap();
        }
    }
    text
}

/// What `docs/PROOFS.md` carries.
fn delay_table() -> String {
    let mut text = String::from(
        "| graph | demands one below the other | in all | the provider answers at once | in the last second | and under \
         a flood |\n| --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let (product, digits, largest, longest) = (product(), digits(), largest(), largest_text());
    for (name, bytes, items) in [
        ("digits, 1 image", &digits, 1),
        ("digits, 1,000 images", &digits, 1_000),
        ("1000 x 1000 x 1000 product", &product, 1),
        ("deepest that can be sealed", &largest, DEEPEST_ITEMS),
        (
            "the same with a text of 8,192 tokens",
            &longest,
            DEEPEST_ITEMS,
        ),
    ] {
        let graph = Graph::parse(bytes).unwrap();
        let (depth, all) = (deepest(&graph, items), demands(&graph, items));
        let windows = Windows::from(&defaults());
        let others = u32::try_from(all - 1).unwrap_or(u32::MAX);
        writeln!(
            text,
            "| {name} | {depth} | {} | {} | {} | {} |",
            thousands(all),
            hours(i64::from(depth) * i64::from(windows.react_secs)),
            hours(windows.longest_delay_secs(depth, 0)),
            hours(windows.longest_delay_secs(depth, others)),
        )
        .unwrap();
    }
    text
}

/// The tables in the documents are those that are computed here.
#[test]
fn documents_say_what_was_computed() {
    assert_table("docs/THREATS.md", "floods", &flood_table());
    assert_table("docs/PROOFS.md", "delays", &delay_table());
}
