//! Group commit: many small writes become one durable commit.
//!
//! A [`Group`] owns a task that takes jobs from a queue. It commits at once when idle; whatever
//! arrived while a commit was under way makes the next one. Each job gets its result only after
//! the commit that holds it has returned.
//!
//! ```text
//! failed apply, full disk, lock not had   rolled back, every asker told, the next group goes on
//! the disk itself failed                  stopped for good: a later sync can succeed without the data
//! ```

use std::{future::Future, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{
    Conn, Db, Dialect, Reads, Rows, StoreError, Writes,
    error::UnknownCommit,
    transaction::{BEGIN_AND_THEN, begin_locked, commit_locked, rollback},
};

/// Longest time of one commit on PostgreSQL. Then the connection is dropped, which cancels nothing: a server that
/// still waits for a standby goes on waiting, and holds the lock meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a group does with the jobs of one commit.
pub trait GroupWork: Send + 'static {
    /// One write that was asked for.
    type Job: Send + 'static;
    /// What the asker gets after the commit.
    type Done: Send + 'static;

    /// Applies all jobs inside one transaction and returns one result per job, in order.
    /// An error rolls the whole group back; outcomes of single jobs are values in `Done`.
    fn apply(
        &mut self,
        tx: &mut GroupTx<'_>,
        jobs: Vec<Self::Job>,
    ) -> impl Future<Output = Result<Vec<Self::Done>, StoreError>> + Send;

    /// Called after the commit returned, before any result is given out.
    fn committed(&mut self) {}

    /// Called after a failure. The outcome in the database may be unknown: memory state must be dropped.
    fn failed(&mut self) {}
}

/// The transaction of one group.
pub struct GroupTx<'c> {
    conn: &'c mut Conn,
    dialect: Dialect,
    begun: bool,
    last: Writes,
    then: Vec<Box<dyn FnOnce() + Send>>,
}

impl std::fmt::Debug for GroupTx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GroupTx")
            .field("begun", &self.begun)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl<'c> GroupTx<'c> {
    fn new(conn: &'c mut Conn, dialect: Dialect) -> Self {
        Self { conn, dialect, begun: false, last: Writes::new(dialect), then: Vec::new() }
    }

    /// Which database this is.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The connection, inside the transaction, and the writes that come last.
    ///
    /// # Errors
    /// What the database says to its beginning.
    pub async fn begun(&mut self) -> Result<(&mut Conn, &mut Writes), StoreError> {
        if !self.begun {
            // Also when it fails: who is stopped in the middle does not know.
            self.begun = true;
            begin_locked(self.conn).await?;
        }
        Ok((self.conn, &mut self.last))
    }

    /// Reads inside the transaction. The first ones of a transaction go in one message with its beginning.
    ///
    /// # Errors
    /// What the database says.
    pub async fn fetch(&mut self, reads: Reads) -> Result<Rows, StoreError> {
        let mut first = None;
        // Where there is nothing to read, the beginning goes by itself.
        if !self.begun && self.dialect == Dialect::Sqlite && !reads.is_empty() {
            self.begun = true;
            first = Some(BEGIN_AND_THEN);
        }
        let (conn, _) = self.begun().await?;
        reads.fetch_behind(conn, first).await
    }

    /// The writes that come last, in one message with the COMMIT: those that nothing in this transaction reads.
    pub fn last(&mut self) -> &mut Writes {
        &mut self.last
    }

    /// Has something done once the commit returned, before any result is given out; dropped when it fails.
    pub fn once_committed(&mut self, then: impl FnOnce() + Send + 'static) {
        self.then.push(Box::new(then));
    }

    async fn commit(&mut self) -> Result<(), StoreError> {
        if !self.begun && self.last.is_empty() {
            return Ok(());
        }
        match self.dialect {
            Dialect::Sqlite => {
                let begins = !std::mem::replace(&mut self.begun, true);
                self.last.commit_sqlite(self.conn, begins).await
            }
            Dialect::Postgres => {
                let (conn, last) = self.begun().await?;
                last.flush(conn).await?;
                commit_locked(conn).await
            }
        }
    }
}

/// The queue is full: the caller should say so to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many writes are waiting")]
pub struct Overloaded;

type Queued<W> = (<W as GroupWork>::Job, oneshot::Sender<Result<<W as GroupWork>::Done, StoreError>>);

/// A handle to the writer task; clones share it. The task ends when all handles are gone.
pub struct Group<W: GroupWork> {
    queue: mpsc::Sender<Queued<W>>,
}

impl<W: GroupWork> Clone for Group<W> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<W: GroupWork> std::fmt::Debug for Group<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("waiting", &(self.queue.max_capacity() - self.queue.capacity()))
            .finish()
    }
}

