//! Numbers over time: a provider's earnings, and what listing sites read about the network.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        params::Params,
        providers::owner_of,
        reply::Answer,
        table::{Table, row},
    },
    crate::{
        project::{Measure, Subject, hour_of},
        store::{Score, Snapshot},
        view::{self, words},
    },
    axum::extract::State,
    quern_api::{
        Bucket, FeesItem, FeesPage, FeesRequest, Key, Metric, Point, Reply, Series, SeriesPage,
        SeriesRequest, Window,
    },
    serde_json::Value,
    std::collections::BTreeMap,
};

/// Parts that a series has unless the request says from when.
const USUAL_PARTS: i64 = 30;
/// Most hours of a reply; every series looks each of them up.
const MOST_HOURS: i64 = 24 * 92;
/// Series of a reply at most.
const MOST_SERIES: usize = 32;
const HOUR_SECS: i64 = 3_600;
const DAY_SECS: i64 = 86_400;

/// A span of whole hours.
struct Span {
    first: i64,
    last: i64,
}

impl Span {
    /// What the query says, in whole parts; `usual_secs` before the end if it does not say from when.
    fn read(
        params: &Params,
        snapshot: &Snapshot,
        bucket_secs: i64,
        usual_secs: i64,
    ) -> Result<Self, ApiError> {
        let now = snapshot.cursor().map_or(0, |cursor| cursor.chain_time);
        let to = params.number::<i64>("to")?.unwrap_or(now);
        let from = params.number("from")?;
        let from = from.unwrap_or_else(|| to.saturating_sub(usual_secs).saturating_add(1));
        let start = from.div_euclid(bucket_secs);
        let end = to.div_euclid(bucket_secs);
        let per_bucket = bucket_secs / HOUR_SECS;
        let parts = end.saturating_sub(start).saturating_add(1);
        if from > to || parts.saturating_mul(per_bucket) > MOST_HOURS {
            let days = MOST_HOURS / 24;
            return Err(ApiError::bad_request(format!(
                "from must not be after to, and at most {days} days before it"
            )));
        }
        let hour = |bucket: i64| bucket.saturating_mul(per_bucket);
        Ok(Self {
            first: hour(start),
            last: hour(end.saturating_add(1)).saturating_sub(1),
        })
    }

    fn from(&self) -> i64 {
        self.first.saturating_mul(HOUR_SECS)
    }

    fn to(&self) -> i64 {
        let end = self.last.saturating_add(1).saturating_mul(HOUR_SECS);
        end.saturating_sub(1)
    }
}

/// What a provider earned and did over time, one series a metric, assurance level and mint.
#[utoipa::path(get, path = "/v1/providers/{address}/earnings", params(("address" = Key, Path, description = "The provider's owner or its account"), SeriesRequest), responses((status = 200, content((Reply<SeriesPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn earnings(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<SeriesRequest>,
) -> Answer {
    let address = place.address()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let (owner, _) = owner_of(&mut snapshot, &address).await?;
    series(&api, &ask, snapshot, (Subject::Provider, owner)).await
}

/// What the whole network did and paid over time, one series a metric, assurance level and mint.
#[utoipa::path(get, path = SeriesPage::NETWORK, params(SeriesRequest), responses((status = 200, content((Reply<SeriesPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn network(State(api): State<ApiState>, ask: Ask<SeriesRequest>) -> Answer {
    let snapshot = ask.snapshot(&api).await?;
    series(&api, &ask, snapshot, (Subject::Network, Key::NONE)).await
}

async fn series(
    api: &ApiState,
    ask: &Ask<SeriesRequest>,
    mut snapshot: Snapshot,
    (subject, address): (Subject, Key),
) -> Answer {
    let params = &ask.params;
    let bucket = params.word("bucket")?.unwrap_or(Bucket::Day);
    let usual_secs = bucket.secs() * USUAL_PARTS;
    let span = Span::read(params, &snapshot, bucket.secs(), usual_secs)?;
    let mut all = Vec::new();
    // Only what was ever counted can have hours.
    let known = snapshot.scores_of(subject, address, Window::All).await?;
    for score in known.into_iter().take(MOST_SERIES) {
        let hours = hours(&mut snapshot, address, &score, &span).await?;
        let points = points(&hours, bucket);
        let (Some(assurance), false) = (words::assurance(score.assurance), points.is_empty())
        else {
            continue;
        };
        all.push(Series {
            metric: score.measure.metric,
            assurance,
            mint: score.mint.some(),
            decimals: view::decimals(score.mint, snapshot.mints()),
            points,
        });
    }
    let page = SeriesPage {
        bucket,
        from: span.from(),
        to: span.to(),
        series: all,
    };
    Ok(api.list(ask, &snapshot, page))
}

async fn hours(
    snapshot: &mut Snapshot,
    subject: Key,
    score: &Score,
    span: &Span,
) -> Result<Vec<(i64, u128)>, ApiError> {
    let of = (score.measure, subject);
    let at = (score.assurance, score.mint);
    Ok(snapshot.hours(of, at, (span.first, span.last)).await?)
}

