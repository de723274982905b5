//! Data forms, as far as answers carry them (XEP-0004, XEP-0128).

use crate::xml::{Element, ns};

/// What a form tells about somebody: its type and its fields, each with all its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// `FORM_TYPE` (XEP-0068).
    pub kind: &'static str,
    /// Names and values.
    pub fields: Vec<(String, Vec<String>)>,
}

impl Form {
    /// As it is written into an answer. Fields have values of unknown number, so they are lists.
    #[must_use]
    pub fn to_element(&self) -> Element {
        let field = |name: &str, kind: &str, values: &[String]| {
            let field = Element::new(ns::DATA, "field").with_attr("var", name).with_attr("type", kind);
            values.iter().fold(field, |field, value| field.with_child(Element::new(ns::DATA, "value").with_text(value)))
        };
        let form = Element::new(ns::DATA, "x").with_attr("type", "result");
        let form = form.with_child(field("FORM_TYPE", "hidden", &[self.kind.to_owned()]));
        self.fields.iter().fold(form, |form, (name, values)| form.with_child(field(name, "list-multi", values)))
    }
}