impl<W: GroupWork> Group<W> {
    /// Starts the writer. `waiting` bounds the queue, `largest` the jobs of one commit; both are at least 1.
    #[must_use]
    pub fn start(db: Db, work: W, waiting: usize, largest: usize) -> Self {
        let (queue, jobs) = mpsc::channel(waiting.max(1));
        tokio::spawn(run(db, work, jobs, largest.max(1)));
        Self { queue }
    }

    /// Hands a job in and waits until it is durable. Once handed in, the job is carried out even if
    /// the caller goes away.
    ///
    /// # Errors
    /// [`StoreError::GroupFailed`] when nothing of its group was written, or nobody knows whether it was;
    /// [`StoreError::Stopped`].
    pub async fn submit(&self, job: W::Job) -> Result<W::Done, StoreError> {
        let (reply, result) = oneshot::channel();
        self.queue.send((job, reply)).await.map_err(|_| StoreError::Stopped)?;
        result.await.map_err(|_| StoreError::Stopped)?
    }

    /// Like [`Group::submit`], but refuses at once when the queue is full.
    ///
    /// # Errors
    /// [`Overloaded`]; inside, as [`Group::submit`].
    pub async fn try_submit(&self, job: W::Job) -> Result<Result<W::Done, StoreError>, Overloaded> {
        let (reply, result) = oneshot::channel();
        match self.queue.try_send((job, reply)) {
            Ok(()) => Ok(result.await.unwrap_or(Err(StoreError::Stopped))),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => Ok(Err(StoreError::Stopped)),
        }
    }

    /// Waits until the writer has stopped, which it does only when the disk failed: the process should end
    /// and be started again, so that the database is recovered.
    pub async fn stopped(&self) {
        self.queue.closed().await;
    }
}

async fn run<W: GroupWork>(db: Db, mut work: W, mut queue: mpsc::Receiver<Queued<W>>, largest: usize) {
    let mut taken = Vec::new();
    while queue.recv_many(&mut taken, largest).await > 0 {
        // Whoever is ready to run goes first and may hand in a job too. When idle that is nobody and costs
        // nothing; under load a commit then holds many jobs instead of few.
        tokio::task::yield_now().await;
        while taken.len() < largest
            && let Ok(queued) = queue.try_recv()
        {
            taken.push(queued);
        }
        let (jobs, replies): (Vec<_>, Vec<_>) = taken.drain(..).unzip();
        match bounded(&db, commit_group(&db, &mut work, jobs)).await {
            Ok(results) => {
                work.committed();
                // A caller that went away has no use for its result; the write stands.
                replies.into_iter().zip(results).for_each(|(reply, done)| drop(reply.send(Ok(done))));
            }
            Err(error) => {
                tracing::error!(%error, jobs = replies.len(), "write group failed");
                work.failed();
                let stops = error.is_io_failure();
                if stops {
                    // Before anyone is told, so that who is told finds the queue closed.
                    queue.close();
                }
                let error = Arc::new(error);
                replies
                    .into_iter()
                    .for_each(|reply| drop(reply.send(Err(StoreError::GroupFailed(Arc::clone(&error))))));
                if stops {
                    tracing::error!("the disk failed; no more writes until the process is started again");
                    return;
                }
            }
        }
    }
}

async fn bounded<T>(db: &Db, commit: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    match db.dialect() {
        Dialect::Sqlite => commit.await,
        Dialect::Postgres => tokio::time::timeout(PATIENCE, commit)
            .await
            .unwrap_or(Err(StoreError::UnknownOutcome(UnknownCommit::Late))),
    }
}

async fn commit_group<W: GroupWork>(
    db: &Db,
    work: &mut W,
    jobs: Vec<W::Job>,
) -> Result<Vec<W::Done>, StoreError> {
    let mut conn = db.write().await?;
    conn.is_dirty();
    let due = jobs.len();
    let mut tx = GroupTx::new(&mut conn, db.dialect());
    let outcome = match work.apply(&mut tx, jobs).await {
        // Answers would go to the wrong askers.
        Ok(done) if done.len() != due => Err(StoreError::WrongCount { due, found: done.len() }),
        Ok(done) => tx.commit().await.map(|()| {
            tx.then.drain(..).for_each(|then| then());
            done
        }),
        Err(error) => Err(error),
    };
    let begun = tx.begun;
    // A connection that cannot undo is closed, which undoes on PostgreSQL; on SQLite there was nothing to undo.
    if outcome.is_ok() || !begun || rollback(&mut conn).await || db.dialect() == Dialect::Sqlite {
        conn.is_clean();
    }
    outcome
}
