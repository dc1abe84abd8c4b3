//! A response body that can be cut, stalled or slowed, and the socket under it that can be reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::stats::{Entry, InFlight};

const CHUNK_BYTES: u64 = 64 * 1024;
/// Time for the bytes before a cut to leave the process; the server flushes while the body waits.
const FLUSH_PAUSE: Duration = Duration::from_millis(10);
/// A slow body sends this many chunks a second.
const SLOW_CHUNKS_PER_SECOND: u64 = 20;

/// How a body ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Close,
    Reset,
    Stall,
}

/// What happens to a body on its way out.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Delivery {
    /// The cut and the number of bytes sent before it.
    pub(crate) cut: Option<(u64, Cut)>,
    pub(crate) bytes_per_second: Option<u64>,
}

/// Set when the connection is to end with a reset instead of a proper close.
pub(crate) type ResetFlag = Arc<AtomicBool>;

#[derive(Debug)]
pub(crate) struct FaultBody {
    rest: Bytes,
    delivery: Delivery,
    bytes_sent: u64,
    pause: Option<Pin<Box<Sleep>>>,
    is_flushed: bool,
    reset: ResetFlag,
    entry: Arc<Entry>,
    _in_flight: InFlight,
}

impl FaultBody {
    pub(crate) fn new(
        content: Bytes,
        delivery: Delivery,
        reset: ResetFlag,
        (entry, in_flight): (Arc<Entry>, InFlight),
    ) -> Self {
        Self {
            rest: content,
            delivery,
            bytes_sent: 0,
            pause: None,
            is_flushed: false,
            reset,
            entry,
            _in_flight: in_flight,
        }
    }

    fn pause(&mut self, context: &mut Context<'_>, duration: Duration) {
        let mut sleep = Box::pin(tokio::time::sleep(duration));
        if sleep.as_mut().poll(context).is_pending() {
            self.pause = Some(sleep);
        }
    }

    fn next_chunk_bytes(&self) -> u64 {
        let mut bytes = CHUNK_BYTES.min(self.rest.len() as u64);
        if let Some((position, _)) = self.delivery.cut {
            bytes = bytes.min(position.saturating_sub(self.bytes_sent));
        }
        if let Some(pace) = self.delivery.bytes_per_second {
            bytes = bytes.min((pace / SLOW_CHUNKS_PER_SECOND).max(1));
        }
        bytes
    }
}

impl Body for FaultBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(sleep) = self.pause.as_mut() {
            std::task::ready!(sleep.as_mut().poll(context));
            self.pause = None;
        }
        if let Some((position, cut)) = self.delivery.cut
            && self.bytes_sent >= position
        {
            if cut == Cut::Stall {
                return Poll::Pending;
            }
            if !self.is_flushed {
                self.is_flushed = true;
                self.pause(context, FLUSH_PAUSE);
                return Poll::Pending;
            }
            self.reset.store(cut == Cut::Reset, Ordering::SeqCst);
            return Poll::Ready(Some(Err(io::Error::other("injected fault"))));
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let bytes = self.next_chunk_bytes();
        let chunk = self.rest.split_to(bytes as usize);
        self.bytes_sent += bytes;
        self.entry.add_sent(bytes);
        if let Some(pace) = self.delivery.bytes_per_second {
            self.pause(
                context,
                Duration::from_secs_f64(bytes as f64 / pace.max(1) as f64),
            );
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.delivery.cut.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// A socket that is reset when dropped with its flag set.
pub(crate) struct ResettableStream {
    inner: TcpStream,
    reset: ResetFlag,
}

impl ResettableStream {
    pub(crate) fn new(inner: TcpStream, reset: ResetFlag) -> Self {
        Self { inner, reset }
    }
}

impl Drop for ResettableStream {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // With a linger of zero the kernel answers with RST instead of FIN; should the option
            // fail, the client sees a close, which is a fault too.
            let _ = self.inner.set_zero_linger();
        }
    }
}

impl AsyncRead for ResettableStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for ResettableStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.reset.load(Ordering::SeqCst) {
            // A proper shutdown would send FIN ahead of the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
