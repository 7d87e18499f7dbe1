//! What an operator watches, as Prometheus reads it.

use {
    prometheus_client::{
        encoding::{EncodeLabelSet, text::encode},
        metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
        registry::Registry,
    },
    std::{
        sync::{Arc, LazyLock, atomic::AtomicU64},
        time::Duration,
    },
};

/// Its media type.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Bounds of durations: a leaderboard takes milliseconds, a request at most 10 s.
const SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: &'static str,
    ok: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    what: &'static str,
}

/// What became of the stream's transactions, and of the stream. There is one stream a process.
static STREAMED: LazyLock<Family<StreamLabels, Counter>> = LazyLock::new(Family::default);
static STREAM_OPEN: LazyLock<Whole> = LazyLock::new(Whole::default);

/// Notes what became of transactions of a Yellowstone stream, or of the stream.
pub fn streamed(what: &'static str, count: u64) {
    STREAMED.get_or_create(&StreamLabels { what }).inc_by(count);
}

/// Notes whether there is a Yellowstone stream now.
pub fn stream_open(is_open: bool) {
    STREAM_OPEN.set(is_open.into());
}

/// Calls to nodes. There is one node a process.
static CALLS: LazyLock<Family<CallLabels, Counter>> = LazyLock::new(Family::default);

/// Notes a call to the node.
pub fn called(method: &'static str, is_ok: bool) {
    let ok = if is_ok { "true" } else { "false" };
    CALLS.get_or_create(&CallLabels { method, ok }).inc();
}

/// What the store and the follower say, at the time of a look.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Now {
    pub cursor_slot: u64,
    pub tip_slot: u64,
    pub lag_slots: u64,
    pub events: u64,
    pub transactions: u64,
    pub dead_letters: u64,
    pub gaps: u64,
    pub is_whole: bool,
    pub is_failing: bool,
    pub streams: u64,
    pub audit_differences: u64,
    pub audit_unsettled: u64,
    pub audit_slot: u64,
    pub is_audited: bool,
    pub silent_calls: u64,
    pub back_filled: u64,
    pub failed_walks: u64,
}

/// Everything that is counted. Its copies count together.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<StatusLabels, Counter>,
    durations: Family<RouteLabels, Histogram>,
    gauges: Arc<Gauges>,
}

type Whole = Gauge<u64, AtomicU64>;

struct Gauges {
    cursor_slot: Whole,
    tip_slot: Whole,
    lag_slots: Whole,
    events: Whole,
    transactions: Whole,
    dead_letters: Whole,
    gaps: Whole,
    whole: Whole,
    failing: Whole,
    streams: Whole,
    audit_differences: Whole,
    audit_unsettled: Whole,
    audit_slot: Whole,
    audited: Whole,
    silent_calls: Whole,
    back_filled: Whole,
    failed_walks: Whole,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("quern_indexer");
        let requests = Family::default();
        let about = "Requests by route and status";
        registry.register("requests", about, Family::clone(&requests));
        let histogram = || Histogram::new(SECONDS);
        let durations =
            Family::<RouteLabels, Histogram>::new_with_constructor(histogram as fn() -> Histogram);
        let about = "Seconds from a request to the head of its reply, by route";
        registry.register("request_seconds", about, Family::clone(&durations));
        let about = "Calls to the node by method";
        registry.register("rpc_calls", about, Family::clone(&CALLS));
        let about = "What became of a Yellowstone stream and its transactions; only \"used\" saved a call to the node";
        registry.register("yellowstone", about, Family::clone(&STREAMED));
        let about = "1 while a Yellowstone stream is open";
        registry.register("yellowstone_open", about, STREAM_OPEN.clone());
        let mut gauge = |name: &str, about: &str| {
            let gauge = Whole::default();
            registry.register(name, about, gauge.clone());
            gauge
        };
        let gauges = Gauges {
            cursor_slot: gauge("cursor_slot", "Everything up to this slot is stored"),
            tip_slot: gauge("tip_slot", "The finalized slot that the node last named"),
            lag_slots: gauge("lag_slots", "How far the store is behind the node"),
            events: gauge("events", "Events stored"),
            transactions: gauge("transactions", "Transactions read"),
            dead_letters: gauge(
                "dead_letters",
                "Events and transactions that were not understood",
            ),
            gaps: gauge("gaps", "Accounts of which a change is missing"),
            whole: gauge("whole_history", "1 unless changes are known to be missing"),
            failing: gauge(
                "follower_failing",
                "1 while the last look at the node failed",
            ),
            streams: gauge("streams", "Streams that are open"),
            audit_differences: gauge(
                "audit_differences",
                "Figures that differ from the chain, by the last audit",
            ),
            audit_unsettled: gauge(
                "audit_unsettled",
                "Accounts and vaults that changed at each look of the last audit: nothing is said of them",
            ),
            audit_slot: gauge("audit_slot", "The slot of the last audit"),
            audited: gauge("audited", "1 if the last audit could be finished"),
            silent_calls: gauge(
                "silent_calls",
                "Calls of the program that succeeded and told nothing that can be decoded, since the start",
            ),
            back_filled: gauge(
                "back_filled",
                "Events found by searching for accounts that miss changes, since the start",
            ),
            failed_walks: gauge("failed_walks", "Walks that failed since the start"),
        };
        Self {
            registry: Arc::new(registry),
            requests,
            durations,
            gauges: Arc::new(gauges),
        }
    }
}

