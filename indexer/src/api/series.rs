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
/// Most hours of a reply: each is looked up.
const MOST_HOURS: i64 = 24 * 92;
/// Most parts of all series of a reply together: each takes some dozen bytes of it.
const MOST_POINTS: i64 = 100_000;
/// Everybody together.
const NETWORK: (Subject, Key) = (Subject::Network, Key::NONE);
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

    /// How many parts of this length it has.
    fn parts(&self, bucket: Bucket) -> i64 {
        let hours = self.last.saturating_sub(self.first).saturating_add(1);
        hours.saturating_mul(HOUR_SECS) / bucket.secs()
    }
}

/// Which series a request wants.
struct Wanted {
    metric: Option<Metric>,
    mint: Option<Key>,
}

impl Wanted {
    fn read(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            metric: params.word("metric")?,
            mint: params.address("mint")?,
        })
    }

    fn is(&self, score: &Score) -> bool {
        let metric = score.measure.metric;
        self.metric.is_none_or(|wanted| wanted == metric)
            && self.mint.is_none_or(|wanted| wanted == score.mint)
            // What belongs to no level, as claims, has no series.
            && words::assurance(score.assurance).is_some()
    }

    /// Refuses what would make a reply too large: nothing is left out of one.
    fn check_size(&self, known: &[Score], parts: i64) -> Result<(), ApiError> {
        let series = known.iter().filter(|score| self.is(score)).count();
        let most = usize::try_from(MOST_POINTS / parts.max(1)).unwrap_or(usize::MAX);
        match series > most {
            true => Err(ApiError::bad_request(format!(
                "{series} series of {parts} parts each are too many for one reply: say metric=WORD or mint=ADDRESS, bucket=day, or a later from"
            ))),
            false => Ok(()),
        }
    }
}

/// A series while it is added up: its parts by their first second.
#[derive(Default)]
struct Parts(BTreeMap<i64, u128>);

impl Parts {
    fn add(&mut self, bucket: Bucket, hour: i64, value: u128) {
        let at = hour.saturating_mul(HOUR_SECS);
        let start = at.div_euclid(bucket.secs()).saturating_mul(bucket.secs());
        let sum = self.0.entry(start).or_default();
        *sum = sum.saturating_add(value);
    }

    fn points(self) -> Vec<Point> {
        let parts = self.0.into_iter();
        parts.map(|(at, value)| Point { at, value }).collect()
    }
}

/// What a provider earned and did over time, one series a metric, assurance level and mint.
///
/// Series that would be too many for a reply are refused; `metric` and `mint` say which ones are wanted.
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
///
/// Series that would be too many for a reply are refused; `metric` and `mint` say which ones are wanted.
#[utoipa::path(get, path = SeriesPage::NETWORK, params(SeriesRequest), responses((status = 200, content((Reply<SeriesPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn network(State(api): State<ApiState>, ask: Ask<SeriesRequest>) -> Answer {
    let snapshot = ask.snapshot(&api).await?;
    series(&api, &ask, snapshot, NETWORK).await
}

