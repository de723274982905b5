//! The `stox` command: `stox --config FILE` runs, `stox check` tells what is wrong with a configuration, `stox
//! explain` what becomes of an address, `stox store` looks at what is kept and moves it.
//!
//! Exit codes: 0 fine, 1 the configuration (or the address) is wrong, 2 running failed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stox::admin::{ask, escaped};
use stox::config::{Config, DEFAULT_PATH, Domain, Listen, LogFormat, Severity};
use stox::mapping::{Home, Mapping};
use stox::{node, store};

/// A gateway between XMPP and SIP/SIMPLE.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH)]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Tells every mistake in the configuration, without starting anything.
    Check,
    /// Tells what addresses become on the other side, by which mapping, and why. Of two people, one on either side, also
    /// how their subscriptions stand in the stox that runs.
    Explain {
        /// A JID, or a sip:, im:, pres: or tel: URI.
        #[arg(required = true, value_name = "ADDRESS")]
        addresses: Vec<String>,
    },
    /// Looks at what is kept of subscriptions ([store]), and moves it.
    Store {
        #[command(subcommand)]
        what: Kept,
    },
}

#[derive(Subcommand)]
enum Kept {
    /// Reads everything and tells what is wrong. May run beside stox.
    Check,
    /// Writes everything to a file, a record a line: a backup. One that is there is replaced when the new one is whole. May run
    /// beside stox.
    Export {
        /// The file; one that is there is replaced.
        file: PathBuf,
    },
    /// Takes everything from such a file, or nothing. Stop stox first.
    Import {
        /// The file.
        file: PathBuf,
        /// Also into a store that holds records already.
        #[arg(long)]
        merge: bool,
    },
}

const WRONG_CONFIG: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => {
            let code = if told.use_stderr() { WRONG_CONFIG } else { 0 };
            // Nothing is left to be done about a terminal that takes no text.
            let _ = told.print();
            return ExitCode::from(code);
        }
    };
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(problems) => {
            let text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            // What is wrong is what `check` is asked for; the other commands are disturbed by it.
            if matches!(arguments.command, Some(Command::Check)) {
                print!("{text}")
            } else {
                eprint!("{text}")
            }
            return ExitCode::from(WRONG_CONFIG);
        }
    };
    match arguments.command {
        None => run(config),
        Some(Command::Check) => check(&config, &arguments.config),
        Some(Command::Explain { addresses }) => explain(&config, &addresses),
        Some(Command::Store { what }) => kept(&config, &what),
    }
}

fn kept(config: &Config, what: &Kept) -> ExitCode {
    let place = node::place(config);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the runtime could not be started: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let done: Result<String, Vec<String>> = runtime.block_on(async {
        match what {
            Kept::Check => {
                let report = store::check(&place).await.map_err(|error| vec![error.to_string()])?;
                match report.found.is_empty() {
                    true => Ok(format!("{place}: OK: {}", report.counts)),
                    false => Err(report.found.iter().map(|found| format!("{place}: {found}")).collect()),
                }
            }
            Kept::Export { file } => {
                let exported = store::export(&place, file).await.map_err(|error| vec![error.to_string()])?;
                Ok(format!("{}: {exported}", file.display()))
            }
            Kept::Import { file, merge } => {
                let lines = |errors: Vec<store::Error>| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
                let imported = store::import(&place, file, *merge).await.map_err(lines)?;
                Ok(format!("{place}: took {imported}"))
            }
        }
    });
    match done {
        Ok(told) => {
            println!("{told}");
            ExitCode::SUCCESS
        }
        Err(told) => {
            told.iter().for_each(|line| eprintln!("{line}"));
            ExitCode::from(FAILED)
        }
    }
}

fn run(config: Config) -> ExitCode {
    log_to_stderr(&config);
    for told in &config.warnings {
        match told.severity {
            Severity::Error | Severity::Failing => tracing::error!("{told}"),
            Severity::Warning => tracing::warn!("{told}"),
        }
    }
    match node::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", with_causes(&error));
            ExitCode::from(FAILED)
        }
    }
}

/// The error and what caused it, one sentence.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The level as it is written; with "debug" or "trace", what is stox's own, for libraries tell each packet then. Whoever
/// names one of them gets it: the later of two directives for one part holds.
fn filter(level: &str) -> String {
    const LIBRARIES: [&str; 7] =
        ["hickory_net", "hickory_proto", "hickory_resolver", "hyper", "hyper_util", "mio", "rustls"];
    let everything = level.split(',').any(|directive| ["debug", "trace"].contains(&directive));
    let quiet = LIBRARIES.iter().filter(|_| everything).map(|name| format!("{name}=warn,"));
    quiet.collect::<String>() + level
}

