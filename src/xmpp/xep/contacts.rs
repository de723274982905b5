//! Whom to turn to about a server (XEP-0157).

use super::form::Form;

/// `FORM_TYPE` of the form.
const KIND: &str = "http://jabber.org/network/serverinfo";

/// The purposes that the registry has, as an administrator writes them; the fields are called `abuse-addresses` and so on.
pub const PURPOSES: [&str; 7] = ["abuse", "admin", "feedback", "sales", "security", "status", "support"];

/// The form, of purposes and addresses (URIs: `mailto:`, `xmpp:`, `https:`); `None` without any.
#[must_use]
pub fn form(contacts: &[(String, Vec<String>)]) -> Option<Form> {
    let fields: Vec<_> = contacts
        .iter()
        .filter(|(_, addresses)| !addresses.is_empty())
        .map(|(purpose, addresses)| (format!("{purpose}-addresses"), addresses.clone()))
        .collect();
    (!fields.is_empty()).then_some(Form { kind: KIND, fields })
}
