//! `/v1/stream`: events as they are stored, by server-sent events.
//!
//! A task for each client reads the store in pages and hands them over a buffer of fixed size. Nothing waits for a client but its own
//! task: a client that does not read in time loses its stream, is told so behind what it has left to read, and resumes with the
//! last event that it got.

use {
    super::{
        ApiError, ApiState,
        ask::Ask,
        event_id, provisional, reply,
        seats::{Seat, Seats},
    },
    crate::{
        health::State as Follower,
        project::EventId,
        provisional::{Look, Provisional},
        store::Store,
        view,
    },
    axum::{
        extract::{Extension, State},
        http::HeaderMap,
        response::{
            IntoResponse, Response,
            sse::{Event, KeepAlive, Sse},
        },
    },
    futures::{StreamExt, stream},
    quern_api::{EventItem, EventList, Finality, StreamRequest},
    quern_serve::{Client, Lasting},
    std::{
        convert::Infallible,
        sync::{Arc, OnceLock},
        time::Duration,
    },
    tokio::sync::{mpsc, watch},
    tokio_stream::wrappers::ReceiverStream,
};

/// Streams at a time.
const MOST_STREAMS: usize = 64;
/// Events that wait for a client to read them.
const BUFFERED: usize = 64;
/// Events of one look at the store.
const PAGE: u32 = 64;
/// Most time in which a client must make room in its buffer.
const SLOW: Duration = Duration::from_secs(10);
/// Pause after which a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Longest life of a stream; browsers resume by themselves.
const LIFE: Duration = Duration::from_secs(3_600);

/// Why a stream ends whose seat goes to others.
const WANTED: &str =
    "your address has most of all streams, and others want one; resume behind the last event";
/// Why all streams end.
const STOPS: &str = "the indexer stops; resume behind the last event";
/// Why no stream is endless.
const OLD: &str = "the stream is an hour old; resume behind the last event";

/// Who may stream, and until when.
#[derive(Clone, Debug)]
pub struct Streams {
    seats: Seats,
    stopped: watch::Receiver<bool>,
}

impl Streams {
    /// All places free, until the service stops.
    pub fn new(stopped: watch::Receiver<bool>) -> Self {
        Self {
            seats: Seats::new(MOST_STREAMS),
            stopped,
        }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.seats.taken()
    }
}

/// Events as they are stored, as server-sent events.
///
/// Each has the event's `id`, its name as `event` and, as `data`, what `/v1/events` shows of it. After the connection was lost, a browser
/// resumes by itself where it was. A last event `end` says why a stream ends: the client read too slowly, the stream is an hour old, its
/// address has most of all streams and others want one, or the service stops. A comment every 15 seconds shows that the stream lives. With
/// `commitment=confirmed` there are events `provisional` in between, without an `id`: each is the whole of `/v1/provisional`, in the place
/// of the one before.
#[utoipa::path(get, path = EventList::STREAM, params(StreamRequest, ("last-event-id" = Option<String>, Header, description = "The `id` of the last event that the client has")), responses((status = 200, body = EventItem, content_type = "text/event-stream")))]
pub(super) async fn stream(
    State(api): State<ApiState>,
    Extension(Client(network)): Extension<Client>,
    headers: HeaderMap,
    ask: Ask<StreamRequest>,
) -> Result<Response, ApiError> {
    let resumed = headers.get("last-event-id");
    let resumed = resumed.and_then(|id| id.to_str().ok());
    let commitment = ask.params.word("commitment")?;
    let ahead = (commitment == Some(Finality::Confirmed)).then(|| watched(&api.provisional));
    let mut snapshot = api.store.read().await?;
    let last = match resumed.or_else(|| ask.params.text("after")) {
        Some(text) => Some(event_id::recorded(text, &mut snapshot).await?),
        None => snapshot.last_event().await?,
    };
    drop(snapshot);
    // Last: a request that is refused takes nobody's seat.
    let seat = api.streams.seats.take(network).ok_or_else(|| {
        ApiError::unavailable(format!(
            "{MOST_STREAMS} streams are open already, and nobody has many more than you; try again later, or ask /v1/events"
        ))
    })?;
    let (sender, events) = mpsc::channel(BUFFERED);
    let (alive, lasting) = watch::channel(());
    let end = Arc::new(OnceLock::new());
    let pump = Pump {
        store: Arc::clone(&api.store),
        follower: api.health.subscribe(),
        slow: SLOW,
        last,
        ahead,
        sender,
        _alive: alive,
    };
    let stopped = api.streams.stopped.clone();
    tokio::spawn(sent(pump, seat, stopped, Arc::clone(&end)));
    let farewell = stream::once(async move {
        let reason = end.get().copied().unwrap_or("the stream ended");
        Event::default().event("end").data(reason)
    });
    let events = ReceiverStream::new(events)
        .chain(farewell)
        .map(Ok::<_, Infallible>);
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    let mut response = Sse::new(events).keep_alive(alive).into_response();
    response.extensions_mut().insert(Lasting(lasting));
    Ok(response)
}