fn log_to_stderr(config: &Config) {
    // The level was checked when the configuration was read; `info` is what it would be without one.
    let filter = tracing_subscriber::EnvFilter::try_new(filter(&config.log.level)).unwrap_or_else(|_| "info".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Human => log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).init(),
        LogFormat::Json => log.json().init(),
    }
}

fn check(config: &Config, file: &Path) -> ExitCode {
    for warning in &config.warnings {
        println!("{warning}");
    }
    if config.warnings.iter().any(|told| told.severity == Severity::Failing) {
        return ExitCode::from(WRONG_CONFIG);
    }
    if matches!(node::place(config), store::Place::Memory) && config.store.is_none() {
        let todo = "write [store] url = \"sqlite:/var/lib/stox/stox.db\"; under systemd StateDirectory= does it";
        println!("{}: warning: store: subscriptions are forgotten when stox ends; {todo}", file.display());
    }
    if let Some(store::Place::Sqlite(path)) = &config.store
        && let Some(directory) = path.parent().filter(|directory| !directory.exists())
    {
        let todo = "make it, for the user that stox runs as; under systemd StateDirectory= does it";
        println!("{}: warning: store.url: there is no {}; {todo}", file.display(), directory.display());
    }
    println!("{}: OK: {}", file.display(), summary(config));
    ExitCode::SUCCESS
}

/// The domains with what the SIP servers are, which of them stox federates, and every socket.
fn summary(config: &Config) -> String {
    let domain = |domain: &Domain| match domain.peer.filter(|_| domain.mapping.home == Home::Sip) {
        Some(peer) => format!("{} ({})", domain.mapping.name(), peer.name),
        None => domain.mapping.name(),
    };
    let sockets = |listen: &[Listen]| listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let domains: Vec<_> = config.domains.iter().map(domain).collect();
    let (domains, sip) = (domains.join(", "), sockets(&config.sip.listen));
    match &config.server {
        None => format!("{domains}; listening on {sip}"),
        Some(server) => format!(
            "{domains}; federated: {}; listening on {sip}, and for XMPP servers on {}",
            server.domains.join(", "),
            sockets(&server.listen)
        ),
    }
}

/// For each address a line with what it becomes, then the steps.
fn explain(config: &Config, addresses: &[String]) -> ExitCode {
    let mapping = match Mapping::new(config.mappings()) {
        Ok(mapping) => mapping,
        Err(conflicts) => {
            for conflict in conflicts {
                eprintln!("{}: {}", config.file.display(), conflict.text);
            }
            return ExitCode::from(WRONG_CONFIG);
        }
    };
    let mut code = ExitCode::SUCCESS;
    let mut told = Vec::new();
    let mut users = Vec::new();
    for address in addresses {
        let explanation = mapping.explain(address);
        users.extend(explanation.jid.clone());
        match &explanation.outcome {
            Ok(there) => println!("{address} -> {there}"),
            Err(why) => {
                println!("{address} -> nothing: {why}");
                code = ExitCode::from(WRONG_CONFIG);
            }
        }
        for step in &explanation.steps {
            println!("  {}: {}", step.what, step.result);
        }
        for step in node::way(config, &explanation) {
            println!("  {step}");
        }
        let domain = config.domains.iter().find(|domain| Some(&domain.mapping.xmpp) == explanation.domain.as_ref());
        // Said once: it is about the domain, not about the address.
        if let Some(peer) = domain.and_then(|domain| domain.peer)
            && !told.contains(&peer.name)
        {
            told.push(peer.name.clone());
            for claim in &peer.claims {
                println!("  peer {}: {claim} [{}]", peer.name, claim.source);
            }
        }
    }
    if let [one, other] = users.as_slice() {
        explain_pair(config, one, other);
    }
    code
}

/// How the subscriptions between two people stand in the stox that runs with this configuration.
fn explain_pair(config: &Config, one: &str, other: &str) {
    let Some(admin) = &config.admin else {
        println!("subscriptions: unknown; with [admin] listen the running stox could be asked");
        return;
    };
    let path = format!("/explain?one={}&other={}", escaped(one), escaped(other));
    match ask(admin.listen, &path) {
        Ok(lines) => print!("{lines}"),
        Err(error) => println!("subscriptions: unknown; stox does not answer at {} ({error})", admin.listen),
    }
}
