//! Stanza errors (RFC 6120 section 8.3).

use crate::xml::{Element, ns};

/// What went wrong with a stanza.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StanzaError {
    /// What the sender may do about it.
    pub kind: ErrorType,
    /// What it is.
    pub condition: Condition,
    /// In words, for people.
    pub text: Option<String>,
    /// The language of `text`.
    pub lang: Option<String>,
    /// What an extension says about it (RFC 6120 section 8.3.4).
    pub application: Option<Element>,
}

/// What the sender may do about an error (RFC 6120 section 8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Go on: this was only a warning.
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

/// The 22 defined conditions (RFC 6120 section 8.3.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// 8.3.3.1
    BadRequest,
    /// 8.3.3.2
    Conflict,
    /// 8.3.3.3
    FeatureNotImplemented,
    /// 8.3.3.4
    Forbidden,
    /// 8.3.3.5, with the new address as a URI, if there is one.
    Gone(Option<String>),
    /// 8.3.3.6
    InternalServerError,
    /// 8.3.3.7
    ItemNotFound,
    /// 8.3.3.8
    JidMalformed,
    /// 8.3.3.9
    NotAcceptable,
    /// 8.3.3.10
    NotAllowed,
    /// 8.3.3.11
    NotAuthorized,
    /// 8.3.3.12
    PolicyViolation,
    /// 8.3.3.13
    RecipientUnavailable,
    /// 8.3.3.14, with the other address as a URI.
    Redirect(Option<String>),
    /// 8.3.3.15
    RegistrationRequired,
    /// 8.3.3.16
    RemoteServerNotFound,
    /// 8.3.3.17
    RemoteServerTimeout,
    /// 8.3.3.18
    ResourceConstraint,
    /// 8.3.3.19
    ServiceUnavailable,
    /// 8.3.3.20
    SubscriptionRequired,
    /// 8.3.3.21, also for every name that the RFC does not list.
    UndefinedCondition,
    /// 8.3.3.22
    UnexpectedRequest,
}

impl ErrorType {
    const ALL: [ErrorType; 5] = [Self::Auth, Self::Cancel, Self::Continue, Self::Modify, Self::Wait];

    /// The value of the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}

impl Condition {
    /// All of them, those with an address without it.
    pub const ALL: [Condition; 22] = [
        Self::BadRequest,
        Self::Conflict,
        Self::FeatureNotImplemented,
        Self::Forbidden,
        Self::Gone(None),
        Self::InternalServerError,
        Self::ItemNotFound,
        Self::JidMalformed,
        Self::NotAcceptable,
        Self::NotAllowed,
        Self::NotAuthorized,
        Self::PolicyViolation,
        Self::RecipientUnavailable,
        Self::Redirect(None),
        Self::RegistrationRequired,
        Self::RemoteServerNotFound,
        Self::RemoteServerTimeout,
        Self::ResourceConstraint,
        Self::ServiceUnavailable,
        Self::SubscriptionRequired,
        Self::UndefinedCondition,
        Self::UnexpectedRequest,
    ];

