//! Lines of leaderboards: what is shown of a provider, a model and a client.

use {
    crate::web::{parts, site::Site, text},
    maud::{Markup, html},
    quern_api::{BoardsRequest, ClientEntry, Entry, Metric, ModelEntry, Ranked},
    serde::de::DeserializeOwned,
};

/// Somebody on a leaderboard.
pub(in crate::web) trait Line: DeserializeOwned + Send + 'static {
    /// Who is ranked.
    const RANKED: Ranked;
    /// Where the API ranks them.
    const API: &'static str;
    /// What stands behind the metrics, if anything.
    const LAST: Option<&'static str> = None;

    fn rank(&self) -> u32;
    fn value(&self) -> u128;
    fn who(&self) -> Markup;
    /// A metric beside the one that the board is ranked by.
    fn detail(&self, site: &Site, metric: Metric) -> Markup;
    fn last(&self) -> Markup {
        html! {}
    }
}

impl Line for Entry {
    const RANKED: Ranked = Ranked::Providers;
    const API: &'static str = BoardsRequest::PATH;
    const LAST: Option<&'static str> = Some("Convicted");

    fn rank(&self) -> u32 {
        self.rank
    }
    fn value(&self) -> u128 {
        self.value
    }
    fn who(&self) -> Markup {
        parts::who("providers", &self.provider, self.name.as_deref())
    }
    fn detail(&self, site: &Site, metric: Metric) -> Markup {
        match metric {
            Metric::Earned => parts::moneys(site, &self.earned),
            Metric::Rewards => parts::moneys(site, &self.rewards),
            Metric::Milestones => parts::count(self.milestones),
            Metric::Work => parts::count(self.work),
            _ => html! {},
        }
    }
    fn last(&self) -> Markup {
        html! {
            @match self.convicted {
                None => span .none { "–" },
                Some(0) => span .none { "0" },
                Some(times) => (parts::badge("bad", &text::grouped(times.into()))),
            }
        }
    }
}

impl Line for ModelEntry {
    const RANKED: Ranked = Ranked::Models;
    const API: &'static str = BoardsRequest::MODELS;
    const LAST: Option<&'static str> = Some("Earned by");

    fn rank(&self) -> u32 {
        self.rank
    }
    fn value(&self) -> u128 {
        self.value
    }
    fn who(&self) -> Markup {
        parts::who("models", &self.model, self.name.as_deref())
    }
    fn detail(&self, site: &Site, metric: Metric) -> Markup {
        match metric {
            Metric::Royalties => parts::moneys(site, &self.royalties),
            Metric::Milestones => parts::count(self.milestones),
            Metric::Work => parts::count(self.work),
            _ => html! {},
        }
    }
    fn last(&self) -> Markup {
        html! {
            @match &self.owner {
                Some(owner) => (parts::short(owner)),
                None => span .none { "–" },
            }
        }
    }
}

impl Line for ClientEntry {
    const RANKED: Ranked = Ranked::Clients;
    const API: &'static str = BoardsRequest::CLIENTS;

    fn rank(&self) -> u32 {
        self.rank
    }
    fn value(&self) -> u128 {
        self.value
    }
    fn who(&self) -> Markup {
        parts::who("clients", &self.client, None)
    }
    fn detail(&self, site: &Site, metric: Metric) -> Markup {
        match metric {
            Metric::Spend => parts::moneys(site, &self.spend),
            Metric::Fees => parts::moneys(site, &self.fees),
            Metric::Milestones => parts::count(self.milestones),
            _ => html! {},
        }
    }
}
