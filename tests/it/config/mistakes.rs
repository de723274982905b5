//! Mistakes, each with what must be said of it.

/// What is changed in [`SMALL`](super::SMALL), and the one problem that must come of it.
pub(super) const MISTAKES: &[(&str, &str, &str)] = &[
    ("secret = \"s3cret\"", "secret = 5", "5: xmpp.component.secret: is an integer; write a text in quotes"),
    (
        "secret = \"s3cret\"",
        "secret = \"\"",
        "5: xmpp.component.secret: is empty; write the secret that the XMPP server has for this component",
    ),
    (
        "secret = \"s3cret\"",
        "",
        "2: xmpp.component.secret: is missing; write secret = \"…\", or secret_file = \"…\" with a path",
    ),
    (
        "secret = \"s3cret\"",
        "secret_file = \"/nowhere\"",
        "5: xmpp.component.secret_file: /nowhere cannot be read (No such file or directory (os error 2)); create it, \
         readable by the user that stox runs as",
    ),
    (
        "secret = \"s3cret\"",
        "secret = \"s3cret\"\nstanza_size = 9999",
        "6: xmpp.component.stanza_size: 9999 is out of range; write a whole number from 10000 to 16777216",
    ),
    (
        "secret = \"s3cret\"",
        "secret = \"s3cret\"\nping_every = \"60\"",
        "6: xmpp.component.ping_every: \"60\" has no unit; write a whole number and a unit: \"500ms\", \"10s\", \"5m\", \
         \"2h\"",
    ),
    (
        "secret = \"s3cret\"",
        "secret = \"s3cret\"\n[[xmpp.component]]\ndomain = \"sip.example\"\nserver = \"h:1\"\nsecret = \"x\"",
        "7: xmpp.component.domain: \"sip.example\" is there twice, first on line 3; keep one of the two: one link serves \
         a domain",
    ),
    (
        "[[xmpp.component]]",
        "[xmpp.component]",
        "2: xmpp.component: is a table; write [[xmpp.component]], with two brackets, once for each",
    ),
    (
        "listen = [\"udp:127.0.0.1:5060\", \"tcp:127.0.0.1:5060\"]",
        "listen = \"udp:127.0.0.1:5060\"",
        "7: sip.listen: is a string; write a list of texts: [\"…\", \"…\"]",
    ),
    (
        "\"tcp:127.0.0.1:5060\"",
        "\"udp:127.0.0.1:5060\"",
        "7: sip.listen: udp:127.0.0.1:5060 is there twice; keep one of the two",
    ),
    (
        "\"tcp:127.0.0.1:5060\"",
        "\"sctp:127.0.0.1:5060\"",
        "7: sip.listen: \"sctp:127.0.0.1:5060\" begins with \"sctp\", which is no transport; write \"udp:IP:PORT\", or \
         tcp, tls, ws or wss for udp, an IPv6 address in brackets",
    ),
    (
        "\"tcp:127.0.0.1:5060\"",
        "\"tcp:::1:5060\"",
        "7: sip.listen: \"tcp:::1:5060\" has an IPv6 address without brackets; write \"udp:IP:PORT\", or tcp, \
         tls, ws or wss for udp, an IPv6 address in brackets",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\nunknown_source = \"ignore\"",
        "8: sip.unknown_source: \"ignore\" is not known; write \"refuse\" or \"drop\"",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[admin]\nlisten = 9480",
        "9: admin.listen: is an integer; write a text in quotes",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\nconfirm_within = \"1s\"",
        "8: sip.confirm_within: is not a key of this section; it belongs in [message]",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[[sip.peer]]\nname = \"x\"\nsource = [\"192.0.2.0/33\"]\ndomains = [\"pbx.example\"]",
        "10: sip.peer.source: \"192.0.2.0/33\" has a bad prefix length (\"33\", at most 32); write an address or a network \
         such as \"192.0.2.0/24\" or \"2001:db8::/32\"",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[[sip.peer]]\nname = \"x\"\nsource = [\"192.0.2.1\"]\ndomains = [\"other.example\"]",
        "11: sip.peer.domains: no [[domain]] has sip = \"other.example\"; add a [[domain]] with home = \"sip\" for it, or \
         remove it",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[[sip.peer]]\nname = \"x\"\nsource = [\"192.0.2.1\"]\ndomains = [\"xmpp.example\"]",
        "11: sip.peer.domains: \"xmpp.example\" is the SIP name of XMPP users, and a SIP peer must not speak for them; \
         remove it",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[dns]\nservers = [\"ns.example\"]",
        "9: dns.servers: \"ns.example\" is no IP address; write \"IP\" or \"IP:PORT\", such as \"192.0.2.53\" or \
         \"[2001:db8::53]:53\"",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[dns]\nservers = []",
        "9: dns.servers: is empty; name a server, or remove the key: then the system's are asked",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[dns]\nattempts = 0",
        "9: dns.attempts: 0 is out of range; write a whole number from 1 to 10",
    ),
    (
        "[[domain]]\nhome = \"xmpp\"",
        "[[domain.rule]]\nkind = \"prefix\"\nsip = \"\"\nxmpp = \"x\"\npeer = \"asterisk\"\n[[domain]]\nhome = \"xmpp\"",
        "17: domain.rule.peer: is not a key of this section; it belongs in [[domain]], above [[domain.rule]]",
    ),
    (
        "[[domain]]\nhome = \"sip\"",
        "[[domain]]\nhome = \"pbx\"",
        "9: domain.home: \"pbx\" is not known; write \"sip\" or \"xmpp\"",
    ),
    (
        "xmpp = \"sip.example\"",
        "xmpp = \"pbx.sip.example\"",
        "10: domain.xmpp: no [[xmpp.component]] serves \"pbx.sip.example\", so XMPP users cannot reach it; add \
         [[xmpp.component]] with domain = \"pbx.sip.example\"",
    ),
    (
        "xmpp = \"sip.example\"",
        "xmpp = \"user@sip.example\"",
        "10: domain.xmpp: \"user@sip.example\" is a JID, not a domain; write the domain alone, such as sip.example",
    ),
    (
        "sip = \"pbx.example\"",
        "sip = \"pbx example\"",
        "11: domain.sip: \"pbx example\" has ' ', which no host name has; write a host name such as pbx.example, or an IP \
         address",
    ),
    (
        "next_hop = \"sip:127",
        "next_hop = \"sips:127",
        "12: domain.next_hop: \"sips:127.0.0.1:5070;transport=udp\" is a sips URI over UDP, and TLS needs a \
         connection; write \"sip:HOST:PORT;transport=udp\" (or tcp, or tls)",
    ),
    (
        "next_hop = \"sip:127.0.0.1:5070;",
        "next_hop = \"sip:127.0.0.1:5060;",
        "12: domain.next_hop: sip:127.0.0.1:5060;transport=udp is stox itself (it listens on udp:127.0.0.1:5060); write \
         the address of the SIP server",
    ),
    (
        "sip = \"xmpp.example\"",
        "sip = \"pbx.example\"",
        "16: domain.sip: \"pbx.example\" is there twice, first on line 11; give each domain its own host, or its own port",
    ),
    (
        "xmpp = \"xmpp.example\"\nsip = \"xmpp.example\"",
        "xmpp = \"*\"\nsip = \"a.example\"\n[[domain]]\nhome = \"xmpp\"\nxmpp = \"*\"\nsip = \"b.example\"",
        "19: domain.xmpp: \"*\" is there twice, first on line 15; keep one wildcard: it already takes every domain",
    ),
    (
        "[[domain]]\nhome = \"xmpp\"",
        "[[domain.rule]]\nkind = \"table\"\npairs = { \"101\" = \"romeo\", \"102\" = \"romeo\" }\n[[domain]]\nhome = \"xmpp\"",
        "13: domain.rule: XMPP user romeo stands for both 101 and 102; keep one",
    ),
    (
        "[[domain]]\nhome = \"xmpp\"",
        "[[domain.rule]]\nkind = \"prefix\"\nsip = \"\"\nxmpp = \"x\"\n[[domain.rule]]\nkind = \"table\"\n\
         pairs = { \"101\" = \"romeo\" }\n[[domain]]\nhome = \"xmpp\"",
        "17: domain.rule: 101 = romeo is never reached: rule 1 (prefix `` (SIP) = `x` (XMPP)) makes 101 x101; put the table \
         first or drop the pair",
    ),
    (
        "[[domain]]\nhome = \"xmpp\"",
        "[[domain.rule]]\nkind = \"regex\"\nsip = \"([0-9]+)\"\nto_xmpp = \"x\"\nxmpp = \"x([0-9]+)\"\n\
         to_sip = \"${1}\"\n[[domain]]\nhome = \"xmpp\"",
        "13: domain.rule: SIP user 0 becomes x, which does not become 0 again; the two expressions must be inverse",
    ),
    (
        "[[domain]]\nhome = \"xmpp\"",
        "[[domain.rule]]\nkind = \"regex\"\nsip = \"(\"\nto_xmpp = \"x\"\nxmpp = \"x\"\nto_sip = \"y\"\n[[domain]]\n\
         home = \"xmpp\"",
        "15: domain.rule.sip: \"(\" is no regular expression (unclosed group); mend it, in single quotes",
    ),
    (
        "[[domain]]\nhome = \"xmpp\"",
        "[[domain.rule]]\nkind = \"prefix\"\nsip = \"0\"\nxmpp = \"x\"\npairs = {}\n[[domain]]\nhome = \"xmpp\"",
        "17: domain.rule.pairs: means nothing in this kind of rule; its keys are kind, sip, xmpp",
    ),
    (
        "xmpp = \"xmpp.example\"\nsip = \"xmpp.example\"",
        "xmpp = \"xmpp.example\"\nsip = \"xmpp.example\"\n[limits]\ntcp_connections = \"many\"",
        "18: limits.tcp_connections: is a string; write a whole number from 1 to 1000000",
    ),
    (
        "xmpp = \"xmpp.example\"\nsip = \"xmpp.example\"",
        "xmpp = \"xmpp.example\"\nsip = \"xmpp.example\"\n[log]\nlevel = \"loud and clear\"",
        "18: log.level: \"loud and clear\" is no log level; write error, warn, info, debug or trace, and for single parts \
         \"info,stox::net=debug\"",
    ),
    (
        "xmpp = \"xmpp.example\"\nsip = \"xmpp.example\"",
        "xmpp = \"xmpp.example\"\nxmpp = \"xmpp.example\"\nsip = \"xmpp.example\"",
        "16: duplicate key; the same stands above already: keep one of the two",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\n[domain.numbers]\ncountry = \"+49\"",
        "14: domain.numbers.country: \"+49\" is not digits; write digits alone, without + and separators",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\n[domain.numbers]\narea = \"30\"",
        "13: domain.numbers.country: is missing; write the country code, such as \"49\"",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\n[domain.numbers]\ncountry = \"49\"\nmain = \"9018\"",
        "15: domain.numbers.main: is followed by extensions, and there are none; write extension_length, or remove main",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\n[domain.numbers]\ncountry = \"1\"\narea = \"212\"\nextension_length = 4\nnational_length = 10",
        "17: domain.numbers.national_length: is 10, but area, main and extension together have 7 digits; write area, main \
         and extension_length so that they fill it",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\n[domain.numbers]\ncountry = \"49\"\nextension_length = 4\n[[domain.rule]]\nkind = \"table\"\n\
         pairs = { \"1234\" = \"a\", \"+491234\" = \"b\" }",
        "16: domain.rule: SIP user 1234 stands for both a and b; keep one",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\noptions_every = \"500ms\"",
        "13: domain.options_every: \"500ms\" is out of range; write a duration from 1s to 86400s",
    ),
    (
        "transport=udp\"",
        "transport=udp\"\nmax_body = 5",
        "13: domain.max_body: 5 is out of range; write a whole number from 100 to 16777216",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[store]",
        "8: store.url: is missing; write url = \"sqlite:/var/lib/stox/stox.db\", or url_file = \"…\" with a path",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[store]\nurl = \"/var/lib/stox.db\"",
        "9: store.url: is no URL; write \"sqlite:/var/lib/stox/stox.db\", \"postgres://USER:PASSWORD@HOST/DATABASE\" or \"memory:\"",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[store]\nurl = \"mysql://u:s3cret@host/db\"",
        "9: store.url: is no kind of store that is known; write \"sqlite:/var/lib/stox/stox.db\", \"postgres://USER:PASSWORD@HOST/DATABASE\" or \"memory:\"",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[store]\nurl = \"postgres://u:s3cret@db.example/stox?sslmode=disable\"",
        "9: store.url: wants no TLS to a server on another machine; remove sslmode: beyond this machine the way is encrypted, and the server's certificate checked",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[store]\nurl = \"memory:\"\nurl_file = \"x\"",
        "10: store.url_file: is given and so is url; keep one of the two",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[store]\nurl = \"memory:\"\npath = \"x\"",
        "10: store.path: is not a key of this section; known here are url, url_file",
    ),
];

/// What works, but should be looked at.
pub(super) const WARNINGS: &[(&str, &str, &str)] = &[
    (
        "secret = \"s3cret\"",
        "secret = \"s3cret\"\n[[xmpp.component]]\ndomain = \"b.example\"\nserver = \"h:1\"\nsecret = \"x\"",
        "7: warning: xmpp.component.domain: no [[domain]] has xmpp = \"b.example\", so this component serves nobody; add a \
         [[domain]] with home = \"sip\" for it, or remove the component",
    ),
    (
        "next_hop = \"sip:127.0.0.1:5070;transport=udp\"",
        "",
        "8: warning: domain.next_hop: is missing and no peer is allowed to send for \"pbx.example\": only the addresses \
         that DNS gives for that name may; write next_hop, source, or a [[sip.peer]], unless that is meant",
    ),
    (
        "sip = \"pbx.example\"",
        "sip = \"pbx.example\"\nsource = [\"0.0.0.0/0\"]",
        "12: warning: domain.source: 0.0.0.0/0 is every address there is, so anybody may send in the name of these \
         domains; name the networks of the peer",
    ),
    (
        "home = \"xmpp\"",
        "home = \"xmpp\"\nmax_message = 1200",
        "15: warning: domain.max_message: means nothing with home = \"xmpp\"; move it to the [[domain]] with home = \
         \"sip\" whose peer it is about, or remove it",
    ),
    (
        "home = \"xmpp\"",
        "home = \"xmpp\"\nglobal_failures = false",
        "15: warning: domain.global_failures: means nothing with home = \"xmpp\"; move it to the [[domain]] with home = \
         \"sip\" whose peer it is about, or remove it",
    ),
    (
        "home = \"sip\"",
        "home = \"sip\"\ngruu = false",
        "10: warning: domain.gruu: means nothing with home = \"sip\"; move it to the [[domain]] with home = \"xmpp\" whose \
         users' devices it is about, or remove it",
    ),
    (
        "\"tcp:127.0.0.1:5060\"]",
        "\"tcp:127.0.0.1:5060\"]\n[admin]\nlisten = \"0.0.0.0:9480\"",
        "9: warning: admin.listen: 0.0.0.0:9480 is no loopback address, and there is no authentication; listen on \
         127.0.0.1, or let a firewall keep strangers out",
    ),
];