    /// The name of its element.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Conflict => "conflict",
            Self::FeatureNotImplemented => "feature-not-implemented",
            Self::Forbidden => "forbidden",
            Self::Gone(_) => "gone",
            Self::InternalServerError => "internal-server-error",
            Self::ItemNotFound => "item-not-found",
            Self::JidMalformed => "jid-malformed",
            Self::NotAcceptable => "not-acceptable",
            Self::NotAllowed => "not-allowed",
            Self::NotAuthorized => "not-authorized",
            Self::PolicyViolation => "policy-violation",
            Self::RecipientUnavailable => "recipient-unavailable",
            Self::Redirect(_) => "redirect",
            Self::RegistrationRequired => "registration-required",
            Self::RemoteServerNotFound => "remote-server-not-found",
            Self::RemoteServerTimeout => "remote-server-timeout",
            Self::ResourceConstraint => "resource-constraint",
            Self::ServiceUnavailable => "service-unavailable",
            Self::SubscriptionRequired => "subscription-required",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnexpectedRequest => "unexpected-request",
        }
    }

    /// The condition `name`, `None` if the RFC does not list it.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.name() == name)
    }

    /// The type that section 8.3.3 gives it; of two, the first named.
    #[must_use]
    pub fn usual_type(&self) -> ErrorType {
        match self {
            Self::Forbidden | Self::NotAuthorized | Self::RegistrationRequired | Self::SubscriptionRequired => {
                ErrorType::Auth
            }
            Self::Conflict
            | Self::FeatureNotImplemented
            | Self::Gone(_)
            | Self::InternalServerError
            | Self::ItemNotFound
            | Self::NotAllowed
            | Self::RemoteServerNotFound
            | Self::ServiceUnavailable
            | Self::UndefinedCondition => ErrorType::Cancel,
            Self::BadRequest | Self::JidMalformed | Self::NotAcceptable | Self::PolicyViolation | Self::Redirect(_) => {
                ErrorType::Modify
            }
            Self::RecipientUnavailable
            | Self::RemoteServerTimeout
            | Self::ResourceConstraint
            | Self::UnexpectedRequest => ErrorType::Wait,
        }
    }
}

impl From<Condition> for StanzaError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}

impl StanzaError {
    /// `condition` with its usual type.
    #[must_use]
    pub fn new(condition: Condition) -> Self {
        Self { kind: condition.usual_type(), condition, text: None, lang: None, application: None }
    }

    /// The same with English words.
    #[must_use]
    pub fn with_text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self.lang = Some("en".to_owned());
        self
    }

    /// The same with another type.
    #[must_use]
    pub fn with_type(mut self, kind: ErrorType) -> Self {
        self.kind = kind;
        self
    }

    /// Reads `<error/>`. What is missing or unknown becomes `undefined-condition` and the usual type
    /// (RFC 6120 section 8.3.2); numeric codes of older protocols are not looked at.
    #[must_use]
    pub fn from_element(element: &Element) -> Self {
        let conditions = element.children().filter(|child| child.ns() == ns::STANZAS && child.name() != "text");
        let condition = conditions.map(read_condition).next().unwrap_or(Condition::UndefinedCondition);
        let kind = element.attr("type");
        let kind = ErrorType::ALL.into_iter().find(|known| Some(known.as_str()) == kind);
        let text = element.child(ns::STANZAS, "text");
        Self {
            kind: kind.unwrap_or(condition.usual_type()),
            condition,
            text: text.map(|text| text.text().into_owned()),
            lang: text.and_then(Element::lang).map(str::to_owned),
            application: element.children().find(|child| !matches!(child.ns(), ns::STANZAS | ns::CLIENT)).cloned(),
        }
    }

    /// The error among the children of a stanza; an error stanza without one has an undefined condition.
    pub(super) fn find(payload: &[Element]) -> Self {
        let found = payload.iter().find(|child| child.is(ns::CLIENT, "error"));
        found.map_or_else(|| Self::new(Condition::UndefinedCondition), Self::from_element)
    }

    /// As `<error/>` in `jabber:client`.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let mut condition = Element::new(ns::STANZAS, self.condition.name());
        if let Condition::Gone(Some(address)) | Condition::Redirect(Some(address)) = &self.condition {
            condition.push_text(address);
        }
        let mut element = Element::new(ns::CLIENT, "error").with_attr("type", self.kind.as_str()).with_child(condition);
        if let Some(text) = &self.text {
            element.push_child(Element::new(ns::STANZAS, "text").with_lang(self.lang.as_deref()).with_text(text));
        }
        if let Some(application) = &self.application {
            element.push_child(application.clone());
        }
        element
    }
}

fn read_condition(element: &Element) -> Condition {
    let address = || Some(element.text().trim().to_owned()).filter(|address| !address.is_empty());
    match Condition::from_name(element.name()) {
        Some(Condition::Gone(_)) => Condition::Gone(address()),
        Some(Condition::Redirect(_)) => Condition::Redirect(address()),
        Some(other) => other,
        None => Condition::UndefinedCondition,
    }
}
