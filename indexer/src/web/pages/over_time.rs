//! An amount over time, one chart an assurance level and mint.

use {
    crate::web::{ask::Web, charts, html::Failure, parts, query::Params, text},
    maud::{Markup, html},
    quern_api::{Bucket, Metric, SeriesPage},
};

/// Charts of a page: every mint and assurance level has one of its own.
const MOST_CHARTS: usize = 4;

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
    /// A part of a page; `bucket` among its parameters says how long a bar is.
    pub(super) async fn section(&self, web: &Web, params: &Params) -> Result<Markup, Failure> {
        let page = web.ask::<SeriesPage>(self.api, &params.pairs()).await?.body;
        let series = page.series.iter();
        let charts: Vec<Markup> = series
            .filter(|series| series.metric == self.metric)
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
                @if charts.is_empty() { (parts::empty(self.empty)) }
                @for chart in &charts { (chart) }
            }
        })
    }
}
