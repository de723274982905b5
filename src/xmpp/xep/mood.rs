//! How somebody feels (XEP-0107).

use crate::xml::{Element, ns};

/// The moods of section 3.
pub const MOODS: [&str; 80] = [
    "afraid",
    "amazed",
    "angry",
    "amorous",
    "annoyed",
    "anxious",
    "aroused",
    "ashamed",
    "bored",
    "brave",
    "calm",
    "cautious",
    "cold",
    "confident",
    "confused",
    "contemplative",
    "contented",
    "cranky",
    "crazy",
    "creative",
    "curious",
    "dejected",
    "depressed",
    "disappointed",
    "disgusted",
    "dismayed",
    "distracted",
    "embarrassed",
    "envious",
    "excited",
    "flirtatious",
    "frustrated",
    "grumpy",
    "guilty",
    "happy",
    "hopeful",
    "hot",
    "humbled",
    "humiliated",
    "hungry",
    "hurt",
    "impressed",
    "in_awe",
    "in_love",
    "indignant",
    "interested",
    "intoxicated",
    "invincible",
    "jealous",
    "lonely",
    "lucky",
    "mean",
    "moody",
    "nervous",
    "neutral",
    "offended",
    "outraged",
    "playful",
    "proud",
    "relaxed",
    "relieved",
    "remorseful",
    "restless",
    "sad",
    "sarcastic",
    "serious",
    "shocked",
    "shy",
    "sick",
    "sleepy",
    "spontaneous",
    "stressed",
    "strong",
    "surprised",
    "thankful",
    "thirsty",
    "tired",
    "undefined",
    "weak",
    "worried",
];

/// One mood.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Mood {
    /// Which of [`MOODS`]; empty: none at all, which is how one says that an earlier one is over.
    pub name: String,
    /// Words about it.
    pub text: Option<String>,
}

/// The mood in a `<mood/>`, of whatever other children it has the first; `None` for other elements.
#[must_use]
pub fn read(element: &Element) -> Option<Mood> {
    if !element.is(ns::MOOD, "mood") {
        return None;
    }
    let text = element.child(ns::MOOD, "text").map(|text| text.text().trim().to_owned());
    let named = element.children().find(|child| child.ns() == ns::MOOD && child.name() != "text");
    Some(Mood {
        name: named.map(|named| named.name().to_owned()).unwrap_or_default(),
        text: text.filter(|text| !text.is_empty()),
    })
}

/// `<mood/>`.
#[must_use]
pub fn element(mood: &Mood) -> Element {
    let mut element = Element::new(ns::MOOD, "mood");
    if !mood.name.is_empty() {
        element.push_child(Element::new(ns::MOOD, &mood.name));
        if let Some(text) = &mood.text {
            element.push_child(Element::new(ns::MOOD, "text").with_text(text));
        }
    }
    element
}
