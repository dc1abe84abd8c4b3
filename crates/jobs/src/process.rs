//! A process under way: watched without a thread of its own, killed when it is not wanted any more.

use std::io::Read;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use crate::JobError;

/// Time between two looks at a process.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes of its output that are kept: the last ones.
pub(crate) const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// What a process said and how it ended.
#[derive(Debug)]
pub struct ProcessEnd {
    /// Its exit status.
    pub status: ExitStatus,
    /// The end of its standard output, where that was a pipe.
    pub output: Vec<u8>,
    /// The end of its standard error, where that was a pipe.
    pub log: Vec<u8>,
}

type Reader = std::thread::JoinHandle<Vec<u8>>;

/// A process; dropped before it has ended, it is killed and reaped.
#[derive(Debug)]
pub struct Process {
    program: String,
    child: Child,
    output: Option<Reader>,
    log: Option<Reader>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is no error; a killed one must not stay as a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts a command; of its pipes, if any, the end is kept.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self, JobError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|error| failed(&program, &error))?;
        let output = child.stdout.take();
        let log = child.stderr.take();
        Ok(Self {
            output: output.map(|stream| std::thread::spawn(move || read_end(stream))),
            log: log.map(|stream| std::thread::spawn(move || read_end(stream))),
            program,
            child,
        })
    }

    /// Waits until it ends. Safe to drop, and to call again.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub async fn wait(&mut self) -> Result<ProcessEnd, JobError> {
        let status = loop {
            let ended = self.child.try_wait();
            match ended.map_err(|error| failed(&self.program, &error))? {
                Some(status) => break status,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        };
        let read = |reader: Option<Reader>| reader.and_then(|reader| reader.join().ok());
        Ok(ProcessEnd {
            status,
            output: read(self.output.take()).unwrap_or_default(),
            log: read(self.log.take()).unwrap_or_default(),
        })
    }
}

fn failed(program: &str, error: &std::io::Error) -> JobError {
    JobError::Process {
        program: program.to_owned(),
        reason: error.to_string(),
    }
}

/// Reads to the end and keeps what was said last.
fn read_end(mut stream: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8 << 10];
    // A stream that fails has ended.
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        if kept.len() > 2 * OUTPUT_BYTES_MAX {
            kept.drain(..kept.len() - OUTPUT_BYTES_MAX);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_much_output_the_end_is_kept() {
        let text = "line\n".repeat(OUTPUT_BYTES_MAX);
        let kept = read_end(format!("{text}the end").as_bytes());
        assert!(kept.len() <= 2 * OUTPUT_BYTES_MAX);
        assert!(kept.ends_with(b"the end"));
    }
}