async fn series(
    api: &ApiState,
    ask: &Ask<SeriesRequest>,
    mut snapshot: Snapshot,
    (subject, address): (Subject, Key),
) -> Answer {
    let params = &ask.params;
    let bucket = params.word("bucket")?.unwrap_or(Bucket::Day);
    let wanted = Wanted::read(params)?;
    let usual_secs = bucket.secs() * USUAL_PARTS;
    let span = Span::read(params, &snapshot, bucket.secs(), usual_secs)?;
    // Only what was ever counted can have hours.
    let known = snapshot.scores_of(subject, address, Window::All).await?;
    wanted.check_size(&known, span.parts(bucket))?;
    let mut all: BTreeMap<(Measure, u8, Key), Parts> = BTreeMap::new();
    for hour in snapshot
        .hours((subject, address), (span.first, span.last))
        .await?
    {
        let (hour, scores) = hour?;
        for score in scores.iter().filter(|score| wanted.is(score)) {
            let parts = all.entry((score.measure, score.assurance, score.mint));
            parts.or_default().add(bucket, hour, score.value);
        }
    }
    let mints = snapshot.mints();
    let series = all
        .into_iter()
        .filter_map(|((measure, level, mint), parts)| {
            Some(Series {
                metric: measure.metric,
                assurance: words::assurance(level)?,
                mint: mint.some(),
                decimals: view::decimals(mint, mints),
                points: parts.points(),
            })
        });
    let page = SeriesPage {
        bucket,
        from: span.from(),
        to: span.to(),
        series: series.collect(),
    };
    Ok(api.list(ask, &snapshot, page))
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
    for hour in snapshot.hours(NETWORK, (span.first, span.last)).await? {
        for score in hour?.1 {
            let Measure { metric, .. } = score.measure;
            if metric.is_money() && metric != Metric::Rewards {
                let sum = sums.entry((score.mint, metric)).or_default();
                *sum = sum.saturating_add(score.value);
            }
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

/// The sum of a number of the network over the last hours, of every level, and the first second of the first hour that has any.
pub(super) async fn network_sum(
    snapshot: &mut Snapshot,
    (metric, mint): (Metric, Key),
    secs: u64,
    now: i64,
) -> Result<(u128, Option<i64>), ApiError> {
    let last = hour_of(now);
    let hours = i64::try_from(secs).unwrap_or(i64::MAX) / HOUR_SECS;
    let span = Span {
        first: last.saturating_sub(hours).saturating_add(1),
        last,
    };
    let (mut sum, mut since) = (0_u128, None);
    for hour in snapshot.hours(NETWORK, (span.first, span.last)).await? {
        let (hour, scores) = hour?;
        for score in scores {
            if score.measure.metric == metric && score.mint == mint && score.value > 0 {
                sum = sum.saturating_add(score.value);
                since = since.or(Some(hour.saturating_mul(HOUR_SECS)));
            }
        }
    }
    Ok((sum, since))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(hours: &[(i64, u128)], bucket: Bucket) -> Vec<Point> {
        let mut parts = Parts::default();
        for (hour, value) in hours {
            parts.add(bucket, *hour, *value);
        }
        parts.points()
    }

    #[test]
    fn hours_add_up_to_days_of_the_calendar() {
        let day = |value, at| Point { at, value };
        let hours = [(-1, 1), (0, 2), (23, 3), (24, 4)];
        assert_eq!(
            points(&hours, Bucket::Day),
            [day(1, -DAY_SECS), day(5, 0), day(4, DAY_SECS)]
        );
        assert_eq!(points(&hours, Bucket::Hour).len(), 4);
        let full = [(0, u128::MAX), (1, 1)];
        assert_eq!(points(&full, Bucket::Day), [day(u128::MAX, 0)]);
    }

    /// What a request may narrow is refused while it is too much, and never cut.
    #[test]
    fn a_reply_holds_every_series_or_is_refused() {
        let scores = |mints: u8| -> Vec<Score> {
            let of = |(mint, metric)| Score {
                measure: Measure {
                    subject: Subject::Network,
                    metric,
                },
                assurance: 1,
                mint: Key([mint; 32]),
                value: 1,
            };
            let mints = 1..=mints;
            let pairs = mints.flat_map(|mint| [Metric::Spend, Metric::Fees].map(|one| (mint, one)));
            pairs.map(of).collect()
        };
        let size = |metric, mint, mints, parts| {
            let wanted = Wanted { metric, mint };
            wanted.check_size(&scores(mints), parts).is_ok()
        };
        assert!(size(None, None, 200, 30));
        assert!(size(None, None, 22, MOST_HOURS));
        assert!(!size(None, None, 23, MOST_HOURS));
        assert!(size(Some(Metric::Fees), None, 23, MOST_HOURS));
        assert!(size(None, Some(Key([1; 32])), 200, MOST_HOURS));
    }
}
