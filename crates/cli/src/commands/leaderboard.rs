//! `quern leaderboard`: the providers that did most, from an indexer.

use {
    crate::{
        amount::show_wide,
        context::Globals,
        error::Result,
        indexer,
        output::{Fields, Format, Width, list_text, one_line, print_json},
        progress,
    },
    quern_api::{
        Assurance, Board, Boards, BoardsRequest, Entry, Key, MAX_PAGE_ROWS, Metric, Reply, Window,
    },
};

/// Which board.
#[derive(clap::Args)]
#[command(after_help = "Example:
  quern leaderboard --metric earned --window 7d --indexer http://127.0.0.1:8787")]
pub struct Args {
    /// The indexer
    #[arg(
        long,
        env = "QUERN_INDEXER",
        default_value = "http://127.0.0.1:8787",
        value_name = "URL"
    )]
    indexer: String,
    /// By what providers are ranked
    #[arg(long, value_enum, default_value_t = Metric::Earned)]
    metric: Metric,
    /// Over which time
    #[arg(long, value_enum, default_value_t = Window::All)]
    window: Window,
    /// Only this assurance level
    #[arg(long, value_enum)]
    assurance: Option<Assurance>,
    /// Only this mint
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<quern_client::Pubkey>,
    /// Most entries of a board
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PAGE_ROWS)))]
    limit: u32,
}

#[allow(missing_docs)]
pub async fn run(globals: &Globals, args: Args) -> Result<()> {
    let request = BoardsRequest {
        metric: Some(args.metric),
        window: Some(args.window),
        assurance: args.assurance,
        mint: args.mint.map(|mint| Key(mint.to_bytes())),
        cursor: None,
        limit: Some(args.limit),
    };
    let query = request.query();
    let asking = indexer::ask(&args.indexer, BoardsRequest::PATH, &query, "leaderboards");
    let reply: Reply<Boards> = progress::during("asking the indexer", asking).await?;
    match globals.output {
        Format::Json => print_json(&reply),
        Format::Table => println!("{}", table(&reply, globals.width())),
    }
    Ok(())
}

/// The boards for a person.
fn table(reply: &Reply<Boards>, width: Width) -> String {
    let mut text = String::new();
    if reply.body.boards.is_empty() {
        text.push_str("No provider has done anything in this window yet.\n");
    }
    for board in &reply.body.boards {
        let mint = board.mint.map(|mint| format!(", mint {mint}"));
        text += &format!("{} work{}:\n", board.assurance, mint.unwrap_or_default());
        let rows = board.entries.iter();
        let rows: Vec<Fields> = rows
            .map(|entry| row(entry, reply.body.metric, board))
            .collect();
        text += &list_text(&rows, width, "No provider yet.");
        text.push('\n');
    }
    let slot = reply
        .as_of_slot
        .map_or("-".to_owned(), |slot| slot.to_string());
    let holes = match reply.whole_history {
        true => "",
        false => " The indexer misses a part of the history: amounts may be too small.",
    };
    text + &format!("As of slot {slot}, {}.{holes}", reply.finality)
}

fn row(entry: &Entry, metric: Metric, board: &Board) -> Fields {
    let value = show_wide(entry.value, board.decimals.unwrap_or(0));
    Fields::new()
        .with("rank", entry.rank)
        .with("name", entry.name.as_deref().map(one_line))
        .text("provider", entry.provider)
        .text(metric.word(), value)
        .text("milestones_settled", entry.milestones)
        .with("convicted", entry.convicted)
}

#[cfg(test)]
mod tests {
    use {super::*, crate::output::assert_fits, quern_api::Finality};

    fn entry(rank: u32, name: Option<&str>, value: u128, convicted: Option<u64>) -> Entry {
        Entry {
            rank,
            provider: Key([rank as u8; 32]),
            account: None,
            name: name.map(str::to_owned),
            convicted,
            value,
            milestones: value / 1_000,
            work: 0,
            earned: Vec::new(),
            rewards: Vec::new(),
        }
    }

    fn reply(metric: Metric, boards: Vec<Board>) -> Reply<Boards> {
        Reply {
            as_of_slot: Some(281),
            finality: Finality::Finalized,
            lag_slots: Some(0),
            whole_history: true,
            body: Boards {
                metric,
                window: Window::Week,
                window_from: Some(1_800_000_000),
                boards,
            },
        }
    }

    #[test]
    fn boards_of_an_amount_show_tokens_and_convictions() {
        let entries = vec![
            entry(1, Some("ada's GPUs"), 1_234_567_890, Some(0)),
            entry(2, Some("evil\u{1b}[2J\nname"), 1_500_000, Some(12)),
            entry(3, None, 7, None),
        ];
        let board = |assurance, entries| Board {
            assurance,
            mint: Some(Key([9; 32])),
            decimals: Some(6),
            entries,
            next_cursor: None,
        };
        let reply = reply(
            Metric::Earned,
            vec![
                board(Assurance::Refereed, entries),
                board(
                    Assurance::Reviewed,
                    vec![entry(1, Some("bob"), 20_000_000, Some(1))],
                ),
            ],
        );
        insta::assert_snapshot!(table(&reply, Width::Screen));
    }

    #[test]
    fn the_widest_line_fits() {
        let name = "a name of thirty-two characters!";
        let widest = entry(u32::MAX, Some(name), u128::MAX, Some(u64::MAX));
        for (metric, decimals) in [(Metric::Earned, Some(9)), (Metric::Work, None)] {
            let board = Board {
                assurance: Assurance::Refereed,
                mint: None,
                decimals,
                entries: Vec::new(),
                next_cursor: None,
            };
            assert_fits(&[row(&widest, metric, &board)]);
        }
    }

    #[test]
    fn boards_of_a_count_show_the_number() {
        let board = Board {
            assurance: Assurance::Refereed,
            mint: None,
            decimals: None,
            entries: vec![entry(1, Some("ada"), 98_765_432_100, Some(0))],
            next_cursor: Some("00".to_owned()),
        };
        insta::assert_snapshot!(table(&reply(Metric::Work, vec![board]), Width::Screen));
    }

    #[test]
    fn an_empty_window_is_said() {
        let mut empty = reply(Metric::Rewards, Vec::new());
        empty.as_of_slot = None;
        insta::assert_snapshot!(table(&empty, Width::Screen));
    }
}
