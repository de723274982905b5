//! The world of a story: one gateway, one XMPP server, one SIP proxy, and what `[domain]` and `[setting]` change.

use std::net::SocketAddr;
use std::time::Duration;

use stox::gateway::people::User;
use stox::gateway::trust::{Network, Peer, Stranger, Trust};
use stox::gateway::{Route, Settings, Size};
use stox::mapping::{DomainMapping, Home, NumberForm, NumberPlan, Typing};
use stox::sip::auth::{Account, Key};
use stox::sip::locate::{Destination, Transport};
use stox::sip::uri::Uri;
use stox::xmpp::jid::Jid;

use super::story::{Story, duration};
use crate::sim::gateway::GatewaySetup;
use crate::sim::phone::Habit;
use crate::sim::{GatewayHost, SipSide, World, XmppServer};

/// The gateway of a story.
pub(super) const GATEWAY: &str = "10.0.0.1:5060";
/// The SIP proxy of a story.
pub(super) const PROXY: &str = "192.0.2.10:5060";
/// The component of a story.
pub(super) const COMPONENT: &str = "sip.example";

/// Sets everything up and waits until the link is ready.
pub(super) fn set(story: &Story) -> Result<World, String> {
    let mut world = World::new(7);
    let mut domains = domains(story)?;
    let components: Vec<String> =
        domains.iter().filter(|domain| domain.home == Home::Sip).map(|domain| domain.xmpp.clone()).collect();
    let mut settings = settings(&domains, components.clone());
    for (line, key, value) in &story.settings {
        change(&mut world, &mut settings, &mut domains, key, value)
            .map_err(|mistake| format!("{}:{line}: {mistake}", story.file))?;
    }
    let names: Vec<&str> = components.iter().map(String::as_str).collect();
    let mut server = XmppServer::new(&["xmpp.example"], &names);
    let addr = |text: &str| text.parse::<SocketAddr>().expect("the addresses of the stage are addresses");
    let mut sip = SipSide::new(0, addr(PROXY), addr(GATEWAY));
    for person in &story.people {
        if person.xmpp {
            let jid =
                Jid::parse(&person.address).map_err(|error| format!("{}: {}: {error}", story.file, person.name))?;
            server.add_domain(jid.domain());
            server.add_user(jid.bare());
        } else {
            sip.add_person(&person.address, Habit::Waits);
        }
    }
    let servers = vec![0; components.len()];
    let setup = GatewaySetup { addr: addr(GATEWAY), servers, domains, settings, seed: 1 };
    world.servers.push(server);
    world.sips.push(sip);
    world.gateways.push(GatewayHost::new(0, setup, world.clock()));
    let until = world.now + Duration::from_secs(5);
    while !world.gateways[0].is_ready() && world.step(until) {}
    Ok(world)
}

fn domains(story: &Story) -> Result<Vec<DomainMapping>, String> {
    if story.domains.is_empty() {
        let sip = DomainMapping::new(Home::Sip, COMPONENT, COMPONENT, None);
        let xmpp = DomainMapping::new(Home::Xmpp, "xmpp.example", "xmpp.example", None);
        return Ok(vec![sip, xmpp]);
    }
    let domain = |line: &super::story::DomainLine| {
        let home = match line.home.as_str() {
            "sip" => Home::Sip,
            "xmpp" => Home::Xmpp,
            other => return Err(format!("{}:{}: home is sip or xmpp, not {other}", story.file, line.line)),
        };
        Ok(DomainMapping::new(home, &line.xmpp, &line.sip, None))
    };
    story.domains.iter().map(domain).collect()
}

fn settings(domains: &[DomainMapping], links: Vec<String>) -> Settings {
    let proxy: SocketAddr = PROXY.parse().expect("an address");
    let next_hop = Destination {
        host: proxy.ip().to_string(),
        port: Some(proxy.port()),
        transport: Some(Transport::Udp),
        secure: false,
    };
    let of_sip: Vec<&DomainMapping> = domains.iter().filter(|domain| domain.home == Home::Sip).collect();
    let route = Route::to(next_hop);
    let peer = Peer::new(
        "proxy",
        vec![Network { first: proxy.ip(), bits: 32 }],
        of_sip.iter().map(|domain| domain.sip_host.clone()).collect(),
    );
    Settings {
        links,
        routes: of_sip.iter().map(|domain| (domain.xmpp.clone(), route.clone())).collect(),
        trust: Trust::new(vec![peer], Stranger::Refuse),
        queue_per_pair: 10,
        messages_to_sip: 1000,
        messages_to_xmpp: 1000,
        version: "1.2.3",
        ..Settings::default()
    }
}

