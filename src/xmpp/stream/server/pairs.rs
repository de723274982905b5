//! What a stream has proven: for which pairs of domains stanzas may come and go.

use super::config::MAX_PAIRS;
use crate::xmpp::federation::{Association, Pair, Way};

/// The proven pairs of one stream.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    /// Sorted, so that a stream of a hoster with a thousand domains finds one in ten steps.
    sorted: Vec<Proven>,
    /// Where the last one was found: most often it is the next one, too.
    last: usize,
}

#[derive(Debug)]
struct Proven {
    pair: Pair,
    incoming: Option<Association>,
    outgoing: Option<Association>,
}

/// There are [`MAX_PAIRS`] already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Pairs {
    /// `pair` is proven; whether that is news.
    pub(super) fn prove(&mut self, pair: &Pair, way: Way, by: Association) -> Result<bool, TooMany> {
        let at = match self.search(&pair.local, &pair.remote) {
            Ok(at) => at,
            Err(_) if self.sorted.len() >= MAX_PAIRS => return Err(TooMany),
            Err(at) => {
                self.sorted.insert(at, Proven { pair: pair.clone(), incoming: None, outgoing: None });
                at
            }
        };
        let Some(entry) = self.sorted.get_mut(at) else { return Ok(false) };
        let slot = match way {
            Way::In => &mut entry.incoming,
            Way::Out => &mut entry.outgoing,
        };
        let news = slot.is_none();
        *slot = Some(by);
        Ok(news)
    }

    /// By what stanzas between these domains may go this way, if they may.
    pub(super) fn proven(&mut self, local: &str, remote: &str, way: Way) -> Option<Association> {
        let hit = self
            .sorted
            .get(self.last)
            .is_some_and(|entry| &*entry.pair.local == local && &*entry.pair.remote == remote);
        if !hit {
            self.last = self.search(local, remote).ok()?;
        }
        let entry = self.sorted.get(self.last)?;
        match way {
            Way::In => entry.incoming,
            Way::Out => entry.outgoing,
        }
    }

    /// Any pair that is proven this way.
    pub(super) fn any(&self, way: Way) -> Option<&Pair> {
        let proven = |entry: &&Proven| match way {
            Way::In => entry.incoming.is_some(),
            Way::Out => entry.outgoing.is_some(),
        };
        self.sorted.iter().find(proven).map(|entry| &entry.pair)
    }

    /// Any pair by which stanzas of `remote` may come.
    pub(super) fn with_remote(&self, remote: &str) -> Option<&Pair> {
        self.sorted
            .iter()
            .find(|entry| entry.incoming.is_some() && &*entry.pair.remote == remote)
            .map(|entry| &entry.pair)
    }

    pub(super) fn len(&self) -> usize {
        self.sorted.len()
    }

    fn search(&self, local: &str, remote: &str) -> Result<usize, usize> {
        self.sorted.binary_search_by(|entry| (&*entry.pair.local, &*entry.pair.remote).cmp(&(local, remote)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_counts_only_in_the_direction_in_which_it_was_proven() {
        let mut pairs = Pairs::default();
        let pair = Pair::new("a.example", "b.example");
        assert_eq!(pairs.prove(&pair, Way::In, Association::Pkix), Ok(true));
        assert_eq!(pairs.prove(&pair, Way::In, Association::Pkix), Ok(false));
        assert_eq!(pairs.proven("a.example", "b.example", Way::In), Some(Association::Pkix));
        assert_eq!(pairs.proven("a.example", "b.example", Way::Out), None);
        assert_eq!(pairs.proven("b.example", "a.example", Way::In), None);
        assert_eq!(pairs.prove(&pair, Way::Out, Association::Dialback), Ok(true));
        assert_eq!(pairs.proven("a.example", "b.example", Way::Out), Some(Association::Dialback));
        assert_eq!(pairs.len(), 1);
    }

    #[test]
    fn a_thousand_pairs_are_found_and_no_more_taken() {
        let mut pairs = Pairs::default();
        for n in 0..MAX_PAIRS {
            assert_eq!(pairs.prove(&Pair::new(&format!("l{n}"), "r"), Way::In, Association::Pkix), Ok(true));
        }
        assert_eq!(pairs.prove(&Pair::new("one", "more"), Way::In, Association::Pkix), Err(TooMany));
        assert_eq!(pairs.prove(&Pair::new("l7", "r"), Way::Out, Association::Pkix), Ok(true));
        assert!((0..MAX_PAIRS).all(|n| pairs.proven(&format!("l{n}"), "r", Way::In).is_some()));
        assert_eq!(pairs.proven("one", "more", Way::In), None);
    }
}
