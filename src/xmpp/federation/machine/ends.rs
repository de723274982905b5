//! Finding the route of a pair without making a [`Pair`]: this is done for every stanza.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

use super::super::Pair;
use crate::xmpp::stanza::Stanza;

/// Both domains of a pair, however they are held: the local one first.
pub(super) trait Ends {
    fn ends(&self) -> (&str, &str);
}

impl Ends for Pair {
    fn ends(&self) -> (&str, &str) {
        (&self.local, &self.remote)
    }
}

impl Ends for (&str, &str) {
    fn ends(&self) -> (&str, &str) {
        *self
    }
}

impl<'a> Borrow<dyn Ends + 'a> for Pair {
    fn borrow(&self) -> &(dyn Ends + 'a) {
        self
    }
}

/// As [`Pair`] derives it.
impl Hash for dyn Ends + '_ {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (local, remote) = self.ends();
        local.hash(state);
        remote.hash(state);
    }
}

impl PartialEq for dyn Ends + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.ends() == other.ends()
    }
}

impl Eq for dyn Ends + '_ {}

/// The pair of a stanza that goes out, if it says both where it is from and where it goes.
pub(super) fn ends_of(stanza: &Stanza) -> Option<(&str, &str)> {
    Some((stanza.from()?.domain(), stanza.to()?.domain()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_pair_is_found_by_its_texts() {
        let map: HashMap<Pair, u8> =
            [(Pair::new("a.example", "b.example"), 1), (Pair::new("b.example", "a.example"), 2)].into();
        let find = |local, remote| map.get(&(local, remote) as &dyn Ends).copied();
        assert_eq!(find("a.example", "b.example"), Some(1));
        assert_eq!(find("b.example", "a.example"), Some(2));
        assert_eq!(find("a.example", "a.example"), None);
    }
}