/// The sums of parts that are not zero.
fn points(hours: &[(i64, u128)], bucket: Bucket) -> Vec<Point> {
    let mut sums: BTreeMap<i64, u128> = BTreeMap::new();
    for (hour, value) in hours.iter().filter(|(_, value)| *value > 0) {
        let at = hour.saturating_mul(HOUR_SECS);
        let start = at.div_euclid(bucket.secs()).saturating_mul(bucket.secs());
        let sum = sums.entry(start).or_default();
        *sum = sum.saturating_add(*value);
    }
    let points = sums.into_iter();
    points.map(|(at, value)| Point { at, value }).collect()
}

impl Table for SeriesPage {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        let rows = self.series.iter().flat_map(|series| {
            series.points.iter().map(move |point| {
                row!(point; utc: view::utc(point.at), at, metric: series.metric, assurance: series.assurance,
                    mint: series.mint, decimals: series.decimals, value: point.value.to_string())
            })
        });
        rows.collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        None
    }
}

/// What clients paid over a time and who got it, one item a mint: for listing sites.
///
/// Fees, royalties and providers' earnings are of settled and of arbitrated milestones, counted in whole hours.
#[utoipa::path(get, path = FeesPage::PATH, params(FeesRequest), responses((status = 200, content((Reply<FeesPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn fees(State(api): State<ApiState>, ask: Ask<FeesRequest>) -> Answer {
    let mut snapshot = ask.snapshot(&api).await?;
    let span = Span::read(&ask.params, &snapshot, HOUR_SECS, DAY_SECS)?;
    let mut sums: BTreeMap<(Key, Metric), u128> = BTreeMap::new();
    let known = snapshot
        .scores_of(Subject::Network, Key::NONE, Window::All)
        .await?;
    let money = known.into_iter().filter(|score| {
        let Measure { metric, .. } = score.measure;
        metric.is_money() && metric != Metric::Rewards
    });
    for score in money.take(4 * MOST_SERIES) {
        for (_, value) in hours(&mut snapshot, Key::NONE, &score, &span).await? {
            let sum = sums.entry((score.mint, score.measure.metric)).or_default();
            *sum = sum.saturating_add(value);
        }
    }
    let mut mints: Vec<Key> = sums.keys().map(|(mint, _)| *mint).collect();
    mints.dedup();
    let of = |mint: Key, metric| sums.get(&(mint, metric)).copied().unwrap_or_default();
    let mints = mints.into_iter().map(|mint| FeesItem {
        mint,
        decimals: view::decimals(mint, snapshot.mints()),
        paid_atoms: of(mint, Metric::Spend),
        protocol_atoms: of(mint, Metric::Fees),
        royalty_atoms: of(mint, Metric::Royalties),
        provider_atoms: of(mint, Metric::Earned),
    });
    let page = FeesPage {
        from: span.from(),
        to: span.to(),
        mints: mints.collect(),
    };
    Ok(api.list(&ask, &snapshot, page))
}

impl Table for FeesPage {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        let rows = self.mints.iter().map(|item| {
            row!(item; mint, decimals, paid_atoms: item.paid_atoms.to_string(),
                protocol_atoms: item.protocol_atoms.to_string(),
                royalty_atoms: item.royalty_atoms.to_string(),
                provider_atoms: item.provider_atoms.to_string())
        });
        rows.collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        None
    }
}

/// The sum of a number of the network over the last hours, of every level.
pub(super) async fn network_sum(
    snapshot: &mut Snapshot,
    (metric, mint): (Metric, Key),
    secs: u64,
    now: i64,
) -> Result<u128, ApiError> {
    let last = hour_of(now);
    let hours = i64::try_from(secs).unwrap_or(i64::MAX) / HOUR_SECS;
    let span = Span {
        first: last.saturating_sub(hours).saturating_add(1),
        last,
    };
    let mut sum = 0_u128;
    let known = snapshot
        .scores_of(Subject::Network, Key::NONE, Window::All)
        .await?;
    let wanted = known
        .into_iter()
        .filter(|score| score.measure.metric == metric && score.mint == mint);
    for score in wanted {
        for (_, value) in self::hours(snapshot, Key::NONE, &score, &span).await? {
            sum = sum.saturating_add(value);
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_add_up_to_days_of_the_calendar() {
        let day = |value, at| Point { at, value };
        let hours = [(-1, 1), (0, 2), (23, 3), (24, 4), (25, 0)];
        assert_eq!(
            points(&hours, Bucket::Day),
            [day(1, -DAY_SECS), day(5, 0), day(4, DAY_SECS)]
        );
        assert_eq!(points(&hours, Bucket::Hour).len(), 4);
        let full = [(0, u128::MAX), (1, 1)];
        assert_eq!(points(&full, Bucket::Day), [day(u128::MAX, 0)]);
    }
}