impl Metrics {
    /// Notes a request. Routes are those of the router, never what a client wrote.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        let labels = StatusLabels {
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
        let labels = RouteLabels {
            route: route.to_owned(),
        };
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// Everything as text.
    pub fn text(&self, now: &Now) -> String {
        let gauges = &self.gauges;
        for (gauge, value) in [
            (&gauges.cursor_slot, now.cursor_slot),
            (&gauges.tip_slot, now.tip_slot),
            (&gauges.lag_slots, now.lag_slots),
            (&gauges.events, now.events),
            (&gauges.transactions, now.transactions),
            (&gauges.dead_letters, now.dead_letters),
            (&gauges.gaps, now.gaps),
            (&gauges.whole, u64::from(now.is_whole)),
            (&gauges.failing, u64::from(now.is_failing)),
            (&gauges.streams, now.streams),
            (&gauges.audit_differences, now.audit_differences),
            (&gauges.audit_unsettled, now.audit_unsettled),
            (&gauges.audit_slot, now.audit_slot),
            (&gauges.audited, now.is_audited.into()),
            (&gauges.silent_calls, now.silent_calls),
            (&gauges.back_filled, now.back_filled),
            (&gauges.failed_walks, now.failed_walks),
        ] {
            gauge.set(value);
        }
        let mut text = String::new();
        // Texts take everything that is written to them.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let metrics = Metrics::default();
        metrics.answered("/v1/jobs", 200, Duration::from_millis(3));
        metrics
            .clone()
            .answered("/v1/jobs", 200, Duration::from_millis(3));
        called("getSlot", false);
        streamed("used", 7);
        stream_open(true);
        let now = Now {
            events: u64::MAX,
            audit_unsettled: 3,
            ..Now::default()
        };
        let text = metrics.text(&now);
        for line in [
            "quern_indexer_requests_total{route=\"/v1/jobs\",status=\"200\"} 2",
            "quern_indexer_request_seconds_bucket{le=\"0.005\",route=\"/v1/jobs\"} 2",
            "quern_indexer_events 18446744073709551615",
            "quern_indexer_whole_history 0",
            "quern_indexer_audit_unsettled 3",
            "quern_indexer_yellowstone_total{what=\"used\"} 7",
            "quern_indexer_yellowstone_open 1",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
        assert!(text.contains("quern_indexer_rpc_calls_total"), "{text}");
    }
}
