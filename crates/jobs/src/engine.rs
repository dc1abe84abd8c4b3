//! The local engine: attempts in processes of this machine.
//!
//! A worker is our own program with `task run PLAN N`. It takes the lease, works, and writes the result;
//! the engine looks at the result only. What a worker says on standard error is kept as the log of the
//! attempt. Dropping the attempt kills the worker.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{JobError, JobStore, Plan, Process, ProcessEnd, TaskEnd};

/// Runs tasks in worker processes.
#[derive(Debug, Clone)]
pub struct LocalEngine {
    /// The program.
    pub program: PathBuf,
    /// What stands before `task run`: options for every command.
    pub arguments: Vec<String>,
    /// What stands after the number of the task: options of `task run`.
    pub task_options: Vec<String>,
}

impl LocalEngine {
    /// Makes an attempt on a task in a process of its own; `attempt` numbers its log, from 1.
    ///
    /// # Errors
    /// [`JobError::Cancelled`], then the worker is stopped; a store of jobs that fails; a program that
    /// cannot be started.
    pub async fn attempt(
        &self,
        store: &JobStore,
        plan: &Plan,
        task: u32,
        attempt: u32,
    ) -> Result<TaskEnd, JobError> {
        let spec = plan.task(task)?;
        let begun = crate::store::now();
        let mut worker = self.start(store, plan, task)?;
        let ProcessEnd { status, log, .. } = wait(store, plan, &mut worker).await?;
        let said = last_line(&log);
        store.put_log(&plan.id, task, attempt, log).await?;
        let result = store.result(&plan.id, task).await?;
        // What an earlier attempt left says nothing of this one, unless it is done.
        if let Some(result) = result.filter(|result| result.is_done() || result.finished >= begun) {
            return Ok(TaskEnd::Result(Box::new(result), None));
        }
        if status.success()
            && let Some(lease) = store.newest_lease(&spec.key).await?
        {
            return Ok(TaskEnd::Held(lease));
        }
        Ok(match status.success() {
            // Whoever had it has given it back meanwhile.
            true => TaskEnd::Lost,
            false => TaskEnd::Crashed {
                reason: format!("the worker ended without a result ({status}): {said}"),
            },
        })
    }

    fn start(&self, store: &JobStore, plan: &Plan, task: u32) -> Result<Process, JobError> {
        let href = store.writer().href(&JobStore::plan_key(&plan.id));
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .args(["task", "run", &href, &task.to_string()])
            .args(&self.task_options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        Process::start(&mut command)
    }
}

/// Waits until the worker ends, or the job is cancelled.
async fn wait(store: &JobStore, plan: &Plan, worker: &mut Process) -> Result<ProcessEnd, JobError> {
    let every = store.lease_options().heartbeat();
    loop {
        tokio::select! {
            biased;
            ended = worker.wait() => return ended,
            () = tokio::time::sleep(every) => {}
        }
        if matches!(store.is_cancelled(&plan.id).await, Ok(true)) {
            let job = plan.id.to_string();
            return Err(JobError::Cancelled { job });
        }
    }
}

fn last_line(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_last_is_the_reason() {
        assert_eq!(
            last_line(b"begun\nerror: disk full\n\n"),
            "error: disk full"
        );
        assert_eq!(last_line(b""), "it said nothing");
    }
}