/// Sends until there is nobody to send to, or until something else ends it, however little the client reads: the reason is said before
/// the pump goes, and with it what the client waits for.
async fn sent(
    pump: Pump,
    mut seat: Seat,
    mut stopped: watch::Receiver<bool>,
    end: Arc<OnceLock<&'static str>>,
) {
    let say = |reason| {
        let _ = end.set(reason);
    };
    tokio::select! {
        () = pump.run(&end) => {}
        () = async { seat.wanted().await; say(WANTED) } => {}
        () = async { let _ = stopped.wait_for(|stop| *stop).await; say(STOPS) } => {}
        () = async { tokio::time::sleep(LIFE).await; say(OLD) } => {}
    }
}

/// The looks from now on, the last one first.
fn watched(provisional: &Provisional) -> watch::Receiver<Arc<Look>> {
    let mut looks = provisional.subscribe();
    looks.mark_changed();
    looks
}

/// Completes at the next look; never where nobody asked for looks.
async fn looked(ahead: &mut Option<watch::Receiver<Arc<Look>>>) {
    let changed = match ahead {
        Some(looks) => looks.changed().await.is_ok(),
        None => false,
    };
    if !changed {
        std::future::pending().await
    }
}

/// Reads the store for one client.
struct Pump {
    store: Arc<Store>,
    follower: watch::Receiver<Follower>,
    slow: Duration,
    last: Option<EventId>,
    /// Looks at what is not final, for a client that asked for them.
    ahead: Option<watch::Receiver<Arc<Look>>>,
    sender: mpsc::Sender<Event>,
    /// The connection may live as long as this.
    _alive: watch::Sender<()>,
}

impl Pump {
    /// Sends until the client leaves or is too slow.
    async fn run(mut self, end: &OnceLock<&'static str>) {
        loop {
            self.follower.mark_unchanged();
            let page = self.page().await;
            let count = page.len();
            for (id, event) in page {
                if !self.send(event, end).await {
                    return;
                }
                self.last = Some(id);
            }
            if count >= PAGE as usize {
                continue;
            }
            let has_looked = tokio::select! {
                changed = self.follower.changed() => match changed {
                    Ok(()) => false,
                    Err(_) => return,
                },
                // Each look takes the place of the one before: none waits for a client that is behind.
                () = looked(&mut self.ahead), if self.sender.capacity() == self.sender.max_capacity() => true,
                () = self.sender.closed() => return,
            };
            if has_looked
                && let Some(event) = self.look().await
                && !self.send(event, end).await
            {
                return;
            }
        }
    }

