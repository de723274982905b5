#![allow(clippy::unwrap_used)]

use super::*;

const EVERY: Duration = Duration::from_secs(5);

fn at(seconds: u64) -> Now {
    Now::at(Duration::from_secs(seconds))
}

fn ok(etag: &str, expires: u32) -> Answer<'_> {
    Answer { status: 200, etag: Some(etag), expires: Some(expires), ..Answer::default() }
}

fn refused(status: u16) -> Answer<'static> {
    Answer { status, ..Answer::default() }
}

/// What goes out at `now`: the tag, whether with a body, and for how long.
fn out(publication: &mut Publication, now: u64) -> Option<(String, bool, u32)> {
    let step = publication.request(EVERY, at(now))?;
    Some((step.etag.as_deref().unwrap_or_default().to_owned(), step.with_body, step.expires))
}

fn step(etag: &str, with_body: bool, expires: u32) -> Option<(String, bool, u32)> {
    Some((etag.to_owned(), with_body, expires))
}

fn published() -> Publication {
    let mut publication = Publication::new(3600);
    publication.changed();
    assert_eq!(out(&mut publication, 10), step("", true, 3600));
    assert_eq!(publication.answered(&ok("a", 600), at(10), 0.0), Outcome::Kept(600));
    publication
}

#[test]
fn initial_refresh_modify_and_remove_follow_the_table() {
    let mut publication = published();
    assert_eq!(publication.due(EVERY), Some(Duration::from_secs(520)));
    assert_eq!(out(&mut publication, 519), None);
    assert_eq!(out(&mut publication, 520), step("a", false, 3600));
    assert_eq!(publication.answered(&ok("b", 600), at(520), 1.0), Outcome::Kept(600));
    assert_eq!(publication.due(EVERY), Some(Duration::from_secs(1060)));
    publication.changed();
    assert_eq!(out(&mut publication, 600), step("b", true, 3600));
    publication.answered(&ok("c", 600), at(600), 0.0);
    publication.withdrawn();
    assert_eq!(out(&mut publication, 601), step("c", false, 0));
    assert!(!publication.is_over());
    assert_eq!(publication.answered(&refused(200), at(601), 0.0), Outcome::Gone);
    assert!(publication.is_over() && publication.due(EVERY).is_none());
}

#[test]
fn one_request_is_out_and_the_last_state_wins() {
    let mut publication = Publication::new(3600);
    publication.changed();
    assert!(out(&mut publication, 0).is_some());
    publication.changed();
    publication.changed();
    assert_eq!((publication.due(EVERY), out(&mut publication, 100)), (None, None), "RFC 3903 section 4");
    publication.answered(&ok("a", 600), at(3), 0.0);
    assert_eq!(publication.due(EVERY), Some(EVERY), "states keep their distance");
    assert_eq!(out(&mut publication, 5), step("a", true, 3600));
    publication.withdrawn();
    publication.answered(&ok("b", 600), at(6), 0.0);
    assert_eq!(out(&mut publication, 6), step("b", false, 0), "a removal waits for nothing");
}

#[test]
fn a_tag_that_the_server_does_not_know_is_published_anew_at_once() {
    let mut publication = published();
    assert!(out(&mut publication, 520).is_some());
    assert_eq!(publication.answered(&refused(412), at(520), 0.0), Outcome::Gone);
    assert_eq!(out(&mut publication, 520), step("", true, 3600));
    assert_eq!(publication.answered(&refused(412), at(520), 0.0), Outcome::Gone);
    assert_eq!(out(&mut publication, 521), None, "and not in a loop");
    let mut removing = published();
    removing.withdrawn();
    assert!(out(&mut removing, 20).is_some());
    removing.answered(&refused(412), at(20), 0.0);
    assert!(removing.is_over());
}

#[test]
fn too_brief_is_asked_for_longer_once() {
    let mut publication = Publication::new(60);
    publication.changed();
    assert_eq!(out(&mut publication, 0), step("", true, 60));
    publication.answered(&Answer { min_expires: Some(300), ..refused(423) }, at(0), 0.0);
    assert_eq!(out(&mut publication, 0), step("", true, 300));
    publication.answered(&Answer { min_expires: Some(600), ..refused(423) }, at(0), 0.0);
    assert_eq!(out(&mut publication, 1), None);
    let mut greedy = Publication::new(60);
    greedy.changed();
    assert!(out(&mut greedy, 0).is_some());
    greedy.answered(&Answer { min_expires: Some(u32::MAX), ..refused(423) }, at(0), 0.0);
    assert_eq!(out(&mut greedy, 1), None);
}

#[test]
fn failures_wait_longer_and_longer_and_a_state_is_not_lost() {
    let mut publication = Publication::new(3600);
    publication.changed();
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..9 {
        assert_eq!(out(&mut publication, now), step("", true, 3600));
        publication.failed(None, at(now), 1.0);
        let due = publication.due(EVERY).unwrap().as_secs();
        waits.push(due - now);
        now = due;
    }
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert!(out(&mut publication, now).is_some());
    publication.failed(Some(Duration::from_secs(1_000_000)), at(now), 0.0);
    assert_eq!(publication.due(EVERY), Some(Duration::from_secs(now + 3_600)));
    now += 3_600;
    assert!(out(&mut publication, now).is_some());
    publication.answered(&refused(403), at(now), 0.0);
    assert_eq!(publication.due(EVERY), Some(Duration::from_secs(now + 900)), "somebody has to let us in first");
}

#[test]
fn what_failed_until_it_lapsed_is_published_anew() {
    let mut publication = published();
    assert!(out(&mut publication, 520).is_some());
    publication.failed(None, at(610), 0.0);
    assert_eq!(out(&mut publication, 620), step("", true, 3600));
    let mut removing = published();
    removing.withdrawn();
    assert!(out(&mut removing, 20).is_some());
    removing.failed(None, at(610), 0.0);
    assert_eq!(out(&mut removing, 620), None);
    assert!(removing.is_over(), "it has gone by itself");
}

#[test]
fn after_a_restart_only_a_state_that_somebody_vouches_for_goes_on() {
    let mut publication = Publication::restored(3600, "x", Duration::from_secs(300));
    assert_eq!(out(&mut publication, 200), None);
    publication.changed();
    assert_eq!(out(&mut publication, 200), step("x", true, 3600));
    let mut forgotten = Publication::restored(3600, "x", Duration::from_secs(300));
    assert_eq!(forgotten.due(EVERY), Some(Duration::from_secs(300)));
    assert_eq!(out(&mut forgotten, 300), None);
    assert!(forgotten.is_over());
}

#[test]
fn a_server_without_tags_or_time_is_not_asked_all_the_time() {
    let mut publication = Publication::new(3600);
    publication.changed();
    assert!(out(&mut publication, 0).is_some());
    assert_eq!(publication.answered(&refused(200), at(0), 0.0), Outcome::Gone);
    assert_eq!(publication.due(EVERY), Some(Duration::from_secs(3_600)));
    assert_eq!(out(&mut publication, 3_600), step("", true, 3600));
    assert_eq!(publication.answered(&ok("a", 0), at(3_600), 0.0), Outcome::Gone);
    assert_eq!(publication.due(EVERY), Some(Duration::from_secs(3_900)));
    let long = "x".repeat(MAX_ETAG + 1);
    assert!(out(&mut publication, 3_900).is_some());
    publication.answered(&ok(&long, 600), at(3_900), 0.0);
    assert_eq!(publication.etag(), None);
}
