//! Opening the folder, and taking up what lies in it.

use {
    super::inner::{Inner, Stopping},
    crate::{
        board::Board,
        book::Book,
        error::{GatewayError, Result},
        journal::Journal,
        market::Market,
        offers::Offers,
        order::{OrderId, Stage},
        served::Served,
        settings::Settings,
    },
    quern_data::runtime::lock,
    std::sync::{Arc, Mutex},
    tokio::sync::{Notify, watch},
};

/// The gateway. Clones are the same one.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

impl Engine {
    /// Opens the folder and takes up what lies in it.
    pub(crate) async fn over(
        settings: Settings,
        served: Vec<Served>,
        market: Arc<dyn Market>,
    ) -> Result<Self> {
        check_names(&served)?;
        let journal = Journal::open(&settings.state)?;
        journal.bind(&market.genesis().await?)?;
        let inner = Arc::new(Inner {
            book: Mutex::new(read_book(&journal, &settings)?),
            board: Board::default(),
            settings,
            served,
            market,
            journal: Arc::new(journal),
            rates: Mutex::default(),
            wake: Notify::new(),
            changes: watch::channel(0).0,
            stopping: watch::channel(Stopping::No).0,
            creating: tokio::sync::Mutex::default(),
            remembering: tokio::sync::Mutex::default(),
            turns: std::array::from_fn(|_| Arc::default()),
        });
        inner.read_rates().await?;
        inner.wait_again()?;
        // A kill may have come between the last vector and the end of its request.
        let running: Vec<OrderId> = {
            let book = lock(&inner.book);
            let running = book.orders.values();
            let running = running.filter(|order| order.stage == Stage::Running);
            running.map(|order| order.id.clone()).collect()
        };
        for id in running {
            inner.answer_if_whole(&id).await?;
        }
        Ok(Self(inner))
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Who pays, in base58.
    pub fn wallet(&self) -> String {
        self.0.market.wallet().to_string()
    }
}

/// Refuses two models that an application could not tell apart.
fn check_names(served: &[Served]) -> Result<()> {
    if served.is_empty() {
        return Err(GatewayError::NotReady(
            "no model is named; name one with --model".to_owned(),
        ));
    }
    for (index, one) in served.iter().enumerate() {
        if served[..index].iter().any(|other| other.name == one.name) {
            return Err(GatewayError::NotReady(format!(
                "two models are called {}; serve one of them",
                one.name
            )));
        }
    }
    Ok(())
}

fn read_book(journal: &Journal, settings: &Settings) -> Result<Book> {
    let mut book = Book::default();
    book.experience = journal.experience()?;
    book.offers = Offers::new(settings.price_bps, settings.most_price_bps);
    let mut orders = journal.orders()?;
    orders.sort_by_key(|order| order.placed_at);
    orders.into_iter().for_each(|order| book.put_order(order));
    journal
        .jobs()?
        .into_iter()
        .for_each(|job| book.put_job(job));
    Ok(book)
}
