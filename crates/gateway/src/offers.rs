//! What is offered for work: the first price, more while nobody takes it, and step by step less once it is taken. It never leaves
//! its bounds, so one that waits for more gets no more than that.

use {quern_client::Pubkey, std::collections::BTreeMap};

/// A price that nobody took is raised by the fourth part, one that was taken is lowered by the twentieth.
const RAISE: u32 = 4;
/// See [`RAISE`].
const LOWER: u32 = 20;

/// Offers by model, in basis points of the least price.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    first_bps: u32,
    most_bps: u32,
    /// Where it is not the first price.
    raised: BTreeMap<Pubkey, u32>,
}

impl Offers {
    /// Between these bounds; the first price where they are the wrong way round.
    pub(crate) const fn new(first_bps: u32, most_bps: u32) -> Self {
        let most_bps = if most_bps > first_bps {
            most_bps
        } else {
            first_bps
        };
        Self {
            first_bps,
            most_bps,
            raised: BTreeMap::new(),
        }
    }

    /// What the next job of a model offers.
    pub(crate) fn next(&self, model: &Pubkey) -> u32 {
        self.raised.get(model).copied().unwrap_or(self.first_bps)
    }

    /// Nobody took a job at this price.
    pub(crate) fn was_left(&mut self, model: Pubkey, offer_bps: u32) {
        let raised = offer_bps.saturating_add(offer_bps / RAISE);
        self.set(model, raised.max(self.next(&model)));
    }

    /// Somebody took a job at this price.
    pub(crate) fn was_taken(&mut self, model: Pubkey, offer_bps: u32) {
        let lowered = offer_bps.saturating_sub(offer_bps / LOWER);
        self.set(model, lowered.min(self.next(&model)));
    }

    fn set(&mut self, model: Pubkey, offer_bps: u32) {
        match offer_bps.clamp(self.first_bps, self.most_bps) {
            first if first == self.first_bps => drop(self.raised.remove(&model)),
            raised => drop(self.raised.insert(model, raised)),
        }
    }
}

#[cfg(test)]
mod tests {
    use {super::*, proptest::prelude::*};

    #[test]
    fn an_offer_rises_while_it_is_left_and_falls_when_it_is_taken() {
        let model = Pubkey::from([1; 32]);
        let mut offers = Offers::new(10_000, 20_000);
        let mut seen = Vec::new();
        for _ in 0..5 {
            let offer = offers.next(&model);
            seen.push(offer);
            offers.was_left(model, offer);
        }
        assert_eq!(seen, [10_000, 12_500, 15_625, 19_531, 20_000]);
        offers.was_taken(model, 20_000);
        assert_eq!(offers.next(&model), 19_000);
        assert_eq!(offers.next(&Pubkey::from([2; 32])), 10_000);
        for _ in 0..30 {
            offers.was_taken(model, offers.next(&model));
        }
        assert_eq!((offers.next(&model), offers.raised.len()), (10_000, 0));
    }

    proptest! {
        #[test]
        fn it_stays_within_its_bounds(
            first in 1..1_000_000u32,
            most in 1..1_000_000u32,
            steps in proptest::collection::vec((any::<bool>(), any::<u32>()), 0..40),
        ) {
            let model = Pubkey::from([1; 32]);
            let mut offers = Offers::new(first, most);
            for (is_left, offer) in steps {
                match is_left {
                    true => offers.was_left(model, offer),
                    false => offers.was_taken(model, offer),
                }
                prop_assert!((first..=most.max(first)).contains(&offers.next(&model)));
            }
        }
    }
}
