//! What somebody is doing (XEP-0108).

use crate::xml::{Element, ns};

/// The general activities of section 3, each with the specific ones that it is recommended to be refined by. Any specific
/// one may stand in any general one.
pub const ACTIVITIES: [(&str, &[&str]); 12] = [
    (
        "doing_chores",
        &[
            "buying_groceries",
            "cleaning",
            "cooking",
            "doing_maintenance",
            "doing_the_dishes",
            "doing_the_laundry",
            "gardening",
            "running_an_errand",
            "walking_the_dog",
        ],
    ),
    ("drinking", &["having_a_beer", "having_coffee", "having_tea"]),
    ("eating", &["having_a_snack", "having_breakfast", "having_dinner", "having_lunch"]),
    (
        "exercising",
        &["cycling", "dancing", "hiking", "jogging", "playing_sports", "running", "skiing", "swimming", "working_out"],
    ),
    ("grooming", &["at_the_spa", "brushing_teeth", "getting_a_haircut", "shaving", "taking_a_bath", "taking_a_shower"]),
    ("having_appointment", &[]),
    (
        "inactive",
        &["day_off", "hanging_out", "hiding", "on_vacation", "praying", "scheduled_holiday", "sleeping", "thinking"],
    ),
    (
        "relaxing",
        &[
            "fishing",
            "gaming",
            "going_out",
            "partying",
            "reading",
            "rehearsing",
            "shopping",
            "smoking",
            "socializing",
            "sunbathing",
            "watching_tv",
            "watching_a_movie",
        ],
    ),
    ("talking", &["in_real_life", "on_the_phone", "on_video_phone"]),
    (
        "traveling",
        &[
            "commuting",
            "cycling",
            "driving",
            "in_a_car",
            "on_a_bus",
            "on_a_plane",
            "on_a_train",
            "on_a_trip",
            "walking",
        ],
    ),
    ("undefined", &[]),
    ("working", &["coding", "in_a_meeting", "studying", "writing"]),
];

/// One activity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Activity {
    /// Which of the general ones; empty: none at all, which is how one says that an earlier one is over.
    pub general: String,
    /// Which of the specific ones, or `other`.
    pub specific: Option<String>,
    /// Words about it.
    pub text: Option<String>,
}

/// The activity in an `<activity/>`, of whatever other children it has the first; `None` for other elements.
#[must_use]
pub fn read(element: &Element) -> Option<Activity> {
    if !element.is(ns::ACTIVITY, "activity") {
        return None;
    }
    let text = element.child(ns::ACTIVITY, "text").map(|text| text.text().trim().to_owned());
    let general = element.children().find(|child| child.ns() == ns::ACTIVITY && child.name() != "text");
    let specific = general.and_then(|general| general.children().find(|child| child.ns() == ns::ACTIVITY));
    Some(Activity {
        general: general.map(|general| general.name().to_owned()).unwrap_or_default(),
        specific: specific.map(|specific| specific.name().to_owned()),
        text: text.filter(|text| !text.is_empty()),
    })
}

/// `<activity/>`.
#[must_use]
pub fn element(activity: &Activity) -> Element {
    let mut element = Element::new(ns::ACTIVITY, "activity");
    if !activity.general.is_empty() {
        let mut general = Element::new(ns::ACTIVITY, &activity.general);
        if let Some(specific) = &activity.specific {
            general.push_child(Element::new(ns::ACTIVITY, specific));
        }
        element.push_child(general);
        if let Some(text) = &activity.text {
            element.push_child(Element::new(ns::ACTIVITY, "text").with_text(text));
        }
    }
    element
}
