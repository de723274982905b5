//! `[store]`: where subscriptions are kept.

use std::path::Path;

use super::secret_file;
use crate::config::section::Section;
use crate::store::Place;

/// `[store]`, if the file has it.
pub(crate) fn store(section: &Section<'_>, dir: &Path) -> Option<Place> {
    if !section.exists() {
        return None;
    }
    let (key, url) = match (section.has("url"), section.has("url_file")) {
        (true, true) => {
            section.error("url_file", "is given and so is url", "keep one of the two");
            return None;
        }
        (false, false) => {
            let todo = "write url = \"sqlite:/var/lib/stox/stox.db\", or url_file = \"…\" with a path";
            section.error("url", "is missing", todo);
            return None;
        }
        (true, false) => ("url", section.string("url")?.to_owned()),
        (false, true) => ("url_file", secret_file(section, "url_file", dir)?),
    };
    // The URL may hold a password, so it is not repeated.
    let place = Place::parse(&url, dir).map_err(|bad| section.error(key, bad.what, bad.todo)).ok()?;
    if let Place::Sqlite(path) = &place
        && path.is_dir()
    {
        let todo = format!("write the name of a file: \"sqlite:{}\"", path.join("stox.db").display());
        section.error(key, format!("names a directory, {}", path.display()), todo);
    }
    Some(place)
}
