//! Who may write. All by the database's clock, so clocks of other machines do not matter.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Transaction};

use super::LEASE;
use super::connect::told;
use crate::gateway::record::SHARDS;
use crate::store::error::{Error, Trouble};

/// How often it is looked whether the owner has ended.
const LOOK: Duration = Duration::from_millis(500);

/// Makes the rows of all shards, once.
const MAKE: &str = "INSERT INTO stox_shard (shard, owner, epoch, until)
    SELECT shard, '', 0, now() FROM generate_series(0, $1) AS shard ON CONFLICT DO NOTHING";

/// In the order of their numbers, so that two who try wait for each other and do not deadlock.
const LOCK: &str = "SELECT owner, until > now() AND owner NOT IN ('', $1), extract(epoch FROM until)::double precision,
    epoch FROM stox_shard ORDER BY shard FOR UPDATE";

const TAKE: &str = "UPDATE stox_shard SET owner = $1, epoch = $2, until = now() + $3 * interval '1 second'";

const HOLD: &str = "SELECT count(*) FROM
    (SELECT 1 FROM stox_shard WHERE owner = $1 AND epoch = $2 FOR SHARE) AS held";

const RENEW: &str = "UPDATE stox_shard SET until = now() + $3 * interval '1 second' WHERE owner = $1 AND epoch = $2";

const RELEASE: &str = "UPDATE stox_shard SET until = now(), owner = '' WHERE owner = $1 AND epoch = $2";

/// What this process is called in the table: where it runs, for people, and something that no other has.
pub(super) fn name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut random = [0; 8];
    // Without random numbers the process does not start anyway; until then host and process tell it apart.
    let _ = getrandom::fill(&mut random);
    format!("{} process {} {:016x}", host.trim(), std::process::id(), u64::from_ne_bytes(random))
}

/// What an attempt found.
enum Attempt {
    /// Every shard is ours, in this epoch.
    Ours(i64),
    /// Somebody else has one, until then.
    Theirs(String, f64),
}

/// Takes every shard. If another process has them, it is waited for until its lease lapses, for it may have been killed;
/// once it renews the lease it is alive.
pub(super) async fn wait(name: &str, client: &mut Client, owner: &str) -> Result<i64, Error> {
    let give_up = Instant::now() + LEASE + 2 * LOOK;
    let mut seen: Option<(String, f64)> = None;
    loop {
        let (other, until) = match take(name, client, owner).await? {
            Attempt::Ours(epoch) => return Ok(epoch),
            Attempt::Theirs(other, until) => (other, until),
        };
        let renewed = seen.as_ref().is_some_and(|(_, before)| until > *before);
        if renewed || Instant::now() >= give_up {
            let todo = "stop the other stox, or give each its own database";
            return Err(Error::new(Trouble::InUse, name, format!("is used by another stox ({other})"), todo));
        }
        if seen.is_none() {
            tracing::warn!("{name} was used by {other} a moment ago; waiting until that is over");
        }
        seen = Some((other, until));
        sleep(LOOK).await;
    }
}

async fn take(name: &str, client: &mut Client, owner: &str) -> Result<Attempt, Error> {
    let told = |error| told(name, &error);
    let transaction = client.transaction().await.map_err(told)?;
    transaction.execute(MAKE, &[&(i32::from(SHARDS) - 1)]).await.map_err(told)?;
    let rows = transaction.query(LOCK, &[&owner]).await.map_err(told)?;
    if let Some(row) = rows.iter().find(|row| row.get::<_, bool>(1)) {
        return Ok(Attempt::Theirs(row.get(0), row.get(2)));
    }
    let epoch = rows.iter().map(|row| row.get::<_, i64>(3)).max().unwrap_or(0) + 1;
    transaction.execute(TAKE, &[&owner, &epoch, &LEASE.as_secs_f64()]).await.map_err(told)?;
    transaction.commit().await.map_err(told)?;
    Ok(Attempt::Ours(epoch))
}

/// Takes them once more, in a new epoch, if they still are ours.
pub(super) async fn again(name: &str, client: &mut Client, owner: &str, epoch: i64) -> Result<i64, Error> {
    let told = |error| told(name, &error);
    let transaction = client.transaction().await.map_err(told)?;
    let rows = transaction.query(LOCK, &[&owner]).await.map_err(told)?;
    let ours = |row: &tokio_postgres::Row| row.get::<_, &str>(0) == owner && row.get::<_, i64>(3) == epoch;
    if rows.len() != usize::from(SHARDS) || !rows.iter().all(ours) {
        return Err(taken_over(name));
    }
    transaction.execute(TAKE, &[&owner, &(epoch + 1), &LEASE.as_secs_f64()]).await.map_err(told)?;
    transaction.commit().await.map_err(told)?;
    Ok(epoch + 1)
}

/// Makes sure that they are ours until the end of this transaction.
pub(super) async fn hold(
    name: &str,
    transaction: &Transaction<'_>,
    owner: &str,
    epoch: i64,
    renew: bool,
) -> Result<(), Error> {
    let held = if renew {
        transaction.execute(RENEW, &[&owner, &epoch, &LEASE.as_secs_f64()]).await
    } else {
        let row = transaction.query_one(HOLD, &[&owner, &epoch]).await;
        row.map(|row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    };
    match held.map_err(|error| told(name, &error))? == u64::from(SHARDS) {
        true => Ok(()),
        false => Err(taken_over(name)),
    }
}

/// Lets the next have them at once.
pub(super) async fn release(name: &str, client: &Client, owner: &str, epoch: i64) -> Result<(), Error> {
    client.execute(RELEASE, &[&owner, &epoch]).await.map(drop).map_err(|error| told(name, &error))
}

fn taken_over(name: &str) -> Error {
    let todo = "let only one stox use it; this one ends, and starts again from what is kept";
    Error::new(Trouble::TakenOver, name, "has been taken over by another stox", todo)
}
