//! Stories told in `tests/scenarios/*.scn`, played in the simulator: XMPP and SIP side by side, hours in milliseconds.

mod matching;
mod play;
mod stage;
mod story;

use std::path::{Path, PathBuf};

use story::Story;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn stories() -> Vec<Result<Story, String>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .expect("the folder of stories is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scn"))
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("a story is text");
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("?");
        Story::parse(name, &text)
    };
    files.iter().map(read).collect()
}

/// One story alone: `SCENARIO=name cargo test --test it stories`.
fn is_wanted(name: &str) -> bool {
    std::env::var("SCENARIO").map_or(true, |wanted| name.contains(&wanted))
}

#[test]
fn every_story_comes_true() {
    let mut failures = Vec::new();
    let mut told = 0;
    for story in stories() {
        match story {
            Ok(story) if is_wanted(&story.file) => {
                told += 1;
                failures.extend(play::play(&story).err());
            }
            Ok(_) => {}
            Err(mistake) => failures.push(mistake),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {told} stories did not come true:\n\n{}",
        failures.len(),
        failures.join("\n\n")
    );
    assert!(
        told >= 25 || std::env::var("SCENARIO").is_ok(),
        "only {told} stories were found in {}",
        folder().display()
    );
}

#[test]
fn a_mistake_in_a_story_is_told_with_its_line() {
    let mistake = |text: &str| Story::parse("x.scn", text).err().unwrap_or_default();
    assert!(mistake("[xmpp] Juliet").starts_with("x.scn:1: "));
    assert!(
        mistake("[xmpp] Juliet juliet@xmpp.example/b\n\nRomeo receives: 200\n")
            .starts_with("x.scn:3: nobody is called Romeo")
    );
    assert!(mistake("[sip] Romeo sip:romeo@sip.example\nRomeo dances\n").starts_with("x.scn:2: "));
    assert!(mistake("Nothing more for a while\n").contains("`a while` is no length of time"));
    assert!(mistake("[xmpp] J j@x.example/b\nJ sends: <message>\n").starts_with("x.scn:2: "));
}
