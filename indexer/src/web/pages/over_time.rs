//! An amount over time, one chart an assurance level and mint.

use {
    crate::web::{ask::Web, charts, html::Failure, parts, query::Params, text},
    maud::{Markup, html},
    quern_api::{Bucket, Metric, Series, SeriesPage},
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
        let page = web.ask::<SeriesPage>(self.api, &query).await?.body;
        if page.bucket != Bucket::Day || self.shown(&page).next().is_some() {
            return Ok(page);
        }
        let from = page.to.saturating_sub(LONGEST_SECS).saturating_add(1);
        query.extend([("from", from.to_string()), ("to", page.to.to_string())]);
        Ok(web.ask::<SeriesPage>(self.api, &query).await?.body)
    }

    fn shown<'a>(&self, page: &'a SeriesPage) -> impl Iterator<Item = &'a Series> {
        let metric = self.metric;
        page.series
            .iter()
            .filter(move |series| series.metric == metric)
    }

    /// A part of a page; `bucket` among its parameters says how long a bar is.
    pub(super) async fn section(&self, web: &Web, params: &Params) -> Result<Markup, Failure> {
        let page = self.page(web, params).await?;
        let series: Vec<&Series> = self.shown(&page).collect();
        let more = series.len().saturating_sub(MOST_CHARTS);
        let charts: Vec<Markup> = series
            .into_iter()
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
                @if more > 0 { p .quiet { a href=(self.api) { (more) " more in the API" } } }
            }
        })
    }
}