    /// Whether the client has room for an event; says why it gets no more otherwise.
    async fn send(&self, event: Event, end: &OnceLock<&'static str>) -> bool {
        match self.sender.send_timeout(event, self.slow).await {
            Ok(()) => true,
            Err(mpsc::error::SendTimeoutError::Closed(_)) => false,
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                let reason = "you read too slowly; resume behind the last event that you got";
                let _ = end.set(reason);
                false
            }
        }
    }

    /// What is not final now. It has no id: nobody resumes behind it.
    async fn look(&self) -> Option<Event> {
        let look = Arc::clone(&self.ahead.as_ref()?.borrow());
        let stored = self.store.cursor().await.ok()?;
        let page = provisional::page(&look, stored.map(|cursor| cursor.slot));
        Some(
            Event::default()
                .event("provisional")
                .data(reply::text(&page)?),
        )
    }

    /// The next events; none if the store cannot be read now, which the log of other requests tells.
    async fn page(&self) -> Vec<(EventId, Event)> {
        let Ok(mut snapshot) = self.store.read().await else {
            return Vec::new();
        };
        let events = snapshot.events(self.last.as_ref(), PAGE).await;
        let events = events.unwrap_or_default().into_iter();
        let shown = events.filter_map(|event| {
            let item = view::event(&event, event_id::write(&event.id));
            let sent = Event::default().id(&item.id).event(&item.event);
            Some((event.id, sent.data(reply::text(&item)?)))
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::{
            health::Health,
            project::{self, program::QuernEvent},
            store::{Batch, Role, Sqlite},
        },
        quern_api::Signature,
        quern_client::quern::events::PauseSet,
        tempfile::TempDir,
    };

    /// Events of one slot each, from this number on.
    fn batch(numbers: std::ops::Range<u8>) -> Batch {
        let events = numbers.map(|number| project::Event {
            id: EventId {
                signature: Signature([number; 64]),
                instruction: 0,
                inner: 0,
            },
            slot: number.into(),
            body: QuernEvent::PauseSet(PauseSet {
                at: number.into(),
                paused: true,
                changes: Vec::new(),
            }),
        });
        Batch {
            events: events.collect(),
            ..Batch::default()
        }
    }

    /// What waits for a client is bounded, storing goes on while it does not read, and its stream ends with the reason.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_does_not_read_holds_up_nobody_and_loses_its_stream() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db");
        let engine = Sqlite::open(&path, Role::Leader).await.unwrap();
        let store = Arc::new(Store::new(engine).await.unwrap());
        store.write(&batch(1..200)).await.unwrap();
        let (sender, mut events) = mpsc::channel(BUFFERED);
        let health = Health::default();
        let (alive, mut lasting) = watch::channel(());
        let end = Arc::new(OnceLock::new());
        let pump = Pump {
            store: Arc::clone(&store),
            follower: health.subscribe(),
            slow: Duration::from_millis(200),
            last: None,
            ahead: None,
            sender,
            _alive: alive,
        };
        let pumped = tokio::spawn({
            let end = Arc::clone(&end);
            async move { pump.run(&end).await }
        });
        while events.len() < BUFFERED {
            tokio::task::yield_now().await;
        }
        // The client is stuck now. Storing is not.
        store.write(&batch(200..250)).await.unwrap();
        pumped.await.unwrap();
        assert!(end.get().unwrap().contains("too slowly"), "{end:?}");
        // Its connection may end.
        assert!(lasting.changed().await.is_err());
        // What was buffered is still there, and no more.
        let mut left = 0;
        while events.recv().await.is_some() {
            left += 1;
        }
        assert_eq!(left, BUFFERED);
        store.close().await;
    }

    /// A client that reads too little to be behind for long, and too slowly to be ended for it, gives its seat up at once all the same.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_is_stuck_gives_its_seat_up_and_is_told() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db");
        let engine = Sqlite::open(&path, Role::Leader).await.unwrap();
        let store = Arc::new(Store::new(engine).await.unwrap());
        store.write(&batch(1..200)).await.unwrap();
        let seats = Seats::new(2);
        let [greedy, other] = [1, 2].map(|last| [127, 0, 0, last].into());
        let (seat, _second) = (seats.take(greedy).unwrap(), seats.take(greedy).unwrap());
        let (sender, mut events) = mpsc::channel(BUFFERED);
        let health = Health::default();
        let (_stop, stopped) = watch::channel(false);
        let (alive, _lasting) = watch::channel(());
        let end = Arc::new(OnceLock::new());
        let pump = Pump {
            store: Arc::clone(&store),
            follower: health.subscribe(),
            slow: LIFE,
            last: None,
            ahead: None,
            sender,
            _alive: alive,
        };
        let sending = tokio::spawn(sent(pump, seat, stopped, Arc::clone(&end)));
        while events.len() < BUFFERED {
            tokio::task::yield_now().await;
        }
        let _third = seats.take(other).unwrap();
        sending.await.unwrap();
        assert_eq!(end.get(), Some(&WANTED));
        while events.recv().await.is_some() {}
        store.close().await;
    }
}
