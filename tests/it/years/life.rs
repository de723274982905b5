//! Who does what when; what breaks; and the quiet between.

use std::time::Duration;

use super::agent::Policy;
use super::host::Doom;
use super::sip::Asker;
use super::users::pairs_of;
use super::{DAY, Event, HOUR, MINUTE, Years};
use crate::sim::Weather;

/// The end of a hardship.
#[derive(Debug, Clone, Copy)]
pub(super) enum Relief {
    Weather,
    Agent,
    Phones,
    Server,
}

/// As datagrams go on most days.
const FAIR: Weather =
    Weather { delay: Duration::from_millis(2), jitter: Duration::from_millis(30), loss: 3, doubled: 2 };

impl Years {
    /// Everybody comes in the first hours; the gateway is there from the beginning.
    pub(super) fn begin(&mut self) {
        self.birth();
        for one in 0..self.people() {
            let wait = self.chance.up_to(HOUR * 4);
            self.after(wait, Event::User(one));
            let wait = self.chance.up_to(HOUR * 4);
            self.after(wait, Event::Callee(one));
            for pair in pairs_of(one) {
                self.phones.watches[pair].wants = self.chance.per_mille(900);
                let wait = self.chance.up_to(HOUR * 4);
                self.plan(pair, wait);
            }
        }
        self.after(HOUR, Event::Hardship);
    }

    pub(super) fn user_lives(&mut self, user: usize) {
        let wait = self.about(self.pace.ideas);
        self.after(wait, Event::User(user));
        if self.alive {
            self.user_acts(user);
            // Most ask for their contacts on one of their first days.
            if self.now < DAY && self.chance.per_mille(300) {
                pairs_of(user).for_each(|pair| self.ask_to_watch(pair));
            }
        }
    }

    pub(super) fn callee_lives(&mut self, callee: usize) {
        let wait = self.about(self.pace.ideas);
        self.after(wait, Event::Callee(callee));
        if !self.alive {
            return;
        }
        let pairs = self.pairs_of_callee(callee);
        let pair = *self.chance.one_of(&pairs);
        match self.chance.below(100) {
            0..60 => self.callee_changes(callee),
            60..90 => self.callee_decides(pair),
            90..93 => self.end_one(pair),
            93..97 if self.phones.watches[pair].wants => self.stop_watch(pair),
            _ => {
                self.phones.watches[pair].wants = true;
                self.plan(pair, Duration::from_secs(1));
            }
        }
    }

    fn callee_decides(&mut self, pair: usize) {
        let policy = match self.agent.policies[pair] {
            Policy::Undecided if self.agent.of_pair[pair].is_empty() => return,
            Policy::Undecided if self.chance.per_mille(800) => Policy::Allowed,
            Policy::Allowed if self.chance.per_mille(980) => return,
            Policy::Undecided | Policy::Allowed => Policy::Refused,
            Policy::Refused if self.chance.per_mille(200) => Policy::Undecided,
            Policy::Refused => return,
        };
        self.decide(pair, policy);
    }

    pub(super) fn hardship(&mut self) {
        let wait = self.about(self.pace.hardships);
        self.after(wait, Event::Hardship);
        if !self.hard {
            return;
        }
        let relief = match self.chance.below(16) {
            0..3 => {
                let doom = *self.chance.one_of(&[Doom::BeforeCommit, Doom::BeforeOutputs, Doom::Amid, Doom::After]);
                self.host.doom = Some((doom, self.chance.below(12)));
                return;
            }
            3..7 => return self.break_link(),
            7 => Relief::Agent,
            8 => Relief::Phones,
            9 => Relief::Server,
            _ => Relief::Weather,
        };
        match relief {
            Relief::Weather => {
                self.weather = Weather {
                    delay: Duration::from_millis(5),
                    jitter: Duration::from_millis(1 + self.chance.below(900)),
                    loss: self.chance.below(400),
                    doubled: self.chance.below(150),
                };
            }
            Relief::Agent => {
                self.counts.agent_restarts += 1;
                self.agent.is_up = false;
                self.agent.forget_dialogs();
                self.sip.forget(|asker| matches!(asker, Asker::Agent(_)));
                self.sip.forget_answers();
            }
            Relief::Phones => {
                self.phones.is_up = false;
                self.phones.watches.iter_mut().for_each(|watch| watch.dialog = None);
                self.sip.forget(|asker| matches!(asker, Asker::Phone(..)));
            }
            Relief::Server => {
                self.counts.server_restarts += 1;
                self.server.is_up = false;
                self.break_link();
                for user in &mut self.server.users {
                    user.sessions.clear();
                    user.items.iter_mut().for_each(|item| item.shown.clear());
                }
            }
        }
        let longest = if self.chance.per_mille(150) { HOUR * 3 } else { MINUTE * 4 };
        let wait = self.chance.up_to(longest);
        self.after(wait, Event::Relief(relief));
    }

    pub(super) fn relief(&mut self, relief: Relief) {
        match relief {
            Relief::Weather => self.weather = FAIR,
            Relief::Agent => self.agent.is_up = true,
            Relief::Server => self.server.is_up = true,
            Relief::Phones => {
                self.phones.is_up = true;
                for pair in 0..self.phones.watches.len() {
                    let wait = self.chance.up_to(MINUTE * 2);
                    self.plan(pair, wait);
                }
            }
        }
    }

    fn calm(&mut self) {
        self.hard = false;
        self.host.doom = None;
        self.alive = false;
        self.run(HOUR * 4);
        self.weather = Weather::CALM;
    }

    /// Nothing breaks and nobody does anything for longer than a day, but that everybody comes once and says something new.
    /// Then all is as it should be.
    pub(super) fn quiet(&mut self) {
        self.calm();
        for user in 0..self.people() {
            self.log_out_all(user);
            self.run(Duration::from_secs(3));
            self.log_in(user, "desk");
        }
        self.run(HOUR * 30);
        for one in 0..self.people() {
            self.change(one, "desk");
            self.callee_changes(one);
            self.run(Duration::from_secs(1));
        }
        self.run(HOUR);
        self.check_quiet();
        self.alive = true;
        self.hard = true;
    }

    /// Everybody removes everybody, the phones stop, and what is remembered for a while is forgotten.
    pub(super) fn take_everything_back(&mut self) {
        self.calm();
        for user in 0..self.people() {
            self.log_in(user, "desk");
            for pair in pairs_of(user) {
                self.stop_watch(pair);
                self.remove(pair);
            }
            self.run(Duration::from_secs(1));
        }
        // Whose word a broken link has swallowed says it once more: nothing else ends what it was about while nobody asks.
        for (pair, kind) in self.checks.said_in_vain() {
            self.say(pair, kind);
        }
        self.run(DAY * 10);
        self.check_empty();
    }
}