fn account(username: &str, password: &str) -> Account {
    Account { realm: None, username: username.to_owned(), key: Key::password(password) }
}

/// `JID SIP-ADDRESS PASSWORD`: nobody registers for her, she only writes in her own name.
fn linked(value: &str) -> Result<User, String> {
    let words: Vec<&str> = value.split(' ').collect();
    let [jid, aor, password] = words.as_slice() else { return Err("a user is JID SIP-ADDRESS PASSWORD".to_owned()) };
    let aor = Uri::parse(aor).map_err(|_| format!("`{aor}` is no URI"))?;
    let account = account(aor.user().unwrap_or_default(), password);
    Ok(User { jid: (*jid).to_owned(), aor, account, register: None, voicemail: false, watchers: false })
}

fn change(
    world: &mut World,
    settings: &mut Settings,
    domains: &mut [DomainMapping],
    key: &str,
    value: &str,
) -> Result<(), String> {
    let number = || value.parse::<usize>().map_err(|_| format!("`{value}` is no number"));
    let yes = value == "yes";
    match key {
        "confirm_within" => settings.confirm_within = duration(value)?,
        "queue_per_pair" => settings.queue_per_pair = number()?,
        "messages_to_sip" => settings.messages_to_sip = number()?,
        "messages_to_xmpp" => settings.messages_to_xmpp = number()?,
        "strangers" => {
            let stranger = if value == "drop" { Stranger::Drop } else { Stranger::Refuse };
            let proxy: SocketAddr = PROXY.parse().expect("an address");
            let peer = Peer::new(
                "proxy",
                vec![Network { first: proxy.ip(), bits: 32 }],
                domains.iter().filter(|of| of.home == Home::Sip).map(|of| of.sip_host.clone()).collect(),
            );
            settings.trust = Trust::new(vec![peer], stranger);
        }
        "large" => {
            let large = if value == "refuse" { Size::Refuse } else { Size::Tcp };
            settings.routes.iter_mut().for_each(|(_, route)| route.large = large);
        }
        "next_hop" => {
            let (transport, host) = value.split_once(':').ok_or("next_hop is udp:HOST or tcp:HOST")?;
            for (_, route) in &mut settings.routes {
                route.next_hop.transport = Transport::from_token(transport);
                host.clone_into(&mut route.next_hop.host);
            }
        }
        "dns" => {
            let (name, address) = value.split_once('=').ok_or("dns is NAME = ADDRESS")?;
            let address = address.trim().parse().map_err(|_| format!("`{address}` is no address"))?;
            world.names.entry(name.trim().to_owned()).or_default().push(address);
        }
        "numbers" => {
            let mut parts = value.split(' ');
            let mut part = || parts.next().unwrap_or_default().to_owned();
            let plan = NumberPlan::new(&part());
            let plan = NumberPlan { area: part(), extension_length: 4, ..plan };
            let plan = NumberPlan { sip: NumberForm::Extension, jid: NumberForm::Extension, ..plan };
            domains.iter_mut().for_each(|domain| domain.numbers = Some(Box::new(plan.clone())));
        }
        "credentials" => {
            let (username, password) = value.split_once(' ').ok_or("credentials are USER PASSWORD")?;
            settings.routes.iter_mut().for_each(|(_, route)| route.credentials = vec![account(username, password)]);
        }
        "user" => {
            let user = linked(value)?;
            settings.routes.iter_mut().for_each(|(_, route)| route.users = vec![user.clone()]);
        }
        "forward" => settings.routes.iter_mut().for_each(|(_, route)| route.forward = yes),
        "typing" => {
            let typing = match value {
                "yes" => Typing::Always,
                "shown" => Typing::Shown,
                _ => Typing::Never,
            };
            domains.iter_mut().for_each(|domain| domain.typing = typing);
        }
        "options_every" => {
            let every = duration(value)?;
            settings.routes.iter_mut().for_each(|(_, route)| route.options_every = Some(every));
        }
        "max_body" => {
            let most = number()?;
            settings.routes.iter_mut().for_each(|(_, route)| route.max_body = most);
        }
        "call_id_as_thread" => domains.iter_mut().for_each(|domain| domain.call_id_as_thread = yes),
        "pager_as_chat" => domains.iter_mut().for_each(|domain| domain.pager_as_chat = yes),
        other => return Err(format!("there is no setting `{other}`")),
    }
    Ok(())
}
