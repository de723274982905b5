//! Whether the SIP server is there, as operators see it.

use super::rig::*;

#[test]
fn a_sip_server_that_answers_options_is_up_and_one_that_is_silent_is_told_and_refuses_nothing() {
    let mut world = World::with(&Setup {
        domain: "options_every = \"1s\"\npeer = \"asterisk\"\n",
        sip: "t1 = \"50ms\"\n",
        ..Setup::default()
    });
    let ask = world.phone.receive(PATIENCE).expect("no request came");
    assert!(ask.starts_with("OPTIONS sip:pbx.example SIP/2.0\r\n"), "{ask}");
    assert!(header(&ask, "From").starts_with("<sip:xmpp.example>"), "{ask}");
    assert!(header(&ask, "Accept").starts_with("text/plain"), "{ask}");
    world.phone.answer(&ask, world.stox.sip, 404, "Not Found");
    wait_until("it is up", || world.stox.metric("stox_peer_up") > 0.5);
    let (status, body) = world.stox.ask("/ready");
    assert!(status.contains(" 200 ") && body.contains("\"sip pbx.example\",\"up\":true"), "{body}");
    assert!(body.contains("answers OPTIONS in "), "{body}");
    // 64 * T1 later, without an answer to the next question.
    wait_until("it is down", || world.stox.metric("stox_peer_up") < 0.5);
    let (status, body) = world.stox.ask("/ready");
    assert!(status.contains(" 200 ") && body.contains("\"sip pbx.example\",\"up\":false"), "{body}");
    assert!(body.contains("does not answer OPTIONS (no answer)"), "{body}");
    assert!(world.stox.log().contains("does not answer OPTIONS"));
    world.server.send(
        "<message from='juliet@xmpp.example/b' to='romeo@sip.example' id='m'><body>still there?</body></message>",
    );
    let request = world.phone.read_message("still there?");
    world.phone.answer(&request, world.stox.sip, 200, "OK");
    world.stox.assert_alive();
}
