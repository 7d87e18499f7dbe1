//! An amount over time, one chart an assurance level and mint.

use {
    crate::web::{ask::Web, charts, html::Failure, parts, query::Params, text},
    maud::{Markup, html},
    quern_api::{Bucket, Metric, SeriesPage, SeriesRequest},
    url::form_urlencoded,
};

/// Charts of a page: every mint and assurance level has one of its own, of up to ten kilobytes.
const MOST_CHARTS: usize = 2;
/// Longest time that the API tells by the day. It is asked for where the usual time shows nothing.
const LONGEST_SECS: i64 = 92 * 86_400;

/// What is shown over time, and where.
pub(super) struct OverTime<'a> {
    /// Where the API tells it.
    pub api: &'a str,
    /// Which of the numbers there.
    pub metric: Metric,
    /// The page that it is a part of.
    pub here: &'a str,
    pub title: &'a str,
    /// What stands in place of charts.
    pub empty: &'a str,
}

impl OverTime<'_> {
    /// The usual time, or the longest one if nothing happened in that.
    async fn page(&self, web: &Web, params: &Params) -> Result<SeriesPage, Failure> {
        let mut query = params.pairs();
        query.push(("metric", self.metric.to_string()));
        let page = web.ask::<SeriesPage>(self.api, &query).await?.body;
        if page.bucket != Bucket::Day || !page.series.is_empty() {
            return Ok(page);
        }
        // Only what lies before: nothing is read twice.
        let from = page.to.saturating_sub(LONGEST_SECS).saturating_add(1);
        let to = page.from.saturating_sub(1);
        query.extend([("from", from.to_string()), ("to", to.to_string())]);
        let before = web.ask::<SeriesPage>(self.api, &query).await?.body;
        Ok(SeriesPage {
            to: page.to,
            ..before
        })
    }

    /// Where the API tells everything of which a page shows a part.
    fn all(&self, page: &SeriesPage) -> String {
        let request = SeriesRequest {
            metric: Some(self.metric),
            bucket: Some(page.bucket),
            from: Some(page.from),
            to: Some(page.to),
            ..SeriesRequest::default()
        };
        form_urlencoded::Serializer::new(format!("{}?", self.api))
            .extend_pairs(request.query())
            .finish()
    }

    /// A part of a page; `bucket` among its parameters says how long a bar is.
    pub(super) async fn section(&self, web: &Web, params: &Params) -> Result<Markup, Failure> {
        let page = self.page(web, params).await?;
        let more = page.series.len().saturating_sub(MOST_CHARTS);
        let charts: Vec<Markup> = page
            .series
            .iter()
            .take(MOST_CHARTS)
            .map(|series| {
                let level = text::capital(series.assurance.word());
                let mint = series.mint.map(|mint| parts::mint_text(&web.site, &mint));
                let mint = mint.unwrap_or_default();
                let title = format!("{level}, {mint} each {}", page.bucket.word());
                charts::bars(&title, &page, series)
            })
            .collect();
        let buckets = [Bucket::Day, Bucket::Hour].map(|bucket| {
            let name = text::capital(bucket.word());
            let href = params.with("bucket", Some(bucket.word())).link(self.here);
            (name, href, bucket == page.bucket)
        });
        Ok(html! {
            section .card {
                div .heading {
                    h2 { (self.title) }
                    (parts::choices("A bar is a", &buckets))
                }
                @if charts.is_empty() {
                    p .empty { (self.empty) " from " (parts::day(page.from)) " to " (parts::day(page.to)) "." }
                }
                @for chart in &charts { (chart) }
                @if more > 0 { p .quiet { a href=(self.all(&page)) { (more) " more in the API" } } }
            }
        })
    }
}
